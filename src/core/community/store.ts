import type { Tx } from '#kit/db/tx.ts';

/** As text, which is the same as long as nothing changed; undefined before anything was declared. */
export async function readSettings(tx: Tx): Promise<string | undefined> {
  const rows = await tx.query<{ settings: string }>(
    'select settings::text as settings from community',
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
