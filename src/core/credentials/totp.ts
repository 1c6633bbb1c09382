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
const setUpPurpose = 'totp set-up';
const secretBytes = 20;

/** A form that sets an app up is good for so long; then it begins anew. */
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

/** Whose app is set up, and in which browser: a form of one opens for no other. */
export interface SetUpOwner {
  person: string;
  /** Random id of the browser that shows the form. */
  browser: string;
}

/** A secret that no table holds: it travels sealed in the form, until the first code proves that an app has it. */
export interface TotpSetUp {
  secret: Buffer;
  /** For a hidden field of the form; handed to `confirmTotp` with the code. */
  sealed: string;
}

/**
 * Begins to set an authenticator app up, or goes on with what a form brings along, so that a wrong code does not change
 * what is in the app already. Nothing is written before `confirmTotp`.
 */
export function beginTotp(
  secrets: Secrets,
  owner: SetUpOwner,
  form: { now: Date; sealed?: string },
): TotpSetUp {
  const open = form.sealed === undefined ? undefined : openSetUp(secrets, owner, form.now, form.sealed);
  if (open && form.sealed !== undefined) return { secret: open.secret, sealed: form.sealed };
  const secret = randomBytes(secretBytes);
  const id = Buffer.from(newId().replaceAll('-', ''), 'hex');
  const expires = Buffer.alloc(8);
  expires.writeBigUInt64BE(BigInt(form.now.getTime() + setUpSeconds * 1000));
  const sealed = secrets.seal(setUpPurpose, Buffer.concat([id, expires, secret]), bindOfForm(owner));
  return { secret, sealed: sealed.toString('base64url') };
}

function bindOfForm({ person, browser }: SetUpOwner): string {
  return `totp set-up/${person}/${browser}`;
}

/** What a form of this person and browser holds; undefined for one that is too old, of others, or made up. */
function openSetUp(
  secrets: Secrets,
  owner: SetUpOwner,
  now: Date,
  sealed: string,
): { id: string; secret: Buffer } | undefined {
  let bytes: Buffer;
  try {
    bytes = secrets.open(setUpPurpose, Buffer.from(sealed, 'base64url'), bindOfForm(owner));
  } catch {
    return undefined;
  }
  if (bytes.length !== 24 + secretBytes || bytes.readBigUInt64BE(16) <= BigInt(now.getTime()))
    return undefined;
  const id = bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { id, secret: bytes.subarray(24) };
}

/**
 * The first code proves that the app holds the secret of the form; an app of before is replaced. False for a wrong code,
 * and for a form that is too old, of another person or browser, or used already.
 */
export async function confirmTotp(
  tx: Tx,
  secrets: Secrets,
  owner: SetUpOwner,
  given: { sealed: string; code: string },
): Promise<boolean> {
  const open = openSetUp(secrets, owner, tx.now(), given.sealed);
  const step = open && matchingStep(tx, open.secret, given.code);
  if (!open || step === undefined) return false;
  const { person } = owner;
  const secret = secrets.seal(purpose, open.secret, bindOf(open.id));
  if (!(await store.replaceTotp(tx, { id: open.id, person, secret, step }))) return false;
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
