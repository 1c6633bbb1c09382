/**
 * Says of each record of a source what would become of it, and why. Pure: it knows the whole source (`survey`) and
 * what the caller looked up in the database (`Known`), and decides nothing else on its own.
 */
import type { Joiner } from '#core/lifecycle/join.ts';
import { lookAlikeKey, nearAddressKey } from '#core/people/names.ts';
import type { Candidate, CandidateAddress } from './candidate.ts';
import type { FindingKind, RefusalKind, Verdict } from './migration.ts';

/** Who comes first in the source with a name or an address. Records that cannot have theirs claim nothing. */
export interface Survey {
  keys: Map<string, Candidate>;
  names: Map<string, Candidate>;
  mainAddresses: Map<string, Candidate>;
  otherAddresses: Map<string, Candidate>;
  /** By the key under which addresses of one mailbox meet. */
  near: Map<string, Candidate>;
  /** By the key under which names meet that look alike. */
  looks: Map<string, Candidate>;
}

/** What the database knows of the names and addresses of some records. */
export interface Known {
  /** Of this source: record key → the person it became, and its fingerprint then. */
  origins: ReadonlyMap<string, { person: string; fingerprint: string }>;
  /** Keys that are or were somebody's user name. */
  taken: ReadonlySet<string>;
  /** Confirmed addresses: key → person. */
  owners: ReadonlyMap<string, string>;
  /** Addresses on a domain of alias mailboxes. */
  aliases: ReadonlySet<string>;
}

export interface Finding {
  kind: FindingKind;
  text: string;
}

export interface Assessment {
  candidate: Candidate;
  verdict: Verdict;
  /** Of a conflict or rejection. */
  kind?: RefusalKind;
  /** One sentence. */
  why: string;
  warnings: Finding[];
  /** Of those that join. */
  joiner?: Joiner;
  /** Whom an earlier import made of this record. */
  person?: string;
}

/** As many addresses as a person may have. */
const mostAddresses = 10;

/** Looks over the whole source, in its order: whoever comes first has the better claim. */
export function survey(candidates: Iterable<Candidate>): Survey {
  const found: Survey = {
    keys: new Map(),
    names: new Map(),
    mainAddresses: new Map(),
    otherAddresses: new Map(),
    near: new Map(),
    looks: new Map(),
  };
  const claim = (map: Map<string, Candidate>, key: string, candidate: Candidate) => {
    if (!map.has(key)) map.set(key, candidate);
  };
  for (const candidate of candidates) {
    claim(found.keys, candidate.key, candidate);
    if (candidate.nameKey === undefined || found.names.has(candidate.nameKey)) continue;
    found.names.set(candidate.nameKey, candidate);
    claim(found.looks, lookAlikeKey(candidate.nameKey), candidate);
    for (const { key } of candidate.others) claim(found.otherAddresses, key, candidate);
    if (!candidate.main) continue;
    claim(found.mainAddresses, candidate.main.key, candidate);
    claim(found.near, nearKey(candidate.main.key), candidate);
  }
  return found;
}

/** Dots too: only some providers pass over them, but people who have two accounts often differ by one. */
function nearKey(addressKey: string): string {
  const [local = '', domain = ''] = nearAddressKey(addressKey).split('@');
  return `${local.replaceAll('.', '')}@${domain}`;
}

/** The keys whose owners have to be looked up before these records can be assessed. */
export function keysToLookUp(candidates: readonly Candidate[]): {
  origins: string[];
  usernames: string[];
  addresses: string[];
} {
  const addresses = candidates.flatMap((one) => addressKeys(one));
  const names = candidates.flatMap((one) => one.nameKey ?? []);
  return {
    origins: candidates.map((one) => one.key),
    usernames: [...names, ...addresses],
    addresses: [...addresses, ...names.filter((name) => name.includes('@'))],
  };
}

function addressKeys({ main, others }: Candidate): string[] {
  return [...(main ? [main.key] : []), ...others.map((one) => one.key)];
}

/** What becomes of one record. `source` is the name it is imported under. */
export function assess(candidate: Candidate, all: Survey, known: Known, source: string): Assessment {
  const refuse = (verdict: 'conflict' | 'rejected', [kind, why]: Refusal): Assessment => ({
    candidate,
    verdict,
    kind,
    why,
    warnings: [],
  });
  const repeated = repeatedName(candidate, all);
  if (repeated) return refuse('conflict', repeated);
  const origin = known.origins.get(candidate.key);
  if (origin) return alreadyHere(candidate, origin);
  const unusable = noUse(candidate);
  if (unusable) return refuse('rejected', unusable);
  const conflict = nameConflict(candidate, all, known) ?? addressConflict(candidate, all, known);
  if (conflict) return refuse('conflict', conflict);
  return joining(candidate, all, known, source);
}

type Refusal = [kind: RefusalKind, why: string];

/** Where another record stands, in words. */
function place(other: Candidate): string {
  return `${other.username}${other.line === undefined ? '' : ` (line ${other.line})`}`;
}

function repeatedName(candidate: Candidate, all: Survey): Refusal | undefined {
  const named = candidate.nameKey === undefined ? undefined : all.names.get(candidate.nameKey);
  const first = [all.keys.get(candidate.key), named].find((one) => one && one !== candidate);
  if (!first) return undefined;
  return ['duplicate-username', `The source has this user name before, as ${place(first)}.`];
}

function alreadyHere(candidate: Candidate, origin: { person: string; fingerprint: string }): Assessment {
  if (origin.fingerprint === candidate.fingerprint)
    return {
      candidate,
      verdict: 'unchanged',
      why: 'Imported before, and the same since.',
      warnings: [],
      person: origin.person,
    };
  const why = 'Imported before; the record is different now. What is here was left as it is.';
  return {
    candidate,
    verdict: 'changed',
    why,
    warnings: [{ kind: 'changed', text: why }],
    person: origin.person,
  };
}

function noUse(candidate: Candidate): Refusal | undefined {
  if (candidate.name === undefined)
    return ['name-unusable', 'The user name is empty, too long, or holds characters that cannot be shown.'];
  if (candidate.password || candidate.main) return undefined;
  const why = candidate.schemes[0]?.reason ?? 'There is no password.';
  return ['no-way-in', `There is no usable address and no usable password. ${why}`];
}

function nameConflict(candidate: Candidate, all: Survey, known: Known): Refusal | undefined {
  const key = candidate.nameKey ?? '';
  if (known.taken.has(key))
    return ['username-taken', 'Someone here has or had this user name. It was not brought by this source.'];
  const own = addressKeys(candidate).includes(key);
  const holder = all.mainAddresses.get(key) ?? confirmedHolder(all, key);
  if (holder && holder !== candidate && !own)
    return ['username-is-address', `This user name is the address of ${place(holder)}.`];
  if (known.owners.has(key))
    return ['username-is-address', 'This user name is the confirmed address of someone here.'];
  return undefined;
}

/** An address nobody confirmed is no claim: there the user name stays, and the address is left out. */
function confirmedHolder(all: Survey, key: string): Candidate | undefined {
  const holder = all.otherAddresses.get(key);
  return holder?.others.some((one) => one.key === key && one.verified) ? holder : undefined;
}

function addressConflict(candidate: Candidate, all: Survey, known: Known): Refusal | undefined {
  const { main } = candidate;
  if (!main) return undefined;
  if (known.aliases.has(main.key))
    return ['address-ours', `${main.address} is on a domain of alias mailboxes: mail would go in a circle.`];
  const first = all.mainAddresses.get(main.key);
  if (first && first !== candidate)
    return ['duplicate-address', `${main.address} is the address of ${place(first)}, who comes before.`];
  if (known.owners.has(main.key))
    return ['duplicate-address', `${main.address} is the confirmed address of someone here.`];
  if (known.taken.has(main.key))
    return ['address-is-username', `${main.address} is the user name of someone here.`];
  return undefined;
}

function joining(candidate: Candidate, all: Survey, known: Known, source: string): Assessment {
  const warnings: Finding[] = [];
  const warn = (kind: FindingKind, text: string) => void warnings.push({ kind, text });
  const { main, password, locked } = candidate;
  const others = keptOthers(candidate, all, known, warn);
  for (const text of candidate.unreadable) warn('address-unreadable', `"${text}" cannot be read.`);
  if (!main) warn('no-address', 'The password works, but a new one cannot be set by mail.');
  else if (!main.verified) warn('address-unproved', `${main.address} counts as not confirmed.`);
  if (!password) warn('password-unusable', noPassword(candidate));
  if (candidate.tidied) warn('name-tidied', 'A name was too long or held characters that cannot be shown.');
  const near = main && all.near.get(nearKey(main.key));
  if (near && near !== candidate)
    warn(
      'near-duplicate',
      `${main.address} may reach the same mailbox as ${near.main?.address} of ${place(near)}.`,
    );
  const alike = all.looks.get(lookAlikeKey(candidate.nameKey ?? ''));
  if (alike && alike !== candidate)
    warn('look-alike', `${candidate.username} is easily taken for ${place(alike)}.`);
  // Without a password and a confirmed address the only way in is to confirm the address by mail.
  const state = locked ? 'locked' : password || main?.verified ? 'active' : 'unverified';
  const joiner: Joiner = {
    username: candidate.name ?? candidate.username,
    givenName: candidate.givenName,
    familyName: candidate.familyName,
    displayName: candidate.displayName,
    state,
    ...(locked ? { stateReason: 'import' } : {}),
    origin: source,
    addresses: [
      ...(main ? [{ ...main, primary: true }] : []),
      ...others.map((one) => ({ ...one, primary: false })),
    ],
    ...(password ? { password: { ...password, imported: true } } : {}),
  };
  const why = locked ? 'Joins locked, as in the source.' : 'Joins.';
  return { candidate, verdict: locked ? 'locked' : 'ready', why, warnings, joiner };
}

/** What is to be said of a record that joined before, in a run that was broken off. */
export function warningsOf(candidate: Candidate, all: Survey): Finding[] {
  const nobody: Known = { origins: new Map(), taken: new Set(), owners: new Map(), aliases: new Set() };
  return joining(candidate, all, nobody, '').warnings;
}

function noPassword({ schemes, main }: Candidate): string {
  const first = schemes[0];
  const what = first ? `${first.scheme}: ${first.reason ?? 'It cannot be kept.'}` : 'There is none.';
  return `${what} Mail for a new one goes to ${main?.address}.`;
}

/** Further addresses never cost anybody the account: one that is someone else's is left behind. */
function keptOthers(
  candidate: Candidate,
  all: Survey,
  known: Known,
  warn: (kind: FindingKind, text: string) => void,
): CandidateAddress[] {
  const isAnother = (holder: Candidate | undefined) => holder !== undefined && holder !== candidate;
  const someoneElses = ({ key, verified }: CandidateAddress) =>
    isAnother(all.mainAddresses.get(key)) ||
    isAnother(all.otherAddresses.get(key)) ||
    (!verified && isAnother(all.names.get(key))) ||
    known.owners.has(key) ||
    known.taken.has(key);
  const kept = candidate.others.filter((one) => {
    if (known.aliases.has(one.key)) {
      warn('address-dropped', `${one.address} is on a domain of alias mailboxes.`);
      return false;
    }
    if (!someoneElses(one)) return true;
    warn('address-dropped', `${one.address} is also someone else's.`);
    return false;
  });
  for (const { address } of kept.slice(mostAddresses - 1))
    warn('address-dropped', `${address} is beyond the ${mostAddresses} a person may have.`);
  return kept.slice(0, mostAddresses - 1);
}
