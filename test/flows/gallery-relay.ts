/** The console's pages about mail of apps, its health, and letters. */
import type { Page } from 'playwright-core';
import { makeRelayKey } from '#fronts/relay/keys.ts';
import { relayAppSettings } from '#fronts/relay/settings.ts';
import { relayHouse, saveRelayApp, saveRelayHouse } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { saveTemplate } from '#notices/templates.ts';
import type { Gallery } from './gallery-community.ts';
import { settled, type View } from './gallery-views.ts';

const settings = relayAppSettings.parse({
  networks: ['list:atlassian', '192.0.2.0/24'],
  domains: ['am.atlassian.com', '*.issues.example'],
  envelope: ['*@bounces.am.atlassian.com'],
  messageClasses: [
    { class: 'security', subject: 'New sign-in' },
    { class: 'digest', subject: 'Daily digest', sender: 'noreply' },
  ],
  budgets: { perApp: 5000 },
});

/** Weeks of mail, a publication that waits, and two requests. */
async function prepare({ database, secrets }: Gallery): Promise<void> {
  await database.transact(system('admin'), async (tx) => {
    const house = await relayHouse(tx);
    if (house.allowlists.atlassian) return;
    const allowlists = {
      atlassian: {
        url: 'https://ip-ranges.issues.example/',
        product: 'email',
        direction: 'egress',
        shrinkGuard: 0.2,
        everyMinutes: 60,
      },
    };
    await saveRelayHouse(tx, { ...house, allowlists });
    await saveRelayApp(tx, 'issues', settings);
    await makeRelayKey(tx, secrets, { domain: 'members.northlight.example', algorithm: 'rsa-sha256' });
    await saveTemplate(tx, 'recovery', 'en', {
      subject: 'Back into {community}',
      text: 'Hello {username},\n\nsomebody asked for a new password for you. Choose it here.',
    });
    for (const text of fillings) await tx.query(text);
  });
}

const fillings = [
  `insert into relay_lists (name, networks, held, held_at, checked_at, fetched_at, changed_at)
   values ('atlassian', array['104.192.136.0/21', '185.166.140.0/22', '18.205.93.0/25', '2401:1d80:3000::/36'],
     array['104.192.136.0/21'], now() - interval '3 hours', now() - interval '4 minutes', now() - interval '4 hours', now() - interval '12 days')
   on conflict (name) do update set networks = excluded.networks, held = excluded.held, held_at = excluded.held_at`,
  `insert into relay_list_changes (list, at, outcome, added, removed, note) values
   ('atlassian', now() - interval '12 days', 'taken', array['18.205.93.0/25'], array[]::text[], null),
   ('atlassian', now() - interval '3 hours', 'held', array[]::text[], array['185.166.140.0/22', '18.205.93.0/25', '2401:1d80:3000::/36'],
     'Three of four networks would go.')`,
  `insert into relay_counts (day, application, verdict, reason, messages, bytes)
   select (now() at time zone 'utc')::date - n, 'issues', 'relayed', 'passed-on', 40 + (n * 37) % 90, 400000 from generate_series(0, 29) n
   on conflict (day, application, verdict, reason) do update set messages = excluded.messages`,
  `insert into relay_counts (day, application, verdict, reason, messages, bytes)
   select (now() at time zone 'utc')::date - n, '', 'refused', r.reason, 3 + n, 0
   from generate_series(0, 4) n, (values ('no-sender'), ('unknown'), ('foreign')) r (reason)
   on conflict (day, application, verdict, reason) do update set messages = excluded.messages`,
  `insert into relay_budgets (day, application, person, used) values ((now() at time zone 'utc')::date, 'issues', null, 412)
   on conflict (day, application, person) do update set used = excluded.used`,
  `insert into relay_messages (id, at, person, application, recipient_class, verdict, reason, via, sender, header_from, recipient, client,
     message_id, message_class, bytes, mode, smart_host, answer, took_ms)
   select gen_random_uuid(), now() - n * interval '17 minutes', p.id, 'issues', 'alias', 'relayed', 'passed-on', 'relay',
     'bounce-' || n || '@bounces.am.atlassian.com', 'jira@am.atlassian.com', 'ada@members.northlight.example', '104.192.136.7',
     '<n' || n || '@am.atlassian.com>', 'notification', 18000 + n, 'transparent', 'smtp.example.org:587', '250 2.0.0 Ok: queued as 4F2A', 180 + n
   from people p, generate_series(1, 12) n where p.username = 'ada'`,
  `insert into relay_messages (id, at, person, recipient_class, verdict, reason, via, sender, recipient, client)
   select gen_random_uuid(), now() - interval '3 minutes', p.id, 'alias', 'refused', 'no-sender', 'relay',
     'news@mailings.friedrichshafen-universitaetsbibliothek.example', 'ada@members.northlight.example', '198.51.100.23'
   from people p where p.username = 'ada'`,
  `insert into relay_requests (id, person, sender, application, note, state, asked_at)
   select gen_random_uuid(), p.id, 'friedrichshafen-universitaetsbibliothek.example', null, 'The library tells me there when a book is back.', 'open', now() - interval '2 days'
   from people p where p.username = 'ada'`,
];

const seen = (path: string) => async (page: Page, gallery: Gallery) => {
  await prepare(gallery);
  await page.goto(gallery.origin + path);
  await settled(page);
};

const one = (path: string, sql: string) => async (page: Page, gallery: Gallery) => {
  await prepare(gallery);
  const [row] = await gallery.database.query<{ id: string }>(sql);
  await seen(path.replace(':id', row?.id ?? ''))(page, gallery);
};

const refused = `select id from relay_messages where verdict = 'refused' limit 1`;
const wish = `select id from relay_requests where state = 'open' limit 1`;
const key = `select id from relay_keys where state = 'next' limit 1`;

export const relayViews: readonly View[] = [
  { name: 'admin-relay', who: 'root', open: seen('/admin/relay') },
  { name: 'admin-relay-stop', who: 'root', open: seen('/admin/relay/stop') },
  { name: 'admin-relay-app', who: 'root', open: seen('/admin/relay/apps/issues') },
  { name: 'admin-relay-log', who: 'root', open: seen('/admin/relay/log') },
  { name: 'admin-relay-message', who: 'root', open: one('/admin/relay/log/:id', refused) },
  { name: 'admin-relay-lists', who: 'root', open: seen('/admin/relay/lists') },
  { name: 'admin-relay-list', who: 'root', open: seen('/admin/relay/lists/atlassian') },
  { name: 'admin-relay-list-approve', who: 'root', open: seen('/admin/relay/lists/atlassian/approve') },
  { name: 'admin-relay-list-add', who: 'root', open: seen('/admin/relay/add-list') },
  { name: 'admin-relay-list-change', who: 'root', open: seen('/admin/relay/lists/atlassian/change') },
  { name: 'admin-relay-list-used', who: 'root', open: seen('/admin/relay/lists/atlassian/remove') },
  { name: 'admin-relay-requests', who: 'root', open: seen('/admin/relay/requests') },
  { name: 'admin-relay-request-allow', who: 'root', open: one('/admin/relay/requests/:id/allow', wish) },
  { name: 'admin-relay-request-refuse', who: 'root', open: one('/admin/relay/requests/:id/refuse', wish) },
  { name: 'admin-relay-keys', who: 'root', open: seen('/admin/relay/keys') },
  { name: 'admin-relay-key-make', who: 'root', open: seen('/admin/relay/keys/make') },
  { name: 'admin-relay-key-withdraw', who: 'root', open: one('/admin/relay/keys/:id/withdraw', key) },
  {
    name: 'admin-person-mail',
    who: 'root',
    open: one('/admin/people/:id/mail', `select id from people where username = 'ada'`),
  },
  { name: 'admin-relay-health', who: 'root', open: seen('/admin/relay/health') },
  { name: 'admin-mail-letters', who: 'root', open: seen('/admin/mail/letters') },
  { name: 'admin-mail-letter', who: 'root', open: seen('/admin/mail/letters/recovery/en') },
  { name: 'admin-mail-letter-german', who: 'root', open: seen('/admin/mail/letters/confirm-sign-up/de') },
];
