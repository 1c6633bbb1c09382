/**
 * The pages where a person lets a device in (RFC 8628 §3.3): type the code at `/device`, see what asks, decide. Only for
 * who is signed in; the forms are ours alone (SE-09); codes that are not known are counted a person and a network.
 * A code in the address (`user_code`, §3.3.1) is filled in and never sent by itself.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decodeJwt } from 'jose';
import { attributeDeclarations } from '#core/people/attributes.ts';
import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { App } from '#kit/http/server.ts';
import { networkKey } from '#kit/limits/limits.ts';
import { field } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, keyValues, linkButton, time } from '#kit/page/parts.ts';
import { requestSignOn, sealSignOn } from '#signon/dispatch.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import type { GateNeeds, SignedOn } from '#signon/gate.ts';
import { switchAccountForm } from '#signon/sign-out.ts';
import { show, type Visit, visit } from '#signon/visit.ts';
import { type Standing, standingOf } from './admission.ts';
import { askedBy, askedSubject, neededFor, satisfiesAcr } from './asked.ts';
import { sharedRows } from './consent.ts';
import { acrOf } from './core-session.ts';
import { deviceWords } from './device-words.ts';
import {
  allowDevice,
  type Device,
  denyDevice,
  deviceShowing,
  deviceTaken,
  type Taker,
  takeDevice,
} from './devices.ts';
import { pageNeeds } from './pages.ts';
import { proofNeededAfter } from './policy.ts';
import { paths } from './provider.ts';
import { plainUserCode, shownUserCode } from './user-codes.ts';
import { words } from './words.ts';

export type DevicePageNeeds = Omit<GateNeeds, 'floorMs'>;

/** A page for someone who is signed in. */
interface Here extends Visit {
  signedOn: SignedOn;
}

/** A device that waits for the decision of whoever is here. */
interface Deciding {
  here: Here;
  device: Device;
  standing: Standing;
}

/** Codes that are not known, by one person and from one network, before they have to wait. */
const personCodes = { points: 10, windowSeconds: 600 };
const networkCodes = { points: 60, windowSeconds: 600 };

/** GET and POST /device, GET /device/:id, POST /device/:id/:answer. */
export function deviceRoutes(app: App, needs: DevicePageNeeds): void {
  app.get(paths.device, { config: { door: 'page' } }, async (request, reply) => {
    const typed = String((request.query as Record<string, unknown>).user_code ?? '').slice(0, 40);
    const here = await whoIsHere(needs, request, reply, typed);
    return here ? codePage(needs, here, reply, { typed }) : reply;
  });

  app.post(paths.device, { config: { door: 'form' } }, async (request, reply) => {
    const typed = request.form.text('user_code');
    const here = await whoIsHere(needs, request, reply, typed);
    return here ? typedCode(needs, here, reply, typed) : reply;
  });

  app.get(`${paths.device}/:id`, { config: { door: 'page' } }, async (request, reply) => {
    const deciding = await findDeciding(needs, request, reply);
    if (!deciding) return reply;
    if (deciding.device.row.decision) return decidedPage(deciding, reply);
    return deciding.standing.profile
      ? decidePage(needs, deciding, reply)
      : refusedPage(needs, deciding, reply);
  });

  app.post(`${paths.device}/:id/:answer`, { config: { door: 'form' } }, async (request, reply) => {
    const deciding = await findDeciding(needs, request, reply);
    if (!deciding) return reply;
    const { answer } = request.params as { answer: string };
    if (answer !== 'allow' && answer !== 'deny') throw new Problem('not-found');
    if (!deciding.device.row.decision) await decide(needs, deciding, answer);
    return reply.redirect(`${paths.device}/${deciding.device.row.id}`, 303);
  });
}

/** Who is signed in here; sends everyone else to sign in first and back to the code. */
async function whoIsHere(
  needs: DevicePageNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
  typed: string,
): Promise<Here | undefined> {
  const here = await visit(pageNeeds(needs, request), request);
  if (here.signedOn) return { ...here, signedOn: here.signedOn };
  reply.redirect(sealSignOn(needs.secrets, here, { front: 'oidc', returnTo: wayBack(typed) }), 303);
  return undefined;
}

/** The page for the code, filled in with what was typed as far as it can be one. */
function wayBack(typed: string): string {
  const plain = plainUserCode(typed);
  return plain ? `${paths.device}?user_code=${shownUserCode(plain)}` : paths.device;
}

function takerOf(here: Here): Taker {
  return { browser: here.browser, signedOn: here.signedOn };
}

async function typedCode(
  needs: DevicePageNeeds,
  here: Here,
  reply: FastifyReply,
  typed: string,
): Promise<FastifyReply> {
  const say = deviceWords(here.locale);
  const wait = await takeTry(needs, here);
  if (wait > 0)
    return codePage(needs, here, reply, {
      typed,
      status: 429,
      error: say('tooMany', { minutes: Math.ceil(wait / 60) }),
    });
  const found = await needs.database.read(here.context, async (tx) => {
    const device = await deviceShowing(tx, needs, typed);
    const standing =
      device &&
      (await standingOf(tx, needs.secrets, String(device.payload.clientId), here.signedOn.person.id));
    return device && standing && { device, standing };
  });
  const proof = found && (await furtherProof(needs, here, found, typed));
  if (proof) {
    await giveBackTry(needs, here);
    return reply.redirect(proof, 303);
  }
  const taken =
    found &&
    (await needs.database.transact(here.context, (tx) => takeDevice(tx, found.device.row.id, takerOf(here))));
  if (!found || !taken)
    return codePage(needs, here, reply, { typed, status: 422, error: say('codeUnknown') });
  await giveBackTry(needs, here);
  return reply.redirect(`${paths.device}/${found.device.row.id}`, 303);
}

function tryKeys(here: Here) {
  return {
    person: `device-code:${here.signedOn.person.id}`,
    network: `device-code:${networkKey(here.ip)}`,
  };
}

/** Counts one try before the code is looked at. Returns how many seconds to wait; 0 when there is no need to. */
async function takeTry({ limits }: DevicePageNeeds, here: Here): Promise<number> {
  const keys = tryKeys(here);
  const person = await limits.take(keys.person, personCodes);
  if (!person.allowed) return person.retryAfterSeconds;
  const network = await limits.take(keys.network, networkCodes);
  return network.retryAfterSeconds;
}

/** The code was right: such tries are not the ones that are limited. */
async function giveBackTry({ limits }: DevicePageNeeds, here: Here): Promise<void> {
  const keys = tryKeys(here);
  await limits.giveBack(keys.person);
  await limits.giveBack(keys.network);
}

/** Where to prove more first, when the app or what it asks for insists on proof that this session lacks. */
async function furtherProof(
  needs: DevicePageNeeds,
  here: Here,
  { device, standing }: Omit<Deciding, 'here'>,
  typed: string,
): Promise<string | undefined> {
  const { session } = here.signedOn;
  const { application, strongest = 1 } = standing;
  // Whoever signed in after the device asked has signed in for it, however short `max_age` is.
  const sinceAsked = session.authTime >= device.row.createdAt;
  const proof = sinceAsked ? undefined : proofNeededAfter(device.params, here.now, application);
  const after = proof && session.authTime < proof ? proof : undefined;
  const { needed } = neededFor(device.params, application, strongest);
  if (!after && session.aal >= needed) return undefined;
  return needs.database.transact(here.context, (tx) =>
    requestSignOn(tx, here.browser, {
      front: 'oidc',
      application: application.id,
      returnTo: wayBack(typed),
      provedAfter: after?.toISOString(),
      ...(needed === 2 && { neededAal: needed }),
    }),
  );
}

/** The device whose code was typed in this browser and session; request-expired for everyone else. */
async function findDeciding(
  needs: DevicePageNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Deciding | undefined> {
  const here = await whoIsHere(needs, request, reply, '');
  if (!here) return undefined;
  const { id } = request.params as { id: string };
  const found =
    isId(id) &&
    (await needs.database.read(here.context, async (tx) => {
      const device = await deviceTaken(tx, needs, id, takerOf(here));
      const standing =
        device &&
        (await standingOf(tx, needs.secrets, String(device.payload.clientId), here.signedOn.person.id));
      return device && standing && { device, standing };
    }));
  if (!found) throw new Problem('request-expired');
  return { here, ...found };
}

async function decide(
  needs: DevicePageNeeds,
  { here, device, standing }: Deciding,
  answer: 'allow' | 'deny',
): Promise<void> {
  const by = takerOf(here);
  const refused = answer === 'deny' ? denied : unmet(device, here, standing);
  await needs.database.transact(here.context, (tx) =>
    refused
      ? denyDevice(tx, needs, device, by, refused)
      : allowDevice(tx, needs, device, { ...by, standing }),
  );
}

const denied = { error: 'access_denied', description: 'The person did not let the device in.' };

/** What the request insists on and this sign-in is not: then the device is told so (OIDC Core §5.5.1.1, §3.1.2.1). */
function unmet(device: Device, here: Here, standing: Standing) {
  const hint = device.params.id_token_hint;
  const wanted = askedSubject(device.params, typeof hint === 'string' ? decodeJwt(hint) : undefined);
  if (wanted !== undefined && wanted !== standing.profile?.subject)
    return { error: 'access_denied', description: 'Another person decided.' };
  if (!satisfiesAcr(device.params, acrOf(here.signedOn.session)))
    return { error: 'access_denied', description: 'The sign-in was weaker than asked for.' };
  return undefined;
}

// pages ---------------------------------------------------------------------------------------------------------

function codePage(
  needs: DevicePageNeeds,
  here: Here,
  reply: FastifyReply,
  given: { typed: string; error?: string; status?: number },
): FastifyReply {
  const say = deviceWords(here.locale);
  const plain = plainUserCode(given.typed);
  const body = html`${field({
    name: 'user_code',
    label: say('code'),
    help: say('codeHelp', { example: 'WDJB-MJHT' }),
    locale: here.locale,
    value: plain ? shownUserCode(plain) : given.typed,
    error: given.error,
    autocomplete: 'off',
    autofocus: true,
    literal: true,
    maxlength: 40,
  })}${button({ label: say('goOn'), id: 'go-on', full: true })}`;
  const onTheWay = { front: 'oidc', returnTo: wayBack(given.typed) };
  return show({ ...here, onTheWay: idOf(sealSignOn(needs.secrets, here, onTheWay)) }, reply, {
    title: say('codeTitle'),
    lede: say('codeLede', { name: here.signedOn.person.displayName }),
    status: given.status,
    body: form({ url: paths.device, token: here.formToken, body }),
  });
}

function idOf(start: string): string {
  return new URL(start, 'http://localhost').searchParams.get('request') ?? '';
}

function answerForm({ here, device }: Deciding, answer: 'allow' | 'deny', body: Html): Html {
  return form({ url: `${paths.device}/${device.row.id}/${answer}`, token: here.formToken, body });
}

/** What asks, what it would learn, and with which code: whoever was sent a code by someone else shall notice. */
async function decidePage(
  needs: DevicePageNeeds,
  deciding: Deciding,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { here, device, standing } = deciding;
  const say = deviceWords(here.locale);
  const { locale, now } = here;
  const application = standing.application.settings.title;
  const info = device.payload.deviceInfo as { network?: string; device?: string } | undefined;
  const about = [
    {
      key: say('shown'),
      value: html`<code id="shown-code">${shownUserCode(String(device.payload.userCode))}</code>`,
    },
    { key: say('asked'), value: time({ at: device.row.createdAt, now, locale }) },
    { key: say('askedFrom'), value: info?.network ?? '' },
    { key: say('device'), value: info?.device ?? '' },
  ];
  const declarations = await needs.database.read(here.context, attributeDeclarations);
  const sharing = { standing, ...askedBy(device.params) };
  const learns = sharedRows(words(locale), sharing, declarations);
  return show({ ...here, onTheWay: wayForOthers(needs, deciding) }, reply, {
    title: say('decideTitle', { application }),
    lede: say('decideLede', { application, name: here.signedOn.person.displayName }),
    body: html`
      <div id="device">${keyValues({ rows: about, locale })}</div>
      <h2>${say('learns')}</h2>
      <div id="shared">${keyValues({ rows: learns, locale })}</div>
      ${answerForm(deciding, 'allow', button({ label: say('allow'), id: 'allow', full: true }))}
      ${answerForm(deciding, 'deny', button({ label: say('deny'), id: 'deny', style: 'quiet', full: true }))}`,
  });
}

/** Whoever switches the account comes back with the code filled in: this browser may type it again. */
function wayForOthers(needs: DevicePageNeeds, { here, device, standing }: Deciding): string {
  const returnTo = wayBack(String(device.payload.userCode));
  const application = standing.application.id;
  return idOf(sealSignOn(needs.secrets, here, { front: 'oidc', application, returnTo }));
}

/** Why this person cannot let the device in, with every way out. */
function refusedPage(needs: DevicePageNeeds, deciding: Deciding, reply: FastifyReply): FastifyReply {
  const { here, standing } = deciding;
  const say = deviceWords(here.locale);
  const code = standing.refusal?.code ?? 'application-forbidden';
  const onTheWay = wayForOthers(needs, deciding);
  return show({ ...here, onTheWay }, reply, {
    title: say('refusedTitle', { application: standing.application.settings.title }),
    status: pageStatus[code],
    lede: html`<span id="problem">${problemWords(here.locale)(code)}</span>`,
    body: html`${switchAccountForm(here, say('otherAccount'), onTheWay)}
      ${answerForm(deciding, 'deny', button({ label: say('stop'), id: 'deny', style: 'plain', full: true }))}`,
  });
}

function decidedPage({ here, device, standing }: Deciding, reply: FastifyReply): FastifyReply {
  const say = deviceWords(here.locale);
  const allowed = device.row.decision === 'allowed';
  const application = standing.application.settings.title;
  return show(here, reply, {
    title: say(allowed ? 'allowedTitle' : 'deniedTitle'),
    lede: html`<span id="${allowed ? 'allowed' : 'denied'}">${say(allowed ? 'allowedLede' : 'deniedLede', { application })}</span>`,
    body: linkButton({ label: say('account'), url: '/account', style: 'quiet', full: true }),
  });
}
