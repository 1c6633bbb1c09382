/** Rows of keys that mail is signed with. */
import type { Tx } from '#kit/db/tx.ts';

/** A transaction, or the database itself for one statement on its own. */
export type Queryable = Pick<Tx, 'query'>;

export const keyAlgorithms = ['rsa-sha256', 'ed25519-sha256'] as const;
export type KeyAlgorithm = (typeof keyAlgorithms)[number];
export const keyStates = ['next', 'active', 'retiring'] as const;
export type KeyState = (typeof keyStates)[number];

export interface KeyRow {
  id: string;
  domain: string;
  selector: string;
  algorithm: KeyAlgorithm;
  state: KeyState;
  /** Base64, the p= of its record. */
  publicKey: string;
  madeAt: Date;
  changedAt: Date;
}

const columns = `id, domain, selector, algorithm, state, public_key as "publicKey", made_at as "madeAt",
  changed_at as "changedAt"`;

/** Everyone who changes keys does so one after the other, on all nodes. */
export async function lockKeys(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('relay_keys', 0))`);
}

export async function allKeys(db: Queryable): Promise<KeyRow[]> {
  return db.query<KeyRow>(`select ${columns} from relay_keys order by domain, algorithm desc, made_at, id`);
}

export async function keyById(tx: Tx, id: string): Promise<KeyRow | undefined> {
  const [row] = await tx.query<KeyRow>(`select ${columns} from relay_keys where id = $1`, [id]);
  return row;
}

export async function insertKey(tx: Tx, key: KeyRow & { sealed: Buffer }): Promise<void> {
  await tx.query(
    `insert into relay_keys (id, domain, selector, algorithm, state, public_key, private_key, made_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      key.id,
      key.domain,
      key.selector,
      key.algorithm,
      key.state,
      key.publicKey,
      key.sealed,
      key.madeAt,
      key.changedAt,
    ],
  );
}

export async function moveKey(tx: Tx, id: string, state: KeyState): Promise<void> {
  await tx.query(`update relay_keys set state = $2, changed_at = $3 where id = $1`, [id, state, tx.now()]);
}

export async function deleteKey(tx: Tx, id: string): Promise<void> {
  await tx.query(`delete from relay_keys where id = $1`, [id]);
}

export interface SealedKeyRow {
  id: string;
  domain: string;
  selector: string;
  algorithm: KeyAlgorithm;
  sealed: Buffer;
}

export async function activeKeys(db: Queryable): Promise<SealedKeyRow[]> {
  return db.query<SealedKeyRow>(
    `select id, domain, selector, algorithm, private_key as sealed from relay_keys where state = 'active'
     order by domain, algorithm desc, selector`,
    [],
    'relay-active-keys',
  );
}

export async function sealedKeys(tx: Tx): Promise<{ id: string; sealed: Buffer }[]> {
  return tx.query(`select id, private_key as sealed from relay_keys order by id for update`);
}

export async function replaceSealedKey(tx: Tx, id: string, sealed: Buffer): Promise<void> {
  await tx.query(`update relay_keys set private_key = $2 where id = $1`, [id, sealed]);
}
