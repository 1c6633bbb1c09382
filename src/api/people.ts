/** People: find, add, change, move between states. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { refuseAlias } from '#core/community/alias-domains.ts';
import { community } from '#core/community/community.ts';
import { groupsOf } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { keepAnOwner, requirePermission, rolesOf } from '#core/operators/operators.ts';
import { attributesOf, setAttributes } from '#core/people/attributes.ts';
import { checkNewUsername, longestDisplayName, parseAddress, usernameKey } from '#core/people/names.ts';
import {
  changeNames,
  findByVerifiedAddress,
  listAddresses,
  listPeople,
  type Person,
  personStates,
  requirePerson,
} from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { lastSignIns } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { line, moment, requireVersion, version, versioned } from './shapes.ts';

const listed = z.object({
  id: z.string(),
  username: z.string(),
  givenName: z.string(),
  familyName: z.string(),
  displayName: z.string(),
  locale: z.string().optional(),
  address: z.string().optional().describe('The main address.'),
  state: z.enum(personStates),
  stateReason: z.string().optional(),
  stateSince: moment,
  mergedInto: z.string().optional(),
  origin: z.string(),
  lastSignInAt: moment.optional(),
  createdAt: moment,
  updatedAt: moment,
  version,
});

const attributeValue = z.union([z.string(), z.number(), z.boolean()]);

const detailed = listed.extend({
  groups: z.array(z.object({ id: z.string(), name: z.string() })),
  attributes: z.record(z.string(), attributeValue),
});

const names = {
  givenName: line.optional(),
  familyName: line.optional(),
  displayName: z.string().max(longestDisplayName).optional(),
};
const locale = z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language such as en or pt-BR');
const attributes = z.record(z.string().max(60), attributeValue.nullable());

const tags = ['People'];
const byId = z.strictObject({ id: z.string() });

export function peopleRoutes(api: Api): void {
  readPeople(api);
  addPeople(api);
  changePeople(api);
  erasePeople(api);
}

function readPeople({ scope, cursors, read }: Api): void {
  scope.get(
    '/people',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Find people by name or address',
        querystring: z.strictObject({
          search: z.string().max(200).optional(),
          state: z.enum(personStates).optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(listed) },
      },
    },
    async (request) => {
      const { search, state, limit, cursor } = request.query;
      const after = cursors.read('people', cursor);
      return read(request, async (tx) => {
        const found = await listPeople(tx, { search, state, after, limit: limit + 1 });
        const page = cursors.page('people', found, limit, (last) => usernameKey(last.username));
        return { ...page, items: await withAddresses(tx, page.items) };
      });
    },
  );
  scope.get(
    '/people/:id',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: { tags, summary: 'One person', params: byId, response: { 200: detailed } },
    },
    async (request) => read(request, (tx) => describe(tx, request.params.id)),
  );
}

function addPeople({ scope, change }: Api): void {
  scope.post(
    '/people',
    {
      config: { door: 'api', permission: 'people.write' },
      schema: {
        tags,
        summary: 'Add a person whose address you vouch for; they set their own password by mail',
        body: z.strictObject({
          username: z.string().max(255),
          ...names,
          locale: locale.optional(),
          address: z.string().max(320),
          attributes: attributes.optional(),
        }),
        response: { 201: detailed },
      },
    },
    async (request, reply) => {
      const { username, address, attributes: values, ...rest } = request.body;
      const person = await change(request, async (tx) => {
        const { name: communityName, usernames } = await community(tx);
        const checked = checkNewUsername(username, { ...usernames, communityName });
        if (await findByVerifiedAddress(tx, address))
          throw new Problem('address-taken', { fields: { address: 'address-taken' } });
        await refuseAlias(tx, parseAddress(address).key, 'address');
        const addresses = [{ address, primary: true, verified: true }];
        const id = await join(tx, {
          ...rest,
          username: checked,
          addresses,
          state: 'active',
          origin: 'admin',
        });
        if (values) await setAttributes(tx, id, values, 'operators');
        return describe(tx, id);
      });
      return reply.code(201).header('location', `/api/v1/people/${person.id}`).send(person);
    },
  );
}

function changePeople({ scope, change }: Api): void {
  scope.patch(
    '/people/:id',
    {
      config: { door: 'api', permission: 'people.write' },
      schema: {
        tags,
        summary: 'Change names, locale and attributes; what is left out stays',
        params: byId,
        body: z.strictObject({
          ...names,
          locale: locale.nullable().optional(),
          attributes: attributes.optional(),
          version: version.optional(),
        }),
        response: { 200: detailed },
      },
    },
    async (request) => {
      const { attributes: values, version: seen, ...rest } = request.body;
      const { id } = request.params;
      const person = await change(
        request,
        async (tx) => {
          const before = await requirePerson(tx, id);
          requireVersion(request, before.version, seen);
          if (before.state === 'erased' || before.state === 'merged') throw new Problem('standing-refused');
          await changeNames(tx, id, rest);
          if (values) await setAttributes(tx, id, values, 'operators');
          return describe(tx, id);
        },
        versioned,
      );
      return person;
    },
  );
  scope.post(
    '/people/:id/state',
    {
      config: { door: 'api', permission: 'standing.write' },
      schema: {
        tags,
        summary: 'Let a person in again, or take their standing; ends their sessions at once',
        params: byId,
        body: z.strictObject({
          state: z.enum(['active', 'locked', 'suspended', 'spam', 'left']),
          reason: z.string().trim().min(1).max(500).describe('Kept with the person and in the log.'),
        }),
        response: { 200: detailed },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { state, reason } = request.body;
        const { id } = request.params;
        await requirePerson(tx, id);
        await protectOperators(tx, request, id);
        if (state === 'active') await activate(tx, id, reason);
        else {
          await keepAnOwner(tx, id);
          await leave(tx, id, state, reason);
        }
        return describe(tx, id);
      }),
  );
}

function erasePeople({ scope, change }: Api): void {
  scope.post(
    '/people/:id/erase',
    {
      config: { door: 'api', permission: 'standing.write', elevation: true },
      schema: {
        tags,
        summary: 'Erase a person for good: what says who they were goes, the id stays',
        params: byId,
        body: z.strictObject({
          username: z.string().max(255).describe('Their user name, so that nobody is erased by mistake.'),
          reason: z
            .string()
            .trim()
            .min(1)
            .max(500)
            .optional()
            .describe('Kept in the log: it should not name them.'),
        }),
        response: { 200: detailed },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        const { username, reason } = request.body;
        const { id } = request.params;
        const person = await requirePerson(tx, id);
        if (person.username !== username)
          throw new Problem('conflict', { fields: { username: 'input-malformed' } });
        await protectOperators(tx, request, id);
        await leave(tx, id, 'erased', reason);
        return describe(tx, id);
      }),
  );
}

/** Nobody takes the standing of an operator who may not dismiss them either. */
async function protectOperators(tx: Tx, request: FastifyRequest, person: string): Promise<void> {
  if ((await rolesOf(tx, person)).length > 0) requirePermission(request.caller.grants, 'operators.write');
}

async function withAddresses(tx: Tx, people: readonly Person[]) {
  const ids = people.map((person) => person.id);
  const addresses = await listAddresses(tx, ids);
  const seen = await lastSignIns(tx, ids);
  const main = new Map(addresses.filter((one) => one.primary).map((one) => [one.person, one.address]));
  return people.map((person) => ({
    ...person,
    address: main.get(person.id),
    lastSignInAt: seen.get(person.id)?.get(''),
  }));
}

async function describe(tx: Tx, id: string) {
  const person = await requirePerson(tx, id);
  const [shown] = await withAddresses(tx, [person]);
  const groups = (await groupsOf(tx, [id])).get(id) ?? [];
  const values = (await attributesOf(tx, [id])).get(id) ?? {};
  return { ...(shown ?? person), groups, attributes: values };
}
