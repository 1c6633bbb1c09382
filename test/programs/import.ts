/** Test program: imports an LDIF file into a database, telling its parent of every batch that is in. */
import { systemClock } from '#kit/clock/clock.ts';
import { openDatabase } from '#kit/db/database.ts';
import { createLog } from '#kit/log/log.ts';
import { runImport } from '#migration/import.ts';
import { ldifSource } from '#sources/ldif/ldif.ts';

const [, , connection = '{}', file = '', name = '', batchSize = '100'] = process.argv;
const log = createLog({ level: 'silent' });
const database = await openDatabase({ connection: JSON.parse(connection), clock: systemClock, log });
await runImport({ database, clock: systemClock, log }, ldifSource(file), {
  name,
  batchSize: Number(batchSize),
  onProgress: (progress) => process.send?.(progress),
});
await database.close();
process.disconnect();
