import type { Tx } from '#kit/db/tx.ts';
import type { GroupStep, Step } from './connector.ts';
import type { FieldChange, Verdict } from './plan.ts';
import { shownFields } from './plan-fields.ts';

/** What would be done about one subject, waiting for a person. */
export interface PlanRow {
  application: string;
  subject: string;
  verdict: Verdict;
  why: string;
  steps: (Step | GroupStep)[];
  digest: Buffer;
  state: 'proposed' | 'approved' | 'held' | 'refused';
  decidedBy?: string;
  decidedAt?: Date;
  madeAt: Date;
}

interface Row {
  application: string;
  subject: string;
  verdict: Verdict;
  why: string;
  steps: (Step | GroupStep)[];
  digest: Buffer;
  state: PlanRow['state'];
  decided_by: string | null;
  decided_at: Date | null;
  made_at: Date;
}

export async function findPlan(tx: Tx, application: string, subject: string): Promise<PlanRow | undefined> {
  const rows = await tx.query<Row>(
    `select application, subject, verdict, why, steps, digest, state, decided_by, decided_at, made_at
     from target_plans where application = $1 and subject = $2`,
    [application, subject],
    'target-plan',
  );
  const row = rows[0];
  if (!row) return undefined;
  const { decided_by, decided_at, made_at, ...rest } = row;
  return {
    ...rest,
    decidedBy: decided_by ?? undefined,
    decidedAt: decided_at ?? undefined,
    madeAt: made_at,
  };
}

export type NewPlan = Pick<PlanRow, 'subject' | 'verdict' | 'why' | 'steps' | 'digest'> & {
  /** What was and what will be, for whoever decides; cut short where it is kept. */
  fields?: readonly FieldChange[];
  state?: PlanRow['state'];
};

/**
 * Plans about these subjects stay as they are until the transaction ends. Whoever touches many takes them here first, all
 * in the same order as decisions are made: otherwise two of them, each with half of what the other needs, end in deadlock.
 */
export async function holdPlans(tx: Tx, application: string, subjects: readonly string[]): Promise<void> {
  await tx.query(
    `select 1 from target_plans where application = $1 and subject = any($2::text[]) order by subject for update`,
    [application, subjects],
    'target-plans-hold',
  );
}

/**
 * Puts plans in the place of earlier ones about the same subjects. A decision stays where the steps are the same;
 * `held` is said of what was approved too.
 */
export async function writePlans(tx: Tx, application: string, plans: readonly NewPlan[]): Promise<void> {
  if (plans.length === 0) return;
  await tx.query(
    `insert into target_plans as p (application, subject, verdict, why, steps, fields, digest, state, made_at)
     select $1, subject, verdict, why, steps, fields, decode(digest, 'hex'), state, $3
     from jsonb_to_recordset($2::jsonb)
       as given (subject text, verdict text, why text, steps jsonb, fields jsonb, digest text, state text)
     order by subject
     on conflict (application, subject) do update set verdict = excluded.verdict, why = excluded.why,
       steps = excluded.steps, fields = excluded.fields, digest = excluded.digest, made_at = excluded.made_at,
       state = case when p.digest = excluded.digest and excluded.state = 'proposed' then p.state else excluded.state end,
       decided_by = case when p.digest = excluded.digest then p.decided_by end,
       decided_at = case when p.digest = excluded.digest then p.decided_at end`,
    [
      application,
      JSON.stringify(
        plans.map((plan) => ({
          subject: plan.subject,
          verdict: plan.verdict,
          why: plan.why,
          steps: plan.steps,
          fields: shownFields(plan.fields ?? []),
          digest: plan.digest.toString('hex'),
          state: plan.state ?? 'proposed',
        })),
      ),
      tx.now(),
    ],
  );
}

export async function deletePlans(tx: Tx, application: string, subjects: readonly string[]): Promise<void> {
  if (subjects.length === 0) return;
  await tx.query(
    'delete from target_plans where application = $1 and subject = any($2::text[])',
    [application, subjects],
    'target-plans-delete',
  );
}

/** Plans say what an account should hold: those about erased people go. */
export async function deletePlansOf(tx: Tx, subject: string): Promise<void> {
  await tx.query('delete from target_plans where subject = $1', [subject]);
}

/** What was approved is proposed again. */
export async function withdrawApprovals(tx: Tx): Promise<void> {
  await tx.query(
    `update target_plans set state = 'proposed', decided_by = null, decided_at = null where state = 'approved'`,
  );
}
