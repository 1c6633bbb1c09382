/**
 * How often apps may send people here to be signed in. Each time a request is looked at and kept for an hour, whoever
 * asks; so one network, and one browser, may do so only so often. A network has room for a house full of people behind
 * one address who all begin their day: two a sign-in, three thousand of them in ten minutes.
 */
import type { FastifyRequest } from 'fastify';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { type Limit, type Limits, networkKey } from '#kit/limits/limits.ts';

interface Needs {
  limits: Limits;
}

const ofNetwork: Limit = { points: 6000, windowSeconds: 600 };
const ofBrowser: Limit = { points: 100, windowSeconds: 600 };

/** Counts one request against the network alone, for where no browser is known. Refuses with `rate-limited`. */
export async function boundNetwork({ limits }: Needs, request: FastifyRequest): Promise<void> {
  await take(limits, keyOf(request), ofNetwork);
}

/** Takes it back: it was answered at once, or by a session that was there already. */
export async function giveBackNetwork({ limits }: Needs, request: FastifyRequest): Promise<void> {
  await limits.giveBack(keyOf(request));
}

/** Counts one request that keeps something against the browser it came from, and then its network. */
export async function boundRequests(needs: Needs, request: FastifyRequest): Promise<void> {
  // Only a browser that came with its id: whoever throws it away each time would leave a count behind each time.
  const browser = (request.server as App).cookieJar.read(request, 'browser');
  if (browser) await take(needs.limits, `requests-browser:${browser}`, ofBrowser);
  await boundNetwork(needs, request);
}

function keyOf({ network }: FastifyRequest): string {
  return `requests:${networkKey(network)}`;
}

async function take(limits: Limits, key: string, limit: Limit): Promise<void> {
  const { allowed, retryAfterSeconds } = await limits.take(key, limit);
  if (!allowed) throw new Problem('rate-limited', { retryAfter: retryAfterSeconds });
}
