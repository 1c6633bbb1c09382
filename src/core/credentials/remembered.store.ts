import type { Tx } from '#kit/db/tx.ts';
import type { RememberedDevice } from './remembered.ts';

export async function insertRemembered(
  tx: Tx,
  row: { id: string; person: string; tokenHash: Buffer; label: string; expiresAt: Date },
): Promise<void> {
  await tx.query(
    `insert into remembered_devices (id, person, token_hash, label, created_at, last_used_at, expires_at)
     values ($1, $2, $3, $4, $5, $5, $6)`,
    [row.id, row.person, row.tokenHash, row.label, tx.now(), row.expiresAt],
  );
}

export async function keepNewest(tx: Tx, person: string, most: number): Promise<void> {
  await tx.query(
    `delete from remembered_devices where id in (
       select id from remembered_devices where person = $1 order by last_used_at desc, id desc offset $2)`,
    [person, most],
  );
}

export async function useRemembered(
  tx: Tx,
  person: string,
  tokenHash: Buffer,
  createdAfter: Date,
): Promise<boolean> {
  const rows = await tx.query(
    `update remembered_devices set last_used_at = $3
     where token_hash = $1 and person = $2 and expires_at > $3 and created_at > $4 returning 1`,
    [tokenHash, person, tx.now(), createdAfter],
  );
  return rows.length === 1;
}

export async function listRemembered(tx: Tx, person: string): Promise<RememberedDevice[]> {
  return tx.query<RememberedDevice>(
    `select id, label, created_at as "createdAt", last_used_at as "lastUsedAt", expires_at as "expiresAt"
     from remembered_devices where person = $1 and expires_at > $2 order by last_used_at desc`,
    [person, tx.now()],
  );
}

export async function deleteRemembered(tx: Tx, person: string, id?: string): Promise<number> {
  const rows = await tx.query(
    'delete from remembered_devices where person = $1 and ($2::text is null or id::text = $2) returning 1',
    [person, id ?? null],
  );
  return rows.length;
}

export async function deleteOldRemembered(tx: Tx): Promise<void> {
  await tx.query('delete from remembered_devices where expires_at <= $1', [tx.now()]);
}
