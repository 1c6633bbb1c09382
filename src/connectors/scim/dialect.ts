/** How one target wants to be spoken to: its profile's facts, what it says of itself, and what an administrator set. */
import { z } from 'zod';
import { Stop } from '#provisioning/connector.ts';
import { isObject, type Json, own } from './exchange.ts';
import type { Field } from './resource.ts';

export type Filter = 'externalId' | 'userName' | 'email';

export interface Dialect {
  fields: readonly Field[];
  updateBy: 'put' | 'patch';
  groupUpdateBy: 'put' | 'patch';
  /** What accounts may be looked for by; empty where an administrator says that the target cannot be asked. */
  filters: readonly Filter[];
  /** Those of them that one search may ask for together, joined by or: the target showed that it can. */
  joined: readonly Filter[];
  groupFilters: readonly ('externalId' | 'displayName')[];
  /** Members are taken away by a filter in the path, or by a list of values (RFC 7644 §3.5.2.2 and older habit). */
  removeMembers: 'filter' | 'value';
  membersBatch: number;
  pageSize: number;
  paging: 'index' | 'cursor';
  deletes: boolean;
  renameGroup: boolean;
  ifMatch: boolean;
  membersTold: boolean;
  /** Groups are looked for and listed without their members, which can be many thousands. */
  excludeMembers: boolean;
  deactivateFirst: boolean;
  /** Members of a user resource that are never sent back. */
  drop: readonly string[];
}

/** What every SCIM target may be told beside its address. Without a value the profile's fact holds. */
export const dialectOptions = {
  updateBy: z.enum(['put', 'patch']).optional().describe('Accounts are changed by PUT or by PATCH.'),
  filters: z
    .array(z.enum(['externalId', 'userName', 'email']))
    .max(3)
    .optional()
    .describe('What accounts may be looked for by. An empty list: the target cannot be asked.'),
  removeMembers: z.enum(['filter', 'value']).optional().describe('How members are taken out of a group.'),
  membersBatch: z.int().min(1).max(10_000).optional().describe('Most members of one change.'),
  pageSize: z.int().min(1).max(10_000).optional().describe('Accounts asked for at once.'),
  deletes: z.boolean().optional().describe('Accounts may be deleted.'),
  contentType: z
    .enum(['application/scim+json', 'application/json'])
    .optional()
    .describe('Media type of requests.'),
};

export interface DialectOptions {
  updateBy?: 'put' | 'patch';
  filters?: Filter[];
  removeMembers?: 'filter' | 'value';
  membersBatch?: number;
  pageSize?: number;
  deletes?: boolean;
  contentType?: 'application/scim+json' | 'application/json';
}

export type Facts = Readonly<Record<string, string | number | boolean>>;

/** What a target says of itself (RFC 7643 §5, RFC 9865 §4), as far as it matters here. Null: it does not say. */
export interface SelfDescription {
  patch: boolean | null;
  filter: boolean | null;
  maxResults: number | null;
  etag: boolean | null;
  cursor: boolean;
  index: boolean;
  cursorByDefault: boolean;
  maxPageSize: number | null;
}

/** Reads a ServiceProviderConfig; wrong types count as not said. */
export function readSelfDescription(json: unknown): SelfDescription {
  const root = isObject(json) ? json : {};
  const part = (name: string): Json => {
    const value = own(root, name);
    return isObject(value) ? value : {};
  };
  const pagination = part('pagination');
  return {
    patch: truth(own(part('patch'), 'supported')),
    filter: truth(own(part('filter'), 'supported')),
    maxResults: size(own(part('filter'), 'maxResults')),
    etag: truth(own(part('etag'), 'supported')),
    cursor: truth(own(pagination, 'cursor')) === true,
    index: truth(own(pagination, 'index')) !== false,
    cursorByDefault: own(pagination, 'defaultPaginationMethod') === 'cursor',
    maxPageSize: size(own(pagination, 'maxPageSize')),
  };
}

const truth = (value: unknown) => (typeof value === 'boolean' ? value : null);
const size = (value: unknown) => (Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : null);

/** Options win over what the target says, that over the profile. */
export function dialectOf(
  fields: readonly Field[],
  options: DialectOptions,
  facts: Facts,
  said: SelfDescription | undefined,
  joined: readonly Filter[] = [],
): Dialect {
  const most = Math.min(said?.maxResults ?? Infinity, said?.maxPageSize ?? Infinity);
  const paging = word(facts, 'paging', ['told', 'index', 'cursor'] as const);
  const told = said?.cursor && (said.cursorByDefault || !said.index) ? 'cursor' : 'index';
  return {
    fields,
    updateBy:
      options.updateBy ??
      (said?.patch === false ? 'put' : word(facts, 'updateBy', ['patch', 'put'] as const)),
    groupUpdateBy: word(facts, 'groupUpdateBy', ['patch', 'put'] as const),
    filters: options.filters ?? words(facts, 'filters', ['externalId', 'userName', 'email'] as const),
    joined: facts.joinedFilters === 'tried' ? joined : [],
    groupFilters: words(facts, 'groupFilters', ['externalId', 'displayName'] as const),
    removeMembers: options.removeMembers ?? word(facts, 'removeMembers', ['filter', 'value'] as const),
    membersBatch: options.membersBatch ?? count(facts, 'membersBatch'),
    pageSize: Math.min(options.pageSize ?? count(facts, 'pageSize'), most),
    paging: paging === 'told' ? told : paging,
    deletes: options.deletes ?? facts.deletes !== false,
    renameGroup: facts.renameGroup !== false,
    ifMatch: facts.ifMatch !== false,
    membersTold: facts.membersTold !== false,
    excludeMembers: facts.excludeMembers !== false,
    deactivateFirst: facts.deactivateFirst === true,
    drop: [],
  };
}

function word<const Choice extends string>(facts: Facts, name: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === facts[name]);
  if (found) return found;
  throw new Stop('impossible', `The fact ${name} must be one of ${choices.join(', ')}.`);
}

function words<const Choice extends string>(
  facts: Facts,
  name: string,
  choices: readonly Choice[],
): Choice[] {
  const given = String(facts[name] ?? '').split(' ');
  return choices.filter((choice) => given.includes(choice));
}

function count(facts: Facts, name: string): number {
  const value = facts[name];
  if (Number.isSafeInteger(value) && Number(value) >= 1) return Number(value);
  throw new Stop('impossible', `The fact ${name} must be a number of 1 or more.`);
}
