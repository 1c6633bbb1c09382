import type { Tx } from '#kit/db/tx.ts';
import type { PlanRow } from './plans.store.ts';

/** Links of these people stay as they are until the transaction ends, so that what is planned from them is not late. */
export async function holdLinks(tx: Tx, application: string, people: readonly string[]): Promise<void> {
  await tx.query(
    `select 1 from target_links where application = $1 and person = any($2::uuid[])
     order by person for no key update`,
    [application, people],
    'target-links-hold',
  );
}

/** People with a link at a target, page by page in order of id. */
export async function linkedPeople(
  tx: Tx,
  application: string,
  page: { after?: string; limit: number },
): Promise<string[]> {
  const rows = await tx.query<{ person: string }>(
    `select person from target_links where application = $1 and ($2::uuid is null or person > $2)
     order by person limit $3`,
    [application, page.after ?? null, page.limit],
  );
  return rows.map((row) => row.person);
}

export type KnownPlan = Pick<PlanRow, 'subject' | 'verdict' | 'why' | 'digest' | 'state' | 'steps'>;

/** Plans that wait or were decided, of these subjects. */
export async function plansOf(
  tx: Tx,
  application: string,
  subjects: readonly string[],
): Promise<Map<string, KnownPlan>> {
  const rows = await tx.query<KnownPlan>(
    `select subject, verdict, why, digest, state, steps from target_plans where application = $1 and subject = any($2::text[])`,
    [application, subjects],
    'target-plans-of',
  );
  return new Map(rows.map((row) => [row.subject, row]));
}

/**
 * These accounts were seen to be as they should be. A problem is over with it, but for an account behind the record that
 * is still not there.
 */
export async function markEqual(
  tx: Tx,
  application: string,
  people: readonly string[],
  at: Date,
): Promise<void> {
  if (people.length === 0) return;
  await tx.query(
    `update target_links l set equal_at = greatest(l.equal_at, $3),
       problem = case when exists (select 1 from target_accounts a
         where a.application = l.application and a.remote_id = l.remote_id
           and a.account_id is distinct from l.account_id and l.account_id is not null) then l.problem end
     where l.application = $1 and l.person = any($2::uuid[]) and l.updated_at < $3`,
    [application, people, at],
    'target-links-equal',
  );
}

export interface NameHolder {
  person: string;
  by: 'userName' | 'email';
  remoteId: string;
  /** Who the account there is linked to. */
  holder?: string;
}

/** Accounts of the last listing, other than their own, that have the names these people should get. */
export async function nameHolders(
  tx: Tx,
  application: string,
  wanted: readonly { person: string; own: string; userName?: string; email?: string }[],
): Promise<NameHolder[]> {
  if (wanted.length === 0) return [];
  const rows = await tx.query<{
    person: string;
    by: NameHolder['by'];
    remote_id: string;
    holder: string | null;
  }>(
    `select w.person, hit.by, hit.remote_id, l.person as holder
     from jsonb_to_recordset($2::jsonb) as w (person uuid, own text, user_name text, email text)
     cross join lateral (
       select 'userName' as by, remote_id from target_accounts where application = $1 and user_name_key = w.user_name
       union all
       select 'email', remote_id from target_accounts where application = $1 and email_key = w.email) hit
     left join target_links l on l.application = $1 and l.remote_id = hit.remote_id and l.state <> 'deleted'
     where hit.remote_id <> w.own
     order by w.person, hit.by desc, hit.remote_id`,
    [
      application,
      JSON.stringify(
        wanted.map(({ person, own, userName, email }) => ({
          person,
          own,
          user_name: userName?.toLowerCase() ?? null,
          email: email?.toLowerCase() ?? null,
        })),
      ),
    ],
  );
  return rows.map(({ remote_id, holder, ...row }) => ({
    ...row,
    remoteId: remote_id,
    ...(holder === null ? {} : { holder }),
  }));
}
