/** The pages that answer in place of the library: errors that may not go back to the app, and posting an answer back. */
import type { FastifyRequest } from 'fastify';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { App } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton } from '#kit/page/parts.ts';
import type { GateNeeds } from '#signon/gate.ts';
import { traceRefused } from '#signon/trace.ts';
import { type PageNeeds, show, visit } from '#signon/visit.ts';
import { formActionOf } from './asked.ts';
import { exchangeOf } from './exchange.ts';
import { isTurnedAway } from './turned-away.ts';
import { words } from './words.ts';

/** What our pages need, at the server this request came to. */
export function pageNeeds(needs: Omit<GateNeeds, 'floorMs'>, request: FastifyRequest): PageNeeds {
  // No page of this front takes a password, so there is no failure to delay.
  return { ...needs, floorMs: 0, cookies: (request.server as App).cookieJar };
}

type ErrorText = 'errorClient' | 'errorRedirect' | 'errorSession' | 'errorFault' | 'errorRequest';

function textOf(error: string, cause: Error): ErrorText {
  if (cause.constructor.name === 'SessionNotFound') return 'errorSession';
  if (error === 'invalid_client') return 'errorClient';
  if (error === 'invalid_redirect_uri') return 'errorRedirect';
  return error === 'server_error' ? 'errorFault' : 'errorRequest';
}

/** Shows an error here, in our words; no text of the request is repeated (FE-06) and nothing redirects (OA-02). */
export function renderError(needs: Omit<GateNeeds, 'floorMs'>) {
  return (ctx: KoaContextWithOIDC, out: { error: string }, cause: Error): void => {
    // Said by exchange.ts.
    if (isTurnedAway(cause as unknown)) return;
    const exchange = exchangeOf(ctx);
    const text = textOf(out.error, cause);
    traceRefused(exchange.request, out.error, { detail: cause.message });
    const status = text === 'errorSession' ? 410 : Math.max(400, ctx.status);
    exchange.page = async () => {
      const { request, reply } = exchange;
      const here = await visit(pageNeeds(needs, request), request);
      const say = words(here.locale);
      const code = /^[a-z_]{1,60}$/.test(out.error) ? out.error : 'server_error';
      return show(here, reply, {
        title: say(request.url.startsWith('/oidc/session/end') ? 'logoutErrorTitle' : 'errorTitle'),
        status,
        lede: html`<span id="problem">${say(text)}</span>`,
        body: html`${linkButton({ label: say('startPage'), url: '/', style: 'quiet', full: true })}
          <div class="aside-actions"><p>${say('errorCode', { code })}</p>
          <p id="reference">${say('reference', { reference: request.requestId })}</p></div>`,
      });
    };
  };
}

/** Posts an answer back to the app (OAuth 2.0 Form Post Response Mode §4): at once with scripts, by a button without. */
export function renderFormPost(needs: Omit<GateNeeds, 'floorMs'>) {
  return (ctx: KoaContextWithOIDC, action: string, inputs: Record<string, unknown>): void => {
    const exchange = exchangeOf(ctx);
    // Whatever is posted, an error too, this page is the whole of our answer.
    ctx.status = 200;
    const application = ctx.oidc.client?.clientName ?? ctx.oidc.client?.clientId ?? '';
    exchange.page = async () => {
      const { request, reply } = exchange;
      const here = await visit(pageNeeds(needs, request), request);
      const say = words(here.locale);
      const fields = Object.entries(inputs).map(([name, value]) => hiddenField(name, String(value)));
      return show({ ...here, signedOn: undefined }, reply, {
        title: say('returning', { application }),
        lede: say('returningLede'),
        status: 200,
        formAction: formActionOf(action),
        body: html`${form({ url: action, id: 'answer', body: html`${fields}${button({ label: say('goOn'), id: 'go-on', full: true })}` })}
          <script nonce="${request.nonce}">document.getElementById('answer').submit()</script>`,
      });
    };
  };
}
