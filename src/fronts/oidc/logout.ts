/**
 * An app signs a person out (OpenID Connect RP-Initiated Logout 1.0). With an ID token of ours that names the session
 * of this browser nothing is asked; otherwise the person confirms. Only return addresses registered letter by letter
 * are followed. Refuses anything else with a page, still signed in.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decodeJwt } from 'jose';
import { type Application, findApplication } from '#core/applications/applications.ts';
import { type App, FormBody } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton } from '#kit/page/parts.ts';
import { sealSignOn } from '#signon/dispatch.ts';
import type { Front } from '#signon/front.ts';
import type { GateNeeds } from '#signon/gate.ts';
import { signOut, switchAccountForm } from '#signon/sign-out.ts';
import { show, type Visit, visit } from '#signon/visit.ts';
import { formActionOf } from './asked.ts';
import type { Engine } from './engine.ts';
import { pageNeeds } from './pages.ts';
import { paths } from './provider.ts';
import { words } from './words.ts';

export type LogoutPageNeeds = Omit<GateNeeds, 'floorMs'> & {
  engine: Engine;
  /** Every front of the house, this one too: all of them are told. */
  fronts: readonly Front[];
};

const parameters = [
  'id_token_hint',
  'client_id',
  'post_logout_redirect_uri',
  'state',
  'ui_locales',
  'logout_hint',
];

/** What an app asked for, after everything it said was checked. */
interface Asked {
  application?: Application;
  /** `sid` of a hint that is truly ours. */
  sid?: string;
  /** Registered for this app. */
  returnTo?: string;
  state?: string;
  refused: boolean;
}

/** GET and POST /oidc/session/end, POST /oidc/session/end/confirm. */
export function logoutRoutes(app: App, needs: LogoutPageNeeds): void {
  app.get(paths.endSession, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const asked = await readAsked(needs, here, parametersOf(request));
    if (asked.refused) return refusedPage(here, reply);
    const session = here.signedOn?.session;
    if (session && asked.sid !== session.sid) return confirmPage(needs, here, reply, asked);
    return end(needs, here, reply, asked);
  });

  // A form of another site comes without our cookies; the redirect to GET brings them.
  app.post(paths.endSession, { config: { door: 'protocol' } }, async (request, reply) => {
    const query = new URLSearchParams();
    for (const name of parameters) {
      if (request.form.has(name)) query.set(name, request.form.text(name));
    }
    return reply.redirect(`${paths.endSession}?${query}`, 303);
  });

  app.post(`${paths.endSession}/confirm`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(pageNeeds(needs, request), request);
    const asked = await readAsked(needs, here, request.form);
    return asked.refused ? refusedPage(here, reply) : end(needs, here, reply, asked);
  });
}

/** The query as a form, so that no parameter comes twice (OA-16). */
function parametersOf(request: FastifyRequest): FormBody {
  const { url = '' } = request.raw;
  return new FormBody(url.includes('?') ? url.slice(url.indexOf('?') + 1) : '');
}

async function readAsked(needs: LogoutPageNeeds, here: Visit, given: FormBody): Promise<Asked> {
  const hint = await readHint(needs, given.text('id_token_hint'));
  const named = given.text('client_id');
  const id = hint?.application ?? named;
  if (hint && named && named !== hint.application) return { refused: true };
  const application = id
    ? await needs.database.read(here.context, (tx) => findApplication(tx, id))
    : undefined;
  const returnTo = given.text('post_logout_redirect_uri') || undefined;
  const registered = application?.settings.oidc?.postLogoutRedirectUris ?? [];
  if (returnTo && application && !registered.includes(returnTo)) return { refused: true };
  return {
    application,
    sid: hint?.sid,
    // Nobody vouches for an address without an app.
    returnTo: application ? returnTo : undefined,
    state: given.has('state') ? given.text('state') : undefined,
    refused: false,
  };
}

/** A hint counts when we signed it; that it is old does not matter (§2). One that does not count is no hint. */
async function readHint(
  needs: LogoutPageNeeds,
  hint: string,
): Promise<{ application: string; sid?: string } | undefined> {
  if (hint === '') return undefined;
  const provider = needs.engine.provider();
  try {
    const { aud } = decodeJwt(hint);
    const client = typeof aud === 'string' ? await provider.Client.find(aud) : undefined;
    if (!client) return undefined;
    const { payload, header } = await provider.IdToken.validate(hint, client);
    // A logout token is signed by the same key and is no ID token.
    if (header.typ !== undefined && header.typ !== 'JWT') return undefined;
    return { application: client.clientId, sid: typeof payload.sid === 'string' ? payload.sid : undefined };
  } catch {
    return undefined;
  }
}

async function end(
  needs: LogoutPageNeeds,
  here: Visit,
  reply: FastifyReply,
  asked: Asked,
): Promise<FastifyReply> {
  // First of all: whatever happens now, this browser is nobody's any more.
  if (here.signedOn) pageNeeds(needs, here.request).cookies.clear(reply, 'session');
  const returnTo = asked.returnTo && withState(asked.returnTo, asked.state);
  const next = await signOut(needs, needs.fronts, here, { reason: 'app-sign-out', returnTo });
  return reply.redirect(next, 303);
}

function withState(uri: string, state: string | undefined): string {
  if (state === undefined) return uri;
  const url = new URL(uri);
  url.searchParams.set('state', state);
  return url.href;
}

function confirmPage(needs: LogoutPageNeeds, here: Visit, reply: FastifyReply, asked: Asked): FastifyReply {
  const say = words(here.locale);
  const name = here.signedOn?.person.displayName ?? '';
  const application = asked.application?.settings.title;
  const fields = [
    asked.application && hiddenField('client_id', asked.application.id),
    asked.returnTo && hiddenField('post_logout_redirect_uri', asked.returnTo),
    asked.state !== undefined && hiddenField('state', asked.state),
  ].filter((one) => typeof one === 'object');
  // The button of the page is the one way out that is meant here, so the header shows none.
  return show({ ...here, signedOn: undefined }, reply, {
    title: say('signOutTitle'),
    lede: application
      ? say('signOutAsked', { application, name })
      : say('signOutLede', { name, community: here.community.name }),
    formAction: formActionOf(asked.returnTo),
    body: html`${form({
      url: `${paths.endSession}/confirm`,
      token: here.formToken,
      body: html`${fields}${button({ label: say('signOut'), id: 'sign-out', full: true })}`,
    })}${switchAccountForm(here, say('switchAccount'), wayBack(needs, here, asked))}
      ${linkButton({ label: say('stay'), url: '/account', style: 'plain', full: true })}`,
  });
}

/** Whoever only wants to be someone else comes back to the app that asked. */
function wayBack(needs: LogoutPageNeeds, here: Visit, { application }: Asked): string | undefined {
  if (!application) return undefined;
  const start = sealSignOn(needs.secrets, here, {
    front: 'account',
    application: application.id,
    returnTo: `/go/${application.id}?arrived=1`,
  });
  return new URL(start, 'http://localhost').searchParams.get('request') ?? undefined;
}

function refusedPage(here: Visit, reply: FastifyReply): FastifyReply {
  const say = words(here.locale);
  return show(here, reply, {
    title: say('logoutErrorTitle'),
    status: 400,
    lede: html`<span id="problem">${say('errorLogoutUri')}</span>`,
    body: html`${linkButton({ label: say('startPage'), url: '/', style: 'quiet', full: true })}
      <div class="aside-actions">
      <p id="reference">${say('reference', { reference: here.request.requestId })}</p></div>`,
  });
}
