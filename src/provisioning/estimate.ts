/** How long a plan takes at a target's rate limits. */
import type { PersonPlan } from './situation.ts';
import { connectorOf, factsOf, openBlind, type ProvisioningNeeds, type Target } from './targets.ts';

export interface Estimate {
  /** Changes that are to be sent. */
  writes: number;
  /** Requests for them: each account is looked at or looked for first. */
  calls: number;
  /** How long the calls take at the rate of the target; the listing is not among them. */
  seconds: number;
}

/** The pace keeps a little below what is allowed. */
const margin = 0.985;

/** Adds up people; asks nothing. */
export function estimator(
  needs: Pick<ProvisioningNeeds, 'connectors'>,
  target: Target,
): { add(planned: PersonPlan): void; result(): Estimate } {
  const connector = connectorOf(needs, target);
  const { perMinute = connector.limits.perMinute, burst = connector.limits.burst } = target.settings.limits;
  const looks = connector.capabilities.find
    ? (openBlind(needs, target).looks ?? looksToFind(factsOf(target, connector).filters))
    : 0;
  let writes = 0;
  let calls = 0;
  return {
    add({ situation, plan }) {
      if (plan.steps.length === 0 && plan.verdict !== 'link') return;
      writes += plan.steps.length;
      const linked = situation.link?.remoteId !== undefined;
      const first = linked ? Math.min(looks, 1) : looks;
      calls += first + plan.steps.length;
    },
    result() {
      const beyondBurst = Math.max(0, calls - burst);
      return { writes, calls, seconds: Math.ceil((beyondBurst * 60) / (perMinute * margin)) };
    },
  };
}

/** An account that may be there is looked for by each thing the target can be asked by. */
function looksToFind(filters: unknown): number {
  return typeof filters === 'string' && filters !== '' ? filters.split(/\s+/).length : 2;
}
