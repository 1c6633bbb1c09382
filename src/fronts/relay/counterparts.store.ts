import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';

export interface CounterpartRow {
  id: string;
  person: string;
  application: string;
  address: string;
  mailbox: string;
}

/** The one row for this person, app and address; made when there is none. Returns its id. */
export async function upsertCounterpart(tx: Tx, row: Omit<CounterpartRow, 'id'>): Promise<string> {
  const [kept] = await tx.query<{ id: string }>(
    `insert into relay_counterparts as c (id, person, application, address, mailbox, made_at, used_at)
     values ($1, $2, $3, $4, $5, $6, $6)
     on conflict (person, application, address)
       do update set mailbox = excluded.mailbox, used_at = greatest(c.used_at, excluded.used_at)
     returning id`,
    [newId(), row.person, row.application, row.address, row.mailbox, tx.now()],
    'relay-counterpart-upsert',
  );
  return kept!.id;
}

/** Undefined also where the app may not send mail any more: an app that is switched off is not answered. */
export async function counterpartById(tx: Tx, id: string): Promise<CounterpartRow | undefined> {
  const rows = await tx.query<CounterpartRow>(
    `select c.id, c.person, c.application, c.address, c.mailbox
     from relay_counterparts c join relay_apps a on a.application = c.application
     where c.id = $1 and not coalesce((a.settings ->> 'off')::boolean, false)`,
    [id],
    'relay-counterpart',
  );
  return rows[0];
}

/** Deletes those nobody wrote from since a moment, at most so many; returns how many. */
export async function deleteCounterparts(tx: Tx, before: Date, most: number): Promise<number> {
  const gone = await tx.query(
    `delete from relay_counterparts where id in (select id from relay_counterparts where used_at < $1 limit $2)
     returning 1`,
    [before, most],
  );
  return gone.length;
}

/** Of these message ids those that were passed on to this person. */
export async function idsPassedOn(tx: Tx, person: string, ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ message_id: string }>(
    `select distinct message_id from relay_messages
     where person = $1 and recipient_class = 'alias' and verdict = 'relayed' and message_id = any($2::text[])`,
    [person, ids.flatMap((id) => [id, `<${id}>`])],
    'relay-ids-passed-on',
  );
  return new Set(rows.map((row) => row.message_id.replace(/^<|>$/g, '')));
}

/** For erasing: whom somebody could answer is nobody's matter any more. */
export async function forgetCounterparts(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query('delete from relay_counterparts where person = any($1::uuid[])', [people]);
}
