import type { Tx } from '#kit/db/tx.ts';

export async function readSettings(tx: Tx): Promise<Record<string, unknown> | undefined> {
  const rows = await tx.query<{ settings: Record<string, unknown> }>(
    'select settings from community',
    [],
    'community-read',
  );
  return rows[0]?.settings;
}

export async function writeSettings(tx: Tx, settings: Record<string, unknown>): Promise<void> {
  await tx.query(
    `insert into community (settings, updated_at) values ($1, $2)
     on conflict ("only") do update set settings = excluded.settings, updated_at = excluded.updated_at`,
    [JSON.stringify(settings), tx.now()],
  );
  await tx.query(`select pg_notify('community', '')`);
}
