/**
 * `/go/<app>`: signs the person in here first, looks whether they may enter, and lands them in the app, however it wants
 * to be entered: its own start of a sign-in, an answer of ours it did not ask for, or its address. Leads nowhere but to
 * addresses an operator gave to the app; `to` is a place within it, and whatever points elsewhere is left out (FE-05).
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Application, findApplication } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import { joinApplication } from '#core/sessions/sessions.ts';
import type { App } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton } from '#kit/page/parts.ts';
import { isLocalPath, sealSignOn } from '#signon/dispatch.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import type { BrowserStep, Front } from '#signon/front.ts';
import { admit } from '#signon/gate.ts';
import { switchAccountForm } from '#signon/sign-out.ts';
import { type PageNeeds, show, type Visit, visit } from '#signon/visit.ts';
import { doorWords } from './front-door.words.ts';
import { atHome, type Home } from './guest.ts';

/** GET /go/:id. */
export function goRoutes(app: App, needs: PageNeeds, fronts: readonly Front[]): void {
  app.get('/go/:id', { config: { door: 'page' } }, async (request, reply) => {
    const asked = readAsked(request);
    const visitor = await visit(needs, request);
    const application = await needs.database.read(visitor.context, (tx) => findApplication(tx, asked.id));
    const { signedOn } = visitor;
    if (!signedOn) return reply.redirect(signInFirst(needs, visitor, asked, application), 303);
    const here = await atHome(needs, visitor, signedOn);
    if (!application) return unknownPage(here, reply);
    try {
      await needs.database.read(here.context, (tx) =>
        admit(tx, needs.secrets, application, signedOn.person.id),
      );
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return refusedPage(needs, here, reply, { asked, application, error });
    }
    const step = await stepInto(needs, fronts, here, application, asked.to);
    return step
      ? take(here, reply, { step, application, arrived: asked.arrived })
      : noWayPage(here, reply, application);
  });
}

interface Asked {
  id: string;
  /** A place within the app. */
  to?: string;
  /** They come from signing in: the way on must not be a redirect of that form (CSP `form-action`). */
  arrived: boolean;
}

function readAsked(request: FastifyRequest): Asked {
  const { id } = request.params as Record<string, unknown>;
  const { to, arrived } = request.query as Record<string, unknown>;
  return {
    id: String(id ?? '').slice(0, 100),
    ...(typeof to === 'string' && isLocalPath(to) && { to }),
    arrived: arrived !== undefined,
  };
}

function pathTo({ id, to }: Asked): string {
  return `/go/${encodeURIComponent(id)}?arrived=1${to ? `&to=${encodeURIComponent(to)}` : ''}`;
}

function signInFirst(needs: PageNeeds, here: Visit, asked: Asked, application?: Application): string {
  return sealSignOn(needs.secrets, here, {
    front: 'account',
    returnTo: pathTo(asked),
    ...(application && { application: application.id }),
  });
}

/** Whether /go leads anywhere. */
export function opens(application: Application, fronts: readonly Front[]): boolean {
  const { url } = application.settings;
  return url !== undefined || fronts.some((front) => front.launches?.(application) ?? false);
}

/** What a front starts, else the app's own address. */
async function stepInto(
  needs: PageNeeds,
  fronts: readonly Front[],
  here: Home,
  application: Application,
  to: string | undefined,
): Promise<BrowserStep | undefined> {
  const { url } = application.settings;
  const target = to !== undefined && url !== undefined ? within(url, to) : undefined;
  for (const front of fronts) {
    if (!front.launches?.(application)) continue;
    const step = await front.launch?.(application, here.signedOn.person, { ...here, target });
    if (step) return step;
  }
  if (url === undefined) return undefined;
  // No front hears of it: what is known of the app is that it was opened from here.
  await needs.database.transact(here.context, (tx) =>
    joinApplication(tx, here.signedOn.session, application.id, 'link'),
  );
  return { redirect: target ?? new URL(url) };
}

/** A path at the app's own origin, or nothing. */
function within(url: string, to: string): URL | undefined {
  const base = new URL(url);
  if (!URL.canParse(to, base)) return undefined;
  const target = new URL(to, base);
  return target.origin === base.origin && target.username === '' ? target : undefined;
}

/** Leads the browser on: at once where it may, else from a page that needs no click. */
function take(
  here: Home,
  reply: FastifyReply,
  way: { step: BrowserStep; application: Application; arrived: boolean },
): FastifyReply {
  const { step } = way;
  if ('redirect' in step && !way.arrived) return reply.redirect(step.redirect.href, 303);
  const say = doorWords(here.locale);
  const application = way.application.settings.title;
  const frame = { title: say('onTheWay', { application }), lede: say('onTheWayLede') };
  const label = say('goOn', { application });
  if ('redirect' in step) {
    const { href } = step.redirect;
    reply.header('refresh', `0; url=${href}`);
    return show(here, reply, { ...frame, body: linkButton({ label, url: href, full: true }) });
  }
  const { action, fields } = step.post;
  const hidden = Object.entries(fields).map(([name, value]) => hiddenField(name, value));
  return show(here, reply, {
    ...frame,
    formAction: [new URL(action).origin],
    body: html`${form({ url: action, id: 'answer', body: html`${hidden}${button({ label, full: true })}` })}
      <script nonce="${here.request.nonce}">document.getElementById('answer').submit()</script>`,
  });
}

function unknownPage(here: Home, reply: FastifyReply): FastifyReply {
  const say = doorWords(here.locale);
  return show(here, reply, {
    title: say('unknown'),
    lede: say('unknownLede', { community: here.community.name }),
    status: 404,
    body: linkButton({ label: say('yourApps'), url: '/apps', style: 'quiet', full: true }),
  });
}

/** Why this person cannot enter, with every way on: another account goes on to the app. */
function refusedPage(
  needs: PageNeeds,
  here: Home,
  reply: FastifyReply,
  { asked, application, error }: { asked: Asked; application: Application; error: Problem },
): FastifyReply {
  const say = doorWords(here.locale);
  const start = signInFirst(needs, here, asked, application);
  const request = new URL(start, 'http://localhost').searchParams.get('request') ?? undefined;
  return show({ ...here, onTheWay: request }, reply, {
    title: say('refused', { application: application.settings.title }),
    lede: html`<span id="problem">${problemWords(here.locale)(error.code)}</span>`,
    status: pageStatus[error.code],
    body: html`${switchAccountForm(here, say('anotherAccount'), request)}
      ${linkButton({ label: say('yourApps'), url: '/apps', style: 'plain', full: true })}
      <div class="aside-actions"><p id="reference">${here.say('reference', { reference: here.request.requestId })}</p></div>`,
  });
}

function noWayPage(here: Home, reply: FastifyReply, application: Application): FastifyReply {
  return show(here, reply, {
    title: application.settings.title,
    lede: html`<span id="problem">${here.tell('cannotOpen')}. ${here.tell('cannotOpenText')}</span>`,
    status: 404,
    body: linkButton({ label: doorWords(here.locale)('yourApps'), url: '/apps', style: 'quiet', full: true }),
  });
}
