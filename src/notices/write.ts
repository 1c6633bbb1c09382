/** The words and parts of a letter, from what is known about its occasion: the same for one that is sent and for a preview. */
import type { Community } from '#core/community/community.ts';
import type { Person } from '#core/people/people.ts';
import type { Verification } from '#core/people/verifications.ts';
import { fillText } from '#kit/page/words.ts';
import type { NoticeKind } from './intake.ts';
import type { Letter } from './letter.ts';
import { letterLogo } from './logo.ts';
import type { MailTemplate, TemplatePart } from './templates.ts';
import { actionOf, adviceOf, words } from './words.ts';

/** What a letter carries that proves something, and how long it does. */
export type Proof = Pick<Verification, 'purpose' | 'createdAt' | 'expiresAt' | 'codeExpiresAt'> & {
  token: string;
  code: string;
};

/** What stands fixed about one letter before its kind is looked at. */
export interface Occasion {
  kind: NoticeKind;
  /** When it happened what the letter tells. */
  createdAt: Date;
  person: Pick<Person, 'username' | 'displayName'>;
  /** Whether the address it goes to is known to be this person's. */
  proved: boolean;
  community: Community;
  locale: string;
  /** Where people reach us; the only origin that links in mails have. */
  publicUrl: URL;
  /** Address or upstream that the letter speaks of. */
  about?: string;
  proof?: Proof;
  /** The community's own words. */
  template?: MailTemplate;
  now: Date;
}

/** The letter for an occasion: in our words, or where the community has its own, in those. */
export function writeLetter(occasion: Occasion): Letter {
  const { kind, person, community: settings, locale, proof } = occasion;
  const say = words(locale);
  const name = settings.name;
  const when = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  const values = {
    community: name,
    username: person.username,
    when: `${when.format(occasion.createdAt)} UTC`,
    address: occasion.about ?? say('anAddress'),
    hours: settings.factors.resetWaitHours,
    upstream: occasion.about ?? '',
  };
  // A letter to an address nobody has proved yet holds no words that whoever typed it chose freely.
  const { proved } = occasion;
  const contact = settings.contact ? [say('contact', { contact: settings.contact })] : [];
  const own = ownWords(occasion, values);
  const action = actionOf(kind);
  return {
    locale,
    community: name,
    accent: settings.accent,
    logo: letterLogo(settings),
    subject: oneLine(own('subject') ?? say(`${kind}.subject`, values)),
    greeting: proved ? say('helloName', { name: person.displayName }) : say('hello'),
    text: own('text') ?? say(`${kind}.text`, values),
    action: action && {
      label: oneLine(own('action') ?? say(action.label, { community: name })),
      url: linkTo(occasion, action.path, action.carriesToken ? proof?.token : undefined),
    },
    second: kind === 'sign-up-repeated' ? forgotten(occasion) : undefined,
    code: proof && codePart(occasion, proof),
    after: [...lifetimes(occasion), ...advice(occasion, own('after'))],
    footer: [say(proved ? 'whyAccount' : 'whyConfirm', { community: name }), ...contact],
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

function linkTo({ publicUrl }: Occasion, path: string, token?: string): string {
  const url = new URL(path, publicUrl);
  if (token) url.searchParams.set('token', token);
  return url.href;
}

function forgotten(occasion: Occasion): Letter['second'] {
  const say = words(occasion.locale);
  const url = linkTo(occasion, '/recover');
  return { text: say('sign-up-repeated.forgotten'), label: say('setPassword'), url };
}

/** The code, unless the mail is so late that it has ended already. */
function codePart({ locale, now }: Occasion, proof: Proof): Letter['code'] {
  if (!proof.codeExpiresAt || proof.codeExpiresAt <= now) return undefined;
  const label = proof.purpose === 'proof' ? 'theCode' : 'orCode';
  return { label: words(locale)(label), value: proof.code };
}

function lifetimes({ proof, locale, now }: Occasion): string[] {
  if (!proof) return [];
  const say = words(locale);
  const { createdAt, expiresAt, codeExpiresAt, purpose } = proof;
  const minutes = (end: Date) => Math.round((end.getTime() - createdAt.getTime()) / 60_000);
  if (purpose === 'proof') return [say('codeMinutes', { minutes: minutes(expiresAt) })];
  const link = minutes(expiresAt);
  const sentence =
    link > 90 ? say('linkHours', { hours: Math.round(link / 60) }) : say('linkMinutes', { minutes: link });
  const code =
    codeExpiresAt && codeExpiresAt > now && say('codeMinutes', { minutes: minutes(codeExpiresAt) });
  return [code ? `${sentence} ${code}` : sentence];
}

function advice({ kind, locale, community: { name } }: Occasion, own: string | undefined): string[] {
  const key = adviceOf(kind);
  if (key === undefined) return [];
  return [own ?? words(locale)(key, { community: name })];
}

/** The community's words for a part, where it has some. Kept texts were checked; one that fails all the same is not used. */
function ownWords({ template, locale }: Occasion, values: Record<string, string | number>) {
  return (part: TemplatePart): string | undefined => {
    const text = template?.[part];
    if (text === undefined) return undefined;
    try {
      return fillText(text, locale, values);
    } catch {
      return undefined;
    }
  };
}
