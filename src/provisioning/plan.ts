/**
 * What would be done about one account, and why. Pure: the same for an event, a sweep, a retry, a button and a dry run.
 *
 *   standing   account there     →  verdict
 *   active     none              →  create, or invite where the target can only be asked
 *   active     someone's, ours   →  link (and whatever differs)
 *   active     linked, differs   →  update; reactivate when it was switched off
 *   active     linked, equal     →  unchanged
 *   inactive   active            →  deactivate
 *   out        active            →  deactivate, or delete by the leaver rule
 *   out        switched off      →  delete when its days are over, else unchanged
 *   any        cannot be         →  impossible, needs-alias, disputed: no steps, one sentence
 */
import { createHash } from 'node:crypto';
import type {
  AttributeSpec,
  Capabilities,
  Desired,
  GroupStep,
  Judgement,
  RemoteAccount,
  Step,
  Value,
} from './connector.ts';
import type { Match } from './correlate.ts';

export const verdicts = [
  'create',
  'link',
  'update',
  'reactivate',
  'invite',
  'deactivate',
  'delete',
  'unchanged',
  'refused',
  'impossible',
  'needs-alias',
  'disputed',
] as const;
export type Verdict = (typeof verdicts)[number];

export interface FieldChange {
  name: string;
  was: Value;
  will: Value;
}

export interface Plan {
  verdict: Verdict;
  /** One sentence for an administrator. */
  why: string;
  steps: Step[];
  fields: FieldChange[];
  /** When there is something to do that is not due yet (a deletion). */
  next?: Date;
}

/** `active`: should have an account. `inactive`: keeps it, switched off. `out`: the leaver rule. */
export type Standing = 'active' | 'inactive' | 'out';

export interface PlanInput {
  standing: Standing;
  /** Why the person is out or inactive, for the sentence. */
  standingWhy?: string;
  /** What the account should be; for those not active what it is now, switched off. Undefined: nothing can be said. */
  desired?: Desired;
  /** Why there is no `desired` although there should be. */
  problem?: string;
  /** The account that is linked, as it is now; undefined when there is no link or it is gone. */
  remote?: RemoteAccount;
  /** What was linked is no longer there. */
  gone?: boolean;
  /** Among accounts that are not linked to this person. */
  match: Match;
  judgement?: Judgement;
  capabilities: Capabilities;
  attributes: readonly AttributeSpec[];
  leaver: { rule: 'deactivate' | 'delete'; deleteAfterDays?: number };
  /** When they were invited; nothing is there yet. */
  invitedAt?: Date;
  /** Since when the account is switched off, where known. */
  inactiveSince?: Date;
  now: Date;
}

/** An invitation nobody followed is sent again after so long. */
const invitationMs = 7 * 86_400_000;

/** What to do about one account. */
export function plan(input: PlanInput): Plan {
  if (input.standing !== 'active') return planLeaver(input);
  const { desired, judgement, match } = input;
  if (!desired) return nothing('impossible', input.problem ?? 'Nothing can be said about this account.');
  if (!input.remote && match.kind === 'disputed') return nothing('disputed', match.why);
  const remote = input.remote ?? (match.kind === 'one' ? match.account : undefined);
  if (judgement?.standing === 'impossible' || judgement?.standing === 'needs-alias')
    return nothing(judgement.standing, judgement.why);
  if (!remote) return planNew(input, desired);
  const changes = changesOf(input, desired, remote);
  const version = remote.version;
  const steps: Step[] =
    changes.sent.length === 0
      ? []
      : [
          {
            do: 'update',
            id: remote.id,
            fields: changes.sent.map(({ name }) => name),
            desired,
            ...(version === undefined ? {} : { version }),
          },
        ];
  const made = { steps, fields: changes.sent };
  if (!input.remote) {
    const by = match.kind === 'one' ? match.by : 'externalId';
    return { verdict: 'link', why: linkWhy(by, changes), ...made };
  }
  if (changes.sent.length === 0) {
    if (changes.kept.length === 0) return nothing('unchanged', 'The account there is as it should be.');
    const why = `${names(changes.kept)} cannot be changed there. ${judgement?.why ?? ''}`.trim();
    return { verdict: 'impossible', why, steps: [], fields: changes.kept };
  }
  if (!remote.active)
    return { verdict: 'reactivate', why: 'The account there is switched on again.', ...made };
  const also = changes.kept.length > 0 ? ` ${names(changes.kept)} cannot be changed there.` : '';
  return { verdict: 'update', why: `${names(changes.sent)} differ${s(changes.sent)}.${also}`, ...made };
}

function planNew(input: PlanInput, desired: Desired): Plan {
  const again = input.gone ? ' The one that was linked is gone.' : '';
  const fields = Object.entries(desired.attributes).flatMap(([name, will]) =>
    canonical(will) === null ? [] : [{ name, was: null, will }],
  );
  if (input.judgement?.standing !== 'invite') {
    const why = `There is no account there yet.${again} ${input.judgement?.why ?? ''}`.trim();
    return { verdict: 'create', why, steps: [{ do: 'create', desired }], fields };
  }
  if (!input.capabilities.invite)
    return nothing(
      'impossible',
      `This person can only be invited, which is not set up. ${input.judgement.why}`,
    );
  if (input.invitedAt && input.now.getTime() - input.invitedAt.getTime() < invitationMs) {
    const on = input.invitedAt.toISOString().slice(0, 10);
    return nothing('unchanged', `This person was invited on ${on} and has not accepted yet.`);
  }
  return { verdict: 'invite', why: input.judgement.why, steps: [{ do: 'invite', desired }], fields };
}

function planLeaver(input: PlanInput): Plan {
  const { remote, desired, leaver, now } = input;
  const because = input.standingWhy ?? 'This person is not among those who have an account there.';
  if (input.gone) return nothing('unchanged', `${because} The account there is gone already.`);
  if (!remote) return nothing('unchanged', `${because} There is no account of theirs there.`);
  const off: Desired = {
    externalId: desired?.externalId ?? remote.externalId ?? '',
    active: false,
    attributes: remote.attributes,
  };
  const steps: Step[] = remote.active ? [{ do: 'deactivate', id: remote.id, desired: off }] : [];
  const fields: FieldChange[] = remote.active ? [{ name: 'active', was: true, will: false }] : [];
  if (input.standing === 'inactive') return planInactive(input, remote, { because, steps, fields });
  const deletes = leaver.rule === 'delete' && input.capabilities.delete;
  if (deletes) {
    const since = remote.active ? now : (input.inactiveSince ?? now);
    const due = new Date(since.getTime() + (leaver.deleteAfterDays ?? 0) * 86_400_000);
    if (due <= now) {
      steps.push({ do: 'delete', id: remote.id });
      return { verdict: 'delete', why: `${because} The account there is deleted.`, steps, fields };
    }
    const until = `It is deleted on ${due.toISOString().slice(0, 10)}.`;
    if (steps.length === 0) return { ...nothing('unchanged', `${because} ${until}`), next: due };
    return { verdict: 'deactivate', why: `${because} ${until}`, steps, fields, next: due };
  }
  return switchedOff(because, steps, fields);
}

function switchedOff(because: string, steps: Step[], fields: FieldChange[]): Plan {
  if (steps.length === 0)
    return nothing('unchanged', `${because} The account there is switched off already.`);
  return { verdict: 'deactivate', why: because, steps, fields };
}

/** Who keeps the account, switched off, keeps it as they are now: the last name, not the one of the last push. */
function planInactive(
  input: PlanInput,
  remote: RemoteAccount,
  off: { because: string; steps: Step[]; fields: FieldChange[] },
): Plan {
  const { desired, judgement } = input;
  const takes = judgement?.standing === 'managed' || judgement?.standing === 'external';
  if (!desired || !takes) return switchedOff(off.because, off.steps, off.fields);
  const inactive = { ...desired, active: false };
  const sent = changesOf(input, inactive, { ...remote, active: false }).sent.filter(
    ({ name }) => name !== 'externalId',
  );
  if (sent.length === 0) return switchedOff(off.because, off.steps, off.fields);
  // After another step the account has another version.
  const version = off.steps.length === 0 && remote.version !== undefined ? { version: remote.version } : {};
  const step: Step = {
    do: 'update',
    id: remote.id,
    fields: sent.map(({ name }) => name),
    desired: inactive,
    ...version,
  };
  return {
    verdict: off.steps.length > 0 ? 'deactivate' : 'update',
    why: `${off.because} ${names(sent)} differ${s(sent)}.`,
    steps: [...off.steps, step],
    fields: [...off.fields, ...sent],
  };
}

/** What differs: what is sent, and what the target would not take over. */
function changesOf(
  input: PlanInput,
  desired: Desired,
  remote: RemoteAccount,
): { sent: FieldChange[]; kept: FieldChange[] } {
  const frozen = new Set(input.judgement?.frozen ?? []);
  const all: FieldChange[] = input.attributes.flatMap(({ name, compare }) => {
    if (!Object.hasOwn(desired.attributes, name)) return [];
    const will = desired.attributes[name] ?? null;
    const was = remote.attributes[name] ?? null;
    return sameValue(was, will, compare) ? [] : [{ name, was, will }];
  });
  if (remote.externalId !== undefined && remote.externalId !== desired.externalId)
    all.push({ name: 'externalId', was: remote.externalId, will: desired.externalId });
  else if (remote.externalId === undefined && !input.remote && !frozen.has('externalId'))
    all.push({ name: 'externalId', was: null, will: desired.externalId });
  if (remote.active !== desired.active)
    all.push({ name: 'active', was: remote.active, will: desired.active });
  return {
    sent: all.filter(({ name }) => !frozen.has(name)),
    kept: all.filter(({ name }) => frozen.has(name)),
  };
}

/** Whether two values mean the same: nothing and empty are one, lists are sets. */
export function sameValue(one: Value, other: Value, compare: AttributeSpec['compare'] = 'exact'): boolean {
  const fold = (value: Value) =>
    compare === 'caseless'
      ? JSON.stringify(canonical(value)).toLowerCase()
      : JSON.stringify(canonical(value));
  return fold(one) === fold(other);
}

function canonical(value: Value): Value {
  if (value === '' || value === undefined) return null;
  if (!Array.isArray(value)) return value;
  return value.length === 0 ? null : [...new Set(value)].sort();
}

function nothing(verdict: Verdict, why: string): Plan {
  return { verdict, why, steps: [], fields: [] };
}

function linkWhy(by: string, changes: { sent: FieldChange[] }): string {
  const words: Record<string, string> = {
    externalId: 'external id',
    userName: 'user name',
    email: 'address',
  };
  const then = changes.sent.length > 0 ? ` ${names(changes.sent)} differ${s(changes.sent)}.` : '';
  return `An account with this ${words[by]} is there already.${then}`;
}

const names = (fields: readonly FieldChange[]) => fields.map(({ name }) => name).join(', ');
const s = (fields: readonly FieldChange[]) => (fields.length === 1 ? 's' : '');

/**
 * What an approval holds for: exactly these steps. Version tags are left out, they change without meaning; so are the
 * attributes of steps that switch off or delete, which send what is there.
 */
export function digestOf(steps: readonly (Step | GroupStep)[]): Buffer {
  const bare = steps.map((step) => {
    if (step.do === 'update') return { ...step, version: undefined };
    return step.do === 'deactivate' ? { do: step.do, id: step.id } : step;
  });
  return createHash('sha256').update(stable(bare)).digest();
}

/** JSON with the keys in order. */
function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((one) => stable(one ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  const sorted = entries.toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${sorted.map(([key, one]) => `${JSON.stringify(key)}:${stable(one)}`).join(',')}}`;
}
