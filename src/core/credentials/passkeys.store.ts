import type { Tx } from '#kit/db/tx.ts';
import type { Passkey } from './passkeys.ts';

/** The person's handle: the one there is, else this one from now on. */
export async function handleOf(tx: Tx, person: string, fresh: Buffer): Promise<Buffer> {
  const rows = await tx.query<{ handle: Buffer }>(
    `insert into passkey_handles (person, handle) values ($1, $2)
     on conflict (person) do update set handle = passkey_handles.handle returning handle`,
    [person, fresh],
  );
  return rows[0]!.handle;
}

export async function credentialsOf(
  tx: Tx,
  person: string,
): Promise<{ credentialId: string; transports: string[] }[]> {
  const rows = await tx.query<{ credentialId: Buffer; transports: string[] }>(
    'select credential_id as "credentialId", transports from passkeys where person = $1 order by created_at, id',
    [person],
  );
  return rows.map((row) => ({ ...row, credentialId: row.credentialId.toString('base64url') }));
}

export async function passkeysOf(tx: Tx, person: string): Promise<Passkey[]> {
  const rows = await tx.query<Omit<Passkey, 'lastUsedAt'> & { lastUsedAt: Date | null }>(
    `select id, person, name, backed_up as synced, created_at as "createdAt", last_used_at as "lastUsedAt"
     from passkeys where person = $1 order by created_at, id`,
    [person],
  );
  return rows.map((row) => ({ ...row, lastUsedAt: row.lastUsedAt ?? undefined }));
}

export async function insertPasskey(
  tx: Tx,
  row: {
    id: string;
    person: string;
    credentialId: string;
    publicKey: Buffer;
    counter: number;
    transports: string[];
    synced: boolean;
    aaguid: string;
    name: string;
  },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into passkeys
       (id, person, credential_id, public_key, counter, transports, backed_up, aaguid, name, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (credential_id) do nothing returning 1`,
    [
      row.id,
      row.person,
      Buffer.from(row.credentialId, 'base64url'),
      row.publicKey,
      row.counter,
      row.transports,
      row.synced,
      row.aaguid,
      row.name,
      tx.now(),
    ],
  );
  return rows.length === 1;
}

/** The passkey with this credential id; others who answer with it wait until the transaction ends. */
export async function holdPasskey(
  tx: Tx,
  credentialId: string,
): Promise<
  | { id: string; person: string; publicKey: Buffer; counter: number; synced: boolean; handle: Buffer }
  | undefined
> {
  const rows = await tx.query<{
    id: string;
    person: string;
    publicKey: Buffer;
    counter: number;
    synced: boolean;
    handle: Buffer;
  }>(
    `select k.id, k.person, k.public_key as "publicKey", k.counter, k.backed_up as synced, h.handle
     from passkeys k join passkey_handles h on h.person = k.person where k.credential_id = $1 for update of k`,
    [Buffer.from(credentialId, 'base64url')],
  );
  return rows[0];
}

export async function notePasskeyUse(
  tx: Tx,
  id: string,
  seen: { counter: number; synced: boolean },
): Promise<void> {
  await tx.query('update passkeys set counter = $2, backed_up = $3, last_used_at = $4 where id = $1', [
    id,
    seen.counter,
    seen.synced,
    tx.now(),
  ]);
}

export async function renamePasskey(tx: Tx, person: string, id: string, name: string): Promise<boolean> {
  const rows = await tx.query(
    'update passkeys set name = $3 where person = $1 and id::text = $2 returning 1',
    [person, id, name],
  );
  return rows.length === 1;
}

export async function deletePasskeys(tx: Tx, person: string, id?: string): Promise<number> {
  const rows = await tx.query(
    'delete from passkeys where person = $1 and ($2::text is null or id::text = $2) returning 1',
    [person, id ?? null],
  );
  return rows.length;
}
