/**
 * Step-up for those who have no password and no further factor here. Whoever vouched for them is asked anew where it can
 * be (`prompt=login`, RelayState of a fresh request); where it cannot, as GitHub, a code goes to their main confirmed
 * address: whoever reads that mailbox could set a password for this account anyway, so it proves as much as one.
 */
import type { FastifyReply } from 'fastify';
import { passwordOf } from '#core/credentials/credentials.ts';
import { factorsOf, hasFactor } from '#core/credentials/factors.ts';
import { type Address, listAddresses } from '#core/people/people.ts';
import { openVerifications, requestVerification, useCode } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { codeField, hiddenField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, linkButton, notice } from '#kit/page/parts.ts';
import { openUpstreams, startPath } from '#signon/upstream/choices.ts';
import { linksOf } from '#signon/upstream/links.ts';
import type { Upstream } from '#signon/upstream/upstreams.ts';
import { limitProofs } from './ask-proof.ts';
import { type SignOnRequest, sealSignOn } from './dispatch.ts';
import { pageStatus, problemWords } from './errors.ts';
import { factorWords } from './factor-words.ts';
import type { SignedOn } from './gate.ts';
import type { Further } from './proof.ts';
import { type PageNeeds, quietLine, show, type Visit } from './visit.ts';
import { words } from './words.ts';

type VisitOfSomeone = Visit & { signedOn: SignedOn };

/** How someone without password and factor proves that it is them. */
export interface Otherwise {
  /** Upstreams that ask them anew, or whose password they type here. */
  upstreams: Upstream[];
  /** Where a code goes, when none of these can. */
  mail?: Address;
  /** Other confirmed addresses of theirs, where it can go instead. */
  others: Address[];
  /** Where the last one went, while it counts. */
  mailed?: Address;
  /** Who vouches for them and cannot be asked. */
  silent: string[];
}

/** Undefined for whoever has a password or a factor here: they are asked for that. */
export async function otherwise(tx: Tx, person: string): Promise<Otherwise | undefined> {
  if (hasFactor(await factorsOf(tx, person)) || (await passwordOf(tx, person))) return undefined;
  const mine = new Set((await linksOf(tx, person)).map((one) => one.upstream));
  const open = (await openUpstreams(tx)).filter(({ id }) => mine.has(id));
  const upstreams = open.filter(({ settings }) => !settings.github);
  const silent = open.filter(({ settings }) => settings.github).map(({ settings }) => settings.title);
  const addresses = upstreams.length > 0 ? [] : await listAddresses(tx, [person]);
  const proved = addresses.filter((one) => one.verifiedAt);
  const mail = proved.find((one) => one.primary) ?? proved[0];
  const [waiting] = mail ? await openVerifications(tx, person, 'proof') : [];
  const mailed = proved.find((one) => one.id === waiting?.address);
  return { upstreams, mail, others: proved.filter((one) => one !== mail), mailed, silent };
}

/** Whether the sign-in page could not help them to prove anew who they are: a code can. */
export async function provesByMail(tx: Tx, person: string): Promise<boolean> {
  return (await otherwise(tx, person))?.mail !== undefined;
}

/**
 * Has a code mailed, to the main address or to another one of theirs that is confirmed. Refuses with `proof-needed` whoever
 * can prove it in another way, and with `rate-limited`.
 * @param to id of that other address
 */
export async function mailCode(needs: PageNeeds, here: VisitOfSomeone, to?: string): Promise<void> {
  const person = here.signedOn.person.id;
  await limitProofs(needs, here, person);
  await needs.database.transact(here.context, async (tx) => {
    const ways = await otherwise(tx, person);
    const address = ways?.others.find((one) => one.id === to) ?? ways?.mail;
    if (!address) throw new Problem('proof-needed');
    await requestVerification(tx, { purpose: 'proof', person, address: address.id, browser: here.browser });
  });
}

/** Looks at the typed code: the newest one that this browser asked for counts. RFC 8176 has no word for it, so `amr` is empty. */
export async function proveByMail(
  tx: Tx,
  needs: Pick<PageNeeds, 'secrets'>,
  here: VisitOfSomeone,
  typed: string,
): Promise<Further> {
  const person = here.signedOn.person.id;
  if (!(await provesByMail(tx, person))) return { refused: 'proof-needed' };
  const waiting = (await openVerifications(tx, person, 'proof')).find((one) => one.browser === here.browser);
  if (!waiting) return { refused: 'code-expired' };
  const outcome = await useCode(tx, needs.secrets, waiting.id, typed);
  return 'refused' in outcome ? outcome : { amr: [], aal: 1 };
}

export interface OtherwisePage {
  requestId?: string;
  open?: SignOnRequest;
  onward?: string;
  /** A code is on its way: it is asked for. */
  mailed?: boolean;
  problem?: Problem;
}

/** "Is it you?" for them. */
export function otherwisePage(
  needs: PageNeeds,
  here: VisitOfSomeone,
  reply: FastifyReply,
  ways: Otherwise,
  page: OtherwisePage,
): FastifyReply {
  const say = factorWords(here.locale);
  const { username } = here.signedOn.person;
  const { problem } = page;
  const wrongCode = problem?.code.startsWith('code-') ?? false;
  const said = problem && !wrongCode && problem.code !== 'proof-needed' ? problem : undefined;
  const body = ways.mail ? mailPart(here, ways, page, wrongCode) : askedThere(needs, here, ways, page);
  const others = page.requestId && `/sign-in?ways=all&request=${encodeURIComponent(page.requestId)}`;
  return show(here, reply, {
    title: say('againTitle'),
    lede: say.html(page.open?.provedAfter ? 'againLedeApp' : 'againLede', {
      username: html`<strong>${username}</strong>`,
    }),
    body: html`${said ? notice({ tone: 'danger', text: problemWords(here.locale)(said.code), id: 'problem' }) : ''}${body}
      <div class="aside-actions">${others && page.open?.provedAfter ? quietLine('', { url: others, title: say('someoneElse') }) : ''}
      ${quietLine('', { url: '/account', title: say('cancel') })}</div>`,
    status: problem ? pageStatus[problem.code] : 200,
    // The code may open a session anew, and the way from there leads to the app.
    formAction: page.open?.returnOrigins,
  });
}

function askedThere(
  needs: PageNeeds,
  here: VisitOfSomeone,
  { upstreams }: Otherwise,
  { open }: OtherwisePage,
): Html {
  const say = factorWords(here.locale);
  if (upstreams.length === 0) return html`<p>${say('againNoWay')}</p>`;
  const signIn = sealSignOn(needs.secrets, here, {
    front: 'account',
    returnTo: open?.returnTo ?? '/account',
    provedAfter: here.now.toISOString(),
  });
  const requestId = new URL(signIn, 'http://here').searchParams.get('request') ?? undefined;
  const buttons = upstreams.map(({ id, settings }) =>
    linkButton({
      label: say('againThere', { upstream: settings.title }),
      url: settings.ldap ? `${signIn}&ways=all` : startPath(id, { requestId }),
      full: true,
      id: `with-${id}`,
    }),
  );
  return html`<div class="stack-s" id="upstreams">${buttons}</div>`;
}

function mailPart(here: VisitOfSomeone, ways: Otherwise, page: OtherwisePage, wrongCode: boolean): Html {
  const say = factorWords(here.locale);
  const { locale, formToken: token } = here;
  const isMailed = page.mailed || wrongCode;
  const to = (isMailed && ways.mailed) || ways.mail;
  const address = html`<strong>${to?.address ?? ''}</strong>`;
  const hidden = [
    page.requestId ? hiddenField('request', page.requestId) : '',
    page.onward ? hiddenField('onward', page.onward) : '',
  ];
  const send = (label: string, style: 'primary' | 'quiet', other?: { id: string }, id = 'send-code') =>
    form({
      url: '/sign-in/again/mail',
      token,
      body: html`${hidden}${other ? hiddenField('to', other.id) : ''}${button({ label, style, id, full: true })}`,
    });
  if (!isMailed) {
    const upstream = new Intl.ListFormat(locale).format(ways.silent);
    const why = upstream
      ? say.html('againSilent', { upstream, address })
      : say.html('againByMail', { address });
    return html`<p id="why">${why}</p>${send(say('againSend'), 'primary')}`;
  }
  // Of many addresses the first few: the page stays one that is taken in at a glance.
  const elsewhere = [ways.mail, ...ways.others]
    .filter((one) => one && one.id !== to?.id)
    .slice(0, 3) as Address[];
  const error = wrongCode && page.problem ? problemWords(locale)(page.problem.code) : undefined;
  return html`<p id="mailed">${say.html('againMailed', { address })}</p>
    ${form({
      url: '/sign-in/again/code',
      token,
      body: html`${hidden}${codeField({ label: say('againCode'), locale, digits: 6, autofocus: true, error })}
        ${button({ label: say('confirmIt'), id: 'again', full: true })}`,
    })}
    <p>${say('againNoMail')} <a href="/verify/mail" id="no-mail">${words(locale)('whatBecame')}</a></p>
    ${send(say('againSendAnew'), 'quiet', to)}
    ${elsewhere.map((one, index) => send(say('againSendTo', { address: one.address }), 'quiet', one, `send-to-${index}`))}`;
}
