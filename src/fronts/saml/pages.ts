/** The pages of this front that are no question: posting an answer to an app, and errors that stay here. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '#kit/http/server.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, linkButton } from '#kit/page/parts.ts';
import type { GateNeeds } from '#signon/gate.ts';
import { type PageNeeds, show, type Visit } from '#signon/visit.ts';
import type { PostForm } from '#wire/saml/bindings.ts';
import type { ErrorText } from './errors.ts';
import { words } from './words.ts';

/** What our pages need, at the server this request came to. */
export function pageNeeds(needs: Omit<GateNeeds, 'floorMs'>, request: FastifyRequest): PageNeeds {
  // No page of this front takes a password, so there is no failure to delay.
  return { ...needs, floorMs: 0, cookies: (request.server as App).cookieJar };
}

/** Why a message was turned away: thrown where it is found out, shown by `errorPage`. */
export class Turned extends Error {
  readonly text: ErrorText;
  readonly status: number;
  /** For operators. */
  readonly code: string;
  constructor(text: ErrorText, code: string, status = 400) {
    super(code);
    this.name = 'Turned';
    this.text = text;
    this.code = code;
    this.status = status;
  }
}

/** Shows what went wrong here, in our words; nothing the message said is repeated and nothing leads back (SA-12). */
export function errorPage(
  here: Visit,
  reply: FastifyReply,
  turned: Turned,
  title?: 'errorSignOutTitle',
): FastifyReply {
  const say = words(here.locale);
  return show(here, reply, {
    title: say(title ?? 'errorTitle'),
    status: turned.status,
    lede: html`<span id="problem">${say(turned.text)}</span>`,
    body: html`${linkButton({ label: say('startPage'), url: '/', style: 'quiet', full: true })}
      <div class="aside-actions"><p>${say('errorCode', { code: turned.code })}</p>
      <p id="reference">${say('reference', { reference: here.request.requestId })}</p></div>`,
  });
}

/** A form that posts itself with scripts and waits for a press of its button without. */
export function selfPosting(here: Visit, answer: PostForm, label: string): Html {
  const fields = Object.entries(answer.fields).map(([name, value]) => hiddenField(name, value));
  const body = html`${fields}${button({ label, id: 'go-on', full: true })}`;
  return html`${form({ url: answer.action, id: 'answer', body })}
    <script nonce="${here.request.nonce}">document.getElementById('answer').submit()</script>`;
}

/**
 * Where the form of such a page may lead. Browsers hold what answers it to the same list, and apps send people on from
 * the address that takes an answer: to whichever site of theirs, so any is allowed that is as safe as the first.
 */
export function wayOfForm({ action }: PostForm): string[] {
  const { origin, protocol } = new URL(action);
  return protocol === 'https:' ? [origin, 'https:'] : [origin, 'https:', 'http:'];
}

/** The answer on its way to the app (saml-bindings 3.5). */
export function postPage(
  here: Visit,
  reply: FastifyReply,
  application: string,
  answer: PostForm,
): FastifyReply {
  const say = words(here.locale);
  return show({ ...here, signedOn: undefined }, reply, {
    title: say('returning', { application }),
    lede: say('returningLede'),
    formAction: wayOfForm(answer),
    body: selfPosting(here, answer, say('goOn')),
  });
}
