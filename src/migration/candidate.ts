/** One record of a source, read into what the house would keep of it. Pure; never throws. */
import { createHash } from 'node:crypto';
import { checkLegacyUsername, cleanLine, parseAddress, usernameKey } from '#core/people/names.ts';
import type { LegacyPerson } from '#sources/source.ts';
import { identifyHash } from '#wire/hashes/hashes.ts';

export interface CandidateAddress {
  address: string;
  key: string;
  verified: boolean;
}

/** One stored password, without the password. */
export interface StoredScheme {
  scheme: string;
  verifiable: boolean;
  fast: boolean;
  /** Why it cannot be verified. */
  reason?: string;
}

export interface Candidate {
  /** The record's key in its source. */
  key: string;
  line?: number;
  /** As written there. */
  username: string;
  /** The user name as it will be kept; undefined when it cannot be one. */
  name?: string;
  nameKey?: string;
  givenName: string;
  familyName: string;
  displayName: string;
  /** Some name had to be shortened or cleaned. */
  tidied: boolean;
  main?: CandidateAddress;
  others: CandidateAddress[];
  unreadable: string[];
  schemes: StoredScheme[];
  password?: { hash: string; scheme: string; needsWrap: boolean };
  locked: boolean;
  /** Names of groups the record itself names. */
  groups: string[];
  /** Changes when the record changes in what the house keeps. Holds no digest, so it helps nobody to guess. */
  fingerprint: string;
}

/** More values than this of one record are not looked at: verifying costs one computation each. */
const mostPasswords = 5;

/** Reads a record. What is not kept (everything in `extra`) is let go of here. */
export function readCandidate(person: LegacyPerson): Candidate {
  const name = readName(person.username);
  const lines = [person.givenName, person.familyName, person.displayName].map((text) => tidyLine(text ?? ''));
  const [givenName, familyName, displayName] = lines.map((line) => line.text) as [string, string, string];
  const passwords = readPasswords(person.passwordHashes);
  const addresses = readAddresses(person);
  const kept = {
    ...addresses,
    schemes: passwords.schemes,
    username: person.username,
    givenName,
    familyName,
    displayName,
    locked: person.locked,
  };
  return {
    ...kept,
    key: storable(person.key),
    ...(person.line === undefined ? {} : { line: person.line }),
    ...(name === undefined ? {} : { name, nameKey: usernameKey(name) }),
    tidied: lines.some((line) => line.tidied),
    ...(passwords.password ? { password: passwords.password } : {}),
    groups: person.groups,
    fingerprint: fingerprintOf(kept, passwords.settings),
  };
}

/** Text as the database takes it: without NUL and halves of characters, which a source may hold and shortening makes. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

function readName(username: string): string | undefined {
  try {
    const name = checkLegacyUsername(username);
    return usernameKey(name) !== '' && name.isWellFormed() ? name : undefined;
  } catch {
    return undefined;
  }
}

const invisible = /[\p{Cc}\p{Cf}\u2028\u2029]+/gu;

/** A line the core takes, made from whatever stands in a directory: cleaned and shortened where it must be. */
export function tidyLine(text: string, limit = 120): { text: string; tidied: boolean } {
  try {
    return { text: cleanLine(text, limit), tidied: false };
  } catch {
    const clean = text.toWellFormed().normalize('NFC').replaceAll(invisible, ' ').trim();
    const short = clean.slice(0, limit).replace(/[\ud800-\udbff]$/, '');
    return { text: short.trim(), tidied: true };
  }
}

/** The main address is the one marked so when it can be read, else the first that can. */
function readAddresses(person: LegacyPerson): Pick<Candidate, 'main' | 'others' | 'unreadable'> {
  const readable: (CandidateAddress & { primary: boolean })[] = [];
  const unreadable: string[] = [];
  for (const one of person.addresses) {
    try {
      const { address, key } = parseAddress(one.address);
      const known = readable.find((other) => other.key === key);
      if (known) known.verified ||= one.verified;
      else readable.push({ address, key, verified: one.verified, primary: one.primary });
    } catch {
      unreadable.push(one.address.slice(0, 120));
    }
  }
  const main = readable.find((one) => one.primary) ?? readable[0];
  const plain = ({ address, key, verified }: CandidateAddress): CandidateAddress => ({
    address,
    key,
    verified,
  });
  return {
    ...(main ? { main: plain(main) } : {}),
    others: readable.filter((one) => one !== main).map(plain),
    unreadable,
  };
}

/** Every value that can be verified is kept, in lines: any of them may be the one the person uses. */
function readPasswords(stored: readonly string[]): {
  schemes: StoredScheme[];
  settings: string[];
  password?: Candidate['password'];
} {
  const found = stored.slice(0, mostPasswords).map((text) => {
    const identity = identifyHash(text);
    // A line break inside would make two texts of one.
    const usable = identity.canonical !== undefined && !/[\n\0]/.test(identity.canonical);
    return { ...identity, canonical: usable ? identity.canonical : undefined };
  });
  const usable = found.filter((one) => one.canonical !== undefined);
  const lines = [...new Set(usable.map((one) => one.canonical))];
  return {
    schemes: found.map((one) => ({
      scheme: one.scheme,
      verifiable: one.canonical !== undefined,
      fast: one.fast,
      ...(one.reason === undefined ? {} : { reason: one.reason }),
    })),
    settings: found.map((one) => one.setting ?? one.scheme),
    ...(lines.length === 0
      ? {}
      : {
          password: {
            hash: lines.join('\n'),
            scheme: [...new Set(usable.map((one) => one.scheme))].join('+'),
            needsWrap: usable.some((one) => one.fast),
          },
        }),
  };
}

/** Of passwords it knows scheme, salt and cost alone: with the digest it would itself be a fast hash to guess at. */
function fingerprintOf(
  kept: Pick<
    Candidate,
    'username' | 'givenName' | 'familyName' | 'displayName' | 'locked' | 'main' | 'others'
  >,
  settings: readonly string[],
): string {
  const parts = [
    kept.username,
    kept.givenName,
    kept.familyName,
    kept.displayName,
    kept.locked,
    kept.main ?? null,
    kept.others.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    settings.toSorted(),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 24);
}
