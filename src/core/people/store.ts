import { isId } from '#kit/crypto/ids.ts';
import { containing } from '#kit/db/pattern.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Address, Person, PersonState } from './people.ts';
import { tombstones } from './tombstones.ts';

interface PersonRow {
  id: string;
  username: string;
  given_name: string;
  family_name: string;
  display_name: string;
  locale: string | null;
  state: PersonState;
  state_reason: string | null;
  state_since: Date;
  merged_into: string | null;
  origin: string;
  created_at: Date;
  updated_at: Date;
  version: number;
}

const personColumns = `id, username, given_name, family_name, display_name, locale, state, state_reason, state_since,
  merged_into, origin, created_at, updated_at, version`;

function toPerson(row: PersonRow): Person {
  return {
    id: row.id,
    username: row.username,
    givenName: row.given_name,
    familyName: row.family_name,
    displayName: row.display_name,
    locale: row.locale ?? undefined,
    state: row.state,
    stateReason: row.state_reason ?? undefined,
    stateSince: row.state_since,
    mergedInto: row.merged_into ?? undefined,
    origin: row.origin,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

/** The people with these ids; unknown and malformed ids are simply not among them. */
export async function peopleByIds(tx: Tx, ids: readonly string[]): Promise<Person[]> {
  const sound = ids.filter((id) => isId(id));
  if (sound.length === 0) return [];
  // A single one is asked for by =, whose plan is made once a connection; that of a list is made every time.
  const [which, given, name] =
    sound.length === 1 ? ['= $1', sound[0], 'person-by-id'] : ['= any($1::uuid[])', sound, 'people-by-ids'];
  const rows = await tx.query<PersonRow>(
    `select ${personColumns} from people where id ${which}`,
    [given],
    name,
  );
  return rows.map(toPerson);
}

/** One person as they are now; their standing stays as it is until the transaction ends. */
export async function holdPerson(tx: Tx, id: string): Promise<Person | undefined> {
  const rows = await tx.query<PersonRow>(
    `select ${personColumns} from people where id = $1 for share`,
    [id],
    'person-hold',
  );
  return rows[0] && toPerson(rows[0]);
}

export async function personByUsernameKey(tx: Tx, key: string): Promise<Person | undefined> {
  const rows = await tx.query<PersonRow>(
    `select ${personColumns} from people where username_key = $1`,
    [key],
    'person-by-username',
  );
  return rows[0] && toPerson(rows[0]);
}

export async function peopleByUsernameKeys(tx: Tx, keys: readonly string[]): Promise<Map<string, Person>> {
  const rows = await tx.query<PersonRow & { username_key: string }>(
    `select ${personColumns}, username_key from people where username_key = any($1::text[])`,
    [keys],
  );
  return new Map(rows.map((row) => [row.username_key, toPerson(row)]));
}

export async function personByVerifiedAddress(tx: Tx, key: string): Promise<Person | undefined> {
  const rows = await tx.query<PersonRow>(
    `select ${personColumns} from people
     where id = (select person from addresses where address_key = $1 and verified_at is not null)`,
    [key],
    'person-by-address',
  );
  return rows[0] && toPerson(rows[0]);
}

/** User name first: it is the older, public name, and an import refuses names that equal another's address. */
export async function personByIdentifier(
  tx: Tx,
  usernameKey: string,
  addressKey: string,
): Promise<Person | undefined> {
  const rows = await tx.query<PersonRow>(
    `select ${personColumns} from people
     where username_key = $1
        or id = (select person from addresses where address_key = $2 and verified_at is not null)
     order by (username_key = $1) desc limit 1`,
    [usernameKey, addressKey],
    'person-by-identifier',
  );
  return rows[0] && toPerson(rows[0]);
}

/** Of these keys, the ones that are or were somebody's, also somebody's who is erased. */
export async function takenUsernames(tx: Tx, keys: readonly string[]): Promise<Set<string>> {
  const rows = await tx.query<{ key: string }>(
    `select k.key from unnest($1::text[], $2::text[]) as k (key, tombstone)
     where exists (select 1 from usernames where username_key in (k.key, k.tombstone))`,
    [keys, await usernameTombstones(tx, keys)],
  );
  return new Set(rows.map((row) => row.key));
}

/** Of these keys, the ones that are or were somebody's, and whose; also somebody's who is erased. */
export async function usernameOwners(tx: Tx, keys: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.query<{ key: string; person: string }>(
    `select k.key, u.person from unnest($1::text[], $2::text[]) as k (key, tombstone)
     join usernames u on u.username_key in (k.key, k.tombstone)`,
    [keys, await usernameTombstones(tx, keys)],
  );
  return new Map(rows.map((row) => [row.key, row.person]));
}

function usernameTombstones(tx: Tx, keys: readonly string[]): Promise<string[]> {
  return tombstones(
    tx,
    'username',
    keys.map((name) => ({ place: '', name })),
  );
}

export interface NewPersonRow {
  id: string;
  username: string;
  usernameKey: string;
  givenName: string;
  familyName: string;
  displayName: string;
  locale?: string;
  state: PersonState;
  stateReason?: string;
  origin: string;
}

/** Adds people and takes their names for good. Returns the ids that won; a name taken meanwhile loses quietly. */
export async function insertPeople(tx: Tx, people: readonly NewPersonRow[]): Promise<Set<string>> {
  const marks = await usernameTombstones(
    tx,
    people.map((one) => one.usernameKey),
  );
  const rows = await tx.query<{ id: string }>(
    `with given as (
       select * from jsonb_to_recordset($1::jsonb) as r (id uuid, username text, "usernameKey" text, "givenName" text,
         "familyName" text, "displayName" text, locale text, state text, "stateReason" text, origin text,
         tombstone text)),
     won as (
       insert into people (id, username, username_key, given_name, family_name, display_name, locale, state,
         state_reason, state_since, origin, created_at, updated_at)
       select id, username, "usernameKey", "givenName", "familyName", "displayName", locale, state, "stateReason",
         $2, origin, $2, $2
       from given where not exists (
         select 1 from usernames where username_key in (given."usernameKey", given.tombstone))
       on conflict (username_key) do nothing returning id, username_key)
     insert into usernames (username_key, person, taken_at) select username_key, id, $2 from won returning person as id`,
    [JSON.stringify(people.map((one, index) => ({ ...one, tombstone: marks[index] }))), tx.now()],
    'people-insert',
  );
  return new Set(rows.map((row) => row.id));
}

export async function updateNames(
  tx: Tx,
  id: string,
  names: { givenName: string; familyName: string; displayName: string; locale?: string },
): Promise<void> {
  await tx.query(
    `update people set given_name = $2, family_name = $3, display_name = $4, locale = $5, updated_at = $6,
       version = version + 1 where id = $1`,
    [id, names.givenName, names.familyName, names.displayName, names.locale ?? null, tx.now()],
  );
}

/** Moves standing only when it still is what the caller saw; false = someone else was first. For `lifecycle` alone. */
export async function updateState(
  tx: Tx,
  id: string,
  change: { from: PersonState; to: PersonState; reason?: string; mergedInto?: string },
): Promise<boolean> {
  const rows = await tx.query(
    `update people set state = $3, state_reason = $4, state_since = $5, merged_into = $6, updated_at = $5,
       version = version + 1 where id = $1 and state = $2 returning id`,
    [id, change.from, change.to, change.reason ?? null, tx.now(), change.mergedInto ?? null],
  );
  return rows.length === 1;
}

/** People in order of user name, filtered by what an operator typed and by state; keyset paging by user name key. */
export async function listPeople(
  tx: Tx,
  filter: { search?: string; state?: PersonState; after?: string; limit: number },
): Promise<Person[]> {
  const rows = await tx.query<PersonRow>(
    `select ${personColumns} from people
     where ($1::text is null or username_key > $1)
       and ($2::text is null or state = $2)
       and ($3::text is null or username_key like $3 or lower(display_name) like $3
            or exists (select 1 from addresses a where a.person = people.id and a.address_key like $3))
     order by username_key limit $4`,
    [
      filter.after ?? null,
      filter.state ?? null,
      filter.search ? containing(filter.search) : null,
      filter.limit,
    ],
  );
  return rows.map(toPerson);
}

export async function countPeople(tx: Tx): Promise<Record<string, number>> {
  const rows = await tx.query<{ state: string; count: number }>(
    'select state, count(*) as count from people group by state',
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.count]));
}

interface AddressRow {
  id: string;
  person: string;
  address: string;
  address_key: string;
  is_primary: boolean;
  verified_at: Date | null;
  created_at: Date;
}

function toAddress(row: AddressRow): Address {
  return {
    id: row.id,
    person: row.person,
    address: row.address,
    key: row.address_key,
    primary: row.is_primary,
    verifiedAt: row.verified_at ?? undefined,
    createdAt: row.created_at,
  };
}

export async function addressesOf(tx: Tx, people: readonly string[]): Promise<Address[]> {
  const rows = await tx.query<AddressRow>(
    `select id, person, address, address_key, is_primary, verified_at, created_at from addresses
     where person = any($1::uuid[]) order by person, is_primary desc, created_at, id`,
    [people],
    'addresses-of',
  );
  return rows.map(toAddress);
}

export async function addressById(tx: Tx, id: string): Promise<Address | undefined> {
  const rows = await tx.query<AddressRow>(
    'select id, person, address, address_key, is_primary, verified_at, created_at from addresses where id = $1',
    [id],
  );
  return rows[0] && toAddress(rows[0]);
}

/** Of these address keys, the proved ones and whose they are. */
export async function verifiedOwners(tx: Tx, keys: readonly string[]): Promise<Map<string, string>> {
  const rows = await tx.query<{ address_key: string; person: string }>(
    'select address_key, person from addresses where address_key = any($1::text[]) and verified_at is not null',
    [keys],
  );
  return new Map(rows.map((row) => [row.address_key, row.person]));
}

export interface NewAddressRow {
  id: string;
  person: string;
  address: string;
  key: string;
  primary: boolean;
  verified: boolean;
}

/** Those who add addresses to one person take turns from here to the end of their transaction. */
export async function lockAddresses(tx: Tx, person: string): Promise<void> {
  await tx.query('select 1 from people where id = $1 for no key update', [person], 'addresses-lock');
}

/**
 * False when one that is given as confirmed became another's in this very moment. The transaction cannot go on then,
 * and its caller refuses.
 */
export async function insertAddresses(tx: Tx, addresses: readonly NewAddressRow[]): Promise<boolean> {
  if (addresses.length === 0) return true;
  try {
    await tx.query(
      `insert into addresses (id, person, address, address_key, is_primary, verified_at, created_at)
       select id, person, address, key, "primary", case when verified then $2::timestamptz end, $2
       from jsonb_to_recordset($1::jsonb)
         as r (id uuid, person uuid, address text, key text, "primary" boolean, verified boolean)`,
      [JSON.stringify(addresses), tx.now()],
      'addresses-insert',
    );
    return true;
  } catch (error) {
    const { code, constraint } = error as { code?: unknown; constraint?: unknown };
    if (code === '23505' && constraint === 'addresses_verified') return false;
    throw error;
  }
}

/**
 * One conditional update; the unique index refuses a second owner. False = someone else proved it. Those who claim the
 * same address take turns, or each would wait for the claim of the other that it is about to drop.
 */
export async function markVerified(tx: Tx, id: string): Promise<boolean> {
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('address:' || address_key, 0)) from addresses where id = $1`,
    [id],
  );
  try {
    const rows = await tx.query(
      `update addresses a set verified_at = $2 where id = $1 and verified_at is null
         and not exists (select 1 from addresses b where b.address_key = a.address_key and b.verified_at is not null)
       returning id`,
      [id, tx.now()],
    );
    return rows.length === 1;
  } catch (error) {
    // Proved by another in this very moment. The transaction cannot go on, and its caller refuses.
    if ((error as { code?: unknown }).code === '23505') return false;
    throw error;
  }
}

export async function setPrimary(tx: Tx, person: string, id: string): Promise<void> {
  await tx.query('update addresses set is_primary = false where person = $1 and is_primary', [person]);
  await tx.query('update addresses set is_primary = true where id = $1 and person = $2', [id, person]);
}

/** Deletes an address; a confirmed one moves to the former ones. */
export async function retireAddress(tx: Tx, id: string): Promise<void> {
  await tx.query(
    `with gone as (delete from addresses where id = $1 returning id, person, address, verified_at)
     insert into former_addresses (id, person, address, removed_at)
     select id, person, address, $2::timestamptz from gone where verified_at is not null`,
    [id, tx.now()],
  );
}

export async function formerAddress(
  tx: Tx,
  id: string,
): Promise<{ id: string; address: string } | undefined> {
  const rows = await tx.query<{ id: string; address: string }>(
    'select id, address from former_addresses where id = $1',
    [id],
  );
  return rows[0];
}

export async function forgetFormerAddress(tx: Tx, id: string): Promise<void> {
  await tx.query('delete from former_addresses where id = $1', [id]);
}

export async function deleteAddress(tx: Tx, id: string): Promise<void> {
  await tx.query('delete from addresses where id = $1', [id]);
}

/**
 * Removes up to 1,000 people who signed up before this moment, never proved an address and have no link left that could;
 * their names are free again. Whoever is being confirmed, or worked on in another way, right now is passed over.
 * Returns who they were.
 */
export async function deleteUnverified(tx: Tx, before: Date): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `select id from people where state = 'unverified' and origin = 'sign-up' and created_at < $1
       and not exists (select 1 from verifications v where v.person = people.id and v.purpose = 'sign-up'
         and v.used_at is null and v.withdrawn_at is null and v.expires_at > $2)
     limit 1000 for update skip locked`,
    [before, tx.now()],
  );
  const ids = rows.map((row) => row.id);
  await tx.query('delete from usernames where person = any($1::uuid[])', [ids]);
  await tx.query('delete from people where id = any($1::uuid[])', [ids]);
  return ids;
}
