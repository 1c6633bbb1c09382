import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { changeCommunity, communitySettings } from '#core/community/community.ts';
import { setPassword } from '#core/credentials/credentials.ts';
import { record } from '#core/events/events.ts';
import { activate } from '#core/lifecycle/activate.ts';
import {
  addAddress,
  formerAddress,
  insertPeople,
  listAddresses,
  makePrimary,
  removeAddress,
  verifyAddress,
} from '#core/people/people.ts';
import { codeOf, linkToken, requestVerification, useLink } from '#core/people/verifications.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Cause, Tx } from '#kit/db/tx.ts';
import { addLocale } from '#kit/page/words.ts';
import { type CaughtMail, createMailer, type Mail, type Mailer, MailFailed } from '#kit/smtp/smtp.ts';
import { testDatabase } from '../../test/kit.ts';
import { noticesFor, startNotices } from './notices.ts';

const secrets = createSecrets(Buffer.alloc(32, 5));
const publicUrl = new URL('https://id.example.org');
const phc = '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA';

/** A mail server that answers as told, and remembers what it was handed. */
function scripted(answers: (MailFailed | 'taken')[]): Mailer & { handed: Mail[] } {
  const handed: Mail[] = [];
  return {
    handed,
    sent: [],
    async send(mail) {
      handed.push(mail);
      const answer = answers.shift() ?? 'taken';
      if (answer !== 'taken') throw answer;
      return { messageId: mail.messageId ?? '', response: '250 taken' };
    },
    async close() {},
  };
}

async function stage(t: TestContext, options: { mailer?: Mailer } = {}) {
  const home = await testDatabase({ poolSize: 12 });
  const { database, log } = home;
  const mailer = options.mailer ?? createMailer({ urls: ['memory:'], from: 'Museum <id@example.org>', log });
  const backoff = { first: 0.02, most: 0.05 };
  const notices = await startNotices({ database, secrets, mailer, publicUrl, log, backoff });
  const during = <T>(work: (tx: Tx) => Promise<T>, cause: Cause = 'request') =>
    database.transact(system(cause), work);
  await during((tx) =>
    changeCommunity(tx, communitySettings.parse({ name: 'Open Museum', contact: 'help@example.org' })),
  );
  const join = (name: string, person: { locale?: string; displayName?: string } = {}) =>
    during(async (tx) => {
      const id = newId();
      const names = { username: name, usernameKey: name, givenName: '', familyName: '' };
      const shown = { displayName: person.displayName ?? 'Anna Ö.', locale: person.locale };
      await insertPeople(tx, [{ id, ...names, ...shown, state: 'unverified', origin: 'test' }]);
      return { person: id, address: (await addAddress(tx, id, `${name}@example.org`)).id };
    });
  /** Someone active with one confirmed address; what that mailed is cleared away. */
  const member = async (name: string, person: { locale?: string } = {}) => {
    const one = await join(name, person);
    await during((tx) => verifyAddress(tx, one.person, one.address), 'demo');
    await during((tx) => activate(tx, one.person), 'demo');
    // Whom a fact concerns is looked up when it is read: what came before is read before anything else happens.
    await notices.settle();
    return one;
  };
  const settled = async (): Promise<readonly CaughtMail[]> => {
    await notices.settle();
    return mailer.sent;
  };
  t.after(async () => {
    await notices.stop();
    await home.close();
  });
  return { ...home, notices, mailer, during, join, member, settled };
}

const count = (mails: readonly { to: string }[]) => mails.map((mail) => mail.to.split('@')[0]).sort();

test('a sign-up mail holds link and code, the same in HTML and in text, and greets without the typed name', async (t) => {
  const home = await stage(t);
  const anna = await home.join('anna', { displayName: 'Win money <b>now</b>' });
  const link = await home.during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const [mail, ...others] = await home.settled();
  assert.ok(mail && others.length === 0);
  assert.equal(mail.to, 'anna@example.org');
  assert.equal(mail.subject, 'Confirm your address for Open Museum');
  const url = `https://id.example.org/verify?token=${linkToken(secrets, link)}`;
  for (const body of [mail.text, mail.html ?? '']) {
    assert.ok(body.includes(url));
    assert.ok(body.includes(codeOf(secrets, link)));
    assert.match(body, /24 hours.*10 minutes/);
    assert.doesNotMatch(body, /Win money/);
  }
  assert.equal(mail.headers['Reply-To'], 'help@example.org');
  assert.equal(mail.headers['Auto-Submitted'], 'auto-generated');
  assert.ok((mail.html?.length ?? 0) < 6000, 'a mail stays small');
  assert.doesNotMatch(mail.html ?? '', /<img|src=|url\(|@import|<script/i);
  assert.match(mail.html ?? '', /prefers-color-scheme:dark/);
});

test('AU-12 links in mails have the configured origin, whatever else a mail holds', async (t) => {
  const home = await stage(t);
  const anna = await home.member('anna');
  await home.during(async (tx) => {
    await requestVerification(tx, { purpose: 'recovery', ...anna });
    await record(tx, 'sign-up.repeated', { person: anna.person, data: { address: anna.address } });
    await record(tx, 'sign-in.throttled', { person: anna.person, data: { failures: 10 } });
    await addAddress(tx, anna.person, 'second@example.org');
    await setPassword(tx, anna.person, phc, 'apply');
  });
  const mails = await home.settled();
  assert.equal(mails.length, 3);
  for (const mail of mails) {
    const links = `${mail.text} ${mail.html}`.match(/https?:[^\s"<]+/g) ?? [];
    assert.ok(links.length >= 2);
    for (const link of links) assert.equal(new URL(link).origin, 'https://id.example.org');
  }
});

test('AU-14 old and new address are told of every change of addresses', async (t) => {
  const home = await stage(t);
  const anna = await home.member('old');
  const told = async (change: (tx: Tx) => Promise<unknown>) => {
    const before = home.mailer.sent.length;
    await home.during(change);
    return (await home.settled()).slice(before);
  };
  const added = await told((tx) => addAddress(tx, anna.person, 'new@example.org'));
  assert.deepEqual(count(added), ['old']);
  assert.match(added[0]?.text ?? '', /new@example\.org was added to your account old/);
  const [second] = (await home.during((tx) => listAddresses(tx, [anna.person]))).filter(
    (one) => !one.primary,
  );
  assert.ok(second);
  await home.during((tx) => verifyAddress(tx, anna.person, second.id));

  const primary = await told((tx) => makePrimary(tx, anna.person, second.id));
  assert.deepEqual(count(primary), ['new', 'old']);
  for (const mail of primary) assert.match(mail.text, /new@example\.org is the main address/);

  const removed = await told((tx) => removeAddress(tx, anna.person, anna.address));
  assert.deepEqual(count(removed), ['new', 'old']);
  for (const mail of removed) assert.match(mail.text, /old@example\.org was removed/);
  assert.equal(await home.during((tx) => formerAddress(tx, anna.address)), undefined, 'told, then forgotten');
});

test('AU-14 every confirmed address is told of a new password, an unconfirmed one never', async (t) => {
  const home = await stage(t);
  const anna = await home.member('one');
  await home.during(async (tx) => {
    const second = await addAddress(tx, anna.person, 'two@example.org');
    await verifyAddress(tx, anna.person, second.id);
    await addAddress(tx, anna.person, 'three@example.org');
  }, 'demo');
  for (const how of ['change', 'recovery', 'admin'] as const)
    await home.during((tx) => setPassword(tx, anna.person, phc, how));
  await home.during((tx) => setPassword(tx, anna.person, phc, 'sign-up'));
  assert.deepEqual(count(await home.settled()), ['one', 'one', 'one', 'two', 'two', 'two']);
});

test('nothing is mailed for what an import, a sync, a merge, a declaration or the demo did', async (t) => {
  const home = await stage(t);
  const anna = await home.member('anna');
  for (const cause of ['import', 'sync', 'merge', 'apply', 'demo'] as const) {
    await home.during(async (tx) => {
      await requestVerification(tx, { purpose: 'recovery', ...anna });
      await setPassword(tx, anna.person, phc, 'admin');
      const gone = await addAddress(tx, anna.person, `${cause}@example.org`);
      await verifyAddress(tx, anna.person, gone.id);
      await removeAddress(tx, anna.person, gone.id);
    }, cause);
  }
  assert.deepEqual(await home.settled(), []);
  const [former] = await home.database.query('select count(*) as count from former_addresses');
  assert.deepEqual(former, { count: 0 });
});

test('a welcome is sent once the address is confirmed, not when someone is let in again', async (t) => {
  const home = await stage(t);
  const anna = await home.join('anna');
  await home.during(async (tx) => {
    await verifyAddress(tx, anna.person, anna.address);
    await activate(tx, anna.person);
    await record(tx, 'person.activated', { person: anna.person, data: { from: 'locked', reason: 'asked' } });
  });
  const mails = await home.settled();
  assert.deepEqual(
    mails.map((mail) => mail.subject),
    ['Welcome to Open Museum'],
  );
  assert.match(mails[0]?.text ?? '', /Hello Anna Ö\.,/);
});

test('notices that strangers can cause do not pile up', async (t) => {
  const home = await stage(t);
  const anna = await home.member('anna');
  const cause = () =>
    home.during(async (tx) => {
      await record(tx, 'sign-in.throttled', { person: anna.person, data: { failures: 10 } });
      await record(tx, 'sign-in.throttled', { person: anna.person, data: { failures: 11 } });
      await record(tx, 'sign-up.repeated', { person: anna.person, data: { address: anna.address } });
    });
  await cause();
  await cause();
  assert.equal((await home.settled()).length, 2);
  home.clock.advance(11 * 60_000);
  await cause();
  assert.equal((await home.settled()).length, 3);
  home.clock.advance(24 * 3_600_000);
  await cause();
  assert.equal((await home.settled()).length, 5);
});

test('AU-12 links that were replaced, used or have ended while they waited are dropped, not sent', async (t) => {
  const mailer = scripted([]);
  const home = await stage(t, { mailer });
  const anna = await home.member('anna');
  await home.notices.stop();
  const ask = () => home.during((tx) => requestVerification(tx, { purpose: 'recovery', ...anna }));
  await ask();
  await ask();
  const used = await ask();
  await home.during((tx) => useLink(tx, secrets, linkToken(secrets, used)));
  await ask();
  home.clock.advance(61 * 60_000);
  const { database, log } = home;
  const later = await startNotices({ database, secrets, mailer, publicUrl, log });
  t.after(() => later.stop());
  await later.settle();
  assert.deepEqual(mailer.handed, []);
  const list = await home.during((tx) => noticesFor(tx, anna.person));
  assert.deepEqual(
    list.map((notice) => notice.state),
    ['dropped', 'dropped', 'dropped', 'dropped'],
  );
  assert.ok(list.every((notice) => notice.answer && notice.settledAt));
});

test('a late mail leaves the code out once it has ended; the link still counts', async (t) => {
  const home = await stage(t);
  const anna = await home.join('anna');
  await home.notices.stop();
  const link = await home.during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  home.clock.advance(11 * 60_000);
  const { database, log, mailer } = home;
  const later = await startNotices({ database, secrets, mailer, publicUrl, log });
  t.after(() => later.stop());
  await later.settle();
  const [mail] = mailer.sent;
  assert.ok(mail?.text.includes(linkToken(secrets, link)));
  assert.ok(!mail?.text.includes(codeOf(secrets, link)));
});

test('a mail that is not taken yet is tried again under the same message id; a refused one has failed', async (t) => {
  const mailer = scripted([
    new MailFailed(false, '451 greylisted', undefined),
    new MailFailed(false, 'ECONNECTION', undefined),
    'taken',
    new MailFailed(true, '550 no such mailbox', undefined),
  ]);
  const home = await stage(t, { mailer });
  const [anna, ben] = [await home.member('anna'), await home.member('ben')];
  await home.during((tx) => requestVerification(tx, { purpose: 'recovery', ...anna }));
  const sent = async (person: string, state: string) => {
    for (let tries = 0; tries < 500; tries++) {
      await home.notices.settle();
      const [notice] = await home.during((tx) => noticesFor(tx, person));
      if (notice?.state === state) return notice;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail(`never ${state}`);
  };
  const notice = await sent(anna.person, 'accepted');
  assert.deepEqual([notice.attempts, notice.answer, notice.to], [3, '250 taken', 'anna@example.org']);
  assert.equal(mailer.handed.length, 3);
  assert.deepEqual([...new Set(mailer.handed.map((mail) => mail.messageId))], [notice.messageId]);
  assert.match(notice.messageId ?? '', /@id\.example\.org$/);

  await home.during((tx) => requestVerification(tx, { purpose: 'recovery', ...ben }));
  const failed = await sent(ben.person, 'failed');
  assert.deepEqual([failed.attempts, failed.answer], [1, '550 no such mailbox']);
});

test('a mail that was never taken has failed after three days', async (t) => {
  const answers = Array.from({ length: 500 }, () => new MailFailed(false, '451 later', undefined));
  const home = await stage(t, { mailer: scripted(answers) });
  const anna = await home.member('anna');
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  await home.notices.settle();
  const now = async () => (await home.during((tx) => noticesFor(tx, anna.person)))[0];
  assert.deepEqual([(await now())?.state, (await now())?.answer], ['deferred', '451 later']);
  assert.ok((await now())?.nextAttemptAt);
  home.clock.advance(73 * 3_600_000);
  for (let tries = 0; tries < 500 && (await now())?.state !== 'failed'; tries++) {
    await home.notices.settle();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal((await now())?.state, 'failed');
});

test('AU-12 no link, code or address stands in queue, notices, events or log', async (t) => {
  const later = Array.from({ length: 50 }, () => new MailFailed(false, '451 later', undefined));
  const home = await stage(t, { mailer: scripted(later) });
  const anna = await home.member('anna');
  const link = await home.during((tx) => requestVerification(tx, { purpose: 'address', ...anna }));
  await home.notices.settle();
  const dump = JSON.stringify([
    await home.database.query('select * from queue_jobs'),
    await home.database.query('select * from notices'),
    await home.database.query('select * from events'),
    home.lines,
  ]);
  assert.ok(dump.includes(link.id) && dump.includes('451 later'));
  assert.ok(!dump.includes(linkToken(secrets, link)));
  assert.ok(!dump.includes(codeOf(secrets, link)));
  assert.ok(!dump.includes('anna@example.org'));
});

test('a mail speaks the language of its reader', async (t) => {
  addLocale('de', {
    notices: {
      'password-changed.subject': 'Dein Passwort bei {community} wurde geändert',
      helloName: 'Hallo {name},',
    },
  });
  const home = await stage(t);
  const anna = await home.member('anna', { locale: 'de-AT' });
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  const [mail] = await home.settled();
  assert.equal(mail?.subject, 'Dein Passwort bei Open Museum wurde geändert');
  assert.match(mail?.text ?? '', /^Hallo Anna Ö\.,/);
  assert.match(mail?.html ?? '', /<html lang="de" dir="ltr">/);
});

test('names cannot write markup or headers into a mail', async (t) => {
  const home = await stage(t);
  const hostile = '<script>alert(1)</script>"\'&';
  await home.during((tx) =>
    changeCommunity(
      tx,
      communitySettings.parse({ name: 'A <b>&\r\nBcc: x@example.org', contact: '"x" <y>' }),
    ),
  );
  const anna = await home.join('anna', { displayName: hostile });
  await home.during((tx) => verifyAddress(tx, anna.person, anna.address));
  await home.during((tx) => setPassword(tx, anna.person, phc, 'change'));
  const [mail] = await home.settled();
  assert.equal(mail?.subject, 'Your password at A <b>& Bcc: x@example.org was changed');
  assert.equal(mail?.headers['Reply-To'], undefined);
  assert.doesNotMatch(mail?.html ?? '', /<script|<b>/);
  assert.ok(mail?.html?.includes('&lt;script&gt;'));
});

test('two nodes that read and send at once write each mail once', async (t) => {
  const home = await stage(t);
  const { database, log, mailer } = home;
  const other = await startNotices({ database, secrets, mailer, publicUrl, log });
  t.after(() => other.stop());
  const people = await Promise.all(Array.from({ length: 20 }, (_, index) => home.member(`p${index}`)));
  await Promise.all(
    people.map((one) => home.during((tx) => requestVerification(tx, { purpose: 'recovery', ...one }))),
  );
  await Promise.all([home.notices.settle(), other.settle()]);
  assert.equal(new Set(mailer.sent.map((mail) => mail.to)).size, 20);
  assert.equal(mailer.sent.length, 20);
});
