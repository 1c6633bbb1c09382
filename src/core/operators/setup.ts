/**
 * The one-time way to the first operator. One row says whether it is open; the link's token is derived from that
 * row's id, so it stands in no table and no log. Closed, it stays closed: an owner must ask for it at the console.
 */
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { constantTimeEqual, newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export interface Setup {
  id: string;
  openedAt: Date;
}

/**
 * Opens the setup of a new installation; called at every start. Of many nodes that start at once one opens it and all
 * get the same. Undefined when it was closed: losing all operators does not open it again.
 */
export async function openSetup(tx: Tx): Promise<Setup | undefined> {
  const made = await store.insertSetup(tx, newId());
  if (made && !made.closedAt) await record(tx, 'setup.opened', { data: {} });
  const setup = made ?? (await store.readSetup(tx));
  return setup && !setup.closedAt ? { id: setup.id, openedAt: setup.openedAt } : undefined;
}

/** Opens the setup again under a new id, so that older links stay dead. For the console of the machine only. */
export async function reopenSetup(tx: Tx): Promise<Setup> {
  const setup = await store.replaceSetup(tx, newId());
  await record(tx, 'setup.opened', { data: {} });
  return { id: setup.id, openedAt: setup.openedAt };
}

/** The token of the one-time link: 43 base64url characters. */
export function setupToken(secrets: Secrets, setup: Pick<Setup, 'id'>): string {
  return secrets.mac('setup', setup.id).toString('base64url');
}

/** Whether the setup is open and this is its token. Uses nothing up. */
export async function checkSetup(tx: Tx, secrets: Secrets, token: string): Promise<boolean> {
  return (await openWith(tx, secrets, token)) !== undefined;
}

async function openWith(tx: Tx, secrets: Secrets, token: string): Promise<string | undefined> {
  const setup = await store.readSetup(tx);
  if (!setup || setup.closedAt) return undefined;
  // A change of the master key ends no link that was printed before it.
  const tokens = secrets.macs('setup', setup.id).map((mac) => mac.toString('base64url'));
  return tokens.some((one) => constantTimeEqual(token, one)) ? setup.id : undefined;
}

/**
 * Spends the link; the caller appoints the owner in the same transaction. Refuses with `setup-closed` when the token
 * is wrong, the setup is closed, or someone else was first.
 */
export async function useSetup(tx: Tx, secrets: Secrets, token: string): Promise<void> {
  const id = await openWith(tx, secrets, token);
  if (!id || !(await closeSetup(tx, id))) throw new Problem('setup-closed');
}

/** Closes the setup for good. Of many at once one gets true; false when it was not open. */
export async function closeSetup(tx: Tx, id?: string): Promise<boolean> {
  if (!(await store.closeSetup(tx, id))) return false;
  await record(tx, 'setup.closed', { data: {} });
  return true;
}
