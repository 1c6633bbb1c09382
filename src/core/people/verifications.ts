/**
 * Mailed links and codes. Both are derived from the row's id under the master key: the sender computes them when the
 * mail is made, the door computes them again to compare, and no table, event, queue or log holds either.
 */
import { record, recordNothing } from '#core/events/events.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import { constantTimeEqual, newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './verifications.store.ts';

/** `proof` is for somebody signed in who has nothing else to prove with that it is them: its code alone counts. */
export type VerificationPurpose = 'sign-up' | 'address' | 'recovery' | 'proof';

/** `handed` is a recovery that is mailed to nobody: operators hand the link over. */
export type LinkPurpose = VerificationPurpose | 'handed';

export interface Verification {
  id: string;
  purpose: LinkPurpose;
  person: string;
  /** The address it was mailed to; with `handed` there is none. */
  address: string;
  /** The browser that asked, where its code may be typed. */
  browser?: string;
  /** Undefined when only the link counts. */
  codeExpiresAt?: Date;
  expiresAt: Date;
  attempts: number;
  usedAt?: Date;
  withdrawnAt?: Date;
  createdAt: Date;
}

const minute = 60_000;
/** Mail is slow, so addresses have a day; what opens an account has an hour, and what can be guessed ten minutes. */
const lifetimes: Record<LinkPurpose, { link: number; code?: number }> = {
  'sign-up': { link: 24 * 60 * minute, code: 10 * minute },
  address: { link: 24 * 60 * minute, code: 10 * minute },
  recovery: { link: 60 * minute },
  proof: { link: 10 * minute, code: 10 * minute },
  handed: { link: 60 * minute },
};

const purposes = Object.keys(lifetimes) as LinkPurpose[];

/** How often a code may be guessed; the link stays good after that. */
export const codeAttempts = 5;

/**
 * Asks for a link (and, except for recovery, a code) to be mailed to an address of this person. Older ones of the same
 * kind die; those for other addresses live on where an address is to be confirmed.
 * @throws Problem `address-unknown` when the address is not this person's, `address-unverified` for a recovery or a
 *   proof by an address that was never proved
 */
export async function requestVerification(
  tx: Tx,
  input: {
    purpose: VerificationPurpose;
    person: string;
    address: string;
    browser?: string;
    /** False keeps it unmailed: the address is someone else's, who is told in another way; nobody sees a difference. */
    announce?: boolean;
  },
): Promise<Verification> {
  const { purpose, person, address } = input;
  const standing = await store.lockAddress(tx, person, address);
  if (!standing) throw new Problem('address-unknown');
  if ((purpose === 'recovery' || purpose === 'proof') && standing.unprovedBesideProved)
    throw new Problem('address-unverified');
  await store.withdraw(tx, person, [purpose], purpose === 'address' ? address : undefined);
  const { link, code } = lifetimes[purpose];
  const after = (milliseconds: number) => new Date(tx.now().getTime() + milliseconds);
  const verification: Verification = {
    id: newId(),
    purpose,
    person,
    address,
    browser: input.browser,
    codeExpiresAt: code === undefined ? undefined : after(code),
    expiresAt: after(link),
    attempts: 0,
    createdAt: tx.now(),
  };
  await store.insertVerification(tx, verification);
  const data = { verification: verification.id, purpose, address };
  if (input.announce !== false) await record(tx, 'verification.requested', { person, data });
  return verification;
}

/**
 * Runs the statements of `requestVerification` for nobody and keeps nothing: asking for a recovery costs the same
 * whoever is or is not behind a name (AU-07).
 */
export async function pretendVerification(tx: Tx, purpose: 'recovery'): Promise<void> {
  const nobody = newId();
  await store.lockAddress(tx, nobody, nobody);
  await store.withdraw(tx, nobody, [purpose]);
  const [createdAt, expiresAt] = [tx.now(), tx.now()];
  const row = { id: newId(), purpose, person: nobody, address: nobody, attempts: 0, createdAt, expiresAt };
  await store.insertVerification(tx, row);
  await recordNothing(tx);
}

/**
 * Makes a link that opens a recovery and is mailed to nobody: `linkToken` spells it once, for whoever hands it over. Earlier
 * ones of the same kind die. It proves no address.
 */
export async function handRecovery(
  tx: Tx,
  person: string,
): Promise<Pick<Verification, 'id' | 'purpose' | 'expiresAt'>> {
  await store.withdraw(tx, person, ['handed']);
  const expiresAt = new Date(tx.now().getTime() + lifetimes.handed.link);
  const made = { id: newId(), person, expiresAt, createdAt: tx.now() };
  await store.insertHanded(tx, made);
  return { id: made.id, purpose: 'handed', expiresAt };
}

/** Whether something that was mailed to this address was used since then: whoever used it reads that mailbox. */
export const wasProvedSince = store.wasProvedSince;

/** The newest that a browser asked for, whatever became of it. */
export const newestOfBrowser = store.newestOfBrowser;

/** One by id, whatever became of it, or undefined. */
export const findVerification = store.findVerification;

/** Those of these ids that there are, in no order. */
export const findVerifications = store.findVerifications;

/** Those of a person that could still be used, newest first. */
export const openVerifications = store.openVerifications;

/**
 * Kills the unused links and codes of a person: all of them, or those of some purposes. Done when the password or an
 * address changed and when a person loses standing. Returns how many died.
 */
export async function withdrawVerifications(
  tx: Tx,
  person: string,
  only: readonly LinkPurpose[] = purposes,
): Promise<number> {
  return store.withdraw(tx, person, only);
}

const macBytes = 20;

/** The token of the mailed link: base64url of the id's 16 bytes and 20 bytes of its mac, 48 characters. */
export function linkToken(secrets: Secrets, verification: Pick<Verification, 'id' | 'purpose'>): string {
  return linkTokens(secrets, verification)[0];
}

/** The same under every master key there is: a change of it ends no link that is under way. */
function linkTokens(
  secrets: Secrets,
  { id, purpose }: Pick<Verification, 'id' | 'purpose'>,
): [string, ...string[]] {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  const spell = (mac: Buffer) => Buffer.concat([bytes, mac.subarray(0, macBytes)]).toString('base64url');
  const [current, ...previous] = secrets.macs('mail-link', id, purpose);
  return [spell(current), ...previous.map(spell)];
}

function isLinkToken(
  secrets: Secrets,
  token: string,
  verification: Pick<Verification, 'id' | 'purpose'>,
): boolean {
  return linkTokens(secrets, verification).some((one) => constantTimeEqual(token, one));
}

/** The mailed code: six digits, each value equally likely. */
export function codeOf(secrets: Secrets, verification: Pick<Verification, 'id'>): string {
  return codesOf(secrets, verification)[0];
}

function codesOf(secrets: Secrets, { id }: Pick<Verification, 'id'>): [string, ...string[]] {
  const spell = (mac: Buffer) =>
    (BigInt(`0x${mac.toString('hex')}`) % 1_000_000n).toString().padStart(6, '0');
  const [current, ...previous] = secrets.macs('mail-code', id);
  return [spell(current), ...previous.map(spell)];
}

// 36 bytes fill 48 characters exactly: there is one spelling of a token, and no other decodes to the same bytes.
const tokenForm = /^[A-Za-z0-9_-]{48}$/;

async function verificationOfToken(tx: Tx, secrets: Secrets, token: string): Promise<Verification> {
  if (!tokenForm.test(token)) throw new Problem('link-wrong');
  const hex = Buffer.from(token, 'base64url').subarray(0, 16).toString('hex');
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  // A link of ours whose row went away with its address or its person is used up, not wrong.
  if (!purposes.some((purpose) => isLinkToken(secrets, token, { id, purpose })))
    throw new Problem('link-wrong');
  const verification = await store.findVerification(tx, id);
  if (!verification) throw new Problem('link-used');
  if (!isLinkToken(secrets, token, verification)) throw new Problem('link-wrong');
  return verification;
}

function deadLink(verification: Verification): Problem {
  return new Problem(verification.usedAt || verification.withdrawnAt ? 'link-used' : 'link-expired');
}

/**
 * Looks at what a link is for without using it: for the page that asks to confirm, because mail scanners follow links.
 * @throws Problem `link-wrong`, `link-used` (also when a newer one was sent) or `link-expired`
 */
export async function peekLink(tx: Tx, secrets: Secrets, token: string): Promise<Verification> {
  const verification = await verificationOfToken(tx, secrets, token);
  const { usedAt, withdrawnAt, expiresAt } = verification;
  if (usedAt || withdrawnAt || expiresAt <= tx.now()) throw deadLink(verification);
  return verification;
}

/** Uses a link up; of many at once one wins. Refuses as `peekLink` does. Code and link are one: either spends both. */
export async function useLink(tx: Tx, secrets: Secrets, token: string): Promise<Verification> {
  const seen = await verificationOfToken(tx, secrets, token);
  const won = await store.useLink(tx, seen.id);
  if (won) return won;
  throw deadLink((await store.findVerification(tx, seen.id)) ?? { ...seen, withdrawnAt: tx.now() });
}

export type CodeOutcome =
  | { used: Verification }
  | { refused: Extract<ProblemCode, `code-${string}` | 'link-used'> };

/**
 * Tries a typed code (spaces and dashes do not count); of many right ones at once one wins. A refusal is **returned**,
 * not thrown, so that the caller's transaction commits and the guess stays counted: throw it only after the commit.
 * Refusals: `code-wrong`, `code-expired` (too old, withdrawn, or guessed five times), `link-used`.
 */
export async function useCode(
  tx: Tx,
  secrets: Secrets,
  verificationId: string,
  code: string,
): Promise<CodeOutcome> {
  // Counting locks the row until the commit: whoever guesses at the same time is counted after us, one by one.
  const counted = await store.countAttempt(tx, verificationId, codeAttempts);
  if (!counted) return { refused: await whyNoAttempt(tx, verificationId) };
  const typed = code.replaceAll(/[\s-]/g, '');
  if (!codesOf(secrets, counted).some((one) => constantTimeEqual(typed, one)))
    return { refused: 'code-wrong' };
  const used = await store.useLink(tx, counted.id);
  return used ? { used } : { refused: 'code-expired' };
}

async function whyNoAttempt(tx: Tx, id: string): Promise<'code-wrong' | 'code-expired' | 'link-used'> {
  const verification = await store.findVerification(tx, id);
  if (!verification) return 'code-wrong';
  return verification.usedAt ? 'link-used' : 'code-expired';
}
