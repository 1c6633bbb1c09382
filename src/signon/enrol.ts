/**
 * Adding a first second factor on the way in, where the community, a role or an app asks for one (`/sign-in/enrol`). What
 * is added here completes the sign-in; recovery codes are shown before it goes on.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { factorsOf, hasFactor } from '#core/credentials/factors.ts';
import { addPasskey } from '#core/credentials/passkeys.ts';
import { makeRecoveryCodes } from '#core/credentials/recovery-codes.ts';
import { beginTotp, confirmTotp, type SetUpOwner } from '#core/credentials/totp.ts';
import type { Person } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { endSessions } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { passkeyScript } from '#kit/page/assets.ts';
import { hiddenField } from '#kit/page/fields.ts';
import { html } from '#kit/page/html.ts';
import { linkButton, notice } from '#kit/page/parts.ts';
import { proved } from './again.ts';
import { type Asked, addProof, ceremonyOf, whoIsAsked } from './asked.ts';
import { pathOf } from './dispatch.ts';
import { pageStatus, problemWords } from './errors.ts';
import { appSetUp, codeList, passkeyForm, setUpField } from './factor-parts.ts';
import { factorWords } from './factor-words.ts';
import type { Further } from './proof.ts';
import { type FactorNeeds, quietLine, show, type Visit, visit } from './visit.ts';

const url = '/sign-in/enrol';

/** The routes of `/sign-in/enrol`. */
export function enrolRoutes(app: App, needs: FactorNeeds): void {
  app.get(url, { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const { request: requestId } = request.query as Record<string, string | undefined>;
    const asked = await enrolling(needs, here, reply, requestId);
    return asked ? page(needs, here, reply, asked) : reply;
  });

  app.post(url, { config: { door: 'form' } }, (request, reply) =>
    enrol(needs, request, reply, ({ browser }) => {
      const given = { sealed: request.form.text(setUpField), code: request.form.text('code') };
      return (tx, person) => proveApp(tx, needs, { person: person.id, browser }, given);
    }),
  );

  app.post(`${url}/passkey`, { config: { door: 'form' } }, (request, reply) =>
    enrol(needs, request, reply, (here, asked) => {
      const answer = request.form.text('answer');
      const ceremony = ceremonyOf(here, 'create', asked);
      return (tx, person) => provePasskey(tx, needs, here, { person, ceremony, answer });
    }),
  );
}

async function proveApp(
  tx: Tx,
  needs: FactorNeeds,
  owner: SetUpOwner,
  given: { sealed: string; code: string },
): Promise<Further> {
  const right = await confirmTotp(tx, needs.secrets, owner, given);
  return right ? { amr: ['otp', 'mfa'], aal: 2 } : { refused: 'factor-wrong' };
}

async function provePasskey(
  tx: Tx,
  needs: FactorNeeds,
  here: Visit,
  given: { person: Person; ceremony: ReturnType<typeof ceremonyOf>; answer: string },
): Promise<Further> {
  const { person, ceremony, answer } = given;
  const { synced } = await addPasskey(tx, needs, { person: person.id, ceremony, answer, name: here.device });
  return { amr: [synced ? 'pop' : 'hwk', 'user', 'mfa'], aal: 2 };
}

/** Who is to enrol: a waiting sign-in that asks for it, or someone signed in without any factor who is asked for more. */
async function enrolling(
  needs: FactorNeeds,
  here: Visit,
  reply: FastifyReply,
  requestId: string | undefined,
): Promise<Asked | undefined> {
  const asked = await whoIsAsked(needs, here, requestId);
  if (!asked) {
    reply.redirect(pathOf({ ask: 'sign-in' }, requestId), 303);
    return undefined;
  }
  if (hasFactor(asked.enrolled)) {
    reply.redirect(pathOf({ ask: 'second-factor' }, requestId), 303);
    return undefined;
  }
  const { signedOn } = asked;
  // A session may be old; a sign-in that waits is not.
  if (signedOn && !(await proved(needs, { ...here, signedOn }, reply))) return undefined;
  return asked;
}

type Add = (tx: Tx, person: Person) => Promise<Further>;

async function enrol(
  needs: FactorNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  adding: (here: Visit, asked: Asked) => Add,
): Promise<FastifyReply> {
  const here = await visit(needs, request);
  const requestId = request.form.text('request') || undefined;
  const asked = await enrolling(needs, here, reply, requestId);
  if (!asked) return reply;
  const add = adding(here, asked);
  let first: FirstFactor = { codes: [], ended: 0 };
  try {
    const next = await addProof(needs, here, reply, asked, async (tx): Promise<Further> => {
      // Added elsewhere meanwhile: a password alone adds no second one.
      if (hasFactor(await factorsOf(tx, asked.person.id))) return { refused: 'request-expired' };
      const proved = await add(tx, asked.person);
      if (!('refused' in proved)) first = await beginFactors(tx, asked.person.id, asked.signedOn?.session.id);
      return proved;
    });
    return codesPage(here, reply, first, next);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'request-expired') return reply.redirect(pathOf({ ask: 'sign-in' }, requestId), 303);
    return page(needs, here, reply, asked, error);
  }
}

/** What comes with the first factor of a person. */
export interface FirstFactor {
  /** Recovery codes, to be shown once. */
  codes: string[];
  /** How many sessions elsewhere ended. */
  ended: number;
}

/**
 * What comes with the first factor, in the transaction that adds it: recovery codes, and the end of every session but this
 * one. They were opened by a password alone, by whoever knew it.
 */
export async function beginFactors(
  tx: Tx,
  person: string,
  session: string | undefined,
): Promise<FirstFactor> {
  return {
    codes: await makeRecoveryCodes(tx, person),
    ended: await endSessions(tx, person, 'factor-added', session),
  };
}

/** The codes, once, what ended, and the way on. */
export function codesPage(
  here: Visit,
  reply: FastifyReply,
  { codes, ended }: { codes: readonly string[]; ended?: number },
  next: string,
): FastifyReply {
  const say = factorWords(here.locale);
  return show(here, reply, {
    title: say('codesTitle'),
    lede: say('codesLede'),
    body: html`${codeList(codes)}${notice({ tone: 'info', text: say('codesOnce') })}
      ${ended ? notice({ tone: 'info', text: say('othersEnded', { count: ended }), id: 'others-ended' }) : ''}
      ${linkButton({ label: say('codesKept'), url: next, id: 'codes-kept', full: true })}`,
  });
}

async function page(
  needs: FactorNeeds,
  here: Visit,
  reply: FastifyReply,
  asked: Asked,
  problem?: Problem,
): Promise<FastifyReply> {
  const say = factorWords(here.locale);
  const { methods } = here.community.factors;
  const error = problem && problemWords(here.locale)(problem.code);
  const ofCode = problem?.code === 'factor-wrong';
  const owner = { person: asked.person.id, browser: here.browser };
  const sealed = problem && here.request.form.text(setUpField);
  const setUp = methods.includes('totp')
    ? beginTotp(needs.secrets, owner, { now: here.now, sealed })
    : undefined;
  const fields = asked.requestId ? hiddenField('request', asked.requestId) : undefined;
  const body = html`
    ${error && !ofCode ? notice({ tone: 'danger', text: error, id: 'problem' }) : ''}
    ${methods.includes('passkey') ? passkeyForm(here, { kind: 'create', ask: 'enrol', url: `${url}/passkey`, label: say('addPasskey'), style: 'primary', fields: { request: asked.requestId }, body: html`<p>${say('passkeyLede')}</p>` }) : ''}
    ${methods.includes('passkey') && !setUp ? html`<noscript><p>${say('passkeyNeedsScript')}</p></noscript>` : ''}
    ${setUp ? html`<div class="block"><h2>${say('appTitle')}</h2><p>${say('appLede')}</p>${appSetUp(here, { url, account: asked.person.username, setUp, fields, error: ofCode ? error : undefined })}</div>` : ''}
    <div class="aside-actions">${quietLine('', asked.pending ? { url: pathOf({ ask: 'sign-in' }, asked.requestId), title: say('someoneElse') } : { url: asked.open?.declineTo ?? '/account', title: say('cancel') })}</div>`;
  return show(here, reply, {
    title: say('enrolTitle'),
    lede: say('enrolLede'),
    body,
    formAction: asked.open?.returnOrigins,
    status: problem ? pageStatus[problem.code] : 200,
    scripts: methods.includes('passkey') ? [passkeyScript.url] : [],
  });
}
