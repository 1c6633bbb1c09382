import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { DayCount, MessageFilter, MessagePage, NewMessage, NotedMessage } from './messages.ts';

/** One day, as it is counted by: UTC. */
export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

const insertSql = `
  with given as (
    select * from jsonb_to_recordset($1::jsonb) as g (id uuid, at timestamptz, person uuid, application text,
      "recipientClass" text, verdict text, reason text, via text, sender text, "headerFrom" text, recipient text,
      client inet, "messageId" text, "messageClass" text, bytes integer, mode text, "smartHost" text, answer text,
      "tookMs" integer)),
  noted as (
    insert into relay_messages (id, at, person, application, recipient_class, verdict, reason, via, sender, header_from,
      recipient, client, message_id, message_class, bytes, mode, smart_host, answer, took_ms)
    select id, at, person, application, "recipientClass", verdict, reason, via, sender, "headerFrom", recipient, client,
      "messageId", "messageClass", bytes, mode, "smartHost", answer, "tookMs" from given)
  insert into relay_counts as c (day, application, verdict, reason, messages, bytes)
  select day, application, verdict, reason, messages, bytes
  from jsonb_to_recordset($2::jsonb) as n (day date, application text, verdict text, reason text, messages bigint,
    bytes bigint)
  where set_config('synchronous_commit', 'off', true) = 'off'
  order by day, application, verdict, reason
  on conflict (day, application, verdict, reason) do update
    set messages = c.messages + excluded.messages, bytes = c.bytes + excluded.bytes`;

const unusable = /[\x00-\x1f\x7f]+/g;

/** What can stand in a row: no control characters, no more than anybody reads. */
function clean(entry: NewMessage): NewMessage {
  const text = (value: string | undefined, most: number) =>
    value === undefined ? undefined : value.toWellFormed().replace(unusable, ' ').slice(0, most);
  return {
    ...entry,
    sender: text(entry.sender, 320),
    headerFrom: text(entry.headerFrom, 320),
    recipient: text(entry.recipient, 320),
    messageId: text(entry.messageId, 300),
    smartHost: text(entry.smartHost, 300),
    answer: text(entry.answer, 500),
  };
}

/**
 * Notes messages and counts, in one statement. Nobody waits for the disk: what a power cut takes is the last moment of a
 * log, never a message.
 * @param rows those that are kept one by one
 * @param counted all, those that are not kept one by one among them
 */
export async function insertMessages(
  database: Pick<Database, 'query'>,
  rows: readonly NewMessage[],
  counted: readonly NewMessage[],
): Promise<void> {
  const counts = new Map<string, Omit<DayCount, 'day'> & { day: string }>();
  for (const { at, application = '', verdict, reason, bytes = 0 } of counted) {
    const day = dayOf(at);
    const key = JSON.stringify([day, application, verdict, reason]);
    const count = counts.get(key) ?? { day, application, verdict, reason, messages: 0, bytes: 0 };
    counts.set(key, { ...count, messages: count.messages + 1, bytes: count.bytes + bytes });
  }
  const values = [JSON.stringify(rows.map(clean)), JSON.stringify([...counts.values()])];
  await database.query(insertSql, values, 'relay-messages-insert');
}

interface MessageRow {
  id: string;
  at: Date;
  person: string | null;
  application: string | null;
  recipient_class: NotedMessage['recipientClass'];
  verdict: NotedMessage['verdict'];
  reason: NotedMessage['reason'];
  via: NotedMessage['via'];
  sender: string | null;
  header_from: string | null;
  recipient: string | null;
  client: string | null;
  message_id: string | null;
  message_class: NotedMessage['messageClass'] | null;
  bytes: number | null;
  mode: NotedMessage['mode'] | null;
  smart_host: string | null;
  answer: string | null;
  took_ms: number | null;
  bounced_at: Date | null;
  bounce_status: string | null;
}

function toMessage(row: MessageRow): NotedMessage {
  return {
    id: row.id,
    at: row.at,
    person: row.person ?? undefined,
    application: row.application ?? undefined,
    recipientClass: row.recipient_class,
    verdict: row.verdict,
    reason: row.reason,
    via: row.via,
    sender: row.sender ?? undefined,
    headerFrom: row.header_from ?? undefined,
    recipient: row.recipient ?? undefined,
    client: row.client?.replace(/\/\d+$/, '') ?? undefined,
    messageId: row.message_id ?? undefined,
    messageClass: row.message_class ?? undefined,
    bytes: row.bytes ?? undefined,
    mode: row.mode ?? undefined,
    smartHost: row.smart_host ?? undefined,
    answer: row.answer ?? undefined,
    tookMs: row.took_ms ?? undefined,
    bouncedAt: row.bounced_at ?? undefined,
    bounceStatus: row.bounce_status ?? undefined,
  };
}

/** Newest first. */
export async function listMessages(
  tx: Tx,
  filter: MessageFilter,
  page: MessagePage,
): Promise<NotedMessage[]> {
  const rows = await tx.query<MessageRow>(
    `select * from relay_messages
     where ($1::uuid is null or person = $1) and ($2::text is null or application = $2)
       and ($3::text is null or verdict = $3) and ($4::text is null or reason = $4)
       and ($5::text is null or recipient_class = $5) and ($6::timestamptz is null or at >= $6)
       and ($7::text is null or strpos(lower(sender), lower($7)) > 0 or strpos(lower(header_from), lower($7)) > 0
         or strpos(lower(recipient), lower($7)) > 0)
       and ($8::uuid is null or (at, id) < (select b.at, b.id from relay_messages b where b.id = $8))
     order by at desc, id desc limit $9`,
    [
      filter.person ?? null,
      filter.application ?? null,
      filter.verdict ?? null,
      filter.reason ?? null,
      filter.recipientClass ?? null,
      filter.since ?? null,
      filter.text ?? null,
      page.before ?? null,
      page.limit,
    ],
  );
  return rows.map(toMessage);
}

export async function messageById(tx: Tx, id: string): Promise<NotedMessage | undefined> {
  const rows = await tx.query<MessageRow>('select * from relay_messages where id = $1', [id]);
  return rows[0] && toMessage(rows[0]);
}

/** Newest first, without what only operators may see. */
export async function messagesOf(
  tx: Tx,
  person: string,
  page: MessagePage,
): Promise<Omit<NotedMessage, 'answer' | 'smartHost'>[]> {
  const found = await listMessages(tx, { person }, page);
  return found.map(({ answer: _answer, smartHost: _smartHost, ...rest }) => rest);
}

/** Newest day first. */
export async function countsOf(
  tx: Tx,
  filter: { application?: string; from: Date; to?: Date },
): Promise<DayCount[]> {
  return tx.query<DayCount>(
    `select day, application, verdict, reason, messages, bytes from relay_counts
     where day >= $1::date and ($2::date is null or day <= $2) and ($3::text is null or application = $3)
     order by day desc, application, verdict, reason`,
    [dayOf(filter.from), filter.to ? dayOf(filter.to) : null, filter.application ?? null],
  );
}

/** Messages passed on today: by the app as a whole, and of them to this person. */
export async function usedToday(
  tx: Tx,
  application: string,
  person?: string,
): Promise<{ app: number; person: number }> {
  const rows = await tx.query<{ person: string | null; used: number }>(
    `select person, used from relay_budgets
     where day = $1::date and application = $2 and (person is null or person = $3)`,
    [dayOf(tx.now()), application, person ?? null],
  );
  return {
    app: rows.find((row) => row.person === null)?.used ?? 0,
    person: rows.find((row) => row.person !== null)?.used ?? 0,
  };
}

/**
 * The first report stands.
 * @param report.tag the last ten digits of the row's own id, as its return address has them
 */
export async function markBounced(
  database: Database,
  report: { messageId: string; tag: string; status: string; at: Date },
): Promise<number> {
  const rows = await database.transact(system(), (tx) =>
    tx.query(
      `update relay_messages set bounced_at = $2, bounce_status = $3
       where message_id = $1 and right(id::text, 10) = $4 and verdict = 'relayed' and bounced_at is null
       returning id`,
      [report.messageId, report.at, report.status, report.tag],
      'relay-message-bounced',
    ),
  );
  return rows.length;
}

export async function deleteMessages(tx: Tx, before: Date, most = 5000): Promise<number> {
  const rows = await tx.query(
    `delete from relay_messages where id in (select id from relay_messages where at < $1 order by at limit $2)
     returning id`,
    [before, most],
  );
  return rows.length;
}

export async function deleteCounts(tx: Tx, before: Date): Promise<number> {
  const rows = await tx.query('delete from relay_counts where day < $1::date returning day', [dayOf(before)]);
  return rows.length;
}

export async function deleteBudgets(tx: Tx, before: Date): Promise<number> {
  const rows = await tx.query('delete from relay_budgets where day < $1::date returning day', [
    dayOf(before),
  ]);
  return rows.length;
}

/** For erasing: what was written to and by these people, and what was counted of them by name. */
export async function forgetMessages(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query('delete from relay_messages where person = any($1::uuid[])', [people]);
  await tx.query('delete from relay_budgets where person = any($1::uuid[])', [people]);
}
