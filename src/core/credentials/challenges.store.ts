import type { Tx } from '#kit/db/tx.ts';

export async function insertUsed(tx: Tx, digest: Buffer, expiresAt: Date): Promise<boolean> {
  const rows = await tx.query(
    'insert into used_challenges (digest, expires_at) values ($1, $2) on conflict do nothing returning 1',
    [digest, expiresAt],
  );
  return rows.length === 1;
}

export async function deleteOldUsed(tx: Tx): Promise<void> {
  await tx.query('delete from used_challenges where expires_at <= $1', [tx.now()]);
}
