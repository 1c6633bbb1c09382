/**
 * How long it takes to say, for every person of a large community, what would be done at a target: from a listing with
 * what such listings hold — most are there already, some differ, some are strangers — to verdicts kept for approval.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { joinMany } from '#core/lifecycle/join.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { type Database, openDatabase, system } from '#kit/db/database.ts';
import { startEmbedded } from '#kit/db/embedded.ts';
import { createLog } from '#kit/log/log.ts';
import { createNet } from '#kit/net/net.ts';
import { approve } from '#provisioning/approval.ts';
import { listTarget } from '#provisioning/listing.ts';
import { planTarget } from '#provisioning/reconcile.ts';
import { type ProvisioningNeeds, requireTarget, saveTarget } from '#provisioning/targets.ts';
import { type ModelTarget, modelTarget } from '#test/model-target.ts';
import { type Bench, type Measured, rounded } from './measure.ts';

const people = 20_494;
const goalSeconds = 60;
const application = 'wiki';

async function fillCommunity(database: Database): Promise<void> {
  for (let from = 0; from < people; from += 500) {
    const joiners = Array.from({ length: Math.min(500, people - from) }, (_, place) => ({
      username: `person${from + place}`,
      givenName: 'Given',
      familyName: `Family${from + place}`,
      state: 'active' as const,
      origin: 'bench',
      addresses: [{ address: `person${from + place}@example.org`, primary: true, verified: true }],
    }));
    await database.transact(system('import'), (tx) => joinMany(tx, joiners));
  }
}

/** Of ten people seven are there as they should be, one under another name, two are not; and there are strangers. */
function fillTarget(model: ModelTarget): void {
  for (let at = 0; at < people; at += 1) {
    if (at % 10 >= 8) continue;
    const displayName = at % 10 === 7 ? 'Old Name' : `Given Family${at}`;
    const attributes = { userName: `person${at}`, email: `person${at}@example.org`, displayName };
    model.accounts.set(`r${at}`, { id: `r${at}`, active: true, attributes });
  }
  for (let at = 0; at < 500; at += 1)
    model.accounts.set(`x${at}`, { id: `x${at}`, active: true, attributes: { userName: `stranger${at}` } });
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const began = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - began) / 1000 };
}

async function measure(needs: ProvisioningNeeds): Promise<Measured> {
  const { database } = needs;
  const target = () => database.read(system(), (tx) => requireTarget(tx, application));
  const listing = await timed(async () => listTarget(needs, await target()));
  if (!listing.result.complete) throw new Error(listing.result.why);
  const first = await timed(async () => planTarget(needs, await target()));
  const again = await timed(async () => planTarget(needs, await target()));
  const { totals } = first.result;
  if (totals.link + totals.create !== people) throw new Error(`Not planned: ${JSON.stringify(totals)}`);
  const approval = await timed(() =>
    database.transact(system('admin'), (tx) => approve(tx, application, { all: true })),
  );
  if (approval.result !== people) throw new Error(`${approval.result} of ${people} were approved`);
  return {
    figures: {
      'people planned': first.result.people,
      'accounts listed': listing.result.accounts,
      'listing kept (s)': rounded(listing.seconds),
      'planned and kept to be approved (s)': rounded(first.seconds),
      'planned again, nothing changed (s)': rounded(again.seconds),
      'all approved and put to work (s)': rounded(approval.seconds),
      'memory of the process (MiB)': Math.round(process.memoryUsage.rss() / 2 ** 20),
    },
    goalMet: first.seconds <= goalSeconds,
  };
}

async function run(): Promise<Measured> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  const log = createLog({ level: 'silent' });
  const embedded = await startEmbedded({ dataDirectory: folder, log });
  try {
    const database = await openDatabase({ connection: embedded.connection, clock: systemClock, log });
    const net = createNet({ allow: [], log });
    try {
      await database.migrate();
      await fillCommunity(database);
      const model = modelTarget();
      fillTarget(model);
      const connectors = new Map([['model', model.connector]]);
      const secrets = createSecrets(Buffer.alloc(32, 1));
      await database.transact(system(), async (tx) => {
        await saveApplication(tx, application, applicationSettings.parse({ title: 'Wiki' }));
        await saveTarget(tx, secrets, connectors, application, { connector: 'model', mode: 'plan' });
      });
      return await measure({ database, secrets, net, clock: systemClock, log, connectors });
    } finally {
      await net.close();
      await database.close();
    }
  } finally {
    await embedded.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

export const bench: Bench = {
  name: 'plan',
  text: `Planning ${people.toLocaleString('en')} people at a target after it was listed, 500 at a time`,
  goal: `at most ${goalSeconds} s`,
  run,
};
