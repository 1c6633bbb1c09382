/**
 * A person decides about what is proposed at a target. An approval holds for exactly the steps that were shown: when the
 * plan is another one by the time it is sent, it is proposed anew instead.
 */
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueueAll } from '#kit/queue/queue.ts';
import * as store from './approval.store.ts';
import { subjectJob } from './intake.ts';
import type { Verdict } from './plan.ts';
import { requireTarget } from './targets.ts';
import { noteAll, type Subject } from './timeline.ts';

export {
  countProposals,
  decisionsAt,
  type Proposal,
  type ProposalFilter,
  proposals,
} from './approval.store.ts';

/** Which proposals are meant; several conditions hold together. At least one is given. */
export interface Selection {
  subjects?: readonly Subject[];
  verdicts?: readonly Verdict[];
  /** Every proposal there is. */
  all?: boolean;
  /** Subject → digest in hexadecimal that was shown; plans that changed since are left as they are. */
  digests?: Readonly<Record<Subject, string>>;
}

const rowsAtOnce = 1000;
/** Linking changes nothing there, and is decided all the same; other plans without steps wait for help, not for a yes. */
const decidable: readonly Verdict[] = ['link'];

/**
 * Approves proposals and puts them to work. Returns how many; those another person decided meanwhile are not among them.
 * Refuses with `input-malformed` an empty selection and `conflict` where the target's mode sends nothing.
 */
export async function approve(tx: Tx, application: string, selection: Selection): Promise<number> {
  const target = await requireTarget(tx, application);
  if (target.mode === 'off' || target.mode === 'observe')
    throw new Problem('conflict', { detail: `mode ${target.mode} sends nothing` });
  const by = tx.actor.name ?? tx.actor.kind;
  const count = await decideAll(tx, application, selection, 'approved', async (some) => {
    await enqueueAll(
      tx,
      some.map(({ subject, digest }) =>
        subjectJob(application, subject, { cause: 'approval', actor: by, approved: digest }),
      ),
    );
  });
  if (count > 0) await record(tx, 'plan.approved', { application, data: { count } });
  return count;
}

/** Says no to proposals: they stay away until what we want changes. Returns how many. */
export async function refuse(tx: Tx, application: string, selection: Selection): Promise<number> {
  await requireTarget(tx, application);
  const count = await decideAll(tx, application, selection, 'refused', async () => undefined);
  if (count > 0) await record(tx, 'plan.refused', { application, data: { count } });
  return count;
}

async function decideAll(
  tx: Tx,
  application: string,
  selection: Selection,
  state: 'approved' | 'refused',
  follow: (some: store.Decided[]) => Promise<void>,
): Promise<number> {
  const { subjects, verdicts, digests, all } = selection;
  if (!all && !subjects && !verdicts)
    throw new Problem('input-malformed', { detail: 'nothing was selected' });
  const by = tx.actor.name ?? tx.actor.kind;
  const chosen = { subjects, verdicts, digests, sendable: decidable };
  let count = 0;
  for (;;) {
    const some = await store.decideProposals(tx, application, chosen, { state, by, limit: rowsAtOnce });
    if (some.length === 0) return count;
    await follow(some);
    const yes = state === 'approved';
    await noteAll(
      tx,
      some.map(({ subject }) => ({
        application,
        subject,
        kind: yes ? ('approved' as const) : ('rejected' as const),
        text: yes ? `${by} approved it.` : `${by} said no.`,
        actor: by,
      })),
    );
    count += some.length;
  }
}
