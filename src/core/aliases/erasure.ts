/** What erasing takes from the tables of this folder. `core/lifecycle` alone calls it. */
import { listApplications } from '#core/applications/applications.ts';
import { tombstonePrefix, tombstones } from '#core/people/tombstones.ts';
import type { Tx } from '#kit/db/tx.ts';
import { deleteChoices } from './account-choices.store.ts';
import * as store from './store.ts';

/** What `derivedSubject` makes from an id: it says nothing of the person. */
const derivedForm = /^[A-Za-z0-9_-]{32}$/;

/**
 * Blanks what a person is called at apps. A tombstone keeps each name from everyone else, because the app may still hold
 * what was the person's; subjects always stay so, or as they are where they hold no name.
 * @param freeNames true gives their names at apps to whoever is given them
 */
export async function eraseNamesAtApps(tx: Tx, person: string, freeNames: boolean): Promise<void> {
  await deleteChoices(tx, person);
  if (freeNames) await store.deleteAliases(tx, person);
  else {
    const named = await store.aliasKeysOf(tx, person);
    const marks = await tombstones(
      tx,
      'alias',
      named.map(({ application, key }) => ({ place: application, name: key })),
    );
    for (const [index, { application, key }] of named.entries())
      await store.blankAlias(tx, { application, person, key }, marks[index]!);
  }
  const kinds = new Map((await listApplications(tx)).map((one) => [one.id, one.settings.subject]));
  for (const [application, subject] of await store.subjectsOf(tx, person)) {
    if (kinds.get(application) !== 'username' && derivedForm.test(subject)) continue;
    const [mark] = await tombstones(tx, 'subject', [{ place: application, name: subject }]);
    await store.replaceSubject(tx, application, person, mark!);
  }
}

/** Whether this subject is no longer what the app knew the person by. */
export function isErasedSubject(subject: string): boolean {
  return subject.startsWith(tombstonePrefix);
}

/** The subjects apps know this person by, by application. */
export const subjectsOf = store.subjectsOf;
