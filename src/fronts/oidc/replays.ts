/**
 * Proofs that count once: DPoP proofs (RFC 9449 §11.1) and assertions of apps (RFC 7523 §3). The library looks and then
 * writes, so that of two uses at once both would count; here one conditional insert decides, for all nodes together.
 */
import { hash as digest } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import type { AdapterNeeds } from './adapter.ts';
import { insertReplay } from './replays.store.ts';

/**
 * Seconds a proof is remembered beyond what the library asks for: it takes proofs whose `iat` is up to five minutes
 * ahead, and those count for five minutes more.
 */
const aheadSeconds = 360;

interface ReplayClass {
  unique(party: string, jti: string, exp: number): Promise<boolean>;
}

/** Makes the provider ask our table whether a proof is new. */
export function countProofsOnce(provider: Provider, needs: Pick<AdapterNeeds, 'database' | 'clock'>): void {
  const seen = provider.ReplayDetection as unknown as ReplayClass;
  seen.unique = (party, jti, exp) =>
    insertReplay(needs.database, {
      id: digest('sha256', `${party.length}\0${party}\0${jti}`, 'buffer'),
      expiresAt: new Date((exp + aheadSeconds) * 1000),
      now: needs.clock.now(),
    });
}
