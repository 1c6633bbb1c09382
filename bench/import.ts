/**
 * How fast people are brought in, against a bare insert of the very same rows into the same tables, 500 at a time,
 * with no checks at all: what the database alone would take.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { type Database, openDatabase, system } from '#kit/db/database.ts';
import { startEmbedded } from '#kit/db/embedded.ts';
import { createLog } from '#kit/log/log.ts';
import { runImport } from '#migration/import.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import type { Source } from '#sources/source.ts';
import { type Bench, type Measured, rounded } from './measure.ts';

/** Every table an import writes a row a person into, in an order their references allow. */
const tables = [
  'people',
  'usernames',
  'addresses',
  'passwords',
  'events',
  'person_origins',
  'import_runs',
  'import_rows',
  'groups',
  'memberships',
  'alias_mailboxes',
];

/** An export as slapcat writes it; made here, because hashing as old systems did takes longer than importing. */
function makeExport(people: number): Buffer {
  const lines: string[] = [];
  for (let at = 0; at < people; at++) {
    const salt = randomBytes(8);
    const digest = createHash('sha1').update(`password ${at}`).update(salt).digest();
    const stored = `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
    lines.push(
      `dn: uid=person${at},ou=users,dc=example,dc=org`,
      'objectClass: inetOrgPerson',
      `uid: person${at}`,
      `cn: Given${at}`,
      `sn: Family${at}`,
      `displayName: Given${at} Family${at}`,
      `mail: person${at}@example.org`,
      `userPassword:: ${Buffer.from(stored).toString('base64')}`,
      '',
    );
  }
  lines.push('dn: cn=everyone,ou=groups,dc=example,dc=org', 'objectClass: groupOfNames', 'cn: everyone');
  for (let at = 0; at < people; at++) lines.push(`member: uid=person${at},ou=users,dc=example,dc=org`);
  return Buffer.from(`${lines.join('\n')}\n`);
}

async function* inChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 262_144) yield bytes.subarray(at, at + 262_144);
}

/** Puts the rows back as they were, 500 people's worth a transaction. Returns seconds. */
async function insertBare(database: Database, people: number): Promise<number> {
  const rows = new Map<string, unknown[]>();
  for (const table of tables)
    rows.set(
      table,
      (await database.query<{ row: unknown }>(`select to_jsonb(t) as row from ${table} t`)).map(
        ({ row }) => row,
      ),
    );
  await database.query(`truncate ${tables.join(', ')} cascade`);
  await database.query('checkpoint');
  const began = performance.now();
  for (const [table, all] of rows) {
    // Tables with a row a person take as many transactions as there are batches of 500.
    const size = Math.max(1, Math.ceil(all.length / Math.ceil(people / 500)));
    for (let at = 0; at < all.length; at += size)
      await database.transact(system('import'), (tx) =>
        tx.query(
          `insert into ${table} overriding system value select * from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
          [JSON.stringify(all.slice(at, at + size))],
        ),
      );
  }
  return (performance.now() - began) / 1000;
}

const people = 20_000;
const goal = 2_000;

/** Imports into a fresh database, imports again, then inserts the same rows bare. */
async function run(): Promise<Measured> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  const log = createLog({ level: 'silent' });
  const embedded = await startEmbedded({ dataDirectory: folder, log });
  try {
    const { connection } = embedded;
    const database = await openDatabase({
      connection,
      clock: systemClock,
      log,
      statementTimeoutMs: 120_000,
    });
    try {
      await database.migrate();
      await database.transact(system(), (tx) => rememberAliasDomain(tx, 'members.example.org'));
      const bytes = makeExport(people);
      const source: Source = { label: 'bench', readSource: () => readLdif(Readable.from(inChunks(bytes))) };
      const needs = { database, clock: systemClock, log };
      const first = await runImport(needs, source);
      if (first.counts.imported !== people) throw new Error(`${first.counts.imported} of ${people} joined`);
      const again = await runImport(needs, source);
      if (again.counts.unchanged !== people) throw new Error(`${again.counts.unchanged} were unchanged`);
      const bare = await insertBare(database, people);
      const rate = people / first.seconds;
      return {
        figures: {
          'people imported a second': Math.round(rate),
          'people inserted bare a second': Math.round(people / bare),
          'people a second when nothing changed': Math.round(people / again.seconds),
        },
        ratio: rounded(bare / first.seconds),
        goalMet: rate >= goal,
      };
    } finally {
      await database.close();
    }
  } finally {
    await embedded.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

export const bench: Bench = {
  name: 'import',
  text: `Importing ${people.toLocaleString('en')} people from LDIF, against a bare insert of the same rows, 500 at a time`,
  goal: `at least ${goal.toLocaleString('en')} people a second`,
  run,
};
