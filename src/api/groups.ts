/** Groups and who belongs to them. */
import { z } from 'zod';
import { renameGroupInApplications } from '#core/applications/applications.ts';
import {
  addGroup,
  addMembers,
  changeGroup,
  findGroups,
  type Group,
  listGroups,
  membersOf,
  removeGroup,
  removeMembers,
} from '#core/groups/groups.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { renameGroupInTargets } from '#provisioning/targets.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { line, moment, requireVersion, version, versioned } from './shapes.ts';

const shape = z.object({
  id: z.string(),
  name: z.string(),
  title: z.string(),
  description: z.string(),
  origin: z.string(),
  members: z.number().int().optional(),
  createdAt: moment,
  updatedAt: moment,
  version,
});

const member = z.object({
  person: z.string(),
  username: z.string(),
  displayName: z.string(),
  since: moment,
});

const fields = { title: line.optional(), description: z.string().max(1000).optional() };
const tags = ['Groups'];
const params = z.strictObject({ id: z.string() });
const reads = { door: 'api', permission: 'groups.read' } as const;
const writes = { door: 'api', permission: 'groups.write' } as const;

async function requireGroup(tx: Tx, id: string): Promise<Group> {
  const [group] = await findGroups(tx, [id]);
  if (!group) throw new Problem('group-unknown');
  return group;
}

export function groupRoutes(api: Api): void {
  readGroups(api);
  addAndRemoveGroups(api);
  changeGroups(api);
  readMembers(api);
  changeMembers(api);
}

function readGroups({ scope, cursors, read }: Api): void {
  scope.get(
    '/groups',
    {
      config: reads,
      schema: {
        tags,
        summary: 'Groups in order of name',
        querystring: z.strictObject({ search: z.string().max(200).optional(), ...pageQuery }),
        response: { 200: pageOf(shape) },
      },
    },
    async (request) => {
      const { search, limit, cursor } = request.query;
      const after = cursors.read('groups', cursor);
      const found = await read(request, (tx) => listGroups(tx, { search, after, limit: limit + 1 }));
      return cursors.page('groups', found, limit, (last) => last.name);
    },
  );
  scope.get(
    '/groups/:id',
    { config: reads, schema: { tags, summary: 'One group', params, response: { 200: shape } } },
    async (request) => read(request, (tx) => requireGroup(tx, request.params.id)),
  );
}

function addAndRemoveGroups({ scope, change }: Api): void {
  scope.post(
    '/groups',
    {
      config: writes,
      schema: {
        tags,
        summary: 'Add a group',
        body: z.strictObject({ name: z.string().max(255), ...fields }),
        response: { 201: shape },
      },
    },
    async (request, reply) => {
      const group = await change(request, (tx) => addGroup(tx, { ...request.body, origin: 'admin' }));
      return reply.code(201).header('location', `/api/v1/groups/${group.id}`).send(group);
    },
  );
  scope.delete(
    '/groups/:id',
    {
      config: { ...writes, elevation: true },
      schema: {
        tags,
        summary: 'Remove a group; its members leave it first',
        params,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      await change(request, (tx) => removeGroup(tx, request.params.id));
      return reply.code(204).send();
    },
  );
}

function changeGroups({ scope, change }: Api): void {
  scope.patch(
    '/groups/:id',
    {
      config: writes,
      schema: {
        tags,
        summary: 'Change a group; what is left out stays',
        params,
        body: z.strictObject({
          name: z.string().max(255).optional(),
          ...fields,
          version: version.optional(),
        }),
        response: { 200: shape },
      },
    },
    async (request) => {
      const { version: seen, ...rest } = request.body;
      const group = await change(
        request,
        async (tx) => {
          const before = await requireGroup(tx, request.params.id);
          requireVersion(request, before.version, seen);
          await changeGroup(tx, before.id, rest);
          const after = await requireGroup(tx, before.id);
          if (after.name !== before.name) {
            // Apps and targets choose groups by name; with the old one they would lose everybody in it.
            await renameGroupInApplications(tx, before.name, after.name);
            await renameGroupInTargets(tx, before.name, after.name);
          }
          return after;
        },
        versioned,
      );
      return group;
    },
  );
}

function readMembers({ scope, cursors, read }: Api): void {
  scope.get(
    '/groups/:id/members',
    {
      config: reads,
      schema: {
        tags,
        summary: 'Members of a group',
        params,
        querystring: z.strictObject(pageQuery),
        response: { 200: pageOf(member) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { limit, cursor } = request.query;
        const { id } = await requireGroup(tx, request.params.id);
        const list = `members of ${id}`;
        const found = await membersOf(tx, id, { after: cursors.read(list, cursor), limit: limit + 1 });
        const page = cursors.page(list, found, limit, (last) => last.person);
        const people = new Map(
          (
            await findPeople(
              tx,
              page.items.map((one) => one.person),
            )
          ).map((person) => [person.id, person]),
        );
        const items = page.items.map((one) => ({
          ...one,
          username: people.get(one.person)?.username ?? '',
          displayName: people.get(one.person)?.displayName ?? '',
        }));
        return { ...page, items };
      }),
  );
}

function changeMembers({ scope, change }: Api): void {
  scope.post(
    '/groups/:id/members',
    {
      config: writes,
      schema: {
        tags,
        summary: 'Put people into a group; those who are in it already are no change',
        params,
        body: z.strictObject({ people: z.array(z.string().max(60)).min(1).max(500) }),
        response: { 200: z.object({ added: z.number().int() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => ({
        added: await addMembers(tx, request.params.id, request.body.people),
      })),
  );
  scope.delete(
    '/groups/:id/members/:person',
    {
      config: writes,
      schema: {
        tags,
        summary: 'Take a person out of a group',
        params: z.strictObject({ id: z.string(), person: z.string() }),
        response: { 200: z.object({ removed: z.number().int() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { id } = await requireGroup(tx, request.params.id);
        const person = await requirePerson(tx, request.params.person);
        return { removed: await removeMembers(tx, id, [person.id]) };
      }),
  );
}
