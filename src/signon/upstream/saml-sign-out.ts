/**
 * Single Logout with identity providers (saml-profiles 4.4), front channel: ours asks them, theirs ends sessions here. A
 * request counts when it is signed by the provider, timely, never heard before, and names a session by the name and index
 * that provider gave it (SA-14). The RelayState of an answer is a handle of ours or nothing (SA-18).
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { endSession, sessionById } from '#core/sessions/sessions.ts';
import { sessionsFromUpstream, type UpstreamProof } from '#core/sessions/upstreams.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import type { Front, SignOutOutcome } from '#signon/front.ts';
import { boundNetwork } from '#signon/request-limits.ts';
import { chainOf, endAt } from '#signon/sign-out.ts';
import { type Visit, visit } from '#signon/visit.ts';
import { decodePost, decodeRedirect, encodeRedirect, type Received } from '#wire/saml/bindings.ts';
import {
  makeLogoutRequest,
  makeLogoutResponse,
  readLogoutRequest,
  readLogoutResponse,
} from '#wire/saml/logout.ts';
import { checkMessage, type Header, type NameId } from '#wire/saml/messages.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { MESSAGE_LIMIT, STATUS } from '#wire/saml/saml.ts';
import { isSigned, verifyRedirect, verifySigned } from '#wire/saml/signature.ts';
import { type Name, parseXml } from '#wire/saml/xml.ts';
import { askThere } from './ask-there.ts';
import { UpstreamFailure } from './failure.ts';
import { beginJourney, endJourney, endSignOutJourney, hearOnce, requestIdOf } from './journeys.ts';
import { between, failureOf, idOf, openSaml, ourPlaces, type SamlNeeds, skewSeconds } from './saml.ts';
import { wholeName } from './saml-claims.ts';
import { type IdentityProvider, identityProvider } from './saml-provider.ts';
import type { SamlUpstream } from './saml-published.ts';
import { signOutRefusedPage, stillSignedInPage } from './show.ts';
import type { UpstreamNeeds } from './upstream.ts';
import { openUpstream } from './upstreams.ts';

/** How old a message may be. */
const maxAgeSeconds = 300;

/** Where the browser is led to end the session there; undefined where there is no such place, or no name to say. */
export async function logoutRequestUrl(
  needs: SamlNeeds,
  upstream: SamlUpstream,
  here: Pick<Visit, 'browser' | 'context'>,
  came: Pick<UpstreamProof, 'idToken' | 'sessionIndex'>,
): Promise<URL | undefined> {
  const { slo } = await identityProvider(needs, upstream);
  if (!slo || came.idToken === undefined) return undefined;
  const nameId = JSON.parse(came.idToken) as NameId;
  const { id } = upstream;
  const journey = await needs.database.transact(here.context, (tx) =>
    beginJourney(tx, needs.secrets, { browser: here.browser, upstream: id, errand: { kind: 'sign-out' } }),
  );
  const now = needs.clock.now();
  const xml = makeLogoutRequest({
    id: requestIdOf(journey),
    issuer: ourPlaces(needs, id).entityId,
    issueInstant: now,
    destination: slo.url,
    notOnOrAfter: new Date(now.getTime() + maxAgeSeconds * 1000),
    nameId,
    sessionIndexes: came.sessionIndex === undefined ? [] : [came.sessionIndex],
  });
  const { active } = await needs.engine.keys();
  return new URL(encodeRedirect(slo.url, { name: 'SAMLRequest', xml }, journey.handle, active));
}

/** GET and POST /upstream/<id>/slo, GET /upstream/<id>/slo/answer. */
export function samlSignOutRoutes(app: App, needs: UpstreamNeeds): void {
  const path = '/upstream/:upstream/slo';
  app.get(path, { config: { door: 'page' } }, (request, reply) => receive(needs, request, reply));
  // A form of another site comes without our cookies; what it says is signed.
  app.post(path, { config: { door: 'protocol' } }, (request, reply) => receive(needs, request, reply));
  app.get(`${path}/answer`, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const upstream = await openSaml(needs, here.context, idOf(request));
    const { state } = request.query as Record<string, unknown>;
    const { errand, whole } = await needs.database.transact(here.context, async (tx) => {
      const ended = await endJourney(tx, needs.secrets, {
        browser: here.browser,
        upstream: upstream.id,
        handle: state,
      });
      return { errand: ended.errand, whole: await allEnded(tx, needs.fronts, ended.errand) };
    });
    if (errand.kind !== 'sign-out-answer') return reply.redirect('/', 303);
    return answer(needs, upstream, reply, { ...errand, whole });
  });
}

/** A message as it came; the query exactly as it was written, because the signature is over it. */
interface Incoming extends Received {
  rawQuery?: string;
}

function incoming(request: FastifyRequest): Incoming {
  const { form, method, raw } = request;
  if (method === 'POST')
    return decodePost(Object.fromEntries(form.names().map((name) => [name, form.text(name)])));
  const { url = '' } = raw;
  const rawQuery = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  return { ...decodeRedirect(rawQuery), rawQuery };
}

async function receive(
  needs: UpstreamNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const context: TxContext = { actor: { kind: 'anonymous' }, cause: 'request', requestId: request.requestId };
  const upstream = await openSaml(needs, context, idOf(request));
  await boundNetwork(needs, request);
  let isAnswer = false;
  try {
    const given = incoming(request);
    isAnswer = given.name === 'SAMLResponse';
    const idp = await askThere(request, upstream, () => identityProvider(needs, upstream));
    const message = { given, idp };
    if (isAnswer) return await answered(needs, context, upstream, reply, message);
    return await asked(needs, context, upstream, { request, reply }, message);
  } catch (error) {
    const failure = failureOf(upstream, error);
    if (!(failure instanceof UpstreamFailure)) throw error;
    const page = isAnswer ? stillSignedInPage : signOutRefusedPage;
    return page(needs, await visit(needs, request), reply, failure);
  }
}

interface Message {
  given: Incoming;
  idp: IdentityProvider;
}

/** Believes a message that ends something, or throws `SamlRefusal`: signed it must be, whichever way it came. */
function believed<Read extends Header>(
  needs: SamlNeeds,
  upstream: SamlUpstream,
  { given, idp }: Message,
  expected: { kind: Name; read(element: Parameters<typeof readLogoutRequest>[0]): Read },
): Read {
  const document = parseXml(given.xml, { maxBytes: MESSAGE_LIMIT });
  const root = document.documentElement;
  if (!root) throw new SamlRefusal('not-xml');
  const { certificates } = idp;
  let element = root;
  if (given.rawQuery !== undefined) {
    if (!verifyRedirect(given.rawQuery, certificates))
      throw new SamlRefusal(given.hasSignature ? 'signature' : 'unsigned');
  } else {
    if (!isSigned(root)) throw new SamlRefusal('unsigned');
    element = verifySigned(document, { rootName: expected.kind, certificates });
  }
  const message = expected.read(element);
  const place = { now: needs.clock.now(), skewSeconds, maxAgeSeconds, signed: true, issuer: idp.entityId };
  checkMessage(message, { ...place, destinations: [ourPlaces(needs, upstream.id).sloUrl] });
  return message;
}

/** The provider ends what it opened: sessions here, and by them what the apps built on them. */
async function asked(
  needs: UpstreamNeeds,
  context: TxContext,
  upstream: SamlUpstream,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { given, idp }: Message,
): Promise<FastifyReply> {
  const { id } = upstream;
  const read = { kind: 'samlp:LogoutRequest', read: readLogoutRequest } as const;
  const message = believed(needs, upstream, { given, idp }, read);
  const name = wholeName(message.nameId, between(needs, id, idp));
  const here = request.method === 'GET' ? await visit(needs, request) : undefined;
  const done = await needs.database.transact(context, async (tx) => {
    await openUpstream(tx, id);
    const until = new Date(message.issueInstant.getTime() + (maxAgeSeconds + 2 * skewSeconds) * 1000);
    if (!(await hearOnce(tx, id, `logout ${idp.entityId} ${message.id}`, until)))
      throw new UpstreamFailure('upstream-stray', upstream, { detail: 'heard before' });
    const sessions = await sessionsNamed(tx, id, name, message.sessionIndexes);
    const outcomes = await endAll(tx, needs.fronts, sessions);
    const waiting = {
      kind: 'sign-out-answer' as const,
      inResponseTo: message.id,
      relayState: given.relayState,
      sessions,
    };
    const next = here && (await throughApps(tx, needs, here, id, waiting));
    return { sessions, waiting, next, whole: outcomes.every(({ state }) => state === 'ended') };
  });
  const mine = here?.signedOn?.session.id;
  if (mine !== undefined && done.sessions.includes(mine)) needs.cookies.clear(reply, 'session');
  if (done.next) return reply.redirect(done.next, 303);
  return answer(needs, upstream, reply, { ...done.waiting, whole: done.whole }, idp);
}

/** The live sessions the provider opened for that name: those of these indexes, or all where it names none. */
async function sessionsNamed(
  tx: Tx,
  upstream: string,
  name: string,
  indexes: readonly string[],
): Promise<string[]> {
  if (indexes.length === 0) return sessionsFromUpstream(tx, { upstream, name });
  const found: string[] = [];
  for (const sessionIndex of new Set(indexes))
    found.push(...(await sessionsFromUpstream(tx, { upstream, name, sessionIndex })));
  return [...new Set(found)];
}

/** Everyone but ourselves: that the session there ends is what the provider says. */
function others(fronts: readonly Front[]): Front[] {
  return fronts.filter(({ name }) => name !== 'upstream');
}

async function endAll(
  tx: Tx,
  fronts: readonly Front[],
  sessions: readonly string[],
): Promise<SignOutOutcome[]> {
  const outcomes: SignOutOutcome[] = [];
  for (const id of sessions) {
    const session = await sessionById(tx, id);
    if (!session) continue;
    outcomes.push(...(await endAt(tx, others(fronts), session)));
    await endSession(tx, id, 'signed-out-upstream');
  }
  return outcomes;
}

/**
 * The way of this browser through the apps that only it can sign out of, which ends at the answer to the provider. None
 * where it shows us in a frame: there it brings no cookies, and shows no page of ours.
 */
async function throughApps(
  tx: Tx,
  needs: UpstreamNeeds,
  here: Visit,
  upstream: string,
  errand: Parameters<typeof beginJourney>[2]['errand'] & { sessions: string[] },
): Promise<string | undefined> {
  const session = here.signedOn?.session.id;
  const framed = here.request.headers['sec-fetch-dest'] === 'iframe';
  if (framed || session === undefined || !errand.sessions.includes(session)) return undefined;
  const { browser } = here;
  const { handle } = await beginJourney(tx, needs.secrets, { browser, upstream, errand });
  const returnTo = `/upstream/${upstream}/slo/answer?state=${handle}`;
  return chainOf(tx, others(needs.fronts), { session, browser, returnTo });
}

async function allEnded(
  tx: Tx,
  fronts: readonly Front[],
  errand: { kind: string; sessions?: string[] },
): Promise<boolean> {
  for (const session of errand.sessions ?? [])
    for (const front of others(fronts)) {
      const outcomes = (await front.signOutOutcomes?.(tx, session)) ?? [];
      if (!outcomes.every(({ state }) => state === 'ended')) return false;
    }
  return true;
}

/** Our answer to the provider: everybody ended, or not everybody is known to have (saml-core 3.7.3.2). */
async function answer(
  needs: UpstreamNeeds,
  upstream: SamlUpstream,
  reply: FastifyReply,
  to: { inResponseTo: string; relayState?: string; whole: boolean },
  known?: IdentityProvider,
): Promise<FastifyReply> {
  const { slo } = known ?? (await identityProvider(needs, upstream));
  if (!slo) return reply.redirect('/signed-out', 303);
  const xml = makeLogoutResponse({
    status: STATUS.success,
    ...(!to.whole && { subStatus: STATUS.partialLogout }),
    id: `_${randomToken(20)}`,
    issuer: ourPlaces(needs, upstream.id).entityId,
    issueInstant: needs.clock.now(),
    destination: slo.responseUrl,
    inResponseTo: to.inResponseTo,
  });
  const { active } = await needs.engine.keys();
  const url = encodeRedirect(slo.responseUrl, { name: 'SAMLResponse', xml }, to.relayState, active);
  return reply.redirect(url, 303);
}

/** The provider answers our request. Whatever it says, the session here has ended before. */
async function answered(
  needs: UpstreamNeeds,
  context: TxContext,
  upstream: SamlUpstream,
  reply: FastifyReply,
  { given, idp }: Message,
): Promise<FastifyReply> {
  const read = { kind: 'samlp:LogoutResponse', read: readLogoutResponse } as const;
  const message = believed(needs, upstream, { given, idp }, read);
  const journey = await needs.database.transact(context, (tx) =>
    endSignOutJourney(tx, { upstream: upstream.id, handle: given.relayState }),
  );
  if (message.inResponseTo !== requestIdOf(journey))
    throw new SamlRefusal('in-response-to', message.inResponseTo);
  if (message.status !== STATUS.success) {
    const detail = [message.status, message.subStatus].filter(Boolean).join(' ');
    throw new UpstreamFailure('upstream-declined', upstream, { detail });
  }
  return reply.redirect('/signed-out', 303);
}
