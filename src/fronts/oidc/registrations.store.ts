import type { Tx } from '#kit/db/tx.ts';
import type { Queryable } from './store.ts';

/** A token that lets its holder register apps; never its value. */
export interface RegistrationToken {
  id: string;
  name: string;
  usesLeft: number;
  createdAt: Date;
  createdBy: { kind: string; id?: string; name?: string };
  expiresAt: Date;
  usedAt: Date | null;
}

export async function insertRegistrationToken(
  tx: Tx,
  row: Pick<RegistrationToken, 'id' | 'name' | 'usesLeft' | 'expiresAt'> & { hash: Buffer },
): Promise<void> {
  await tx.query(
    `insert into oidc_registration_tokens (id, token_hash, name, uses_left, created_at, created_by, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [row.id, row.hash, row.name, row.usesLeft, tx.now(), JSON.stringify(tx.actor), row.expiresAt],
  );
}

/** All tokens, newest first. */
export async function registrationTokens(tx: Tx): Promise<RegistrationToken[]> {
  return tx.query<RegistrationToken>(
    `select id, name, uses_left as "usesLeft", created_at as "createdAt", created_by as "createdBy",
       expires_at as "expiresAt", used_at as "usedAt" from oidc_registration_tokens order by created_at desc, id desc`,
  );
}

/** Whether this token would let someone register an app now. */
export async function isRegistrationToken(tx: Tx, hash: Buffer): Promise<boolean> {
  const rows = await tx.query(
    'select id from oidc_registration_tokens where token_hash = $1 and uses_left > 0 and expires_at > $2',
    [hash, tx.now()],
  );
  return rows.length === 1;
}

/** Takes one use; of many at once as many win as there are uses left. Returns the id of the token. */
export async function spendRegistrationToken(tx: Tx, hash: Buffer): Promise<string | undefined> {
  const rows = await tx.query<{ id: string }>(
    `update oidc_registration_tokens set uses_left = uses_left - 1, used_at = $2
     where token_hash = $1 and uses_left > 0 and expires_at > $2 returning id`,
    [hash, tx.now()],
  );
  return rows[0]?.id;
}

export async function deleteRegistrationToken(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query('delete from oidc_registration_tokens where id = $1 returning id', [id]);
  return rows.length === 1;
}

/** Forgets tokens that ended. Returns how many. */
export async function deleteExpiredRegistrationTokens(db: Queryable, now: Date): Promise<number> {
  const rows = await db.query(
    `delete from oidc_registration_tokens where id in
       (select id from oidc_registration_tokens where expires_at < $1 limit 5000) returning id`,
    [now],
  );
  return rows.length;
}
