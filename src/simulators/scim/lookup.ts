/** Finding users by what they are looked for with, without reading them all. */
import type { Filter } from './filter.ts';
import type { Body } from './schema.ts';

/** Every address of a user, in small letters. */
export function addressesOf(body: Body): string[] {
  const list = (body.emails ?? []) as Body[];
  return list.flatMap(({ value }) => (typeof value === 'string' ? [value.toLowerCase()] : []));
}

export function createIndexes() {
  const userNames = new Map<string, string>();
  const externalIds = new Map<string, Set<string>>();
  const addresses = new Map<string, Set<string>>();
  const nobody: ReadonlySet<string> = new Set();

  function put(index: Map<string, Set<string>>, key: string, id: string): void {
    index.set(key, (index.get(key) ?? new Set()).add(id));
  }
  function drop(index: Map<string, Set<string>>, key: string, id: string): void {
    const ids = index.get(key);
    ids?.delete(id);
    if (ids?.size === 0) index.delete(key);
  }

  return {
    byUserName: (name: string) => userNames.get(name.toLowerCase()),
    byExternalId: (externalId: string) => externalIds.get(externalId) ?? nobody,
    byEmail: (address: string) => addresses.get(address.toLowerCase()) ?? nobody,
    move(id: string, before: Body | undefined, after: Body | undefined): void {
      if (before) {
        userNames.delete(String(before.userName).toLowerCase());
        drop(externalIds, String(before.externalId), id);
        for (const address of addressesOf(before)) drop(addresses, address, id);
      }
      if (!after) return;
      userNames.set(String(after.userName).toLowerCase(), id);
      if (after.externalId !== undefined) put(externalIds, String(after.externalId), id);
      for (const address of addressesOf(after)) put(addresses, address, id);
    },
    /** Ids among which everyone meant by the filter is; undefined when it could be anyone. */
    candidates(filter: Filter): ReadonlySet<string> | undefined {
      if (filter.is === 'and') return this.candidates(filter.sides[0]) ?? this.candidates(filter.sides[1]);
      if (filter.is !== 'compare' || filter.operator !== 'eq' || typeof filter.value !== 'string')
        return undefined;
      const { attribute, sub } = filter.place;
      if (attribute.name === 'id') return new Set([filter.value]);
      if (attribute.name === 'externalId') return this.byExternalId(filter.value);
      if (attribute.name === 'emails' && (!sub || sub.name === 'value')) return this.byEmail(filter.value);
      const id = attribute.name === 'userName' ? this.byUserName(filter.value) : undefined;
      return attribute.name === 'userName' ? new Set(id === undefined ? [] : [id]) : undefined;
    },
    clear(): void {
      for (const each of [userNames, externalIds, addresses]) each.clear();
    },
  };
}
