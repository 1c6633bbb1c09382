/** Plans of whole targets that were asked for here: one at a time for each target, kept where every node can read it. */
import { Problem } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import { houseFact, setHouseFact } from '#kit/db/facts.ts';
import type { Tx } from '#kit/db/tx.ts';
import { planTarget, type TargetPlan } from '#provisioning/reconcile.ts';
import type { ProvisioningNeeds, Target } from '#provisioning/targets.ts';

export interface PlanRun {
  state: 'running' | 'done' | 'failed';
  startedAt: Date;
  /** People looked at so far. */
  done: number;
  why?: string;
  plan?: TargetPlan;
}

export interface PlanRuns {
  /** Starts one. False where one is under way, here or on another node. Refuses with `conflict` what was never listed. */
  start(target: Target): Promise<boolean>;
  look(tx: Tx, application: string): Promise<PlanRun | undefined>;
  /** Breaks off those of this process. */
  stop(): Promise<void>;
}

const factOf = (application: string) => `target-plan/${application}`;
const saidEveryMs = 1000;
/** Whoever has said nothing for so long is not planning any more. */
const silentMs = 60_000;

interface Stored extends Omit<PlanRun, 'startedAt' | 'plan'> {
  startedAt: string;
  saidAt: string;
  plan?: string;
}

export function createPlanRuns(needs: ProvisioningNeeds): PlanRuns {
  const { database, clock, log } = needs;
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();

  function say(application: string, run: PlanRun): Promise<void> {
    const stored: Stored = {
      ...run,
      startedAt: run.startedAt.toISOString(),
      saidAt: clock.now().toISOString(),
      plan: run.plan && JSON.stringify(run.plan),
    };
    return database.transact(system(), (tx) => setHouseFact(tx, factOf(application), stored));
  }

  async function work(target: Target, run: PlanRun): Promise<void> {
    const { application } = target;
    let said = performance.now();
    try {
      run.plan = await planTarget(needs, target, {
        signal: stopping.signal,
        async onPeople(people) {
          run.done += people.length;
          if (performance.now() - said < saidEveryMs) return;
          said = performance.now();
          await say(application, run);
        },
      });
      await say(application, { ...run, state: 'done' });
    } catch (error) {
      log.warn({ err: error, code: 'plan-failed', application }, 'a target could not be planned');
      await say(application, { ...run, state: 'failed', why: 'It broke off; start it again.' }).catch(
        () => undefined,
      );
    }
  }

  async function look(tx: Tx, application: string): Promise<PlanRun | undefined> {
    const stored = (await houseFact(tx, factOf(application))) as Stored | undefined;
    if (!stored) return undefined;
    const { saidAt, startedAt, plan, ...run } = stored;
    const silent = run.state === 'running' && clock.now().getTime() - Date.parse(saidAt) > silentMs;
    return {
      ...run,
      ...(silent && { state: 'failed' as const, why: 'It broke off; start it again.' }),
      startedAt: new Date(startedAt),
      plan: plan === undefined ? undefined : readPlan(plan),
    };
  }

  return {
    look,
    async start(target) {
      if (!target.listedAt && needs.connectors.get(target.connector)?.capabilities.list)
        throw new Problem('conflict', { detail: 'this target was never listed' });
      const before = await database.read(system(), (tx) => look(tx, target.application));
      if (before?.state === 'running') return false;
      const run: PlanRun = { state: 'running', startedAt: clock.now(), done: 0 };
      await say(target.application, run);
      const working = work(target, run).finally(() => running.delete(working));
      running.add(working);
      return true;
    },
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

function readPlan(text: string): TargetPlan {
  const plan = JSON.parse(text) as Omit<TargetPlan, 'madeAt' | 'listedAt'> & {
    madeAt: string;
    listedAt?: string;
  };
  const { listedAt, ...rest } = plan;
  return {
    ...rest,
    madeAt: new Date(plan.madeAt),
    ...(listedAt !== undefined && { listedAt: new Date(listedAt) }),
  };
}
