/** `/account`: everything at a glance, each part with its own way to change it. */

import { currentMailbox } from '#core/aliases/mailboxes.ts';
import { listApplications } from '#core/applications/applications.ts';
import { passwordSetAt } from '#core/credentials/credentials.ts';
import { factorsOf } from '#core/credentials/factors.ts';
import { type AttributeDeclaration, attributeDeclarations, attributesOf } from '#core/people/attributes.ts';
import { type Address, listAddresses } from '#core/people/people.ts';
import { type ProblemCode, problems } from '#core/problem.ts';
import { lastSignIns, listSessions, listSignIns, type Session } from '#core/sessions/sessions.ts';
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
  lines,
  linkButton,
  notice,
  section,
  time,
  timeline,
} from '#kit/page/parts.ts';
import { problemWords } from '#signon/errors.ts';
import { type PageNeeds, show } from '#signon/visit.ts';
import { accountsSection, myAccounts } from './accounts-there.ts';
import { factorSection } from './factors.ts';
import { type Home, home } from './guest.ts';
import { linksSection, myLinks, saidOfLinks } from './links.ts';
import { mailSection } from './mail-view.ts';

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
      ${passwordSection(here, facts.passwordSet)}
      ${factorSection(here, facts.factors)}
      ${linksSection(here, facts.links)}
      ${mailSection(here, facts.mailbox)}
      ${sessionSection(here, facts.sessions)}
      ${appSection(here, facts)}
      ${accountsSection(here, facts.accounts)}
      ${historySection(here, facts)}`;
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
  const passwordSet = await passwordSetAt(tx, person);
  const factors = await factorsOf(tx, person);
  const titles = new Map((await listApplications(tx)).map((one) => [one.id, one.settings.title]));
  const used = [...((await lastSignIns(tx, [person])).get(person) ?? [])].filter(([id]) => titles.has(id));
  const accounts = await myAccounts(tx, person, titles);
  const links = await myLinks(tx, person);
  const mailbox = await currentMailbox(tx, person);
  return {
    declared,
    values,
    addresses,
    sessions,
    signIns,
    passwordSet,
    factors,
    titles,
    used,
    accounts,
    links,
    mailbox,
  };
}
type Facts = Awaited<ReturnType<typeof readFacts>>;

function saidNotice(here: Home, said: string | undefined): Html | undefined {
  const texts = {
    saved: 'saved',
    confirmed: 'savedConfirmed',
    password: 'savedPassword',
    address: 'savedAddress',
    known: 'knownAddress',
    session: 'savedSession',
    consent: 'savedConsent',
  } as const;
  const key = said && Object.hasOwn(texts, said) ? texts[said as keyof typeof texts] : undefined;
  const text = key ? here.tell(key) : saidOfLinks(here, said);
  return text ? notice({ tone: key === 'knownAddress' ? 'info' : 'success', text }) : undefined;
}

function profileSection(here: Home, facts: Facts): Html {
  const { tell, locale } = here;
  const { person } = here.signedOn;
  const name = [person.givenName, person.familyName].filter(Boolean).join(' ');
  const visible = facts.declared.filter((one) => one.visible !== 'operators');
  const rows = [
    { key: tell('username'), value: person.username },
    { key: tell('displayName'), value: person.displayName },
    ...(name && name !== person.displayName ? [{ key: tell('name'), value: name }] : []),
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

function shown(here: Home, one: AttributeDeclaration, value: unknown): string | Html {
  if (one.type === 'boolean') return value === true ? here.tell('yes') : here.tell('no');
  if (value === undefined) return html`<span class="muted">${here.tell('notGiven')}</span>`;
  if (one.type === 'number') return Number(value).toLocaleString(here.locale);
  if (one.type === 'date') {
    return new Date(`${value}T00:00:00Z`).toLocaleDateString(here.locale, {
      dateStyle: 'long',
      timeZone: 'UTC',
    });
  }
  return String(value);
}

function passwordSection(here: Home, setAt: Date | undefined): Html {
  const { tell, locale, now } = here;
  return section({
    title: tell('password'),
    id: 'password-section',
    body: setAt && html`<p>${tell.html('passwordSet', { when: time({ at: setAt, now, locale }) })}</p>`,
    action: linkButton({
      label: tell('changePassword'),
      url: '/account/password',
      style: 'quiet',
      compact: true,
    }),
  });
}

/** The apps used last; the whole list has a page of its own. */
function appSection(here: Home, { used, titles }: Facts): Html {
  const { tell, locale, now } = here;
  const latest = used.sort(([, a], [, b]) => b.getTime() - a.getTime()).slice(0, 5);
  const items = latest.map(([id, at]) => ({
    what: html`<a href="/go/${id}">${titles.get(id)}</a>`,
    more: tell.html('usedWhen', { when: time({ at, now, locale }) }),
  }));
  return section({
    title: tell('apps'),
    id: 'apps-section',
    body:
      items.length > 0
        ? lines({ items, label: tell('apps') })
        : html`<p class="muted">${tell('noAppUsed')}</p>`,
    action: linkButton({ label: tell('allApps'), url: '/apps', style: 'quiet', compact: true }),
  });
}

function addressSection(here: Home, addresses: readonly Address[]): Html {
  const { tell, locale } = here;
  const act = (address: Address, verb: string, label: string) =>
    formButton({
      label,
      url: `/account/addresses/${address.id}/${verb}`,
      token: here.formToken,
      compact: true,
      describe: `${label}: ${address.address}`,
    });
  const does = (address: Address) =>
    [
      address.verifiedAt
        ? !address.primary && act(address, 'primary', tell('makeMain'))
        : act(address, 'confirm', tell('confirm')),
      !address.primary && act(address, 'remove', tell('remove')),
    ].filter((one) => one !== false);
  const items = addresses.map((address) => ({
    what: address.address,
    more: html`${address.primary ? badge({ tone: 'info', label: tell('main') }) : ''} ${
      address.verifiedAt
        ? badge({ tone: 'success', label: tell('confirmed') })
        : badge({ tone: 'warning', label: tell('notConfirmed') })
    }`,
    actions: does(address).length > 0 && does(address),
  }));
  const addForm = form({
    url: '/account/addresses',
    token: here.formToken,
    body: field({
      name: 'email',
      type: 'email',
      label: tell('addAddress'),
      locale,
      autocomplete: 'email',
      maxlength: 254,
      help: tell('addAddressHelp'),
      beside: button({ label: tell('add'), id: 'add-address', style: 'quiet' }),
    }),
  });
  return section({
    title: tell('addresses'),
    id: 'addresses-section',
    body: html`${lines({ items, label: tell('addresses') })}${addForm}`,
  });
}

function sessionSection(here: Home, sessions: readonly Session[]): Html {
  const { tell, locale, now } = here;
  const mine = here.signedOn.session.id;
  const items = sessions.map((one) => ({
    what: html`${one.device} ${one.id === mine ? badge({ tone: 'info', label: tell('thisOne') }) : ''}`,
    more: tell.html('sessionFacts', {
      network: one.network,
      seen: time({ at: one.lastSeenAt, now, locale }),
      since: time({ at: one.createdAt, now, locale }),
    }),
    actions:
      one.id !== mine &&
      formButton({
        label: tell('end'),
        url: `/account/sessions/${one.id}/end`,
        token: here.formToken,
        compact: true,
        describe: `${tell('end')}: ${one.device}`,
      }),
  }));
  const ending = (verb: 'end-others' | 'end-all', label: string) =>
    formButton({ label, url: `/account/sessions/${verb}`, token: here.formToken, compact: true, id: verb });
  const endings = html`<div class="actions">
    ${sessions.length > 1 ? ending('end-others', tell('endOthers')) : ''}
    ${ending('end-all', tell('endAll'))}</div>`;
  const body = html`${lines({ items, label: tell('sessions') })}${endings}`;
  return section({ title: tell('sessions'), id: 'sessions-section', body });
}

function historySection(here: Home, { signIns, titles }: Facts): Html {
  const { tell, locale, now } = here;
  const texts = problemWords(locale);
  const entries = signIns.map((one) => {
    const app = one.application && (titles.get(one.application) ?? one.application);
    const refused = Object.hasOwn(problems, one.outcome) ? texts(one.outcome as ProblemCode) : one.outcome;
    return {
      at: one.at,
      tone: one.outcome === 'ok' ? ('success' as const) : ('warning' as const),
      what: one.outcome === 'ok' ? tell('ok') : refused,
      more: [app, one.device, one.network].filter(Boolean).join(' · '),
    };
  });
  const body =
    entries.length > 0 ? timeline({ entries, locale, now }) : emptyState({ title: tell('noHistory') });
  return section({ title: tell('history'), id: 'history-section', body });
}
