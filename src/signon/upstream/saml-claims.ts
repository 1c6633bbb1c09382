/**
 * What an assertion says of someone, in the words mappings use: `claims` holds every attribute by its name, one value as
 * a text and several as a list, and what goes by many names under one name more.
 */
import type { ReadAssertion } from '#wire/saml/assertions.ts';
import type { NameId } from '#wire/saml/messages.ts';
import { NAME_ID } from '#wire/saml/saml.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import type { SamlUpstream } from './saml-published.ts';
import { subjectAttributeOf } from './saml-settings.ts';

const xmlsoap = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';
const microsoft = 'http://schemas.microsoft.com';

/** Under which name what is known by these is found, in the order of preference (RFC 2798, eduPerson, Entra, Okta). */
const alsoKnownAs: Readonly<Record<string, readonly string[]>> = {
  uid: ['urn:oid:0.9.2342.19200300.100.1.1'],
  username: ['userName', 'user_name', 'login', 'sAMAccountName'],
  mail: ['urn:oid:0.9.2342.19200300.100.1.3', `${xmlsoap}/emailaddress`, 'email', 'emailAddress', 'Email'],
  givenName: ['urn:oid:2.5.4.42', `${xmlsoap}/givenname`, 'firstName', 'first_name', 'fname', 'FirstName'],
  sn: ['urn:oid:2.5.4.4', `${xmlsoap}/surname`, 'surname', 'lastName', 'last_name', 'lname', 'LastName'],
  cn: ['urn:oid:2.5.4.3'],
  name: [`${xmlsoap}/name`],
  displayName: ['urn:oid:2.16.840.1.113730.3.1.241', `${microsoft}/identity/claims/displayname`],
  preferredLanguage: ['urn:oid:2.16.840.1.113730.3.1.39', 'locale'],
  eduPersonPrincipalName: ['urn:oid:1.3.6.1.4.1.5923.1.1.1.6'],
  groups: [`${microsoft}/ws/2008/06/identity/claims/groups`, 'memberOf', 'urn:oid:1.3.6.1.4.1.5923.1.5.1.1'],
};

const groupsLink = `${microsoft}/claims/groups.link`;

export function claimsOf(attributes: ReadonlyMap<string, readonly string[]>): Record<string, unknown> {
  const named = [...attributes].map(([name, values]) => [name, oneOrAll(values)] as const);
  const also = Object.entries(alsoKnownAs).flatMap(([name, others]) => {
    const found = others.find((other) => attributes.has(other));
    return attributes.has(name) || found === undefined
      ? []
      : [[name, oneOrAll(attributes.get(found)!)] as const];
  });
  return Object.fromEntries([...named, ...also]);
}

function oneOrAll(values: readonly string[]): unknown {
  return values.length === 1 ? values[0] : [...values];
}

/** Who names people there, and what we are called there: names are qualified by both where they do not say it. */
export interface Between {
  idp: string;
  sp: string;
}

/** A name with everything that makes it this one (saml-core 2.2.3, 8.3.7); the same text for the same name. */
export function wholeName(name: NameId, { idp, sp }: Between): string {
  const { value, format = NAME_ID.unspecified, nameQualifier = idp, spNameQualifier = sp } = name;
  return JSON.stringify([value, format, nameQualifier, spNameQualifier]);
}

/** The longest key there is room for in the index of links. */
const longest = 1000;

/**
 * What was told, by an assertion that is believed. Refuses with `upstream-answer` who is not named as the settings ask: a
 * name of another format would be another person, or an address that changes hands (SA-16).
 */
export function toldBy(upstream: SamlUpstream, read: ReadAssertion, between: Between): Told {
  const claims = claimsOf(read.attributes);
  const name = nameIdOf(read);
  const key = keyOf(upstream, read, between);
  const text = (field: string) => [claims[field]].flat().find((one) => typeof one === 'string' && one !== '');
  const mail = text('mail') ?? (name.format === NAME_ID.emailAddress ? name.value : undefined);
  const label = text('uid') ?? text('username') ?? mail ?? text('name') ?? text('displayName') ?? key.subject;
  return {
    ...key,
    claims,
    label: String(label),
    // It gives its people their addresses; whether that counts here is for `trustAddresses` to say.
    address: typeof mail === 'string' ? { address: mail, verified: true } : undefined,
    amr: upstream.settings.saml.preset === 'entra' ? entraMethods(read) : undefined,
    acr: read.authnContext,
    provedAt: read.authnInstant,
    sessionIndex: read.sessionIndex,
    name: wholeName(name, between),
    // What it wants to hear again when someone signs out there.
    idToken: JSON.stringify(name),
    // Entra names a place to ask instead, where there are too many.
    groupsMissing: read.attributes.has(groupsLink),
  };
}

function nameIdOf({ nameId, nameIdFormat, nameQualifier, spNameQualifier }: ReadAssertion): NameId {
  return { value: nameId, format: nameIdFormat, nameQualifier, spNameQualifier };
}

/** Who it is for good: the provider by its entity id, and its name or attribute for the person. */
function keyOf(
  upstream: SamlUpstream,
  read: ReadAssertion,
  between: Between,
): { tenant: string; subject: string } {
  const { saml } = upstream.settings;
  const attribute = subjectAttributeOf(saml);
  const key =
    attribute === undefined
      ? keyByName(upstream, nameIdOf(read), between)
      : { tenant: `${between.idp} ${attribute}`, subject: onlyValue(upstream, read, attribute) };
  if (Buffer.byteLength(key.tenant) > longest || Buffer.byteLength(key.subject) > longest)
    throw new UpstreamFailure('upstream-answer', upstream, { detail: 'the name of the person is too long' });
  return key;
}

function keyByName(upstream: SamlUpstream, name: NameId, between: Between) {
  const wanted = NAME_ID[upstream.settings.saml.nameIdFormat];
  const [value, format, ...qualifiers] = JSON.parse(wholeName(name, between)) as string[];
  if (format !== wanted) {
    const detail = `NameID of the format ${format}, and settings want ${wanted}`;
    throw new UpstreamFailure('upstream-answer', upstream, { detail });
  }
  return { tenant: [between.idp, format, ...qualifiers].map(encodeURI).join(' '), subject: value! };
}

/** One value, and never none: everybody without one would be one person. */
function onlyValue(upstream: SamlUpstream, { attributes }: ReadAssertion, attribute: string): string {
  const values = attributes.get(attribute) ?? [];
  if (values.length === 1 && values[0]!.trim() !== '') return values[0]!;
  const detail = `${values.length} values of ${attribute}, the attribute that is the person`;
  throw new UpstreamFailure('upstream-answer', upstream, { detail });
}

const methodsAttribute = `${microsoft}/claims/authnmethodsreferences`;

/** How Entra says that people proved themselves, as RFC 8176 writes it. */
function entraMethods({ attributes }: ReadAssertion): string[] | undefined {
  const said = attributes.get(methodsAttribute);
  if (!said) return undefined;
  const known: Readonly<Record<string, string>> = {
    [`${microsoft}/claims/multipleauthn`]: 'mfa',
    [`${microsoft}/ws/2008/06/identity/authenticationmethod/password`]: 'pwd',
  };
  return [...new Set(said.flatMap((one) => (Object.hasOwn(known, one) ? [known[one]!] : [])))];
}
