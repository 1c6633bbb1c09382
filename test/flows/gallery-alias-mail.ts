/** Pages of the gallery about mail from apps: what became of it, what one app may send, asking for a sender. */
import { askForSender, decideRequest, saveChoice } from '#fronts/relay/choices.ts';
import { type NewMessage, noteMessage } from '#fronts/relay/messages.ts';
import { relayAppSettings } from '#fronts/relay/settings.ts';
import { saveRelayApp } from '#fronts/relay/settings-kept.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Platform } from '#test/kit.ts';
import type { View } from './gallery-views.ts';

const networks = ['192.0.2.0/24'];

/** Ada has had mail of every kind, and decided and asked for something. */
export async function mailOfAda({ database }: Platform): Promise<void> {
  const [ada] = await database.query<{ id: string }>(`select id from people where username = 'ada'`);
  const person = ada!.id;
  await database.transact(system(), async (tx) => {
    await saveRelayApp(tx, 'issues', relayAppSettings.parse({ networks, mode: 'rewritten' }));
    await saveRelayApp(tx, 'wiki', relayAppSettings.parse({ networks }));
    await saveRelayApp(tx, 'forum', relayAppSettings.parse({ networks, off: true }));
    await saveChoice(tx, { person, application: 'wiki', change: { digests: false } });
    await saveChoice(tx, { person, application: 'issues', change: { reveal: true } });
    await askForSender(tx, { person, sender: 'builds.northlight.example', note: 'Our builds report there.' });
    const old = await askForSender(tx, { person, sender: 'newsletter.example' });
    const answer = 'We do not know who they are.';
    await decideRequest(tx, { id: old.id, state: 'refused', answer });
  });
  const issues = { application: 'issues', headerFrom: 'notify@issues.northlight.example' };
  const stranger = (domain: string): Partial<NewMessage> => ({
    verdict: 'refused',
    reason: 'no-sender',
    sender: `noreply@${domain}`,
  });
  const entries: Partial<NewMessage>[] = [
    { ...issues, verdict: 'relayed', reason: 'passed-on' },
    { ...issues, verdict: 'deferred', reason: 'smart-host-away' },
    { ...issues, recipientClass: 'reply', verdict: 'relayed', reason: 'answered' },
    { ...issues, recipientClass: 'reply', verdict: 'refused', reason: 'reply-reveals' },
    { ...issues, recipientClass: 'reply', verdict: 'deferred', reason: 'dns' },
    { ...issues, recipientClass: 'reply', verdict: 'dropped', reason: 'auto-reply' },
    {
      application: 'wiki',
      headerFrom: 'wiki@wiki.northlight.example',
      verdict: 'refused',
      reason: 'unwanted',
    },
    stranger('universitaetsbibliothek.friedrichshafen.example'),
    stranger('builds.northlight.example'),
    stranger('builds.northlight.example'),
    { verdict: 'refused', reason: 'no-sender', sender: '' },
    { ...issues, verdict: 'relayed', reason: 'passed-on', messageId: '<bounced@issues.northlight.example>' },
  ];
  for (const [index, entry] of entries.entries()) {
    const at = new Date(Date.now() - (index * index + 1) * 7_900_000);
    const base = { id: newId(), at, person, recipientClass: 'alias', via: 'relay', bytes: 4200 } as const;
    await noteMessage(database, { ...base, verdict: 'relayed', reason: 'passed-on', ...entry });
  }
  await database.query(
    `update relay_messages set bounced_at = now() - interval '2 days', bounce_status = '5.2.2'
     where message_id = '<bounced@issues.northlight.example>'`,
  );
}

const at =
  (path: string): View['open'] =>
  (page, { origin }) =>
    page.goto(origin + path);

export const aliasMailViews: View[] = [
  { name: 'account-mail', who: 'ada', open: at('/account/mail') },
  { name: 'account-mail-saved', who: 'ada', open: at('/account/mail?said=asked') },
  { name: 'account-mail-app', who: 'ada', open: at('/account/mail/apps/issues') },
  { name: 'account-mail-app-plain', who: 'ada', open: at('/account/mail/apps/wiki') },
  {
    name: 'account-mail-ask',
    who: 'ada',
    open: at('/account/mail/ask?sender=universitaetsbibliothek.friedrichshafen.example'),
  },
];
