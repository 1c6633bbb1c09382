import type { PersonState } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';

export interface ProfileRow {
  id: string;
  username: string;
  given_name: string;
  family_name: string;
  display_name: string;
  locale: string | null;
  state: PersonState;
  updated_at: Date;
  address: string | null;
  address_verified: boolean;
  alias: string | null;
  mailbox: string | null;
  choice: 'mailbox' | 'own' | null;
  /** Confirmed address of the own account they named; null also where it is their main one. */
  own_address: string | null;
  subject: string | null;
  /** Keys (folded names) of the groups, and the names as given, in the same order. */
  groups: string[];
  group_names: string[];
  attributes: Record<string, string | number | boolean> | null;
}

/** Everything about these people that any application could see, one row a person, one statement. */
export async function profileRows(
  tx: Tx,
  application: string,
  people: readonly string[],
): Promise<ProfileRow[]> {
  // A single one is asked for by =, whose plan is made once a connection; that of a list is made every time.
  const [which, given, name] =
    people.length === 1 ? ['= $2', people[0], 'profile-row'] : ['= any($2::uuid[])', people, 'profile-rows'];
  return tx.query<ProfileRow>(
    `select p.id, p.username, p.given_name, p.family_name, p.display_name, p.locale, p.state, p.updated_at,
       ad.address, coalesce(ad.verified_at is not null, false) as address_verified,
       al.alias, su.subject, mb.local_part || '@' || mb.domain as mailbox, ac.choice, oa.address as own_address,
       coalesce(g.keys, '{}') as groups, coalesce(g.names, '{}') as group_names, at.values as attributes
     from people p
     left join addresses ad on ad.person = p.id and ad.is_primary
     left join aliases al on al.application = $1 and al.person = p.id
     left join subjects su on su.application = $1 and su.person = p.id
     left join alias_mailboxes mb on mb.person = p.id and mb.state = 'current'
     left join account_choices ac on ac.application = $1 and ac.person = p.id
     left join addresses oa on oa.id = ac.address and oa.verified_at is not null
     left join lateral (
       select array_agg(gr.name_key order by gr.name_key) as keys, array_agg(gr.name order by gr.name_key) as names
       from memberships m join groups gr on gr.id = m.group_id where m.person = p.id) g on true
     left join lateral (
       select jsonb_object_agg(pa.name, pa.value) as values from person_attributes pa where pa.person = p.id) at on true
     where p.id ${which}`,
    [application, given],
    name,
  );
}

export interface MailboxOwnerRow {
  person: string;
  state: PersonState;
  locale: string | null;
  /** Main address, confirmed; null where there is none. */
  address: string | null;
}

/** Whose alias mailboxes these are, and where they read mail, by mailbox. One statement, prepared, whoever is asked for. */
export async function mailboxOwnerRows(
  tx: Tx,
  keys: readonly string[],
): Promise<Map<string, MailboxOwnerRow>> {
  const rows = await tx.query<MailboxOwnerRow & { key: string }>(
    `select mb.address_key as key, p.id as person, p.state, p.locale, ad.address
     from alias_mailboxes mb
     join people p on p.id = mb.person
     left join addresses ad on ad.person = p.id and ad.is_primary and ad.verified_at is not null
     where mb.address_key = any($1::text[]) and mb.state <> 'gone'`,
    [keys],
    'mailbox-owners',
  );
  return new Map(rows.map(({ key, ...row }) => [key, row]));
}
