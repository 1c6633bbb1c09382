/** Adding a passkey or an authenticator app to one's account; each needs proof of the last five minutes first. */
import type { FastifyReply } from 'fastify';
import { type Factors, factorsOf, hasFactor } from '#core/credentials/factors.ts';
import { addPasskey } from '#core/credentials/passkeys.ts';
import { beginTotp, confirmTotp } from '#core/credentials/totp.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { passkeyScript } from '#kit/page/assets.ts';
import { field } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { linkButton, notice } from '#kit/page/parts.ts';
import { proved } from '#signon/again.ts';
import { addToSession, ceremonyOf } from '#signon/asked.ts';
import { beginFactors, codesPage, type FirstFactor } from '#signon/enrol.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { appSetUp, passkeyForm, setUpField } from '#signon/factor-parts.ts';
import { factorWords } from '#signon/factor-words.ts';
import type { Further } from '#signon/proof.ts';
import { type FactorNeeds, show } from '#signon/visit.ts';
import { words } from './factors.words.ts';
import { type Home, home } from './guest.ts';

const base = '/account/signing-in';

type Method = 'totp' | 'passkey';

/** GET and POST /account/signing-in/app and /account/signing-in/passkey. */
export function addFactorRoutes(app: App, needs: FactorNeeds): void {
  const pages = { totp: appPage, passkey: passkeyPage };
  for (const [path, method] of [
    ['app', 'totp'],
    ['passkey', 'passkey'],
  ] as const) {
    app.get(`${base}/${path}`, { config: { door: 'page' } }, async (request, reply) => {
      const here = await home(needs, request, reply);
      if (!here || !(await proved(needs, here, reply))) return reply;
      requireOffered(here, method);
      return pages[method](needs, here, reply);
    });

    app.post(`${base}/${path}`, { config: { door: 'form' } }, async (request, reply) => {
      const here = await home(needs, request, reply);
      if (!here || !(await proved(needs, here, reply))) return reply;
      requireOffered(here, method);
      const add = method === 'totp' ? appOf(needs, here) : passkeyOf(needs, here);
      try {
        return await adding(needs, here, reply, path, add);
      } catch (error) {
        if (!(error instanceof Problem) || error.code === 'session-ended') throw error;
        return pages[method](needs, here, reply, error);
      }
    });
  }
}

function requireOffered(here: Home, method: Method): void {
  if (!here.community.factors.methods.includes(method)) throw new Problem('factor-off');
}

type Add = (tx: Tx) => Promise<Further>;

function appOf(needs: FactorNeeds, here: Home): Add {
  const { form } = here.request;
  const given = { sealed: form.text(setUpField), code: form.text('code') };
  return async (tx) =>
    (await confirmTotp(tx, needs.secrets, ownerOf(here), given))
      ? { amr: ['otp', 'mfa'], aal: 2 }
      : { refused: 'factor-wrong' };
}

const ownerOf = (here: Home) => ({ person: here.signedOn.person.id, browser: here.browser });

function passkeyOf(needs: FactorNeeds, here: Home): Add {
  const answer = here.request.form.text('answer');
  const name = here.request.form.text('name').trim().slice(0, 60) || here.device;
  const ceremony = ceremonyOf(here, 'create', here);
  return async (tx) => {
    const { synced } = await addPasskey(tx, needs, {
      person: here.signedOn.person.id,
      ceremony,
      answer,
      name,
    });
    return { amr: [synced ? 'pop' : 'hwk', 'user', 'mfa'], aal: 2 };
  };
}

/** The first factor brings recovery codes with it, and ends what was opened elsewhere by the password alone. */
async function adding(
  needs: FactorNeeds,
  here: Home,
  reply: FastifyReply,
  said: string,
  add: Add,
): Promise<FastifyReply> {
  const { id } = here.signedOn.person;
  let first: FirstFactor | undefined;
  await addToSession(needs, reply, { ...here.signedOn, context: here.context }, async (tx) => {
    const before: Factors = await factorsOf(tx, id);
    const added = await add(tx);
    if ('refused' in added) return added;
    first = hasFactor(before) ? undefined : await beginFactors(tx, id, here.signedOn.session.id);
    return added;
  });
  return first
    ? codesPage(here, reply, first, `${base}?said=${said}`)
    : reply.redirect(`${base}?said=${said}`, 303);
}

async function appPage(
  needs: FactorNeeds,
  here: Home,
  reply: FastifyReply,
  problem?: Problem,
): Promise<FastifyReply> {
  const say = factorWords(here.locale);
  const sealed = problem && here.request.form.text(setUpField);
  return show(here, reply, {
    title: say('appTitle'),
    lede: say('appLede'),
    body: appSetUp(here, {
      url: `${base}/app`,
      account: here.signedOn.person.username,
      setUp: beginTotp(needs.secrets, ownerOf(here), { now: here.now, sealed }),
      error: problem && problemWords(here.locale)(problem.code),
      cancel: linkButton({ label: words(here.locale)('cancel'), url: base, style: 'quiet', full: true }),
    }),
    status: problem ? pageStatus[problem.code] : 200,
  });
}

async function passkeyPage(
  _needs: FactorNeeds,
  here: Home,
  reply: FastifyReply,
  problem?: Problem,
): Promise<FastifyReply> {
  const say = words(here.locale);
  const { locale } = here;
  const name = field({
    name: 'name',
    label: say('passkeyName'),
    help: say('passkeyNameHelp'),
    locale,
    value: here.device,
    maxlength: 60,
    required: false,
    unmarked: true,
  });
  return show(here, reply, {
    title: say('addPasskey'),
    lede: say('addPasskeyLede'),
    body: html`
      ${problem ? notice({ tone: 'danger', text: problemWords(locale)(problem.code), id: 'problem' }) : ''}
      ${passkeyForm(here, { kind: 'create', ask: 'account', url: `${base}/passkey`, label: say('addPasskey'), style: 'primary', body: name })}
      <noscript><p>${say('needsScript')}</p></noscript>
      ${linkButton({ label: say('cancel'), url: base, style: 'quiet', full: true })}`,
    status: problem ? pageStatus[problem.code] : 200,
    scripts: [passkeyScript.url],
  });
}
