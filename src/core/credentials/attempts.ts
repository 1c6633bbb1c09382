/**
 * How often a password may be tried, counted twice. What was typed has a counter of its own, and that one alone
 * decides whether "too many attempts" is said: an answer that knew whose name was typed would tell which address
 * belongs to which user name. Beside it counts whom the attempt is about, whatever was typed and at whichever door:
 * that one limits guessing, and never shows.
 */
import { createHash } from 'node:crypto';
import { record, recordNothing } from '#core/events/events.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

/** Whose failures are counted together: one counter a person for all doors, one beside it for a known device or for codes. */
export type AttemptSubject =
  | { kind: 'person'; person: string }
  | { kind: 'unknown'; identifierKey: string }
  | { kind: 'device'; device: string }
  /** Codes of authenticator apps and recovery codes. */
  | { kind: 'factor'; person: string };

/** What was typed into the first field, by its key; apart for each known device where `device` is given. */
export interface TypedName {
  identifierKey: string;
  device?: string;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function subjectKey(subject: AttemptSubject): string {
  if (subject.kind === 'person') return `person:${subject.person}`;
  if (subject.kind === 'device') return `device:${subject.device}`;
  if (subject.kind === 'factor') return `factor:${subject.person}`;
  return `unknown:${digest(subject.identifierKey)}`;
}

function typedKey(typed: TypedName): string {
  return `typed:${typed.device ?? ''}:${digest(typed.identifierKey)}`;
}

/** Ten wrong passwords in a quarter of an hour, then a quarter of an hour of silence. */
export const attemptLimits = { failures: 10, windowSeconds: 900, blockSeconds: 900 };

export interface AttemptVerdict {
  allowed: boolean;
  retryAfterSeconds: number;
  /** This is the last one before the block. */
  last: boolean;
}

/**
 * Takes one attempt *before* the password is looked at, so that fifty at once cannot look more often than the
 * limit allows; `forgiveAttempts` gives it back after success. For doors where the person is known already.
 */
export async function reserveAttempt(tx: Tx, subject: AttemptSubject): Promise<AttemptVerdict> {
  return verdictOn(tx, await store.countAttempt(tx, subjectKey(subject), attemptLimits));
}

/**
 * The same where a name was typed, of both counters with one statement. What `typed` refuses may be said; what
 * `subject` refuses must look like a wrong password. Once a name is refused nothing is taken from the subject.
 */
export async function reserveTypedAttempt(
  tx: Tx,
  typed: TypedName,
  subject: AttemptSubject,
): Promise<{ typed: AttemptVerdict; subject: AttemptVerdict }> {
  const counts = await store.countTypedAttempt(tx, typedKey(typed), subjectKey(subject), attemptLimits);
  const ofTyped = verdictOn(tx, counts.typed);
  return { typed: ofTyped, subject: counts.subject ? verdictOn(tx, counts.subject) : ofTyped };
}

function verdictOn(tx: Tx, { failures, blockedUntil }: store.AttemptCount): AttemptVerdict {
  if (blockedUntil === undefined)
    return { allowed: true, retryAfterSeconds: 0, last: failures === attemptLimits.failures };
  const wait = Math.ceil((blockedUntil.getTime() - tx.now().getTime()) / 1000);
  return { allowed: false, retryAfterSeconds: Math.max(1, wait), last: false };
}

/**
 * After an attempt proved wrong: when it was the last of a person, they are told. Costs one statement whoever it was
 * about (AU-07).
 */
export async function noteFailedAttempt(
  tx: Tx,
  subject: AttemptSubject,
  verdict: Pick<AttemptVerdict, 'last'>,
): Promise<void> {
  const person = subject.kind === 'person' || subject.kind === 'factor' ? subject.person : undefined;
  if (!verdict.last || person === undefined) return recordNothing(tx);
  await record(tx, 'sign-in.throttled', {
    person,
    data: { failures: attemptLimits.failures },
  });
}

/**
 * After success nothing is held against the person (or device) any more. What was typed gets this one attempt back
 * and no more, or others could see by their own count that its owner was here.
 */
export async function forgiveAttempts(tx: Tx, subject: AttemptSubject, typed?: TypedName): Promise<void> {
  await store.clearAttempts(tx, subjectKey(subject), typed && typedKey(typed));
}

/** Gives back what was taken for an attempt that in the end nobody looked at. */
export async function giveBackAttempt(tx: Tx, subject?: AttemptSubject, typed?: TypedName): Promise<void> {
  const keys = [typed && typedKey(typed), subject && subjectKey(subject)] as const;
  await store.returnAttempt(tx, keys[0], keys[1], attemptLimits.failures);
}

/** Until when passwords of this subject are not looked at; undefined while they are. */
export async function waitsUntil(tx: Tx, subject: AttemptSubject): Promise<Date | undefined> {
  return store.blockOf(tx, subjectKey(subject), attemptLimits.failures);
}
