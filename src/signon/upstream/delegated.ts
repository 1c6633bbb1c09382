/**
 * Passwords that are kept in a directory: asked after ours was not right, for everybody alike, so that neither words nor
 * time tell whose password is kept where (AU-07). The directory hears the password of those it is asked about alone:
 * people linked to it, and names that are nobody's here.
 */
import type { FastifyRequest } from 'fastify';
import { setPassword } from '#core/credentials/credentials.ts';
import { Problem } from '#core/problem.ts';
import { type Hasher, HashingBusy } from '#kit/crypto/passwords.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import type { Stay } from '#signon/stay.ts';
import { arrive } from './arrive.ts';
import { askThere } from './ask-there.ts';
import { askDirectory, type DirectoryUpstream } from './directory.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import { type Link, link, linkOfSubject, linksOf, markTakenOver } from './links.ts';
import { credentialsOf, listUpstreams, openUpstream, type Upstream } from './upstreams.ts';

export interface DelegateNeeds {
  database: Database;
  secrets: Secrets;
  hasher: Hasher;
  net: Net;
  log: Log;
}

/** What someone typed at a door that checks passwords. */
export interface DelegatedAttempt {
  identifier: string;
  password: string;
  browser?: string;
  requestId?: string;
  persistent: boolean;
  stay?: Stay;
  /** Gives the place of a page on while a directory is waited for (`FastifyRequest.away`), where the door is one. */
  away?: FastifyRequest['away'];
  context: TxContext;
}

/** Whom it is about by our own records; not `heard` when their attempts are used up. */
export interface DelegatedCandidate {
  person?: { id: string };
  heard: boolean;
}

export type Delegated =
  | { person: string; amr: string[]; upstream: { id: string; subject: string } }
  | { arrival: string }
  | { failure: UpstreamFailure };

/** The password was right in a directory, but nobody here is them yet: they go on at this arrival. */
export class Arriving extends Error {
  override name = 'Arriving';
  readonly arrival: string;
  constructor(arrival: string) {
    super('somebody arrived whom nobody here is yet');
    this.arrival = arrival;
  }
}

const nobody = '00000000-0000-0000-0000-000000000000';

/**
 * Asks every directory that is open. Undefined when none knows the password; `failure` when one of them could not be
 * asked, whoever it was about.
 */
export async function delegatedPassword(
  needs: DelegateNeeds,
  attempt: DelegatedAttempt,
  candidate: DelegatedCandidate,
): Promise<Delegated | undefined> {
  const { directories, links } = await needs.database.read(attempt.context, async (tx) => ({
    directories: await openDirectories(tx, needs.secrets),
    links: await linksOf(tx, candidate.person?.id ?? nobody),
  }));
  let failure: UpstreamFailure | undefined;
  for (const directory of directories) {
    const known = links.find((one) => one.upstream === directory.id && !one.takenOverAt);
    const told = await ask(needs, directory, attempt, candidate, known).catch((error) => {
      if (!(error instanceof UpstreamFailure)) throw error;
      const { requestId: reference } = attempt.context;
      const detail = error.facts.detail;
      needs.log.warn({ code: error.code, upstream: directory.id, reference, detail }, 'a directory failed');
      failure = error;
      return undefined;
    });
    const found = told && (await settleTold(needs, directory, attempt, told));
    if (found) return found;
  }
  return failure && { failure };
}

function ask(
  needs: DelegateNeeds,
  directory: DirectoryUpstream,
  attempt: DelegatedAttempt,
  candidate: DelegatedCandidate,
  known: Link | undefined,
): Promise<Told | undefined> {
  const isTheirs = candidate.person === undefined || known !== undefined;
  const password =
    isTheirs && candidate.heard && attempt.password.length <= 1024 ? attempt.password : undefined;
  const asked = known ? { subject: known.subject } : { name: attempt.identifier.slice(0, 320) };
  return askThere({ away: attempt.away ?? ((work) => work()) }, directory, () =>
    askDirectory(needs, directory, asked, password),
  );
}

async function openDirectories(tx: Tx, secrets: Secrets): Promise<DirectoryUpstream[]> {
  const open: DirectoryUpstream[] = [];
  for (const upstream of await listUpstreams(tx)) {
    const directory = upstream.settings.enabled && (await toDirectory(tx, secrets, upstream));
    if (directory) open.push(directory);
  }
  return open;
}

async function toDirectory(
  tx: Tx,
  secrets: Secrets,
  upstream: Upstream,
): Promise<DirectoryUpstream | undefined> {
  const { ldap } = upstream.settings;
  if (!ldap) return undefined;
  const { bindPassword = '' } = await credentialsOf(tx, secrets, upstream.id);
  return { ...upstream, settings: { ...upstream.settings, ldap }, password: bindPassword };
}

/** The directory said yes: who is it here? Doors without a browser let in those alone who are somebody already. */
async function settleTold(
  needs: DelegateNeeds,
  directory: DirectoryUpstream,
  attempt: DelegatedAttempt,
  told: Told,
): Promise<Delegated | undefined> {
  const { id } = directory;
  const key = { upstream: id, tenant: told.tenant, subject: told.subject };
  const hash = directory.settings.ldap.takeOver ? await hashFor(needs.hasher, attempt.password) : undefined;
  const found = await needs.database.transact(attempt.context, async (tx) => {
    if (!attempt.browser && !(await linkOfSubject(tx, key))) return undefined;
    const { requestId, persistent, stay } = attempt;
    const errand = { kind: 'sign-in' as const, requestId, persistent, stay };
    const who = await arrive(tx, needs, id, told, { browser: attempt.browser ?? '', locale: 'en', errand });
    if ('person' in who && hash) await takeOver(tx, key, who.person, hash);
    return who;
  });
  if (!found || 'arrival' in found) return found;
  return { person: found.person, amr: ['pwd'], upstream: { id, subject: told.subject } };
}

async function hashFor(hasher: Hasher, password: string): Promise<string | undefined> {
  try {
    return await hasher.hash(password);
  } catch (error) {
    // Very many are signing in: it is kept another time.
    if (error instanceof HashingBusy) return undefined;
    throw error;
  }
}

/** The password is kept here from now on, and the directory is asked no more for this person. */
async function takeOver(tx: Tx, key: Parameters<typeof linkOfSubject>[1], person: string, hash: string) {
  const known = await linkOfSubject(tx, key);
  if (!known || known.takenOverAt || known.person !== person) return;
  await setPassword(tx, person, hash, 'directory');
  await markTakenOver(tx, known.id);
}

const linkAttempts = { points: 10, windowSeconds: 900 };

/** For the account page: whoever is signed in links a directory by its password. Refuses with `sign-in-failed`. */
export async function linkDirectory(
  needs: DelegateNeeds & { limits: Limits },
  input: { upstream: string; person: string; name: string; password: string; context: TxContext },
): Promise<void> {
  const limit = await needs.limits.take(`link-directory:${input.person}`, linkAttempts);
  if (!limit.allowed) throw new Problem('too-many-attempts', { retryAfter: limit.retryAfterSeconds });
  const directory = await needs.database.read(input.context, async (tx) =>
    toDirectory(tx, needs.secrets, await openUpstream(tx, input.upstream)),
  );
  if (!directory) throw new Problem('upstream-unknown');
  const told = await askDirectory(needs, directory, { name: input.name.slice(0, 320) }, input.password);
  if (!told) throw new Problem('sign-in-failed');
  const key = { upstream: directory.id, tenant: told.tenant, subject: told.subject };
  await needs.database.transact(input.context, async (tx) => {
    await openUpstream(tx, directory.id);
    await link(tx, key, input.person, { by: 'account-page', label: told.label });
  });
}
