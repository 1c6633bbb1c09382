/** What erasing takes from the tables of this folder. `core/lifecycle` alone calls it. */
import type { Tx } from '#kit/db/tx.ts';
import * as store from './erasure.store.ts';
import { tombstones } from './tombstones.ts';

/**
 * Blanks a person: names, addresses, attributes, mailed links and where they came from. The id stays. Records of sources
 * stay recognisable by a tombstone, so that no import brings the person back.
 * @param freeNames true gives their user names to whoever asks; else tombstones keep them from everyone
 */
export async function erasePerson(tx: Tx, person: string, freeNames: boolean): Promise<void> {
  const keys = await store.usernameKeysOf(tx, person);
  if (freeNames) await store.freeUsernames(tx, person);
  else {
    const names = keys.map((name) => ({ place: '', name }));
    const kept = await tombstones(tx, 'username', names);
    for (const [index, key] of keys.entries()) await store.replaceUsername(tx, key, kept[index]!);
  }
  const origins = await store.originsOfPerson(tx, person);
  const places = origins.map(({ source, key }) => ({ place: source, name: key }));
  const marks = await tombstones(tx, 'origin', places);
  for (const [index, origin] of origins.entries()) await store.replaceOrigin(tx, origin, marks[index]!);
  await store.deleteBelongings(tx, person);
  await store.blankPerson(tx, person);
}
