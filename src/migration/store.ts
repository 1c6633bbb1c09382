import type { Database } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';

/** Advisory locks of imports, kept apart from others by this number. */
const lockSpace = 0x696d_706f;

/**
 * Takes the lock of a source for as long as the returned thing is held. Undefined when another import has it.
 * `lost` turns true when the connection that holds it broke.
 */
export async function lockSource(
  database: Database,
  source: string,
): Promise<{ lost(): boolean; release(): Promise<void> } | undefined> {
  const client = await database.pool.connect();
  let broken: Error | undefined;
  const onError = (error: Error) => {
    broken = error;
  };
  client.on('error', onError);
  const letGo = () => {
    client.off('error', onError);
    client.release(broken);
  };
  try {
    const { rows } = await client.query('select pg_try_advisory_lock($1, hashtext($2)) as won', [
      lockSpace,
      source,
    ]);
    if (!rows[0].won) {
      letGo();
      return undefined;
    }
  } catch (error) {
    broken = error as Error;
    letGo();
    throw error;
  }
  return {
    lost: () => broken !== undefined,
    async release() {
      await client
        .query('select pg_advisory_unlock($1, hashtext($2))', [lockSpace, source])
        .catch((error: Error) => {
          // Closing the connection gives the lock back too.
          broken ??= error;
        });
      letGo();
    },
  };
}

export interface RunRow {
  id: string;
  state: 'running' | 'done' | 'stopped';
  fingerprint: string;
  counts: Record<string, number>;
  startedAt: Date;
  finishedAt?: Date;
}

/** The newest run of this source. */
export async function lastRun(tx: Tx, source: string): Promise<RunRow | undefined> {
  const rows = await tx.query<{
    id: string;
    state: RunRow['state'];
    fingerprint: string;
    counts: Record<string, number>;
    started_at: Date;
    finished_at: Date | null;
  }>(
    `select id, state, fingerprint, counts, started_at, finished_at from import_runs
     where source = $1 order by started_at desc, id desc limit 1`,
    [source],
  );
  const row = rows[0];
  if (!row) return undefined;
  const { id, state, fingerprint, counts } = row;
  return {
    id,
    state,
    fingerprint,
    counts,
    startedAt: row.started_at,
    finishedAt: row.finished_at ?? undefined,
  };
}

/** Opens a run, or opens one again that did not come to its end. */
export async function openRun(
  tx: Tx,
  run: { id: string; source: string; fingerprint: string },
): Promise<void> {
  await tx.query(
    `insert into import_runs (id, source, fingerprint, state, counts, started_at, updated_at)
     values ($1, $2, $3, 'running', '{}', $4, $4)
     on conflict (id) do update set state = 'running', fingerprint = excluded.fingerprint,
       updated_at = excluded.updated_at`,
    [run.id, run.source, run.fingerprint, tx.now()],
  );
}

/** What the run has made of groups so far, for a next attempt to count on from. */
export async function saveGroupCounts(
  tx: Tx,
  id: string,
  counts: { groups: number; memberships: number },
): Promise<void> {
  await tx.query('update import_runs set counts = counts || $2, updated_at = $3 where id = $1', [
    id,
    JSON.stringify(counts),
    tx.now(),
  ]);
}

export async function endRun(
  tx: Tx,
  id: string,
  state: 'done' | 'stopped',
  counts: Record<string, number>,
): Promise<void> {
  await tx.query(
    `update import_runs set state = $2, counts = $3, updated_at = $4,
       finished_at = case when $2 = 'done' then $4::timestamptz end where id = $1`,
    [id, state, JSON.stringify(counts), tx.now()],
  );
}

export interface ImportRow {
  key: string;
  outcome: string;
  reason?: string;
  person?: string;
}

/** What this run made of records, before it was broken off. */
export async function rowsOf(tx: Tx, run: string, keys: readonly string[]): Promise<Map<string, ImportRow>> {
  const rows = await tx.query<{
    source_key: string;
    outcome: string;
    reason: string | null;
    person: string | null;
  }>(
    'select source_key, outcome, reason, person from import_rows where run = $1 and source_key = any($2::text[])',
    [run, keys],
  );
  return new Map(
    rows.map(({ source_key: key, outcome, reason, person }) => [
      key,
      { key, outcome, reason: reason ?? undefined, person: person ?? undefined },
    ]),
  );
}

export async function saveRows(tx: Tx, run: string, rows: readonly ImportRow[]): Promise<void> {
  await tx.query(
    `insert into import_rows (run, source_key, outcome, reason, person)
     select $1, key, outcome, reason, person
     from jsonb_to_recordset($2::jsonb) as r (key text, outcome text, reason text, person uuid)
     on conflict (run, source_key) do update set outcome = excluded.outcome, reason = excluded.reason,
       person = excluded.person`,
    [run, JSON.stringify(rows)],
    'import-rows-save',
  );
}

/** Deletes what runs noted of these people, also in runs of the same source that did not bring them. */
export async function deleteRowsOf(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query(
    `delete from import_rows r using import_runs u, (
       select distinct runs.source, known.source_key from import_rows known join import_runs runs on runs.id = known.run
       where known.person = any($1::uuid[])) theirs
     where u.id = r.run and u.source = theirs.source and r.source_key = theirs.source_key`,
    [people],
  );
}

/** Deletes up to 5,000 lines of runs that came to their end before this. Returns how many. */
export async function deleteOldRows(tx: Tx, before: Date): Promise<number> {
  const rows = await tx.query(
    `delete from import_rows where (run, source_key) in (
       select r.run, r.source_key from import_rows r join import_runs u on u.id = r.run
       where u.state = 'done' and u.finished_at < $1 limit 5000 for update of r skip locked) returning 1`,
    [before],
  );
  return rows.length;
}
