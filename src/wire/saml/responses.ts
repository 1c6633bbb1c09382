/** Answers to a sign-on: made for the services we sign people in to, read from the providers that sign people in to us. */
import type { KeyObject } from 'node:crypto';
import type { Document, Element } from '@xmldom/xmldom';
import {
  type AssertionToMake,
  type Audience,
  assertionMarkup,
  type ReadAssertion,
  readAssertion,
} from './assertions.ts';
import { decryptAssertion, encryptAssertion } from './encryption.ts';
import {
  headerAttributes,
  issuerMarkup,
  type Making,
  readIdentity,
  readIssuer,
  readStatus,
  refuseEarly,
  type Status,
  statusMarkup,
} from './messages.ts';
import { refuse } from './refusal.ts';
import { MESSAGE_LIMIT, STATUS } from './saml.ts';
import { isSigned, type Signer, signElement, verifyElement } from './signature.ts';
import {
  attributeOf,
  child,
  children,
  countNamed,
  embed,
  isNamed,
  type Markup,
  parseXml,
  xml,
} from './xml.ts';

export interface ResponseToMake
  extends Omit<AssertionToMake, 'issuer' | 'issueInstant'>,
    Omit<Making, 'destination'> {
  /** What is signed. The assertion alone is what most services ask for. */
  sign: 'response' | 'assertion' | 'both';
  signer: Signer;
  /** Encrypts the (signed) assertion for the holder of this certificate (PEM). */
  encryptFor?: string;
}

/** A Response with one assertion, delivered by POST to `acsUrl` (saml-profiles 4.1.4.2). */
export async function makeResponse(made: ResponseToMake): Promise<string> {
  let assertion = assertionMarkup(made).markup;
  if (made.sign !== 'response') assertion = signElement(assertion, { id: made.assertionId, ...made.signer });
  if (made.encryptFor !== undefined) assertion = await encryptAssertion(assertion, made.encryptFor);
  const response = responseText(
    { ...made, destination: made.acsUrl },
    { status: STATUS.success },
    embed(assertion),
  );
  return made.sign === 'assertion' ? response : signElement(response, { id: made.id, ...made.signer });
}

export interface ErrorResponseToMake extends Making, Status {
  inResponseTo?: string;
  /** Signed when given. */
  signer?: Signer;
}

/** A Response that says no (saml-core 3.2.2): `STATUS.noPassive` below `STATUS.responder`, say. */
export function makeErrorResponse(made: ErrorResponseToMake): string {
  const response = responseText(made, made);
  return made.signer ? signElement(response, { id: made.id, ...made.signer }) : response;
}

function responseText(made: Making & { inResponseTo?: string }, status: Status, assertion?: Markup): string {
  const attributes = { ...headerAttributes(made), InResponseTo: made.inResponseTo };
  return xml('samlp:Response', attributes, [issuerMarkup(made.issuer), statusMarkup(status), assertion])
    .markup;
}

export interface ResponseExpectation extends Audience {
  /** The provider's signing certificates as configured (PEM). Expired ones still count: that is the caller's policy. */
  certificates: readonly string[];
  /** Our keys (PEM or key objects); needed only where assertions are encrypted. */
  decryptionKeys?: readonly (string | KeyObject)[];
  /** Refuses assertions in clear. */
  wantEncrypted?: boolean;
}

/**
 * Reads a Response delivered to `acsUrl` and believes it, or throws `SamlRefusal`. The response or its assertion must
 * be signed by a configured key, and every signature that is there must be good. What is returned was read from
 * verified bytes only. The caller uses up its request and remembers `assertionId`.
 */
export function readResponse(text: string, expected: ResponseExpectation): ReadAssertion {
  const document = parseXml(text, { maxBytes: MESSAGE_LIMIT });
  const received = document.documentElement ?? refuse('not-xml');
  lookAtEnvelope(document, received);
  const signed = isSigned(received);
  checkResponse(received, expected, signed);
  // The signature of the response stays valid for what is read next: the re-parsed copy.
  const response = signed
    ? verifyElement(received, { rootName: 'samlp:Response', certificates: expected.certificates })
    : received;
  if (signed) checkResponse(response, expected, true);
  return readAssertion(assertionOf(response, signed, expected), expected);
}

/**
 * Exactly one assertion, below the response, and no message inside the message; signatures only on those two (SA-01,
 * SA-02). Whatever else stands in Extensions, Object or Advice, no second one of these does.
 */
function lookAtEnvelope(document: Document, response: Element): void {
  if (!isNamed(response, 'samlp:Response')) refuse('root', response.tagName);
  if (countNamed(document, 'samlp:Response', 'samlp:ArtifactResponse') !== 1) refuse('nested-message');
  const direct = [...children(response, 'saml:Assertion'), ...children(response, 'saml:EncryptedAssertion')];
  const anywhere = countNamed(document, 'saml:Assertion', 'saml:EncryptedAssertion');
  if (anywhere > 1 || anywhere !== direct.length) refuse('assertion-count', `${anywhere} in all`);
  const places = [response, ...direct];
  const signatures = places.flatMap((place) => children(place, 'ds:Signature')).length;
  const most = places.every((place) => children(place, 'ds:Signature').length <= 1);
  if (!most || countNamed(document, 'ds:Signature') !== signatures) refuse('signature-count');
}

/** What the response itself says. Where it is not signed, this can only refuse more. */
function checkResponse(response: Element, expected: ResponseExpectation, signed: boolean): void {
  const { issueInstant } = readIdentity(response);
  const { status, subStatus } = readStatus(response);
  if (status !== STATUS.success) refuse('status', subStatus ? `${status} ${subStatus}` : status);
  const issuer = child(response, 'saml:Issuer');
  if (issuer && readIssuer(issuer) !== expected.idpEntityId) refuse('issuer', readIssuer(issuer));
  const destination = attributeOf(response, 'Destination');
  // A signed response must say where it goes (saml-bindings 3.5.5.2).
  if (destination === undefined ? signed : destination !== expected.acsUrl)
    refuse('destination', destination);
  const inResponseTo = attributeOf(response, 'InResponseTo');
  if (inResponseTo !== expected.inResponseTo) refuse('in-response-to', inResponseTo);
  refuseEarly(issueInstant, expected);
}

/** The assertion as verified: by its own signature, or by that of the response around it (or around its ciphertext). */
function assertionOf(response: Element, trusted: boolean, expected: ResponseExpectation): Element {
  const encrypted = child(response, 'saml:EncryptedAssertion');
  const assertion = encrypted
    ? decryptAssertion(encrypted, expected.decryptionKeys ?? [])
    : (child(response, 'saml:Assertion') ?? refuse('assertion-count', 'none'));
  if (!encrypted && expected.wantEncrypted) refuse('not-encrypted');
  if (encrypted) {
    if (countNamed(assertion, 'saml:Assertion', 'saml:EncryptedAssertion') !== 1) refuse('assertion-count');
    const own = children(assertion, 'ds:Signature').length;
    if (own > 1 || countNamed(assertion, 'ds:Signature') !== own) refuse('signature-count');
  }
  if (!isSigned(assertion)) return trusted ? assertion : refuse('unsigned');
  return verifyElement(assertion, { rootName: 'saml:Assertion', certificates: expected.certificates });
}
