/** Apps that receive accounts from here: how they are set up. Credentials go in and never come out. */
import { z } from 'zod';
import { findApplication, listApplications, requireApplication } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Connector } from '#provisioning/connector.ts';
import { glance } from '#provisioning/glance.ts';
import { mappingVariables } from '#provisioning/mapping.ts';
import { checkSettings, targetModes, targetSettings } from '#provisioning/settings.ts';
import {
  findTarget,
  liftQuarantine,
  listTargets,
  removeTarget,
  requireTarget,
  saveTarget,
  setCredentials,
  setMode,
  type Target,
} from '#provisioning/targets.ts';
import { appsOf } from './access.ts';
import type { Api } from './api.ts';
import { FieldsRefused } from './errors.ts';
import { pageOf } from './paging.ts';
import { moment, requireVersion, version, versioned } from './shapes.ts';

export const targetTags = ['Targets'];
export const targetParams = z.strictObject({ id: z.string().max(60).describe('The app.') });
/** Rights on targets hold for one app where the caller has them for one app only. */
export const ownTarget = { door: 'api', app: 'id' } as const;

const anything = z.record(z.string(), z.unknown());

const targetShape = z.object({
  application: z.string(),
  title: z.string(),
  connector: z.string(),
  settings: anything,
  mode: z.enum(targetModes),
  hasCredentials: z.boolean(),
  quarantine: z
    .object({ why: z.string(), since: moment })
    .optional()
    .describe('Why everything is held until somebody has looked.'),
  listedAt: moment.optional().describe('When everything that is there was last read.'),
  queue: z
    .object({
      ready: z.number().int(),
      leased: z.number().int(),
      dead: z.number().int(),
      oldest: moment.optional(),
      next: moment.optional(),
    })
    .describe('What waits, runs and was given up.'),
  decisions: z
    .object({ proposed: z.number().int(), held: z.number().int(), braked: z.boolean() })
    .describe('What waits for a person: to be approved, or held by the brake.'),
  findings: z.array(z.string()).describe('What is set and will hardly do what was meant, a sentence each.'),
  createdAt: moment,
  updatedAt: moment,
  version,
});

const factShape = z.object({
  name: z.string(),
  text: z.string(),
  value: z.union([z.string(), z.number(), z.boolean()]),
  choices: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
  source: z.string(),
  date: z.string(),
  trust: z.enum(['documented', 'reported', 'assumed']),
});

const connectorShape = z.object({
  name: z.string(),
  title: z.string(),
  capabilities: anything,
  attributes: z.array(
    z.object({
      name: z.string(),
      text: z.string(),
      required: z.boolean(),
      managedOnly: z.boolean().describe('Taken over only for accounts the community manages there.'),
      mapping: z.string().optional().describe('What is sent where the administrator says nothing else.'),
    }),
  ),
  profile: z.object({ name: z.string(), title: z.string(), facts: z.array(factShape) }),
  options: anything.describe('JSON Schema of the options.'),
  credentials: z.array(z.object({ name: z.string(), text: z.string(), required: z.boolean() })),
  limits: anything,
});

const credentialValues = z
  .record(z.string().max(100), z.string().max(20_000))
  .describe('By the names of the connector; those left out stay, and an empty text takes one away.');

export function targetRoutes(api: Api): void {
  readTargets(api);
  readConnectors(api);
  changeTargets(api);
  credentialRoutes(api);
  modeRoutes(api);
}

async function show(tx: Tx, target: Target, title?: string) {
  const { settings, ...rest } = target;
  const named = title ?? (await findApplication(tx, target.application))?.settings.title;
  return {
    ...rest,
    title: named ?? target.application,
    settings: { ...settings } as Record<string, unknown>,
    ...(await glance(tx, target)),
  };
}

function readTargets({ scope, read }: Api): void {
  scope.get(
    '/targets',
    {
      config: { door: 'api', permission: 'targets.read', app: 'each' },
      schema: {
        tags: targetTags,
        summary: 'All targets the caller may see',
        response: { 200: pageOf(targetShape) },
      },
    },
    async (request) => {
      const { all, ids } = appsOf(request.caller.grants, 'targets.read');
      return read(request, async (tx) => {
        const titles = new Map((await listApplications(tx)).map((one) => [one.id, one.settings.title]));
        const items = [];
        for (const target of await listTargets(tx))
          if (all || ids.has(target.application))
            items.push(await show(tx, target, titles.get(target.application)));
        return { items };
      });
    },
  );
  scope.get(
    '/targets/:id',
    {
      config: { ...ownTarget, permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'One target, without its credentials',
        params: targetParams,
        response: { 200: targetShape },
      },
    },
    async (request) => read(request, async (tx) => show(tx, await requireTarget(tx, request.params.id))),
  );
}

function readConnectors({ scope, needs }: Api): void {
  scope.get(
    '/connectors',
    {
      config: { door: 'api', permission: 'targets.read', app: 'each' },
      schema: {
        tags: targetTags,
        summary: 'What a target can be: attributes, options, and facts with where they stand',
        response: {
          200: pageOf(connectorShape).extend({
            variables: z.record(z.string(), z.string()).describe('What expressions may name, and its type.'),
          }),
        },
      },
    },
    async () => ({ items: [...needs.connectors.values()].map(showConnector), variables: mappingVariables }),
  );
}

function showConnector(connector: Connector): z.infer<typeof connectorShape> {
  const { name, title, capabilities, profile, credentials, limits } = connector;
  return {
    name,
    title,
    capabilities: { ...capabilities },
    attributes: connector.attributes.map(({ name, text, required = false, synced, mapping }) => ({
      name,
      text,
      required,
      managedOnly: synced === 'managed',
      mapping,
    })),
    profile: {
      name: profile.name,
      title: profile.title,
      facts: Object.entries(profile.facts).map(([name, fact]) => ({
        ...fact,
        name,
        choices: fact.choices ? [...fact.choices] : undefined,
      })),
    },
    options: z.toJSONSchema(connector.options, { io: 'input', unrepresentable: 'any' }),
    credentials: [...credentials],
    limits: { ...limits },
  };
}

function changeTargets({ scope, change, needs }: Api): void {
  scope.put(
    '/targets/:id',
    {
      config: { ...ownTarget, permission: 'targets.write', elevation: true },
      schema: {
        tags: targetTags,
        summary: 'Make an app a target, or replace the settings of one; what is left out takes its default',
        description:
          'Where an address among the options changes, the credentials must be given again: they are for the ' +
          'place they were given for.',
        params: targetParams,
        body: z.strictObject({
          settings: targetSettings,
          credentials: credentialValues.optional(),
          version: version.optional(),
        }),
        response: { 200: targetShape },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { settings, credentials, version: seen } = request.body;
      const target = await change(
        request,
        async (tx) => {
          await requireApplication(tx, id);
          const before = await findTarget(tx, id);
          if (before) requireVersion(request, before.version, seen);
          const { findings } = checkSettings(needs.connectors, settings);
          if (findings.length > 0) throw new FieldsRefused(findings);
          if (before) requireCredentialsAgain(needs.connectors, before, settings, credentials);
          await saveTarget(tx, needs.secrets, needs.connectors, id, settings, credentials);
          return show(tx, await requireTarget(tx, id));
        },
        versioned,
      );
      return target;
    },
  );
  scope.delete(
    '/targets/:id',
    {
      config: { ...ownTarget, permission: 'targets.write', elevation: true },
      schema: {
        tags: targetTags,
        summary: 'Send nothing there any more and forget links, plans and timeline; accounts there stay',
        params: targetParams,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await change(request, (tx) => removeTarget(tx, request.params.id));
      return reply.code(204).send();
    },
  );
}

/** Who may change where things are sent could otherwise have what others put in sent to themselves. */
function requireCredentialsAgain(
  connectors: ReadonlyMap<string, Connector>,
  before: Target,
  after: z.infer<typeof targetSettings>,
  given: Readonly<Record<string, string>> = {},
): void {
  if (!before.hasCredentials || before.connector !== after.connector) return;
  const known = new Set(addressesIn(before.settings.options));
  if (addressesIn(after.options).every((one) => known.has(one))) return;
  const missing = (connectors.get(after.connector)?.credentials ?? []).filter(
    ({ name }) => given[name] === undefined,
  );
  if (missing.length === 0) return;
  const fields = missing.map(({ name }) => [`credentials.${name}`, 'attribute-required'] as const);
  throw new Problem('input-malformed', { fields: Object.fromEntries(fields) });
}

/** Where options of a target lead: the origin of every address in them. */
function addressesIn(value: unknown): string[] {
  if (typeof value === 'string') return /^https?:/i.test(value) ? [URL.parse(value)?.origin ?? value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(addressesIn);
}

function credentialRoutes({ scope, change, needs }: Api): void {
  scope.put(
    '/targets/:id/credentials',
    {
      config: { ...ownTarget, permission: 'targets.write', elevation: true },
      schema: {
        tags: targetTags,
        summary: 'Set credentials; they are sealed and never shown again',
        params: targetParams,
        body: z.strictObject({ credentials: credentialValues }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { params, body } = request;
      const { secrets, connectors } = needs;
      await change(request, (tx) =>
        setCredentials(tx, secrets, connectors, params.id, () => body.credentials),
      );
      return reply.code(204).send();
    },
  );
}

function modeRoutes({ scope, change }: Api): void {
  scope.post(
    '/targets/:id/mode',
    {
      config: { ...ownTarget, permission: 'targets.write', elevation: true },
      schema: {
        tags: targetTags,
        summary: 'Off, observe, plan and approve, or automatic',
        params: targetParams,
        body: z.strictObject({ mode: z.enum(targetModes) }),
        response: { 200: targetShape },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        await setMode(tx, request.params.id, request.body.mode);
        return show(tx, await requireTarget(tx, request.params.id));
      }),
  );
  scope.post(
    '/targets/:id/release',
    {
      config: { ...ownTarget, permission: 'targets.write' },
      schema: {
        tags: targetTags,
        summary: 'Let work go on that was held because the target refused us',
        params: targetParams,
        body: z.strictObject({}),
        response: { 200: targetShape },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        await requireTarget(tx, request.params.id);
        await liftQuarantine(tx, request.params.id);
        return show(tx, await requireTarget(tx, request.params.id));
      }),
  );
}
