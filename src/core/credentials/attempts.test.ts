import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { insertPeople } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import { type AttemptSubject, attemptLimits, forgiveAttempts, reserveAttempt } from './credentials.ts';

async function stage() {
  const home = await testDatabase({ poolSize: 20 });
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('request'), work);
  const id = newId();
  const names = { username: id, usernameKey: id, givenName: '', familyName: '', displayName: id };
  await during((tx) => insertPeople(tx, [{ id, ...names, state: 'active', origin: 'test' }]));
  const attempt = (subject: AttemptSubject) => during((tx) => reserveAttempt(tx, subject));
  return { ...home, during, attempt, person: { kind: 'person' as const, person: id } };
}

test('AU-04 of fifty attempts at once ten are allowed, and one event tells of the eleventh', async () => {
  const { attempt, person, during } = await stage();
  const verdicts = await Promise.all(Array.from({ length: 50 }, () => attempt(person)));
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
  assert.deepEqual(await attempt(person), { allowed: false, retryAfterSeconds: 1 });
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
