import type { Tx } from '#kit/db/tx.ts';
import type { RecoveryLink } from './recovery-links.ts';

interface Row {
  id: string;
  person: string;
  reason: string;
  askedBy: string;
  askedAt: Date;
  approvedBy: string | null;
  approvedAt: Date | null;
  verification: string | null;
  expiresAt: Date | null;
  cancelledAt: Date | null;
  cancelledBy: string | null;
}

const columns = `id, person, reason, asked_by as "askedBy", asked_at as "askedAt", approved_by as "approvedBy",
  approved_at as "approvedAt", verification, expires_at as "expiresAt", cancelled_at as "cancelledAt",
  cancelled_by as "cancelledBy"`;

function toLink(row: Row): RecoveryLink {
  const known = Object.entries(row).filter(([, value]) => value !== null);
  return Object.fromEntries(known) as unknown as RecoveryLink;
}

/** False while another one waits for a second operator. */
export async function insertLink(
  tx: Tx,
  row: { id: string; person: string; reason: string; operator: string },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into recovery_links (id, person, reason, asked_by, asked_at) values ($1, $2, $3, $4, $5)
     on conflict do nothing returning 1`,
    [row.id, row.person, row.reason, row.operator, tx.now()],
  );
  return rows.length === 1;
}

/** The newest of a person that was not called off, held until the transaction ends. */
export async function latestLink(tx: Tx, person: string): Promise<RecoveryLink | undefined> {
  const rows = await tx.query<Row>(
    `select ${columns} from recovery_links where person = $1 and cancelled_at is null
     order by asked_at desc, id desc limit 1 for update`,
    [person],
  );
  return rows[0] && toLink(rows[0]);
}

/** Newest first, those that wait for somebody before all others. */
export async function listLinks(tx: Tx, limit: number): Promise<RecoveryLink[]> {
  const rows = await tx.query<Row>(
    `select ${columns} from recovery_links
     order by (approved_at is null and cancelled_at is null) desc, asked_at desc, id desc limit $1`,
    [limit],
  );
  return rows.map(toLink);
}

export async function approve(
  tx: Tx,
  link: { id: string; operator: string; verification: string; expiresAt: Date },
): Promise<void> {
  await tx.query(
    `update recovery_links set approved_by = $2, approved_at = $3, verification = $4, expires_at = $5 where id = $1`,
    [link.id, link.operator, tx.now(), link.verification, link.expiresAt],
  );
}

export async function cancel(tx: Tx, id: string, by: string | undefined): Promise<void> {
  await tx.query('update recovery_links set cancelled_at = $2, cancelled_by = $3 where id = $1', [
    id,
    tx.now(),
    by ?? null,
  ]);
}
