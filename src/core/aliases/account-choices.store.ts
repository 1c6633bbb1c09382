import type { Tx } from '#kit/db/tx.ts';

export interface ChoiceRow {
  person: string;
  application: string;
  choice: 'mailbox' | 'own';
  address: string | null;
}

export async function choicesAt(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<ChoiceRow[]> {
  return tx.query<ChoiceRow>(
    `select person, application, choice, address from account_choices
     where application = $1 and person = any($2::uuid[])`,
    [application, people],
  );
}

export async function choicesOf(tx: Tx, person: string): Promise<ChoiceRow[]> {
  return tx.query<ChoiceRow>(
    'select person, application, choice, address from account_choices where person = $1 order by application',
    [person],
  );
}

/** Returns false when it was chosen already. */
export async function upsertChoice(
  tx: Tx,
  row: { application: string; person: string; choice: 'mailbox' | 'own'; address?: string },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into account_choices as c (application, person, choice, address, chosen_at) values ($1, $2, $3, $4, $5)
     on conflict (application, person) do update set choice = excluded.choice, address = excluded.address,
       chosen_at = excluded.chosen_at
     where c.choice <> excluded.choice or c.address is distinct from excluded.address returning person`,
    [row.application, row.person, row.choice, row.address ?? null, tx.now()],
  );
  return rows.length > 0;
}

/** For erasing: where someone had which account is nobody's matter any more. */
export async function deleteChoices(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from account_choices where person = $1', [person]);
}
