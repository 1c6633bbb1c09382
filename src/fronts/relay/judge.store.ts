import type { Database } from '#kit/db/database.ts';
import { dayOf } from './messages.store.ts';

/** One message: a place in the day's budget of a person by this app, and of the app. */
export interface Place {
  at: Date;
  application: string;
  person: string;
}

export type WantedPlace = Place & { perPerson: number; perApp: number };

// The person first: while the app has no place left, nobody else's count moves. Nobody waits for the disk to count.
const takeSql = `
  with person as (
    insert into relay_budgets as b (day, application, person, used)
    select $1::date, $2, $3::uuid, 1 where $4::integer > 0 and set_config('synchronous_commit', 'off', true) = 'off'
    on conflict (day, application, person) do update set used = b.used + 1 where b.used < $4
    returning 1),
  app as (
    insert into relay_budgets as b (day, application, person, used)
    select $1::date, $2, null, 1 where $5::integer > 0 and exists (select from person)
    on conflict (day, application, person) do update set used = b.used + 1 where b.used < $5
    returning 1)
  select (select count(*) from person)::integer as person, (select count(*) from app)::integer as app`;

/**
 * Takes one place in the day's budget of the person and of the app. Of many at once exactly as many get one as there
 * are.
 * @returns whose budget is used up; undefined when both had a place
 */
export async function takePlace(
  database: Pick<Database, 'query'>,
  input: WantedPlace,
): Promise<'person' | 'app' | undefined> {
  const { application, person, perPerson, perApp } = input;
  const day = dayOf(input.at);
  const values = [day, application, person, perPerson, perApp];
  const [taken] = await database.query<{ person: number; app: number }>(
    takeSql,
    values,
    'relay-budgets-take',
  );
  if (taken!.app === 1) return undefined;
  if (taken!.person === 0) return 'person';
  await database.query(
    'update relay_budgets set used = used - 1 where day = $1::date and application = $2 and person = $3::uuid',
    [day, application, person],
    'relay-budgets-back-person',
  );
  return 'app';
}

// All or none, by what is there now; people first and each in the same order, so that nobody waits in a circle.
const takeAllSql = `
  with given as materialized (
    select * from jsonb_to_recordset($1::jsonb) as g (day date, application text, person uuid, wanted integer, most integer)),
  room as materialized (
    select bool_and(g.wanted + coalesce(b.used, 0) <= g.most) as enough
    from given g left join relay_budgets b
      on b.day = g.day and b.application = g.application and b.person is not distinct from g.person),
  theirs as (
    insert into relay_budgets as b (day, application, person, used)
    select day, application, person, wanted from given, room
    where person is not null and enough and set_config('synchronous_commit', 'off', true) = 'off'
    order by day, application, person
    on conflict (day, application, person) do update set used = b.used + excluded.used
    returning day, application, person, used),
  apps as (
    insert into relay_budgets as b (day, application, person, used)
    select day, application, null, wanted from given, room
    where person is null and enough and (select count(*) from theirs) > 0
    order by day, application
    on conflict (day, application, person) do update set used = b.used + excluded.used
    returning day, application, person, used)
  select coalesce(bool_and(t.used <= g.most), false) as kept, count(*)::integer as taken
  from (select * from theirs union all select * from apps) t
  join given g on g.day = t.day and g.application = t.application and g.person is not distinct from t.person`;

/** What these messages want of each budget: the rows of people, and those of apps with no person. */
function wantedOf(places: readonly WantedPlace[]): Sum[] {
  const sums = new Map<string, Sum>();
  const add = (sum: Sum) => {
    const key = JSON.stringify([sum.day, sum.application, sum.person]);
    const { wanted = 0, most = sum.most } = sums.get(key) ?? {};
    // Of several bounds the narrowest: whoever has more room takes a place alone.
    sums.set(key, { ...sum, wanted: sum.wanted + wanted, most: Math.min(sum.most, most) });
  };
  for (const { at, application, person, perPerson, perApp } of places) {
    const day = dayOf(at);
    add({ day, application, person, wanted: 1, most: perPerson });
    add({ day, application, person: null, wanted: 1, most: perApp });
  }
  return [...sums.values()];
}

interface Sum {
  day: string;
  application: string;
  person: string | null;
  wanted: number;
  most: number;
}

/**
 * Takes a place for each of several messages, where there is room for all of them.
 * @returns false where there is not: then nothing was taken
 */
export async function takeAllPlaces(
  database: Pick<Database, 'query'>,
  places: readonly WantedPlace[],
): Promise<boolean> {
  const [answer] = await database.query<{ kept: boolean; taken: number }>(
    takeAllSql,
    [JSON.stringify(wantedOf(places))],
    'relay-budgets-take-all',
  );
  if (answer!.kept) return true;
  // Somebody else took the last places in between.
  if (answer!.taken > 0) for (const place of places) await giveBackPlace(database, place);
  return false;
}

// The person first, as when it was taken: who holds one waits for the other in the same order.
const giveBackSql = `
  with person as (
    update relay_budgets set used = greatest(used - 1, 0)
    where day = $1::date and application = $2 and person = $3::uuid
    returning 1)
  update relay_budgets set used = greatest(used - 1, 0)
  where day = $1::date and application = $2 and person is null and (select count(*) from person) >= 0`;

export async function giveBackPlace(
  database: Pick<Database, 'query'>,
  { at, application, person }: Place,
): Promise<void> {
  await database.query(giveBackSql, [dayOf(at), application, person], 'relay-budgets-back');
}
