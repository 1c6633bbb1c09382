/** Letters to look at: as they would be sent, about somebody made up, with a link and a code that open nothing. */
import type { Community } from '#core/community/community.ts';
import type { VerificationPurpose } from '#core/people/verifications.ts';
import { textOf } from '#kit/page/words.ts';
import type { NoticeKind } from './intake.ts';
import type { Letter } from './letter.ts';
import { type MailTemplate, templateShape } from './templates.ts';
import { actionOf, adviceOf } from './words.ts';
import { type Proof, writeLetter } from './write.ts';

const minute = 60_000;

const purposes: Partial<Record<NoticeKind, VerificationPurpose>> = {
  'confirm-sign-up': 'sign-up',
  'confirm-address': 'address',
  recovery: 'recovery',
  'prove-again': 'proof',
};

/** How long each would work, as the real ones do. */
const lifetimes: Record<VerificationPurpose, { link: number; code?: number }> = {
  'sign-up': { link: 24 * 60, code: 10 },
  address: { link: 24 * 60, code: 10 },
  recovery: { link: 60 },
  proof: { link: 10, code: 10 },
};

export const samplePerson = { username: 'ada', displayName: 'Ada Lovelace' };

/** A letter of this kind with sample values; `template` as typed, kept or not. */
export function sampleLetter(input: {
  kind: NoticeKind;
  locale: string;
  template?: MailTemplate;
  community: Community;
  publicUrl: URL;
  now: Date;
}): Letter {
  const { kind, now } = input;
  const isUpstream = kind === 'upstream-linked' || kind === 'upstream-unlinked';
  return writeLetter({
    ...input,
    createdAt: now,
    person: samplePerson,
    proved: kind !== 'confirm-sign-up' && kind !== 'confirm-address',
    about: isUpstream ? 'GitHub (ada)' : 'ada@example.org',
    proof: proofOf(purposes[kind], now),
  });
}

function proofOf(purpose: VerificationPurpose | undefined, now: Date): Proof | undefined {
  if (!purpose) return undefined;
  const { link, code } = lifetimes[purpose];
  const after = (minutes: number) => new Date(now.getTime() + minutes * minute);
  return {
    purpose,
    createdAt: now,
    expiresAt: after(link),
    ...(code !== undefined && { codeExpiresAt: after(code) }),
    token: 'this-is-a-preview',
    code: '123456',
  };
}

/** Our own words for a letter, as a community would write them: with the names of values, not the values. */
export function ourWords(kind: NoticeKind, locale: string): MailTemplate {
  const { parts } = templateShape(kind);
  const action = actionOf(kind);
  const advice = adviceOf(kind);
  const keys = {
    subject: `${kind}.subject`,
    text: `${kind}.text`,
    action: action?.label,
    after: advice,
  } as const;
  return Object.fromEntries(
    parts.flatMap((part) => {
      const key = keys[part];
      return key === undefined ? [] : [[part, textOf('notices', key, locale)]];
    }),
  );
}
