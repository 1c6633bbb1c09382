/**
 * What the one sign-in page offers beside a password: buttons, the way of an address's domain, and what an app or its
 * request asks for. The domain alone decides where an address leads, so nothing tells whether it has an account.
 */
import { findApplication } from '#core/applications/applications.ts';
import { parseAddress } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, notice } from '#kit/page/parts.ts';
import type { SignOnRequest } from '#signon/dispatch.ts';
import { UpstreamFailure } from './failure.ts';
import { listUpstreams, type Upstream } from './upstreams.ts';
import { words } from './words.ts';

/** The upstreams that are open. */
export async function openUpstreams(tx: Tx): Promise<Upstream[]> {
  return (await listUpstreams(tx)).filter(({ settings }) => settings.enabled);
}

/** Where the browser sets out to an upstream. */
export function startPath(id: string, way: { requestId?: string; hint?: string } = {}): string {
  const query = new URLSearchParams();
  if (way.requestId) query.set('request', way.requestId);
  if (way.hint) query.set('hint', way.hint);
  return `/upstream/${id}/start${query.size > 0 ? `?${query}` : ''}`;
}

/** The upstream that addresses like this one sign in with. */
export function upstreamOfAddress(upstreams: readonly Upstream[], typed: string): Upstream | undefined {
  let domain: string;
  try {
    domain = parseAddress(typed).key.split('@').at(-1) ?? '';
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
  return upstreams.find(({ settings }) => !settings.ldap && settings.domains.includes(domain));
}

/** The upstream an app's request leads to at once: asked for with the request, or set for the app. */
export async function upstreamOfRequest(
  tx: Tx,
  request: SignOnRequest | undefined,
): Promise<Upstream | undefined> {
  const { application, upstream } = request ?? {};
  const wanted = upstream ?? (application && (await findApplication(tx, application))?.settings.upstream);
  if (!wanted) return undefined;
  return (await openUpstreams(tx)).find(({ id, settings }) => id === wanted && !settings.ldap);
}

/** A button of the sign-in page's own form: what was chosen there goes along, and needs neither name nor password. */
function throughUpstream(
  { id, settings }: Upstream,
  page: { locale: string; form: string },
  buttonId = `with-${id}`,
): Html {
  return button({
    label: words(page.locale)('continueWith', { upstream: settings.title }),
    form: page.form,
    formaction: startPath(id),
    skipChecks: true,
    style: 'quiet',
    full: true,
    id: buttonId,
  });
}

/**
 * The part of the sign-in page below the password.
 * @param page.anew proof of this moment is wanted, which some upstreams cannot give
 * @param page.form id of the form they belong to
 */
export function upstreamButtons(
  upstreams: readonly Upstream[],
  page: { locale: string; form: string; anew?: boolean },
): Html | '' {
  const tell = words(page.locale);
  const shown = upstreams.filter(
    ({ settings }) => settings.button && !settings.ldap && !(page.anew && settings.github),
  );
  if (shown.length === 0) return '';
  const buttons = shown.map((one) => throughUpstream(one, page));
  return html`<p class="quiet-line" id="or-with">${tell('orWith')}</p><div class="stack-s" id="upstreams">${buttons}</div>`;
}

export const arrivalPath = (id: string) => `/upstream/arrivals/${id}`;

/** Says whose passwords work here too, and where they are kept from the next sign-in on. */
export function directoryLine(upstreams: readonly Upstream[], locale: string): Html | '' {
  const shown = upstreams.filter(({ settings }) => settings.ldap && settings.button);
  if (shown.length === 0) return '';
  const tell = words(locale);
  const named = (list: readonly Upstream[]) =>
    new Intl.ListFormat(locale).format(list.map(({ settings }) => settings.title));
  const kept = shown.filter(({ settings }) => settings.ldap?.takeOver);
  return html`<p class="muted small" id="directories">${tell('byDirectory', { upstreams: named(shown) })} ${
    kept.length > 0 ? tell('takesOver', { upstreams: named(kept) }) : ''
  }</p>`;
}

/** What is said to everybody whose password is not right while a directory does not answer. */
export function directoryDown(problem: Problem, locale: string): string | undefined {
  if (!(problem instanceof UpstreamFailure)) return undefined;
  return words(locale)('directoryDown', { upstream: problem.title });
}

/**
 * After a password that was not right: addresses of this domain sign in elsewhere. Says nothing of any account.
 * `said` stands above the form, `button` in it.
 */
export function addressHint(
  upstream: Upstream,
  page: { locale: string; form: string },
): { said: Html; button: Html } {
  const tell = words(page.locale);
  const { title } = upstream.settings;
  return {
    said: notice({ tone: 'info', text: tell('forAddress', { upstream: title }), id: 'for-address' }),
    button: throughUpstream(upstream, page, 'by-address'),
  };
}
