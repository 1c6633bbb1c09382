/**
 * Every request and what it did, so that a checker can tell what was lost, doubled, stale or out of order. The last
 * 200,000 are kept; counts go on.
 */
import { createHash } from 'node:crypto';
import type { Change, Kind } from './resources.ts';
import type { Body } from './schema.ts';

/** Whom a request is about, as far as it says. */
export interface Subject {
  kind?: Kind;
  id?: string;
  userName?: string;
  externalId?: string;
}

/** What a resource was after a change: enough to compare with what it should be. */
export interface StateAfter {
  userName?: string;
  externalId?: string;
  displayName?: string;
  active?: boolean;
  members?: number;
  /** SHA-256 of all attributes in their canonical order, 16 hex digits; without members. */
  digest: string;
}

export interface LedgerEntry {
  seq: number;
  /** When the request had arrived, ISO 8601 with milliseconds. */
  at: string;
  method: string;
  path: string;
  query?: string;
  /** The Idempotency-Key header. */
  key?: string;
  subject: Subject;
  /** Null where no answer was given. */
  status: number | null;
  tookMs: number;
  fault?: string;
  /** Refused by the rate limit itself, not by a fault. */
  limited?: true;
  /** Retry-After as it was sent. */
  retryAfter?: string;
  /** So many milliseconds before the moment a Retry-After had named. */
  earlyMs?: number;
  change?: Change & { state?: StateAfter };
}

export interface Counters {
  requests: number;
  changes: number;
  created: number;
  /** Refused by the rate limit. */
  limited: number;
  /** Struck by a fault. */
  faults: number;
  /** Sent before the moment a Retry-After had named. */
  early: number;
  unauthorised: number;
  /** Entries that were dropped because there were too many. */
  dropped: number;
}

export interface LedgerQuery {
  /** Only entries after this number. */
  after?: number;
  limit?: number;
  id?: string;
  userName?: string;
  externalId?: string;
}

export interface Ledger {
  entries(query?: LedgerQuery): LedgerEntry[];
  counters(): Counters;
  /** Who was created while an earlier record of theirs was still there, by externalId or else user or group name. */
  doubled(): { name: string; ids: string[] }[];
  /** The states a resource went through, in order. */
  history(id: string): (Change & { at: string; state?: StateAfter })[];
  clear(): void;
}

const mostEntries = 200_000;
/** A request that was under way when the answer came is not early. */
const underWayMs = 50;
/** Nobody waits longer than an hour, whatever a Retry-After says. */
const longestWaitMs = 3_600_000;

export function createLedger() {
  let list: LedgerEntry[] = [];
  let last = 0;
  let told = { sentAt: 0, until: 0 };
  const none = (): Counters => ({
    requests: 0,
    changes: 0,
    created: 0,
    limited: 0,
    faults: 0,
    early: 0,
    unauthorised: 0,
    dropped: 0,
  });
  let counters = none();

  function note(
    entry: Omit<LedgerEntry, 'seq' | 'at' | 'earlyMs' | 'tookMs'> & { arrived: Date; done: Date },
  ): void {
    const { arrived, done, ...rest } = entry;
    const at = arrived.getTime();
    const early = at > told.sentAt + underWayMs && at < told.until ? told.until - at : undefined;
    last += 1;
    list.push({
      seq: last,
      at: arrived.toISOString(),
      ...rest,
      tookMs: done.getTime() - at,
      ...(early ? { earlyMs: early } : {}),
    });
    counters.requests += 1;
    counters.changes += rest.change ? 1 : 0;
    counters.created += rest.change?.what === 'create' ? 1 : 0;
    counters.limited += rest.limited ? 1 : 0;
    counters.faults += rest.fault ? 1 : 0;
    counters.early += early ? 1 : 0;
    counters.unauthorised += rest.status === 401 ? 1 : 0;
    if (rest.retryAfter !== undefined) hear(rest.retryAfter, done.getTime());
    if (list.length < mostEntries + 10_000) return;
    counters.dropped += list.length - mostEntries;
    list = list.slice(-mostEntries);
  }

  function hear(retryAfter: string, sentAt: number): void {
    const until = /^\d+$/.test(retryAfter) ? sentAt + Number(retryAfter) * 1000 : Date.parse(retryAfter);
    if (until > told.until) told = { sentAt, until: Math.min(until, sentAt + longestWaitMs) };
  }

  const ledger: Ledger = {
    entries({ after = 0, limit = Number.POSITIVE_INFINITY, id, userName, externalId } = {}) {
      const wanted = (entry: LedgerEntry) =>
        entry.seq > after &&
        (id === undefined || (entry.subject.id ?? entry.change?.id) === id || entry.change?.id === id) &&
        (userName === undefined || entry.subject.userName?.toLowerCase() === userName.toLowerCase()) &&
        (externalId === undefined || entry.subject.externalId === externalId);
      const found: LedgerEntry[] = [];
      for (const entry of list) {
        if (found.length >= limit) break;
        if (wanted(entry)) found.push(structuredClone(entry));
      }
      return found;
    },
    counters: () => ({ ...counters }),
    doubled: () => doubledIn(list),
    history: (id) => list.flatMap(({ at, change }) => (change?.id === id ? [{ at, ...change }] : [])),
    clear() {
      list = [];
      told = { sentAt: 0, until: 0 };
      counters = none();
    },
  };
  return { ledger, note };
}

function doubledIn(list: readonly LedgerEntry[]): { name: string; ids: string[] }[] {
  const alive = new Map<string, Set<string>>();
  const nameOf = new Map<string, string>();
  const doubled = new Map<string, Set<string>>();
  for (const { change } of list) {
    if (change?.what === 'delete') alive.get(nameOf.get(change.id) ?? '')?.delete(change.id);
    if (change?.what !== 'create' || !change.state) continue;
    const { externalId, userName, displayName } = change.state;
    const name = `${change.kind} ${externalId ?? (userName ?? displayName ?? '').toLowerCase()}`;
    const ids = (alive.get(name) ?? new Set()).add(change.id);
    alive.set(name, ids);
    nameOf.set(change.id, name);
    if (ids.size > 1) doubled.set(name, new Set([...(doubled.get(name) ?? []), ...ids]));
  }
  return [...doubled].map(([name, ids]) => ({ name, ids: [...ids] }));
}

/** The digest and the few members people look at. */
export function stateAfter(body: Body, members?: number): StateAfter {
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .sort(([one], [two]) => (one < two ? -1 : 1))
              .map(([key, member]) => [key, sorted(member)]),
          )
        : value;
  const text = (name: string) => (typeof body[name] === 'string' ? { [name]: body[name] } : {});
  return {
    ...text('userName'),
    ...text('externalId'),
    ...text('displayName'),
    ...(typeof body.active === 'boolean' ? { active: body.active } : {}),
    ...(members === undefined ? {} : { members }),
    digest: createHash('sha256')
      .update(JSON.stringify(sorted(body)))
      .digest('hex')
      .slice(0, 16),
  };
}
