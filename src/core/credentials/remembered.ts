/**
 * Browsers that are not asked for the second factor for a while. Owns `remembered_devices`; only the hash of a cookie's
 * token is kept. They never stand for a proof that is wanted anew.
 */
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './remembered.store.ts';

/** The most one person may have; the one used longest ago makes room. */
const most = 10;

/** Remembers this browser for so many days. Returns the token for its cookie. */
export async function rememberForFactor(
  tx: Tx,
  input: { person: string; label: string; days: number },
): Promise<string> {
  const token = randomToken();
  await store.insertRemembered(tx, {
    id: newId(),
    person: input.person,
    tokenHash: hashToken(token),
    label: input.label.slice(0, 120),
    expiresAt: new Date(tx.now().getTime() + input.days * 86_400_000),
  });
  await store.keepNewest(tx, input.person, most);
  return token;
}

/** Whether this cookie is one of the person's and not older than `days`; marks it as used. */
export async function isRemembered(
  tx: Tx,
  person: string,
  token: string | undefined,
  days: number,
): Promise<boolean> {
  if (!token || token.length > 200 || days === 0) return false;
  const youngest = new Date(tx.now().getTime() - days * 86_400_000);
  return store.useRemembered(tx, person, hashToken(token), youngest);
}

export interface RememberedDevice {
  id: string;
  label: string;
  createdAt: Date;
  lastUsedAt: Date;
  expiresAt: Date;
}

export const rememberedDevices = store.listRemembered;

/** All of a person's, or one of them. Returns how many it was. */
export const forgetRemembered = store.deleteRemembered;

export const deleteOldRemembered = store.deleteOldRemembered;
