/** Networks as sets of addresses: is this one among them, how many are they, how many went. */
import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** One family's addresses as ranges that neither touch nor overlap, lowest first; both ends belong to them. */
interface Range {
  first: bigint;
  last: bigint;
}

/** How many addresses, IPv4 and IPv6 each by their own measure: one is nothing beside the other. */
export interface Measure {
  v4: bigint;
  v6: bigint;
}

export interface NetworkSet {
  /** Takes addresses as sockets tell them, IPv4 in the form of IPv6 among them. False for what is no address. */
  contains(address: string): boolean;
  readonly size: Measure;
  readonly v4: readonly Range[];
  readonly v6: readonly Range[];
}

interface Network extends Range {
  family: 4 | 6;
  bits: number;
}

/** Wider ones would be a mistake: they let everyone write. */
export const widestBits = { 4: 8, 6: 16 } as const;

/** IPv4 as sockets that listen for both tell it. */
const mapped = /^::ffff:(?=\d+\.)/i;
const parts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

function readNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...more] = text.trim().split('/');
  const value = address.includes(':') ? sixOf(address) : fourOf(address);
  if (more.length > 0 || value === undefined) return undefined;
  const [family, width] = typeof value === 'number' ? ([4, 32] as const) : ([6, 128] as const);
  const bits = prefix === undefined ? width : /^\d{1,3}$/.test(prefix) ? Number(prefix) : width + 1;
  if (bits > width) return undefined;
  const host = (1n << BigInt(width - bits)) - 1n;
  const first = BigInt(value) & ~host;
  return { family, bits, first, last: first + host };
}

function toText({ family, bits, first }: Network): string {
  const bytes: number[] = [];
  for (let at = family === 4 ? 24 : 120; at >= 0; at -= 8) bytes.push(Number((first >> BigInt(at)) & 0xffn));
  return `${ipaddr.fromByteArray(bytes)}/${bits}`;
}

/**
 * The one way a network is written: its lowest address and its length, `192.0.2.7` as `192.0.2.7/32`.
 * @returns undefined for anything else, addresses in odd spellings (`127.1`, `0x7f.0.0.1`) among it
 */
export function canonicalNetwork(text: string): string | undefined {
  const network = readNetwork(text);
  return network && toText(network);
}

/** Whether it is wider than is ever believed. Undefined for what is no network. */
export function isTooWide(text: string): boolean | undefined {
  const network = readNetwork(text);
  return network && network.bits < widestBits[network.family];
}

// Nobody on the internet sends from these (IANA special-purpose registries). The networks of documentation are left in:
// no packet comes from them either, and whoever rehearses needs some.
const special = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
  '2001::/23',
  '2002::/16',
].map((text) => readNetwork(text)!);
const globalUnicast = readNetwork('2000::/3')!;

/** Whether any address in it is private, local, translated, for many or reserved. Undefined for what is no network. */
export function touchesReserved(text: string): boolean | undefined {
  const network = readNetwork(text);
  if (!network) return undefined;
  const isInside = network.first >= globalUnicast.first && network.last <= globalUnicast.last;
  if (network.family === 6 && !isInside) return true;
  return special.some(
    (one) => one.family === network.family && one.first <= network.last && network.first <= one.last,
  );
}

/** Makes a set that answers fast. What is no network is left out: nothing gets in by it. */
export function networkSet(texts: readonly string[]): NetworkSet {
  const networks = texts.map(readNetwork).filter((one) => one !== undefined);
  const v4 = merged(networks.filter((one) => one.family === 4));
  const v6 = merged(networks.filter((one) => one.family === 6));
  const find4 = finder(
    Uint32Array.from(v4, (one) => Number(one.first)),
    Uint32Array.from(v4, (one) => Number(one.last)),
  );
  const find6 = finder(
    v6.map((one) => one.first),
    v6.map((one) => one.last),
  );
  return {
    v4,
    v6,
    size: { v4: sizeOf(v4), v6: sizeOf(v6) },
    contains(address) {
      const four = fourOf(address.replace(mapped, ''));
      if (four !== undefined) return find4(four);
      const six = v6.length === 0 ? undefined : sixOf(address);
      return six !== undefined && find6(six);
    },
  };
}

/** How many addresses of `before` are not in `after`. */
export function goneFrom(before: NetworkSet, after: NetworkSet): Measure {
  return { v4: goneOf(before.v4, after.v4), v6: goneOf(before.v6, after.v6) };
}

function goneOf(before: readonly Range[], after: readonly Range[]): bigint {
  let kept = 0n;
  let at = 0;
  for (const { first, last } of before) {
    while (at < after.length && after[at]!.last < first) at += 1;
    for (let next = at; next < after.length && after[next]!.first <= last; next += 1) {
      const low = after[next]!.first > first ? after[next]!.first : first;
      const high = after[next]!.last < last ? after[next]!.last : last;
      kept += high - low + 1n;
    }
  }
  return sizeOf(before) - kept;
}

const sizeOf = (ranges: readonly Range[]) =>
  ranges.reduce((sum, { first, last }) => sum + last - first + 1n, 0n);

function merged(networks: readonly Range[]): Range[] {
  const ranges: Range[] = [];
  for (const { first, last } of networks.toSorted((one, other) => (one.first < other.first ? -1 : 1))) {
    const before = ranges.at(-1);
    if (!before || first > before.last + 1n) ranges.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return ranges;
}

/** The last range that begins at or before the value is the only one that can hold it. */
function finder<Value extends number | bigint>(
  firsts: ArrayLike<Value>,
  lasts: ArrayLike<Value>,
): (value: Value) => boolean {
  return (value) => {
    let low = 0;
    let high = firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (firsts[middle]! <= value) low = middle + 1;
      else high = middle;
    }
    return low > 0 && lasts[low - 1]! >= value;
  };
}

function fourOf(address: string): number | undefined {
  const found = parts.exec(address);
  if (!found) return undefined;
  let value = 0;
  for (let at = 1; at <= 4; at += 1) {
    const part = Number(found[at]);
    if (part > 255) return undefined;
    value = value * 256 + part;
  }
  return value;
}

function sixOf(address: string): bigint | undefined {
  if (!isIPv6(address) || address.includes('%')) return undefined;
  // The last 32 bits may be written as IPv4.
  const plain = address.replace(/[^:]+\.[^:]+$/, (dotted) => {
    const value = (fourOf(dotted) ?? 0).toString(16).padStart(8, '0');
    return `${value.slice(0, 4)}:${value.slice(4)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const [before, after] = [groups(head), groups(tail)];
  const between = Array<string>(8 - before.length - after.length).fill('0');
  const all = [...before, ...between, ...after].map((group) => group.padStart(4, '0'));
  return BigInt(`0x${all.join('')}`);
}
