import assert from 'node:assert/strict';
import { type AddressInfo, connect } from 'node:net';
import { after, test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { html } from '#kit/page/html.ts';
import { type App, createServer } from './server.ts';

const log = createLog({ level: 'silent' });
const open: App[] = [];
after(async () => {
  for (const app of open) await app.close();
});

async function start(): Promise<{ app: App; port: number }> {
  const app = createServer({
    log,
    publicUrl: new URL('http://localhost:8080'),
    issuer: new URL('http://localhost:8080'),
    trustedProxies: ['127.0.0.0/8'],
    macs: () => [Buffer.alloc(32, 1)],
    renderError: (error, request) => {
      if (request.url === '/worse') throw new Error('inner detail');
      return { status: (error as { status?: number }).status ?? 500, html: html`<p>no</p>` };
    },
  });
  app.get('/seen', { config: { door: 'bearer' } }, async (request) => ({
    network: request.network,
    host: request.host,
    protocol: request.protocol,
    cookies: [request.headers.cookie ?? null, request.cookies.size],
    forwarded: Object.keys(request.headers).filter((name) => name.includes('forwarded')),
  }));
  app.get('/any', { config: { door: 'public', anyHost: true } }, async () => 'ok');
  app.get('/worse', { config: { door: 'public' } }, async () => {
    throw new Error('inner detail');
  });
  app.get('/slow', { config: { door: 'public' } }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return 'whole';
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  open.push(app);
  return { app, port: (app.server.address() as AddressInfo).port };
}

/** Sends bytes and gives back everything that came until the other side hung up. */
function speak(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => {
      got += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
    socket.setTimeout(5000, () => socket.destroy(new Error('the other side did not hang up')));
  });
}

const ours = 'Host: localhost:8080\r\nConnection: close\r\n';

test('AU-05 an address told by a proxy is one plain address, or the proxy\u2019s own', async () => {
  const { port } = await start();
  const told: [string, string][] = [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:5678', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['"[2001:db8::1]:44"', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['unknown', '127.0.0.1'],
    ['203.0.113.7, <script>', '127.0.0.1'],
    ["1'; drop table people", '127.0.0.1'],
    ['9'.repeat(3000), '127.0.0.1'],
    ['', '127.0.0.1'],
  ];
  for (const [header, expected] of told) {
    const answer = await speak(port, `GET /seen HTTP/1.1\r\n${ours}X-Forwarded-For: ${header}\r\n\r\n`);
    assert.equal(JSON.parse(answer.split('\r\n\r\n')[1] ?? '{}').network, expected, header.slice(0, 40));
  }
});

test('FE-05 not even a trusted proxy says where we are; a bearer route has no cookies by any name', async () => {
  const { port } = await start();
  const lies =
    'X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nForwarded: host=evil.example\r\n';
  const answer = await speak(
    port,
    `GET /seen HTTP/1.1\r\n${ours}${lies}Cookie: gatehouse-session-8080=abc\r\n\r\n`,
  );
  assert.deepEqual(JSON.parse(answer.split('\r\n\r\n')[1] ?? '{}'), {
    network: '127.0.0.1',
    host: 'localhost:8080',
    protocol: 'http',
    cookies: [null, 0],
    forwarded: [],
  });
});

test('FE-12 a health check may ask by any name, but by one', async () => {
  const { port } = await start();
  assert.match(
    await speak(port, 'GET /any HTTP/1.1\r\nHost: 10.1.2.3\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 200/,
  );
  assert.match(await speak(port, `GET /any HTTP/1.1\r\n${ours}Host: evil\r\n\r\n`), /^HTTP\/1\.1 400/);
});

test('FE-02 even an answer to bytes that are no request has its headers', async () => {
  const { port } = await start();
  const cases: [string, number][] = [
    ['GET /any HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['\x16\x03\x01 hello\r\n\r\n', 400],
    [`GET /any HTTP/1.1\r\n${ours}X: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    [`POST /any HTTP/1.1\r\n${ours}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ];
  for (const [text, status] of cases) {
    const answer = await speak(port, text);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), text.slice(0, 30));
    for (const header of [
      'x-content-type-options: nosniff',
      'referrer-policy: no-referrer',
      "frame-ancestors 'none'",
      'connection: close',
    ])
      assert.ok(answer.includes(header), `${header} in ${answer}`);
  }
});

test('FE-06 when even the words for a fault fail, nothing of the inside is told', async () => {
  const { port } = await start();
  const answer = await speak(port, `GET /worse HTTP/1.1\r\n${ours}\r\n`);
  assert.match(answer, /^HTTP\/1\.1 500 /);
  assert.match(answer, /"error":"unexpected","reference":"[\w-]{12}"/);
  assert.doesNotMatch(answer, /inner detail/);
});

test('draining: what is in hand is finished, kept connections are let go, nothing new is taken', async () => {
  const { app, port } = await start();
  const kept = speak(port, 'GET /any HTTP/1.1\r\nHost: localhost:8080\r\n\r\n');
  const inHand = speak(port, 'GET /slow HTTP/1.1\r\nHost: localhost:8080\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const began = performance.now();
  await app.drain(5);
  assert.ok(performance.now() - began < 1500, 'it does not wait for clients to hang up');
  assert.match(await inHand, /connection: close[\s\S]*whole$/i);
  assert.match(await kept, /ok$/);
  await assert.rejects(speak(port, `GET /any HTTP/1.1\r\n${ours}\r\n`), /ECONNREFUSED/);
});

test('draining: after its seconds a request that never ends is cut', async () => {
  const { app, port } = await start();
  const endless = speak(
    port,
    'POST /any HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 100\r\n\r\na',
  ).catch(() => 'cut');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const began = performance.now();
  await app.drain(0.3);
  assert.ok(performance.now() - began < 2000);
  await endless;
});
