/** Rows of published lists: the last good state of each, and what changed when. */
import type { Tx } from '#kit/db/tx.ts';

export interface ListRow {
  name: string;
  /** What was published last and is in force. */
  networks: string[];
  held?: string[];
  heldAt?: Date;
  checkedAt?: Date;
  fetchedAt?: Date;
  changedAt?: Date;
  problem?: string;
  etag?: string;
  dismissed?: string;
  looks: number;
}

export const listOutcomes = ['taken', 'held', 'refused', 'approved', 'dismissed', 'by-hand'] as const;
export type ListOutcome = (typeof listOutcomes)[number];

export interface ListChange {
  id: number;
  list: string;
  at: Date;
  outcome: ListOutcome;
  added: string[];
  removed: string[];
  note?: string;
  /** Who decided it; undefined where nobody of the console did. */
  decidedBy?: string;
}

const columns = `name, networks, held, held_at as "heldAt", checked_at as "checkedAt", fetched_at as "fetchedAt",
  changed_at as "changedAt", problem, etag, dismissed, looks`;

function readRow(row: ListRow): ListRow {
  const filled = Object.entries(row).filter(([, value]) => value !== null);
  return Object.fromEntries(filled) as unknown as ListRow;
}

export async function allLists(tx: Tx): Promise<ListRow[]> {
  return (await tx.query<ListRow>(`select ${columns} from relay_lists order by name`)).map(readRow);
}

/** Nobody else changes it until the transaction ends. */
export async function holdList(tx: Tx, name: string): Promise<ListRow | undefined> {
  const [row] = await tx.query<ListRow>(`select ${columns} from relay_lists where name = $1 for update`, [
    name,
  ]);
  return row && readRow(row);
}

/** Rows for these names, where there are none yet. */
export async function addRows(tx: Tx, names: readonly string[]): Promise<void> {
  await tx.query(
    `insert into relay_lists (name) select name from unnest($1::text[]) as one (name) on conflict do nothing`,
    [names],
  );
}

/** Lists that nobody names any more are forgotten: one of the same name begins anew. */
export async function dropOtherRows(tx: Tx, names: readonly string[]): Promise<void> {
  await tx.query(`delete from relay_lists where name <> all ($1::text[])`, [names]);
}

/**
 * Makes a look at a list this caller's, when it is due: one wins. What was read from another source keeps no ETag.
 * @param input.due looks made at this moment or before are old; `retry`: those that came to nothing
 */
export async function claimLook(
  tx: Tx,
  input: { name: string; source: string; due: Date; retry: Date; now: Date; always: boolean },
): Promise<ListRow | undefined> {
  const { name, source, due, retry, now, always } = input;
  const [row] = await tx.query<ListRow>(
    `update relay_lists set looks = looks + 1, checked_at = $2, source = $3,
       etag = case when source = $3 then etag end
     where name = $1 and ($6 or checked_at is null or source is distinct from $3 or checked_at <= $4
       or (fetched_at is distinct from checked_at and checked_at <= $5))
     returning ${columns}`,
    [name, now, source, due, retry, always],
  );
  return row && readRow(row);
}

/** Writes what a look or a person decided, and tells every node when other networks are in force. */
export async function keepList(
  tx: Tx,
  list: ListRow,
  { isGood, changed }: { isGood: boolean; changed: boolean },
): Promise<void> {
  await tx.query(
    `update relay_lists set networks = $2, held = $3, held_at = $4, problem = $5, etag = $6, dismissed = $7,
       changed_at = case when $8 then $9 else changed_at end, fetched_at = case when $10 then checked_at else fetched_at end
     where name = $1`,
    [
      list.name,
      list.networks,
      list.held ?? null,
      list.heldAt ?? null,
      list.problem ?? null,
      list.etag ?? null,
      list.dismissed ?? null,
      changed,
      tx.now(),
      isGood,
    ],
  );
  if (changed) await tellNodes(tx);
}

export const listsChannel = 'relay-lists';

async function tellNodes(tx: Tx): Promise<void> {
  await tx.query(`select pg_notify($1, '')`, [listsChannel]);
}

export async function noteListChange(
  tx: Tx,
  change: Omit<ListChange, 'id' | 'at' | 'added' | 'removed'> & { added?: string[]; removed?: string[] },
): Promise<void> {
  const { list, outcome, added = [], removed = [], note, decidedBy } = change;
  await tx.query(
    `insert into relay_list_changes (list, at, outcome, added, removed, note, decided_by)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [list, tx.now(), outcome, added, removed, note ?? null, decidedBy ?? null],
  );
}

/** Latest first. */
export async function changesOf(
  tx: Tx,
  list: string,
  { before, limit }: { before?: number; limit: number },
): Promise<ListChange[]> {
  const rows = await tx.query<ListChange>(
    `select id, list, at, outcome, added, removed, note, decided_by as "decidedBy" from relay_list_changes
     where list = $1 and ($2::bigint is null or id < $2) order by id desc limit $3`,
    [list, before ?? null, limit],
  );
  return rows.map(({ note, decidedBy, ...rest }) => ({
    ...rest,
    note: note ?? undefined,
    decidedBy: decidedBy ?? undefined,
  }));
}

/** Networks that went by themselves since then, or since a person last agreed. */
export async function goneSince(tx: Tx, list: string, since: Date): Promise<string[]> {
  const rows = await tx.query<{ network: string }>(
    `select distinct unnest(removed) as network from relay_list_changes
     where list = $1 and outcome = 'taken' and at > $2
       and id > (select coalesce(max(id), 0) from relay_list_changes where list = $1 and outcome = 'approved')`,
    [list, since],
  );
  return rows.map(({ network }) => network);
}

/** For erasing. */
export async function forgetDeciders(tx: Tx, people: readonly string[]): Promise<void> {
  await tx.query(`update relay_list_changes set decided_by = null where decided_by = any($1::uuid[])`, [
    people,
  ]);
}

export async function deleteChanges(tx: Tx, before: Date, most = 5000): Promise<number> {
  const rows = await tx.query(
    `delete from relay_list_changes where id in
       (select id from relay_list_changes where at < $1 order by id limit $2) returning id`,
    [before, most],
  );
  return rows.length;
}
