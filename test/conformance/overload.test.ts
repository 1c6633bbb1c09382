/** More people than the machine can hash for: told to wait, never told of a fault. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSetup, setupToken } from '#core/operators/setup.ts';
import { HashingBusy } from '#kit/crypto/passwords.ts';
import { system } from '#kit/db/database.ts';
import { startPlatform } from '#test/kit.ts';
import { addPeople, behindProxy, mailedLink, stranger } from './stage.ts';

const right = 'plum violin tractor';

test('sign-up, recovery and set-up say that it is busy while no password can be hashed, and work afterwards', async (t) => {
  const web = await startPlatform({ env: behindProxy });
  await addPeople(web, [{ username: 'anna', password: right, address: 'anna@example.org' }]);
  const asking = stranger(web);
  await asking.open('/recover');
  await asking.submit({ username: 'anna' }, '/recover');
  const link = await mailedLink(web, 'anna@example.org', '/recover/new');
  const setup = await web.database.transact(system(), openSetup);
  const names = {
    given_name: 'Bo',
    family_name: 'Ek',
    username: 'bo.ek',
    email: 'bo@example.org',
    password: right,
  };
  const forms = [
    { url: '/sign-up', action: '/sign-up', fields: names },
    { url: link, action: '/recover/new', fields: { password: 'seven lanterns float' } },
    {
      url: `/admin/setup?token=${setupToken(web.secrets, setup!)}`,
      action: '/admin/setup',
      fields: { ...names, username: 'olga', email: 'olga@example.org' },
    },
  ];
  for (const { url, action, fields } of forms) {
    const visitor = stranger(web);
    await visitor.open(url);
    const crowd = t.mock.method(web.hasher, 'hash', async () => {
      throw new HashingBusy('Too many people at once.');
    });
    const busy = await visitor.submit(fields, action);
    assert.equal(busy.status, 503, action);
    assert.match(busy.text, /Try again in a few seconds/);
    crowd.mock.restore();
    await visitor.open(url);
    const done = await visitor.submit(fields, action);
    assert.ok(done.status < 400, `${action}: ${done.status}`);
  }
});

test('F-19 while too many wait for the database apps are told 503 and when to come again, people a page, and neither a fault', async (t) => {
  const web = await startPlatform({ env: behindProxy });
  const secret = 'a-secret-of-at-least-thirty-two-characters';
  await web.apply(`applications:
  - id: tracker
    title: Tracker
    secret: ${secret}
    oidc: { redirectUris: ["http://127.0.0.1:9/callback"], grants: [authorization_code, client_credentials, refresh_token, "urn:ietf:params:oauth:grant-type:device_code"] }
`);
  const authorization = `Basic ${btoa(`tracker:${secret}`)}`;
  const form = { 'content-type': 'application/x-www-form-urlencoded', authorization };
  const post = (body: Record<string, string>) => ({
    method: 'POST',
    headers: form,
    body: new URLSearchParams(body).toString(),
  });
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, web.origin), { redirect: 'manual', ...init });
  const authorize = new URLSearchParams({
    client_id: 'tracker',
    response_type: 'code',
    scope: 'openid',
    redirect_uri: 'http://127.0.0.1:9/callback',
  });
  const credentials = post({ grant_type: 'client_credentials' });
  const token = ((await (await ask('/oidc/token', credentials)).json()) as { access_token: string })
    .access_token;
  const apps: [path: string, init: RequestInit][] = [
    [
      '/oidc/token',
      post({ grant_type: 'authorization_code', code: 'x', redirect_uri: 'http://127.0.0.1:9/callback' }),
    ],
    ['/oidc/token', post({ grant_type: 'refresh_token', refresh_token: 'x' })],
    ['/oidc/userinfo', { headers: { authorization: `Bearer ${token}` } }],
    ['/oidc/introspection', post({ token })],
    ['/oidc/revocation', post({ token })],
    ['/oidc/par', post(Object.fromEntries(authorize))],
    ['/oidc/device', post({ scope: 'openid' })],
  ];
  const crowd = t.mock.getter(web.database.pool, 'waitingCount', () => 5000);
  const from = web.lines.length;
  for (const [path, init] of apps) {
    const answer = await ask(path, init);
    const body = await answer.text();
    assert.equal(answer.status, 503, `${path}: ${body}`);
    assert.match(answer.headers.get('retry-after') ?? '', /^[2-5]$/, path);
    assert.equal(answer.headers.get('cache-control'), 'no-store', path);
    assert.equal(JSON.parse(body).error, 'temporarily_unavailable', path);
    const reference = answer.headers.get('x-request-id');
    assert.ok(
      web.lines.some((line) => line.includes(`"${reference}"`) && line.includes('"code":"busy"')),
      `${path} is in the log`,
    );
  }
  const own = await ask('/oidc/token', credentials);
  assert.equal(own.status, 200, 'an app’s token for itself needs no database');
  const page = await ask(`/oidc/auth?${authorize}`, { headers: { accept: 'text/html' } });
  assert.deepEqual(
    [page.status, page.headers.get('location')],
    [503, null],
    'people may try again themselves',
  );
  assert.match(page.headers.get('retry-after') ?? '', /^[2-5]$/);
  const text = await page.text();
  assert.match(text, /Try again in a few seconds/);
  assert.doesNotMatch(text, /server_error|oops/);
  crowd.mock.restore();
  const told = web.lines.slice(from).map((line) => JSON.parse(line) as Record<string, unknown>);
  // Workers say that they could not look; nothing that was asked ends as a fault of ours.
  const faults = told.filter(({ level, reference }) => level === 'error' && reference !== undefined);
  assert.deepEqual(faults, []);
  const reference = page.headers.get('x-request-id');
  assert.ok(told.some((line) => line.reference === reference && line.code === 'busy'));
  assert.equal((await ask('/oidc/token', credentials)).status, 200, 'and goes on afterwards');
  const active = (await (await ask('/oidc/introspection', post({ token }))).json()) as { active: boolean };
  assert.equal(active.active, true, 'what could not be taken back is still there');
});
