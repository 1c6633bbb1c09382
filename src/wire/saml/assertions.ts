/** What an assertion says, and whether it says it to us (saml-core 2, saml-profiles 4.1.4.2 and 4.1.4.3). */
import type { Element } from '@xmldom/xmldom';
import {
  type Here,
  instant,
  issuerMarkup,
  type NameId,
  nameIdMarkup,
  readIdentity,
  readIssuer,
  readNameId,
  refuseEarly,
  refuseLate,
} from './messages.ts';
import { refuse } from './refusal.ts';
import { ATTRIBUTE_NAME, BEARER, NS } from './saml.ts';
import {
  attributeOf,
  child,
  children,
  isNamed,
  type Markup,
  momentOf,
  neededAttribute,
  neededMoment,
  onlyChild,
  textOf,
  xml,
} from './xml.ts';

/** For whom an assertion is read. */
export interface Audience extends Here {
  /** What we are called; must be in every audience restriction. */
  entityId: string;
  /** Where it was delivered. */
  acsUrl: string;
  /** Who must have issued it. */
  idpEntityId: string;
  /** The id of our open request; undefined when nothing was asked, and then the answer must not claim otherwise. */
  inResponseTo?: string;
}

export interface ReadAssertion {
  /** Accept each once, until `notOnOrAfter` (SA-09). */
  assertionId: string;
  nameId: string;
  nameIdFormat?: string;
  nameQualifier?: string;
  spNameQualifier?: string;
  /** By name; values in order, a name that comes twice collected. */
  attributes: Map<string, string[]>;
  sessionIndex?: string;
  /** When the session at the other side ends, if it says so. */
  sessionNotOnOrAfter?: Date;
  authnContext?: string;
  authnInstant?: Date;
  /** The latest moment at which it would be accepted, skew not counted. */
  notOnOrAfter: Date;
  inResponseTo?: string;
}

/** Reads an assertion out of verified bytes and asks whether it is for us and now. Throws `SamlRefusal`. */
export function readAssertion(assertion: Element, audience: Audience): ReadAssertion {
  const { id, issueInstant } = readIdentity(assertion);
  const issuer = readIssuer(onlyChild(assertion, 'saml:Issuer'));
  if (issuer !== audience.idpEntityId) refuse('issuer', issuer);
  refuseEarly(issueInstant, audience);
  const subject = onlyChild(assertion, 'saml:Subject');
  if (child(subject, 'saml:EncryptedID')) refuse('name-id', 'EncryptedID');
  const nameId = readNameId(child(subject, 'saml:NameID') ?? refuse('name-id'));
  const confirmed = readConfirmation(subject, audience);
  const until = readConditions(onlyChild(assertion, 'saml:Conditions'), audience);
  const session = readSession(assertion, audience);
  return {
    assertionId: id,
    nameId: nameId.value,
    nameIdFormat: nameId.format,
    nameQualifier: nameId.nameQualifier,
    spNameQualifier: nameId.spNameQualifier,
    attributes: readAttributes(assertion),
    ...session,
    notOnOrAfter: until && until < confirmed.notOnOrAfter ? until : confirmed.notOnOrAfter,
    inResponseTo: confirmed.inResponseTo,
  };
}

/** One bearer confirmation for this address, this moment and this request (saml-profiles 4.1.4.3). */
function readConfirmation(
  subject: Element,
  audience: Audience,
): { notOnOrAfter: Date; inResponseTo?: string } {
  const bearers = children(subject, 'saml:SubjectConfirmation').filter(
    (one) => attributeOf(one, 'Method') === BEARER,
  );
  if (bearers.length !== 1) refuse('confirmation', `${bearers.length} bearers`);
  const data = onlyChild(bearers[0]!, 'saml:SubjectConfirmationData');
  const recipient = attributeOf(data, 'Recipient');
  if (recipient !== audience.acsUrl) refuse('recipient', recipient);
  if (attributeOf(data, 'NotBefore') !== undefined) refuse('confirmation', 'NotBefore');
  const notOnOrAfter = momentOf(data, 'NotOnOrAfter') ?? refuse('confirmation', 'no NotOnOrAfter');
  refuseLate(notOnOrAfter, audience);
  const inResponseTo = attributeOf(data, 'InResponseTo');
  if (inResponseTo !== audience.inResponseTo) refuse('in-response-to', inResponseTo);
  return { notOnOrAfter, inResponseTo };
}

/** saml-core 2.5: all must hold, and one that is not understood does not. */
function readConditions(conditions: Element, audience: Audience): Date | undefined {
  const notBefore = momentOf(conditions, 'NotBefore');
  const notOnOrAfter = momentOf(conditions, 'NotOnOrAfter');
  if (notBefore) refuseEarly(notBefore, audience);
  if (notOnOrAfter) refuseLate(notOnOrAfter, audience);
  let restrictions = 0;
  for (const condition of children(conditions)) {
    if (isNamed(condition, 'saml:OneTimeUse') || isNamed(condition, 'saml:ProxyRestriction')) continue;
    if (!isNamed(condition, 'saml:AudienceRestriction')) refuse('condition', condition.tagName);
    restrictions += 1;
    const audiences = children(condition, 'saml:Audience').map((one) => textOf(one).trim());
    if (!audiences.includes(audience.entityId)) refuse('audience', audiences.join(' '));
  }
  if (restrictions === 0) refuse('audience', 'none');
  return notOnOrAfter;
}

type Session = Pick<ReadAssertion, 'sessionIndex' | 'sessionNotOnOrAfter' | 'authnContext' | 'authnInstant'>;

/** saml-core 2.7.2; there must be one, or nobody signed in (saml-profiles 4.1.4.2). */
function readSession(assertion: Element, here: Here): Session {
  const statement = onlyChild(assertion, 'saml:AuthnStatement');
  const sessionNotOnOrAfter = momentOf(statement, 'SessionNotOnOrAfter');
  if (sessionNotOnOrAfter) refuseLate(sessionNotOnOrAfter, here);
  const authnInstant = neededMoment(statement, 'AuthnInstant');
  refuseEarly(authnInstant, here);
  const classRef = child(onlyChild(statement, 'saml:AuthnContext'), 'saml:AuthnContextClassRef');
  return {
    sessionIndex: attributeOf(statement, 'SessionIndex'),
    sessionNotOnOrAfter,
    authnContext: classRef && textOf(classRef).trim(),
    authnInstant,
  };
}

/** saml-core 2.7.3. A value that is an element (a NameID, as in eduPersonTargetedID) is its whole text. */
function readAttributes(assertion: Element): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const statement of children(assertion, 'saml:AttributeStatement')) {
    if (child(statement, 'saml:EncryptedAttribute')) refuse('name-id', 'EncryptedAttribute');
    for (const attribute of children(statement, 'saml:Attribute')) {
      const name = neededAttribute(attribute, 'Name');
      const values = children(attribute, 'saml:AttributeValue').map((value) => {
        const inside = children(value, 'saml:NameID');
        return inside.length === 1 ? textOf(inside[0]!) : textOf(value);
      });
      found.set(name, [...(found.get(name) ?? []), ...values]);
    }
  }
  return found;
}

export interface AttributeToMake {
  name: string;
  /** `ATTRIBUTE_NAME.basic` unless said; `uri` for names that are URIs and OIDs. */
  nameFormat?: string;
  friendlyName?: string;
  values: readonly string[];
}

export interface AssertionToMake {
  assertionId: string;
  issuer: string;
  issueInstant: Date;
  /** The entity id of the service it is for. */
  audience: string;
  /** The address it will be delivered to. */
  acsUrl: string;
  inResponseTo?: string;
  nameId: NameId;
  /** Not accepted before; some clocks are late, so `issueInstant` less a minute is usual. */
  notBefore?: Date;
  /** Not accepted from then on; a few minutes, as it is delivered at once. */
  notOnOrAfter: Date;
  authnInstant: Date;
  authnContext: string;
  /** What single logout names this session by. */
  sessionIndex?: string;
  sessionNotOnOrAfter?: Date;
  attributes: readonly AttributeToMake[];
}

/** An assertion for web sign-on (saml-profiles 4.1.4.2), every value escaped (SA-13), not signed yet. */
export function assertionMarkup(made: AssertionToMake): Markup {
  const attributes = {
    'xmlns:saml': NS.saml,
    ID: made.assertionId,
    Version: '2.0',
    IssueInstant: instant(made.issueInstant),
  };
  return xml('saml:Assertion', attributes, [
    issuerMarkup(made.issuer),
    subjectMarkup(made),
    xml(
      'saml:Conditions',
      { NotBefore: made.notBefore && instant(made.notBefore), NotOnOrAfter: instant(made.notOnOrAfter) },
      xml('saml:AudienceRestriction', {}, xml('saml:Audience', {}, made.audience)),
    ),
    statementMarkup(made),
    made.attributes.length === 0
      ? undefined
      : xml('saml:AttributeStatement', {}, made.attributes.map(attributeMarkup)),
  ]);
}

function subjectMarkup(made: AssertionToMake): Markup {
  const data = {
    NotOnOrAfter: instant(made.notOnOrAfter),
    Recipient: made.acsUrl,
    InResponseTo: made.inResponseTo,
  };
  const confirmation = xml('saml:SubjectConfirmationData', data);
  return xml('saml:Subject', {}, [
    nameIdMarkup(made.nameId),
    xml('saml:SubjectConfirmation', { Method: BEARER }, confirmation),
  ]);
}

function statementMarkup(made: AssertionToMake): Markup {
  const attributes = {
    AuthnInstant: instant(made.authnInstant),
    SessionIndex: made.sessionIndex,
    SessionNotOnOrAfter: made.sessionNotOnOrAfter && instant(made.sessionNotOnOrAfter),
  };
  const classRef = xml('saml:AuthnContextClassRef', {}, made.authnContext);
  return xml('saml:AuthnStatement', attributes, xml('saml:AuthnContext', {}, classRef));
}

// Without xsi:type: its prefix would not survive exclusive canonicalisation, and readers take text for text.
function attributeMarkup(made: AttributeToMake): Markup {
  const attributes = {
    Name: made.name,
    NameFormat: made.nameFormat ?? ATTRIBUTE_NAME.basic,
    FriendlyName: made.friendlyName,
  };
  return xml(
    'saml:Attribute',
    attributes,
    made.values.map((value) => xml('saml:AttributeValue', {}, value)),
  );
}
