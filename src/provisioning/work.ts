/**
 * The running part: one reader of the log, and for each target that is on and not held one worker of its own, so that a
 * bad target slows no other. Follows changes of targets as they are made.
 */
import { readOnce, startReader } from '#core/events/reader.ts';
import { system } from '#kit/db/database.ts';
import { startWorker, type Worker } from '#kit/queue/worker.ts';
import { handleJob, type LaneHandlers } from './handle.ts';
import { type LaneJob, provisioningReader } from './intake.ts';
import { laneOf, listTargets, type ProvisioningNeeds, type Target } from './targets.ts';

export interface RunningProvisioning {
  /** Reads every event there is and does what is due; what waits for another attempt stays. */
  settle(): Promise<void>;
  /** Looks for work now. */
  wake(): void;
  stop(): Promise<void>;
}

export interface ProvisioningOptions extends ProvisioningNeeds {
  /** Further kinds of jobs in the lanes of targets, by what stands before the colon of their key. */
  handlers?: LaneHandlers;
  /** How long a lease lasts unless renewed; default 60. */
  leaseSeconds?: number;
}

const lookEveryMs = 30_000;

/** Starts reading and pushing. When it resolves, every event recorded from then on is seen. */
export async function startProvisioning(options: ProvisioningOptions): Promise<RunningProvisioning> {
  const { database, log } = options;
  const reader = provisioningReader(options.connectors);
  await readOnce(database, reader);
  const reading = startReader({ database, reader, log });
  const workers = new Map<string, { mark: string; worker: Worker }>();
  const ending = new Set<Promise<void>>();
  let stopped = false;
  let turn: Promise<void> = Promise.resolve();

  async function follow(): Promise<void> {
    const targets = await database.read(system(), listTargets);
    const wanted = new Map(
      targets.filter((target) => runs(options, target)).map((target) => [target.application, target]),
    );
    for (const [application, { mark, worker }] of workers) {
      const target = wanted.get(application);
      if (target && markOf(options, target) === mark) continue;
      workers.delete(application);
      // Its last jobs may take a while; what comes next for others does not wait for them.
      const end: Promise<void> = worker.stop().finally(() => ending.delete(end));
      ending.add(end);
    }
    for (const [application, target] of wanted) {
      if (stopped || workers.has(application)) continue;
      workers.set(application, {
        mark: markOf(options, target),
        worker: startTargetWorker(options, target),
      });
    }
  }
  function followInTurn(): Promise<void> {
    turn = turn.then(async () => {
      if (stopped) return;
      await follow().catch((error: unknown) =>
        log.error({ err: error, code: 'targets-unread' }, 'the targets could not be read'),
      );
    });
    return turn;
  }
  const forget = await database.listen('targets', () => void followInTurn());
  const looking = setInterval(() => void followInTurn(), lookEveryMs);
  looking.unref();
  await followInTurn();

  return {
    wake() {
      for (const { worker } of workers.values()) worker.wake();
    },
    async settle() {
      await reading.catchUp();
      await followInTurn();
      await Promise.all([...workers.values()].map(({ worker }) => worker.idle()));
    },
    async stop() {
      stopped = true;
      clearInterval(looking);
      await forget();
      await reading.stop();
      await turn;
      await Promise.all([...ending, ...[...workers.values()].map(({ worker }) => worker.stop())]);
    },
  };
}

function runs({ connectors }: ProvisioningNeeds, target: Target): boolean {
  return target.mode !== 'off' && !target.quarantine && connectors.has(target.connector);
}

/** What a worker is started with: another one is started when it changes. The rest of the settings is read for each job. */
function markOf({ connectors }: ProvisioningNeeds, { connector, settings }: Target): string {
  const concurrency = settings.limits.concurrency ?? connectors.get(connector)?.limits.concurrency ?? 1;
  return JSON.stringify([concurrency, settings.attempts]);
}

function startTargetWorker(options: ProvisioningOptions, target: Target): Worker {
  const [concurrency, maxAttempts] = JSON.parse(markOf(options, target)) as [number, number];
  const { application } = target;
  return startWorker<LaneJob>({
    database: options.database,
    lane: laneOf(application),
    log: options.log,
    concurrency,
    maxAttempts,
    leaseSeconds: options.leaseSeconds,
    backoff: { first: 2, most: 3600 },
    handle: (job, lease) => handleJob(options, options.handlers ?? {}, application, job, lease),
  });
}
