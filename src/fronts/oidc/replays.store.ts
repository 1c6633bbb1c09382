import type { Queryable } from './store.ts';

/**
 * Counts a proof that may count once: of any number of callers, on all nodes, exactly one gets true. One whose time was
 * over may come again: it is refused for its age before anyone asks here.
 */
export async function insertReplay(
  db: Queryable,
  row: { id: Buffer; expiresAt: Date; now: Date },
): Promise<boolean> {
  const won = await db.query(
    `insert into oidc_replays as seen (id, expires_at) values ($1, $2)
     on conflict (id) do update set expires_at = excluded.expires_at where seen.expires_at < $3
     returning id`,
    [row.id, row.expiresAt, row.now],
    'oidc-replay',
  );
  return won.length === 1;
}

/** Forgets up to 5,000 proofs whose time is over. Returns how many. */
export async function deleteExpiredReplays(db: Queryable, now: Date): Promise<number> {
  const rows = await db.query(
    `delete from oidc_replays where id in (select id from oidc_replays where expires_at < $1 limit 5000)
     returning id`,
    [now],
  );
  return rows.length;
}
