import type { Tx } from '#kit/db/tx.ts';
import type { Value } from './connector.ts';

/** An account of the last listing that nobody here has. */
export interface Stranger {
  remoteId: string;
  externalId?: string;
  active: boolean;
  accountId?: string;
  attributes: Readonly<Record<string, Value>>;
  seenAt: Date;
  /** What a person decided; undefined while nobody has. */
  decision?: 'adopt' | 'ignore' | 'remove';
}

interface Row {
  remote_id: string;
  external_id: string | null;
  active: boolean;
  account_id: string | null;
  attributes: Stranger['attributes'];
  seen_at: Date;
  stranger: 'adopt' | 'ignore' | 'remove' | null;
}

function toStranger(row: Row): Stranger {
  return {
    remoteId: row.remote_id,
    active: row.active,
    attributes: row.attributes,
    seenAt: row.seen_at,
    ...(row.external_id !== null && { externalId: row.external_id }),
    ...(row.account_id !== null && { accountId: row.account_id }),
    ...(row.stranger !== null && { decision: row.stranger }),
  };
}

const columns = 'a.remote_id, a.external_id, a.active, a.account_id, a.attributes, a.seen_at, a.stranger';
/** Whoever has it, and whether we deleted it: what is left of that, switched off, is nothing to decide about. */
const isStranger = `not exists (select 1 from target_links l
  where l.application = a.application and l.remote_id = a.remote_id and l.state <> 'deleted')
  and not exists (select 1 from target_deleted d where d.application = a.application and d.remote_id = a.remote_id
    and (not a.active or d.deleted_at >= a.seen_at))`;

export interface StrangerFilter {
  decision?: 'none' | 'ignore' | 'remove' | 'adopt';
  /** Part of a user name, an address or an id. */
  search?: string;
  /** Remote id of the last one of the page before. */
  after?: string;
  limit?: number;
}

/** Accounts of nobody, in order of their id there. */
export async function strangers(
  tx: Tx,
  application: string,
  filter: StrangerFilter = {},
): Promise<Stranger[]> {
  const rows = await tx.query<Row>(
    `select ${columns} from target_accounts a
     where a.application = $1 and ${isStranger} and ($2::text is null or a.remote_id > $2)
       and ($3::text is null or coalesce(a.stranger, 'none') = $3)
       and ($4::text is null or strpos(a.user_name_key, $4) > 0 or strpos(a.email_key, $4) > 0
         or strpos(lower(a.remote_id), $4) > 0 or strpos(lower(a.external_id), $4) > 0)
     order by a.remote_id limit $5`,
    [
      application,
      filter.after ?? null,
      filter.decision ?? null,
      filter.search === undefined || filter.search === '' ? null : filter.search.toLowerCase(),
      Math.min(filter.limit ?? 50, 500),
    ],
  );
  return rows.map(toStranger);
}

export async function countStrangers(
  tx: Tx,
  application: string,
): Promise<{ undecided: number; decided: number }> {
  const [row] = await tx.query<{ undecided: number; decided: number }>(
    `select (count(*) filter (where a.stranger is null))::integer as undecided,
       (count(*) filter (where a.stranger is not null))::integer as decided
     from target_accounts a where a.application = $1 and ${isStranger}`,
    [application],
  );
  return row as { undecided: number; decided: number };
}

/** An account of the last listing, kept from other decisions until the transaction ends; whoever has it. */
export async function lockListed(
  tx: Tx,
  application: string,
  remoteId: string,
): Promise<(Stranger & { holder?: string }) | undefined> {
  const [row] = await tx.query<Row>(
    `select ${columns} from target_accounts a where a.application = $1 and a.remote_id = $2 for update`,
    [application, remoteId],
  );
  if (!row) return undefined;
  // Asked after the lock is ours: whoever held it may just have given the account to somebody.
  const [link] = await tx.query<{ person: string }>(
    `select person from target_links where application = $1 and remote_id = $2 and state <> 'deleted'`,
    [application, remoteId],
  );
  return { ...toStranger(row), ...(link && { holder: link.person }) };
}

export async function writeDecision(
  tx: Tx,
  application: string,
  remoteId: string,
  decision: Stranger['decision'] | undefined,
): Promise<void> {
  await tx.query('update target_accounts set stranger = $3 where application = $1 and remote_id = $2', [
    application,
    remoteId,
    decision ?? null,
  ]);
}

/** What was done about it: it is off, or not there any more. */
export async function writeRemoved(
  tx: Tx,
  application: string,
  remoteId: string,
  state: 'inactive' | 'gone',
): Promise<void> {
  const where = 'where application = $1 and remote_id = $2';
  const text =
    state === 'gone'
      ? `delete from target_accounts ${where}`
      : `update target_accounts set active = false ${where}`;
  await tx.query(text, [application, remoteId]);
}

/** An account was deleted by us. Where the target only switches it off, the next listing shows it still. */
export async function writeDeleted(
  tx: Tx,
  application: string,
  remoteId: string,
  whose: { person?: string; erased?: boolean } = {},
): Promise<void> {
  await tx.query(
    `insert into target_deleted (application, remote_id, person, blank, deleted_at) values ($1, $2, $3, $4, $5)
     on conflict (application, remote_id) do update set person = coalesce(excluded.person, target_deleted.person),
       blank = excluded.blank or target_deleted.blank, deleted_at = excluded.deleted_at`,
    [application, remoteId, whose.person ?? null, whose.erased ?? false, tx.now()],
  );
}
