import { isId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { LinkPurpose, Verification, VerificationPurpose } from './verifications.ts';

interface VerificationRow {
  id: string;
  purpose: LinkPurpose;
  person: string;
  address: string;
  browser: string | null;
  code_expires_at: Date | null;
  expires_at: Date;
  attempts: number;
  used_at: Date | null;
  withdrawn_at: Date | null;
  created_at: Date;
}

const columns = `id, purpose, person, address, browser, code_expires_at, expires_at, attempts, used_at, withdrawn_at,
  created_at`;

function toVerification(row: VerificationRow): Verification {
  return {
    id: row.id,
    purpose: row.purpose,
    person: row.person,
    address: row.address,
    browser: row.browser ?? undefined,
    codeExpiresAt: row.code_expires_at ?? undefined,
    expiresAt: row.expires_at,
    attempts: row.attempts,
    usedAt: row.used_at ?? undefined,
    withdrawnAt: row.withdrawn_at ?? undefined,
    createdAt: row.created_at,
  };
}

/** Undefined when the address is not this person's. Requests of one person take turns from here on. */
export async function lockAddress(
  tx: Tx,
  person: string,
  address: string,
): Promise<{ unprovedBesideProved: boolean } | undefined> {
  if (!isId(person) || !isId(address)) return undefined;
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('verifications:' || $1, 0))`,
    [person],
    'verifications-lock',
  );
  const rows = await tx.query<{ unprovedBesideProved: boolean }>(
    `select verified_at is null and exists (
       select 1 from addresses other where other.person = $2 and other.verified_at is not null)
         as "unprovedBesideProved"
     from addresses where id = $1 and person = $2 for share`,
    [address, person],
    'verifications-address',
  );
  return rows[0];
}

/**
 * Whoever is proving an address of this person in this moment ends first, and nobody begins until the transaction ends.
 * In the order in which proving takes them: what waits the other way round would wait for each other.
 */
export async function holdProofs(tx: Tx, person: string): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(hashtextextended('verifications:' || $1, 0))`, [person]);
  await tx.query('select 1 from verifications where person = $1 order by id for update', [person]);
  await tx.query('select 1 from addresses where person = $1 order by id for update', [person]);
}

export async function withdraw(
  tx: Tx,
  person: string,
  purposes: readonly LinkPurpose[],
  address?: string,
): Promise<number> {
  const rows = await tx.query(
    `update verifications set withdrawn_at = $3
     where person = $1 and purpose = any($2::text[]) and ($4::uuid is null or address = $4)
       and used_at is null and withdrawn_at is null returning id`,
    [person, purposes, tx.now(), address ?? null],
    'verifications-withdraw',
  );
  return rows.length;
}

/** Keeps nothing when the address is nobody's. */
export async function insertVerification(tx: Tx, verification: Verification): Promise<void> {
  await tx.query(
    `insert into verifications (id, purpose, person, address, browser, code_expires_at, expires_at, created_at)
     select $1, $2, person, id, $5, $6, $7, $8 from addresses where id = $4 and person = $3`,
    [
      verification.id,
      verification.purpose,
      verification.person,
      verification.address,
      verification.browser ?? null,
      verification.codeExpiresAt ?? null,
      verification.expiresAt,
      verification.createdAt,
    ],
    'verifications-insert',
  );
}

export async function findVerification(tx: Tx, id: string): Promise<Verification | undefined> {
  if (!isId(id)) return undefined;
  const rows = await tx.query<VerificationRow>(
    `select ${columns} from verifications where id = $1`,
    [id],
    'verifications-find',
  );
  return rows[0] && toVerification(rows[0]);
}

/** Those of these ids that there are. */
export async function findVerifications(tx: Tx, ids: readonly string[]): Promise<Verification[]> {
  const rows = await tx.query<VerificationRow>(
    `select ${columns} from verifications where id = any($1::uuid[])`,
    [ids.filter(isId)],
    'verifications-find-many',
  );
  return rows.map(toVerification);
}

export async function openVerifications(
  tx: Tx,
  person: string,
  purpose?: VerificationPurpose,
): Promise<Verification[]> {
  const rows = await tx.query<VerificationRow>(
    `select ${columns} from verifications
     where person = $1 and ($2::text is null or purpose = $2)
       and used_at is null and withdrawn_at is null and expires_at > $3
     order by created_at desc, id desc`,
    [person, purpose ?? null, tx.now()],
  );
  return rows.map(toVerification);
}

/** The one update that decides who used it. Undefined = used, withdrawn or too old. */
export async function useLink(tx: Tx, id: string): Promise<Verification | undefined> {
  const rows = await tx.query<VerificationRow>(
    `update verifications set used_at = $2
     where id = $1 and used_at is null and withdrawn_at is null and expires_at > $2 returning ${columns}`,
    [id, tx.now()],
    'verifications-use',
  );
  return rows[0] && toVerification(rows[0]);
}

/** Counts one guess before it is looked at. Undefined = no more guesses: used, withdrawn, too old or too many. */
export async function countAttempt(tx: Tx, id: string, limit: number): Promise<Verification | undefined> {
  if (!isId(id)) return undefined;
  const rows = await tx.query<VerificationRow>(
    `update verifications set attempts = attempts + 1
     where id = $1 and used_at is null and withdrawn_at is null and attempts < $3
       and code_expires_at > $2 and expires_at > $2
     returning ${columns}`,
    [id, tx.now(), limit],
    'verifications-attempt',
  );
  return rows[0] && toVerification(rows[0]);
}

/** Whether something that was mailed to this address was used since then. */
export async function wasProvedSince(tx: Tx, address: string, since: Date): Promise<boolean> {
  const rows = await tx.query('select 1 from verifications where address = $1 and used_at > $2 limit 1', [
    address,
    since,
  ]);
  return rows.length > 0;
}

/** The newest that a browser asked for, for this person. */
export async function newestOfBrowser(
  tx: Tx,
  input: { person: string; browser: string; purpose: VerificationPurpose },
): Promise<Verification | undefined> {
  const rows = await tx.query<VerificationRow>(
    `select ${columns} from verifications where browser = $2 and person = $1 and purpose = $3
     order by created_at desc, id desc limit 1`,
    [input.person, input.browser, input.purpose],
  );
  return rows[0] && toVerification(rows[0]);
}

/** One that goes to no address: whoever it is for gets it by hand. */
export async function insertHanded(
  tx: Tx,
  { id, person, expiresAt, createdAt }: Pick<Verification, 'id' | 'person' | 'expiresAt' | 'createdAt'>,
): Promise<void> {
  await tx.query(
    `insert into verifications (id, purpose, person, expires_at, created_at) values ($1, 'handed', $2, $3, $4)`,
    [id, person, expiresAt, createdAt],
  );
}
