/**
 * How fast a target is spoken to, for all nodes together: its rate and burst, what it asked for by Retry-After, and a
 * breaker that stops asking a target that does not answer. One bad target has its own row and slows no other.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Retry } from './connector.ts';
import * as store from './pace.store.ts';

export { clearPace, type PaceState, paceOf } from './pace.store.ts';

type Asker = { query(text: string, values?: readonly unknown[]): Promise<unknown> };

export interface Pace {
  perMinute: number;
  burst: number;
}

/** Longest wait inside one attempt; whoever would wait longer gives its place in the queue to others. */
const patienceMs = 15_000;
/** The target counts when requests arrive, and they do not arrive evenly: a little less than allowed is never refused. */
const margin = 0.985;
/** Of the turns a target gives at once, those kept back: calls held up by a busy machine arrive together with the next. */
const heldBack = 0.2;
const breaker = { threshold: 5, firstSeconds: 5, mostSeconds: 300 };
/** What a target may ask for at most. */
export const longestHoldSeconds = 3600;

/**
 * Waits for a turn; `probe` when this is the one call that may find out whether a silent target is back. Throws Retry where the target asked for a pause, does not answer, or the turn is too far away.
 */
export async function awaitTurn(
  database: Asker,
  application: string,
  pace: Pace,
  options: { timeoutSeconds: number; signal?: AbortSignal },
): Promise<{ probe: boolean }> {
  const turn = await store.takeTurn(database, {
    application,
    perMinute: pace.perMinute * margin,
    burst: Math.max(1, Math.floor(pace.burst * (1 - heldBack))),
    patienceMs,
    probeSeconds: options.timeoutSeconds + 5,
  });
  refuseWhileHeld(turn);
  if (turn.waitMs && turn.waitMs > 0) {
    await sleep(turn.waitMs, undefined, { signal: options.signal });
    // Meanwhile the target may have asked others to wait, or fallen silent; that holds for this call too.
    if (!turn.probe) refuseWhileHeld(await store.pauseOf(database, application));
  }
  return { probe: turn.probe ?? false };
}

function refuseWhileHeld({ brokenSeconds, heldSeconds }: store.Pause): void {
  if (brokenSeconds !== undefined) {
    throw new Retry('The target does not answer; it is asked again later.', {
      kind: 'later',
      afterSeconds: spread(brokenSeconds),
    });
  }
  if (heldSeconds !== undefined) {
    throw new Retry('The target asked for a pause.', { kind: 'later', afterSeconds: spread(heldSeconds) });
  }
}

/** A little later than told, so that all who were told the same do not come at once. */
export function spread(seconds: number): number {
  return seconds + Math.min(seconds * 0.1, 30) * (randomInt(1001) / 1000) + 0.05;
}

/** The target asked for a pause; without saying how long it gets the usual one. */
export async function noteRateLimit(
  database: Asker,
  application: string,
  seconds: number | undefined,
): Promise<number> {
  const pause = Math.min(longestHoldSeconds, Math.max(1, seconds ?? 30));
  await store.holdBack(database, application, pause);
  return pause;
}

export const noteAnswer = store.noteAnswer;

/** No answer, or one of 5xx. Returns how long nobody asks; 0 while the breaker is closed. */
export async function noteOutage(database: Asker, application: string, probe = false): Promise<number> {
  const jitter = 0.75 + randomInt(501) / 1000;
  const { openSeconds } = await store.noteFailure(database, {
    application,
    ...breaker,
    jitter,
    probe,
  });
  return openSeconds;
}

/**
 * How long an answer asks to wait, in seconds: Retry-After as seconds or as a date (RFC 9110 §10.2.3; against the answer's
 * own Date, so that a wrong clock does no harm), else the reset of a used-up rate limit. Undefined when it says nothing
 * sensible; never negative, never more than an hour.
 */
export function retryAfterSeconds(headers: Headers, now: Date): number | undefined {
  const said = headers.get('retry-after')?.trim();
  const there = Date.parse(headers.get('date') ?? '') || now.getTime();
  if (said !== undefined && said !== '') {
    if (/^\d+(\.\d+)?$/.test(said)) return Math.min(longestHoldSeconds, Number(said));
    const at = /^[A-Za-z]{3}/.test(said) ? Date.parse(said) : Number.NaN;
    if (!Number.isNaN(at)) return bounded((at - there) / 1000);
    return undefined;
  }
  if (Number(headers.get('x-ratelimit-remaining') ?? '1') > 0) return undefined;
  const reset = headers.get('x-ratelimit-reset')?.trim();
  if (!reset) return undefined;
  const number = Number(reset);
  // Seconds from now, seconds since 1970, or a date: all three are seen.
  if (Number.isFinite(number)) return bounded(number > 1e9 ? number - there / 1000 : number);
  const at = Date.parse(reset);
  return Number.isNaN(at) ? undefined : bounded((at - there) / 1000);
}

function bounded(seconds: number): number {
  return Math.min(longestHoldSeconds, Math.max(0, seconds));
}
