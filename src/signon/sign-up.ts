/**
 * Sign-up. User names are public ("taken" is said); an address never is: whoever signs up with a confirmed address
 * of someone else sees the same page, and its owner gets a mail.
 */
import type { FastifyReply } from 'fastify';
import { setPassword } from '#core/credentials/credentials.ts';
import { passwordProblem } from '#core/credentials/password-rule.ts';
import { join } from '#core/lifecycle/join.ts';
import {
  type AttributeDeclaration,
  attributeDeclarations,
  readAttributes,
  setAttributes,
} from '#core/people/attributes.ts';
import { checkNewUsername, cleanLine, parseAddress } from '#core/people/names.ts';
import { findByUsername, isUsernameFree, listAddresses } from '#core/people/people.ts';
import { openVerifications } from '#core/people/verifications.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { field, hiddenField, passwordField } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, errorSummary, form, notice } from '#kit/page/parts.ts';
import { askProof } from './ask-proof.ts';
import { attributeField, readAttributeForm } from './attribute-fields.ts';
import { pageStatus, problemWords } from './errors.ts';
import { asBusy } from './gate.ts';
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

/** New accounts from one network in an hour. */
const networkSignUps = { points: 30, windowSeconds: 3600 };

/** GET /sign-up and POST /sign-up. */
export function signUpRoutes(app: App, needs: PageNeeds): void {
  app.get('/sign-up', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const requestId = (request.query as Record<string, string | undefined>).request;
    if (here.signedOn) return reply.redirect('/account', 303);
    const declared = await needs.database.read(here.context, attributeDeclarations);
    return signUpPage(here, reply, { declared, requestId });
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
      attributes: readAttributeForm(request.form, declared.filter(asked)),
    };
    try {
      const waiting = await submitSignUp(needs, here, given, declared);
      keepWaiting(needs, here, reply, { ...waiting, requestId });
      return reply.redirect('/verify/code', 303);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const first = error.code === 'username-taken' && (await sentBefore(needs, here, given));
      if (first) {
        keepWaiting(needs, here, reply, { ...first, requestId });
        return reply.redirect('/verify/code', 303);
      }
      return signUpPage(here, reply, { declared, requestId, given, problem: error });
    }
  });
}

function asked(one: AttributeDeclaration): boolean {
  return one.editable === 'self' && (one.signUp || one.required);
}

/**
 * The joiner's walk: check → hash → join + password + attributes + verification in one transaction. The work done is
 * the same whether or not the address is someone's already (AU-07).
 */
export async function submitSignUp(
  needs: PageNeeds,
  here: Visit,
  given: SignUpForm,
  declared: readonly AttributeDeclaration[],
): Promise<Waiting> {
  if (!here.community.signUp.open) throw new Problem('operator-forbidden');
  const limit = await needs.limits.take(`sign-up:${networkKey(here.ip)}`, networkSignUps);
  if (!limit.allowed) throw new Problem('rate-limited', { retryAfter: limit.retryAfterSeconds });
  const checked = checkForm(here, given, declared);
  const hash = await needs.hasher.hash(given.password).catch(asBusy);
  return needs.database.transact(here.context, async (tx) => {
    if (!(await isUsernameFree(tx, checked.username))) {
      throw new Problem('username-taken', { fields: { username: 'username-taken' } });
    }
    const person = await join(tx, {
      username: checked.username,
      givenName: checked.givenName,
      familyName: checked.familyName,
      locale: here.locale,
      state: 'unverified',
      origin: 'sign-up',
      addresses: [{ address: checked.address, primary: true, verified: false }],
    });
    await setPassword(tx, person, hash, 'sign-up');
    await setAttributes(tx, person, given.attributes, 'self');
    const [address] = await listAddresses(tx, [person]);
    const verification = await askProof(tx, { purpose: 'sign-up', address: address!, browser: here.browser });
    return { verification: verification.id, person, address: checked.address };
  });
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
  const fields: Record<string, ProblemCode> = {};
  const attempt = <T>(field: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      fields[field] = error.code;
      return undefined;
    }
  };
  const { community } = here;
  const rule = { ...community.usernames, communityName: community.name };
  const username = attempt('username', () => checkNewUsername(given.username, rule));
  const givenName = attempt('given_name', () => cleanLine(given.givenName));
  const familyName = attempt('family_name', () => cleanLine(given.familyName));
  if (givenName === '' && familyName === '') fields.given_name = 'name-missing';
  const address = attempt('email', () => parseAddress(given.address).address);
  const ownWords = [
    given.username,
    given.givenName,
    given.familyName,
    community.name,
    ...given.address.split('@'),
  ];
  const weak = passwordProblem(given.password, ownWords);
  if (weak) fields.password = weak;
  const attributes = readAttributes(declared, given.attributes, 'self');
  for (const [name, code] of Object.entries(attributes.problems)) fields[`attribute_${name}`] = code;
  const first = Object.values(fields)[0];
  if (first) throw new Problem(first, { fields });
  return { username: username!, givenName: givenName!, familyName: familyName!, address: address! };
}

function signUpPage(
  here: Visit,
  reply: FastifyReply,
  page: {
    declared: readonly AttributeDeclaration[];
    requestId?: string;
    given?: SignUpForm;
    problem?: Problem;
  },
): FastifyReply {
  const { say, locale, community } = here;
  const texts = problemWords(locale);
  const errors = Object.fromEntries(
    Object.entries(page.problem?.facts.fields ?? {}).map(([name, code]) => [name, texts(code)]),
  );
  const status = page.problem ? pageStatus[page.problem.code] : 200;
  if (!community.signUp.open) {
    return show(here, reply, {
      title: say('createAccount'),
      body: html`<p>${say('signUpClosed', { community: community.name })}</p>`,
      status: 403,
    });
  }
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
        ${page.declared.filter(asked).map((one) => attributeField(one, given?.attributes[one.name], locale, errors[`attribute_${one.name}`]))}
        ${button({ label: say('createAccount'), id: 'sign-up', full: true })}`,
    })}
    ${quietLine(say('haveAccount'), { url: page.requestId ? `/sign-in?request=${encodeURIComponent(page.requestId)}` : '/sign-in', title: say('signIn') })}`;
  return show(here, reply, {
    title: say('createAccount'),
    lede: say('signUpLede', { community: community.name }),
    body,
    status,
  });
}
