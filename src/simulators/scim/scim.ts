/**
 * Owns: a SCIM 2.0 server (RFC 7643, 7644) to rehearse against: Users, Groups, discovery, filters, PATCH, versions, a
 * rate limit that is kept, and faults on demand. Its parsers are its own, so that it does not share our mistakes.
 * Records: resources in memory, in a file where one is named; a ledger of every request and what it did.
 * Refuses: what the standard refuses, other bearers, and any address but loopback.
 */
import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from '#kit/clock/clock.ts';
import { constantTimeEqual, randomToken } from '#kit/crypto/ids.ts';
import type { Log } from '#kit/log/log.ts';
import type { Look } from '#kit/page/page.ts';
import { createControl } from './control.ts';
import { createEndpoints, scimAnswer } from './endpoints.ts';
import type { Answer, Exchange } from './exchange.ts';
import { createFaults, type Fault, type Faults, seededChance } from './faults.ts';
import { createLedger, type Ledger, stateAfter } from './ledger.ts';
import { type Api, startListener } from './listener.ts';
import { count, directoryPage, type PersonRow } from './pages.ts';
import { createRates, type Limits, type Rate, readRate } from './rate.ts';
import { errorBody, type Refusal } from './refusal.ts';
import { createDirectory, type Directory, type Resource, type StoredResource } from './resources.ts';
import { type Body, groupSchema, userSchema } from './schema.ts';
import { openStateFile } from './state-file.ts';
import { subjectOf } from './subject.ts';

export interface ScimSimulatorOptions {
  log: Log;
  clock?: Clock;
  /** Loopback only; default 127.0.0.1. */
  host?: string;
  /** Default: any free port. */
  port?: number;
  /** The bearer; default: made up, in `token` of what is returned. */
  token?: string;
  /** Default: none. `reads` takes GET out of `all`. */
  limit?: Limits;
  latencyMs?: number;
  faults?: readonly (Fault | string)[];
  /** The same seed strikes the same requests. Default: by chance, in `seed` of what is returned. */
  seed?: number;
  /** Most resources of one page; default 100. */
  pageCap?: number;
  lagMs?: number;
  /** 409 also for an externalId that is taken; default false, as in the standard. */
  uniqueExternalId?: boolean;
  uniqueGroupName?: boolean;
  /** A file that keeps the resources. */
  state?: string;
  look?: Look;
}

/** A user or group as a test looks at it. */
export interface SimulatedResource {
  id: string;
  version: number;
  /** Attributes as they were taken in. */
  body: Body;
  /** Ids; of groups alone. */
  members: string[];
}

export interface ScimSimulator {
  /** The base address of SCIM, without a slash at the end. */
  readonly url: string;
  /** The page, and the root of /simulator/. */
  readonly origin: string;
  readonly token: string;
  readonly seed: number;
  readonly state: {
    users(): SimulatedResource[];
    groups(): SimulatedResource[];
    /** As if it had just been started, without faults. */
    reset(): void;
  };
  readonly ledger: Ledger;
  readonly faults: Faults;
  /** New limits from now on, with full buckets. */
  limit(limits: Limits): void;
  stop(): Promise<void>;
}

const plainLook: Look = { communityName: 'SCIM simulator', links: [] };
const basePath = '/scim/v2';
const anyNumber = Number.MAX_SAFE_INTEGER;

/**
 * Starts it. Throws RangeError for a host that is not loopback or a fault that cannot be meant, Error for a state file of
 * another kind, the system's error when the port is taken.
 */
export async function startScimSimulator(options: ScimSimulatorOptions): Promise<ScimSimulator> {
  const { log, clock = systemClock, token = randomToken(), seed = randomInt(2 ** 31) } = options;
  const pageCap = options.pageCap ?? 100;
  let url = '';
  const directory = openDirectory(options, clock);
  const base = () => url;
  const handle = createEndpoints({ directory, userSchema, groupSchema, pageCap, etag: true, base });
  const faults = createFaults({ faults: options.faults, chance: seededChance(seed) });
  const { ledger, note } = createLedger();
  const pace = createPace({ limits: options.limit ?? {}, latencyMs: options.latencyMs ?? 0, clock });
  const file = openStateFile<{ of: string; resources: StoredResource[] }>({
    file: options.state,
    of: 'gatehouse simulate scim',
    take: () => ({ of: 'gatehouse simulate scim', resources: directory.dump() }),
    log,
  });
  if (file.loaded) directory.load(file.loaded.resources);
  const reset = () => {
    directory.clear();
    ledger.clear();
    faults.clear();
    file.changed();
  };
  const api: Api = {
    authenticate: (exchange) => (bears(exchange, token) ? undefined : unauthorised()),
    subject: (exchange) => subjectOf(exchange, exchange.segments.slice(2), directory),
    handle(exchange) {
      const [scim, v2, ...segments] = exchange.segments;
      return handle(exchange, scim === 'scim' && v2 === 'v2' ? segments : ['']);
    },
    refuse: refusalAnswer,
    ...ofDirectory(directory),
    changed: file.changed,
  };
  const control = createControl({
    faults,
    ledger,
    reset,
    settings: pace.set,
    state: () => ({
      simulator: 'scim',
      url,
      seed,
      users: directory.users().length,
      groups: directory.groups().length,
      ...pace.state(),
    }),
  });
  const listener = await startListener({
    ...options,
    clock,
    api,
    ledger,
    note,
    faults,
    control,
    rate: pace.rate,
    reset: 'seconds',
    latencyMs: pace.latencyMs,
    page: (frame) => peoplePage({ ...frame, directory, ledger, look: options.look ?? plainLook }),
  });
  url = `${listener.origin}${basePath}`;
  return {
    url,
    origin: listener.origin,
    token,
    seed,
    state: {
      users: () => directory.users().map(simulated),
      groups: () => directory.groups().map(simulated),
      reset,
    },
    ledger,
    faults,
    limit: (limits) => pace.set({ limit: limits }),
    async stop() {
      await listener.stop();
      await file.close();
    },
  };
}

function openDirectory(options: ScimSimulatorOptions, clock: Clock): Directory {
  return createDirectory({
    userSchema,
    groupSchema,
    clock,
    lagMs: options.lagMs ?? 0,
    uniqueExternalId: options.uniqueExternalId ?? false,
    uniqueGroupName: options.uniqueGroupName ?? false,
    renameGroups: true,
    nestedGroups: true,
    most: { users: anyNumber, groups: anyNumber, members: anyNumber },
  });
}

export const simulated = ({ id, version, body, members }: Resource): SimulatedResource => ({
  id,
  version,
  body: structuredClone(body),
  members: [...members],
});

/** Limits and latency, which can be changed while it runs. */
export function createPace(input: { limits: Limits; latencyMs: number; clock: Clock }) {
  let { limits, latencyMs } = input;
  let take = createRates(limits, input.clock);
  return {
    rate: (method: string) => take(method),
    latencyMs: () => latencyMs,
    state: () => ({ limit: limits, latencyMs }),
    /** `{ limit: { all, reads }, latencyMs }`, a rate as object or as text. Throws RangeError. */
    set(given: Record<string, unknown>): void {
      if (given.latencyMs !== undefined) {
        if (typeof given.latencyMs !== 'number' || !(given.latencyMs >= 0))
          throw new RangeError('latencyMs is a number from 0 on.');
        latencyMs = given.latencyMs;
      }
      if (given.limit === undefined) return;
      const { all, reads } = (given.limit ?? {}) as Record<string, unknown>;
      limits = { all: rateOf(all), reads: rateOf(reads) };
      take = createRates(limits, input.clock);
    },
  };
}

function rateOf(given: unknown): Rate | undefined {
  if (given === undefined || given === null) return undefined;
  if (typeof given === 'string') return readRate(given);
  const { perMinute, burst } = given as Partial<Rate>;
  if (typeof perMinute !== 'number' || typeof burst !== 'number' || !(perMinute > 0) || !(burst >= 1))
    throw new RangeError('A rate has perMinute above 0 and burst from 1 on.');
  return { perMinute, burst };
}

/** The parts of an API that only look at the directory. */
export function ofDirectory(directory: Directory): Pick<Api, 'stateAfter' | 'forget'> {
  return {
    stateAfter({ kind, id, after }) {
      const resource = after === null ? undefined : directory.find(kind, id);
      return resource && stateAfter(resource.body, kind === 'Group' ? resource.members.size : undefined);
    },
    forget({ kind, id }) {
      const resource = directory.find(kind, id);
      if (resource) directory.erase(resource);
    },
  };
}

/** Whether the request carries this bearer, compared in constant time. */
export function bears(exchange: Exchange, token: string): boolean {
  const [, given] = /^Bearer +(\S+)$/i.exec(exchange.header('authorization') ?? '') ?? [];
  return given !== undefined && constantTimeEqual(given, token);
}

/** RFC 6750 §3. */
export function unauthorised(): Answer {
  const body = errorBody(401, 'The bearer is missing or another one.');
  return scimAnswer(401, body, { 'www-authenticate': 'Bearer realm="simulator"' });
}

export function refusalAnswer(refusal: Refusal): Answer {
  return scimAnswer(refusal.status, errorBody(refusal.status, refusal.message, refusal.scimType));
}

function peoplePage(input: {
  nonce: string;
  now: Date;
  hold: boolean;
  directory: Directory;
  ledger: Ledger;
  look: Look;
}) {
  const { directory, ledger } = input;
  const users = directory.users();
  const { requests, limited } = ledger.counters();
  return directoryPage({
    ...input,
    title: 'Directory',
    lede: 'What an app with SCIM 2.0 has been told.',
    people: users
      .map((user) => personRow(user, directory))
      .sort((one, two) => two.at.getTime() - one.at.getTime()),
    figures: [
      { label: 'People', value: count(users.length) },
      { label: 'Groups', value: count(directory.groups().length) },
      { label: 'Requests', value: count(requests) },
      { label: 'Over the limit', value: count(limited) },
    ],
    empty: {
      title: 'Nobody is here yet',
      text: `Make this a target: its address ends in ${basePath}, and its bearer was shown when it started.`,
    },
  });
}

function personRow({ id, body, created }: Resource, directory: Directory): PersonRow {
  const [first] = (body.emails ?? []) as Body[];
  return {
    name: String(body.displayName ?? (body.name as Body | undefined)?.formatted ?? body.userName),
    address: String(first?.value ?? body.userName),
    states: [
      body.active === false ? { tone: 'neutral', label: 'Inactive' } : { tone: 'success', label: 'Active' },
    ],
    groups: directory.groupsOf(id).map((group) => String(group.body.displayName)),
    at: new Date(created),
  };
}
