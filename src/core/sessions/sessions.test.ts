import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { insertPeople } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import {
  elevate,
  endOverdueSessions,
  endSession,
  endSessions,
  lastSignIns,
  listSessions,
  listSignIns,
  noteSignIn,
  openSession,
  provedAt,
  sessionById,
  sessionByToken,
  shortenNetwork,
  touchSession,
} from './sessions.ts';

const minutes = (count: number) => count * 60_000;

async function stage() {
  const home = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('request'), work);
  const person = newId();
  const names = { username: person, usernameKey: person, givenName: '', familyName: '', displayName: person };
  await during((tx) => insertPeople(tx, [{ id: person, ...names, state: 'active', origin: 'test' }]));
  const open = (idleSeconds = 3600, absoluteSeconds = 7200) =>
    during((tx) =>
      openSession(tx, {
        person,
        amr: ['pwd'],
        aal: 1,
        device: 'Firefox on Linux',
        network: '198.51.100.x',
        persistent: false,
        lifetimes: { idleSeconds, absoluteSeconds },
      }),
    );
  return { ...home, during, person, open };
}

test('SE-01 only the hash of a token is kept, and tokens have 256 bits', async () => {
  const { database, open } = await stage();
  const { token, session } = await open();
  assert.match(token, /^[\w-]{43}$/);
  const rows = await database.query<{ row: string }>(
    'select s::text as row from sessions s union all select e::text from events e',
  );
  for (const { row } of rows)
    assert.ok(!row.includes(token) && !row.includes(Buffer.from(token, 'base64url').toString('hex')));
  assert.ok(rows.some(({ row }) => row.includes(session.id)));
});

test('SE-04 idle and absolute ends hold to the second, by token and by id; use moves only the idle one', async () => {
  const { during, open, clock } = await stage();
  const { token, session } = await open();
  const live = async () => [
    (await during((tx) => sessionByToken(tx, token)))?.id,
    (await during((tx) => sessionById(tx, session.id)))?.id,
  ];
  clock.advance(minutes(60) - 1);
  assert.deepEqual(await live(), [session.id, session.id]);
  await during(async (tx) => touchSession(tx, (await sessionById(tx, session.id))!));
  clock.advance(minutes(60) - 1);
  assert.deepEqual(await live(), [session.id, session.id]);
  await during(async (tx) => touchSession(tx, (await sessionById(tx, session.id))!));
  clock.advance(2);
  assert.deepEqual(await live(), [undefined, undefined], 'two hours are over');
  const other = await open();
  clock.advance(minutes(60));
  assert.equal(await during((tx) => sessionByToken(tx, other.token)), undefined, 'idle for an hour');
});

test('sessions that ran out are ended once, with an event for the apps; live ones stay', async () => {
  const { during, open, clock, database } = await stage();
  const idle = await open(600, 7200);
  const old = await open(7200, 900);
  const live = await open(7200, 7200);
  clock.advance(minutes(20));
  assert.equal(await during(endOverdueSessions), 2);
  assert.equal(await during(endOverdueSessions), 0);
  const events = await during((tx) => listEvents(tx, { type: 'session.ended', limit: 10 }));
  const ended = events.map(({ data }) => data as { session: string; reason: string });
  assert.deepEqual(new Set(ended.map((one) => one.session)), new Set([idle.session.id, old.session.id]));
  assert.ok(ended.every((one) => one.reason === 'expired'));
  assert.ok(await database.transact(system('request'), (tx) => sessionById(tx, live.session.id)));
});

test('use is written once a minute at most', async () => {
  const { during, open, clock, database } = await stage();
  const { session } = await open();
  const seen = async () =>
    (await database.query<{ at: Date }>('select last_seen_at as at from sessions'))[0]!.at.getTime();
  const first = await seen();
  clock.advance(59_000);
  await during((tx) => touchSession(tx, session));
  assert.equal(await seen(), first);
  clock.advance(1000);
  await during((tx) => touchSession(tx, session));
  assert.equal(await seen(), first + 60_000);
});

test('SE-02 proof given again changes the token, keeps session and auth_time, and the old token is dead', async () => {
  const { during, open, clock } = await stage();
  const { token, session } = await open();
  clock.advance(minutes(5));
  const given = { amr: ['otp'], aal: 2 };
  const raised = (await during((tx) => elevate(tx, session, given)))!;
  assert.equal(await during((tx) => sessionByToken(tx, token)), undefined);
  const now = (await during((tx) => sessionByToken(tx, raised.token)))!;
  assert.deepEqual(
    [now.id, now.sid, now.authTime, now.aal, now.amr.sort()],
    [session.id, session.sid, session.authTime, 2, ['otp', 'pwd']],
  );
  assert.deepEqual(now.elevatedAt!.getTime() - session.authTime.getTime(), minutes(5));
  assert.deepEqual(
    { ...raised.session, amr: raised.session.amr.sort() },
    { ...now, lastSeenAt: session.lastSeenAt },
  );
});

test('AU-15 when a session saw proof of a level: the sign-in, or later proof that reaches it', async () => {
  const { during, open, clock } = await stage();
  const { session } = await open();
  assert.deepEqual([provedAt(session, 1), provedAt(session, 2)], [session.authTime, undefined]);
  clock.advance(minutes(9));
  const weak = (await during((tx) => elevate(tx, session, { amr: ['pwd'], aal: 1 })))!.session;
  assert.deepEqual([provedAt(weak, 1), provedAt(weak, 2)], [weak.elevatedAt, undefined]);
  const strong = (await during((tx) => elevate(tx, session, { amr: ['otp'], aal: 2 })))!.session;
  assert.deepEqual([provedAt(strong, 2), provedAt(strong, 1)], [strong.elevatedAt, strong.elevatedAt]);
  await during((tx) => endSession(tx, session.id, 'test'));
  assert.equal(await during((tx) => elevate(tx, session, { amr: ['otp'], aal: 2 })), undefined);
});

test('ending is once, of one, of all but one, and never of other people\u2019s', async () => {
  const { during, open, person } = await stage();
  const [one, two, three] = [await open(), await open(), await open()];
  assert.deepEqual(
    await during(async (tx) => [
      await endSession(tx, one.session.id, 'x'),
      await endSession(tx, one.session.id, 'x'),
    ]),
    [true, false],
  );
  assert.equal(await during((tx) => endSessions(tx, newId(), 'x')), 0);
  assert.equal(await during((tx) => endSessions(tx, person, 'x', two.session.id)), 1);
  assert.deepEqual(
    (await during((tx) => listSessions(tx, person))).map((session) => session.id),
    [two.session.id],
  );
  assert.equal(await during((tx) => sessionByToken(tx, three.token)), undefined);
  const ended = (await during((tx) => listEvents(tx, { limit: 50 }))).filter(
    (event) => event.type === 'session.ended',
  );
  assert.equal(ended.length, 2);
  for (const odd of ['', 'x', 'A'.repeat(43), 'A'.repeat(500), undefined])
    assert.equal(await during((tx) => sessionByToken(tx, odd)), undefined);
});

test('attempts on nobody are not kept; a success sets the last sign-in', async () => {
  const { during, person, clock } = await stage();
  const attempt = { door: 'page', device: 'd', network: 'n' };
  await during(async (tx) => {
    await noteSignIn(tx, { ...attempt, person: undefined, outcome: 'sign-in-failed' });
    await noteSignIn(tx, { ...attempt, person, outcome: 'sign-in-failed' });
  });
  assert.equal((await during((tx) => lastSignIns(tx, [person]))).size, 0);
  clock.advance(1000);
  await during((tx) => noteSignIn(tx, { ...attempt, person, outcome: 'ok' }));
  assert.deepEqual((await during((tx) => lastSignIns(tx, [person]))).get(person)?.get(''), clock.now());
  assert.deepEqual(
    (await during((tx) => listSignIns(tx, person, 5))).map((one) => one.outcome),
    ['ok', 'sign-in-failed'],
  );
});

test('a network is shortened enough to recognise and not enough to be found', () => {
  for (const [ip, short] of [
    ['198.51.100.7', '198.51.100.x'], ['::ffff:198.51.100.7', '198.51.100.x'], ['::FFFF:198.51.100.7', '198.51.100.x'], ['2001:db8:7:8:9:a:b:c', '2001:db8:7::x'], ['2001:db8::1', '2001:db8::x'], ['::1', '::x'], ['fe80::1%eth0', 'fe80::x'], ['', 'unknown'], ['x', 'unknown'],
  ] as const) assert.equal(shortenNetwork(ip), short, ip); // biome-ignore format: a table
});
