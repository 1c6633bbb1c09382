import type { Tx } from '#kit/db/tx.ts';
import type { LoggedEvent, NewEvent } from './events.ts';

export async function insertEvents(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  const rows = events.map((event) => ({
    type: event.type,
    person: event.person ?? null,
    application: event.application ?? null,
    data: event.data,
  }));
  await tx.query(
    `with recorded as (
       insert into events (at, type, person, application, actor, cause, request_id, data)
       select $1, r.type, r.person, r.application, $2::jsonb, $3, $4, r.data
       from jsonb_to_recordset($5::jsonb) as r (type text, person uuid, application text, data jsonb))
     select pg_notify('events', $6)`,
    [tx.now(), JSON.stringify(tx.actor), tx.cause, tx.requestId, JSON.stringify(rows), typesOf(events)],
    'events-insert',
  );
}

/** What is heard of events before they are read: their types, or that there are none. */
function typesOf(events: readonly NewEvent[]): string {
  return [...new Set(events.map(({ type }) => type))].join(' ') || '-';
}

interface EventRow {
  id: number;
  xid: string;
  at: Date;
  type: LoggedEvent['type'];
  person: string | null;
  application: string | null;
  actor: LoggedEvent['actor'];
  cause: string;
  request_id: string;
  data: LoggedEvent['data'];
}

function toEvent(row: EventRow): LoggedEvent {
  return {
    id: row.id,
    xid: row.xid,
    at: row.at,
    type: row.type,
    person: row.person ?? undefined,
    application: row.application ?? undefined,
    actor: row.actor,
    cause: row.cause,
    requestId: row.request_id,
    data: row.data,
  };
}

const columns = 'id, xid::text as xid, at, type, person, application, actor, cause, request_id, data';

/** The reader's cursor, locked, so that one node at a time reads for it; undefined when there is none or another has it. */
export async function lockCursor(tx: Tx, reader: string): Promise<{ xid: string; id: number } | undefined> {
  const rows = await tx.query<{ xid: string; id: number }>(
    'select xid::text as xid, id from event_cursors where reader = $1 for update skip locked',
    [reader],
    'cursor-lock',
  );
  return rows[0];
}

/** A cursor at the very beginning of the log, unless there is one already. */
export async function cursorAtBeginning(tx: Tx, reader: string): Promise<void> {
  await tx.query('insert into event_cursors (reader) values ($1) on conflict do nothing', [reader]);
}

/**
 * The transaction id below which nothing of this database is still under way: everything older has ended, so no event
 * can appear there any more. Three statements, in this order, under READ COMMITTED: the next id to be given, then the
 * ids at work in this database, and only then (by the caller) the events. `pg_snapshot_xmin` alone would also wait
 * for strangers: one long transaction in another database of the same server would hold all our mail.
 */
export async function settledBelow(tx: Tx): Promise<bigint> {
  const [next] = await tx.query<{ xmax: string }>(
    'select pg_snapshot_xmax(pg_current_snapshot())::text as xmax',
    [],
    'events-newest-xid',
  );
  const running = await tx.query<{ xid: string }>(
    `select backend_xid::text as xid from pg_stat_activity
     where datname = current_database() and backend_xid is not null and pid <> pg_backend_pid()`,
    [],
    'events-running-xids',
  );
  const top = BigInt(next!.xmax);
  return running
    .map(({ xid }) => fullId(BigInt(xid), top))
    .reduce((least, id) => (id < least ? id : least), top);
}

/**
 * Activity shows 32 bits of an id. It is the one nearest to the newest known: older, or a little newer, when it was
 * given while we looked. Taking a newer one for one of the epoch before would put it below zero.
 */
export function fullId(short: bigint, top: bigint): bigint {
  return top + BigInt.asIntN(32, short - top);
}

/** Events after the cursor and below the settled id, in commit-safe order. */
export async function eventsAfter(
  tx: Tx,
  cursor: { xid: string; id: number },
  limit: number,
): Promise<LoggedEvent[]> {
  const below = await settledBelow(tx);
  const rows = await tx.query<EventRow>(
    `select ${columns} from events
     where (xid, id) > ($1::xid8, $2::bigint) and xid < $4::xid8
     order by xid, id limit $3`,
    [cursor.xid, cursor.id, limit, String(below)],
    'events-after',
  );
  return rows.map(toEvent);
}

export async function moveCursor(tx: Tx, reader: string, xid: string, id: number): Promise<void> {
  await tx.query(
    'update event_cursors set xid = $2::xid8, id = $3, updated_at = now() where reader = $1',
    [reader, xid, id],
    'cursor-move',
  );
}

/** A cursor that starts at the end: a new reader does not replay history it has no business with. */
export async function cursorAtEnd(tx: Tx, reader: string): Promise<void> {
  const known = await tx.query('select 1 from event_cursors where reader = $1', [reader]);
  if (known.length > 0) return;
  const below = await settledBelow(tx);
  await tx.query(
    'insert into event_cursors (reader, xid, id) values ($1, $2::xid8, 0) on conflict do nothing',
    [reader, String(below)],
  );
}

/**
 * Puts every cursor behind the last event. For a restored log: what was under way when it was copied was told then,
 * or is no longer true, and must not be told again. Restored events have the transaction id 0 and come first.
 */
export async function cursorsToEnd(tx: Tx): Promise<void> {
  await tx.query(
    `update event_cursors set xid = '0', id = (select coalesce(max(id), 0) from events), updated_at = now()`,
  );
}

/** Newest first, for people who look: of one person, of one app, of one kind, before an id. */
export async function listEvents(
  tx: Tx,
  filter: { person?: string; application?: string; type?: string; before?: number; limit: number },
): Promise<LoggedEvent[]> {
  const rows = await tx.query<EventRow>(
    `select ${columns} from events
     where ($1::uuid is null or person = $1) and ($2::text is null or application = $2)
       and ($3::text is null or type = $3) and ($4::bigint is null or id < $4)
     order by id desc limit $5`,
    [
      filter.person ?? null,
      filter.application ?? null,
      filter.type ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  );
  return rows.map(toEvent);
}

/** The newest event there is; 0 when there is none. */
export async function lastEventId(tx: Tx): Promise<number> {
  const rows = await tx.query<{ id: number }>('select coalesce(max(id), 0) as id from events');
  return rows[0]?.id ?? 0;
}

/** Whether the reader has yet to pass an event that has this id or a lower one. */
export async function isBehind(tx: Tx, reader: string, id: number): Promise<boolean> {
  const rows = await tx.query(
    `select 1 from events e join event_cursors c on (e.xid, e.id) > (c.xid, c.id)
     where c.reader = $1 and e.id <= $2 limit 1`,
    [reader, id],
  );
  return rows.length > 0;
}

/** Puts `word` in the place of these fields in the events about these people, where they are. */
export async function redactData(
  tx: Tx,
  people: readonly string[],
  personal: readonly { type: string; fields: readonly string[] }[],
  word: string,
): Promise<void> {
  await tx.query(
    `update events e set data = (
       select jsonb_object_agg(key, case when key = any(p.fields) then to_jsonb($3::text) else value end)
       from jsonb_each(e.data))
     from jsonb_to_recordset($2::jsonb) as p (type text, fields text[])
     where e.person = any($1::uuid[]) and e.type = p.type and e.data ?| p.fields`,
    [people, JSON.stringify(personal), word],
  );
}

export async function redactActors(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.query(
    `update events set actor = actor - 'name' where actor ->> 'id' = any($1::text[]) and actor ? 'name'`,
    [ids],
  );
}
