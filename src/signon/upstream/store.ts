import type { Tx } from '#kit/db/tx.ts';
import type { UpstreamSettings } from './settings.ts';
import type { Upstream } from './upstreams.ts';

interface UpstreamRow {
  id: string;
  settings: UpstreamSettings;
  has_credentials: boolean;
  created_at: Date;
  updated_at: Date;
  version: number;
}

const columns = 'id, settings, credentials is not null as has_credentials, created_at, updated_at, version';

function toUpstream(row: UpstreamRow): Upstream {
  return {
    id: row.id,
    settings: row.settings,
    hasCredentials: row.has_credentials,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

export async function listUpstreams(tx: Tx): Promise<Upstream[]> {
  const rows = await tx.query<UpstreamRow>(
    `select ${columns} from upstreams order by created_at, id`,
    [],
    'upstreams-list',
  );
  return rows.map(toUpstream);
}

export async function findUpstream(tx: Tx, id: string): Promise<Upstream | undefined> {
  const rows = await tx.query<UpstreamRow>(
    `select ${columns} from upstreams where id = $1`,
    [id],
    'upstream-by-id',
  );
  return rows[0] && toUpstream(rows[0]);
}

/** The same; whoever changes it waits until the transaction ends. */
export async function lockUpstream(tx: Tx, id: string): Promise<Upstream | undefined> {
  const rows = await tx.query<UpstreamRow>(`select ${columns} from upstreams where id = $1 for update`, [id]);
  return rows[0] && toUpstream(rows[0]);
}

/** Whether it is switched on; whoever changes it waits until the transaction ends. Undefined when there is none. */
export async function holdEnabled(tx: Tx, id: string): Promise<boolean | undefined> {
  const rows = await tx.query<{ enabled: boolean }>(
    `select (settings->>'enabled')::boolean as enabled from upstreams where id = $1 for key share`,
    [id],
    'upstream-enabled',
  );
  return rows[0]?.enabled;
}

/** Adds or changes; credentials stay where none are given. */
export async function writeUpstream(
  tx: Tx,
  id: string,
  settings: UpstreamSettings,
  credentials: Buffer | undefined,
): Promise<void> {
  await tx.query(
    `insert into upstreams as u (id, settings, credentials, created_at, updated_at) values ($1, $2, $3, $4, $4)
     on conflict (id) do update set settings = excluded.settings,
       credentials = coalesce(excluded.credentials, u.credentials), updated_at = excluded.updated_at,
       version = u.version + 1`,
    [id, JSON.stringify(settings), credentials ?? null, tx.now()],
  );
}

export async function deleteUpstream(tx: Tx, id: string): Promise<boolean> {
  return (await tx.query('delete from upstreams where id = $1 returning id', [id])).length === 1;
}

export async function sealedCredentials(tx: Tx, id: string): Promise<Buffer | undefined> {
  const rows = await tx.query<{ credentials: Buffer | null }>(
    'select credentials from upstreams where id = $1',
    [id],
  );
  return rows[0]?.credentials ?? undefined;
}

export async function allCredentials(tx: Tx): Promise<{ id: string; credentials: Buffer }[]> {
  return tx.query('select id, credentials from upstreams where credentials is not null for update');
}

export async function replaceCredentials(tx: Tx, id: string, credentials: Buffer): Promise<void> {
  await tx.query('update upstreams set credentials = $2 where id = $1', [id, credentials]);
}
