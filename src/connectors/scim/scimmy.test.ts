import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import SCIMMY from 'scimmy';
import SCIMMYRouters from 'scimmy-routers';
import { newId, randomToken } from '#kit/crypto/ids.ts';
import type { Value } from '#provisioning/connector.ts';
import { connectorSuite, type Stage } from '../../../test/conformance/connector.ts';
import { scimConnector } from './scim.ts';

type Stored = Record<string, unknown> & { id: string };

/** A SCIM server somebody else wrote, over two maps. It keeps no versions and refuses a user name that is taken. */
async function startScimmy(): Promise<Stage> {
  const token = randomToken();
  const users = new Map<string, Stored>();
  const groups = new Map<string, Stored>();
  const taken = (map: Map<string, Stored>, name: string, value: unknown, id: string | undefined) =>
    [...map.values()].some(
      (one) => one.id !== id && String(one[name]).toLowerCase() === String(value).toLowerCase(),
    );
  const handlers = (map: Map<string, Stored>, unique: string) => ({
    egress: (resource: { id?: string; filter?: { match(all: Stored[]): Stored[] } }) => {
      if (resource.id === undefined) return resource.filter?.match([...map.values()]) ?? [...map.values()];
      const found = map.get(resource.id);
      if (!found) throw new SCIMMY.Types.Error(404, null as never, `Resource ${resource.id} not found`);
      return found;
    },
    ingress: (resource: { id?: string }, data: Record<string, unknown>) => {
      if (taken(map, unique, data[unique], resource.id))
        throw new SCIMMY.Types.Error(409, 'uniqueness', `${unique} is taken`);
      const id = resource.id ?? newId();
      if (resource.id !== undefined && !map.has(id))
        throw new SCIMMY.Types.Error(404, null as never, `Resource ${id} not found`);
      const stored = { ...data, id };
      map.set(id, stored);
      return stored;
    },
    degress: (resource: { id?: string }) => {
      if (!map.delete(resource.id ?? ''))
        throw new SCIMMY.Types.Error(404, null as never, `Resource ${resource.id} not found`);
    },
  });
  const { Resources, Schemas } = SCIMMY as unknown as {
    Resources: { declare(kind: unknown, handlers: unknown): unknown; User: Extendable; Group: unknown };
    Schemas: { EnterpriseUser: unknown };
  };
  Resources.declare(Resources.User.extend(Schemas.EnterpriseUser, false), handlers(users, 'userName'));
  Resources.declare(Resources.Group, handlers(groups, 'displayName'));
  const app = express();
  app.use(
    '/scim',
    new SCIMMYRouters({
      type: 'bearer',
      handler: (request) => {
        if (request.header('authorization') !== `Bearer ${token}`) throw new Error('Who are you?');
        return 'gatehouse';
      },
    }),
  );
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    options: { baseUrl: `http://127.0.0.1:${port}/scim` },
    credentials: { token },
    attributes,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      assert.ok(users.size > 0, 'the server was really used');
    },
  };
}

interface Extendable {
  extend(schema: unknown, required: boolean): unknown;
}

function attributes(n: number): Record<string, Value> {
  return {
    userName: `peer${n}`,
    email: `peer${n}@people.example`,
    displayName: `Peer ${n} "quoted"`,
    givenName: `Given${n}`,
    familyName: `O'Family ${n}`,
    formattedName: `Given Family ${n}`,
    nickName: `Nick${n}`,
    title: `Title ${n}`,
    userType: `type${n}`,
    preferredLanguage: n % 2 ? 'de' : 'pt-BR',
    locale: n % 2 ? 'de-DE' : 'en-US',
    timezone: n % 2 ? 'Europe/Berlin' : 'Africa/Nairobi',
    roles: [`role${n}`],
    employeeNumber: `${n}`,
    organization: `Organisation ${n}`,
    division: `Division ${n}`,
    department: `Department ${n}`,
  };
}

const small = { pageSize: 3, membersBatch: 2 };
connectorSuite({ title: 'scim at SCIMMY', connector: scimConnector, small, start: startScimmy });
