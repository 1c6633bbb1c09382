/** The SCIM endpoints of a directory (RFC 7644 §3): who asks for what, and how the answer is written. */
import { type Abilities, resourceType, schemaDocument, serviceProviderConfig } from './discovery.ts';
import { type Answer, type Exchange, readJson } from './exchange.ts';
import { type Filter, readFilter } from './filter.ts';
import { Refusal } from './refusal.ts';
import { type Change, type Directory, etag, type Kind, namesVersion, type Resource } from './resources.ts';
import { type Body, placeOf, type ResourceSchema } from './schema.ts';

export interface EndpointOptions extends Abilities {
  directory: Directory;
  userSchema: ResourceSchema;
  groupSchema: ResourceSchema;
  /** The base address, known once the server listens. */
  base(): string;
  /** Members a kind of target adds to a user. */
  extra?(user: Resource): Body;
  /** Throws Refusal for filters this kind of target does not take. */
  checkFilter?(filter: Filter, kind: Kind): void;
}

export interface Handled {
  answer: Answer;
  change?: Change;
}

const listUrn = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';
const mediaType = 'application/scim+json; charset=utf-8';

export const scimAnswer = (status: number, body?: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: body === undefined ? headers : { 'content-type': mediaType, ...headers },
  body: body === undefined ? undefined : JSON.stringify(body),
});

/** Every path below the base that stands for something. `segments` are decoded, without the base. */
export function createEndpoints(options: EndpointOptions) {
  const { directory } = options;
  const schemas: Record<Kind, ResourceSchema> = { User: options.userSchema, Group: options.groupSchema };

  const toBody = (resource: Resource) => written(resource, true);
  const leanBody = (resource: Resource) => written(resource, false);

  return function handle(exchange: Exchange, segments: readonly string[]): Handled {
    const [first = '', id, ...rest] = segments;
    const kind = first === 'Users' ? 'User' : first === 'Groups' ? 'Group' : undefined;
    if (kind && rest.length === 0)
      return id === undefined ? collection(exchange, kind) : single(exchange, kind, id);
    if (first === 'Me' || first === 'Bulk') throw new Refusal(501, `/${first} is not supported.`);
    return { answer: discovery(exchange, segments) };
  };

  function collection(exchange: Exchange, kind: Kind): Handled {
    if (exchange.method === 'GET') return { answer: list(exchange, kind) };
    if (exchange.method !== 'POST') throw notAllowed(exchange);
    const select = selection(exchange, schemas[kind]);
    const { resource, change } = directory.create(kind, readJson(exchange));
    return { answer: shown(201, resource, select), change };
  }

  function single(exchange: Exchange, kind: Kind, id: string): Handled {
    const ifMatch = options.etag ? exchange.header('if-match') : undefined;
    if (exchange.method === 'DELETE')
      return { change: directory.remove(kind, id, ifMatch), answer: scimAnswer(204) };
    const select = selection(exchange, schemas[kind]);
    if (exchange.method === 'GET') {
      const resource = directory.read(kind, id);
      const known = exchange.header('if-none-match');
      if (options.etag && known && namesVersion(known, resource))
        return { answer: scimAnswer(304, undefined, { etag: etag(resource) }) };
      return { answer: shown(200, resource, select) };
    }
    if (exchange.method !== 'PUT' && exchange.method !== 'PATCH') throw notAllowed(exchange);
    const what = exchange.method === 'PUT' ? 'replace' : 'patch';
    const { resource, change } = directory.change(kind, id, { what, request: readJson(exchange), ifMatch });
    return { answer: shown(200, resource, select), change };
  }

  function shown(status: number, resource: Resource, select: (body: Body) => Body): Answer {
    const body = toBody(resource);
    const location = String((body.meta as Body).location);
    const headers = { location, ...(options.etag ? { etag: etag(resource) } : {}) };
    return scimAnswer(status, select(body), headers);
  }

  function list(exchange: Exchange, kind: Kind): Answer {
    const { query } = exchange;
    const select = selection(exchange, schemas[kind]);
    if (query.has('sortBy')) throw new Refusal(400, 'Sorting is not supported.', 'invalidValue');
    const filterText = query.get('filter');
    const filter = filterText === null ? undefined : readFilter(schemas[kind], filterText);
    if (filter) options.checkFilter?.(filter, kind);
    // Members are many: they are only written out where someone looks at them.
    const seen = filterText?.toLowerCase().includes('members') ? toBody : leanBody;
    const found = directory.list(kind, filter, seen);
    const write = query.get('excludedAttributes')?.toLowerCase().split(',').includes('members')
      ? leanBody
      : toBody;
    const startIndex = Math.max(1, wholeNumber(query, 'startIndex') ?? 1);
    const count = Math.min(Math.max(0, wholeNumber(query, 'count') ?? options.pageCap), options.pageCap);
    const page = found.slice(startIndex - 1, startIndex - 1 + count);
    return scimAnswer(200, {
      schemas: [listUrn],
      totalResults: found.length,
      startIndex,
      itemsPerPage: page.length,
      Resources: page.map((one) => select(write(one))),
    });
  }

  /** The resource as it is written. */
  function written(resource: Resource, withMembers: boolean): Body {
    const { kind, id } = resource;
    const schema = schemas[kind];
    const at = (path: string, value: string) => `${options.base()}/${path}/${value}`;
    const extra: Body = kind === 'User' ? { ...memberships(id, at), ...options.extra?.(resource) } : {};
    const body: Body = { ...resource.body, ...extra };
    if (kind === 'Group' && withMembers)
      body.members = [...resource.members].map((value) => member(value, at));
    const extensions = Object.keys(body).filter((key) => key.startsWith('urn:'));
    return {
      schemas: [schema.urn, ...extensions],
      id,
      ...body,
      meta: {
        resourceType: kind,
        created: resource.created,
        lastModified: resource.modified,
        location: at(schema.endpoint.slice(1), id),
        ...(options.etag ? { version: etag(resource) } : {}),
      },
    };
  }

  function memberships(id: string, at: (path: string, value: string) => string): Body {
    const groups = directory.groupsOf(id).map((group) => ({
      value: group.id,
      $ref: at('Groups', group.id),
      display: group.body.displayName!,
      type: 'direct',
    }));
    return { groups };
  }

  function member(value: string, at: (path: string, value: string) => string): Body {
    const user = directory.find('User', value);
    const display = user?.body.displayName ?? user?.body.userName;
    const type = directory.find('Group', value) ? 'Group' : 'User';
    return { value, $ref: at(`${type}s`, value), type, ...(display === undefined ? {} : { display }) };
  }

  function discovery(exchange: Exchange, segments: readonly string[]): Answer {
    const [first, name, ...rest] = segments;
    const base = options.base();
    const types = [options.userSchema, options.groupSchema];
    const extensions = types.flatMap((one) => one.extensions);
    const answers: Record<string, () => Body[]> = {
      ServiceProviderConfig: () => [serviceProviderConfig(options, base)],
      ResourceTypes: () => types.map((one) => resourceType(one, base)),
      Schemas: () => [...types, ...extensions].map((one) => schemaDocument(one, base)),
    };
    const make = Object.hasOwn(answers, first ?? '') ? answers[first as string] : undefined;
    if (!make || rest.length > 0) throw new Refusal(404, 'There is no such endpoint.');
    if (exchange.method !== 'GET') throw notAllowed(exchange);
    // RFC 7644 §4: a filter on these must not be answered.
    if (exchange.query.has('filter')) throw new Refusal(403, 'These resources cannot be filtered.');
    const found = make();
    if (first === 'ServiceProviderConfig' && name === undefined) return scimAnswer(200, found[0]);
    if (name !== undefined) {
      const one = found.find(({ id }) => String(id).toLowerCase() === name.toLowerCase());
      if (!one) throw new Refusal(404, `There is no ${name.slice(0, 120)}.`);
      return scimAnswer(200, one);
    }
    return scimAnswer(200, {
      schemas: [listUrn],
      totalResults: found.length,
      startIndex: 1,
      itemsPerPage: found.length,
      Resources: found,
    });
  }
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw new Refusal(400, `${name} must be a whole number.`, 'invalidValue');
  return Number(text);
}

function notAllowed(exchange: Exchange): Refusal {
  return new Refusal(405, `${exchange.method} is not possible here.`);
}

/** `attributes` or `excludedAttributes` (RFC 7644 §3.9); id and schemas always stay. */
function selection(exchange: Exchange, schema: ResourceSchema): (body: Body) => Body {
  const wanted = exchange.query.get('attributes');
  const unwanted = exchange.query.get('excludedAttributes');
  if (wanted !== null && unwanted !== null)
    throw new Refusal(400, 'attributes and excludedAttributes exclude each other.', 'invalidValue');
  const places = (wanted ?? unwanted ?? '').split(',').flatMap((name) => placeOf(schema, name.trim()) ?? []);
  if (wanted === null && unwanted === null) return (body) => body;
  return (body) => {
    const result: Body = wanted === null ? structuredClone(body) : { schemas: body.schemas!, id: body.id! };
    for (const { extension, attribute, sub } of places) {
      const from = (extension ? body[extension.urn] : body) as Body | undefined;
      if (from?.[attribute.name] === undefined) continue;
      if (wanted === null) without(result, extension?.urn, attribute.name, sub?.name);
      else
        put(
          result,
          extension?.urn,
          attribute.name,
          sub ? only(from[attribute.name]!, sub.name) : from[attribute.name]!,
        );
    }
    return result;
  };
}

function put(result: Body, urn: string | undefined, name: string, value: Body[string]): void {
  if (urn === undefined) result[name] = value;
  else result[urn] = { ...(result[urn] as Body | undefined), [name]: value };
}

function only(value: Body[string], sub: string): Body[string] {
  if (Array.isArray(value)) return value.map((one) => only(one, sub));
  const one = (value as Body)[sub];
  return one === undefined ? {} : { [sub]: one };
}

function without(result: Body, urn: string | undefined, name: string, sub: string | undefined): void {
  if (name === 'id' && urn === undefined) return;
  const owner = (urn === undefined ? result : result[urn]) as Body;
  if (sub === undefined) delete owner[name];
  else for (const one of [owner[name]].flat()) delete (one as Body)[sub];
}
