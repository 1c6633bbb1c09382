import type { Tx } from '#kit/db/tx.ts';
import type { Candidate, RemoteAccount, Value } from './connector.ts';

/** Our record of one person's account at one target. */
export interface Link {
  application: string;
  person: string;
  state: 'linked' | 'unlinked' | 'disputed' | 'deleted';
  remoteId?: string;
  accountId?: string;
  externalId: string;
  /** Attributes last seen there. */
  remote?: Readonly<Record<string, Value>>;
  remoteActive?: boolean;
  /** A creation may have happened: look before creating again. */
  attemptedAt?: Date;
  inactiveSince?: Date;
  settledAt?: Date;
  equalAt?: Date;
  problem?: string;
  updatedAt: Date;
}

interface LinkRow {
  application: string;
  person: string;
  state: Link['state'];
  remote_id: string | null;
  account_id: string | null;
  external_id: string;
  remote: Record<string, Value> | null;
  remote_active: boolean | null;
  attempted_at: Date | null;
  inactive_since: Date | null;
  settled_at: Date | null;
  equal_at: Date | null;
  problem: string | null;
  updated_at: Date;
}

const columns = `application, person, state, remote_id, account_id, external_id, remote, remote_active, attempted_at,
  inactive_since, settled_at, equal_at, problem, updated_at`;

function toLink(row: LinkRow): Link {
  return {
    application: row.application,
    person: row.person,
    state: row.state,
    remoteId: row.remote_id ?? undefined,
    accountId: row.account_id ?? undefined,
    externalId: row.external_id,
    remote: row.remote ?? undefined,
    remoteActive: row.remote_active ?? undefined,
    attemptedAt: row.attempted_at ?? undefined,
    inactiveSince: row.inactive_since ?? undefined,
    settledAt: row.settled_at ?? undefined,
    equalAt: row.equal_at ?? undefined,
    problem: row.problem ?? undefined,
    updatedAt: row.updated_at,
  };
}

/** The links of these people at a target; who has none is not among them. */
export async function linksOf(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<Map<string, Link>> {
  if (people.length === 0) return new Map();
  const rows = await tx.query<LinkRow>(
    `select ${columns} from target_links where application = $1 and person = any($2::uuid[])`,
    [application, people],
    'target-links',
  );
  return new Map(rows.map((row) => [row.person, toLink(row)]));
}

/** All links of one person, by application. */
export async function linksOfPerson(tx: Tx, person: string): Promise<Link[]> {
  const rows = await tx.query<LinkRow>(
    `select ${columns} from target_links where person = $1 order by application`,
    [person],
  );
  return rows.map(toLink);
}

/** Who holds these accounts: remote id → person. */
export async function holdersOf(
  tx: Tx,
  application: string,
  remoteIds: readonly string[],
): Promise<Map<string, string>> {
  if (remoteIds.length === 0) return new Map();
  const rows = await tx.query<{ remote_id: string; person: string }>(
    `select remote_id, person from target_links
     where application = $1 and remote_id = any($2::text[]) and state <> 'deleted'`,
    [application, remoteIds],
    'target-link-holders',
  );
  return new Map(rows.map((row) => [row.remote_id, row.person]));
}

/** Which of these external ids we gave to somebody at this target. */
export async function issuedExternalIds(
  tx: Tx,
  application: string,
  externalIds: readonly string[],
): Promise<Set<string>> {
  if (externalIds.length === 0) return new Set();
  const rows = await tx.query<{ external_id: string }>(
    `select external_id from target_links
     where application = $1 and external_id = any($2::text[]) and state in ('linked', 'disputed')`,
    [application, externalIds],
  );
  return new Set(rows.map((row) => row.external_id));
}

/** For so long attempts one after the other count as one that began with the first. */
const attemptMs = 600_000;

/** Says, before a creation goes out, that one may have happened. */
export async function markAttempt(
  tx: Tx,
  application: string,
  person: string,
  externalId: string,
): Promise<void> {
  await tx.query(
    `insert into target_links as l (application, person, state, external_id, attempted_at, updated_at)
     values ($1, $2, 'unlinked', $3, $4, $4)
     on conflict (application, person) do update set state = 'unlinked', remote_id = null,
       external_id = excluded.external_id, updated_at = excluded.updated_at,
       attempted_at = case when l.attempted_at > $5 then l.attempted_at else excluded.attempted_at end`,
    [application, person, externalId, tx.now(), new Date(tx.now().getTime() - attemptMs)],
    'target-link-attempt',
  );
}

/** What is now known of an account: it is this person's. Returns false when it is linked to somebody else. */
export async function writeLink(
  tx: Tx,
  link: { application: string; person: string; externalId: string; account: RemoteAccount },
): Promise<boolean> {
  const { account } = link;
  const rows = await tx.query(
    `with back as (delete from target_deleted where application = $1 and remote_id = $3)
     insert into target_links as l (application, person, state, remote_id, account_id, external_id, remote,
       remote_active, inactive_since, updated_at)
     select $1, $2, 'linked', $3, $4, $5, $6, $7, case when not $7 then $8::timestamptz end, $8
     where not exists (select 1 from target_links o
       where o.application = $1 and o.remote_id = $3 and o.state <> 'deleted' and o.person <> $2)
     on conflict (application, person) do update set state = 'linked', remote_id = excluded.remote_id,
       account_id = coalesce(excluded.account_id, case when l.remote_id = excluded.remote_id then l.account_id end),
       external_id = excluded.external_id, remote = excluded.remote, remote_active = excluded.remote_active,
       inactive_since = case when excluded.remote_active then null
         else coalesce(l.inactive_since, excluded.inactive_since) end,
       attempted_at = null, updated_at = excluded.updated_at
     returning 1`,
    [
      link.application,
      link.person,
      account.id,
      account.accountId ?? null,
      link.externalId,
      JSON.stringify(account.attributes),
      account.active,
      tx.now(),
    ],
    'target-link-write',
  );
  return rows.length === 1;
}

/** The account is no longer there (`deleted`: by us or with our knowledge; `unlinked`: may be made again). */
export async function forgetRemote(
  tx: Tx,
  application: string,
  person: string,
  state: 'deleted' | 'unlinked',
): Promise<void> {
  await tx.query(
    `update target_links set state = $3, remote_id = null, account_id = null, remote = null, remote_active = null,
       inactive_since = null, attempted_at = null, updated_at = $4 where application = $1 and person = $2`,
    [application, person, state, tx.now()],
  );
}

/** A push ended. `equal`: what is there was seen to be what we want. A person without a link gets a row only with a problem. */
export async function writeSettled(
  tx: Tx,
  end: {
    application: string;
    person: string;
    externalId: string;
    ok: boolean;
    equal: boolean;
    disputed?: boolean;
    problem?: string;
  },
): Promise<void> {
  await tx.query(
    `insert into target_links as l (application, person, state, external_id, problem, updated_at)
     select $1, $2, case when $7 then 'disputed' else 'unlinked' end, $3, $6, $8
     where $6::text is not null or exists (select 1 from target_links where application = $1 and person = $2)
     on conflict (application, person) do update set
       state = case when l.remote_id is not null or l.state = 'deleted' then l.state
         when $7 then 'disputed' else 'unlinked' end,
       settled_at = case when $4 then $8 else l.settled_at end,
       equal_at = case when $5 then $8 else l.equal_at end, problem = $6, updated_at = $8`,
    [
      end.application,
      end.person,
      end.externalId,
      end.ok,
      end.equal,
      end.problem ?? null,
      end.disputed ?? false,
      tx.now(),
    ],
    'target-link-settle',
  );
}

/** Whether anything of this target settled within the last minutes: then what fails is this one's own trouble. */
export async function settledLately(tx: Tx, application: string, minutes: number): Promise<boolean> {
  const rows = await tx.query(
    `select 1 from target_links where application = $1 and settled_at > $2 limit 1`,
    [application, new Date(tx.now().getTime() - minutes * 60_000)],
  );
  return rows.length > 0;
}

/** Of an erased person nothing stays but the ids, once their account there is off or gone. */
export async function blankErased(tx: Tx, application: string, person: string): Promise<void> {
  await tx.query(
    `update target_links set remote = null, problem = null
     where application = $1 and person = $2 and remote_active is not true`,
    [application, person],
  );
  // A listing may have seen the account since.
  await tx.query(
    `update target_accounts a set attributes = '{}', user_name_key = null, email_key = null
     from target_links l where l.application = $1 and l.person = $2 and l.remote is null
       and a.application = l.application and a.remote_id = l.remote_id`,
    [application, person],
  );
}

/**
 * Accounts of the last listing that these people may already have there: by external id, user name, address. Answers by
 * person, the strongest first.
 */
export async function listedCandidates(
  tx: Tx,
  application: string,
  wanted: readonly { person: string; externalId: string; userName?: string; email?: string }[],
): Promise<Map<string, Candidate[]>> {
  const rows = await tx.query<{
    person: string;
    by: Candidate['by'];
    remote_id: string;
    external_id: string | null;
    active: boolean;
    account_id: string | null;
    attributes: Record<string, Value>;
  }>(
    `select w.person, hit.by, a.remote_id, a.external_id, a.active, a.account_id, a.attributes
     from jsonb_to_recordset($2::jsonb) as w (person uuid, external_id text, user_name text, email text)
     cross join lateral (
       select 'externalId' as by, 1 as rank, remote_id from target_accounts
         where application = $1 and external_id = w.external_id
       union all
       select 'userName', 2, remote_id from target_accounts where application = $1 and user_name_key = w.user_name
       union all
       select 'email', 3, remote_id from target_accounts where application = $1 and email_key = w.email) hit
     join target_accounts a on a.application = $1 and a.remote_id = hit.remote_id
     order by w.person, hit.rank, a.remote_id`,
    [
      application,
      JSON.stringify(
        wanted.map(({ person, externalId, userName, email }) => ({
          person,
          external_id: externalId,
          user_name: userName?.toLowerCase() ?? null,
          email: email?.toLowerCase() ?? null,
        })),
      ),
    ],
  );
  const found = new Map<string, Candidate[]>();
  for (const row of rows) {
    const list = found.get(row.person) ?? [];
    if (list.some(({ account }) => account.id === row.remote_id)) continue;
    list.push({ by: row.by, account: toAccount(row) });
    found.set(row.person, list);
  }
  return found;
}

/** Accounts of the last listing by their ids. */
export async function listedAccounts(
  tx: Tx,
  application: string,
  remoteIds: readonly string[],
): Promise<Map<string, RemoteAccount>> {
  if (remoteIds.length === 0) return new Map();
  const rows = await tx.query<Parameters<typeof toAccount>[0]>(
    `select remote_id, external_id, active, account_id, attributes from target_accounts
     where application = $1 and remote_id = any($2::text[])`,
    [application, remoteIds],
  );
  return new Map(rows.map((row) => [row.remote_id, toAccount(row)]));
}

function toAccount(row: {
  remote_id: string;
  external_id: string | null;
  active: boolean;
  account_id: string | null;
  attributes: Record<string, Value>;
}): RemoteAccount {
  return {
    id: row.remote_id,
    active: row.active,
    attributes: row.attributes,
    ...(row.external_id === null ? {} : { externalId: row.external_id }),
    ...(row.account_id === null ? {} : { accountId: row.account_id }),
  };
}
