/**
 * The sign-on session: the only truth about who is signed in.
 * Owns `sessions`, `session_applications`, `sign_ins`, `last_sign_ins`. Records session.opened, session.ended,
 * session.application-joined. Refuses sessions that ended, went idle or grew too old. Only the hash of a session's token is kept.
 */

import { record, recordAll } from '#core/events/events.ts';
import { hashToken, newId, randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export interface Session {
  id: string;
  person: string;
  /** Session id as relying parties know it (OIDC `sid`). */
  sid: string;
  authTime: Date;
  /** RFC 8176 values: what really happened. */
  amr: string[];
  /** Authenticator assurance level (SP 800-63B), 1 to 3. */
  aal: number;
  device: string;
  network: string;
  persistent: boolean;
  /** On a computer that others use too: short, and nothing is remembered. */
  shared: boolean;
  createdAt: Date;
  lastSeenAt: Date;
  idleSeconds: number;
  expiresAt: Date;
  /** When proof was last given again within the session, and its assurance level. */
  elevatedAt?: Date;
  elevatedAal?: number;
}

export interface Lifetimes {
  idleSeconds: number;
  absoluteSeconds: number;
}

/** Opens a session and returns it with the token for the cookie. The token is new at every sign-in (SE-02). */
export async function openSession(
  tx: Tx,
  input: {
    person: string;
    amr: string[];
    aal: number;
    device: string;
    network: string;
    persistent: boolean;
    shared?: boolean;
    lifetimes: Lifetimes;
  },
): Promise<{ session: Session; token: string }> {
  const token = randomToken();
  const session: Session = {
    id: newId(),
    person: input.person,
    sid: randomToken(24),
    authTime: tx.now(),
    amr: input.amr,
    aal: input.aal,
    device: input.device.slice(0, 120),
    network: input.network,
    persistent: input.persistent,
    shared: input.shared ?? false,
    createdAt: tx.now(),
    lastSeenAt: tx.now(),
    idleSeconds: input.lifetimes.idleSeconds,
    expiresAt: new Date(tx.now().getTime() + input.lifetimes.absoluteSeconds * 1000),
  };
  await Promise.all([
    store.insertSession(tx, session, hashToken(token)),
    record(tx, 'session.opened', {
      person: input.person,
      data: { session: session.id, amr: session.amr, device: session.device },
    }),
  ]);
  return { session, token };
}

/** The live session of a cookie: not ended, not idle too long, not too old. */
export async function sessionByToken(tx: Tx, token: string | undefined): Promise<Session | undefined> {
  if (!token || token.length > 200) return undefined;
  return store.liveSession(tx, { tokenHash: hashToken(token) });
}

/** The live session with this id. */
export async function sessionById(tx: Tx, id: string): Promise<Session | undefined> {
  return store.liveSession(tx, { id });
}

/** The live ones of these sessions, with one statement. */
export const sessionsByIds = store.liveSessions;

/** Whether it is noted closely enough that the session is in use at this moment. */
export function isUseNoted(session: Session, now: Date): boolean {
  return now.getTime() - session.lastSeenAt.getTime() < 60_000;
}

/** Notes that the session was used; written at most once a minute. */
export async function touchSession(tx: Tx, session: Session): Promise<void> {
  if (!isUseNoted(session, tx.now())) await store.touch(tx, session.id);
}

/**
 * Proof was given again within the session (step-up): `amr` and `aal` say what has happened in all, `auth_time` stays that
 * of the sign-in, and the token changes (SE-02). Returns the session as it is now, with the token for the cookie; undefined
 * when it has ended.
 */
export async function elevate(
  tx: Tx,
  session: Session,
  proof: { amr: string[]; aal: number },
): Promise<{ session: Session; token: string } | undefined> {
  const token = randomToken();
  if (!(await store.elevate(tx, session.id, hashToken(token), proof))) return undefined;
  const { person, id } = session;
  await record(tx, 'session.elevated', { person, data: { session: id, amr: proof.amr } });
  const next = {
    ...session,
    amr: [...new Set([...session.amr, ...proof.amr])],
    aal: Math.max(session.aal, proof.aal),
    elevatedAt: tx.now(),
    elevatedAal: proof.aal,
  };
  return { session: next, token };
}

/** When this session last saw proof of at least this level; undefined when it never did. */
export function provedAt(session: Session, aal: number): Date | undefined {
  const again = (session.elevatedAal ?? 0) >= aal ? session.elevatedAt : undefined;
  if (again && again > session.authTime) return again;
  return session.aal >= aal ? session.authTime : undefined;
}

/** Ends one session. Ending one that is over already is no change. */
export async function endSession(tx: Tx, id: string, reason: string): Promise<boolean> {
  return (await endWhere(tx, { ids: [id] }, reason)) === 1;
}

/** Ends all sessions of a person, but `except`. Returns how many ended. */
export async function endSessions(tx: Tx, person: string, reason: string, except?: string): Promise<number> {
  return endWhere(tx, { person, except }, reason);
}

/** Ends these sessions; those that are over already are no change. Returns how many ended. */
export async function endSessionsByIds(tx: Tx, ids: readonly string[], reason: string): Promise<number> {
  return ids.length === 0 ? 0 : endWhere(tx, { ids }, reason);
}

/**
 * Ends up to 1,000 sessions that grew too old or stood idle, so that the apps that took part are told as after any other
 * end. They were refused from their last moment on anyway. Returns how many.
 */
export async function endOverdueSessions(tx: Tx): Promise<number> {
  const ids = (await store.overdue(tx, 1000)).map((one) => one.id);
  return ids.length === 0 ? 0 : endWhere(tx, { ids }, 'expired');
}

async function endWhere(
  tx: Tx,
  which: { ids?: readonly string[]; person?: string; except?: string },
  reason: string,
): Promise<number> {
  const ended = await store.end(tx, which, reason);
  await recordAll(
    tx,
    ended.map((one) => ({
      type: 'session.ended' as const,
      person: one.person,
      data: { session: one.id, sid: one.sid, reason },
    })),
  );
  return ended.length;
}

/** When and why these sessions ended, latest first; those that have not are left out. */
export const endsOfSessions = store.endsOf;

/** The person's live sessions, latest first. */
export const listSessions = store.listLive;

/** An app took part in the session: kept for sign-out and as last use per app. */
export async function joinApplication(
  tx: Tx,
  session: Session,
  application: string,
  front: string,
): Promise<void> {
  const [isNew] = await Promise.all([
    store.upsertParticipant(tx, session.id, application, front),
    store.writeLastSignIn(tx, session.person, application),
  ]);
  if (isNew) {
    const data = { session: session.id, front };
    await record(tx, 'session.application-joined', { person: session.person, application, data });
  }
}

/** Which apps took part in a session, also after it ended. */
export const participantsOf = store.participants;

export interface SignInAttempt {
  /** Undefined = nobody of that name: nothing is kept, at the same cost. */
  person: string | undefined;
  door: string;
  outcome: string;
  application?: string;
  device: string;
  network: string;
}

/** Notes an attempt on a known person, so that a failed one can be explained; a success also sets the last sign-in. */
export async function noteSignIn(tx: Tx, attempt: SignInAttempt): Promise<void> {
  const { person } = attempt;
  if (attempt.outcome === 'ok' && person) await store.insertSuccess(tx, newId(), { ...attempt, person });
  else await store.insertSignIn(tx, newId(), attempt);
}

export type { SignIn } from './store.ts';
export const listSignIns = store.listSignIns;
export const lastSignIns = store.lastSignIns;

/**
 * For erasing: the past sign-ins go, and sessions no longer say from where or with what. They stay, ended, because the
 * apps that took part are told of their end after this.
 */
export async function forgetSignIns(tx: Tx, person: string): Promise<void> {
  await store.deleteSignIns(tx, person);
  await store.blankSessions(tx, person);
}

/** All sessions of a person, also those that ended. */
export const sessionIdsOf = store.sessionIdsOf;

/**
 * Deletes up to 5,000 lines of the list of sign-ins that are older than this. When someone last signed in, and where, is
 * kept apart and stays. Returns how many went.
 */
export const deleteOldSignIns = store.deleteOldSignIns;

/** The network a person sees in their list: enough to recognise, not enough to be found (IPv4 /24, IPv6 /48). */
export function shortenNetwork(ip: string): string {
  const mapped = ip.replace(/^::ffff:/i, '');
  if (/^\d+\.\d+\.\d+\.\d+$/.test(mapped)) return mapped.replace(/\.\d+$/, '.x');
  if (!mapped.includes(':')) return 'unknown';
  const [head = ''] = mapped.split('::');
  const groups = head.split(':').filter(Boolean).slice(0, 3);
  return `${groups.join(':')}::x`;
}
