/**
 * Authenticators (NIST SP 800-63B): passwords and known devices here, what else proves a person in files of their own:
 * `passkeys.ts`, `totp.ts`, `recovery-codes.ts`, `remembered.ts`, and `factors.ts` over all of them.
 * Owns `passwords`, `password_failures`, `known_devices`. Records password.set, password.upgraded, sign-in.throttled.
 * Refuses weak passwords, and any attempt once too many failed. Hashing happens outside transactions: callers hash
 * first, so that no connection waits for a processor.
 */
import { type EventData, record } from '#core/events/events.ts';
import { withdrawVerifications } from '#core/people/verifications.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { deleteOldChallenges } from './challenges.ts';
import { deleteOldRemembered, forgetRemembered } from './remembered.ts';
import * as store from './store.ts';

export interface StoredPassword {
  person: string;
  /**
   * argon2id PHC, a wrapped legacy hash, or a legacy hash in its canonical form (see wire/hashes). Several imported
   * ones stand in lines; each of their passwords is right.
   */
  hash: string;
  /** Short name of the scheme, `+` between several, `wrapped:` before what is wrapped. */
  scheme: string;
  imported: boolean;
  /** Stays when the same password is hashed or wrapped anew. */
  setAt: Date;
}

export { verifyPassword } from './verify.ts';

export const passwordOf = store.passwordOf;
export const passwordSetAt = store.passwordSetAt;
export const withOwnWayIn = store.withOwnWayIn;
export const insertPasswords = store.insertPasswords;
export const passwordsToWrap = store.passwordsToWrap;
export const countToWrap = store.countToWrap;
export const replaceWrapped = store.replaceWrapped;

/** Keeps a freshly made argon2id hash as the person's password and records how it came about. */
export async function setPassword(
  tx: Tx,
  person: string,
  phc: string,
  how: EventData<'password.set'>['how'],
): Promise<void> {
  await store.writePassword(tx, person, phc);
  // A link mailed before this password must not undo it.
  if (how !== 'sign-up') await withdrawVerifications(tx, person);
  await record(tx, 'password.set', { person, data: { how } });
}

/**
 * Whether a password that proved right outside the transaction is the person's still; if so, nobody sets another one
 * until the transaction ends. With `fresh` an imported or outdated hash is replaced by it, unless it changed meanwhile.
 */
export async function confirmPassword(tx: Tx, stored: StoredPassword, fresh?: string): Promise<boolean> {
  const { person, hash, scheme, setAt } = stored;
  if (fresh === undefined || !(await store.upgradeHash(tx, person, hash, fresh)))
    return store.holdPassword(tx, person, setAt);
  await record(tx, 'password.upgraded', { person, data: { scheme } });
  return true;
}

export {
  type AttemptSubject,
  type AttemptVerdict,
  attemptLimits,
  forgiveAttempts,
  giveBackAttempt,
  noteFailedAttempt,
  reserveAttempt,
  reserveTypedAttempt,
  type TypedName,
  waitsUntil,
} from './attempts.ts';

export interface KnownDevice {
  id: string;
  person: string;
}

/**
 * Makes this browser known for this person, or marks it as seen now where `token`, from its cookie, says that it is.
 * Returns the token for the cookie; only its hash is kept.
 */
export async function rememberDevice(tx: Tx, person: string, label: string, token?: string): Promise<string> {
  const fresh = randomToken();
  const device = { id: newId(), person, tokenHash: hashToken(fresh), label };
  const kept = await store.keepDevice(tx, { ...device, seenHash: token ? hashToken(token) : undefined });
  return kept === 'seen' && token ? token : fresh;
}

/** The device a cookie stands for, if it is known. */
export async function knownDevice(tx: Tx, token: string | undefined): Promise<KnownDevice | undefined> {
  return token ? store.deviceByHash(tx, hashToken(token)) : undefined;
}

/** No browser is known as this person's any more, nor remembered as needing no second factor. */
export async function forgetDevices(tx: Tx, person: string): Promise<void> {
  await store.deleteDevices(tx, person);
  await forgetRemembered(tx, person);
}

/** How long a browser stays known without a sign-in, and its cookie lives. */
export const deviceSeconds = 365 * 86_400;

/**
 * Lets go of counted attempts that count no more, and of browsers whose cookie has ended. Returns how many counts went:
 * up to 10,000, and then there may be more.
 */
export async function forgetOld(tx: Tx): Promise<number> {
  await deleteOldChallenges(tx);
  await deleteOldRemembered(tx);
  await store.deleteOldDevices(tx, new Date(tx.now().getTime() - deviceSeconds * 1000));
  return store.deleteOldAttempts(tx);
}
