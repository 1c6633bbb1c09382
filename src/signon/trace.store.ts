import type { Tx } from '#kit/db/tx.ts';
import type { TraceStep } from './trace.ts';

/** A login that was refused, or watched. */
export interface Refusal {
  reference: string;
  person?: string;
  application?: string;
  code: string;
  door: string;
  device: string;
  network: string;
  at: Date;
}

interface Row {
  reference: string;
  person: string | null;
  application: string | null;
  code: string;
  door: string;
  device: string;
  network: string;
  at: Date;
}

const columns = 'reference, person, application, code, door, device, network, at';

function toRefusal(row: Row): Refusal {
  const { person, application, ...rest } = row;
  return { ...rest, person: person ?? undefined, application: application ?? undefined };
}

export async function insertTrace(tx: Tx, trace: Refusal & { steps: readonly TraceStep[] }): Promise<void> {
  await tx.query(
    `insert into sign_in_traces (reference, person, application, code, door, device, network, steps, at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (reference) do nothing`,
    [
      trace.reference,
      trace.person ?? null,
      trace.application ?? null,
      trace.code,
      trace.door,
      trace.device,
      trace.network,
      JSON.stringify(trace.steps),
      trace.at,
    ],
  );
}

export async function traceByReference(
  tx: Tx,
  reference: string,
): Promise<(Refusal & { steps: TraceStep[] }) | undefined> {
  const rows = await tx.query<Row & { steps: TraceStep[] }>(
    `select ${columns}, steps from sign_in_traces where reference = $1`,
    [reference],
  );
  const [row] = rows;
  return row && { ...toRefusal(row), steps: row.steps };
}

/** The latest first; those of a person, of an app, or all. */
export async function listTraces(
  tx: Tx,
  wanted: { person?: string; application?: string; before?: { at: Date; reference: string }; limit: number },
): Promise<Refusal[]> {
  const { person = null, application = null, before, limit } = wanted;
  const rows = await tx.query<Row>(
    `select ${columns} from sign_in_traces
     where ($1::uuid is null or person = $1) and ($2::text is null or application = $2)
       and ($3::timestamptz is null or (at, reference) < ($3, $4))
     order by at desc, reference desc limit $5`,
    [person, application, before?.at ?? null, before?.reference ?? '', limit],
  );
  return rows.map(toRefusal);
}

/** Deletes up to 5,000 from before this moment; returns how many. */
export async function deleteOldTraces(tx: Tx, before: Date): Promise<number> {
  await tx.query('delete from sign_in_watches where ends_at < $1', [tx.now()]);
  const gone = await tx.query(
    `delete from sign_in_traces where reference in (
       select reference from sign_in_traces where at < $1 order by at limit 5000) returning 1`,
    [before],
  );
  return gone.length;
}

/** For erasing: what is known of the logins of these people goes. */
export async function deleteTracesOf(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query('delete from sign_in_traces where person = any($1::uuid[])', [people]);
  await tx.query('delete from sign_in_watches where person = any($1::uuid[])', [people]);
}

/** Logins that are kept also when they succeed. */
export interface Watch {
  id: string;
  person?: string;
  application?: string;
  endsAt: Date;
}

export async function insertWatch(tx: Tx, watch: Watch): Promise<void> {
  await tx.query(
    `insert into sign_in_watches (id, person, application, created_at, ends_at) values ($1, $2, $3, $4, $5)`,
    [watch.id, watch.person ?? null, watch.application ?? null, tx.now(), watch.endsAt],
  );
}

export async function openWatches(tx: Tx): Promise<Watch[]> {
  const rows = await tx.query<{
    id: string;
    person: string | null;
    application: string | null;
    endsAt: Date;
  }>(
    `select id, person, application, ends_at as "endsAt" from sign_in_watches where ends_at > $1
     order by ends_at limit 200`,
    [tx.now()],
  );
  return rows.map(({ person, application, ...rest }) => ({
    ...rest,
    person: person ?? undefined,
    application: application ?? undefined,
  }));
}
