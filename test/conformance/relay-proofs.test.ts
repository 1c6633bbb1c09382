/**
 * Who a message is from, proved or refused, through the door: what arrives at the smart host is judged by opendkim and
 * dkimpy, and what only looks like an app's own is not passed on.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { spf } from 'mailauth';
import { createDns } from '#fronts/relay/dns.ts';
import { activateRelayKey, makeRelayKey } from '#fronts/relay/keys.ts';
import type { RelayAppSettings } from '#fronts/relay/settings.ts';
import { system } from '#kit/db/database.ts';
import { startDns, type TestDns } from '#test/dns.ts';
import { closeAfterEach } from '#test/kit.ts';
import { dkimpyJudges, mailJudgesMissing, opendkimVerifies } from '#test/peers/mail-judges.ts';
import { aliasDomain, letter, ownSender, realAddress, startTestRelay, type TestRelay } from '#test/relay.ts';
import { makeMailKey, sealMail, signMail } from '#test/signed-mail.ts';

const skip = mailJudgesMissing();
closeAfterEach();

const theirs = makeMailKey();
const place = 's1._domainkey.jira.test';
const sign = (raw: string | Buffer, domain = 'jira.test') =>
  signMail(Buffer.from(raw), { domain, selector: 's1', key: theirs });

/** The app writes from 127.0.0.2 alone, and its mail has to be proved. */
const guarded: Partial<RelayAppSettings> = {
  networks: ['127.0.0.2/32'],
  domains: ['jira.test'],
  require: ['dmarc'],
};

async function stage(t: TestContext, app: Partial<RelayAppSettings> = guarded) {
  const dns = await startDns(t, {
    'jira.test': { TXT: ['v=spf1 ip4:127.0.0.3 -all'] },
    '_dmarc.jira.test': { TXT: ['v=DMARC1; p=quarantine'] },
    [place]: { TXT: [theirs.record] },
    'eve.test': { TXT: ['v=spf1 ip4:127.0.0.0/8 -all'] },
    's1._domainkey.eve.test': { TXT: [theirs.record] },
    // The smart host speaks for our domain.
    [aliasDomain]: { TXT: ['v=spf1 ip4:192.0.2.25 -all'] },
  });
  const relay = await startTestRelay(t, { app, env: { GATEHOUSE_DNS_SERVERS: dns.server } });
  return { dns, relay };
}

async function publishKey(relay: TestRelay, dns: TestDns) {
  const { database, secrets } = relay.platform;
  const key = await database.transact(system(), async (tx) => {
    const made = await makeRelayKey(tx, secrets, { domain: aliasDomain, algorithm: 'rsa-sha256' });
    return activateRelayKey(tx, made.id);
  });
  dns.set(key!.name, { TXT: [key!.record] });
  return key!;
}

const last = (relay: TestRelay) => relay.sink.messages.at(-1)!;

test("SM-09 passed on as it is: the original's signature verifies, ours seals it, and SPF of the envelope passes", {
  skip,
}, async (t) => {
  const { dns, relay } = await stage(t);
  await publishKey(relay, dns);
  const raw = await sign(letter({ text: 'Look:  twice \t spaced \r\n\r\n.\r\n..\r\n \r\n' }));
  const answer = await relay.mail({ raw, client: '127.0.0.2' });
  assert.equal(answer.code, 250, answer.transcript);
  const sent = last(relay);
  const said = await dkimpyJudges(sent.raw, dns.port);
  assert.deepEqual(said.dkim, [{ domain: 'jira.test', good: true }]);
  assert.deepEqual([said.arc.status, said.arc.sets], ['pass', 1], said.text);
  const filter = await opendkimVerifies(sent.raw, { [place]: theirs.record });
  assert.ok(filter.good, filter.text);
  const text = sent.raw.toString();
  assert.match(text, /^ARC-Seal: i=1; .*cv=none;/);
  assert.match(
    text,
    /^ARC-Authentication-Results: i=1; mx\.harbour\.test;\r\n dkim=pass header\.d=jira\.test/m,
  );
  assert.doesNotMatch(text, new RegExp(realAddress));
  assert.ok(text.endsWith(raw.toString().slice(raw.indexOf('\r\n\r\n'))), 'no byte of the body changed');

  const [, domain] = sent.from.split('@');
  assert.match(sent.from, /^SRS0=/);
  assert.equal(domain, aliasDomain);
  const resolver = createDns({ servers: [dns.server] });
  t.after(() => resolver.close());
  const check = (ip: string) =>
    spf({
      ip,
      sender: sent.from,
      helo: 'smart.test',
      resolver: resolver.resolve as unknown as NonNullable<Parameters<typeof spf>[0]['resolver']>,
    });
  assert.equal((await check('192.0.2.25')).status.result, 'pass');
  assert.equal((await check('192.0.2.26')).status.result, 'fail');
});

test('SM-09 the chain of earlier hops goes on, and one that was broken is sealed as failed', {
  skip,
}, async (t) => {
  const { dns, relay } = await stage(t);
  await publishKey(relay, dns);
  dns.set('arc._domainkey.list.test', { TXT: [theirs.record] });
  const sealed = await sealMail(await sign(letter()), {
    domain: 'list.test',
    selector: 'arc',
    key: theirs,
    cv: 'none',
    results: 'list.test; dkim=pass header.d=jira.test',
  });
  assert.equal((await relay.mail({ raw: sealed, client: '127.0.0.2' })).code, 250);
  const said = await dkimpyJudges(last(relay).raw, dns.port);
  assert.deepEqual([said.arc.status, said.arc.sets], ['pass', 2], said.text);
  const broken = Buffer.from(sealed.toString().replace('list.test; dkim=pass', 'list.test; dkim=fail'));
  assert.equal((await relay.mail({ raw: broken, client: '127.0.0.2' })).code, 250, 'its DKIM still holds');
  assert.match(last(relay).raw.toString(), /^ARC-Seal: i=2; .*cv=fail;/);
});

test('SM-09 written anew: our own signature verifies for the domain it is from now', { skip }, async (t) => {
  const { dns, relay } = await stage(t, { ...guarded, mode: 'rewritten' });
  const key = await publishKey(relay, dns);
  const answer = await relay.mail({ raw: await sign(letter()), client: '127.0.0.2' });
  assert.equal(answer.code, 250, answer.transcript);
  const { raw } = last(relay);
  const from = /^From: .*@([a-z.]+)>?\r$/m.exec(raw.toString())?.[1];
  assert.equal(from, aliasDomain);
  const said = await dkimpyJudges(raw, dns.port);
  assert.ok(
    said.dkim.some((one) => one.domain === aliasDomain && one.good),
    said.text,
  );
  const ours = said.dkim.filter((one) => one.domain !== aliasDomain);
  assert.ok(
    ours.every((one) => one.good),
    'no broken signature is left standing',
  );
  const filter = await opendkimVerifies(raw, { [key.name]: key.record, [place]: theirs.record });
  assert.ok(filter.good, filter.text);
});

test('SM-09 written anew it is sealed over our signature: what the app proved stands there, and nothing of the person', {
  skip,
}, async (t) => {
  const { dns, relay } = await stage(t, { ...guarded, mode: 'rewritten' });
  const key = await publishKey(relay, dns);
  for (const selector of ['arc', 'later'])
    dns.set(`${selector}._domainkey.list.test`, { TXT: [theirs.record] });
  const seal = async (cv: 'none' | 'fail', selector = 'arc') =>
    sealMail(await sign(letter()), {
      domain: 'list.test',
      selector,
      key: theirs,
      cv,
      results: 'list.test; dkim=pass header.d=jira.test',
    });
  const pass = async (raw: Buffer) => {
    const answer = await relay.mail({ raw, client: '127.0.0.2' });
    assert.equal(answer.code, 250, answer.transcript);
    const sent = last(relay).raw;
    const said = await dkimpyJudges(sent, dns.port);
    // Whatever becomes of the chain, DMARC holds by our own signature.
    assert.deepEqual(said.dkim, [{ domain: aliasDomain, good: true }], said.text);
    const filter = await opendkimVerifies(sent, { [key.name]: key.record });
    assert.ok(filter.good, filter.text);
    return { text: sent.toString(), arc: [said.arc.status, said.arc.sets], said };
  };
  const first = await pass(await sign(letter()));
  assert.deepEqual(first.arc, ['pass', 1], first.said.text);
  const [, set = '', below = ''] = /^(ARC-[\s\S]*?)(?=^DKIM-Signature: )([\s\S]*)$/m.exec(first.text) ?? [];
  assert.match(set, /^ARC-Seal: i=1; .*cv=none;/);
  assert.match(set, new RegExp(`d=${aliasDomain}; s=${key.selector};`));
  assert.match(set, /^ARC-Message-Signature:[\s\S]*?h=[^;]*:\s*DKIM-Signature:/m, 'it covers our signature');
  const results = /^ARC-Authentication-Results: ([\s\S]*)$/m.exec(set)?.[1] ?? '';
  assert.match(results, /^i=1; mx\.harbour\.test;\r\n dkim=pass header\.d=jira\.test/);
  assert.match(results, /dmarc=pass [\s\S]*header\.from=jira\.test/);
  assert.doesNotMatch(results, /@|gmail|ada/i);
  assert.doesNotMatch(first.text, new RegExp(realAddress));
  assert.match(below, /^Received: from \S+ \(\[127\.0\.0\.2\]\)\r\n\tby mx\.harbour\.test /m);

  const second = await pass(await seal('none'));
  assert.deepEqual(second.arc, ['pass', 2], second.said.text);
  assert.match(second.text, /^ARC-Seal: i=2; .*cv=pass;/);
  const whole = await seal('none');
  const broken = await pass(
    Buffer.from(whole.toString().replace('list.test; dkim=pass', 'list.test; dkim=fail')),
  );
  assert.match(broken.text, /^ARC-Seal: i=2; .*cv=fail;/);
  assert.notEqual(broken.arc[0], 'pass', 'nobody takes it for whole');
  // What had failed before, or cannot be checked now, is not gone on with, and changed as it is it would stand there broken.
  assert.doesNotMatch((await pass(await seal('fail'))).text, /^ARC-/m);
  dns.fail('later._domainkey.list.test', 'servfail');
  assert.doesNotMatch((await pass(await seal('none', 'later'))).text, /^ARC-/m);
});

test('SM-02 the right network with the wrong proof is refused', { skip }, async (t) => {
  const { relay } = await stage(t);
  const good = await sign(letter());
  const spoofs: Record<string, Parameters<TestRelay['mail']>[0]> = {
    'no proof at all': { raw: letter() },
    'a changed body': { raw: Buffer.from(good.toString().replace('HARB-1', 'HARB-2')) },
    "another domain's signature": { raw: await sign(letter(), 'eve.test') },
    "another domain's SPF": { raw: letter(), from: 'x@eve.test' },
    "another domain's SPF by HELO": { raw: letter(), from: '', helo: 'eve.test' },
    'HELO alone': { raw: letter(), helo: 'jira.test' },
    'another From below a good signature': {
      raw: Buffer.from(good.toString().replace(/^From: .*$/m, 'From: Jira <notify@eve.test>')),
    },
    'the name of the app only': { raw: letter({ from: 'eve@eve.test' }), from: 'eve@eve.test' },
    'a domain that ends like it': { raw: await sign(letter({ from: 'x@eviljira.test' }), 'eve.test') },
    'two From': { raw: Buffer.concat([Buffer.from('From: eve@eve.test\r\n'), good]) },
  };
  for (const [what, sent] of Object.entries(spoofs)) {
    const answer = await relay.mail({ client: '127.0.0.2', ...sent });
    assert.ok([550, 554].includes(answer.code), `${what}: ${answer.transcript}`);
    assert.match(answer.enhanced, /^5\.[67]\./, what);
    assert.doesNotMatch(answer.transcript, new RegExp(realAddress));
  }
  assert.equal(relay.sink.messages.length, 0);
  assert.equal((await relay.mail({ raw: good, client: '127.0.0.2' })).code, 250);
});

test('SM-02 where the domain asks for it, what fails DMARC is refused in its name', { skip }, async (t) => {
  const { dns, relay } = await stage(t);
  dns.set('_dmarc.jira.test', { TXT: ['v=DMARC1; p=reject'] });
  const answer = await relay.mail({ raw: letter(), client: '127.0.0.2' });
  assert.deepEqual([answer.code, answer.enhanced], [550, '5.7.26']);
});

test('SM-02 the right proof from the wrong network is refused before a byte of it is read', {
  skip,
}, async (t) => {
  const { relay } = await stage(t);
  const raw = await sign(letter());
  for (const client of ['127.0.0.1', '127.0.0.3', '127.1.0.2']) {
    const answer = await relay.mail({ raw, client, helo: 'out.jira.test' });
    assert.deepEqual([answer.code, answer.enhanced], [550, '5.1.1'], client);
    assert.doesNotMatch(answer.transcript, /^354/m);
  }
  assert.equal(relay.sink.messages.length, 0);
  await relay.setApp({ ...guarded, envelope: [`*@jira.test`] });
  const other = await relay.mail({ raw, client: '127.0.0.2', from: 'notify@eve.test' });
  assert.deepEqual([other.code, other.enhanced], [550, '5.1.1'], 'the envelope has to fit as well');
  await relay.setApp({ ...guarded, tls: true });
  const clear = await relay.mail({ raw, client: '127.0.0.2' });
  assert.deepEqual([clear.code, clear.enhanced], [550, '5.1.1'], 'and TLS, where it is asked for');
  assert.equal((await relay.mail({ raw, client: '127.0.0.2', tls: true })).code, 250);
});

test('each kind of proof that is asked for has to hold', { skip }, async (t) => {
  const networks = ['127.0.0.2/32', '127.0.0.3/32'];
  const { relay } = await stage(t, { ...guarded, networks });
  const signed = await sign(letter());
  const both = { raw: signed, client: '127.0.0.3', from: ownSender };
  const dkim = { raw: signed, client: '127.0.0.2', from: ownSender };
  const spfOnly = { raw: letter(), client: '127.0.0.3', from: ownSender };
  for (const [require, sent, code] of [
    [['dmarc'], spfOnly, 250],
    [['dmarc'], dkim, 250],
    [['spf'], spfOnly, 250],
    [['spf'], dkim, 550],
    [['dkim'], spfOnly, 550],
    [['dkim'], dkim, 250],
    [['spf', 'dkim'], dkim, 550],
    [['spf', 'dkim'], spfOnly, 550],
    [['spf', 'dkim', 'dmarc'], both, 250],
  ] as const) {
    await relay.setApp({ ...guarded, networks, require: [...require] });
    const answer = await relay.mail(sent);
    assert.equal(answer.code, code, `${require}: ${answer.transcript}`);
  }
});

test('while DNS does not answer, what could not be proved is asked to come again', { skip }, async (t) => {
  const { dns, relay } = await stage(t);
  const raw = await sign(letter());
  dns.fail(place, 'servfail');
  const answer = await relay.mail({ raw, client: '127.0.0.2' });
  assert.equal(answer.code, 451, answer.transcript);
  assert.equal(relay.sink.messages.length, 0);
  dns.fail(place, undefined);
  await new Promise((done) => setTimeout(done, 1_100));
  assert.equal((await relay.mail({ raw, client: '127.0.0.2' })).code, 250);
  const [newest, older] = await relay.log();
  assert.deepEqual([newest!.verdict, older!.verdict], ['relayed', 'deferred']);
});
