/** Apps, their secrets, and what people are called there. Whoever owns one app sees and changes that one alone. */
import { z } from 'zod';
import { aliasesAt, assignAliases, removeAlias } from '#core/aliases/aliases.ts';
import {
  type Application,
  applicationId,
  applicationSettings,
  findApplication,
  listApplications,
  removeApplication,
  requireApplication,
  saveApplication,
  setSecret,
} from '#core/applications/applications.ts';
import { requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { appsOf } from './access.ts';
import type { Api } from './api.ts';
import { settingsFrom, templateValues } from './application-templates.ts';
import { pageOf } from './paging.ts';
import { moment, requireVersion, version, versioned } from './shapes.ts';

const settings = z.record(z.string(), z.unknown());
const shape = z.object({
  id: z.string(),
  settings,
  hasSecret: z.boolean(),
  createdAt: moment,
  updatedAt: moment,
  version,
});

const tags = ['Apps'];
const params = z.strictObject({ id: z.string() });
const own = { door: 'api', app: 'id' } as const;

function show(application: Application) {
  return { ...application, settings: { ...application.settings } as Record<string, unknown> };
}

export function applicationRoutes(api: Api): void {
  readApplications(api);
  addAndRemoveApplications(api);
  changeApplications(api);
  rotateSecrets(api);
  namePeople(api);
}

function readApplications({ scope, read }: Api): void {
  scope.get(
    '/applications',
    {
      config: { door: 'api', permission: 'applications.read', app: 'each' },
      schema: { tags, summary: 'All apps the caller may see', response: { 200: pageOf(shape) } },
    },
    async (request) => {
      const { all, ids } = appsOf(request.caller.grants, 'applications.read');
      const found = await read(request, listApplications);
      return { items: found.filter((one) => all || ids.has(one.id)).map(show) };
    },
  );
  scope.get(
    '/applications/:id',
    {
      config: { ...own, permission: 'applications.read' },
      schema: { tags, summary: 'One app', params, response: { 200: shape } },
    },
    async (request) => {
      const application = await read(request, (tx) => requireApplication(tx, request.params.id));
      return show(application);
    },
  );
}

function addAndRemoveApplications({ scope, change, needs }: Api): void {
  scope.post(
    '/applications',
    {
      config: { door: 'api', permission: 'applications.manage' },
      schema: {
        tags,
        summary: 'Add an app, with whole settings or from a template; ask for its secret with POST …/secret',
        body: z
          .strictObject({
            id: applicationId,
            settings: applicationSettings.optional(),
            template: z.string().max(40).optional(),
            values: templateValues.optional().describe('What the template asks, by name.'),
          })
          .refine((one) => (one.settings === undefined) !== (one.template === undefined), {
            path: ['settings'],
            message: 'Give either settings or a template.',
          }),
        response: { 201: shape },
      },
    },
    async (request, reply) => {
      const { id, template, values = {} } = request.body;
      const settings =
        request.body.settings ?? (await settingsFrom(needs, request.caller, template ?? '', values));
      const application = await change(request, async (tx) => {
        if (await findApplication(tx, id)) throw new Problem('conflict', { fields: { id: 'conflict' } });
        await saveApplication(tx, id, settings);
        return requireApplication(tx, id);
      });
      return reply.code(201).header('location', `/api/v1/applications/${id}`).send(show(application));
    },
  );
  scope.delete(
    '/applications/:id',
    {
      config: { ...own, permission: 'applications.manage', elevation: true },
      schema: {
        tags,
        summary: 'Remove an app with its names of people and agreements',
        params,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await change(request, (tx) => removeApplication(tx, request.params.id));
      return reply.code(204).send();
    },
  );
}

function changeApplications({ scope, change }: Api): void {
  scope.put(
    '/applications/:id',
    {
      config: { ...own, permission: 'applications.write' },
      schema: {
        tags,
        summary: 'Replace the settings of an app; what is left out takes its default',
        params,
        body: z.strictObject({ settings: applicationSettings, version: version.optional() }),
        response: { 200: shape },
      },
    },
    async (request) => {
      const { id } = request.params;
      const application = await change(
        request,
        async (tx) => {
          const before = await requireApplication(tx, id);
          requireVersion(request, before.version, request.body.version);
          await saveApplication(tx, id, request.body.settings);
          return requireApplication(tx, id);
        },
        versioned,
      );
      return show(application);
    },
  );
}

function rotateSecrets({ scope, change }: Api): void {
  scope.post(
    '/applications/:id/secret',
    {
      config: { ...own, permission: 'applications.write', elevation: true },
      schema: {
        tags,
        summary: 'Set the secret of an app, or have one made, which is shown this once',
        params,
        body: z.strictObject({ secret: z.string().max(500).optional() }),
        response: { 200: z.object({ changed: z.boolean(), secret: z.string().optional() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        const { secret: given } = request.body;
        const { secret, changed } = await setSecret(tx, id, given);
        return { changed, secret: given === undefined ? secret : undefined };
      }),
  );
}

function namePeople({ scope, read, change }: Api): void {
  const place = z.strictObject({ id: z.string(), person: z.string() });
  const alias = z.object({ application: z.string(), person: z.string(), alias: z.string() });
  scope.get(
    '/applications/:id/aliases/:person',
    {
      config: { ...own, permission: 'aliases.read' },
      schema: { tags, summary: 'The name a person was given here', params: place, response: { 200: alias } },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        const person = await requirePerson(tx, request.params.person);
        const name = (await aliasesAt(tx, id, [person.id])).get(person.id);
        if (name === undefined) throw new Problem('not-found');
        return { application: id, person: person.id, alias: name };
      }),
  );
  scope.put(
    '/applications/:id/aliases/:person',
    {
      config: { ...own, permission: 'aliases.write' },
      schema: {
        tags,
        summary: 'Give a person a name of their own at this app',
        params: place,
        body: z.strictObject({ alias: z.string().max(255) }),
        response: { 200: alias },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        const person = await requirePerson(tx, request.params.person);
        const given = { application: id, person: person.id, alias: request.body.alias };
        const { refused } = await assignAliases(tx, [given], 'admin');
        if (refused.length > 0) throw new Problem('alias-taken', { fields: { alias: 'alias-taken' } });
        return { ...given, alias: (await aliasesAt(tx, id, [person.id])).get(person.id) ?? given.alias };
      }),
  );
  scope.delete(
    '/applications/:id/aliases/:person',
    {
      config: { ...own, permission: 'aliases.write' },
      schema: { tags, summary: 'Take a given name back', params: place, response: { 204: z.undefined() } },
    },
    async (request, reply) => {
      await change(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        const person = await requirePerson(tx, request.params.person);
        await removeAlias(tx, id, person.id);
      });
      return reply.code(204).send();
    },
  );
}
