/**
 * Sign-up. User names are public ("taken" is said); an address never is: whoever signs up with a confirmed address
 * of someone else sees the same page, and its owner gets a mail.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { refuseAlias } from '#core/community/alias-domains.ts';
import { setPassword } from '#core/credentials/credentials.ts';
import { passwordProblem } from '#core/credentials/password-rule.ts';
import { join } from '#core/lifecycle/join.ts';
import {
  type AttributeDeclaration,
  attributeDeclarations,
  isAskedAtFirst,
  readAttributes,
  setAttributes,
} from '#core/people/attributes.ts';
import { checkNewUsername, cleanLine, parseAddress } from '#core/people/names.ts';
import { findByUsername, isUsernameFree, listAddresses } from '#core/people/people.ts';
import { openVerifications } from '#core/people/verifications.ts';
import { Problem, readFields } from '#core/problem.ts';
import type { App, FormBody } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { field, hiddenField, passwordField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, errorSummary, form, notice } from '#kit/page/parts.ts';
import { wishedLocale } from '#kit/page/words.ts';
import { askProof } from './ask-proof.ts';
import { attributeField, readAttributeForm } from './attribute-fields.ts';
import { pageStatus, problemWords } from './errors.ts';
import { asBusy } from './gate.ts';
import {
  type Checked,
  checkHuman,
  type Doubt,
  doubtStatus,
  doubtWords,
  type HumanNeeds,
  humanPart,
  InDoubt,
} from './human-check.ts';
import { makePuzzle } from './puzzle.ts';
import { usePuzzle } from './store.ts';
import { keepWaiting, type Waiting } from './verify.ts';
import { type PageNeeds, quietLine, show, type Visit, visit } from './visit.ts';

export interface SignUpForm {
  username: string;
  givenName: string;
  familyName: string;
  address: string;
  password: string;
  attributes: Record<string, unknown>;
}

/** As long as two clicks on one button may be apart. */
const clickMs = 10_000;

/** The limits of a network are for one hour. */
const hour = 3600;

export type SignUpNeeds = PageNeeds & HumanNeeds;

/** GET and POST /sign-up, GET /sign-up/puzzle. */
export function signUpRoutes(app: App, needs: SignUpNeeds): void {
  app.get('/sign-up/puzzle', { config: { door: 'page' } }, async (request, reply) =>
    reply.send(await makePuzzle(needs, { browser: request.browser, now: needs.clock.now() })),
  );

  app.get('/sign-up', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const requestId = (request.query as Record<string, string | undefined>).request;
    if (here.signedOn) return reply.redirect('/account', 303);
    const declared = await needs.database.read(here.context, attributeDeclarations);
    return signUpPage(needs, here, reply, { declared, requestId });
  });

  app.post('/sign-up', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const requestId = request.form.text('request') || undefined;
    const declared = await needs.database.read(here.context, attributeDeclarations);
    const given: SignUpForm = {
      username: request.form.text('username'),
      givenName: request.form.text('given_name'),
      familyName: request.form.text('family_name'),
      address: request.form.text('email'),
      password: request.form.text('password'),
      attributes: readAttributeForm(request.form, declared.filter(isAskedAtFirst)),
    };
    try {
      const { open, perNetwork } = here.community.signUp;
      if (!open) throw new Problem('operator-forbidden');
      await takeFromNetwork(needs, here, 'sign-up', perNetwork);
      const checked = await checkHuman(needs, here, request.form);
      const waiting = await submitSignUp(needs, here, given, { declared, checked });
      keepWaiting(needs, here, reply, { ...waiting, requestId });
      return reply.redirect('/verify/code', 303);
    } catch (error) {
      if (!(error instanceof Problem || error instanceof InDoubt)) throw error;
      if (error instanceof InDoubt) noteDoubt(needs, request, error);
      const again = error instanceof InDoubt ? error.why === 'used' : error.code === 'username-taken';
      const first = again && (await sentBefore(needs, here, given));
      if (first) {
        keepWaiting(needs, here, reply, { ...first, requestId });
        return reply.redirect('/verify/code', 303);
      }
      const why = error instanceof InDoubt ? { doubt: error.why } : { problem: error };
      return signUpPage(needs, here, reply, { declared, requestId, given, form: request.form, ...why });
    }
  });
}

/**
 * The joiner's walk: check → hash → join + password + attributes + verification in one transaction. The work done is
 * the same whether or not the address is someone's already (AU-07).
 */
export async function submitSignUp(
  needs: SignUpNeeds,
  here: Visit,
  given: SignUpForm,
  { declared, checked }: { declared: readonly AttributeDeclaration[]; checked: Checked },
): Promise<Waiting> {
  const read = checkForm(here, given, declared);
  const { perNetworkUnproved } = here.community.signUp;
  if (checked.unproved) await takeFromNetwork(needs, here, 'sign-up-unproved', perNetworkUnproved);
  const hash = await needs.hasher.hash(given.password).catch(asBusy);
  return needs.database.transact(here.context, async (tx) => {
    const { puzzle } = checked;
    if (puzzle && !(await usePuzzle(tx, puzzle.id, puzzle.expiresAt))) throw new InDoubt('used');
    if (!(await isUsernameFree(tx, read.username))) {
      throw new Problem('username-taken', { fields: { username: 'username-taken' } });
    }
    await refuseAlias(tx, read.address, 'email');
    const person = await join(tx, {
      username: read.username,
      givenName: read.givenName,
      familyName: read.familyName,
      // Letters are written in more languages than pages.
      locale: wishedLocale(here.request.headers['accept-language']) ?? here.locale,
      state: 'unverified',
      origin: 'sign-up',
      addresses: [{ address: read.address, primary: true, verified: false }],
    });
    await setPassword(tx, person, hash, 'sign-up');
    await setAttributes(tx, person, given.attributes, 'self');
    const [address] = await listAddresses(tx, [person]);
    const verification = await askProof(tx, { purpose: 'sign-up', address: address!, browser: here.browser });
    return { verification: verification.id, person, address: read.address };
  });
}

async function takeFromNetwork(
  { limits }: PageNeeds,
  here: Visit,
  what: string,
  points: number,
): Promise<void> {
  const limit = await limits.take(`${what}:${networkKey(here.ip)}`, { points, windowSeconds: hour });
  if (!limit.allowed) throw new Problem('rate-limited', { retryAfter: limit.retryAfterSeconds });
}

function noteDoubt({ log }: PageNeeds, request: FastifyRequest, { why }: InDoubt): void {
  log.info({ code: 'sign-up-doubted', why, reference: request.requestId }, 'a sign-up was not taken');
}

/** The sign-up this very browser sent a moment ago with the same form: one click too many is no second person. */
async function sentBefore(needs: PageNeeds, here: Visit, given: SignUpForm): Promise<Waiting | undefined> {
  return needs.database.read(here.context, async (tx) => {
    const person = await findByUsername(tx, given.username);
    if (person?.state !== 'unverified') return undefined;
    const [verification] = await openVerifications(tx, person.id, 'sign-up');
    const [address] = await listAddresses(tx, [person.id]);
    if (!verification || !address || verification.browser !== here.browser) return undefined;
    const age = here.now.getTime() - verification.createdAt.getTime();
    if (age > clickMs || address.address !== parseAddress(given.address).address) return undefined;
    return { verification: verification.id, person: person.id, address: address.address };
  });
}

/** Every field is looked at, so that one page shows everything that is not right yet. */
function checkForm(here: Visit, given: SignUpForm, declared: readonly AttributeDeclaration[]) {
  const { attempt, refuse, end } = readFields();
  const { community } = here;
  const rule = { ...community.usernames, communityName: community.name };
  const username = attempt('username', () => checkNewUsername(given.username, rule));
  const givenName = attempt('given_name', () => cleanLine(given.givenName));
  const familyName = attempt('family_name', () => cleanLine(given.familyName));
  if (givenName === '' && familyName === '') refuse('given_name', 'name-missing');
  const address = attempt('email', () => parseAddress(given.address).address);
  const ownWords = [
    given.username,
    given.givenName,
    given.familyName,
    community.name,
    ...given.address.split('@'),
  ];
  refuse('password', passwordProblem(given.password, ownWords));
  const attributes = readAttributes(declared, given.attributes, 'self');
  for (const [name, code] of Object.entries(attributes.problems)) refuse(`attribute_${name}`, code);
  end();
  return { username: username!, givenName: givenName!, familyName: familyName!, address: address! };
}

/** Nobody can sign up here, or not now; the sentence says why. */
function closedPage(here: Visit, reply: FastifyReply, text: string): FastifyReply {
  return show(here, reply, {
    title: here.say('createAccount'),
    body: html`<p id="problem">${text}</p>`,
    status: here.community.signUp.open ? 503 : 403,
  });
}

function signUpPage(
  needs: SignUpNeeds,
  here: Visit,
  reply: FastifyReply,
  page: {
    declared: readonly AttributeDeclaration[];
    requestId?: string;
    given?: SignUpForm;
    problem?: Problem;
    doubt?: Doubt;
    /** What was sent, when the page is shown again. */
    form?: FormBody;
  },
): FastifyReply {
  const { say, locale, community } = here;
  const texts = problemWords(locale);
  const errors = Object.fromEntries(
    Object.entries(page.problem?.facts.fields ?? {}).map(([name, code]) => [name, texts(code)]),
  );
  const status = page.problem ? pageStatus[page.problem.code] : page.doubt ? doubtStatus(page.doubt) : 200;
  const human = humanPart(needs, here, page.form);
  const closed = community.signUp.open ? human.closed : say('signUpClosed', { community: community.name });
  if (closed) return closedPage(here, reply, closed);
  const given = page.given;
  const labels: Record<string, string> = {
    username: say('newUsername'),
    given_name: say('givenName'),
    family_name: say('familyName'),
    email: say('address'),
    password: say('password'),
    ...Object.fromEntries(page.declared.map((one) => [`attribute_${one.name}`, one.title])),
  };
  const names: Html = html`
    ${field({ name: 'given_name', label: say('givenName'), locale, value: given?.givenName ?? '', autocomplete: 'given-name', maxlength: 120, error: errors.given_name })}
    ${field({ name: 'family_name', label: say('familyName'), locale, value: given?.familyName ?? '', autocomplete: 'family-name', maxlength: 120, required: false, error: errors.family_name })}`;
  const body = html`
    ${page.doubt ? notice({ tone: 'danger', text: doubtWords(here, page.doubt), id: 'problem' }) : ''}
    ${page.problem && Object.keys(errors).length === 0 ? notice({ tone: 'danger', text: texts(page.problem.code) }) : ''}
    ${Object.keys(errors).length > 1 ? errorSummary({ errors, labels, locale }) : ''}
    ${form({
      url: '/sign-up',
      token: here.formToken,
      body: html`
        ${page.requestId ? hiddenField('request', page.requestId) : ''}
        ${names}
        ${field({ name: 'username', label: say('newUsername'), locale, value: given?.username ?? '', autocomplete: 'username', literal: true, maxlength: 64, help: community.usernames.hint, error: errors.username })}
        ${field({ name: 'email', type: 'email', label: say('address'), locale, value: given?.address ?? '', autocomplete: 'email', maxlength: 254, help: say('addressHelp'), error: errors.email })}
        ${passwordField({ name: 'password', label: say('password'), locale, autocomplete: 'new-password', minlength: 8, help: say('passwordHelp'), error: errors.password })}
        ${page.declared.filter(isAskedAtFirst).map((one) => attributeField(one, given?.attributes[one.name], locale, errors[`attribute_${one.name}`]))}
        ${human.fields}
        ${button({ label: say('createAccount'), id: 'sign-up', full: true })}`,
    })}
    ${quietLine(say('haveAccount'), { url: page.requestId ? `/sign-in?request=${encodeURIComponent(page.requestId)}` : '/sign-in', title: say('signIn') })}`;
  return show(here, reply, {
    title: say('createAccount'),
    lede: say('signUpLede', { community: community.name }),
    body,
    status,
    scripts: human.scripts,
    sources: human.sources,
  });
}
