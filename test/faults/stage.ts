/**
 * What every scenario about pushing stands on: a database, SCIM simulators as targets, worker processes that can be
 * killed and stopped, and a driver who writes into its ledger what it asks for before it asks.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { connectors } from '#connectors.ts';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { readOnce } from '#core/events/reader.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { changeNames } from '#core/people/people.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { openDatabase, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLog } from '#kit/log/log.ts';
import { lookAt } from '#kit/queue/look.ts';
import { provisioningReader } from '#provisioning/intake.ts';
import { laneOf, saveTarget } from '#provisioning/targets.ts';
import { seededChance } from '#simulators/scim/faults.ts';
import { type ScimSimulator, type ScimSimulatorOptions, startScimSimulator } from '#simulators/scim/scim.ts';
import { inTheEnd as eventually } from '#test/eventually.ts';
import { testDatabase } from '#test/kit.ts';
import { freePort } from '#test/port.ts';
import { createDriverLedger, figuresOf, nameOf } from './ledger.ts';

/** Whether the size the check names is wanted: `npm run assure -- F-02`. */
export const wholeOf = (check: string) => process.env.GATEHOUSE_ASSURE === check;

/** How many people a run has: GATEHOUSE_PEOPLE, for a size between the two where the machine is slow or busy. */
export const peopleOf = (check: string, small: number, whole: number) =>
  Number(process.env.GATEHOUSE_PEOPLE ?? (wholeOf(check) ? whole : small));

export const seed = Number(process.env.GATEHOUSE_SEED ?? randomInt(2 ** 31));

/** What a run prints about itself: its seed, which size it is, and how busy the machine was beside its figures. */
export function describeRun(t: TestContext, check: string, small: string, whole: string): void {
  const load = () => loadavg().map((one) => one.toFixed(1));
  const before = load();
  const began = performance.now();
  t.after(() => {
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    t.diagnostic(
      `${seconds} s; load average ${before.join(' ')} before, ${load().join(' ')} after, on ${cpus().length} cores`,
    );
  });
  t.diagnostic(
    wholeOf(check)
      ? `seed ${seed}: the size of the check (${whole})`
      : `seed ${seed}: the small size (${small}); "npm run assure -- ${check}" runs ${whole}`,
  );
}

export interface TargetInput {
  /** Settings beside connector and options; mode automatic, a brake that is wide open, and a swift pace unless said. */
  settings?: Record<string, unknown>;
  simulator?: Partial<ScimSimulatorOptions>;
}

const plainApp = { alias: { address: 'own' } };
const swift = { perMinute: 60_000, burst: 500, concurrency: 4, timeoutSeconds: 5 };

export interface WorkerProcess {
  child: ChildProcess;
  /** Lines of its log so far. */
  lines(): string[];
  /** Resolves with the signal when it has ended. */
  ended: Promise<NodeJS.Signals | null>;
  stop(): Promise<void>;
}

export type Stage = Awaited<ReturnType<typeof faultStage>>;

/** @param targets by application; each gets a simulator of its own */
export async function faultStage(t: TestContext, targets: Readonly<Record<string, TargetInput>>) {
  const home = await testDatabase();
  const log = createLog({ level: 'silent' });
  const database = await openDatabase({ connection: home.connection, clock: systemClock, log, poolSize: 8 });
  const key = randomBytes(32);
  const secrets = createSecrets(key);
  const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-faults-'));
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('request'), work);
  const simulators = new Map<string, ScimSimulator>();
  for (const [application, { settings, simulator }] of Object.entries(targets)) {
    const started = await startScimSimulator({ log, seed, ...simulator });
    simulators.set(application, started);
    await during((tx) =>
      saveApplication(tx, application, applicationSettings.parse({ ...plainApp, title: application })),
    );
    const given = {
      connector: 'scim',
      mode: 'automatic',
      options: { baseUrl: started.url },
      limits: swift,
      brake: { count: 1_000_000, share: 1 },
      ...settings,
    };
    await during((tx) => saveTarget(tx, secrets, connectors, application, given, { token: started.token }));
  }
  // As if a worker had been here before: what happens from now on is seen, also before the first one starts.
  await readOnce(database, provisioningReader(connectors));
  const children = new Set<ChildProcess>();
  t.after(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const simulator of simulators.values()) await simulator.stop();
    await database.close();
    await home.close();
    await rm(data, { recursive: true, force: true });
  });
  const env = {
    GATEHOUSE_DATA: data,
    GATEHOUSE_RUN: 'worker',
    GATEHOUSE_MASTER_KEY: key.toString('base64'),
    GATEHOUSE_OUTBOUND_ALLOW: '127.0.0.1',
    GATEHOUSE_DRAIN_SECONDS: '1',
  };
  const only = () => {
    const [first] = simulators.values();
    assert.ok(first);
    return first;
  };
  return {
    database,
    connection: home.connection,
    secrets,
    data,
    env,
    during,
    simulators,
    target: (application?: string) => (application ? simulators.get(application)! : only()),
    chance: seededChance(seed),
    driver: createDriver(during),
    worker: (options: { leaseSeconds?: number; fail?: string } = {}) =>
      startWorkerProcess({ connection: home.connection, env, children, options }),
    /** A node that shows pages; told apart from others by the network they come from, as behind a proxy. */
    async web() {
      const port = String(await freePort());
      const more = { GATEHOUSE_RUN: 'web', GATEHOUSE_PORT: port, GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1' };
      const node = await startWorkerProcess({
        connection: home.connection,
        env: { ...env, ...more },
        children,
        options: {},
      });
      return { ...node, origin: `http://localhost:${port}` };
    },
    /** Waits until every event was read and no job of any target waits or runs. */
    calm: (withinMs = 60_000) => calm(during, [...simulators.keys()], withinMs),
  };
}

const program = path.resolve(import.meta.dirname, '../programs/worker.ts');

async function startWorkerProcess(input: {
  connection: object;
  env: Record<string, string>;
  children: Set<ChildProcess>;
  options: object;
}): Promise<WorkerProcess> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(GATEHOUSE_|DATABASE_URL)/.test(name));
  const child = fork(program, [JSON.stringify({ connection: input.connection, ...input.options })], {
    env: { ...Object.fromEntries(kept), ...input.env },
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  input.children.add(child);
  let said = '';
  child.stdout?.on('data', (chunk) => {
    said += String(chunk);
  });
  const ended = once(child, 'exit').then(([, signal]) => {
    input.children.delete(child);
    return signal as NodeJS.Signals | null;
  });
  await Promise.race([once(child, 'message'), ended]);
  return {
    child,
    lines: () => said.split('\n').filter(Boolean),
    ended,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** One who asks for things and remembers what was acknowledged. People are called by their user names. */
function createDriver(during: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>) {
  const ledger = createDriverLedger();
  const ids = new Map<string, string>();
  const versions = new Map<string, number>();
  const idOf = (person: string) => {
    const id = ids.get(person);
    assert.ok(id, `nobody is called ${person}`);
    return id;
  };
  return {
    ledger,
    idOf,
    async join(person: string, password?: { hash: string; scheme: string }) {
      versions.set(person, 1);
      const displayName = nameOf(person, 1);
      const joiner = {
        username: person,
        displayName,
        state: 'active' as const,
        origin: 'sign-up',
        addresses: [{ address: `${person}@people.test`, primary: true, verified: true }],
      };
      const kept = password && { ...password, needsWrap: false, imported: false };
      await ledger.run(person, { displayName, active: true }, async () => {
        ids.set(person, await during((tx) => join(tx, { ...joiner, password: kept })));
      });
    },
    rename(person: string) {
      const version = (versions.get(person) ?? 0) + 1;
      versions.set(person, version);
      const displayName = nameOf(person, version);
      const active = ledger.last(person)?.active ?? true;
      return ledger.run(person, { displayName, active }, () =>
        during((tx) => changeNames(tx, idOf(person), { displayName })),
      );
    },
    lock: (person: string) =>
      ledger.run(person, { displayName: nameOf(person, versions.get(person) ?? 1), active: false }, () =>
        during((tx) => leave(tx, idOf(person), 'locked')),
      ),
    unlock: (person: string) =>
      ledger.run(person, { displayName: nameOf(person, versions.get(person) ?? 1), active: true }, () =>
        during((tx) => activate(tx, idOf(person), 'again')),
      ),
  };
}

async function calm(
  during: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>,
  applications: readonly string[],
  withinMs: number,
): Promise<void> {
  const unread = `select exists (select 1 from events e, event_cursors c where c.reader = 'provisioning'
    and (e.xid, e.id) > (c.xid, c.id)) as unread`;
  let still = 0;
  await eventually(
    async () => {
      const quiet = await during(async (tx) => {
        const [row] = await tx.query<{ unread: boolean }>(unread);
        const lanes = await Promise.all(applications.map((one) => lookAt(tx, laneOf(one))));
        return row?.unread === false && lanes.every(({ ready, leased }) => ready + leased === 0);
      });
      still = quiet ? still + 1 : 0;
      return still >= 3;
    },
    { withinMs, everyMs: 100, what: 'calm' },
  );
}

export { eventually };

/** Holds the driver's ledger against a target: nothing lost, doubled, stale, out of order or mixed up. */
export async function settleLedger(t: TestContext, stage: Stage, application?: string): Promise<void> {
  const target = stage.target(application);
  const verdict = stage.driver.ledger.check({
    users: target.state.users(),
    entries: target.ledger.entries(),
    doubled: target.ledger.doubled(),
  });
  for (const finding of await linkedWrongly(stage, application)) {
    verdict.WRONG += 1;
    verdict.findings.push(finding);
  }
  t.diagnostic(
    `${stage.driver.ledger.acknowledged()} operations on ${stage.driver.ledger.people().length} people acknowledged: ${figuresOf(verdict)} (seed ${seed})`,
  );
  assert.deepEqual(verdict.findings.slice(0, 20), []);
  assert.equal(target.ledger.counters().dropped, 0, 'the ledger of the target is whole');
}

/** Whom our own books take an account for must be whose it is. */
export async function linkedWrongly(stage: Stage, application?: string): Promise<string[]> {
  const target = stage.target(application);
  const links = await stage.during((tx) =>
    tx.query<{ username: string; remote: string }>(
      `select p.username, l.remote_id as remote from target_links l join people p on p.id = l.person
       where l.remote_id is not null and ($1::text is null or l.application = $1)`,
      [application ?? null],
    ),
  );
  const owners = new Map(target.state.users().map(({ id, body }) => [id, String(body.userName)]));
  return links
    .filter(({ username, remote }) => owners.get(remote) !== username)
    .map(
      ({ username, remote }) =>
        `WRONG ${username} is linked to the account of ${owners.get(remote) ?? 'nobody'}`,
    );
}
