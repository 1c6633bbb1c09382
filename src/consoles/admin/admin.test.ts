import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { routeList } from '#kit/http/server.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { ensureConsole } from '../../../tools/console.ts';

const password = 'lantern harbour nine';
const community = `
groups: [{ name: staff }]
applications:
  - { id: tracker, title: Tracker, oidc: { redirectUris: ['https://tracker.example.org/cb'] } }
  - { id: commons, title: Commons, oidc: { redirectUris: ['https://commons.example.org/cb'] } }
people:
  - { username: root, password: ${password}, addresses: [root@example.org], operator: owner }
  - { username: app.keeper, password: ${password}, addresses: [keeper@example.org], operator: apps }
  - { username: own.keeper, password: ${password}, addresses: [own@example.org], operator: { role: app-owner, application: tracker } }
  - { username: visitor, password: ${password}, addresses: [visitor@example.org] }
`;

let platform: Platform;

before(async () => {
  await ensureConsole();
  platform = await startPlatform();
  await platform.apply(community);
});

async function signedIn(username: string): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(username, password);
  return visitor;
}

/** What our script sends: the session's cookie, our Origin, and the header no form can set. */
function api(
  visitor: Visitor,
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) {
  const own = { origin: platform.origin, 'sec-fetch-site': 'same-origin', 'x-gatehouse-console': '1' };
  return visitor.request(`/api/v1${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(headers ?? own) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

test('AD-04 the console opens at the first page a role may see, and app owners see their own apps alone', async () => {
  const keeper = await (await signedIn('app.keeper')).open('/admin');
  assert.equal(keeper.status, 200);
  assert.match(keeper.url, /\/admin\/groups$/);
  const mine = await signedIn('own.keeper');
  const owner = await mine.open('/admin');
  assert.match(owner.url, /\/admin\/apps$/);
  const seen = await api(mine, 'GET', '/applications');
  assert.match(seen.text, /Tracker/);
  assert.doesNotMatch(seen.text, /Commons/);
  for (const path of ['/admin/people', '/admin/people/x', '/admin/tokens', '/admin/events'])
    assert.equal((await mine.request(path)).status, 403, path);
  assert.equal((await (await signedIn('visitor')).open('/admin')).status, 403);
  assert.equal((await mine.request('/admin/nowhere')).status, 404);
});

test('the frame brings script and styles of ours alone, hashed and kept, and lets no text become markup', async () => {
  const visitor = await signedIn('root');
  const page = await visitor.open('/admin/people');
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /require-trusted-types-for 'script'; trusted-types 'none'/);
  assert.equal(page.headers.get('cache-control'), 'no-store');
  for (const [file, type] of [
    ['console.js', 'text/javascript'],
    ['console.css', 'text/css'],
  ] as const) {
    const url = new RegExp(`/assets/[\\w-]{16}/${file}`).exec(page.text)?.[0] ?? '';
    const asset = await visitor.request(url);
    assert.equal(asset.status, 200, file);
    assert.match(asset.headers.get('content-type') ?? '', new RegExp(type));
    assert.match(asset.headers.get('cache-control') ?? '', /immutable/);
    assert.equal((await visitor.request(`/assets/aaaaaaaaaaaaaaaa/${file}`)).status, 404);
  }
});

test('FE-01 every route of the API that changes something refuses a session without our Origin or our header', async () => {
  const visitor = await signedIn('root');
  const routes = routeList(platform.app!).filter(
    ({ door, method }) => door === 'api' && !/^(?:GET|HEAD)$/.test(method),
  );
  assert.ok(routes.length >= 15, `${routes.length}`);
  const fill = (url: string) => url.replace('/api/v1', '').replaceAll(/:\w+/g, 'tracker');
  const origin = platform.origin;
  const refused: Record<string, Record<string, string>> = {
    'no header': { origin, 'sec-fetch-site': 'same-origin' },
    'another origin': { origin: 'https://evil.example', 'x-gatehouse-console': '1' },
    'a sandboxed frame': { origin: 'null', 'x-gatehouse-console': '1' },
    'another site': { origin, 'sec-fetch-site': 'cross-site', 'x-gatehouse-console': '1' },
    'a sibling': { origin, 'sec-fetch-site': 'same-site', 'x-gatehouse-console': '1' },
    'no origin': { 'x-gatehouse-console': '1' },
  };
  for (const { method, url } of routes)
    for (const [name, headers] of Object.entries(refused)) {
      const seen = await api(visitor, method, fill(url), {}, headers);
      assert.equal(seen.status, 403, `${method} ${url}: ${name}`);
      assert.equal(JSON.parse(seen.text).code, 'form-stale');
    }
  const elsewhere = { 'sec-fetch-site': 'cross-site' };
  assert.equal((await api(visitor, 'GET', '/people', undefined, elsewhere)).status, 403);
  assert.equal((await api(visitor, 'GET', '/people')).status, 200);
});

test('a bad token is refused also in a browser that is signed in, and a session without a role opens nothing', async () => {
  const root = await signedIn('root');
  const seen = await api(root, 'GET', '/people', undefined, { authorization: 'Bearer gh_x' });
  assert.equal(JSON.parse(seen.text).code, 'token-refused');
  for (const path of ['/whoami', '/people', '/overview'])
    assert.equal((await api(await signedIn('visitor'), 'GET', path)).status, 403, path);
});

test('AD-05 what needs a recent sign-in says so to a session and leads there; tokens were made in one', async () => {
  const visitor = await signedIn('root');
  const rotate = () => api(visitor, 'POST', '/applications/tracker/secret', {});
  assert.equal((await rotate()).status, 200);
  platform.clock.advance(601_000);
  const refused = await rotate();
  assert.equal(refused.status, 401);
  assert.match(
    refused.headers.get('www-authenticate') ?? '',
    /insufficient_user_authentication.*max_age=600/,
  );
  const problem = JSON.parse(refused.text);
  assert.equal(problem.code, 'elevation-required');
  assert.equal(problem.signIn, '/admin/sign-in');
  // What needs none goes on.
  assert.equal((await api(visitor, 'POST', '/groups', { name: 'extra' })).status, 201);
  const asked = await visitor.open(`${problem.signIn}?to=/admin/apps/tracker/secret`);
  assert.match(asked.url, /\/sign-in\/again\?request=/);
  assert.match(asked.text, /value="root"/);
  const back = await visitor.submit({ password }, '/sign-in/again');
  assert.match(back.url, /\/admin\/apps\/tracker\/secret$/);
  assert.equal((await rotate()).status, 200);
  const made = await api(visitor, 'POST', '/tokens', { name: 'nightly', scopes: ['apps'] });
  const { token } = JSON.parse(made.text);
  platform.clock.advance(86_400_000);
  const byToken = await fetch(`${platform.origin}/api/v1/applications/tracker/secret`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
  });
  assert.equal(byToken.status, 200);
});

test('FE-05 the way back from a recent sign-in leads into the console alone', async () => {
  for (const to of ['https://evil.example/', '//evil.example', '/account', '/administrator', '/admin\\x']) {
    const visitor = await signedIn('root');
    platform.clock.advance(301_000);
    await visitor.open(`/admin/sign-in?to=${encodeURIComponent(to)}`);
    const back = await visitor.submit({ password }, '/sign-in/again');
    assert.match(new URL(back.url).pathname, /^\/admin$/, to);
  }
});

test('a role that is taken away is gone with the next request, and with the session everything', async () => {
  const keeper = await signedIn('app.keeper');
  const root = await signedIn('root');
  const [{ id } = { id: '' }] = await platform.database.query<{ id: string }>(
    `select id from people where username = 'app.keeper'`,
  );
  const add = () => api(keeper, 'POST', '/applications', { id: 'shelf', settings: { title: 'Shelf' } });
  const taken = await api(root, 'POST', `/operators/${id}/roles/withdraw`, { role: 'apps' });
  assert.deepEqual(JSON.parse(taken.text), { taken: true });
  assert.equal((await add()).status, 403);
  assert.equal((await api(root, 'POST', `/operators/${id}/roles`, { role: 'apps' })).status, 200);
  await api(root, 'DELETE', `/people/${id}/sessions`);
  const ended = await add();
  assert.equal(ended.status, 401);
  assert.equal(JSON.parse(ended.text).code, 'session-ended');
});

test('figures are not for whoever comes through a proxy that nobody named', async () => {
  const ask = (headers: Record<string, string>) => fetch(`${platform.origin}/metrics`, { headers });
  assert.equal((await ask({})).status, 200);
  assert.equal((await ask({ 'x-forwarded-for': '203.0.113.9' })).status, 404);
});
