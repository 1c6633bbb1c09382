/** Who stands behind an alias mailbox and what they decided about their mail; those who ask at the same time ask together. */
import { type MailboxOwner, mailboxOwners } from '#core/profile/mailbox-owner.ts';
import { type Database, system } from '#kit/db/database.ts';
import { together } from '#kit/db/together.ts';
import { choicesOfAll } from './choices.store.ts';
import type { Choice } from './choices.ts';

export interface Owned {
  /** Undefined where it is nobody's mailbox. */
  owner?: MailboxOwner;
  choices: readonly Choice[];
}

/** Asks by address, in small letters. Throws when the database does not answer. */
export type Owners = (mailbox: string) => Promise<Owned>;

const nobody = '00000000-0000-0000-0000-000000000000';

/** The same two statements are run whoever is asked for, so that their time tells nothing. */
export function createOwners(database: Pick<Database, 'read'>): Owners {
  const ask = together(async (mailboxes: readonly string[]): Promise<(Owned | { error: unknown })[]> => {
    try {
      return await database.read(system('request'), async (tx) => {
        const owners = await mailboxOwners(tx, mailboxes);
        const people = [...owners.values()].map(({ person }) => person);
        const choices = await choicesOfAll(tx, people.length > 0 ? people : [nobody]);
        return mailboxes.map((mailbox) => {
          const owner = owners.get(mailbox);
          return { owner, choices: (owner && choices.get(owner.person)) ?? [] };
        });
      });
    } catch (error) {
      // A database that is away is away for each of them: nobody waits for the others to find out.
      return mailboxes.map(() => ({ error }));
    }
  });
  return async (mailbox) => {
    const found = await ask(mailbox);
    if ('error' in found) throw found.error;
    return found;
  };
}
