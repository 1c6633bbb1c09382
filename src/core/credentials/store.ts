import type { Tx } from '#kit/db/tx.ts';
import type { KnownDevice, StoredPassword } from './credentials.ts';

export async function passwordOf(tx: Tx, person: string): Promise<StoredPassword | undefined> {
  const rows = await tx.query<StoredPassword>(
    'select person, hash, scheme, imported, set_at as "setAt" from passwords where person = $1',
    [person],
    'password-of',
  );
  return rows[0];
}

/** Which of these people have a password or a passkey: either lets one in by itself. */
export async function withOwnWayIn(tx: Tx, people: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ person: string }>(
    `select person from passwords where person = any($1::uuid[])
     union select person from passkeys where person = any($1::uuid[])`,
    [people],
  );
  return new Set(rows.map((row) => row.person));
}

/** Whether the password set then is the person's still; if so it stays until the transaction ends. */
export async function holdPassword(tx: Tx, person: string, setAt: Date): Promise<boolean> {
  const rows = await tx.query(
    'select 1 from passwords where person = $1 and set_at = $2 for share',
    [person, setAt],
    'password-hold',
  );
  return rows.length === 1;
}

/** When the person's password was set; undefined without one, and for one that came with an import, whoever hashed it last. */
export async function passwordSetAt(tx: Tx, person: string): Promise<Date | undefined> {
  const rows = await tx.query<{ setAt: Date }>(
    'select set_at as "setAt" from passwords where person = $1 and not set_elsewhere',
    [person],
  );
  return rows[0]?.setAt;
}

export async function writePassword(tx: Tx, person: string, phc: string): Promise<void> {
  await tx.query(
    `insert into passwords (person, hash, scheme, set_at) values ($1, $2, 'argon2id', $3)
     on conflict (person) do update set hash = excluded.hash, scheme = excluded.scheme, imported = false,
       needs_wrap = false, set_elsewhere = false, set_at = excluded.set_at, last_used_at = null`,
    [person, phc, tx.now()],
  );
}

/** Imported hashes, many at once; a person who has a password already keeps it. */
export async function insertPasswords(
  tx: Tx,
  passwords: readonly {
    person: string;
    hash: string;
    scheme: string;
    needsWrap: boolean;
    imported: boolean;
  }[],
): Promise<void> {
  if (passwords.length === 0) return;
  await tx.query(
    `insert into passwords (person, hash, scheme, imported, set_elsewhere, needs_wrap, set_at)
     select person, hash, scheme, imported, imported, "needsWrap", $2
     from jsonb_to_recordset($1::jsonb)
       as r (person uuid, hash text, scheme text, "needsWrap" boolean, imported boolean)
     on conflict (person) do nothing`,
    [JSON.stringify(passwords), tx.now()],
    'passwords-insert',
  );
}

export async function upgradeHash(tx: Tx, person: string, from: string, to: string): Promise<boolean> {
  const rows = await tx.query(
    `update passwords set hash = $3, scheme = 'argon2id', imported = false, needs_wrap = false
     where person = $1 and hash = $2 returning person`,
    [person, from, to],
  );
  return rows.length === 1;
}

/** Imported hashes that are fast to guess and still stand as they came, in order of person from after one on. */
export async function passwordsToWrap(tx: Tx, limit: number, after?: string): Promise<StoredPassword[]> {
  return tx.query<StoredPassword>(
    `select person, hash, scheme, imported, set_at as "setAt" from passwords
     where needs_wrap and ($2::uuid is null or person > $2) order by person limit $1`,
    [limit, after ?? null],
  );
}

export async function countToWrap(tx: Tx): Promise<number> {
  const rows = await tx.query<{ count: number }>('select count(*) as count from passwords where needs_wrap');
  return rows[0]?.count ?? 0;
}

/** Puts wrapped hashes in place, each only where the hash is still the one that was wrapped. */
export async function replaceWrapped(
  tx: Tx,
  wrapped: readonly { person: string; from: string; to: string; scheme: string }[],
): Promise<number> {
  const rows = await tx.query(
    `update passwords p set hash = r."to", scheme = 'wrapped:' || r.scheme, needs_wrap = false
     from jsonb_to_recordset($1::jsonb) as r (person uuid, "from" text, "to" text, scheme text)
     where p.person = r.person and p.hash = r."from" returning p.person`,
    [JSON.stringify(wrapped)],
  );
  return rows.length;
}

export interface AttemptCount {
  failures: number;
  blockedUntil?: Date;
}

interface AttemptBounds {
  failures: number;
  windowSeconds: number;
  blockSeconds: number;
}

/** Counts one attempt for each row of `first`, which gives the subject's key. */
const countSql = (first: string) => `
  insert into password_failures as f (subject, failures, window_ends)
  select key, 1, $2::timestamptz + make_interval(secs => $4) from ${first}
  on conflict (subject) do update set
    failures = case when f.window_ends <= $2 and coalesce(f.blocked_until, $2) <= $2 then 1 else f.failures + 1 end,
    window_ends = case when f.window_ends <= $2 and coalesce(f.blocked_until, $2) <= $2
      then excluded.window_ends else f.window_ends end,
    blocked_until = case
      when f.window_ends <= $2 and coalesce(f.blocked_until, $2) <= $2 then null
      when f.blocked_until > $2 then f.blocked_until
      when f.failures + 1 > $3 then $2::timestamptz + make_interval(secs => $5)
      else null end
  returning failures, blocked_until`;

const countOneSql = countSql('(values ($1::text)) as given (key)');
const countBothSql = `
  with typed as (${countSql('(values ($6::text)) as given (key)')}),
  subject as (${countSql('(select $1::text as key from typed where blocked_until is null) as given')})
  select typed.failures as "typedFailures", typed.blocked_until as "typedBlocked", subject.failures,
    subject.blocked_until as blocked from typed left join subject on true`;

/**
 * One statement counts the attempt and says whether it may happen: rows are locked by the upsert, so concurrent
 * attempts queue up and see each other's count.
 */
export async function countAttempt(tx: Tx, subject: string, bounds: AttemptBounds): Promise<AttemptCount> {
  const rows = await tx.query<{ failures: number; blocked_until: Date | null }>(
    countOneSql,
    [subject, tx.now(), bounds.failures, bounds.windowSeconds, bounds.blockSeconds],
    'attempt-count',
  );
  const row = rows[0]!;
  return { failures: row.failures, blockedUntil: row.blocked_until ?? undefined };
}

/** The same for what was typed and then, unless that is blocked, for whom it is about. Rows are locked in this order. */
export async function countTypedAttempt(
  tx: Tx,
  typed: string,
  subject: string,
  bounds: AttemptBounds,
): Promise<{ typed: AttemptCount; subject?: AttemptCount }> {
  const rows = await tx.query<{
    typedFailures: number;
    typedBlocked: Date | null;
    failures: number | null;
    blocked: Date | null;
  }>(
    countBothSql,
    [subject, tx.now(), bounds.failures, bounds.windowSeconds, bounds.blockSeconds, typed],
    'attempt-count-typed',
  );
  const row = rows[0]!;
  return {
    typed: { failures: row.typedFailures, blockedUntil: row.typedBlocked ?? undefined },
    subject:
      row.failures === null ? undefined : { failures: row.failures, blockedUntil: row.blocked ?? undefined },
  };
}

/** Forgets the subject's count and takes one attempt back from what was typed. The counts of rows keep the order of locks. */
export async function clearAttempts(tx: Tx, subject: string, typed?: string): Promise<void> {
  await tx.query(
    `with typed as (
       update password_failures set failures = greatest(failures - 1, 0) where subject = $2 returning 1)
     delete from password_failures where subject = $1 and (select count(*) from typed) >= 0`,
    [subject, typed ?? null],
    'attempts-clear',
  );
}

/** Until when another attempt is one too many. */
export async function blockOf(tx: Tx, subject: string, limit: number): Promise<Date | undefined> {
  const rows = await tx.query<{ until: Date }>(
    `select coalesce(blocked_until, window_ends) as until from password_failures
     where subject = $1 and (blocked_until > $2 or (blocked_until is null and window_ends > $2 and failures >= $3))`,
    [subject, tx.now(), limit],
  );
  return rows[0]?.until;
}

/** Takes one attempt back from each. A block ends with it when the attempts left do not make one. */
export async function returnAttempt(
  tx: Tx,
  typed: string | undefined,
  subject: string | undefined,
  limit: number,
): Promise<void> {
  const back = `failures = greatest(failures - 1, 0),
    blocked_until = case when failures - 1 > $3 then blocked_until end`;
  await tx.query(
    `with typed as (update password_failures set ${back} where subject = $2 returning 1)
     update password_failures set ${back} where subject = $1 and (select count(*) from typed) >= 0`,
    [subject ?? null, typed ?? null, limit],
  );
}

/** Deletes up to 10,000 counts whose window and block are over; returns how many. */
export async function deleteOldAttempts(tx: Tx): Promise<number> {
  const gone = await tx.query(
    `delete from password_failures where subject in (
       select subject from password_failures where window_ends <= $1 and coalesce(blocked_until, $1) <= $1
       limit 10000 for update skip locked) returning 1`,
    [tx.now()],
  );
  return gone.length;
}

/** Marks the device as seen now, or keeps a new one where `seenHash` is not known as this person's; says which. */
export async function keepDevice(
  tx: Tx,
  device: { id: string; person: string; tokenHash: Buffer; label: string; seenHash: Buffer | undefined },
): Promise<'seen' | 'new'> {
  const rows = await tx.query(
    `with seen as (
       update known_devices set last_seen_at = $5 where token_hash = $6 and person = $2 returning id
     )
     insert into known_devices (id, person, token_hash, label, created_at, last_seen_at)
     select $1, $2, $3, $4, $5, $5 where not exists (select from seen)
     returning id`,
    [device.id, device.person, device.tokenHash, device.label, tx.now(), device.seenHash ?? null],
    'device-keep',
  );
  return rows.length === 0 ? 'seen' : 'new';
}

export async function deviceByHash(tx: Tx, tokenHash: Buffer): Promise<KnownDevice | undefined> {
  const rows = await tx.query<KnownDevice>(
    'select id, person from known_devices where token_hash = $1',
    [tokenHash],
    'device-by-hash',
  );
  return rows[0];
}

export async function deleteOldDevices(tx: Tx, unseenSince: Date): Promise<void> {
  await tx.query('delete from known_devices where last_seen_at < $1', [unseenSince]);
}

export async function deleteDevices(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from known_devices where person = $1', [person]);
}
