/** Accounts at a SCIM target: looking for them, reading, listing, changing (RFC 7644 §3). */

import { newId } from '#kit/crypto/ids.ts';
import {
  type Candidate,
  type Desired,
  type RemoteAccount,
  Retry,
  type Step,
  Stop,
} from '#provisioning/connector.ts';
import type { Dialect, Filter } from './dialect.ts';
import { type Exchange, isObject, type Json, own } from './exchange.ts';
import { listPages, resourcesOf } from './paging.ts';
import { addressesOf, type Operation, operationsFor, patchSchema, readUser, writeUser } from './resource.ts';

/** What a kind of target adds. */
export interface AccountHabits {
  /** Completes what was read (the account behind the record). */
  complete?(account: RemoteAccount, resource: Json): RemoteAccount;
  /** Throws Stop when the target would do harm with this change. `before` is what stands there, where it was read. */
  guard?(change: Extract<Step, { do: 'update' }>, before: RemoteAccount | undefined): void;
  /** The change cannot be judged without what stands there. */
  guardNeedsRead?: boolean;
}

export interface Accounts {
  find(desired: Desired): Promise<Candidate[]>;
  read(id: string): Promise<RemoteAccount | undefined>;
  list(from?: number): AsyncIterable<{ items: RemoteAccount[]; total?: number; at?: number }>;
  apply(step: Exclude<Step, { do: 'invite' }>): Promise<RemoteAccount | undefined>;
}

export function createAccounts(exchange: Exchange, dialect: Dialect, habits: AccountHabits = {}): Accounts {
  const refused = new Set<Filter>();

  function account(json: unknown, etag?: string | null): RemoteAccount | undefined {
    const found = readUser(json, dialect.fields, etag);
    return found && habits.complete ? habits.complete(found, json as Json) : found;
  }

  async function fetchUser(id: string): Promise<{ json: Json; account: RemoteAccount } | undefined> {
    const response = await exchange.send({ method: 'GET', path: ['Users', id], take: [404, 410] });
    if (response.status === 404 || response.status === 410) return undefined;
    const found = account(response.json, response.headers.get('etag'));
    if (!found || found.id !== id)
      throw new Retry('The target answered with something that is not the account asked for.');
    return { json: response.json as Json, account: found };
  }

  /** By several things at once, where the target showed that it can; undefined where that says nothing for sure. */
  async function findJoined(desired: Desired): Promise<Candidate[] | undefined> {
    const wanted = wantedBy(dialect.joined, desired);
    const all = wantedBy(dialect.filters, desired);
    if (wanted.length < 2 || wanted.length < all.length) return undefined;
    const found = await search(exchange, wanted);
    const candidates = (found ?? []).map((json) => {
      const by = wanted.find(([filter, value]) => matches(json, filter, value))?.[0];
      const one = account(json);
      return by && one && { account: one, by };
    });
    if (!found || candidates.some((one) => one === undefined)) return undefined;
    return candidates.filter((one) => one !== undefined);
  }

  async function find(desired: Desired): Promise<Candidate[]> {
    const together = await findJoined(desired);
    if (together) return together;
    const candidates: Candidate[] = [];
    let answered = dialect.filters.length === 0;
    for (const [by, value] of wantedBy(dialect.filters, desired)) {
      if (refused.has(by)) continue;
      const found = await search(exchange, [[by, value]]);
      const matching = (found ?? []).filter((json) => matches(json, by, value));
      // A target that answers with others has ignored the filter: whom it left out, nobody knows.
      if (!found || (found.length > 0 && matching.length === 0)) {
        refused.add(by);
        continue;
      }
      answered = true;
      for (const json of matching) {
        const one = account(json);
        if (one && !candidates.some((known) => known.account.id === one.id))
          candidates.push({ account: one, by });
      }
      if (by === 'externalId' && candidates.length > 0) break;
    }
    if (!answered) {
      throw new Stop(
        'impossible',
        `The target takes no filter by ${dialect.filters.join(', ')}, so it cannot be asked whether an account is there already.`,
      );
    }
    return candidates;
  }

  async function* list(from?: number): ReturnType<Accounts['list']> {
    for await (const { resources, ...page } of listPages(exchange, 'Users', dialect, {}, from)) {
      const items = resources.map((json) => account(json)).filter((one) => one !== undefined);
      yield { items, ...page };
    }
  }

  async function create(desired: Desired): Promise<RemoteAccount> {
    const values = fieldsOf(dialect, Object.keys(desired.attributes), desired);
    const body = writeUser({ externalId: desired.externalId, active: desired.active, values }, undefined);
    const response = await exchange.send({ method: 'POST', path: ['Users'], body });
    const made = account(response.json, response.headers.get('etag'));
    if (made) return made;
    // Without a body the address of the new resource says its id (RFC 7644 §3.3).
    const id = response.headers.get('location')?.split('?')[0]?.split('/').at(-1);
    const read = id ? await fetchUser(decodeURIComponent(id)) : undefined;
    if (read) return read.account;
    throw new Retry('The target took the account and did not say its id; it is looked for next time.', {
      kind: 'later',
    });
  }

  async function change(
    id: string,
    fields: readonly string[],
    desired: Desired,
    options: { version?: string; before?: { json: Json; account: RemoteAccount } } = {},
  ): Promise<RemoteAccount | undefined> {
    if (fields.length === 0) return options.before?.account;
    const values = fieldsOf(
      dialect,
      fields.filter((name) => name !== 'active' && name !== 'externalId'),
      desired,
    );
    const externalId = fields.includes('externalId') ? desired.externalId : undefined;
    const active = fields.includes('active') ? desired.active : undefined;
    if (dialect.updateBy === 'patch') {
      const operations: Operation[] = [
        ...(externalId === undefined
          ? []
          : [{ op: 'replace' as const, path: 'externalId', value: externalId }]),
        ...values.flatMap(({ field, value }) => operationsFor(field, value)),
        ...(active === undefined ? [] : [{ op: 'replace' as const, path: 'active', value: active }]),
      ];
      const version = options.before?.account.version ?? options.version;
      return write('PATCH', id, { schemas: [patchSchema], Operations: operations }, version);
    }
    const before = options.before ?? (await fetchUser(id));
    if (!before) throw new Stop('gone', 'The target does not know the account any more.');
    const changes = {
      ...(externalId === undefined ? {} : { externalId }),
      ...(active === undefined ? {} : { active }),
      values,
    };
    const body = writeUser(changes, before.json, { id, drop: dialect.drop });
    return write('PUT', id, body, before.account.version);
  }

  async function write(method: 'PUT' | 'PATCH', id: string, body: unknown, version: string | undefined) {
    const condition = dialect.ifMatch && version !== undefined ? { version } : {};
    const response = await exchange.send({ method, path: ['Users', id], body, ...condition });
    return account(response.json, response.headers.get('etag'));
  }

  async function update(step: Extract<Step, { do: 'update' }>): Promise<RemoteAccount | undefined> {
    const needed = habits.guardNeedsRead || dialect.updateBy === 'put';
    const before = needed ? await fetchUser(step.id) : undefined;
    if (needed && !before) throw new Stop('gone', 'The target does not know the account any more.');
    habits.guard?.(step, before?.account);
    const version = step.version === undefined ? {} : { version: step.version };
    return change(step.id, step.fields, step.desired, before ? { before } : version);
  }

  async function remove(id: string): Promise<undefined> {
    if (!dialect.deletes)
      throw new Stop('impossible', 'Accounts of this target are deactivated, never deleted.');
    if (dialect.deactivateFirst) {
      const before = await fetchUser(id);
      if (!before) return undefined;
      const inactive: Desired = {
        externalId: before.account.externalId ?? '',
        active: false,
        attributes: {},
      };
      if (before.account.active) await change(id, ['active'], inactive, { before });
    }
    await exchange.send({ method: 'DELETE', path: ['Users', id], take: [404, 410] });
    return undefined;
  }

  return {
    find,
    list,
    read: async (id) => (await fetchUser(id))?.account,
    apply: async (step) => {
      if (step.do === 'create') return create(step.desired);
      if (step.do === 'update') return update(step);
      if (step.do === 'delete') return remove(step.id);
      return change(step.id, ['active'], { ...step.desired, active: false });
    },
  };
}

type Wanted = readonly [by: Filter, value: string];

function wantedBy(filters: readonly Filter[], desired: Desired): Wanted[] {
  return filters.flatMap((by): Wanted[] => {
    const value = by === 'externalId' ? desired.externalId : desired.attributes[by];
    return typeof value === 'string' && value !== '' ? [[by, value]] : [];
  });
}

/** Users that have one of these; undefined where the target takes no such filter. */
async function search(exchange: Exchange, wanted: readonly Wanted[]): Promise<Json[] | undefined> {
  const clauses = wanted.map(
    ([by, value]) => `${by === 'email' ? 'emails.value' : by} eq ${JSON.stringify(value)}`,
  );
  const response = await exchange.send({
    method: 'GET',
    path: ['Users'],
    query: { filter: clauses.join(' or ') },
    take: [400, 405, 501],
  });
  if (response.status >= 400) return undefined;
  if (!isObject(response.json))
    throw new Retry('The target answered a search with something that is not JSON.');
  return resourcesOf(response.json);
}

/**
 * Which of these the target can be asked for in one search: it is shown one of its own accounts, asked for by each thing
 * in turn among others that nobody has. Empty where it has no account yet, or finds another one, or none.
 */
export async function provenTogether(exchange: Exchange, filters: readonly Filter[]): Promise<Filter[]> {
  const query = { startIndex: '1', count: '1' };
  const [known] = resourcesOf(await exchange.object({ method: 'GET', path: ['Users'], query }));
  const id = known && own(known, 'id');
  if (!known || typeof id !== 'string') return [];
  const has = filters.flatMap((by): Wanted[] => {
    const value = by === 'email' ? addressesOf(known)[0] : own(known, by);
    return typeof value === 'string' && value !== '' ? [[by, value]] : [];
  });
  const nobody = has.map(([by]): Wanted => [by, `nobody-${newId()}@nowhere.invalid`]);
  // Who finds somebody for nobody does not read the filter.
  if (has.length < 2 || (await search(exchange, nobody))?.length !== 0) return [];
  const proven: Filter[] = [];
  for (const [place, wanted] of has.entries()) {
    const found = await search(exchange, nobody.with(place, wanted));
    if (found?.length === 1 && own(found[0] as Json, 'id') === id) proven.push(wanted[0]);
  }
  return proven;
}

function matches(json: Json, by: Filter, value: string): boolean {
  if (by === 'externalId') return own(json, 'externalId') === value;
  const same = (other: unknown) => typeof other === 'string' && other.toLowerCase() === value.toLowerCase();
  return by === 'userName' ? same(own(json, 'userName')) : addressesOf(json).some(same);
}

function fieldsOf(dialect: Dialect, names: readonly string[], desired: Desired) {
  return names.map((name) => {
    const field = dialect.fields.find(({ spec }) => spec.name === name);
    if (!field) throw new Stop('impossible', `The target has no attribute "${name}".`);
    return { field, value: desired.attributes[name] ?? null };
  });
}
