/**
 * The path of a login while it is under way: request in, decisions, what was sent, what came back. Kept in the memory of
 * this process, a few hundred bytes a request; refusals.ts writes down what ended in a refusal, everything else is
 * forgotten. The requests of one login are joined by the ids that lead from one to the next.
 * Refuses nothing, and never stands in the way: a trace that grows too long loses its middle.
 */
import { type Facts, scrub } from './trace-scrub.ts';

export interface TraceStep {
  /** Reference of the request it belongs to. */
  reference: string;
  at: string;
  /** What happened, in a few words. */
  step: string;
  facts: ReturnType<typeof scrub>;
}

/** What is known of one login so far. */
export interface Login {
  steps: TraceStep[];
  keys: Set<string>;
  person?: string;
  application?: string;
}

interface Open {
  now(): Date;
  /** The first step; left until there is a second, for most requests are never asked about. */
  first?: { at: Date; tell: Tell };
  login: Login;
  /** What the request was refused with. */
  refused?: string;
}

const mostLogins = 1000;
const mostSteps = 60;
const open = new Map<string, Open>();
const logins = new Map<string, Login>();

/** Whether this request is part of a login. */
export function isTraced(reference: string): boolean {
  return open.has(reference);
}

type Tell = () => { step: string; facts: Facts };

/** A request of a login begins; `first` tells its first step, once there is another. */
export function openTrace(reference: string, now: () => Date, first?: Tell): void {
  if (open.size >= 4 * mostLogins) dropOldest(open);
  const login = { steps: [], keys: new Set<string>() };
  open.set(reference, { now, first: first && { at: now(), tell: first }, login });
}

/** Whether nothing but its first step could be said of this request so far. */
export function isUneventful(reference: string): boolean {
  return open.get(reference)?.first !== undefined;
}

function begun(reference: string): Open | undefined {
  const here = open.get(reference);
  if (!here?.first) return here;
  const { at, tell } = here.first;
  here.first = undefined;
  const { step, facts } = tell();
  note(here, { reference, at, step, facts });
  return here;
}

function note({ login }: Open, given: { reference: string; at: Date; step: string; facts: Facts }): void {
  const { reference, step } = given;
  const { person, application, ...rest } = given.facts;
  if (typeof person === 'string') login.person = person;
  if (typeof application === 'string') login.application = application;
  const at = given.at.toISOString();
  login.steps.push({ reference, at, step: step.slice(0, 80), facts: scrub({ application, ...rest }) });
  // The beginning says what was wanted, the end what became of it.
  if (login.steps.length > mostSteps) login.steps.splice(10, login.steps.length - mostSteps);
}

/**
 * Notes a step at a decision. `person` and `application` among the facts say whose login it is. Costs nothing where the
 * request is not part of a login.
 */
export function trace(request: { requestId: string } | string, step: string, facts: Facts = {}): void {
  const reference = typeof request === 'string' ? request : request.requestId;
  const here = begun(reference);
  if (here) note(here, { reference, at: here.now(), step, facts });
}

/** The request ends in a refusal. The first word stands: it is nearest to the decision. */
export function traceRefused(request: { requestId: string } | string, code: string, facts: Facts = {}): void {
  const reference = typeof request === 'string' ? request : request.requestId;
  const found = begun(reference);
  if (!found) return;
  if (found.refused === undefined) {
    trace(reference, 'refused', { reason: code, ...facts });
    found.refused = code;
  }
}

/** Joins the request to the login that one of these ids belongs to; the ids lead on to the next request. */
export function joinLogin(reference: string, keys: readonly string[]): void {
  const here = keys.length === 0 ? undefined : begun(reference);
  if (!here) return;
  const before = keys.map((key) => logins.get(key)).find((one) => one && one !== here.login);
  if (before) {
    before.steps.push(...here.login.steps);
    before.person = here.login.person ?? before.person;
    before.application ??= here.login.application;
    for (const key of here.login.keys) before.keys.add(key);
    here.login = before;
  }
  for (const key of keys) here.login.keys.add(key);
  for (const key of here.login.keys) {
    logins.delete(key);
    logins.set(key, here.login);
  }
  while (logins.size > 4 * mostLogins) dropOldest(logins);
}

/** The request is over. Returns its login, and what it was refused with; undefined where nothing happened in it. */
export function closeTrace(reference: string): Open | undefined {
  const found = open.get(reference);
  open.delete(reference);
  return found?.first ? undefined : found;
}

function dropOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
