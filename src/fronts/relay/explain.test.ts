/** What `explain` says is what a sender then hears: each case is asked about first and then sent. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { system } from '#kit/db/database.ts';
import { letter, ownSender, startTestRelay } from '#test/relay.ts';
import { saveChoice } from './choices.ts';
import { explainArrival } from './explain.ts';
import { usedToday } from './messages.ts';

let relay: Awaited<ReturnType<typeof startTestRelay>>;
before(async () => {
  relay = await startTestRelay();
});
after(() => relay.close());

const explained = () =>
  explainArrival(
    { ...relay.platform, mailDomain: 'harbour.test' },
    { client: '127.0.0.1', sender: ownSender, recipient: relay.mailbox, tls: false },
  );
const used = () => relay.platform.database.read(system(), (tx) => usedToday(tx, 'jira', relay.person));
const choose = (change: object, application?: string) =>
  relay.platform.database.transact(system(), (tx) =>
    saveChoice(tx, { person: relay.person, application, change }),
  );
const heard = async (subject?: string) => {
  const { code, enhanced, text } = await relay.mail({ raw: letter({ subject }) });
  return `${code} ${enhanced} ${text}`;
};
const messageClasses = [
  { class: 'security' as const, subject: 'sign-in code' },
  { class: 'digest' as const, subject: 'weekly' },
];

test('a pause of one app is said, with the answer a sender hears after the text', async () => {
  assert.deepEqual((await explained()).apps[0]!.holds, []);
  await choose({ paused: true }, 'jira');
  const paused = await explained();
  assert.equal(paused.admitted, true, 'the recipient is taken: only the text says which app it is of');
  assert.equal(paused.reason, 'app-paused');
  assert.match(paused.because, /Mail of this app to the person is paused/);
  assert.equal(paused.answer, await heard());
  assert.deepEqual(
    paused.apps[0]!.holds.map(({ reason, classes }) => [reason, classes]),
    [['app-paused', ['notification']]],
  );
  await choose({ paused: false }, 'jira');
});

test('digests that a person does not want are said beside what they get', async () => {
  await relay.setApp({ messageClasses });
  await choose({ digests: false });
  const { reason, answer, apps } = await explained();
  assert.deepEqual([reason, answer], [undefined, undefined]);
  assert.deepEqual(
    apps[0]!.holds.map((hold) => [hold.reason, hold.classes, hold.answer]),
    [['unwanted', ['digest'], await heard('weekly')]],
  );
  assert.match(await heard(), /^250/);
  await choose({ digests: true });
  await relay.setApp({});
});

test('a budget that is used up is said, the one that stays for security too, and no place is taken by asking', async () => {
  assert.match(await heard(), /^250/);
  const before = await used();
  await relay.setApp({ budgets: { perPerson: before.person } });
  const full = await explained();
  assert.deepEqual(await used(), before, 'asking takes no place');
  assert.equal(full.reason, 'person-budget');
  assert.equal(full.answer, await heard());
  await relay.setApp({ budgets: { perPerson: before.person + 1 } });
  for (let time = 0; time < 3; time += 1) assert.equal((await explained()).reason, undefined);
  assert.match(await heard(), /^250/);
  assert.equal((await explained()).reason, 'person-budget');

  const { app } = await used();
  await relay.setApp({ budgets: { perApp: app }, messageClasses });
  const half = await explained();
  assert.deepEqual(
    half.apps[0]!.holds.map(({ reason, classes }) => [reason, classes]),
    [['app-budget', ['notification', 'digest']]],
  );
  assert.equal(half.reason, undefined, 'a code to sign in with still has room');
  assert.match(await heard('Your sign-in code'), /^250/);
  await relay.setApp({ budgets: { perApp: Math.floor(app / 2) }, messageClasses });
  const flooded = await explained();
  assert.equal(flooded.reason, 'app-budget');
  assert.equal(flooded.answer, await heard('Your sign-in code'));
});
