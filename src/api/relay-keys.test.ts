/** Keys of mail over the API: made, published, in use, gone. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { callApi } from '#test/api.ts';
import { startDns, type TestDns } from '#test/dns.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

let platform: Platform;
let dns: TestDns;
const tokens: Record<string, string> = {};

before(async () => {
  dns = await startDns();
  platform = await startPlatform({
    env: {
      GATEHOUSE_DNS_SERVERS: dns.server,
      GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
      GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
    },
  });
  await platform.database.transact(system('admin'), async (tx) => {
    for (const scope of ['admin', 'people', 'auditor'])
      tokens[scope] = (await createToken(tx, { name: scope, scopes: [scope as 'admin'] })).token;
  });
});

after(() => dns.close());

const call = (method: string, path: string, body?: unknown, as = 'admin') =>
  callApi(platform, tokens[as], method, `/relay/keys${path}`, body);

test('a key is made, published, in use and withdrawn, and its private part is never shown', async () => {
  const made = await call('POST', '', { domain: 'People.harbour.test' });
  assert.equal(made.status, 201);
  const { id, name, record, state, algorithm } = made.body;
  assert.deepEqual([state, algorithm], ['next', 'rsa-sha256']);
  assert.equal(name, `${made.body.selector}._domainkey.people.harbour.test`);
  assert.equal((await call('POST', '', { domain: 'people.harbour.test' })).body.id, id);
  assert.equal((await call('POST', '/look', {})).body.items[0].state, 'next');
  dns.set(name, { TXT: [record] });
  await new Promise((done) => setTimeout(done, 10));
  assert.equal((await call('POST', '/look', {})).body.items[0].state, 'active');
  const second = await call('POST', '', { domain: 'people.harbour.test', algorithm: 'rsa-sha256' });
  assert.equal((await call('POST', `/${second.body.id}/activate`, {})).body.state, 'active');
  const list = await call('GET', '', undefined, 'auditor');
  assert.deepEqual(
    list.body.items.map((one: { state: string }) => one.state),
    ['retiring', 'active'],
  );
  assert.ok(Date.parse(list.body.items[0].keepUntil) > Date.parse(list.body.items[0].changedAt));
  assert.doesNotMatch(list.text, /private|PRIVATE|sealed/);
  assert.deepEqual(list.body.domains, ['people.harbour.test', 'harbour.test']);
  assert.equal((await call('DELETE', `/${id}`)).status, 204);
  assert.equal((await call('DELETE', `/${id}`)).status, 404);
  assert.equal((await call('POST', `/${id}/activate`, {})).status, 404);
});

test('a look that nobody answers is told from one that finds nothing', async () => {
  const { id, name, record } = (await call('POST', '', { domain: 'harbour.test' })).body;
  const look = async () => {
    const { body } = await call('POST', '/look', {});
    const { state } = body.items.find((one: { id: string }) => one.id === id);
    return [state, body.unanswered];
  };
  dns.remove(name);
  assert.deepEqual(await look(), ['next', []]);
  for (const how of ['servfail', 'refused'] as const) {
    dns.fail(name, how);
    assert.deepEqual(await look(), ['next', [id]], how);
  }
  dns.fail(name, undefined);
  dns.set(name, { TXT: [record] });
  assert.deepEqual(await look(), ['active', []]);
  assert.equal((await call('DELETE', `/${id}`)).status, 204);
});

test('keys are for domains of ours, and for owners to change', async () => {
  const other = await call('POST', '', { domain: 'elsewhere.test' });
  assert.equal(other.status, 400);
  assert.match(other.text, /people\.harbour\.test and harbour\.test/);
  assert.equal((await call('POST', '', { domain: 'harbour.test', algorithm: 'rsa-sha1' })).status, 400);
  assert.equal((await call('GET', '', undefined, 'people')).status, 403);
  for (const [method, path, body] of [
    ['POST', '', { domain: 'harbour.test' }],
    ['POST', '/look', {}],
  ] as const)
    assert.equal((await call(method, path, body, 'auditor')).status, 403);
});
