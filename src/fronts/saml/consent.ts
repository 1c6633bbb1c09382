/** The pages a person may meet on the way to an app: what would be shared, which account, and why not. */
import type { FastifyReply } from 'fastify';
import { nameIdSource } from '#core/applications/saml-settings.ts';
import { attributeDeclarations } from '#core/people/attributes.ts';
import type { ProblemCode } from '#core/problem.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, type KeyValue, keyValues } from '#kit/page/parts.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import { switchAccountForm } from '#signon/sign-out.ts';
import { traceRefused } from '#signon/trace.ts';
import { show, type Visit } from '#signon/visit.ts';
import type { AnswerNeeds, Open } from './answer.ts';
import { paths } from './place.ts';
import type { SharedDetail } from './profile.ts';
import { words } from './words.ts';

type Say = ReturnType<typeof words>;

function answerForm(here: Visit, open: Open, answer: string, body: Html): Html {
  return form({ url: `${paths.sso}/${open.id}/${answer}`, token: here.formToken, body });
}

/** What the app would learn, with the person's own values (OA-17). */
export async function consentPage(
  needs: AnswerNeeds,
  here: Visit,
  reply: FastifyReply,
  open: Open,
  step: { consent: readonly SharedDetail[] },
): Promise<FastifyReply> {
  const say = words(here.locale);
  const application = open.sp.application.settings.title;
  const declarations = await needs.database.read(here.context, attributeDeclarations);
  const titles = new Map(declarations.map((one) => [`attribute:${one.name}`, one.title]));
  const rows: KeyValue[] = [
    { key: say('who'), value: whoOf(say, open) },
    ...step.consent.map(({ from, values }) => ({
      key: titles.get(from) ?? (isDetail(from) ? say(from) : from.replace(/^attribute:/, '')),
      value: values.join(', '),
    })),
  ];
  return show(here, reply, {
    title: say('consentTitle', { application }),
    lede: say('consentLede', { application }),
    body: html`<div id="shared">${keyValues({ rows, locale: here.locale })}</div>
      ${answerForm(here, open, 'allow', button({ label: say('allow'), id: 'allow', full: true }))}
      ${answerForm(here, open, 'back', button({ label: say('deny'), id: 'deny', style: 'quiet', full: true }))}`,
  });
}

const details = [
  'name',
  'givenName',
  'familyName',
  'username',
  'email',
  'locale',
  'updatedAt',
  'groups',
  'roles',
] as const;

function isDetail(from: string): from is (typeof details)[number] {
  return details.some((one) => one === from);
}

function whoOf(say: Say, { sp }: Open): string {
  const source = nameIdSource(sp.saml);
  if (source === 'random') return say('whoOnce');
  if (source === 'address') return say('email');
  const kind = sp.application.settings.subject;
  if (source === 'username' || kind === 'username') return say('username');
  return say(kind === 'public' ? 'whoPublic' : 'whoOnly');
}

/** The app named another person than the one who is signed in. */
export function otherAccountPage(here: Visit, reply: FastifyReply, open: Open, signOn: string): FastifyReply {
  const say = words(here.locale);
  const application = open.sp.application.settings.title;
  return show(here, reply, {
    title: say('otherTitle'),
    lede: say('otherLede', { application, name: here.signedOn?.person.displayName ?? '' }),
    body: html`${switchAccountForm(here, say('switchAccount'), signOn)}${backForm(say, here, open)}`,
  });
}

/** Why this person cannot enter, with every way out. */
export function refusedPage(
  here: Visit,
  reply: FastifyReply,
  open: Open,
  code: ProblemCode,
  signOn: string,
): FastifyReply {
  traceRefused(here.request, code);
  const say = words(here.locale);
  return show(here, reply, {
    title: say('refusedTitle', { application: open.sp.application.settings.title }),
    status: pageStatus[code],
    lede: html`<span id="problem">${problemWords(here.locale)(code)}</span>`,
    body: html`${switchAccountForm(here, say('switchAccount'), signOn)}${backForm(say, here, open)}`,
  });
}

function backForm(say: Say, here: Visit, open: Open): Html {
  const asked = open.asked.id !== undefined;
  const label = asked
    ? say('backToApp', { application: open.sp.application.settings.title })
    : say('backToApps');
  return answerForm(here, open, 'back', button({ label, id: 'back', style: 'plain', full: true }));
}
