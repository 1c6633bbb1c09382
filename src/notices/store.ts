import type { Tx } from '#kit/db/tx.ts';
import type { Draft, NoticeKind } from './intake.ts';
import type { Notice } from './notices.ts';

interface NoticeRow {
  id: string;
  event_id: number | null;
  kind: NoticeKind;
  person: string;
  address: string;
  state: Notice['state'];
  message_id: string | null;
  answer: string | null;
  attempts: number;
  created_at: Date;
  settled_at: Date | null;
}

const columns = `id, event_id, kind, person, address, state, message_id, answer, attempts, created_at, settled_at`;

function toNotice(row: NoticeRow): Notice {
  return {
    id: row.id,
    kind: row.kind,
    person: row.person,
    address: row.address,
    state: row.state,
    messageId: row.message_id ?? undefined,
    answer: row.answer ?? undefined,
    attempts: row.attempts,
    createdAt: row.created_at,
    settledAt: row.settled_at ?? undefined,
  };
}

/** One row a letter, with the time of its event. */
export async function insertNotices(tx: Tx, drafts: readonly (Draft & { id: string })[]): Promise<void> {
  await tx.query(
    `insert into notices (id, event_id, kind, person, address, state, created_at)
     select id, event, kind, person, address, 'queued', at
     from jsonb_to_recordset($1::jsonb)
       as r (id uuid, event bigint, kind text, person uuid, address uuid, at timestamptz)`,
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

/** Closes a notice for good, or (`queued`) notes an attempt that is to be made again. */
export async function noteOutcome(
  tx: Tx,
  id: string,
  outcome: { state: Notice['state']; answer: string; messageId?: string; tried: boolean },
): Promise<void> {
  await tx.query(
    `update notices set state = $2, answer = left($3, 500), message_id = coalesce($4, message_id),
       attempts = attempts + $5::integer, settled_at = case when $2 = 'queued' then null else $6::timestamptz end
     where id = $1 and state = 'queued'`,
    [id, outcome.state, outcome.answer, outcome.messageId ?? null, outcome.tried ? 1 : 0, tx.now()],
    'notices-outcome',
  );
}

export async function deleteNoticesOf(tx: Tx, person: string): Promise<void> {
  await tx.query('delete from notices where person = $1', [person], 'notices-delete');
}
