import type { Tx } from '#kit/db/tx.ts';

/** Where changes of the settings are told. */
export const relayChannel = 'relay';

const told = `select pg_notify('relay', '')`;

export async function houseRow(tx: Tx): Promise<unknown> {
  const rows = await tx.query<{ settings: unknown }>(
    'select settings from relay_settings',
    [],
    'relay-settings-read',
  );
  return rows[0]?.settings;
}

export async function keepHouse(tx: Tx, settings: object): Promise<void> {
  await tx.query(
    `insert into relay_settings (settings, updated_at) values ($1, $2)
     on conflict ("only") do update set settings = excluded.settings, updated_at = excluded.updated_at`,
    [JSON.stringify(settings), tx.now()],
  );
  await tx.query(told);
}

export interface AppRow {
  application: string;
  settings: unknown;
}

/** By id. */
export async function appRows(tx: Tx): Promise<AppRow[]> {
  return tx.query<AppRow>(
    'select application, settings from relay_apps order by application',
    [],
    'relay-apps-read',
  );
}

export async function appRow(tx: Tx, application: string): Promise<AppRow | undefined> {
  const rows = await tx.query<AppRow>(
    'select application, settings from relay_apps where application = $1 for update',
    [application],
  );
  return rows[0];
}

export async function keepApp(tx: Tx, application: string, settings: object): Promise<void> {
  await tx.query(
    `insert into relay_apps (application, settings, updated_at) values ($1, $2, $3)
     on conflict (application) do update set settings = excluded.settings, updated_at = excluded.updated_at`,
    [application, JSON.stringify(settings), tx.now()],
  );
  await tx.query(told);
}

export async function dropApp(tx: Tx, application: string): Promise<void> {
  await tx.query('delete from relay_apps where application = $1', [application]);
  await tx.query(told);
}
