/**
 * A test login for operators: they sign in as the app would have them, and the answer comes back to a page of ours. It is
 * made out to ourselves, from a request of this browser, and counts once: no app believes it, and nobody is joined to one.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { requireApplication } from '#core/applications/applications.ts';
import { rolesOf } from '#core/operators/operators.ts';
import { may } from '#core/operators/permissions.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { App } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, type KeyValue, keyValues, linkButton, notice } from '#kit/page/parts.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import { admit } from '#signon/gate.ts';
import { show, type Visit, visit } from '#signon/visit.ts';
import { postPage as encodePost } from '#wire/saml/bindings.ts';
import { makeResponse, readResponse } from '#wire/saml/responses.ts';
import type { AnswerNeeds, Open } from './answer.ts';
import { contextToState } from './context.ts';
import { pageNeeds, Turned } from './pages.ts';
import { newMessageId, paths, skewSeconds } from './place.ts';
import { renderAttributes, renderNameId } from './profile.ts';
import { serviceProvider } from './service.ts';
import { turnAway, turnedBy } from './sso.ts';
import { needsFurtherFactor, nextStep, proofNeededAfter } from './steps.ts';
import * as store from './store.ts';
import { testWords } from './test-words.ts';

/** What is kept of a test while its answer is on its way; no page of a real sign-in takes it. */
interface TestRequest {
  test: true;
  acsUrl: string;
}

const openMs = 300_000;

/** Who we are as the app of a test, and where it takes answers. */
function testParty(needs: AnswerNeeds): { entityId: string; acsUrl: string } {
  const base = needs.we.sso.slice(0, -paths.sso.length);
  return { entityId: `${base}${paths.test}`, acsUrl: `${base}${paths.test}` };
}

/** GET /saml/test/:application, POST /saml/test. */
export function testLoginRoutes(app: App, needs: AnswerNeeds): void {
  app.get(`${paths.test}/:application`, { config: { door: 'page' } }, (request, reply) =>
    guarded(needs, request, reply, (here) => {
      const { application } = request.params as { application: string };
      return start(needs, here, reply, application);
    }),
  );
  app.post(paths.test, { config: { door: 'form' } }, (request, reply) =>
    guarded(needs, request, reply, (here) => arrive(needs, here, request, reply)),
  );
}

async function guarded(
  needs: AnswerNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (here: Visit) => Promise<FastifyReply>,
): Promise<FastifyReply> {
  const here = await visit(pageNeeds(needs, request), request);
  try {
    return await work(here);
  } catch (error) {
    const turned = turnedBy(error);
    if (!turned) throw error;
    return turnAway(needs, here, reply, turned);
  }
}

/** What stands between this browser and the answer is what would stand there for the app. */
async function start(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  const path = `${paths.test}/${encodeURIComponent(id)}`;
  const signOn = (more: object) =>
    needs.database.transact(here.context, (tx) =>
      requestSignOn(tx, here.browser, { front: 'saml', returnTo: path, ...more }),
    );
  if (!here.signedOn) return reply.redirect(await signOn({}), 303);
  const open = await openTest(needs, here, here.signedOn.person.id, id);
  const step = await nextStep(needs, here, open);
  if ('refused' in step) throw step.refused;
  if ('prove' in step) {
    const more = {
      application: id,
      provedAfter: proofNeededAfter(open)?.toISOString(),
      neededAal: needsFurtherFactor(open, here.signedOn.session) ? 2 : undefined,
      declineTo: `/admin/apps/${id}/test`,
    };
    return reply.redirect(await signOn(more), 303);
  }
  return post(here, reply, open, await answer(needs, here, open));
}

/** The app as it is, asked for by an operator who may change it. Whoever may not learns nothing of it. */
async function openTest(needs: AnswerNeeds, here: Visit, person: string, id: string): Promise<Open> {
  return needs.database.read(here.context, async (tx) => {
    if (!may(await rolesOf(tx, person), 'applications.write', id)) throw new Problem('operator-forbidden');
    const sp = await serviceProvider(tx, await requireApplication(tx, id));
    if (!sp) throw new Turned('errorUnknown', 'unknown-service-provider', 404);
    const asked = { acsUrl: testParty(needs).acsUrl, forceAuthn: false, isPassive: false };
    return { id: newId(), asked, receivedAt: needs.clock.now(), sp };
  });
}

/** The same answer but for whom it is made out to; it is never encrypted, as only the app could read it then. */
async function answer(needs: AnswerNeeds, here: Visit, { id, sp }: Open): Promise<string> {
  const { session, person } = here.signedOn!;
  const { entityId, acsUrl } = testParty(needs);
  const request: TestRequest = { test: true, acsUrl };
  const now = needs.clock.now();
  const expiresAt = new Date(now.getTime() + openMs);
  const profile = await needs.database.transact(here.context, async (tx) => {
    const found = await admit(tx, needs.secrets, sp.application, person.id);
    const row = { id, browser: here.browser, application: sp.application.id, request, expiresAt };
    await store.insertRequest(tx, row);
    return found;
  });
  const { active } = await needs.engine.keys();
  return makeResponse({
    id: newMessageId(),
    assertionId: newMessageId(),
    issuer: needs.we.entityId,
    issueInstant: now,
    audience: entityId,
    acsUrl,
    inResponseTo: `_test-${id}`,
    nameId: renderNameId(profile, sp.saml, needs.we.entityId),
    attributes: renderAttributes(profile, sp.saml),
    notBefore: new Date(now.getTime() - 60_000),
    notOnOrAfter: expiresAt,
    authnInstant: session.authTime,
    authnContext: contextToState(undefined, session)!,
    sessionIndex: newMessageId(),
    sign: sp.saml.sign,
    signer: active,
  });
}

function post(here: Visit, reply: FastifyReply, { id, asked }: Open, xml: string): FastifyReply {
  const say = testWords(here.locale);
  const { fields } = encodePost(asked.acsUrl, { name: 'SAMLResponse', xml }, id);
  const hidden = Object.entries(fields).map(([name, value]) => hiddenField(name, value));
  const body = html`${hidden}${button({ label: say('goOn'), id: 'go-on', full: true })}`;
  return show(here, reply, {
    title: say('onTheWay'),
    lede: say('onTheWayLede'),
    body: html`${form({ url: paths.test, id: 'answer', token: here.formToken, body })}
      <script nonce="${here.request.nonce}">document.getElementById('answer').submit()</script>`,
  });
}

/** Takes the answer as an app would: from this browser, once, and nothing that is not signed is read. */
async function arrive(
  needs: AnswerNeeds,
  here: Visit,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const id = request.form.text('RelayState');
  const application = await needs.database.transact(here.context, async (tx) => {
    const row = /^[0-9a-f-]{36}$/i.test(id)
      ? await store.takeRequest<Partial<TestRequest>>(tx, id, here.browser)
      : undefined;
    if (!row?.request.test || !(await store.endRequest(tx, row.id)))
      throw new Turned('errorUsed', 'request-over', 410);
    return requireApplication(tx, row.application);
  });
  const { certificates } = await needs.engine.keys();
  const xml = Buffer.from(request.form.text('SAMLResponse'), 'base64').toString('utf8');
  const read = readResponse(xml, {
    ...testParty(needs),
    idpEntityId: needs.we.entityId,
    certificates,
    inResponseTo: `_test-${id}`,
    now: needs.clock.now(),
    skewSeconds,
  });
  const say = testWords(here.locale);
  const { title } = application.settings;
  const rows = [
    arrivedRow('NameID', read.nameId, read.nameIdFormat),
    ...[...read.attributes].map(([name, values]) => arrivedRow(lastPart(name), values.join(', '), name)),
    arrivedRow('AuthnContext', lastPart(read.authnContext ?? ''), read.authnContext),
  ];
  return show(here, reply, {
    title: say('arrived', { application: title }),
    lede: say('arrivedLede', { application: title }),
    body: html`${notice({ tone: 'success', text: say('believed') })}
      <div id="arrived">${keyValues({ rows, locale: here.locale })}</div>
      <details><summary>${say('message')}</summary>
        <textarea class="input" rows="10" readonly aria-label="${say('message')}">${xml}</textarea></details>
      ${linkButton({ label: say('back'), url: `/admin/apps/${application.id}/test`, style: 'quiet', full: true })}`,
  });
}

/** Long names stand below the value, where there is room for them. */
function arrivedRow(key: string, value: string, name: string | undefined): KeyValue {
  const whole = name === undefined || name === key ? '' : html`<br><small class="muted">${name}</small>`;
  return { key, value: html`${value}${whole}` };
}

/** `…/claims/surname` → `surname`. */
function lastPart(name: string): string {
  return /[^/:]+$/.exec(name)?.[0] ?? name;
}
