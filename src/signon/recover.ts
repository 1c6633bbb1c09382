/** Recovery by mail: a neutral page, a link to the stored address, a new password, every session ended. */
import type { FastifyReply } from 'fastify';
import {
  deviceSeconds,
  forgetDevices,
  forgiveAttempts,
  rememberDevice,
  setPassword,
} from '#core/credentials/credentials.ts';
import { passwordProblem } from '#core/credentials/password-rule.ts';
import { standingProblem } from '#core/lifecycle/lifecycle.ts';
import { parseAddress, usernameKey } from '#core/people/names.ts';
import {
  type Address,
  findByIdentifier,
  findPerson,
  listAddresses,
  type Person,
} from '#core/people/people.ts';
import {
  peekLink,
  pretendVerification,
  requestVerification,
  useLink,
  type Verification,
  withdrawVerifications,
} from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { field, hiddenField, passwordField, usernameHint } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, linkButton, notice } from '#kit/page/parts.ts';
import { pageStatus, problemWords } from './errors.ts';
import { asBusy, waitUntil } from './gate.ts';
import { type PageNeeds, quietLine, show, type Visit, visit } from './visit.ts';

const networkRequests = { points: 20, windowSeconds: 3600 };
const personRequests = { points: 3, windowSeconds: 3600 };

/** The routes of `/recover`. */
export function recoverRoutes(app: App, needs: PageNeeds): void {
  app.get('/recover', { config: { door: 'page' } }, async (request, reply) =>
    askPage(await visit(needs, request), reply, {}),
  );

  app.post('/recover', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const typed = request.form.text('username');
    const began = performance.now();
    try {
      await requestRecovery(needs, here, typed);
      // A commit that wrote nothing is faster; nobody shall see which it was.
      await waitUntil(began + needs.floorMs);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return askPage(here, reply, { typed, problem: error });
    }
    const { say } = here;
    return show(here, reply, {
      title: say('recoverSentTitle'),
      lede: say('recoverSent'),
      body: html`${linkButton({ label: say('backToSignIn'), url: '/sign-in', style: 'quiet', full: true })}
        <div class="aside-actions"><p>${say('noMail')} <a href="/recover/mail" id="no-mail">${say('whatBecame')}</a></p></div>`,
    });
  });

  app.get('/recover/new', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const token = String((request.query as Record<string, unknown>).token ?? '');
    const person = await needs.database.read(here.context, (tx) => personOfLink(tx, needs, token));
    const { said } = request.query as Record<string, unknown>;
    return newPasswordPage(here, reply, { token, person, afresh: said === 'confirmed' });
  });

  app.post('/recover/new', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const token = request.form.text('token');
    const password = request.form.text('password');
    const person = await needs.database.read(here.context, (tx) => personOfLink(tx, needs, token));
    const words = [person.username, person.givenName, person.familyName, here.community.name];
    const weak = passwordProblem(password, words);
    if (weak) return newPasswordPage(here, reply, { token, person, problem: new Problem(weak) });
    const hash = await needs.hasher.hash(password).catch(asBusy);
    const known = await needs.database.transact(here.context, (tx) =>
      setRecovered(tx, needs, { token, hash, device: here.device }),
    );
    needs.cookies.clear(reply, 'session');
    needs.cookies.set(reply, 'device', known, { maxAge: deviceSeconds });
    return reply.redirect('/sign-in?said=password', 303);
  });
}

/**
 * Mails a link to the stored address, never to what was typed (AU-13). The answer is the same for everyone, and so
 * are the statements run.
 */
export async function requestRecovery(needs: PageNeeds, here: Visit, typed: string): Promise<void> {
  refuseSeveral(typed);
  const network = await needs.limits.take(`recover-network:${networkKey(here.ip)}`, networkRequests);
  if (!network.allowed) throw new Problem('rate-limited', { retryAfter: network.retryAfterSeconds });
  const target = await needs.database.read(here.context, async (tx) => {
    const person = await findByIdentifier(tx, typed);
    const addresses = await listAddresses(tx, person ? [person.id] : []);
    return person && addressFor(person, addresses, typed);
  });
  // Counted outside any transaction: it needs a connection of its own.
  const whose = target ? `recover-person:${target.person}` : `recover-nobody:${usernameKey(typed)}`;
  const mine = await needs.limits.take(whose, personRequests);
  await needs.database.transact(here.context, async (tx) => {
    if (!target || !mine.allowed) return pretendVerification(tx, 'recovery');
    const purpose = target.verifiedAt ? 'recovery' : 'sign-up';
    const { person, id: address } = target;
    await requestVerification(tx, { purpose, person, address, browser: here.browser });
  });
}

/** One name or one address. What could name two mailboxes to some later reader is refused, not repaired (AU-13). */
function refuseSeveral(typed: string): void {
  if (typed.trim() === '') throw new Problem('attribute-required');
  const parts = typed.split('@').length - 1;
  if (parts > 1) throw new Problem('address-several');
  if (parts === 1 && /[\r\n,;<>"]/.test(typed)) throw new Problem('address-malformed');
}

/**
 * The typed address if it is a confirmed one of theirs, else the main confirmed one. Whoever has none yet gets the mail
 * that confirms it instead. Standing decides too.
 */
function addressFor(person: Person, addresses: readonly Address[], typed: string): Address | undefined {
  const closed = standingProblem(person.state);
  if (closed && closed !== 'account-unverified') return undefined;
  const usable = person.state === 'unverified' ? addresses : addresses.filter((one) => one.verifiedAt);
  let key = '';
  try {
    key = parseAddress(typed).key;
  } catch {
    // A user name was typed.
  }
  return usable.find((one) => one.key === key) ?? usable.find((one) => one.primary) ?? usable[0];
}

/** By mail, or by the hands of operators: either way it opens a new password and proves no address. */
function isRecovery({ purpose }: Pick<Verification, 'purpose'>): boolean {
  return purpose === 'recovery' || purpose === 'handed';
}

async function personOfLink(tx: Tx, needs: PageNeeds, token: string): Promise<Person> {
  const link = await peekLink(tx, needs.secrets, token);
  const person = isRecovery(link) ? await findPerson(tx, link.person) : undefined;
  if (!person) throw new Problem('link-wrong');
  requireOpen(person);
  return person;
}

/** Whoever lost their standing since the mail was sent sets no password. */
function requireOpen(person: Person): void {
  const closed = standingProblem(person.state);
  if (closed && closed !== 'account-unverified') throw new Problem(closed);
}

/**
 * One transaction: the link is used up, the password set, every session, known device and other link ended. The
 * browser the link was used in becomes a known one (the token of its cookie is returned): whatever was typed too often
 * before, in it or by others, the new password can be typed there at once.
 */
async function setRecovered(
  tx: Tx,
  needs: PageNeeds,
  given: { token: string; hash: string; device: string },
): Promise<string> {
  const used = await useLink(tx, needs.secrets, given.token);
  const person = await findPerson(tx, used.person);
  if (!person || !isRecovery(used)) throw new Problem('link-wrong');
  requireOpen(person);
  await setPassword(tx, person.id, given.hash, 'recovery');
  await endSessions(tx, person.id, 'password-recovered');
  await forgetDevices(tx, person.id);
  await forgiveAttempts(tx, { kind: 'person', person: person.id });
  await withdrawVerifications(tx, person.id);
  return rememberDevice(tx, person.id, given.device);
}

function askPage(
  here: Visit,
  reply: FastifyReply,
  page: { typed?: string; problem?: Problem },
): FastifyReply {
  const { say, locale } = here;
  const error = page.problem && problemWords(locale)(page.problem.code);
  const body = html`
    ${form({
      url: '/recover',
      token: here.formToken,
      body: html`
        ${field({ name: 'username', label: say('username'), locale, value: page.typed ?? '', autocomplete: 'username', literal: true, maxlength: 320, error })}
        ${button({ label: say('recoverSend'), id: 'recover', full: true })}`,
    })}
    ${quietLine('', { url: '/sign-in', title: say('backToSignIn') })}`;
  return show(here, reply, {
    title: say('recover'),
    lede: say('recoverLede'),
    body,
    status: page.problem ? pageStatus[page.problem.code] : 200,
  });
}

function newPasswordPage(
  here: Visit,
  reply: FastifyReply,
  page: { token: string; person: Person; problem?: Problem; afresh?: boolean },
): FastifyReply {
  const { say, locale } = here;
  const error = page.problem && problemWords(locale)(page.problem.code);
  // Nobody who just typed a password expects to be asked for another one.
  const why = page.afresh ? notice({ tone: 'success', text: say('passwordAfresh') }) : '';
  return show(here, reply, {
    title: say('recover'),
    lede: say.html('newPasswordLede', { username: html`<strong>${page.person.username}</strong>` }),
    body: html`${why}${form({
      url: '/recover/new',
      token: here.formToken,
      body: html`
        ${hiddenField('token', page.token)}
        ${usernameHint(page.person.username)}
        ${passwordField({ name: 'password', label: say('newPassword'), locale, autocomplete: 'new-password', minlength: 8, help: say('passwordHelp'), error })}
        ${button({ label: say('setPassword'), id: 'set-password', full: true })}`,
    })}`,
    status: page.problem ? pageStatus[page.problem.code] : 200,
  });
}
