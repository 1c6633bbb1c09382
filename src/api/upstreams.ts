/** Upstreams: through whom people may sign in. Credentials go in and never come out. Links are seen and removed, never moved. */
import { z } from 'zod';
import { requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { countOpenedBy } from '#core/sessions/upstreams.ts';
import type { Tx } from '#kit/db/tx.ts';
import { countDependents, countLinks, linksOf, unlink } from '#signon/upstream/links.ts';
import { kindOf, upstreamId, upstreamSettings } from '#signon/upstream/settings.ts';
import {
  holdUpstream,
  listUpstreams,
  removeUpstream,
  requireUpstream,
  saveUpstream,
  type Upstream,
} from '#signon/upstream/upstreams.ts';
import type { Api } from './api.ts';
import { pageOf } from './paging.ts';
import { moment, requireVersion, version } from './shapes.ts';
import { setupRoutes } from './upstream-setup.ts';

const tags = ['Upstreams'];
const params = z.strictObject({ id: upstreamId });

const shape = z.object({
  id: z.string(),
  kind: z.string(),
  settings: z.record(z.string(), z.unknown()),
  hasCredentials: z.boolean(),
  people: z.number().int().describe('How many accounts there open one here.'),
  sessions: z.number().int().describe('How many live sessions it opened; they end when it is switched off.'),
  createdAt: moment,
  updatedAt: moment,
  version,
});

const linkShape = z.object({
  id: z.string(),
  upstream: z.string(),
  label: z.string().describe('What it calls the person today.'),
  tenant: z.string(),
  subject: z.string(),
  createdAt: moment,
  usedAt: moment.optional(),
});

const credentialValues = z
  .record(z.string().max(100), z.string().max(20_000))
  .describe('By name; those left out stay, and an empty text takes one away.');

/** With how many people hang on each. */
async function show(tx: Tx, upstreams: readonly Upstream[]) {
  const people = await countLinks(tx);
  const sessions = await countOpenedBy(tx);
  return upstreams.map(({ settings, ...rest }) => ({
    ...rest,
    kind: kindOf(settings),
    settings: { ...settings } as Record<string, unknown>,
    people: people.get(rest.id) ?? 0,
    sessions: sessions.get(rest.id) ?? 0,
  }));
}

async function showOne(tx: Tx, id: string) {
  const [shown] = await show(tx, [await requireUpstream(tx, id)]);
  return shown!;
}

export function upstreamRoutes(api: Api): void {
  readUpstreams(api);
  changeUpstreams(api);
  personLinks(api);
  setupRoutes(api);
}

function readUpstreams({ scope, read }: Api): void {
  scope.get(
    '/upstreams',
    {
      config: { door: 'api', permission: 'applications.read' },
      schema: { tags, summary: 'All upstreams, without their credentials', response: { 200: pageOf(shape) } },
    },
    async (request) => ({ items: await read(request, async (tx) => show(tx, await listUpstreams(tx))) }),
  );
  scope.get(
    '/upstreams/:id',
    {
      config: { door: 'api', permission: 'applications.read' },
      schema: { tags, summary: 'One upstream, without its credentials', params, response: { 200: shape } },
    },
    async (request) => read(request, (tx) => showOne(tx, request.params.id)),
  );
  scope.get(
    '/upstreams/:id/dependents',
    {
      config: { door: 'api', permission: 'applications.read' },
      schema: {
        tags,
        summary: 'How many people would have no way in without it',
        params,
        response: {
          200: z.object({
            people: z
              .number()
              .int()
              .describe('Without a password, a passkey and another upstream that is on.'),
            unreachable: z
              .number()
              .int()
              .describe('Of these, without a confirmed address: they cannot set a password by mail.'),
          }),
        },
      },
    },
    async (request) =>
      read(request, async (tx) => countDependents(tx, (await requireUpstream(tx, request.params.id)).id)),
  );
}

function changeUpstreams({ scope, change, needs }: Api): void {
  scope.put(
    '/upstreams/:id',
    {
      config: { door: 'api', permission: 'upstreams.write', elevation: true },
      schema: {
        tags,
        summary: 'Add an upstream, or replace the settings of one; what is left out takes its default',
        description:
          'Where the other side’s address changes, the credentials must be given again. While people are linked, it ' +
          'cannot become another authority: remove it and add it anew. Switching it off ends the sessions it opened.',
        params,
        body: z.strictObject({
          settings: upstreamSettings,
          credentials: credentialValues.optional(),
          version: version.optional(),
        }),
        response: { 200: shape },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { settings, credentials, version: seen } = request.body;
      // Held from here on: nobody changes it, nor comes in through it, until the change is made. What they did before is seen.
      const upstream = await change(request, async (tx) => {
        const before = await holdUpstream(tx, id);
        if (before) requireVersion(request, before.version, seen);
        await saveUpstream(tx, needs.secrets, id, settings, credentials);
        return showOne(tx, id);
      });
      return upstream;
    },
  );
  scope.delete(
    '/upstreams/:id',
    {
      config: { door: 'api', permission: 'upstreams.write', elevation: true },
      schema: {
        tags,
        summary: 'Remove an upstream with every link to it: its people come in another way, or are new',
        description: 'Ends the sessions it opened. While people are linked, `people` must say how many.',
        params,
        querystring: z.strictObject({
          people: z.coerce
            .number()
            .int()
            .optional()
            .describe('How many people lose this way in, as whoever asks has seen it.'),
        }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      await change(request, async (tx) => {
        await holdUpstream(tx, id);
        const linked = (await countLinks(tx)).get(id) ?? 0;
        if (linked !== (request.query.people ?? 0))
          throw new Problem('conflict', { fields: { people: 'conflict' } });
        await removeUpstream(tx, id);
      });
      return reply.code(204).send();
    },
  );
}

function personLinks({ scope, read, change }: Api): void {
  const person = z.strictObject({ id: z.string() });
  scope.get(
    '/people/:id/links',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Accounts elsewhere that open the account of a person',
        params: person,
        response: { 200: pageOf(linkShape) },
      },
    },
    async (request) => ({
      items: await read(request, async (tx) => linksOf(tx, (await requirePerson(tx, request.params.id)).id)),
    }),
  );
  scope.delete(
    '/people/:id/links/:link',
    {
      config: { door: 'api', permission: 'people.write' },
      schema: {
        tags,
        summary: 'Take one away; the person is told, and the sessions it opened end',
        params: z.strictObject({ id: z.string(), link: z.string() }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { id, link } = request.params;
      await change(request, async (tx) => unlink(tx, (await requirePerson(tx, id)).id, link));
      return reply.code(204).send();
    },
  );
}
