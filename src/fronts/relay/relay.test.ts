import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { letter, openClient, ownSender, realAddress, startTestRelay } from '#test/relay.ts';
import { saveChoice } from './choices.ts';
import { usedToday } from './messages.ts';

type Relay = Awaited<ReturnType<typeof startTestRelay>>;
let relay: Relay;
before(async () => {
  relay = await startTestRelay();
});
after(() => relay.close());

test('a message of an app reaches the person as it was, and the app never sees where', async () => {
  relay.sink.clear();
  const raw = letter({ headers: ['X-Jira: kept  as it is'], text: 'Line\r\n.with a dot\r\n..and two' });
  const { code, transcript } = await relay.mail({ raw });
  assert.equal(code, 250, transcript);
  const [passed] = relay.sink.messages;
  assert.deepEqual(passed!.to, [realAddress]);
  assert.match(
    passed!.from,
    /^SRS0=[A-Z2-7]{8}[0-9a-f]{10}=[A-Z2-7]{2}=jira\.test=notify@people\.harbour\.test$/,
  );
  assert.ok(passed!.raw.toString('latin1').endsWith(raw), 'not one byte of it is touched');
  const head = passed!.raw.toString('latin1').slice(0, -raw.length);
  assert.match(head, /^Delivered-To: ada@people\.harbour\.test\r\nX-Gatehouse-Loop: \S+\r\nReceived: from /);
  assert.doesNotMatch(transcript + head, /gmail/);
  const [noted] = await relay.log();
  assert.deepEqual(
    [noted!.verdict, noted!.reason, noted!.person, noted!.application, noted!.messageClass, noted!.mode],
    ['relayed', 'passed-on', relay.person, 'jira', 'notification', 'transparent'],
  );
});

test('SM-01 nothing is taken for anyone who is not here', async () => {
  relay.sink.clear();
  const mailbox = relay.mailbox;
  const forms = [
    'someone@example.org',
    'nobody@people.harbour.test',
    'ada@harbour.test',
    'ada',
    'ada%example.org@people.harbour.test',
    'example.org!ada@people.harbour.test',
    `@people.harbour.test:someone@example.org`,
    `@example.org:${mailbox}`,
    'ada@[127.0.0.1]',
    'ada@[IPv6:::1]',
    '"ada"@people.harbour.test',
    '"ada@example.org"@people.harbour.test',
    `${mailbox}@example.org`,
    'someone@example.org@people.harbour.test',
    `${mailbox},someone@example.org`,
    'ada@people.harbour.test.',
    'ada@people.harbour.test.example.org',
    'ada@sub.people.harbour.test',
    'ada..x@people.harbour.test',
    'ad\u00e4@people.harbour.test',
    'SRS0=AAAAAAAA=AA=example.org=someone@people.harbour.test',
    'reply+aaaaaaaaaaaaaaaaaaaaaaaaaa.aaaa.aaaaaaaaaaaaaaaaaaaa@people.harbour.test',
    '',
    ' ',
    'ada@people.harbour.test\tx',
  ];
  const answers = new Set<string>();
  for (const to of forms) {
    const { code, enhanced, text } = await relay.mail({ to });
    answers.add(`${code} ${enhanced} ${text}`);
  }
  assert.deepEqual([...answers], ['550 5.1.1 No mailbox here takes this mail.']);
  assert.equal(relay.sink.messages.length, 0);
  const client = await openClient(relay);
  await client.reply();
  await client.say('EHLO x.test');
  await client.say(`MAIL FROM:<${ownSender}>`);
  assert.match(await client.say(`RCPT TO:<${mailbox}>`), /^250/);
  assert.match(await client.say('RCPT TO:<other@people.harbour.test>'), /^452 4\.5\.3/);
  for (const command of ['VRFY ada', 'EXPN ada', 'BDAT 10 LAST', 'AUTH PLAIN AGEAYg==', 'SHELL ls'])
    assert.match(await client.say(command), /^500/, command);
  client.close();
});

test('SM-02 who may write is known by network, whatever is said in HELO or From', async () => {
  await relay.setApp({ networks: ['192.0.2.0/24'], domains: ['jira.test'] });
  relay.sink.clear();
  const refused = await relay.mail({ helo: 'out.jira.test' });
  assert.deepEqual([refused.code, refused.enhanced], [550, '5.1.1']);
  assert.equal(relay.sink.messages.length, 0);
  await relay.setApp({ envelope: ['*@jira.test'] });
  assert.equal((await relay.mail({ from: 'x@evil.test' })).code, 550);
  assert.equal((await relay.mail()).code, 250);
  await relay.setApp({ domains: ['jira.test'] });
  const other = await relay.mail({ raw: letter({ from: 'ceo@bank.test' }) });
  assert.deepEqual([other.code, other.enhanced], [550, '5.7.1']);
  const [noted] = await relay.log();
  assert.deepEqual(
    [noted!.reason, noted!.headerFrom, noted!.person],
    ['from', 'ceo@bank.test', relay.person],
  );
  await relay.setApp({ tls: true });
  assert.equal((await relay.mail()).code, 550);
  assert.equal((await relay.mail({ tls: true })).code, 250);
  await relay.setApp({});
});

test('SM-03 every refusal of a recipient has the same words and the same work', async () => {
  const { platform } = relay;
  await platform.apply(`people:
  - { username: gone, addresses: [gone@gmail.test] }
  - { username: quiet, addresses: [quiet@gmail.test] }
`);
  const [gone, quiet] = await platform.database.read(system(), async (tx) => [
    await findByUsername(tx, 'gone'),
    await findByUsername(tx, 'quiet'),
  ]);
  await platform.database.transact(system(), (tx) => leave(tx, gone!.id, 'suspended', 'left us'));
  await platform.database.transact(system(), (tx) =>
    saveChoice(tx, { person: quiet!.id, change: { paused: true } }),
  );
  await relay.setApp({ networks: ['192.0.2.0/24'] });
  const seen = new Map<string, string[]>();
  const query = platform.database.read.bind(platform.database);
  let reads = 0;
  platform.database.read = ((...given: Parameters<typeof query>) => {
    // What follows settings and lists reads by its own clock.
    if (given[0].cause === 'request') reads += 1;
    return query(...given);
  }) as typeof query;
  try {
    for (const name of ['nobody', 'gone', 'quiet', 'ada']) {
      await relay.platform.relay!.settle();
      reads = 0;
      const { code, enhanced, text } = await relay.mail({ to: `${name}@people.harbour.test` });
      const answer = `${code} ${enhanced} ${text} after ${reads} readings`;
      seen.set(answer, [...(seen.get(answer) ?? []), name]);
    }
  } finally {
    platform.database.read = query;
    await relay.setApp({});
  }
  assert.equal(seen.size, 1, JSON.stringify([...seen]));
  assert.match([...seen.keys()][0]!, / after 1 readings$/);
  const reasons = (await relay.log()).slice(0, 4).map((one) => one.reason);
  assert.deepEqual(reasons.sort(), ['no-sender', 'paused', 'standing', 'unknown']);
});

test('mail is taken within a second of an activation, and refused after a suspension', async () => {
  const { database } = relay.platform;
  const person = await database.read(system(), (tx) => findByUsername(tx, 'gone'));
  const to = 'gone@people.harbour.test';
  assert.equal((await relay.mail({ to })).code, 550);
  await database.transact(system(), (tx) => activate(tx, person!.id, 'back again'));
  const began = performance.now();
  assert.equal((await relay.mail({ to })).code, 250);
  assert.ok(performance.now() - began < 1000);
  await database.transact(system(), (tx) => leave(tx, person!.id, 'suspended', 'once more'));
  assert.equal((await relay.mail({ to })).code, 550);
});

test('SM-07 what smart hosts say stays with operators, and their refusals are ours', async () => {
  relay.sink.clear();
  relay.sink.on('rcpt', `550 5.1.1 <${realAddress}> is not known here`);
  const refused = await relay.mail();
  assert.deepEqual([refused.code, refused.enhanced], [554, '5.0.0']);
  assert.doesNotMatch(refused.transcript, /gmail/);
  const [noted] = await relay.log();
  assert.deepEqual([noted!.verdict, noted!.reason], ['refused', 'smart-host-refused']);
  assert.match(noted!.answer!, /not known here/);
  relay.sink.on('rcpt', `451 4.7.1 <${realAddress}> try later`);
  const later = await relay.mail();
  assert.deepEqual([later.code, later.enhanced], [451, '4.4.1']);
  assert.doesNotMatch(later.transcript, /gmail/);
  relay.sink.on('rcpt', undefined);
  relay.sink.on('message', 'close');
  assert.equal((await relay.mail()).code, 451);
  relay.sink.on('message', undefined);
  assert.equal((await relay.mail()).code, 250);
});

test('of fifty messages at once as many are passed on as the budget has places, and none is lost count of', async () => {
  const { person, platform } = relay;
  const used = () => platform.database.read(system(), (tx) => usedToday(tx, 'jira', person));
  const before = await used();
  relay.sink.clear();
  await relay.setApp({ budgets: { perPerson: before.person + 7 } });
  const all = await Promise.all(Array.from({ length: 50 }, () => relay.mail()));
  const codes = Map.groupBy(all, (one) => `${one.code} ${one.enhanced}`);
  assert.deepEqual([...codes].map(([code, group]) => `${code} ${group.length}`).sort(), [
    '250 2.0.0 7',
    '452 4.2.2 43',
  ]);
  assert.equal(relay.sink.messages.length, 7);
  assert.deepEqual(await used(), { app: before.app + 7, person: before.person + 7 });
  // One that the smart host does not take gives its place back.
  await relay.setApp({ budgets: { perPerson: before.person + 8 } });
  relay.sink.on('message', '451 4.3.0 later');
  assert.equal((await relay.mail()).code, 451);
  relay.sink.on('message', undefined);
  assert.equal((await relay.mail()).code, 250);
  assert.equal((await relay.mail()).code, 452);
  // The app as a whole, and nobody else's count moves.
  await relay.setApp({ budgets: { perApp: before.app + 8 } });
  assert.equal((await relay.mail()).enhanced, '4.2.2');
  assert.equal((await used()).person, before.person + 8);
  const reasons = (await relay.log()).slice(0, 1).map((one) => one.reason);
  assert.deepEqual(reasons, ['app-budget']);
  // A flood holds up no reset of a password; what calls itself one is no flood without an end.
  const code = letter({ subject: 'Your sign-in code' });
  const rules = [{ class: 'security' as const, subject: 'sign-in code' }];
  const perApp = before.app + 8;
  await relay.setApp({ budgets: { perApp }, messageClasses: rules });
  assert.equal((await relay.mail({ raw: code })).code, 250);
  await relay.setApp({ budgets: { perApp: Math.floor(perApp / 2) }, messageClasses: rules });
  assert.equal((await relay.mail({ raw: code })).enhanced, '4.2.2');
  await relay.setApp({});
});

test('three switches: everything waits, an app is closed, a person rests or takes nothing from an app', async () => {
  await relay.setHouse({ off: true });
  const all = await relay.mail();
  assert.deepEqual([all.code, all.enhanced], [451, '4.3.2']);
  await relay.setHouse({ off: false });
  await relay.setApp({ off: true });
  assert.equal((await relay.mail()).code, 550);
  assert.equal((await relay.log())[0]!.reason, 'app-off');
  await relay.setApp({});
  const { database } = relay.platform;
  const choose = (change: object, application?: string) =>
    database.transact(system(), (tx) => saveChoice(tx, { person: relay.person, application, change }));
  await choose({ paused: true }, 'jira');
  const own = await relay.mail();
  assert.deepEqual([own.code, own.enhanced], [550, '5.2.1']);
  await choose({ paused: false }, 'jira');
  await relay.setApp({
    messageClasses: [
      { class: 'security', subject: 'sign-in code' },
      { class: 'digest', subject: 'weekly' },
    ],
  });
  await choose({ digests: false });
  assert.equal((await relay.mail({ raw: letter({ subject: 'Your weekly digest' }) })).enhanced, '5.2.1');
  assert.equal((await relay.log())[0]!.reason, 'unwanted');
  assert.equal((await relay.mail({ raw: letter({ subject: 'Your sign-in code, weekly' }) })).code, 250);
  assert.equal((await relay.log())[0]!.messageClass, 'security');
  assert.equal((await relay.mail()).code, 250);
  await choose({ digests: true });
  await relay.setApp({});
});

test('what goes in a circle ends here', async () => {
  relay.sink.clear();
  assert.equal((await relay.mail()).code, 250);
  const again = await relay.mail({ raw: relay.sink.messages[0]!.raw });
  assert.deepEqual([again.code, again.enhanced], [554, '5.4.6']);
  const mark = /^X-Gatehouse-Loop: .*$/m.exec(relay.sink.messages[0]!.raw.toString('latin1'))![0];
  assert.equal((await relay.mail({ raw: letter({ headers: [mark.trim()] }) })).code, 554);
  const hops = (count: number) =>
    letter({ headers: Array.from({ length: count }, (_, at) => `Received: from a${at} by b${at}; now`) });
  assert.equal((await relay.mail({ raw: hops(31) })).code, 554);
  assert.equal((await relay.mail({ raw: hops(30) })).code, 250);
});

test('postmaster and abuse reach who runs the community, from anyone', async () => {
  relay.sink.clear();
  await relay.setApp({ networks: ['192.0.2.0/24'] });
  for (const to of ['postmaster@people.harbour.test', 'Abuse@harbour.test'])
    assert.equal((await relay.mail({ from: 'stranger@example.org', to })).code, 250);
  assert.equal((await relay.mail({ to: 'postmaster@example.org' })).code, 550);
  assert.deepEqual(
    relay.sink.messages.map((one) => one.to),
    [['hello@harbour-office.test'], ['hello@harbour-office.test']],
  );
  // Nobody runs it yet: that is no reason to say for good that nobody has this address.
  const { database } = relay.platform;
  const [{ settings } = { settings: {} }] = await database.query<{ settings: object }>(
    'select settings from community',
  );
  await database.query("update community set settings = settings - 'contact'");
  const early = await relay.mail({ from: 'stranger@example.org', to: 'postmaster@people.harbour.test' });
  assert.deepEqual([early.code, early.enhanced], [451, '4.3.5']);
  assert.equal((await relay.log())[0]!.reason, 'no-postmaster');
  await database.query('update community set settings = $1', [JSON.stringify(settings)]);
  await relay.setApp({});
});

test('SM-05 one end of data, no bare line ends, nothing ahead of our yes', async () => {
  relay.sink.clear();
  for (const bare of ['a\nb', 'a\rb', 'x\r\n.\nMAIL FROM:<a@b.test>\r\n', 'x\n.\r\n', 'x\r.\r\n']) {
    const { code, enhanced } = await relay.mail({ raw: letter({ text: bare }) });
    assert.deepEqual([code, enhanced], [554, '5.6.0'], JSON.stringify(bare));
  }
  assert.equal(relay.sink.messages.length, 0);
  for (const [bytes, code] of [
    ['NOOP\n', '500'],
    ['NO\rOP\r\n', '500'],
    ['NOOP\nMAIL FROM:<a@b.test>\r\n', '500'],
    ['DATA\r\nSubject: early\r\n', '554'],
  ] as const) {
    const client = await openClient(relay);
    await client.reply();
    await client.say('EHLO x.test');
    client.write(bytes);
    assert.match(await client.reply(), new RegExp(`^${code}`), JSON.stringify(bytes));
    assert.equal(await client.reply(), '', 'and the connection ends');
    client.close();
  }
});

test('a message is as large as the app may send, by its word and in fact', async () => {
  await relay.setApp({ maxBytes: 10_000 });
  const said = await relay.mail({ parameters: ' SIZE=10001' });
  assert.deepEqual([said.code, said.enhanced], [552, '5.3.4']);
  const sent = await relay.mail({ raw: letter({ text: 'x'.repeat(900).concat('\r\n').repeat(12) }) });
  assert.deepEqual([sent.code, sent.enhanced], [552, '5.3.4']);
  const [noted] = await relay.log();
  assert.deepEqual([noted!.reason, noted!.application], ['size', 'jira']);
  await relay.setApp({});
});

test('without an answer of the database everything waits', async () => {
  const { pool } = relay.platform.database;
  const connect = pool.connect.bind(pool);
  pool.connect = ((told?: (error: Error) => void) =>
    told ? told(new Error('away')) : Promise.reject(new Error('away'))) as typeof pool.connect;
  try {
    for (const to of [relay.mailbox, 'nobody@people.harbour.test', 'someone@example.org']) {
      const { code, enhanced } = await relay.mail({ to });
      assert.deepEqual([code, enhanced], [451, '4.3.0']);
    }
  } finally {
    pool.connect = connect;
  }
  assert.equal((await relay.mail()).code, 250);
});

test('whoever is slow, or tries one address after the other, is let go', async () => {
  const client = await openClient(relay);
  await client.reply();
  await client.say('EHLO x.test');
  await client.say(`MAIL FROM:<${ownSender}>`);
  let last = '';
  for (let at = 0; at < 30 && !client.isClosed; at += 1)
    last = (await client.say(`RCPT TO:<guess${at}@people.harbour.test>`)) || last;
  assert.match(last, /^421 4\.7\.0/);
});

test('the relay closes: whoever is connected hears so, and a message under way is answered for', async (t) => {
  const other = await startTestRelay(t, { env: { GATEHOUSE_DRAIN_SECONDS: '5' } });
  const idle = await openClient(other);
  await idle.reply();
  let let_go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    let_go = resolve;
  });
  other.sink.on('message', async () => {
    await held;
    return undefined;
  });
  const mail = other.mail();
  while (other.sink.lines.filter((line) => line.startsWith('DATA')).length === 0) await sleep(10);
  const closing = other.platform.relay!.drain(5);
  assert.match(await idle.reply(), /^421 4\.3\.2/);
  await assert.rejects(openClient(other), /ECONNREFUSED/);
  let_go();
  assert.equal((await mail).code, 250);
  await closing;
  assert.equal(other.sink.messages.length, 1);
});
