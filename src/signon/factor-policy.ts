/** Whether what was proved is enough to come in: the one policy of every door. */
import { factorsOf, hasFactor } from '#core/credentials/factors.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Place } from './proof.ts';

/** What a sign-in is asked for next. */
export type Ask = 'second-factor' | 'enrol';

/** What is still needed after this proof; undefined when it is enough. Whoever has a second factor is asked for it. */
export async function askedOf(
  tx: Tx,
  person: string,
  proof: { aal: number; place: Place },
): Promise<Ask | undefined> {
  if (proof.aal >= 2) return undefined;
  return hasFactor(await factorsOf(tx, person)) ? 'second-factor' : undefined;
}
