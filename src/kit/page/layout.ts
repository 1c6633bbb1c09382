/**
 * The two frames of a page.
 *
 *   personPage({ look, title, nonce, locale, body, account?, width?, scripts?, styles? }): Html
 *       one column; width 'card' (default: the body stands in one card of at most 26 rem) or 'wide' (47 rem, the body
 *       brings its own cards). The frame renders the h1 from `title` (`heading` overrides it, `lede` is one sentence below).
 *   operatorPage({ look, title, nonce, locale, navigation, current, body, account, actions? }): Html
 *       two panes; `current` is the id of the navigation entry one stands in.
 *
 *   consolePage({ …, scripts, styles, body })   the same two panes, filled by a script
 *
 * The way out is always in the same place, at the end of the header: who is signed in, switch account (form POST to
 * `switchUrl`), sign out (form POST to `signOutUrl`, button #sign-out), help. `token` is the hidden form token of this
 * request (`formField(request)` of kit/http).
 */
import type { Html } from './html.ts';
import { html, join } from './html.ts';
import { icons } from './icons.ts';
import type { Look } from './page.ts';
import { documentPage, pageWords } from './page.ts';

/** Who is signed in, and the way out. */
export interface AccountSlot {
  displayName: string;
  username: string;
  signOutUrl: string;
  switchUrl: string;
  /** The hidden input that proves the form is ours. */ token: Html;
  /** Where the name leads; `/account` when left out. */ accountUrl?: string;
  /** Hidden input for the form that switches the account: what to go on with. */ onTheWay?: Html;
  /** Said above everything, with the way out beside it: someone must not forget to sign out here. */ loud?: string;
}

export interface PersonPage {
  look: Look;
  title: string;
  nonce: string;
  locale: string;
  body: Html;
  account?: AccountSlot;
  width?: 'card' | 'wide';
  /** The h1, when it should say more than the title of the tab. */ heading?: string;
  /** One sentence under the heading. */ lede?: string | Html;
  scripts?: readonly string[];
  styles?: readonly string[];
}

/** A page for people. */
export function personPage(page: PersonPage): Html {
  const wide = page.width === 'wide';
  const head = html`<div class="page-head"><h1>${page.heading ?? page.title}</h1>${page.lede ? html`<p class="lede">${page.lede}</p>` : ''}</div>`;
  const content = html`${header(page)}
<main id="main" tabindex="-1">${wide ? html`${head}${page.body}` : html`<div class="card">${head}${page.body}</div>`}</main>
${footer(page.look)}`;
  return documentPage({ ...page, kind: wide ? 'person wide' : 'person', content });
}

export interface OperatorPage {
  look: Look;
  title: string;
  nonce: string;
  locale: string;
  navigation: readonly { id: string; title: string; url: string }[];
  /** The id of the entry this page belongs to. */ current: string;
  body: Html;
  account?: AccountSlot;
  lede?: string | Html;
  /** Buttons beside the heading. */ actions?: Html;
  scripts?: readonly string[];
  styles?: readonly string[];
}

/** A page for operators. */
export function operatorPage(page: OperatorPage): Html {
  const say = pageWords(page.locale);
  const entries = page.navigation.map((entry) => {
    const here = entry.id === page.current ? html` aria-current="page"` : '';
    return html`<li><a href="${entry.url}"${here}>${entry.title}</a></li>`;
  });
  const content = html`${header(page)}
<div class="panes"><nav class="side" aria-label="${say('navigation')}"><ul>${entries}</ul></nav>
<main id="main" tabindex="-1"><div class="page-head row spread"><div><h1>${page.title}</h1>${page.lede ? html`<p class="lede">${page.lede}</p>` : ''}</div>${page.actions ? html`<div class="actions">${page.actions}</div>` : ''}</div>
${page.body}</main></div>`;
  return documentPage({ ...page, kind: 'operator', content });
}

export interface ConsolePage {
  look: Look;
  title: string;
  nonce: string;
  locale: string;
  account: AccountSlot;
  /** What stands there until the script has come, or says why it cannot. */ body: Html;
  scripts: readonly string[];
  styles: readonly string[];
}

/** The frame of a page that a script fills: header and way out are ours, everything below is put into #console. */
export function consolePage(page: ConsolePage): Html {
  const content = html`${header(page)}
<div class="panes" id="console"><nav class="side" aria-hidden="true"></nav><main id="main" tabindex="-1">${page.body}</main></div>`;
  return documentPage({ ...page, kind: 'operator console', content });
}

function header({ look, locale, account }: { look: Look; locale: string; account?: AccountSlot }): Html {
  const say = pageWords(locale);
  const mark = look.logoUrl ? html`<img src="${look.logoUrl}" alt="" width="40" height="40">` : icons.mark;
  const help = look.helpUrl ? html`<a class="tool" href="${look.helpUrl}">${say('help')}</a>` : '';
  return html`<a class="skip unseen" href="#main">${say('skip')}</a>
${look.announcement ? html`<p class="announce">${look.announcement}</p>` : ''}${account?.loud ? loudWayOut(account, account.loud, locale) : ''}<header class="${account ? 'top signed-in' : 'top'}"><a class="brand" href="/">${mark}<span dir="auto">${look.communityName}</span></a>
<div class="tools">${services(look, locale)}${help}</div>${account ? wayOut(account, locale) : ''}</header>`;
}

/** What the community runs: the apps this person may enter, then the links it has set. */
function services(look: Look, locale: string): Html | undefined {
  const { apps = [], links } = look;
  if (links.length + apps.length === 0) return undefined;
  const say = pageWords(locale);
  const entries = (list: readonly { title: string; url: string }[]) =>
    list.map((link) => html`<li><a href="${link.url}">${link.title}</a></li>`);
  const community = look.communityName;
  const own = html`<ul aria-label="${say('servicesOf', { community })}">${entries(apps)}<li><a href="/apps">${say('allServices')}</a></li></ul>`;
  const label = say(apps.length > 0 ? 'moreServices' : 'servicesOf', { community });
  const more = html`<ul aria-label="${label}">${entries(links)}</ul>`;
  return html`<details class="menu"><summary>${say('services')}${icons.down}</summary><div class="list">${apps.length > 0 ? own : ''}${links.length > 0 ? more : ''}</div></details>`;
}

/** For people on a computer that others use too. */
function loudWayOut(account: AccountSlot, text: string, locale: string): Html {
  const say = pageWords(locale);
  return html`<aside class="loud" aria-label="${say('signOut')}">${icons.warning}<p>${text}</p><form method="post" action="${account.signOutUrl}">${account.token}<button class="button primary compact" id="sign-out-loud">${say('signOut')}</button></form></aside>`;
}

function wayOut(account: AccountSlot, locale: string): Html {
  const say = pageWords(locale);
  const title = say('signedInAs', { name: `${account.displayName} (${account.username})` });
  return html`<div class="account"><a class="tool who" href="${account.accountUrl ?? '/account'}" title="${title}"><span dir="auto">${account.displayName}</span></a><div class="ways"><form method="post" action="${account.switchUrl}">${account.token}${account.onTheWay}<button class="tool" id="switch-account">${say('switchAccount')}</button></form><form method="post" action="${account.signOutUrl}">${account.token}<button class="tool" id="sign-out">${say('signOut')}</button></form></div></div>`;
}

function footer(look: Look): Html {
  const links = look.footerLinks ?? [];
  if (links.length === 0) return html`<footer class="foot"></footer>`;
  return html`<footer class="foot">${join(links.map((link) => html`<a href="${link.url}">${link.title}</a>`))}</footer>`;
}
