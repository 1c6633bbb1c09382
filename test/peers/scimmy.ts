/** A SCIM server somebody else wrote, over two maps. It keeps no versions and refuses a user name that is taken. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import SCIMMY from 'scimmy';
import SCIMMYRouters from 'scimmy-routers';
import { newId, randomToken } from '#kit/crypto/ids.ts';

export type Stored = Record<string, unknown> & { id: string };

export interface Scimmy {
  /** The base address of SCIM, without a slash at the end. */
  url: string;
  token: string;
  users: ReadonlyMap<string, Stored>;
  groups: ReadonlyMap<string, Stored>;
  stop(): Promise<void>;
}

interface Extendable {
  extend(schema: unknown, required: boolean): unknown;
}

/** Starts it; once in a process, the library declares its resources globally. */
export async function startScimmy(): Promise<Scimmy> {
  const token = randomToken();
  const users = new Map<string, Stored>();
  const groups = new Map<string, Stored>();
  const { Resources, Schemas } = SCIMMY as unknown as {
    Resources: { declare(kind: unknown, handlers: unknown): unknown; User: Extendable; Group: unknown };
    Schemas: { EnterpriseUser: unknown };
  };
  Resources.declare(Resources.User.extend(Schemas.EnterpriseUser, false), handlersOf(users, 'userName'));
  Resources.declare(Resources.Group, handlersOf(groups, 'displayName'));
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
    url: `http://127.0.0.1:${port}/scim`,
    token,
    users,
    groups,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function handlersOf(map: Map<string, Stored>, unique: string) {
  const taken = (value: unknown, id: string | undefined) =>
    [...map.values()].some(
      (one) => one.id !== id && String(one[unique]).toLowerCase() === String(value).toLowerCase(),
    );
  const unknown = (id: string | undefined) =>
    new SCIMMY.Types.Error(404, null as never, `Resource ${id} not found`);
  return {
    egress: (resource: { id?: string; filter?: { match(all: Stored[]): Stored[] } }) => {
      if (resource.id === undefined) return resource.filter?.match([...map.values()]) ?? [...map.values()];
      const found = map.get(resource.id);
      if (!found) throw unknown(resource.id);
      return found;
    },
    ingress: (resource: { id?: string }, data: Record<string, unknown>) => {
      if (taken(data[unique], resource.id))
        throw new SCIMMY.Types.Error(409, 'uniqueness', `${unique} is taken`);
      const id = resource.id ?? newId();
      if (resource.id !== undefined && !map.has(id)) throw unknown(resource.id);
      const stored = { ...data, id };
      map.set(id, stored);
      return stored;
    },
    degress: (resource: { id?: string }) => {
      if (!map.delete(resource.id ?? '')) throw unknown(resource.id);
    },
  };
}
