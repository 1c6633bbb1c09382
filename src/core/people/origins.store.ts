import type { Tx } from '#kit/db/tx.ts';
import { tombstones } from './tombstones.ts';

/**
 * Which records of this source are people already, or were: source key → person and what the record looked like then
 * (nothing known of the erased).
 */
export async function originsOf(
  tx: Tx,
  source: string,
  keys: readonly string[],
): Promise<Map<string, { person: string; fingerprint: string }>> {
  const marks = await tombstones(
    tx,
    'origin',
    keys.map((name) => ({ place: source, name })),
  );
  const rows = await tx.query<{ key: string; person: string; fingerprint: string }>(
    `select k.key, o.person, o.fingerprint from unnest($2::text[], $3::text[]) as k (key, tombstone)
     join person_origins o on o.source = $1 and o.source_key in (k.key, k.tombstone)`,
    [source, keys, marks],
  );
  return new Map(rows.map((row) => [row.key, row]));
}

export async function insertOrigins(
  tx: Tx,
  source: string,
  origins: readonly { key: string; person: string; fingerprint: string }[],
): Promise<void> {
  await tx.query(
    `insert into person_origins (source, source_key, person, fingerprint, imported_at)
     select $1, key, person, fingerprint, $3
     from jsonb_to_recordset($2::jsonb) as r (key text, person uuid, fingerprint text)
     on conflict (source, source_key) do update set fingerprint = excluded.fingerprint, imported_at = excluded.imported_at`,
    [source, JSON.stringify(origins), tx.now()],
  );
}
