import type { Tx } from '#kit/db/tx.ts';

/** How many people came on each of these days (UTC), oldest first, days without anyone among them; merged ones apart. */
export async function joinedByDay(tx: Tx, days: number): Promise<{ day: Date; count: number }[]> {
  return tx.query<{ day: Date; count: number }>(
    `with since as (select date_trunc('day', $1::timestamptz, 'UTC') - ($2::integer - 1) * interval '24 hours' as day),
       came as (
         select date_trunc('day', created_at, 'UTC') as day, count(*) as count from people, since
         where created_at >= since.day and state <> 'merged' group by 1
       )
     select days.day, coalesce(came.count, 0)::integer as count
     from since, generate_series(0, $2::integer - 1) as n,
         lateral (select since.day + n * interval '24 hours' as day) as days
       left join came on came.day = days.day
     order by days.day`,
    [tx.now(), days],
  );
}
