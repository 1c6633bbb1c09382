/**
 * Writes the letter of a notice at the moment it is sent: link and code are computed here and kept nowhere, and a
 * letter whose time has passed is not written. Links lead to the configured public address only.
 */
import { type Community, community } from '#core/community/community.ts';
import { parseAddress } from '#core/people/names.ts';
import { findPerson, formerAddress, listAddresses, type Person } from '#core/people/people.ts';
import { codeOf, findVerification, linkToken, type Verification } from '#core/people/verifications.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { chooseLocale } from '#kit/page/words.ts';
import type { Mail } from '#kit/smtp/smtp.ts';
import { linksOf } from '#signon/upstream/links.ts';
import { findUpstream } from '#signon/upstream/upstreams.ts';
import { type Letter, letterHtml, letterText } from './letter.ts';
import type { Notice } from './notices.ts';
import { words } from './words.ts';

export interface ComposeNeeds {
  secrets: Secrets;
  /** Where people reach us; the only origin that links in mails have. */
  publicUrl: URL;
  /** Right side of message ids. */
  mailDomain: string;
}

export type Composed = { mail: Mail & { messageId: string } } | { drop: string };

/** What stands fixed about one letter before its kind is looked at. */
interface Occasion {
  needs: ComposeNeeds;
  notice: Notice;
  person: Person;
  /** Whether the address it goes to is known to be this person's. */
  proved: boolean;
  community: Community;
  locale: string;
  /** Address or upstream that the letter speaks of. */
  about?: string;
  verification?: Verification;
  now: Date;
}

const closedStates: ReadonlySet<string> = new Set(['erased', 'merged', 'spam']);

/** The mail of a notice, or why it is not to be sent any more. */
export async function compose(
  tx: Tx,
  needs: ComposeNeeds,
  notice: Notice,
  about: string | undefined,
): Promise<Composed> {
  const person = await findPerson(tx, notice.person);
  if (!person || closedStates.has(person.state)) return { drop: 'The account is closed.' };
  const carriesLink = ['confirm-sign-up', 'confirm-address', 'recovery', 'prove-again'].includes(notice.kind);
  const verification = carriesLink && about ? await findVerification(tx, about) : undefined;
  if (carriesLink) {
    if (!verification) return { drop: 'The link is gone.' };
    const { usedAt, withdrawnAt, expiresAt } = verification;
    if (usedAt || withdrawnAt) return { drop: 'The link was used or a newer one was asked for.' };
    if (expiresAt <= tx.now()) return { drop: 'The link had ended before it could be sent.' };
  }
  const to = await addressOf(tx, notice.person, notice.address);
  if (!to || !(to.proved || carriesLink)) return { drop: 'The address is not on the account any more.' };
  const settings = await community(tx);
  const occasion: Occasion = {
    needs,
    notice,
    person,
    proved: to.proved,
    community: settings,
    locale: chooseLocale(person.locale),
    about: carriesLink || !about ? undefined : await spokenOf(tx, notice, about),
    verification,
    now: tx.now(),
  };
  const letter = write(occasion);
  return {
    mail: {
      to: to.text,
      subject: letter.subject,
      text: letterText(letter),
      html: letterHtml(letter),
      messageId: `${notice.id}@${needs.mailDomain}`,
      headers: headersOf(settings),
    },
  };
}

/** What the letter is about: an address, or an upstream with what it calls the person. */
async function spokenOf(tx: Tx, { kind, person }: Notice, about: string): Promise<string | undefined> {
  if (kind !== 'upstream-linked' && kind !== 'upstream-unlinked')
    return (await addressOf(tx, person, about))?.text;
  const title = (await findUpstream(tx, about))?.settings.title ?? about;
  const label = (await linksOf(tx, person)).findLast((one) => one.upstream === about)?.label;
  return kind === 'upstream-linked' && label ? `${title} (${label})` : title;
}

/** An address on the account, or a proved one that was until it was removed. */
async function addressOf(
  tx: Tx,
  person: string,
  id: string,
): Promise<{ text: string; proved: boolean } | undefined> {
  const known = (await listAddresses(tx, [person])).find((one) => one.id === id);
  if (known) return { text: known.address, proved: known.verifiedAt !== undefined };
  const former = await formerAddress(tx, id);
  return former && { text: former.address, proved: true };
}

function headersOf(settings: Community): Record<string, string> {
  const headers: Record<string, string> = {
    'Auto-Submitted': 'auto-generated',
    'X-Auto-Response-Suppress': 'All',
  };
  try {
    if (settings.contact) headers['Reply-To'] = parseAddress(settings.contact).address;
  } catch {
    // The contact is a web address or a sentence: it is shown in the mail, replies go to the sender.
  }
  return headers;
}

function write(occasion: Occasion): Letter {
  const { notice, person, community: settings, locale, verification } = occasion;
  const say = words(locale);
  const name = settings.name;
  const { kind } = notice;
  const when = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  const values = {
    community: name,
    username: person.username,
    when: `${when.format(notice.createdAt)} UTC`,
    address: occasion.about ?? say('anAddress'),
    hours: settings.factors.resetWaitHours,
    upstream: occasion.about ?? '',
  };
  // A letter to an address nobody has proved yet holds no words that whoever typed it chose freely.
  const { proved } = occasion;
  const contact = settings.contact ? [say('contact', { contact: settings.contact })] : [];
  return {
    locale,
    community: name,
    accent: settings.accent,
    subject: oneLine(say(`${kind}.subject`, values)),
    greeting: proved ? say('helloName', { name: person.displayName }) : say('hello'),
    text: say(`${kind}.text`, values),
    ...waysOn(occasion, name),
    code: verification && codePart(occasion, verification),
    after: [...lifetimes(occasion), ...advice(occasion)],
    footer: [say(proved ? 'whyAccount' : 'whyConfirm', { community: name }), ...contact],
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

function linkTo({ needs }: Occasion, path: string, token?: string): string {
  const url = new URL(path, needs.publicUrl);
  if (token) url.searchParams.set('token', token);
  return url.href;
}

function waysOn(occasion: Occasion, name: string): Pick<Letter, 'action' | 'second'> {
  const { notice, verification, needs } = occasion;
  const say = words(occasion.locale);
  const token = verification && linkToken(needs.secrets, verification);
  switch (notice.kind) {
    case 'confirm-sign-up':
    case 'confirm-address':
      return { action: { label: say(`${notice.kind}.action`), url: linkTo(occasion, '/verify', token) } };
    case 'recovery':
      return { action: { label: say('setPassword'), url: linkTo(occasion, '/recover/new', token) } };
    case 'prove-again':
      return {};
    case 'sign-up-repeated':
      return {
        action: { label: say('signIn'), url: linkTo(occasion, '/sign-in') },
        second: {
          text: say('sign-up-repeated.forgotten'),
          label: say('setPassword'),
          url: linkTo(occasion, '/recover'),
        },
      };
    case 'password-changed':
    case 'sign-in-throttled':
      return { action: { label: say('setPassword'), url: linkTo(occasion, '/recover') } };
    case 'address-added':
    case 'address-made-primary':
    case 'address-removed':
    case 'upstream-linked':
    case 'passkey-added':
    case 'passkey-removed':
    case 'app-added':
    case 'app-removed':
    case 'recovery-codes-made':
    case 'recovery-code-used':
    case 'passkey-copied':
    case 'factors-reset-planned':
    case 'factors-reset-cancelled':
    case 'factors-reset-done':
    case 'upstream-unlinked':
      return { action: { label: say('yourAccount'), url: linkTo(occasion, '/account') } };
    case 'welcome':
      return { action: { label: say('welcome.action', { community: name }), url: linkTo(occasion, '/') } };
  }
}

/** The code, unless the mail is so late that it has ended already. */
function codePart({ needs, locale, now }: Occasion, verification: Verification): Letter['code'] {
  if (!verification.codeExpiresAt || verification.codeExpiresAt <= now) return undefined;
  const label = verification.purpose === 'proof' ? 'theCode' : 'orCode';
  return { label: words(locale)(label), value: codeOf(needs.secrets, verification) };
}

function lifetimes({ verification, locale, now }: Occasion): string[] {
  if (!verification) return [];
  const say = words(locale);
  const { createdAt, expiresAt, codeExpiresAt, purpose } = verification;
  const minutes = (end: Date) => Math.round((end.getTime() - createdAt.getTime()) / 60_000);
  if (purpose === 'proof') return [say('codeMinutes', { minutes: minutes(expiresAt) })];
  const link = minutes(expiresAt);
  const sentence =
    link > 90 ? say('linkHours', { hours: Math.round(link / 60) }) : say('linkMinutes', { minutes: link });
  const code =
    codeExpiresAt && codeExpiresAt > now && say('codeMinutes', { minutes: minutes(codeExpiresAt) });
  return [code ? `${sentence} ${code}` : sentence];
}

function advice(occasion: Occasion): string[] {
  const { notice } = occasion;
  const say = words(occasion.locale);
  switch (notice.kind) {
    case 'confirm-sign-up':
    case 'confirm-address':
    case 'recovery':
    case 'prove-again':
    case 'sign-in-throttled':
      return [say(`${notice.kind}.after`)];
    case 'passkey-copied':
    case 'factors-reset-planned':
      return [say(`${notice.kind}.after`, { community: occasion.community.name })];
    case 'factors-reset-cancelled':
    case 'sign-up-repeated':
      return [say('doNothing')];
    case 'welcome':
      return [];
    default:
      return [say('notYou')];
  }
}
