import type { Tx } from '#kit/db/tx.ts';
import type { Suppression } from './suppressions.ts';

interface Row {
  address: string;
  person: string;
  bounces: number;
  first_at: Date;
  last_at: Date;
  status: string | null;
  report: string | null;
  suppressed_at: Date | null;
  tried_at: Date | null;
}

const columns = 'address, person, bounces, first_at, last_at, status, report, suppressed_at, tried_at';

function toSuppression(row: Row & { suppressed_at: Date }): Suppression {
  return {
    address: row.address,
    person: row.person,
    bounces: row.bounces,
    lastAt: row.last_at,
    status: row.status ?? undefined,
    report: row.report ?? undefined,
    suppressedAt: row.suppressed_at,
    triedAt: row.tried_at ?? undefined,
  };
}

/**
 * Counts one refusal of an address that is on the account; those before `since` do not count any more.
 * @returns whether it is suppressed by this very one
 */
export async function countBounce(
  tx: Tx,
  input: { person: string; address: string; status?: string; text?: string; since: Date; most: number },
): Promise<boolean> {
  const rows = await tx.query<{ now: boolean }>(
    `insert into mail_suppressions as known (address, person, bounces, first_at, last_at, status, report)
     values ($1, $2, 1, $3::timestamptz, $3::timestamptz, $4, left($5, 500))
     on conflict (address) do update set
       bounces = case when known.last_at < $6 and known.suppressed_at is null then 1 else known.bounces + 1 end,
       last_at = excluded.last_at, status = excluded.status, report = excluded.report,
       suppressed_at = case
         when known.suppressed_at is not null then known.suppressed_at
         when known.last_at >= $6 and known.bounces + 1 >= $7::integer then excluded.last_at end
     returning suppressed_at is not null and bounces = $7::integer as now`,
    [
      input.address,
      input.person,
      tx.now(),
      input.status ?? null,
      input.text ?? null,
      input.since,
      input.most,
    ],
    'suppressions-count',
  );
  return rows[0]?.now ?? false;
}

export async function findSuppression(tx: Tx, address: string): Promise<Suppression | undefined> {
  const rows = await tx.query<Row & { suppressed_at: Date }>(
    `select ${columns} from mail_suppressions where address = $1 and suppressed_at is not null`,
    [address],
    'suppressions-find',
  );
  return rows[0] && toSuppression(rows[0]);
}

export async function suppressionsOf(tx: Tx, person: string): Promise<Suppression[]> {
  const rows = await tx.query<Row & { suppressed_at: Date }>(
    `select ${columns} from mail_suppressions where person = $1 and suppressed_at is not null`,
    [person],
    'suppressions-of',
  );
  return rows.map(toSuppression);
}

/** Newest first. */
export async function listSuppressions(tx: Tx, limit: number): Promise<Suppression[]> {
  const rows = await tx.query<Row & { suppressed_at: Date }>(
    `select ${columns} from mail_suppressions where suppressed_at is not null
     order by suppressed_at desc, address limit $1`,
    [limit],
  );
  return rows.map(toSuppression);
}

/** Whether it may be tried now; of many at once one may. */
export async function takeTry(tx: Tx, address: string, before: Date): Promise<boolean> {
  const rows = await tx.query(
    `update mail_suppressions set tried_at = $2
     where address = $1 and (tried_at is null or tried_at <= $3) returning 1`,
    [address, tx.now(), before],
  );
  return rows.length === 1;
}

/** Forgets what an address refused. Says whether it was suppressed. */
export async function deleteSuppression(
  tx: Tx,
  address: string,
): Promise<{ person: string; suppressed: boolean } | undefined> {
  const rows = await tx.query<{ person: string; suppressed: boolean }>(
    `delete from mail_suppressions where address = $1
     returning person, suppressed_at is not null as suppressed`,
    [address],
    'suppressions-delete',
  );
  return rows[0];
}

export async function deleteSuppressionsOf(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from mail_suppressions where person = $1', [person], 'suppressions-forget');
}
