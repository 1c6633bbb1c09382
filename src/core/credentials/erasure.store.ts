import type { Tx } from '#kit/db/tx.ts';
import { deleteFactors } from './factor-resets.store.ts';

/** For erasing: every way in goes, and what was counted against the person. */
export async function eraseCredentials(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from passwords where person = $1', [person]);
  await tx.query('delete from known_devices where person = $1', [person]);
  await deleteFactors(tx, person);
  await tx.query('delete from factor_resets where person = $1', [person]);
  await tx.query('delete from recovery_links where person = $1', [person]);
  await tx.query(
    `delete from password_failures where subject in ('person:' || $1::text, 'factor:' || $1::text)`,
    [person],
  );
}
