import { forgetPersonalData, recordAll } from '#core/events/events.ts';
import { dropUnverifiedPeople } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';

/** How long a sign-up waits for its confirmation; longer while a link that was mailed for it is still good. */
const patienceMs = 48 * 3600_000;

/**
 * Sign-ups nobody confirmed in time disappear, up to 1,000 at once; their names are free again and the log keeps that
 * they were there, not what they were called. Returns how many.
 */
export async function dropUnconfirmed(tx: Tx): Promise<number> {
  const dropped = await dropUnverifiedPeople(tx, new Date(tx.now().getTime() - patienceMs));
  await forgetPersonalData(tx, dropped);
  await recordAll(
    tx,
    dropped.map((person) => ({ type: 'person.dropped' as const, person, data: { origin: 'sign-up' } })),
  );
  return dropped.length;
}
