/**
 * Single Logout, front channel (saml-profiles 4.4): an app asks to end a session, or answers that it has. A request
 * counts when it is signed by the app, timely, never seen before, and names a session by the name and index that very
 * app was given (SA-14). The RelayState of an answer is a handle of ours or nothing (SA-18).
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '#core/problem.ts';
import { endSession, sessionById } from '#core/sessions/sessions.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { html } from '#kit/page/html.ts';
import { linkButton } from '#kit/page/parts.ts';
import { boundNetwork } from '#signon/request-limits.ts';
import { show, type Visit, visit } from '#signon/visit.ts';
import { encodeRedirect, type Message, type PostForm, postPage as postForm } from '#wire/saml/bindings.ts';
import {
  type LogoutRequest,
  makeLogoutRequest,
  makeLogoutResponse,
  readLogoutRequest,
  readLogoutResponse,
} from '#wire/saml/logout.ts';
import { checkMessage } from '#wire/saml/messages.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { MESSAGE_LIMIT, STATUS } from '#wire/saml/saml.ts';
import { isSigned, signElement, verifyRedirect, verifySigned } from '#wire/saml/signature.ts';
import { parseXml } from '#wire/saml/xml.ts';
import type { AnswerNeeds } from './answer.ts';
import { pageNeeds, postPage, selfPosting, Turned, wayOfForm } from './pages.ts';
import { maxAgeSeconds, newMessageId, paths, skewSeconds } from './place.ts';
import { believe, type Incoming, incoming } from './receive.ts';
import type { ServiceProvider } from './service.ts';
import {
  allEnded,
  askable,
  openWalk,
  planSignOut,
  requestIdOf,
  rowIdOf,
  type WaitingApp,
} from './sign-out.ts';
import * as outs from './sign-outs.store.ts';
import { turnAway, turnedBy } from './sso.ts';
import { sessionsNamed } from './store.ts';
import { words } from './words.ts';

/** GET and POST /saml/slo, GET /saml/slo/next/:id. */
export function sloRoutes(app: App, needs: AnswerNeeds): void {
  app.get(paths.slo, { config: { door: 'page' } }, (request, reply) => receive(needs, request, reply));
  // A form of another site comes without our cookies; what it says is signed, and the rest of the way is by GET.
  app.post(paths.slo, { config: { door: 'protocol' } }, (request, reply) => receive(needs, request, reply));
  app.get(`${paths.next}/:id`, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const { id } = request.params as { id: string };
    try {
      return await walk(needs, here, reply, id);
    } catch (error) {
      const turned = turnedBy(error);
      if (!turned) throw error;
      return turnAway(needs, here, reply, turned, 'errorSignOutTitle');
    }
  });
}

async function receive(
  needs: AnswerNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const context: TxContext = { actor: { kind: 'anonymous' }, cause: 'request', requestId: request.requestId };
  await boundNetwork(needs, request);
  try {
    const given = incoming(request);
    if (given.name === 'SAMLResponse') return await answered(needs, context, reply, given);
    return await asked(needs, context, request, reply, given);
  } catch (error) {
    const turned = turnedBy(error);
    if (!turned) throw error;
    const here = await visit(pageNeeds(needs, request), request);
    return turnAway(needs, here, reply, turned, 'errorSignOutTitle');
  }
}

/** An app ends a session: it ends here at once, and at the other apps as far as this browser can bring it about. */
async function asked(
  needs: AnswerNeeds,
  context: TxContext,
  request: FastifyRequest,
  reply: FastifyReply,
  given: Incoming,
): Promise<FastifyReply> {
  const cookies = pageNeeds(needs, request).cookies;
  const { walkId, ended } = await needs.database.transact(context, async (tx) => {
    const { sp, message } = await believe<LogoutRequest>(tx, given, {
      kind: 'samlp:LogoutRequest',
      read: readLogoutRequest,
      destinations: needs.we.sloPlaces,
      signed: 'always',
    });
    const application = sp.application.id;
    const found = await sessionsNamed(tx, application, message.nameId.value, message.sessionIndexes);
    const answer: WaitingApp = {
      application,
      inResponseTo: message.id,
      relayState: given.relayState,
      unknown: found.length === 0,
    };
    const walkId = await openWalk(tx, { answer });
    const ended: string[] = [];
    for (const session of new Set(found.map((one) => one.session))) {
      if (!(await sessionById(tx, session))) continue;
      await planSignOut(tx, session, { application, walk: walkId });
      await endSession(tx, session, 'app-sign-out');
      ended.push(session);
    }
    return { walkId, ended };
  });
  if (request.method === 'GET') {
    const here = await visit(pageNeeds(needs, request), request);
    // The cookie of a session that has just ended says nothing any more.
    if (!here.signedOn && here.token && ended.length > 0) cookies.clear(reply, 'session');
  }
  return reply.redirect(`${paths.next}/${walkId}`, 303);
}

/** An app answered: what it says is kept if it is believed, and the walk goes on either way. */
async function answered(
  needs: AnswerNeeds,
  context: TxContext,
  reply: FastifyReply,
  given: Incoming,
): Promise<FastifyReply> {
  let walkId: string | undefined;
  try {
    walkId = await needs.database.transact(context, (tx) => settle(tx, needs, given));
  } catch (error) {
    if (!(error instanceof SamlRefusal)) throw error;
    needs.log.info(
      { code: `saml-${error.code}`, detail: error.message },
      'an answer to a sign-out was not believed',
    );
    walkId = rowIdOf(`_${given.relayState ?? ''}`);
  }
  return reply.redirect(walkId ? `${paths.next}/${walkId}` : '/', 303);
}

/** Keeps what a believed answer says. Returns the walk it belongs to. */
async function settle(tx: Tx, needs: AnswerNeeds, given: Incoming): Promise<string | undefined> {
  const document = parseXml(given.xml, { maxBytes: MESSAGE_LIMIT });
  const root = document.documentElement;
  if (!root) throw new SamlRefusal('not-xml');
  const id = rowIdOf(readLogoutResponse(root).inResponseTo);
  const row = id === undefined ? undefined : await outs.logoutById(tx, id);
  const sp = row && (await askable(tx, row.application));
  if (!row || !sp) throw new SamlRefusal('in-response-to');
  // Anyone could say that it ended: what is told to the person as a fact must be signed by the app.
  let element = root;
  if (given.rawQuery !== undefined) {
    if (!verifyRedirect(given.rawQuery, sp.verifiers))
      throw new SamlRefusal(given.hasSignature ? 'signature' : 'unsigned');
  } else {
    if (!isSigned(root)) throw new SamlRefusal('unsigned');
    element = verifySigned(document, { rootName: 'samlp:LogoutResponse', certificates: sp.verifiers });
  }
  const message = readLogoutResponse(element);
  if (message.inResponseTo !== requestIdOf(row))
    throw new SamlRefusal('in-response-to', message.inResponseTo);
  const place = { now: tx.now(), skewSeconds, maxAgeSeconds, signed: true, issuer: sp.entityId };
  checkMessage(message, { ...place, destinations: needs.we.sloPlaces });
  const state = message.status === STATUS.success ? 'ended' : 'failed';
  await outs.settleLogout(tx, row.id, state, [message.status, message.subStatus].filter(Boolean).join(' '));
  return row.signOut ?? undefined;
}

type Next =
  | { ask: outs.LogoutRow; sp: ServiceProvider; left: number }
  | { over: outs.SignOutRow<WaitingApp>; whole: boolean };

/** One step of the walk: the next app, or the end of the way. Coming here again leaves out whoever did not answer. */
async function walk(needs: AnswerNeeds, here: Visit, reply: FastifyReply, id: string): Promise<FastifyReply> {
  const next = await needs.database.transact(here.context, async (tx): Promise<Next> => {
    const row = await outs.takeSignOut<WaitingApp>(tx, id, here.browser);
    if (!row) throw new Turned('errorUsed', 'sign-out-over', 410);
    while (row.expiresAt > tx.now()) {
      const ask = await outs.askNext(tx, id);
      if (!ask) break;
      const sp = await askable(tx, ask.application);
      if (!sp) continue;
      const left = (await outs.logoutsAlong(tx, id)).filter((one) => one.state === 'waiting').length;
      return { ask, sp, left };
    }
    return { over: row, whole: await allEnded(tx, id) };
  });
  if ('ask' in next) return leavingPage(needs, here, reply, id, next);
  const { over, whole } = next;
  if (!over.answer) return reply.redirect(over.returnTo ?? '/', 303);
  return tellWhoAsked(needs, here, reply, over.answer, whole);
}

async function leavingPage(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  walkId: string,
  { ask, sp, left }: Extract<Next, { ask: unknown }>,
): Promise<FastifyReply> {
  const now = needs.clock.now();
  const xml = makeLogoutRequest({
    id: requestIdOf(ask),
    issuer: needs.we.entityId,
    issueInstant: now,
    destination: sp.slo!.url,
    notOnOrAfter: new Date(now.getTime() + maxAgeSeconds * 1000),
    nameId: nameIdOf(needs, sp, ask),
    sessionIndexes: [ask.sessionIndex],
  });
  const way = await onItsWay(needs, sp.slo!, sp.slo!.url, { name: 'SAMLRequest', xml }, walkId);
  const say = words(here.locale);
  const application = sp.application.settings.title;
  // A header, not a redirect: browsers apply the form-action of the page before to redirects after its form.
  if (typeof way === 'string') reply.header('refresh', `0; url=${way}`);
  const go =
    typeof way === 'string'
      ? linkButton({ label: say('goOn'), url: way, full: true, id: 'go-on' })
      : selfPosting(here, way, say('goOn'));
  const skip = linkButton({
    label: say('skip', { application }),
    url: `${paths.next}/${walkId}`,
    style: 'quiet',
    full: true,
  });
  return show({ ...here, signedOn: undefined }, reply, {
    title: say('leaving', { application }),
    lede: html`${say('leavingLede', { application })} ${say('leavingLeft', { count: left })}`,
    formAction: typeof way === 'string' ? [] : wayOfForm(way),
    body: html`${go}${skip}`,
  });
}

/** The name exactly as the app was given it. */
function nameIdOf(needs: AnswerNeeds, sp: ServiceProvider, row: outs.LogoutRow) {
  const qualified = row.nameFormat.endsWith(':persistent');
  return {
    value: row.nameId,
    format: row.nameFormat,
    ...(qualified && { nameQualifier: needs.we.entityId, spNameQualifier: sp.entityId }),
  };
}

/** The answer to the app that began it: everybody ended, or not everybody (saml-core 3.7.3.2). */
async function tellWhoAsked(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  answer: WaitingApp,
  whole: boolean,
): Promise<FastifyReply> {
  const sp = await needs.database.read(here.context, (tx) => askable(tx, answer.application));
  if (!sp?.slo) throw new Problem('application-disabled');
  const status = answer.unknown
    ? { status: STATUS.requester, subStatus: STATUS.unknownPrincipal }
    : { status: STATUS.success, ...(!whole && { subStatus: STATUS.partialLogout }) };
  const xml = makeLogoutResponse({
    ...status,
    id: newMessageId(),
    issuer: needs.we.entityId,
    issueInstant: needs.clock.now(),
    destination: sp.slo.responseUrl,
    inResponseTo: answer.inResponseTo,
  });
  const message: Message = { name: 'SAMLResponse', xml };
  const way = await onItsWay(needs, sp.slo, sp.slo.responseUrl, message, answer.relayState);
  if (typeof way === 'string') return reply.redirect(way, 303);
  return postPage(here, reply, sp.application.settings.title, way);
}

/** A signed message by the binding the app takes: a form, or an address, in the very letters that were signed. */
async function onItsWay(
  needs: AnswerNeeds,
  { binding }: { binding: 'redirect' | 'post' },
  url: string,
  message: Message,
  relayState: string | undefined,
): Promise<string | PostForm> {
  const { active } = await needs.engine.keys();
  if (binding === 'redirect') return encodeRedirect(new URL(url).href, message, relayState, active);
  const id = /\bID="([^"]+)"/.exec(message.xml)?.[1] ?? '';
  return postForm(url, { ...message, xml: signElement(message.xml, { id, ...active }) }, relayState);
}
