/** Two operators who change the relay at once: whoever says what they have seen never writes over what they have not. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { callApi } from '#test/api.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

let platform: Platform;
let token: string;

before(async () => {
  platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' } });
  await platform.apply(`
applications: [{ id: jira, title: Jira }, { id: wiki, title: Wiki }]
relay: { senders: { jira: { networks: [192.0.2.0/24] } } }
`);
  token = await platform.database.transact(
    system('admin'),
    async (tx) => (await createToken(tx, { name: 'owner', scopes: ['owner'] })).token,
  );
});

async function call(method: string, path: string, body?: unknown, ifMatch?: string) {
  const sent: Record<string, string> = ifMatch === undefined ? {} : { 'if-match': ifMatch };
  const { status, headers, body: read = {} } = await callApi(platform, token, method, path, body, sent);
  return { status, etag: headers.get('etag') ?? '', body: read };
}

const codeOf = ({ status, body }: Awaited<ReturnType<typeof call>>) => [status, body.code];

/** Places that are changed, each with two changes that do not meet, and what is read of them. */
const places = [
  { path: '/relay', method: 'PATCH', one: { logDays: 7 }, other: { logDays: 8 } },
  {
    path: '/applications/jira/relay',
    method: 'PATCH',
    one: { domains: ['one.test'] },
    other: { domains: ['other.test'] },
  },
  {
    path: '/applications/wiki/relay',
    method: 'PATCH',
    one: { networks: ['198.51.100.1/32'] },
    other: { networks: ['198.51.100.2/32'] },
  },
  {
    path: '/relay/lists/fleet',
    method: 'PUT',
    one: { settings: { networks: ['203.0.113.1'] } },
    other: { settings: { networks: ['203.0.113.2'] } },
  },
  {
    path: '/relay/lists/fleet',
    method: 'PUT',
    at: '/networks',
    one: { networks: ['203.0.113.3'] },
    other: { networks: ['203.0.113.4'] },
  },
] as const;

test('whoever saw another version is refused, in the header and in the body, and nothing is changed', async () => {
  await call('PUT', '/relay/lists/fleet', { settings: { networks: ['203.0.113.9'] } });
  for (const { path, method, one, other, ...rest } of places) {
    const target = `${path}${'at' in rest ? rest.at : ''}`;
    const seen = await call('GET', path);
    assert.equal(seen.etag, `"${seen.body.version}"`, target);
    const { version } = seen.body;
    const first = await call(method, target, { ...one, version });
    assert.equal(first.status, 200, `${target}: ${JSON.stringify(first.body)}`);
    assert.notEqual(first.body.version, version);
    assert.equal(first.etag, `"${first.body.version}"`);
    const late = await call(method, target, { ...other, version });
    assert.deepEqual(codeOf(late), [409, 'conflict'], target);
    assert.equal(late.body.fields.version.code, 'conflict');
    assert.deepEqual(codeOf(await call(method, target, other, seen.etag)), [412, 'conflict'], target);
    assert.deepEqual((await call('GET', path)).body, first.body, `${target} stays`);
    assert.equal((await call(method, target, other, first.etag)).status, 200, target);
    assert.equal((await call(method, target, one, '*')).status, 200);
    assert.equal((await call(method, target, other)).status, 200, 'whoever says nothing is taken as before');
  }
});

test('AD-09 of many who saw the same version of mail’s settings one changes them', async () => {
  for (const { path, method, one, ...rest } of places) {
    const { etag } = await call('GET', path);
    const tries = Array.from({ length: 8 }, () =>
      call(method, `${path}${'at' in rest ? rest.at : ''}`, one, etag),
    );
    const answers = (await Promise.all(tries)).map(({ status }) => status).sort();
    assert.deepEqual(answers, [200, ...Array<number>(7).fill(412)], path);
  }
});

test('what others change elsewhere is in nobody’s way: switches, lists, other apps', async () => {
  const house = await call('GET', '/relay');
  const jira = await call('GET', '/applications/jira/relay');
  const fleet = await call('GET', '/relay/lists/fleet');
  await call('POST', '/relay/off', { off: true });
  await call('POST', '/applications/jira/relay/off', { off: true });
  await call('PUT', '/relay/lists/harbour', { settings: { networks: ['203.0.113.77'] } });
  await call('PATCH', '/applications/wiki/relay', { domains: ['elsewhere.test'] });
  assert.equal((await call('PATCH', '/relay', { replyDays: 9 }, house.etag)).status, 200);
  const kept = await call('PATCH', '/applications/jira/relay', { tls: true }, jira.etag);
  assert.deepEqual([kept.status, kept.body.settings.off], [200, true], 'and the switch stays as it is');
  const path = '/relay/lists/fleet/networks';
  assert.equal((await call('PUT', path, { networks: ['203.0.113.5'] }, fleet.etag)).status, 200);
  await call('POST', '/relay/off', { off: false });
});

test('a list is added where there is none, and not changed once it is gone', async () => {
  const path = '/relay/lists/quay';
  const settings = { networks: ['203.0.113.20'] };
  const tries = Array.from({ length: 4 }, () => call('PUT', path, { settings, version: null }));
  const answers = (await Promise.all(tries)).map(({ status }) => status).sort();
  assert.deepEqual(answers, [200, 409, 409, 409], 'of many who add the same, one does');
  const { body, etag } = await call('GET', path);
  await call('PUT', path, { settings: { networks: ['203.0.113.21'] } });
  assert.deepEqual(codeOf(await call('DELETE', path, undefined, etag)), [412, 'conflict']);
  assert.equal((await call('DELETE', path)).status, 204);
  assert.deepEqual(codeOf(await call('PUT', path, { settings, version: body.version })), [409, 'conflict']);
  assert.deepEqual(codeOf(await call('PUT', path, { settings }, '*')), [412, 'conflict']);
  assert.equal((await call('GET', path)).status, 404, 'nobody brings it back unawares');
});

test('an app nothing was kept for has a version too, and taking away what others changed is refused', async () => {
  const path = '/applications/wiki/relay';
  assert.equal((await call('DELETE', path)).status, 204);
  const none = await call('GET', path);
  assert.equal(none.body.settings, undefined);
  const { version } = none.body;
  const begun = await call('PATCH', path, { networks: ['198.51.100.7/32'], version });
  assert.equal(begun.status, 200);
  assert.deepEqual(codeOf(await call('PATCH', path, { tls: true, version })), [409, 'conflict']);
  assert.deepEqual(codeOf(await call('DELETE', path, undefined, none.etag)), [412, 'conflict']);
  assert.equal((await call('DELETE', path, undefined, begun.etag)).status, 204);
});
