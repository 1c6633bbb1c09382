/**
 * `/admin/setup?token=…`: the one-time way to the first owner, printed on the terminal of the machine. Whoever is
 * signed in becomes the owner; whoever is not makes an account first. Closed for good afterwards (AU-17).
 */
import type { FastifyReply } from 'fastify';
import { refuseAlias } from '#core/community/alias-domains.ts';
import { setPassword } from '#core/credentials/credentials.ts';
import { passwordProblem } from '#core/credentials/password-rule.ts';
import { join } from '#core/lifecycle/join.ts';
import { appoint } from '#core/operators/operators.ts';
import { checkSetup, useSetup } from '#core/operators/setup.ts';
import { cleanLine, parseAddress } from '#core/people/names.ts';
import { findByVerifiedAddress, requirePerson } from '#core/people/people.ts';
import { Problem, readFields } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { field, hiddenField, passwordField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { button, form, notice } from '#kit/page/parts.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { asBusy } from '#signon/gate.ts';
import { type SignInOutcome, settle, unlessRefused } from '#signon/proof.ts';
import { type PageNeeds, show, type Visit, visit } from '#signon/visit.ts';
import { browserOf, goOn } from '#signon/way-in.ts';
import { words } from './words.ts';

interface OwnerForm {
  username: string;
  givenName: string;
  familyName: string;
  address: string;
  password: string;
}

/** GET and POST /admin/setup. */
export function setupRoutes(app: App, needs: PageNeeds): void {
  app.get('/admin/setup', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const token = String((request.query as Record<string, unknown>).token ?? '');
    await requireOpen(needs, here, token);
    return setupPage(here, reply, token);
  });

  app.post('/admin/setup', { config: { door: 'form' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const token = request.form.text('token');
    await requireOpen(needs, here, token);
    if (here.signedOn) {
      const { person } = here.signedOn;
      await needs.database.transact({ ...here.context, cause: 'admin' }, async (tx) => {
        await useSetup(tx, needs.secrets, token);
        await appoint(tx, { person: person.id, role: 'owner' });
      });
      return reply.redirect('/admin', 303);
    }
    const given: OwnerForm = {
      username: request.form.text('username'),
      givenName: request.form.text('given_name'),
      familyName: request.form.text('family_name'),
      address: request.form.text('email'),
      password: request.form.text('password'),
    };
    try {
      const outcome = await makeOwner(needs, here, token, given);
      return await goOn(needs, here, reply, outcome, { open: { front: 'admin', returnTo: '/admin' } });
    } catch (error) {
      if (!(error instanceof Problem) || error.code === 'setup-closed') throw error;
      return setupPage(here, reply, token, given, error);
    }
  });
}

async function requireOpen(needs: PageNeeds, here: Visit, token: string): Promise<void> {
  const open = await needs.database.read(here.context, (tx) => checkSetup(tx, needs.secrets, token));
  if (!open) throw new Problem('setup-closed');
}

/** One transaction: the link is spent, the person joins, and owns. The machine's own link stands for the address. */
async function makeOwner(
  needs: PageNeeds,
  here: Visit,
  token: string,
  given: OwnerForm,
): Promise<SignInOutcome> {
  const checked = checkOwner(here, given);
  const hash = await needs.hasher.hash(given.password).catch(asBusy);
  const settled = await needs.database.transact({ ...here.context, cause: 'admin' }, async (tx) => {
    await useSetup(tx, needs.secrets, token);
    await refuseAlias(tx, checked.address, 'email');
    if (await findByVerifiedAddress(tx, checked.address))
      throw new Problem('address-taken', { fields: { email: 'address-taken' } });
    const id = await join(tx, {
      ...checked,
      state: 'active',
      origin: 'setup',
      addresses: [{ address: checked.address, primary: true, verified: true }],
    });
    await setPassword(tx, id, hash, 'sign-up');
    await appoint(tx, { person: id, role: 'owner' });
    const place = {
      door: 'page',
      device: here.device,
      ip: here.ip,
      persistent: false,
      deviceToken: here.deviceToken,
      ...browserOf(needs, here, undefined),
    };
    const proof = { person: id, amr: ['pwd'], aal: 1 as const, place, context: here.context };
    return settle(tx, needs, await requirePerson(tx, id), proof);
  });
  return unlessRefused(settled);
}

/** The owner may take a name kept for staff; everything else is checked as at sign-up. */
function checkOwner(here: Visit, given: OwnerForm) {
  const { attempt, refuse, end } = readFields();
  const username = attempt('username', () => cleanLine(given.username, 64)) ?? '';
  if (!/^[a-z][a-z0-9._-]{1,63}$/i.test(username)) refuse('username', 'username-rule');
  const givenName = attempt('given_name', () => cleanLine(given.givenName));
  const familyName = attempt('family_name', () => cleanLine(given.familyName));
  const address = attempt('email', () => parseAddress(given.address).address);
  refuse('password', passwordProblem(given.password, [given.username, here.community.name]));
  end();
  return { username, givenName, familyName, address: address! };
}

function setupPage(
  here: Visit,
  reply: FastifyReply,
  token: string,
  given?: OwnerForm,
  problem?: Problem,
): FastifyReply {
  const tell = words(here.locale);
  const { locale } = here;
  const texts = problemWords(locale);
  const fields = problem?.facts.fields ?? {};
  const error = (name: string) => fields[name] && texts(fields[name]);
  const title = tell('setupTitle', { community: here.community.name });
  const hidden = hiddenField('token', token);
  if (here.signedOn) {
    return show(here, reply, {
      title,
      lede: tell('setupMine', { username: here.signedOn.person.username }),
      body: form({
        url: '/admin/setup',
        token: here.formToken,
        body: html`${hidden}${button({ label: tell('becomeOwner'), id: 'become-owner', full: true })}`,
      }),
    });
  }
  const body = html`
    ${problem && Object.keys(fields).length === 0 ? notice({ tone: 'danger', text: texts(problem.code) }) : ''}
    ${form({
      url: '/admin/setup',
      token: here.formToken,
      body: html`${hidden}
        ${field({ name: 'given_name', label: tell('givenName'), locale, value: given?.givenName ?? '', autocomplete: 'given-name', required: false, error: error('given_name') })}
        ${field({ name: 'family_name', label: tell('familyName'), locale, value: given?.familyName ?? '', autocomplete: 'family-name', required: false, error: error('family_name') })}
        ${field({ name: 'username', label: tell('username'), locale, value: given?.username ?? '', autocomplete: 'username', literal: true, error: error('username') })}
        ${field({ name: 'email', type: 'email', label: tell('address'), locale, value: given?.address ?? '', autocomplete: 'email', error: error('email') })}
        ${passwordField({ name: 'password', label: tell('password'), locale, autocomplete: 'new-password', minlength: 8, error: error('password') })}
        ${button({ label: tell('makeOwner'), id: 'make-owner', full: true })}`,
    })}`;
  return show(here, reply, {
    title,
    lede: tell('setupLede'),
    body,
    status: problem ? pageStatus[problem.code] : 200,
  });
}
