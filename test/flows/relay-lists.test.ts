/** A published list from the publisher to what arrivals are judged by, on two nodes, and with the publisher gone. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { explainArrival } from '#fronts/relay/explain.ts';
import { approveHeld, requireAllowList } from '#fronts/relay/lists.ts';
import { system } from '#kit/db/database.ts';
import { startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { freePort, type Platform, startPlatform } from '#test/kit.ts';

const port = await freePort();
const home = await startPlatform({
  env: {
    GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
    GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
    GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}`,
  },
});
const publisher = await startAtlassianSimulator({ log: home.log, port });
after(() => publisher.stop());

const list = () => home.database.read(system(), (tx) => requireAllowList(tx, 'atlassian'));

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const began = performance.now(); performance.now() - began < 5000; await sleep(20))
    if (await holds()) return;
  assert.fail(what);
}

/** Whether mail from there would be taken, as a node decides that has just begun. */
async function isTaken(node: Platform, client: string): Promise<boolean> {
  const arrival = { client, sender: 'bounce@jira.test', recipient: 'ada@people.harbour.test', tls: true };
  return (await explainArrival({ ...node, mailDomain: 'harbour.test' }, arrival)).admitted;
}

test('a list named in the community file is read at once, and by both nodes together once an hour', async () => {
  await home.again();
  await home.apply(`
applications: [{ id: jira, title: Jira }]
people: [{ username: ada, names: { displayName: Ada }, addresses: [ada@example.org] }]
relay:
  senders: { jira: { networks: [list:atlassian], domains: [jira.test] } }
  allowlists:
    atlassian: { url: "${publisher.rangesUrl}", product: email, direction: egress, networks: [127.0.0.0/8] }
`);
  await until('the first look', async () => (await list()).networks.length === 5);
  assert.equal(await isTaken(home, '198.51.100.7'), true);
  assert.equal(await isTaken(home, '203.0.113.70'), false, 'of another product');
  assert.equal(await isTaken(home, '127.0.0.1'), true, 'by hand');
  const asked = () => publisher.ledger.entries({}).filter(({ path }) => path === '/ip-ranges.json').length;
  assert.equal(asked(), 1);
  publisher.ranges.set({ add: ['203.0.113.192/28'] });
  home.clock.advance(3_600_000);
  // The next look is asked for by whatever changes the settings, and by the clock.
  await home.apply('relay: { logDays: 31 }');
  await until('the next look', async () => (await list()).networks.length === 6);
  assert.equal(asked(), 2);
});

test('half of it gone: held until an operator agrees; the publisher gone: what is in force stays, over a restart too', async () => {
  publisher.ranges.set({ state: 'shrunk' });
  home.clock.advance(3_600_000);
  await home.apply('relay: { logDays: 32 }');
  await until('it is held', async () => (await list()).held !== undefined);
  assert.equal(await isTaken(home, '203.0.113.7'), true);
  publisher.faults.set(['drop,path=/ip-ranges']);
  home.clock.advance(30 * 3_600_000);
  await home.apply('relay: { logDays: 33 }');
  await until('it cannot be read', async () => (await list()).problem !== undefined);
  assert.equal((await list()).isStale, true);
  const later = await home.again();
  assert.equal(await isTaken(later, '203.0.113.7'), true);
  const { held } = await list();
  await later.database.transact(system('admin'), (tx) =>
    approveHeld(tx, { name: 'atlassian', mark: held?.mark }),
  );
  assert.equal(await isTaken(home, '203.0.113.7'), false);
});
