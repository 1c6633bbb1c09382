import type { Tx } from '#kit/db/tx.ts';

export async function replaceCodes(
  tx: Tx,
  person: string,
  salt: Buffer,
  hashes: readonly Buffer[],
): Promise<void> {
  await deleteCodes(tx, person);
  await tx.query(
    `insert into recovery_codes (person, salt, hash, created_at)
     select $1, $2, hash, $4 from unnest($3::bytea[]) as given (hash)`,
    [person, salt, hashes, tx.now()],
  );
}

export async function saltOf(tx: Tx, person: string): Promise<Buffer | undefined> {
  const rows = await tx.query<{ salt: Buffer }>('select salt from recovery_codes where person = $1 limit 1', [
    person,
  ]);
  return rows[0]?.salt;
}

export async function useCode(tx: Tx, person: string, hash: Buffer): Promise<boolean> {
  const rows = await tx.query(
    'update recovery_codes set used_at = $3 where person = $1 and hash = $2 and used_at is null returning 1',
    [person, hash, tx.now()],
  );
  return rows.length === 1;
}

export async function countLeft(tx: Tx, person: string): Promise<number> {
  const rows = await tx.query<{ count: number }>(
    'select count(*) as count from recovery_codes where person = $1 and used_at is null',
    [person],
  );
  return rows[0]?.count ?? 0;
}

export async function factsOf(tx: Tx, person: string): Promise<{ madeAt: Date; left: number } | undefined> {
  const rows = await tx.query<{ madeAt: Date | null; left: number }>(
    `select max(created_at) as "madeAt", count(*) filter (where used_at is null) as left from recovery_codes
     where person = $1`,
    [person],
  );
  const row = rows[0];
  return row?.madeAt ? { madeAt: row.madeAt, left: row.left } : undefined;
}

export async function deleteCodes(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from recovery_codes where person = $1', [person]);
}
