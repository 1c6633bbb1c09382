/** What machines ask of a running node: is it alive, is it ready, how is it doing (/health/live, /health/ready, /metrics). */
import type { FastifyRequest } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import { samlWarnings } from '#fronts/saml/warnings.ts';
import type { Hasher } from '#kit/crypto/passwords.ts';
import { type Database, system } from '#kit/db/database.ts';
import { type App, HttpRefusal } from '#kit/http/server.ts';
import { queueState } from '#kit/queue/queue.ts';

const places = ['/health/live', '/health/ready', '/metrics'];

/**
 * Registers the three addresses and starts counting requests. With `alone` there is nothing else on this server, not
 * even what every server serves its pages with.
 */
export function operations(
  app: App,
  needs: {
    database: Database;
    hasher: Hasher;
    isDraining(): boolean;
    alone?: boolean;
    relay?: { metrics: readonly Metric[] };
  },
): void {
  if (needs.alone) {
    app.addHook('onRequest', async (request) => {
      if (!places.includes(request.routeOptions.url ?? ''))
        throw new HttpRefusal(404, 'not-found', 'this process runs no pages');
    });
  }
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  countRequests(app, registry);
  for (const metric of needs.relay?.metrics ?? []) registry.registerMetric(metric);
  new Gauge({
    name: 'gatehouse_password_hashes_waiting',
    help: 'Callers waiting for their turn to hash a password.',
    registers: [registry],
    collect() {
      this.set(needs.hasher.stats().waiting);
    },
  });
  const jobs = new Gauge({
    name: 'gatehouse_queue_jobs',
    help: 'Jobs by lane and state.',
    labelNames: ['lane', 'state'],
    registers: [registry],
  });

  const ends = new Gauge({
    name: 'gatehouse_saml_ends_seconds',
    help: 'Seconds until a SAML certificate or metadata ends, of those that end within 30 days or have ended.',
    labelNames: ['kind', 'application', 'upstream'],
    registers: [registry],
  });

  app.get('/health/live', { config: { door: 'public', anyHost: true } }, async () => ({ live: true }));

  app.get('/health/ready', { config: { door: 'public', anyHost: true } }, async (_request, reply) => {
    const answer = await readiness(needs);
    return reply.code(answer.ready ? 200 : 503).send(answer);
  });

  app.get('/metrics', { config: { door: 'public', anyHost: true } }, async (request, reply) => {
    // Figures are for the machine and its own network; everyone else gets the page that is not there.
    if (!isNear(request.network) || wasForwarded(request.raw.rawHeaders)) return reply.callNotFound();
    const lanes = await queueState(needs.database);
    jobs.reset();
    for (const lane of lanes) {
      for (const state of ['ready', 'leased', 'dead'] as const)
        jobs.set({ lane: lane.lane, state }, lane[state]);
    }
    ends.reset();
    const { endings, now } = await needs.database.read(system(), async (tx) => ({
      endings: await samlWarnings(tx),
      now: tx.now().getTime(),
    }));
    for (const { kind, application = '', upstream, at } of endings)
      ends.set({ kind, application, ...(upstream && { upstream }) }, at ? (at.getTime() - now) / 1000 : 0);
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

/** How a process without pages answers everything but the three addresses. */
export function refuseOthers(error: unknown, request: FastifyRequest) {
  const reference = request.requestId;
  if (!(error instanceof HttpRefusal)) return { status: 500, json: { error: 'unexpected', reference } };
  const isElsewhere = error.status === 404 || error.status === 421;
  const text = `This process runs no pages and no protocols. It answers ${places.join(', ')} alone.`;
  return isElsewhere
    ? { status: 404, json: { error: 'not-found', text, reference } }
    : { status: error.status, json: { error: error.code, reference } };
}

async function readiness(needs: { database: Database; isDraining(): boolean }) {
  if (needs.isDraining()) return { ready: false, why: 'draining' };
  try {
    await needs.database.read(system(), async () => undefined);
    return { ready: true };
  } catch {
    return { ready: false, why: 'the database does not answer' };
  }
}

/** Behind a proxy that nobody named as trusted everyone looks near; then nobody is. */
function wasForwarded(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((name, index) => index % 2 === 0 && /^(x-forwarded-.+|forwarded|via)$/i.test(name));
}

function isNear(address: string): boolean {
  const ip = address.replace(/^::ffff:/, '');
  return /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(ip) || ip === '::1' || /^f[cd]/i.test(ip);
}

function countRequests(app: App, registry: Registry): void {
  const requests = new Counter({
    name: 'gatehouse_requests_total',
    help: 'Answers by route and status.',
    labelNames: ['route', 'method', 'status'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'gatehouse_request_seconds',
    help: 'Time to answer by route.',
    labelNames: ['route'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    requests.inc({ route, method: request.method, status: String(reply.statusCode) });
    seconds.observe({ route }, reply.elapsedTime / 1000);
  });
}
