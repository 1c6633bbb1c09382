/** Allow-lists: networks senders publish, or that are kept by hand. What shrinks too far waits here for a yes or a no. */
import { z } from 'zod';
import { may } from '#core/operators/permissions.ts';
import { findPeople } from '#core/people/people.ts';
import { lookNow } from '#fronts/relay/list-looks.ts';
import {
  type AllowList,
  allowLists,
  approveHeld,
  dismissHeld,
  forgetList,
  type ListChange,
  listChanges,
  listOutcomes,
  noteByHand,
  requireAllowList,
  setByHand,
} from '#fronts/relay/lists.ts';
import { allowlistSettings, networkText } from '#fronts/relay/settings.ts';
import { relayApps, relayHouse, saveRelayHouse } from '#fronts/relay/settings-kept.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Caller, contextOf, operatorOf } from './access.ts';
import type { Api } from './api.ts';
import { FieldsRefused } from './errors.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment, requireVersion, stamp, stampOf, versioned } from './shapes.ts';

const tags = ['Mail'];
const params = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be small letters, digits and -'),
});
const networks = z.array(z.string());

const summary = z.object({
  name: z.string(),
  settings: z.object({
    url: z.string().optional(),
    product: z.string().optional(),
    direction: z.string().optional(),
    shrinkGuard: z.number(),
    everyMinutes: z.number().int(),
  }),
  count: z.number().int().describe('How many networks are in force.'),
  held: z.object({ at: moment, added: z.number().int(), removed: z.number().int() }).optional(),
  checkedAt: moment.optional().describe('The last look, whatever came of it.'),
  fetchedAt: moment.optional().describe('The last good look.'),
  changedAt: moment.optional(),
  problem: z
    .string()
    .optional()
    .describe('Why the last look was no good; the last good list stays in force.'),
  isStale: z.boolean().describe('No good look for a day.'),
  apps: z.array(z.string()).describe('Apps that are let in by it.'),
  version: stamp.describe('Another one whenever its settings or its networks by hand change; also the ETag.'),
});

const detail = summary.extend({
  networks: networks.describe('As published, in force.'),
  byHand: networks.describe('By hand, in force as well.'),
  held: z
    .object({
      mark: z.string().describe('Names exactly this publication.'),
      at: moment,
      added: networks,
      removed: networks,
    })
    .optional()
    .describe('Published, and not in force: it takes more away than may go without a person.'),
});

const listChange = z.object({
  id: z.number().int(),
  at: moment,
  outcome: z.enum(listOutcomes),
  added: networks,
  removed: networks,
  note: z.string().optional(),
  decidedBy: z
    .object({ id: z.string(), displayName: z.string(), username: z.string() })
    .optional()
    .describe('Who agreed, kept the old one or changed it by hand; for whoever may see people.'),
});

const look = z.object({
  outcome: z.enum(['unchanged', 'taken', 'held', 'dismissed', 'refused', 'overtaken']),
  added: networks,
  removed: networks,
  problem: z.string().optional(),
});

const decision = z.strictObject({
  mark: z.string().max(100).describe('Of what was held when it was looked at.'),
});

async function appsBy(tx: Tx): Promise<(name: string) => string[]> {
  const apps = await relayApps(tx);
  return (name) =>
    apps.filter(({ settings }) => settings.networks.includes(`list:${name}`)).map(({ id }) => id);
}

function showSummary(list: AllowList, apps: string[]): z.output<typeof summary> {
  const { settings, held, networks: published, byHand, ...rest } = list;
  const { networks: _, ...shown } = settings;
  return {
    ...rest,
    version: stampOf(settings),
    settings: shown,
    count: new Set([...published, ...byHand]).size,
    held: held && { at: held.at, added: held.added.length, removed: held.removed.length },
    apps,
  };
}

async function showDetail(tx: Tx, name: string): Promise<z.output<typeof detail>> {
  const list = await requireAllowList(tx, name);
  const { networks: published, byHand, held } = list;
  return { ...showSummary(list, (await appsBy(tx))(name)), networks: published, byHand, held };
}

async function showChanges(
  tx: Tx,
  caller: Caller,
  changes: readonly ListChange[],
): Promise<z.output<typeof listChange>[]> {
  const ids = [...new Set(changes.flatMap(({ decidedBy }) => decidedBy ?? []))];
  const named = may(caller.grants, 'people.read') && ids.length > 0 ? await findPeople(tx, ids) : [];
  const people = new Map(
    named.map(({ id, displayName, username }) => [id, { id, displayName, username }] as const),
  );
  return changes.map((one) => ({ ...one, decidedBy: people.get(one.decidedBy ?? '') }));
}

export function relayListRoutes(api: Api): void {
  readLists(api);
  changeLists(api);
  changeByHand(api);
  decideLists(api);
}

function readLists({ scope, read, cursors }: Api): void {
  scope.get(
    '/relay/lists',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: { tags, summary: 'Allow-lists and how they are doing', response: { 200: pageOf(summary) } },
    },
    async (request) =>
      read(request, async (tx) => {
        const apps = await appsBy(tx);
        return { items: (await allowLists(tx)).map((one) => showSummary(one, apps(one.name))) };
      }),
  );
  scope.get(
    '/relay/lists/:name',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'One list with its networks, and what is held',
        params,
        response: { 200: detail },
      },
    },
    async (request) => read(request, (tx) => showDetail(tx, request.params.name)),
  );
  scope.get(
    '/relay/lists/:name/changes',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'What came and went, latest first',
        params,
        querystring: z.strictObject(pageQuery),
        response: { 200: pageOf(listChange) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { name } = await requireAllowList(tx, request.params.name);
        const { limit, cursor } = request.query;
        const place = `changes of list ${name}`;
        const before = cursors.read(place, cursor);
        const page = { before: before === undefined ? undefined : Number(before), limit: limit + 1 };
        const found = cursors.page(place, await listChanges(tx, name, page), limit, (last) =>
          String(last.id),
        );
        return { ...found, items: await showChanges(tx, request.caller, found.items) };
      }),
  );
}

function changeLists({ scope, change }: Api): void {
  scope.put(
    '/relay/lists/:name',
    {
      config: { door: 'api', permission: 'relay.write' },
      schema: {
        tags,
        summary: 'Add a list, or replace how one is kept; networks by hand that are left out stay',
        params,
        body: z.strictObject({
          settings: allowlistSettings,
          version: stamp.nullable().optional().describe('null: only where there is no such list yet.'),
        }),
        response: { 200: detail },
      },
    },
    async (request) =>
      change(
        request,
        async (tx) => {
          const { name } = request.params;
          const house = await relayHouse(tx);
          const before = house.allowlists[name];
          requireVersion(request, before && stampOf(before), request.body.version);
          const byHand = request.body.settings.networks ?? before?.networks;
          const settings = { ...request.body.settings, ...(byHand && { networks: byHand }) };
          const allowlists = { ...house.allowlists, [name]: settings };
          await saveRelayHouse(tx, { ...house, allowlists });
          await noteByHand(tx, house.allowlists, allowlists, operatorOf(request.caller));
          return showDetail(tx, name);
        },
        versioned,
      ),
  );
  scope.delete(
    '/relay/lists/:name',
    {
      config: { door: 'api', permission: 'relay.write', elevation: true },
      schema: {
        tags,
        summary: 'Forget a list; refused while an app is let in by it',
        params,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      await change(
        request,
        async (tx) => {
          requireVersion(request, stampOf((await requireAllowList(tx, name)).settings));
          await forgetList(tx, name);
        },
        versioned,
      );
      return reply.code(204).send();
    },
  );
}

function changeByHand({ scope, change }: Api): void {
  scope.put(
    '/relay/lists/:name/networks',
    {
      config: { door: 'api', permission: 'relay.write' },
      schema: {
        tags,
        summary: 'Replace the networks it has by hand, beside what is published',
        params,
        body: z.strictObject({ networks: z.array(networkText).max(5000), version: stamp.optional() }),
        response: { 200: detail },
      },
    },
    async (request) => {
      const { name } = request.params;
      const { networks: wanted, version } = request.body;
      const shown = await change(
        request,
        async (tx) => {
          requireVersion(request, stampOf((await requireAllowList(tx, name)).settings), version);
          await setByHand(tx, name, wanted, operatorOf(request.caller));
          return showDetail(tx, name);
        },
        versioned,
      );
      return shown;
    },
  );
}

function decideLists({ scope, change, read, needs }: Api): void {
  scope.post(
    '/relay/lists/:name/check',
    {
      config: { door: 'api', permission: 'relay.write' },
      schema: {
        tags,
        summary: 'Look at what is published now',
        params,
        body: z.strictObject({}),
        response: { 200: look },
      },
    },
    async (request) => {
      const { name } = request.params;
      const { settings } = await read(request, (tx) => requireAllowList(tx, name));
      if (settings.url === undefined)
        throw new FieldsRefused([{ path: 'name', text: 'This list is kept by hand: nobody publishes it.' }]);
      return lookNow(needs, name, contextOf(request));
    },
  );
  const decisions = { approve: approveHeld, dismiss: dismissHeld };
  const words = {
    approve: 'Put what is held in force',
    dismiss: 'Keep what is in force; this publication is not asked about again',
  };
  for (const [word, decide] of Object.entries(decisions))
    scope.post(
      `/relay/lists/:name/${word}`,
      {
        config: { door: 'api', permission: 'relay.write', elevation: true },
        schema: {
          tags,
          summary: words[word as keyof typeof words],
          params,
          body: decision,
          response: { 200: detail },
        },
      },
      async (request) =>
        change(request, async (tx) => {
          const { name } = request.params;
          await decide(tx, { name, mark: request.body.mark, by: operatorOf(request.caller) });
          return showDetail(tx, name);
        }),
    );
}
