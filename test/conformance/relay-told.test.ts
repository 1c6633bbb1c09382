/** What a person and operators are told of an answer that is not taken, where the sender hears what everyone hears. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { leave } from '#core/lifecycle/leave.ts';
import { reverseAlias } from '#fronts/relay/counterparts.ts';
import { explainArrival } from '#fronts/relay/explain.ts';
import { system } from '#kit/db/database.ts';
import { aliasDomain, letter, ownSender, realAddress, startTestRelay } from '#test/relay.ts';
import { terminal } from '../command.ts';

const password = 'plum violin tractor';
const everyone = '550 5.1.1 No mailbox here takes this mail.';

async function stage(t: TestContext) {
  const relay = await startTestRelay(t, { app: { mode: 'rewritten' } });
  const { platform, person, mailbox, mail } = relay;
  await platform.apply(`
people:
  - { username: ada, password: ${password}, addresses: [${realAddress}] }
  - { username: grace, password: ${password}, addresses: [grace@mail.test] }
`);
  /** A way for ada to answer that ended so many days ago. */
  const ended = (days: number) =>
    platform.database.transact(system(), (tx) =>
      reverseAlias(tx, platform.secrets, {
        person,
        application: 'jira',
        address: 'notify@jira.test',
        mailbox,
        domain: aliasDomain,
        days: -days,
      }),
    );
  const answer = async (to: string, client = '127.0.0.2') => {
    const { code, enhanced, text } = await mail({ from: realAddress, to, client });
    return `${code} ${enhanced} ${text}`;
  };
  const page = async (username: string) => {
    const visitor = platform.visitor();
    await visitor.signIn(username, password);
    const { text } = await visitor.open('/account/mail');
    return text.slice(text.indexOf('<main'), text.indexOf('</main>'));
  };
  return { ...relay, ended, answer, page };
}

test('an answer to a way that has ended is told to the person whose way it was, and to operators; its sender hears the one answer', async (t) => {
  const { platform, person, log, ended, answer, page } = await stage(t);
  const house = terminal(() => platform);
  assert.equal(await answer(await ended(1)), everyone);
  const [noted] = await log();
  assert.deepEqual(
    [noted!.verdict, noted!.reason, noted!.recipientClass, noted!.person, noted!.application],
    ['refused', 'expired', 'reply', person, 'jira'],
  );
  assert.match(
    await page('ada'),
    /Your answer to Jira was refused\.[\s\S]*The mail that you answered is too old for that/,
  );
  assert.doesNotMatch(await page('grace'), /answer to Jira/);
  const { out } = await house.good(['relay', 'log']);
  assert.match(out, /jira +ada +refused +expired/);
  const explained = await explainArrival(
    { ...platform, mailDomain: 'harbour.test' },
    { client: '127.0.0.2', sender: realAddress, recipient: await ended(1), tls: true },
  );
  assert.deepEqual(
    [explained.recipientClass, explained.reason, explained.person],
    ['reply', 'expired', person],
  );
});

test('nobody is told of an answer to an address that was not made here, or that is nobody’s any more', async (t) => {
  const { platform, person, log, ended, answer } = await stage(t);
  const [local = '', domain] = (await ended(3)).split('@');
  const last = async () => {
    const [{ reason, person: whose, application, recipientClass } = assert.fail('nothing is noted')] =
      await log();
    return [reason, whose, application, recipientClass];
  };
  const bent = `${local.slice(0, -1)}${local.endsWith('b') ? 'c' : 'b'}@${domain}`;
  assert.equal(await answer(bent), everyone);
  assert.deepEqual(await last(), ['not-ours', undefined, undefined, 'none']);
  // Another day in the same address is another address, and was not made here either.
  const other = await ended(4);
  assert.equal(
    await answer(`${local.split('.')[0]}.${other.split('.')[1]}.${local.split('.')[2]}@${domain}`),
    everyone,
  );
  assert.deepEqual(await last(), ['not-ours', undefined, undefined, 'none']);
  await platform.database.query('delete from relay_counterparts');
  assert.equal(await answer(`${local}@${domain}`), everyone);
  assert.deepEqual(await last(), ['expired', undefined, undefined, 'none'], 'it was made here once');
  const kept = await ended(3);
  await platform.database.transact(system('admin'), (tx) => leave(tx, person, 'suspended', 'a test'));
  assert.equal(await answer(kept), everyone);
  assert.deepEqual((await last()).slice(1), [undefined, undefined, 'none']);
});

test('an answer that could not be taken for the moment, or is too large, is told to the person as well', async (t) => {
  const { person, log, ended, answer, mail, sink } = await stage(t);
  const open = await ended(-30);
  const huge = Buffer.alloc(10_100_000, `${'x'.repeat(70)}\r\n`);
  const raw = Buffer.concat([
    Buffer.from(`From: ${realAddress}\r\nTo: ${open}\r\nSubject: Re\r\n\r\n`),
    huge,
  ]);
  const large = await mail({ from: realAddress, to: open, client: '127.0.0.2', raw });
  assert.match(`${large.code} ${large.enhanced}`, /^552 5\.3\.4|^5/);
  const [size] = await log();
  assert.deepEqual(
    [size!.reason, size!.recipientClass, size!.person, size!.application],
    ['size', 'reply', person, 'jira'],
  );
  await sink.close();
  for (let time = 0; time < 3; time += 1) await mail();
  assert.match(await answer(open), /^451/);
  const [away] = await log();
  assert.deepEqual(
    [away!.reason, away!.recipientClass, away!.person, away!.application],
    ['smart-host-away', 'reply', person, 'jira'],
  );
});

test('mail of an app that is switched off, and of strangers, is not told as that of one that is known by its From alone', async (t) => {
  const relay = await startTestRelay(t);
  await relay.platform.apply(`
applications: [{ id: wiki, title: Wiki }]
relay: { senders: { wiki: { domains: [wiki.test], require: [dkim] } } }
`);
  await relay.platform.relay!.refresh();
  await relay.setApp({ off: true });
  const told = async (from: string, client = '127.0.0.1') => {
    await relay.mail({ from, raw: letter({ from }), client });
    const [row] = await relay.log();
    return [row!.reason, row!.application, row!.person === relay.person];
  };
  assert.deepEqual(await told(ownSender), ['app-off', 'jira', true]);
  await relay.setApp({ networks: ['192.0.2.0/24'] });
  assert.deepEqual(await told('x@evil.test'), ['no-sender', undefined, true]);
  assert.deepEqual(
    await told('notify@wiki.test'),
    ['dns', 'wiki', true],
    'which could not be proved for now',
  );
  await relay.setApp({ domains: ['jira.test'] });
  assert.deepEqual(
    await told('x@evil.test'),
    ['from', 'jira', true],
    'who sends from its network is told as it',
  );
});
