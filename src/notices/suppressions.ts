/**
 * Addresses that refuse our mail for good. After the second refusal within a month, mail that can be done without is not
 * sent there any more; what somebody waits for is tried once a day, for a mailbox may come back. Whoever proves the address
 * again, an operator, or mail that arrives lifts it. Security notices go to the other addresses of the person as ever.
 */
import { record } from '#core/events/events.ts';
import { addressById, listAddresses } from '#core/people/people.ts';
import { wasProvedSince } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { NoticeKind } from './intake.ts';
import type { Notice } from './notices.ts';
import * as store from './suppressions.store.ts';

export interface Suppression {
  /** Id of the address. */
  address: string;
  person: string;
  bounces: number;
  lastAt: Date;
  status?: string;
  /** What the last refusal said. */
  report?: string;
  suppressedAt: Date;
  /** When something was tried all the same. */
  triedAt?: Date;
}

const day = 86_400_000;
const bouncesUntil = 2;
const bouncesWithin = 30 * day;

/** Somebody waits for these at this moment. */
export const awaited: ReadonlySet<NoticeKind> = new Set([
  'confirm-sign-up',
  'confirm-address',
  'recovery',
  'prove-again',
]);
const dispensable: ReadonlySet<NoticeKind> = new Set(['welcome', 'sign-up-repeated']);

/** Counts a refusal that says the mailbox is not there. */
export async function noteHardBounce(
  tx: Tx,
  refusal: { person: string; address: string; status?: string; text?: string },
): Promise<void> {
  // It may be gone from the account since the letter was written.
  if ((await addressById(tx, refusal.address))?.person !== refusal.person) return;
  const since = new Date(tx.now().getTime() - bouncesWithin);
  if (!(await store.countBounce(tx, { ...refusal, since, most: bouncesUntil }))) return;
  const { person, address, status } = refusal;
  await record(tx, 'mail.suppressed', { person, data: { address, status } });
}

/**
 * Why a letter is not sent to its address now, in words, or undefined when it is. Looked at once, before the first attempt.
 */
export async function suppressionOf(tx: Tx, notice: Notice): Promise<string | undefined> {
  if (notice.attempts > 0 || notice.handedAt) return undefined;
  const found = await store.findSuppression(tx, notice.address);
  if (!found) return undefined;
  if (await wasProvedSince(tx, notice.address, found.suppressedAt)) {
    await lift(tx, notice.address, 'proof');
    return undefined;
  }
  const refuses = 'The address has refused our mail before.';
  if (dispensable.has(notice.kind)) return refuses;
  if (!awaited.has(notice.kind) && (await hasAnother(tx, notice))) return `${refuses} Others are told.`;
  const mayTry = await store.takeTry(tx, notice.address, new Date(tx.now().getTime() - day));
  return mayTry ? undefined : `${refuses} It is tried once a day.`;
}

/** Whether the person has another confirmed address that takes mail, as far as we know. */
async function hasAnother(tx: Tx, { person, address }: Notice): Promise<boolean> {
  const refusing = new Set((await store.suppressionsOf(tx, person)).map((one) => one.address));
  const proved = (await listAddresses(tx, [person])).filter((one) => one.verifiedAt);
  return proved.some((one) => one.id !== address && !refusing.has(one.id));
}

/** Mail arrived there. */
export async function forgetBounces(tx: Tx, { address }: { address: string }): Promise<void> {
  await lift(tx, address, 'delivery');
}

/** The person did something that proves one of their addresses: what it proves is looked up, and mail goes there again. */
export async function liftProved(tx: Tx, person: string): Promise<void> {
  for (const { address, suppressedAt } of await store.suppressionsOf(tx, person))
    if (await wasProvedSince(tx, address, suppressedAt)) await lift(tx, address, 'proof');
}

async function lift(tx: Tx, address: string, by: 'proof' | 'delivery' | 'operator'): Promise<boolean> {
  const gone = await store.deleteSuppression(tx, address);
  if (!gone?.suppressed) return false;
  await record(tx, 'mail.suppression-lifted', { person: gone.person, data: { address, by } });
  return true;
}

/** An operator has mail sent there again. Refuses with not-found when it was. */
export async function liftSuppression(tx: Tx, address: string): Promise<void> {
  if (!isId(address) || !(await lift(tx, address, 'operator'))) throw new Problem('not-found');
}

export interface ListedSuppression extends Suppression {
  to: string;
}

/** The latest of them, with the addresses as they are written. */
export async function listSuppressions(tx: Tx, limit = 200): Promise<ListedSuppression[]> {
  const found = await store.listSuppressions(tx, limit);
  const people = [...new Set(found.map((one) => one.person))];
  const texts = new Map((await listAddresses(tx, people)).map((one) => [one.id, one.address]));
  return found.map((one) => ({ ...one, to: texts.get(one.address) ?? '' }));
}

/** The one of an address, if mail is not sent there now. */
export const findSuppression = store.findSuppression;

/** Nothing stays of an erased person. */
export const forgetSuppressions = store.deleteSuppressionsOf;
