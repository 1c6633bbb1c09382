/** The job of looking at a whole target: one waits at a time, whoever asked. */
import type { NewJob } from '#kit/queue/queue.ts';

export const sweepLane = 'target-sweeps';

export interface SweepJob {
  cause: 'schedule' | 'button' | 'settings';
  actor?: string;
}

export function sweepJob(application: string, payload: SweepJob): NewJob {
  return { lane: sweepLane, key: application, payload, dedupe: `sweep:${application}` };
}
