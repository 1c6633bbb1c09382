/** What stands on the specimen pages: an account, its log, every field and every state. */
import { checkboxes, field, passwordField, radios, selectField } from './fields.ts';
import { type Html, html } from './html.ts';
import {
  actions,
  badge,
  button,
  card,
  emptyState,
  errorSummary,
  form,
  formButton,
  keyValues,
  linkButton,
  notice,
  progress,
  section,
  table,
  time,
  timeline,
} from './parts.ts';

/** The moment at which every specimen is looked at. */
export const NOW = new Date('2026-11-22T09:30:00Z');
export const ago = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000);
export const token = html`<input type="hidden" name="form_token" value="specimen">`;

export function accountBody(locale: string): Html {
  return html`${section({
    title: 'Who you are',
    action: linkButton({ label: 'Change', url: '/account/profile', style: 'quiet', compact: true }),
    body: keyValues({
      locale,
      rows: [
        { key: 'Name', value: 'Ada Okonkwo-Lindqvist' },
        { key: 'User name', value: 'ada', copy: true },
        { key: 'Country', value: 'Nigeria' },
      ],
    }),
  })}${section({ title: 'Addresses', body: addresses() })}${section({ title: 'Where you are signed in', body: sessions(locale) })}${section({ title: 'Last sign-ins', body: log(locale) })}`;
}

function addresses(): Html {
  const rows = [
    { address: 'ada@example.org', primary: true },
    { address: 'a.okonkwo-lindqvist@universitaetsbibliothek.example', primary: false },
  ];
  return table({
    caption: 'Your addresses',
    columns: [
      { title: 'Address', cell: (row) => row.address },
      {
        title: 'State',
        cell: (row) =>
          row.primary
            ? badge({ tone: 'success', label: 'Primary' })
            : badge({ tone: 'warning', label: 'Not confirmed' }),
      },
      {
        title: 'What you can do',
        actions: true,
        cell: (row) =>
          row.primary
            ? ''
            : formButton({
                label: 'Remove',
                url: '/account/addresses/remove',
                token,
                compact: true,
                describe: `Remove ${row.address}`,
              }),
      },
    ],
    rows,
    empty: emptyState({ title: 'No address yet' }),
  });
}

function sessions(locale: string): Html {
  const rows = [
    { device: 'Firefox on Linux', network: '203.0.113.x', seen: ago(2), here: true },
    { device: 'Safari on iPhone', network: '2001:db8:12::', seen: ago(60 * 26), here: false },
  ];
  return table({
    caption: 'Your sessions',
    columns: [
      {
        title: 'Device',
        cell: (row) => html`${row.device} ${row.here ? badge({ tone: 'info', label: 'This one' }) : ''}`,
      },
      { title: 'Network', cell: (row) => row.network },
      { title: 'Last seen', cell: (row) => time({ at: row.seen, now: NOW, locale }) },
      {
        title: 'What you can do',
        actions: true,
        cell: () =>
          formButton({
            label: 'End',
            url: '/account/sessions/end',
            token,
            compact: true,
            describe: 'End this session',
          }),
      },
    ],
    rows,
    empty: emptyState({ title: 'Nowhere else' }),
  });
}

function log(locale: string): Html {
  return timeline({
    locale,
    now: NOW,
    entries: [
      { at: ago(2), tone: 'success', what: 'Signed in to Wiki', more: 'Firefox on Linux, 203.0.113.x' },
      {
        at: ago(190),
        tone: 'danger',
        what: 'A wrong password was tried',
        more: 'Unknown device, 198.51.100.x',
      },
      { at: ago(60 * 24 * 3), tone: 'info', what: 'Password changed' },
    ],
  });
}

export function partsBody(locale: string): Html {
  return html`${card(
    notice({ tone: 'info', text: 'Old passwords work: use the one you had before.' }),
    notice({ tone: 'success', text: 'Your address is confirmed.' }),
    notice({
      tone: 'warning',
      title: 'This app is reached over plain http.',
      text: 'Anyone on its network can read what it sends.',
    }),
    notice({
      tone: 'danger',
      text: 'The mail could not be sent. Try again in a minute; reference 7F3K-22QD.',
    }),
    html`<p class="row">${badge({ tone: 'success', label: 'Active' })}${badge({ tone: 'neutral', label: 'Left' })}${badge({ tone: 'warning', label: 'Locked' })}${badge({ tone: 'danger', label: 'Suspended' })}${badge({ tone: 'info', label: 'Merged' })}</p>`,
  )}${card(fields(locale))}${card(progress({ label: 'Importing people', value: 1240, max: 2000 }))}${card(emptyState({ title: 'No mail yet', text: 'Every mail the community sends is shown here.', action: linkButton({ label: 'Make an account', url: '/sign-up' }) }))}`;
}

function fields(locale: string): Html {
  const country = {
    name: 'country',
    label: 'Country',
    locale,
    options: [
      { value: 'fi', label: 'Finland' },
      { value: 'ng', label: 'Nigeria' },
    ],
  };
  return form({
    url: '/specimen',
    token,
    body: [
      errorSummary({
        locale,
        errors: {
          nickname: 'Choose a user name of 3 to 21 letters, digits or dots.',
          'new-password': 'Use at least 8 characters.',
        },
      }),
      field({
        name: 'nickname',
        label: 'User name',
        locale,
        value: 'A!',
        help: 'Everyone can see it. Letters, digits and dots.',
        error: 'Choose a user name of 3 to 21 letters, digits or dots.',
      }),
      passwordField({
        name: 'new-password',
        label: 'New password',
        locale,
        autocomplete: 'new-password',
        error: 'Use at least 8 characters.',
      }),
      selectField(country),
      field({ name: 'about', label: 'About you', locale, required: false, rows: 3 }),
      field({ name: 'number', label: 'Member number', locale, value: '000417', readonly: true }),
      radios({
        name: 'mail',
        legend: 'How often may we write?',
        value: 'weekly',
        options: [
          { value: 'daily', label: 'Every day' },
          { value: 'weekly', label: 'Once a week', help: 'On Mondays' },
        ],
      }),
      checkboxes({
        name: 'groups',
        legend: 'Groups',
        values: ['testers'],
        options: [
          { value: 'developers', label: 'Developers' },
          { value: 'testers', label: 'Testers' },
        ],
      }),
      actions(
        button({ label: 'Save changes' }),
        linkButton({ label: 'Back', url: '/account', style: 'quiet' }),
        button({ label: 'Deactivate 12 people', style: 'danger' }),
        button({ label: 'Not yet', disabled: true }),
      ),
    ],
  });
}
