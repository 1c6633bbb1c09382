/** What happens at a target: its queue, its pace, its brake, and what became of one person or group. */
import { z } from 'zod';
import { findGroups } from '#core/groups/groups.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import { brakeState, releaseBrake } from '#provisioning/brake.ts';
import { queueView, replay, replayAll } from '#provisioning/queue-view.ts';
import { requireTarget } from '#provisioning/targets.ts';
import { type Entry, personTimeline, ratesOf, timelineOf } from '#provisioning/timeline.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';
import { ownTarget, targetParams, targetTags } from './targets.ts';

/** `person:<id>`, `group:<id>`, `stranger:<id there>` or `target`. */
export const subjectText = z.string().min(1).max(300);

export const subjectNames = z
  .record(z.string(), z.string())
  .describe('What the people and groups spoken of are called now, by subject.');

/** Names of people and groups, by subject; those that are gone have none. */
export async function namesOf(tx: Tx, subjects: readonly string[]): Promise<Record<string, string>> {
  const ids = (kind: string) => [
    ...new Set(subjects.flatMap((one) => (one.startsWith(`${kind}:`) ? [one.slice(kind.length + 1)] : []))),
  ];
  const people = await findPeople(tx, ids('person'));
  const groups = await findGroups(tx, ids('group'));
  return Object.fromEntries([
    ...people.map(({ id, username }) => [`person:${id}`, username]),
    ...groups.map(({ id, name }) => [`group:${id}`, name]),
  ]);
}

export function targetQueueRoutes(api: Api): void {
  queueRoutes(api);
  replayRoutes(api);
  brakeRoutes(api);
  timelineRoutes(api);
}

const job = z.object({
  id: z.number().int(),
  subject: z.string(),
  state: z.enum(['ready', 'leased', 'dead']),
  cause: z.string().optional(),
  runAt: moment,
  attempts: z.number().int(),
  createdAt: moment,
  reason: z.string().describe('Why the last attempt failed.'),
});

const queueShape = z.object({
  ready: z.number().int(),
  leased: z.number().int(),
  dead: z.number().int(),
  oldest: moment.optional(),
  next: moment.optional(),
  items: z.array(job),
  names: subjectNames,
  pace: z.object({
    failures: z.number().int().describe('Calls without an answer in a row.'),
    heldUntil: moment.optional().describe('Until then the target asked not to be called.'),
    openUntil: moment.optional().describe('Until then it is not called because it did not answer.'),
  }),
  quarantine: z.object({ why: z.string(), since: moment }).optional(),
});

function queueRoutes({ scope, read }: Api): void {
  scope.get(
    '/targets/:id/queue',
    {
      config: { ...ownTarget, permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'What waits, runs and was given up, and why nothing is sent right now',
        params: targetParams,
        querystring: z.strictObject({ limit: pageQuery.limit }),
        response: { 200: queueShape },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { jobs, ...view } = await queueView(tx, request.params.id, request.query.limit);
        const items = jobs.map(({ key, payload, ...rest }) => ({
          ...rest,
          subject: key.replace(/^later:/, ''),
          cause: causeOf(payload),
        }));
        return {
          ...view,
          items,
          names: await namesOf(
            tx,
            items.map(({ subject }) => subject),
          ),
        };
      }),
  );
  scope.get(
    '/targets/:id/rates',
    {
      config: { ...ownTarget, permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'Exchanges of each of the last minutes, oldest first',
        params: targetParams,
        querystring: z.strictObject({ minutes: z.coerce.number().int().min(1).max(1440).default(60) }),
        response: {
          200: z.object({
            items: z.array(
              z.object({
                at: moment,
                well: z.number().int().describe('Answers below 400.'),
                refused: z.number().int().describe('Answers of 400 and more.'),
                failed: z.number().int().describe('No answer at all.'),
              }),
            ),
          }),
        },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { application } = await requireTarget(tx, request.params.id);
        return { items: await ratesOf(tx, application, request.query.minutes) };
      }),
  );
}

function causeOf(payload: unknown): string | undefined {
  const cause = typeof payload === 'object' && payload !== null && 'cause' in payload && payload.cause;
  return typeof cause === 'string' ? cause : undefined;
}

function replayRoutes({ scope, change }: Api): void {
  scope.post(
    '/targets/:id/replay',
    {
      config: { ...ownTarget, permission: 'targets.write' },
      schema: {
        tags: targetTags,
        summary: 'Send one person or group again: what is wanted now',
        params: targetParams,
        body: z.strictObject({ subject: subjectText }),
        response: { 202: z.object({ queued: z.number().int() }) },
      },
    },
    async (request, reply) => {
      await change(request, async (tx) => {
        const { application } = await requireTarget(tx, request.params.id);
        await replay(tx, application, request.body.subject);
      });
      return reply.code(202).send({ queued: 1 });
    },
  );
  scope.post(
    '/targets/:id/replay-dead',
    {
      config: { ...ownTarget, permission: 'targets.write' },
      schema: {
        tags: targetTags,
        summary: 'Put everything that was given up back to work',
        params: targetParams,
        body: z.strictObject({}),
        response: { 202: z.object({ queued: z.number().int() }) },
      },
    },
    async (request, reply) => {
      const queued = await change(request, (tx) => replayAll(tx, request.params.id));
      return reply.code(202).send({ queued });
    },
  );
}

const brakeShape = z.object({
  engaged: z.object({ id: z.string(), since: moment, why: z.string() }).optional(),
  held: z.array(
    z.object({
      subject: z.string(),
      verdict: z.string(),
      why: z.string(),
      since: moment,
      digest: z.string(),
    }),
  ),
  removals: z
    .array(z.object({ subject: z.string(), kind: z.string(), at: moment, approved: z.boolean() }))
    .describe('What was taken away within the window, latest first.'),
  limits: z.object({
    count: z.number(),
    share: z.number(),
    windowMinutes: z.number(),
    accounts: z.number().int().describe('Accounts looked after there.'),
  }),
  names: subjectNames,
});

const subjectList = z.array(subjectText).max(100_000);

function brakeRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/targets/:id/brake',
    {
      config: { ...ownTarget, permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'Whether too much was about to be taken away, and what waits for a decision',
        params: targetParams,
        response: { 200: brakeShape },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const state = await brakeState(tx, request.params.id);
        const subjects = [...state.held, ...state.removals].map(({ subject }) => subject);
        return { ...state, names: await namesOf(tx, subjects) };
      }),
  );
  scope.post(
    '/targets/:id/brake',
    {
      config: { ...ownTarget, permission: 'targets.write', elevation: true },
      schema: {
        tags: targetTags,
        summary: 'Decide about what the brake holds: let go, refuse, or some of each',
        params: targetParams,
        body: z.strictObject({
          approve: z
            .union([z.literal('all'), subjectList])
            .optional()
            .describe('Subjects that may go, or `all`.'),
          refuse: z
            .union([z.literal('rest'), subjectList])
            .optional()
            .describe('Subjects that stay as they are, or `rest`.'),
        }),
        response: {
          200: z.object({
            approved: z.number().int(),
            refused: z.number().int(),
            left: z.number().int().describe('Still waiting.'),
          }),
        },
      },
    },
    async (request) => change(request, (tx) => releaseBrake(tx, request.params.id, request.body)),
  );
}

const entryShape = z.object({
  id: z.number().int(),
  application: z.string(),
  subject: z.string(),
  at: moment,
  kind: z.string(),
  text: z.string(),
  attempt: z.number().int().optional(),
  request: z.unknown().optional().describe('What was sent, without secrets.'),
  response: z.unknown().optional().describe('What was answered, without secrets.'),
  tookMs: z.number().optional(),
  cause: z.string().optional(),
  actor: z.string().optional(),
});

const present = <T>(value: T | null | undefined): T | undefined => value ?? undefined;

function showEntry(entry: Entry): z.infer<typeof entryShape> {
  return {
    ...entry,
    attempt: present(entry.attempt),
    request: present(entry.request),
    response: present(entry.response),
    tookMs: present(entry.tookMs),
    cause: present(entry.cause),
    actor: present(entry.actor),
  };
}

function timelineRoutes({ scope, read, cursors }: Api): void {
  scope.get(
    '/targets/:id/timeline',
    {
      config: { ...ownTarget, permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'What happened to one person or group there, latest first',
        params: targetParams,
        querystring: z.strictObject({
          subject: subjectText.describe('person:<id>, group:<id>, stranger:<id there> or target.'),
          ...pageQuery,
        }),
        response: { 200: pageOf(entryShape).extend({ names: subjectNames }) },
      },
    },
    async (request) => {
      const { subject, limit, cursor } = request.query;
      const list = `timeline ${request.params.id} ${subject}`;
      const place = cursors.read(list, cursor);
      return read(request, async (tx) => {
        const { application } = await requireTarget(tx, request.params.id);
        const found = await timelineOf(tx, application, subject, {
          before: place === undefined ? undefined : Number(place),
          limit: limit + 1,
        });
        const page = cursors.page(list, found, limit, ({ id }) => String(id));
        return { ...page, items: page.items.map(showEntry), names: await namesOf(tx, [subject]) };
      });
    },
  );
  scope.get(
    '/people/:id/timeline',
    {
      config: { door: 'api', permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'What happened to one person at every target, latest first',
        params: z.strictObject({ id: z.string() }),
        querystring: z.strictObject({ limit: pageQuery.limit }),
        response: { 200: pageOf(entryShape) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        return { items: (await personTimeline(tx, id, request.query.limit)).map(showEntry) };
      }),
  );
}
