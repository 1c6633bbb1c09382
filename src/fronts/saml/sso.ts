/**
 * Web sign-on (saml-profiles 4.1): an app asks by Redirect or POST, or a person is sent to it from here; what is asked
 * of the person is steps.ts' matter, the answer goes by POST to an address of the app alone.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findApplication, giveConsent } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import { boundNetwork, boundRequests, giveBackNetwork } from '#signon/request-limits.ts';
import { trace, traceRefused } from '#signon/trace.ts';
import { type Visit, visit } from '#signon/visit.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { type AuthnRequest, readAuthnRequest } from '#wire/saml/requests.ts';
import { BINDING, NAME_ID, STATUS } from '#wire/saml/saml.ts';
import { type AnswerNeeds, type Asked, decline, type Open, signIn } from './answer.ts';
import { consentPage, otherAccountPage, refusedPage } from './consent.ts';
import { textOfRefusal } from './errors.ts';
import { errorPage, pageNeeds, postPage, Turned } from './pages.ts';
import { paths } from './place.ts';
import { believe, incoming } from './receive.ts';
import { answerPlace, type ServiceProvider, serviceProvider } from './service.ts';
import {
  consentClaim,
  consentScope,
  needsFurtherFactor,
  nextStep,
  proofNeededAfter,
  type Step,
} from './steps.ts';
import * as store from './store.ts';

const textVersion = '1';
/** An hour to sign in, also for those who look for their password first. */
const openSeconds = 3600;

/** GET and POST /saml/sso, GET /saml/sso/:id, POST /saml/sso/:id/:answer, GET /saml/launch/:application. */
export function ssoRoutes(app: App, needs: AnswerNeeds): void {
  app.get(paths.sso, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    return guarded(needs, here, reply, async () => {
      const id = await receive(needs, request, here.context, here.browser);
      return goOn(needs, here, reply, id);
    });
  });

  // A form of another site comes without our cookies; the redirect brings them.
  app.post(paths.sso, { config: { door: 'protocol' } }, async (request, reply) => {
    const context: TxContext = {
      actor: { kind: 'anonymous' },
      cause: 'request',
      requestId: request.requestId,
    };
    try {
      const id = await receive(needs, request, context);
      return reply.redirect(`${paths.sso}/${id}`, 303);
    } catch (error) {
      const turned = turnedBy(error);
      if (!turned) throw error;
      const here = await visit(pageNeeds(needs, request), request);
      return turnAway(needs, here, reply, turned);
    }
  });

  app.get(`${paths.sso}/:id`, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const { id } = request.params as { id: string };
    const declined = (request.query as Record<string, unknown>).declined !== undefined;
    return guarded(needs, here, reply, () => goOn(needs, here, reply, id, declined));
  });

  app.post(`${paths.sso}/:id/:answer`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const { id, answer } = request.params as { id: string; answer: string };
    return guarded(needs, here, reply, () => takeAnswer(needs, here, reply, id, answer));
  });

  app.get(`${paths.launch}/:application`, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const { application } = request.params as { application: string };
    return guarded(needs, here, reply, async () =>
      goOn(needs, here, reply, await launch(needs, here, application)),
    );
  });
}

/** Errors of messages become pages of ours; what is not about a message goes the way of every refusal. */
async function guarded(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  work: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  try {
    return await work();
  } catch (error) {
    const turned = turnedBy(error);
    if (!turned) throw error;
    return turnAway(needs, here, reply, turned);
  }
}

/** What kind of page a failure deserves; undefined for everything that is not about a message. */
export function turnedBy(error: unknown): Turned | undefined {
  if (error instanceof Turned) return error;
  if (!(error instanceof SamlRefusal)) return undefined;
  const { text, status } = textOfRefusal(error.code);
  const turned = new Turned(text, error.code, status);
  turned.message = error.message;
  return turned;
}

export function turnAway(
  needs: Pick<AnswerNeeds, 'log'>,
  here: Visit,
  reply: FastifyReply,
  turned: Turned,
  title?: 'errorSignOutTitle',
): FastifyReply {
  const { code, status, message: detail } = turned;
  traceRefused(here.request, `saml-${code}`, { detail });
  needs.log.info({ code: `saml-${code}`, status, detail, reference: here.request.requestId }, 'refused');
  return errorPage(here, reply, turned, title);
}

/** Believes a request and keeps what it asks. Returns where it goes on. Refuses networks that ask all the time. */
async function receive(
  needs: AnswerNeeds,
  request: FastifyRequest,
  context: TxContext,
  browser?: string,
): Promise<string> {
  await boundNetwork(needs, request);
  const given = incoming(request);
  return needs.database.transact(context, async (tx) => {
    const { sp, message } = await believe<AuthnRequest>(tx, given, {
      kind: 'samlp:AuthnRequest',
      read: readAuthnRequest,
      destinations: needs.we.ssoPlaces,
      signed: 'app',
    });
    const acsUrl = answerPlace(sp, message);
    if (!acsUrl) throw new Turned('errorPlace', 'foreign-address');
    const asked: Asked = {
      id: message.id,
      acsUrl,
      relayState: given.relayState,
      forceAuthn: message.forceAuthn,
      isPassive: message.isPassive,
      context: message.requestedAuthnContext,
      subject: message.subject,
      nameIdFormat: message.nameIdFormat,
    };
    // Answers go by POST; an app that insists on another binding cannot be answered (saml-profiles 4.1.4.1).
    if (message.protocolBinding !== undefined && message.protocolBinding !== BINDING.post)
      throw new Turned('errorMessage', 'unsupported-binding');
    const id = newId();
    const expiresAt = new Date(tx.now().getTime() + openSeconds * 1000);
    await store.insertRequest(tx, { id, browser, application: sp.application.id, request: asked, expiresAt });
    return id;
  });
}

/** A person is sent to an app that did not ask: only where its settings say so, with the RelayState they say. */
async function launch(needs: AnswerNeeds, here: Visit, applicationId: string): Promise<string> {
  await boundNetwork(needs, here.request);
  return needs.database.transact(here.context, async (tx) => {
    const application = await findApplication(tx, applicationId);
    const sp = application && (await serviceProvider(tx, application));
    if (!sp) throw new Turned('errorUnknown', 'unknown-service-provider', 404);
    if (!sp.application.settings.enabled) throw new Problem('application-disabled');
    if (!sp.saml.idpInitiated.allowed) throw new Turned('errorLaunch', 'not-opened-from-here', 403);
    const acsUrl = answerPlace(sp, {});
    if (!acsUrl) throw new Turned('errorPlace', 'no-address');
    const { relayState } = sp.saml.idpInitiated;
    const asked: Asked = { acsUrl, relayState, forceAuthn: false, isPassive: false };
    const id = newId();
    const expiresAt = new Date(tx.now().getTime() + openSeconds * 1000);
    await store.insertRequest(tx, {
      id,
      browser: here.browser,
      application: applicationId,
      request: asked,
      expiresAt,
    });
    return id;
  });
}

/** The open request of this browser, with its app as it is now. */
async function openOf(needs: AnswerNeeds, here: Visit, id: string): Promise<Open> {
  return needs.database.transact(here.context, async (tx) => {
    const row = /^[0-9a-f-]{36}$/i.test(id)
      ? await store.takeRequest<Asked>(tx, id, here.browser)
      : undefined;
    if (!row) throw new Turned('errorUsed', 'request-over', 410);
    const application = await findApplication(tx, row.application);
    const sp = application && (await serviceProvider(tx, application));
    if (!sp) throw new Turned('errorUnknown', 'unknown-service-provider', 404);
    if (!sp.application.settings.enabled) throw new Problem('application-disabled');
    if (!sp.acs.some((one) => one.url === row.request.acsUrl))
      throw new Turned('errorPlace', 'foreign-address');
    return { id: row.id, asked: row.request, receivedAt: row.createdAt, sp };
  });
}

async function goOn(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  id: string,
  declined = false,
): Promise<FastifyReply> {
  const open = { ...(await openOf(needs, here, id)), declined };
  const step = await nextStep(needs, here, open);
  traceStep(here, open, step);
  return take(needs, here, reply, open, step);
}

function traceStep({ request, signedOn }: Visit, { asked, sp }: Open, step: Step): void {
  const person = signedOn?.person.id;
  const facts = {
    application: sp.application.id,
    person,
    forceAuthn: asked.forceAuthn,
    isPassive: asked.isPassive,
  };
  const refusal = 'refused' in step ? step.refused.code : undefined;
  trace(request, `for the app: ${Object.keys(step)[0]}`, { ...facts, answerTo: asked.acsUrl, refusal });
}

/** Takes one step: an answer to the app, or a page that asks. */
async function take(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  open: Open,
  step: Step,
): Promise<FastifyReply> {
  if ('done' in step) return answerPage(needs, here, reply, open);
  if ('decline' in step) return sayNo(needs, here, reply, open, step.decline);
  if ('prove' in step) return reply.redirect(await signOnPath(needs, here, open), 303);
  if ('consent' in step) return consentPage(needs, here, reply, open, step);
  if ('otherAccount' in step) return otherAccountPage(here, reply, open, await elsewhere(needs, here, open));
  const why = step.refused.code;
  if (open.asked.isPassive) return sayNo(needs, here, reply, open, why);
  return refusedPage(here, reply, open, why, await elsewhere(needs, here, open));
}

/** Says who it is. A request that is answered so is none of those that a network may make only so often. */
async function answerPage(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  open: Open,
): Promise<FastifyReply> {
  const answer = await signIn(needs, here, open);
  // Whoever is signed in there is; a count that stays too high for ten minutes is no reason to say otherwise.
  await giveBackNetwork(needs, here.request).catch(() => undefined);
  return postPage(here, reply, open.sp.application.settings.title, answer);
}

/** Tells the app that there is no answer. One that did not ask is told nothing: the person goes back to their apps. */
async function sayNo(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  open: Open,
  why: Parameters<typeof decline>[3],
): Promise<FastifyReply> {
  const answer = await decline(needs, here, open, why);
  traceRefused(here.request, typeof why === 'string' ? why : (why.subStatus ?? why.status));
  if (open.asked.id === undefined) return reply.redirect('/apps', 303);
  return postPage(here, reply, open.sp.application.settings.title, answer);
}

/** Opens a sign-on that comes back to this request. Returns where it starts. */
async function signOnPath(needs: AnswerNeeds, here: Visit, open: Open): Promise<string> {
  const { asked, sp } = open;
  const happened = here.signedOn?.session ?? { aal: 1, amr: ['pwd'] };
  const start = `${paths.sso}/${open.id}`;
  await boundRequests(needs, here.request);
  return needs.database.transact(here.context, (tx) =>
    requestSignOn(tx, here.browser, {
      front: 'saml',
      application: sp.application.id,
      returnTo: start,
      provedAfter: here.signedOn && proofNeededAfter(open)?.toISOString(),
      neededAal: needsFurtherFactor(open, happened) ? 2 : undefined,
      declineTo: `${start}?declined=1`,
      loginHint: loginHint(asked, sp),
    }),
  );
}

/** A name someone could type; what only the app knows a person by is no use on our page. */
function loginHint({ subject }: Asked, sp: ServiceProvider): string | undefined {
  const typed = subject?.format === NAME_ID.emailAddress || sp.saml.nameId.format === 'unspecified';
  return typed ? subject?.value.slice(0, 320) : undefined;
}

/** The id of a sign-on that "another account" goes through. */
async function elsewhere(needs: AnswerNeeds, here: Visit, open: Open): Promise<string> {
  const start = await signOnPath(needs, here, open);
  return new URL(start, 'http://localhost').searchParams.get('request') ?? '';
}

async function takeAnswer(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  id: string,
  answer: string,
): Promise<FastifyReply> {
  const open = await openOf(needs, here, id);
  const step = await nextStep(needs, here, open);
  if (answer === 'allow' && 'consent' in step) {
    await needs.database.transact(here.context, (tx) =>
      giveConsent(tx, {
        person: here.signedOn!.person.id,
        application: open.sp.application.id,
        scopes: [...new Set([...step.agreed.scopes, consentScope])],
        claims: [...new Set([...step.agreed.claims, ...step.consent.map(consentClaim)])],
        textVersion,
      }),
    );
    return answerPage(needs, here, reply, open);
  }
  if (answer === 'back' && 'consent' in step) return sayNo(needs, here, reply, open, 'consent-refused');
  if (answer === 'back' && 'refused' in step) return sayNo(needs, here, reply, open, step.refused.code);
  if (answer === 'back' && 'otherAccount' in step) {
    const why = { status: STATUS.responder, subStatus: STATUS.unknownPrincipal };
    return sayNo(needs, here, reply, open, why);
  }
  // The page was old: show what is to be asked now.
  return reply.redirect(`${paths.sso}/${open.id}`, 303);
}
