import type { Key, KeyState } from '#core/keys/keys.ts';
import type { Tx } from '#kit/db/tx.ts';

/** A transaction, or the database itself for one statement on its own. */
export type Queryable = Pick<Tx, 'query'>;

/** What all of them are. */
export const algorithm = 'RSA-3072';

export interface KeyRow extends Key {
  alg: typeof algorithm;
  /** PEM. */
  certificate: string;
  sealed: Buffer;
  notAfter: Date;
}

/** Everyone who changes keys does so one after the other, on all nodes. */
export async function lockKeys(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('saml_keys', 0))`);
}

export async function listKeys(db: Queryable): Promise<KeyRow[]> {
  const rows = await db.query<Omit<KeyRow, 'alg'>>(
    `select kid, certificate, sealed, state, not_after as "notAfter", created_at as "createdAt",
       active_at as "activeAt", retiring_at as "retiringAt"
     from saml_keys where state <> 'gone' order by created_at, kid`,
    [],
    'saml-keys',
  );
  return rows.map((row) => ({ ...row, alg: algorithm }));
}

export async function insertKey(
  tx: Tx,
  key: Pick<KeyRow, 'kid' | 'certificate' | 'sealed' | 'notAfter'> & { state: 'next' | 'active' },
): Promise<void> {
  await tx.query(
    `insert into saml_keys (kid, certificate, sealed, state, not_after, created_at, active_at)
     values ($1, $2, $3, $4, $5, $6, case when $4 = 'active' then $6::timestamptz end)`,
    [key.kid, key.certificate, key.sealed, key.state, key.notAfter, tx.now()],
  );
}

/** Moves a key on. A key that is gone keeps its row as a record, without its private part. */
export async function moveKey(tx: Tx, kid: string, state: Exclude<KeyState, 'next'>): Promise<void> {
  await tx.query(
    `update saml_keys set state = $2, active_at = case when $2 = 'active' then $3 else active_at end,
       retiring_at = case when $2 = 'retiring' then $3 else retiring_at end,
       gone_at = case when $2 = 'gone' then $3 else gone_at end,
       sealed = case when $2 = 'gone' then ''::bytea else sealed end where kid = $1`,
    [kid, state, tx.now()],
  );
}

export async function announceKeys(tx: Tx): Promise<void> {
  await tx.query(`select pg_notify('saml_keys', '')`);
}

export async function sealedKeys(tx: Tx): Promise<{ kid: string; sealed: Buffer }[]> {
  return tx.query("select kid, sealed from saml_keys where state <> 'gone' order by kid for update");
}

export async function replaceSealedKey(tx: Tx, kid: string, sealed: Buffer): Promise<void> {
  await tx.query('update saml_keys set sealed = $2 where kid = $1', [kid, sealed]);
}
