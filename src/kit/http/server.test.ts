import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { after, test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { html } from '#kit/page/html.ts';
import { type App, createServer, formField, HttpRefusal, routeList, type ServerOptions } from './server.ts';

const log = createLog({ level: 'silent' });
const open: App[] = [];

after(async () => {
  for (const app of open) await app.close();
});

function make(
  publicUrl = 'http://localhost:8080',
  more: Partial<Pick<ServerOptions, 'log' | 'requestTimeoutMs' | 'trustedProxies'>> = {},
  keys: readonly string[] = ['key'],
  refused?: (error: unknown) => void,
): App {
  const app = createServer({
    log,
    publicUrl: new URL(publicUrl),
    issuer: new URL(publicUrl),
    macs: (purpose, ...parts) =>
      keys.map((key) =>
        createHmac('sha256', key)
          .update([purpose, ...parts].join())
          .digest(),
      ) as [Buffer],
    renderError: (error) => {
      refused?.(error);
      const status = error instanceof HttpRefusal ? error.status : 500;
      return { status, html: html`<p>${status}</p>` };
    },
    ...more,
  });
  open.push(app);
  return app;
}

function withForm(app: App): App {
  app.get('/form', { config: { door: 'page' } }, async (request, reply) =>
    reply.page(html`<form>${formField(request)}</form>`),
  );
  app.post('/form', { config: { door: 'form', lists: ['many'] } }, async (request) => ({
    one: request.form.text('one'),
    many: request.form.list('many'),
  }));
  return app;
}

/** What the trusted proxy in front of an https server adds. */
const overHttps = { 'x-forwarded-proto': 'https' };
const behindProxy = { trustedProxies: ['127.0.0.1/32'] };

async function tokenAndCookie(app: App, host = 'localhost:8080') {
  const page = await app.inject({ url: '/form', headers: { host, ...overHttps } });
  const token = /name="form_token" value="([^"]+)"/.exec(page.body)![1]!;
  const cookie = String(page.headers['set-cookie']).split(';')[0]!;
  return { token, cookie, page };
}

test('FE-01 a route without a door, or a page that changes something, stops the start', () => {
  const app = make();
  assert.throws(() => app.get('/x', async () => 'x'), /no door/);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const)
    for (const door of ['page', 'public'] as const)
      assert.throws(
        () => app.route({ method, url: '/x', config: { door }, handler: async () => 'x' }),
        /changes something/,
      );
  withForm(app);
  assert.deepEqual(
    routeList(app)
      .filter((route) => route.url === '/form')
      .map((route) => `${route.method} ${route.door}`),
    ['GET page', 'HEAD page', 'POST form'],
  );
});

test('FE-01 a form counts with our origin, its scheme and port, and the token of this very browser', async () => {
  for (const [url, host] of [
    ['http://localhost:8080', 'localhost:8080'],
    ['https://id.example.org', 'id.example.org'],
  ] as const) {
    const app = withForm(make(url, behindProxy));
    const { token, cookie } = await tokenAndCookie(app, host);
    const stranger = await tokenAndCookie(app, host);
    const send = async (headers: Record<string, string>, form_token = token, sent = cookie) => {
      const payload = new URLSearchParams({ form_token, one: 'x' }).toString();
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      return (
        await app.inject({
          method: 'POST',
          url: '/form',
          headers: { host, cookie: sent, ...overHttps, ...type, ...headers },
          payload,
        })
      ).statusCode;
    };
    assert.equal(await send({ origin: url }), 200);
    assert.equal(await send({ origin: 'null', 'sec-fetch-site': 'same-origin' }), 200);
    assert.equal(await send({ 'sec-fetch-site': 'same-origin' }), 200);
    const other = url.startsWith('https') ? url.replace('https', 'http') : url.replace('http', 'https');
    for (const origin of [
      'https://evil.example',
      'null',
      other,
      `${url}.evil.example`,
      `${url}:1`,
      'file://',
      '',
      'x',
      `${url},https://evil.example`,
    ])
      assert.equal(await send({ origin }), 403, origin);
    for (const site of ['cross-site', 'same-site', 'none', 'x'])
      assert.equal(await send({ origin: url, 'sec-fetch-site': site }), 403, site);
    assert.equal(await send({}), 403, 'neither Origin nor Sec-Fetch-Site');
    assert.equal(await send({ origin: url }, ''), 403);
    assert.equal(await send({ origin: url }, token.slice(0, -1)), 403);
    assert.equal(await send({ origin: url }, stranger.token), 403, 'the token of another browser');
    assert.equal(await send({ origin: url }, token, stranger.cookie), 403);
    assert.equal(await send({ origin: url }, token, ''), 403);
    assert.equal(
      await send({ origin: url }, token, `${cookie}; ${cookie}`),
      403,
      'a cookie that comes twice is nobody\u2019s',
    );
  }
});

test('KE-05 a page that was open while the master key changed can still be sent, as long as the former key is known', async () => {
  const app = (...keys: string[]) => withForm(make(undefined, {}, keys));
  const send = async (to: App, { token, cookie }: { token: string; cookie: string }) => {
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const headers = { host: 'localhost:8080', origin: 'http://localhost:8080', cookie, ...type };
    const payload = `form_token=${token}&one=x`;
    return (await to.inject({ method: 'POST', url: '/form', headers, payload })).statusCode;
  };
  const before = await tokenAndCookie(app('old'));
  const overlap = app('new', 'old');
  assert.equal(await send(overlap, before), 200);
  const fresh = await tokenAndCookie(overlap);
  assert.equal(await send(app('new'), fresh), 200, 'pages made meanwhile are of the new key');
  assert.equal(await send(overlap, { ...before, token: fresh.token }), 403, 'of another browser');
  assert.equal(await send(app('new'), before), 403, 'the former key is put away');
});

test('FE-12 what a JSON body lacks is said, and a name that reaches for a prototype is named', async () => {
  const refusals: string[] = [];
  const app = make('http://localhost:8080', {}, undefined, (error) =>
    refusals.push((error as Error).message),
  );
  app.post('/json', { config: { door: 'bearer' } }, async (request) => ({ got: request.body }));
  app.delete('/json', { config: { door: 'bearer' } }, async (request) => ({
    got: request.body ?? 'nothing',
  }));
  const send = async (payload: string, method: 'POST' | 'DELETE' = 'POST') => {
    const headers = { host: 'localhost:8080', 'content-type': 'application/json' };
    const answer = await app.inject({ method, url: '/json', headers, payload });
    return [answer.statusCode, refusals.pop()];
  };
  const named = (name: string) => [400, `nothing here is called "${name}"`];
  assert.deepEqual(await send('{"__proto__":{"x":1}}'), named('__proto__'));
  assert.deepEqual(await send('{"\\u005f_proto__":1}'), named('__proto__'));
  assert.deepEqual(await send('{"a":[{"constructor":{"prototype":{"x":1}}}]}'), named('constructor'));
  assert.deepEqual(await send('{"a.__proto__":1}'), named('a.__proto__'));
  assert.deepEqual(await send('{"a":'), [400, 'the body is not JSON']);
  assert.deepEqual(await send(''), [400, 'the body is empty, and should be JSON']);
  assert.deepEqual(await send('', 'DELETE'), [200, undefined], 'what is taken away needs no body');
  assert.deepEqual(await send('{"a":', 'DELETE'), [400, 'the body is not JSON']);
  assert.equal(({} as Record<string, unknown>).x, undefined);
  assert.deepEqual(await send('\ufeff{"a":1}'), [200, undefined]);
});

test('FE-09 a field comes once unless the route says it is a list', async () => {
  const app = withForm(make());
  const { token, cookie } = await tokenAndCookie(app);
  const send = (payload: string) =>
    app.inject({
      method: 'POST',
      url: '/form',
      headers: {
        host: 'localhost:8080',
        cookie,
        origin: 'http://localhost:8080',
        'content-type': 'application/x-www-form-urlencoded',
      },
      payload: `form_token=${token}&${payload}`,
    });
  assert.deepEqual((await send('one=a&many=b&many=c')).json(), { one: 'a', many: ['b', 'c'] });
  for (const bad of [
    'one=a&one=b',
    `form_token=${token}`,
    'one=a%00',
    '__proto__=1',
    'x=1&'.repeat(2),
    Array.from({ length: 1001 }, (_, index) => `k${index}=1`).join('&'),
  ])
    assert.equal((await send(bad)).statusCode, 400, bad.slice(0, 30));
});

test('FE-02 every answer carries its headers: pages, errors, faults, files, odd paths', async () => {
  const app = withForm(make('https://id.example.org', behindProxy));
  app.get('/fault', { config: { door: 'page' } }, async () => {
    throw new Error('inside');
  });
  const nonces = new Set<string>();
  for (const url of ['/form', '/fault', '/nowhere', '/form/', '/%zz', '/%E0%A4%A', '//form']) {
    const { headers, statusCode, body } = await app.inject({
      url,
      headers: { host: 'id.example.org', ...overHttps },
    });
    assert.equal(statusCode, url === '/form' ? 200 : url === '/fault' ? 500 : 404, url);
    assert.ok(!body.includes('inside'));
    const policy = String(headers['content-security-policy']);
    for (const part of [
      "default-src 'none'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "object-src 'none'",
      "form-action 'self'",
    ])
      assert.ok(policy.includes(part), `${url}: ${part}`);
    nonces.add(/script-src 'self' 'nonce-([^']+)'/.exec(policy)![1]!);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['cache-control'], 'no-store');
    assert.match(String(headers['strict-transport-security']), /max-age=31536000/);
    assert.match(String(headers['x-request-id']), /^[\w-]{12}$/);
  }
  assert.equal(nonces.size, 7, 'a nonce is used once');
  const plain = await make().inject({ url: '/x', headers: { host: 'localhost:8080' } });
  assert.equal(plain.headers['strict-transport-security'], undefined);
});

test('SE-01 cookies: __Host- and Secure over https, the port in the name over http, always HttpOnly and SameSite', async () => {
  const { page } = await tokenAndCookie(
    withForm(make('https://id.example.org', behindProxy)),
    'id.example.org',
  );
  assert.match(
    String(page.headers['set-cookie']),
    /^__Host-gatehouse-browser=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=\d+$/,
  );
  const http = await tokenAndCookie(withForm(make()));
  assert.match(
    String(http.page.headers['set-cookie']),
    /^gatehouse-browser-8080=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/,
  );
});

test('FE-12 a request that does not arrive whole in its time is cut off', async () => {
  const app = withForm(make('http://localhost:8080', { requestTimeoutMs: 400 }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  for (const begun of [
    'POST /form HTTP/1.1\r\nHost: localhost:8080\r\n',
    'POST /form HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na',
  ]) {
    const socket = connect(port, '127.0.0.1');
    const drip = setInterval(() => socket.write('a'), 50);
    socket.on('error', () => undefined);
    socket.resume();
    const began = performance.now();
    socket.write(begun);
    await once(socket, 'close');
    clearInterval(drip);
    assert.ok(performance.now() - began < 3000, `cut after ${performance.now() - began} ms`);
  }
});

test('AU-05 forwarded addresses count from trusted proxies alone', async () => {
  for (const [trusted, seen] of [
    [[], '127.0.0.1'],
    [['127.0.0.1/32'], '203.0.113.7'],
  ] as const) {
    const app = make('http://localhost:8080', { trustedProxies: [...trusted] });
    app.get('/who', { config: { door: 'public' } }, async (request) => request.network);
    const { body } = await app.inject({
      url: '/who',
      headers: { host: 'localhost:8080', 'x-forwarded-for': '198.51.100.1, 203.0.113.7' },
    });
    assert.equal(body, seen);
  }
});

test('doors decide who sees cookies: none for bearer and public', async () => {
  const app = make();
  for (const door of ['page', 'api', 'bearer', 'public', 'protocol'] as const)
    app.get(`/${door}`, { config: { door } }, async (request) => [...request.cookies.keys()].join());
  const ask = async (door: string) =>
    (
      await app.inject({
        url: `/${door}`,
        headers: { host: 'localhost:8080', cookie: 'a=1; b="2"; a=3; c=x y; d=4' },
      })
    ).body;
  assert.equal(await ask('page'), 'd');
  assert.equal(await ask('protocol'), 'd');
  assert.equal(await ask('api'), 'd');
  assert.equal(await ask('bearer'), '');
  assert.equal(await ask('public'), '');
});

test('SE-01 an https house serves nothing that came in plain text, health and looks aside, and says why in its log', async () => {
  const host = 'id.example.org';
  const lines: string[] = [];
  const heard = createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } });
  const app = withForm(make('https://id.example.org', { ...behindProxy, log: heard }));
  app.get('/health', { config: { door: 'public', anyHost: true } }, async () => 'ok');
  app.post('/api', { config: { door: 'bearer' } }, async () => 'ok');
  app.get('/protocol', { config: { door: 'protocol' } }, async () => 'ok');
  const status = async (url: string, headers: object, more: object = {}) =>
    (await app.inject({ url, headers: { host, ...headers }, ...more })).statusCode;
  const plain: Record<string, string>[] = [
    {},
    { 'x-forwarded-proto': 'http' },
    { 'x-forwarded-proto': 'https, http' },
    { 'x-forwarded-proto': 'HTTPS' },
    { 'x-forwarded-proto': '' },
    { forwarded: 'proto=https' },
    { 'x-forwarded-ssl': 'on', 'front-end-https': 'on' },
  ];
  for (const headers of plain) {
    const said = JSON.stringify(headers);
    const page = await app.inject({ url: '/form', headers: { host, ...headers } });
    assert.equal(page.statusCode, 421, said);
    assert.equal(page.headers['set-cookie'], undefined, said);
    assert.equal(await status('/form', headers, { method: 'POST' }), 421, said);
    assert.equal(await status('/api', headers, { method: 'POST' }), 421, said);
    assert.equal(await status('/protocol', headers), 421, said);
    assert.equal(await status('/nowhere', headers), 421, said);
    assert.equal(await status('/health', headers), 200, said);
  }
  assert.equal(await status('/form', overHttps), 200);
  assert.equal(
    await status('/form', { 'x-forwarded-proto': 'http, https' }),
    200,
    'the nearest proxy counts',
  );
  assert.equal(
    await status('/form', overHttps, { remoteAddress: '203.0.113.9' }),
    421,
    'not a proxy of ours',
  );
  assert.equal(lines.length, 1, 'once a minute');
  assert.match(lines[0]!, /"code":"https-required".*trustedProxies and set X-Forwarded-Proto/);
  assert.equal(
    (await withForm(make()).inject({ url: '/form', headers: { host: 'localhost:8080' } })).statusCode,
    200,
    'a house on http',
  );
});
