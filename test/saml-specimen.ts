/**
 * One valid SAML response and what it takes to forge it. `edited` signs whatever a test wrote into it with the genuine
 * key; `rewritten` moves parts of a signed one about; `signedElsewhere` signs with xml-crypto, which knows every
 * algorithm we do not.
 */
import assert from 'node:assert/strict';
import { DOMParser, type Document, type Element, XMLSerializer } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';
import { assertionMarkup } from '#wire/saml/assertions.ts';
import type { SamlRefusal, SamlRefusalCode } from '#wire/saml/refusal.ts';
import {
  makeResponse,
  type ResponseExpectation,
  type ResponseToMake,
  readResponse,
} from '#wire/saml/responses.ts';
import { AUTHN_CONTEXT, NAME_ID, NS } from '#wire/saml/saml.ts';
import { signElement } from '#wire/saml/signature.ts';
import { samlKey } from './saml.ts';

export const idp = await samlKey({ name: 'identity provider' });
export const sp = await samlKey({ name: 'service' });
export const attacker = await samlKey({ name: 'identity provider' });

export const now = new Date('2026-03-01T12:00:00.000Z');
export const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);

export const made: ResponseToMake = {
  id: '_response1',
  assertionId: '_assertion1',
  issuer: 'https://id.example.org/saml',
  issueInstant: now,
  audience: 'https://sp.example.org/metadata',
  acsUrl: 'https://sp.example.org/acs',
  inResponseTo: '_request1',
  nameId: { value: 'ada', format: NAME_ID.persistent, spNameQualifier: 'https://sp.example.org/metadata' },
  notBefore: later(-60),
  notOnOrAfter: later(300),
  authnInstant: later(-10),
  authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
  sessionIndex: '_session1',
  sessionNotOnOrAfter: later(3600),
  attributes: [
    { name: 'role', values: ['reader', 'writer'] },
    { name: 'mail', values: ['ada@example.org'] },
  ],
  sign: 'assertion',
  signer: idp,
};

export const expected: ResponseExpectation = {
  entityId: made.audience,
  acsUrl: made.acsUrl,
  idpEntityId: made.issuer,
  certificates: [idp.certificate],
  decryptionKeys: [sp.key],
  inResponseTo: made.inResponseTo,
  now,
  skewSeconds: 30,
};

/** What `made` says, as read; nothing else may ever be. */
export const truth = {
  assertionId: '_assertion1',
  nameId: 'ada',
  nameIdFormat: NAME_ID.persistent,
  nameQualifier: undefined,
  spNameQualifier: made.audience,
  attributes: new Map([
    ['role', ['reader', 'writer']],
    ['mail', ['ada@example.org']],
  ]),
  sessionIndex: '_session1',
  sessionNotOnOrAfter: later(3600),
  authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
  authnInstant: later(-10),
  notOnOrAfter: later(300),
  inResponseTo: '_request1',
};

export const bySignature = {
  assertion: await makeResponse(made),
  response: await makeResponse({ ...made, sign: 'response' }),
  both: await makeResponse({ ...made, sign: 'both' }),
};

/** The text is read, and says the truth. */
export function accepted(text: string, expectation: ResponseExpectation = expected): void {
  assert.deepEqual(readResponse(text, expectation), truth);
}

/** The text is refused, with this code and no other. */
export function refused(
  text: string,
  code: SamlRefusalCode,
  expectation: ResponseExpectation = expected,
): void {
  try {
    const read = readResponse(text, expectation);
    assert.fail(`accepted as ${read.nameId}`);
  } catch (error) {
    assert.equal((error as Error).name, 'SamlRefusal', String(error));
    assert.equal((error as SamlRefusal).code, code, String(error));
  }
}

type Edit = (text: string) => string;

/** One replacement that must hit. */
export const swap =
  (from: string, to: string): Edit =>
  (text) => {
    assert.ok(text.includes(from), `nothing to replace: ${from}`);
    return text.replace(from, to);
  };

/** A response whose parts were edited before the genuine key signed them. */
export function edited(
  edits: { assertion?: Edit; response?: Edit },
  sign: ResponseToMake['sign'] = 'assertion',
  over: Partial<ResponseToMake> = {},
): string {
  const parts = { ...made, ...over };
  let assertion = (edits.assertion ?? String)(assertionMarkup(parts).markup);
  if (sign !== 'response') assertion = signElement(assertion, { id: parts.assertionId, ...parts.signer });
  const shell = bySignature.assertion.replace(/<saml:Assertion .*<\/saml:Assertion>/s, () => assertion);
  const response = (edits.response ?? String)(shell);
  return sign === 'assertion' ? response : signElement(response, { id: parts.id, ...parts.signer });
}

/** Parts of a parsed response, by name. */
export interface Parts {
  document: Document;
  response: Element;
  assertion: Element;
  signature: Element;
  /** A copy of the signed element that says something else, without a signature. */
  evil: Element;
  make(name: string, namespace: string): Element;
}

/** Parses a signed response, lets a test move its parts about, and writes it again. */
export function rewritten(sign: 'assertion' | 'response', id: string, move: (parts: Parts) => void): string {
  const document = new DOMParser().parseFromString(bySignature[sign], 'text/xml');
  const response = document.documentElement!;
  const assertion = response.getElementsByTagNameNS(NS.saml, 'Assertion').item(0)!;
  const signature = response.getElementsByTagNameNS(NS.ds, 'Signature').item(0)!;
  const evil = (sign === 'assertion' ? assertion : response).cloneNode(true) as Element;
  const copied = evil.getElementsByTagNameNS(NS.ds, 'Signature').item(0)!;
  copied.parentNode!.removeChild(copied);
  evil.getElementsByTagNameNS(NS.saml, 'NameID').item(0)!.textContent = 'admin';
  evil.setAttribute('ID', id);
  if (sign === 'response' && id !== made.id) {
    evil.getElementsByTagNameNS(NS.saml, 'Assertion').item(0)!.setAttribute('ID', `${id}Assertion`);
  }
  const make = (name: string, namespace: string) => document.createElementNS(namespace, name);
  move({ document, response, assertion, signature, evil, make });
  return new XMLSerializer().serializeToString(document);
}

export interface Elsewhere {
  signature?: string;
  digest?: string;
  canonical?: string;
  transforms?: string[];
  key?: string;
  certificate?: string;
  setup?(signed: SignedXml): void;
}

/** The assertion of `made`, signed by xml-crypto as told, in its response. */
export function signedElsewhere(how: Elsewhere): string {
  const signed = new SignedXml({
    privateKey: how.key ?? idp.key,
    publicCert: how.certificate ?? idp.certificate,
    signatureAlgorithm: how.signature ?? 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    canonicalizationAlgorithm: how.canonical ?? NS.ec,
  });
  how.setup?.(signed);
  signed.addReference({
    xpath: `//*[@ID='${made.assertionId}']`,
    digestAlgorithm: how.digest ?? 'http://www.w3.org/2001/04/xmlenc#sha256',
    transforms: how.transforms ?? ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', NS.ec],
  });
  const bare = bySignature.assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, '');
  const issuer = `//*[@ID='${made.assertionId}']/*[local-name()='Issuer']`;
  signed.computeSignature(bare, { prefix: 'ds', location: { reference: issuer, action: 'after' } });
  return signed.getSignedXml();
}
