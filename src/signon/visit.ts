/**
 * Who stands at a page for people, and what the page needs to answer them: the community's look, their language,
 * the form token, whether someone is signed in. Made once a request by every page of sign-on and the consoles.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Community, community } from '#core/community/community.ts';
import { isUseNoted } from '#core/sessions/sessions.ts';
import type { TxContext } from '#kit/db/tx.ts';
import { type CookieJar, formField, type PageOptions } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { type AccountSlot, personPage } from '#kit/page/layout.ts';
import { availableLocales, chooseLocale } from '#kit/page/words.ts';
import { describeDevice } from './device.ts';
import { type GateNeeds, noteUse, type SignedOn, signedOn as signedOnBy } from './gate.ts';
import { referenceLines } from './reference.ts';
import { signOutWords } from './sign-out.words.ts';
import { isTraced } from './trace.ts';
import { words } from './words.ts';

/** What all pages for people are handed. */
export interface PageNeeds extends GateNeeds {
  cookies: CookieJar;
}

/** What pages about passkeys need beside: passkeys belong to the domain of this address. */
export interface FactorNeeds extends PageNeeds {
  publicUrl: URL;
}

/** Who asks, without what pages show of the community: enough for whoever answers a form with a redirect. */
export interface Caller {
  request: FastifyRequest;
  locale: string;
  say: ReturnType<typeof words>;
  /** Random id of the browser; forms and sign-on requests are bound to it. */
  browser: string;
  /** The session cookie as it came. */
  token?: string;
  deviceToken?: string;
  signedOn?: SignedOn;
  device: string;
  ip: string;
  now: Date;
  context: TxContext;
  formToken: Html;
}

export interface Visit extends Caller {
  community: Community;
  /** Id of the sign-on request this page stands on the way of: whoever switches the account here goes on with it. */
  onTheWay?: string;
  /** The apps they may enter, where the page has a menu of them. */
  apps?: { title: string; url: string }[];
}

const callers = new WeakMap<FastifyRequest, Caller>();

/** The way out for whoever this request came from, as far as it was read who that is: for the page of a refusal. */
export function accountSlotOf(request: FastifyRequest): AccountSlot | undefined {
  const here = callers.get(request);
  return here && accountSlot(here);
}

/** Who this request came from, as far as it was read. */
export function whoWasHere(request: FastifyRequest): { person?: string } | undefined {
  const here = callers.get(request);
  return here && { person: here.signedOn?.person.id };
}

/** Reads who is here and what the community shows, from one snapshot. */
export async function visit(needs: PageNeeds, request: FastifyRequest): Promise<Visit> {
  const context = anonymous(request);
  const token = needs.cookies.read(request, 'session');
  if (!token) {
    const settings = await needs.database.look(context, community);
    return { ...callerOf(needs, request, context), community: settings };
  }
  const [signedOn, settings] = await needs.database.read(context, (tx) =>
    Promise.all([signedOnBy(tx, token), community(tx)]),
  );
  await noteVisit(needs, context, signedOn);
  return { ...callerOf(needs, request, context, signedOn), community: settings };
}

/** Reads who is here alone; without a session cookie nothing is asked of the database. */
export async function caller(needs: PageNeeds, request: FastifyRequest): Promise<Caller> {
  const context = anonymous(request);
  const token = needs.cookies.read(request, 'session');
  if (!token) return callerOf(needs, request, context);
  const signedOn = await needs.database.read(context, (tx) => signedOnBy(tx, token));
  await noteVisit(needs, context, signedOn);
  return callerOf(needs, request, context, signedOn);
}

/** For a caller who is shown a page after all. */
export async function visitOf(needs: PageNeeds, here: Caller): Promise<Visit> {
  return { ...here, community: await needs.database.look(here.context, community) };
}

function anonymous(request: FastifyRequest): TxContext {
  return { actor: { kind: 'anonymous' }, cause: 'request', requestId: request.requestId };
}

function callerOf(
  needs: PageNeeds,
  request: FastifyRequest,
  context: TxContext,
  signedOn?: SignedOn,
): Caller {
  const person = signedOn?.person;
  const locale = person?.locale
    ? chooseLocale(person.locale, availableLocales())
    : chooseLocale(request.headers['accept-language'], availableLocales());
  const here: Caller = {
    request,
    locale,
    say: words(locale),
    browser: needs.cookies.browser(request),
    token: needs.cookies.read(request, 'session'),
    deviceToken: needs.cookies.read(request, 'device'),
    signedOn,
    device: describeDevice(request.headers['user-agent']),
    ip: request.network,
    now: needs.clock.now(),
    context: person
      ? { ...context, actor: { kind: 'person', id: person.id, name: person.username } }
      : context,
    formToken: formField(request),
  };
  callers.set(request, here);
  return here;
}

async function noteVisit(needs: PageNeeds, context: TxContext, here: SignedOn | undefined): Promise<void> {
  if (here && !isUseNoted(here.session, needs.clock.now()))
    await needs.database.transact(context, (tx) => noteUse(tx, here.session));
}

/** The same visit in the language an app asked for (`ui_locales`), where we speak it. */
export function inLocale<Here extends Caller>(here: Here, uiLocales: string | undefined): Here {
  if (!uiLocales) return here;
  const locale = chooseLocale(uiLocales.trim().replaceAll(/\s+/g, ','), availableLocales());
  return { ...here, locale, say: words(locale) };
}

/** The community's look as the page layout wants it. */
export function lookOf(settings: Community) {
  return {
    communityName: settings.name,
    logoUrl: settings.logo,
    accent: settings.accent,
    links: settings.links,
    announcement: settings.announcement,
    helpUrl: settings.help,
  };
}

/** The way out, for everyone who is signed in. */
export function accountSlot(here: Caller & { onTheWay?: string }): AccountSlot | undefined {
  const person = here.signedOn?.person;
  return (
    person && {
      displayName: person.displayName,
      username: person.username,
      signOutUrl: '/sign-out',
      switchUrl: '/switch-account',
      token: here.formToken,
      ...(here.onTheWay && { onTheWay: hiddenField('request', here.onTheWay) }),
      ...(here.signedOn?.session.shared && { loud: signOutWords(here.locale)('sharedBar') }),
    }
  );
}

/** Answers with a page for people in the one frame they all share. */
export function show(
  here: Visit,
  reply: FastifyReply,
  page: {
    title: string;
    heading?: string;
    lede?: string | Html;
    body: Html;
    width?: 'card' | 'wide';
    status?: number;
    formAction?: string[];
    /** Further scripts of ours, by address. */
    scripts?: readonly string[];
    /** Other sites this page is open to. */
    sources?: PageOptions['sources'];
  },
): FastifyReply {
  const document = personPage({
    look: { ...lookOf(here.community), apps: here.apps },
    title: page.title,
    heading: page.heading,
    lede: page.lede,
    nonce: here.request.nonce,
    locale: here.locale,
    body: withReference(here, page),
    width: page.width,
    scripts: page.scripts,
    account: accountSlot(here),
  });
  return reply.page(document, {
    status: page.status,
    formAction: page.formAction,
    sources: page.sources,
  });
}

/** Whoever is refused on the way in is told what to quote, unless the page says so itself. */
function withReference(here: Visit, page: { body: Html; status?: number }): Html {
  const { requestId } = here.request;
  if ((page.status ?? 200) < 400 || !isTraced(requestId)) return page.body;
  if (page.body.toString().includes('id="reference"')) return page.body;
  return html`${page.body}${referenceLines(here.say, here.community, requestId)}`;
}

/** A quiet line with a link at the end of a card. */
export function quietLine(text: string, link: { url: string; title: string }): Html {
  return html`<p class="quiet-line">${text}${text ? ' ' : ''}<a href="${link.url}">${link.title}</a></p>`;
}
