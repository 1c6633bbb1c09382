import type { Tx } from '#kit/db/tx.ts';
import type { Factors } from './factors.ts';

export async function factorsOf(tx: Tx, person: string): Promise<Factors> {
  const rows = await tx.query<Factors>(
    `select (select count(*) from passkeys where person = $1) as passkeys,
       exists (select 1 from totp_authenticators where person = $1 and confirmed_at is not null) as totp,
       (select count(*) from recovery_codes where person = $1 and used_at is null) as "recoveryCodes"`,
    [person],
    'factors-of',
  );
  return rows[0]!;
}

/** Which of these people have a passkey or an authenticator app. */
export async function withFactor(tx: Tx, people: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ person: string }>(
    `select person from passkeys where person = any($1::uuid[])
     union select person from totp_authenticators where person = any($1::uuid[]) and confirmed_at is not null`,
    [people],
  );
  return new Set(rows.map((row) => row.person));
}
