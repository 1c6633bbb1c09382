/** A target that lives in memory, with the answers, delays and faults a test gives it; and the connector that speaks to it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import {
  type Candidate,
  type Capabilities,
  type Connector,
  type Desired,
  type GroupStep,
  type RemoteAccount,
  type RemoteGroup,
  Retry,
  type Step,
  Stop,
} from '#provisioning/connector.ts';

export type Operation =
  | { op: 'find'; desired: Desired }
  | { op: 'read'; id: string }
  | { op: 'apply'; step: Step }
  | { op: 'findGroup'; name: string; externalId: string }
  | { op: 'readGroup'; id: string }
  | { op: 'applyGroup'; step: GroupStep }
  /** Pages from 0; answers nothing after the last one. */
  | { op: 'list' | 'listGroups'; page: number };

type Send = (operation: Operation) => Promise<unknown>;

export interface ModelTarget {
  accounts: Map<string, RemoteAccount>;
  groups: Map<string, RemoteGroup & { members: string[] }>;
  /** Everything that was asked, in order. */
  asked: Operation[];
  /** Steps that were carried out. */
  done: (Step | GroupStep)[];
  /** Accounts and groups of a page of a listing; default 100. */
  pageSize: number;
  /** How many accounts a listing says there are, where that is not the truth. */
  told?: number;
  /** Called before an operation is carried out; throws to refuse it. */
  before?: (operation: Operation) => unknown;
  /** Called after it was carried out; throws as if the connection had been reset. */
  after?: (operation: Operation) => unknown;
  send: Send;
  connector: Connector;
  byUserName(name: string): RemoteAccount[];
  /** Serves the same to another process. */
  serve(): Promise<{ url: string; close(): Promise<void> }>;
}

const all: Capabilities = {
  list: true,
  find: true,
  groups: true,
  renameGroup: true,
  delete: true,
  invite: true,
  membersBatch: 3,
};

/** A fresh target. */
export function modelTarget(
  options: { capabilities?: Partial<Capabilities>; judge?: JudgeRule } = {},
): ModelTarget {
  let next = 0;
  const { accounts, groups } = {
    accounts: new Map<string, RemoteAccount>(),
    groups: new Map<string, RemoteGroup & { members: string[] }>(),
  };
  const model: ModelTarget = {
    accounts,
    groups,
    asked: [],
    done: [],
    pageSize: 100,
    async send(operation) {
      model.asked.push(operation);
      await model.before?.(operation);
      const result = carryOut(operation);
      await model.after?.(operation);
      return structuredClone(result);
    },
    connector: undefined as unknown as Connector,
    byUserName: (name) => [...accounts.values()].filter((one) => one.attributes.userName === name),
    serve: () => serve(model),
  };
  model.connector = modelConnector((operation) => model.send(operation), options);

  function carryOut(operation: Operation): unknown {
    switch (operation.op) {
      case 'find':
        return find(operation.desired);
      case 'read':
        return accounts.get(operation.id);
      case 'apply':
        return apply(operation.step);
      case 'findGroup':
        return [...groups.values()].find(
          (one) => one.name === operation.name || one.externalId === operation.externalId,
        );
      case 'readGroup':
        return groups.get(operation.id);
      case 'applyGroup':
        return applyGroup(operation.step);
      case 'list':
        return pageOf([...accounts.values()], operation.page, model.told);
      case 'listGroups':
        return pageOf([...groups.values()], operation.page);
    }
  }
  function pageOf<T>(all: T[], page: number, told = all.length): { items: T[]; total: number } | undefined {
    const items = all.slice(page * model.pageSize, (page + 1) * model.pageSize);
    return items.length > 0 || page === 0 ? { items, total: told } : undefined;
  }
  function find({ externalId, attributes }: Desired): Candidate[] {
    const found: Candidate[] = [];
    for (const account of accounts.values()) {
      const by =
        account.externalId === externalId
          ? 'externalId'
          : same(account.attributes.userName, attributes.userName)
            ? 'userName'
            : same(account.attributes.email, attributes.email)
              ? 'email'
              : undefined;
      if (by) found.push({ account, by });
    }
    return found;
  }
  function refuseTaken(desired: Desired, id?: string): void {
    for (const other of accounts.values()) {
      if (other.id === id) continue;
      if (same(other.attributes.userName, desired.attributes.userName))
        throw new Stop('clash', 'userName is taken');
      if (same(other.attributes.email, desired.attributes.email)) throw new Stop('clash', 'email is taken');
    }
  }
  function apply(step: Step): RemoteAccount | undefined {
    if (step.do === 'create' || step.do === 'invite') {
      refuseTaken(step.desired);
      next += 1;
      const account = { id: `a${next}`, ...structuredClone(step.desired) };
      accounts.set(account.id, account);
      model.done.push(step);
      return account;
    }
    const account = accounts.get(step.id);
    if (!account) throw new Stop('gone', 'There is no such account.');
    model.done.push(step);
    if (step.do === 'delete') {
      accounts.delete(step.id);
      for (const group of groups.values()) group.members = group.members.filter((one) => one !== step.id);
      return undefined;
    }
    if (step.do === 'deactivate') account.active = false;
    else {
      refuseTaken(step.desired, step.id);
      const values = Object.fromEntries(
        step.fields.map((name) => [name, step.desired.attributes[name] ?? null]),
      );
      delete values.active;
      delete values.externalId;
      account.attributes = { ...account.attributes, ...values };
      if (step.fields.includes('active')) account.active = step.desired.active;
      if (step.fields.includes('externalId')) account.externalId = step.desired.externalId;
    }
    return account;
  }
  function applyGroup(step: GroupStep): RemoteGroup | undefined {
    if (step.do === 'create-group') {
      if ([...groups.values()].some(({ name }) => name === step.name))
        throw new Stop('clash', 'name is taken');
      next += 1;
      const group = { id: `g${next}`, name: step.name, externalId: step.externalId, members: [] };
      groups.set(group.id, group);
      model.done.push(step);
      return group;
    }
    const group = groups.get(step.id);
    if (!group) throw new Stop('gone', 'There is no such group.');
    model.done.push(step);
    if (step.do === 'delete-group') groups.delete(step.id);
    if (step.do === 'rename-group') group.name = step.name;
    if (step.do === 'add-members') {
      const unknown = step.members.find((one) => !accounts.has(one));
      if (unknown) throw new Stop('refused', `There is no account ${unknown}.`);
      group.members = [...new Set([...group.members, ...step.members])];
    }
    if (step.do === 'remove-members')
      group.members = group.members.filter((one) => !step.members.includes(one));
    return groups.get(step.id);
  }
  return model;
}

const same = (one: unknown, other: unknown) =>
  typeof one === 'string' && typeof other === 'string' && one.toLowerCase() === other.toLowerCase();

type JudgeRule = ReturnType<Connector['open']>['judge'];

/** A connector that hands every operation to `send`. */
export function modelConnector(
  send: Send,
  options: { capabilities?: Partial<Capabilities>; judge?: JudgeRule } = {},
): Connector {
  return {
    name: 'model',
    title: 'Model',
    capabilities: { ...all, ...options.capabilities },
    attributes: [
      { name: 'userName', text: 'Name.', required: true, compare: 'caseless', mapping: 'username' },
      { name: 'email', text: 'Address.', compare: 'caseless', mapping: 'address' },
      { name: 'displayName', text: 'Shown name.', mapping: 'displayName' },
      { name: 'title', text: 'Title.' },
    ],
    profile: {
      name: 'model',
      title: 'Model',
      facts: {
        color: {
          text: 'A switch.',
          value: 'red',
          choices: ['red', 'blue'],
          source: 'us',
          date: '2026',
          trust: 'assumed',
        },
      },
    },
    options: z.strictObject({}),
    credentials: [{ name: 'token', text: 'Token.', required: false }],
    limits: { perMinute: 60_000, burst: 1000, concurrency: 4, timeoutSeconds: 5 },
    open: () => ({
      prepare: async () => ({ prepared: true }),
      find: async (desired) => (await send({ op: 'find', desired })) as Candidate[],
      read: async (id) => (await send({ op: 'read', id })) as RemoteAccount | undefined,
      list: (from) => pages<RemoteAccount>(send, 'list', from),
      apply: async (step) => (await send({ op: 'apply', step })) as RemoteAccount | undefined,
      judge: options.judge ?? (() => ({ standing: 'managed', frozen: [], why: '' })),
      findGroup: async (name, externalId) =>
        (await send({ op: 'findGroup', name, externalId })) as RemoteGroup | undefined,
      readGroup: async (id) => (await send({ op: 'readGroup', id })) as RemoteGroup | undefined,
      listGroups: () => pages<RemoteGroup>(send, 'listGroups'),
      applyGroup: async (step) => (await send({ op: 'applyGroup', step })) as RemoteGroup | undefined,
    }),
  };
}

async function* pages<T>(
  send: Send,
  op: 'list' | 'listGroups',
  from = 0,
): AsyncIterable<{ items: T[]; total: number; at: number }> {
  for (let page = from; ; page += 1) {
    const found = (await send({ op, page })) as { items: T[]; total: number } | undefined;
    if (!found) return;
    yield { ...found, at: page };
  }
}

async function serve(model: ModelTarget): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    let answer: unknown;
    try {
      answer = { result: await model.send(JSON.parse(text)) };
    } catch (error) {
      answer = { failure: { message: (error as Error).message, code: (error as Stop).code } };
    }
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Speaks to a model that `serve` offers. */
export function remoteModel(url: string): Send {
  return async (operation) => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(operation) }).catch(() => {
      throw new Retry('The model does not answer.');
    });
    const { result, failure } = (await response.json()) as {
      result?: unknown;
      failure?: { message: string; code?: Stop['code'] };
    };
    if (!failure) return result;
    throw failure.code ? new Stop(failure.code, failure.message) : new Retry(failure.message);
  };
}
