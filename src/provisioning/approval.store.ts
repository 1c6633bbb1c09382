import type { Tx } from '#kit/db/tx.ts';
import type { FieldChange, Verdict } from './plan.ts';

export interface Decided {
  subject: string;
  /** Of the steps, in hexadecimal. */
  digest: string;
}

export interface Chosen {
  subjects?: readonly string[];
  verdicts?: readonly Verdict[];
  /** Subject → digest in hexadecimal; a subject whose plan is another one by now is left out. */
  digests?: Readonly<Record<string, string>>;
  /** Only where there is something to send. */
  sendable: readonly Verdict[];
}

/**
 * Decides about some of the proposals meant: each is decided once, whoever else tries at the same time. What is decided is
 * no proposal any more, so whoever asks until none is left has them all.
 */
export async function decideProposals(
  tx: Tx,
  application: string,
  chosen: Chosen,
  decision: { state: 'approved' | 'refused'; by: string; limit: number },
): Promise<Decided[]> {
  return tx.query<Decided>(
    `with chosen as (
       select subject from target_plans
       where application = $1 and state = 'proposed'
         and ($2::text[] is null or subject = any($2)) and ($3::text[] is null or verdict = any($3))
         and (jsonb_array_length(steps) > 0 or verdict = any($4::text[]))
         and ($5::jsonb is null or not $5::jsonb ? subject or $5::jsonb ->> subject = encode(digest, 'hex'))
       order by subject limit $6 for update)
     update target_plans p set state = $7, decided_by = $8, decided_at = $9
     from chosen where p.application = $1 and p.subject = chosen.subject
     returning p.subject, encode(p.digest, 'hex') as digest`,
    [
      application,
      chosen.subjects ?? null,
      chosen.verdicts ?? null,
      chosen.sendable,
      chosen.digests ? JSON.stringify(chosen.digests) : null,
      decision.limit,
      decision.state,
      decision.by,
      tx.now(),
    ],
  );
}

export interface Proposal {
  subject: string;
  verdict: Verdict;
  why: string;
  steps: unknown[];
  /** What was and what will be, as it was when this was planned; cut short. */
  fields: FieldChange[];
  digest: string;
  state: 'proposed' | 'approved' | 'held' | 'refused';
  decidedBy?: string;
  decidedAt?: Date;
  madeAt: Date;
}

export interface ProposalFilter {
  state?: Proposal['state'];
  verdict?: Verdict;
  /** Subject of the last one of the page before. */
  after?: string;
  limit?: number;
}

/** What waits or was decided at a target, in order of subject. */
export async function proposals(
  tx: Tx,
  application: string,
  filter: ProposalFilter = {},
): Promise<Proposal[]> {
  const rows = await tx.query<Proposal & { decidedBy: string | null; decidedAt: Date | null }>(
    `select subject, verdict, why, steps, fields, encode(digest, 'hex') as digest, state, decided_by as "decidedBy",
       decided_at as "decidedAt", made_at as "madeAt"
     from target_plans
     where application = $1 and subject > $2 and ($3::text is null or state = $3) and ($4::text is null or verdict = $4)
     order by subject limit $5`,
    [
      application,
      filter.after ?? '',
      filter.state ?? null,
      filter.verdict ?? null,
      Math.min(filter.limit ?? 50, 1000),
    ],
  );
  return rows.map(({ decidedBy, decidedAt, ...row }) => ({
    ...row,
    ...(decidedBy !== null && { decidedBy }),
    ...(decidedAt !== null && { decidedAt }),
  }));
}

/** How many there are of each state and verdict. */
export async function countProposals(
  tx: Tx,
  application: string,
): Promise<{ state: Proposal['state']; verdict: Verdict; count: number }[]> {
  return tx.query(
    `select state, verdict, count(*)::integer as count from target_plans
     where application = $1 group by state, verdict order by state, verdict`,
    [application],
  );
}

/** How much waits for a person: proposals that can be decided, plans the brake holds, and whether it is engaged. */
export async function decisionsAt(
  tx: Tx,
  application: string,
): Promise<{ proposed: number; held: number; braked: boolean }> {
  const [row] = await tx.query<{ proposed: number; held: number; braked: boolean }>(
    `select count(*) filter (where state = 'proposed' and (verdict = 'link' or jsonb_array_length(steps) > 0))::integer
         as proposed,
       count(*) filter (where state = 'held')::integer as held,
       exists (select 1 from target_brakes where application = $1 and released_at is null) as braked
     from target_plans where application = $1`,
    [application],
  );
  return row ?? { proposed: 0, held: 0, braked: false };
}
