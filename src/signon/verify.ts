/**
 * Proving an address: by the mailed link (a page with a button, so that mail scanners use nothing up) and by the
 * typed code. A person who waits is known by a sealed cookie of this browser; it holds no session.
 */
import type { FastifyReply } from 'fastify';
import { eraseCredentials } from '#core/credentials/erasure.store.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { parseAddress } from '#core/people/names.ts';
import {
  addressById,
  findPerson,
  listAddresses,
  type Person,
  replaceUnverifiedAddress,
  requirePerson,
  verifyAddress,
} from '#core/people/people.ts';
import {
  type CodeOutcome,
  type LinkPurpose,
  linkToken,
  openVerifications,
  peekLink,
  requestVerification,
  useCode,
  useLink,
} from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { codeField, field, hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, formButton, notice } from '#kit/page/parts.ts';
import { unlinkAll } from '#signon/upstream/links.ts';
import { askProof, limitProofs } from './ask-proof.ts';
import { openRequest, returnOrigins, type SignOnRequest } from './dispatch.ts';
import { pageStatus, problemWords } from './errors.ts';
import { type Proof, type SignInOutcome, settle } from './proof.ts';
import { type Caller, type PageNeeds, quietLine, show, type Visit, visit } from './visit.ts';
import { browserOf, goOn } from './way-in.ts';

/** What the cookie of a waiting browser says, sealed. */
export interface Waiting {
  verification: string;
  person: string;
  address: string;
  requestId?: string;
  /** How whoever waits was proved, when it was not by the password they just chose. */
  proof?: Pick<Proof, 'amr' | 'aal' | 'upstream'>;
}

const waitingSeconds = 24 * 3600;
const longestRequest = 1500;

/** Remembers in this browser what it waits for. */
export function keepWaiting(needs: PageNeeds, here: Caller, reply: FastifyReply, waiting: Waiting): void {
  // A browser drops a cookie that is too long, and whoever made up such a request would wait for nothing.
  const requestId = (waiting.requestId?.length ?? 0) <= longestRequest ? waiting.requestId : undefined;
  // Nor does it hold an ID token: without it signing out there asks once more, that is all.
  const upstream = waiting.proof?.upstream && { ...waiting.proof.upstream, idToken: undefined };
  const proof = waiting.proof && { ...waiting.proof, upstream };
  const text = JSON.stringify({ ...waiting, requestId, proof });
  const sealed = needs.secrets.seal('waiting', text, here.browser).toString('base64url');
  needs.cookies.set(reply, 'waiting', sealed, { maxAge: waitingSeconds });
}

/** What this browser waits for, if it does. */
export function readWaiting(needs: PageNeeds, here: Visit): Waiting | undefined {
  const sealed = needs.cookies.read(here.request, 'waiting');
  if (!sealed) return undefined;
  try {
    return JSON.parse(
      needs.secrets.open('waiting', Buffer.from(sealed, 'base64url'), here.browser).toString(),
    );
  } catch {
    return undefined;
  }
}

/** Sends a new mail to a person who has not proved their address yet and lets this browser wait for it. */
export async function beginWaiting(
  needs: PageNeeds,
  here: Caller,
  reply: FastifyReply,
  person: string,
  requestId?: string,
  proof?: Waiting['proof'],
): Promise<void> {
  await limitProofs(needs, here, person);
  const waiting = await needs.database.transact(here.context, (tx) => sendVerification(tx, here, person));
  keepWaiting(needs, here, reply, { ...waiting, requestId, proof });
}

async function sendVerification(tx: Tx, here: Caller, personId: string): Promise<Waiting> {
  const person = await findPerson(tx, personId);
  const [address] = person?.state === 'unverified' ? await listAddresses(tx, [personId]) : [];
  if (!address) throw new Problem('link-used');
  const verification = await askProof(tx, { purpose: 'sign-up', address, browser: here.browser });
  return { verification: verification.id, person: personId, address: address.address };
}

/**
 * The mail whose code counts in this browser. The same person may have asked for a newer one in another browser, by the
 * password: then that one is in their mailbox, and the code of the first is dead. Never that of another sign-up, be it
 * with the same address: whoever made it chose its password (AC-05).
 */
export async function newestMail(tx: Tx, waiting: Waiting): Promise<string> {
  const [newest] = await openVerifications(tx, waiting.person, 'sign-up');
  return newest?.id ?? waiting.verification;
}

/** Whether the person this browser waits for has confirmed in another one: then there is nothing left to do here. */
async function isConfirmed(needs: PageNeeds, here: Visit, waiting: Waiting): Promise<boolean> {
  const person = await needs.database.read(here.context, (tx) => findPerson(tx, waiting.person));
  return person?.state === 'active';
}

/** Sent from a page that outlived its waiting: whoever confirmed by the link, in another tab, is in and has nothing left to do. */
function leaveWaiting(here: Visit, reply: FastifyReply): FastifyReply {
  if (!here.signedOn) throw new Problem('request-expired');
  return reply.redirect('/account?said=confirmed', 303);
}

/** The routes of `/verify`. */
export function verifyRoutes(app: App, needs: PageNeeds): void {
  app.get('/verify/code', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const waiting = readWaiting(needs, here);
    if (!waiting) return reply.redirect(here.signedOn ? '/account' : '/sign-in', 303);
    if (await isConfirmed(needs, here, waiting)) return wayInWithPassword(needs, here, reply, waiting);
    const said = (request.query as Record<string, string | undefined>).said === 'sent';
    const formAction = await originsOf(needs, here, waiting);
    return codePage(here, reply, { address: waiting.address, said, formAction });
  });

  app.post('/verify/code', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const waiting = readWaiting(needs, here);
    if (!waiting) return leaveWaiting(here, reply);
    const outcome = await proveAddress(needs, here, waiting, async (tx) =>
      useCode(tx, needs.secrets, await newestMail(tx, waiting), request.form.text('code')),
    );
    if ('refused' in outcome) {
      if (await isConfirmed(needs, here, waiting)) return wayInWithPassword(needs, here, reply, waiting);
      const formAction = await originsOf(needs, here, waiting);
      const problem = new Problem(outcome.refused);
      return codePage(here, reply, { address: waiting.address, problem, formAction });
    }
    return wayOn(needs, here, reply, outcome);
  });

  app.post('/verify/resend', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const waiting = readWaiting(needs, here);
    if (!waiting) return leaveWaiting(here, reply);
    if (await isConfirmed(needs, here, waiting)) return wayInWithPassword(needs, here, reply, waiting);
    await beginWaiting(needs, here, reply, waiting.person, waiting.requestId, waiting.proof);
    return reply.redirect('/verify/code?said=sent', 303);
  });

  addressRoutes(app, needs);
  linkRoutes(app, needs);
}

/** "Wrong address? Change it." */
function addressRoutes(app: App, needs: PageNeeds): void {
  app.get('/verify/address', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const waiting = readWaiting(needs, here);
    if (!waiting) return reply.redirect('/sign-in', 303);
    return addressPage(here, reply, { address: waiting.address });
  });

  app.post('/verify/address', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const waiting = readWaiting(needs, here);
    if (!waiting) return leaveWaiting(here, reply);
    if (await isConfirmed(needs, here, waiting)) return wayInWithPassword(needs, here, reply, waiting);
    const typed = request.form.text('email');
    try {
      parseAddress(typed);
      await limitProofs(needs, here, waiting.person);
      const next = await needs.database.transact(here.context, async (tx) => {
        const person = await findPerson(tx, waiting.person);
        if (person?.state !== 'unverified') throw new Problem('link-used');
        await replaceUnverifiedAddress(tx, waiting.person, typed);
        return sendVerification(tx, here, waiting.person);
      });
      keepWaiting(needs, here, reply, { ...waiting, ...next });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return addressPage(here, reply, { address: typed, problem: error });
    }
    return reply.redirect('/verify/code?said=sent', 303);
  });
}

/** What confirms an address; other mails of ours prove something else. */
function isForLinks(purpose: LinkPurpose): boolean {
  return purpose === 'sign-up' || purpose === 'address';
}

/** The link of a mail: GET shows, POST uses. */
function linkRoutes(app: App, needs: PageNeeds): void {
  app.get('/verify', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const token = String((request.query as Record<string, unknown>).token ?? '');
    const { say } = here;
    const link = await needs.database.read(here.context, async (tx) => {
      const verification = await peekLink(tx, needs.secrets, token);
      if (!isForLinks(verification.purpose) || !verification.address) throw new Problem('link-wrong');
      const person = await findPerson(tx, verification.person);
      const address = await addressById(tx, verification.address);
      if (!person || !address) throw new Problem('link-used');
      return { verification, person, address };
    });
    const values = {
      address: html`<strong>${link.address.address}</strong>`,
      username: html`<strong>${link.person.username}</strong>`,
    };
    return show(here, reply, {
      formAction: await originsOf(needs, here, readWaiting(needs, here)),
      title: say('confirmAddress'),
      lede:
        link.verification.purpose === 'sign-up'
          ? say.html('confirmSignUpLede', values)
          : say.html('confirmAddressLede', values),
      body: form({
        url: '/verify',
        token: here.formToken,
        body: html`${hiddenField('token', token)}${button({ label: say('confirmThis'), id: 'confirm', full: true })}`,
      }),
    });
  });

  app.post('/verify', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const token = request.form.text('token');
    const outcome = await proveAddress(needs, here, readWaiting(needs, here), async (tx) => ({
      used: await useLink(tx, needs.secrets, token),
    }));
    if ('refused' in outcome) throw new Problem(outcome.refused);
    return wayOn(needs, here, reply, outcome);
  });
}

interface Proved {
  person: Person;
  open?: SignOnRequest;
  requestId?: string;
  outcome?: SignInOutcome;
  /** Opens the page where the owner of the address sets a password of their own. */
  afresh?: string;
}

/**
 * Uses the code or link up, marks the address proved, activates a sign-up and opens the session, all in one
 * transaction. Whoever waits in this browser typed the password a moment ago and is signed in; someone who opened the
 * link elsewhere sets a password of their own, so that a stranger's sign-up is of no use to them. A wrong code is
 * returned, so that it stays counted.
 */
async function proveAddress(
  needs: PageNeeds,
  here: Visit,
  waiting: Waiting | undefined,
  use: (tx: Tx) => Promise<CodeOutcome>,
): Promise<Proved | Extract<CodeOutcome, { refused: unknown }>> {
  return needs.database.transact(here.context, async (tx) => {
    const outcome = await use(tx);
    if ('refused' in outcome) return outcome;
    const { used } = outcome;
    // A recovery link proves the same mailbox, but what it opens is asked for a new password first.
    if (!isForLinks(used.purpose)) throw new Problem('link-wrong');
    await verifyAddress(tx, used.person, used.address);
    if (used.purpose === 'sign-up') await activate(tx, used.person);
    const person = await requirePerson(tx, used.person);
    const waited = used.purpose === 'sign-up' && waiting?.person === person.id;
    if (used.purpose === 'sign-up' && !waited)
      return { person, afresh: await beginAfresh(tx, needs, used.person, used.address) };
    if (!waited || person.state !== 'active' || here.signedOn) return { person };
    const { requestId } = waiting;
    const open = await openRequest(tx, needs.secrets, here.browser, requestId);
    const place = {
      door: 'page',
      device: here.device,
      ip: here.ip,
      persistent: false,
      deviceToken: here.deviceToken,
      ...browserOf(needs, here, open),
    };
    const proved = waiting.proof ?? { amr: ['pwd'], aal: 1 as const };
    const proof = { ...proved, person: person.id, place, context: here.context };
    const settled = await settle(tx, needs, person, proof);
    return 'refused' in settled ? { person } : { person, open, requestId, outcome: settled };
  });
}

/**
 * Whoever proved the address is not at the browser that signed up: it may have been somebody else who typed it there. What
 * was set before the proof goes (AC-05): password, further factors, links to other providers, sessions, known browsers.
 * Returns the token of a link by which the owner of the address sets a password of their own.
 */
async function beginAfresh(tx: Tx, { secrets }: PageNeeds, person: string, address: string): Promise<string> {
  await eraseCredentials(tx, person);
  await endSessions(tx, person, 'address-proved');
  await unlinkAll(tx, person);
  const link = await requestVerification(tx, { purpose: 'recovery', person, address, announce: false });
  return linkToken(secrets, link);
}

async function wayOn(
  needs: PageNeeds,
  here: Visit,
  reply: FastifyReply,
  proved: Proved,
): Promise<FastifyReply> {
  if (proved.afresh) {
    needs.cookies.clear(reply, 'waiting');
    return reply.redirect(`/recover/new?token=${proved.afresh}&said=confirmed`, 303);
  }
  if (!proved.outcome) return wayInWithPassword(needs, here, reply);
  needs.cookies.clear(reply, 'waiting');
  return goOn(needs, here, reply, proved.outcome, proved);
}

/** Confirmed, but not by whoever is at this browser: says so where they sign in, on the way to what they came for. */
function wayInWithPassword(
  needs: PageNeeds,
  here: Visit,
  reply: FastifyReply,
  waiting?: Waiting,
): FastifyReply {
  needs.cookies.clear(reply, 'waiting');
  if (here.signedOn) return reply.redirect('/account?said=confirmed', 303);
  const request = waiting?.requestId ? `&request=${encodeURIComponent(waiting.requestId)}` : '';
  return reply.redirect(`/sign-in?said=confirmed${request}`, 303);
}

/** Where the forms of these pages lead in the end: the app that someone signs up for. */
function originsOf(needs: PageNeeds, here: Visit, waiting: Waiting | undefined): Promise<string[]> {
  return needs.database.read(here.context, (tx) =>
    returnOrigins(tx, needs.secrets, here.browser, waiting?.requestId),
  );
}

function codePage(
  here: Visit,
  reply: FastifyReply,
  page: { address: string; problem?: Problem; said?: boolean; formAction: string[] },
): FastifyReply {
  const { say, locale } = here;
  const error = page.problem && problemWords(locale)(page.problem.code);
  const body = html`
    ${page.said ? notice({ tone: 'success', text: say('sentAgain') }) : ''}
    ${form({
      url: '/verify/code',
      token: here.formToken,
      body: html`
        ${codeField({ label: say('code'), locale, digits: 6, autofocus: true, error })}
        ${button({ label: say('confirm'), id: 'confirm', full: true })}`,
    })}
    <div class="aside-actions"><p>${say('noMail')} <a href="/verify/mail" id="no-mail">${say('whatBecame')}</a></p>
    ${formButton({ label: say('sendAgain'), url: '/verify/resend', token: here.formToken, id: 'resend', full: true })}
    ${quietLine('', { url: '/verify/address', title: say('wrongAddress') })}</div>`;
  return show(here, reply, {
    formAction: page.formAction,
    title: say('checkMail'),
    lede: say.html('checkMailLede', { address: html`<strong>${page.address}</strong>` }),
    body,
    status: page.problem ? pageStatus[page.problem.code] : 200,
  });
}

function addressPage(
  here: Visit,
  reply: FastifyReply,
  page: { address: string; problem?: Problem },
): FastifyReply {
  const { say, locale } = here;
  const error = page.problem && problemWords(locale)(page.problem.code);
  const body = html`
    ${form({
      url: '/verify/address',
      token: here.formToken,
      body: html`
        ${field({ name: 'email', type: 'email', label: say('address'), locale, value: page.address, autocomplete: 'email', maxlength: 254, error })}
        ${button({ label: say('sendThere'), id: 'change-address', full: true })}`,
    })}
    ${quietLine('', { url: '/verify/code', title: say('backToCode') })}`;
  return show(here, reply, {
    title: say('changeAddress'),
    lede: say('changeAddressLede'),
    body,
    status: page.problem ? pageStatus[page.problem.code] : 200,
  });
}
