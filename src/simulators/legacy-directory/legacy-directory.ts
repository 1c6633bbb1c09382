/**
 * A made-up community directory of ten years' standing, as LDIF: for the demo, for rehearsing an import, for
 * tests and measurements.
 *
 * Owns: nothing at run time. Records nothing. The same seed gives the same text, byte for byte.
 * Refuses: real people. Names are invented, addresses end in example.org/.com/.net or .test.
 */

import { createRandom, hashAs, pickScheme, type Random, type Scheme } from './hashing.ts';
import { people as catalogue, domains, groups as groupCatalogue, words } from './names.ts';

export interface LegacyAccount {
  username: string;
  password: string;
  givenName: string;
  familyName: string;
  /** Main address first; the first may be missing. */
  addresses: string[];
  /** What stands in `userPassword`, in order. */
  stored: string[];
  scheme: Scheme | 'unreadable';
  locked: boolean;
  /** What is odd about it, for reports: `duplicate-address`, `no-mail`, `unknown-hash`, `name-is-address`. */
  oddity?: string;
}

export interface LegacyDirectory {
  ldif: string;
  baseDn: string;
  accounts: LegacyAccount[];
  groups: { name: string; members: string[] }[];
}

export interface LegacyDirectoryOptions {
  people?: number;
  seed?: number;
  baseDn?: string;
  /** Makes `userPassword` instead of the built-in hashes, for example with a directory's own tool. */
  hash?: (password: string, username: string) => string;
  /** False keeps to what a strict server loads: the group's `cn` agrees with its DN. */
  namingViolations?: boolean;
}

interface KnownAccount {
  username: string;
  password: string;
  givenName: string;
  familyName: string;
  address: string;
  scheme: Scheme;
  locked?: boolean;
}

/** Accounts whose passwords are told to people who try the demo. */
export const knownAccounts: readonly KnownAccount[] = [
  {
    username: 'jane_doe',
    password: 'orchid-ledger-1997',
    givenName: 'Jane',
    familyName: 'Doe',
    address: 'jane.doe@example.org',
    scheme: 'ssha28',
  },
  {
    username: 'MariaSilva',
    password: 'Clínica do Sul 2009',
    givenName: 'Maria',
    familyName: 'da Silva',
    address: 'maria+lists@example.com',
    scheme: 'ssha4',
  },
  {
    username: 'old.timer',
    password: 'first-of-2004',
    givenName: 'Otis',
    familyName: 'Timer',
    address: 'otis@example.net',
    scheme: 'sha',
  },
  {
    username: 'k_yamada',
    password: 'さくら-1999',
    givenName: '恵子',
    familyName: '山田',
    address: 'keiko@hospital.test',
    scheme: 'ssha512',
  },
  {
    username: 'shortpass',
    password: 'plum1996',
    givenName: 'Sam',
    familyName: 'Short',
    address: 'sam@clinic.test',
    scheme: 'des',
  },
  {
    username: 'locked_out',
    password: 'closed-door-2011',
    givenName: 'Lou',
    familyName: 'Lockett',
    address: 'lou@example.org',
    scheme: 'ssha4',
    locked: true,
  },
];

const UNREADABLE = [
  '{SASL}someone@EXAMPLE.ORG',
  '{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0',
  '{LANMAN}AAD3B435B51404EE',
];

/**
 * Makes the directory: `people` accounts in all (2,000 unless told otherwise), the known ones first, and about
 * one in a hundred each with a duplicate address (other case or dots), no address, or an unreadable hash;
 * one in fifty locked; a few whose name is another person's address.
 */
export function makeLegacyLdif(options: LegacyDirectoryOptions = {}): LegacyDirectory {
  const count = options.people ?? 2_000;
  const baseDn = options.baseDn ?? 'dc=example,dc=org';
  const random = createRandom(options.seed ?? 1);
  const accounts = makeAccounts(count, random, options);
  const groups = groupCatalogue.map(([name, , share]) => ({
    name,
    members: accounts
      .filter((_, index) => index === 0 || random.chance(share))
      .map(({ username }) => username),
  }));
  const lines = [...head(baseDn)];
  for (const account of accounts) lines.push(...accountLines(account, baseDn));
  for (const [index, group] of groups.entries())
    lines.push(...groupLines(group, groupCatalogue[index]![1], baseDn, options.namingViolations ?? true));
  return { ldif: lines.join('\n') + '\n', baseDn, accounts, groups };
}

function makeAccounts(count: number, random: Random, options: LegacyDirectoryOptions): LegacyAccount[] {
  const accounts: LegacyAccount[] = [];
  const taken = new Set<string>();
  const store = (password: string, username: string, scheme: Scheme) =>
    options.hash ? options.hash(password, username) : hashAs(scheme, password, random);

  for (const { address, ...known } of knownAccounts.slice(0, count)) {
    taken.add(known.username.toLowerCase());
    accounts.push({
      ...known,
      addresses: [address],
      stored: [store(known.password, known.username, known.scheme)],
      locked: known.locked ?? false,
    });
  }
  while (accounts.length < count) {
    const account = ordinary(accounts.length, random, taken, store);
    makeOdd(account, accounts, random, taken, options.hash !== undefined);
    accounts.push(account);
  }
  return accounts;
}

function ordinary(
  index: number,
  random: Random,
  taken: Set<string>,
  store: (password: string, username: string, scheme: Scheme) => string,
): LegacyAccount {
  const [givenName, , first] = random
    .pick(catalogue)
    .map((part, at) => (at === 2 ? part.split(' ')[0]! : part));
  const [, familyName, ascii] = random.pick(catalogue);
  const username = freeName(first!, ascii.split(' ')[1]!, random, taken);
  const scheme = pickScheme(random);
  const long = `${random.pick(words.split(' '))}-${random.pick(words.split(' '))}-${1990 + random.below(30)}`;
  const password = scheme === 'des' ? long.replace('-', '').slice(0, 8) : long;
  const tag = random.chance(0.06) ? `+${random.pick(words.split(' '))}` : '';
  // The number keeps addresses apart where nobody meant them to be the same.
  const address = `${first}.${ascii.split(' ')[1]}${index}${tag}@${random.pick(domains)}`;
  const account: LegacyAccount = {
    username,
    password,
    givenName: givenName!,
    familyName,
    addresses: [random.chance(0.05) ? address.replace(/^./, (letter) => letter.toUpperCase()) : address],
    stored: [store(password, username, scheme)],
    scheme,
    locked: random.chance(0.02),
  };
  if (random.chance(0.05)) account.addresses.push(`${first}${index}.second@${random.pick(domains)}`);
  return account;
}

function freeName(first: string, last: string, random: Random, taken: Set<string>): string {
  const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);
  const shapes = [
    `${first}.${last}`,
    `${first[0]}${last}`,
    `${first}_${last}`,
    `${capital(first)}${capital(last)}`,
    `${last}-${first[0]}`,
    first,
  ];
  const base = random.pick(shapes);
  let name = base;
  for (let suffix = 2; taken.has(name.toLowerCase()); suffix++) name = `${base}${suffix}`;
  taken.add(name.toLowerCase());
  return name;
}

function makeOdd(
  account: LegacyAccount,
  others: LegacyAccount[],
  random: Random,
  taken: Set<string>,
  keepHash: boolean,
): void {
  const dice = random.below(1_000);
  // Never at the cost of the accounts people are told to try.
  const other =
    others.length > knownAccounts.length ? random.pick(others.slice(knownAccounts.length)) : undefined;
  const theirs = other?.addresses[0];
  if (dice < 10 && theirs) {
    const [local, domain] = theirs.split('@') as [string, string];
    account.addresses = [
      random.chance(0.5) ? theirs.toUpperCase() : `${local.replaceAll('.', '')}@${domain}`,
    ];
    account.oddity = 'duplicate-address';
  } else if (dice < 20) {
    account.addresses = [];
    account.oddity = 'no-mail';
  } else if (dice < 30 && !keepHash) {
    account.stored = [random.pick(UNREADABLE)];
    account.scheme = 'unreadable';
    account.oddity = 'unknown-hash';
  } else if (dice < 32 && theirs && !taken.has(theirs.toLowerCase())) {
    account.username = theirs.toLowerCase();
    taken.add(account.username);
    account.oddity = 'name-is-address';
  } else if (dice < 42 && !keepHash) {
    // A value left behind by another system stands before the one that works.
    account.stored.unshift(UNREADABLE[0]!);
  }
}

function head(baseDn: string): string[] {
  const top = /^dc=([^,]+)/.exec(baseDn)?.[1] ?? 'example';
  const lines = [
    ...entry(baseDn, [
      ['objectClass', 'dcObject'],
      ['objectClass', 'organization'],
      ['o', 'A community'],
      ['dc', top],
    ]),
  ];
  for (const ou of ['users', 'groups', 'system', 'policy'])
    lines.push(
      ...entry(`ou=${ou},${baseDn}`, [
        ['objectClass', 'organizationalUnit'],
        ['ou', ou],
      ]),
    );
  for (const uid of ['dashboard', 'atlas'])
    lines.push(
      ...entry(`uid=${uid},ou=system,${baseDn}`, [
        ['objectClass', 'account'],
        ['objectClass', 'simpleSecurityObject'],
        ['uid', uid],
        ['userPassword', '{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7'],
      ]),
    );
  return lines;
}

/** A name that is an address may hold a plus sign, which a DN has to escape (RFC 4514 §2.4). */
function personDn(username: string, baseDn: string): string {
  return `uid=${username.replace(/[+,;<>"\\]/g, '\\$&')},ou=users,${baseDn}`;
}

function accountLines(account: LegacyAccount, baseDn: string): string[] {
  const attributes: [string, string][] = [
    ['objectClass', 'inetOrgPerson'],
    ['objectClass', 'extensibleObject'],
    ['uid', account.username],
    ['cn', account.givenName],
    ['sn', account.familyName],
    ['displayName', `${account.givenName} ${account.familyName}`],
  ];
  const [main, ...others] = account.addresses;
  if (main) attributes.push(['mail', main]);
  for (const other of others) attributes.push(['otherMailbox', other]);
  for (const stored of account.stored) attributes.push(['userPassword', stored]);
  if (account.locked) attributes.push(['pwdAccountLockedTime', '000001010000Z']);
  return entry(personDn(account.username, baseDn), attributes);
}

function groupLines(
  group: { name: string; members: string[] },
  description: string,
  baseDn: string,
  namingViolations: boolean,
): string[] {
  const odd = namingViolations && group.name === 'atlas-administrators';
  return entry(`cn=${group.name},ou=groups,${baseDn}`, [
    ['objectClass', 'groupOfNames'],
    ['cn', odd ? 'atlas-admin' : group.name],
    ['description', description],
    ['member', ''],
    ...group.members.map((username): [string, string] => ['member', personDn(username, baseDn)]),
  ]);
}

function entry(dn: string, attributes: [name: string, value: string][]): string[] {
  return [...fold('dn', dn), ...attributes.flatMap(([name, value]) => fold(name, value)), ''];
}

/** One attribute line as slapcat writes it: base64 where needed and for passwords, folded at 76 columns. */
function fold(name: string, value: string): string[] {
  const safe =
    name !== 'userPassword' &&
    /^(?:[\x21-\x39\x3b\x3d-\x7e][\x20-\x7e]*)?$/.test(value) &&
    !value.endsWith(' ');
  const line = safe ? `${name}: ${value}`.trimEnd() : `${name}:: ${Buffer.from(value).toString('base64')}`;
  const lines = [line.slice(0, 76)];
  for (let at = 76; at < line.length; at += 75) lines.push(` ${line.slice(at, at + 75)}`);
  return lines;
}
