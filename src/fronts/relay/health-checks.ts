/** What a look at mail finds: one check, its state, and what to publish. */
import { DnsFailed } from './dns.ts';

/** `note`: nothing hangs on it. `unanswered`: nobody answered, which says nothing about what is published. */
export const healthStates = ['good', 'warning', 'bad', 'unanswered', 'note'] as const;
export type HealthState = (typeof healthStates)[number];

export const healthChecks = [
  'mx',
  'spf',
  'dkim',
  'dmarc',
  'mta-sts',
  'tls-rpt',
  'verification',
  'address',
  'ptr',
  'certificate',
  'smart-host',
] as const;
export type HealthCheckName = (typeof healthChecks)[number];

export interface DnsRecord {
  type: 'MX' | 'TXT' | 'A' | 'PTR';
  name: string;
  value: string;
}

export interface HealthCheck {
  check: HealthCheckName;
  /** The name, address or host it is about. */
  about: string;
  state: HealthState;
  /** What that means and what to do, in a sentence or two. */
  text: string;
  /** What stands there now, as it stands there. */
  found: string[];
  /** What to publish; what stands there for another purpose stays. */
  publish?: DnsRecord;
  /** Of what nobody answers about now: when it was last seen as it should be, by this process. */
  seenAt?: Date;
}

/** A check that answers for itself when nobody answers us. */
export async function looked(
  check: HealthCheckName,
  about: string,
  look: () => Promise<HealthCheck[]>,
): Promise<HealthCheck[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof DnsFailed)) throw error;
    const text = `The name servers gave no answer (${error.code}), so nobody knows whether it is there. Look again, or set others.`;
    return [{ check, about, state: 'unanswered', text, found: [] }];
  }
}

/** Remembers what each look has seen, so that one without an answer can say when it was there. */
export function createSightings(): (checks: readonly HealthCheck[], at: Date) => HealthCheck[] {
  const seen = new Map<string, Date>();
  return (checks, at) =>
    checks.map((one) => {
      const key = `${one.check} ${one.about}`;
      if (one.state === 'unanswered') return { ...one, ...(seen.has(key) && { seenAt: seen.get(key) }) };
      const isThere = one.state === 'good' || (one.state === 'note' && one.found.length > 0);
      if (isThere) seen.set(key, at);
      else seen.delete(key);
      return one;
    });
}
