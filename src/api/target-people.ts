/** Whose account is whose at a target: accounts of nobody, people the app would not recognise, and saying whose one is. */
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import { samlNameOf } from '#fronts/saml/named.ts';
import { joinCheck, joinKeys, relink } from '#provisioning/join-check.ts';
import { decideStranger, strangers } from '#provisioning/strangers.ts';
import { requireTarget } from '#provisioning/targets.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';
import { ownTarget, targetParams, targetTags } from './targets.ts';

const works = { ...ownTarget, permission: 'targets.write' } as const;

const stranger = z.object({
  remoteId: z.string(),
  externalId: z.string().optional(),
  active: z.boolean(),
  accountId: z.string().optional(),
  attributes: z.record(z.string(), z.unknown()),
  seenAt: moment,
  decision: z.enum(['adopt', 'ignore', 'remove']).optional(),
});

const remoteId = z.string().min(1).max(300);

export function targetPeopleRoutes(api: Api): void {
  strangerRoutes(api);
  joinRoutes(api);
}

function strangerRoutes({ scope, read, change, cursors, needs }: Api): void {
  scope.get(
    '/targets/:id/strangers',
    {
      config: { ...ownTarget, permission: 'targets.read' },
      schema: {
        tags: targetTags,
        summary: 'Accounts there that belong to nobody here',
        params: targetParams,
        querystring: z.strictObject({
          decision: z.enum(['none', 'ignore', 'remove', 'adopt']).optional(),
          search: z.string().max(250).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(stranger) },
      },
    },
    async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const list = `strangers ${request.params.id} ${JSON.stringify(filter)}`;
      const after = cursors.read(list, cursor);
      return read(request, async (tx) => {
        const { application } = await requireTarget(tx, request.params.id);
        const found = await strangers(tx, application, { ...filter, after, limit: limit + 1 });
        const page = cursors.page(list, found, limit, (last) => last.remoteId);
        return { ...page, items: page.items.map((one) => ({ ...one, attributes: { ...one.attributes } })) };
      });
    },
  );
  scope.post(
    '/targets/:id/strangers',
    {
      config: { ...works, elevation: true },
      schema: {
        tags: targetTags,
        summary:
          'Say what an account of nobody is: somebody’s, to be left alone, or to be taken away (a proposal)',
        params: targetParams,
        body: z.strictObject({
          remoteId,
          decision: z.enum(['adopt', 'ignore', 'remove', 'undecided']),
          person: z.uuid().optional().describe('Whose it is, with `adopt`.'),
        }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { decision, person, remoteId: remote } = request.body;
      if ((decision === 'adopt') !== (person !== undefined))
        throw new Problem('input-malformed', { fields: { person: 'input-malformed' } });
      const meant = decision === 'adopt' ? { adopt: person ?? '' } : decision;
      await change(request, (tx) => decideStranger(tx, needs, request.params.id, remote, meant));
      return reply.code(204).send();
    },
  );
}

const joinShape = z.object({
  joinBy: z.enum(joinKeys).describe('What the app recognises people by who sign in.'),
  checked: z.number().int(),
  meet: z.number().int(),
  findings: z
    .array(
      z.object({
        person: z.string(),
        username: z.string(),
        record: z.string().optional().describe('What the account there has.'),
        login: z.string().optional().describe('What the sign-in says.'),
        why: z.string(),
      }),
    )
    .describe('Those whom the app will not recognise.'),
});

function joinRoutes({ scope, read, change, needs }: Api): void {
  scope.post(
    '/targets/:id/join-check',
    {
      config: works,
      schema: {
        tags: targetTags,
        summary: 'Will the account there and whoever signs in be taken for the same person?',
        params: targetParams,
        body: z.strictObject({}),
        response: { 200: joinShape },
      },
    },
    async (request) =>
      read(request, (tx) => joinCheck(tx, { ...needs, namedAs: samlNameOf }, request.params.id)),
  );
  scope.post(
    '/targets/:id/relink',
    {
      config: { ...works, elevation: true },
      schema: {
        tags: targetTags,
        summary: 'Say which account there is whose',
        params: targetParams,
        body: z.strictObject({ person: z.uuid(), remoteId }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { person, remoteId: remote } = request.body;
      await change(request, (tx) => relink(tx, needs, request.params.id, person, remote));
      return reply.code(204).send();
    },
  );
}
