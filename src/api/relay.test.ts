/** Mail to alias mailboxes over the API: settings, switches, lists, the log, requests, and who may see what of them. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { findByUsername } from '#core/people/people.ts';
import { askForSender } from '#fronts/relay/choices.ts';
import { type NewMessage, noteMessage } from '#fronts/relay/messages.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { type AtlassianSimulator, startAtlassianSimulator } from '#simulators/scim/atlassian/atlassian.ts';
import { callApi } from '#test/api.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { freePort } from '#test/port.ts';

let platform: Platform;
let publisher: AtlassianSimulator;
let ada: string;
const tokens: Record<string, string> = {};

before(async () => {
  const port = await freePort();
  platform = await startPlatform({
    env: {
      GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
      GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
      GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}`,
    },
  });
  publisher = await startAtlassianSimulator({ log: platform.log, port });
  await platform.apply(`
applications: [{ id: jira, title: Jira }, { id: wiki, title: Wiki }]
people:
  - { username: ada, names: { displayName: Ada }, addresses: [ada@example.org] }
relay:
  senders: { jira: { networks: [list:atlassian], domains: [jira.test] } }
  allowlists:
    atlassian: { url: "${publisher.rangesUrl}", product: email, direction: egress }
`);
  await platform.database.transact(system('admin'), async (tx) => {
    for (const scope of ['owner', 'people', 'apps', 'help-desk', 'auditor', 'app-owner'] as const) {
      const application = scope === 'app-owner' ? 'jira' : undefined;
      tokens[scope] = (await createToken(tx, { name: scope, scopes: [scope], application })).token;
    }
    ada = (await findByUsername(tx, 'ada'))?.id ?? '';
  });
});

test.after(() => publisher.stop());

const call = (method: string, path: string, body?: unknown, as = 'owner') =>
  callApi(platform, tokens[as], method, path, body);

test('settings of all mail: what is left out stays, two at once both count, and switches are recorded', async () => {
  const { body: first } = await call('GET', '/relay', undefined, 'auditor');
  assert.deepEqual(first, {
    version: first.version,
    off: false,
    budgets: { perPerson: 500, perApp: 100_000 },
    logDays: 30,
    replyDays: 30,
  });
  const changes = [{ logDays: 7 }, { replyDays: 9 }, { budgets: { perPerson: 20 } }];
  const answers = await Promise.all(changes.map((one) => call('PATCH', '/relay', one)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  const { body: after } = await call('GET', '/relay');
  assert.deepEqual(after, {
    version: after.version,
    off: false,
    budgets: { perPerson: 20, perApp: 100_000 },
    logDays: 7,
    replyDays: 9,
  });
  assert.equal((await call('POST', '/relay/off', { off: true }, 'apps')).body.off, true);
  assert.equal((await call('POST', '/relay/off', { off: false })).body.off, false);
  const { body: events } = await call('GET', '/events?type=relay.paused');
  assert.deepEqual(events.items[0].data, { scope: 'everything' });
  for (const [method, path, body] of [
    ['PATCH', '/relay', { logDays: 1 }],
    ['POST', '/relay/off', { off: true }],
  ] as const)
    for (const role of ['people', 'help-desk', 'auditor', 'app-owner'])
      assert.equal((await call(method, path, body, role)).status, 403, `${role} ${path}`);
});

test('one app: its owner changes and stops it, no other; senders anybody could be are refused', async () => {
  const path = '/applications/jira/relay';
  const { body } = await call('GET', path, undefined, 'app-owner');
  assert.equal(body.mayWrite, true);
  assert.deepEqual(body.settings.networks, ['list:atlassian']);
  const changed = await call('PATCH', path, { mode: 'rewritten', budgets: { perApp: 50 } }, 'app-owner');
  assert.equal(changed.status, 200);
  assert.equal(changed.body.settings.mode, 'rewritten');
  assert.deepEqual(changed.body.settings.networks, ['list:atlassian'], 'what is left out stays');
  assert.deepEqual(changed.body.settings.budgets, { perApp: 50 });
  const wide = await call('PATCH', path, { networks: [], require: [] }, 'app-owner');
  assert.equal(wide.status, 422);
  assert.equal(wide.body.code, 'relay-senders-missing');
  const odd = await call('PATCH', path, { networks: ['0.0.0.0/0'] });
  assert.equal(odd.status, 400);
  assert.ok(odd.body.fields['networks.0']);
  assert.equal((await call('POST', `${path}/off`, { off: true }, 'app-owner')).body.settings.off, true);
  assert.equal((await call('POST', `${path}/off`, { off: false }, 'app-owner')).body.settings.off, false);
  for (const role of ['people', 'help-desk', 'auditor'])
    assert.equal((await call('PATCH', path, {}, role)).status, 403, role);
  assert.equal((await call('PATCH', '/applications/wiki/relay', {}, 'app-owner')).status, 404);
  const { body: mine } = await call('GET', '/relay/apps', undefined, 'app-owner');
  assert.deepEqual(
    mine.items.map((one: { application: string }) => one.application),
    ['jira'],
  );
  const { body: wiki } = await call('GET', '/applications/wiki/relay');
  const { version } = wiki;
  assert.deepEqual(wiki, { application: 'wiki', title: 'Wiki', enabled: true, mayWrite: false, version });
  assert.equal((await call('POST', '/applications/wiki/relay/off', { off: false })).body.mayWrite, false);
  assert.equal((await call('DELETE', '/applications/wiki/relay')).status, 204);
  assert.equal((await call('GET', '/applications/wiki/relay')).body.settings, undefined);
});

test('a list: looked at now, held when it shrinks, decided by what was seen, added to by hand', async () => {
  const path = '/relay/lists/atlassian';
  const look = await call('POST', `${path}/check`, {});
  assert.ok(['taken', 'unchanged'].includes(look.body.outcome), JSON.stringify(look.body));
  const { body: list } = await call('GET', path, undefined, 'auditor');
  assert.deepEqual(list.networks, [
    '192.0.2.0/25',
    '192.0.2.128/26',
    '198.51.100.0/24',
    '203.0.113.0/26',
    '2001:db8:64::/48',
  ]);
  assert.deepEqual(list.apps, ['jira']);
  publisher.ranges.set({ state: 'shrunk' });
  assert.equal((await call('POST', `${path}/check`, {})).body.outcome, 'held');
  const { body: waiting } = await call('GET', '/relay/lists');
  assert.equal(waiting.items[0].held.removed, 2);
  const { held } = (await call('GET', path)).body;
  assert.equal((await call('POST', `${path}/approve`, { mark: 'x' })).status, 409);
  assert.equal((await call('POST', `${path}/approve`, { mark: held.mark }, 'auditor')).status, 403);
  publisher.ranges.set({ state: 'whole', remove: ['198.51.100.0/24'] });
  assert.equal((await call('POST', `${path}/check`, {})).body.outcome, 'held');
  assert.equal(
    (await call('POST', `${path}/approve`, { mark: held.mark })).status,
    409,
    'another one by now',
  );
  const now = (await call('GET', path)).body.held;
  assert.deepEqual(now.removed, ['198.51.100.0/24']);
  assert.equal((await call('POST', `${path}/dismiss`, { mark: now.mark })).body.held, undefined);
  assert.equal(
    (await call('POST', `${path}/check`, {})).body.outcome,
    'unchanged',
    'the same as was refused',
  );
  publisher.ranges.set({ state: 'empty' });
  const empty = await call('POST', `${path}/check`, {});
  assert.match(empty.body.problem, /no network of the product email/);
  assert.equal((await call('GET', path)).body.networks.length, 5);
  const byHand = await call('PUT', `${path}/networks`, { networks: ['127.0.0.1', '::1'] });
  assert.deepEqual(byHand.body.byHand, ['127.0.0.1/32', '::1/128']);
  const { body: changes } = await call('GET', `${path}/changes?limit=2`);
  assert.deepEqual(
    changes.items.map((one: { outcome: string }) => one.outcome),
    ['by-hand', 'refused'],
  );
  const { body: more } = await call('GET', `${path}/changes?limit=2&cursor=${changes.next}`);
  assert.deepEqual(
    more.items.map((one: { outcome: string }) => one.outcome),
    ['dismissed', 'held'],
  );
  assert.equal((await call('DELETE', path)).body.code, 'relay-list-used');
  assert.equal(
    (await call('PUT', '/relay/lists/mine', { settings: { networks: ['192.0.2.1'] } })).status,
    200,
  );
  assert.ok((await call('POST', '/relay/lists/mine/check', {})).body.fields.name);
  assert.equal((await call('DELETE', '/relay/lists/mine')).status, 204);
  assert.equal((await call('GET', '/relay/lists/mine')).status, 404);
});

async function note(entry: Partial<NewMessage>): Promise<string> {
  const id = newId();
  await noteMessage(platform.database, {
    id,
    at: platform.clock.now(),
    person: ada,
    application: 'jira',
    recipientClass: 'alias',
    verdict: 'relayed',
    reason: 'passed-on',
    via: 'relay',
    sender: 'bounce@jira.test',
    headerFrom: 'jira@jira.test',
    recipient: 'ada@people.harbour.test',
    client: '192.0.2.7',
    bytes: 1000,
    answer: '250 queued for ada@example.org',
    ...entry,
  });
  platform.clock.advance(1000);
  return id;
}

test('the log: filtered, in pages, without people for whoever may not see them', async () => {
  const first = await note({});
  await note({ verdict: 'refused', reason: 'unproved' });
  await note({
    application: 'wiki',
    verdict: 'refused',
    reason: 'size',
    person: undefined,
    recipient: 'eve@people.harbour.test',
  });
  await note({ recipientClass: 'reply', sender: 'ada@example.org', headerFrom: 'ada@example.org' });
  const { body: page } = await call('GET', '/relay/messages?limit=3');
  assert.equal(page.items.length, 3);
  const { body: last } = await call('GET', `/relay/messages?limit=3&cursor=${page.next}`);
  assert.deepEqual(
    last.items.map((one: { id: string }) => one.id),
    [first],
  );
  assert.deepEqual(last.items[0].person, { id: ada, displayName: 'Ada', username: 'ada' });
  assert.match(last.items[0].because, /smart host has taken/);
  const count = async (query: string, as?: string) =>
    (await call('GET', `/relay/messages?${query}`, undefined, as)).body.items?.length;
  assert.equal(await count('verdict=refused'), 2);
  assert.equal(await count('reason=size'), 1);
  assert.equal(await count('application=wiki'), 1);
  assert.equal(await count(`person=${ada}`), 3);
  assert.equal(await count('sender=EVE@'), 1);
  assert.equal(await count(`since=${new Date(platform.clock.now().getTime() - 1500).toISOString()}`), 1);
  assert.equal(
    (await call('GET', `/relay/messages?limit=3&verdict=refused&cursor=${page.next}`)).status,
    400,
  );
  for (const role of ['apps', 'app-owner']) {
    const log = await call('GET', '/applications/jira/relay/messages', undefined, role);
    assert.equal(log.body.items.length, 3);
    // Ids are hexadecimal, and may hold these letters.
    assert.doesNotMatch(
      JSON.stringify(log.body),
      /(?<![0-9a-f-])ada(?![0-9a-f-])|example\.org|people\.harbour/i,
      role,
    );
    assert.match(JSON.stringify(log.body), /bounce@jira\.test/);
    const why = await call('GET', '/applications/jira/relay/messages?reason=unproved', undefined, role);
    assert.deepEqual(
      why.body.items.map((one: { reason: string }) => one.reason),
      ['unproved'],
    );
  }
  assert.equal(await count('sender=ada', 'apps'), undefined);
  assert.equal((await call('GET', `/relay/messages?person=${ada}`, undefined, 'apps')).status, 403);
  assert.equal((await call('GET', '/relay/messages', undefined, 'app-owner')).status, 403);
  assert.equal((await call('GET', '/applications/wiki/relay/messages', undefined, 'app-owner')).status, 404);
  const own = await call('GET', `/people/${ada}/relay/messages`, undefined, 'help-desk');
  assert.equal(own.body.items.length, 3);
  assert.match(own.body.items[2].answer, /ada@example\.org/);
  assert.equal((await call('GET', `/people/${ada}/relay/messages`, undefined, 'apps')).status, 403);
  assert.equal(
    (await call('GET', `/relay/messages/${first}`, undefined, 'auditor')).body.recipient,
    'ada@people.harbour.test',
  );
  assert.equal((await call('GET', `/relay/messages/${first}`, undefined, 'apps')).body.recipient, undefined);
  assert.equal((await call('GET', `/relay/messages/${ada}`)).status, 404);
});

test('volumes by app and day, and what is used of a budget', async () => {
  const { body } = await call('GET', '/relay/counts?days=2', undefined, 'auditor');
  const of = (application: string, verdict: string) =>
    body.items
      .filter(
        (one: { application?: string; verdict: string }) =>
          one.application === application && one.verdict === verdict,
      )
      .reduce((sum: number, one: { messages: number }) => sum + one.messages, 0);
  assert.equal(of('jira', 'relayed'), 2);
  assert.equal(of('wiki', 'refused'), 1);
  const size = body.items.find((one: { reason: string }) => one.reason === 'size');
  assert.match(size.because, /larger than the app may send/);
  assert.deepEqual(body.today, [{ application: 'jira', used: 0, perApp: 50, perPerson: 20 }]);
  const { body: mine } = await call('GET', '/applications/jira/relay/counts', undefined, 'app-owner');
  assert.ok(mine.items.every((one: { application: string }) => one.application === 'jira'));
});

test('the help desk pauses and resumes the mail of a person', async () => {
  const path = `/people/${ada}/relay`;
  assert.deepEqual((await call('GET', path, undefined, 'help-desk')).body.items, []);
  const paused = await call('POST', `${path}/pause`, { paused: true }, 'help-desk');
  assert.deepEqual(paused.body.items, [{ paused: true, digests: true, reveal: false }]);
  const ask = { client: '192.0.2.7', sender: 'x@jira.test', recipient: 'ada@people.harbour.test' };
  const explained = await call('POST', '/relay/explain', ask, 'help-desk');
  assert.equal(explained.body.reason, 'paused');
  assert.match(explained.body.because, /All mail to the person is paused/);
  assert.match(explained.body.answer, /^550 5\.1\.1/);
  assert.equal(explained.body.person.username, 'ada');
  assert.equal((await call('POST', `${path}/pause`, { paused: true, application: 'nowhere' })).status, 404);
  assert.equal((await call('POST', `${path}/pause`, { paused: false }, 'apps')).status, 403);
  await call('POST', `${path}/pause`, { paused: false }, 'help-desk');
  const again = await call('POST', '/relay/explain', ask);
  assert.equal(again.body.admitted, true);
  assert.deepEqual(again.body.lists, ['atlassian']);
  assert.deepEqual(again.body.apps[0].domains, ['jira.test']);
  assert.deepEqual(again.body.apps[0].holds, []);
  await call('POST', `${path}/pause`, { paused: true, application: 'jira' }, 'help-desk');
  const held = await call('POST', '/relay/explain', ask);
  assert.deepEqual([held.body.admitted, held.body.reason], [true, 'app-paused']);
  assert.deepEqual(held.body.apps[0].holds[0].classes, ['notification']);
  await call('POST', `${path}/pause`, { paused: false, application: 'jira' }, 'help-desk');
  const stranger = await call('POST', '/relay/explain', { ...ask, client: '11.1.1.1' });
  assert.equal(stranger.body.reason, 'no-sender');
  assert.equal((await call('POST', '/relay/explain', { ...ask, client: 'somewhere' })).status, 400);
});

const asked = (sender: string, application?: string) =>
  platform.database.transact(system('request'), (tx) =>
    askForSender(tx, { person: ada, sender, application }),
  );

test('a request to let a sender write adds its domain, or says why that helps nobody; each is decided once', async () => {
  const news = await asked('news.example', 'jira');
  const { body: open } = await call('GET', '/relay/requests?state=open');
  assert.equal(open.items[0].person.username, 'ada');
  assert.doesNotMatch(
    JSON.stringify((await call('GET', '/relay/requests', undefined, 'apps')).body),
    /(?<![0-9a-f-])ada(?![0-9a-f-])/i,
  );
  const path = `/relay/requests/${news.id}`;
  for (const role of ['people', 'help-desk', 'auditor', 'app-owner'])
    assert.equal((await call('POST', `${path}/allow`, {}, role)).status, 403);
  const both = await Promise.all([
    call('POST', `${path}/allow`, { answer: 'Welcome.' }),
    call('POST', `${path}/refuse`, {}),
  ]);
  assert.equal(
    both.filter(({ status }) => status === 200).length,
    1,
    JSON.stringify(both.map(({ body }) => body.code)),
  );
  const again = await asked('other.example');
  const nameless = await call('POST', `/relay/requests/${again.id}/allow`, {});
  assert.equal(nameless.body.code, 'application-unknown');
  const done = await call('POST', `/relay/requests/${again.id}/allow`, { application: 'jira' });
  assert.equal(done.body.added, true);
  assert.equal(done.body.request.state, 'allowed');
  assert.ok((await call('GET', '/applications/jira/relay')).body.settings.domains.includes('other.example'));
  assert.equal(
    (await call('POST', `/relay/requests/${again.id}/refuse`, {})).body.code,
    'relay-request-unknown',
  );
  const same = await asked('other.example', 'jira');
  const useless = await call('POST', `/relay/requests/${same.id}/allow`, {});
  assert.equal(useless.body.added, false);
  assert.match(useless.body.why, /already/);
  assert.equal(useless.body.request.state, 'open');
  const refused = await call('POST', `/relay/requests/${same.id}/refuse`, { answer: 'It is not proved.' });
  assert.equal(refused.body.answer, 'It is not proved.');
});

test('the overview says what is stopped and what waits for a person', async () => {
  await asked('third.example');
  publisher.ranges.set({ state: 'shrunk' });
  await call('POST', '/relay/lists/atlassian/check', {});
  publisher.ranges.set({ state: 'page' });
  platform.clock.advance(25 * 3_600_000);
  await call('POST', '/relay/lists/atlassian/check', {});
  await call('POST', '/relay/off', { off: true });
  await platform.database.query(
    `insert into relay_budgets (day, application, person, used) values ($1, 'jira', null, 100000)`,
    [platform.clock.now().toISOString().slice(0, 10)],
  );
  const { body } = await call('GET', '/overview', undefined, 'auditor');
  const relay = body.concerns.filter((one: { code: string }) => one.code.startsWith('relay-'));
  assert.deepEqual(
    relay.map(({ code, list, count }: Record<string, unknown>) => ({ code, list, count })),
    [
      { code: 'relay-off', list: undefined, count: undefined },
      { code: 'relay-list-held', list: 'atlassian', count: 3 },
      { code: 'relay-list-stale', list: 'atlassian', count: undefined },
      { code: 'relay-budget', list: undefined, count: 100_000 },
      { code: 'relay-requests', list: undefined, count: 1 },
    ],
  );
  const { body: help } = await call('GET', '/overview', undefined, 'help-desk');
  assert.doesNotMatch(JSON.stringify(help.concerns), /relay-/);
});
