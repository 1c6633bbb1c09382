import type { Tx } from '#kit/db/tx.ts';
import type { Target } from './targets.ts';

interface TargetRow {
  application: string;
  connector: string;
  settings: Target['settings'];
  has_credentials: boolean;
  mode: Target['mode'];
  quarantine: string | null;
  quarantined_at: Date | null;
  state: unknown;
  listed_at: Date | null;
  created_at: Date;
  updated_at: Date;
  version: number;
}

const columns = `application, connector, settings, credentials is not null as has_credentials, mode, quarantine,
  quarantined_at, state, listed_at, created_at, updated_at, version`;

function toTarget(row: TargetRow): Target {
  return {
    application: row.application,
    connector: row.connector,
    settings: { ...row.settings, mode: row.mode },
    mode: row.mode,
    hasCredentials: row.has_credentials,
    quarantine:
      row.quarantine === null ? undefined : { why: row.quarantine, since: row.quarantined_at as Date },
    state: row.state ?? undefined,
    listedAt: row.listed_at ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

export async function findTarget(tx: Tx, application: string): Promise<Target | undefined> {
  const rows = await tx.query<TargetRow>(
    `select ${columns} from targets where application = $1`,
    [application],
    'target',
  );
  return rows[0] && toTarget(rows[0]);
}

export async function lockTarget(tx: Tx, application: string): Promise<Target | undefined> {
  const rows = await tx.query<TargetRow>(`select ${columns} from targets where application = $1 for update`, [
    application,
  ]);
  return rows[0] && toTarget(rows[0]);
}

export async function listTargets(tx: Tx): Promise<Target[]> {
  return (await tx.query<TargetRow>(`select ${columns} from targets order by application`)).map(toTarget);
}

/** Adds or changes; credentials stay as they are unless given. Every node hears of it. */
export async function writeTarget(
  tx: Tx,
  target: Pick<Target, 'application' | 'connector' | 'settings'>,
  credentials: Buffer | undefined,
): Promise<void> {
  await tx.query(
    `insert into targets (application, connector, settings, credentials, mode, created_at, updated_at)
     values ($1, $2, $3, $4, $5, $6, $6)
     on conflict (application) do update set connector = excluded.connector, settings = excluded.settings,
       credentials = coalesce(excluded.credentials, targets.credentials), mode = excluded.mode,
       state = case when targets.connector = excluded.connector
         and targets.settings -> 'options' = excluded.settings -> 'options' then targets.state end,
       updated_at = excluded.updated_at, version = targets.version + 1`,
    [
      target.application,
      target.connector,
      JSON.stringify(target.settings),
      credentials ?? null,
      target.settings.mode,
      tx.now(),
    ],
  );
  await tellTargets(tx, target.application);
}

export async function deleteTarget(tx: Tx, application: string): Promise<boolean> {
  const rows = await tx.query('delete from targets where application = $1 returning 1', [application]);
  await tellTargets(tx, application);
  return rows.length > 0;
}

/** Returns false when it was so already. */
export async function writeQuarantine(tx: Tx, application: string, why: string | null): Promise<boolean> {
  const rows = await tx.query(
    `update targets set quarantine = $2, quarantined_at = case when $2::text is null then null else $3::timestamptz end
     where application = $1 and (quarantine is null) <> ($2::text is null) returning 1`,
    [application, why, tx.now()],
  );
  if (rows.length > 0) await tellTargets(tx, application);
  return rows.length > 0;
}

export async function writeState(tx: Tx, application: string, state: unknown): Promise<void> {
  await tx.query('update targets set state = $2 where application = $1', [
    application,
    JSON.stringify(state ?? null),
  ]);
}

export async function sealedCredentials(tx: Tx, application: string): Promise<Buffer | undefined> {
  const rows = await tx.query<{ credentials: Buffer | null }>(
    'select credentials from targets where application = $1',
    [application],
    'target-credentials',
  );
  return rows[0]?.credentials ?? undefined;
}

/** For a change of the master key: every sealed value, and the place of each. */
export async function allCredentials(tx: Tx): Promise<{ application: string; credentials: Buffer }[]> {
  return tx.query('select application, credentials from targets where credentials is not null for update');
}

export async function replaceCredentials(tx: Tx, application: string, credentials: Buffer): Promise<void> {
  await tx.query('update targets set credentials = $2 where application = $1', [application, credentials]);
}

async function tellTargets(tx: Tx, application: string): Promise<void> {
  await tx.query(`select pg_notify('targets', $1)`, [application]);
}
