/** Mail to alias mailboxes: what holds for all of it, who may write as which app, and the switches that stop it. */
import { z } from 'zod';
import { type Application, listApplications, requireApplication } from '#core/applications/applications.ts';
import {
  messageClasses,
  proofs,
  type RelayAppSettings,
  relayAppSettings,
  relayModes,
} from '#fronts/relay/settings.ts';
import {
  isBound,
  type RelayApp,
  relayApps,
  relayHouse,
  saveRelayApp,
  saveRelayHouse,
} from '#fronts/relay/settings-kept.ts';
import type { TransactOptions } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { appsOf } from './access.ts';
import type { Api } from './api.ts';
import { pageOf } from './paging.ts';
import { relayListRoutes } from './relay-lists.ts';
import { relayLogRoutes } from './relay-log.ts';
import { relayRequestRoutes } from './relay-requests.ts';
import { requireVersion, stamp, stampOf } from './shapes.ts';

export const relayTags = ['Mail'];

/**
 * Two who change different settings at once both change theirs: the later one reads what the first has kept. Whoever
 * says which version they have seen is refused instead.
 */
export const together: TransactOptions = { isolation: 'repeatable read' };

const budget = z.number().int().min(1).max(10_000_000);

const house = z.object({
  off: z.boolean().describe('Nothing is passed on; senders are told to try again later.'),
  budgets: z.object({ perPerson: z.number().int(), perApp: z.number().int() }),
  logDays: z.number().int(),
  replyDays: z.number().int(),
  version: stamp,
});

const houseChange = z.strictObject({
  budgets: z.strictObject({ perPerson: budget.optional(), perApp: budget.optional() }).optional(),
  logDays: z.number().int().min(1).max(400).optional().describe('How long single messages stay in the log.'),
  replyDays: z.number().int().min(1).max(400).optional().describe('How long a message can be answered.'),
  version: stamp.optional(),
});

const rule = z.object({
  class: z.enum(messageClasses),
  sender: z.string().optional(),
  subject: z.string().optional(),
  listId: z.string().optional(),
});

const appSettings = z.object({
  networks: z.array(z.string()),
  domains: z.array(z.string()),
  envelope: z.array(z.string()),
  require: z.array(z.enum(proofs)),
  tls: z.boolean(),
  messageClasses: z.array(rule),
  maxBytes: z.number().int(),
  off: z.boolean(),
  mode: z.enum(relayModes),
  budgets: z.object({ perPerson: z.number().int().optional(), perApp: z.number().int().optional() }),
});

const app = z.object({
  application: z.string(),
  title: z.string(),
  enabled: z.boolean(),
  mayWrite: z.boolean().describe('Whether its settings let anything in at all.'),
  settings: appSettings
    .optional()
    .describe('Missing where nothing is kept for the app: then it may not write.'),
  version: stamp,
});

/** Every key may be left out, and then stays as it is. */
const appChange = z
  .strictObject(
    Object.fromEntries(
      Object.entries(relayAppSettings.shape).map(([key, one]) => [
        key,
        (one as z.ZodDefault<z.ZodType>).unwrap().optional(),
      ]),
    ) as { [Key in keyof typeof relayAppSettings.shape]: z.ZodOptional<z.ZodType> },
  )
  .extend({ version: stamp.optional() });

const appParams = z.strictObject({ id: z.string() });

/** Everything but the switch, which has a route of its own: stopping mail is in nobody's way. */
function versionOf(settings: RelayAppSettings | undefined): string {
  const { off: _, ...rest } = settings ?? {};
  return stampOf(settings && rest);
}

function showApp({ id, title, enabled, settings }: RelayApp): z.output<typeof app> {
  const version = versionOf(settings);
  return { application: id, title, enabled, mayWrite: isBound(settings), settings, version };
}

/** An app nothing is kept for. */
function showOther(id: string, { title, enabled }: Application['settings']): z.output<typeof app> {
  return { application: id, title, enabled, mayWrite: false, version: versionOf(undefined) };
}

async function showOne(tx: Tx, id: string): Promise<z.output<typeof app>> {
  const { settings } = await requireApplication(tx, id);
  const found = (await relayApps(tx)).find((one) => one.id === id);
  return found ? showApp(found) : showOther(id, settings);
}

async function showHouse(tx: Tx): Promise<z.output<typeof house>> {
  const { off, ...rest } = await relayHouse(tx);
  // Lists have versions of their own.
  const { allowlists: _, ...own } = rest;
  return { off, ...own, version: stampOf(own) };
}

export function relayRoutes(api: Api): void {
  houseRoutes(api);
  readApps(api);
  changeApps(api);
  relayListRoutes(api);
  relayLogRoutes(api);
  relayRequestRoutes(api);
}

function houseRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/relay',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags: relayTags,
        summary: 'What holds for all mail to alias mailboxes',
        response: { 200: house },
      },
    },
    async (request) => read(request, showHouse),
  );
  scope.patch(
    '/relay',
    {
      config: { door: 'api', permission: 'relay.write' },
      schema: {
        tags: relayTags,
        summary: 'Change what holds for all mail; what is left out stays',
        body: houseChange,
        response: { 200: house },
      },
    },
    async (request) =>
      change(
        request,
        async (tx) => {
          const { budgets, version, ...rest } = request.body;
          requireVersion(request, (await showHouse(tx)).version, version);
          const before = await relayHouse(tx);
          await saveRelayHouse(tx, { ...before, ...rest, budgets: { ...before.budgets, ...budgets } });
          return showHouse(tx);
        },
        together,
      ),
  );
  scope.post(
    '/relay/off',
    {
      config: { door: 'api', permission: 'relay.write' },
      schema: {
        tags: relayTags,
        summary: 'Switch all mail to alias mailboxes off, or on again; on every node within a second',
        body: z.strictObject({ off: z.boolean() }),
        response: { 200: house },
      },
    },
    async (request) =>
      change(
        request,
        async (tx) => {
          await saveRelayHouse(tx, { ...(await relayHouse(tx)), off: request.body.off });
          return showHouse(tx);
        },
        together,
      ),
  );
}

function readApps({ scope, read }: Api): void {
  scope.get(
    '/relay/apps',
    {
      config: { door: 'api', app: 'each', permission: 'relay.read' },
      schema: {
        tags: relayTags,
        summary: 'Every app and how its mail is passed on; owners of an app see their own',
        response: { 200: pageOf(app) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { all, ids } = appsOf(request.caller.grants, 'relay.read');
        const kept = new Map((await relayApps(tx)).map((one) => [one.id, one]));
        const shown = (await listApplications(tx)).filter(({ id }) => all || ids.has(id));
        return {
          items: shown.map(({ id, settings }) => {
            const found = kept.get(id);
            return found ? showApp(found) : showOther(id, settings);
          }),
        };
      }),
  );
  scope.get(
    '/applications/:id/relay',
    {
      config: { door: 'api', app: 'id', permission: 'relay.read' },
      schema: {
        tags: relayTags,
        summary: 'Who may write as this app, and how its mail is passed on',
        params: appParams,
        response: { 200: app },
      },
    },
    async (request) => read(request, (tx) => showOne(tx, request.params.id)),
  );
}

function changeApps({ scope, change }: Api): void {
  scope.patch(
    '/applications/:id/relay',
    {
      config: { door: 'api', app: 'id', permission: 'relay.write' },
      schema: {
        tags: relayTags,
        summary: 'Change it; what is left out stays. An app nothing was kept for begins with the defaults',
        params: appParams,
        body: appChange,
        response: { 200: app },
      },
    },
    async (request) =>
      change(
        request,
        async (tx) => {
          const { id } = request.params;
          const { version, ...body } = request.body;
          const before = (await relayApps(tx)).find((one) => one.id === id)?.settings;
          requireVersion(request, versionOf(before), version);
          const given = Object.entries(body).filter(([, value]) => value !== undefined);
          if (before || given.length > 0)
            await saveRelayApp(tx, id, relayAppSettings.parse({ ...before, ...Object.fromEntries(given) }));
          return showOne(tx, id);
        },
        together,
      ),
  );
  scope.delete(
    '/applications/:id/relay',
    {
      config: { door: 'api', app: 'id', permission: 'relay.write', elevation: true },
      schema: {
        tags: relayTags,
        summary: 'Forget it: nothing may write as this app any more',
        params: appParams,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await change(
        request,
        async (tx) => {
          const { id } = request.params;
          requireVersion(request, (await showOne(tx, id)).version);
          await saveRelayApp(tx, id, undefined);
        },
        together,
      );
      return reply.code(204).send();
    },
  );
  scope.post(
    '/applications/:id/relay/off',
    {
      config: { door: 'api', app: 'id', permission: 'relay.write' },
      schema: {
        tags: relayTags,
        summary: 'Switch mail of this app off, or on again; on every node within a second',
        params: appParams,
        body: z.strictObject({ off: z.boolean() }),
        response: { 200: app },
      },
    },
    async (request) =>
      change(
        request,
        async (tx) => {
          const { id } = request.params;
          const before = (await relayApps(tx)).find((one) => one.id === id)?.settings;
          await saveRelayApp(tx, id, relayAppSettings.parse({ ...before, off: request.body.off }));
          return showOne(tx, id);
        },
        together,
      ),
  );
}
