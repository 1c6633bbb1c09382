/**
 * Which addresses, names and ports may be reached: the public internet on the usual ports, and what the configured list
 * adds. Knows no network: it judges what a resolver found.
 */
import ipaddr from 'ipaddr.js';

export interface Address {
  address: string;
  family: 4 | 6;
}

/** A destination as written and as resolved. */
export interface Destination {
  /** Host name or address literal, lower case, IPv6 without brackets. */
  host: string;
  port: number;
  addresses: readonly Address[];
}

export interface Verdict {
  /** Every address may be reached on this port. */
  reachable: boolean;
  /** And it is one of ours: plain http is accepted there. */
  trusted: boolean;
}

export interface Destinations {
  judge(destination: Destination, options: { allowPrivate?: boolean; ports: ReadonlySet<number> }): Verdict;
}

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];
type Standing = 'public' | 'inside' | 'never';

// Where a community's own machines live. Link-local is not among them: it is where clouds keep their machine keys.
const insideRanges = new Set(['loopback', 'private', 'uniqueLocal', 'carrierGradeNat']);
const globalUnicast: Network = [ipaddr.IPv6.parse('2000::'), 3];

/** The registry's view of one address: public, inside a private network, or one nobody ever asks us to reach. */
export function standingOf(address: string): Standing {
  if (!ipaddr.isValid(address)) return 'never';
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (insideRanges.has(range)) return 'inside';
  if (range !== 'unicast') return 'never';
  return parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast) ? 'never' : 'public';
}

/**
 * Reads the allow-list. An entry is a network ("10.0.0.0/8") or an address, a host name, or either with a port
 * ("jira.internal:8080", "[::1]:389"). Without a port every port is meant. Throws RangeError naming a wrong entry.
 */
export function readAllowList(entries: readonly string[]): Destinations {
  const networks: Network[] = [];
  const hosts = new Set<string>();
  for (const entry of entries) {
    const text = entry.trim().toLowerCase();
    const network = networkOf(text);
    if (network) networks.push(network);
    else hosts.add(hostEntry(text, entry));
  }

  return {
    judge({ host, port, addresses }, { allowPrivate = false, ports }) {
      const name = host.replace(/\.$/, '');
      const named = hosts.has(`${name}:${port}`) || hosts.has(name);
      const trustedAt = ({ address }: Address) => {
        const standing = standingOf(address);
        if (networks.some((network) => within(address, network))) return true;
        if (hosts.has(`${address}:${port}`)) return true;
        if (named) return standing !== 'never';
        return allowPrivate && standing === 'inside';
      };
      const trusted = addresses.length > 0 && addresses.every(trustedAt);
      const open =
        addresses.length > 0 && addresses.every((at) => trustedAt(at) || standingOf(at.address) === 'public');
      return { reachable: trusted || (open && ports.has(port)), trusted };
    },
  };
}

function networkOf(text: string): Network | undefined {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const bare = text.replace(/^\[([^\]]*)\]$/, '$1');
    if (!ipaddr.IPv6.isValid(bare) && !ipaddr.IPv4.isValidFourPartDecimal(bare)) return undefined;
    const address = ipaddr.parse(bare);
    return [address, address instanceof ipaddr.IPv4 ? 32 : 128];
  } catch {
    return undefined;
  }
}

function hostEntry(text: string, entry: string): string {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:\d{1,5})?$/.exec(text);
  if (!match || Number(match[3]?.slice(1) ?? 1) > 65535 || Number(match[3]?.slice(1) ?? 1) < 1) {
    throw new RangeError(`"${entry}" is no network, address, or host name with or without a port.`);
  }
  return match[1]!.replace(/^\[|\]$/g, '') + (match[3] ?? '');
}

function within(address: string, network: Network): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  return parsed.kind() === network[0].kind() && parsed.match(network as [ipaddr.IPv4, number]);
}
