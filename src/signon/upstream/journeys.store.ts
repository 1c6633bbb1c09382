import type { Tx } from '#kit/db/tx.ts';
import type { Errand } from './journeys.ts';

export async function insertJourney(
  tx: Tx,
  row: {
    id: string;
    handleHash: Buffer;
    browser: string;
    upstream: string;
    errand: Errand;
    lifetimeSeconds: number;
  },
): Promise<void> {
  await tx.query(
    `insert into upstream_requests (id, handle_hash, browser, upstream, request, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $6::timestamptz + make_interval(secs => $7))`,
    [
      row.id,
      row.handleHash,
      row.browser,
      row.upstream,
      JSON.stringify(row.errand),
      tx.now(),
      row.lifetimeSeconds,
    ],
  );
}

/** Uses it up; of many at once one gets it. */
export async function useJourney(
  tx: Tx,
  by: { handleHash: Buffer; browser: string; anyBrowser: string; upstream: string },
): Promise<{ id: string; errand: Errand; began: Date; answer?: Buffer } | undefined> {
  const rows = await tx.query<{ id: string; errand: Errand; began: Date; answer: Buffer | null }>(
    `update upstream_requests set used_at = $5
     where handle_hash = $1 and (browser = $2 or (browser = $3 and answer is not null)) and upstream = $4
       and used_at is null and expires_at > $5
     returning id, request as errand, created_at as began, answer`,
    [by.handleHash, by.browser, by.anyBrowser, by.upstream, tx.now()],
  );
  const [row] = rows;
  return row && { ...row, answer: row.answer ?? undefined };
}

/** One that is open, whoever's it is. */
export async function findJourney(
  tx: Tx,
  by: { handleHash: Buffer; upstream: string },
): Promise<{ id: string; errand: Errand } | undefined> {
  const rows = await tx.query<{ id: string; errand: Errand }>(
    `select id, request as errand from upstream_requests
     where handle_hash = $1 and upstream = $2 and used_at is null and expires_at > $3`,
    [by.handleHash, by.upstream, tx.now()],
  );
  return rows[0];
}

/** False where there is an answer already, or the journey is over. */
export async function keepAnswer(tx: Tx, id: string, answer: Buffer): Promise<boolean> {
  const rows = await tx.query(
    `update upstream_requests set answer = $2
     where id = $1 and answer is null and used_at is null and expires_at > $3 returning 1`,
    [id, answer, tx.now()],
  );
  return rows.length === 1;
}

/** Uses it up by its id. */
export async function spendJourney(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    'update upstream_requests set used_at = $2 where id = $1 and used_at is null and expires_at > $2 returning 1',
    [id, tx.now()],
  );
  return rows.length === 1;
}

export async function insertArrival(
  tx: Tx,
  row: {
    id: string;
    browser: string;
    upstream: string;
    tenant: string;
    subject: string;
    sealed: Buffer;
    lifetimeSeconds: number;
  },
): Promise<void> {
  await tx.query(
    `insert into upstream_arrivals (id, browser, upstream, tenant, subject, arrival, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $7::timestamptz + make_interval(secs => $8))`,
    [row.id, row.browser, row.upstream, row.tenant, row.subject, row.sealed, tx.now(), row.lifetimeSeconds],
  );
}

export interface ArrivalRow {
  id: string;
  upstream: string;
  tenant: string;
  subject: string;
  sealed: Buffer;
  createdAt: Date;
}

export async function openArrival(tx: Tx, id: string, browser: string): Promise<ArrivalRow | undefined> {
  const rows = await tx.query<ArrivalRow>(
    `select id, upstream, tenant, subject, arrival as sealed, created_at as "createdAt" from upstream_arrivals
     where id = $1 and browser = $2 and used_at is null and expires_at > $3`,
    [id, browser, tx.now()],
  );
  return rows[0];
}

export async function useArrival(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    'update upstream_arrivals set used_at = $2 where id = $1 and used_at is null and expires_at > $2 returning 1',
    [id, tx.now()],
  );
  return rows.length === 1;
}

/** False when it was heard before. */
export async function insertHeard(
  tx: Tx,
  row: { upstream: string; tokenHash: Buffer; expiresAt: Date },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into upstream_heard (upstream, token_hash, expires_at) values ($1, $2, $3)
     on conflict do nothing returning 1`,
    [row.upstream, row.tokenHash, row.expiresAt],
  );
  return rows.length === 1;
}

/** Deletes up to 10,000 of each whose time is over; returns the most of one kind. */
export async function deleteOld(tx: Tx): Promise<number> {
  const counts: number[] = [];
  for (const [table, key] of [
    ['upstream_requests', 'id'],
    ['upstream_arrivals', 'id'],
    ['upstream_heard', 'ctid'],
  ]) {
    const gone = await tx.query(
      `delete from ${table} where ${key} in (
         select ${key} from ${table} where expires_at <= $1 limit 10000 for update skip locked) returning 1`,
      [tx.now()],
    );
    counts.push(gone.length);
  }
  return Math.max(...counts);
}
