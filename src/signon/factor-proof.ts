/** Looking at a further proof: a code of an authenticator app, a recovery code, a passkey. */

import type { Ceremony } from '#core/credentials/challenges.ts';
import { forgiveAttempts, noteFailedAttempt, reserveAttempt } from '#core/credentials/credentials.ts';
import { type PasskeySite, provePasskey } from '#core/credentials/passkeys.ts';
import { readRecoveryCode, useRecoveryCode } from '#core/credentials/recovery-codes.ts';
import { useTotp } from '#core/credentials/totp.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Further } from './proof.ts';

/**
 * Whether a typed code is right: six digits are one of the authenticator app, sixteen characters a recovery code. Counted
 * for the person, whichever sign-in or session it is typed in (AU-10).
 */
export async function proveCode(tx: Tx, secrets: Secrets, person: string, typed: string): Promise<Further> {
  const subject = { kind: 'factor' as const, person };
  const verdict = await reserveAttempt(tx, subject);
  if (!verdict.allowed) return { refused: 'too-many-codes' };
  const right = readRecoveryCode(typed)
    ? await useRecoveryCode(tx, person, typed)
    : await useTotp(tx, secrets, person, typed);
  if (!right) {
    await noteFailedAttempt(tx, subject, verdict);
    return { refused: 'factor-wrong' };
  }
  await forgiveAttempts(tx, subject);
  return { amr: ['otp', 'mfa'], aal: 2 };
}

/** Whether a browser's answer is a passkey of this person. */
export async function proveOwnPasskey(
  tx: Tx,
  site: PasskeySite,
  given: { person: string; ceremony: Ceremony; answer: string },
): Promise<Further> {
  const proved = await provePasskey(tx, site, given);
  return proved ? { amr: proved.amr, aal: 2 } : { refused: 'passkey-refused' };
}
