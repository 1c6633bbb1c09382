import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { startAtlassianSimulator } from './atlassian.ts';

test('the document of networks asks for no key, has an ETag, and goes wrong as it is told', async (t) => {
  const simulator = await startAtlassianSimulator({ log: createLog({ level: 'silent' }) });
  t.after(() => simulator.stop());
  const get = (headers: Record<string, string> = {}) => fetch(simulator.rangesUrl, { headers });
  const control = (body: object) =>
    fetch(`${simulator.origin}/simulator/ip-ranges`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const whole = await get();
  const etag = whole.headers.get('etag') ?? '';
  const { items, syncToken } = (await whole.json()) as {
    items: Record<string, unknown>[];
    syncToken: number;
  };
  assert.deepEqual(items[0], {
    network: '192.0.2.0',
    mask_len: 25,
    cidr: '192.0.2.0/25',
    region: ['global'],
    product: ['email'],
    direction: ['egress'],
    perimeter: 'commercial',
  });
  assert.equal((await get({ 'if-none-match': etag })).status, 304);

  assert.equal((await control({ add: ['2001:db8:99::/48'], remove: ['192.0.2.0/25'] })).status, 200);
  const changed = await get({ 'if-none-match': etag });
  const next = (await changed.json()) as { items: { cidr: string }[]; syncToken: number };
  assert.equal(next.syncToken, syncToken + 1);
  const networks = next.items.map(({ cidr }) => cidr);
  assert.ok(networks.includes('2001:db8:99::/48') && !networks.includes('192.0.2.0/25'));

  await control({ state: 'shrunk' });
  assert.equal(((await (await get()).json()) as { items: object[] }).items.length, items.length / 2);
  await control({ state: 'empty' });
  assert.deepEqual(((await (await get()).json()) as { items: object[] }).items, []);
  await control({ state: 'broken' });
  await assert.rejects((await get()).json());
  await control({ state: 'page' });
  assert.match(await (await get()).text(), /^<!doctype html>/);
  assert.equal((await control({ state: 'odd' })).status, 400);
  assert.equal((await control({ add: ['nonsense'] })).status, 400);

  simulator.state.reset();
  assert.equal(((await (await get()).json()) as { items: object[] }).items.length, items.length);
  simulator.faults.set(['hang,path=/ip-ranges']);
  await assert.rejects(fetch(simulator.rangesUrl, { signal: AbortSignal.timeout(300) }));
});
