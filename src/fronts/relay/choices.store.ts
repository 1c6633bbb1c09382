import type { Tx } from '#kit/db/tx.ts';
import type { Choice, SenderRequest } from './choices.ts';

const choiceColumns = 'application, paused, digests, reveal';

function toChoice(row: Choice & { application?: string | null }): Choice {
  return { ...row, application: row.application ?? undefined };
}

/** For every app first, then by app. */
export async function choicesOf(tx: Tx, person: string): Promise<Choice[]> {
  const rows = await tx.query<Choice>(
    `select ${choiceColumns} from relay_choices where person = $1 order by application nulls first`,
    [person],
    'relay-choices-of',
  );
  return rows.map(toChoice);
}

/** The same of many people. */
export async function choicesOfAll(tx: Tx, people: readonly string[]): Promise<Map<string, Choice[]>> {
  const rows = await tx.query<Choice & { person: string }>(
    `select person, ${choiceColumns} from relay_choices where person = any($1::uuid[]) order by application nulls first`,
    [people],
    'relay-choices-of-all',
  );
  const byPerson = Map.groupBy(rows, ({ person }) => person);
  return new Map(
    [...byPerson].map(([person, own]) => [person, own.map(({ person: _person, ...row }) => toChoice(row))]),
  );
}

/** The same, for a change: others who change them wait. */
export async function holdChoices(tx: Tx, person: string): Promise<Choice[]> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 7301))', [`relay-choices/${person}`]);
  return choicesOf(tx, person);
}

export async function keepChoice(tx: Tx, person: string, choice: Choice): Promise<void> {
  await tx.query(
    `insert into relay_choices (person, application, paused, digests, reveal, changed_at)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (person, application) do update set paused = excluded.paused, digests = excluded.digests,
       reveal = excluded.reveal, changed_at = excluded.changed_at`,
    [person, choice.application ?? null, choice.paused, choice.digests, choice.reveal, tx.now()],
  );
}

interface RequestRow {
  id: string;
  person: string;
  sender: string;
  application: string | null;
  note: string | null;
  state: SenderRequest['state'];
  asked_at: Date;
  decided_at: Date | null;
  decided_by: string | null;
  answer: string | null;
}

const requestColumns =
  'id, person, sender, application, note, state, asked_at, decided_at, decided_by, answer';

function toRequest(row: RequestRow): SenderRequest {
  return {
    id: row.id,
    person: row.person,
    sender: row.sender,
    application: row.application ?? undefined,
    note: row.note ?? undefined,
    state: row.state,
    askedAt: row.asked_at,
    decidedAt: row.decided_at ?? undefined,
    decidedBy: row.decided_by ?? undefined,
    answer: row.answer ?? undefined,
  };
}

export async function insertRequest(tx: Tx, request: SenderRequest): Promise<void> {
  await tx.query(
    `insert into relay_requests (id, person, sender, application, note, state, asked_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      request.id,
      request.person,
      request.sender,
      request.application ?? null,
      request.note ?? null,
      request.state,
      request.askedAt,
    ],
  );
}

/** Other words for one that is open. */
export async function retellRequest(
  tx: Tx,
  id: string,
  { application, note }: Pick<SenderRequest, 'application' | 'note'>,
): Promise<void> {
  await tx.query(`update relay_requests set application = $2, note = $3 where id = $1 and state = 'open'`, [
    id,
    application ?? null,
    note ?? null,
  ]);
}

/** Latest first; `before` is the id of the last one seen. */
export async function listRequests(
  tx: Tx,
  filter: { person?: string; state?: SenderRequest['state']; before?: string; limit: number },
): Promise<SenderRequest[]> {
  const rows = await tx.query<RequestRow>(
    `select ${requestColumns} from relay_requests
     where ($1::uuid is null or person = $1) and ($2::text is null or state = $2)
       and ($3::uuid is null or id < $3)
     order by id desc limit $4`,
    [filter.person ?? null, filter.state ?? null, filter.before ?? null, filter.limit],
  );
  return rows.map(toRequest);
}

export async function requestById(tx: Tx, id: string): Promise<SenderRequest | undefined> {
  const rows = await tx.query<RequestRow>(`select ${requestColumns} from relay_requests where id = $1`, [id]);
  return rows[0] && toRequest(rows[0]);
}

/** Of an open one alone: of two who decide at once, one does. */
export async function decideRequest(
  tx: Tx,
  input: { id: string; state: 'allowed' | 'refused'; answer?: string; by?: string },
): Promise<SenderRequest | undefined> {
  const rows = await tx.query<RequestRow>(
    `update relay_requests set state = $2, answer = $3, decided_by = $4, decided_at = $5
     where id = $1 and state = 'open' returning ${requestColumns}`,
    [input.id, input.state, input.answer ?? null, input.by ?? null, tx.now()],
  );
  return rows[0] && toRequest(rows[0]);
}

/** For erasing. */
export async function forgetChoices(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query('delete from relay_choices where person = any($1::uuid[])', [people]);
  await tx.query('delete from relay_requests where person = any($1::uuid[])', [people]);
  await tx.query(`update relay_requests set decided_by = null where decided_by = any($1::uuid[])`, [people]);
}
