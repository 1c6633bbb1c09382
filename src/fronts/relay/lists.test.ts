import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLog } from '#kit/log/log.ts';
import { type Fetched, type Net, NetRefused } from '#kit/net/net.ts';
import { testDatabase } from '../../../test/kit.ts';
import { lookNow, startListLooks } from './list-looks.ts';
import {
  allowLists,
  approveHeld,
  deleteOldListChanges,
  dismissHeld,
  listChanges,
  requireAllowList,
  setByHand,
  shrinksTooFar,
} from './lists.ts';
import { followLists } from './lists-in-force.ts';
import { relayHouse, saveRelayHouse } from './settings-kept.ts';

const day = 24 * 3_600_000;

/** A publisher that says what it is told to, and counts who asked. */
function publisher() {
  const asked: (string | undefined)[] = [];
  let answer: () => Promise<{ status?: number; text?: string; etag?: string }> = async () => ({ text: '' });
  const net: Pick<Net, 'fetch'> = {
    async fetch(_url, init) {
      const known = new Headers(init?.headers).get('if-none-match') ?? undefined;
      asked.push(known);
      const { status = 200, text = '', etag } = await answer();
      const same = etag !== undefined && known === etag;
      const headers = new Headers(etag === undefined ? {} : { etag });
      const bytes = Buffer.from(same ? '' : text);
      return { status: same ? 304 : status, headers, bytes, text: () => text, url: '' } satisfies Fetched;
    },
  };
  return {
    asked,
    net,
    says(networks: string[], etag?: string) {
      answer = async () => ({ text: networks.join('\n'), etag });
    },
    answers(next: typeof answer) {
      answer = next;
    },
  };
}

async function house(t: TestContext, more: object = {}) {
  const made = await testDatabase();
  t.after(() => made.close());
  const { database } = made;
  const source = publisher();
  const needs = { database, net: source.net, log: made.log };
  const change = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('admin'), work);
  const settings = async (fleet: object) =>
    change(async (tx) =>
      saveRelayHouse(tx, {
        ...(await relayHouse(tx)),
        allowlists: {
          fleet: { url: 'https://lists.example/', shrinkGuard: 0.25, everyMinutes: 60, ...fleet },
        },
      }),
    );
  await settings(more);
  const { listsNow, refresh } = followLists({ database, log: made.log });
  return {
    ...made,
    source,
    needs,
    change,
    settings,
    look: () => lookNow(needs, 'fleet'),
    list: () => database.read(system(), (tx) => requireAllowList(tx, 'fleet')),
    changes: () => database.read(system(), (tx) => listChanges(tx, 'fleet', { limit: 50 })),
    async holds(address: string) {
      await refresh();
      return listsNow().contains('fleet', address);
    },
    events: async () =>
      (
        await database.query<{ type: string }>(
          `select type from events where type like 'relay.list%' order by id`,
        )
      ).map((one) => one.type),
  };
}

const refusal = (code: string) => (error: unknown) => error instanceof Problem && error.code === code;

test('what is published is in force after the first look, and asked for by its ETag from then on', async (t) => {
  const home = await house(t);
  assert.equal(await home.holds('198.51.100.9'), false);
  home.source.says(['198.51.100.0/24', '2001:db8::/48'], '"7"');
  assert.deepEqual(await home.look(), {
    outcome: 'taken',
    added: ['198.51.100.0/24', '2001:db8::/48'],
    removed: [],
  });
  assert.equal(await home.holds('198.51.100.9'), true);
  assert.equal(await home.holds('::ffff:198.51.100.9'), true);
  assert.equal(await home.holds('2001:db8:0:1::9'), true);
  assert.equal(await home.holds('198.51.101.9'), false);
  assert.equal((await home.look()).outcome, 'unchanged');
  assert.deepEqual(home.source.asked, [undefined, '"7"']);
  // Other entries of the same document: the ETag says nothing of them.
  await home.settings({ product: 'email' });
  assert.equal((await home.look()).outcome, 'unchanged');
  assert.deepEqual(home.source.asked, [undefined, '"7"', undefined]);
  const { problem, fetchedAt, checkedAt } = await home.list();
  assert.equal(problem, undefined);
  assert.deepEqual(fetchedAt, checkedAt);
});

test('the shrink guard counts addresses, IPv4 and IPv6 each by themselves, and lets exactly its share go', () => {
  const before = ['192.0.2.0/24', '192.0.2.0/26', '2001:db8::/64'];
  const exactly = ['192.0.2.0/25', '192.0.2.128/26', '2001:db8::/64'];
  assert.equal(shrinksTooFar(before, exactly, 0.25), false);
  assert.equal(shrinksTooFar(before, exactly, 0.2499999), true);
  const oneMore = [
    '192.0.2.0/25',
    '192.0.2.128/27',
    '192.0.2.160/28',
    '192.0.2.176/29',
    '192.0.2.184/30',
    '192.0.2.188/31',
    '192.0.2.190/32',
    '2001:db8::/64',
  ];
  assert.equal(shrinksTooFar(before, oneMore, 0.25), true, '65 of 256');
  // What came does not make up for what went; a whole IPv6 network is not nothing beside IPv4, nor the other way round.
  assert.equal(shrinksTooFar(before, ['203.0.113.0/24', '2001:db8::/64'], 0.25), true);
  assert.equal(shrinksTooFar(before, ['192.0.2.0/24'], 0.99), true);
  assert.equal(shrinksTooFar(before, ['2001:db8::/64'], 0.99), true);
  assert.equal(shrinksTooFar(before, ['192.0.2.0/24', '2001:db8::/65'], 0.5), false);
  assert.equal(shrinksTooFar(before, ['192.0.2.0/24', '2001:db8::/65', '2001:db8:1::/48'], 0.49), true);
  // Written otherwise, but the same addresses.
  assert.equal(shrinksTooFar(before, ['192.0.2.0/25', '192.0.2.128/25', '2001:db8::/64'], 0), false);
  assert.equal(shrinksTooFar(before, ['11.0.0.0/24'], 1), false);
  assert.equal(shrinksTooFar([], ['11.0.0.0/24'], 0), false);
});

test('a list that shrinks too far is held: the last good one holds until a person says yes', async (t) => {
  const home = await house(t);
  home.source.says(['198.51.100.0/24', '203.0.113.0/24']);
  await home.look();
  home.source.says(['198.51.100.0/24', '192.0.2.0/28']);
  assert.equal((await home.look()).outcome, 'held');
  assert.equal(await home.holds('203.0.113.4'), true);
  assert.equal(await home.holds('192.0.2.4'), false);
  const { held } = await home.list();
  assert.deepEqual(
    { added: held?.added, removed: held?.removed },
    { added: ['192.0.2.0/28'], removed: ['203.0.113.0/24'] },
  );
  // The same again is the same question.
  assert.equal((await home.look()).outcome, 'held');
  assert.equal((await home.list()).held?.mark, held?.mark);
  await assert.rejects(
    home.change((tx) => approveHeld(tx, { name: 'fleet', mark: 'another' })),
    refusal('conflict'),
  );
  await home.change((tx) => approveHeld(tx, { name: 'fleet', mark: held?.mark }));
  assert.equal(await home.holds('203.0.113.4'), false);
  assert.equal(await home.holds('192.0.2.4'), true);
  assert.equal((await home.list()).held, undefined);
  await assert.rejects(
    home.change((tx) => approveHeld(tx, { name: 'fleet' })),
    refusal('conflict'),
  );
  assert.deepEqual(await home.events(), ['relay.list-changed', 'relay.list-held', 'relay.list-changed']);
  assert.deepEqual(
    (await home.changes()).map((one) => one.outcome),
    ['approved', 'held', 'taken'],
  );
});

test('many small steps are no way around a person: what goes within a week is measured together', async (t) => {
  const home = await house(t);
  const all = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '11.0.0.0/24', '12.0.0.0/24'];
  home.source.says(all);
  await home.look();
  home.source.says(all.slice(1));
  assert.equal((await home.look()).outcome, 'taken', 'a fifth');
  home.clock.advance(6 * day);
  home.source.says(all.slice(2));
  assert.equal(
    (await home.look()).outcome,
    'held',
    'a quarter of what is left, two fifths of what there was',
  );
  home.source.says([...all.slice(2), '192.0.2.0/24']);
  assert.equal((await home.look()).outcome, 'taken', 'what came back never went');
  home.clock.advance(8 * day);
  home.source.says([...all.slice(3), '192.0.2.0/24']);
  assert.equal((await home.look()).outcome, 'taken');
  home.source.says(all.slice(3));
  await home.look();
  await home.change((tx) => approveHeld(tx, { name: 'fleet' }));
  home.source.says([...all.slice(4), '11.0.0.0/25', '11.0.0.128/26']);
  assert.equal((await home.look()).outcome, 'taken', 'a person agreed: measured anew');
});

test('a no is remembered for that publication; another one is asked about, and growth needs nobody', async (t) => {
  const home = await house(t);
  home.source.says(['198.51.100.0/24', '203.0.113.0/24']);
  await home.look();
  home.source.says(['198.51.100.0/24']);
  await home.look();
  const held = await home.change((tx) => dismissHeld(tx, { name: 'fleet' }));
  assert.deepEqual(held.removed, ['203.0.113.0/24']);
  assert.equal((await home.look()).outcome, 'dismissed');
  assert.equal((await home.list()).held, undefined);
  home.source.says(['203.0.113.0/24']);
  assert.equal((await home.look()).outcome, 'held');
  home.source.says(['198.51.100.0/24', '203.0.113.0/24', '192.0.2.0/24']);
  assert.equal((await home.look()).outcome, 'taken');
  assert.equal((await home.list()).held, undefined);
  // Once it was forgotten, the earlier publication is a question again.
  home.source.says(['198.51.100.0/24']);
  assert.equal((await home.look()).outcome, 'held');
  assert.equal(await home.holds('203.0.113.4'), true);
  // The publisher takes it back by itself.
  home.source.says(['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24']);
  assert.equal((await home.look()).outcome, 'unchanged');
  assert.equal((await home.list()).held, undefined);
});

test('whatever goes wrong there, the last good list holds; it is said once, and the look is made again soon', async (t) => {
  const home = await house(t);
  home.source.says(['198.51.100.0/24'], '"1"');
  await home.look();
  const bad: [() => Promise<{ status?: number; text?: string }>, RegExp][] = [
    [async () => ({ text: '' }), /no network/],
    [async () => ({ text: '{"items":[{"cidr' }), /cut off/],
    [async () => ({ text: '<html>' }), /a page/],
    [async () => ({ status: 503 }), /status 503/],
    [async () => ({ status: 304 }), /./],
    [async () => ({ text: '0.0.0.0/0' }), /wider/],
    [async () => ({ text: '10.0.0.0/8' }), /private/],
    [async () => Promise.reject(new NetRefused('too-slow')), /too long/],
    [async () => Promise.reject(new NetRefused('too-large')), /larger/],
  ];
  for (const [answer, why] of bad) {
    home.source.answers(answer);
    const look = await home.look();
    if (look.outcome === 'unchanged') continue;
    assert.equal(look.outcome, 'refused');
    assert.match(look.problem ?? '', why);
    await home.look();
    assert.equal(await home.holds('198.51.100.4'), true);
  }
  const refused = (await home.changes()).filter((one) => one.outcome === 'refused');
  assert.equal(refused.length, bad.length - 1, 'one each');
  home.source.says(['198.51.100.0/24'], '"1"');
  assert.equal((await home.look()).outcome, 'unchanged');
  assert.equal((await home.list()).problem, undefined);
});

test('a publisher that is away for good changes nothing, not even over a restart; after a day operators are warned', async (t) => {
  const home = await house(t);
  home.source.says(['198.51.100.0/24']);
  await home.look();
  home.source.answers(async () => Promise.reject(new NetRefused('unreachable')));
  const lines: string[] = [];
  const log = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } });
  const warnings = () => lines.filter((line) => line.includes('relay-list-stale')).length;
  for (let hours = 0; hours < 26; hours += 2) {
    const looks = await startListLooks({ ...home.needs, log });
    await looks.run();
    await looks.stop();
    home.clock.advance(2 * 3_600_000);
  }
  assert.equal((await home.list()).isStale, true);
  const looks = await startListLooks({ ...home.needs, log });
  lines.length = 0;
  await looks.run();
  await looks.run();
  assert.equal(warnings(), 1, 'once a day');
  home.clock.advance(400 * day);
  await looks.run();
  assert.equal(warnings(), 2);
  await looks.stop();
  const after = followLists({ database: home.database, log: home.log });
  assert.throws(() => after.listsNow(), /not read yet/, 'before the first reading nobody is turned away');
  const stop = await after.watch();
  assert.equal(after.listsNow().contains('fleet', '198.51.100.77'), true);
  await stop();
  home.source.says(['198.51.100.0/24']);
  await home.look();
  assert.equal((await home.list()).isStale, false);
});

test('two nodes: each look is made once, when it is due, and sooner after one that came to nothing', async (t) => {
  const home = await house(t);
  home.source.says(['198.51.100.0/24'], '"1"');
  const nodes = await Promise.all([1, 2].map(() => startListLooks(home.needs)));
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  const both = () => Promise.all(nodes.map((node) => node.run()));
  // The round that each begins with is over before time goes on: else nobody knows from when the hour counts.
  await both();
  assert.equal(home.source.asked.length, 1);
  home.clock.advance(59 * 60_000);
  await both();
  assert.equal(home.source.asked.length, 1, 'not due for another minute');
  home.clock.advance(60_000);
  home.source.answers(async () => ({ status: 500 }));
  await both();
  assert.equal(home.source.asked.length, 2);
  home.clock.advance(4 * 60_000);
  await both();
  assert.equal(home.source.asked.length, 2);
  home.clock.advance(60_000);
  await both();
  assert.equal(home.source.asked.length, 3);
});

test('of two looks under way at once only the one begun last says what it found', async (t) => {
  const home = await house(t);
  const first = Promise.withResolvers<{ text: string }>();
  home.source.answers(() => first.promise);
  const slow = home.look();
  while (home.source.asked.length < 1) await sleep(5);
  home.source.says(['203.0.113.0/24']);
  assert.equal((await home.look()).outcome, 'taken');
  first.resolve({ text: '192.0.2.0/24' });
  assert.equal((await slow).outcome, 'overtaken');
  assert.deepEqual((await home.list()).networks, ['203.0.113.0/24']);
});

test('a yes while a look comes in: what is in force is what was approved or what was published, never a mixture', async (t) => {
  const home = await house(t);
  for (let round = 0; round < 10; round += 1) {
    home.source.says(['198.51.100.0/24', '203.0.113.0/24', '192.0.2.0/24']);
    await home.look();
    if ((await home.list()).held) await home.change((tx) => approveHeld(tx, { name: 'fleet' }));
    home.source.says(['198.51.100.0/24']);
    await home.look();
    const { held } = await home.list();
    // Smaller still: whoever approved saw the one before.
    home.source.says(['198.51.100.0/26']);
    const approval = home.change((tx) => approveHeld(tx, { name: 'fleet', mark: held?.mark }));
    const [look, said] = await Promise.allSettled([home.look(), approval]);
    assert.equal(look.status, 'fulfilled');
    const now = await home.list();
    if (said.status === 'fulfilled') assert.deepEqual(now.networks, ['198.51.100.0/24']);
    else {
      assert.ok(refusal('conflict')(said.reason));
      assert.equal(now.networks.length, 3);
    }
    assert.deepEqual(now.held?.removed.includes('198.51.100.0/24'), true);
  }
});

test('networks by hand are in force beside what is published, private ones among them; changes are kept', async (t) => {
  const home = await house(t);
  home.source.says(['198.51.100.0/24']);
  await home.look();
  await home.change((tx) => setByHand(tx, 'fleet', ['10.1.2.3', '10.1.2.3/32', '2001:db8:7::/48']));
  assert.deepEqual((await home.list()).byHand, ['10.1.2.3/32', '2001:db8:7::/48']);
  assert.equal(await home.holds('10.1.2.3'), true);
  assert.equal(await home.holds('198.51.100.3'), true);
  const [latest] = await home.changes();
  assert.deepEqual(
    { outcome: latest?.outcome, added: latest?.added },
    { outcome: 'by-hand', added: ['10.1.2.3/32', '2001:db8:7::/48'] },
  );
  home.clock.advance(day);
  const old = new Date(home.clock.now().getTime() - day / 2);
  assert.equal(await home.change((tx) => deleteOldListChanges(tx, old)), 2);
  assert.deepEqual(await home.changes(), []);
  await assert.rejects(
    home.change((tx) => setByHand(tx, 'other', [])),
    refusal('relay-list-unknown'),
  );
  await assert.rejects(home.change((tx) => setByHand(tx, 'fleet', ['0.0.0.0/0'])));
  await home.settings({ url: undefined, networks: ['192.0.2.0/24'] });
  assert.equal(await home.holds('198.51.100.3'), false, 'what is published no more by anyone lets nobody in');
  assert.equal(await home.holds('192.0.2.1'), true);
  await assert.rejects(home.look(), refusal('relay-list-unknown'));
  assert.equal((await home.database.read(system(), allowLists)).length, 1);
});

test('a change is in force on every node within a second', async (t) => {
  const home = await house(t);
  const nodes = [1, 2].map(() => followLists({ database: home.database, log: home.log }));
  const stops = await Promise.all(nodes.map((node) => node.watch()));
  t.after(() => Promise.all(stops.map((stop) => stop())));
  home.source.says(['198.51.100.0/24']);
  const began = performance.now();
  await home.look();
  while (!nodes.every((node) => node.listsNow().contains('fleet', '198.51.100.1'))) {
    assert.ok(performance.now() - began < 1000);
    await sleep(5);
  }
});
