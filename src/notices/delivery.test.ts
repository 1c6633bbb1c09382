import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setPassword } from '#core/credentials/credentials.ts';
import { listEvents } from '#core/events/events.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { addAddress, insertPeople, verifyAddress } from '#core/people/people.ts';
import { linkToken, requestVerification, useLink } from '#core/people/verifications.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Cause, Tx } from '#kit/db/tx.ts';
import { type Mail, type Mailer, MailFailed } from '#kit/smtp/smtp.ts';
import { testDatabase } from '../../test/kit.ts';
import { isHardBounce, ownBounces, statusIn, takeReport } from './bounces.ts';
import { bounceAddress, readBounceAddress } from './envelope.ts';
import { forThePerson, wasRefused } from './fate.ts';
import { listMail, sendMailAgain } from './listed.ts';
import { type DeliveryReport, type NoticeState, noticesFor, startNotices } from './notices.ts';
import { liftSuppression, listSuppressions } from './suppressions.ts';

const secrets = createSecrets(Buffer.alloc(32, 5));
const publicUrl = new URL('https://id.example.org');
const phc = '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA';
const minute = 60_000;

/** A mail server that answers each letter as told, and remembers what it was handed. */
function answering(
  answer: (mail: Mail) => MailFailed | undefined,
): Mailer & { handed: Mail[]; taken: Mail[] } {
  const [handed, taken]: [Mail[], Mail[]] = [[], []];
  return {
    handed,
    taken,
    sent: [],
    async send(mail) {
      handed.push(mail);
      const failed = answer(mail);
      if (failed) throw failed;
      taken.push(mail);
      return { messageId: mail.messageId ?? '', response: '250 taken' };
    },
    async close() {},
  };
}

async function stage(t: TestContext, mailer: Mailer) {
  const home = await testDatabase({ poolSize: 12 });
  const { database, log } = home;
  const backoff = { first: 15, most: 1800 };
  const options = { database, secrets, mailer, publicUrl, log, backoff };
  const notices = await startNotices({ ...options, bounceDomain: 'people.example.org', hasWebhook: true });
  t.after(async () => {
    await notices.stop();
    await home.close();
  });
  const during = <T>(work: (tx: Tx) => Promise<T>, cause: Cause = 'request') =>
    database.transact(system(cause), work);
  const member = async (name: string, more: string[] = []) => {
    const person = newId();
    const addresses: string[] = [];
    await during(async (tx) => {
      const names = { username: name, usernameKey: name, givenName: '', familyName: '', displayName: name };
      await insertPeople(tx, [{ id: person, ...names, state: 'unverified', origin: 'test' }]);
      for (const text of [`${name}@example.org`, ...more]) {
        const { id } = await addAddress(tx, person, text);
        await verifyAddress(tx, person, id);
        addresses.push(id);
      }
      await activate(tx, person);
    }, 'demo');
    await notices.settle();
    return { person, address: addresses[0]!, addresses };
  };
  /** Lets what waits for another attempt be tried now, as the clock of the database would. */
  const retry = async () => {
    await database.query(`update queue_jobs set run_at = statement_timestamp() where lane = 'mail'`);
    await notices.settle();
  };
  const states = async (person: string) =>
    Object.fromEntries(
      (await during((tx) => noticesFor(tx, person))).map((one) => [one.kind, one.state]),
    ) as Record<string, NoticeState>;
  const only = async (person: string) => {
    const [one, ...others] = await during((tx) => noticesFor(tx, person));
    assert.ok(one && others.length === 0);
    return one;
  };
  return { ...home, notices, during, member, retry, states, only };
}

const unreachable = () => new MailFailed(false, 'ECONNREFUSED', undefined, 'connect');

test('F-29 the smart host is away for six hours: all is sent afterwards, but the reset mail whose hour is over', async (t) => {
  let isAway = true;
  const mailer = answering(() => (isAway ? unreachable() : undefined));
  const home = await stage(t, mailer);
  const [anna, ben] = [await home.member('anna'), await home.member('ben')];
  await home.during(async (tx) => {
    await setPassword(tx, anna.person, phc, 'change');
    await requestVerification(tx, { purpose: 'recovery', ...anna });
    await setPassword(tx, ben.person, phc, 'change');
    const fresh = await addAddress(tx, ben.person, 'new@example.org');
    await requestVerification(tx, { purpose: 'address', person: ben.person, address: fresh.id });
  });
  await home.notices.settle();
  for (let quarter = 0; quarter < 24; quarter += 1) {
    home.clock.advance(15 * minute);
    await home.retry();
  }
  assert.equal(mailer.taken.length, 0);
  const waiting = (await home.during((tx) => noticesFor(tx, ben.person)))[0]!;
  assert.deepEqual([waiting.state, waiting.answer], ['deferred', 'ECONNREFUSED']);
  assert.ok(
    waiting.nextAttemptAt && waiting.nextAttemptAt > home.clock.now(),
    'when it is tried next is known',
  );
  isAway = false;
  await home.retry();
  assert.deepEqual(await home.states(anna.person), { recovery: 'dropped', 'password-changed': 'accepted' });
  assert.deepEqual(await home.states(ben.person), {
    'password-changed': 'accepted',
    'address-added': 'accepted',
    'confirm-address': 'accepted',
  });
  const dropped = (await home.during((tx) => noticesFor(tx, anna.person))).find(
    (one) => one.kind === 'recovery',
  );
  assert.match(dropped?.answer ?? '', /had ended/);
  assert.equal(mailer.taken.length, 4, 'each once');
});

test('SM-04 F-29 4xx and then 5xx: a dead letter that operators see and send again, and no mail to anybody else', async (t) => {
  let answer: MailFailed | undefined = new MailFailed(false, '451 4.3.0 later', undefined, 'envelope');
  const mailer = answering(() => answer);
  const home = await stage(t, mailer);
  const anna = await home.member('anna');
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  await home.notices.settle();
  await home.retry();
  answer = new MailFailed(true, '554 5.7.1 we do not like you', undefined, 'data');
  await home.retry();
  const dead = await home.only(anna.person);
  assert.deepEqual(
    [dead.state, dead.status, dead.attempts, dead.answer],
    ['failed', '5.7.1', 3, '554 5.7.1 we do not like you'],
  );
  assert.deepEqual(new Set(mailer.handed.map((mail) => mail.to)), new Set(['anna@example.org']));
  const [listed] = await home.during((tx) => listMail(tx, { states: ['failed'], limit: 10 }));
  assert.deepEqual([listed?.id, listed?.to, listed?.username], [dead.id, 'anna@example.org', 'anna']);
  answer = undefined;
  await home.during((tx) => sendMailAgain(tx, dead.id));
  await home.notices.settle();
  assert.equal((await home.only(anna.person)).state, 'accepted');
  assert.equal(mailer.taken[0]?.messageId, mailer.handed[0]?.messageId, 'it is the same letter');
});

test('SM-08 a letter with which its sender ended again and again is told to operators, who can send it again', async (t) => {
  let isAway = true;
  const mailer = answering(() => (isAway ? unreachable() : undefined));
  const home = await stage(t, mailer);
  const anna = await home.member('anna');
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  await home.notices.settle();
  isAway = false;
  await home.database.query(`update queue_jobs set deaths = 25 where lane = 'mail'`);
  await home.retry();
  const dead = await home.only(anna.person);
  assert.equal(dead.state, 'failed', 'it does not wait for ever with nobody to carry it');
  assert.match(dead.answer ?? '', /ended 25 times in a row/);
  assert.equal(mailer.taken.length, 0);
  await home.during((tx) => sendMailAgain(tx, dead.id));
  await home.notices.settle();
  assert.equal((await home.only(anna.person)).state, 'accepted');
});

test('a mail that waits for one address holds up no code to another', async (t) => {
  const mailer = answering((mail) =>
    mail.to === 'anna@example.org' ? new MailFailed(false, '451 later', undefined) : undefined,
  );
  const home = await stage(t, mailer);
  const anna = await home.member('anna', ['anna@other.example']);
  for (const address of anna.addresses)
    await home.during((tx) => requestVerification(tx, { purpose: 'proof', person: anna.person, address }));
  await home.notices.settle();
  assert.deepEqual(
    mailer.taken.map((mail) => mail.to),
    ['anna@other.example'],
  );
});

test('whoever asks for the mail again does not wait until the one it replaces would have been tried again', async (t) => {
  let isAway = true;
  const mailer = answering(() => (isAway ? new MailFailed(false, '450 later', undefined) : undefined));
  const home = await stage(t, mailer);
  const { person, addresses } = await home.member('anna');
  const ask = () =>
    home.during((tx) => requestVerification(tx, { purpose: 'proof', person, address: addresses[0]! }));
  await ask();
  await home.notices.settle();
  assert.equal(mailer.handed.length, 1);
  isAway = false;
  await ask();
  await home.notices.settle();
  assert.equal(mailer.taken.length, 1);
  const states = (await home.during((tx) => noticesFor(tx, person))).map((one) => one.state);
  assert.deepEqual(states.sort(), ['accepted', 'dropped']);
});

test('an answer that never came is tried again, and that the letter may arrive twice is kept', async (t) => {
  let answers = 0;
  const mailer = answering(() =>
    answers++ === 0 ? new MailFailed(false, 'ETIMEDOUT', undefined, 'after-data') : undefined,
  );
  const home = await stage(t, mailer);
  const anna = await home.member('anna');
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  await home.notices.settle();
  assert.equal((await home.only(anna.person)).resent, 0);
  await home.retry();
  const sent = await home.only(anna.person);
  assert.deepEqual([sent.state, sent.resent], ['accepted', 1]);
  assert.equal(new Set(mailer.handed.map((mail) => mail.messageId)).size, 1);
});

test('what comes back is kept in whatever order it comes, and counts once', async (t) => {
  const home = await stage(
    t,
    answering(() => undefined),
  );
  const at = (minutes: number) => new Date(home.clock.now().getTime() + minutes * minute);
  const tell = (id: string, state: DeliveryReport['state'], minutes: number) =>
    home.during((tx) => takeReport(tx, id, { state, text: `said ${minutes}`, at: at(minutes) }));
  const cases: [DeliveryReport['state'][], NoticeState][] = [
    [['accepted', 'deferred', 'delivered'], 'delivered'],
    [['delivered', 'deferred', 'accepted'], 'delivered'],
    [['bounced', 'delivered', 'deferred'], 'bounced'],
    [['delivered', 'bounced', 'bounced'], 'bounced'],
    [['deferred', 'bounced', 'accepted'], 'bounced'],
    [['failed', 'deferred', 'accepted'], 'failed'],
  ];
  for (const [index, [told, end]] of cases.entries()) {
    const one = await home.member(`p${index}`);
    await home.during((tx) => setPassword(tx, one.person, phc, 'change'));
    await home.notices.settle();
    const { id } = await home.only(one.person);
    for (const [step, state] of told.entries()) await tell(id, state, step + 1);
    assert.equal((await home.only(one.person)).state, end, told.join(', '));
    assert.equal(await tell(id, told[0]!, 1), false, 'told again it says nothing new');
  }
  assert.equal(await tell(newId(), 'bounced', 1), false, 'a letter nobody knows');
});

test('of two reports that say "later" the newer one counts, and one that was taken elsewhere is not sent once more', async (t) => {
  const mailer = answering(() => new MailFailed(false, 'ETIMEDOUT', undefined, 'after-data'));
  const home = await stage(t, mailer);
  const anna = await home.member('anna');
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  await home.notices.settle();
  const { id } = await home.only(anna.person);
  const at = (minutes: number) => new Date(home.clock.now().getTime() + minutes * minute);
  for (const minutes of [2, 1])
    await home.during((tx) =>
      takeReport(tx, id, { state: 'deferred', text: `said at ${minutes}`, at: at(minutes) }),
    );
  await home.retry();
  const notice = await home.only(anna.person);
  assert.deepEqual([notice.state, notice.report, mailer.handed.length], ['deferred', 'said at 2', 1]);
  assert.ok(notice.acceptedAt);
});

test('refusals come back to an address of the letter alone, which nobody can make up', async (t) => {
  const mailer = answering(() => undefined);
  const home = await stage(t, mailer);
  const anna = await home.member('anna');
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  await home.notices.settle();
  const { id } = await home.only(anna.person);
  const [mail] = mailer.handed;
  const envelope = mail?.envelopeFrom ?? '';
  assert.equal(envelope, bounceAddress(secrets, id, 'people.example.org'));
  assert.equal(mail?.headers?.['X-MC-Metadata'], JSON.stringify({ notice: id }));
  const local = envelope.split('@')[0]!;
  assert.ok(local.length <= 64);
  assert.equal(readBounceAddress(secrets, local), id);
  assert.equal(readBounceAddress(secrets, local.toUpperCase()), id, 'servers on the way change the case');
  const later = createSecrets(Buffer.alloc(32, 6), [Buffer.alloc(32, 5)]);
  assert.equal(readBounceAddress(later, local), id, 'the master key may have changed meanwhile');
  assert.equal(readBounceAddress(createSecrets(Buffer.alloc(32, 9)), local), undefined);
  for (let place = 8; place < local.length; place += 1) {
    const other = local[place] === '0' ? '1' : '0';
    const forged = local.slice(0, place) + other + local.slice(place + 1);
    assert.equal(readBounceAddress(secrets, forged), undefined, forged);
  }

  const bounces = ownBounces({ ...home, secrets });
  assert.equal(bounces.recognise(local), id);
  assert.equal(bounces.recognise('anna'), undefined);
  await bounces.take(id, Buffer.from(vacation));
  assert.equal((await home.only(anna.person)).state, 'accepted', 'an answer of somebody absent is no report');
  await bounces.take(id, Buffer.from(dsn('delayed', '4.2.2', 'smtp; 452 4.2.2 mailbox full')));
  assert.equal((await home.only(anna.person)).state, 'deferred');
  await bounces.take(id, Buffer.from(dsn('failed', '5.0.0', 'smtp; 550 5.1.1 No such user here')));
  const refused = await home.only(anna.person);
  assert.deepEqual([refused.state, refused.status], ['bounced', '5.1.1']);
  assert.match(refused.report ?? '', /No such user here/);
});

const vacation = [
  'From: anna@example.org',
  'Subject: Out of office',
  'Auto-Submitted: auto-replied',
  '',
  'Back on Monday. 5.1.1',
  '',
].join('\r\n');

function dsn(action: string, status: string, diagnostic: string): string {
  return [
    'From: MAILER-DAEMON@mx.example.org',
    'To: bounces@people.example.org',
    'Subject: Undelivered Mail Returned to Sender',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'It did not arrive.',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example.org',
    '',
    'Final-Recipient: rfc822; anna@example.org',
    `Action: ${action}`,
    `Status: ${status}`,
    `Diagnostic-Code: ${diagnostic}`,
    '',
    '--b--',
    '',
  ].join('\r\n');
}

test('an address that refused twice is spared what can be done without; what is waited for is tried once a day; proof lifts it', async (t) => {
  const refusing = new Set(['anna@example.org']);
  const mailer = answering((mail) =>
    refusing.has(mail.to) ? new MailFailed(true, '550 5.1.1 no such user', undefined, 'envelope') : undefined,
  );
  const home = await stage(t, mailer);
  const anna = await home.member('anna', ['anna@other.example']);
  const change = async () => {
    mailer.handed.length = 0;
    await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
    await home.notices.settle();
    return mailer.handed.map((mail) => mail.to).sort();
  };
  const both = ['anna@example.org', 'anna@other.example'];
  assert.deepEqual(await change(), both);
  assert.deepEqual(await home.during((tx) => listSuppressions(tx)), [], 'once is not enough');
  assert.deepEqual(await change(), both);
  const [one] = await home.during((tx) => listSuppressions(tx));
  assert.deepEqual([one?.to, one?.bounces, one?.status], ['anna@example.org', 2, '5.1.1']);
  assert.deepEqual(await change(), ['anna@other.example'], 'security notices go on elsewhere');

  const recover = async () => {
    mailer.handed.length = 0;
    const asked = await home.during((tx) =>
      requestVerification(tx, { purpose: 'recovery', person: anna.person, address: anna.address }),
    );
    await home.notices.settle();
    return { asked, tried: mailer.handed.length };
  };
  assert.equal((await recover()).tried, 1);
  assert.equal((await recover()).tried, 0, 'once a day');
  home.clock.advance(25 * 60 * minute);
  refusing.clear();
  const back = await recover();
  assert.equal(back.tried, 1);
  await home.during(async (tx) => {
    await useLink(tx, secrets, linkToken(secrets, back.asked));
    await setPassword(tx, anna.person, phc, 'recovery');
  });
  await home.notices.settle();
  assert.deepEqual(await home.during((tx) => listSuppressions(tx)), []);
  assert.deepEqual(await change(), both);
  const events = await home.during((tx) => listEvents(tx, { person: anna.person, limit: 50 }));
  const told = events.filter(({ type }) => type.startsWith('mail.')).map(({ type, data }) => [type, data]);
  assert.deepEqual(told, [
    ['mail.suppression-lifted', { address: anna.address, by: 'proof' }],
    ['mail.suppressed', { address: anna.address, status: '5.1.1' }],
  ]);
});

test('policy, full mailboxes and refusals long ago suppress nothing; an operator and mail that arrives lift it', async (t) => {
  let answer: MailFailed | undefined;
  const mailer = answering(() => answer);
  const home = await stage(t, mailer);
  const anna = await home.member('anna');
  const refusedWith = async (text: string) => {
    answer = new MailFailed(true, text, undefined, 'data');
    await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
    await home.notices.settle();
  };
  const listed = () => home.during((tx) => listSuppressions(tx));
  for (let times = 0; times < 3; times += 1) await refusedWith('550 5.7.26 not authenticated');
  await refusedWith('552 5.2.2 mailbox full');
  await refusedWith('550 5.1.10 unknown');
  home.clock.advance(31 * 24 * 60 * minute);
  await refusedWith('550 5.1.10 unknown');
  assert.deepEqual(await listed(), []);
  await refusedWith('550 5.2.1 disabled');
  assert.equal((await listed()).length, 1);
  mailer.handed.length = 0;
  await refusedWith('550 5.2.1 disabled');
  assert.equal(mailer.handed.length, 1, 'the only address is tried all the same');
  await refusedWith('550 5.2.1 disabled');
  assert.equal(mailer.handed.length, 1, 'once a day');
  await home.during((tx) => liftSuppression(tx, anna.address));
  assert.deepEqual(await listed(), []);
  await assert.rejects(
    home.during((tx) => liftSuppression(tx, anna.address)),
    { code: 'not-found' },
  );
  await refusedWith('550 5.1.1 gone');
  await refusedWith('550 5.1.1 gone');
  assert.equal((await listed()).length, 1);
  const [latest] = await home.during((tx) => noticesFor(tx, anna.person));
  const at = home.clock.now();
  await home.during((tx) => takeReport(tx, latest!.id, { state: 'delivered', at }));
  assert.deepEqual(await listed(), []);
});

test('status codes are found where they stand, and only a missing mailbox is one', () => {
  assert.equal(statusIn('smtp;550 5.1.1 no'), '5.1.1');
  assert.equal(statusIn('550-5.7.26 This mail'), '5.7.26');
  assert.equal(statusIn('host 192.5.1.1 said no'), undefined);
  assert.equal(statusIn(undefined), undefined);
  for (const code of ['5.1.1', '5.1.10', '5.2.1']) assert.ok(isHardBounce(code));
  for (const code of ['5.7.1', '5.2.2', '4.1.1', '5.0.0', undefined]) assert.ok(!isHardBounce(code));
});

test('a person reads what was said of their own address alone', () => {
  const own = 'anna@company.example';
  const said = forThePerson(
    '550 5.1.1 <Anna@Company.example>: boss@company.example [10.2.3.4] 2001:db8:0:1::5 says\r\n no\u202e',
    own,
  );
  assert.equal(said, '550 5.1.1 anna@company.example: … … … says no');
  assert.equal(forThePerson('ECONNREFUSED', own), undefined);
  assert.equal(forThePerson(undefined, own), undefined);
  assert.equal(forThePerson('535 5.7.8 Error: authentication failed', own), undefined, 'that is about us');
  assert.equal(forThePerson(`550 ${'x'.repeat(900)}`, own)?.length, 241);
});

test('a letter that nobody took is not said to have been refused', () => {
  const failed = (answer: string, report?: string) => wasRefused({ state: 'failed', answer, report });
  assert.equal(failed('550 5.1.1 no such user'), true);
  assert.equal(failed('250 2.0.0 queued', 'rejected: hard-bounce'), true);
  assert.equal(failed('451 4.3.0 come again'), false);
  assert.equal(failed('ESOCKET connect ECONNREFUSED 127.0.0.1:587'), false);
  assert.equal(
    failed('Given up: the process that sends mail ended 3 times in a row with this letter in hand.'),
    false,
  );
  assert.equal(wasRefused({ state: 'bounced', answer: '250 2.0.0 queued' }), true);
  assert.equal(wasRefused({ state: 'deferred', answer: '550 5.7.1 no' }), false);
});
