import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '#kit/log/log.ts';
import { createFaults, type Fault, readFault, seededChance } from './faults.ts';
import { readRate } from './rate.ts';
import { startScimSimulator } from './scim.ts';

const log = createLog({ level: 'silent' });
const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';

async function target(t: TestContext, ...faults: (Fault | string)[]) {
  const simulator = await startScimSimulator({ log, seed: 7, faults, uniqueExternalId: false });
  t.after(() => simulator.stop());
  const headers = { authorization: `Bearer ${simulator.token}`, 'content-type': 'application/scim+json' };
  const add = (userName: string, init: RequestInit = {}) =>
    fetch(`${simulator.url}/Users`, {
      method: 'POST',
      headers: { ...headers, 'idempotency-key': `key-${userName}` },
      body: JSON.stringify({ schemas: [userUrn], userName, externalId: `x-${userName}` }),
      ...init,
    });
  return { simulator, headers, add };
}

test('F-14 429 tells Retry-After in seconds, as a date, not at all, as -1 and as 10^9, and does nothing', async (t) => {
  const { simulator, add } = await target(t);
  const told: (string | null)[] = [];
  for (const retryAfter of [7, -1, 1_000_000_000, 'none', 'date:60']) {
    simulator.faults.set([{ kind: 'rate', retryAfter }]);
    const answer = await add('ada');
    assert.equal(answer.status, 429);
    assert.match(answer.headers.get('content-type')!, /scim\+json/);
    told.push(answer.headers.get('retry-after'));
  }
  assert.deepEqual(told.slice(0, 4), ['7', '-1', '1000000000', null]);
  const wait = Date.parse(told[4]!) - Date.now();
  assert.ok(wait > 50_000 && wait < 62_000, told[4]!);
  assert.equal(simulator.state.users().length, 0);
  const { faults, limited } = simulator.ledger.counters();
  assert.deepEqual([faults, limited], [5, 0]);
});

test('F-14 a request before the moment it was told is counted as early', async (t) => {
  const { simulator, add } = await target(t, { kind: 'rate', retryAfter: 1, times: 1 });
  await add('ada');
  await sleep(100);
  await add('ada');
  await sleep(1000);
  await add('bob');
  const [, second, third] = simulator.ledger.entries();
  assert.equal(simulator.ledger.counters().early, 1);
  assert.ok(second!.earlyMs! > 500 && second!.earlyMs! < 1000);
  assert.equal(third!.earlyMs, undefined);
});

test('F-13 a hang is taken in and never answered, and nothing is done unless it says so', async (t) => {
  const { simulator, add } = await target(t, 'hang,userName=ada,times=1', 'hang,userName=bob,commit');
  await assert.rejects(add('ada', { signal: AbortSignal.timeout(300) }), /aborted/);
  assert.equal(simulator.state.users().length, 0);
  await assert.rejects(add('bob', { signal: AbortSignal.timeout(300) }), /aborted/);
  assert.deepEqual(
    simulator.state.users().map(({ body }) => body.userName),
    ['bob'],
  );
  assert.equal((await add('ada')).status, 201);
  assert.deepEqual(
    simulator.ledger.entries().map(({ status, fault }) => [status, fault]),
    [
      [null, 'hang'],
      [null, 'hang'],
      [201, undefined],
    ],
  );
});

test('F-15 a reset comes after the commit, a drop before it', async (t) => {
  const { simulator, add } = await target(t, 'reset,method=POST,userName=ada', 'drop,userName=bob');
  await assert.rejects(add('ada'), TypeError);
  await assert.rejects(add('bob'), TypeError);
  assert.deepEqual(
    simulator.state.users().map(({ body }) => body.userName),
    ['ada'],
  );
  simulator.faults.clear();
  assert.equal((await add('ada')).status, 409);
  const [first] = simulator.ledger.entries({ userName: 'ADA' });
  assert.deepEqual([first!.status, first!.key, first!.change!.what], [null, 'key-ada', 'create']);
});

test('a forgotten user was created and is gone afterwards, without a trace', async (t) => {
  const { simulator, add, headers } = await target(t, { kind: 'forget', ms: 50 });
  const { id } = (await (await add('ada')).json()) as { id: string };
  const read = () => fetch(`${simulator.url}/Users/${id}`, { headers });
  assert.equal((await read()).status, 200);
  await sleep(150);
  assert.equal((await read()).status, 404);
  assert.equal((await add('ada')).status, 201);
});

test('5xx, slow, and F-16 the one user that is refused whatever is sent', async (t) => {
  const { simulator, add } = await target(
    t,
    { kind: 'error', status: 502, times: 1 },
    { kind: 'error', commit: true, userName: 'bob' },
    { kind: 'refuse', userName: 'poison' },
    { kind: 'slow', ms: 120, userName: 'snail' },
  );
  assert.equal((await add('ada')).status, 502);
  assert.equal((await add('ada')).status, 201);
  assert.equal((await add('bob')).status, 503);
  assert.equal((await add('poison')).status, 400);
  assert.equal((await add('poison')).status, 400);
  const began = performance.now();
  assert.equal((await add('snail')).status, 201);
  assert.ok(performance.now() - began >= 115);
  assert.deepEqual(
    simulator.state.users().map(({ body }) => body.userName),
    ['ada', 'bob', 'snail'],
  );
});

test('faults strike by count and by seeded chance, the same again for the same seed', () => {
  const struck = (seed: number) => {
    const faults = createFaults({
      chance: seededChance(seed),
      faults: ['drop,probability=0.3,skip=10,times=50'],
    });
    return Array.from(
      { length: 1000 },
      () => faults.strike({ method: 'GET', path: '/x' }).fault !== undefined,
    );
  };
  const one = struck(5);
  assert.deepEqual(one, struck(5));
  assert.notDeepEqual(one, struck(6));
  assert.equal(one.slice(0, 10).includes(true), false);
  assert.equal(one.filter(Boolean).length, 50);
});

test('faults and rates are read strictly', () => {
  assert.deepEqual(readFault('rate, retry-after=date:30, times=2, path=/Users, method=post'), {
    kind: 'rate',
    retryAfter: 'date:30',
    times: 2,
    path: '/Users',
    method: 'POST',
  });
  const wrong = [
    '',
    'explode',
    'drop,when=later',
    'drop,times=-1',
    'drop,probability=2',
    'error,status=200',
    'rate,retryAfter=soon',
    'slow,ms=',
  ];
  for (const text of wrong) assert.throws(() => readFault(text), RangeError, text);
  assert.deepEqual(readRate('180/min', 20), { perMinute: 180, burst: 20 });
  assert.deepEqual([readRate('3/s').perMinute, readRate('6000/h').perMinute], [180, 100]);
  for (const text of ['', '0/min', 'fast', '5', '5/year'])
    assert.throws(() => readRate(text), RangeError, text);
});

test('the ledger tells what was doubled, and the control address shows and changes it all', async (t) => {
  const { simulator, add, headers } = await target(t);
  const control = async (method: string, at: string, body?: unknown) => {
    const init = {
      method,
      headers: { 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    };
    const answer = await fetch(`${simulator.origin}/simulator/${at}`, init as RequestInit);
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : undefined };
  };
  await add('ada');
  assert.deepEqual(simulator.ledger.doubled(), []);
  const twin = { schemas: [userUrn], userName: 'ada2', externalId: 'x-ada' };
  await fetch(`${simulator.url}/Users`, { method: 'POST', headers, body: JSON.stringify(twin) });
  const ids = simulator.state.users().map(({ id }) => id);
  assert.deepEqual(simulator.ledger.doubled(), [{ name: 'User x-ada', ids }]);
  const state = (await control('GET', 'state')).body;
  assert.deepEqual([state.users, state.counters.created, state.doubled.length, state.seed], [2, 2, 1, 7]);
  assert.equal(JSON.stringify(state).includes(simulator.token), false);
  const ledger = (await control('GET', 'ledger?externalId=x-ada&limit=1')).body.entries;
  assert.deepEqual(
    [ledger.length, ledger[0].change.state.userName, ledger[0].subject.kind],
    [1, 'ada', 'User'],
  );
  assert.match(ledger[0].change.state.digest, /^[0-9a-f]{16}$/);
  assert.equal(
    (await control('PUT', 'faults', ['error,status=500', { kind: 'slow', ms: 1 }])).body.length,
    2,
  );
  assert.equal((await add('bob')).status, 500);
  assert.equal((await control('POST', 'faults', { kind: 'explode' })).status, 400);
  assert.equal((await control('GET', 'faults')).body[0].struck, 1);
  assert.equal((await control('DELETE', 'faults')).status, 204);
  const limit = { all: '60/min' };
  assert.deepEqual((await control('PUT', 'settings', { limit, latencyMs: 0 })).body.limit.all, {
    perMinute: 60,
    burst: 1,
  });
  assert.equal((await control('PUT', 'settings', { latencyMs: -1 })).status, 400);
  assert.equal((await control('POST', 'reset')).status, 204);
  assert.equal((await control('GET', 'state')).body.counters.requests, 0);
  assert.equal((await control('GET', 'elsewhere')).status, 404);
});
