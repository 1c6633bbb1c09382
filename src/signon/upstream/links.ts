/**
 * Links: who someone of an upstream is here. The key is (upstream, tenant, subject); whose a link is never changes, it
 * is only made and removed. Making one is for those who hold proof of both sides.
 */
import { withOwnWayIn } from '#core/credentials/credentials.ts';
import { record } from '#core/events/events.ts';
import { listAddresses } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { endSessionsOpenedBy } from '#core/sessions/upstreams.ts';
import { isId, newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './links.store.ts';

/** Someone as an upstream names them for good. */
export interface Subject {
  upstream: string;
  /** Where its subjects are counted apart; '' where they are not. */
  tenant: string;
  subject: string;
}

export interface Link extends Subject {
  id: string;
  person: string;
  /** What the upstream calls them today. */
  label: string;
  createdAt: Date;
  usedAt?: Date;
  takenOverAt?: Date;
}

/** How a link came about: added on the account page, proved on the way in, by an authoritative upstream, with the account. */
export type LinkedBy = 'account-page' | 'local-proof' | 'authoritative' | 'joined';

export const linkOfSubject = store.linkOfSubject;
export const linksOf = store.linksOf;
export const linksAt = store.linksAt;
export const countLinks = store.countLinks;
export const noteLinkUse = store.noteUse;

export interface Dependents {
  /** They have no password, no passkey and no other upstream that is on. */
  people: number;
  /** Of these, who has no confirmed address either: no mail lets them set a password. */
  unreachable: number;
}

/** How many people are read at once. */
const atOnce = 5000;

/** Who would be left without a way in, were it not for this upstream. */
export async function countDependents(tx: Tx, upstream: string): Promise<Dependents> {
  const counted = { people: 0, unreachable: 0 };
  let known: string[];
  let after: string | undefined;
  do {
    known = await store.peopleKnownHereAlone(tx, upstream, { after, limit: atOnce });
    const own = await withOwnWayIn(tx, known);
    const left = known.filter((person) => !own.has(person));
    const confirmed = (await listAddresses(tx, left)).filter(({ verifiedAt }) => verifiedAt);
    const reached = new Set(confirmed.map(({ person }) => person));
    counted.people += left.length;
    counted.unreachable += left.filter((person) => !reached.has(person)).length;
    after = known.at(-1);
  } while (known.length === atOnce);
  return counted;
}

/**
 * Links a subject to a person. Linking what is linked so already is no change; refuses with `upstream-taken` when it is
 * another person's.
 */
export async function link(
  tx: Tx,
  key: Subject,
  person: string,
  how: { by: LinkedBy; label: string },
): Promise<Link> {
  const made = await store.insertLink(tx, { ...key, id: newId(), person, label: labelOf(how.label) });
  const now = await store.linkOfSubject(tx, key);
  if (now?.person !== person) throw new Problem('upstream-taken');
  if (made) await record(tx, 'upstream.linked', { person, data: { upstream: key.upstream, by: how.by } });
  return now;
}

export function labelOf(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 120);
}

/** How sessions name whom an upstream vouched for: its subject, with the tenant it is counted in. */
export function subjectKey({ tenant, subject }: { tenant: string; subject: string }): string {
  return tenant ? `${tenant} ${subject}` : subject;
}

/**
 * Removes one of a person's links, and ends the sessions it opened: whoever was let in by it was so by its word alone.
 * `here` is the session that asks for it and stays; so do those of a password that is kept here by now.
 * Refuses with `not-found` when it is not theirs.
 */
export async function unlink(tx: Tx, person: string, id: string, here?: string): Promise<void> {
  const [gone] = isId(id) ? await store.deleteLinks(tx, person, id) : [];
  if (!gone) throw new Problem('not-found');
  const { upstream } = gone;
  await record(tx, 'upstream.unlinked', { person, data: { upstream } });
  if (gone.takenOverAt) return;
  await endSessionsOpenedBy(tx, { upstream, subject: subjectKey(gone), except: here }, 'upstream-unlinked');
}

/** Removes all links of a person: when they are erased, and when what was set before an address was proved goes. */
export async function unlinkAll(tx: Tx, person: string): Promise<number> {
  const gone = await store.deleteLinks(tx, person);
  for (const one of gone) await record(tx, 'upstream.unlinked', { person, data: { upstream: one.upstream } });
  return gone.length;
}

export const markTakenOver = store.markTakenOver;
