import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { startDns, type TestDns } from '../../../test/dns.ts';
import { forgedKeys, forgeries, key, mine, signed, usual, zone } from '../../../test/mail-forgeries.ts';
import { type MailKey, makeMail, sealMail } from '../../../test/signed-mail.ts';
import { type AuthenticationInput, createAuthenticator, isProved, proofsOf } from './authenticate.ts';
import { authenticate as onThisThread } from './proofs.ts';
import { createRelayThreads } from './threads.ts';

function look(dns: TestDns, input: Partial<AuthenticationInput>) {
  return onThisThread({
    raw: mine,
    client: '198.51.100.9',
    helo: 'mail.tools.test',
    sender: 'bounces+17@bounce.tools.test',
    mta: 'mx.harbour.test',
    ...input,
    dnsServers: [dns.server],
  });
}

test('SPF and DKIM are proved for the domain in From, by the organisational domain', async (t) => {
  const dns = await startDns(t, zone());
  const found = await look(dns, { raw: await signed(), client: '192.0.2.5' });
  assert.equal(found.author, 'tools.test');
  assert.deepEqual(found.spf, { result: 'pass', domain: 'bounce.tools.test', aligned: true });
  assert.deepEqual(found.dkim, [{ domain: 'tools.test', selector: 's1', result: 'pass', aligned: true }]);
  assert.equal(found.dmarc.result, 'pass');
  assert.equal(found.temporary, false);
  assert.deepEqual(proofsOf(found, 'Tools.test'), { spf: true, dkim: true, dmarc: true });
  assert.equal(isProved(found, 'tools.test', ['spf', 'dkim', 'dmarc']), 'yes');
  assert.equal(isProved(found, 'elsewhere.test', ['dmarc']), 'no', 'another reading of From proves nothing');

  const spfAlone = await look(dns, { client: '192.0.2.5' });
  assert.deepEqual(proofsOf(spfAlone, 'tools.test'), { spf: true, dkim: false, dmarc: true });
  const dkimAlone = await look(dns, { raw: await signed() });
  assert.equal(dkimAlone.spf.result, 'fail');
  assert.deepEqual(proofsOf(dkimAlone, 'tools.test'), { spf: false, dkim: true, dmarc: true });
});

test('the header names domains and never an address', async (t) => {
  const dns = await startDns(t, zone());
  const { header } = await look(dns, { raw: await signed(), client: '::ffff:192.0.2.5' });
  assert.match(header, /^mx\.harbour\.test;\r\n dkim=pass header\.d=tools\.test header\.s=s1 header\.b=/);
  assert.match(header, /spf=pass smtp\.mailfrom=bounce\.tools\.test;/);
  assert.match(header, /dmarc=pass policy\.dmarc=reject header\.from=tools\.test;/);
  assert.match(header, /arc=none smtp\.remote-ip=192\.0\.2\.5$/);
  assert.doesNotMatch(header, /@/);
});

test('with the null sender the name in HELO is what SPF is about', async (t) => {
  const dns = await startDns(t, zone({ 'mail.tools.test': { TXT: ['v=spf1 ip4:192.0.2.5 -all'] } }));
  const here = await look(dns, { sender: '', client: '192.0.2.5' });
  assert.deepEqual(here.spf, { result: 'pass', domain: 'mail.tools.test', aligned: true });
  assert.match(here.header, /smtp\.helo=mail\.tools\.test/);
  const other = await look(dns, { sender: '', client: '192.0.2.5', helo: '[192.0.2.5]' });
  assert.equal(proofsOf(other, 'tools.test').spf, false);
  const named = await look(dns, { client: '192.0.2.5', sender: 'x@elsewhere.test' });
  assert.equal(named.spf.result, 'fail', 'with a sender HELO proves nothing');
});

test('a domain that publishes no policy can still be proved; a strict one by itself alone', async (t) => {
  const dns = await startDns(t, zone());
  dns.remove('_dmarc.tools.test');
  const quiet = await look(dns, { raw: await signed() });
  assert.equal(quiet.dmarc.result, 'none');
  assert.deepEqual(proofsOf(quiet, 'tools.test'), { spf: false, dkim: true, dmarc: true });
  const strict = await startDns(
    t,
    zone({ '_dmarc.tools.test': { TXT: ['v=DMARC1; p=reject; adkim=s; aspf=s'] } }),
  );
  const below = await look(strict, { client: '192.0.2.5' });
  assert.deepEqual(proofsOf(below, 'tools.test'), { spf: false, dkim: false, dmarc: false });
  const exact = await look(strict, { raw: await signed(), client: '192.0.2.5' });
  assert.deepEqual(proofsOf(exact, 'tools.test'), { spf: false, dkim: true, dmarc: true });
});

test('SM-02 what is not proved beyond doubt is not proved', async (t) => {
  const dns = await startDns(t, zone(forgedKeys));
  assert.ok(Object.keys(forgeries).length >= 30);
  assert.deepEqual(proofsOf(await look(dns, { raw: await signed() }), 'tools.test').dkim, true);
  for (const [what, make] of Object.entries(forgeries)) {
    const found = await look(dns, await make());
    const proofs = proofsOf(found, 'tools.test');
    assert.deepEqual(proofs, { spf: false, dkim: false, dmarc: false }, `${what}: ${found.header}`);
    assert.equal(isProved(found, 'tools.test', ['dmarc']), 'no', what);
  }
});

test('domains below a public suffix are strangers to each other', async (t) => {
  for (const [ours, theirs] of [
    ['a.co.uk', 'b.co.uk'],
    ['anna.github.io', 'eve.github.io'],
    ['a.test', 'b.test'],
  ] as const) {
    const dns = await startDns(t, {
      [ours]: { TXT: ['v=spf1 -all'] },
      [theirs]: { TXT: ['v=spf1 ip4:203.0.113.7 -all'] },
      [`s1._domainkey.${theirs}`]: { TXT: [key.record] },
      // Even where the suffix itself seems to speak for all below it.
      [`_dmarc.${ours.slice(ours.indexOf('.') + 1)}`]: { TXT: ['v=DMARC1; p=none'] },
    });
    const raw = await signed(makeMail({ ...usual, From: `x@${ours}` }), { domain: theirs });
    const found = await look(dns, { raw, sender: `eve@${theirs}`, client: '203.0.113.7' });
    assert.equal(found.spf.result, 'pass');
    assert.equal(found.dkim[0]!.result, 'pass');
    assert.deepEqual(proofsOf(found, ours), { spf: false, dkim: false, dmarc: false }, ours);
  }
});

test('DNS that does not answer makes a message wait, and never one that is proved without it', async (t) => {
  const dns = await startDns(t, zone());
  const raw = await signed();
  dns.fail('s1._domainkey.tools.test', 'servfail');
  const noKey = await look(dns, { raw });
  assert.equal(noKey.dkim[0]!.result, 'temperror');
  assert.equal(isProved(noKey, 'tools.test', ['dmarc']), 'later');
  assert.equal(isProved(await look(dns, { raw, client: '192.0.2.5' }), 'tools.test', ['dmarc']), 'yes');
  const noSpf = await startDns(t, zone());
  noSpf.fail('bounce.tools.test', 'refused');
  assert.equal(isProved(await look(noSpf, {}), 'tools.test', ['spf']), 'later');
  assert.equal(isProved(await look(noSpf, { raw }), 'tools.test', ['dmarc']), 'yes');
  const noPolicy = await startDns(t, zone());
  noPolicy.fail('_dmarc.tools.test', 'servfail');
  assert.equal(isProved(await look(noPolicy, {}), 'tools.test', ['dmarc']), 'later');
});

test('the chain of hops is judged as it stands', async (t) => {
  const hop = (name: string, made: MailKey) => ({ [`arc._domainkey.${name}`]: { TXT: [made.record] } });
  const dns = await startDns(t, zone({ ...hop('one.test', key), ...hop('two.test', key) }));
  const seal = (raw: Buffer, domain: string, cv: 'none' | 'pass' | 'fail') =>
    sealMail(raw, { domain, selector: 'arc', key, cv, results: `${domain}; spf=pass` });
  const once = await seal(mine, 'one.test', 'none');
  assert.deepEqual((await look(dns, { raw: once })).arc, { result: 'pass' });
  const twice = await seal(once, 'two.test', 'pass');
  const found = await look(dns, { raw: twice });
  assert.deepEqual(found.arc, { result: 'pass' });
  assert.match(found.header, /arc=pass/);
  assert.equal(
    proofsOf(found, 'tools.test').dmarc,
    false,
    'a chain says what others saw, and proves no author',
  );
  const broken = Buffer.from(twice.toString().replace('one.test; spf=pass', 'one.test; spf=fail'));
  assert.deepEqual((await look(dns, { raw: broken })).arc, { result: 'fail' });
  const later = await startDns(t, zone(hop('two.test', key)));
  later.fail('arc._domainkey.one.test', 'servfail');
  assert.deepEqual((await look(later, { raw: twice })).arc, { result: 'fail', temporary: true });
});

test('nothing a sender publishes makes us connect anywhere', async (t) => {
  let connections = 0;
  const trap = createServer().listen(0, '127.0.0.1');
  t.after(() => trap.close());
  trap.on('connection', () => {
    connections += 1;
  });
  await new Promise((done) => trap.once('listening', done));
  const url = `http://127.0.0.1:${(trap.address() as { port: number }).port}/x`;
  const dns = await startDns(
    t,
    zone({
      'default._bimi.tools.test': { TXT: [`v=BIMI1; l=${url}.svg; a=${url}.pem`] },
      '_mta-sts.tools.test': { TXT: ['v=STSv1; id=1'] },
      '_dmarc.tools.test': { TXT: [`v=DMARC1; p=reject; rua=mailto:x@tools.test!10m,${url}; ruf=${url}`] },
    }),
  );
  const raw = await signed(makeMail({ ...usual, 'BIMI-Selector': 'v=BIMI1; s=default' }));
  assert.equal((await look(dns, { raw, client: '192.0.2.5' })).dmarc.result, 'pass');
  assert.equal(connections, 0);
  assert.ok(!dns.questions.some(({ name }) => /_bimi|_mta-sts/.test(name)));
});

test('on threads it is the same, and a hostile SPF record costs a bounded number of questions', async (t) => {
  const chain = Object.fromEntries(
    Array.from({ length: 40 }, (_, at) => [
      `h${at}.test`,
      { TXT: [`v=spf1 include:h${at + 1}.test a:a${at}.test mx:m${at}.test exists:%{i}.e${at}.test -all`] },
    ]),
  );
  const dns = await startDns(t, zone(chain));
  const log = createLog({ level: 'error', destination: { write: () => undefined } });
  const threads = createRelayThreads(log);
  t.after(() => threads.close());
  const { authenticate } = createAuthenticator({ dnsServers: [dns.server], log, threads });
  const usualInput = { client: '192.0.2.5', helo: 'mail.tools.test', mta: 'mx.harbour.test' };
  const found = await authenticate({ ...usualInput, raw: await signed(), sender: 'x@tools.test' });
  assert.deepEqual(proofsOf(found, 'tools.test'), { spf: true, dkim: true, dmarc: true });
  const before = dns.questions.length;
  const hostile = await authenticate({ ...usualInput, raw: mine, sender: 'x@h0.test' });
  assert.equal(hostile.spf.result, 'permerror');
  assert.ok(dns.questions.length - before < 40, `${dns.questions.length - before} questions`);
});

/** RFC 8463 appendix A: one message, signed by Ed25519 and by RSA. */
const dinner = [
  'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
  ' d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
  ' subject : date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
  ' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;',
  ' d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :',
  ' date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3',
  ' DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
  ' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
];
/** RFC 6376 appendix A.2: the same message, signed by its bytes as they are. */
const submitted = [
  'DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;',
  '      c=simple/simple; q=dns/txt; i=joe@football.example.com;',
  '      h=Received : From : To : Subject : Date : Message-ID;',
  '      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  '      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB',
  '      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut',
  '      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV',
  '      4bmp/YzhwvcubU4=;',
  'Received: from client1.football.example.com  [192.0.2.1]',
  '      by submitserver.example.com with SUBMISSION;',
  '      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)',
];
const question = [
  'From: Joe SixPack <joe@football.example.com>',
  'To: Suzie Q <suzie@shopping.example.net>',
  'Subject: Is dinner ready?',
  'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  '',
  'Hi.',
  '',
  'We lost the game. Are you hungry yet?',
  '',
  'Joe.',
  '',
];

test('a message that was made to cost much costs little, and proves nothing', async (t) => {
  const dns = await startDns(t, zone());
  const spaces = `${' '.repeat(70)}x\r\n`.repeat(20_000);
  const parts = makeMail(usual, spaces);
  const fields = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const one = await signed(parts, { covered: 1_000 + at });
      return one.subarray(0, one.length - parts.length);
    }),
  );
  const hostile = {
    'one long line': await signed(makeMail(usual, `${'x'.repeat(2_000_000)}\r\n`)),
    'signatures of many parts': Buffer.concat([...fields, parts]),
    'more signatures than mail has': Buffer.concat([
      Buffer.from('DKIM-Signature: v=1\r\n'.repeat(900)),
      mine,
    ]),
  };
  for (const [what, raw] of Object.entries(hostile)) {
    const began = process.cpuUsage();
    const found = await look(dns, { raw });
    const { user, system } = process.cpuUsage(began);
    assert.deepEqual(proofsOf(found, 'tools.test'), { spf: false, dkim: false, dmarc: false }, what);
    assert.ok(user + system < 1_000_000, `${what}: ${Math.round((user + system) / 1000)} ms`);
    assert.equal(proofsOf(await look(dns, { raw, client: '192.0.2.5' }), 'tools.test').spf, true, what);
  }
  assert.equal(proofsOf(await look(dns, { raw: await signed(parts) }), 'tools.test').dkim, true);
});

test('the examples of RFC 6376 and RFC 8463 verify, by RSA and by Ed25519', async (t) => {
  const rsa =
    'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB';
  const edwards = 'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=';
  const older =
    'v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB';
  const dns = await startDns(t, {
    'brisbane._domainkey.football.example.com': { TXT: [edwards] },
    'test._domainkey.football.example.com': { TXT: [rsa] },
    'brisbane._domainkey.example.com': { TXT: [older] },
  });
  const found = await look(dns, { raw: Buffer.from([...dinner, ...question].join('\r\n')) });
  assert.deepEqual(
    found.dkim.map(({ selector, result, aligned }) => [selector, result, aligned]),
    [
      ['brisbane', 'pass', true],
      ['test', 'pass', true],
    ],
  );
  const first = await look(dns, { raw: Buffer.from([...submitted, ...question].join('\r\n')) });
  assert.deepEqual(first.dkim, [
    { domain: 'example.com', selector: 'brisbane', result: 'pass', aligned: true },
  ]);
  const spaced = [...submitted, ...question].join('\r\n').replace('From: Joe', 'From:  Joe');
  assert.notEqual((await look(dns, { raw: Buffer.from(spaced) })).dkim[0]!.result, 'pass');
});
