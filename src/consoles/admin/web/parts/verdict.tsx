/** What a plan says about someone: the word, a shape and a colour; the fields it would change. */
import { planWords } from '#consoles/admin/web/words-plan.ts';
import { Badge } from './badge.tsx';
import type { Difference } from './diff.tsx';
import type { Tone } from './icons.tsx';

export type Verdict = keyof typeof planWords.verdicts;

const tones: Record<Verdict, Tone> = {
  create: 'success',
  link: 'info',
  update: 'info',
  reactivate: 'success',
  invite: 'info',
  deactivate: 'warning',
  delete: 'danger',
  unchanged: 'neutral',
  refused: 'danger',
  impossible: 'danger',
  'needs-alias': 'warning',
  disputed: 'warning',
};

export const allVerdicts = Object.keys(planWords.verdicts) as Verdict[];

/** Only these can be decided about; the others wait for help, not for a yes. */
export const decidable: readonly Verdict[] = [
  'create',
  'link',
  'update',
  'reactivate',
  'invite',
  'deactivate',
  'delete',
];

/** Those that take something away. */
export const removing: readonly Verdict[] = ['deactivate', 'delete'];

export function VerdictBadge({ verdict }: { verdict: Verdict }) {
  return <Badge tone={tones[verdict] ?? 'neutral'} label={planWords.verdicts[verdict] ?? verdict} />;
}

/** A value as one reads it: nothing is undefined, lists stand with commas. */
export function written(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(String).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

interface LooseStep {
  do?: string;
  fields?: readonly string[];
  desired?: { active?: boolean; externalId?: string; attributes?: Record<string, unknown> };
  name?: string;
  members?: readonly string[];
}

/** What was and what will be, as it was when this was planned; what groups get stands in the steps alone. */
export function differences(plan: {
  steps: readonly unknown[];
  fields: readonly { name: string; was?: unknown; will?: unknown }[];
}): Difference[] {
  if (plan.fields.length === 0) return willBe(plan.steps);
  const shown = plan.fields.map(({ name, was, will }) => ({
    field: name,
    was: written(was),
    will: written(will),
  }));
  return [...shown, ...willBe(plan.steps).filter(({ field }) => field === 'account')];
}

/** What the steps of a plan would set: field by field, as it will be. */
function willBe(steps: readonly unknown[]): Difference[] {
  const found = new Map<string, Difference>();
  for (const step of steps as readonly LooseStep[]) {
    const { desired } = step;
    if (step.do === 'delete') found.set('account', { field: 'account', will: undefined });
    if (step.name !== undefined) found.set('name', { field: 'name', will: step.name });
    if (step.members)
      found.set(step.do ?? 'members', { field: step.do ?? 'members', will: String(step.members.length) });
    if (!desired) continue;
    const all = { ...desired.attributes, active: desired.active, externalId: desired.externalId };
    const names =
      step.do === 'deactivate' ? ['active'] : (step.fields ?? Object.keys(desired.attributes ?? {}));
    for (const name of names) found.set(name, { field: name, will: written(all[name as keyof typeof all]) });
  }
  return [...found.values()].filter(({ will, field }) => will !== undefined || field === 'account');
}
