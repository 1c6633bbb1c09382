/** What goes wrong on purpose: which requests, how often, and what then happens. Chance is seeded, so a run can be repeated. */
import { newId } from '#kit/crypto/ids.ts';

/**
 * - `rate`: 429, nothing done; `retryAfter` says how it is told
 * - `hang`: taken in and never answered; nothing done unless `commit`
 * - `reset`: done, then the connection is torn down · `drop`: torn down before anything is done
 * - `forget`: a created resource vanishes `ms` later, as if it had never been
 * - `error`: `status` (default 503), nothing done unless `commit`
 * - `slow`: answered `ms` later · `refuse`: `status` (default 400) whatever is sent
 */
export const faultKinds = ['rate', 'hang', 'reset', 'drop', 'forget', 'error', 'slow', 'refuse'] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  kind: FaultKind;
  /** Only this method. */
  method?: string;
  /** Only paths that hold this. */
  path?: string;
  /** Only requests about this user, without case. */
  userName?: string;
  /** Lets so many go by first. */
  skip?: number;
  /** Strikes so often, then no more. Default: always. */
  times?: number;
  /** 0 to 1. Default 1. */
  probability?: number;
  status?: number;
  ms?: number;
  commit?: boolean;
  /** Of `rate`: a number of seconds (also -1 or 1000000000), `date:<seconds>` for an HTTP date, `none`. Default 1. */
  retryAfter?: number | string;
}

export interface ActiveFault extends Fault {
  id: string;
  /** How often it struck. */
  struck: number;
  seen: number;
}

export interface Faults {
  list(): ActiveFault[];
  set(faults: readonly (Fault | string)[]): ActiveFault[];
  add(fault: Fault | string): ActiveFault;
  clear(): void;
  /** The one that strikes now, counted. `slow` ones are summed beside it. */
  strike(request: { method: string; path: string; userName?: string }): {
    fault?: ActiveFault;
    slowMs: number;
  };
}

const numbers = ['skip', 'times', 'probability', 'status', 'ms'] as const;

/** `kind,name=value,…`: `reset,method=POST,path=/Users,times=3`. Throws RangeError with a sentence. */
export function readFault(text: string): Fault {
  const [kind = '', ...parts] = text.split(',').map((one) => one.trim());
  const members = parts.map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [camel(part), true] : [camel(part.slice(0, at)), part.slice(at + 1)];
  });
  return checkFault({ kind, ...Object.fromEntries(members) });
}

const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** A fault from outside, checked. Throws RangeError with a sentence. */
export function checkFault(given: unknown): Fault {
  if (typeof given !== 'object' || given === null) throw new RangeError('A fault is an object or a text.');
  const { kind, ...rest } = given as Record<string, unknown>;
  if (!faultKinds.includes(kind as FaultKind))
    throw new RangeError(`There is no fault "${String(kind)}". There are: ${faultKinds.join(', ')}.`);
  const fault: Fault = { kind: kind as FaultKind };
  for (const [name, value] of Object.entries(rest)) {
    if ((numbers as readonly string[]).includes(name)) fault[name as 'ms'] = numberOf(name, value);
    else if (name === 'method') fault.method = String(value).toUpperCase();
    else if (name === 'path' || name === 'userName') fault[name] = String(value);
    else if (name === 'commit') fault.commit = value === true || value === 'true';
    else if (name === 'retryAfter') fault.retryAfter = retryAfterOf(value);
    else if (!['id', 'struck', 'seen'].includes(name))
      throw new RangeError(
        `A fault has no "${name}". It has: method, path, userName, commit, retryAfter, ${numbers.join(', ')}.`,
      );
  }
  if (fault.probability !== undefined && fault.probability > 1)
    throw new RangeError('A probability stands between 0 and 1.');
  if (fault.status !== undefined && (fault.status < 400 || fault.status > 599))
    throw new RangeError('The status of a fault stands between 400 and 599.');
  return fault;
}

function numberOf(name: string, value: unknown): number {
  const number = value === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(number) || number < 0) throw new RangeError(`${name} must be a number from 0 on.`);
  return number;
}

function retryAfterOf(value: unknown): number | string {
  const text = String(value);
  if (text === 'none' || /^date:\d{1,10}$/.test(text)) return text;
  if (/^-?\d{1,10}$/.test(text)) return Number(text);
  throw new RangeError('retryAfter is a number of seconds, date:<seconds> or none.');
}

/** The header a `rate` fault sends; undefined where it sends none (RFC 9110 §10.2.3 knows seconds and a date). */
export function retryAfterHeader(fault: Fault, now: Date): string | undefined {
  const { retryAfter = 1 } = fault;
  if (retryAfter === 'none') return undefined;
  if (typeof retryAfter === 'number') return String(retryAfter);
  return new Date(now.getTime() + Number(retryAfter.slice(5)) * 1000).toUTCString();
}

export function createFaults(options: {
  faults?: readonly (Fault | string)[];
  chance: () => number;
}): Faults {
  let active: ActiveFault[] = [];
  const open = (fault: Fault | string): ActiveFault => ({
    ...(typeof fault === 'string' ? readFault(fault) : checkFault(fault)),
    id: newId(),
    struck: 0,
    seen: 0,
  });
  const set = (faults: readonly (Fault | string)[]) => {
    active = faults.map(open);
    return active.map((one) => ({ ...one }));
  };
  set(options.faults ?? []);

  function strikes(fault: ActiveFault, request: Parameters<Faults['strike']>[0]): boolean {
    const method = fault.method ?? (fault.kind === 'forget' ? 'POST' : undefined);
    if (method && method !== request.method) return false;
    if (fault.path && !request.path.includes(fault.path)) return false;
    if (fault.userName && fault.userName.toLowerCase() !== request.userName?.toLowerCase()) return false;
    fault.seen += 1;
    if (fault.seen <= (fault.skip ?? 0) || fault.struck >= (fault.times ?? Number.POSITIVE_INFINITY))
      return false;
    if (options.chance() >= (fault.probability ?? 1)) return false;
    fault.struck += 1;
    return true;
  }

  return {
    list: () => active.map((one) => ({ ...one })),
    set,
    add(fault) {
      const added = open(fault);
      active.push(added);
      return { ...added };
    },
    clear() {
      active = [];
    },
    strike(request) {
      let slowMs = 0;
      for (const fault of active) {
        if (fault.kind === 'slow') slowMs += strikes(fault, request) ? (fault.ms ?? 1000) : 0;
        else if (strikes(fault, request)) return { fault, slowMs };
      }
      return { slowMs };
    },
  };
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32): the same seed, the same misfortune. */
export function seededChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
