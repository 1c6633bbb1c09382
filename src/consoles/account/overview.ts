/** `/account`: everything at a glance, each part with its own way to change it. */

import { type AttributeDeclaration, attributeDeclarations, attributesOf } from '#core/people/attributes.ts';
import { type Address, listAddresses } from '#core/people/people.ts';
import { type ProblemCode, problems } from '#core/problem.ts';
import { listSessions, listSignIns, type Session, type SignIn } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { field } from '#kit/page/fields.ts';
import { type Html, html } from '#kit/page/html.ts';
import {
  badge,
  button,
  emptyState,
  form,
  formButton,
  keyValues,
  linkButton,
  notice,
  section,
  table,
  time,
} from '#kit/page/parts.ts';
import { problemWords } from '#signon/errors.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { type Home, home } from './guest.ts';

/** GET /account. */
export function overviewRoutes(app: App, needs: PageNeeds): void {
  app.get('/account', { config: { door: 'page' } }, async (request, reply) => {
    const here = await home(needs, request, reply);
    if (!here) return reply;
    const facts = await needs.database.read(here.context, (tx) => readFacts(tx, here.signedOn.person.id));
    const said = (request.query as Record<string, string | undefined>).said;
    const body = html`
      ${saidNotice(here, said)}
      ${profileSection(here, facts)}
      ${addressSection(here, facts.addresses)}
      ${section({
        title: here.tell('password'),
        id: 'password-section',
        body: html``,
        action: linkButton({
          label: here.tell('changePassword'),
          url: '/account/password',
          style: 'quiet',
          compact: true,
        }),
      })}
      ${sessionSection(here, facts.sessions)}
      ${section({
        title: here.tell('apps'),
        id: 'apps-section',
        body: html``,
        action: linkButton({ label: here.tell('apps'), url: '/apps', style: 'quiet', compact: true }),
      })}
      ${historySection(here, facts.signIns)}`;
    return show(here, reply, {
      title: here.tell('title'),
      lede: here.tell('lede', { community: here.community.name }),
      width: 'wide',
      body,
    });
  });
}

async function readFacts(tx: Tx, person: string) {
  const declared = await attributeDeclarations(tx);
  const values = (await attributesOf(tx, [person])).get(person) ?? {};
  const addresses = await listAddresses(tx, [person]);
  const sessions = await listSessions(tx, person);
  const signIns = await listSignIns(tx, person, 10);
  return { declared, values, addresses, sessions, signIns };
}
type Facts = Awaited<ReturnType<typeof readFacts>>;

function saidNotice(here: Home, said: string | undefined): Html | undefined {
  const texts = {
    saved: 'saved',
    confirmed: 'savedConfirmed',
    password: 'savedPassword',
    address: 'savedAddress',
    session: 'savedSession',
    consent: 'savedConsent',
  } as const;
  const key = said && Object.hasOwn(texts, said) ? texts[said as keyof typeof texts] : undefined;
  return key && notice({ tone: 'success', text: here.tell(key) });
}

function profileSection(here: Home, facts: Facts): Html {
  const { tell, locale } = here;
  const { person } = here.signedOn;
  const visible = facts.declared.filter((one) => one.visible !== 'operators');
  const rows = [
    { key: tell('username'), value: person.username },
    { key: tell('displayName'), value: person.displayName },
    {
      key: tell('name'),
      value: [person.givenName, person.familyName].filter(Boolean).join(' ') || tell('notGiven'),
    },
    ...visible.map((one) => ({ key: one.title, value: shown(here, one, facts.values[one.name]) })),
    { key: tell('since'), value: time({ at: person.createdAt, now: here.now, locale }) },
  ];
  return section({
    title: tell('profile'),
    id: 'profile-section',
    body: keyValues({ rows, locale }),
    action: linkButton({ label: tell('edit'), url: '/account/profile', style: 'quiet', compact: true }),
  });
}

function shown(here: Home, one: AttributeDeclaration, value: unknown): string {
  if (one.type === 'boolean') return value === true ? here.tell('yes') : here.tell('no');
  return value === undefined ? here.tell('notGiven') : String(value);
}

function addressSection(here: Home, addresses: readonly Address[]): Html {
  const { tell, locale } = here;
  const act = (address: Address, verb: string, label: string, style: 'quiet' | 'danger' = 'quiet') =>
    formButton({
      label,
      url: `/account/addresses/${address.id}/${verb}`,
      token: here.formToken,
      style,
      compact: true,
      describe: `${label}: ${address.address}`,
    });
  const items = addresses.map((address) => {
    const state = address.verifiedAt
      ? badge({ tone: 'success', label: tell('confirmed') })
      : badge({ tone: 'warning', label: tell('notConfirmed') });
    return html`<li class="line"><span class="line-text">${address.address} ${address.primary ? badge({ tone: 'info', label: tell('main') }) : ''} ${state}</span>
      <span class="actions">${address.verifiedAt ? '' : act(address, 'confirm', tell('confirm'))}
      ${address.verifiedAt && !address.primary ? act(address, 'primary', tell('makeMain')) : ''}
      ${address.primary ? '' : act(address, 'remove', tell('remove'))}</span></li>`;
  });
  const addForm = form({
    url: '/account/addresses',
    token: here.formToken,
    body: html`<div class="row">${field({ name: 'email', type: 'email', label: tell('addAddress'), locale, autocomplete: 'email', maxlength: 254, help: tell('addAddressHelp') })}${button({ label: tell('add'), id: 'add-address', style: 'quiet' })}</div>`,
  });
  return section({
    title: tell('addresses'),
    id: 'addresses-section',
    body: html`<ul class="plain-list">${items}</ul>${addForm}`,
  });
}

function sessionSection(here: Home, sessions: readonly Session[]): Html {
  const { tell, locale, now } = here;
  const mine = here.signedOn.session.id;
  const rows = table({
    caption: tell('sessions'),
    rows: sessions,
    empty: emptyState({ title: tell('noHistory') }),
    columns: [
      {
        title: tell('device'),
        cell: (one) =>
          html`${one.device} ${one.id === mine ? badge({ tone: 'info', label: tell('thisOne') }) : ''}`,
      },
      { title: tell('network'), cell: (one) => one.network },
      { title: tell('lastSeen'), cell: (one) => time({ at: one.lastSeenAt, now, locale }) },
      { title: tell('signedInAt'), cell: (one) => time({ at: one.createdAt, now, locale }) },
      {
        title: '',
        cell: (one) =>
          one.id === mine
            ? ''
            : formButton({
                label: tell('end'),
                url: `/account/sessions/${one.id}/end`,
                token: here.formToken,
                style: 'quiet',
                compact: true,
                describe: `${tell('end')}: ${one.device}`,
              }),
      },
    ],
  });
  const endings = html`<div class="actions">
    ${sessions.length > 1 ? formButton({ label: tell('endOthers'), url: '/account/sessions/end-others', token: here.formToken, style: 'quiet' }) : ''}
    ${formButton({ label: tell('endAll'), url: '/account/sessions/end-all', token: here.formToken, style: 'danger' })}</div>`;
  return section({ title: tell('sessions'), id: 'sessions-section', body: html`${rows}${endings}` });
}

function historySection(here: Home, signIns: readonly SignIn[]): Html {
  const { tell, locale, now } = here;
  const texts = problemWords(locale);
  const outcome = (one: SignIn) =>
    one.outcome === 'ok'
      ? badge({ tone: 'success', label: tell('ok') })
      : html`${Object.hasOwn(problems, one.outcome) ? texts(one.outcome as ProblemCode) : one.outcome}`;
  const body = table({
    caption: tell('history'),
    rows: signIns,
    empty: emptyState({ title: tell('noHistory') }),
    columns: [
      { title: tell('when'), cell: (one) => time({ at: one.at, now, locale }) },
      { title: tell('device'), cell: (one) => one.device },
      { title: tell('network'), cell: (one) => one.network },
      { title: tell('app'), cell: (one) => one.application ?? '' },
      { title: tell('outcome'), cell: outcome },
    ],
  });
  return section({ title: tell('history'), id: 'history-section', body });
}
