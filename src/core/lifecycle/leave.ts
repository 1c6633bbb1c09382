import { forgetDevices } from '#core/credentials/credentials.ts';
import { forgetActors, record } from '#core/events/events.ts';
import { keepAnOwner } from '#core/operators/operators.ts';
import { requirePerson, updateState } from '#core/people/people.ts';
import { withdrawVerifications } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import { erase } from './erase.ts';
import { type LeaveState, mayLeave } from './lifecycle.ts';

/**
 * A person loses standing. In the same transaction every session ends, known devices are forgotten and mailed
 * links die, so that no door can be used from the next statement on. The last owner stays (`operator-last`).
 * `erased` also takes away everything that says who the person was (see `erase.ts`), and cannot be undone.
 */
export async function leave(tx: Tx, id: string, state: LeaveState, reason?: string): Promise<void> {
  const person = await requirePerson(tx, id);
  if (person.state === state) return;
  if (!mayLeave(person.state, state)) throw new Problem('standing-refused');
  await keepAnOwner(tx, id);
  const won = await updateState(tx, id, { from: person.state, to: state, reason });
  if (!won) throw new Problem('conflict');
  await endSessions(tx, id, state);
  await forgetDevices(tx, id);
  await withdrawVerifications(tx, id);
  const actedAs = state === 'erased' ? await erase(tx, id) : undefined;
  await record(tx, 'person.left', { person: id, data: { from: person.state, state, reason } });
  if (actedAs) await forgetActors(tx, actedAs);
}
