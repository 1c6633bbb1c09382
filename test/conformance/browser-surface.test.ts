/** What other sites, planted links and clever fields can do with a browser that is signed in here. Sweeps follow the router. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type RouteSummary, routeList } from '#kit/http/server.ts';
import type { Platform } from '#test/kit.ts';
import type { Seen, Visitor } from '#test/visitor.ts';
import { changed, dump, post, signedIn, startWiki, stranger, wikiPeople } from './stage.ts';

const { ada } = wikiPeople;
let platform: Platform;
let olga: Visitor;

before(async () => {
  platform = await startWiki();
  olga = await signedIn(platform, wikiPeople.olga);
});

const someId = '00000000-0000-7000-8000-000000000000';

/** A path a route answers. */
function pathOf(route: RouteSummary): string {
  return route.url.replace(/:(\w+)/g, (_, name) => (name === 'id' ? someId : 'wiki')).replace('*', 'x');
}

const forms = () => routeList(platform.app!).filter((route) => route.door === 'form');
const pages = () =>
  routeList(platform.app!).filter((route) => route.method === 'GET' && route.door === 'page');

async function freshForm(visitor: Visitor): Promise<Record<string, string>> {
  await visitor.open('/account');
  return visitor.formOf('/sign-out').fields;
}

test('FE-01 every form refuses another site, a missing token and another browser\u2019s token, and nothing changes', async () => {
  assert.ok(forms().length >= 15, `${forms().length} forms`);
  for (const door of routeList(platform.app!).filter(
    (route) => !['GET', 'HEAD', 'OPTIONS'].includes(route.method),
  ))
    assert.ok(
      ['form', 'api', 'bearer', 'protocol'].includes(door.door),
      `${door.method} ${door.url} is ${door.door}`,
    );
  const fields = await freshForm(olga);
  const elsewhere = await freshForm(await signedIn(platform, ada));
  const before = await dump(platform);
  const evil = [
    'https://evil.example',
    'null',
    `${platform.origin}.evil.example`,
    platform.origin.replace('http:', 'https:'),
    'http://localhost',
  ];
  for (const route of forms()) {
    const url = pathOf(route);
    const send = (body: Record<string, string>, headers: Record<string, string>) =>
      olga.request(url, {
        method: route.method,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(body).toString(),
      });
    const refusals: [string, Seen][] = [];
    for (const origin of evil) refusals.push([`Origin ${origin}`, await send(fields, { origin })]);
    refusals.push(['no Origin', await send(fields, {})]);
    refusals.push([
      'cross-site',
      await send(fields, { origin: platform.origin, 'sec-fetch-site': 'cross-site' }),
    ]);
    refusals.push(['no token', await send({}, { origin: platform.origin })]);
    refusals.push(['another browser\u2019s token', await send(elsewhere, { origin: platform.origin })]);
    refusals.push(['JSON', await send({}, { origin: 'https://evil.example', 'content-type': 'text/plain' })]);
    for (const [name, seen] of refusals)
      assert.ok(
        seen.status === 403 || (name === 'JSON' && seen.status === 415),
        `${route.method} ${route.url}, ${name}: ${seen.status}`,
      );
  }
  assert.deepEqual(changed(before, await dump(platform)), []);
  assert.match((await olga.open('/account')).url, /\/account$/, 'and still signed in');
});

test('FE-01 opening a page never changes anything', async () => {
  const fields = await freshForm(olga);
  await platform.settle();
  const before = await dump(platform);
  for (const route of pages()) {
    for (const query of [
      '',
      '?said=saved&request=x&token=x',
      `?${new URLSearchParams({ ...fields, username: 'x', code: '1', email: 'x@example.org' })}`,
    ]) {
      const seen = await olga.request(pathOf(route) + query);
      assert.ok(seen.status < 500, `${route.url}${query}: ${seen.status}`);
    }
    await olga.request(pathOf(route), { method: 'HEAD' });
  }
  // What changes nothing of anybody: a request to sign on, which a browser brings along when it is not signed in; a
  // refusal on the way in, kept and counted.
  const harmless = ['signon_requests', 'sign_in_traces', 'rate_buckets'];
  assert.deepEqual(changed(before, await dump(platform), harmless), []);
  for (const method of ['PUT', 'PATCH', 'DELETE', 'PROPFIND'])
    for (const route of pages())
      assert.equal(
        (await olga.request(pathOf(route), { method, headers: { origin: platform.origin } })).status,
        404,
        `${method} ${route.url}`,
      );
});

function checkHeaders(seen: Seen, what: string): void {
  const { headers } = seen;
  const policy = headers.get('content-security-policy') ?? '';
  assert.ok(policy.includes("frame-ancestors 'none'"), `${what}: ${policy}`);
  assert.equal(headers.get('x-content-type-options'), 'nosniff', what);
  assert.equal(headers.get('referrer-policy'), 'no-referrer', what);
  assert.equal(headers.get('x-frame-options'), 'DENY', what);
  assert.match(headers.get('cache-control') ?? '', /no-store/, what);
  assert.equal(headers.get('server'), null);
  assert.equal(headers.get('x-powered-by'), null);
  if (!(headers.get('content-type') ?? '').includes('html')) return;
  for (const part of ["default-src 'none'", "base-uri 'none'", "object-src 'none'"])
    assert.ok(policy.includes(part), `${what}: ${part}`);
  assert.match(policy, /script-src 'self' 'nonce-[A-Za-z0-9+/=]{20,}'/, what);
  assert.ok(
    !/unsafe-|\*|https?:(?!\/\/)|data:.*script/.test(policy.replace("img-src 'self' data:", '')),
    `${what}: ${policy}`,
  );
  const nonce = /nonce-([^']+)'/.exec(policy)![1]!;
  for (const [tag] of seen.text.matchAll(/<(?:script|style)\b[^>]*>/g))
    assert.ok(tag.includes(`nonce="${nonce}"`) || /\ssrc="\/assets\//.test(tag), `${what}: ${tag}`);
  assert.ok(!/\son\w+=|\sstyle=|javascript:/i.test(seen.text), `${what}: code in an attribute`);
  assert.ok(
    !/(?:src|href)="(?:https?:)?\/\/(?!wiki\.example\.org)[^"]*"/.test(
      seen.text.replaceAll(platform.origin, ''),
    ),
    `${what}: something is loaded from elsewhere`,
  );
}

test('FE-02 every answer has its headers, and every page a policy it keeps: signed in, not, refused, unknown, broken', async () => {
  const nonces = new Set<string>();
  const guest = stranger(platform);
  for (const route of pages()) {
    for (const visitor of [olga, guest]) {
      const seen = await visitor.request(pathOf(route));
      checkHeaders(seen, `${route.url} ${seen.status}`);
      const nonce = /'nonce-([^']+)'/.exec(seen.headers.get('content-security-policy') ?? '')?.[1];
      if (nonce) assert.ok(!nonces.has(nonce), 'a nonce is used once');
      if (nonce) nonces.add(nonce);
    }
  }
  for (const route of forms())
    checkHeaders(
      await guest.request(pathOf(route), { method: 'POST', headers: { origin: 'https://evil.example' } }),
      `${route.url} 403`,
    );
  for (const path of [
    '/nowhere',
    '/nowhere/',
    '/sign-in/',
    '/%zz',
    '/sign-in?__proto__=1',
    `/sign-in?${'q'.repeat(8300)}`,
  ]) {
    const seen = await guest.request(path);
    assert.ok(seen.status >= 400 && seen.status < 500, `${path.slice(0, 20)}: ${seen.status}`);
    checkHeaders(seen, path.slice(0, 20));
  }
  const { pool } = platform.database;
  const connect = pool.connect;
  pool.connect = ((called?: (error: Error) => void) => {
    const away = new Error('the database is away: secret-detail');
    // The pool itself asks with a callback.
    return called ? called(away) : Promise.reject(away);
  }) as never;
  const broken = await guest.request('/sign-in');
  pool.connect = connect;
  assert.equal(broken.status, 500);
  checkHeaders(broken, 'a fault of ours');
  assert.ok(!/secret-detail|at \w+ \(|node_modules/.test(broken.text));
  assert.match(broken.text, /Reference: [\w-]{12}/);
  for (const path of ['/health/live', '/health/ready', '/metrics', '/oidc/nowhere', '/.well-known/nothing']) {
    const seen = await guest.request(path);
    assert.equal(seen.headers.get('x-content-type-options'), 'nosniff', path);
  }
});

test('FE-06 text of a link never shows as ours', async () => {
  const words = 'YourAccountWasStolenCallUs';
  const query = [
    'error',
    'error_description',
    'message',
    'said',
    'request',
    'token',
    'hint',
    'login_hint',
    'username',
    'notice',
    'code',
    'search_not',
  ]
    .map((name) => `${name}=${words}`)
    .join('&');
  for (const route of pages()) {
    for (const visitor of [olga, stranger(platform)]) {
      const seen = await visitor.request(`${pathOf(route)}?${query}`);
      const visible = seen.text
        .replaceAll(/<input type="hidden"[^>]*>/g, '')
        .replaceAll(/(?:href|action)="[^"]*"/g, '');
      assert.ok(!visible.includes(words), `${route.url} shows it`);
    }
  }
  const lost = await olga.request(`/${words}`);
  assert.ok(!lost.text.includes(words));
  const evil = '"><img src=x onerror=alert(1)>';
  const guest = stranger(platform);
  await guest.open('/sign-in');
  const refused = await guest.submit({ username: evil, password: 'x', request: evil }, '/sign-in');
  assert.ok(!refused.text.includes('<img src=x') && refused.text.includes('&lt;img'));
  await olga.open('/account/profile');
  await olga.submit(
    { given_name: evil, family_name: '${7*7}{{7*7}}', display_name: evil },
    '/account/profile',
  );
  for (const path of [
    '/account',
    '/account/profile',
    '/apps',
    '/admin/people',
    '/admin/events',
    '/admin/operators',
  ])
    assert.ok(!(await olga.open(path)).text.includes('<img src=x'), path);
  assert.match((await olga.open('/account')).text, /\$\{7\*7\}\{\{7\*7\}\}/);
});

test('FE-08 extra fields of a form change nothing they should not', async () => {
  const extra = {
    id: someId, person: someId, sub: 'x', role: 'owner', operator: 'owner', admin: 'true', state: 'active', verified: 'true', verified_at: '2026-01-01', email_verified: 'true',
    groups: 'editors', username: 'olga', origin: 'x', created_at: '2020-01-01', version: '99', aliases: 'x', primary: 'true', locale: 'xx', tenant: 'x', attribute_badge: 'forged', badge: 'forged', attributes: 'x', display_name_: 'x',
  }; // biome-ignore format: a word list
  const people = async () =>
    platform.database.query<Record<string, unknown>>(
      `select username, state, origin, created_at, locale, merged_into from people order by id`,
    );
  const visitor = await signedIn(platform, ada);
  const writable: [string, string, Record<string, string>][] = [
    [
      '/account/profile',
      '/account/profile',
      { given_name: 'ada', family_name: 'Probe', display_name: 'ada Probe', attribute_homepage: '' },
    ],
    ['/account', '/account/addresses', { email: 'ada-more@example.org' }],
    ['/account/password', '/account/password', { current: 'wrong', password: 'seven lanterns float' }],
  ];
  const before = await people();
  const closed = [
    'people',
    'groups',
    'memberships',
    'operators',
    'aliases',
    'api_tokens',
    'applications',
    'attributes',
    'person_attributes',
    'passwords',
    'subjects',
    'community',
    'setup',
  ];
  const tables = await dump(platform);
  for (const [page, action, fields] of writable) {
    await visitor.open(page);
    await post(visitor, action, { ...visitor.formOf(action).fields, ...extra, ...fields });
  }
  assert.deepEqual(await people(), before);
  const after = await dump(platform);
  for (const name of closed.filter((table) => table !== 'people'))
    assert.deepEqual(after.get(name), tables.get(name), name);
  assert.match(
    after.get('addresses')!.find((row) => row.includes('ada-more'))!,
    /,f,,/,
    'neither main nor confirmed',
  );
  const newcomer = stranger(platform);
  await newcomer.open('/sign-up');
  const answer = await post(newcomer, '/sign-up', {
    ...newcomer.formOf('/sign-up').fields,
    puzzle: await newcomer.puzzle(),
    ...extra,
    username: 'massy',
    given_name: 'M',
    family_name: 'A',
    email: 'massy@example.org',
    password: ada.password,
  });
  assert.equal(answer.status, 303);
  const [massy] = await platform.database.query<{ id: string; state: string; origin: string }>(
    `select id, state, origin from people where username = 'massy'`,
  );
  assert.deepEqual([massy!.state, massy!.origin], ['unverified', 'sign-up']);
  assert.notEqual(massy!.id, someId);
  for (const table of ['operators', 'memberships', 'person_attributes', 'aliases'])
    assert.ok(!(await dump(platform)).get(table)!.some((row) => row.includes(massy!.id)), table);
  await visitor.open('/account/profile');
  assert.ok(!visitor.page.text.includes('attribute_badge'), 'what operators alone edit is no field');
});

test('FE-08 nobody reaches what is another person\u2019s by its id', async () => {
  const mine = await signedIn(platform, ada);
  const ids = await platform.database.query<{ address: string; session: string }>(
    `select a.id as address, s.id as session from people p join addresses a on a.person = p.id join sessions s on s.person = p.id where p.username = 'olga' and s.ended_at is null limit 1`,
  );
  const { address, session } = ids[0]!;
  await mine.open('/account');
  const { fields } = mine.formOf('/sign-out');
  const before = await dump(platform);
  for (const url of [
    `/account/addresses/${address}/primary`,
    `/account/addresses/${address}/remove`,
    `/account/addresses/${address}/confirm`,
    `/account/addresses/${address}/code`,
  ])
    assert.equal((await post(mine, url, { ...fields, code: '000000' })).status, 404, url);
  assert.equal((await mine.request(`/account/addresses/${address}/code`)).status, 404);
  await post(mine, `/account/sessions/${session}/end`, fields);
  for (const route of pages().filter(({ url }) => url.startsWith('/admin') && !url.includes('setup')))
    assert.equal((await mine.request(pathOf(route))).status, 403, route.url);
  for (const route of forms().filter(({ url }) => url.startsWith('/admin') && !url.includes('setup')))
    assert.equal((await post(mine, pathOf(route), fields)).status, 403, route.url);
  assert.deepEqual(changed(before, await dump(platform), ['rate_buckets']), []);
});
