/** "Why did it fail?": the paths of logins that were refused, and watching those that are not. */
import { z } from 'zod';
import { findApplication } from '#core/applications/applications.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { listRefusals, openWatches, type Refusal, readRefusal, watchSignIns } from '#signon/refusals.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['Refusals'];

const refusal = z.object({
  reference: z.string().describe('What the person was shown.'),
  person: z.object({ id: z.string(), username: z.string() }).optional(),
  application: z.object({ id: z.string(), title: z.string() }).optional(),
  code: z.string().describe('What it was refused with; `watched` for a login that was only watched.'),
  door: z.string(),
  device: z.string(),
  network: z.string().describe('Shortened.'),
  at: moment,
});

const path = refusal.extend({
  steps: z
    .array(
      z.object({
        reference: z.string(),
        at: z.string(),
        step: z.string(),
        facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
      }),
    )
    .describe('What happened in order, over all requests of the login; without secrets.'),
});

const watch = z.object({
  id: z.string(),
  person: z.string().optional(),
  application: z.string().optional(),
  endsAt: moment,
});

export function refusalRoutes(api: Api): void {
  readRefusals(api);
  watchRoutes(api);
}

function readRefusals({ scope, cursors, read, change }: Api): void {
  scope.get(
    '/refusals',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Refused logins of the last two weeks, latest first',
        querystring: z.strictObject({
          person: z.uuid().optional(),
          application: z.string().max(80).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(refusal) },
      },
    },
    async (request) => {
      const { person, application, limit, cursor } = request.query;
      const list = `refusals ${person ?? ''} ${application ?? ''}`;
      const [at, reference] = cursors.read(list, cursor)?.split(' ') ?? [];
      const before = at && reference ? { at: new Date(at), reference } : undefined;
      return read(request, async (tx) => {
        const found = await listRefusals(tx, { person, application, before, limit: limit + 1 });
        const page = cursors.page(list, found, limit, (last) => `${last.at.toISOString()} ${last.reference}`);
        return { ...page, items: await named(tx, page.items) };
      });
    },
  );
  scope.get(
    '/refusals/:reference',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'The whole path of one refused login, by the reference; reading it is noted',
        params: z.strictObject({ reference: z.string().max(100) }),
        response: { 200: path },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const found = await readRefusal(tx, request.params.reference);
        const [shown] = await named(tx, [found]);
        return { ...shown!, steps: found.steps };
      }),
  );
}

function watchRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/sign-in-watches',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: { tags, summary: 'Whose logins are being watched', response: { 200: pageOf(watch) } },
    },
    async (request) => read(request, async (tx) => ({ items: await openWatches(tx) })),
  );
  scope.post(
    '/sign-in-watches',
    {
      config: { door: 'api', permission: 'people.help' },
      schema: {
        tags,
        summary: 'For some minutes, keep the paths of logins that succeed too: of one person, or at one app',
        body: z.strictObject({
          person: z.uuid().optional(),
          application: z.string().max(80).optional(),
          minutes: z.number().int().min(1).max(120).default(15),
        }),
        response: { 201: watch },
      },
    },
    async (request, reply) => {
      const { person, application } = request.body;
      if ((person === undefined) === (application === undefined)) throw new Problem('input-malformed');
      const made = await change(request, async (tx) => {
        if (person) await requirePerson(tx, person);
        if (application && !(await findApplication(tx, application)))
          throw new Problem('application-unknown');
        return watchSignIns(tx, request.body);
      });
      return reply.code(201).send(made);
    },
  );
}

/** People and apps by what they are called now; an app that is gone, or never was, keeps its id. */
async function named(tx: Tx, list: readonly Refusal[]) {
  const ids = [...new Set(list.flatMap(({ person }) => person ?? []))];
  const people = new Map((await findPeople(tx, ids)).map((one) => [one.id, one.username]));
  const titles = new Map<string, string>();
  for (const id of new Set(list.flatMap(({ application }) => application ?? [])))
    titles.set(id, (await findApplication(tx, id))?.settings.title ?? id);
  return list.map(({ person, application, ...rest }) => ({
    ...rest,
    person: person === undefined ? undefined : { id: person, username: people.get(person) ?? '-' },
    application:
      application === undefined ? undefined : { id: application, title: titles.get(application) ?? '' },
  }));
}
