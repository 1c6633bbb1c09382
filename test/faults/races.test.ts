/** F-17 and F-18: changes that race over two workers, and a herd after an outage. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createHasher } from '#kit/crypto/passwords.ts';
import { Visitor } from '#test/visitor.ts';
import { describeRun, eventually, faultStage, settleLedger, wholeOf } from './stage.ts';

test('F-17 three renames and a lock race over two workers: the last name and switched off, never back', async (t) => {
  const whole = wholeOf('F-17');
  describeRun(t, 'F-17', '25 people', '400 people');
  const stage = await faultStage(t, { wiki: {} });
  const target = stage.target();
  await Promise.all([stage.worker(), stage.worker()]);
  // Answers that take now shorter, now longer, so that requests overtake each other if anything lets them.
  target.faults.set([
    { kind: 'slow', ms: 40, probability: 0.3 },
    { kind: 'slow', method: 'PATCH', ms: 120, probability: 0.2 },
  ]);
  const people = Array.from({ length: whole ? 400 : 25 }, (_, at) => `racer${at + 1}`);
  for (const person of people) await stage.driver.join(person);
  await eventually(() => target.state.users().length === people.length, { withinMs: 240_000, everyMs: 50 });
  const race = async (person: string) => {
    for (let round = 0; round < 3; round += 1) {
      await stage.driver.rename(person);
      if (stage.chance() < 0.5) await pause(stage.chance() * 80);
    }
    await stage.driver.lock(person);
    // Some come back: then the very last state is on.
    if (stage.chance() < 0.2) await stage.driver.unlock(person);
  };
  for (let from = 0; from < people.length; from += 5)
    await Promise.all(people.slice(from, from + 5).map(race));
  await stage.calm(whole ? 300_000 : 60_000);
  const users = target.state.users();
  const off = users.filter(({ body }) => body.active === false).length;
  t.diagnostic(`${off} of ${users.length} switched off, ${target.ledger.counters().changes} changes there`);
  assert.ok(off > people.length / 2);
  await settleLedger(t, stage);
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** One who comes back after the outage, and waits as long as told where the house is busy. */
async function comeBack(visitor: Visitor, username: string, tookMs: number[]): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const began = performance.now();
    const seen = await visitor.signIn(username, password);
    tookMs.push(performance.now() - began);
    if (/\/account$/.test(seen.url)) return;
    assert.equal(seen.status, 503, `${username}: ${seen.status}`);
    const wait = Number(seen.headers.get('retry-after') ?? 1);
    await pause(wait * 1000 * (1 + randomInt(500) / 1000));
  }
  assert.fail(`${username} did not get in`);
}

const password = 'plum violin tractor';

test('F-18 a herd after an outage: the limit of the target holds, nobody is lost, everyone signs in', async (t) => {
  const whole = wholeOf('F-18');
  const size = whole
    ? { people: 5000, changes: 20_000, comers: 2000 }
    : { people: 250, changes: 500, comers: 80 };
  describeRun(t, 'F-18', '500 events and 80 sign-ins at once', '20,000 events and 2,000 sign-ins at once');
  const rate = { perMinute: 6000, burst: 50 };
  const stage = await faultStage(t, {
    wiki: {
      settings: { limits: { ...rate, concurrency: 4, timeoutSeconds: 10 } },
      simulator: { limit: { all: rate } },
    },
  });
  const target = stage.target();
  const web = await stage.web();
  const hash = await createHasher({}).hash(password);
  // No worker runs: what happens meanwhile waits.
  const people = Array.from({ length: size.people }, (_, at) => `person${at + 1}`);
  for (const [at, person] of people.entries())
    await stage.driver.join(person, at < size.comers ? { hash, scheme: 'argon2id' } : undefined);
  for (let change = size.people; change < size.changes; change += 1)
    await stage.driver.rename(people[change % people.length]!);
  assert.equal(target.ledger.counters().requests, 0);

  const began = performance.now();
  await Promise.all([stage.worker(), stage.worker()]);
  const tookMs: number[] = [];
  const comers = people.slice(0, size.comers);
  const visitors = comers.map((_, at) => {
    const network = `198.18.${at >> 8}.${at & 255}`;
    return new Visitor(web.origin, { 'x-forwarded-for': network });
  });
  await Promise.all(comers.map((username, at) => comeBack(visitors[at]!, username, tookMs)));
  const signedIn = (performance.now() - began) / 1000;
  await eventually(() => target.state.users().length === people.length, {
    withinMs: whole ? 900_000 : 60_000,
    everyMs: 200,
    what: 'everyone at the target',
  });
  await stage.calm(120_000);
  const { limited, requests } = target.ledger.counters();
  const sorted = tookMs.toSorted((one, two) => one - two);
  const p95 = sorted[Math.floor(sorted.length * 0.95)]!;
  const memory = residentMiB(web.child.pid!);
  t.diagnostic(
    `${size.comers} people in after ${signedIn.toFixed(0)} s in ${tookMs.length} tries, p95 from opening the page to being in ${p95.toFixed(0)} ms; ` +
      `the house took ${memory.toFixed(0)} MiB; ${requests} requests at the target, ${limited} over its limit`,
  );
  assert.equal(limited, 0);
  assert.equal(web.child.exitCode, null, 'it still runs');
  assert.ok(memory < 700);
  assert.ok(signedIn < 300);
  // All at once in front of two cores: the wait is the queue for hashing, which is bounded.
  assert.ok(p95 < (whole ? 30_000 : 10_000), `p95 ${p95} ms`);
  await settleLedger(t, stage);
});

function residentMiB(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}
