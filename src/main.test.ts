import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from '#core/lifecycle/join.ts';
import { listAddresses } from '#core/people/people.ts';
import { requestVerification } from '#core/people/verifications.ts';
import { system } from '#kit/db/database.ts';
import { startPlatform, testDatabase } from '#test/kit.ts';

test('what is recorded while only pages run is not lost: the first worker that ever comes mails it', async () => {
  const pages = await startPlatform({ env: { GATEHOUSE_RUN: 'web' } });
  await pages.database.transact(system('request'), async (tx) => {
    const id = await join(tx, {
      username: 'early',
      state: 'unverified',
      origin: 'sign-up',
      addresses: [{ address: 'early@example.org', primary: true, verified: false }],
    });
    const [address] = await listAddresses(tx, [id]);
    await requestVerification(tx, { purpose: 'sign-up', person: id, address: address!.id });
  });
  await pages.settle();
  const worker = await pages.again({ GATEHOUSE_RUN: 'worker' });
  assert.equal((await worker.mailTo('early@example.org')).length, 1);
  assert.equal((await worker.mailTo('early@example.org')).length, 1, 'and once');
  await pages.close();
});

test('migrations make the cursor of every reader this version runs', async () => {
  const { database, close } = await testDatabase();
  const made = await database.query<{ reader: string }>('select reader from event_cursors order by reader');
  const platform = await startPlatform();
  await platform.settle();
  const used = await platform.database.query<{ reader: string }>(
    'select reader from event_cursors order by reader',
  );
  assert.ok(made.length >= 4);
  assert.deepEqual(used, made, 'a reader without one would begin wherever the log has come to by then');
  await platform.close();
  await close();
});
