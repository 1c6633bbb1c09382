import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, Socket, createServer as tcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { atBest } from '#test/eventually.ts';
import { createNet, type NetOptions, type NetRefusal, NetRefused, webFetch } from './net.ts';

const log = createLog({ level: 'silent' });
const canary = 'canary-of-the-inside';

function guarded(t: TestContext, options: Partial<NetOptions> = {}) {
  const net = createNet({ allow: [], log, connectMs: 150, ...options });
  t.after(() => net.close());
  return net;
}

async function serve(t: TestContext, listener: RequestListener, host = '127.0.0.1', port = 0) {
  const hits: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    hits.push(request);
    listener(request, response);
  });
  server.listen(port, host);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address() as AddressInfo;
  return { hits, port: address.port, url: `http://${host}:${address.port}` };
}

const refusedWith = (code: NetRefusal) => (error: unknown) => {
  assert.ok(error instanceof NetRefused, String(error));
  assert.equal(error.code, code);
  assert.ok(!JSON.stringify([error.message, String(error.cause)]).includes(canary));
  return true;
};

// Names stand for what a resolver an attacker controls may say about them.
const names: Record<string, string[]> = {
  'private.example': ['10.0.0.7'],
  'loop.example': ['127.0.0.1'],
  'loop6.example': ['::1'],
  'metadata.example': ['169.254.169.254'],
  'mixed.example': ['93.184.215.14', '10.0.0.7'],
  'mapped.example': ['::ffff:93.184.215.14'],
  'nat64.example': ['64:ff9b::a00:7'],
  'ula.example': ['fd12:3456::1'],
  'nothing.example': [],
  'garbage.example': ['not an address'],
  localhost: ['127.0.0.1', '::1'],
  'localhost.': ['127.0.0.1'],
  'public.example': ['93.184.215.14'],
};
const resolve = async (host: string) => {
  const found = names[host];
  if (!found) throw new Error('ENOTFOUND');
  return found.map((address) => ({ address, family: address.includes(':') ? (6 as const) : (4 as const) }));
};

const forbidden = [
  // loopback and its spellings
  'https://127.0.0.1/',
  'https://127.0.0.1:443/',
  'https://127.1/',
  'https://127.0.1/',
  'https://127.255.255.254/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.0.0.1/',
  'https://0x7f.1/',
  'https://017700000001/',
  'https://0177.0.0.1/',
  'https://0177.1/',
  'https://127.0.0.1./',
  'https://%31%32%37.0.0.1/',
  'https://１２７.0.0.1/',
  'https://127。0。0。1/',
  'https://localhost/',
  'https://localhost./',
  'https://LOCALHOST/',
  'https://loop.example/',
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://loop6.example/',
  'https://0/',
  'https://0.0.0.0/',
  'https://[::]/',
  // private networks and their spellings
  'https://10.0.0.1/',
  'https://10.255.255.255/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.168.0.1/',
  'https://167772161/',
  'https://0xa000001/',
  'https://012.0.0.1/',
  'https://private.example/',
  'https://mixed.example/',
  'https://[fc00::1]/',
  'https://[fd12:3456::1]/',
  'https://ula.example/',
  // link-local, shared, multicast, broadcast, test and reserved networks
  'https://169.254.169.254/latest/meta-data/',
  'https://metadata.example/',
  'https://[fe80::1]/',
  'https://[fe80::1%25eth0]/',
  'https://100.64.0.1/',
  'https://100.127.255.255/',
  'https://224.0.0.1/',
  'https://239.255.255.250/',
  'https://[ff02::1]/',
  'https://255.255.255.255/',
  'https://198.18.0.1/',
  'https://192.0.2.1/',
  'https://203.0.113.5/',
  'https://240.0.0.1/',
  'https://192.88.99.1/',
  'https://192.0.0.8/',
  'https://[2001:db8::1]/',
  'https://[100::1]/',
  'https://[fec0::1]/',
  // IPv4 in IPv6 clothes
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::a00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:7f00:1::]/',
  'https://mapped.example/',
  'https://nat64.example/',
  'https://[::ffff:0:127.0.0.1]/',
  // public, in a spelling nobody honest uses
  'https://134744072/',
  'https://0x08080808/',
  'https://010.010.010.010/',
  'https://8.8.2056/',
  // ports, schemes, passwords, tricks of writing
  'https://public.example:22/',
  'https://public.example:6379/',
  'https://public.example:8443/',
  'https://public.example:0/',
  'http://public.example/',
  'ftp://public.example/',
  'file:///etc/passwd',
  'data:text/plain,x',
  'gopher://public.example/',
  'javascript:alert(1)',
  'https://user@public.example/',
  'https://user:pass@public.example/',
  'https://public.example@127.0.0.1/',
  'https:\\\\127.0.0.1/',
  'https://public.example\\@127.0.0.1/',
  'https://127.0.0.1\t/',
  ' https://127.0.0.1/',
  'https:127.0.0.1/',
  '//127.0.0.1/',
  '/etc/passwd',
  '',
  'https://',
  'https:///',
  'https://nothing.example/',
  'https://garbage.example/',
  'https://unknown.example/',
];

test('SS-01 no forbidden address is ever dialled, however it is written', async (t) => {
  assert.ok(forbidden.length >= 70);
  const dialled = t.mock.method(Socket.prototype, 'connect', function (this: Socket) {
    throw new Error('a connection was made');
  });
  const net = guarded(t, { resolve });
  const check = async (url: string) => {
    await assert.rejects(net.fetch(url), NetRefused, url);
    // A parsed URL has lost its odd spelling; it is judged by what it means.
    const parsed = URL.parse(url);
    if (parsed && !/^https:\/\/(8\.8\.8\.8|public\.example)\//.test(parsed.href))
      await assert.rejects(net.fetch(parsed), NetRefused, url);
  };
  await Promise.all(forbidden.map(check));
  assert.equal(dialled.mock.callCount(), 0);
  // The table means something only when a permitted one would have been dialled.
  await assert.rejects(net.fetch('https://public.example/'), NetRefused);
  assert.equal(dialled.mock.callCount(), 1);
});

test('SS-01 the same holds for plain connections', async (t) => {
  const dialled = t.mock.method(Socket.prototype, 'connect', function (this: Socket) {
    throw new Error('a connection was made');
  });
  const net = guarded(t, { resolve });
  for (const host of [
    '127.0.0.1',
    '[::1]',
    '10.0.0.1',
    'loop.example',
    'mixed.example',
    '169.254.169.254',
    '0x7f.1',
    '2130706433',
  ]) {
    await assert.rejects(net.connect({ host, port: 389 }), refusedWith('unreachable'), host);
  }
  await assert.rejects(net.connect({ host: 'public.example', port: 22 }), refusedWith('unreachable'));
  assert.equal(dialled.mock.callCount(), 0);
});

test('SS-01 a redirect is judged like a first address, at most three are followed', async (t) => {
  const inside = await serve(t, (_request, response) => response.end(canary), '127.0.0.2');
  const front = await serve(t, (request, response) => {
    const { searchParams } = new URL(request.url!, 'http://x');
    const left = Number(searchParams.get('left') ?? 0);
    const to = searchParams.get('to') ?? (left > 0 ? `/?left=${left - 1}` : undefined);
    response.writeHead(to ? 302 : 200, to ? { location: to } : {}).end('arrived');
  });
  const net = guarded(t, { allow: ['127.0.0.1'], resolve });
  assert.equal((await net.fetch(`${front.url}/?left=3`)).text(), 'arrived');
  await assert.rejects(net.fetch(`${front.url}/?left=4`), refusedWith('redirects'));
  const to = (place: string) => net.fetch(`${front.url}/?to=${encodeURIComponent(place)}`);
  await assert.rejects(to(inside.url), refusedWith('not-allowed'));
  await assert.rejects(to('https://127.0.0.2/'), refusedWith('unreachable'));
  await assert.rejects(to('//169.254.169.254/latest'), refusedWith('not-allowed'));
  await assert.rejects(to('https://2852039166/'), refusedWith('not-allowed'));
  await assert.rejects(to('file:///etc/passwd'), refusedWith('not-allowed'));
  await assert.rejects(to('https://metadata.example/'), refusedWith('unreachable'));
  assert.equal(inside.hits.length, 0);
  const posted = await net.fetch(`${front.url}/?to=%2F`, { method: 'POST', body: 'x' });
  assert.equal(posted.status, 302);
});

test('credentials do not travel to another origin, nor do headers of the connection', async (t) => {
  const other = await serve(t, (_request, response) => response.end('ok'));
  const first = await serve(t, (_request, response) =>
    response.writeHead(307, { location: other.url }).end(),
  );
  const net = guarded(t, { allow: ['127.0.0.1'] });
  await net.fetch(first.url, {
    headers: { authorization: 'Bearer x', cookie: 'a=b', host: 'evil', 'x-kept': '1' },
  });
  assert.equal(first.hits[0]!.headers.authorization, 'Bearer x');
  assert.match(first.hits[0]!.headers.host!, /^127\.0\.0\.1:/);
  assert.equal(other.hits[0]!.headers.authorization, undefined);
  assert.equal(other.hits[0]!.headers.cookie, undefined);
  assert.equal(other.hits[0]!.headers['x-kept'], '1');
});

test('SS-02 a name that changes its address between questions reaches only what was judged', async (t) => {
  const good = await serve(t, (_request, response) => response.end('good'), '127.0.0.1');
  const inside = await serve(t, (_request, response) => response.end(canary), '127.0.0.2', good.port);
  let questions = 0;
  const alternating = async () => {
    questions += 1;
    return [{ address: questions % 2 === 1 ? '127.0.0.1' : '127.0.0.2', family: 4 as const }];
  };
  const net = guarded(t, { allow: ['127.0.0.1/32'], resolve: alternating });
  for (let round = 1; round <= 20; round += 1) {
    const asked = net.fetch(`http://rebind.example:${good.port}/`);
    if (round % 2 === 1) assert.equal((await asked).text(), 'good');
    else await assert.rejects(asked, refusedWith('not-allowed'));
    assert.equal(questions, round);
  }
  assert.equal(good.hits.length, 10);
  assert.equal(inside.hits.length, 0);
});

test('SS-02 denied, closed and silent hosts fail with the same words after the same time', async (t) => {
  const closed = tcpServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const connectMs = 300;
  const silent = () => new Promise<never>(() => undefined);
  const open = guarded(t, { allow: ['127.0.0.1', '192.0.2.1'], connectMs, resolve });
  const mute = guarded(t, { connectMs, resolve: silent });
  const ways: [string, () => Promise<unknown>][] = [
    ['denied', () => open.fetch('https://10.0.0.1/')],
    ['denied name', () => open.fetch('https://private.example/')],
    ['unknown name', () => open.fetch('https://unknown.example/')],
    ['closed', () => open.fetch(`https://127.0.0.1:${port}/`)],
    ['filtered', () => open.fetch('https://192.0.2.1/')],
    ['silent resolver', () => mute.fetch('https://quiet.example/')],
    ['denied connection', () => open.connect({ host: '10.0.0.1', port: 389 })],
    ['closed connection', () => open.connect({ host: '127.0.0.1', port })],
  ];
  const slowest = await atBest(connectMs * 1.7, async () => {
    const results = await Promise.all(
      ways.map(async ([way, go]) => {
        const began = performance.now();
        const error = await go().then(
          () => assert.fail(way),
          (reason: NetRefused) => reason,
        );
        return { way, words: `${error.code} ${error.message}`, ms: performance.now() - began };
      }),
    );
    assert.deepEqual(
      [...new Set(results.map((result) => result.words))],
      ['unreachable The address could not be reached.'],
    );
    for (const { way, ms } of results) assert.ok(ms >= connectMs - 5, `${way}: ${ms} ms`);
    return Math.max(...results.map(({ ms }) => ms));
  });
  assert.ok(slowest < connectMs * 1.7, `the slowest took ${slowest} ms`);
});

test('SS-01 an answer larger than 1 MB or slower than the time given is refused, announced or not', async (t) => {
  const server = await serve(t, (request, response) => {
    if (request.url === '/announced') response.writeHead(200, { 'content-length': 2_000_000 }).write(canary);
    else if (request.url === '/slow') response.write(canary);
    else if (request.url === '/fits') response.end(Buffer.alloc(1_000_000));
    else response.end(Buffer.alloc(1_000_001, canary));
  });
  const net = guarded(t, { allow: ['127.0.0.1'] });
  await assert.rejects(net.fetch(`${server.url}/announced`), refusedWith('too-large'));
  await assert.rejects(net.fetch(`${server.url}/streamed`), refusedWith('too-large'));
  assert.equal((await net.fetch(`${server.url}/fits`)).bytes.length, 1_000_000);
  const began = performance.now();
  await assert.rejects(net.fetch(`${server.url}/slow`, { timeoutMs: 200 }), refusedWith('too-slow'));
  assert.ok(performance.now() - began < 1000);
});

test('permission for private networks opens loopback over http for that call alone', async (t) => {
  const server = await serve(t, (_request, response) => response.writeHead(201, { 'x-a': 'b' }).end('made'));
  const net = guarded(t);
  const answer = await net.fetch(server.url, { method: 'POST', body: '{}', allowPrivate: true });
  assert.deepEqual([answer.status, answer.text(), answer.headers.get('x-a')], [201, 'made', 'b']);
  await assert.rejects(net.fetch(server.url), refusedWith('not-allowed'));
});

test('a connection is handed over open, with its certificate checked when TLS is asked', async (t) => {
  const server = tcpServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const net = guarded(t, { allow: [`127.0.0.1:${port}`], connectMs: 500 });
  const socket = await net.connect({ host: '127.0.0.1', port });
  const [chunk] = await once(socket, 'data');
  assert.equal(String(chunk), 'hello');
  socket.destroy();
  await assert.rejects(net.connect({ host: '127.0.0.1', port, tls: true }), refusedWith('unreachable'));
});

test('the web-shaped fetch goes the same guarded way and follows nothing', async (t) => {
  const server = await serve(t, async (request, response) => {
    if (request.url === '/away') return response.writeHead(302, { location: '/' }).end();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ got: String(Buffer.concat(chunks)) }));
  });
  const net = guarded(t, { allow: ['127.0.0.1'] });
  const through = webFetch(net);
  const answer = await through(server.url, { method: 'POST', body: new URLSearchParams({ a: 'b' }) });
  assert.deepEqual(await answer.json(), { got: 'a=b' });
  assert.equal(server.hits[0]!.headers['content-type'], 'application/x-www-form-urlencoded;charset=UTF-8');
  assert.equal((await through(`${server.url}/away`)).status, 302);
  await assert.rejects(through('https://10.0.0.1/'), NetRefused);
});
