/**
 * From facts to work: whom an event touches, at which targets. Jobs and cursor commit together. What was brought here by
 * many at once is only planned, in batches, and waits to be approved.
 */
import { type EventType, erasedIn, type LoggedEvent } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import { membersOf } from '#core/groups/groups.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { enqueue, enqueueAll, hasten, type NewJob } from '#kit/queue/queue.ts';
import type { Connector } from './connector.ts';
import { forgetListed } from './listing.ts';
import { silentCauses } from './permission.ts';
import { deletePlansOf } from './plans.store.ts';
import { sweepJob } from './sweep-job.ts';
import { laneOf, listTargets, type Target } from './targets.ts';
import { forgetSubject, noteAll } from './timeline.ts';

/** What a job of a target's lane says. */
export interface LaneJob {
  cause: string;
  actor?: string;
  /** Digest in hex of the steps a person approved. */
  approved?: string;
  /** For a batch that is only planned. */
  people?: string[];
}

interface Touched {
  people?: string[];
  groups?: string[];
  /** Members may be called something else now. */
  membersOf?: string;
}

type Touches = { [T in EventType]?: (event: LoggedEvent<T>) => Touched };

const self = ({ person }: { person?: string }): Touched => ({ people: person ? [person] : [] });
const withGroup = ({ person, data }: { person?: string; data: { group: string } }): Touched => ({
  people: person ? [person] : [],
  groups: [data.group],
});

const touches: Touches = {
  // Who has confirmed nothing yet is nowhere.
  'person.joined': (event) => (event.data.state === 'unverified' ? {} : self(event)),
  'person.activated': self,
  'person.moved': self,
  'person.left': self,
  'person.renamed': self,
  'person.merged': (event) => ({ people: [...(self(event).people ?? []), event.data.absorbed] }),
  'person.unmerged': (event) => ({ people: [...(self(event).people ?? []), event.data.restored] }),
  'address.verified': self,
  'address.made-primary': self,
  'address.removed': self,
  'membership.added': withGroup,
  'membership.removed': withGroup,
  'group.added': ({ data }) => ({ groups: [data.group] }),
  'group.changed': ({ data }) =>
    data.fields.includes('name') ? { groups: [data.group], membersOf: data.group } : {},
  'group.removed': ({ data }) => ({ groups: [data.group] }),
  'alias.assigned': self,
  'alias.removed': self,
  'alias-mailbox.assigned': self,
  'account-choice.changed': self,
};

/** Settings of an app that change what its target should hold. */
const tellingFields = new Set(['enabled', 'access', 'release', 'groupNames', 'roles', 'alias', 'subject']);

const sweepTypes = [
  'attribute.declared',
  'attribute.withdrawn',
  'target.added',
  'target.changed',
  'target.released',
  'application.changed',
] as const;

/** Facts after which a target as a whole is looked at anew: what is wanted of everyone there may differ now. */
function asksForSweep({ type, data }: LoggedEvent): boolean {
  if (type !== 'application.changed') return sweepTypes.some((one) => one === type);
  const { fields } = data as { fields?: string[] };
  return (fields ?? []).some((field) => tellingFields.has(field));
}

const batch = 500;

/** The reader that turns events into jobs of the targets. */
export function provisioningReader(connectors: ReadonlyMap<string, Connector>): LogReader {
  return {
    reader: 'provisioning',
    from: 'end',
    acts: [...(Object.keys(touches) as EventType[]), 'person.left', ...sweepTypes],
    async handle(tx, events) {
      for (const person of erasedIn(events)) {
        await deletePlansOf(tx, `person:${person}`);
        await forgetSubject(tx, `person:${person}`);
        await forgetListed(tx, person);
      }
      const touching = events.filter(({ type }) => Object.hasOwn(touches, type));
      const sweeping = events.filter(asksForSweep);
      if (touching.length === 0 && sweeping.length === 0) return;
      for (const target of await listTargets(tx)) {
        if (target.mode === 'off') continue;
        if (sweeping.some(({ application }) => !application || application === target.application))
          await enqueue(tx, sweepJob(target.application, { cause: 'settings' }));
        const own = touching.filter(({ application }) => !application || application === target.application);
        await takeIn(tx, target, connectors.get(target.connector), own);
      }
    },
  };
}

async function takeIn(
  tx: Tx,
  target: Target,
  connector: Connector | undefined,
  events: readonly LoggedEvent[],
): Promise<void> {
  const loud = new Map<string, LaneJob>();
  const silent = new Map<string, LaneJob>();
  const groupsMatter = target.settings.groups !== 'none';
  const namesMatter = connector !== undefined && usesGroupNames(target, connector);
  for (const event of events) {
    const touched = (touches[event.type] as (event: LoggedEvent) => Touched)(event);
    const job = { cause: event.cause, actor: event.actor.name ?? event.actor.kind };
    const into = silentCauses.has(event.cause) ? silent : loud;
    for (const person of touched.people ?? []) into.set(`person:${person}`, job);
    if (groupsMatter) for (const group of touched.groups ?? []) into.set(`group:${group}`, job);
    if (touched.membersOf === undefined || !namesMatter) continue;
    for (const person of await everyoneIn(tx, touched.membersOf)) into.set(`person:${person}`, job);
  }
  for (const subject of loud.keys()) silent.delete(subject);
  await put(tx, target, loud);
  await putSilent(tx, target, silent);
}

/** Whether what groups are called changes who has an account or what it holds. */
function usesGroupNames({ settings }: Target, connector: Connector): boolean {
  if (settings.scope.groups) return true;
  const sources = connector.attributes.map(({ name, mapping }) => settings.mapping[name] ?? mapping ?? '');
  return sources.some((source) => /\b(groups|roles)\b/.test(source));
}

async function everyoneIn(tx: Tx, group: string): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const page = await membersOf(tx, group, { after: all.at(-1), limit: 1000 });
    all.push(...page.map(({ person }) => person));
    if (page.length < 1000) return all;
  }
}

async function put(tx: Tx, target: Target, jobs: ReadonlyMap<string, LaneJob>): Promise<void> {
  if (jobs.size === 0) return;
  const { application } = target;
  await enqueueAll(
    tx,
    [...jobs].map(([subject, payload]) => subjectJob(application, subject, payload)),
  );
  // What waits for another attempt has something new to say.
  await hasten(tx, { lane: laneOf(application), keys: [...jobs.keys()] });
  await noteAll(
    tx,
    [...jobs].map(([subject, { cause, actor }]) => ({
      application,
      subject,
      kind: 'queued' as const,
      text: 'Something changed here.',
      cause,
      actor,
    })),
  );
}

async function putSilent(tx: Tx, target: Target, jobs: ReadonlyMap<string, LaneJob>): Promise<void> {
  const { application } = target;
  const lane = laneOf(application);
  const people = [...jobs].filter(([subject]) => subject.startsWith('person:'));
  const groups = [...jobs].filter(([subject]) => subject.startsWith('group:'));
  const all: NewJob[] = groups.map(([subject, payload]) => subjectJob(application, subject, payload));
  for (let from = 0; from < people.length; from += batch) {
    const some = people.slice(from, from + batch);
    const payload: LaneJob = {
      cause: some[0]?.[1].cause ?? 'import',
      people: some.map(([subject]) => subject.slice('person:'.length)),
    };
    all.push({ lane, key: `batch:${newId()}`, payload });
  }
  await enqueueAll(tx, all);
}

/** The job for one subject; while it waits, another for the same subject is not added. */
export function subjectJob(application: string, subject: string, payload: LaneJob): NewJob {
  const lane = laneOf(application);
  return { lane, key: subject, payload, dedupe: `${lane}:${subject}` };
}
