import type { Queryable } from './store.ts';

export type Decision = 'allowed' | 'denied';

/** A device that waits for a person to type its code. */
export interface DeviceRow {
  /** Names it on our pages. */
  id: string;
  /** Id of the device code in `oidc_payloads`. */
  deviceCode: Buffer;
  browser: string | null;
  session: string | null;
  decision: Decision | null;
  createdAt: Date;
  expiresAt: Date;
}

const columns = `id, device_code as "deviceCode", browser, session, decision, created_at as "createdAt",
  expires_at as "expiresAt"`;

/** Keeps a new one. False when its user code stands for another device that still waits. */
export async function insertDevice(
  db: Queryable,
  row: Pick<DeviceRow, 'id' | 'deviceCode' | 'createdAt' | 'expiresAt'> & {
    userCode: Buffer;
    intervalSeconds: number;
  },
): Promise<boolean> {
  const made = await db.query(
    `insert into oidc_device_codes as waiting
       (id, user_code, device_code, interval_seconds, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)
     on conflict (user_code) do nothing returning id`,
    [row.id, row.userCode, row.deviceCode, row.intervalSeconds, row.createdAt, row.expiresAt],
    'oidc-device-insert',
  );
  return made.length === 1;
}

/** The device that waits under one of these hashes of a code, if it was not decided on and its time is not over. */
export async function waitingDevice(
  db: Queryable,
  userCodes: readonly Buffer[],
  now: Date,
): Promise<DeviceRow | undefined> {
  const rows = await db.query<DeviceRow>(
    `select ${columns} from oidc_device_codes
     where user_code = any($1::bytea[]) and decision is null and expires_at > $2`,
    [userCodes, now],
  );
  return rows[0];
}

/**
 * Gives a waiting device to whoever typed its code first: from then on it is this browser's alone, in the session that is
 * signed in there. False for everyone else.
 */
export async function takeDevice(
  db: Queryable,
  id: string,
  taker: { browser: string; session: string; now: Date },
): Promise<boolean> {
  const taken = await db.query(
    `update oidc_device_codes set browser = $2, session = $3
     where id = $1 and (browser is null or browser = $2) and decision is null and expires_at > $4 returning id`,
    [id, taker.browser, taker.session, taker.now],
  );
  return taken.length === 1;
}

/** The device this browser typed the code of, in this session. */
export async function deviceOf(
  db: Queryable,
  id: string,
  taker: { browser: string; session: string },
): Promise<DeviceRow | undefined> {
  const rows = await db.query<DeviceRow>(
    `select ${columns} from oidc_device_codes where id = $1 and browser = $2 and session = $3`,
    [id, taker.browser, taker.session],
  );
  return rows[0];
}

/** Decides once and for all; true for the one who did. */
export async function decideDevice(
  db: Queryable,
  id: string,
  decided: { browser: string; session: string; decision: Decision; now: Date },
): Promise<boolean> {
  const rows = await db.query(
    `update oidc_device_codes set decision = $4
     where id = $1 and browser = $2 and session = $3 and decision is null and expires_at > $5 returning id`,
    [id, decided.browser, decided.session, decided.decision, decided.now],
  );
  return rows.length === 1;
}

/**
 * Notes that the device asked. False when it did so sooner than it was told to: from then on it has to wait five seconds
 * longer (RFC 8628 §3.5). The database's clock counts, for all nodes.
 */
export async function notePoll(db: Queryable, deviceCode: Buffer): Promise<boolean> {
  const rows = await db.query<{ inTime: boolean }>(
    `with before as (
       select id, polled_at is null or statement_timestamp() >= polled_at + make_interval(secs => interval_seconds)
         as in_time from oidc_device_codes where device_code = $1 for update)
     update oidc_device_codes d set polled_at = statement_timestamp(),
       interval_seconds = case when before.in_time then interval_seconds else least(interval_seconds + 5, 60) end
     from before where d.id = before.id returning before.in_time as "inTime"`,
    [deviceCode],
    'oidc-device-poll',
  );
  return rows[0]?.inTime ?? true;
}

/** Forgets up to 5,000 devices whose time is over. Returns how many. */
export async function deleteExpiredDevices(db: Queryable, now: Date): Promise<number> {
  const rows = await db.query(
    `delete from oidc_device_codes where id in
       (select id from oidc_device_codes where expires_at < $1 limit 5000) returning id`,
    [now],
  );
  return rows.length;
}
