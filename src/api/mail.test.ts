/** Letters in a community's own words, test mails, and whether mail can come and go, over the API. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { findByUsername, listAddresses } from '#core/people/people.ts';
import { requestVerification } from '#core/people/verifications.ts';
import { system } from '#kit/db/database.ts';
import { callApi } from '#test/api.ts';
import { startDns, type TestDns } from '#test/dns.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { dataImage, jpegTurned, makePng } from '#test/pictures.ts';

let platform: Platform;
let dns: TestDns;
const tokens: Record<string, string> = {};

before(async () => {
  dns = await startDns(undefined, {
    'people.harbour.test': { MX: ['10 mx.harbour.test'] },
    'mx.harbour.test': { A: ['127.0.0.1'] },
  });
  platform = await startPlatform({
    env: {
      GATEHOUSE_DNS_SERVERS: dns.server,
      GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test',
      GATEHOUSE_MAIL_DOMAIN: 'harbour.test',
      GATEHOUSE_SMTP_NAME: 'mx.harbour.test',
      // Nobody listens there.
      GATEHOUSE_SMTP_URL: 'smtp://127.0.0.1:9',
    },
  });
  await platform.apply(
    'community: { name: Harbour }\npeople:\n  - { username: ada, names: { displayName: Ada }, addresses: [ada@example.org] }\n',
  );
  await platform.database.transact(system('admin'), async (tx) => {
    for (const scope of ['admin', 'people', 'auditor'])
      tokens[scope] = (await createToken(tx, { name: scope, scopes: [scope as 'admin'] })).token;
  });
});

after(() => dns.close());

const call = (method: string, path: string, body?: unknown, as = 'admin') =>
  callApi(platform, tokens[as], method, path, body);

const recover = () =>
  platform.database.transact(system('request'), async (tx) => {
    const ada = await findByUsername(tx, 'ada');
    const [address] = await listAddresses(tx, [ada?.id ?? '']);
    await requestVerification(tx, { purpose: 'recovery', person: ada?.id ?? '', address: address?.id ?? '' });
  });

test('a letter is said in a community’s words from the moment they are kept, and in ours once they are gone', async () => {
  const { body: before } = await call('GET', '/mail/templates');
  assert.deepEqual(before.locales.slice(0, 2), ['en', 'de']);
  const recovery = before.items.find((one: { kind: string }) => one.kind === 'recovery');
  assert.match(recovery.languages[0].ours.text, /\{username\}/);
  assert.deepEqual(recovery.needed, ['username']);
  const put = (body: object, as?: string) => call('PUT', '/mail/templates/recovery/en', body, as);
  assert.equal((await put({ text: 'x {username}' }, 'people')).status, 403);
  const wrong = await put({ text: 'Click {link}', action: 'Go\nnow' });
  assert.equal(wrong.status, 400);
  const refused = await put({ text: 'Click {link}', subject: 'Hi {usernme}' });
  assert.match(refused.body.fields.text.text, /It asks for \{link\}, which every letter/);
  assert.match(refused.body.fields.subject.text, /\{usernme\}/);
  assert.equal((await call('PUT', '/mail/templates/recovery/la', { subject: 'Ave' })).status, 400);
  assert.equal((await put({ subject: 'Back to {community}', text: 'Ahoy <b>{username}</b>.' })).status, 200);
  await recover();
  const [mail] = (await platform.mailTo('ada@example.org')).slice(-1);
  assert.equal(mail?.subject, 'Back to Harbour');
  assert.match(mail?.text ?? '', /Ahoy <b>ada<\/b>\.\n\nSet a new password:\nhttp/);
  assert.match(mail?.html ?? '', /Ahoy &lt;b&gt;ada&lt;\/b&gt;/);
  assert.equal((await call('DELETE', '/mail/templates/recovery/en')).status, 204);
  assert.equal((await call('DELETE', '/mail/templates/recovery/en')).status, 404);
  await recover();
  assert.equal((await platform.mailTo('ada@example.org', /^Set a new password/)).length, 1);
});

test('a preview stands on a page of its own that loads and runs nothing, and that nobody else can write on', async () => {
  const template = { text: 'Ahoy {username} <script>alert(1)</script>' };
  const { status, body } = await call('POST', '/mail/templates/recovery/de/preview', { template }, 'auditor');
  assert.equal(status, 200);
  assert.match(body.text, /Ahoy ada <script>/);
  for (const scheme of ['light', 'dark']) {
    const frame = await fetch(platform.origin + body[scheme]);
    const page = await frame.text();
    assert.equal(frame.status, 200);
    assert.match(frame.headers.get('content-type') ?? '', /^text\/html/);
    assert.equal(
      frame.headers.get('content-security-policy'),
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'",
    );
    assert.equal(frame.headers.get('x-frame-options'), 'SAMEORIGIN');
    assert.match(page, /lang="de"/);
    assert.match(page, /Ahoy ada &lt;script&gt;/);
    assert.match(page, scheme === 'dark' ? /@media all/ : /@media not all/);
  }
  const [mac, text] = new URL(body.light, platform.origin).searchParams.get('draft')?.split('.') ?? [];
  for (const draft of [`${mac}.${text?.slice(0, -4)}AAAA`, `.${text}`, `${mac}.`, 'x', ''])
    assert.equal(
      (await fetch(`${platform.origin}/api/v1/mail/letter?draft=${draft}&scheme=light`)).status,
      404,
    );
  assert.equal((await call('POST', '/mail/templates/recovery/xx/preview', {})).status, 404);
});

test('a preview shows the logo as mail programs will, or says that they will not', async () => {
  const look = async (logo: string) => {
    await platform.apply(`community: { name: Harbour${logo && `, logo: "${logo}"`} }`);
    const { body } = await call('POST', '/mail/templates/recovery/en/preview', {}, 'auditor');
    const page = await (await fetch(platform.origin + body.light)).text();
    return { logo: body.logo, picture: /<img src="([^"]*)"/.exec(page)?.[1] };
  };
  const png = dataImage('png', makePng(64, 32));
  assert.deepEqual(await look(png), { logo: 'shown', picture: png });
  await recover();
  const [mail] = (await platform.mailTo('ada@example.org')).slice(-1);
  assert.ok(mail?.inline?.length === 1 && mail.html?.includes(`src="cid:${mail.inline[0]?.cid}"`));
  const svg = dataImage('svg+xml', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'));
  assert.deepEqual(await look(svg), { logo: 'left-out', picture: undefined });
  assert.deepEqual(await look(''), { logo: 'none', picture: undefined });
  const turned = { name: 'Harbour', logo: dataImage('jpeg', jpegTurned(6)) };
  const refused = await call('PUT', '/community', turned);
  assert.equal(refused.status, 400);
  assert.match(refused.body.fields.logo.text, /Turn the picture, save it, and set it again/);
});

test('a test mail goes where whoever asks may send one, and says what the server said; not more than twenty an hour', async () => {
  const refused = await call('POST', '/mail/test', { to: 'new@example.org' }, 'people');
  assert.deepEqual([refused.status, refused.body.code], [403, 'operator-forbidden']);
  assert.equal((await call('POST', '/mail/test', {})).body.code, 'address-unverified');
  assert.equal((await call('POST', '/mail/test', { to: 'a@b.test, c@d.test' })).body.code, 'address-several');
  assert.equal((await call('POST', '/mail/test', { to: 'a@b.test' }, 'auditor')).status, 403);
  const sent = await call('POST', '/mail/test', { to: 'new@example.org' });
  assert.deepEqual([sent.status, sent.body.state, sent.body.to], [200, 'taken', 'new@example.org']);
  assert.match(sent.body.answer, /^250/);
  const mail = (await platform.mailTo('new@example.org', /^Test mail/)).at(-1);
  assert.equal(mail?.subject, 'Test mail from Harbour');
  assert.equal(mail?.messageId, `<${sent.body.messageId}>`);
  let last = sent;
  for (let tries = 1; tries < 22 && last.status === 200; tries += 1)
    last = await call('POST', '/mail/test', { to: 'new@example.org' });
  assert.equal(last.status, 429);
  assert.equal((await platform.mailTo('new@example.org')).length, 20);
});

test('health is looked at on demand, kept for a moment, and looked at anew when asked', async () => {
  assert.equal((await call('GET', '/mail/health', undefined, 'people')).status, 403);
  const { body } = await call('GET', '/mail/health', undefined, 'auditor');
  assert.equal(body.state, 'bad');
  const alias = body.domains.find((one: { domain: string }) => one.domain === 'people.harbour.test');
  assert.deepEqual(alias.uses, ['alias']);
  const find = (from: { checks: { check: string; state: string }[] }, check: string) =>
    from.checks.find((one) => one.check === check);
  assert.equal(find(alias, 'mx')?.state, 'good');
  assert.equal(body.smartHosts[0].state, 'bad');
  assert.equal(
    body.domains.some((one: { domain: string }) => one.domain === 'harbour.test'),
    true,
  );
  const asked = dns.questions.length;
  dns.remove('people.harbour.test');
  assert.equal(find((await call('GET', '/mail/health')).body.domains[0], 'mx')?.state, 'good');
  assert.equal(dns.questions.length, asked);
  const anew = (await call('GET', '/mail/health?fresh=true')).body;
  assert.equal(find(anew.domains[0], 'mx')?.state, 'bad');
});

test('what nobody answers about is not what is missing, and says when it was last there', async () => {
  const look = async () => {
    const { body } = await call('GET', '/mail/health?fresh=true', undefined, 'auditor');
    const [alias] = body.domains;
    const find = (check: string) => alias.checks.find((one: { check: string }) => one.check === check);
    return { at: body.at, mx: find('mx'), policy: find('dmarc'), reports: find('tls-rpt') };
  };
  dns.set('people.harbour.test', { MX: ['10 mx.harbour.test'] });
  const good = await look();
  assert.deepEqual([good.mx.state, good.policy.state], ['good', 'warning']);
  assert.equal(good.mx.seenAt, undefined);
  platform.clock.advance(3_600_000);
  dns.fail('*', 'servfail');
  const silent = await look();
  assert.notEqual(silent.at, good.at);
  const { mx, policy, reports } = silent;
  assert.deepEqual([mx.state, mx.seenAt, mx.publish], ['unanswered', good.at, undefined]);
  assert.match(mx.text, /gave no answer \(ESERVFAIL\), so nobody knows/);
  assert.deepEqual([policy.state, policy.seenAt], ['unanswered', undefined], 'it was never seen');
  assert.equal(reports.state, 'unanswered');
  dns.fail('*', undefined);
  dns.remove('people.harbour.test');
  assert.equal((await look()).mx.state, 'bad');
  dns.fail('*', 'servfail');
  assert.equal((await look()).mx.seenAt, undefined, 'it was gone before');
  dns.fail('*', undefined);
});
