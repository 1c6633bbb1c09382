import type { Tx } from '#kit/db/tx.ts';
import type { Value } from './connector.ts';

/** How far a listing is, or how the last one ended. Kept with the target. */
export interface ListingState {
  /** `short`: it ended, and was not taken for complete. `none`: this target cannot be listed; when it was swept. */
  state: 'running' | 'complete' | 'short' | 'failed' | 'none';
  run: string;
  startedAt: string;
  /** Accounts so far. */
  seen: number;
  /** As the target told. */
  total?: number;
  groups?: number;
  tookMs?: number;
  /** Why it was not taken, for an administrator. */
  why?: string;
  /** Where it can be gone on with should it be cut off; undefined where the target's paging does not allow that. */
  place?: Place;
}

/** The last page that was kept whole. It is read again when a listing goes on, to see that nothing has moved. */
export interface Place {
  at: number;
  /** Digest of the ids on it. */
  page: string;
  /** Accounts before it. */
  before: number;
  /** Version of the target's settings. */
  version: number;
}

export interface PageRow {
  remoteId: string;
  externalId: string | null;
  userNameKey: string | null;
  emailKey: string | null;
  active: boolean;
  accountId: string | null;
  attributes: Readonly<Record<string, Value>>;
}

/**
 * Says whose turn it is. What an earlier listing had gathered is forgotten, unless this one goes on with it.
 * @param goesOn whether it does, from how the earlier one was left
 */
export async function beginListing(
  tx: Tx,
  application: string,
  state: ListingState,
  goesOn: (before: ListingState) => ListingState | undefined = () => undefined,
): Promise<ListingState> {
  const [row] = await tx.query<{ listing: ListingState | null }>(
    'select listing from targets where application = $1 for update',
    [application],
  );
  const taken = row?.listing ? goesOn(row.listing) : undefined;
  await writeListing(tx, application, taken ?? state);
  if (!taken) await dropPages(tx, application);
  return taken ?? state;
}

export async function writeListing(tx: Tx, application: string, state: ListingState): Promise<void> {
  await tx.query('update targets set listing = $2 where application = $1', [
    application,
    JSON.stringify(state),
  ]);
}

export async function listingOf(tx: Tx, application: string): Promise<ListingState | undefined> {
  const [row] = await tx.query<{ listing: ListingState | null }>(
    'select listing from targets where application = $1',
    [application],
  );
  return row?.listing ?? undefined;
}

/** Holds the listing until the transaction ends. False when another one has begun meanwhile. */
export async function holdListing(tx: Tx, application: string, run: string): Promise<boolean> {
  const rows = await tx.query(
    `select 1 from targets where application = $1 and listing ->> 'run' = $2 for update`,
    [application, run],
    'target-listing-hold',
  );
  return rows.length > 0;
}

export async function insertPage(tx: Tx, application: string, page: readonly PageRow[]): Promise<void> {
  await tx.query(
    `insert into target_pages (application, remote_id, external_id, user_name_key, email_key, active, account_id,
       attributes)
     select $1, r."remoteId", r."externalId", r."userNameKey", r."emailKey", r.active, r."accountId", r.attributes
     from jsonb_to_recordset($2::jsonb) as r ("remoteId" text, "externalId" text, "userNameKey" text,
       "emailKey" text, active boolean, "accountId" text, attributes jsonb)
     on conflict (application, remote_id) do update set external_id = excluded.external_id,
       user_name_key = excluded.user_name_key, email_key = excluded.email_key, active = excluded.active,
       account_id = excluded.account_id, attributes = excluded.attributes`,
    [application, JSON.stringify(page)],
    'target-page',
  );
}

export interface Gathered {
  /** Different accounts. */
  accounts: number;
  /** Accounts we hold links to and that were linked before the listing began. */
  held: number;
  /** Of those, how many it did not bring. */
  missing: number;
}

export async function gathered(tx: Tx, application: string, began: Date): Promise<Gathered> {
  const [row] = await tx.query<Gathered>(
    `select (select count(*)::integer from target_pages where application = $1) as accounts,
       count(*)::integer as held,
       (count(*) filter (where not exists (select 1 from target_pages p
         where p.application = $1 and p.remote_id = l.remote_id)))::integer as missing
     from target_links l
     where l.application = $1 and l.state = 'linked' and l.remote_id is not null and l.updated_at < $2`,
    [application, began],
  );
  return row as Gathered;
}

/** What was gathered takes the place of what was known; what a person decided about strangers stays. */
export async function takeOver(tx: Tx, application: string, began: Date): Promise<void> {
  await tx.query(
    `delete from target_accounts a where application = $1
       and not exists (select 1 from target_pages p where p.application = $1 and p.remote_id = a.remote_id)`,
    [application],
  );
  await tx.query(
    `insert into target_accounts as a (application, remote_id, external_id, user_name_key, email_key, active,
       account_id, attributes, seen_at)
     select application, remote_id, external_id, user_name_key, email_key, active, account_id, attributes, $2
     from target_pages where application = $1
     on conflict (application, remote_id) do update set external_id = excluded.external_id,
       user_name_key = excluded.user_name_key, email_key = excluded.email_key, active = excluded.active,
       account_id = excluded.account_id, attributes = excluded.attributes, seen_at = excluded.seen_at`,
    [application, began],
  );
  // A link that remembers nothing is an erased person's: the target still knows what is to be forgotten here.
  await tx.query(
    `update target_accounts a set attributes = '{}', user_name_key = null, email_key = null
     from target_links l where l.application = $1 and l.state = 'linked' and l.remote is null
       and a.application = $1 and a.remote_id = l.remote_id`,
    [application],
  );
  // The same of what is left of an account that was deleted for them.
  await tx.query(
    `update target_accounts a set attributes = '{}', user_name_key = null, email_key = null
     from target_deleted d where d.application = $1 and d.blank and a.application = $1 and a.remote_id = d.remote_id`,
    [application],
  );
  // Deleted for good: ids are not told of any longer than they can come back.
  await tx.query(
    `delete from target_deleted d where d.application = $1 and d.deleted_at < $2
       and not exists (select 1 from target_accounts a where a.application = $1 and a.remote_id = d.remote_id)`,
    [application, began],
  );
  await tx.query('delete from target_pages where application = $1', [application]);
  await tx.query('update targets set listed_at = $2 where application = $1', [application, began]);
}

/** What was gathered is thrown away. */
export async function dropPages(tx: Tx, application: string): Promise<void> {
  await tx.query('delete from target_pages where application = $1', [application]);
}

export interface ListedGroup {
  remoteId: string;
  name: string;
  nameKey: string;
  externalId?: string;
}

export async function replaceGroups(
  tx: Tx,
  application: string,
  groups: readonly ListedGroup[],
): Promise<void> {
  await tx.query('delete from target_listed_groups where application = $1', [application]);
  await tx.query(
    `insert into target_listed_groups (application, remote_id, name, name_key, external_id)
     select $1, r."remoteId", r.name, r."nameKey", r."externalId"
     from jsonb_to_recordset($2::jsonb) as r ("remoteId" text, name text, "nameKey" text, "externalId" text)
     on conflict do nothing`,
    [application, JSON.stringify(groups)],
  );
}

export async function listedGroups(tx: Tx, application: string): Promise<ListedGroup[]> {
  const rows = await tx.query<{
    remote_id: string;
    name: string;
    name_key: string;
    external_id: string | null;
  }>(
    `select remote_id, name, name_key, external_id from target_listed_groups
     where application = $1 order by name_key, remote_id`,
    [application],
  );
  return rows.map((row) => ({
    remoteId: row.remote_id,
    name: row.name,
    nameKey: row.name_key,
    externalId: row.external_id ?? undefined,
  }));
}

/**
 * Links nobody touched since the listing began take over what it saw. Answers with those whose account behind the record
 * is not what it was, where that was not known yet.
 */
export async function refreshLinks(
  tx: Tx,
  application: string,
  began: Date,
): Promise<{ person: string; accountId: string }[]> {
  const lost = await tx.query<{ person: string; accountId: string }>(
    `with lost as (
       select l.person, l.account_id from target_links l
       join target_accounts a on a.application = l.application and a.remote_id = l.remote_id
       where l.application = $1 and l.state = 'linked' and l.updated_at < $2 and l.account_id is not null
         and a.account_id is distinct from l.account_id
       for update of l)
     update target_links l set problem = 'The account behind the record (' || l.account_id
         || ') is not linked to it any more.'
     from lost where l.application = $1 and l.person = lost.person
       and l.problem is distinct from 'The account behind the record (' || l.account_id
         || ') is not linked to it any more.'
     returning l.person, l.account_id as "accountId"`,
    [application, began],
  );
  await tx.query(
    `update target_links l set remote = a.attributes, remote_active = a.active,
       account_id = coalesce(a.account_id, l.account_id),
       inactive_since = case when a.active then null else coalesce(l.inactive_since, $2) end
     from target_accounts a
     where l.application = $1 and a.application = $1 and a.remote_id = l.remote_id and l.state = 'linked'
       and l.updated_at < $2 and l.remote is not null
       and (l.remote is distinct from a.attributes or l.remote_active is distinct from a.active
         or (a.account_id is not null and l.account_id is distinct from a.account_id))`,
    [application, began],
  );
  return lost;
}

/** What the listing says of an erased person's account is blanked; that there is one stays. */
export async function blankListed(tx: Tx, person: string): Promise<void> {
  await tx.query(
    `update target_accounts a set attributes = '{}', user_name_key = null, email_key = null
     from target_links l where l.person = $1 and a.application = l.application and a.remote_id = l.remote_id`,
    [person],
  );
  await tx.query(
    `with gone as (update target_deleted set blank = true where person = $1 returning application, remote_id)
     update target_accounts a set attributes = '{}', user_name_key = null, email_key = null
     from gone where a.application = gone.application and a.remote_id = gone.remote_id`,
    [person],
  );
}
