/**
 * Reads entries of an OpenMRS-shaped directory, from a file or over the wire: `uid=…,ou=users` people where
 * `cn` is the given name alone, `cn=…,ou=groups` with an empty first member, `ou=system` machine accounts.
 */
import type { LegacyAddress, LegacyGroup, LegacyPerson, SourceItem } from '#sources/source.ts';
import { decodeUtf8, normaliseDn, parseDn, type Rdn } from './dn.ts';
import type { LdifEntry } from './ldif.ts';

export interface TreeOptions {
  /** Names (`ou` values) of the branches, without regard to case. */
  systemBranch?: string;
}

/** Attributes with a place of their own, and operational ones that say nothing about the person. */
const NOT_EXTRA = new Set(
  (
    'objectclass uid cn sn givenname displayname mail othermailbox userpassword member uniquemember memberuid ' +
    'description memberof pwdaccountlockedtime structuralobjectclass entryuuid entrycsn creatorsname ' +
    'modifiersname modifytimestamp entrydn subschemasubentry hassubordinates pwdchangedtime pwdhistory ' +
    'pwdfailuretime pwdpolicysubentry pwdreset pwdgraceusetime pwdlastsuccess authtimestamp contextcsn'
  ).split(' '),
);

const PERSON_CLASSES = new Set(['inetorgperson', 'organizationalperson', 'person']);
const GROUP_CLASSES = new Set(['groupofnames', 'groupofuniquenames', 'posixgroup', 'groupofmembers']);

/** OpenLDAP's password policy: locked until an administrator says otherwise. Other times end by themselves. */
const LOCKED_FOR_GOOD = '000001010000Z';

/** Text values of an attribute; throws a word when one is not UTF-8. */
function texts(entry: LdifEntry, name: string): string[] {
  return (entry.attributes.get(name) ?? []).map((value) => {
    const text = decodeUtf8(value);
    if (text === undefined) throw new NotText(name);
    return text;
  });
}

class NotText extends Error {}

function first(entry: LdifEntry, name: string): string | undefined {
  return texts(entry, name)
    .find((value) => value.trim() !== '')
    ?.trim();
}

/** Turns one entry into a person, a group, or a word on why it is neither. Never throws. */
export function readTreeEntry(entry: LdifEntry, options: TreeOptions = {}): SourceItem {
  const at = { ...(entry.line === undefined ? {} : { line: entry.line }), dn: entry.dn };
  const rdns = parseDn(entry.dn);
  if (!rdns || rdns.length === 0)
    return {
      kind: 'error',
      error: { ...at, code: 'entry-dn', text: 'This is not a name of a directory entry.' },
    };
  try {
    const classes = new Set(texts(entry, 'objectclass').map((name) => name.toLowerCase()));
    const branches = rdns.slice(1).filter((rdn) => rdn.attribute === 'ou');
    const system = (options.systemBranch ?? 'system').toLowerCase();
    if (branches.some((rdn) => rdn.value.toLowerCase() === system))
      return {
        kind: 'skipped',
        skipped: { ...at, code: 'system-account', text: 'An account of a machine, not of a person.' },
      };
    if (hasAny(classes, GROUP_CLASSES)) return { kind: 'group', group: readGroup(entry, rdns) };
    if (hasAny(classes, PERSON_CLASSES) || rdns[0]!.attribute === 'uid') return readPerson(entry, rdns, at);
    return {
      kind: 'skipped',
      skipped: { ...at, code: 'structure', text: 'Neither a person nor a group.' },
    };
  } catch (error) {
    if (!(error instanceof NotText)) throw error;
    const text = `The value of ${error.message} is not UTF-8 text.`;
    return { kind: 'error', error: { ...at, code: 'entry-not-text', text } };
  }
}

function hasAny(set: Set<string>, wanted: Set<string>): boolean {
  return [...wanted].some((name) => set.has(name));
}

function readPerson(entry: LdifEntry, rdns: Rdn[], at: { line?: number; dn: string }): SourceItem {
  const username = rdns[0]!.attribute === 'uid' ? rdns[0]!.value : first(entry, 'uid');
  if (!username?.trim())
    return {
      kind: 'error',
      error: { ...at, code: 'entry-no-uid', text: 'This person has no user name (uid).' },
    };
  const person: LegacyPerson = {
    key: personKey(username),
    username,
    addresses: readAddresses(entry),
    // Bytes as they are: a hash that is not text is reported as unreadable later, and harms nobody else.
    passwordHashes: (entry.attributes.get('userpassword') ?? [])
      .map((value) => value.toString('latin1'))
      .filter((value) => value !== ''),
    locked: first(entry, 'pwdaccountlockedtime') === LOCKED_FOR_GOOD,
    groups: texts(entry, 'memberof').flatMap((dn) => groupName(dn) ?? []),
  };
  const givenName = first(entry, 'cn') ?? first(entry, 'givenname');
  const familyName = first(entry, 'sn');
  const displayName = first(entry, 'displayname');
  if (givenName) person.givenName = givenName;
  if (familyName) person.familyName = familyName;
  if (displayName) person.displayName = displayName;
  if (entry.line !== undefined) person.line = entry.line;
  const extra = readExtra(entry);
  if (extra) person.extra = extra;
  return { kind: 'person', person };
}

/** User names differ only by case nowhere in such a tree: the directory itself compares them folded. */
export function personKey(username: string): string {
  return username.normalize('NFKC').toLowerCase().trim();
}

/** `mail` was confirmed before the account was written to the directory; `otherMailbox` may never have been. */
function readAddresses(entry: LdifEntry): LegacyAddress[] {
  const addresses: LegacyAddress[] = [];
  const seen = new Set<string>();
  for (const [name, verified] of [
    ['mail', true],
    ['othermailbox', false],
  ] as const) {
    for (const value of texts(entry, name)) {
      const address = value.trim();
      if (address === '' || seen.has(address.toLowerCase())) continue;
      seen.add(address.toLowerCase());
      addresses.push({ address, primary: verified && addresses.length === 0, verified });
    }
  }
  return addresses;
}

/** Names that would reach into an object's machinery are no attributes; `Object.fromEntries` makes own keys. */
function readExtra(entry: LdifEntry): Record<string, string[]> | undefined {
  const kept: [string, string[]][] = [];
  for (const [name, values] of entry.attributes) {
    if (NOT_EXTRA.has(name)) continue;
    const readable = values
      .flatMap((value) => decodeUtf8(value) ?? [])
      .filter((value) => value.length <= 4_096);
    if (readable.length > 0) kept.push([name, readable]);
  }
  const description = texts(entry, 'description').filter((value) => value !== '');
  if (description.length > 0) kept.push(['description', description]);
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** The name comes from the DN: entries exist whose `cn` says something else. */
function readGroup(entry: LdifEntry, rdns: Rdn[]): LegacyGroup {
  const members = new Set<string>();
  for (const name of ['member', 'uniquemember'])
    for (const dn of texts(entry, name)) {
      const key = memberKey(dn);
      if (key !== undefined) members.add(key);
    }
  for (const uid of texts(entry, 'memberuid')) if (uid.trim() !== '') members.add(personKey(uid));
  const group: LegacyGroup = { name: rdns[0]!.value, members: [...members] };
  const description = first(entry, 'description');
  if (description) group.description = description;
  if (entry.line !== undefined) group.line = entry.line;
  return group;
}

/**
 * The person a member DN means. Undefined for the empty first member that only satisfies the schema.
 * A DN that is no person's stays as it is, so that the import can name the member nobody knows.
 */
function memberKey(dn: string): string | undefined {
  const rdns = parseDn(dn);
  if (rdns?.length === 0) return undefined;
  if (!rdns) return dn;
  return rdns[0]!.attribute === 'uid' ? personKey(rdns[0]!.value) : normaliseDn(rdns);
}

function groupName(dn: string): string | undefined {
  return parseDn(dn)?.[0]?.value;
}
