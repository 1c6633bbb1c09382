import type { Tx } from '#kit/db/tx.ts';

interface StoredTotp {
  id: string;
  secret: Buffer;
}

/** The app that is set up. */
export async function confirmedTotp(tx: Tx, person: string): Promise<StoredTotp | undefined> {
  const rows = await tx.query<StoredTotp>(
    'select id, secret from totp_authenticators where person = $1 and confirmed_at is not null',
    [person],
  );
  return rows[0];
}

/**
 * Puts a proved app in the place of the one before. Those who set one up for the same person take turns. False when this
 * very one was put there already.
 */
export async function replaceTotp(
  tx: Tx,
  row: { id: string; person: string; secret: Buffer; step: number },
): Promise<boolean> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('totp:' || $1, 0))`, [row.person]);
  await tx.query('delete from totp_authenticators where person = $1 and id <> $2', [row.person, row.id]);
  const rows = await tx.query(
    `insert into totp_authenticators (id, person, secret, created_at, confirmed_at, last_used_at, last_step)
     values ($1, $2, $3, $4, $4, $4, $5) on conflict (id) do nothing returning 1`,
    [row.id, row.person, row.secret, tx.now(), row.step],
  );
  return rows.length === 1;
}

/** One winner: a step counts once, and none before it any more. */
export async function useStep(tx: Tx, id: string, step: number): Promise<boolean> {
  const rows = await tx.query(
    `update totp_authenticators set last_step = $2, last_used_at = $3
     where id = $1 and last_step < $2 returning 1`,
    [id, step, tx.now()],
  );
  return rows.length === 1;
}

export async function factsOf(
  tx: Tx,
  person: string,
): Promise<{ addedAt: Date; lastUsedAt?: Date } | undefined> {
  const rows = await tx.query<{ addedAt: Date; lastUsedAt: Date }>(
    `select confirmed_at as "addedAt", last_used_at as "lastUsedAt" from totp_authenticators
     where person = $1 and confirmed_at is not null`,
    [person],
  );
  return rows[0];
}

export async function deleteConfirmed(tx: Tx, person: string): Promise<boolean> {
  const rows = await tx.query(
    'delete from totp_authenticators where person = $1 and confirmed_at is not null returning 1',
    [person],
  );
  return rows.length > 0;
}

export async function secretsAfter(
  tx: Tx,
  after: string | undefined,
  limit: number,
): Promise<{ id: string; secret: Buffer }[]> {
  return tx.query(
    `select id, secret from totp_authenticators where $1::uuid is null or id > $1 order by id limit $2 for update`,
    [after ?? null, limit],
  );
}

export async function replaceSecret(tx: Tx, id: string, secret: Buffer): Promise<void> {
  await tx.query('update totp_authenticators set secret = $2 where id = $1', [id, secret]);
}
