import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { insertPeople } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import {
  type AttemptSubject,
  attemptLimits,
  forgiveAttempts,
  giveBackAttempt,
  noteFailedAttempt,
  reserveAttempt,
  reserveTypedAttempt,
} from './credentials.ts';

async function stage() {
  const home = await testDatabase({ poolSize: 20 });
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('request'), work);
  const id = newId();
  const names = { username: id, usernameKey: id, givenName: '', familyName: '', displayName: id };
  await during((tx) => insertPeople(tx, [{ id, ...names, state: 'active', origin: 'test' }]));
  const attempt = (subject: AttemptSubject) => during((tx) => reserveAttempt(tx, subject));
  return { ...home, during, attempt, person: { kind: 'person' as const, person: id } };
}

test('AU-04 of fifty attempts at once ten are allowed, and one event tells of the tenth that fails', async () => {
  const { attempt, person, during } = await stage();
  const verdicts = await Promise.all(Array.from({ length: 50 }, () => attempt(person)));
  for (const verdict of verdicts)
    if (verdict.allowed) await during((tx) => noteFailedAttempt(tx, person, verdict));
  assert.equal(verdicts.filter((verdict) => verdict.allowed).length, attemptLimits.failures);
  for (const verdict of verdicts.filter((one) => !one.allowed))
    assert.equal(verdict.retryAfterSeconds, attemptLimits.blockSeconds);
  const events = await during((tx) => listEvents(tx, { limit: 100 }));
  assert.equal(events.filter((event) => event.type === 'sign-in.throttled').length, 1);
});

test('AU-03 a block ends by the clock, attempts during it do not lengthen it, and afterwards all ten are back', async () => {
  const { attempt, person, clock } = await stage();
  for (let turn = 0; turn < 10; turn += 1) assert.ok((await attempt(person)).allowed);
  clock.advance(600_000);
  assert.equal((await attempt(person)).retryAfterSeconds, 900);
  clock.advance(899_000);
  assert.deepEqual(await attempt(person), { allowed: false, retryAfterSeconds: 1, last: false });
  clock.advance(1000);
  for (let turn = 0; turn < 10; turn += 1)
    assert.ok((await attempt(person)).allowed, `attempt ${turn + 1} after the block`);
  assert.equal((await attempt(person)).allowed, false);
});

test('AU-03 failures are forgotten after a success and after a quarter of an hour, and each subject has its own', async () => {
  const { attempt, person, clock, during } = await stage();
  const device = { kind: 'device' as const, device: newId() };
  const unknown = { kind: 'unknown' as const, identifierKey: person.person };
  for (let turn = 0; turn < 9; turn += 1) await attempt(person);
  await during((tx) => forgiveAttempts(tx, person));
  for (let turn = 0; turn < 10; turn += 1) assert.ok((await attempt(person)).allowed);
  assert.equal((await attempt(person)).allowed, false);
  for (const other of [device, unknown]) assert.ok((await attempt(other)).allowed, other.kind);
  for (let turn = 0; turn < 9; turn += 1) await attempt(unknown);
  clock.advance(900_000);
  for (let turn = 0; turn < 10; turn += 1) assert.ok((await attempt(unknown)).allowed);
});

test('AU-04 what was typed and whom it is about are counted apart, at once and without a deadlock', async () => {
  const { during, person, database } = await stage();
  const names = ['user', 'one@example.org', 'two@example.org'].map((identifierKey) => ({ identifierKey }));
  const attempts = Array.from({ length: 60 }, (_, turn) => names[turn % 3]!);
  const verdicts = await Promise.all(
    attempts.map((typed) => during((tx) => reserveTypedAttempt(tx, typed, person))),
  );
  assert.equal(verdicts.filter((one) => one.typed.allowed).length, 30, 'ten for each name');
  assert.equal(verdicts.filter((one) => one.subject.allowed).length, 10, 'ten for the person');
  assert.equal(verdicts.filter((one) => one.subject.last).length, 1);
  assert.ok(verdicts.every((one) => one.typed.allowed || !one.subject.allowed));
  const [row] = await database.query<{ failures: number }>(
    `select failures from password_failures where subject like 'person:%'`,
  );
  assert.equal(row?.failures, 30, 'a name that is refused takes nothing from the person');
  await Promise.all(
    names.flatMap((typed) => [
      during((tx) => forgiveAttempts(tx, person, typed)),
      during((tx) => reserveTypedAttempt(tx, typed, person)),
    ]),
  );
});

test('AU-03 a success gives what was typed its one attempt back, and no more', async () => {
  const { during, person } = await stage();
  const typed = { identifierKey: 'one@example.org' };
  const attempt = () => during((tx) => reserveTypedAttempt(tx, typed, person));
  for (let turn = 0; turn < 9; turn += 1) await attempt();
  for (let turn = 0; turn < 3; turn += 1) {
    assert.ok((await attempt()).subject.allowed);
    await during((tx) => forgiveAttempts(tx, person, typed));
  }
  assert.ok((await attempt()).typed.allowed);
  assert.equal((await attempt()).typed.allowed, false);
});

test('AU-04 an attempt given back can be made again, and a block that only it made is gone', async () => {
  const { during, person } = await stage();
  const typed = { identifierKey: 'user' };
  const attempt = () => during((tx) => reserveTypedAttempt(tx, typed, person));
  for (let turn = 0; turn < 10; turn += 1) await attempt();
  await during((tx) => giveBackAttempt(tx, person, typed));
  assert.ok((await attempt()).subject.last);
  assert.equal((await attempt()).typed.allowed, false);
  await during((tx) => giveBackAttempt(tx, person, typed));
  await during((tx) => giveBackAttempt(tx, person, typed));
  assert.ok((await attempt()).subject.allowed);
  assert.equal((await attempt()).typed.allowed, false);
});
