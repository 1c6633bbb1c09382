/** PATCH of RFC 7644 §3.5.2, all operations or none: the caller hands over a copy and keeps it when this returns. */
import { type Filter, matches, readElementFilter } from './filter.ts';
import { Refusal } from './refusal.ts';
import {
  type Body,
  extensionOf,
  type Json,
  type Place,
  placeOf,
  type ResourceSchema,
  takeOne,
  takeValue,
} from './schema.ts';

const patchUrn = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const mostOperations = 1000;

interface Operation {
  op: 'add' | 'replace' | 'remove';
  path?: string;
  value?: Json;
}

interface Target extends Place {
  filter?: Filter;
}

/** Applies the operations to `body` in place. Throws Refusal 400, and then `body` is worth nothing. */
export function applyPatch(schema: ResourceSchema, body: Body, request: unknown): void {
  for (const operation of readOperations(request)) {
    if (operation.path === undefined) patchWhole(schema, body, operation);
    else patchPath(schema, body, operation as Operation & { path: string });
  }
  for (const { required, name } of schema.attributes) {
    if (required && (body[name] === undefined || body[name] === ''))
      throw new Refusal(400, `Attribute ${name} is required and cannot be taken away.`, 'mutability');
  }
}

function readOperations(request: unknown): Operation[] {
  const { schemas, ...rest } = (request ?? {}) as Record<string, unknown>;
  if (!Array.isArray(schemas) || !schemas.some((one) => String(one).toLowerCase() === patchUrn.toLowerCase()))
    throw new Refusal(400, `schemas must name ${patchUrn}.`, 'invalidSyntax');
  const list = Object.entries(rest).find(([key]) => key.toLowerCase() === 'operations')?.[1];
  if (!Array.isArray(list) || list.length === 0)
    throw new Refusal(400, 'Operations must be a list with one operation at least.', 'invalidSyntax');
  if (list.length > mostOperations)
    throw new Refusal(400, `Operations may hold ${mostOperations}.`, 'tooMany');
  return list.map((one: unknown) => {
    const { op, path, value } = (one ?? {}) as Record<string, unknown>;
    const kind = typeof op === 'string' ? op.toLowerCase() : '';
    if (kind !== 'add' && kind !== 'replace' && kind !== 'remove')
      throw new Refusal(400, 'op must be add, replace or remove.', 'invalidSyntax');
    if (path !== undefined && typeof path !== 'string')
      throw new Refusal(400, 'path must be a text.', 'invalidPath');
    if (kind === 'remove' && !path) throw new Refusal(400, 'remove needs a path.', 'noTarget');
    if (kind !== 'remove' && value === undefined)
      throw new Refusal(400, `${kind} needs a value.`, 'invalidValue');
    return { op: kind, path: path as string | undefined, value: value as Json | undefined };
  });
}

function patchWhole(schema: ResourceSchema, body: Body, { op, value }: Operation): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, 'Without a path the value must be an object.', 'invalidValue');
  for (const [key, member] of Object.entries(value)) {
    if (key.toLowerCase() === 'schemas') continue;
    if (key.includes('.') && !extensionOf(schema, key))
      throw new Refusal(400, `${key} is a path; as a name in a value it means nothing.`, 'invalidPath');
    patchPath(schema, body, { op, path: key, value: member });
  }
}

function patchPath(schema: ResourceSchema, body: Body, operation: Operation & { path: string }): void {
  const extension = extensionOf(schema, operation.path);
  if (extension) {
    patchExtension(schema, body, operation, extension.urn);
    return;
  }
  const target = readPath(schema, operation.path);
  if (target.attribute.mutability === 'readOnly' || target.sub?.mutability === 'readOnly')
    throw new Refusal(400, `${operation.path} is read-only.`, 'mutability');
  const owner = target.extension ? ownerOf(body, target.extension.urn) : body;
  if (target.attribute.many) patchList(owner, target, operation);
  else patchSingle(owner, target, operation);
  if (target.extension && Object.keys(owner).length === 0) delete body[target.extension.urn];
}

function patchExtension(schema: ResourceSchema, body: Body, operation: Operation, urn: string): void {
  if (operation.op === 'remove') {
    delete body[urn];
    return;
  }
  if (typeof operation.value !== 'object' || operation.value === null || Array.isArray(operation.value))
    throw new Refusal(400, `${urn} must be an object.`, 'invalidValue');
  for (const [key, value] of Object.entries(operation.value))
    patchPath(schema, body, { op: operation.op, path: `${urn}:${key}`, value });
}

function ownerOf(body: Body, urn: string): Body {
  body[urn] ??= {};
  return body[urn] as Body;
}

/** `attribute`, `attribute.sub`, `attribute[filter]`, `attribute[filter].sub`, each with or without its schema. */
function readPath(schema: ResourceSchema, path: string): Target {
  const open = path.indexOf('[');
  if (open === -1) {
    const place = placeOf(schema, path);
    if (place) return place;
    throw new Refusal(400, `There is no attribute ${path.slice(0, 120)}.`, 'invalidPath');
  }
  const close = path.lastIndexOf(']');
  const tail = path.slice(close + 1);
  const place = placeOf(schema, path.slice(0, open));
  if (!place || place.sub || close < open || (tail !== '' && !tail.startsWith('.')))
    throw new Refusal(400, `The path ${path.slice(0, 120)} cannot be read.`, 'invalidPath');
  const filter = readElementFilter(place.attribute, path.slice(open + 1, close));
  if (!tail) return { ...place, filter };
  const sub = place.attribute.sub?.find((one) => one.name.toLowerCase() === tail.slice(1).toLowerCase());
  if (!sub) throw new Refusal(400, `${place.attribute.name} has no ${tail.slice(1)}.`, 'invalidPath');
  return { ...place, filter, sub };
}

function patchSingle(owner: Body, { attribute, sub, filter }: Target, { op, value }: Operation): void {
  if (filter) throw new Refusal(400, `${attribute.name} is no list.`, 'invalidPath');
  if (!sub) {
    const taken = op === 'remove' ? undefined : takeValue(attribute, value as Json);
    if (taken === undefined) delete owner[attribute.name];
    else if (attribute.type === 'complex')
      owner[attribute.name] = { ...(owner[attribute.name] as Body), ...(taken as Body) };
    else owner[attribute.name] = taken;
    return;
  }
  const holder = { ...(owner[attribute.name] as Body | undefined) };
  setSub(holder, sub, op === 'remove' ? undefined : takeValue(sub, value as Json));
  if (Object.keys(holder).length > 0) owner[attribute.name] = holder;
  else delete owner[attribute.name];
}

function setSub(holder: Body, sub: { name: string }, value: Json | undefined): void {
  if (value === undefined) delete holder[sub.name];
  else holder[sub.name] = value;
}

function patchList(owner: Body, target: Target, operation: Operation): void {
  const { attribute, sub } = target;
  const list = (owner[attribute.name] as Body[] | undefined) ?? [];
  let after: Body[];
  if (target.filter) after = patchMatching(list, { ...target, filter: target.filter }, operation);
  else if (sub) after = patchEvery(list, target, operation);
  else if (operation.op === 'remove') after = withoutValues(list, target, operation.value);
  else {
    const given = (Array.isArray(operation.value) ? operation.value : [operation.value as Json]).map(
      (one) => takeOne(attribute, one) as Body,
    );
    after = operation.op === 'replace' ? withValues([], given) : withValues(list, given);
  }
  if (after.length > 0) owner[attribute.name] = after;
  else delete owner[attribute.name];
}

function patchEvery(list: Body[], { attribute, sub }: Target, { op, value }: Operation): Body[] {
  if (list.length === 0 && op !== 'remove')
    throw new Refusal(400, `${attribute.name} holds nothing to change.`, 'noTarget');
  const taken = op === 'remove' ? undefined : takeValue(sub!, value as Json);
  return list.map((element) => {
    const changed = { ...element };
    setSub(changed, sub!, taken);
    return changed;
  });
}

function patchMatching(
  list: Body[],
  { attribute, sub, filter }: Target & { filter: Filter },
  { op, value }: Operation,
): Body[] {
  const found = list.filter((element) => matches(filter, element));
  if (op === 'remove') {
    if (!sub) return list.filter((element) => !found.includes(element));
    return list.map((element) => {
      if (!found.includes(element)) return element;
      const { [sub.name]: _gone, ...rest } = element;
      return rest as Body;
    });
  }
  const change = sub
    ? { [sub.name]: takeValue(sub, value as Json) as Json }
    : (takeOne(attribute, value as Json) as Body);
  if (found.length === 0) {
    const seed = op === 'add' ? seedOf(filter) : undefined;
    if (!seed) throw new Refusal(400, `No value of ${attribute.name} is meant by the path.`, 'noTarget');
    return withValues(list, [{ ...seed, ...change }]);
  }
  const changed = list.map((element) => (found.includes(element) ? { ...element, ...change } : element));
  return change.primary === true ? demoted(changed, { ...found[0], ...change }) : changed;
}

/** What an element must hold to be meant by a filter of equalities; undefined for other filters. */
function seedOf(filter: Filter): Body | undefined {
  if (filter.is === 'compare' && filter.operator === 'eq' && !filter.place.sub)
    return { [filter.place.attribute.name]: filter.value };
  if (filter.is !== 'and') return undefined;
  const [left, right] = filter.sides.map(seedOf);
  return left && right && { ...left, ...right };
}

/** Adds what is not there yet; of members one value is one element whatever else they say. */
function withValues(list: readonly Body[], given: readonly Body[]): Body[] {
  const key = (element: Body) =>
    typeof element.value === 'string' ? `${element.value}\n${element.type ?? ''}` : JSON.stringify(element);
  const seen = new Map(list.map((element) => [key(element), element]));
  for (const element of given) seen.set(key(element), { ...seen.get(key(element)), ...element });
  const all = [...seen.values()];
  const primary = given.findLast((element) => element.primary === true);
  return primary ? demoted(all, primary) : all;
}

/** Only one value is primary: the one that was set last (RFC 7644 §3.5.2). */
function demoted(list: Body[], keep: Body): Body[] {
  return list.map((element) =>
    element.primary === true && (element.value !== keep.value || element.type !== keep.type)
      ? { ...element, primary: false }
      : element,
  );
}

/** `remove` with a list of values takes those away, without one everything. */
function withoutValues(list: Body[], { attribute }: Target, value: Json | undefined): Body[] {
  if (value === undefined || value === null) return [];
  const given = Array.isArray(value) ? value : [value];
  const gone = new Set(given.map((one) => (takeOne(attribute, one) as Body).value));
  return list.filter((element) => !gone.has(element.value as Json));
}
