/**
 * Ways back in that two operators open for somebody: who may, and who is shown beside them. Both are people who signed in:
 * a token stands for nobody.
 */
import { z } from 'zod';
import { holdRoles } from '#core/operators/operators.ts';
import { covers } from '#core/operators/permissions.ts';
import { findPeople, type Person, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Caller } from './access.ts';

/** A person as a list shows who took part. */
export const who = z.object({ id: z.string(), username: z.string(), displayName: z.string() });

/** The ids of whoever took part. */
interface Acts {
  person: string;
  askedBy: string;
  approvedBy?: string;
  cancelledBy?: string;
}

type Named<Act extends Acts> = Omit<Act, keyof Acts> & {
  person: z.infer<typeof who>;
  askedBy: z.infer<typeof who>;
  approvedBy?: z.infer<typeof who>;
  cancelledBy?: z.infer<typeof who>;
};

/** The same with names in place of ids. */
export async function withNames<Act extends Acts>(tx: Tx, acts: readonly Act[]): Promise<Named<Act>[]> {
  const ids = acts.flatMap((one) => [one.person, one.askedBy, one.approvedBy, one.cancelledBy]);
  const known = [...new Set(ids.filter((id) => id !== undefined))];
  const people = new Map((await findPeople(tx, known)).map((one) => [one.id, one]));
  const named = (id: string) => {
    const { username = '', displayName = '' } = people.get(id) ?? {};
    return { id, username, displayName };
  };
  return acts.map(({ person, askedBy, approvedBy, cancelledBy, ...rest }) => ({
    ...rest,
    person: named(person),
    askedBy: named(askedBy),
    ...(approvedBy !== undefined && { approvedBy: named(approvedBy) }),
    ...(cancelledBy !== undefined && { cancelledBy: named(cancelledBy) }),
  }));
}

/** The person who calls. Refuses tokens with operator-forbidden. */
export function someone(caller: Caller): string {
  if (caller.kind !== 'person') throw new Problem('operator-forbidden');
  return caller.id;
}

/**
 * The person it is about. A way into the account of an operator is opened by those alone who may all that it may: two who
 * look after people would be owners otherwise. Refuses with operator-forbidden.
 */
export async function requireRightsOver(tx: Tx, caller: Caller, given: string): Promise<Person> {
  const person = await requirePerson(tx, given);
  const roles = await holdRoles(tx, person.id);
  if (!roles.every((role) => covers(caller.grants, role))) throw new Problem('operator-forbidden');
  return person;
}
