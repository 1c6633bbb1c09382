/** The live queue of a target as administrators see it, and sending something again. */
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { jobsOf, type LaneLook, lookAt, type QueuedJob } from '#kit/queue/look.ts';
import { enqueue, replayDead } from '#kit/queue/queue.ts';
import { type PaceState, paceOf } from './pace.ts';
import { laneOf, requireTarget } from './targets.ts';
import { note, type Subject } from './timeline.ts';

export interface QueueView extends LaneLook {
  jobs: QueuedJob[];
  pace: PaceState;
  quarantine?: { why: string; since: Date };
}

/** What waits for a target, since when, and why it is not sent right now. */
export async function queueView(tx: Tx, application: string, limit = 100): Promise<QueueView> {
  const target = await requireTarget(tx, application);
  const lane = laneOf(application);
  return {
    ...(await lookAt(tx, lane)),
    jobs: await jobsOf(tx, { lane, limit }),
    pace: await paceOf(tx, application),
    quarantine: target.quarantine,
  };
}

const subjectForm = /^(person|group):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Sends one person or group again: a dead job goes back to work, without one a new job is made. What is sent is what
 * is wanted now, so that doing it twice does it once. Refuses with `input-malformed` what is no subject.
 */
export async function replay(tx: Tx, application: string, subject: Subject): Promise<void> {
  if (!subjectForm.test(subject)) throw new Problem('input-malformed', { detail: 'no such subject' });
  await requireTarget(tx, application);
  const lane = laneOf(application);
  const dead = await jobsOf(tx, { lane, state: 'dead', key: subject });
  const by = tx.actor.name ?? tx.actor.kind;
  if (dead.length > 0) await replayDead(tx, { ids: dead.map(({ id }) => id) });
  else {
    const payload = { cause: 'button', actor: by };
    await enqueue(tx, { lane, key: subject, payload, dedupe: `${lane}:${subject}` });
  }
  await note(tx, {
    application,
    subject,
    kind: 'replayed',
    text: `${by} asked for it to be sent again.`,
    actor: by,
  });
}

/** Puts everything that was set aside at a target back to work; returns how much it was. */
export async function replayAll(tx: Tx, application: string): Promise<number> {
  await requireTarget(tx, application);
  const lane = laneOf(application);
  const dead = await jobsOf(tx, { lane, state: 'dead', limit: 100_000 });
  const by = tx.actor.name ?? tx.actor.kind;
  for (const { key } of dead) {
    await note(tx, {
      application,
      subject: key,
      kind: 'replayed',
      text: `${by} asked for it to be sent again.`,
      actor: by,
    });
  }
  return replayDead(tx, { lane });
}
