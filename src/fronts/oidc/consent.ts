/** The pages a person may meet on the way to an app: what would be shared, which account, and why not. */
import type { FastifyReply } from 'fastify';
import type { Application } from '#core/applications/applications.ts';
import { type AttributeDeclaration, attributeDeclarations } from '#core/people/attributes.ts';
import { Problem } from '#core/problem.ts';
import { type Html, html } from '#kit/page/html.ts';
import { button, form, type KeyValue, keyValues, notice } from '#kit/page/parts.ts';
import { pageStatus, problemWords } from '#signon/errors.ts';
import type { GateNeeds } from '#signon/gate.ts';
import { switchAccountForm } from '#signon/sign-out.ts';
import { traceRefused } from '#signon/trace.ts';
import { show } from '#signon/visit.ts';
import { isUnassured } from './clients.ts';
import type { Asking } from './interactions.ts';
import { type SharedDetail, sharedDetails } from './profile.ts';
import { paths } from './provider.ts';
import { words } from './words.ts';

type Say = ReturnType<typeof words>;

function answerForm(asking: Asking, answer: string, body: Html): Html {
  const url = `${paths.interaction}/${asking.interaction.uid}/${answer}`;
  return form({ url, token: asking.here.formToken, body });
}

/** What the app would learn, with the person's own values (OA-17). */
export async function consentPage(
  needs: Pick<GateNeeds, 'database'>,
  asking: Asking,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { here, standing } = asking;
  const say = words(here.locale);
  const application = standing.application.settings.title;
  const declarations = await needs.database.read(here.context, attributeDeclarations);
  const rows = sharedRows(say, asking, declarations);
  return show(here, reply, {
    title: say('consentTitle', { application }),
    lede: say('consentLede', { application }),
    formAction: asking.formAction,
    body: html`
      ${registeredNotice(say, standing.application)}
      ${isUnassured(standing.application) ? notice({ tone: 'warning', text: say('unassured'), id: 'unassured' }) : ''}
      <div id="shared">${keyValues({ rows, locale: here.locale })}</div>
      ${answerForm(asking, 'allow', button({ label: say('allow'), id: 'allow', full: true }))}
      ${answerForm(asking, 'back', button({ label: say('deny'), id: 'deny', style: 'quiet', full: true }))}`,
  });
}

/** Names are easily chosen: whoever meets an app that nobody here has looked at reads where it really leads. */
function registeredNotice(say: Say, { settings: { oidc } }: Application): Html | string {
  if (!oidc?.registered) return '';
  const hosts = [...new Set(oidc.redirectUris.map((uri) => new URL(uri).host))].join(', ');
  return notice({ tone: 'warning', text: say('registered', { hosts }), id: 'registered' });
}

type Sharing = Pick<Asking, 'standing' | 'scopes' | 'claims'>;

/** One line for everything the app would learn, the person's own values beside it. */
export function sharedRows(
  say: Say,
  asking: Sharing,
  declarations: readonly AttributeDeclaration[],
): KeyValue[] {
  const { standing, scopes, claims } = asking;
  const { profile } = standing;
  if (!profile) throw new Problem('application-forbidden');
  const details = sharedDetails(profile, scopes, claims, declarations).map((one) => line(say, asking, one));
  const rows: KeyValue[] = [subjectLine(say, asking), ...details];
  if (scopes.includes('offline_access'))
    rows.push({ key: say('shareOffline'), value: say('shareOfflineValue') });
  return rows;
}

function subjectLine(say: Say, asking: Sharing): KeyValue {
  const kind = asking.standing.application.settings.subject;
  const profile = asking.standing.profile;
  if (kind === 'username' && profile) return { key: say('shareSubject'), value: profile.subject };
  const key = kind === 'public' ? 'shareSubjectPublic' : 'shareSubjectValue';
  return { key: say('shareSubject'), value: say(key) };
}

function line(say: Say, asking: Sharing, detail: SharedDetail): KeyValue {
  const value = Array.isArray(detail.value) ? detail.value.join(', ') || say('none') : detail.value;
  if ('title' in detail.label) return { key: detail.label.title, value };
  const labels: Record<string, Parameters<Say>[0]> = {
    name: 'shareName',
    preferred_username: 'shareUsername',
    email: 'shareEmail',
    locale: 'shareLocale',
    groups: 'shareGroups',
    roles: 'shareRoles',
  };
  const unconfirmed =
    detail.label.claim === 'email' && asking.standing.profile?.released.emailVerified === false;
  return {
    key: say(labels[detail.label.claim] ?? 'shareSubject'),
    value: unconfirmed ? say('shareEmailUnconfirmed', { address: value }) : value,
  };
}

/** Which account: the one that is signed in, or another. `other` = the app insists on another one. */
export function choosePage(
  asking: Asking,
  reply: FastifyReply,
  signOn: string,
  other: boolean,
): FastifyReply {
  const { here, standing, signedOn } = asking;
  const say = words(here.locale);
  const name = signedOn.person.displayName;
  const application = standing.application.settings.title;
  const proceed = answerForm(
    asking,
    'continue',
    button({ label: say('continueAs', { name }), id: 'continue', full: true }),
  );
  return show(here, reply, {
    title: other ? say('otherAskedTitle') : say('chooseTitle'),
    lede: other ? say('otherAskedLede', { application, name }) : say('chooseLede', { name }),
    formAction: asking.formAction,
    body: html`${other ? '' : proceed}
      ${switchAccountForm(here, say('switchAccount'), signOn)}
      ${backForm(say, asking)}`,
  });
}

/** Why this person cannot enter, with every way out. */
export function refusedPage(asking: Asking, reply: FastifyReply, signOn: string): FastifyReply {
  const { here, standing } = asking;
  const say = words(here.locale);
  const code = standing.refusal?.code ?? 'application-forbidden';
  traceRefused(here.request, code);
  return show(here, reply, {
    title: say('refusedTitle', { application: standing.application.settings.title }),
    status: pageStatus[code],
    formAction: asking.formAction,
    lede: html`<span id="problem">${problemWords(here.locale)(code)}</span>`,
    body: html`${switchAccountForm(here, say('switchAccount'), signOn)}
      ${backForm(say, asking)}`,
  });
}

function backForm(say: Say, asking: Asking): Html {
  const label = say('backToApp', { application: asking.standing.application.settings.title });
  return answerForm(asking, 'back', button({ label, id: 'back', style: 'plain', full: true }));
}
