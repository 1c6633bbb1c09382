/**
 * An archive of the whole database: one moment, one file, every table.
 *
 * Inside the envelope of `archive-seal.ts`: gzip over frames (kind 1 byte, length 4, payload). T a table and its
 * columns, D rows as COPY writes them, E the end of a table and its count, S where the sequences stand, Z the totals.
 * The form of a row is PostgreSQL's own text, so that another version and another machine read it.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, open, stat, unlink } from 'node:fs/promises';
import { finished, pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { ArchiveRefused, openContent, sealContent, takeFrom } from './archive-seal.ts';
import {
  makeEmpty,
  type Sequence,
  sequencesOf,
  setSequences,
  type Table,
  tablesOf,
} from './archive-tables.ts';
import type { Tx } from './tx.ts';

export { ArchiveRefused, shortestKey } from './archive-seal.ts';

/** What stands readable at the beginning of an archive. */
export interface ArchiveHead {
  createdAt: string;
  /** Names of the migrations of the schema it was taken from, oldest first. */
  schema: string[];
  /** Names the master key everything sealed inside needs. The key itself is kept apart. */
  masterKey: string;
}

export interface ArchiveCounts {
  tables: number;
  rows: number;
}

type Kind = 'T' | 'D' | 'E' | 'S' | 'Z';
interface Frame {
  kind: Kind;
  payload: Buffer;
}

const mostFrameBytes = 16 * 1024 * 1024;

/**
 * Writes everything this transaction sees into a new file, and returns when it is on the disk. The transaction must be
 * one snapshot (`Database.read`). A file of that name is never overwritten.
 */
export async function writeArchive(
  tx: Tx,
  input: { file: string; key: string; masterKey: string },
): Promise<ArchiveCounts & { bytes: number }> {
  await withoutTimeouts(tx);
  const { tables, schema } = await tablesOf(tx);
  const head: ArchiveHead = { createdAt: tx.now().toISOString(), schema, masterKey: input.masterKey };
  const counts: ArchiveCounts = { tables: 0, rows: 0 };
  const partial = `${input.file}.${process.pid}.partial`;
  try {
    await pipeline(
      () => framesOf(tx, tables, counts),
      createGzip(),
      (content: AsyncIterable<Buffer>) => sealContent(content, { ...head }, input.key),
      createWriteStream(partial, { flags: 'wx', mode: 0o600, flush: true }),
    );
    await link(partial, input.file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new ArchiveRefused(`${input.file} is there already. Choose another name.`);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new ArchiveRefused(`The folder of ${input.file} does not exist.`);
    throw error;
  } finally {
    await unlink(partial).catch(() => undefined);
  }
  const { size } = await stat(input.file);
  return { ...counts, bytes: size };
}

/** A COPY of a large table takes as long as it takes. */
async function withoutTimeouts(tx: Tx): Promise<void> {
  await tx.query("select set_config('statement_timeout', '0', true)");
  await tx.query("select set_config('idle_in_transaction_session_timeout', '0', true)");
}

function frame(kind: Kind, payload: Buffer | object): Buffer {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload));
  const start = Buffer.alloc(5);
  start.write(kind, 'latin1');
  start.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([start, bytes]);
}

async function* framesOf(tx: Tx, tables: readonly Table[], counts: ArchiveCounts): AsyncGenerator<Buffer> {
  for (const table of tables) {
    yield frame('T', { name: table.name, columns: table.columns.map((column) => column.name) });
    const rows = tx.client.query(copyTo(table.copyOut));
    for await (const piece of rows) yield frame('D', piece as Buffer);
    counts.tables += 1;
    counts.rows += rows.rowCount;
    yield frame('E', { rows: rows.rowCount });
  }
  yield frame('S', await sequencesOf(tx, tables));
  yield frame('Z', counts);
}

/** The frames of a file, each proved before it is handed out. */
async function* readFrames(
  file: string,
  key: string,
  seen: (head: ArchiveHead) => void,
): AsyncGenerator<Frame> {
  const source = createReadStream(file);
  try {
    await once(source, 'open');
    const { head, content } = await openContent(source, key);
    seen(head as unknown as ArchiveHead);
    const gunzip = createGunzip();
    const feeding = pipeline(content, gunzip);
    feeding.catch(() => undefined);
    const take = takeFrom(gunzip);
    for (let kind: Kind | undefined; kind !== 'Z'; ) {
      const start = await take(5);
      const length = start?.readUInt32BE(1) ?? 0;
      if (!start || length > mostFrameBytes)
        throw new ArchiveRefused('The file ends before its content does.');
      kind = start.toString('latin1', 0, 1) as Kind;
      const payload = length === 0 ? Buffer.alloc(0) : await take(length);
      if (!payload) throw new ArchiveRefused('The file ends before its content does.');
      yield { kind, payload };
    }
    if (await take(1)) throw new ArchiveRefused('The file goes on after its end: it was changed.');
    await feeding;
  } finally {
    source.destroy();
  }
}

/**
 * Reads a whole file without keeping anything, and says what is in it.
 * @throws ArchiveRefused for another key, and for a file that is not exactly as it was written
 */
export async function checkArchive(file: string, key: string): Promise<ArchiveHead & ArchiveCounts> {
  let head: ArchiveHead | undefined;
  let totals: ArchiveCounts | undefined;
  const counted: ArchiveCounts = { tables: 0, rows: 0 };
  for await (const { kind, payload } of readFrames(file, key, (found) => {
    head = found;
  })) {
    if (kind === 'T') counted.tables += 1;
    if (kind === 'E') counted.rows += (JSON.parse(payload.toString()) as { rows: number }).rows;
    if (kind === 'Z') totals = JSON.parse(payload.toString()) as ArchiveCounts;
  }
  if (!head || totals?.rows !== counted.rows || totals.tables !== counted.tables)
    throw new ArchiveRefused('The file does not hold what it says.');
  return { ...head, ...counted };
}

/**
 * Puts the rows of a file into this transaction's database, whose schema must be the one the file was taken from.
 * Without `replace` every table must be empty; with it all are emptied first. Tables of `leaveOut` stay empty.
 * Call `checkArchive` first: a file that breaks off shows only at its end.
 * @throws ArchiveRefused when the database is not empty, or the file is not as it was written
 */
export async function restoreArchive(
  tx: Tx,
  input: { file: string; key: string; replace?: boolean; leaveOut?: readonly string[] },
): Promise<ArchiveCounts> {
  await withoutTimeouts(tx);
  const { tables } = await tablesOf(tx);
  if (input.replace) await tx.query(`truncate ${tables.map((table) => table.quoted).join(', ')}`);
  else if (!(await makeEmpty(tx, tables)))
    throw new ArchiveRefused(
      'The database is not empty. Nothing was changed. Choose an empty one, or say --replace to throw away what it holds.',
    );
  const counts: ArchiveCounts = { tables: 0, rows: 0 };
  let current: ReturnType<typeof copyIn> | undefined;
  try {
    for await (const { kind, payload } of readFrames(input.file, input.key, () => undefined)) {
      if (kind === 'T') {
        const { name, columns } = JSON.parse(payload.toString()) as { name: string; columns: string[] };
        current = input.leaveOut?.includes(name) ? undefined : copyIn(tx, tables, name, columns);
      } else if (kind === 'D') await current?.write(payload);
      else if (kind === 'E' && current) {
        counts.rows += await current.end((JSON.parse(payload.toString()) as { rows: number }).rows);
        counts.tables += 1;
      } else if (kind === 'S') await setSequences(tx, JSON.parse(payload.toString()) as Sequence[]);
    }
  } catch (error) {
    // An open COPY would keep the connection from hearing of the rollback.
    current?.abandon();
    throw error;
  }
  return counts;
}

function copyIn(tx: Tx, tables: readonly Table[], name: string, columns: readonly string[]) {
  const table = tables.find((one) => one.name === name);
  const wanted = columns.map((column) => table?.columns.find((one) => one.name === column)?.quoted);
  if (!table || wanted.includes(undefined))
    throw new ArchiveRefused(`The backup holds ${name}, which does not look like that here.`);
  const stream = tx.client.query(copyFrom(`copy ${table.quoted} (${wanted.join(', ')}) from stdin`));
  // Whoever writes or ends next hears of it; this keeps it from being nobody's.
  stream.on('error', () => undefined);
  return {
    async write(rows: Buffer): Promise<void> {
      if (!stream.write(rows)) await once(stream, 'drain');
    },
    async end(expected: number): Promise<number> {
      stream.end();
      await finished(stream);
      if (stream.rowCount !== expected) throw new ArchiveRefused(`The rows of ${name} are not complete.`);
      return expected;
    },
    abandon: () => void stream.destroy(),
  };
}

/** Whether a file can be opened at all; the sentence says why not. */
export async function requireFile(file: string): Promise<void> {
  try {
    await (await open(file)).close();
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ArchiveRefused(`${file} ${missing ? 'does not exist' : 'cannot be read'}.`);
  }
}
