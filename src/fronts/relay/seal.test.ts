import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { createSecrets, SealBroken } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { startDns, type TestDns } from '../../../test/dns.ts';
import { type TestDatabase, testDatabase } from '../../../test/kit.ts';
import { dkimpyJudges, mailJudgesMissing, opendkimVerifies } from '../../../test/peers/mail-judges.ts';
import { makeMail, makeMailKey, signMail } from '../../../test/signed-mail.ts';
import { createAuthenticator } from './authenticate.ts';
import { createDns } from './dns.ts';
import * as keys from './keys.ts';
import { createSealer } from './seal.ts';
import { createRelayThreads } from './threads.ts';

const skip = mailJudgesMissing();
const secrets = createSecrets(randomBytes(32));
const ours = 'id.harbour.test';

async function makeKey(
  house: TestDatabase,
  dns: TestDns,
  domain: string,
  algorithm: keys.KeyAlgorithm = 'rsa-sha256',
) {
  const made = await house.database.transact(system(), (tx) =>
    keys.makeRelayKey(tx, secrets, { domain, algorithm }),
  );
  dns.set(made.name, { TXT: [made.record] });
  await house.database.transact(system(), (tx) => keys.activateRelayKey(tx, made.id));
  return made;
}

async function stage(t: TestContext) {
  const house = await testDatabase();
  const dns = await startDns(t);
  const threads = createRelayThreads(house.log);
  t.after(() => threads.close());
  const needs = { log: house.log, threads };
  const sealer = createSealer({ ...needs, database: house.database, secrets });
  const { authenticate } = createAuthenticator({ ...needs, dnsServers: [dns.server] });
  const find = (raw: Buffer, client = '192.0.2.5', sender = 'x@tools.test') =>
    authenticate({ raw, client, sender, helo: 'mail.tools.test', mta: `mx.${ours}` });
  return { house, dns, sealer, find };
}

const fields = {
  From: 'Jira <jira@tools.test>',
  To: 'ada@id.harbour.test',
  Subject: '=?utf-8?q?Ch=C3=A4nged?=  twice   spaced',
  Date: 'Sun, 22 Nov 2026 10:00:00 +0000',
  'Message-ID': '<1@tools.test>',
  'MIME-Version': '1.0',
  'Content-Type': 'text/plain; charset=utf-8;\r\n\tformat=flowed',
  'List-Unsubscribe': '<https://tools.test/u/1>',
  'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
};
const bodies = {
  plain: 'Hello.\r\n',
  nothing: '',
  'empty lines': 'Hello  \t there. \r\n\r\n \r\n\r\n',
  'no last line break': 'Hello.\r\nWorld',
  // No NUL: mail has none, and C programs end there.
  bytes: Buffer.from(Array.from({ length: 255 }, (_, at) => ([9, 12].includes(at) ? 32 : at + 1))).toString(
    'latin1',
  ),
  'a large part': `${'x'.repeat(900)}\r\n`.repeat(2_000),
};

test('SM-09 what we sign is taken by opendkim and dkimpy, whatever the body', { skip }, async (t) => {
  const { house, dns, sealer } = await stage(t);
  const rsa = await makeKey(house, dns, ours);
  for (const [what, body] of Object.entries(bodies)) {
    const raw = makeMail({ ...fields, From: `"Jira via Harbour" <notify@${ours}>` }, body);
    const signed = Buffer.concat([await sealer.dkim({ raw, domain: ours }), raw]);
    const { dkim } = await dkimpyJudges(signed, dns.port);
    assert.deepEqual(dkim, [{ domain: ours, good: true }], what);
    // Its reader of files wants a last line to end; over SMTP every line does.
    const whole = body.endsWith('\r\n') ? signed : Buffer.concat([signed, Buffer.from('\r\n')]);
    const said = await opendkimVerifies(whole, { [rsa.name]: rsa.record });
    assert.ok(said.good, `${what}: ${said.text}`);
  }
  const raw = makeMail({ ...fields, From: `notify@${ours}` });
  const signed = Buffer.concat([await sealer.dkim({ raw, domain: ours }), raw]);
  const another = Buffer.concat([Buffer.from('From: eve@elsewhere.test\r\n'), signed]);
  assert.equal((await dkimpyJudges(another, dns.port)).dkim[0]!.good, false, 'nobody adds a From');
  const rewritten = signed.toString().replace(/^Date:.*\r\n/m, 'Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n');
  const stamped = Buffer.from(
    `Received: by smart.test; now\r\n${rewritten.replace(/^Message-ID:.*\r\n/m, '')}`,
  );
  assert.equal(
    (await dkimpyJudges(stamped, dns.port)).dkim[0]!.good,
    true,
    'what smart hosts change is not signed',
  );
});

test('Ed25519 is signed beside RSA where there is a key', { skip }, async (t) => {
  const { house, dns, sealer, find } = await stage(t);
  await makeKey(house, dns, ours);
  await makeKey(house, dns, ours, 'ed25519-sha256');
  const raw = makeMail({ ...fields, From: `notify@${ours}` });
  const signed = Buffer.concat([await sealer.dkim({ raw, domain: ours }), raw]);
  assert.match(signed.toString(), /a=rsa-sha256.*DKIM-Signature.*a=ed25519-sha256/s);
  const found = await find(signed, '192.0.2.5', `bounce@${ours}`);
  assert.deepEqual(
    found.dkim.map(({ result, aligned }) => ({ result, aligned })),
    [
      { result: 'pass', aligned: true },
      { result: 'pass', aligned: true },
    ],
  );
  assert.equal((await dkimpyJudges(signed, dns.port)).dkim[0]!.good, true);
});

test("SM-09 the original's signature still verifies below one, two and three hops of ours", {
  skip,
}, async (t) => {
  const { house, dns, sealer, find } = await stage(t);
  const theirs = makeMailKey();
  dns.set('s1._domainkey.tools.test', { TXT: [theirs.record] });
  let raw = await signMail(makeMail(fields, bodies['empty lines']), {
    domain: 'tools.test',
    selector: 's1',
    key: theirs,
  });
  const hops = [ours, 'two.test', 'three.test'];
  for (const [at, domain] of hops.entries()) {
    await makeKey(house, dns, domain);
    await new Promise((done) => setTimeout(done, at === 0 ? 0 : 2_100));
    const authentication = await find(raw);
    assert.equal(authentication.arc.result, at === 0 ? 'none' : 'pass', authentication.header);
    const trace = `Received: from x by mx.${domain}; now\r\nDelivered-To: ada@${domain}\r\n`;
    const passedOn = Buffer.concat([Buffer.from(trace), raw]);
    const set = await sealer.arc({ raw: passedOn, domain, authentication });
    assert.match(
      set.toString(),
      new RegExp(`^ARC-Seal: i=${at + 1}; a=rsa-sha256; .*cv=${at === 0 ? 'none' : 'pass'}`),
    );
    assert.ok(
      set
        .toString()
        .split('\r\n')
        .every((line) => line.length < 400),
    );
    raw = Buffer.concat([set, passedOn]);
    const said = await dkimpyJudges(raw, dns.port);
    assert.equal(said.arc.status, 'pass', said.text);
    assert.equal(said.arc.sets, at + 1);
    assert.deepEqual(said.dkim, [{ domain: 'tools.test', good: true }]);
    const filter = await opendkimVerifies(raw, { 's1._domainkey.tools.test': theirs.record });
    assert.ok(filter.good, filter.text);
  }
  const found = await find(raw);
  assert.equal(found.arc.result, 'pass');
  assert.equal(found.dkim[0]!.result, 'pass');
  assert.doesNotMatch(
    raw
      .toString()
      .replace(/^Delivered-To:.*$/gm, '')
      .split('DKIM-Signature')[0]!,
    /ada@/,
  );
});

test('a chain that failed is sealed once as failed, and then no more', { skip }, async (t) => {
  const { house, dns, sealer, find } = await stage(t);
  await makeKey(house, dns, ours);
  const raw = makeMail(fields);
  const pass = async (before: Buffer) => {
    const set = await sealer.arc({ raw: before, domain: ours, authentication: await find(before) });
    return { set: set.toString(), after: Buffer.concat([set, before]) };
  };
  const first = await pass(raw);
  const broken = Buffer.from(first.after.toString().replace('Hello', 'Hullo'));
  const second = await pass(broken);
  assert.match(second.set, /^ARC-Seal: i=2; .*cv=fail/);
  assert.equal((await find(second.after)).arc.result, 'fail');
  assert.notEqual((await dkimpyJudges(second.after, dns.port)).arc.status, 'pass');
  assert.equal((await pass(second.after)).set, '', 'nobody goes on with it');
  const torn = Buffer.concat([Buffer.from('ARC-Seal: i=7; cv=pass; nonsense\r\n'), raw]);
  assert.match((await pass(torn)).set, /^ARC-Seal: i=8; .*cv=fail/);
  const full = Buffer.concat([Buffer.from('ARC-Seal: i=50; cv=pass; nonsense\r\n'), raw]);
  assert.equal((await pass(full)).set, '');
  dns.fail('*', 'servfail');
  const unknown = { ...(await find(raw)), arc: { result: 'fail' as const, temporary: true } };
  assert.equal((await sealer.arc({ raw, domain: ours, authentication: unknown })).length, 0);
});

test('nothing is signed before its key is published, and nothing once it is withdrawn', async (t) => {
  const { house, dns, sealer } = await stage(t);
  const raw = makeMail(fields);
  const { database } = house;
  const resolver = createDns({ servers: [dns.server], timeoutMs: 500, tries: 1 });
  const next = await database.transact(system(), (tx) =>
    keys.makeRelayKey(tx, secrets, { domain: ours, algorithm: 'rsa-sha256' }),
  );
  assert.equal(next.state, 'next');
  assert.match(next.record, /^v=DKIM1; k=rsa; p=[A-Za-z0-9+/]{300,}=*$/);
  const again = await database.transact(system(), (tx) =>
    keys.makeRelayKey(tx, secrets, { domain: ours, algorithm: 'rsa-sha256' }),
  );
  assert.equal(again.id, next.id, 'one waits at a time');
  assert.equal((await sealer.dkim({ raw, domain: ours })).length, 0);
  const take = (dns: typeof resolver) => keys.takeUpPublishedKeys({ database, dns });
  const nothing = { changed: 0, unanswered: [] };
  assert.deepEqual(await take(resolver), nothing);
  dns.set(next.name, { TXT: [next.record.replace('k=rsa;', 'k=rsa; t=y;')] });
  const fresh = () => createDns({ servers: [dns.server], timeoutMs: 500, tries: 1 });
  assert.deepEqual(await take(fresh()), nothing, 'not one on trial');
  dns.fail('*', 'servfail');
  assert.deepEqual(await take(fresh()), { changed: 0, unanswered: [next.id] }, 'nobody knows');
  dns.fail('*', undefined);
  dns.set(next.name, { TXT: ['other text', next.record] });
  assert.equal((await take(fresh())).changed, 1);
  const fresher = createSealer({
    ...(await stage(t)),
    database,
    secrets,
    log: house.log,
    threads: threadsOf(t, house),
  });
  assert.equal(await fresher.signs(ours), true);
  assert.match((await fresher.dkim({ raw, domain: ours })).toString(), new RegExp(`s=${next.selector};`));
  assert.equal((await fresher.dkim({ raw, domain: 'other.test' })).length, 0);

  const second = await makeKey(house, dns, ours);
  const states = async () =>
    (await database.read(system(), keys.listRelayKeys)).map((key) => [key.selector, key.state]);
  assert.deepEqual(await states(), [
    [next.selector, 'retiring'],
    [second.selector, 'active'],
  ]);
  house.clock.advance(15 * 86_400_000);
  assert.equal((await take(fresh())).changed, 1);
  assert.deepEqual(await states(), [[second.selector, 'active']]);
  await database.transact(system(), (tx) => keys.withdrawRelayKey(tx, second.id));
  assert.deepEqual(await states(), []);
  const last = createSealer({ database, secrets, log: house.log, threads: threadsOf(t, house) });
  assert.equal((await last.dkim({ raw, domain: ours })).length, 0);
  const facts = await database.query<{ data: { selector: string; state: string } }>(
    `select data from events where type = 'relay.key-changed' order by id`,
  );
  assert.deepEqual(
    facts.map(({ data }) => data.state),
    ['next', 'active', 'next', 'retiring', 'active', 'withdrawn', 'withdrawn'],
  );
});

function threadsOf(t: TestContext, house: TestDatabase) {
  const threads = createRelayThreads(house.log);
  t.after(() => threads.close());
  return threads;
}

test('KE-03 private keys are sealed to their place, and follow a new master key', async (t) => {
  const { house, dns } = await stage(t);
  const { database } = house;
  const one = await makeKey(house, dns, ours);
  const two = await makeKey(house, dns, 'other.test', 'ed25519-sha256');
  const rows = await database.query<{ text: string }>(
    `select encode(private_key, 'escape') as text from relay_keys`,
  );
  assert.doesNotMatch(JSON.stringify(rows), /PRIVATE KEY/);
  const found = await keys.signingKeys(database, secrets);
  assert.deepEqual([...found.keys()], [ours, 'other.test']);
  await database.query(
    `update relay_keys one set private_key = other.private_key from relay_keys other
     where one.id = $1 and other.id = $2`,
    [one.id, two.id],
  );
  await assert.rejects(keys.signingKeys(database, secrets), SealBroken);
});

test('a new master key opens what the old one sealed, and seals it again', async () => {
  const house = await testDatabase();
  const [before, after] = [randomBytes(32), randomBytes(32)];
  const { database } = house;
  await database.transact(system(), async (tx) => {
    const key = await keys.makeRelayKey(tx, createSecrets(before), {
      domain: ours,
      algorithm: 'ed25519-sha256',
    });
    await keys.activateRelayKey(tx, key.id);
  });
  const both = createSecrets(after, [before]);
  assert.equal(await database.transact(system(), (tx) => keys.rewrapRelayKeys(tx, both)), 1);
  assert.equal(await database.transact(system(), (tx) => keys.rewrapRelayKeys(tx, both)), 0);
  const [key] = (await keys.signingKeys(database, createSecrets(after))).get(ours)!;
  assert.match(key!.privateKey, /BEGIN PRIVATE KEY/);
});

test('every domain without a key is given its first, once', async () => {
  const house = await testDatabase();
  const first = () =>
    house.database.transact(system(), (tx) => keys.makeFirstKeys(tx, secrets, [ours, 'harbour.test', ours]));
  await first();
  await first();
  const list = await house.database.read(system(), keys.listRelayKeys);
  assert.deepEqual(
    list.map((key) => [key.domain, key.state, key.algorithm]),
    [
      ['harbour.test', 'next', 'rsa-sha256'],
      [ours, 'next', 'rsa-sha256'],
    ],
  );
});
