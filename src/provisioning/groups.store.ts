import type { Tx } from '#kit/db/tx.ts';

/** Our record of one group of ours at one target. */
export interface GroupLink {
  application: string;
  group: string;
  /** What it is called there. */
  name: string;
  remoteId?: string;
  /** Made there by us. */
  created: boolean;
  /** Groups it had before a rename that the target could not do, to be deleted. */
  formerIds: string[];
  attemptedAt?: Date;
  settledAt?: Date;
  problem?: string;
}

interface Row {
  application: string;
  group: string;
  name: string;
  remote_id: string | null;
  created: boolean;
  former_ids: string[];
  attempted_at: Date | null;
  settled_at: Date | null;
  problem: string | null;
}

const columns =
  'application, "group", name, remote_id, created, former_ids, attempted_at, settled_at, problem';

function toGroupLink(row: Row): GroupLink {
  return {
    application: row.application,
    group: row.group,
    name: row.name,
    remoteId: row.remote_id ?? undefined,
    created: row.created,
    formerIds: row.former_ids,
    attemptedAt: row.attempted_at ?? undefined,
    settledAt: row.settled_at ?? undefined,
    problem: row.problem ?? undefined,
  };
}

export async function findGroupLink(
  tx: Tx,
  application: string,
  group: string,
): Promise<GroupLink | undefined> {
  const rows = await tx.query<Row>(
    `select ${columns} from target_groups where application = $1 and "group" = $2`,
    [application, group],
    'target-group',
  );
  return rows[0] && toGroupLink(rows[0]);
}

/** All groups of a target, by name there. */
export async function groupLinks(tx: Tx, application: string): Promise<GroupLink[]> {
  const rows = await tx.query<Row>(
    `select ${columns} from target_groups where application = $1 order by name, "group"`,
    [application],
  );
  return rows.map(toGroupLink);
}

/** Whose group this is there, when it is one of ours. */
export async function groupHolder(
  tx: Tx,
  application: string,
  remoteId: string,
): Promise<string | undefined> {
  const rows = await tx.query<{ group: string }>(
    `select "group" from target_groups where application = $1 and (remote_id = $2 or $2 = any(former_ids))`,
    [application, remoteId],
  );
  return rows[0]?.group;
}

/** For so long attempts one after the other count as one that began with the first. */
const attemptMs = 600_000;

/** Says, before a creation goes out, that one may have happened. */
export async function markGroupAttempt(
  tx: Tx,
  application: string,
  group: string,
  name: string,
): Promise<void> {
  await tx.query(
    `insert into target_groups as g (application, "group", name, attempted_at, updated_at)
     values ($1, $2, $3, $4, $4)
     on conflict (application, "group") do update set name = $3, remote_id = null, updated_at = $4,
       attempted_at = case when g.attempted_at > $5 then g.attempted_at else $4 end`,
    [application, group, name, tx.now(), new Date(tx.now().getTime() - attemptMs)],
  );
}

/** The group there is known; `created` where it is ours. */
export async function writeGroupLink(
  tx: Tx,
  link: { application: string; group: string; name: string; remoteId: string; created: boolean },
): Promise<void> {
  await tx.query(
    `insert into target_groups (application, "group", name, remote_id, created, updated_at)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (application, "group") do update set name = $3, remote_id = $4, created = $5, attempted_at = null,
       updated_at = $6`,
    [link.application, link.group, link.name, link.remoteId, link.created, tx.now()],
  );
}

/** A rename the target cannot do begins: what is there is former, and a new one is to be made. */
export async function retireGroup(tx: Tx, application: string, group: string): Promise<void> {
  await tx.query(
    `update target_groups set former_ids = case when remote_id is null or not created then former_ids
         else array_append(former_ids, remote_id) end,
       remote_id = null, updated_at = $3 where application = $1 and "group" = $2`,
    [application, group, tx.now()],
  );
}

/** A former group is deleted there. */
export async function dropFormer(
  tx: Tx,
  application: string,
  group: string,
  remoteId: string,
): Promise<void> {
  await tx.query(
    `update target_groups set former_ids = array_remove(former_ids, $3), updated_at = $4
     where application = $1 and "group" = $2`,
    [application, group, remoteId, tx.now()],
  );
  await tx.query(
    'delete from target_members where application = $1 and "group" = $2 and remote_group_id = $3',
    [application, group, remoteId],
  );
}

/** What was linked is not there any more. */
export async function forgetGroupRemote(tx: Tx, application: string, group: string): Promise<void> {
  await tx.query('delete from target_members where application = $1 and "group" = $2', [application, group]);
  await tx.query(
    'update target_groups set remote_id = null, updated_at = $3 where application = $1 and "group" = $2',
    [application, group, tx.now()],
  );
}

/** Lets go of a group; what is there stays as it is. */
export async function deleteGroupLink(tx: Tx, application: string, group: string): Promise<void> {
  await tx.query('delete from target_groups where application = $1 and "group" = $2', [application, group]);
}

export async function settleGroup(
  tx: Tx,
  application: string,
  group: { group: string; name: string; ok: boolean; problem?: string },
): Promise<void> {
  await tx.query(
    `insert into target_groups as g (application, "group", name, problem, updated_at)
     select $1, $2, $3, $5, $6
     where $5::text is not null or exists (select 1 from target_groups where application = $1 and "group" = $2)
     on conflict (application, "group") do update set problem = $5, updated_at = $6,
       settled_at = case when $4 then $6 else g.settled_at end`,
    [application, group.group, group.name, group.ok, group.problem ?? null, tx.now()],
  );
}

/** Account ids that we put into this group there. */
export async function putMembers(
  tx: Tx,
  application: string,
  group: string,
  remoteGroup: string,
): Promise<string[]> {
  const rows = await tx.query<{ remote_account_id: string }>(
    `select remote_account_id from target_members
     where application = $1 and "group" = $2 and remote_group_id = $3 and remote_account_id <> ''
     order by remote_account_id`,
    [application, group, remoteGroup],
  );
  return rows.map((row) => row.remote_account_id);
}

/** The record of a person is made anew: where it was put, the next one may be put. */
export async function keepSeats(tx: Tx, application: string, person: string): Promise<void> {
  await tx.query(`update target_members set remote_account_id = '' where application = $1 and person = $2`, [
    application,
    person,
  ]);
}

/** Accounts that a seat is kept for in this group there. */
export async function keptSeats(
  tx: Tx,
  at: { application: string; group: string; remoteGroup: string },
): Promise<string[]> {
  const rows = await tx.query<{ account: string }>(
    `select l.remote_id as account from target_members m
     join target_links l on l.application = m.application and l.person = m.person
     where m.application = $1 and m."group" = $2 and m.remote_group_id = $3 and m.remote_account_id = ''
       and l.state = 'linked' and l.remote_id is not null order by l.remote_id`,
    [at.application, at.group, at.remoteGroup],
  );
  return rows.map(({ account }) => account);
}

/** Forgets the seats kept for a person, but in these groups. */
export async function dropOtherSeats(
  tx: Tx,
  application: string,
  person: string,
  groups: readonly string[],
): Promise<void> {
  await tx.query(
    `delete from target_members where application = $1 and person = $2 and remote_account_id = ''
       and not ("group" = any($3::uuid[]))`,
    [application, person, groups],
  );
}

/** Forgets the seats in this group of those who have an account there. */
export async function dropSeats(
  tx: Tx,
  at: { application: string; group: string; remoteGroup: string },
): Promise<void> {
  await tx.query(
    `delete from target_members m using target_links l
     where l.application = m.application and l.person = m.person and l.state = 'linked' and l.remote_id is not null
       and m.application = $1 and m."group" = $2 and m.remote_group_id = $3 and m.remote_account_id = ''`,
    [at.application, at.group, at.remoteGroup],
  );
}

/** Account id → person, of those of these accounts that are linked. */
export async function peopleOfAccounts(
  tx: Tx,
  application: string,
  remoteIds: readonly string[],
): Promise<Map<string, string>> {
  const rows = await tx.query<{ remote_id: string; person: string }>(
    `select remote_id, person from target_links
     where application = $1 and state = 'linked' and remote_id = any($2::text[])`,
    [application, remoteIds],
  );
  return new Map(rows.map((row) => [row.remote_id, row.person]));
}

/** Account ids of those of these people that are linked, in a stable order. */
export async function accountsOfPeople(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<Map<string, string>> {
  const rows = await tx.query<{ remote_id: string; person: string }>(
    `select remote_id, person from target_links
     where application = $1 and state = 'linked' and remote_id is not null and person = any($2::uuid[])
     order by person`,
    [application, people],
  );
  return new Map(rows.map((row) => [row.person, row.remote_id]));
}

export async function addPutMembers(
  tx: Tx,
  at: { application: string; group: string; remoteGroup: string },
  remoteIds: readonly string[],
): Promise<void> {
  await tx.query(
    `insert into target_members (application, "group", person, remote_group_id, remote_account_id)
     select $1, $2, l.person, $3, l.remote_id from target_links l
     where l.application = $1 and l.state = 'linked' and l.remote_id = any($4::text[])
     on conflict (application, "group", person, remote_group_id)
       do update set remote_account_id = excluded.remote_account_id`,
    [at.application, at.group, at.remoteGroup, remoteIds],
  );
}

export async function removePutMembers(
  tx: Tx,
  at: { application: string; group: string; remoteGroup: string },
  remoteIds: readonly string[],
): Promise<void> {
  await tx.query(
    `delete from target_members where application = $1 and "group" = $2 and remote_group_id = $3
       and remote_account_id = any($4::text[])`,
    [at.application, at.group, at.remoteGroup, remoteIds],
  );
}

/** An account that is gone is in no group. */
export async function forgetMember(tx: Tx, application: string, person: string): Promise<void> {
  await tx.query('delete from target_members where application = $1 and person = $2', [application, person]);
}
