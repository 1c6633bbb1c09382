import type { Tx } from '#kit/db/tx.ts';
import type { FactorReset, PastReset } from './factor-resets.ts';

interface ResetRow {
  id: string;
  person: string;
  reason: string;
  askedBy: string;
  askedAt: Date;
  approvedBy: string | null;
  approvedAt: Date | null;
  dueAt: Date | null;
}

const columns = `id, person, reason, asked_by as "askedBy", asked_at as "askedAt", approved_by as "approvedBy",
  approved_at as "approvedAt", due_at as "dueAt"`;

function toReset(row: ResetRow): FactorReset {
  const { approvedBy, approvedAt, dueAt, ...rest } = row;
  return {
    ...rest,
    approvedBy: approvedBy ?? undefined,
    approvedAt: approvedAt ?? undefined,
    dueAt: dueAt ?? undefined,
  };
}

export async function insertReset(
  tx: Tx,
  row: { id: string; person: string; reason: string; operator: string },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into factor_resets (id, person, reason, asked_by, asked_at) values ($1, $2, $3, $4, $5)
     on conflict do nothing returning 1`,
    [row.id, row.person, row.reason, row.operator, tx.now()],
  );
  return rows.length === 1;
}

export async function openReset(tx: Tx, person: string, hold = false): Promise<FactorReset | undefined> {
  const rows = await tx.query<ResetRow>(
    `select ${columns} from factor_resets
     where person = $1 and done_at is null and cancelled_at is null${hold ? ' for update' : ''}`,
    [person],
  );
  return rows[0] && toReset(rows[0]);
}

/** The latest ones, open or over. */
export async function listResets(tx: Tx, limit: number): Promise<PastReset[]> {
  const rows = await tx.query<
    ResetRow & { doneAt: Date | null; cancelledAt: Date | null; cancelledBy: string | null }
  >(
    `select ${columns}, done_at as "doneAt", cancelled_at as "cancelledAt", cancelled_by as "cancelledBy"
     from factor_resets order by (done_at is null and cancelled_at is null) desc, asked_at desc, id desc limit $1`,
    [limit],
  );
  return rows.map(({ doneAt, cancelledAt, cancelledBy, ...row }) => ({
    ...toReset(row),
    doneAt: doneAt ?? undefined,
    cancelledAt: cancelledAt ?? undefined,
    cancelledBy: cancelledBy ?? undefined,
  }));
}

export async function approve(tx: Tx, id: string, operator: string, dueAt: Date): Promise<void> {
  await tx.query('update factor_resets set approved_by = $2, approved_at = $3, due_at = $4 where id = $1', [
    id,
    operator,
    tx.now(),
    dueAt,
  ]);
}

export async function cancel(tx: Tx, id: string, by: string | undefined): Promise<void> {
  await tx.query('update factor_resets set cancelled_at = $2, cancelled_by = $3 where id = $1', [
    id,
    tx.now(),
    by ?? null,
  ]);
}

export async function dueResets(tx: Tx): Promise<FactorReset[]> {
  const rows = await tx.query<ResetRow>(
    `select ${columns} from factor_resets
     where due_at <= $1 and done_at is null and cancelled_at is null limit 100 for update skip locked`,
    [tx.now()],
  );
  return rows.map(toReset);
}

export async function done(tx: Tx, person: string): Promise<void> {
  await tx.query(
    'update factor_resets set done_at = $2 where person = $1 and done_at is null and cancelled_at is null',
    [person, tx.now()],
  );
}

/** Every further proof; what passkeys call the person too, so that keys made before fit no more. */
export async function deleteFactors(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from passkeys where person = $1', [person]);
  await tx.query('delete from passkey_handles where person = $1', [person]);
  await tx.query('delete from totp_authenticators where person = $1', [person]);
  await tx.query('delete from recovery_codes where person = $1', [person]);
  await tx.query('delete from remembered_devices where person = $1', [person]);
}
