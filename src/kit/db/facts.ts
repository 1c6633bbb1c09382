/** Single facts about this installation that are nobody's table: the master key's fingerprint, a restore that happened. */
import type { Tx } from './tx.ts';

/** The value of a fact, or undefined. */
export async function houseFact(tx: Tx, name: string): Promise<unknown> {
  const rows = await tx.query<{ value: unknown }>('select value from house_facts where name = $1', [name]);
  return rows[0]?.value;
}

/** Sets a fact; with `onlyIfUnset` whoever is first wins and others change nothing. */
export async function setHouseFact(
  tx: Tx,
  name: string,
  value: unknown,
  options: { onlyIfUnset?: boolean } = {},
): Promise<void> {
  const conflict = options.onlyIfUnset ? 'do nothing' : 'do update set value = excluded.value';
  await tx.query(`insert into house_facts (name, value) values ($1, $2) on conflict (name) ${conflict}`, [
    name,
    JSON.stringify(value),
  ]);
}
