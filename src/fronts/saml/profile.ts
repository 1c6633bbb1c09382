/**
 * The profile as SAML: who it is (NameID) and what else is told (attributes), from `profilesFor` alone. An app gets what
 * is released to it, under the names its settings give; an address only where it is confirmed, because no attribute can
 * say that it is not. Refuses an app that knows people by an address someone does not have.
 */
import { nameIdSource, type SamlSettings, samlValues } from '#core/applications/saml-settings.ts';
import { Problem } from '#core/problem.ts';
import { namelessProblem } from '#core/profile/known-as.ts';
import type { Profile } from '#core/profile/profile.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { NameId } from '#wire/saml/messages.ts';
import { ATTRIBUTE_NAME, NAME_ID } from '#wire/saml/saml.ts';

export interface RenderedAttribute {
  name: string;
  nameFormat: string;
  friendlyName?: string;
  values: string[];
}

/** The name this app knows the person by. A transient one is new at every call. */
export function renderNameId(
  profile: Profile,
  saml: SamlSettings,
  idp: string,
  subject = profile.subject,
): NameId {
  const format = NAME_ID[saml.nameId.format];
  const source = nameIdSource(saml);
  if (source === 'random') return { value: `_${randomToken(24)}`, format };
  if (source === 'address') {
    const nameless = namelessProblem({ settings: { saml } }, profile);
    if (nameless) throw new Problem(nameless);
    return { value: profile.accountAddress ?? '', format };
  }
  const value = source === 'subject' ? subject : profile.username;
  // Only these are qualified by the two who share them (saml-core 8.3.7).
  return saml.nameId.format === 'persistent'
    ? { value, format, nameQualifier: idp, spNameQualifier: saml.entityId }
    : { value, format };
}

const plainValues: ReadonlySet<string> = new Set(samlValues);

type Value = string | string[] | undefined;

/** Every value there is to tell, by the names settings use. */
function valuesOf(profile: Profile, subject: string): Map<string, Value> {
  const { released } = profile;
  const values = new Map<string, Value>([
    ['subject', subject],
    ['username', released.username],
    ['name', released.name],
    ['givenName', released.givenName],
    ['familyName', released.familyName],
    ['email', released.emailVerified ? released.email : undefined],
    ['locale', released.locale],
    [
      'updatedAt',
      released.updatedAt === undefined ? undefined : new Date(released.updatedAt * 1000).toISOString(),
    ],
    ['groups', released.groups],
    ['roles', released.roles],
  ]);
  for (const [name, value] of Object.entries(released.attributes))
    values.set(`attribute:${name}`, String(value));
  return values;
}

/** The same for an app whose settings name no attributes: each under its own name, but for what the NameID says. */
function ownNames(values: ReadonlyMap<string, Value>): NonNullable<SamlSettings['attributes']> {
  const told = [...values.keys()].filter((from) => from !== 'subject' && from !== 'updatedAt');
  return Object.fromEntries(told.map((from) => [from.replace(/^attribute:/, ''), from]));
}

/** What this app is told beside the NameID; what has no value is left out. */
export function renderAttributes(
  profile: Profile,
  saml: SamlSettings,
  subject = profile.subject,
): RenderedAttribute[] {
  const values = valuesOf(profile, subject);
  return Object.entries(saml.attributes ?? ownNames(values)).flatMap(([name, given]) => {
    const { from, nameFormat, friendlyName } = typeof given === 'string' ? { from: given } : given;
    const value = values.get(from);
    const list = (Array.isArray(value) ? value : [value]).filter((one) => one !== undefined && one !== '');
    if (list.length === 0) return [];
    const format = nameFormat ?? (/^(urn:|https?:)/i.test(name) ? 'uri' : 'basic');
    return [{ name, nameFormat: ATTRIBUTE_NAME[format], friendlyName, values: list as string[] }];
  });
}

/** Which value of the profile stands in an attribute of this name. */
export function attributeSource(saml: SamlSettings, name: string): string {
  const given = saml.attributes?.[name];
  if (given !== undefined) return typeof given === 'string' ? given : given.from;
  return plainValues.has(name) ? name : `attribute:${name}`;
}

/** One thing a person is asked to share: which detail of theirs, and what it says now. */
export interface SharedDetail {
  from: string;
  values: string[];
}

/** What an answer would really tell the app, each detail once however many attributes carry it. */
export function sharedDetails(profile: Profile, saml: SamlSettings): SharedDetail[] {
  const values = valuesOf(profile, profile.subject);
  const named = Object.values(saml.attributes ?? ownNames(values)).map((one) =>
    typeof one === 'string' ? one : one.from,
  );
  const source = nameIdSource(saml);
  const inName = source === 'address' ? ['email'] : source === 'username' ? ['username'] : [];
  return [...new Set([...inName, ...named])].flatMap((from) => {
    const value = from === 'email' && source === 'address' ? profile.accountAddress : values.get(from);
    if (from === 'subject' || value === undefined || value.length === 0) return [];
    return [{ from, values: Array.isArray(value) ? value : [value] }];
  });
}
