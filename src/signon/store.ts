import type { Tx } from '#kit/db/tx.ts';
import type { SignOnRequest } from './dispatch.ts';

export async function insertRequest(
  tx: Tx,
  input: { id: string; browser: string; request: SignOnRequest; lifetimeSeconds: number },
): Promise<void> {
  await tx.query(
    `insert into signon_requests (id, browser, request, created_at, expires_at)
     values ($1, $2, $3, $4, $4::timestamptz + make_interval(secs => $5))`,
    [input.id, input.browser, JSON.stringify(input.request), tx.now(), input.lifetimeSeconds],
  );
}

export async function requestOf(tx: Tx, browser: string, id: string): Promise<SignOnRequest | undefined> {
  if (!/^[0-9a-f-]{36}$/i.test(id)) return undefined;
  const rows = await tx.query<{ request: SignOnRequest }>(
    'select request from signon_requests where id = $1 and browser = $2 and expires_at > $3',
    [id, browser, tx.now()],
  );
  return rows[0]?.request;
}

/** Deletes up to 10,000 requests whose time is over; returns how many. */
export async function deleteOldRequests(tx: Tx): Promise<number> {
  const gone = await tx.query(
    `delete from signon_requests where id in (
       select id from signon_requests where expires_at <= $1 limit 10000 for update skip locked) returning 1`,
    [tx.now()],
  );
  return gone.length;
}
