import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { changeNames } from '#core/people/people.ts';
import { inTheEnd as eventually } from '#test/eventually.ts';
import { masterKey, type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';

/**
 * A worker in a process of its own. `fault` is what it does to itself when the target has answered that an account was
 * made, before anything of it is written down here.
 */
const workerProgram = `
  import { openDatabase } from '#kit/db/database.ts';
  import { systemClock } from '#kit/clock/clock.ts';
  import { createLog } from '#kit/log/log.ts';
  import { createNet } from '#kit/net/net.ts';
  import { createSecrets } from '#kit/crypto/secrets.ts';
  import { startProvisioning } from '#provisioning/work.ts';
  import { modelConnector, remoteModel } from '#test/model-target.ts';
  const given = JSON.parse(process.env.WORKER);
  const log = createLog({ level: 'silent' });
  const database = await openDatabase({ connection: given.connection, clock: systemClock, log, poolSize: 6 });
  const send = remoteModel(given.url);
  const connector = modelConnector(async (operation) => {
    if (given.fault === 'late' && operation.op === 'apply' && operation.step.do === 'update') {
      console.log('about to send');
      await given_pause();
    }
    const result = await send(operation);
    if (operation.op === 'apply' && operation.step.do === 'create') {
      if (given.fault === 'kill') process.kill(process.pid, 'SIGKILL');
      console.log('answered');
      if (given.fault === 'pause') await given_pause();
    }
    return result;
  });
  function given_pause() { return new Promise((resolve) => setTimeout(resolve, given.pauseMs)); }
  await startProvisioning({
    database, log, clock: systemClock, net: createNet({ allow: [], log }),
    secrets: createSecrets(Buffer.from(given.key, 'base64')),
    connectors: new Map([['model', connector]]), leaseSeconds: given.leaseSeconds,
  });
  console.log('ready');
`;

interface WorkerProcess {
  child: ChildProcess;
  said(): string;
}

function startWorkerProcess(
  s: ProvisioningStage,
  url: string,
  given: Record<string, unknown>,
): WorkerProcess {
  const settings = {
    connection: s.connection,
    url,
    key: masterKey.toString('base64'),
    leaseSeconds: 0.6,
    ...given,
  };
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', workerProgram], {
    cwd: new URL('../../', import.meta.url),
    env: { ...process.env, WORKER: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout?.on('data', (chunk) => {
    said += String(chunk);
  });
  return { child, said: () => said };
}

async function stage(t: TestContext): Promise<{ s: ProvisioningStage; url: string }> {
  const s = await provisioningStage();
  const served = await s.model.serve();
  t.after(async () => {
    await served.close();
    await s.close();
  });
  return { s, url: served.url };
}

/** A full run takes minutes: the quick one shows the same with fewer rounds. */
const rounds = Number(process.env.GATEHOUSE_KILL_ROUNDS ?? 6);

test(`F-02 kill -9 between the target's 201 and our commit, ${rounds} times: each person once, none lost`, async (t) => {
  const { s, url } = await stage(t);
  s.clock.set(new Date());
  const people: string[] = [];
  let kills = 0;
  for (let round = 0; round < rounds; round += 1) {
    people.push(await s.person(`victim${round}`));
    const { child } = startWorkerProcess(s, url, { fault: 'kill' });
    const ended = once(child, 'exit');
    const over = await Promise.race([ended.then(() => true), sleep(20_000, false)]);
    if (!over) child.kill('SIGKILL');
    await ended;
    if (over && child.signalCode === 'SIGKILL') kills += 1;
  }
  assert.equal(kills, rounds, 'it was killed each time');
  s.clock.set(new Date());
  const running = await s.start({ leaseSeconds: 1 });
  await eventually(async () => {
    running.wake();
    const links = await Promise.all(people.map(s.link));
    return links.every((link) => link?.state === 'linked' && link.settledAt);
  });
  await running.settle();
  assert.equal(s.model.accounts.size, rounds, 'DOUBLED 0, LOST 0');
  const names = [...s.model.accounts.values()].map((one) => String(one.attributes.userName));
  assert.deepEqual(names.sort(), people.map((_, index) => `victim${index}`).sort());
  assert.equal(s.model.done.filter((step) => step.do === 'create').length, rounds);
});

test('F-21 a worker stopped past its lease: its late result is refused, and the effect is there once', async (t) => {
  const { s, url } = await stage(t);
  s.clock.set(new Date());
  const frozen = startWorkerProcess(s, url, { fault: 'pause', pauseMs: 1500 });
  t.after(() => frozen.child.kill('SIGKILL'));
  await eventually(() => frozen.said().includes('ready'));
  const ada = await s.person('ada');
  await eventually(() => frozen.said().includes('answered'));
  frozen.child.kill('SIGSTOP');
  await sleep(1000);
  const running = await s.start();
  await eventually(async () => (await s.link(ada))?.settledAt);
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Newest' }));
  await eventually(() => s.model.byUserName('ada')[0]?.attributes.displayName === 'Newest');
  await running.settle();
  const before = await s.link(ada);
  frozen.child.kill('SIGCONT');
  await sleep(2500);
  await running.settle();
  const after = await s.link(ada);
  assert.equal(s.model.accounts.size, 1);
  assert.equal(s.model.done.filter((step) => step.do === 'create').length, 1);
  assert.deepEqual(after?.remote, before?.remote, 'what it wanted to write came too late');
  assert.equal(s.model.byUserName('ada')[0]?.attributes.displayName, 'Newest');
});

test('F-21 a worker that wakes up and sends what is old: the target ends with what is new', async (t) => {
  const { s, url } = await stage(t);
  s.clock.set(new Date());
  const frozen = startWorkerProcess(s, url, { fault: 'late', pauseMs: 1500 });
  t.after(() => frozen.child.kill('SIGKILL'));
  await eventually(() => frozen.said().includes('ready'));
  const ada = await s.person('ada');
  await eventually(async () => (await s.link(ada))?.settledAt);
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Old' }));
  await eventually(() => frozen.said().includes('about to send'));
  frozen.child.kill('SIGSTOP');
  await sleep(1000);
  const running = await s.start();
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Newest' }));
  await eventually(() => s.model.byUserName('ada')[0]?.attributes.displayName === 'Newest');
  await running.settle();
  frozen.child.kill('SIGCONT');
  const last = () =>
    s.model.done.map((step) => ('desired' in step ? step.desired.attributes.displayName : ''));
  await eventually(() => last().lastIndexOf('Old') > last().indexOf('Newest'));
  await eventually(() => s.model.byUserName('ada')[0]?.attributes.displayName === 'Newest');
  await eventually(async () => (await s.link(ada))?.remote?.displayName === 'Newest');
});
