/** Taking every further proof of a person away, at the end of the way that `core/credentials/factor-resets.ts` describes. */
import { dropFactors, dueResets } from '#core/credentials/factor-resets.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';

/** Takes them away and ends every session: whoever is in with them is out too. */
export async function resetFactors(tx: Tx, person: string, by: 'two-operators' | 'machine'): Promise<void> {
  await dropFactors(tx, person, by);
  await endSessions(tx, person, 'factors-reset');
}

/** Does what is due; returns how many, up to 100. */
export async function finishDueResets(tx: Tx): Promise<number> {
  const due = await dueResets(tx);
  for (const { person } of due) await resetFactors(tx, person, 'two-operators');
  return due.length;
}
