/**
 * The schema's history: files db/migrations/NNNN-name.sql, applied in order, all in one transaction, under a lock.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Migration } from 'kysely/migration';
import pg from 'pg';
import type { Connection } from './database.ts';

export interface SchemaState {
  /** Names of migrations in the database, oldest first. */
  applied: string[];
  /** Known here, not in the database yet. */
  pending: string[];
  /** In the database, unknown here: a newer Gatehouse was at work. */
  unknown: string[];
}

/** The database has a schema that this version does not know. */
export class SchemaTooNew extends Error {
  readonly unknown: string[];
  constructor(unknown: string[]) {
    super(
      `The database was used by a newer Gatehouse: it has ${unknown.join(', ')}, which this version does not know. ` +
        'Run that newer version, or restore a backup made with this one.',
    );
    this.name = 'SchemaTooNew';
    this.unknown = unknown;
  }
}

const fileName = /^\d{4}-[a-z0-9-]+\.sql$/;
const historyTable = 'schema_migrations';
const lockTable = 'schema_migrations_lock';
/** Any fixed number; held while migrating so that nodes starting together take turns. */
const migrationLock = 0x67617465;

/** The product's own migrations, found upwards from here: the same from src/ and from dist/. */
export function migrationsDirectory(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(folder, 'db', 'migrations');
    if (existsSync(candidate)) return candidate;
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error('The folder db/migrations is missing from this installation.');
    folder = parent;
  }
}

/**
 * Applies what is missing. All of it commits, or nothing does.
 * @param upTo name of the last migration to apply, where an older schema is wanted (for restoring into it)
 * @throws SchemaTooNew when the database knows migrations that this version does not
 */
export async function migrate(
  connection: Connection,
  directory: string,
  upTo?: string,
): Promise<{ applied: string[] }> {
  const pool = new pg.Pool({ ...connection, max: 3, application_name: 'gatehouse migrate' });
  pool.on('error', () => undefined);
  try {
    const guard = await pool.connect();
    try {
      await guard.query('SELECT pg_advisory_lock($1)', [migrationLock]);
      const state = await schemaState((text) => guard.query(text), directory);
      if (state.unknown.length > 0) throw new SchemaTooNew(state.unknown);
      if (state.pending.length === 0) return { applied: [] };
      return { applied: await applyPending(pool, directory, upTo) };
    } finally {
      // Ending the session frees the lock however we got here.
      guard.release(true);
    }
  } finally {
    await pool.end();
  }
}

async function applyPending(pool: pg.Pool, directory: string, upTo?: string): Promise<string[]> {
  // Loaded where there is something to apply: once a version.
  const { Kysely, PostgresDialect } = await import('kysely');
  const { Migrator } = await import('kysely/migration');
  const migrator = new Migrator({
    db: new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }),
    provider: { getMigrations: () => readMigrations(directory) },
    migrationTableName: historyTable,
    migrationLockTableName: lockTable,
  });
  const { error, results } = await (upTo ? migrator.migrateTo(upTo) : migrator.migrateToLatest());
  if (error) {
    throw new Error(`The schema could not be brought up to date: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return (results ?? []).map((result) => result.migrationName);
}

/** What is applied, what is pending, what is unknown; creates nothing. */
export async function schemaState(
  query: (text: string) => Promise<{ rows: Record<string, unknown>[] }>,
  directory: string,
): Promise<SchemaState> {
  const known = await migrationNames(directory);
  const there = await query(`SELECT to_regclass('${historyTable}') IS NOT NULL AS there`);
  const history = there.rows[0]?.there
    ? await query(`SELECT name FROM ${historyTable} ORDER BY name`)
    : { rows: [] };
  const applied = history.rows.map((row) => String(row.name));
  return {
    applied,
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
  };
}

async function migrationNames(directory: string): Promise<string[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  for (const file of files) {
    if (!fileName.test(file)) throw new Error(`A migration is named like 0001-first.sql, not ${file}.`);
  }
  return files.map((file) => file.slice(0, -'.sql'.length));
}

async function readMigrations(directory: string): Promise<Record<string, Migration>> {
  const { sql } = await import('kysely');
  const migrations: Record<string, Migration> = {};
  for (const name of await migrationNames(directory)) {
    const text = await readFile(path.join(directory, `${name}.sql`), 'utf8');
    migrations[name] = {
      async up(db) {
        // Without parameters the whole file goes to the server as it stands, however many statements it has.
        await sql
          .raw(text)
          .execute(db)
          .catch((error) => {
            const { message, position } = error as { message: string; position?: string };
            const line = text.slice(0, Number(position ?? 0)).split('\n').length;
            throw new Error(`${name}.sql${position ? `, line ${line}` : ''}: ${message}`, { cause: error });
          });
      },
    };
  }
  return migrations;
}
