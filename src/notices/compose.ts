/**
 * Writes the letter of a notice at the moment it is sent: link and code are computed here and kept nowhere, and a
 * letter whose time has passed is not written. Links lead to the configured public address only.
 */
import { type Community, community } from '#core/community/community.ts';
import { parseAddress } from '#core/people/names.ts';
import { findPerson, formerAddress, listAddresses } from '#core/people/people.ts';
import { codeOf, findVerification, linkToken, type Verification } from '#core/people/verifications.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { chooseLocale } from '#kit/page/words.ts';
import type { Mail } from '#kit/smtp/smtp.ts';
import { linksOf } from '#signon/upstream/links.ts';
import { findUpstream } from '#signon/upstream/upstreams.ts';
import type { NoticeKind } from './intake.ts';
import { letterMail } from './letter.ts';
import type { Notice } from './notices.ts';
import { findTemplate, letterLocales } from './templates.ts';
import { writeLetter } from './write.ts';

export interface ComposeNeeds {
  secrets: Secrets;
  /** Where people reach us; the only origin that links in mails have. */
  publicUrl: URL;
  /** Right side of message ids. */
  mailDomain: string;
}

export type Composed = { mail: Mail & { messageId: string } } | { drop: string };

const closedStates: ReadonlySet<string> = new Set(['erased', 'merged', 'spam']);

/** Letters that are nothing without the link or code they carry. */
export const linkKinds: ReadonlySet<NoticeKind> = new Set([
  'confirm-sign-up',
  'confirm-address',
  'recovery',
  'prove-again',
]);

/** Why the link a letter carries opens nothing any more, in words; undefined while it does. */
export function endOf(verification: Verification | undefined, now: Date): string | undefined {
  if (!verification) return 'The link is gone.';
  const { usedAt, withdrawnAt, expiresAt } = verification;
  if (usedAt || withdrawnAt) return 'The link was used or a newer one was asked for.';
  return expiresAt <= now ? 'The link had ended before it could be sent.' : undefined;
}

/** The mail of a notice, or why it is not to be sent any more. */
export async function compose(
  tx: Tx,
  needs: ComposeNeeds,
  notice: Notice,
  about: string | undefined,
): Promise<Composed> {
  const person = await findPerson(tx, notice.person);
  if (!person || closedStates.has(person.state)) return { drop: 'The account is closed.' };
  const carriesLink = linkKinds.has(notice.kind);
  const verification = carriesLink && about ? await findVerification(tx, about) : undefined;
  const ended = carriesLink && endOf(verification, tx.now());
  if (ended) return { drop: ended };
  const to = await addressOf(tx, notice.person, notice.address);
  if (!to || !(to.proved || carriesLink)) return { drop: 'The address is not on the account any more.' };
  const settings = await community(tx);
  const locale = chooseLocale(person.locale, letterLocales());
  const letter = writeLetter({
    kind: notice.kind,
    createdAt: notice.createdAt,
    person,
    proved: to.proved,
    community: settings,
    locale,
    publicUrl: needs.publicUrl,
    about: carriesLink || !about ? undefined : await spokenOf(tx, notice, about),
    proof: verification && {
      ...verification,
      token: linkToken(needs.secrets, verification),
      code: codeOf(needs.secrets, verification),
    },
    template: (await findTemplate(tx, notice.kind, locale))?.template,
    now: tx.now(),
  });
  return {
    mail: {
      to: to.text,
      ...letterMail(letter),
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
