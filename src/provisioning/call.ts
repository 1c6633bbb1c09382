/**
 * The way out to targets: every request of every connector goes through here. In its turn (pace.ts), within a time and
 * a size, to an address that was permitted, and into the timeline without secrets.
 */
import { type Fetched, NetRefused } from '#kit/net/net.ts';
import { type Call, type Request, type Response, Retry, Stop } from './connector.ts';
import {
  awaitTurn,
  noteAnswer,
  noteOutage,
  noteRateLimit,
  type Pace,
  retryAfterSeconds,
  spread,
} from './pace.ts';
import type { About, ProvisioningNeeds, Target } from './targets.ts';
import { note, type Subject } from './timeline.ts';

export interface CallContext {
  application: string;
  /** About whom the call is. */
  subject: Subject;
  pace: Pace;
  timeoutSeconds: number;
  attempt?: number;
  signal?: AbortSignal;
  /** Reading everything is not written down page by page. */
  quiet?: boolean;
}

type CallNeeds = Pick<ProvisioningNeeds, 'database' | 'net' | 'clock' | 'log'>;

const permit =
  'If it is in a private network, name it in outboundAllow and restart; then let the target go on (release).';

const largestAnswer = 16 * 1024 * 1024;

/** Makes the way out to a target for one piece of work, at the pace of its settings. */
export function createCall(needs: ProvisioningNeeds, target: Target, about: About): Call {
  const limits = { ...needs.connectors.get(target.connector)?.limits, ...given(target.settings.limits) };
  const { perMinute = 60, burst = 1, timeoutSeconds = 10 } = limits;
  const { subject, attempt, signal } = about;
  return createCallAt(needs, {
    application: target.application,
    subject,
    attempt,
    signal,
    pace: { perMinute, burst },
    timeoutSeconds,
    quiet: subject === 'target',
  });
}

function given<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

/** The same with everything said. */
export function createCallAt(needs: CallNeeds, context: CallContext): Call {
  // Before a turn is taken: between the turn and the request nothing may take long, or the target has meanwhile asked for a pause.
  needs.net.load();
  return async (request) => {
    const { probe } = await awaitTurn(needs.database, context.application, context.pace, context);
    const began = performance.now();
    const sent = { method: request.method, url: shownUrl(request.url), body: request.body };
    const trace = (answer: { status?: number; failure?: string; body?: unknown; headers?: Headers }) =>
      writeDown(needs, context, { sent, tookMs: performance.now() - began, ...answer });
    const fetched = await send(needs, context, request).catch(async (error: unknown) => {
      if (!(error instanceof NetRefused)) throw error;
      if (error.code === 'not-allowed') {
        await trace({ failure: error.message });
        throw new Stop('address', `${error.message} ${permit}`);
      }
      const pause = await noteOutage(needs.database, context.application, probe);
      await trace({ failure: error.message });
      throw new Retry(error.message, pause > 0 ? { afterSeconds: spread(pause) } : {});
    });
    const response = readResponse(fetched);
    await trace({ status: response.status, body: response.json ?? response.text, headers: response.headers });
    await judge(needs, context, response, probe);
    return response;
  };
}

async function send(needs: CallNeeds, context: CallContext, request: Request): Promise<Fetched> {
  const body =
    request.body === undefined || typeof request.body === 'string'
      ? request.body
      : JSON.stringify(request.body);
  return needs.net.fetch(request.url, {
    method: request.method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...request.headers },
    body,
    timeoutMs: context.timeoutSeconds * 1000,
    maxBytes: largestAnswer,
    redirects: 0,
    signal: context.signal,
  });
}

function readResponse(fetched: Fetched): Response {
  const text = fetched.text();
  return { status: fetched.status, headers: fetched.headers, text, json: readJson(text) };
}

const deepestAnswer = 64;

/**
 * What a target says ends in our tables, which take neither NUL nor half a character: cleaned here, once, for every
 * connector. An answer nested deeper than anyone needs is none.
 */
function readJson(text: string): unknown {
  try {
    return text === '' ? undefined : clean(JSON.parse(text), 0);
  } catch {
    return undefined;
  }
}

function clean(value: unknown, depth: number): unknown {
  if (depth > deepestAnswer) throw new RangeError('nested too deeply');
  if (typeof value === 'string') return cleanText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => clean(one, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [cleanText(name), clean(one, depth + 1)]),
  );
}

const cleanText = (text: string) => text.replaceAll('\0', '\ufffd').toWellFormed();

/** What the status alone decides; the rest is the connector's to judge. */
async function judge(
  needs: CallNeeds,
  context: CallContext,
  { status, headers }: Response,
  probe: boolean,
): Promise<void> {
  const { database, clock } = needs;
  const { application } = context;
  const asked = retryAfterSeconds(headers, clock.now());
  if (status === 429 || (status === 503 && asked !== undefined)) {
    const pause = await noteRateLimit(database, application, asked);
    throw new Retry(`The target asked to wait ${Math.round(pause)} s (${status}).`, {
      kind: 'rate',
      afterSeconds: spread(pause),
    });
  }
  if (status >= 500 && status !== 501) {
    const pause = await noteOutage(database, application, probe);
    throw new Retry(`The target failed (${status}).`, pause > 0 ? { afterSeconds: spread(pause) } : {});
  }
  await noteAnswer(database, application);
  if (status === 401 || status === 403) {
    throw new Stop('credentials', `The target refuses our credentials or what they may do (${status}).`);
  }
}

/** Without user name and password, which never belong there. */
function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}${url.search}`;
}

interface Exchange {
  sent: { method: string; url: string; body?: unknown };
  tookMs: number;
  status?: number;
  failure?: string;
  body?: unknown;
  headers?: Headers;
}

async function writeDown(needs: CallNeeds, context: CallContext, exchange: Exchange): Promise<void> {
  const { application, subject, attempt } = context;
  const { status, failure, sent, tookMs } = exchange;
  if (context.quiet && failure === undefined && status !== undefined && status < 400) return;
  const waits = exchange.headers?.get('retry-after') ?? undefined;
  await note(needs.database, {
    application,
    subject,
    attempt,
    tookMs,
    kind: failure === undefined ? 'answered' : 'unanswered',
    text: `${sent.method} ${new URL(sent.url).pathname}: ${failure ?? status}`,
    request: sent,
    response:
      failure === undefined
        ? { status, body: exchange.body, ...(waits && { retryAfter: waits }) }
        : { failure },
  });
  if (status === undefined || status >= 400) {
    const facts = { code: 'target-answer', application, subject, status, failure, method: sent.method };
    needs.log.warn(facts, 'a target refused or did not answer');
  }
}
