/**
 * Specimens: every part and both frames on pages that need no server state, for looking at and for axe.
 * `specimens()` lists them; `specimenPage(name, options)` renders one. Used by tests and by whoever changes style.css.
 */
import { checkbox, codeField, field, passwordField } from './fields.ts';
import { type Html, html } from './html.ts';
import { type AccountSlot, operatorPage, personPage } from './layout.ts';
import type { Look } from './page.ts';
import {
  actions,
  badge,
  button,
  card,
  emptyState,
  form,
  keyValues,
  linkButton,
  notice,
  pager,
  section,
  steps,
  table,
  tiles,
  time,
} from './parts.ts';
import { accountBody, ago, NOW, partsBody, token } from './specimen-parts.ts';

export interface SpecimenOptions {
  locale?: string;
  accent?: string;
  nonce?: string;
}

const account: AccountSlot = {
  displayName: 'Ada Okonkwo-Lindqvist',
  username: 'ada',
  signOutUrl: '/sign-out',
  switchUrl: '/switch-account',
  token,
};

function look(options: SpecimenOptions): Look {
  return {
    communityName: 'Northlight Community',
    accent: options.accent,
    links: [
      { title: 'Issues', url: '/go/issues' },
      { title: 'Wiki', url: '/go/wiki' },
      { title: 'Forum', url: '/go/forum' },
    ],
    helpUrl: '/help',
    footerLinks: [
      { title: 'Privacy', url: '/privacy' },
      { title: 'Imprint', url: '/imprint' },
    ],
  };
}

type Draw = (frame: { look: Look; nonce: string; locale: string }) => Html;

const PAGES: Record<string, Draw> = {
  'sign-in': (frame) => {
    const { locale } = frame;
    const forgotten = html`<a href="/recover">Forgotten it?</a>`;
    const body = form({
      url: '/sign-in',
      token,
      body: [
        field({
          name: 'username',
          label: 'User name or address',
          locale,
          autocomplete: 'username',
          literal: true,
        }),
        passwordField({
          name: 'password',
          label: 'Password',
          locale,
          autocomplete: 'current-password',
          aside: forgotten,
        }),
        button({ label: 'Sign in', id: 'sign-in', full: true }),
        html`<p class="centre small muted">New here? <a href="/sign-up">Make an account</a></p>`,
      ],
    });
    return personPage({ ...frame, title: 'Sign in', lede: 'to go on to Issues', body });
  },
  'sign-in-refused': (frame) => {
    const { locale } = frame;
    const body = html`${notice({ tone: 'danger', title: 'That user name and password do not match.', text: 'Check both, or set a new password by mail. Reference 7F3K-22QD.' })}${form(
      {
        url: '/sign-in',
        token,
        body: [
          field({
            name: 'username',
            label: 'User name or address',
            locale,
            value: 'ada',
            error: 'Write your user name or one of your addresses.',
          }),
          passwordField({
            name: 'password',
            label: 'Password',
            locale,
            autocomplete: 'current-password',
            error: 'Write your password.',
          }),
          button({ label: 'Sign in', id: 'sign-in', full: true }),
        ],
      },
    )}`;
    return personPage({ ...frame, title: 'Sign in', body });
  },
  code: (frame) => {
    const { locale } = frame;
    const body = html`${steps({ titles: ['Your account', 'Your address', 'Done'], current: 1, locale })}${form(
      {
        url: '/verify',
        token,
        body: [
          codeField({ label: 'Code from the mail', locale, help: 'Six digits, good for 30 minutes.' }),
          actions(
            button({ label: 'Confirm my address' }),
            button({ label: 'Send the mail again', style: 'plain', skipChecks: true }),
          ),
        ],
      },
    )}`;
    return personPage({
      ...frame,
      title: 'Look in your mail',
      lede: html`We sent a link and a code to <strong>ada@example.org</strong>.`,
      body,
    });
  },
  consent: (frame) => {
    const { locale } = frame;
    const body = html`${keyValues({
      locale,
      rows: [
        { key: 'Your name', value: 'Ada Okonkwo-Lindqvist' },
        { key: 'Your address', value: 'ada@example.org' },
        { key: 'Your groups', value: 'developers, testers' },
      ],
    })}${form({
      url: '/consent',
      token,
      body: [
        checkbox({
          name: 'remember',
          label: 'Do not ask again for Wiki',
          help: 'You can take this back on your account page.',
          checked: true,
        }),
        actions(
          button({ label: 'Allow', id: 'allow', name: 'answer', value: 'allow' }),
          button({ label: 'Not now', style: 'quiet', name: 'answer', value: 'deny' }),
        ),
      ],
    })}`;
    return personPage({
      ...frame,
      title: 'Wiki would like to know who you are',
      lede: 'It will see this, and nothing else.',
      body,
      account,
    });
  },
  account: (frame) =>
    personPage({
      ...frame,
      title: 'Your account',
      width: 'wide',
      lede: 'Member since 2014',
      account,
      body: accountBody(frame.locale),
    }),
  apps: (frame) => {
    const list = [
      { title: 'Issues', url: '/go/issues', text: 'Report a bug, follow its way' },
      { title: 'Wiki', url: '/go/wiki', text: 'How everything works' },
      { title: 'Forum', url: '/go/forum', text: 'Ask, answer, get to know people' },
      { title: 'Medical records', url: '/go/records' },
    ];
    return personPage({ ...frame, title: 'Your apps', width: 'wide', account, body: tiles(list) });
  },
  parts: (frame) =>
    personPage({ ...frame, title: 'Parts', width: 'wide', account, body: partsBody(frame.locale) }),
  operator: (frame) => operator(frame),
};

function operator(frame: { look: Look; nonce: string; locale: string }): Html {
  const { locale } = frame;
  const people = Array.from({ length: 14 }, (_, index) => ({
    name: ['Ada Okonkwo', 'Bela Novák', 'Chen Wei', 'Dipo Adeyemi', 'Elif Şahin'][index % 5] as string,
    username: `person${index + 1}`,
    standing: (['success', 'success', 'warning', 'neutral'] as const)[index % 4] as 'success',
    seen: ago(index * 790 + 3),
  }));
  const labels = { success: 'Active', warning: 'Locked', neutral: 'Left' };
  const body = html`<div class="stack">${card(
    table({
      caption: 'People',
      columns: [
        { title: 'Name', cell: (row) => html`<a href="/admin/people/${row.username}">${row.name}</a>` },
        { title: 'User name', cell: (row) => row.username },
        { title: 'State', cell: (row) => badge({ tone: row.standing, label: labels[row.standing] }) },
        { title: 'Last sign-in', cell: (row) => time({ at: row.seen, now: NOW, locale }), number: true },
      ],
      rows: people,
      empty: emptyState({ title: 'No people yet' }),
    }),
    pager({ from: 1, to: 14, total: 2014, nextUrl: '?after=14', locale }),
  )}${section({
    title: 'Wiki',
    body: keyValues({
      locale,
      rows: [
        { key: 'Client', term: 'client_id', value: 'wiki', copy: true },
        {
          key: 'Where it listens',
          term: 'redirect_uri',
          value: 'https://wiki.example.org/oauth2/callback',
          copy: true,
        },
        { key: 'Consent', value: 'Trusted: nobody is asked' },
      ],
    }),
  })}</div>`;
  const navigation = ['People', 'Groups', 'Apps', 'Events', 'Tokens', 'Settings'].map((title) => ({
    id: title.toLowerCase(),
    title,
    url: `/admin/${title.toLowerCase()}`,
  }));
  return operatorPage({
    ...frame,
    title: 'People',
    lede: '2,014 people, 1,988 of them active',
    navigation,
    current: 'people',
    account,
    actions: linkButton({ label: 'Import people', url: '/admin/import', compact: true }),
    body,
  });
}

export function specimens(): string[] {
  return Object.keys(PAGES);
}

export function specimenPage(name: string, options: SpecimenOptions = {}): Html {
  const draw = PAGES[name];
  if (!draw) throw new Error(`No such specimen: ${name}`);
  return draw({ look: look(options), nonce: options.nonce ?? 'specimen', locale: options.locale ?? 'en' });
}
