import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hasher } from '#kit/crypto/passwords.ts';
import type { Database } from '#kit/db/database.ts';
import { createServer } from '#kit/http/server.ts';
import { createLog } from '#kit/log/log.ts';
import { startPlatform } from '#test/kit.ts';
import { operations, refuseOthers } from './operations.ts';

test('a process that runs the worker alone is watched like any other, and serves nothing else', async () => {
  const platform = await startPlatform({ env: { GATEHOUSE_RUN: 'worker' } });
  assert.equal(platform.app, undefined);
  const ask = (path: string, init?: RequestInit) => fetch(platform.origin + path, init);

  const live = await ask('/health/live');
  assert.deepEqual([live.status, await live.json()], [200, { live: true }]);
  const ready = await ask('/health/ready');
  assert.deepEqual([ready.status, await ready.json()], [200, { ready: true }]);
  const figures = await ask('/metrics');
  assert.equal(figures.status, 200);
  assert.match(await figures.text(), /^gatehouse_requests_total\{route="\/health\/live"/m);

  const elsewhere = [
    '/',
    '/sign-in',
    '/api/v1/people',
    '/.well-known/openid-configuration',
    '/health',
    '/metrics/x',
  ];
  const assets = ['/assets/x/style.css', '/favicon.ico', '/robots.txt'];
  for (const path of [...elsewhere, ...assets]) {
    const answer = await ask(path);
    assert.equal(answer.status, 404, path);
    const body = (await answer.json()) as { error: string; text: string; reference: string };
    assert.equal(body.error, 'not-found');
    assert.match(body.text, /runs no pages and no protocols.*\/health\/live, \/health\/ready, \/metrics/);
    assert.match(body.reference, /^[\w-]{12}$/);
    assert.equal(answer.headers.get('set-cookie'), null);
  }
  for (const method of ['POST', 'PUT', 'DELETE'])
    assert.equal((await ask('/health/live', { method })).status, 404, method);
  const forwarded = await ask('/metrics', { headers: { 'x-forwarded-for': '203.0.113.9' } });
  assert.equal(forwarded.status, 404, 'figures are not passed on');
  await platform.close();
  await assert.rejects(ask('/health/live'), 'it stops with the process');
});

test('a worker that cannot read its database, or is about to stop, says that it is not ready', async () => {
  const app = createServer({
    log: createLog({ level: 'silent' }),
    publicUrl: new URL('http://localhost:1'),
    issuer: new URL('http://localhost:1'),
    macs: () => [Buffer.alloc(32)],
    renderError: refuseOthers,
  });
  let draining = false;
  const read = () => Promise.reject(new Error('gone'));
  operations(app, {
    database: { read } as unknown as Database,
    hasher: { stats: () => ({ waiting: 0 }) } as unknown as Hasher,
    isDraining: () => draining,
    alone: true,
  });
  const ready = () => app.inject({ url: '/health/ready', headers: { host: '10.0.0.7:8080' } });
  const without = await ready();
  assert.deepEqual([without.statusCode, without.json().why], [503, 'the database does not answer']);
  draining = true;
  assert.deepEqual([(await ready()).statusCode, (await ready()).json().why], [503, 'draining']);
  const stranger = await app.inject({ url: '/sign-in', headers: { host: 'evil.example' } });
  assert.deepEqual([stranger.statusCode, stranger.json().error], [404, 'not-found']);
  await app.close();
});

test('a worker without a page serves no file of the pages either', async () => {
  const both = await startPlatform();
  const page = await (await fetch(`${both.origin}/sign-in`)).text();
  const asset = /\/assets\/[^"]+\.css/.exec(page)?.[0];
  assert.ok(asset);
  assert.equal((await fetch(both.origin + asset)).status, 200);
  const worker = await both.again({ GATEHOUSE_RUN: 'worker' });
  assert.equal((await fetch(worker.origin + asset)).status, 404);
  await both.close();
});
