/**
 * Twenty thousand people imported beside an automatic target: nobody is mailed and nothing is pushed until a person
 * approves. `npm run assure -- PV-01` runs the whole number, which takes ten minutes of two cores that do nothing else;
 * GATEHOUSE_PEOPLE says another one.
 */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#kit/clock/clock.ts';
import { createLog } from '#kit/log/log.ts';
import { runImport } from '#migration/import.ts';
import { approve } from '#provisioning/approval.ts';
import { requestSweep } from '#provisioning/sweeps.ts';
import { makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { ldifSource } from '#sources/ldif/ldif.ts';
import { describeRun, eventually, faultStage, linkedWrongly, peopleOf, wholeOf } from './stage.ts';

test('PV-01 many people imported into a community with an automatic target: 0 mails, 0 pushes until approved, then everyone once', async (t) => {
  const whole = wholeOf('PV-01');
  const size = peopleOf('PV-01', 600, 20_000);
  describeRun(t, 'PV-01', '600 people', `${size} of 20,000 people`);
  const limits = { perMinute: 60_000, burst: 500, concurrency: 8, timeoutSeconds: 10 };
  const stage = await faultStage(t, { wiki: { settings: { limits } } });
  const target = stage.target();
  const file = path.join(stage.data, 'old.ldif');
  await writeFile(file, makeLegacyLdif({ people: size, seed: 7 }).ldif);
  await stage.worker();
  const count = async (text: string) =>
    (await stage.during((tx) => tx.query<{ count: number }>(`select count(*)::integer as count ${text}`)))[0]!
      .count;

  const needs = { database: stage.database, clock: systemClock, log: createLog({ level: 'silent' }) };
  const report = await runImport(needs, ldifSource(file), { name: 'old' });
  await rm(file);
  await stage.calm(240_000);
  // Nor does a regular look at the whole target let anything through.
  await stage.during((tx) => requestSweep(tx, 'wiki'));
  const swept = `from target_entries where application = 'wiki' and subject = 'target' and text like 'Looked at everybody%'`;
  await eventually(async () => (await count(swept)) >= 1, {
    withinMs: 120_000,
    everyMs: 200,
    what: 'the sweep',
  });
  await stage.calm(120_000);

  const active = await count(`from people where state = 'active'`);
  const proposed = await count(`from target_plans where application = 'wiki' and state = 'proposed'`);
  const writes = target.ledger.entries().filter(({ method }) => method !== 'GET');
  t.diagnostic(
    `${report.counts.imported} imported, ${active} of them active; ${proposed} wait to be approved`,
  );
  assert.ok(active > size * 0.66);
  assert.equal(proposed, active);
  assert.equal(writes.length, 0, 'pushes');
  assert.equal(await count('from notices'), 0, 'mails');

  const began = performance.now();
  assert.equal(await stage.during((tx) => approve(tx, 'wiki', { all: true })), active);
  t.diagnostic(`the approval itself took ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await eventually(() => target.ledger.counters().created >= active, {
    withinMs: whole ? 1_800_000 : 90_000,
    everyMs: 500,
    what: 'everyone',
  });
  await stage.calm(120_000);
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(
    `approved: ${active} accounts in ${seconds.toFixed(0)} s, ${(active / seconds).toFixed(0)} a second`,
  );
  const names = new Set(target.state.users().map(({ body }) => String(body.userName)));
  const usernames = await stage.during((tx) =>
    tx.query<{ username: string }>(`select username from people where state = 'active'`),
  );
  assert.deepEqual(usernames.filter(({ username }) => !names.has(username)).slice(0, 5), []);
  assert.equal(target.ledger.counters().created, active, 'each once');
  assert.deepEqual(target.ledger.doubled(), []);
  assert.deepEqual((await linkedWrongly(stage)).slice(0, 5), []);
  t.diagnostic('LOST 0, DOUBLED 0, WRONG 0');
  assert.equal(await count(`from target_plans where application = 'wiki'`), 0, 'nothing waits any more');
  assert.equal(await count('from notices'), 0, 'mails after the approval');
});
