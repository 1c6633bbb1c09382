/**
 * SM-08 for our own mail: what sends it is killed again and again between the smart host's 250 and our commit. By default a
 * size that takes seconds; `npm run assure -- SM-08` (or GATEHOUSE_ASSURE=SM-08) kills a hundred times.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, test } from 'node:test';
import { setPassword } from '#core/credentials/credentials.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { addAddress, insertPeople, verifyAddress } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { noticesFor } from '#notices/notices.ts';
import { testDatabase } from '#test/kit.ts';
import { startSink } from '#test/peers/sink.ts';
import { describeRun, wholeOf } from './stage.ts';

// Of 25 in a row the queue takes the letters for the cause: now and then somebody lives.
const [rounds, killsInRow] = wholeOf('SM-08') ? [5, 20] : [1, 5];
const kills = rounds * killsInRow;
const program = path.resolve(import.meta.dirname, '../programs/mailer.ts');
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

async function run(connection: object, url: string, dies: boolean): Promise<NodeJS.Signals | null> {
  const child = fork(program, [JSON.stringify({ connection, url, dies })], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  children.add(child);
  const [, signal] = await once(child, 'exit');
  children.delete(child);
  return signal;
}

test('SM-08 killed between the 250 and the commit, every mail arrives in the end, under one message id each, and that it may have come twice is kept', async (t) => {
  describeRun(t, 'SM-08', `${kills} kills`, '100 kills');
  const sink = await startSink();
  t.after(() => sink.close());
  const home = await testDatabase();
  const { database, connection } = home;
  const phc = '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA';
  const people: string[] = [];
  await database.transact(system('demo'), async (tx) => {
    for (let index = 0; index < 3; index += 1) {
      const [id, name] = [newId(), `p${index}`];
      const names = { username: name, usernameKey: name, givenName: '', familyName: '', displayName: name };
      await insertPeople(tx, [{ id, ...names, state: 'unverified', origin: 'test' }]);
      const address = await addAddress(tx, id, `${name}@example.org`);
      await verifyAddress(tx, id, address.id);
      await activate(tx, id);
      people.push(id);
    }
  });
  for (let round = 0; round < rounds; round += 1) {
    await database.transact(system('request'), async (tx) => {
      for (const id of people) await setPassword(tx, id, phc, 'change');
    });
    for (let kill = 0; kill < killsInRow; kill += 1) {
      assert.equal(await run(connection, sink.url, true), 'SIGKILL');
      // Whoever takes over waits for the lease to run out; the test does not.
      await database.query(
        `update queue_jobs set lease_until = statement_timestamp() where state = 'leased'`,
      );
    }
    await run(connection, sink.url, false);
  }

  const perPerson = await Promise.all(
    people.map((id) => database.read(system(), (tx) => noticesFor(tx, id))),
  );
  const notices = perPerson.flat();
  assert.equal(notices.length, people.length * rounds);
  const copies = Map.groupBy(
    sink.messages.filter((message) => message.isTaken),
    (message) => /^Message-ID: <(\S+)>/im.exec(message.raw.toString())?.[1] ?? '',
  );
  assert.deepEqual([...copies.keys()].sort(), notices.map((one) => one.messageId ?? '').sort());
  let more = 0;
  for (const notice of notices) {
    assert.equal(notice.state, 'accepted');
    const arrived = copies.get(notice.messageId ?? '')?.length ?? 0;
    assert.ok(arrived >= 1, 'nothing is lost');
    // Each copy beyond the first came after an attempt whose end nobody saw, and all of those are counted.
    assert.ok(arrived - 1 <= notice.resent, `${arrived} copies, ${notice.resent} told`);
    more += notice.resent;
  }
  assert.ok(more >= kills, `${more} attempts without an end are seen by operators`);
});
