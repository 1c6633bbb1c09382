/**
 * Waiting for an upstream's answer. Whoever waits holds no page's place meanwhile, and so many wait for one upstream at a
 * time: one that hangs keeps its own people waiting, and nobody else.
 */
import type { FastifyRequest } from 'fastify';
import { UpstreamFailure } from './failure.ts';
import type { Upstream } from './upstreams.ts';

/** How many of this process wait for one upstream at once. */
const most = 64;

const waiting = new Map<string, number>();

/** Runs what asks the other side. Refuses with `upstream-unreachable` where too many wait for it already. */
export async function askThere<T>(
  request: Pick<FastifyRequest, 'away'>,
  upstream: Pick<Upstream, 'id' | 'settings'>,
  ask: () => Promise<T>,
): Promise<T> {
  const { id } = upstream;
  const before = waiting.get(id) ?? 0;
  if (before >= most)
    throw new UpstreamFailure('upstream-unreachable', upstream, { detail: `${most} wait for it already` });
  waiting.set(id, before + 1);
  try {
    return await request.away(ask);
  } finally {
    const left = (waiting.get(id) ?? 1) - 1;
    if (left > 0) waiting.set(id, left);
    else waiting.delete(id);
  }
}
