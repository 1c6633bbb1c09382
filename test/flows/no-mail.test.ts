/** "I did not get it": who sees what became of a mail, in which words, and what mail services may tell of it. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { newId } from '#kit/crypto/ids.ts';
import { callApi } from '#test/api.ts';
import { harbour, idOf, passwords } from '#test/factors.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

const key = 'a-key-of-the-mail-service';
const password = 'plum violin tractor';
let platform: Platform;
let count = 0;

before(async () => {
  platform = await startPlatform({ env: { GATEHOUSE_MAIL_WEBHOOK_KEY: key } });
  await platform.apply(harbour);
});
after(() => platform.close());

async function signUp(visitor: Visitor, email: string): Promise<void> {
  count += 1;
  await visitor.open('/sign-up');
  const username = `new${count}`;
  const form = { given_name: 'Ann', family_name: 'Ek', username, email, password };
  assert.match((await visitor.submit(form, '/sign-up')).url, /\/verify\/code$/);
  await platform.settle();
}

/** What stands on a page, without markup, tokens and addresses. */
const plain = (text: string) =>
  (/<main[\s\S]*<\/main>/.exec(text)?.[0] ?? text)
    .replaceAll(/name="form_token" value="[^"]*"/g, '')
    .replaceAll(/datetime="[^"]*"|title="[^"]*"/g, '')
    .replaceAll(/[\w.]+@[\w.]+/g, '(address)')
    .replaceAll(/\s+/g, ' ');

/** As the service posts it. */
function post(events: unknown, more: { signature?: string; text?: string } = {}) {
  const text = more.text ?? JSON.stringify(events);
  const url = `${platform.origin}/mail/hooks/mandrill`;
  const signature =
    more.signature ?? createHmac('sha1', key).update(`${url}mandrill_events${text}`).digest('base64');
  return fetch(url, {
    method: 'POST',
    headers: { 'x-mandrill-signature': signature, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ mandrill_events: text }).toString(),
  });
}

const told = (event: string, notice: string, ts: number, diag?: string) => ({
  event,
  ts,
  _id: 'abc',
  msg: { email: 'somebody@example.org', metadata: { notice }, diag, state: 'sent', tags: [], opens: [] },
});

async function latestNotice(address: string): Promise<{ id: string; state: string; status?: string }> {
  const [row] = await platform.database.query<{ id: string; state: string; status?: string }>(
    `select n.id, n.state, n.status from notices n join addresses a on a.id = n.address
     where a.address = $1 order by n.created_at desc, n.id desc limit 1`,
    [address],
  );
  return row!;
}

const seconds = () => Math.floor(platform.clock.now().getTime() / 1000);

test('whoever signs up sees what became of the mail, in the browser that waits for it alone, and ways on', async () => {
  const visitor = platform.visitor();
  const address = 'ann@company.example';
  await signUp(visitor, address);
  assert.match(visitor.page.text, /href="\/verify\/mail"/);
  const taken = await visitor.open('/verify/mail');
  assert.match(taken.text, /Taken by the mail server/);
  assert.match(taken.text, /spam folder/);
  const { id } = await latestNotice(address);
  const diag = `smtp;550 5.1.1 <${address}>: no such user, ask postmaster@company.example [10.9.8.7]`;
  assert.equal((await post([told('hard_bounce', id, seconds(), diag)])).status, 204);
  const refused = await visitor.open('/verify/mail');
  assert.match(refused.text, /The mail server of <bdi>company\.example<\/bdi> refused it/);
  assert.match(refused.text, /said: <q dir="auto">550 5\.1\.1 ann@company\.example: no such user, ask … …/);
  assert.ok(!/postmaster@|10\.9\.8\.7/.test(refused.text));
  assert.match((await platform.visitor().open('/verify/mail')).url, /\/sign-in$/);

  assert.match(refused.text, /href="\/verify\/address"/);
  await visitor.submit({}, '/verify/resend');
  await platform.settle();
  assert.match(
    (await visitor.open('/verify/mail')).text,
    /Taken by the mail server/,
    'the newest mail counts',
  );
  await visitor.open('/verify/address');
  await visitor.submit({ email: 'ann@other.example' }, '/verify/address');
  await platform.settle();
  assert.match((await visitor.open('/verify/mail')).text, /ann@other\.example/);
});

test('the page that waits for a new address to be confirmed leads to what became of its mail', async () => {
  const visitor = platform.visitor();
  await visitor.signIn('bob', passwords.bob);
  await visitor.submit({ email: 'bob@new.example' }, '/account/addresses');
  await platform.settle();
  assert.match(visitor.page.text, /href="\/verify\/mail" id="no-mail"/);
  assert.match((await visitor.open('/verify/mail')).text, /bob@new\.example[\s\S]*Taken by the mail server/);
});

test('AU-07 whoever signs up with the address of somebody else sees the same as with one of their own', async () => {
  const [own, theirs] = [platform.visitor(), platform.visitor()];
  await signUp(own, 'fresh@example.org');
  await signUp(theirs, 'bob@example.org');
  const look = async () => [
    plain((await own.open('/verify/mail')).text),
    plain((await theirs.open('/verify/mail')).text),
  ];
  const [first, second] = await look();
  assert.match(first!, /Taken by the mail server/);
  assert.equal(second, first);
  await signUp(theirs, 'bob@example.org');
  assert.equal((await look())[1], first, 'also when its owner is told no second time');
  for (const address of ['fresh@example.org', 'bob@example.org'])
    await post([told('deferral', (await latestNotice(address)).id, seconds(), '452 4.2.2 mailbox full')]);
  const [third, fourth] = await look();
  assert.match(third!, /452 4\.2\.2 mailbox full/);
  assert.equal(fourth, third);
});

test('AU-13 after a recovery a strange browser learns nothing, the one that was signed in there before sees what became of it', async () => {
  const ask = async (visitor: Visitor, name: string) => {
    await visitor.open('/recover');
    const sent = await visitor.submit({ username: name }, '/recover');
    assert.match(sent.text, /href="\/recover\/mail"/);
    await platform.settle();
    return plain((await visitor.open('/recover/mail')).text);
  };
  const nobody = await ask(platform.visitor(), 'nobody.at.all');
  const stranger = await ask(platform.visitor(), 'ada');
  assert.equal(stranger, nobody);
  assert.match(nobody, /cannot say what became of a mail/);
  assert.match(nobody, /two of them have made sure/i);

  const known = platform.visitor();
  await known.signIn('ada', passwords.ada);
  await known.open('/account');
  await known.submit({}, '/sign-out');
  const seen = await ask(known, 'ada');
  assert.match(seen, /Taken by the mail server/);
  await post([
    told('hard_bounce', (await latestNotice('ada@example.org')).id, seconds(), '550 5.7.1 blocked'),
  ]);
  const later = plain((await known.open('/recover/mail')).text);
  assert.match(later, /refused it/);
  assert.match(later, /550 5\.7\.1 blocked/);
  assert.equal(await ask(known, 'bob'), plain((await known.open('/recover/mail')).text));
  assert.doesNotMatch(plain((await known.open('/recover/mail')).text), /bob/, 'of others it learns nothing');
});

test('the webhook takes what is signed, once, in any order, and passes over what is not ours', async () => {
  const url = `${platform.origin}/mail/hooks/mandrill`;
  assert.equal((await fetch(url, { method: 'HEAD' })).status, 204);
  assert.equal((await post([], { signature: 'of another key' })).status, 204, 'it tries the address so');
  const visitor = platform.visitor();
  await signUp(visitor, 'hook@example.org');
  const { id } = await latestNotice('hook@example.org');
  const state = async () => (await latestNotice('hook@example.org')).state;
  const bounced = told('hard_bounce', id, seconds(), 'smtp;550 5.1.1 no');
  for (const signature of ['', 'x', createHmac('sha1', 'other').update('x').digest('base64')]) {
    const refused = await post([bounced], { signature });
    assert.equal(refused.status, 403);
    assert.match(await refused.text(), /not signed with the key/);
  }
  assert.equal(await state(), 'accepted');
  const deferred = told('deferral', id, seconds() + 60, '451 4.7.1 later');
  assert.equal((await post([deferred, told('open', id, seconds()), { event: 'send' }, 7])).status, 204);
  assert.equal(await state(), 'deferred');
  assert.equal((await post([told('delivered', id, seconds() + 90)])).status, 204);
  assert.equal(await state(), 'delivered');
  await post([deferred, told('send', id, seconds())]);
  assert.equal(await state(), 'delivered');
  for (let times = 0; times < 3; times += 1) await post([bounced]);
  assert.equal(await state(), 'bounced');
  const [row] = await platform.database.query(
    `select bounces from mail_suppressions s join addresses a on a.id = s.address where a.address = 'hook@example.org'`,
  );
  assert.deepEqual(row, { bounces: 1 }, 'told three times it counts once');
  await post([told('delivered', id, seconds() + 200)]);
  assert.equal(await state(), 'bounced', 'what came back for good stays');

  assert.equal((await post([told('hard_bounce', newId(), seconds(), '550 5.1.1')])).status, 204);
  assert.equal((await post([told('hard_bounce', `${id}' or true --`, seconds())])).status, 204);
  assert.equal((await post(undefined, { text: '{"not": "a list"}' })).status, 400);
  assert.equal((await post(undefined, { text: 'nothing of that kind' })).status, 400);
  assert.equal((await post(Array.from({ length: 1001 }, () => 0))).status, 400);
  const large = told('hard_bounce', id, seconds(), 'x'.repeat(1_100_000));
  assert.equal((await post([large])).status, 413);
});

test('without its key the webhook takes nothing but the try', async () => {
  const plainOne = await startPlatform();
  const ask = (text: string) =>
    fetch(`${plainOne.origin}/mail/hooks/mandrill`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-mandrill-signature': 'x' },
      body: new URLSearchParams({ mandrill_events: text }).toString(),
    });
  assert.equal((await ask('[]')).status, 204);
  assert.equal((await ask('[{"event":"send"}]')).status, 403);
  await plainOne.close();
});

test('operators list our mail by state, send a dead letter again and lift what an address was spared', async () => {
  const ada = await idOf(platform, 'ada');
  const { appoint } = await import('#core/operators/operators.ts');
  const { createToken } = await import('#core/operators/tokens.ts');
  const { system } = await import('#kit/db/database.ts');
  const tokens = await platform.database.transact(system('admin'), async (tx) => {
    await appoint(tx, { person: ada, role: 'owner' });
    const made: Record<string, string> = {};
    for (const role of ['help-desk', 'auditor', 'apps'])
      made[role] = (await createToken(tx, { name: role, scopes: [role] })).token;
    return made;
  });
  const call = (role: string, method: string, path: string, body?: unknown) =>
    callApi(platform, tokens[role], method, path, body);
  const visitor = platform.visitor();
  await signUp(visitor, 'dead@example.org');
  const { id } = await latestNotice('dead@example.org');
  await post([told('reject', id, seconds())]);
  const listed = await call('auditor', 'GET', '/mail?state=failed');
  assert.deepEqual(
    listed.body.items.map((one: { id: string; to: string; canSendAgain: boolean }) => [
      one.id,
      one.to,
      one.canSendAgain,
    ]),
    [[id, 'dead@example.org', true]],
  );
  assert.equal((await call('apps', 'GET', '/mail')).status, 403);
  assert.equal((await call('auditor', 'POST', `/mail/${id}/send-again`, {})).status, 403);
  assert.equal((await call('help-desk', 'POST', `/mail/${id}/send-again`, {})).status, 200);
  assert.equal(
    (await call('help-desk', 'POST', `/mail/${id}/send-again`, {})).status,
    404,
    'it waits already',
  );
  assert.equal((await platform.mailTo('dead@example.org')).length, 2);
  assert.equal((await latestNotice('dead@example.org')).state, 'accepted');
  const counts = await call('auditor', 'GET', '/mail/counts');
  assert.ok(counts.body.counts.find((one: { state: string }) => one.state === 'accepted').count > 0);

  const pages: string[] = [];
  for (let cursor: string | undefined, rounds = 0; rounds < 50; rounds += 1) {
    const next = cursor ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const page = await call('auditor', 'GET', `/mail?limit=3&person=${ada}${next}`);
    pages.push(...page.body.items.map((one: { id: string }) => one.id));
    cursor = page.body.next;
    if (!cursor) break;
  }
  const all = await call('auditor', 'GET', `/mail?limit=200&person=${ada}`);
  assert.deepEqual(
    pages,
    all.body.items.map((one: { id: string }) => one.id),
  );
  assert.equal(new Set(pages).size, pages.length);

  await visitor.submit({}, '/verify/resend');
  await platform.settle();
  const second = await latestNotice('dead@example.org');
  await post([
    told('hard_bounce', id, seconds(), '550 5.1.1 no'),
    told('hard_bounce', second.id, seconds(), '550 5.1.1 no'),
  ]);
  const both = (await call('auditor', 'GET', '/mail?state=bounced')).body.items.filter(
    (entry: { id: string }) => [id, second.id].includes(entry.id),
  );
  assert.deepEqual(
    both.map((entry: { id: string; canSendAgain: boolean }) => [entry.id, entry.canSendAgain]),
    [
      [second.id, true],
      [id, false],
    ],
    'the link of the older letter was replaced by the newer one',
  );
  const suppressed = await call('auditor', 'GET', '/mail/suppressions');
  const [one] = suppressed.body.items.filter((entry: { to: string }) => entry.to === 'dead@example.org');
  assert.equal(one.bounces, 2);
  assert.equal((await call('help-desk', 'DELETE', `/mail/suppressions/${one.address}`)).status, 200);
  assert.equal((await call('help-desk', 'DELETE', `/mail/suppressions/${one.address}`)).status, 404);
});
