import type { Tx } from '#kit/db/tx.ts';
import type { Entry, NewEntry } from './timeline.ts';

type Writer = { query(text: string, values?: readonly unknown[]): Promise<unknown> };

export async function insertEntries(writer: Writer, entries: readonly NewEntry[]): Promise<void> {
  const rows = entries.map((entry, place) => ({
    place,
    application: entry.application,
    subject: entry.subject,
    kind: entry.kind,
    text: entry.text,
    attempt: entry.attempt ?? null,
    request: entry.request ?? null,
    response: entry.response ?? null,
    took_ms: entry.tookMs === undefined ? null : Math.round(entry.tookMs),
    cause: entry.cause ?? null,
    actor: entry.actor ?? null,
  }));
  // A target that was taken away meanwhile has no timeline any more; that is no reason to fail.
  await writer.query(
    `insert into target_entries (application, subject, at, kind, text, attempt, request, response, took_ms, cause, actor)
     select r.application, r.subject, clock_timestamp(), r.kind, r.text, r.attempt, r.request, r.response, r.took_ms,
       r.cause, r.actor
     from jsonb_to_recordset($1::jsonb) as r (place integer, application text, subject text, kind text, text text,
       attempt integer, request jsonb, response jsonb, took_ms integer, cause text, actor text)
     join targets t on t.application = r.application
     order by r.place`,
    [JSON.stringify(rows)],
  );
}

const columns = `id, application, subject, at, kind, text, attempt, request, response, took_ms as "tookMs", cause, actor`;

export async function entriesOf(
  tx: Tx,
  application: string,
  subject: string,
  page: { before?: number; limit?: number } = {},
): Promise<Entry[]> {
  return tx.query<Entry>(
    `select ${columns} from target_entries
     where application = $1 and subject = $2 and ($3::bigint is null or id < $3) order by id desc limit $4`,
    [application, subject, page.before ?? null, page.limit ?? 50],
  );
}

export async function entriesOfSubject(tx: Tx, subject: string, limit: number): Promise<Entry[]> {
  return tx.query<Entry>(
    `select ${columns} from target_entries where subject = $1 order by id desc limit $2`,
    [subject, limit],
  );
}

export interface Minute {
  at: Date;
  /** Answers below 400. */
  well: number;
  /** Answers of 400 and more. */
  refused: number;
  /** No answer at all. */
  failed: number;
}

export async function exchangesByMinute(tx: Tx, application: string, minutes = 60): Promise<Minute[]> {
  return tx.query<Minute>(
    `select minute as at,
       count(e.id) filter (where e.kind = 'answered' and (e.response ->> 'status')::integer < 400)::integer as well,
       count(e.id) filter (where e.kind = 'answered' and (e.response ->> 'status')::integer >= 400)::integer as refused,
       count(e.id) filter (where e.kind = 'unanswered')::integer as failed
     from generate_series(date_trunc('minute', statement_timestamp()) - make_interval(mins => $2 - 1),
       date_trunc('minute', statement_timestamp()), interval '1 minute') as minute
     left join target_entries e on e.application = $1 and e.kind in ('answered', 'unanswered')
       and e.at >= minute and e.at < minute + interval '1 minute'
       and e.at >= statement_timestamp() - make_interval(mins => $2 + 1)
     group by minute order by minute`,
    [application, minutes],
  );
}

export async function deleteOld(
  writer: Pick<Tx, 'query'>,
  input: { days: number; keep: number; most: number },
): Promise<number> {
  const gone = await writer.query(
    `delete from target_entries where id in (
       select id from target_entries old
       where at < statement_timestamp() - make_interval(days => $1)
         and (select count(*) from (select 1 from target_entries later
           where later.application = old.application and later.subject = old.subject and later.id > old.id
           limit $2) as newer) >= $2
       order by at limit $3)
     returning 1`,
    [input.days, input.keep, input.most],
  );
  return gone.length;
}

export async function blankSubject(tx: Tx, subject: string): Promise<void> {
  await tx.query(
    `update target_entries set request = null, response = null, text = 'Details were erased.', actor = null
     where subject = $1`,
    [subject],
  );
}
