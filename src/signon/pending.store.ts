import type { Tx } from '#kit/db/tx.ts';
import type { Stay } from './stay.ts';

/** A door and what it knew, as far as it is needed once the sign-in goes on. */
export interface PendingPlace {
  door: string;
  application?: string;
  device: string;
  network: string;
  persistent: boolean;
  stay?: Stay;
}

export interface PendingRow {
  id: string;
  person: string;
  ask: 'second-factor' | 'enrol';
  amr: string[];
  aal: number;
  place: PendingPlace;
  upstream: Buffer | null;
  createdAt: Date;
}

const columns = 'id, person, ask, amr, aal, place, upstream, created_at as "createdAt"';

export async function insertPending(
  tx: Tx,
  row: Omit<PendingRow, 'createdAt'> & { tokenHash: Buffer; browser: string; lifetimeSeconds: number },
): Promise<void> {
  await tx.query(
    `insert into pending_sign_ins (id, token_hash, browser, person, ask, amr, aal, place, upstream, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10::timestamptz + make_interval(secs => $11))`,
    [
      row.id,
      row.tokenHash,
      row.browser,
      row.person,
      row.ask,
      row.amr,
      row.aal,
      JSON.stringify(row.place),
      row.upstream,
      tx.now(),
      row.lifetimeSeconds,
    ],
  );
}

/** The open one with this token that began in this browser. With `hold` it waits for its turn until the transaction ends. */
export async function pendingOf(
  tx: Tx,
  by: { tokenHash: Buffer; browser: string },
  hold = false,
): Promise<PendingRow | undefined> {
  const rows = await tx.query<PendingRow>(
    `select ${columns} from pending_sign_ins
     where token_hash = $1 and browser = $2 and used_at is null and expires_at > $3${hold ? ' for update' : ''}`,
    [by.tokenHash, by.browser, tx.now()],
  );
  return rows[0];
}

/** Uses it up: true for the one who does. */
export async function usePending(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    'update pending_sign_ins set used_at = $2 where id = $1 and used_at is null returning 1',
    [id, tx.now()],
  );
  return rows.length === 1;
}

/** Deletes those of people who are erased. */
export async function deletePendingOf(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query('delete from pending_sign_ins where person = any($1::uuid[])', [people]);
}

/** Deletes up to 1,000 whose time is over; returns them with whether they came to an end. */
export async function deleteOldPending(tx: Tx): Promise<(PendingRow & { used: boolean })[]> {
  return tx.query(
    `delete from pending_sign_ins where id in (
       select id from pending_sign_ins where expires_at <= $1 limit 1000 for update skip locked)
     returning ${columns}, used_at is not null as used`,
    [tx.now()],
  );
}
