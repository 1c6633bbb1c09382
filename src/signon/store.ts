import type { Tx } from '#kit/db/tx.ts';
import type { SignOnRequest } from './dispatch.ts';
import type { SignOutOutcome } from './front.ts';

export async function insertRequest(
  tx: Tx,
  input: { id: string; browser: string; request: SignOnRequest; lifetimeSeconds: number },
): Promise<void> {
  await tx.query(
    `insert into signon_requests (id, browser, request, created_at, expires_at)
     values ($1, $2, $3, $4, $4::timestamptz + make_interval(secs => $5))`,
    [input.id, input.browser, JSON.stringify(input.request), tx.now(), input.lifetimeSeconds],
  );
}

export async function requestOf(tx: Tx, browser: string, id: string): Promise<SignOnRequest | undefined> {
  if (!/^[0-9a-f-]{36}$/i.test(id)) return undefined;
  const rows = await tx.query<{ request: SignOnRequest }>(
    'select request from signon_requests where id = $1 and browser = $2 and expires_at > $3',
    [id, browser, tx.now()],
  );
  return rows[0]?.request;
}

/** Deletes up to 10,000 requests whose time is over; returns how many. */
export async function deleteOldRequests(tx: Tx): Promise<number> {
  const gone = await tx.query(
    `delete from signon_requests where id in (
       select id from signon_requests where expires_at <= $1 limit 10000 for update skip locked) returning 1`,
    [tx.now()],
  );
  return gone.length;
}

export interface SignOutRow {
  sessions: string[];
  outcomes: SignOutOutcome[];
  returnTo: string | null;
  createdAt: Date;
}

export async function insertSignOut(
  tx: Tx,
  row: Pick<SignOutRow, 'sessions' | 'outcomes'> & {
    tokenHash: Buffer;
    returnTo?: string;
    lifetimeSeconds: number;
  },
): Promise<void> {
  await tx.query(
    `insert into sign_outs (token_hash, sessions, outcomes, return_to, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $5::timestamptz + make_interval(secs => $6))`,
    [
      row.tokenHash,
      row.sessions,
      JSON.stringify(row.outcomes),
      row.returnTo ?? null,
      tx.now(),
      row.lifetimeSeconds,
    ],
  );
}

export async function signOutOf(tx: Tx, tokenHash: Buffer): Promise<SignOutRow | undefined> {
  const rows = await tx.query<SignOutRow>(
    `select sessions, outcomes, return_to as "returnTo", created_at as "createdAt" from sign_outs
     where token_hash = $1 and expires_at > $2`,
    [tokenHash, tx.now()],
  );
  return rows[0];
}

/** Deletes up to 10,000 pages of sign-outs whose time is over; returns how many. */
export async function deleteOldSignOuts(tx: Tx): Promise<number> {
  const gone = await tx.query(
    `delete from sign_outs where token_hash in (
       select token_hash from sign_outs where expires_at <= $1 limit 10000 for update skip locked) returning 1`,
    [tx.now()],
  );
  return gone.length;
}

/** Notes that a puzzle made an account; false when it did before. Of many at once one waits for the others and loses. */
export async function usePuzzle(tx: Tx, id: Buffer, expiresAt: Date): Promise<boolean> {
  const rows = await tx.query(
    'insert into used_puzzles (id, expires_at) values ($1, $2) on conflict (id) do nothing returning 1',
    [id, expiresAt],
  );
  return rows.length === 1;
}

/** Deletes up to 10,000 used puzzles that nobody could solve again anyway; returns how many. */
export async function deleteOldPuzzles(tx: Tx): Promise<number> {
  const gone = await tx.query(
    `delete from used_puzzles where id in (
       select id from used_puzzles where expires_at <= $1 limit 10000 for update skip locked) returning 1`,
    [tx.now()],
  );
  return gone.length;
}
