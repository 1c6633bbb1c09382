import type { Tx } from '#kit/db/tx.ts';
import type { Draft, NoticeKind } from './intake.ts';
import type { DeliveryReport, Notice, NoticeState } from './notices.ts';

interface NoticeRow {
  id: string;
  kind: NoticeKind;
  person: string;
  address: string;
  state: NoticeState;
  about: string | null;
  message_id: string | null;
  answer: string | null;
  attempts: number;
  resent: number;
  handed_at: Date | null;
  accepted_at: Date | null;
  next_attempt_at: Date | null;
  status: string | null;
  report: string | null;
  reported_at: Date | null;
  created_at: Date;
  settled_at: Date | null;
}

const columns = `id, kind, person, address, state, about, message_id, answer, attempts, resent, handed_at,
  accepted_at, next_attempt_at, status, report, reported_at, created_at, settled_at`;

/** Written and not taken yet: it waits with us. What is deferred after it was taken waits elsewhere. */
const waitsHere = `(state = 'queued' or (state = 'deferred' and accepted_at is null))`;

function toNotice(row: NoticeRow): Notice {
  return {
    id: row.id,
    kind: row.kind,
    person: row.person,
    address: row.address,
    state: row.state,
    about: row.about ?? undefined,
    messageId: row.message_id ?? undefined,
    answer: row.answer ?? undefined,
    attempts: row.attempts,
    resent: row.resent,
    handedAt: row.handed_at ?? undefined,
    acceptedAt: row.accepted_at ?? undefined,
    nextAttemptAt: row.next_attempt_at ?? undefined,
    status: row.status ?? undefined,
    report: row.report ?? undefined,
    reportedAt: row.reported_at ?? undefined,
    createdAt: row.created_at,
    settledAt: row.settled_at ?? undefined,
  };
}

/** One row a letter, with the time of its event. */
export async function insertNotices(tx: Tx, drafts: readonly (Draft & { id: string })[]): Promise<void> {
  await tx.query(
    `insert into notices (id, event_id, kind, person, address, about, state, created_at)
     select id, event, kind, person, address, about, 'queued', at
     from jsonb_to_recordset($1::jsonb)
       as r (id uuid, event bigint, kind text, person uuid, address uuid, about text, at timestamptz)`,
    [JSON.stringify(drafts)],
    'notices-insert',
  );
}

/** Whether this person got such a notice since then. */
export async function wasTold(
  tx: Tx,
  notice: { person: string; kind: NoticeKind },
  since: Date,
): Promise<boolean> {
  const rows = await tx.query(
    'select 1 from notices where person = $1 and kind = $2 and created_at > $3 limit 1',
    [notice.person, notice.kind, since],
    'notices-was-told',
  );
  return rows.length > 0;
}

export async function findNotice(tx: Tx, id: string): Promise<Notice | undefined> {
  const rows = await tx.query<NoticeRow>(
    `select ${columns} from notices where id = $1`,
    [id],
    'notices-find',
  );
  return rows[0] && toNotice(rows[0]);
}

export async function noticesOf(tx: Tx, person: string, limit: number): Promise<Notice[]> {
  const rows = await tx.query<NoticeRow>(
    `select ${columns} from notices where person = $1 order by created_at desc, id desc limit $2`,
    [person, limit],
  );
  return rows.map(toNotice);
}

/** The newest that carries this link or code. */
export async function noticeOfVerification(tx: Tx, verification: string): Promise<Notice | undefined> {
  const rows = await tx.query<NoticeRow>(
    `select ${columns} from notices where about = $1 order by created_at desc limit 1`,
    [verification],
  );
  return rows[0] && toNotice(rows[0]);
}

/** The newest of a kind that went to this address since then. */
export async function latestTo(
  tx: Tx,
  input: { person: string; address: string; kind: NoticeKind; since: Date },
): Promise<Notice | undefined> {
  const rows = await tx.query<NoticeRow>(
    `select ${columns} from notices
     where person = $1 and address = $2 and kind = $3 and created_at > $4 order by created_at desc limit 1`,
    [input.person, input.address, input.kind, input.since],
  );
  return rows[0] && toNotice(rows[0]);
}

export interface NoticeFilter {
  states?: readonly NoticeState[];
  kind?: string;
  person?: string;
  /** Older than this one. */
  before?: { createdAt: Date; id: string };
  limit: number;
}

/** Newest first. */
export async function listNotices(tx: Tx, filter: NoticeFilter): Promise<Notice[]> {
  const rows = await tx.query<NoticeRow>(
    `select ${columns} from notices
     where ($1::text[] is null or state = any($1)) and ($2::text is null or kind = $2)
       and ($3::uuid is null or person = $3)
       and ($4::timestamptz is null or (created_at, id) < ($4::timestamptz, $5::uuid))
     order by created_at desc, id desc limit $6`,
    [
      filter.states ?? null,
      filter.kind ?? null,
      filter.person ?? null,
      filter.before?.createdAt ?? null,
      filter.before?.id ?? null,
      filter.limit,
    ],
  );
  return rows.map(toNotice);
}

/** How many there are in each state since then. */
export async function countNotices(tx: Tx, since: Date): Promise<{ state: NoticeState; count: number }[]> {
  return tx.query<{ state: NoticeState; count: number }>(
    'select state, count(*)::integer as count from notices where created_at > $1 group by state order by state',
    [since],
  );
}

/**
 * Notes that it is about to be handed over. Whoever finds that noted already is the next attempt after one whose end
 * nobody saw: the letter may have gone out, and goes out once more. False when it is settled by now.
 */
export async function beginAttempt(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.query(
    `update notices set resent = resent + case when handed_at is null then 0 else 1 end, handed_at = $2
     where id = $1 and ${waitsHere} returning 1`,
    [id, tx.now()],
    'notices-begin',
  );
  return rows.length === 1;
}

export interface Outcome {
  state: 'accepted' | 'deferred' | 'failed' | 'dropped';
  answer: string;
  messageId?: string;
  status?: string;
  /** With `deferred`. */
  nextAttemptAt?: Date;
  /** The connection ended before an answer came: it may have been taken, and the next attempt counts as another one. */
  isUnsure?: boolean;
}

/** What one attempt came to. Whatever settled it meanwhile (a report came first) stays. False then. */
export async function noteOutcome(tx: Tx, id: string, outcome: Outcome): Promise<boolean> {
  const rows = await tx.query(
    `update notices set state = $2, answer = left($3, 500), message_id = coalesce($4, message_id),
       attempts = attempts + case when $2 = 'dropped' then 0 else 1 end,
       handed_at = case when $8 then handed_at end,
       status = case when $2 = 'accepted' then null else coalesce($5, status) end,
       next_attempt_at = $6::timestamptz,
       accepted_at = case when $2 = 'accepted' then $7::timestamptz end,
       settled_at = case when $2 = 'deferred' then null else $7::timestamptz end
     where id = $1 and ${waitsHere} returning 1`,
    [
      id,
      outcome.state,
      outcome.answer,
      outcome.messageId ?? null,
      outcome.status ?? null,
      outcome.nextAttemptAt ?? null,
      tx.now(),
      outcome.isUnsure ?? false,
    ],
    'notices-outcome',
  );
  return rows.length === 1;
}

/**
 * What came back later, by a report or a webhook, in whatever order. A refusal stands against everything, an arrival
 * against all but a refusal, and of two that say "later" the newer one counts. Undefined when it changed nothing.
 */
export async function noteReport(
  tx: Tx,
  id: string,
  report: DeliveryReport,
): Promise<{ person: string; address: string; kind: NoticeKind } | undefined> {
  const rows = await tx.query<{ person: string; address: string; kind: NoticeKind }>(
    `update notices set state = $2, status = coalesce($3, status), report = left($4, 500), reported_at = $5,
       accepted_at = coalesce(accepted_at, $5), settled_at = coalesce(settled_at, $6),
       handed_at = null, next_attempt_at = null
     where id = $1 and case $2
       when 'bounced' then state in ('queued', 'accepted', 'deferred', 'delivered')
       when 'delivered' then state in ('queued', 'accepted', 'deferred', 'failed')
       when 'failed' then state in ('queued', 'accepted', 'deferred')
       when 'deferred' then state in ('queued', 'accepted', 'deferred')
         and (reported_at is null or reported_at < $5)
       when 'accepted' then state = 'queued' or (state = 'deferred' and accepted_at is null)
       else false end
     returning person, address, kind`,
    [id, report.state, report.status ?? null, report.text ?? null, report.at, tx.now()],
    'notices-report',
  );
  return rows[0];
}

/** One that failed waits to be sent again. Undefined when it is none of those. */
export async function sendAgain(tx: Tx, id: string): Promise<Notice | undefined> {
  const rows = await tx.query<NoticeRow>(
    `update notices set state = 'queued', settled_at = null, next_attempt_at = null, accepted_at = null,
       handed_at = null, report = null, reported_at = null
     where id = $1 and state in ('failed', 'bounced') returning ${columns}`,
    [id],
  );
  return rows[0] && toNotice(rows[0]);
}

/** Returns the addresses they went to. */
export async function deleteNoticesOf(tx: Tx, person: string): Promise<string[]> {
  const rows = await tx.query<{ address: string | null }>(
    'delete from notices where person = $1 returning address',
    [person],
    'notices-delete',
  );
  return [...new Set(rows.flatMap(({ address }) => address ?? []))];
}

/** Letters older than that, 5000 at most; those that still wait stay. Returns how many went. */
export async function deleteOldNotices(tx: Tx, before: Date): Promise<number> {
  const rows = await tx.query(
    `delete from notices where id in (
       select id from notices where created_at < $1 and state not in ('queued', 'deferred')
       order by created_at limit 5000)
     returning 1`,
    [before],
  );
  return rows.length;
}
