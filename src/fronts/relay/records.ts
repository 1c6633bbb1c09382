/** What DNS says, read for people: lists that are empty where there is nothing, and a failure where nobody answered. */
import { isIP } from 'node:net';
import { type Dns, DnsFailed, type DnsType, isTemporary } from './dns.ts';

export interface Records {
  /** The texts of a name, each put together from its parts. */
  txt(name: string): Promise<string[]>;
  /** The one to be asked first, first. A domain that takes no mail (RFC 7505) has one with an empty exchange. */
  mx(name: string): Promise<{ exchange: string; priority: number }[]>;
  /** IPv4 and IPv6. */
  addresses(name: string): Promise<string[]>;
  /** Names of an address. */
  names(address: string): Promise<string[]>;
}

/** All throw DnsFailed where nobody answered: that says nothing about what is published. */
export function recordsOf(dns: Pick<Dns, 'resolve'>): Records {
  const list = async <T>(name: string, type: DnsType): Promise<T[]> => {
    try {
      return [...((await dns.resolve(name, type)) as T[])];
    } catch (error) {
      if (error instanceof DnsFailed && !isTemporary(error.code)) return [];
      throw error;
    }
  };
  return {
    txt: async (name) => (await list<string[]>(name, 'TXT')).map((parts) => parts.join('')),
    mx: async (name) =>
      (await list<{ exchange: string; priority: number }>(name, 'MX')).sort(
        (one, other) => one.priority - other.priority,
      ),
    addresses: async (name) =>
      isIP(name) ? [name] : (await Promise.all([list<string>(name, 'A'), list<string>(name, 'AAAA')])).flat(),
    names: (address) => list(reversed(address), 'PTR'),
  };
}

/** The name an address is looked up under (RFC 1035 §3.5, RFC 3596 §2.5). Throws RangeError for what is no address. */
export function reversed(address: string): string {
  if (isIP(address) === 4) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  if (isIP(address) !== 6) throw new RangeError('no address');
  const plain = new URL(`http://[${address.replace(/%.*$/, '')}]/`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const [front, back] = [groups(head), groups(tail)];
  const middle = tail === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0');
  const digits = [...front, ...middle, ...back].map((one) => one.padStart(4, '0')).join('');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
