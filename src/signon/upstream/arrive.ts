/**
 * Someone is back from an upstream: who are they here? By the link of their subject alone; an address decides nothing,
 * except where the upstream is authoritative for its domain and both sides have proved it (AC-02, AC-03). Whoever is
 * nobody here arrives: what was told waits, for this browser, until they prove an account of theirs or make one.
 */
import { findByVerifiedAddress, findPerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { isId, newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { UpstreamFailure } from './failure.ts';
import { type Identity, identify, isStrongEnough, type Told } from './identity.ts';
import * as store from './journeys.store.ts';
import type { Errand } from './journeys.ts';
import { labelOf, link, linkOfSubject, linksOf, noteLinkUse, type Subject } from './links.ts';
import { joinAtOnce, type Newcomer } from './newcomer.ts';
import { isAuthoritative, trusts } from './settings.ts';
import { sync } from './sync.ts';
import { openUpstream, type Upstream } from './upstreams.ts';

export type SignInErrand = Extract<Errand, { kind: 'sign-in' }>;

interface ArrivalNeeds {
  secrets: Secrets;
  log: Pick<Log, 'info'>;
}

/** Refuses whoever did not prove themselves there as the settings ask, or not since `provedAfter`. */
export function checkProof(upstream: Upstream, told: Told, provedAfter: string | undefined): void {
  if (!isStrongEnough(upstream.settings, told)) {
    const detail = `amr ${told.amr?.join(' ') ?? 'not told'}, acr ${told.acr ?? 'not told'}`;
    throw new UpstreamFailure('upstream-weak', upstream, { detail });
  }
  if (provedAfter === undefined) return;
  // Its clock need not be ours to the second.
  const earliest = Date.parse(provedAfter) - 60_000;
  if (told.provedAt === undefined || told.provedAt.getTime() < earliest)
    throw new UpstreamFailure('upstream-not-fresh', upstream);
}

/** Who it is here, or the arrival that waits for them to say so. */
export async function arrive(
  tx: Tx,
  needs: ArrivalNeeds,
  upstreamId: string,
  told: Told,
  here: { browser: string; locale: string; errand: SignInErrand },
): Promise<{ person: string } | { arrival: string }> {
  const upstream = await openUpstream(tx, upstreamId);
  const { settings } = upstream;
  const identity = identify(settings, told, needs.log);
  const key: Subject = { upstream: upstream.id, tenant: told.tenant, subject: told.subject };
  const known = await linkOfSubject(tx, key);
  if (known) {
    await noteLinkUse(tx, known.id, labelOf(told.label));
    await sync(tx, settings, known.person, identity);
    return { person: known.person };
  }
  const owner = await linkByAddress(tx, upstream, identity);
  if (owner) {
    await link(tx, key, owner, { by: 'authoritative', label: told.label });
    await sync(tx, settings, owner, identity);
    return { person: owner };
  }
  if (settings.newPeople === 'create') {
    const joined = await joinAtOnce(tx, { upstream, key, label: told.label, identity }, here);
    if (joined) return { person: joined };
  }
  return { arrival: await keepArrival(tx, needs.secrets, upstream, { told, identity }, here) };
}

/** All three must hold (AC-03): the truth table of linking without asking. */
export function mayLinkByAddress(facts: {
  authoritative: boolean;
  verifiedThere: boolean;
  verifiedHere: boolean;
}): boolean {
  return facts.authoritative && facts.verifiedThere && facts.verifiedHere;
}

/**
 * Whose account this address links to without asking. Not one that has a link to this upstream already: an address that
 * was given to somebody else there must not open the account of whoever had it before.
 */
async function linkByAddress(tx: Tx, upstream: Upstream, { address }: Identity): Promise<string | undefined> {
  if (!address) return undefined;
  const owner = await findByVerifiedAddress(tx, address.address);
  const facts = {
    authoritative: isAuthoritative(upstream.settings, address.key),
    verifiedThere: address.verified,
    verifiedHere: owner !== undefined,
  };
  if (!owner || !mayLinkByAddress(facts) || owner.state !== 'active') return undefined;
  const links = await linksOf(tx, owner.id);
  return links.some((one) => one.upstream === upstream.id) ? undefined : owner.id;
}

/** Someone who is nobody here yet, and waits in this browser. */
export interface Arrival extends Newcomer {
  id: string;
  createdAt: Date;
  errand: SignInErrand;
  told: Pick<Told, 'amr' | 'acr' | 'sessionIndex' | 'name' | 'idToken'>;
}

interface Sealed {
  identity: Identity;
  label: string;
  told: Arrival['told'];
  errand: SignInErrand;
}

const purpose = 'upstream arrival';
const bindOf = (id: string) => `upstream_arrivals/${id}/arrival`;
const lifetimeSeconds = 3600;

async function keepArrival(
  tx: Tx,
  secrets: Secrets,
  upstream: Upstream,
  who: { told: Told; identity: Identity },
  here: { browser: string; errand: SignInErrand },
): Promise<string> {
  const id = newId();
  const { tenant, subject, label, amr, acr, sessionIndex, name, idToken } = who.told;
  const content: Sealed = {
    identity: who.identity,
    label,
    told: { amr, acr, sessionIndex, name, idToken },
    errand: here.errand,
  };
  const sealed = secrets.seal(purpose, JSON.stringify(content), bindOf(id));
  const row = { id, browser: here.browser, upstream: upstream.id, tenant, subject, sealed, lifetimeSeconds };
  await store.insertArrival(tx, row);
  return id;
}

/** The arrival that waits in this browser; refuses with `request-expired`. Its upstream must still be open. */
export async function openArrival(tx: Tx, secrets: Secrets, browser: string, id: string): Promise<Arrival> {
  const row = isId(id) ? await store.openArrival(tx, id, browser) : undefined;
  if (!row) throw new Problem('request-expired');
  const upstream = await openUpstream(tx, row.upstream);
  const { identity, label, told, errand } = JSON.parse(
    secrets.open(purpose, row.sealed, bindOf(id)).toString(),
  ) as Sealed;
  const key: Subject = { upstream: row.upstream, tenant: row.tenant, subject: row.subject };
  return { id, createdAt: row.createdAt, upstream, key, label, identity, told, errand };
}

/** Ends it: of many at once one goes on. Refuses with `request-expired`. */
export async function closeArrival(tx: Tx, { id }: Arrival): Promise<void> {
  if (!(await store.useArrival(tx, id))) throw new Problem('request-expired');
}

/**
 * Both sides are proved: the subject there by the arrival, the account here by a sign-in that began after it. Links them.
 * Refuses with `session-ended` when the sign-in is older.
 */
export async function linkArrival(
  tx: Tx,
  arrival: Arrival,
  proof: { person: string; authTime: Date },
): Promise<void> {
  if (proof.authTime < arrival.createdAt) throw new Problem('session-ended');
  if ((await findPerson(tx, proof.person))?.state !== 'active') throw new Problem('session-ended');
  await closeArrival(tx, arrival);
  await link(tx, arrival.key, proof.person, { by: 'local-proof', label: arrival.label });
  await sync(tx, arrival.upstream.settings, proof.person, arrival.identity);
}

/** Whether an address the upstream verified is somebody's here: then they are asked for local proof first. */
export async function hasAccountHere(tx: Tx, { identity, upstream }: Arrival): Promise<boolean> {
  const { address } = identity;
  // An upstream that lets anyone call an address theirs would otherwise tell them which addresses have accounts here.
  if (!address?.verified || !trusts(upstream.settings, address.key)) return false;
  return (await findByVerifiedAddress(tx, address.address)) !== undefined;
}
