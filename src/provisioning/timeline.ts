/**
 * What happened to a person, a group or a target, in the order it happened: the answer to "was my user pushed?".
 * Owns `target_entries`. Records no events: entries are about pushes, events about facts. Refuses to keep secrets:
 * requests and answers are written without them and cut to a readable length.
 */
import type { Tx } from '#kit/db/tx.ts';
import * as store from './timeline.store.ts';

export type EntryKind =
  | 'queued'
  | 'proposed'
  | 'approved'
  | 'rejected'
  | 'held'
  | 'answered'
  | 'unanswered'
  | 'retry'
  | 'settled'
  | 'seen-equal'
  | 'refused'
  | 'problem'
  | 'dead'
  | 'replayed'
  | 'forgotten';

/** `person:<id>`, `group:<id>`, `stranger:<remote id>` or `target`. */
export type Subject = string;

export interface NewEntry {
  application: string;
  subject: Subject;
  kind: EntryKind;
  /** One sentence for administrators. */
  text: string;
  attempt?: number;
  request?: unknown;
  response?: unknown;
  tookMs?: number;
  cause?: string;
  /** Who asked for it, in words: a name, or the part of the house. */
  actor?: string;
}

export interface Entry extends NewEntry {
  id: number;
  at: Date;
}

type Writer = Pick<Tx, 'query'> | { query(text: string, values?: readonly unknown[]): Promise<unknown> };

/** Writes one entry; the request and answer as they may be shown. */
export async function note(writer: Writer, entry: NewEntry): Promise<void> {
  await store.insertEntries(writer, [shown(entry)]);
}

/** Writes many entries with one statement. */
export async function noteAll(writer: Writer, entries: readonly NewEntry[]): Promise<void> {
  if (entries.length > 0) await store.insertEntries(writer, entries.map(shown));
}

function shown(entry: NewEntry): NewEntry {
  return {
    ...entry,
    text: entry.text.slice(0, 1000),
    request: entry.request === undefined ? undefined : readable(entry.request),
    response: entry.response === undefined ? undefined : readable(entry.response),
  };
}

const secretName = /pass(word|phrase)?$|secret|token|authorization|cookie|signature|api-?key|credential/i;

/** Whether what stands under this name is kept from every eye. */
export const isSecretName = (name: string): boolean => secretName.test(name);

const longestText = 4000;
const longestName = 200;
const mostCharacters = 20_000;
const deepest = 8;
const mostMembers = 100;

/**
 * The same value without secrets, as the database takes it, and no larger than anyone reads: what a target answers is
 * not ours to trust, and every exchange is kept.
 */
export function readable(value: unknown, depth = 0, budget = { characters: mostCharacters }): unknown {
  budget.characters -= 10;
  if (budget.characters <= 0) return '…';
  if (typeof value === 'string') {
    const text = cut(value, Math.min(longestText, budget.characters));
    budget.characters -= text.length;
    return text;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= deepest) return '…';
  if (Array.isArray(value)) {
    const members = value.slice(0, mostMembers).map((one) => readable(one, depth + 1, budget));
    return value.length > mostMembers ? [...members, `… ${value.length - mostMembers} more`] : members;
  }
  const members = Object.entries(value).slice(0, mostMembers);
  return Object.fromEntries(
    members.map(([key, one]) => {
      const name = cut(key, longestName);
      budget.characters -= name.length;
      const secret = isSecretName(key) && one !== null;
      return [name, secret ? '[removed]' : readable(one, depth + 1, budget)];
    }),
  );
}

/** NUL and half characters are no text for the database. */
function cut(text: string, most: number): string {
  const clean = text.replaceAll('\0', '\ufffd').toWellFormed();
  return clean.length > most ? `${clean.slice(0, most).toWellFormed()}… (${clean.length} characters)` : clean;
}

/** Entries of one subject at one target, newest first. */
export const timelineOf = store.entriesOf;

/** Entries of one person at every target, newest first. */
export const personTimeline = (tx: Tx, person: string, limit = 100): Promise<Entry[]> =>
  store.entriesOfSubject(tx, `person:${person}`, limit);

/** How many exchanges went well, were refused or failed in each of the last minutes, oldest first, for charts. */
export const ratesOf = store.exchangesByMinute;

/** Deletes entries older than so many days, in bounded batches; the last ones of each subject stay. Returns how many. */
export const sweepTimeline = store.deleteOld;

/** Takes requests, answers and sentences about an erased person out of the timeline. */
export const forgetSubject = store.blankSubject;

/** What a person reads about themselves at an app. */
export interface PlainState {
  application: string;
  /**
   * `there`: all as it should be. `waiting`: on its way. `asked`: an administrator has to agree first. `stuck`: an
   * administrator has to look. `none`: not meant to be there.
   */
  state: 'there' | 'waiting' | 'asked' | 'stuck' | 'none';
  since: Date;
}

/** The plain answer from the last thing that happened. */
export function plainState(last: Pick<Entry, 'application' | 'kind' | 'at'>): PlainState {
  const { application, at: since } = last;
  switch (last.kind) {
    case 'settled':
    case 'seen-equal':
      return { application, state: 'there', since };
    case 'refused':
    case 'problem':
    case 'dead':
    case 'rejected':
      return { application, state: 'stuck', since };
    case 'proposed':
    case 'held':
      return { application, state: 'asked', since };
    case 'forgotten':
      return { application, state: 'none', since };
    default:
      return { application, state: 'waiting', since };
  }
}
