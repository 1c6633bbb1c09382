/** What an operator reads after a test login: every claim, where it stands and why, or the refusal with its cause. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Application } from '#core/applications/applications.ts';
import { type Html, html } from '#kit/page/html.ts';
import { type KeyValue, keyValues, linkButton, notice } from '#kit/page/parts.ts';
import { problemWords } from '#signon/errors.ts';
import { previewSignIn, type SignInPreview } from '#signon/preview.ts';
import { show, type Visit } from '#signon/visit.ts';
import { oidcTeller } from './preview.ts';
import type { TestNeeds } from './test-login.ts';
import { testWords } from './test-words.ts';

/** What came of a test. */
export interface Arrived {
  /** Of the ID token. */
  claims: Record<string, unknown>;
  userinfo: Record<string, unknown>;
  idToken: string;
}

interface Whole {
  needs: TestNeeds;
  here: Visit;
  request: FastifyRequest;
  reply: FastifyReply;
  application: Application;
}

type Say = ReturnType<typeof testWords>;

/** Of the protocol, not of the person. */
const technical = [
  'iss',
  'aud',
  'azp',
  'exp',
  'iat',
  'auth_time',
  'acr',
  'amr',
  'nonce',
  'sid',
  'at_hash',
] as const;

function previewOf({ needs, here, application }: Whole): Promise<SignInPreview> {
  const { secrets } = needs;
  const tellers = [oidcTeller(needs)];
  return needs.database.read(here.context, (tx) =>
    previewSignIn(tx, { secrets, tellers }, application, here.signedOn!.person.id),
  );
}

export async function arrivedPage(
  whole: Whole & { wasAsked: boolean },
  arrived: Arrived,
): Promise<FastifyReply> {
  const { here, reply, application, wasAsked } = whole;
  const say = testWords(here.locale);
  const { title } = application.settings;
  const told = (await previewOf(whole)).tellings.flatMap((one) => one.told);
  const why = new Map(told.map((one) => [one.name, one.why]));
  return show(here, reply, {
    title: say('arrived', { application: title }),
    lede: say('arrivedLede', { application: title }),
    body: html`${notice({ tone: 'success', text: say('believed') })}
      ${wasAsked ? notice({ tone: 'info', text: say('consented'), id: 'consented' }) : ''}
      <div id="arrived">${keyValues({ rows: rowsOf(say, arrived, why), locale: here.locale })}</div>
      ${details(say('token'), JSON.stringify(arrived.claims, undefined, 2))}
      ${details(say('userinfo'), JSON.stringify(arrived.userinfo, undefined, 2))}
      ${backTo(say, application)}`,
  });
}

/** First what is told of the person, then what the protocol says of the sign-in. */
function rowsOf(say: Say, { claims, userinfo }: Arrived, why: ReadonlyMap<string, string>): KeyValue[] {
  const isTechnical = (name: string) => technical.some((one) => one === name);
  const names = [...new Set([...Object.keys(claims), ...Object.keys(userinfo)])];
  const sorted = [...names.filter((one) => !isTechnical(one)), ...names.filter(isTechnical)];
  return sorted.map((name) => {
    const known = technical.find((one) => one === name);
    const reason = known ? say(known) : (why.get(name) ?? say('other'));
    return {
      key: name,
      value: html`${written(claims[name] ?? userinfo[name])}
      <br><small class="muted">${placeOf(say, name, { claims, userinfo })}. ${reason}</small>`,
    };
  });
}

function placeOf(say: Say, name: string, { claims, userinfo }: Pick<Arrived, 'claims' | 'userinfo'>): string {
  if (!(name in claims)) return say('inUserinfo');
  return say('places', { count: name in userinfo ? 2 : 1 });
}

function written(value: unknown): string {
  if (Array.isArray(value)) return value.map(written).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A text that is folded away until somebody wants it whole. */
function details(label: string, text: string): Html {
  return html`<details><summary>${label}</summary>
    <textarea class="input" rows="10" readonly aria-label="${label}">${text}</textarea></details>`;
}

function backTo(say: Say, { id }: Application): Html {
  return linkButton({ label: say('back'), url: `/admin/apps/${id}/test`, style: 'quiet', full: true });
}

/** The refusal in the words of the protocol, and what is behind it here. */
export async function refusedPage(
  whole: Whole,
  { error = '', description = '' }: { error?: string; description?: string },
): Promise<FastifyReply> {
  const { here, reply, application } = whole;
  const say = testWords(here.locale);
  const { title } = application.settings;
  const { refused } = await previewOf(whole);
  const cause = refused && problemWords(here.locale)(refused);
  const code = /^[a-z_]{1,60}$/.test(error) ? error : 'server_error';
  const rows: KeyValue[] = [
    { key: say('error'), value: code, copy: true },
    ...(description && description !== cause ? [{ key: say('description'), value: description }] : []),
    ...(cause ? [{ key: say('why'), value: cause }] : []),
  ];
  return show(here, reply, {
    title: say('refused', { application: title }),
    lede: say('refusedLede', { application: title }),
    body: html`<div id="refused">${keyValues({ rows, locale: here.locale })}</div>${backTo(say, application)}`,
  });
}
