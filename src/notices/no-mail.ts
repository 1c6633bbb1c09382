/**
 * "I did not get it": what became of a mail, for the browser that waits for it, and the ways on. Tells strangers nothing:
 * whoever signs up sees only what went to the address they typed, and of another's address the same; whoever asked for a
 * recovery sees it in a browser that has been signed in to that account before, and else what holds for everyone.
 */
import type { FastifyReply } from 'fastify';
import { knownDevice } from '#core/credentials/credentials.ts';
import { findByVerifiedAddress, listAddresses } from '#core/people/people.ts';
import { findVerification, newestOfBrowser, type Verification } from '#core/people/verifications.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { type Html, html } from '#kit/page/html.ts';
import { formButton, linkButton } from '#kit/page/parts.ts';
import { newestMail, readWaiting } from '#signon/verify.ts';
import { type PageNeeds, quietLine, show, type Visit, visit } from '#signon/visit.ts';
import { type Fate, fateNotice, wasRefused } from './fate.ts';
import { noMailWords } from './no-mail.words.ts';
import * as store from './store.ts';
import { findSuppression } from './suppressions.ts';
import { loadLetters } from './words.ts';

/** The routes of the pages behind "What became of it?". */
export function noMailRoutes(app: App, needs: PageNeeds): void {
  // Read before the first letter is written: a person may choose its language on a page.
  loadLetters();
  app.get('/verify/mail', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    const waiting = readWaiting(needs, here);
    if (waiting) {
      const fate = await needs.database.read(here.context, async (tx) =>
        fateOfProof(tx, await newestMail(tx, waiting), waiting.address),
      );
      return signUpPage(here, reply, waiting.address, fate);
    }
    const { signedOn } = here;
    if (!signedOn) return reply.redirect('/sign-in', 303);
    const mine = await needs.database.read(here.context, (tx) => ofSomeone(tx, here, signedOn.person.id));
    return mine ? proofPage(here, reply, mine) : reply.redirect('/account', 303);
  });

  app.get('/recover/mail', { config: { door: 'page' } }, async (request, reply) => {
    const here = await visit(needs, request);
    return recoveryPage(
      here,
      reply,
      await needs.database.read(here.context, (tx) => ofKnownBrowser(tx, here)),
    );
  });
}

interface Waited {
  address: string;
  purpose: Verification['purpose'];
  fate?: Fate;
}

const tenMinutes = 600_000;

/**
 * The mail that confirms an address at sign-up. Where the address is another person's that one is written to instead, and
 * what became of that mail stands for it: both ways the same is read, so that neither words nor time tell which it was.
 */
async function fateOfProof(tx: Tx, verification: string, address: string): Promise<Fate | undefined> {
  const [own, asked, owner] = await Promise.all([
    store.noticeOfVerification(tx, verification),
    findVerification(tx, verification),
    findByVerifiedAddress(tx, address),
  ]);
  const askedAt = asked?.createdAt ?? tx.now();
  const [theirs] = (await listAddresses(tx, owner ? [owner.id] : [])).filter(
    (one) => one.address.toLowerCase() === address.toLowerCase(),
  );
  const instead = await store.latestTo(tx, {
    person: theirs?.person ?? verification,
    address: theirs?.id ?? verification,
    kind: 'sign-up-repeated',
    since: new Date(askedAt.getTime() - tenMinutes),
  });
  if (own) return withHeld(tx, own);
  if (!instead) return undefined;
  const late = (at: Date | undefined) => (at && at < askedAt ? askedAt : at);
  const { acceptedAt, settledAt, reportedAt } = instead;
  const moved = {
    ...instead,
    acceptedAt: late(acceptedAt),
    settledAt: late(settledAt),
    reportedAt: late(reportedAt),
  };
  const held = instead.state === 'dropped' && (await findSuppression(tx, instead.address));
  // To an address of its own it would have been tried, and refused as before.
  return held ? { ...moved, state: 'bounced', report: held.report, reportedAt: askedAt } : moved;
}

async function withHeld(tx: Tx, notice: Fate & { address: string }): Promise<Fate> {
  if (notice.state !== 'dropped') return notice;
  return { ...notice, held: (await findSuppression(tx, notice.address)) !== undefined };
}

/** What somebody who is signed in asked for in this browser: a code, or that an address be confirmed. */
async function ofSomeone(tx: Tx, here: Visit, person: string): Promise<Waited | undefined> {
  const { browser } = here;
  const asked = [
    await newestOfBrowser(tx, { person, browser, purpose: 'proof' }),
    await newestOfBrowser(tx, { person, browser, purpose: 'address' }),
  ].filter((one) => one !== undefined);
  const newest = asked.sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())[0];
  return newest && waitedFor(tx, person, newest);
}

async function waitedFor(tx: Tx, person: string, asked: Verification): Promise<Waited | undefined> {
  const address = (await listAddresses(tx, [person])).find((one) => one.id === asked.address);
  if (!address) return undefined;
  const { purpose } = asked;
  if (purpose === 'address' || purpose === 'sign-up')
    return { purpose, address: address.address, fate: await fateOfProof(tx, asked.id, address.address) };
  const notice = await store.noticeOfVerification(tx, asked.id);
  return { purpose, address: address.address, fate: notice && (await withHeld(tx, notice)) };
}

/** A recovery asked for in a browser that was signed in to that very account before. */
async function ofKnownBrowser(tx: Tx, here: Visit): Promise<Waited | undefined> {
  const known = await knownDevice(tx, here.deviceToken);
  if (!known) return undefined;
  const { person } = known;
  const asked = await newestOfBrowser(tx, { person, browser: here.browser, purpose: 'recovery' });
  return asked && waitedFor(tx, person, asked);
}

function signUpPage(here: Visit, reply: FastifyReply, address: string, fate?: Fate): FastifyReply {
  const say = noMailWords(here.locale);
  const isRefused = fate !== undefined && (wasRefused(fate) || fate.held === true);
  const change = linkButton({
    label: say('fixAddress'),
    url: '/verify/address',
    style: isRefused ? 'primary' : 'quiet',
    full: true,
    id: 'change-address',
  });
  const again = formButton({
    label: say('sendAgain'),
    url: '/verify/resend',
    token: here.formToken,
    id: 'resend',
    full: true,
  });
  // What helps most stands first: another address where this one takes nothing, the same again where nobody took it,
  // patience where somebody did.
  const back = { url: '/verify/code', label: say('typeCode') };
  const backLine = quietLine('', { url: back.url, title: back.label });
  const waits = [linkButton({ ...back, full: true, id: 'back' }), again, change];
  const ways = isRefused
    ? [change, again, backLine]
    : fate?.state === 'failed'
      ? [again, change, backLine]
      : waits;
  return page(here, reply, { address, fate }, ways);
}

function proofPage(here: Visit, reply: FastifyReply, waited: Waited): FastifyReply {
  const say = noMailWords(here.locale);
  const isCode = waited.purpose === 'proof';
  return page(here, reply, waited, [
    linkButton({
      label: say(isCode ? 'backToProof' : 'backToAccount'),
      url: isCode ? '/sign-in/again' : '/account',
      full: true,
      id: 'back',
    }),
  ]);
}

function page(
  here: Visit,
  reply: FastifyReply,
  { address, fate }: { address: string; fate?: Fate },
  ways: Html[],
): FastifyReply {
  const say = noMailWords(here.locale);
  const { locale, now } = here;
  return show(here, reply, {
    title: say('title'),
    lede: say.html('ledeTo', { address: html`<strong>${address}</strong>` }),
    body: html`${fateNotice(fate, { locale, now, address })}<div class="aside-actions stack-s"><h2>${say('ways')}</h2>${ways}</div>`,
  });
}

function recoveryPage(here: Visit, reply: FastifyReply, known: Waited | undefined): FastifyReply {
  const say = noMailWords(here.locale);
  const { locale, now, community } = here;
  const operators = community.contact
    ? say('wayOperatorsAt', { community: community.name, contact: community.contact })
    : say('wayOperators', { community: community.name });
  const reasons = (['reasonSlow', 'reasonSpam', 'reasonOther', 'reasonNone'] as const).map(
    (key) => html`<li>${say(key)}</li>`,
  );
  const said = known
    ? fateNotice(known.fate, { locale, now, address: known.address })
    : html`<h2>${say('reasons')}</h2><ul id="reasons" class="stack-s">${reasons}</ul>`;
  return show(here, reply, {
    title: say('title'),
    lede: known
      ? say.html('ledeTo', { address: html`<strong>${known.address}</strong>` })
      : say('ledeUnknown'),
    body: html`${said}<div class="aside-actions stack-s"><h2>${say('ways')}</h2>
      ${linkButton({ label: say('wayAnother'), url: '/recover', full: true, id: 'another' })}
      ${linkButton({ label: say('wayPasskey'), url: '/sign-in', style: 'quiet', full: true, id: 'passkey-way' })}
      <p id="operators-way">${operators}</p></div>`,
  });
}
