import { ensureMailboxes } from '#core/aliases/mailboxes.ts';
import { record } from '#core/events/events.ts';
import { requirePerson, updateState } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { mayActivate } from './lifecycle.ts';

/** A person becomes active: their address is proved, or they are reinstated, which needs a reason. Makes their mailbox. */
export async function activate(tx: Tx, id: string, reason?: string): Promise<void> {
  const person = await requirePerson(tx, id);
  if (person.state === 'active') return;
  if (!mayActivate(person.state)) throw new Problem('standing-refused');
  if (person.state !== 'unverified' && !reason)
    throw new Problem('standing-refused', { detail: 'a reason is needed' });
  const won = await updateState(tx, id, { from: person.state, to: 'active' });
  if (!won) throw new Problem('conflict');
  await record(tx, 'person.activated', { person: id, data: { from: person.state, reason } });
  await ensureMailboxes(tx, [person]);
}
