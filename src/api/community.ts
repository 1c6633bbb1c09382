/** Settings of the community and its own attributes; and who the caller is. */
import { z } from 'zod';
import { changeCommunity, community, communitySettings } from '#core/community/community.ts';
import { may, type Permission, permissions, roles } from '#core/operators/permissions.ts';
import { attributeDeclaration, attributeDeclarations, declareAttributes } from '#core/people/attributes.ts';
import { Problem } from '#core/problem.ts';
import { requireElevation } from './access.ts';
import type { Api } from './api.ts';
import { moment } from './shapes.ts';

const settings = z.record(z.string(), z.unknown());
const tags = ['Community'];

export function communityRoutes(api: Api): void {
  settingsRoutes(api);
  attributeRoutes(api);
  whoami(api);
}

function settingsRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/community',
    {
      config: { door: 'api', permission: 'community.read' },
      schema: { tags, summary: 'Settings, defaults filled in', response: { 200: settings } },
    },
    async (request) => ({ ...(await read(request, community)) }) as Record<string, unknown>,
  );
  scope.put(
    '/community',
    {
      config: { door: 'api', permission: 'community.write' },
      schema: {
        tags,
        summary: 'Replace the settings; what is left out takes its default',
        body: communitySettings,
        response: { 200: settings },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        await changeCommunity(tx, request.body);
        return { ...(await community(tx)) } as Record<string, unknown>;
      }),
  );
}

const declarations = z.object({ items: z.array(settings) });

function attributeRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/attributes',
    {
      config: { door: 'api', permission: 'community.read' },
      schema: { tags, summary: 'The community’s own attributes, in order', response: { 200: declarations } },
    },
    async (request) => ({ items: (await read(request, attributeDeclarations)) as Record<string, unknown>[] }),
  );
  scope.put(
    '/attributes',
    {
      config: { door: 'api', permission: 'community.write' },
      schema: {
        tags,
        summary: 'Replace the declarations; an attribute that is left out goes, with everyone’s values',
        body: z.strictObject({
          items: z.array(attributeDeclaration).max(200),
          withdraw: z
            .array(z.string().max(60))
            .default([])
            .describe('Names of the attributes that go: all that are left out must be named.'),
        }),
        response: { 200: declarations },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { items, withdraw } = request.body;
        const kept = new Set(items.map((one) => one.name));
        if (kept.size < items.length)
          throw new Problem('input-malformed', { fields: { items: 'input-malformed' } });
        const gone = (await attributeDeclarations(tx)).filter((one) => !kept.has(one.name));
        if (gone.length > 0) requireElevation(request);
        if (gone.some((one) => !withdraw.includes(one.name)))
          throw new Problem('conflict', { fields: { withdraw: 'attribute-required' } });
        await declareAttributes(tx, items);
        return { items: (await attributeDeclarations(tx)) as Record<string, unknown>[] };
      }),
  );
}

const rights = Object.keys(permissions) as [Permission, ...Permission[]];

function whoami({ scope }: Api): void {
  scope.get(
    '/whoami',
    {
      config: { door: 'api', permission: 'any' },
      schema: {
        tags: ['Tokens'],
        summary: 'Who is calling, a token or an operator’s session, and what they may do',
        response: {
          200: z.object({
            kind: z.enum(['token', 'person']),
            id: z.string(),
            name: z.string(),
            grants: z.array(
              z.object({
                role: z.enum(roles),
                application: z.string().optional(),
                rights: z.array(z.enum(rights)).describe('What it allows, for its app or for all.'),
              }),
            ),
            rights: z.array(z.enum(rights)).describe('What these roles allow for everything there is.'),
            elevatedUntil: moment
              .optional()
              .describe('Until when the sign-in is recent enough for what asks for a recent one.'),
          }),
        },
      },
    },
    async ({ caller: { kind, id, name, grants, elevatedUntil } }) => ({
      kind,
      id,
      name,
      grants: grants.map((grant) => ({
        ...grant,
        rights: rights.filter((right) => may([grant], right, grant.application)),
      })),
      rights: rights.filter((right) => may(grants, right)),
      elevatedUntil,
    }),
  );
}
