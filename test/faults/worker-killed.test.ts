/**
 * F-02 and F-21: workers that die or sleep between a target's answer and our commit. A failpoint makes the rare window
 * certain. `npm run assure -- F-02` kills a hundred times.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeRun, eventually, faultStage, settleLedger, wholeOf } from './stage.ts';

test('F-02 kill -9 of the worker between the target’s 201 and our commit: one account a person, nobody lost', async (t) => {
  describeRun(t, 'F-02', '6 kills', '100 kills');
  const kills = wholeOf('F-02') ? 100 : 6;
  const stage = await faultStage(t, { wiki: {} });
  const target = stage.target();
  // Several are under way at once, so that one kill can hit more than one of them.
  for (let one = 1; one <= 3; one += 1) await stage.driver.join(`person${one}`);
  for (let round = 1; round <= kills; round += 1) {
    await stage.driver.join(`later${round}`);
    await stage.driver.join(`last${round}`);
    const before = target.state.users().length;
    const worker = await stage.worker({ leaseSeconds: 1, fail: 'after-remote-create:kill' });
    const signal = await Promise.race([worker.ended, sleep(20_000, 'late' as const, { ref: false })]);
    assert.equal(signal, 'SIGKILL', `round ${round}: ${worker.lines().at(-1)}`);
    assert.ok(target.state.users().length > before, 'it died after the target had made an account');
    // What is driven again has something new to say.
    if (round % 3 === 0) await stage.driver.rename(`later${round}`);
  }
  const worker = await stage.worker({ leaseSeconds: 1 });
  await stage.calm();
  await worker.stop();
  const people = stage.driver.ledger.people().length;
  t.diagnostic(
    `${kills} kills after 201, ${target.ledger.counters().created} accounts made for ${people} people`,
  );
  assert.equal(target.ledger.counters().created, people);
  await settleLedger(t, stage);
});

test('F-21 a worker stopped past its lease and woken again: its late result is refused, the effect is there once', async (t) => {
  describeRun(t, 'F-21', '1 stop, lease 1 s', '8 stops, lease 1 s');
  const stage = await faultStage(t, { wiki: { settings: { limits: { ...slow, timeoutSeconds: 30 } } } });
  const target = stage.target();
  const rounds = wholeOf('F-21') ? 8 : 1;
  for (let round = 1; round <= rounds; round += 1) {
    const person = `sleeper${round}`;
    target.faults.set(['slow,method=POST,ms=1200,times=1']);
    const sleeper = await stage.worker({ leaseSeconds: 1 });
    await stage.driver.join(person);
    await eventually(() => target.faults.list()[0]?.struck === 1);
    sleeper.child.kill('SIGSTOP');
    // The target carries it out and answers while nobody listens; the lease runs out.
    await eventually(() => target.state.users().some(({ body }) => body.userName === person));
    await sleep(1500);
    const other = await stage.worker({ leaseSeconds: 1 });
    await stage.driver.rename(person);
    await eventually(
      () =>
        target.state.users().find(({ body }) => body.userName === person)?.body.displayName ===
        `${person} v2`,
    );
    await stage.calm();
    const link = () =>
      stage.during((tx) =>
        tx.query('select remote_id, remote, settled_at from target_links where person = $1', [
          stage.driver.idOf(person),
        ]),
      );
    const before = await link();
    await other.stop();
    sleeper.child.kill('SIGCONT');
    const refusal = await eventually(() =>
      sleeper.lines().find((line) => /late result was refused/.test(line)),
    );
    t.diagnostic(`woken: ${(JSON.parse(refusal) as { msg: string }).msg}`);
    await stage.calm();
    const [was, is] = [before[0], (await link())[0]] as { remote: unknown; remote_id: string }[];
    assert.deepEqual([is!.remote_id, is!.remote], [was!.remote_id, was!.remote], 'nothing late was written');
    await sleeper.stop();
  }
  assert.equal(target.ledger.counters().created, rounds);
  await settleLedger(t, stage);
});

const slow = { perMinute: 60_000, burst: 500, concurrency: 4 };
