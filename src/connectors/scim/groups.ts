/** Groups at a SCIM target and who is in them (RFC 7643 §4.2, RFC 7644 §3.5.2). */
import { type GroupStep, type RemoteGroup, Retry, Stop } from '#provisioning/connector.ts';
import type { Dialect } from './dialect.ts';
import { type Exchange, isObject, type Json, own } from './exchange.ts';
import { listPages, resourcesOf } from './paging.ts';
import { groupSchema, type Operation, patchSchema, readGroupResource } from './resource.ts';

export interface Groups {
  findGroup(name: string, externalId: string): Promise<RemoteGroup | undefined>;
  readGroup(id: string): Promise<RemoteGroup | undefined>;
  listGroups(): AsyncIterable<{ items: RemoteGroup[]; total?: number }>;
  applyGroup(step: GroupStep): Promise<RemoteGroup | undefined>;
}

export function createGroups(exchange: Exchange, dialect: Dialect): Groups {
  const told = dialect.membersTold ? 'told' : 'untold';
  const brief: Record<string, string> = dialect.excludeMembers ? { excludedAttributes: 'members' } : {};

  async function fetchGroup(id: string): Promise<{ json: Json; group: RemoteGroup } | undefined> {
    const response = await exchange.send({ method: 'GET', path: ['Groups', id], take: [404, 410] });
    if (response.status === 404 || response.status === 410) return undefined;
    const group = readGroupResource(response.json, told, response.headers.get('etag'));
    if (!group || group.id !== id)
      throw new Retry('The target answered with something that is not the group asked for.');
    return { json: response.json as Json, group };
  }

  async function findGroup(name: string, externalId: string): Promise<RemoteGroup | undefined> {
    let answered = false;
    for (const by of dialect.groupFilters) {
      const value = by === 'externalId' ? externalId : name;
      if (value === '') continue;
      const filter = `${by} eq ${JSON.stringify(value)}`;
      const response = await exchange.send({
        method: 'GET',
        path: ['Groups'],
        query: { filter, ...brief },
        take: [400, 405, 501],
      });
      if (response.status >= 400) continue;
      if (!isObject(response.json))
        throw new Retry('The target answered a search with something that is not JSON.');
      answered = true;
      const groups = resourcesOf(response.json)
        .map((json) => readGroupResource(json, 'untold'))
        .filter((group) => group !== undefined);
      const match = groups.find((group) =>
        by === 'externalId'
          ? group.externalId === externalId
          : group.name.toLowerCase() === name.toLowerCase(),
      );
      if (match) return match;
      if (groups.length > 0) answered = false;
    }
    if (!answered)
      throw new Stop(
        'impossible',
        'The target takes no filter on groups, so it cannot be asked whether one is there already.',
      );
    return undefined;
  }

  async function* listGroups(): AsyncIterable<{ items: RemoteGroup[]; total?: number }> {
    for await (const { resources, total } of listPages(exchange, 'Groups', dialect, brief)) {
      const items = resources
        .map((json) => readGroupResource(json, 'untold'))
        .filter((group) => group !== undefined);
      yield { items, ...(total === undefined ? {} : { total }) };
    }
  }

  async function create(name: string, externalId: string): Promise<RemoteGroup> {
    const body = { schemas: [groupSchema], displayName: name, ...(externalId === '' ? {} : { externalId }) };
    const response = await exchange.send({ method: 'POST', path: ['Groups'], body });
    const made = readGroupResource(response.json, told, response.headers.get('etag'));
    if (made) return made;
    const found = await findGroup(name, externalId);
    if (found) return found;
    throw new Retry('The target took the group and did not say its id; it is looked for next time.', {
      kind: 'later',
    });
  }

  async function patch(id: string, operations: readonly Operation[]): Promise<RemoteGroup | undefined> {
    const body = { schemas: [patchSchema], Operations: operations };
    const response = await exchange.send({ method: 'PATCH', path: ['Groups', id], body });
    return readGroupResource(response.json, told, response.headers.get('etag'));
  }

  /** The whole group, changed: for targets without PATCH. */
  async function put(
    id: string,
    change: (group: RemoteGroup) => { name?: string; members?: readonly string[] },
  ): Promise<RemoteGroup | undefined> {
    const before = await fetchGroup(id);
    if (!before) throw new Stop('gone', 'The target does not know the group any more.');
    const { name, members } = change(before.group);
    const kept = (members ?? before.group.members ?? []).map((value) => ({ value }));
    const externalId = own(before.json, 'externalId');
    const body = {
      schemas: [groupSchema],
      id,
      displayName: name ?? before.group.name,
      ...(typeof externalId === 'string' ? { externalId } : {}),
      members: kept,
    };
    const condition = dialect.ifMatch && before.group.version ? { version: before.group.version } : {};
    const response = await exchange.send({ method: 'PUT', path: ['Groups', id], body, ...condition });
    return readGroupResource(response.json, told, response.headers.get('etag'));
  }

  async function addMembers(id: string, members: readonly string[]): Promise<RemoteGroup | undefined> {
    if (dialect.groupUpdateBy === 'put')
      return put(id, (group) => ({ members: [...new Set([...(group.members ?? []), ...members])] }));
    const value = (ids: readonly string[]) => ids.map((one) => ({ value: one }));
    let last: RemoteGroup | undefined;
    for (const batch of batches(members, dialect.membersBatch)) {
      try {
        last = await patch(id, [{ op: 'add', path: 'members', value: value(batch) }]);
      } catch (error) {
        // Some refuse a member who is there already, and with it the whole batch.
        const missing = await leftOver(error, id, (inside) => batch.filter((one) => !inside.has(one)), batch);
        if (missing.length > 0)
          last = await patch(id, [{ op: 'add', path: 'members', value: value(missing) }]);
      }
    }
    return last;
  }

  async function removeMembers(id: string, members: readonly string[]): Promise<RemoteGroup | undefined> {
    if (dialect.groupUpdateBy === 'put') {
      const leaving = new Set(members);
      return put(id, (group) => ({ members: (group.members ?? []).filter((one) => !leaving.has(one)) }));
    }
    const operations = (ids: readonly string[]): Operation[] =>
      dialect.removeMembers === 'value'
        ? [{ op: 'remove', path: 'members', value: ids.map((value) => ({ value })) }]
        : ids.map((one) => ({ op: 'remove', path: `members[value eq ${JSON.stringify(one)}]` }));
    let last: RemoteGroup | undefined;
    for (const batch of batches(members, dialect.membersBatch)) {
      try {
        last = await patch(id, operations(batch));
      } catch (error) {
        // Some refuse to remove who is not there (noTarget), and with it the whole batch.
        const inside = await leftOver(error, id, (now) => batch.filter((one) => now.has(one)), batch);
        if (inside.length > 0) last = await patch(id, operations(inside));
      }
    }
    return last;
  }

  /** What is still to do of a batch that was refused; throws the refusal when the group does not explain it. */
  async function leftOver(
    error: unknown,
    id: string,
    pick: (inside: ReadonlySet<string>) => string[],
    batch: readonly string[],
  ): Promise<string[]> {
    const explainable = error instanceof Stop && ['clash', 'refused', 'gone'].includes(error.code);
    if (!explainable || !dialect.membersTold) throw error;
    const now = await fetchGroup(id);
    if (!now) throw new Stop('gone', 'The target does not know the group any more.');
    const left = pick(new Set(now.group.members));
    if (left.length === batch.length) throw error;
    return left;
  }

  async function rename(id: string, name: string): Promise<RemoteGroup | undefined> {
    if (!dialect.renameGroup) throw new Stop('impossible', 'Groups of this target cannot be renamed.');
    if (dialect.groupUpdateBy === 'put') return put(id, () => ({ name }));
    return patch(id, [{ op: 'replace', path: 'displayName', value: name }]);
  }

  return {
    findGroup,
    listGroups,
    readGroup: async (id) => (await fetchGroup(id))?.group,
    applyGroup: async (step) => {
      if (step.do === 'create-group') return create(step.name, step.externalId);
      if (step.do === 'rename-group') return rename(step.id, step.name);
      if (step.do === 'add-members') return addMembers(step.id, step.members);
      if (step.do === 'remove-members') return removeMembers(step.id, step.members);
      await exchange.send({ method: 'DELETE', path: ['Groups', step.id], take: [404, 410] });
      return undefined;
    },
  };
}

function* batches(members: readonly string[], size: number): Iterable<readonly string[]> {
  for (let start = 0; start < members.length; start += size) yield members.slice(start, start + size);
}
