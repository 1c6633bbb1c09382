/**
 * What a person can prove beside the password: passkeys, an authenticator app, recovery codes. How strong a proof is, is
 * said by its assurance level (SP 800-63B): a password alone is 1, two factors or a passkey that knows its user are 2.
 */
import * as store from './factors.store.ts';

/** What is enrolled. Recovery codes stand in for a lost factor; alone they are none. */
export interface Factors {
  passkeys: number;
  totp: boolean;
  /** How many are left. */
  recoveryCodes: number;
}

export const factorsOf = store.factorsOf;
export const withFactor = store.withFactor;

/** Whether the person can be asked for a second factor. */
export function hasFactor(factors: Factors): boolean {
  return factors.totp || factors.passkeys > 0;
}

/** The assurance level that the strongest enrolled proof reaches. */
export function strongestAal(factors: Factors): 1 | 2 {
  return hasFactor(factors) ? 2 : 1;
}
