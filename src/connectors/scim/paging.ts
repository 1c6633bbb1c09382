/** Listing page by page: by index (RFC 7644 §3.4.2.4) or by cursor (RFC 9865), whatever the totals claim. */
import { Retry, Stop } from '#provisioning/connector.ts';
import type { Dialect } from './dialect.ts';
import { type Exchange, isObject, isUsableId, type Json, own, refusalOf } from './exchange.ts';

/** More than any known target holds; a listing that grows past it does not end. */
const mostResources = 2_000_000;

export interface Page {
  resources: Json[];
  total?: number;
  /** Place of its first resource, from 1, where pages are asked for by number. */
  at?: number;
}

/**
 * Every resource once, in the target's order. Ends at the first page that brings nothing, so totals can be wrong in
 * both directions. Throws Stop('refused') when pages repeat although more is promised: half a list must not pass as one.
 * @param from place to begin at, from 1; with cursors, which end with their conversation, it is the beginning always
 */
export async function* listPages(
  exchange: Exchange,
  endpoint: string,
  dialect: Dialect,
  query: Readonly<Record<string, string>> = {},
  from = 1,
): AsyncIterable<Page> {
  const seen = new Set<string>();
  const pages =
    dialect.paging === 'cursor'
      ? cursorPages(exchange, endpoint, dialect.pageSize, query)
      : indexPages(exchange, endpoint, dialect.pageSize, query, { seen, from });
  for await (const page of pages) {
    const fresh = page.resources.filter((resource) => {
      const id = own(resource, 'id');
      if (!isUsableId(id) || seen.has(id)) return false;
      seen.add(id);
      return true;
    });
    if (seen.size > mostResources) throw new Stop('refused', 'The listing of the target does not end.');
    yield { ...page, resources: fresh };
  }
}

async function* indexPages(
  exchange: Exchange,
  endpoint: string,
  size: number,
  query: Readonly<Record<string, string>>,
  { seen, from }: { seen: ReadonlySet<string>; from: number },
): AsyncIterable<Page> {
  let start = from;
  // What stands before the beginning was seen by somebody else.
  const reached = () => from - 1 + seen.size;
  for (;;) {
    const paged = { ...query, startIndex: String(start), count: String(size) };
    const json = await exchange.object({ method: 'GET', path: [endpoint], query: paged });
    const resources = resourcesOf(json);
    const total = whole(own(json, 'totalResults'));
    const before = seen.size;
    if (resources.length > 0 || start === from)
      yield { resources, at: start, ...(total === undefined ? {} : { total }) };
    if (resources.length === 0) return;
    if (seen.size === before) {
      if (total !== undefined && reached() < total) {
        throw new Stop('refused', `The target promises ${total} entries and repeats the same ${reached()}.`);
      }
      return;
    }
    // itemsPerPage may be less than asked for; a page that is not full is the last one unless more is promised.
    const told = whole(own(json, 'itemsPerPage'));
    const full = resources.length >= Math.min(size, told && told > 0 ? told : size);
    if (!full && !(total !== undefined && reached() < total)) return;
    start += resources.length;
  }
}

async function* cursorPages(
  exchange: Exchange,
  endpoint: string,
  size: number,
  query: Readonly<Record<string, string>>,
): AsyncIterable<Page> {
  const used = new Set<string>();
  let cursor = '';
  for (;;) {
    used.add(cursor);
    const response = await exchange.send({
      method: 'GET',
      path: [endpoint],
      query: { ...query, cursor, count: String(size) },
      take: [400],
    });
    if (response.status === 400) {
      const { scimType, detail } = refusalOf(response, []);
      if (scimType === 'expiredCursor' || scimType === 'invalidCursor')
        throw new Retry('The listing took longer than the target keeps its place; it starts again.', {
          kind: 'later',
        });
      throw new Stop('refused', `The target refuses the listing: ${detail}`);
    }
    if (!isObject(response.json))
      throw new Retry('The target answered a listing with something that is not JSON.');
    const total = whole(own(response.json, 'totalResults'));
    yield { resources: resourcesOf(response.json), ...(total === undefined ? {} : { total }) };
    const next = own(response.json, 'nextCursor');
    if (typeof next !== 'string' || next === '') return;
    if (used.has(next)) throw new Stop('refused', 'The listing of the target leads back to where it was.');
    cursor = next;
  }
}

/** The entries of an answer to a query; one resource alone counts as a list of one. */
export function resourcesOf(json: Json): Json[] {
  const list = own(json, 'Resources');
  if (Array.isArray(list)) return list.filter(isObject);
  if (list === undefined || list === null) {
    if (own(json, 'totalResults') !== undefined) return [];
    if (own(json, 'id') !== undefined) return [json];
  }
  throw new Retry('The target answered a query with something that is not a list.');
}

const whole = (value: unknown) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined;
