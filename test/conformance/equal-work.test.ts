/** Equal work: what a stranger can see or measure is the same for people who are here and people who are not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { vectors } from '#wire/hashes/vectors.ts';
import {
  addPeople,
  behindProxy,
  plain,
  post,
  signedIn,
  statementsOf,
  stranger,
  tryPassword,
} from './stage.ts';

// One server at a time, and no workers: every statement of this process belongs to the request under test.
const alone = { env: { ...behindProxy, GATEHOUSE_RUN: 'web' } };
const right = 'plum violin tractor';

test('AU-07 a refused sign-in costs and shows the same, whoever it is about', async () => {
  const web = await startPlatform(alone);
  const vector = vectors.find((one) => one.scheme === 'ssha')!;
  await addPeople(web, [
    { username: 'present', password: right, address: 'present@example.org' },
    { username: 'waiting', password: right, address: 'waiting@example.org', state: 'unverified' },
    { username: 'blocked', password: right, address: 'blocked@example.org', state: 'locked' },
    { username: 'gone', password: right, state: 'left' },
    { username: 'legacy', password: vector.password, hash: vector.stored },
  ]);
  await web.database.query(`insert into people (id, username, username_key, given_name, family_name, display_name, state,
    state_since, origin, created_at, updated_at) select gen_random_uuid(), 'nopassword', 'nopassword', '', '', 'x', 'active',
    now(), 'test', now(), now()`);
  const names = [
    'absent', 'present', 'waiting', 'blocked', 'gone', 'legacy', 'nopassword',
    'present@example.org', 'waiting@example.org', 'blocked@example.org', 'absent@example.org', 'absent@absent.example',
  ]; // biome-ignore format: a word list
  const outcomes = new Map<string, unknown>();
  for (const round of [0, 1]) {
    for (const name of names) {
      const visitor = stranger(web);
      await visitor.open('/sign-in');
      const began = web.hasher.stats().hashes;
      const { result, statements } = await statementsOf(() => tryPassword(visitor, name, 'wrong one'));
      outcomes.set(name, {
        status: result.status,
        hashes: web.hasher.stats().hashes - began,
        statements,
        body: plain(result.text, [name]),
        headers: [...result.headers.keys()].filter((header) => header !== 'content-length').sort(),
      });
    }
    if (round === 1)
      for (const name of names) assert.deepEqual(outcomes.get(name), outcomes.get('absent'), name);
  }
  const { hashes, status } = outcomes.get('absent') as { hashes: number; status: number };
  assert.deepEqual([hashes, status], [1, 422]);
  await web.close();
});

/** Fails so many times, with nobody looking at what it costs; returns when all of it is written. */
async function fail(open: () => Visitor, name: string, times: number): Promise<void> {
  await statementsOf(async () => {
    for (let turn = 0; turn < times; turn += 1) {
      const visitor = open();
      await visitor.open('/sign-in');
      await tryPassword(visitor, name, 'wrong one');
    }
  });
}

/** Everything a stranger can see of one refused sign-in, and what it cost. */
async function refusal(web: Platform, visitor: Visitor, name: string, password: string) {
  await visitor.open('/sign-in');
  const began = web.hasher.stats().hashes;
  const { result, statements } = await statementsOf(() => tryPassword(visitor, name, password));
  return {
    status: result.status,
    wait: result.headers.get('retry-after'),
    hashes: web.hasher.stats().hashes - began,
    statements,
    body: plain(result.text, [name]),
  };
}

test('AU-07 a name made to wait gives no address away: what was typed decides the answer, nothing else', async () => {
  const web = await startPlatform(alone);
  const password = right;
  await addPeople(web, [
    { username: 'warm', password, address: 'warm@example.org' },
    { username: 'aimed', password, address: 'aimed@example.org' },
    { username: 'nearly', password, address: 'nearly@example.org' },
    { username: 'shared', password, address: 'shared@example.org' },
  ]);
  const anew = () => stranger(web);
  for (const name of ['warm', 'warm@example.org', 'absent@example.org']) await fail(anew, name, 12);
  const series = async (open: () => Visitor, name: string) => {
    const seen = [];
    for (let turn = 0; turn < 12; turn += 1) seen.push(await refusal(web, open(), name, 'wrong one'));
    return seen;
  };

  await fail(anew, 'aimed', 11);
  assert.equal((await refusal(web, stranger(web), 'aimed', right)).status, 429);
  const rightful = await refusal(web, stranger(web), 'aimed@example.org', right);
  assert.deepEqual(rightful, await refusal(web, stranger(web), 'nobody@example.org', right));
  assert.deepEqual(
    [rightful.status, rightful.hashes],
    [422, 1],
    'and the right password is no way to find out',
  );
  const absent = await series(anew, 'absent.too@example.org');
  assert.deepEqual(
    await series(anew, 'aimed@example.org'),
    [...absent.slice(1), absent.at(-1)],
    'one attempt was made above',
  );
  assert.deepEqual(
    absent.map((one) => one.status),
    [...Array.from({ length: 10 }, () => 422), 429, 429],
  );

  await fail(anew, 'nearly', 10);
  assert.deepEqual(
    await refusal(web, stranger(web), 'nearly@example.org', 'wrong one'),
    await refusal(web, stranger(web), 'nearly.not@example.org', 'wrong one'),
    'the attempt that fills the count',
  );

  // A browser that others use too: the person is known in it, and their address is nobody's business there either.
  const home = await signedIn(web, { username: 'shared', password });
  const elsewhere = () => {
    const visitor = stranger(web);
    for (const [name, value] of home.cookies) if (name.includes('device')) visitor.cookies.set(name, value);
    return visitor;
  };
  for (const name of ['shared@example.org', 'not.shared@example.org']) await fail(anew, name, 12);
  await fail(elsewhere, 'shared', 12);
  assert.deepEqual(
    await series(elsewhere, 'shared@example.org'),
    await series(elsewhere, 'not.shared@example.org'),
  );
  await web.close();
});

test('AU-07 sign-up costs and shows the same whether or not the address is someone else\u2019s', async () => {
  const web = await startPlatform(alone);
  await addPeople(web, [
    { username: 'owner', password: right, address: 'taken@example.org' },
    { username: 'early', password: right, address: 'claim@example.org', state: 'unverified' },
  ]);
  const submit = async (username: string, email: string) => {
    const visitor = stranger(web);
    await visitor.open('/sign-up');
    const fields = { given_name: 'Ada', family_name: 'Byron', username, email, password: right };
    const hidden = { ...visitor.formOf('/sign-up').fields, puzzle: await visitor.puzzle() };
    const began = web.hasher.stats().hashes;
    const { result, statements } = await statementsOf(() =>
      post(visitor, '/sign-up', { ...hidden, ...fields }),
    );
    const next = await visitor.open('/verify/code');
    const again = await statementsOf(() => visitor.submit({}, '/verify/resend'));
    return {
      status: result.status,
      location: result.headers.get('location'),
      hashes: web.hasher.stats().hashes - began,
      statements,
      next: plain(next.text, [email]),
      again: again.statements,
      page: plain(again.result.text, [email]),
      cookies: [...visitor.cookies.keys()].sort(),
    };
  };
  await submit('warm', 'warm@example.org');
  await submit('warmer', 'taken@example.org');
  const free = await submit('free', 'absent@example.org');
  assert.equal(free.status, 303);
  assert.deepEqual(await submit('second', 'taken@example.org'), free);
  assert.deepEqual(await submit('third', 'claim@example.org'), free);
  await web.close();
});

test('AU-07 asking for recovery costs and shows the same for everyone', async () => {
  const web = await startPlatform(alone);
  await addPeople(web, [
    { username: 'present', password: right, address: 'present@example.org' },
    { username: 'waiting', password: right, address: 'waiting@example.org', state: 'unverified' },
    { username: 'blocked', password: right, address: 'blocked@example.org', state: 'locked' },
    { username: 'homeless', password: right },
  ]);
  const names = [
    'absent',
    'present',
    'waiting',
    'blocked',
    'homeless',
    'absent@example.org',
    'present@example.org',
    'blocked@example.org',
  ];
  const outcomes = new Map<string, unknown>();
  for (const round of [0, 1, 2, 3, 4]) {
    for (const name of names) {
      const visitor = stranger(web);
      await visitor.open('/recover');
      const { fields } = visitor.formOf('/recover');
      const began = web.hasher.stats().hashes;
      const { result, statements } = await statementsOf(() =>
        post(visitor, '/recover', { ...fields, username: name }),
      );
      const hashes = web.hasher.stats().hashes - began;
      outcomes.set(name, { status: result.status, statements, body: plain(result.text), hashes });
    }
    // The first round warms prepared statements; from the fourth on a person's own limit holds.
    if (round > 0)
      for (const name of names)
        assert.deepEqual(outcomes.get(name), outcomes.get('absent'), `${name}, round ${round}`);
  }
  await web.close();
});

test('what a transaction begun before a request still sends is not counted as the request\u2019s', async () => {
  const web = await startPlatform(alone);
  const before = await web.database.pool.connect();
  await before.query('begin isolation level repeatable read read only');
  const { statements } = await statementsOf(async () => {
    await before.query('select 1');
    await before.query('commit');
    await before.query('begin');
    await before.query('select 2');
    await before.query('commit');
  });
  before.release();
  assert.deepEqual(statements, ['begin', 'select 2', 'commit']);
  await web.close();
});
