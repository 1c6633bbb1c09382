import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { askForSender, choicesOf, decideRequest, listRequests } from '#fronts/relay/choices.ts';
import { type NewMessage, noteMessage } from '#fronts/relay/messages.ts';
import { relayAppSettings } from '#fronts/relay/settings.ts';
import { saveRelayApp } from '#fronts/relay/settings-kept.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

const password = 'plum violin tractor';
const community = `
community: { name: Northlight, aliasMailboxes: { domains: [members.example.org] } }
applications:
  - { id: jira, title: Jira, alias: { address: mailbox } }
  - { id: wiki, title: Wiki }
  - { id: board, title: Board, access: { groups: [board] } }
groups: [{ name: board }]
people:
  - { username: ada, password: ${password}, addresses: [ada@mail.example] }
  - { username: grace, password: ${password}, addresses: [grace@mail.example] }
`;
let platform: Platform;
const ids = new Map<string, string>();

before(async () => {
  platform = await startPlatform();
  await platform.apply(community);
  const people = await platform.database.query<{ id: string; username: string }>(
    'select id, username from people',
  );
  for (const { id, username } of people) ids.set(username, id);
  await platform.database.transact(system(), async (tx) => {
    for (const [id, mode] of [
      ['jira', 'rewritten'],
      ['wiki', 'transparent'],
      ['board', 'transparent'],
    ])
      await saveRelayApp(tx, id!, relayAppSettings.parse({ networks: ['192.0.2.0/24'], mode }));
  });
});

/** Something that came for ada, unless said otherwise. */
async function came(entry: Partial<NewMessage>): Promise<void> {
  await noteMessage(platform.database, {
    id: newId(),
    at: platform.clock.now(),
    person: ids.get('ada')!,
    recipientClass: 'alias',
    verdict: 'relayed',
    reason: 'passed-on',
    via: 'relay',
    ...entry,
  });
}

/** What stands between the menu and the foot of the page. */
const main = (text: string) => text.slice(text.indexOf('<main'), text.indexOf('</main>'));

async function signedIn(name: string) {
  const visitor = platform.visitor();
  await visitor.signIn(name, password);
  return visitor;
}

test('a person reads what became of their mail in plain words, and nothing of anyone else\u2019s', async () => {
  const jira = { application: 'jira', headerFrom: 'notify@jira.example' };
  await came({ ...jira, smartHost: 'smtp.secret.example', answer: '250 for ada@mail.example' });
  await came({ ...jira, reason: 'queued', via: 'postfix' });
  await came({ ...jira, verdict: 'deferred', reason: 'smart-host-away' });
  await came({ application: 'wiki', verdict: 'refused', reason: 'unwanted' });
  await came({ application: 'wiki', verdict: 'refused', reason: 'from', sender: 'x@elsewhere.example' });
  await came({ verdict: 'refused', reason: 'no-sender', sender: 'x@<b>bold</b>.example' });
  await came({ verdict: 'refused', reason: 'no-sender', sender: '' });
  await came({ ...jira, recipientClass: 'reply', verdict: 'refused', reason: 'reply-reveals' });
  await came({ ...jira, recipientClass: 'reply', verdict: 'deferred', reason: 'dns' });
  await came({ application: 'wiki', recipientClass: 'reply', messageId: '<back@members.example.org>' });
  await platform.database.query(
    "update relay_messages set bounced_at = at, bounce_status = '5.1.1' where message_id = '<back@members.example.org>'",
  );
  await came({ verdict: 'refused', reason: 'of-a-later-version' as 'fault', sender: 'y@later.example' });
  await came({
    person: ids.get('grace'),
    verdict: 'refused',
    reason: 'no-sender',
    sender: 'only@grace.example',
  });
  const visitor = await signedIn('ada');
  const account = await visitor.open('/account');
  assert.match(main(account.text), /href="\/account\/mail"/);
  const { text } = await visitor.open('/account/mail');
  const page = main(text);
  assert.match(page, /data-copy="ada@members\.example\.org"/);
  assert.match(page, /Mail from Jira was passed on to you\./);
  assert.match(page, /Mail from Jira was taken and sent on its way to you\./);
  assert.match(page, /look in the spam folder of ada@mail\.example/);
  assert.match(page, /The sender was asked to try again/);
  assert.match(page, /Mail from Wiki was refused\.[\s\S]*You have chosen not to get this kind of mail/);
  assert.match(page, /Mail from where Wiki sends was refused\.[\s\S]*From <bdi>x@elsewhere\.example/);
  assert.match(page, /x@&lt;b&gt;bold&lt;\/b&gt;\.example/);
  assert.match(page, /Mail from somebody was refused/);
  assert.match(page, /Your answer to Jira was refused\.[\s\S]*shows your own address/);
  assert.match(page, /Your answer to Jira could not be taken just then\. Your mail provider tries again\./);
  assert.match(
    page,
    /Your answer to Wiki was sent, and came back: the mail server of the app did not take it\./,
  );
  assert.match(page, /Mail from y@later\.example was refused/);
  assert.doesNotMatch(page, /grace|smtp\.secret|250 for|Board/);
});

test('more than a page of mail is read page by page', async () => {
  for (let count = 0; count < 30; count += 1)
    await came({ person: ids.get('grace'), application: 'wiki', headerFrom: `n${count}@wiki.example` });
  const visitor = await signedIn('grace');
  const first = await visitor.open('/account/mail');
  const older = /href="(\/account\/mail\?before=[^"#]+)/.exec(first.text)?.[1] ?? assert.fail('no older');
  const second = await visitor.open(older);
  const told = [first, second].map(
    ({ text }) => main(text).match(/Mail from Wiki was passed on/g)?.length ?? 0,
  );
  assert.deepEqual(told, [25, 5]);
  assert.doesNotMatch(second.text, /\?before=/);
  assert.match(main(second.text), /href="\/account\/mail#happened-section"[^>]*>Newest/);
  assert.doesNotMatch(main(first.text), /Newest/);
  const gone = await visitor.open(`/account/mail?before=${newId()}`);
  assert.match(main(gone.text), /There is nothing older/);
  const odd = await visitor.open("/account/mail?before=' or 1=1");
  assert.equal(odd.status, 200);
  assert.doesNotMatch(main(odd.text), /Newest/, 'that is the first page');
});

test('pausing everything, and what one app may send, are forms that work without scripts', async () => {
  const visitor = await signedIn('ada');
  const choices = () => platform.database.read(system(), (tx) => choicesOf(tx, ids.get('ada')!));
  await visitor.open('/account/mail');
  const paused = await visitor.submit({}, '/account/mail/pause');
  assert.match(paused.text, /id="all-paused"[\s\S]*Everything is paused/);
  // Operators can do it for somebody, so it is said of nobody who did.
  await came({ verdict: 'refused', reason: 'paused', sender: 'notify@jira.example' });
  await came({ application: 'jira', verdict: 'refused', reason: 'app-paused' });
  const told = main((await visitor.open('/account/mail')).text);
  assert.match(told, /All your mail is paused\./);
  assert.match(told, /Mail of this app to you is paused\./);
  assert.doesNotMatch(told, /You have paused/);
  assert.match(paused.text, /Let mail through again/);
  assert.deepEqual(await choices(), [{ application: undefined, paused: true, digests: true, reveal: false }]);
  const resumed = await visitor.submit({}, '/account/mail/pause');
  assert.doesNotMatch(resumed.text, /id="all-paused"/);
  const jira = await visitor.open('/account/mail/apps/jira');
  assert.match(main(jira.text), /name="digests"[^>]*checked|checked[^>]*name="digests"/);
  assert.match(main(jira.text), /ada@members\.example\.org/);
  await visitor.submit({ paused: 'on', reveal: 'on' }, '/account/mail/apps/jira');
  const kept = (await choices()).find((one) => one.application === 'jira');
  assert.deepEqual(kept, { application: 'jira', paused: true, digests: false, reveal: true });
  const wiki = await visitor.open('/account/mail/apps/wiki');
  assert.doesNotMatch(
    main(wiki.text),
    /name="reveal"/,
    'where answers are not possible there is nothing to allow',
  );
  await visitor.submit({ digests: 'on', reveal: 'on' }, '/account/mail/apps/wiki');
  assert.ok(!(await choices()).some((one) => one.application === 'wiki' && one.reveal));
  for (const none of ['board', 'nowhere', '__proto__'])
    assert.equal((await visitor.open(`/account/mail/apps/${none}`)).status, 404, none);
  const foreign = await visitor.open('/account/mail/pause', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' },
    body: 'paused=yes',
  });
  assert.equal(foreign.status, 403);
});

test('who was refused for who they are can be asked for, once, and the answer is read here', async () => {
  await came({ verdict: 'refused', reason: 'no-sender', sender: 'bot@builds.example' });
  await came({ verdict: 'refused', reason: 'unproved', headerFrom: 'bot@Builds.Example' });
  await came({
    verdict: 'refused',
    reason: 'person-budget',
    headerFrom: 'x@budget.example',
    application: 'jira',
  });
  const visitor = await signedIn('ada');
  const page = main((await visitor.open('/account/mail')).text);
  const strangers = page.slice(page.indexOf('strangers-section'));
  assert.match(strangers, /builds\.example[\s\S]*2 times/);
  assert.doesNotMatch(strangers, /budget\.example|bold/);
  assert.match(main((await visitor.open('/account/mail/ask?sender=builds.example')).text), /builds\.example/);
  const asked = await visitor.submit({ note: 'Our <b>builds</b>' }, '/account/mail/ask');
  assert.match(asked.text, /Your request was noted/);
  assert.doesNotMatch(asked.text, /ask\?sender=builds\.example/, 'asked once');
  const requests = () =>
    platform.database.read(system(), (tx) => listRequests(tx, { person: ids.get('ada')!, limit: 5 }));
  const [request] = await requests();
  assert.deepEqual(
    [request?.sender, request?.note, request?.state],
    ['builds.example', 'Our <b>builds</b>', 'open'],
  );
  await visitor.open('/account/mail/ask?sender=builds.example');
  await visitor.submit({ note: 'They are nightly' }, '/account/mail/ask');
  assert.deepEqual(
    (await requests()).map(({ id, note }) => [id, note]),
    [[request!.id, 'They are nightly']],
    'what is said last stands, in the one request',
  );
  const answer = 'Known now.';
  await platform.database.transact(system(), (tx) =>
    decideRequest(tx, { id: request!.id, state: 'allowed', answer }),
  );
  const allowed = main((await visitor.open('/account/mail')).text);
  assert.match(allowed, /allowed[\s\S]*Known now\./);
  assert.doesNotMatch(allowed, /ask\?sender=builds\.example/, 'who may write by now is not asked for');
  platform.clock.advance(60_000);
  await came({ verdict: 'refused', reason: 'unproved', headerFrom: 'bot@builds.example' });
  const again = main((await visitor.open('/account/mail')).text);
  assert.match(again, /ask\?sender=builds\.example/, 'refused all the same, it can be asked for anew');
  const strange = await visitor.open('/account/mail/ask?sender=%3Cscript%3E');
  assert.ok(strange.url.endsWith('/account/mail'));
});

test('what somebody wrote to ask for a sender stays on the page when it could not be sent, and is kept whole', async () => {
  const visitor = await signedIn('grace');
  // As a browser sends the most it lets somebody type: the end of a line counts once and is sent as two.
  const lines = `${'a'.repeat(9)}\r\n`.repeat(50);
  await visitor.open('/account/mail/ask?sender=first.example');
  await visitor.submit({ note: lines }, '/account/mail/ask');
  const person = ids.get('grace')!;
  const [first] = await platform.database.read(system(), (tx) => listRequests(tx, { person, limit: 1 }));
  assert.equal(first?.note, lines.replaceAll('\r\n', '\n').trim());
  for (let count = 0; count < 9; count += 1)
    await platform.database.transact(system(), (tx) =>
      askForSender(tx, { person, sender: `n${count}.example` }),
    );
  await visitor.open('/account/mail/ask?sender=last.example');
  const refused = await visitor.submit({ note: 'The library <tells> me' }, '/account/mail/ask');
  assert.equal(refused.status, 429);
  assert.match(main(refused.text), /id="refused"/);
  assert.match(main(refused.text), /The library &lt;tells&gt; me<\/textarea>/);
});

test('whoever is signed out signs in first', async () => {
  for (const path of [
    '/account/mail',
    '/account/mail/apps/jira',
    '/account/mail/ask?sender=builds.example',
  ]) {
    const seen = await platform.visitor().open(path);
    assert.match(seen.url, /\/sign-in/, path);
    assert.doesNotMatch(seen.text, /members\.example\.org|builds\.example/);
  }
});
