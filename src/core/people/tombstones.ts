/**
 * What is left of a name once its person is erased: a keyed hash. Whoever comes with the same name is recognised and gets
 * no account of the one before, yet nobody can read the name here. The key is this installation's own.
 */
import { createHmac } from 'node:crypto';
import { houseFact } from '#kit/db/facts.ts';
import type { Tx } from '#kit/db/tx.ts';

/** What the name was for: equal names of two kinds have nothing to do with each other. */
export type TombstoneKind = 'username' | 'origin' | 'alias' | 'subject';

/** Begins every tombstone; they stand in the columns where the names stood. */
export const tombstonePrefix = 'erased:';

/**
 * The tombstones of these names, in their order.
 * @param place what keeps equal names apart: the app or the source they belong to, '' for the house itself
 */
export async function tombstones(
  tx: Tx,
  kind: TombstoneKind,
  names: readonly { place: string; name: string }[],
): Promise<string[]> {
  if (names.length === 0) return [];
  const key = await houseFact(tx, 'tombstone-key');
  if (typeof key !== 'string') throw new Error('The key that erased names are hashed with is missing.');
  return names.map(({ place, name }) => {
    const text = JSON.stringify([kind, place, name]);
    return tombstonePrefix + createHmac('sha256', key).update(text).digest('base64url');
  });
}
