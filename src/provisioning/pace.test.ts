import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { createNet, type Net, NetRefused } from '#kit/net/net.ts';
import { testDatabase } from '#test/kit.ts';
import { createCallAt } from './call.ts';
import { Retry, Stop } from './connector.ts';
import { awaitTurn, clearPace, noteRateLimit, paceOf, retryAfterSeconds } from './pace.ts';
import type { Entry } from './timeline.ts';

const { database, clock, log } = await testDatabase();
const net = createNet({ allow: ['127.0.0.0/8'], log, connectMs: 300 });
after(() => net.close());

/** An application with a target of its own, so that tests do not wait for each other. */
async function aTarget(id: string): Promise<string> {
  await database.query(
    `insert into applications (id, title, settings, created_at, updated_at) values ($1, $1, '{}', now(), now())`,
    [id],
  );
  await database.query(
    `insert into targets (application, connector, settings, mode, created_at, updated_at)
     values ($1, 'model', '{}', 'automatic', now(), now())`,
    [id],
  );
  return id;
}

async function listening(answer: RequestListener): Promise<URL> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/scim/Users?filter=x`);
}

const fast = { perMinute: 1_000_000, burst: 1000 };
const callAt = (application: string, timeoutSeconds = 5) =>
  createCallAt(
    { database, net, clock, log },
    { application, subject: 'person:1', pace: fast, timeoutSeconds },
  );
const entries = async (application: string) =>
  (await database.query(
    'select kind, text, request, response from target_entries where application = $1 order by id',
    [application],
  )) as Pick<Entry, 'kind' | 'text' | 'request' | 'response'>[];

test('turns of two nodes together keep the rate, after the burst', async () => {
  const app = await aTarget('pace-rate');
  const began = performance.now();
  const pace = { perMinute: 1200, burst: 5 };
  const moments: number[] = [];
  const caller = async () => {
    for (let at = 0; at < 12; at += 1) {
      await awaitTurn(database, app, pace, { timeoutSeconds: 5 });
      moments.push(performance.now() - began);
    }
  };
  await Promise.all([caller(), caller()]);
  // 24 turns: 4 in hand, 20 more at 50 ms each (a little slower by the margin).
  const took = moments.at(-1) as number;
  assert.ok(took >= 19 * 50, `24 turns took only ${took} ms`);
  assert.ok(moments.filter((at) => at < 45).length <= 5, 'no more than the burst at once');
  await assert.rejects(
    Promise.all(
      Array.from({ length: 400 }, () =>
        awaitTurn(
          database,
          app,
          { perMinute: 60, burst: 1 },
          { timeoutSeconds: 5, signal: AbortSignal.timeout(200) },
        ),
      ),
    ),
    'turns further away than anyone waits are not given',
  );
});

test('F-14 Retry-After in every form: seconds, date, none, negative and absurd', () => {
  const now = new Date('2026-11-22T10:00:00Z');
  const of = (headers: Record<string, string>) => retryAfterSeconds(new Headers(headers), now);
  assert.equal(of({ 'retry-after': '7' }), 7);
  assert.equal(of({ 'retry-after': 'Sun, 22 Nov 2026 10:00:30 GMT' }), 30);
  assert.equal(
    of({ 'retry-after': 'Sun, 22 Nov 2026 11:00:10 GMT', date: 'Sun, 22 Nov 2026 11:00:00 GMT' }),
    10,
    'against the clock of the target',
  );
  assert.equal(of({ 'retry-after': 'Sun, 22 Nov 2026 09:00:00 GMT' }), 0);
  assert.equal(of({}), undefined);
  assert.equal(of({ 'retry-after': '-1' }), undefined);
  assert.equal(of({ 'retry-after': '1000000000' }), 3600);
  assert.equal(of({ 'retry-after': 'soon' }), undefined);
  assert.equal(of({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '12' }), 12);
  assert.equal(
    of({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(now.getTime() / 1000 + 20) }),
    20,
  );
  assert.equal(of({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '2026-11-22T10:01:00Z' }), 60);
  assert.equal(of({ 'x-ratelimit-remaining': '5', 'x-ratelimit-reset': '12' }), undefined);
});

test('F-14 after 429 nobody calls before the time that was told', async () => {
  const app = await aTarget('pace-429');
  let calls = 0;
  const url = await listening((_request, response) => {
    calls += 1;
    response.writeHead(429, { 'retry-after': '1' }).end();
  });
  const call = callAt(app);
  await assert.rejects(
    call({ method: 'GET', url }),
    (error) => error instanceof Retry && error.kind === 'rate' && error.afterSeconds! >= 1,
  );
  await assert.rejects(
    call({ method: 'GET', url }),
    (error) => error instanceof Retry && error.kind === 'later',
  );
  assert.equal(calls, 1);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await assert.rejects(call({ method: 'GET', url }), Retry);
  assert.equal(calls, 2);
});

test('F-14 what a first request loads is loaded before its turn is taken: nothing holds it up between turn and target', async () => {
  const app = await aTarget('pace-loads');
  const steps: string[] = [];
  const call = createCallAt(
    {
      clock,
      log,
      database: {
        ...database,
        query: (...given: Parameters<typeof database.query>) => {
          steps.push('database');
          return database.query(...given);
        },
      } as typeof database,
      net: {
        load: () => void steps.push('load'),
        fetch: async () => {
          steps.push('request');
          throw new NetRefused('unreachable');
        },
      } as unknown as Net,
    },
    { application: app, subject: 'target', pace: fast, timeoutSeconds: 5 },
  );
  await assert.rejects(call({ method: 'GET', url: new URL('https://wiki.example.org/') }), Retry);
  assert.deepEqual(
    [...new Set(steps.slice(0, steps.indexOf('request') + 1))],
    ['load', 'database', 'request'],
  );
  assert.equal(steps.lastIndexOf('load'), 0);
});

test('F-14 whoever waits for a turn while the target asks for a pause does not go when the turn comes', async () => {
  const app = await aTarget('pace-waiting');
  const slow = { perMinute: 60, burst: 2 };
  const turns = Array.from({ length: 3 }, () => awaitTurn(database, app, slow, { timeoutSeconds: 5 }));
  const settled = Promise.allSettled(turns);
  await Promise.race(turns);
  await noteRateLimit(database, app, 30);
  const refused = (await settled).filter((one) => one.status === 'rejected').map(({ reason }) => reason);
  assert.equal(refused.length, 2);
  for (const reason of refused) assert.ok(reason instanceof Retry && (reason.afterSeconds ?? 0) > 25);
});

test('F-13 a target that never answers: time limit, then the breaker; one probe finds it well again', async () => {
  const app = await aTarget('pace-silent');
  let silent = true;
  let calls = 0;
  const url = await listening((_request, response) => {
    calls += 1;
    if (!silent) response.end('{}');
  });
  const call = callAt(app, 0.1);
  for (let at = 0; at < 5; at += 1) await assert.rejects(call({ method: 'GET', url }), Retry);
  assert.equal(calls, 5);
  await assert.rejects(
    call({ method: 'GET', url }),
    (error) => error instanceof Retry && error.kind === 'later',
  );
  assert.equal(calls, 5, 'the open breaker lets nothing out');
  assert.ok((await paceOf(database, app)).openUntil);
  await database.query(`update target_paces set open_until = clock_timestamp() where application = $1`, [
    app,
  ]);
  silent = false;
  const tries = await Promise.allSettled(Array.from({ length: 10 }, () => call({ method: 'GET', url })));
  assert.ok(calls >= 6 && calls <= 15);
  assert.ok(tries.some(({ status }) => status === 'fulfilled'));
  assert.equal((await call({ method: 'GET', url })).status, 200);
  assert.deepEqual(await paceOf(database, app), { failures: 0, heldUntil: undefined, openUntil: undefined });
  await clearPace(database, app);
});

test('while the breaker is half open, one call at a time may try', async () => {
  const app = await aTarget('pace-probe');
  let calls = 0;
  const url = await listening(() => {
    calls += 1;
  });
  const call = callAt(app, 0.2);
  for (let at = 0; at < 5; at += 1) await assert.rejects(call({ method: 'GET', url }), Retry);
  await database.query(`update target_paces set open_until = clock_timestamp() where application = $1`, [
    app,
  ]);
  calls = 0;
  await Promise.allSettled(Array.from({ length: 20 }, () => call({ method: 'GET', url })));
  assert.equal(calls, 1);
});

test('many calls under way when a target falls silent open the breaker once, for the first and shortest time', async () => {
  const app = await aTarget('pace-together');
  const url = await listening(() => undefined);
  const call = callAt(app, 0.2);
  await Promise.allSettled(Array.from({ length: 16 }, () => call({ method: 'GET', url })));
  const { failures, openUntil } = await paceOf(database, app);
  assert.equal(failures, 5);
  const seconds = (openUntil!.getTime() - Date.now()) / 1000;
  assert.ok(seconds < 5 * 1.25, `open for ${seconds} s`);
});

test('what the status alone decides', async () => {
  const app = await aTarget('pace-status');
  let status = 200;
  const url = await listening((_request, response) => {
    response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>no json</h1>');
  });
  const call = callAt(app);
  assert.equal((await call({ method: 'GET', url })).json, undefined);
  status = 404;
  assert.equal((await call({ method: 'GET', url })).status, 404);
  status = 401;
  await assert.rejects(
    call({ method: 'GET', url }),
    (error) => error instanceof Stop && error.code === 'credentials',
  );
  status = 502;
  await assert.rejects(
    call({ method: 'GET', url }),
    (error) => error instanceof Retry && error.kind === 'outage',
  );
});

test('the timeline has request and answer, and no secret', async () => {
  const app = await aTarget('pace-trace');
  const url = await listening((_request, response) => {
    response
      .writeHead(201)
      .end(JSON.stringify({ id: '1', token: 'tell-nobody', deep: { clientSecret: 'tell-nobody' } }));
  });
  await callAt(app)({
    method: 'POST',
    url,
    headers: { authorization: 'Bearer tell-nobody' },
    body: { userName: 'ada', password: 'tell-nobody', note: 'half \ud800 and \0' },
  });
  const [entry] = await entries(app);
  assert.equal(entry?.kind, 'answered');
  assert.doesNotMatch(JSON.stringify(entry), /tell-nobody/);
  assert.match(JSON.stringify(entry), /"userName":"ada"/);
  assert.deepEqual(Object(entry?.response).status, 201);
});

test('a private address that nobody permitted is no matter of one person: the target is held, and the reason says what to do', async () => {
  const app = await aTarget('pace-private');
  const call = createCallAt(
    { database, net: createNet({ allow: [], log, connectMs: 300 }), clock, log },
    { application: app, subject: 'person:1', pace: fast, timeoutSeconds: 1 },
  );
  await assert.rejects(
    call({ method: 'GET', url: new URL('http://127.0.0.1:9/') }),
    (error) => error instanceof Stop && error.code === 'address' && /outboundAllow/.test(error.message),
  );
});

test('an answer nobody could keep is kept all the same: cut, cleaned in its names too, its status readable', async () => {
  const app = await aTarget('pace-hostile');
  const wide = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => 'x'.repeat(100)));
  const answers = [
    `{"a\\u0000b": "c\\u0000d", "\\ud800": "\\udfff"}`,
    JSON.stringify({ ['k'.repeat(100_000)]: wide, wide }),
    '['.repeat(100_000) + ']'.repeat(100_000),
  ];
  let at = 0;
  const url = await listening((_request, response) => {
    response.writeHead(200).end(answers[at]);
  });
  for (at = 0; at < answers.length; at += 1) {
    const { json } = await callAt(app)({ method: 'GET', url });
    // What a connector hands on ends in jsonb columns.
    await database.query('select $1::jsonb', [JSON.stringify(json ?? null)]);
  }
  const kept = await entries(app);
  assert.equal(kept.length, answers.length);
  for (const { response } of kept) {
    assert.equal(Object(response).status, 200);
    assert.ok(JSON.stringify(response).length < 60_000);
  }
});
