/** Mailed links and codes: how long they live, what kills them, where they lead, whom they reach. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import {
  addPeople,
  behindProxy,
  mailedCode,
  mailedLink,
  newNetwork,
  post,
  signedIn,
  speak,
  stranger,
} from './stage.ts';

const right = 'plum violin tractor';
const next = 'seven lanterns float';
const minute = 60_000;
let platform: Platform;
let count = 0;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  await platform.apply('community:\n  name: Harbour\n');
});

async function someone(): Promise<{ username: string; password: string; address: string }> {
  count += 1;
  const person = { username: `person${count}`, password: right, address: `person${count}@example.org` };
  await addPeople(platform, [person]);
  return person;
}

async function askRecovery(username: string): Promise<Visitor> {
  const visitor = stranger(platform);
  await visitor.open('/recover');
  const page = await visitor.submit({ username }, '/recover');
  assert.match(page.text, /mail with a link is on its way/);
  return visitor;
}

async function signUp(username: string): Promise<{ visitor: Visitor; address: string }> {
  const visitor = stranger(platform);
  const address = `${username}@example.org`;
  await visitor.open('/sign-up');
  await visitor.submit(
    { given_name: 'New', family_name: 'Comer', username, email: address, password: right },
    '/sign-up',
  );
  return { visitor, address };
}

async function statusOfLink(link: string): Promise<number> {
  return (await stranger(platform).open(link)).status;
}

test('AU-12 a recovery link opens for 60 minutes and not a moment longer, neither page nor form', async () => {
  const person = await someone();
  await askRecovery(person.username);
  const link = await mailedLink(platform, person.address, '/recover/new');
  platform.clock.advance(60 * minute - 1000);
  const visitor = stranger(platform);
  assert.equal((await visitor.open(link)).status, 200);
  platform.clock.advance(2000);
  assert.equal((await visitor.submit({ password: next }, '/recover/new')).status, 410);
  assert.equal(await statusOfLink(link), 410);
  await signedIn(platform, person);
});

test('AU-12 a code lives for 10 minutes, a sign-up link for 24 hours; five wrong codes end the code, not the link', async () => {
  const slow = await signUp('slowcode');
  const late = await mailedCode(platform, slow.address);
  platform.clock.advance(10 * minute + 1000);
  const answer = await slow.visitor.submit({ code: late }, '/verify/code');
  assert.equal(answer.status, 422);
  assert.match(answer.text, /too old/);
  const link = await mailedLink(platform, slow.address, '/verify');
  platform.clock.advance(23 * 60 * minute);
  assert.equal(await statusOfLink(link), 200);
  platform.clock.advance(60 * minute);
  assert.equal(await statusOfLink(link), 410);
  const guesser = await signUp('guesser');
  const code = await mailedCode(platform, guesser.address);
  for (let guess = 0; guess < 5; guess += 1) {
    const wrong = String((Number(code) + 1 + guess) % 1_000_000).padStart(6, '0');
    assert.equal((await guesser.visitor.submit({ code: wrong }, '/verify/code')).status, 422);
  }
  assert.equal(
    (await guesser.visitor.submit({ code }, '/verify/code')).status,
    422,
    'the right one comes too late',
  );
  assert.equal(await statusOfLink(await mailedLink(platform, guesser.address, '/verify')), 200);
});

test('AU-12 a link is used once: of twenty at once one sets a password, and a replay is gone', async () => {
  const person = await someone();
  await askRecovery(person.username);
  const link = await mailedLink(platform, person.address, '/recover/new');
  const visitors = Array.from({ length: 20 }, () => stranger(platform));
  for (const visitor of visitors) await visitor.open(link);
  const answers = await Promise.all(
    visitors.map((visitor, index) =>
      post(visitor, '/recover/new', {
        ...visitor.formOf('/recover/new').fields,
        password: `${next} ${index}`,
      }),
    ),
  );
  assert.equal(answers.filter((answer) => answer.status === 303).length, 1);
  assert.equal(answers.filter((answer) => answer.status === 410).length, 19);
  const winner = answers.findIndex((answer) => answer.status === 303);
  await signedIn(platform, { ...person, password: `${next} ${winner}` });
  assert.equal(await statusOfLink(link), 410);
});

test('AU-12 a link dies with a newer one, a new password, another main address, a removed address', async () => {
  const person = await someone();
  const killers: [string, () => Promise<unknown>][] = [
    ['a newer link', () => askRecovery(person.username)],
    [
      'a new password',
      async () => {
        const visitor = await signedIn(platform, person);
        await visitor.open('/account/password');
        await visitor.submit({ current: person.password, password: next }, '/account/password');
        person.password = next;
      },
    ],
    ['an address confirmed', () => addAddress(person, `second-${person.address}`)],
    ['another main address', () => onAccount(person, /\/account\/addresses\/[0-9a-f-]+\/primary/)],
    ['an address removed', () => onAccount(person, /\/account\/addresses\/[0-9a-f-]+\/remove/)],
  ];
  for (const [name, kill] of killers) {
    const known = await platform.mailTo(person.address);
    await askRecovery(person.username);
    await platform.settle();
    const address =
      (await platform.mailTo(person.address)).length > known.length
        ? person.address
        : `second-${person.address}`;
    const link = await mailedLink(platform, address, '/recover/new');
    assert.equal(await statusOfLink(link), 200, `before ${name}`);
    await kill();
    assert.equal(await statusOfLink(link), 410, `after ${name}`);
    await platform.database.query('delete from rate_buckets');
  }
});

async function addAddress(person: { username: string; password: string }, address: string): Promise<void> {
  const visitor = await signedIn(platform, person);
  await visitor.submit({ email: address }, '/account/addresses');
  const { pathname } = new URL(visitor.page.url);
  await visitor.submit({ code: await mailedCode(platform, address) }, pathname);
  assert.match(visitor.page.url, /said=confirmed/);
}

async function onAccount(person: { username: string; password: string }, action: RegExp): Promise<void> {
  const visitor = await signedIn(platform, person);
  const found = action.exec(visitor.page.text)?.[0];
  assert.ok(found, `${action} on the account page`);
  await visitor.submit({}, found);
  assert.match(visitor.page.url, /said=address/);
}

test('AU-12 the host of a mailed link is the configured one, whatever the request says', async () => {
  const person = await someone();
  const visitor = stranger(platform);
  await visitor.open('/recover');
  const body = new URLSearchParams({
    ...visitor.formOf('/recover').fields,
    username: person.username,
  }).toString();
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const { host } = new URL(platform.origin);
  const send = (lies: string[]) =>
    speak(
      platform.origin,
      [
        'POST /recover HTTP/1.1',
        `Origin: ${platform.origin}`,
        `Cookie: ${cookie}`,
        'Content-Type: application/x-www-form-urlencoded',
        `Content-Length: ${body.length}`,
        'Connection: close',
        ...lies,
        '',
        body,
      ].join('\r\n'),
    );
  assert.match(await send(['Host: evil.example']), /^HTTP\/1\.1 421/);
  assert.match(await send([`Host: ${host}`, 'Host: evil.example']), /^HTTP\/1\.1 400/);
  assert.equal((await platform.mailTo(person.address)).length, 0);
  const forwarded = [
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: gopher',
    'X-Forwarded-For: 198.51.100.9',
    'Forwarded: host=evil.example',
    'X-Host: evil.example',
    'Referer: https://evil.example/',
  ];
  assert.match(await send([`Host: ${host}`, ...forwarded]), /^HTTP\/1\.1 200/);
  const mails = await platform.mailTo(person.address);
  assert.equal(mails.length, 1);
  const whole = JSON.stringify(mails);
  assert.ok(!/evil|gopher/.test(whole));
  for (const link of mails[0]!.text.match(/https?:\/\/\S+/g) ?? [])
    assert.equal(new URL(link).origin, platform.origin);
});

test('AU-13 recovery takes one name or address; anything cleverer is refused and mails nobody', async () => {
  const [victim, thief] = [await someone(), await someone()];
  const v = victim.address;
  const t = thief.address;
  const bodies = [
    `username[]=${v}&username[]=${t}`,
    `username=${v}&username=${t}`,
    `username=${v}&email=${t}&username=${t}`,
    `username=${encodeURIComponent(`${v},${t}`)}`,
    `username=${encodeURIComponent(`${v};${t}`)}`,
    `username=${encodeURIComponent(`${v} ${t}`)}`,
    `username=${encodeURIComponent(`${v}\r\nBcc: ${t}`)}`,
    `username=${encodeURIComponent(`${v}\nCc:${t}`)}`,
    `username=${encodeURIComponent(`${v}%0d%0abcc:${t}`)}`,
    `username=${encodeURIComponent(`"${v}"@example.org`)}`,
    `username=${encodeURIComponent('"person 1"@example.org')}`,
    `username=${encodeURIComponent(`<${v}>`)}`,
    `username=${encodeURIComponent(`Ada <${v}>`)}`,
    `username=${encodeURIComponent(`${v}\0`)}`,
    `username=${encodeURIComponent(`["${v}","${t}"]`)}`,
    `username=${encodeURIComponent(`{"$ne":"${v}"}`)}`,
    `username=${encodeURIComponent(`${v}|${t}`)}`,
    'username=',
    '',
  ];
  for (const body of bodies) {
    const visitor = stranger(platform);
    await visitor.open('/recover');
    const token = new URLSearchParams({ form_token: visitor.formOf('/recover').fields.form_token! });
    const answer = await post(visitor, '/recover', `${token}&${body}`);
    assert.ok([400, 422].includes(answer.status), `${body}: ${answer.status}`);
  }
  for (const [type, body] of [
    ['application/json', JSON.stringify({ username: [v, t] })],
    ['application/json', JSON.stringify({ username: v })],
    ['text/plain', `username=${v}`],
  ] as const) {
    const visitor = stranger(platform);
    await visitor.open('/recover');
    const token = visitor.formOf('/recover').fields.form_token!;
    const answer = await post(visitor, `/recover?form_token=${token}`, body, { 'content-type': type });
    assert.ok([400, 403, 415].includes(answer.status), `${type}: ${answer.status}`);
  }
  assert.equal((await platform.mailTo(v)).length + (await platform.mailTo(t)).length, 0);
});

test('AU-13 the mail goes to the address as stored, never as typed, and a look-alike is nobody', async () => {
  const person = { username: 'stored', password: right, address: 'Stored.Name@Example.org' };
  await addPeople(platform, [person]);
  await askRecovery('stored.NAME@EXAMPLE.ORG');
  await platform.settle();
  const mails = await platform.mailTo(person.address);
  assert.deepEqual(
    mails.map((mail) => mail.to),
    ['Stored.Name@example.org'],
  );
  for (const typed of [
    'stored.name@example.org.evil.example',
    'stored.nаme@example.org',
    'stored.name@examp1e.org',
    'stored.name+x@example.org',
    'storedname@example.org',
  ])
    await askRecovery(typed);
  assert.equal((await platform.mailTo(person.address)).length, 1);
});

test('AU-13 a link that confirms an address sets no password, and one that recovers opens no session', async () => {
  const person = await someone();
  await askRecovery(person.username);
  const recovery = new URL(await mailedLink(platform, person.address, '/recover/new'));
  const token = recovery.searchParams.get('token')!;
  const newcomer = await signUp('crossed');
  const signUpToken = new URL(await mailedLink(platform, newcomer.address, '/verify')).searchParams.get(
    'token',
  )!;
  const visitor = stranger(platform);
  assert.equal((await visitor.open(`/verify?token=${token}`)).status, 400);
  assert.equal((await visitor.open(`/recover/new?token=${signUpToken}`)).status, 400);
  await visitor.open('/sign-in');
  const { fields } = visitor.formOf('/sign-in');
  assert.equal((await post(visitor, '/verify', { ...fields, token })).status, 400);
  assert.equal(
    (await post(visitor, '/recover/new', { ...fields, token: signUpToken, password: next })).status,
    400,
  );
  // The browser that waits for the person's own sign-up is no exception, and nothing was used up.
  const waiting = await signUp('waiter');
  await waiting.visitor.submit({ code: await mailedCode(platform, waiting.address) }, '/verify/code');
  assert.match(waiting.visitor.page.url, /\/account$/);
  assert.equal(await statusOfLink(recovery.href), 200);
});

test('AU-14 a new password ends every session and is told to every confirmed address, old and new', async () => {
  const person = await someone();
  await addAddress(person, `also-${person.address}`);
  const sessions = [await signedIn(platform, person), await signedIn(platform, person)];
  const before = [person.address, `also-${person.address}`];
  const mailsBefore = await Promise.all(
    before.map(async (address) => (await platform.mailTo(address)).length),
  );
  const visitor = await askRecovery(person.username);
  await visitor.open(await mailedLink(platform, person.address, '/recover/new'));
  const done = await visitor.submit({ password: next }, '/recover/new');
  assert.match(done.url, /\/sign-in\?said=password$/, 'signed in nowhere, not even here');
  for (const session of sessions) assert.match((await session.open('/account')).url, /\/sign-in/);
  const told = await Promise.all(
    before.map(async (address, index) =>
      (await platform.mailTo(address))
        .slice(mailsBefore[index])
        .filter((mail) => /password/i.test(mail.subject) && !mail.text.includes('/recover/new')),
    ),
  );
  assert.deepEqual(
    told.map((mails) => mails.length),
    [1, 1],
  );
  const mine = await signedIn(platform, { ...person, password: next });
  const other = await signedIn(platform, { ...person, password: next });
  await mine.open('/account/password');
  await mine.submit({ current: next, password: 'quiet amber river' }, '/account/password');
  assert.match((await mine.open('/account')).url, /\/account$/, 'the browser that changed it stays');
  assert.match((await other.open('/account')).url, /\/sign-in/);
  assert.equal((await stranger(platform).signIn(person.username, next)).status, 422);
});

test('AU-05 no name that is typed touches how often a network may ask for recovery', async () => {
  const network = newNetwork();
  const visitor = platform.visitor({ 'x-forwarded-for': network });
  const statuses: number[] = [];
  for (let asked = 0; asked < 30; asked += 1) {
    await visitor.open('/recover');
    const { fields } = visitor.formOf('/recover');
    const username = asked % 5 === 4 ? network : `nobody${asked}`;
    statuses.push((await post(visitor, '/recover', { ...fields, username })).status);
  }
  assert.deepEqual(statuses, [...Array(20).fill(200), ...Array(10).fill(429)]);
});
