/** Every route there is, swept: what another site may send, and what every answer carries. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type App, routeList } from '#kit/http/server.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { addPeople, behindProxy, changed, dump, post, signedIn, stranger } from './stage.ts';

const right = 'plum violin tractor';
let platform: Platform;
let app: App;
let ada: Visitor;
let bob: Visitor;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  app = platform.app!;
  await addPeople(platform, [
    { username: 'ada', password: right, address: 'ada@example.org' },
    { username: 'bob', password: right, address: 'bob@example.org' },
  ]);
  ada = await signedIn(platform, { username: 'ada', password: right });
  bob = await signedIn(platform, { username: 'bob', password: right });
});

const safe = new Set(['GET', 'HEAD', 'OPTIONS']);
/** An address of a route: its parameters filled in. */
const addressOf = (url: string) => url.replace(/:[a-z]+|\*/gi, '00000000-0000-7000-8000-000000000000');
const tokenOf = (visitor: Visitor) => visitor.formOf('/sign-out').fields.form_token ?? '';

test('FE-01 no route changes anything for another site, with the cookies and even the token of the person', async () => {
  const changing = routeList(app).filter(({ method }) => !safe.has(method));
  const forms = changing.filter(({ door }) => door === 'form');
  assert.ok(forms.length >= 20, `${forms.length} forms were swept`);
  const form_token = tokenOf(ada);
  assert.match(form_token, /^[\w-]{32}$/);
  await platform.settle();
  const before = await dump(platform);
  for (const { method, url } of forms) {
    const send = (fields: Record<string, string>, headers: Record<string, string>) =>
      ada.request(addressOf(url), {
        method,
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(fields).toString(),
      });
    const refused: [string, Record<string, string>, Record<string, string>][] = [
      ['another site', { form_token }, { origin: 'https://evil.example' }],
      ['a sandboxed frame', { form_token }, { origin: 'null' }],
      ['a frame of another site', { form_token }, { origin: 'null', 'sec-fetch-site': 'cross-site' }],
      ['a sibling of our site', { form_token }, { origin: platform.origin, 'sec-fetch-site': 'same-site' }],
      ['another scheme', { form_token }, { origin: platform.origin.replace('http:', 'https:') }],
      ['another port', { form_token }, { origin: 'http://localhost:1' }],
      ['no origin', { form_token }, {}],
      ['no token', {}, { origin: platform.origin }],
      ['a wrong token', { form_token: form_token.toUpperCase() }, { origin: platform.origin }],
      ['the token of another browser', { form_token: tokenOf(bob) }, { origin: platform.origin }],
    ];
    for (const [name, fields, headers] of refused)
      assert.equal((await send(fields, headers)).status, 403, `${method} ${url}: ${name}`);
  }
  assert.deepEqual(changed(before, await dump(platform)), []);
});

test('FE-01 a session cookie opens no route of the API to another site, nor to someone without a role', async () => {
  const bearer = routeList(app).filter(
    ({ door, method }) => (door === 'api' || door === 'bearer') && method !== 'HEAD',
  );
  assert.ok(bearer.length >= 10);
  for (const { method, url, door } of bearer) {
    const body = safe.has(method)
      ? {}
      : { headers: { 'content-type': 'application/json', origin: platform.origin }, body: '{}' };
    const seen = await ada.request(addressOf(url), { method, ...body });
    // The description of the API is for everyone to read.
    if (seen.status === 200 && method === 'GET' && url.endsWith('openapi.json')) continue;
    // Without the header that only a script of ours sends; and what is read, by someone who is no operator. Where
    // cookies never count it is someone without a token, or what was asked for is switched off.
    const refusals = door === 'bearer' ? [401, 404] : [403];
    assert.ok(refusals.includes(seen.status), `${method} ${url}: ${seen.status}`);
  }
});

test('FE-01 every route has a door, and what another protocol changes is known by name', () => {
  const protocol = routeList(app).filter(({ door, method }) => door === 'protocol' && !safe.has(method));
  assert.deepEqual(
    protocol
      .map(({ url }) => url)
      .filter((url) => !/^\/(oidc|saml|upstream\/:upstream|mail\/hooks)\//.test(url)),
    [],
  );
  for (const { method, url, door } of routeList(app)) assert.ok(door, `${method} ${url}`);
});

test('FE-02 every answer of every route, errors too, carries its headers', async () => {
  let pages = 0;
  for (const visitor of [ada, stranger(platform)]) {
    const asked = routeList(app)
      .filter(({ method }) => method === 'GET')
      .map(({ url }) => addressOf(url));
    for (const url of [
      ...asked,
      '/nowhere',
      '/admin/nowhere',
      '/api/v1/nowhere',
      '/%zz',
      '/a//b',
      '/sign-in?__proto__=1',
    ]) {
      const seen = await visitor.request(url);
      checkHeaders(url, seen.headers);
      if (seen.headers.get('content-type')?.startsWith('text/html')) {
        pages += 1;
        checkPolicy(url, seen.headers, seen.text);
      }
    }
  }
  assert.ok(pages >= 30, `${pages} pages were looked at`);
  for (const [url, headers] of [
    ['/sign-in', {}],
    ['/sign-in', { 'content-encoding': 'gzip' }],
    ['/sign-out', { 'content-type': 'application/xml' }],
  ] as const) {
    const seen = await post(ada, url, 'a=b', headers);
    checkHeaders(url, seen.headers);
    checkPolicy(url, seen.headers, seen.text);
  }
});

function checkHeaders(url: string, headers: Headers): void {
  assert.equal(headers.get('x-content-type-options'), 'nosniff', url);
  assert.equal(headers.get('referrer-policy'), 'no-referrer', url);
  assert.equal(headers.get('x-frame-options'), 'DENY', url);
  assert.match(
    headers.get('content-security-policy') ?? '',
    /default-src 'none'.*frame-ancestors 'none'/,
    url,
  );
  if (!url.startsWith('/assets/'))
    assert.match(headers.get('cache-control') ?? '', /no-store|max-age=\d+/, url);
}

function checkPolicy(url: string, headers: Headers, text: string): void {
  const policy = headers.get('content-security-policy') ?? '';
  for (const part of ["frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"])
    assert.ok(policy.includes(part), `${url}: ${part}`);
  const nonce = /script-src 'self' 'nonce-([\w+/=]{24})'/.exec(policy)?.[1];
  assert.ok(nonce, `${url}: a nonce`);
  assert.doesNotMatch(policy, /unsafe|\*|https?:(?!\/\/)/, url);
  assert.doesNotMatch(text, /<[^>]+ (?:on[a-z]+|style)=/i, `${url} has no inline handler or style`);
  for (const [tag] of text.matchAll(/<(?:script|style)\b[^>]*>/g))
    assert.match(tag, /src="\/assets\/|nonce=/, `${url}: ${tag}`);
}
