/**
 * Codes of an authenticator app (RFC 6238): SHA-1, six digits, thirty seconds, what every app understands.
 * Owns `totp_authenticators`. Records factor.added and factor.removed. Accepts the current step and the one before, by
 * our clock, and each code once: a single conditional update decides (AU-08, AU-09).
 */
import { createHmac, randomBytes } from 'node:crypto';
import { record } from '#core/events/events.ts';
import { constantTimeEqual, newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './totp.store.ts';

const stepSeconds = 30;
const digits = 6;
const purpose = 'totp secret';

/** A set-up that was begun is shown again for so long; then it begins anew. */
const setUpSeconds = 1800;

/** The code of one step of thirty seconds since 1970 (RFC 4226 §5.3). */
export function codeAt(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const offset = mac[mac.length - 1]! & 0xf;
  const number = mac.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/** The step a moment lies in. */
export function stepOf(at: Date): number {
  return Math.floor(at.getTime() / 1000 / stepSeconds);
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 (RFC 4648 §6) without padding, as authenticator apps take it. */
export function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => alphabet[parseInt(five.padEnd(5, '0'), 2)]).join('');
}

/** What the QR code says: `otpauth://totp/…`. */
export function otpauthUri(issuer: string, account: string, secret: Buffer): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`;
  return `otpauth://totp/${label}?secret=${base32(secret)}&issuer=${encodeURIComponent(issuer)}`;
}

function bindOf(id: string): string {
  return `totp_authenticators/${id}/secret`;
}

/**
 * Begins to set an authenticator app up, or goes on with what was begun a moment ago, so that loading the page again does
 * not change what is in the app already. It counts for nothing until `confirmTotp`.
 */
export async function beginTotp(tx: Tx, secrets: Secrets, person: string): Promise<Buffer> {
  const open = await store.openTotp(tx, person);
  const begunAfter = tx.now().getTime() - setUpSeconds * 1000;
  if (open && open.createdAt.getTime() > begunAfter)
    return secrets.open(purpose, open.secret, bindOf(open.id));
  const id = newId();
  const secret = randomBytes(20);
  await store.replaceOpen(tx, { id, person, secret: secrets.seal(purpose, secret, bindOf(id)) });
  return secret;
}

/** The first code proves that the app holds the secret; an app of before is replaced. False for a wrong code. */
export async function confirmTotp(tx: Tx, secrets: Secrets, person: string, code: string): Promise<boolean> {
  const open = await store.openTotp(tx, person);
  const step = open && matchingStep(tx, secrets.open(purpose, open.secret, bindOf(open.id)), code);
  if (!open || step === undefined) return false;
  await store.deleteConfirmed(tx, person);
  if (!(await store.confirm(tx, open.id, step))) return false;
  await record(tx, 'factor.added', { person, data: { kind: 'totp' } });
  return true;
}

/** Whether this is a code of the person's app that was not used yet; it is used from then on. */
export async function useTotp(tx: Tx, secrets: Secrets, person: string, code: string): Promise<boolean> {
  const stored = await store.confirmedTotp(tx, person);
  if (!stored) return false;
  const step = matchingStep(tx, secrets.open(purpose, stored.secret, bindOf(stored.id)), code);
  return step !== undefined && store.useStep(tx, stored.id, step);
}

function matchingStep(tx: Tx, secret: Buffer, typed: string): number | undefined {
  const code = typed.replaceAll(/[\s-]/g, '');
  if (!/^\d{6}$/.test(code)) return undefined;
  const now = stepOf(tx.now());
  return [now, now - 1].find((step) => constantTimeEqual(codeAt(secret, step), code));
}

/** When the person's app was set up and last used; undefined without one. */
export const totpOf = store.factsOf;

/** Takes the authenticator app away. False when there was none. */
export async function removeTotp(tx: Tx, person: string): Promise<boolean> {
  const gone = await store.deleteConfirmed(tx, person);
  if (gone) await record(tx, 'factor.removed', { person, data: { kind: 'totp' } });
  return gone;
}

/** Seals up to 500 secrets under the current master key; returns how many changed. */
export async function rewrapTotp(
  tx: Tx,
  secrets: Secrets,
  after?: string,
): Promise<{ changed: number; last?: string }> {
  const rows = await store.secretsAfter(tx, after, 500);
  let changed = 0;
  for (const { id, secret } of rows) {
    const next = secrets.rewrap(purpose, secret, bindOf(id));
    if (!next) continue;
    await store.replaceSecret(tx, id, next);
    changed += 1;
  }
  return { changed, last: rows.at(-1)?.id };
}
