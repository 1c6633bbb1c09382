/**
 * A list of networks as somebody publishes it, read without believing it: Atlassian's document and others of its shape
 * (`{ "items": [{ "cidr", "product", "direction" }] }`), a JSON array of networks, or lines of text.
 */
import { canonicalNetwork, isTooWide, networkSet, touchesReserved, widestBits } from './networks.ts';
import type { AllowlistSettings } from './settings.ts';

/** Most networks a list may hold. */
export const mostNetworks = 5000;
/** Largest document, in bytes. Atlassian's has about half a megabyte. */
export const largestDocument = 8 * 1024 * 1024;

// A sixteenth of the internet: no sender is that large, and a list of it would let everyone write.
const mostAddresses = { v4: 1n << 28n, v6: 1n << 124n };

/** The document cannot be used. The message says why, in a sentence for operators. */
export class ListRefused extends Error {
  override name = 'ListRefused';
}

type Choice = Pick<AllowlistSettings, 'product' | 'direction'>;

/**
 * The networks of a document that were asked for, written in one way, sorted, each once.
 * @throws ListRefused when it cannot be read, is empty, too long, or names a network that cannot be a sender's
 */
export function readPublishedList(text: string, choice: Choice): string[] {
  const given = entriesOf(text.replace(/^\ufeff/, ''), choice);
  if (given.length === 0) throw new ListRefused(`There is no network${asked(choice)} in it.`);
  const networks = new Set<string>();
  for (const one of given) {
    const network = typeof one === 'string' ? canonicalNetwork(one) : undefined;
    if (network === undefined) throw new ListRefused(`${quoted(one)} is no network.`);
    if (isTooWide(network))
      throw new ListRefused(
        `${network} is wider than is ever believed (/${widestBits[4]}, IPv6 /${widestBits[6]}).`,
      );
    if (touchesReserved(network)) throw new ListRefused(`${network} is private or reserved.`);
    networks.add(network);
  }
  if (networks.size > mostNetworks)
    throw new ListRefused(`It names ${networks.size} networks; ${mostNetworks} are the most.`);
  const sorted = [...networks].sort(byNumbers);
  const { size } = networkSet(sorted);
  if (size.v4 > mostAddresses.v4 || size.v6 > mostAddresses.v6)
    throw new ListRefused('Together its networks are more than a sixteenth of the internet.');
  return sorted;
}

/** As people read them: by their numbers, IPv4 first. */
export function byNumbers(one: string, other: string): number {
  const [a, b] = [one.includes(':'), other.includes(':')];
  return a === b ? one.localeCompare(other, 'en', { numeric: !a }) : a ? 1 : -1;
}

function asked({ product, direction }: Choice): string {
  const parts = [product && `of the product ${product}`, direction && `in the direction ${direction}`];
  return parts
    .filter(Boolean)
    .map((part) => ` ${part}`)
    .join('');
}

function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'something');
  return `"${text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 60)}"`;
}

function entriesOf(text: string, choice: Choice): unknown[] {
  const start = text.trimStart()[0];
  if (start !== '{' && start !== '[') return linesOf(text);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new ListRefused('It begins like JSON and is none, or was cut off.');
  }
  if (Array.isArray(document)) return document.map((one) => (typeof one === 'object' ? cidrOf(one) : one));
  const { items } = document as { items?: unknown };
  if (!Array.isArray(items)) throw new ListRefused('It has no list named "items".');
  return items.filter((item) => isAsked(item, choice)).map(cidrOf);
}

function linesOf(text: string): string[] {
  if (/^\s*</.test(text)) throw new ListRefused('It is a page, not a list of networks.');
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/[#;].*$/, '').trim())
    .filter((line) => line !== '');
}

const cidrOf = (item: unknown): unknown => (item as { cidr?: unknown } | null)?.cidr ?? item;

/** An entry that says no product or direction (they were added in 2022) is of every one. */
function isAsked(item: unknown, { product, direction }: Choice): boolean {
  const { product: products, direction: directions } = (item ?? {}) as Record<string, unknown>;
  return isAmong(product, products) && isAmong(direction, directions);
}

function isAmong(wanted: string | undefined, given: unknown): boolean {
  if (wanted === undefined || given === undefined || given === null) return true;
  const all = [given].flat().map((one) => String(one).toLowerCase());
  return all.length === 0 || all.includes(wanted.toLowerCase());
}
