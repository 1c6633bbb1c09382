/**
 * What the names of senders say about them: looked up at the resolvers the settings name, or the system's. An answer is
 * only ever read; nothing in it makes us connect anywhere. Answers are kept for a minute, in bounded number, and one
 * message can ask so many questions only.
 */
import { Resolver } from 'node:dns/promises';

export type DnsType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'NS' | 'PTR' | 'TXT';

/** Names, addresses; TXT as lists of the strings a record is cut into; MX with its rank. */
export type DnsAnswer = string[] | string[][] | { priority: number; exchange: string }[];

export type Resolve = (name: string, type: DnsType) => Promise<DnsAnswer>;

/** A question that was not answered: with a code of node:dns (ENOTFOUND, ENODATA, ETIMEOUT, ESERVFAIL, …). */
export class DnsFailed extends Error {
  override name = 'DnsFailed';
  readonly code: string;
  constructor(code: string, name: string, type: string) {
    super(`${type} of ${name}: ${code}`);
    this.code = code;
  }
}

export interface Dns {
  /** Throws DnsFailed. */
  resolve: Resolve;
  /** A resolver for one message: bounded in questions and time; what is over the bound fails as a time-out does. */
  forMessage(): { resolve: Resolve; temporary(): boolean };
  close(): void;
}

export interface DnsOptions {
  /** `host:port`, `[v6]:port` or an address alone; empty: the system's. */
  servers: readonly string[];
  /** How long one try waits, in milliseconds. */
  timeoutMs?: number;
  tries?: number;
  /** Most questions of one message, and how long it may take them all. */
  mostQuestions?: number;
  messageMs?: number;
  mostKept?: number;
  now?: () => number;
}

/** Whether asking later may bring another answer: everything but "there is none". */
export function isTemporary(code: string): boolean {
  return !['ENOTFOUND', 'ENODATA', 'EBADNAME'].includes(code);
}

const keptMs = { answer: 60_000, nothing: 15_000, failure: 1_000 };

interface Kept {
  until: number;
  answer: Promise<DnsAnswer>;
}

/** Opens a resolver. Throws RangeError where a server is not written as an address. */
export function createDns(options: DnsOptions): Dns {
  const { timeoutMs = 2_500, tries = 2, mostQuestions = 100, messageMs = 20_000, mostKept = 5_000 } = options;
  const now = options.now ?? (() => performance.now());
  const resolver = new Resolver({ timeout: timeoutMs, tries });
  if (options.servers.length > 0) resolver.setServers(options.servers.map(serverAddress));
  const kept = new Map<string, Kept>();

  function keep(key: string, entry: Kept): void {
    kept.delete(key);
    kept.set(key, entry);
    for (const oldest of kept.keys()) {
      if (kept.size <= mostKept) break;
      kept.delete(oldest);
    }
  }

  const resolve: Resolve = (name, type) => {
    const plain = name.toLowerCase().replace(/\.$/, '');
    const key = `${type} ${plain}`;
    const known = kept.get(key);
    if (known && known.until > now()) return known.answer;
    const answer = ask(resolver, plain, type);
    // Whoever asks the same while it is under way waits for the same answer.
    const entry: Kept = { until: Number.POSITIVE_INFINITY, answer };
    keep(key, entry);
    answer.then(
      () => {
        entry.until = now() + keptMs.answer;
      },
      ({ code }: DnsFailed) => {
        entry.until = now() + (isTemporary(code) ? keptMs.failure : keptMs.nothing);
      },
    );
    return answer;
  };

  return {
    resolve,
    forMessage: () => bounded(resolve, { mostQuestions, messageMs, now }),
    close: () => resolver.cancel(),
  };
}

function bounded(
  resolve: Resolve,
  { mostQuestions, messageMs, now }: { mostQuestions: number; messageMs: number; now: () => number },
): { resolve: Resolve; temporary(): boolean } {
  const until = now() + messageMs;
  let questions = 0;
  let failed = false;
  return {
    async resolve(name, type) {
      questions += 1;
      try {
        const left = until - now();
        if (questions > mostQuestions || left <= 0) throw new DnsFailed('ETIMEOUT', name, type);
        return copyOf(await within(left, resolve(name, type), () => new DnsFailed('ETIMEOUT', name, type)));
      } catch (error) {
        failed ||= isTemporary((error as DnsFailed).code);
        throw error instanceof DnsFailed ? new DnsFailed(error.code, name, type) : error;
      }
    },
    temporary: () => failed,
  };
}

/** Nobody who sorts or adds to an answer changes what the next one is told. */
function copyOf(answer: DnsAnswer): DnsAnswer {
  return structuredClone(answer);
}

async function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A name longer than names can be, or with empty labels, is not asked for. */
const askable = /^(?=.{1,253}$)[^.\s\x00-\x1f\x7f]{1,63}(?:\.[^.\s\x00-\x1f\x7f]{1,63})*$/;

async function ask(resolver: Resolver, name: string, type: DnsType): Promise<DnsAnswer> {
  if (!askable.test(name)) throw new DnsFailed('EBADNAME', name, type);
  try {
    const answer = (await resolver.resolve(name, type)) as DnsAnswer;
    if (answer.length === 0) throw new DnsFailed('ENODATA', name, type);
    if (type !== 'MX') return answer;
    const exchanges = answer as { priority: number; exchange: string }[];
    return exchanges.map(({ priority, exchange }) => ({ priority, exchange }));
  } catch (error) {
    throw new DnsFailed((error as NodeJS.ErrnoException).code ?? 'ESERVFAIL', name, type);
  }
}

function serverAddress(text: string): string {
  const plain = text.trim().replace(/^localhost(?=:|$)/, '127.0.0.1');
  const probe = new Resolver();
  try {
    probe.setServers([plain]);
    return plain;
  } catch {
    throw new RangeError(`"${text}" is no address of a DNS server: write 192.0.2.53 or 192.0.2.53:5353.`);
  }
}
