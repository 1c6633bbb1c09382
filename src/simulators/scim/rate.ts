/** Limits as targets keep them: a token bucket for everything, or one for reads beside it. */
import type { Clock } from '#kit/clock/clock.ts';

export interface Rate {
  perMinute: number;
  /** How many at once after a rest. */
  burst: number;
}

export interface Limits {
  /** Everything, or writes alone where `reads` is there. */
  all?: Rate;
  reads?: Rate;
}

export interface Ticket {
  allowed: boolean;
  limit: number;
  remaining: number;
  /** Whole seconds until one more is allowed; 0 when allowed. */
  retryAfterSeconds: number;
  /** When the bucket is full again. */
  resetAt: Date;
}

/** `180/min`, `3/s`, `6000/h`. Throws RangeError with a sentence. */
export function readRate(text: string, burst?: number): Rate {
  const [, count, unit] = /^(\d{1,7})\s*\/\s*(s|sec|min|m|h|hour)$/.exec(text.trim()) ?? [];
  if (!count || Number(count) === 0)
    throw new RangeError(`"${text.slice(0, 40)}" is not a rate. Write it like 180/min, 3/s or 6000/h.`);
  const perMinute = unit!.startsWith('s')
    ? Number(count) * 60
    : unit!.startsWith('h')
      ? Number(count) / 60
      : Number(count);
  return { perMinute, burst: burst ?? Math.max(1, Math.ceil(perMinute / 60)) };
}

/** A bucket that fills steadily and starts full. */
export function createBucket(rate: Rate, clock: Clock): () => Ticket {
  const perMs = rate.perMinute / 60_000;
  let tokens = rate.burst;
  let at = clock.now().getTime();
  return () => {
    const now = clock.now().getTime();
    tokens = Math.min(rate.burst, tokens + Math.max(0, now - at) * perMs);
    at = now;
    const allowed = tokens >= 1;
    if (allowed) tokens -= 1;
    return {
      allowed,
      limit: Math.round(rate.perMinute),
      remaining: Math.floor(tokens),
      retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil((1 - tokens) / perMs / 1000)),
      resetAt: new Date(now + (rate.burst - tokens) / perMs),
    };
  };
}

export function createRates(limits: Limits, clock: Clock): (method: string) => Ticket | undefined {
  const all = limits.all && createBucket(limits.all, clock);
  const reads = limits.reads && createBucket(limits.reads, clock);
  return (method) => (method === 'GET' && reads ? reads() : all?.());
}
