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
  // One list of what may stand there: joined by "either of two" the database would look through the whole table for each.
  const keyOf = new Map([
    ...keys.map((key) => [key, key] as const),
    ...marks.map((mark, at) => [mark, keys[at]!] as const),
  ]);
  const rows = await tx.query<{ stored: string; person: string; fingerprint: string }>(
    `select source_key as stored, person, fingerprint from person_origins
     where source = $1 and source_key = any($2::text[])`,
    [source, [...keyOf.keys()]],
  );
  return new Map(
    rows.map(({ stored, person, fingerprint }) => [keyOf.get(stored)!, { person, fingerprint }]),
  );
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
