/** The document of networks Atlassian sends from and listens on, and what can go wrong with it. */
import { type Answer, type Exchange, jsonAnswer, readJson } from '#simulators/scim/exchange.ts';
import { Refusal } from '#simulators/scim/refusal.ts';

interface RangeItem {
  cidr: string;
  product: string[];
  direction: string[];
}

/** - `whole` · `shrunk`: half of its items · `empty`: no item · `broken`: cut off in the middle · `page`: HTML */
const rangeStates = ['whole', 'shrunk', 'empty', 'broken', 'page'] as const;
export type RangeState = (typeof rangeStates)[number];

export interface IpRanges {
  /** Undefined when another address is meant. */
  answer(exchange: Exchange): Answer | undefined;
  /** What the control address knows of it; undefined when another one is meant. Throws RangeError. */
  control(exchange: Exchange, name: string): Answer | undefined;
  set(given: { state?: RangeState; items?: readonly RangeItem[]; add?: string[]; remove?: string[] }): void;
  reset(): void;
}

export const rangesPath = '/ip-ranges.json';

const mail = (cidr: string): RangeItem => ({ cidr, product: ['email'], direction: ['egress'] });

// Networks of documentation (RFC 5737, RFC 3849): nobody sends from them.
const usual: readonly RangeItem[] = [
  mail('192.0.2.0/25'),
  mail('192.0.2.128/26'),
  mail('198.51.100.0/24'),
  { cidr: '203.0.113.0/26', product: ['confluence', 'email', 'jira'], direction: ['egress'] },
  { cidr: '203.0.113.64/26', product: ['confluence', 'jira'], direction: ['egress', 'ingress'] },
  { cidr: '203.0.113.128/25', product: ['bitbucket'], direction: ['ingress'] },
  mail('2001:db8:64::/48'),
  { cidr: '2001:db8:65::/48', product: ['jira'], direction: ['ingress'] },
];

export function createIpRanges(now: () => Date): IpRanges {
  let items = [...usual];
  let state: RangeState = 'whole';
  let token = 456;
  let since = now();
  const changed = () => {
    token += 1;
    since = now();
  };
  const shown = () => {
    if (state === 'empty') return [];
    return state === 'shrunk' ? items.filter((_, at) => at % 2 === 0) : items;
  };
  const document = () =>
    JSON.stringify({
      creationDate: since.toISOString().replace('Z', '000'),
      syncToken: token,
      items: shown().map(item),
    });

  function set(given: Parameters<IpRanges['set']>[0]): void {
    const { state: next = state, items: whole = items, add = [], remove = [] } = given;
    if (!rangeStates.includes(next)) throw new RangeError(`state is one of: ${rangeStates.join(', ')}.`);
    const texts = [...add, ...remove, ...whole.map(({ cidr }) => cidr)];
    if (!texts.every((one) => typeof one === 'string' && /^[0-9a-f:.]+\/\d+$/i.test(one)))
      throw new RangeError('Networks are written like 192.0.2.0/24.');
    items = [...whole.filter(({ cidr }) => !remove.includes(cidr)), ...add.map(mail)];
    state = next;
    changed();
  }

  return {
    set,
    reset() {
      items = [...usual];
      state = 'whole';
      changed();
    },
    answer(exchange): Answer | undefined {
      if (exchange.path !== rangesPath) return undefined;
      if (exchange.method !== 'GET' && exchange.method !== 'HEAD')
        throw new Refusal(405, 'This can only be read.');
      const etag = `"${token}"`;
      if (exchange.header('if-none-match') === etag) return { status: 304, headers: { etag } };
      if (state === 'page')
        return {
          status: 200,
          headers: { 'content-type': 'text/html' },
          body: '<!doctype html><title>Maintenance</title>',
        };
      const body = document();
      return {
        status: 200,
        headers: { 'content-type': 'application/json', etag },
        body: state === 'broken' ? body.slice(0, body.length / 2) : body,
      };
    },
    control(exchange, name) {
      if (name !== 'ip-ranges' || exchange.segments.length !== 2) return undefined;
      if (exchange.method === 'PUT') set((readJson(exchange) ?? {}) as Parameters<typeof set>[0]);
      else if (exchange.method !== 'GET') return undefined;
      return jsonAnswer(200, { state, syncToken: token, items });
    },
  };
}

/** As the real one writes an entry. */
function item({ cidr, product, direction }: RangeItem): object {
  const [network = '', length = ''] = cidr.split('/');
  const members = { network, mask_len: Number(length), cidr };
  return { ...members, region: ['global'], product, direction, perimeter: 'commercial' };
}
