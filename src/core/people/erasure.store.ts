import type { Tx } from '#kit/db/tx.ts';

/** The person's row says nothing any more but that there was someone, and since when there is not. */
export async function blankPerson(tx: Tx, id: string): Promise<void> {
  await tx.query(
    `update people set username = 'erased-' || id, username_key = 'erased-' || id, given_name = '', family_name = '',
       display_name = '', locale = null, updated_at = $2, version = version + 1 where id = $1`,
    [id, tx.now()],
  );
}

export async function usernameKeysOf(tx: Tx, person: string): Promise<string[]> {
  const rows = await tx.query<{ username_key: string }>(
    'select username_key from usernames where person = $1 order by username_key',
    [person],
  );
  return rows.map((row) => row.username_key);
}

export async function replaceUsername(tx: Tx, from: string, to: string): Promise<void> {
  await tx.query('update usernames set username_key = $2 where username_key = $1', [from, to]);
}

export async function freeUsernames(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from usernames where person = $1', [person]);
}

export async function originsOfPerson(tx: Tx, person: string): Promise<{ source: string; key: string }[]> {
  return tx.query('select source, source_key as key from person_origins where person = $1', [person]);
}

export async function replaceOrigin(
  tx: Tx,
  origin: { source: string; key: string },
  to: string,
): Promise<void> {
  await tx.query(
    `update person_origins set source_key = $3, fingerprint = '' where source = $1 and source_key = $2`,
    [origin.source, origin.key, to],
  );
}

/** Everything that only exists because of the person; verifications fall with their addresses and without. */
export async function deleteBelongings(tx: Tx, person: string): Promise<void> {
  for (const table of ['verifications', 'addresses', 'former_addresses', 'person_attributes'])
    await tx.query(`delete from ${table} where person = $1`, [person]);
}
