/**
 * Step-up: someone who is signed in proves once more that it is them, at least as strongly as they can (`/sign-in/again`),
 * and goes on with what they were about to do. The session stays; what it saw is noted in it.
 */
import type { FastifyReply } from 'fastify';
import {
  confirmPassword,
  forgiveAttempts,
  giveBackAttempt,
  noteFailedAttempt,
  passwordOf,
  reserveAttempt,
  verifyPassword,
} from '#core/credentials/credentials.ts';
import { type Factors, factorsOf, hasFactor } from '#core/credentials/factors.ts';
import { Problem } from '#core/problem.ts';
import { HashingBusy } from '#kit/crypto/passwords.ts';
import type { App } from '#kit/http/server.ts';
import { passkeyScript } from '#kit/page/assets.ts';
import { hiddenField, passwordField, usernameHint } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton, notice } from '#kit/page/parts.ts';
import { mailCode, otherwise, otherwisePage, proveByMail } from './again-otherwise.ts';
import { addToSession, ceremonyOf } from './asked.ts';
import { openRequest, pathBack, type SignOnRequest, sealAgain, sealSignOn } from './dispatch.ts';
import { pageStatus, problemWords } from './errors.ts';
import { passkeyForm, proofField } from './factor-parts.ts';
import { isFresh, proofSeconds } from './factor-policy.ts';
import { proveCode, proveOwnPasskey } from './factor-proof.ts';
import { factorWords } from './factor-words.ts';
import { asBusy, type SignedOn } from './gate.ts';
import { type Further, finishSignIn } from './proof.ts';
import { type FactorNeeds, type PageNeeds, quietLine, show, type Visit, visit } from './visit.ts';
import { browserOf, goOn } from './way-in.ts';

const url = '/sign-in/again';

export type VisitOfSomeone = Visit & { signedOn: SignedOn };

/** The routes of `/sign-in/again`. */
export function againRoutes(app: App, needs: FactorNeeds): void {
  app.get(url, { config: { door: 'page' } }, async (request, reply) => {
    const here = await someone(needs, await visit(needs, request), reply);
    if (!here) return reply;
    const query = request.query as Record<string, string | undefined>;
    const open = await openOf(needs, here, query.request);
    const fresh = await needs.database.read(here.context, (tx) =>
      isFresh(tx, here.signedOn.session, proofSeconds),
    );
    // Proof of before the moment an app names does not count, however fresh.
    if (fresh && !open?.provedAfter) return reply.redirect(open?.returnTo ?? '/account', 303);
    return againPage(needs, here, reply, { requestId: query.request, by: query.by });
  });

  app.post(url, { config: { door: 'form' } }, async (request, reply) => {
    const here = await someone(needs, await visit(needs, request), reply);
    if (!here) return reply;
    const { id } = here.signedOn.person;
    const password = request.form.text('password');
    const typed = request.form.text('code');
    return again(needs, here, reply, async () => {
      const enrolled = await needs.database.read(here.context, (tx) => factorsOf(tx, id));
      if (hasFactor(enrolled))
        return addToSession(needs, reply, whose(here), (tx) => proveCode(tx, needs.secrets, id, typed));
      return provePassword(needs, here, reply, password);
    });
  });

  app.post(`${url}/passkey`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await someone(needs, await visit(needs, request), reply);
    if (!here) return reply;
    const person = here.signedOn.person.id;
    const ceremony = ceremonyOf(here, 'again', here);
    const answer = request.form.text('answer');
    return again(needs, here, reply, () =>
      addToSession(needs, reply, whose(here), (tx) =>
        proveOwnPasskey(tx, needs, { person, ceremony, answer }),
      ),
    );
  });
  mailRoutes(app, needs);
}

/** A code by mail, for those who have nothing else here to prove it with. */
function mailRoutes(app: App, needs: FactorNeeds): void {
  app.post(`${url}/mail`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await someone(needs, await visit(needs, request), reply);
    if (!here) return reply;
    const page = {
      requestId: request.form.text('request') || undefined,
      onward: request.form.text('onward'),
    };
    try {
      await mailCode(needs, here, request.form.text('to'));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return againPage(needs, here, reply, { ...page, problem: error });
    }
    return againPage(needs, here, reply, { ...page, mailed: true });
  });

  app.post(`${url}/code`, { config: { door: 'form' } }, async (request, reply) => {
    const here = await someone(needs, await visit(needs, request), reply);
    if (!here) return reply;
    const requestId = request.form.text('request') || undefined;
    const open = await openOf(needs, here, requestId);
    const typed = request.form.text('code');
    if (!open?.provedAfter)
      return again(needs, here, reply, () =>
        addToSession(needs, reply, whose(here), (tx) => proveByMail(tx, needs, here, typed)),
      );
    return signInByMail(needs, here, reply, { open, requestId, typed });
  });
}

/** An app wants a sign-in of this moment: the code opens a session anew, which takes the place of the one there is. */
async function signInByMail(
  needs: FactorNeeds,
  here: VisitOfSomeone,
  reply: FastifyReply,
  { open, requestId, typed }: { open: SignOnRequest; requestId?: string; typed: string },
): Promise<FastifyReply> {
  const proved = await needs.database.transact(here.context, (tx) => proveByMail(tx, needs, here, typed));
  if ('refused' in proved)
    return againPage(needs, here, reply, { requestId, problem: new Problem(proved.refused) });
  const { stay, persistent } = staysAs(here);
  const place = {
    door: 'page',
    application: open.application,
    deviceToken: here.deviceToken,
    device: here.device,
    ip: here.ip,
    persistent,
    stay,
    ...browserOf(needs, here, open),
  };
  const { id: person } = here.signedOn.person;
  const outcome = await finishSignIn(needs, { person, ...proved, place, context: here.context });
  return goOn(needs, here, reply, outcome, { open, requestId });
}

/** As the session there is: proving it once more makes nothing last longer than was chosen. */
function staysAs({ signedOn: { session } }: VisitOfSomeone) {
  return { persistent: session.persistent, stay: session.shared ? ('shared' as const) : undefined };
}

const whose = (here: VisitOfSomeone) => ({ ...here.signedOn, context: here.context });

/** Whoever is signed in; others sign in, and that is proof enough. */
async function someone(
  needs: PageNeeds,
  here: Visit,
  reply: FastifyReply,
): Promise<VisitOfSomeone | undefined> {
  if (here.signedOn) return { ...here, signedOn: here.signedOn };
  const query = here.request.query as Record<string, string | undefined>;
  const open = await openOf(needs, here, query.request);
  const returnTo = open?.returnTo ?? '/account';
  reply.redirect(sealSignOn(needs.secrets, here, { front: 'account', returnTo }), 303);
  return undefined;
}

function openOf(needs: PageNeeds, here: Visit, id: string | undefined): Promise<SignOnRequest | undefined> {
  return needs.database.read(here.context, (tx) => openRequest(tx, needs.secrets, here.browser, id));
}

async function again(
  needs: FactorNeeds,
  here: VisitOfSomeone,
  reply: FastifyReply,
  prove: () => Promise<unknown>,
): Promise<FastifyReply> {
  const { form: posted } = here.request;
  const requestId = posted.text('request') || undefined;
  const onward = posted.text('onward');
  try {
    await prove();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'session-ended') throw error;
    return againPage(needs, here, reply, { requestId, onward, by: posted.text('by'), problem: error });
  }
  const act = openOnward(needs, here, onward);
  if (act) return goOnPage(here, reply, act);
  const open = await openOf(needs, here, requestId);
  return reply.redirect(open?.returnTo ?? '/account', 303);
}

/** The password of someone who has nothing stronger, counted like a sign-in. */
async function provePassword(
  needs: FactorNeeds,
  here: VisitOfSomeone,
  reply: FastifyReply,
  password: string,
): Promise<unknown> {
  const { id } = here.signedOn.person;
  const subject = { kind: 'person' as const, person: id };
  const { verdict, stored } = await needs.database.transact(here.context, async (tx) => ({
    verdict: await reserveAttempt(tx, subject),
    stored: await passwordOf(tx, id),
  }));
  if (!verdict.allowed) throw new Problem('too-many-attempts', { retryAfter: verdict.retryAfterSeconds });
  const right = await verifyPassword(needs.hasher, stored, password, needs.log).catch(async (error) => {
    if (error instanceof HashingBusy)
      await needs.database.transact(here.context, (tx) => giveBackAttempt(tx, subject));
    return asBusy(error);
  });
  return addToSession(needs, reply, whose(here), async (tx): Promise<Further> => {
    if (!right || !stored || !(await confirmPassword(tx, stored))) {
      await noteFailedAttempt(tx, subject, verdict);
      return { refused: 'password-wrong' };
    }
    await forgiveAttempts(tx, subject);
    // Enrolled meanwhile: then a password alone is too little.
    return hasFactor(await factorsOf(tx, id)) ? { refused: 'proof-needed' } : { amr: ['pwd'], aal: 1 };
  });
}

/**
 * Whether this session saw proof within five minutes, as strong as the person can give (AU-15). If not, the reply is on
 * its way: a page is left for the proof and comes back; a form is answered with the page that asks, and goes on after it.
 */
export async function proved(needs: PageNeeds, here: VisitOfSomeone, reply: FastifyReply): Promise<boolean> {
  const { request, signedOn } = here;
  const fresh = await needs.database.read(here.context, (tx) => isFresh(tx, signedOn.session, proofSeconds));
  if (fresh) return true;
  if (request.method === 'GET') {
    const returnTo = pathBack(request.url);
    reply.redirect(sealAgain(needs.secrets, here, { front: 'account', returnTo }), 303);
    return false;
  }
  await againPage(needs, here, reply, {
    onward: sealOnward(needs, here),
    problem: new Problem('proof-needed'),
  });
  return false;
}

const sealing = 'interrupted form';
const longestForm = 4000;
/** Never travels in a page. */
const secretFields = new Set(['form_token', 'password', 'current', 'code', 'answer']);

interface Onward {
  url: string;
  fields: [string, string][];
}

function bindOf(here: VisitOfSomeone): string {
  return `again/${here.browser}/${here.signedOn.session.id}`;
}

/** A form that was interrupted, sealed for this browser and session. One with secrets in it is filled in anew. */
function sealOnward(needs: PageNeeds, here: VisitOfSomeone): string {
  const { request } = here;
  const names = request.form.names();
  if (names.some((name) => name !== 'form_token' && secretFields.has(name))) return '';
  const fields = names
    .filter((name) => name !== 'form_token')
    .map((name): [string, string] => [name, request.form.text(name)]);
  const text = JSON.stringify({ url: pathBack(request.url), fields, expires: here.now.getTime() + 600_000 });
  if (text.length > longestForm) return '';
  return needs.secrets.seal(sealing, text, bindOf(here)).toString('base64url');
}

function openOnward(needs: PageNeeds, here: VisitOfSomeone, sealed: string): Onward | undefined {
  if (!sealed) return undefined;
  try {
    const bytes = Buffer.from(sealed, 'base64url');
    const act = JSON.parse(needs.secrets.open(sealing, bytes, bindOf(here)).toString());
    return act.expires > here.now.getTime() ? act : undefined;
  } catch {
    return undefined;
  }
}

/** What was interrupted, one press away. */
function goOnPage(here: Visit, reply: FastifyReply, act: Onward): FastifyReply {
  const say = factorWords(here.locale);
  const fields = act.fields.map(([name, value]) => hiddenField(name, value));
  return show(here, reply, {
    title: say('againDone'),
    lede: say('againGoOn'),
    body: html`${form({
      url: act.url,
      token: here.formToken,
      body: html`${fields}${button({ label: say('goOn'), id: 'go-on', full: true })}`,
    })}${linkButton({ label: say('cancel'), url: '/account', style: 'quiet', full: true })}`,
  });
}

interface AgainPage {
  requestId?: string;
  onward?: string;
  by?: string;
  /** A code is on its way by mail. */
  mailed?: boolean;
  problem?: Problem;
}

async function againPage(
  needs: PageNeeds,
  here: VisitOfSomeone,
  reply: FastifyReply,
  given: AgainPage,
): Promise<FastifyReply> {
  const { person } = here.signedOn;
  const [enrolled, password] = await needs.database.read(here.context, async (tx) => [
    await factorsOf(tx, person.id),
    await passwordOf(tx, person.id),
  ]);
  if (!hasFactor(enrolled) && !password) {
    const ways = await needs.database.read(here.context, (tx) => otherwise(tx, person.id));
    const open = await openOf(needs, here, given.requestId);
    if (ways) return otherwisePage(needs, here, reply, ways, { ...given, open });
  }
  const say = factorWords(here.locale);
  const { problem } = given;
  const asking = problem === undefined || problem.code === 'proof-needed';
  const passkeys = enrolled.passkeys > 0;
  return show(here, reply, {
    title: say('againTitle'),
    lede: say.html('againLede', { username: html`<strong>${person.username}</strong>` }),
    body: againBody(here, given, enrolled, asking ? undefined : problem),
    status: problem ? pageStatus[problem.code] : 200,
    scripts: passkeys ? [passkeyScript.url] : [],
  });
}

function againBody(here: VisitOfSomeone, given: AgainPage, enrolled: Factors, problem?: Problem) {
  const say = factorWords(here.locale);
  const { locale } = here;
  const by = given.by === 'recovery' || !enrolled.totp ? 'recovery' : 'app';
  const typed = !hasFactor(enrolled)
    ? 'password'
    : enrolled.totp || given.by === 'recovery'
      ? 'code'
      : 'none';
  const error = problem && problemWords(locale)(problem.code);
  const beside = error && (problem.code === 'passkey-refused' || typed === 'none');
  const fieldError = beside ? undefined : error;
  const carried = { request: given.requestId, onward: given.onward };
  const input =
    typed === 'password'
      ? html`${usernameHint(here.signedOn.person.username)}${passwordField({ name: 'password', label: say('password'), locale, autocomplete: 'current-password', autofocus: true, error: fieldError })}`
      : proofField(here, { by, error: fieldError });
  const hidden = Object.entries(carried).map(([name, value]) => (value ? hiddenField(name, value) : ''));
  const query = given.requestId ? `&request=${encodeURIComponent(given.requestId)}` : '';
  const canRecover = hasFactor(enrolled) && given.by !== 'recovery' && !given.onward;
  return html`
    ${beside ? notice({ tone: 'danger', text: error, id: 'problem' }) : ''}
    ${enrolled.passkeys > 0 ? passkeyForm(here, { kind: 'get', ask: 'again', url: `${url}/passkey`, label: say('usePasskey'), style: typed === 'none' ? 'primary' : 'quiet', fields: carried }) : ''}
    ${typed === 'none' ? html`<noscript><p>${say('passkeyNeedsScript')}</p></noscript>` : form({ url, token: here.formToken, body: html`${hidden}${hiddenField('by', by)}${input}${button({ label: say('confirmIt'), id: 'again', full: true })}` })}
    <div class="aside-actions">${canRecover ? quietLine(say('lostIt'), { url: `${url}?by=recovery${query}`, title: say('useRecoveryCode') }) : ''}
    ${quietLine('', { url: '/account', title: say('cancel') })}</div>`;
}
