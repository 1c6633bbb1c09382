/** What the HTTP server takes in: sizes, shapes, hosts, spellings. Bare sockets where a client library would tidy up. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { addPeople, behindProxy, changed, dump, post, signedIn, speak, statusOf, stranger } from './stage.ts';

const right = 'plum violin tractor';
let platform: Platform;
let host: string;
let ada: Visitor;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  host = new URL(platform.origin).host;
  await addPeople(platform, [{ username: 'ada', password: right, address: 'ada@example.org' }]);
  ada = await signedIn(platform, { username: 'ada', password: right });
});

function request(line: string, headers: readonly string[] = [`Host: ${host}`], body = ''): string {
  return `${line} HTTP/1.1\r\n${[...headers, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`;
}

async function answer(text: string | Buffer): Promise<{ status: number; text: string }> {
  const all = await speak(platform.origin, text);
  return { status: statusOf(all), text: all };
}

test('FE-12 only our own host is answered, and only one Host header counts', async () => {
  assert.equal((await answer(request('GET /sign-in'))).status, 200);
  for (const name of [
    'evil.example',
    `${host}.evil.example`,
    'localhost',
    `localhost:1`,
    `evil@${host}`,
    '',
    ' ',
    `${host}/x`,
  ]) {
    const { status, text } = await answer(request('GET /sign-in', [`Host: ${name}`]));
    assert.ok(status === 421 || status === 400, `Host ${JSON.stringify(name)}: ${status}`);
    assert.ok(!/set-cookie/i.test(text) || !text.includes('gatehouse-session'), name);
  }
  assert.equal((await answer(request('GET /sign-in', ['Host: evil.example']))).status, 421);
  assert.equal((await answer(request('GET /sign-in', [`Host: ${host}`, 'Host: evil.example']))).status, 400);
  assert.equal((await answer(request('GET /sign-in', [`Host: ${host}`, `Host: ${host}`]))).status, 400);
  assert.equal((await answer(request('GET /sign-in', []))).status, 400);
  assert.equal((await answer('GET /sign-in HTTP/1.0\r\n\r\n')).status, 400);
  assert.equal((await answer(request('GET /sign-in', [`hOsT: ${host.toUpperCase()}`]))).status, 200);
});

test('whoever comes by another name of the machine sees a page with its looks, and the way to the right address', async () => {
  const other = 'Host: 127.0.0.1';
  const { status, text } = await answer(request('GET /sign-in', [other]));
  assert.equal(status, 421);
  assert.ok(text.includes(`<a class="button quiet full" href="${platform.origin}/">`), text);
  const looks = [...text.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, url]) => url);
  assert.ok(looks.length > 0);
  for (const url of looks) assert.equal((await answer(request(`GET ${url}`, [other]))).status, 200, url);
});

test('FE-12 forwarded hosts and schemes are never believed', async () => {
  const lies = [
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: https',
    'Forwarded: host=evil.example;proto=https',
    'X-Original-URL: /admin',
    'X-Rewrite-URL: /admin',
    'X-HTTP-Method-Override: DELETE',
  ];
  const honest = await answer(request('GET /account'));
  const lied = await answer(request('GET /account', [`Host: ${host}`, ...lies]));
  assert.deepEqual([lied.status, honest.status], [303, 303]);
  assert.match(lied.text, /^location: \/sign-in\?request=/im);
  assert.ok(!lied.text.includes('evil'));
});

test('FE-12 two readings of one request are refused: lengths, line ends, targets', async () => {
  const h = `Host: ${host}`;
  const cases: Record<string, string> = {
    'TE and CL': `POST /sign-in HTTP/1.1\r\n${h}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'two lengths': `POST /sign-in HTTP/1.1\r\n${h}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`,
    'negative length': `POST /sign-in HTTP/1.1\r\n${h}\r\nContent-Length: -4\r\n\r\nabcd`,
    'odd chunk': `POST /sign-in HTTP/1.1\r\n${h}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`,
    'unknown coding': `POST /sign-in HTTP/1.1\r\n${h}\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n0\r\n\r\n`,
    'bare LF': `GET /sign-in HTTP/1.1\n${h}\n\n`,
    'folded header': `GET /sign-in HTTP/1.1\r\n${h}\r\nX-A: b\r\n c\r\n\r\n`,
    'space before colon': `GET /sign-in HTTP/1.1\r\nHost : ${host}\r\n\r\n`,
    'absolute form': `GET http://${host}/sign-in HTTP/1.1\r\n${h}\r\n\r\n`,
    'absolute form of another': `GET http://evil.example/sign-in HTTP/1.1\r\n${h}\r\n\r\n`,
    asterisk: `OPTIONS * HTTP/1.1\r\n${h}\r\n\r\n`,
    'authority form': `CONNECT ${host} HTTP/1.1\r\n${h}\r\n\r\n`,
    'two targets': `GET /sign-in /admin HTTP/1.1\r\n${h}\r\n\r\n`,
    'no method': ` /sign-in HTTP/1.1\r\n${h}\r\n\r\n`,
    'NUL in a header': `GET /sign-in HTTP/1.1\r\n${h}\r\nX-A: a\0b\r\n\r\n`,
    'another protocol': `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`,
  };
  for (const [name, text] of Object.entries(cases)) {
    const seen = await answer(Buffer.from(text, 'latin1'));
    assert.ok(seen.status === 0 || (seen.status >= 400 && seen.status < 500), `${name}: ${seen.status}`);
    assert.equal(
      (seen.text.match(/HTTP\/1\.1 /g) ?? []).length <= 1,
      true,
      `${name} got more than one answer`,
    );
  }
  assert.match(
    String(
      (await answer(`TRACE /sign-in HTTP/1.1\r\n${h}\r\nX-Secret: abc\r\nConnection: close\r\n\r\n`)).status,
    ),
    /^4/,
  );
});

test('FE-12 a path has one spelling', async () => {
  const odd = [
    '//sign-in',
    '///',
    '/%2fsign-in',
    '/sign-in/',
    '/sign-in/..',
    '/./sign-in',
    '/..;/sign-in',
    '/sign-in;jsessionid=1',
    '/%73ign-in',
    '/%2e%2e/sign-in',
    '/sign%2din',
    '/SIGN-IN',
    '/sign-in%00',
    '/sign-in%0a',
    '/sign-in%',
    '/%zz',
    '/%E0%A4%A',
    '/%ff',
    '/sign-in\\',
    '/account/..%2fadmin',
    '/sign-in%3frequest',
    '/sign-in%23',
  ];
  for (const path of odd) {
    const seen = await answer(request(`GET ${path}`));
    assert.ok([400, 404].includes(seen.status), `${path}: ${seen.status}`);
    assert.match(seen.text, /x-content-type-options: nosniff/i, path);
    assert.match(seen.text, /content-security-policy: /i, path);
  }
});

test('FE-12 bodies, headers, targets, depth and keys have an end', async () => {
  const big = 'a'.repeat(10 * 1024 * 1024);
  const { fields } = await (async () => {
    const visitor = stranger(platform);
    await visitor.open('/sign-in');
    return visitor.formOf('/sign-in');
  })();
  const began = process.memoryUsage().rss;
  const codes: number[] = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const head = `POST /sign-in HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${platform.origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
    codes.push(statusOf(await speak(platform.origin, `${head}Content-Length: ${big.length}\r\n\r\n${big}`)));
    const chunk = 'b'.repeat(64 * 1024);
    const chunked = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(40);
    codes.push(
      statusOf(await speak(platform.origin, `${head}Transfer-Encoding: chunked\r\n\r\n${chunked}0\r\n\r\n`)),
    );
  }
  assert.ok(
    codes.every((code) => code === 413 || code === 0),
    codes.join(),
  );
  assert.ok(codes.includes(413));
  const growth = (process.memoryUsage().rss - began) / 1024 / 1024;
  // The test itself holds the ten megabytes it sends, several times over.
  assert.ok(growth < 150, `memory grew by ${growth} MB`);
  assert.equal(
    (await answer(request('GET /sign-in', [`Host: ${host}`, `X-Long: ${'h'.repeat(17 * 1024)}`]))).status,
    431,
  );
  assert.equal((await answer(request(`GET /sign-in?x=${'q'.repeat(9000)}`))).status, 414);
  const json = (text: string) =>
    ada.request('/account/profile', {
      method: 'POST',
      body: text,
      headers: { 'content-type': 'application/json', origin: platform.origin },
    });
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
  assert.equal((await json(nested(33))).status, 400);
  assert.equal((await json(nested(50_000))).status, 400);
  assert.equal((await json(`[${'1,'.repeat(1100)}1]`)).status, 400);
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`k${index}`, 1]));
  assert.equal((await json(JSON.stringify(many))).status, 400);
  const names = Array.from({ length: 1001 }, (_, index) => `k${index}=1`).join('&');
  assert.equal((await post(ada, '/account/profile', names)).status, 400);
  assert.equal(
    (await stranger(platform).request(`/sign-in?${names.slice(0, 5000)}`)).status,
    200,
    'below a thousand is fine',
  );
  assert.equal((await post(ada, '/sign-in', { ...fields }, { 'content-encoding': 'gzip' })).status, 415);
  for (const type of [
    'application/json',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/xml',
    '',
    'x',
  ])
    assert.ok(
      [400, 403, 415].includes((await post(ada, '/sign-out', '{}', { 'content-type': type })).status),
      type,
    );
  assert.equal((await ada.open('/account')).status, 200, 'still signed in after all of it');
});

test('FE-12 a slow client is cut off while others are served', async () => {
  const { server } = platform.app!;
  assert.equal(server.requestTimeout, 30_000, 'a request has to be whole after 30 seconds');
  // Node swaps the two where the first is larger.
  assert.ok(server.headersTimeout <= server.requestTimeout);
  assert.ok(
    (server as unknown as { connectionsCheckingInterval: number }).connectionsCheckingInterval <= 5000,
  );
  const slow = Array.from({ length: 40 }, () =>
    speak(platform.origin, `POST /sign-in HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100\r\n\r\na`, {
      silenceMs: 600,
    }),
  );
  await sleep(50);
  assert.equal((await stranger(platform).open('/sign-in')).status, 200);
  await Promise.all(slow);
});

test('FE-09 names that reach for prototypes are refused in query, form and JSON, and nothing is polluted', async () => {
  const names = [
    '__proto__',
    'constructor',
    'prototype',
    '__proto__.x',
    'a.__proto__.x',
    '__proto__[x]',
    'a[__proto__][x]',
    'constructor.prototype.x',
    'constructor[prototype][x]',
    'a[constructor]',
    '%5f%5fproto%5f%5f',
  ];
  const before = await dump(platform);
  for (const name of names) {
    const encoded = name.startsWith('%') ? name : encodeURIComponent(name);
    assert.equal((await ada.request(`/sign-in?${encoded}=polluted`)).status, 400, `query ${name}`);
    await ada.open('/account/profile');
    const { fields } = ada.formOf('/account/profile');
    const body = `${new URLSearchParams(fields)}&${encoded}=polluted`;
    assert.equal((await post(ada, '/account/profile', body)).status, 400, `form ${name}`);
    const json = `{"${decodeURIComponent(name)}":{"x":"polluted"}}`;
    const answered = await ada.request('/account/profile', {
      method: 'POST',
      body: json,
      headers: { 'content-type': 'application/json', origin: platform.origin },
    });
    assert.equal(answered.status, 400, `JSON ${name}`);
  }
  for (const json of ['{"a":{"__proto__":{"x":1}}}', '{"a":[{"constructor":{"prototype":{"x":1}}}]}']) {
    const answered = await ada.request('/account/profile', {
      method: 'POST',
      body: json,
      headers: { 'content-type': 'application/json', origin: platform.origin },
    });
    assert.equal(answered.status, 400, json);
  }
  const probe = {} as Record<string, unknown>;
  assert.deepEqual(
    [probe.x, probe.polluted, ({} as { prototype?: unknown }).prototype],
    [undefined, undefined, undefined],
  );
  assert.deepEqual(changed(before, await dump(platform)), []);
});

test('FE-07 no other origin may read anything: no CORS header, whatever is asked', async () => {
  const origins = [
    'https://evil.example',
    'null',
    'http://localhost',
    platform.origin,
    `${platform.origin}.evil.example`,
    'file://',
    '*',
    `https://${host}`,
  ];
  for (const origin of origins) {
    for (const path of ['/', '/sign-in', '/account', '/apps', '/admin', '/health/live', '/nowhere']) {
      for (const method of ['GET', 'OPTIONS']) {
        const seen = await ada.request(path, {
          method,
          headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x' },
        });
        for (const name of seen.headers.keys())
          assert.ok(!name.startsWith('access-control-'), `${method} ${path} from ${origin}: ${name}`);
      }
    }
  }
});

test('AD-03 nothing that is typed or sent can forge a line of the log', async () => {
  const began = platform.lines.length;
  const forged = '"}\n{"level":"info","msg":"forged-line"}\r\n\u001b[31mforged-red\u2028forged\u0085';
  const visitor = stranger(platform, { 'user-agent': 'x"} forged-agent' });
  await visitor.open('/sign-in');
  await visitor.submit({ username: forged, password: forged }, '/sign-in');
  await visitor.open(`/sign-in?request=${encodeURIComponent(forged)}&said=${encodeURIComponent(forged)}`);
  await visitor.open(`/${encodeURIComponent(forged.replaceAll('%', ''))}`);
  await visitor.open(`/verify?token=${encodeURIComponent(forged)}`);
  await post(visitor, '/sign-in', `${encodeURIComponent(forged)}=1&${encodeURIComponent(forged)}=2`);
  await visitor.request('/sign-in', {
    method: 'POST',
    body: `{"a": ${forged}`,
    headers: { 'content-type': 'application/json' },
  });
  await visitor.request('/sign-in', {
    method: 'POST',
    body: 'x',
    headers: { 'content-type': 'text/x"}forged' },
  });
  await visitor.open('/sign-up');
  await visitor.submit(
    { username: forged, email: forged, given_name: forged, family_name: forged, password: forged },
    '/sign-up',
  );
  const lines = platform.lines.slice(began);
  assert.ok(lines.length >= 10);
  for (const line of lines) {
    assert.ok(line.endsWith('\n') && !/[\n\r\u001b]/.test(line.slice(0, -1)), line);
    const { level, msg } = JSON.parse(line) as { level: string; msg: string };
    assert.ok(['debug', 'info', 'warn', 'error'].includes(level), line);
    assert.ok(!msg.includes('forged'), line);
  }
});

test('FE-12 thirty at once on a small pool: nothing waits for a connection that waits for it', async () => {
  const small = await startPlatform({ env: { ...behindProxy, GATEHOUSE_DATABASE_POOL_SIZE: '3' } });
  const people = Array.from({ length: 30 }, (_, index) => ({
    username: `p${index}`,
    password: right,
    address: `p${index}@example.org`,
  }));
  await addPeople(small, people);
  const began = performance.now();
  const codes = await Promise.all(
    people.map(async (one) => {
      const visitor = stranger(small);
      await visitor.open('/recover');
      const asked = await visitor.submit({ username: one.username }, '/recover');
      const home = await visitor.signIn(one.username, right);
      const added = await visitor.submit({ email: `more-${one.username}@example.org` }, '/account/addresses');
      return [asked.status, home.status, added.status].join();
    }),
  );
  assert.deepEqual(new Set(codes), new Set(['200,200,200']));
  assert.ok(performance.now() - began < 15_000);
});
