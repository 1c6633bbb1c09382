/** What all messages have in common (saml-core 3.2): who, when, to where; and when that is believed. */
import type { Element } from '@xmldom/xmldom';
import { refuse } from './refusal.ts';
import { NAME_ID, NS } from './saml.ts';
import {
  attributeOf,
  child,
  isNamed,
  type Markup,
  type Name,
  neededAttribute,
  neededMoment,
  onlyChild,
  textOf,
  xml,
} from './xml.ts';

/** More difference between two clocks than this is never forgiven, whatever a caller asks for (SA-07). */
export const MOST_SKEW_SECONDS = 60;

export interface Header {
  id: string;
  issuer: string;
  issueInstant: Date;
  /** Where the sender wanted it to go. */
  destination?: string;
}

/** Who is named (saml-core 2.2.3). Without a qualifier of its own a name is qualified by who issued it. */
export interface NameId {
  value: string;
  format?: string;
  nameQualifier?: string;
  spNameQualifier?: string;
}

/** Reads what every message starts with; its kind, version, id and issuer must be there. */
export function readHeader(element: Element, kind: Name): Header {
  if (!isNamed(element, kind)) refuse('root', element.tagName);
  return {
    ...readIdentity(element),
    issuer: readIssuer(onlyChild(element, 'saml:Issuer')),
    destination: attributeOf(element, 'Destination'),
  };
}

export function readIdentity(element: Element): { id: string; issueInstant: Date } {
  const version = attributeOf(element, 'Version');
  if (version !== '2.0') refuse('version', version);
  const id = neededAttribute(element, 'ID');
  // xs:ID; long enough for anybody, short enough to be kept.
  if (!/^[\p{L}_][\p{L}\p{N}_.-]{0,254}$/u.test(id)) refuse('shape', 'the ID');
  return { id, issueInstant: neededMoment(element, 'IssueInstant') };
}

/** An entity id (saml-core 8.3.6). */
export function readIssuer(element: Element): string {
  const format = attributeOf(element, 'Format');
  if (format !== undefined && format !== NAME_ID.entity) refuse('issuer', format);
  const value = textOf(element).trim();
  if (value === '' || value.length > 1024) refuse('issuer', value);
  return value;
}

export function readNameId(element: Element): NameId {
  if (isNamed(element, 'saml:EncryptedID')) refuse('name-id', 'EncryptedID');
  const value = textOf(element);
  if (value.trim() === '' || value.length > 1024) refuse('name-id');
  return {
    value,
    format: attributeOf(element, 'Format'),
    nameQualifier: attributeOf(element, 'NameQualifier'),
    spNameQualifier: attributeOf(element, 'SPNameQualifier'),
  };
}

export function nameIdMarkup(nameId: NameId): Markup {
  const { value, format, nameQualifier, spNameQualifier } = nameId;
  const attributes = { Format: format, NameQualifier: nameQualifier, SPNameQualifier: spNameQualifier };
  return xml('saml:NameID', attributes, value);
}

export function issuerMarkup(issuer: string): Markup {
  return xml('saml:Issuer', {}, issuer);
}

/** What every message we make starts with. */
export interface Making {
  /** An xs:ID nobody can guess: `_` and 128 random bits, say. */
  id: string;
  issuer: string;
  issueInstant: Date;
  destination: string;
}

export function headerAttributes(made: Making): Record<string, string | undefined> {
  return {
    'xmlns:samlp': NS.samlp,
    'xmlns:saml': NS.saml,
    ID: made.id,
    Version: '2.0',
    IssueInstant: instant(made.issueInstant),
    Destination: made.destination,
  };
}

/** A moment as the standard writes it, in whole seconds: some readers know no fractions. */
export function instant(moment: Date): string {
  return `${moment.toISOString().slice(0, 19)}Z`;
}

export interface Status {
  status: string;
  subStatus?: string;
  message?: string;
}

/** saml-core 3.2.2. */
export function readStatus(element: Element): Status {
  const status = onlyChild(element, 'samlp:Status');
  const code = onlyChild(status, 'samlp:StatusCode');
  const below = child(code, 'samlp:StatusCode');
  const message = child(status, 'samlp:StatusMessage');
  return {
    status: neededAttribute(code, 'Value'),
    subStatus: below && neededAttribute(below, 'Value'),
    message: message && textOf(message),
  };
}

export function statusMarkup({ status, subStatus, message }: Status): Markup {
  const below = subStatus === undefined ? undefined : xml('samlp:StatusCode', { Value: subStatus });
  return xml('samlp:Status', {}, [
    xml('samlp:StatusCode', { Value: status }, [below]),
    message === undefined ? undefined : xml('samlp:StatusMessage', {}, message),
  ]);
}

/** When and where something is read. */
export interface Here {
  now: Date;
  /** How far clocks may differ; at most 60 count. */
  skewSeconds: number;
}

/** Milliseconds to forgive. */
export function skewOf({ skewSeconds }: Here): number {
  return Math.max(0, Math.min(skewSeconds, MOST_SKEW_SECONDS)) * 1000;
}

/** Nobody issues in the future. */
export function refuseEarly(moment: Date, here: Here): void {
  if (moment.getTime() > here.now.getTime() + skewOf(here)) refuse('too-early', moment.toISOString());
}

/** "On or after" this moment it is over. */
export function refuseLate(notOnOrAfter: Date, here: Here): void {
  if (here.now.getTime() - skewOf(here) >= notOnOrAfter.getTime())
    refuse('expired', notOnOrAfter.toISOString());
}

export interface Place extends Here {
  /** Our own addresses this may have been sent to. */
  destinations: readonly string[];
  /** A message older than this is refused. */
  maxAgeSeconds: number;
  /** A signed message must say where it goes (saml-bindings 3.4.5.2, 3.5.5.2). */
  signed: boolean;
  issuer?: string;
}

/**
 * Was this message meant for here and now? For requests and logout messages; `readResponse` asks by itself.
 * Throws `destination`, `too-early`, `expired` or `issuer`.
 */
export function checkMessage(message: Header & { notOnOrAfter?: Date }, place: Place): void {
  if (place.issuer !== undefined && message.issuer !== place.issuer) refuse('issuer', message.issuer);
  if (message.destination === undefined ? place.signed : !place.destinations.includes(message.destination)) {
    refuse('destination', message.destination ?? 'none in a signed message');
  }
  refuseEarly(message.issueInstant, place);
  refuseLate(new Date(message.issueInstant.getTime() + place.maxAgeSeconds * 1000), place);
  if (message.notOnOrAfter) refuseLate(message.notOnOrAfter, place);
}
