/**
 * Tells apps that a session ended (OpenID Connect Back-Channel Logout 1.0). A reader of the log writes one row and one
 * job an app in the transaction of its cursor; a worker posts the token, tries again with growing pauses, and keeps
 * what came back.
 */
import { importJWK, SignJWT } from 'jose';
import { subjectsAt } from '#core/aliases/aliases.ts';
import { isErasedSubject } from '#core/aliases/erasure.ts';
import { type Application, findApplication } from '#core/applications/applications.ts';
import type { LoggedEvent } from '#core/events/events.ts';
import type { LogReader } from '#core/events/reader.ts';
import { participantsOf, type Session } from '#core/sessions/sessions.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { newId } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { type Net, NetRefused } from '#kit/net/net.ts';
import { enqueue, type Job } from '#kit/queue/queue.ts';
import { Retry, Stop, startWorker, type Worker } from '#kit/queue/worker.ts';
import type { SignOutOutcome } from '#signon/front.ts';
import type { KeyRing } from './keys.ts';
import * as store from './store.ts';

const lane = 'oidc-logout';
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';
const attempts = 8;

/** Reader of the log that puts the notices in line. */
export const logoutReader: LogReader = {
  reader: 'oidc-logout',
  from: 'beginning',
  acts: ['session.ended'],
  async handle(tx, events) {
    for (const event of events) {
      if (event.type === 'session.ended') await plan(tx, event as LoggedEvent<'session.ended'>);
    }
  },
};

async function plan(tx: Tx, event: LoggedEvent<'session.ended'>): Promise<void> {
  const { session, sid } = event.data;
  for (const participant of await participantsOf(tx, session)) {
    if (participant.front !== 'oidc' || !event.person) continue;
    const application = await findApplication(tx, participant.application);
    const subject = (await subjectsAt(tx, participant.application, [event.person])).get(event.person);
    if (!application?.settings.oidc?.backchannelLogoutUri || !subject) continue;
    const id = newId();
    await store.insertLogout(tx, { id, session, sid, application: application.id, subject });
    await enqueue(tx, { lane, key: application.id, payload: { logout: id } });
  }
}

export interface LogoutNeeds {
  database: Database;
  clock: Clock;
  log: Log;
  net: Net;
  /** The issuer as tokens say it. */
  issuer: string;
  keys(): KeyRing;
  /** First and longest pause between attempts, in seconds. */
  backoff?: { first: number; most: number };
}

/** Starts telling apps. */
export function startLogouts(needs: LogoutNeeds): Worker {
  return startWorker<{ logout: string }>({
    database: needs.database,
    lane,
    log: needs.log,
    maxAttempts: attempts,
    backoff: needs.backoff ?? { first: 1, most: 120 },
    handle: (job, lease) => tell(needs, job, (tx) => lease.finish(tx)),
  });
}

/** One attempt: confirmed, failed for good, or to be tried again. */
async function tell(
  needs: LogoutNeeds,
  job: Job<{ logout: string }>,
  finish: (tx: Tx) => Promise<void>,
): Promise<void> {
  const { database } = needs;
  const row = await store.logoutById(database, job.payload.logout);
  const settle = (state: 'confirmed' | 'failed', answer: string) =>
    database.transact(system(), async (tx) => {
      await store.settleLogout(tx, job.payload.logout, state, answer);
      await finish(tx);
    });
  if (row?.state !== 'waiting') throw new Stop('this sign-out is settled already');
  const application = await database.read(system(), (tx) => findApplication(tx, row.application));
  if (!application?.settings.oidc?.backchannelLogoutUri) return settle('failed', 'the app takes no notices');
  const answer = await post(needs, application, row);
  if (answer.told) return settle('confirmed', answer.said);
  if (answer.final || job.attempts >= attempts) return settle('failed', answer.said);
  await store.noteLogoutAttempt(database, row.id, answer.said);
  throw new Retry(undefined, answer.said);
}

interface Answer {
  told: boolean;
  /** Asking again would bring the same. */
  final?: boolean;
  said: string;
}

async function post(needs: LogoutNeeds, application: Application, row: store.LogoutRow): Promise<Answer> {
  const body = new URLSearchParams({ logout_token: await logoutToken(needs, application, row) });
  try {
    const { status } = await needs.net.fetch(application.settings.oidc!.backchannelLogoutUri!, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: body.toString(),
      timeoutMs: 5000,
      redirects: 0,
      maxBytes: 64 * 1024,
      allowPrivate: application.settings.privateHttp,
    });
    const said = `HTTP ${status}`;
    if (status === 200 || status === 204) return { told: true, said };
    // An app that says 400 has understood us and could not do it (§2.8); later may be another matter elsewhere.
    return { told: false, final: status >= 400 && status < 500 && status !== 408 && status !== 429, said };
  } catch (error) {
    if (!(error instanceof NetRefused)) throw error;
    return { told: false, final: error.code === 'not-allowed', said: error.message };
  }
}

/** A logout token (§2.4): typed, for one app, short-lived, about one session; never with a nonce. */
async function logoutToken(
  needs: LogoutNeeds,
  application: Application,
  row: store.LogoutRow,
): Promise<string> {
  const alg = application.settings.oidc!.idTokenAlg;
  const key = needs.keys().active.get(alg);
  if (!key) throw new Error(`no key signs ${alg}`);
  const now = Math.floor(Date.now() / 1000);
  const token = new SignJWT({ events: { [logoutEvent]: {} }, sid: row.sid })
    .setProtectedHeader({ alg, kid: key.kid, typ: 'logout+jwt' })
    .setIssuer(needs.issuer)
    .setAudience(application.id)
    .setJti(row.id)
    .setIssuedAt(now)
    .setExpirationTime(now + 120);
  // The name an app knew an erased person by is gone; the session alone says enough (§2.4).
  return (isErasedSubject(row.subject) ? token : token.setSubject(row.subject)).sign(
    await importJWK(key, alg),
  );
}

/** What can be said of each app in the moment a session ends: it will be told, or there is no way to. */
export async function outcomesAtEnd(tx: Tx, session: Pick<Session, 'id'>): Promise<SignOutOutcome[]> {
  const outcomes: SignOutOutcome[] = [];
  for (const { application: id, front } of await participantsOf(tx, session.id)) {
    if (front !== 'oidc') continue;
    const application = await findApplication(tx, id);
    const told = application?.settings.oidc?.backchannelLogoutUri !== undefined;
    outcomes.push({
      application: id,
      ...(told ? { state: 'asked' } : { state: 'unreachable', because: 'no-way' }),
    });
  }
  return outcomes;
}

/** How it went at the apps that were told, as far as they have answered. */
export async function outcomesNow(tx: Tx, session: string): Promise<SignOutOutcome[]> {
  const rows = await store.logoutsOf(tx, session);
  return rows.map(({ application, state, answer, attempts, settledAt }) => ({
    application,
    attempts,
    ...(answer !== null && { answer }),
    ...(settledAt && { at: settledAt }),
    ...outcomeOf(state, answer),
  }));
}

function outcomeOf(
  state: store.LogoutRow['state'],
  answer: string | null,
): Pick<SignOutOutcome, 'state' | 'because'> {
  if (state === 'confirmed') return { state: 'ended' };
  if (state === 'waiting') return { state: 'asked' };
  // 4xx is an answer: the app heard us and could not, or would not (§2.8).
  return { state: 'unreachable', because: answer?.startsWith('HTTP 4') ? 'refused' : 'no-answer' };
}
