import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { loadConfig } from '#config/config.ts';
import { allowLists } from '#fronts/relay/lists.ts';
import { system } from '#kit/db/database.ts';
import { countProposals } from '#provisioning/approval.ts';
import { eventually } from '#test/jira.ts';
import { freePorts } from '#test/port.ts';
import { demoPorts, type RunningDemo, startDemo } from './demo.ts';

let running: RunningDemo | undefined;
const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-demo-'));
after(async () => {
  await running?.stop();
  await rm(data, { recursive: true, force: true });
});

interface Counters {
  users: number;
}

test('everyone of the demo arrives in its Jira; the accounts of Commons wait; a second start is quick and sends nothing again', async () => {
  const port = await freePorts(7);
  const { jira, accounts, mail, relay } = demoPorts(port);
  const start = () =>
    startDemo(loadConfig({ env: { GATEHOUSE_DATA: data, GATEHOUSE_PORT: String(port) }, demo: true }));
  const state = async (at: number) =>
    (await (await fetch(`http://127.0.0.1:${at}/simulator/state`)).json()) as Counters;
  running = await start();
  assert.match(running.banner, new RegExp(`Jira +http://127\\.0\\.0\\.1:${jira}/`));
  const there = await eventually(
    () => state(jira),
    ({ users }) => users === 3,
  );
  assert.equal(there.users, 3);
  const page = await (await fetch(`http://127.0.0.1:${jira}/`)).text();
  assert.match(page, /amara@people\.harbour\.test/);
  assert.doesNotMatch(page, /amara@example\.org/);
  // What Jira writes to their alias mailbox arrives where they read mail.
  assert.match(running.banner, new RegExp(`127\\.0\\.0\\.1:${relay} `));
  const caught = async () => (await fetch(`http://127.0.0.1:${mail}/`)).text();
  const mails = await eventually(caught, (all) => all.split('Welcome to Jira').length > 3);
  assert.match(mails, /amara@example\.org/);
  // From where it may: its published networks are read, and this machine is among them by hand.
  const lists = () => running!.house.database.read(system(), allowLists);
  const [list] = await eventually(lists, (all) => (all[0]?.networks.length ?? 0) > 0);
  assert.ok(list?.byHand.includes('127.0.0.0/8'));
  const waiting = () => running!.house.database.read(system(), (tx) => countProposals(tx, 'commons'));
  const proposals = await eventually(waiting, (all) => all[0]?.count === 3);
  assert.deepEqual(proposals, [{ state: 'proposed', verdict: 'create', count: 3 }]);
  assert.equal((await state(accounts)).users, 0, 'nobody approved anything');
  await running.house.settle();
  await running.stop();

  const began = performance.now();
  running = await start();
  const took = performance.now() - began;
  assert.ok(took < 4000, `${Math.round(took)} ms; two seconds are meant, the rest is for a busy machine`);
  await running.house.settle();
  assert.equal((await state(jira)).users, 3);
});
