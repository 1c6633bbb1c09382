/**
 * The way out (saml-profiles 4.4): what is known of each app of a session that ends, and the walk of one browser along
 * those that can be asked, one after the other, each once, within a time. The session here has ended before; whatever an
 * app does or does not answer changes only what is told of it.
 */
import { findApplication } from '#core/applications/applications.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { SignOutChain, SignOutOutcome } from '#signon/front.ts';
import { paths } from './place.ts';
import { type ServiceProvider, serviceProvider } from './service.ts';
import * as store from './sign-outs.store.ts';
import { namesOfSession, type SessionName } from './store.ts';

/** So long a browser goes from app to app; whoever has not been asked by then is not. */
export const walkSeconds = 120;

/** What an app that began a sign-out waits for. */
export interface WaitingApp {
  application: string;
  /** Its request. */
  inResponseTo: string;
  relayState?: string;
  /** We know no such session of its. */
  unknown?: boolean;
}

/** The app behind a name, as far as it can be asked to end a session. */
export async function askable(tx: Tx, application: string): Promise<ServiceProvider | undefined> {
  const found = await findApplication(tx, application);
  const sp = found?.settings.enabled ? await serviceProvider(tx, found) : undefined;
  return sp?.slo ? sp : undefined;
}

/** Notes for each app of a session that ends whether it will be asked. `by` = the app that asked for it all. */
export async function planSignOut(
  tx: Tx,
  session: string,
  by?: { application: string; walk: string },
): Promise<void> {
  for (const name of await namesOfSession(tx, session)) {
    const row = { ...name, id: newId(), signOut: by?.walk };
    if (name.application === by?.application) {
      await store.insertLogout(tx, { ...row, state: 'ended', answer: 'it asked for it' });
    } else {
      const sp = await askable(tx, name.application);
      await store.insertLogout(tx, { ...row, state: sp ? 'waiting' : 'unreachable' });
    }
  }
}

/** `Front.endSession`. */
export async function endAtApps(tx: Tx, session: string): Promise<SignOutOutcome[]> {
  await planSignOut(tx, session);
  return outcomesOf(tx, session);
}

/** `Front.continueSignOut`. */
export async function startWalk(tx: Tx, chain: SignOutChain, publicUrl: URL): Promise<URL | undefined> {
  const planned = await store.logoutsOf(tx, chain.session);
  if (!planned.some((one) => one.state === 'waiting')) return undefined;
  const { browser, returnTo } = chain;
  const id = await openWalk(tx, { browser, returnTo });
  await store.joinSignOut(tx, chain.session, id);
  return new URL(`${paths.next}/${id}`, publicUrl);
}

export async function openWalk(
  tx: Tx,
  input: { browser?: string; returnTo?: string; answer?: WaitingApp },
): Promise<string> {
  const id = newId();
  const expiresAt = new Date(tx.now().getTime() + walkSeconds * 1000);
  await store.insertSignOut(tx, { id, ...input, expiresAt });
  return id;
}

/** `Front.signOutOutcomes`: how it went at each app, as far as it is known. */
export async function outcomesOf(tx: Tx, session: string): Promise<SignOutOutcome[]> {
  const outcomes: SignOutOutcome[] = [];
  for (const row of await store.logoutsOf(tx, session)) {
    const application = await findApplication(tx, row.application);
    outcomes.push({
      application: row.application,
      url: application?.settings.url,
      ...stateOf(row, tx.now()),
    });
  }
  return outcomes;
}

function stateOf(row: store.LogoutRow, now: Date): Omit<SignOutOutcome, 'application'> {
  if (row.state === 'ended') return { state: 'ended', at: row.settledAt ?? row.createdAt };
  if (row.state === 'unreachable') return { state: 'unreachable', because: 'no-way' };
  const answer = row.answer ?? undefined;
  if (row.state === 'failed')
    return { state: 'unreachable', because: 'refused', answer, at: row.settledAt ?? undefined };
  const inTime = now.getTime() - row.createdAt.getTime() < walkSeconds * 1000;
  const attempts = row.state === 'asked' ? 1 : 0;
  return inTime
    ? { state: 'asked', attempts }
    : { state: 'unreachable', because: 'no-answer', answer, attempts };
}

/** Whether every app of a walk is known to have ended its session. */
export async function allEnded(tx: Tx, walk: string): Promise<boolean> {
  return (await store.logoutsAlong(tx, walk)).every((one) => one.state === 'ended');
}

/** The id of our request about this row; read back from the answer. */
export function requestIdOf(row: { id: string }): string {
  return `_${row.id}`;
}

export function rowIdOf(inResponseTo: string | undefined): string | undefined {
  return /^_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(inResponseTo ?? '')
    ? inResponseTo!.slice(1)
    : undefined;
}

export type { SessionName };
