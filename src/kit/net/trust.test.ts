import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0;
  } catch {
    return false;
  }
})();

// Node reads NODE_EXTRA_CA_CERTS once, when a process starts: each case is a process of its own.
const caller = `
  import { createNet } from '#kit/net/net.ts';
  import { createLog } from '#kit/log/log.ts';
  const net = createNet({ allow: ['127.0.0.1'], log: createLog({ level: 'silent' }), connectMs: 1000,
    resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
  const say = (work) => work.then((got) => got.status ?? 'connected', (error) => error.code);
  const base = 'https://app.test:' + process.env.TEST_PORT;
  console.log(JSON.stringify([
    await say(net.fetch(base + '/')),
    await say(net.fetch(base + '/down')),
    await say(net.connect({ host: 'app.test', port: Number(process.env.TEST_PORT), tls: true })),
    await say(net.connect({ host: 'app.test', port: Number(process.env.TEST_PORT), tls: true, servername: 'other.test' })),
  ]));
  process.exit();
`;

test('SS-01 certificates are checked: a private CA counts only when named, https never leads to http', {
  skip: !hasOpenssl && 'needs openssl',
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-ca-'));
  t.after(() => rm(folder, { recursive: true }));
  const keyFile = join(folder, 'key.pem');
  const certFile = join(folder, 'cert.pem');
  const ask =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=app.test -addext subjectAltName=DNS:app.test';
  await promisify(execFile)('openssl', [...ask.split(' '), '-keyout', keyFile, '-out', certFile]);
  const server = createServer(
    { key: await readFile(keyFile), cert: await readFile(certFile) },
    (request, response) => {
      if (request.url === '/down') response.writeHead(302, { location: 'http://127.0.0.1/' });
      response.end('ok');
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const run = async (extra: Record<string, string>) => {
    const env = { ...process.env, TEST_PORT: String((server.address() as AddressInfo).port), ...extra };
    const cwd = new URL('../../../', import.meta.url);
    const args = ['--input-type=module-typescript', '-e', caller];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env });
    return JSON.parse(stdout);
  };
  const [trusting, wary] = await Promise.all([
    run({ NODE_EXTRA_CA_CERTS: certFile }),
    run({ NODE_EXTRA_CA_CERTS: '' }),
  ]);
  assert.deepEqual(trusting, [200, 'redirects', 'connected', 'unreachable']);
  assert.deepEqual(wary, ['unreachable', 'unreachable', 'unreachable', 'unreachable']);
});
