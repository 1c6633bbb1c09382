/**
 * Test program: owns an embedded database until told to stop, and in mode `write` commits rows as fast as it can,
 * telling its parent of each one committed.
 */

import { systemClock } from '#kit/clock/clock.ts';
import { openDatabase, system } from '#kit/db/database.ts';
import { startEmbedded } from '#kit/db/embedded.ts';
import { createLog } from '#kit/log/log.ts';

const [, , dataDirectory = '', mode] = process.argv;
const log = createLog({ level: 'silent' });
const embedded = await startEmbedded({ dataDirectory, log, what: 'the first owner' });
process.once('SIGTERM', () => void embedded.stop().then(() => process.exit(0)));
// Ends without a word, as a fault would.
process.once('SIGHUP', () => process.exit(130));
process.send?.('ready');

if (mode === 'write') {
  const database = await openDatabase({ connection: embedded.connection, clock: systemClock, log });
  await database.query(
    'CREATE TABLE IF NOT EXISTS written (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY)',
  );
  await database.query('CREATE TABLE IF NOT EXISTS halves (of int8 NOT NULL)');
  const writeOne = () =>
    database.transact(system(), async (tx) => {
      const [row] = await tx.query<{ id: number }>('INSERT INTO written DEFAULT VALUES RETURNING id');
      await tx.query('INSERT INTO halves VALUES ($1)', [row?.id]);
      await tx.query('INSERT INTO halves VALUES ($1)', [row?.id]);
      return row?.id;
    });
  // The parent kills the server under us as well; then there is nothing more to do.
  for (;;) process.send?.(await writeOne().catch(() => process.exit(1)));
}
