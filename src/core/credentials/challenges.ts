/**
 * Challenges for passkeys. Anyone may ask for one as often as they like, so none is kept: it carries 16 random bytes, its
 * end, and a mac over both with the browser and the ceremony it was made for. What is kept is that it was answered, so
 * that it counts once (PK-01).
 */
import { randomBytes } from 'node:crypto';
import { constantTimeEqual, hashToken } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './challenges.store.ts';

/** What a challenge is for. */
export interface Ceremony {
  /** Random id of the browser. */
  browser: string;
  /** `sign-in`, or what it adds to: a pending sign-in, a session. A challenge to make a key says so too. */
  purpose: string;
}

const seconds = 300;
const randomEnd = 16;
const timeEnd = 20;
const purpose = 'passkey challenge';

function partsOf(head: Buffer, ceremony: Ceremony): [string, string, string] {
  return [head.toString('base64url'), ceremony.browser, ceremony.purpose];
}

/** A challenge that counts for five minutes. */
export function newChallenge(secrets: Secrets, now: Date, ceremony: Ceremony): Buffer {
  const head = Buffer.alloc(timeEnd);
  randomBytes(randomEnd).copy(head);
  head.writeUInt32BE(Math.floor(now.getTime() / 1000) + seconds, randomEnd);
  return Buffer.concat([head, secrets.mac(purpose, ...partsOf(head, ceremony))]);
}

/** Whether this is a challenge of ours for this ceremony whose time is not over. */
export function challengeCounts(secrets: Secrets, now: Date, ceremony: Ceremony, text: string): boolean {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== timeEnd + 32) return false;
  const head = bytes.subarray(0, timeEnd);
  const macs = secrets.macs(purpose, ...partsOf(head, ceremony));
  if (!macs.some((mac) => constantTimeEqual(mac, bytes.subarray(timeEnd)))) return false;
  return head.readUInt32BE(randomEnd) * 1000 > now.getTime();
}

/** Uses a challenge up: true for the one who does. */
export function useChallenge(tx: Tx, text: string): Promise<boolean> {
  const expiresAt = new Date(tx.now().getTime() + seconds * 1000);
  return store.insertUsed(tx, hashToken(Buffer.from(text, 'base64url').toString('base64url')), expiresAt);
}

export const deleteOldChallenges = store.deleteOldUsed;
