/** What would be done at a target, for everyone: planned, shown, and decided by a person. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { approve, countProposals, proposals, refuse } from '#provisioning/approval.ts';
import { Retry, Stop } from '#provisioning/connector.ts';
import { listingOf } from '#provisioning/listing.ts';
import { verdicts } from '#provisioning/plan.ts';
import { planOne, previewMapping } from '#provisioning/preview.ts';
import { streamPlan, type TargetPlan } from '#provisioning/reconcile.ts';
import { countStrangers } from '#provisioning/strangers.ts';
import { requestSweep } from '#provisioning/sweeps.ts';
import { requireTarget } from '#provisioning/targets.ts';
import { contextOf } from './access.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { createPlanRuns, type PlanRuns } from './plan-runs.ts';
import { moment } from './shapes.ts';
import { namesOf, subjectNames, subjectText } from './target-queue.ts';
import { ownTarget, targetParams, targetTags } from './targets.ts';

const looks = { ...ownTarget, permission: 'targets.read' } as const;
/** Trying, planning and deciding need the right to change: whoever may only look has nothing run for them. */
const works = { ...ownTarget, permission: 'targets.write' } as const;

export function targetPlanRoutes(api: Api): void {
  const runs = createPlanRuns(api.needs);
  api.scope.addHook('onClose', () => runs.stop());
  previewRoutes(api);
  planRoutes(api, runs);
  entryRoutes(api);
  decisionRoutes(api);
}

const values = z.record(z.string(), z.unknown());
const fieldChanges = z.array(z.object({ name: z.string(), was: z.unknown(), will: z.unknown() }));

const previewShape = z.object({
  variables: values.describe('What expressions may name, with this person’s values.'),
  attributes: values,
  faults: z.array(z.object({ attribute: z.string(), text: z.string(), position: z.number() })),
  judgement: z.object({ standing: z.string(), frozen: z.array(z.string()), why: z.string() }).optional(),
  standing: z
    .string()
    .describe('Why this person is to have no account there; empty when they are to have one.'),
});

function previewRoutes({ scope, needs, read }: Api): void {
  scope.post(
    '/targets/:id/preview',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary: 'Try a mapping on one person; nothing is saved, and the target is not asked',
        params: targetParams,
        body: z.strictObject({
          person: z.uuid(),
          mapping: z
            .record(z.string().max(100), z.string().max(1000))
            .optional()
            .describe('Default: as it is saved.'),
        }),
        response: { 200: previewShape },
      },
    },
    async (request) => {
      const target = await read(request, (tx) => requireTarget(tx, request.params.id));
      const { person, mapping = target.settings.mapping } = request.body;
      const made = await previewMapping(needs, target, mapping, person);
      const { judgement } = made;
      return { ...made, judgement: judgement && { ...judgement, frozen: [...judgement.frozen] } };
    },
  );
  scope.post(
    '/targets/:id/plan-one',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary:
          'What a push of one person would do right now, asked of the target itself; nothing is changed',
        params: targetParams,
        body: z.strictObject({ person: z.uuid() }),
        response: {
          200: z.object({
            answered: z.boolean().describe('Whether the target answered; otherwise `why` says what it did.'),
            verdict: z.enum(verdicts).optional(),
            why: z.string(),
            steps: z.array(z.string()),
            fields: fieldChanges,
          }),
        },
      },
    },
    async (request) => {
      const target = await read(request, (tx) => requireTarget(tx, request.params.id));
      try {
        const { verdict, why, steps, fields } = await planOne(needs, target, request.body.person);
        return { answered: true, verdict, why, steps: steps.map((step) => step.do), fields };
      } catch (error) {
        if (!(error instanceof Retry || error instanceof Stop)) throw error;
        return { answered: false, why: error.message, steps: [], fields: [] };
      }
    },
  );
}

const totals = z.record(z.enum(verdicts), z.number().int());

const summaryShape = z.object({
  mode: z.string(),
  madeAt: moment,
  listedAt: moment.optional().describe('The plan speaks of this moment.'),
  people: z.number().int().describe('People in scope or with an account there.'),
  outside: z.number().int(),
  totals,
  writes: z.number().int(),
  calls: z.number().int(),
  seconds: z.number().describe('How long sending takes at the rate of the target; listing is not in it.'),
  groups: z.array(
    z.object({
      group: z.string(),
      name: z.string(),
      nameThere: z.string(),
      verdict: z.enum(verdicts),
      why: z.string(),
    }),
  ),
  strangers: z.object({ undecided: z.number().int(), decided: z.number().int() }),
  tookMs: z.number(),
});

const stateShape = z.object({
  mode: z.string(),
  listedAt: moment.optional(),
  listing: z
    .object({
      state: z.enum(['running', 'complete', 'short', 'failed', 'none']),
      startedAt: z.string(),
      seen: z.number().int(),
      total: z.number().int().optional(),
      groups: z.number().int().optional(),
      tookMs: z.number().optional(),
      why: z.string().optional(),
    })
    .optional()
    .describe('The last time everything there was read, or how far that has come.'),
  run: z
    .object({
      state: z.enum(['running', 'done', 'failed']),
      startedAt: moment,
      done: z.number().int().describe('People looked at so far.'),
      why: z.string().optional(),
      plan: summaryShape.optional(),
    })
    .optional()
    .describe('The last plan that was asked for.'),
  proposals: z.array(z.object({ state: z.string(), verdict: z.enum(verdicts), count: z.number().int() })),
  strangers: z.object({ undecided: z.number().int(), decided: z.number().int() }),
});

function planRoutes({ scope, read, change }: Api, runs: PlanRuns): void {
  scope.post(
    '/targets/:id/sweep',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary:
          'Read everything that is there, compare, and propose; in automatic mode send what goes by itself',
        params: targetParams,
        body: z.strictObject({}),
        response: { 202: z.object({ queued: z.literal(true) }) },
      },
    },
    async (request, reply) => {
      await change(request, (tx) => requestSweep(tx, request.params.id));
      return reply.code(202).send({ queued: true });
    },
  );
  scope.post(
    '/targets/:id/plan',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary: 'Plan everyone from the last listing; nothing is sent',
        params: targetParams,
        body: z.strictObject({}),
        response: { 202: z.object({ started: z.boolean().describe('False when one is under way.') }) },
      },
    },
    async (request, reply) => {
      const target = await read(request, (tx) => requireTarget(tx, request.params.id));
      return reply.code(202).send({ started: await runs.start(target) });
    },
  );
  scope.get(
    '/targets/:id/plan',
    {
      config: looks,
      schema: {
        tags: targetTags,
        summary: 'How far listing and planning have come, totals, and what waits for a decision',
        params: targetParams,
        response: { 200: stateShape },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { application, mode, listedAt } = await requireTarget(tx, request.params.id);
        const run = await runs.look(tx, application);
        return {
          mode,
          listedAt,
          listing: await listingOf(tx, application),
          run: run && { ...run, plan: run.plan && showPlan(run.plan) },
          proposals: await countProposals(tx, application),
          strangers: await countStrangers(tx, application),
        };
      }),
  );
}

function showPlan({
  application: _,
  listing: __,
  sent: ___,
  ...plan
}: TargetPlan): z.infer<typeof summaryShape> {
  return plan;
}

const proposalStates = ['proposed', 'approved', 'held', 'refused'] as const;

const entryShape = z.object({
  subject: z.string(),
  verdict: z.enum(verdicts),
  why: z.string(),
  steps: z.array(z.unknown()),
  fields: fieldChanges.describe(
    'What was and what will be, as it was when this was planned; long values are cut.',
  ),
  digest: z.string().describe('Names exactly these steps; hand it back with an approval.'),
  state: z.enum(proposalStates),
  decidedBy: z.string().optional(),
  decidedAt: moment.optional(),
  madeAt: moment,
});

function entryRoutes({ scope, read, cursors, needs }: Api): void {
  scope.get(
    '/targets/:id/plan/entries',
    {
      config: looks,
      schema: {
        tags: targetTags,
        summary: 'What is proposed or decided, one person, group or stranger a line',
        params: targetParams,
        querystring: z.strictObject({
          state: z.enum(proposalStates).optional(),
          verdict: z.enum(verdicts).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(entryShape).extend({ names: subjectNames }) },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const list = `plan ${request.params.id} ${JSON.stringify(filter)}`;
      const after = cursors.read(list, cursor);
      return read(request, async (tx) => {
        const { application } = await requireTarget(tx, request.params.id);
        const found = await proposals(tx, application, { ...filter, after, limit: limit + 1 });
        const page = cursors.page(list, found, limit, ({ subject }) => subject);
        const subjects = page.items.map(({ subject }) => subject);
        return { ...page, names: await namesOf(tx, subjects) };
      });
    },
  );
  scope.post(
    '/targets/:id/plan/export',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary: 'The verdict about everyone from the last listing, as lines of JSON',
        params: targetParams,
        body: z.strictObject({}),
        produces: ['application/x-ndjson'],
      },
    },
    async (request, reply) => {
      const target = await needs.database.read(contextOf(request), (tx) =>
        requireTarget(tx, request.params.id),
      );
      const lines = streamPlan(needs, target);
      // The first line decides whether there is anything to send at all.
      const first = await lines.next();
      async function* all() {
        if (first.done) return;
        yield `${JSON.stringify(first.value)}\n`;
        for await (const one of lines) yield `${JSON.stringify(one)}\n`;
      }
      reply.header('content-disposition', `attachment; filename="plan-${target.application}.ndjson"`);
      return reply.type('application/x-ndjson').send(Readable.from(all()));
    },
  );
}

const selection = z.strictObject({
  subjects: z.array(subjectText).max(50_000).optional(),
  verdicts: z.array(z.enum(verdicts)).optional(),
  all: z.literal(true).optional(),
  digests: z
    .record(z.string(), z.string())
    .optional()
    .describe('Subject → digest that was shown; plans that changed since are left as they are.'),
});

function decisionRoutes({ scope, change }: Api): void {
  for (const [verb, decide] of [
    ['approve', approve],
    ['refuse', refuse],
  ] as const) {
    scope.post(
      `/targets/:id/plan/${verb}`,
      {
        config: { ...works, elevation: true },
        schema: {
          tags: targetTags,
          summary:
            verb === 'approve'
              ? 'Send what was proposed: exactly these steps, or they are proposed anew'
              : 'Say no to what was proposed, until what is wanted changes',
          params: targetParams,
          body: selection,
          response: { 200: z.object({ count: z.number().int() }) },
        },
      },
      async (request) => ({
        count: await change(request, (tx) => decide(tx, request.params.id, request.body)),
      }),
    );
  }
}
