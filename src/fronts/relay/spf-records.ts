/** SPF records as an operator looks at them (RFC 7208): do they let our smart hosts send, and if not, what would? */
import { BlockList, isIP } from 'node:net';
import { standingOf } from '#kit/net/destinations.ts';
import { DnsFailed } from './dns.ts';
import type { Records } from './records.ts';

/** What the big ones ask to be included, by the end of the name mail is handed to. */
const includes: readonly (readonly [suffix: string, include: string])[] = [
  ['mandrillapp.com', 'spf.mandrillapp.com'],
  ['amazonaws.com', 'amazonses.com'],
  ['sendgrid.net', 'sendgrid.net'],
  ['mailgun.org', 'mailgun.org'],
  ['postmarkapp.com', 'spf.mtasv.net'],
  ['gmail.com', '_spf.google.com'],
  ['google.com', '_spf.google.com'],
  ['office365.com', 'spf.protection.outlook.com'],
  ['outlook.com', 'spf.protection.outlook.com'],
  ['mailjet.com', 'spf.mailjet.com'],
];

/** What a record has to hold for mail that leaves through this host. */
export function mechanismOf(host: string): string {
  const known = includes.find(([suffix]) => host === suffix || host.endsWith(`.${suffix}`));
  if (known) return `include:${known[1]}`;
  const kind = isIP(host);
  return kind === 0 ? `a:${host}` : `ip${kind}:${host}`;
}

/** A server of our own, on this machine or in this network: what receivers see is the address it goes out with. */
export function isNear(host: string): boolean {
  return host === 'localhost' || standingOf(host) === 'inside';
}

export interface SpfLook {
  /** The record, where there is exactly one. */
  record?: string;
  state: 'covers' | 'lacks' | 'none' | 'several' | 'too-many-lookups' | 'broken';
  /** Hosts it does not let send. */
  missing: string[];
  /** What to publish instead. */
  wanted?: string;
}

const mostLookups = 10;

class TooMany extends Error {}

/** Looks at the record of a domain. Throws DnsFailed where nobody answers. */
export async function lookAtSpf(
  records: Records,
  domain: string,
  hosts: readonly string[],
): Promise<SpfLook> {
  const found = spfOf(await records.txt(domain));
  const fresh = `v=spf1 ${[...new Set(hosts.map(mechanismOf))].join(' ')} ~all`.replace('  ', ' ');
  if (found.length === 0) return { state: 'none', missing: [...hosts], wanted: fresh };
  if (found.length > 1) return { state: 'several', missing: [] };
  const record = found[0]!;
  try {
    const counted = { left: mostLookups };
    const list = new BlockList();
    const named = new Set<string>();
    const all = await collect(records, domain, record, { list, named, counted });
    const missing: string[] = [];
    for (const host of hosts) {
      const mechanism = mechanismOf(host);
      const isNamed = mechanism.startsWith('include:') && named.has(mechanism.slice(8));
      if (!all && !isNamed && !(await lets(records, list, host))) missing.push(host);
    }
    if (missing.length === 0) return { record, state: 'covers', missing };
    return { record, state: 'lacks', missing, wanted: withMechanisms(record, missing.map(mechanismOf)) };
  } catch (error) {
    if (error instanceof DnsFailed) throw error;
    return { record, state: error instanceof TooMany ? 'too-many-lookups' : 'broken', missing: [] };
  }
}

const spfOf = (texts: readonly string[]) => texts.filter((text) => /^v=spf1(?: |$)/i.test(text));

async function lets(records: Records, list: BlockList, host: string): Promise<boolean> {
  const addresses = await records.addresses(host);
  return addresses.length > 0 && addresses.every((one) => list.check(one, isIP(one) === 6 ? 'ipv6' : 'ipv4'));
}

/** Puts in what is missing, before the word that says what holds for everyone else. */
function withMechanisms(record: string, missing: readonly string[]): string {
  const words = record.trim().split(/\s+/);
  const at = words.findIndex((word) => /^[-~?+]?all$|^redirect=/i.test(word));
  words.splice(at === -1 ? words.length : at, 0, ...new Set(missing));
  return words.join(' ');
}

interface Collected {
  list: BlockList;
  /** Domains that are included, at any depth. */
  named: Set<string>;
  counted: { left: number };
}

/** Every address a record lets send. @returns whether it lets everyone */
async function collect(records: Records, domain: string, record: string, to: Collected): Promise<boolean> {
  for (const word of record.trim().split(/\s+/).slice(1)) {
    const [, sign = '', name = '', value = ''] = /^([-~?+]?)([a-z0-9]+)(?:[:=/](.*))?$/i.exec(word) ?? [];
    const kind = name.toLowerCase();
    if (kind === 'all') return sign === '' || sign === '+';
    // What it refuses is not what it lets; macros hang on a message.
    if ((sign !== '' && sign !== '+') || value.includes('%')) continue;
    if (kind === 'redirect' || kind === 'include') {
      if (await follow(records, value.toLowerCase(), kind === 'include', to)) return true;
    } else await collectPlain(records, domain, word.replace(/^\+/, ''), kind, to);
  }
  return false;
}

async function follow(records: Records, name: string, isInclude: boolean, to: Collected): Promise<boolean> {
  count(to);
  if (isInclude) to.named.add(name);
  const next = spfOf(await records.txt(name));
  // Includes that everybody passes would be a hole, not a help: RFC 7208 counts them, we count them as what they are.
  return next.length === 1 && (await collect(records, name, next[0]!, to));
}

function count(to: Collected): void {
  to.counted.left -= 1;
  if (to.counted.left < 0) throw new TooMany();
}

async function collectPlain(
  records: Records,
  domain: string,
  word: string,
  kind: string,
  to: Collected,
): Promise<void> {
  if (kind === 'ip4' || kind === 'ip6') return addNetwork(to.list, word.slice(4));
  if (kind === 'exists' || kind === 'ptr') return count(to);
  if (kind !== 'a' && kind !== 'mx') return;
  count(to);
  const [, name, bits4, bits6] = /^(?:a|mx)(?::([^/]+))?(?:\/(\d+))?(?:\/\/(\d+))?$/i.exec(word) ?? [];
  const host = name ?? domain;
  const hosts = kind === 'a' ? [host] : (await records.mx(host)).map(({ exchange }) => exchange);
  for (const one of hosts.slice(0, mostLookups))
    for (const address of await records.addresses(one))
      addNetwork(
        to.list,
        `${address}/${(isIP(address) === 6 ? bits6 : bits4) ?? (isIP(address) === 6 ? 128 : 32)}`,
      );
}

function addNetwork(list: BlockList, text: string): void {
  const [address = '', bits] = text.split('/');
  const kind = isIP(address);
  if (kind === 0) throw new RangeError('no network');
  list.addSubnet(
    address,
    bits === undefined ? (kind === 6 ? 128 : 32) : Number(bits),
    kind === 6 ? 'ipv6' : 'ipv4',
  );
}
