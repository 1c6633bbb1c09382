/**
 * Wraps imported passwords that are fast to guess in argon2id, in the background and without anybody's password, so
 * that no dump holds one. Goes on after a restart: what is left to do is what the database says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  countToWrap,
  passwordsToWrap,
  replaceWrapped,
  type StoredPassword,
} from '#core/credentials/credentials.ts';
import { type Hasher, HashingBusy } from '#kit/crypto/passwords.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import { isWrapped, wrapLegacy } from '#wire/hashes/hashes.ts';

export interface WrappingNeeds {
  database: Database;
  hasher: Hasher;
  log: Log;
}

export interface Wrapping {
  /** Ends after the password under way; what is done is kept. */
  stop(): Promise<void>;
  /** Wraps everything there is now, without pauses. */
  settle(): Promise<void>;
}

/** Kept in one transaction; as much is done again after a crash. */
const pageSize = 20;
const progressEvery = 1_000;

/**
 * Starts the job. One password at a time, with a pause as long as `pauseShare` times what it took (default 1: half a
 * core at most), and none at all while a sign-in waits for its turn. Looks for new work every `pollMs` (30,000).
 */
export function startWrapping(
  needs: WrappingNeeds,
  options: { pollMs?: number; pauseShare?: number } = {},
): Wrapping {
  const { log } = needs;
  const stopping = new AbortController();
  const { signal } = stopping;
  const { pollMs = 30_000, pauseShare = 1 } = options;

  async function work(): Promise<void> {
    while (!signal.aborted) {
      try {
        await wrapAll(needs, signal, (tookMs) => rest(needs.hasher, tookMs * pauseShare, signal));
      } catch (error) {
        if (!signal.aborted) log.error({ err: error, code: 'wrapping-failed' }, 'wrapping passwords failed');
      }
      await pause(pollMs, signal);
    }
  }
  const running = work();

  return {
    async stop() {
      stopping.abort();
      await running;
    },
    settle: () => wrapAll(needs, signal, async () => undefined),
  };
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}

/** Waits as long as told, and then for everybody who is signing in. */
async function rest(hasher: Hasher, milliseconds: number, signal: AbortSignal): Promise<void> {
  do await pause(Math.max(1, milliseconds), signal);
  while (hasher.stats().waiting > 0 && !signal.aborted);
}

async function wrapAll(
  needs: WrappingNeeds,
  signal: AbortSignal,
  rested: (tookMs: number) => Promise<void>,
): Promise<void> {
  const { database, log } = needs;
  const total = await database.read(system(), countToWrap);
  if (total === 0) return;
  log.info({ passwords: total }, 'wrapping imported passwords in argon2id');
  let done = 0;
  let unusable = 0;
  let after: string | undefined;
  for (;;) {
    const page = await database.read(system(), (tx) => passwordsToWrap(tx, pageSize, after));
    after = page.at(-1)?.person;
    if (after === undefined || signal.aborted) break;
    const wrapped = await wrapPage(needs, page, signal, rested);
    unusable += wrapped.unusable;
    if (wrapped.rows.length > 0) await database.transact(system(), (tx) => replaceWrapped(tx, wrapped.rows));
    const before = done;
    done += wrapped.rows.length;
    if (Math.floor(done / progressEvery) > Math.floor(before / progressEvery))
      log.info({ done, passwords: total }, 'wrapping goes on');
  }
  if (unusable > 0)
    log.error({ code: 'password-unreadable', passwords: unusable }, 'imported passwords cannot be wrapped');
  log.info({ done, passwords: total }, signal.aborted ? 'wrapping was stopped' : 'wrapping is done');
}

interface WrappedPage {
  rows: { person: string; from: string; to: string; scheme: string }[];
  unusable: number;
}

async function wrapPage(
  { hasher }: WrappingNeeds,
  page: readonly StoredPassword[],
  signal: AbortSignal,
  rested: (tookMs: number) => Promise<void>,
): Promise<WrappedPage> {
  const made: WrappedPage = { rows: [], unusable: 0 };
  for (const { person, hash, scheme } of page) {
    if (signal.aborted) break;
    const began = performance.now();
    const to = await wrapLines(hasher, hash, signal);
    if (to === undefined) {
      if (!signal.aborted) made.unusable += 1;
      continue;
    }
    made.rows.push({ person, from: hash, to, scheme });
    await rested(performance.now() - began);
  }
  return made;
}

/** All of a person's imported hashes; a line that cannot be read opens nothing and is let go of. */
async function wrapLines(hasher: Hasher, hash: string, signal: AbortSignal): Promise<string | undefined> {
  const lines: string[] = [];
  for (const line of hash.split('\n')) {
    const wrapped = isWrapped(line) ? line : await patiently(() => wrapLegacy(line, hasher), signal);
    if (wrapped !== undefined) lines.push(wrapped);
  }
  return lines.length > 0 && !signal.aborted ? lines.join('\n') : undefined;
}

async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  while (!signal.aborted) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof HashingBusy)) throw error;
      await pause(250, signal);
    }
  }
  return undefined;
}
