/** Passwords at the doors that exist: what is accepted, what is compared, what is counted, what is given away. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import { vectors } from '#wire/hashes/vectors.ts';
import {
  addPeople,
  behindProxy,
  mailedLink,
  newNetwork,
  post,
  signedIn,
  stranger,
  tryPassword,
} from './stage.ts';

const right = 'plum violin tractor';
let platform: Platform;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  await platform.apply('community:\n  name: Harbour\n');
});

/** How many passwords were looked at while something ran. */
async function looks(at: Platform, work: () => Promise<unknown>): Promise<number> {
  const began = at.hasher.stats().hashes;
  await work();
  return at.hasher.stats().hashes - began;
}

test('AU-01 sign-up takes long passwords of any characters and refuses short, common and own words', async () => {
  const form = { given_name: 'Ada', family_name: 'Byron', email: 'ada.rule@example.org' };
  const refused = {
    abcdefg: /too short/,
    ÄÖÜäöüß: /too short/,
    'Password1!': /tried first/,
    password: /tried first/,
    iloveyou1: /tried first/,
    aaaaaaaaaa: /tried first/,
    Harbour2026: /built from your name/,
    'h4rb0ur!!': /built from your name/,
    ruleuser99: /built from your name/,
    Byron1815: /built from your name/,
    ['x'.repeat(1025)]: /1,024|longer/,
  };
  for (const [password, words] of Object.entries(refused)) {
    const visitor = stranger(platform);
    await visitor.open('/sign-up');
    const seen = await visitor.submit({ ...form, username: 'ruleuser', password }, '/sign-up');
    assert.equal(seen.status, 422, password);
    assert.match(seen.text, words, password);
    assert.ok(!seen.text.includes(`value="${password}"`), 'a typed password never comes back');
  }
  const accepted = [
    'é'.repeat(64),
    'correct horse',
    'x'.repeat(120) + ' marmalade',
    '        spaces inside',
    '日本語の合言葉です',
  ];
  for (const [index, password] of accepted.entries()) {
    const visitor = stranger(platform);
    await visitor.open('/sign-up');
    const fields = { ...form, username: `fine${index}`, email: `fine${index}@example.org`, password };
    const seen = await visitor.submit(fields, '/sign-up');
    assert.match(seen.url, /\/verify\/code$/, password);
  }
});

test('AU-02 a password set here is compared byte for byte: no trim, no fold, no cut', async () => {
  const long = 'a'.repeat(71) + 'b';
  const people = [
    { username: 'cut', password: `${long}X`, wrong: [`${long}Y`, long, `${long}X `, `${long}x`] },
    { username: 'space', password: ' lamp oil ', wrong: ['lamp oil', ' lamp oil', 'lamp oil '] },
    {
      username: 'composed',
      password: 'caf\u00e9 au lait',
      wrong: ['cafe\u0301 au lait', 'cafe au lait', 'CAFÉ au lait'],
    },
    { username: 'wide', password: 'ＡＢＣＤ efgh', wrong: ['ABCD efgh'] },
  ];
  await addPeople(platform, people);
  for (const one of people) {
    for (const wrong of one.wrong) {
      const seen = await tryPassword(stranger(platform), one.username, wrong);
      assert.equal(seen.status, 422, `${one.username} took ${JSON.stringify(wrong)}`);
    }
    await signedIn(platform, one);
  }
});

test('AU-02 imported hashes of every format open with their password alone, and become argon2id', async () => {
  const sha1 = (text: string) => createHash('sha1').update(text).update('salt').digest();
  const long = 'a'.repeat(72);
  const chosen = vectors.filter(
    (one, index) =>
      vectors.findIndex((other) => other.scheme === one.scheme) === index && one.scheme !== 'argon2id',
  );
  const people = [
    ...chosen.map((one) => ({ username: `legacy.${one.scheme}`, password: one.password, hash: one.stored })),
    {
      username: 'legacy.long',
      password: `${long}X`,
      hash: `{SSHA}${Buffer.concat([sha1(`${long}X`), Buffer.from('salt')]).toString('base64')}`,
    },
  ];
  await addPeople(platform, people);
  for (const one of people) {
    const last = one.password.at(-1);
    const near = [
      `${one.password} `,
      one.password.toUpperCase(),
      one.password.slice(0, -1) + (last === 'Y' ? 'Z' : 'Y'),
    ];
    // DES sees eight bytes of seven bits; that loss came with the hash and ends at the first sign-in.
    if (one.username === 'legacy.crypt-des') near.shift();
    for (const wrong of near) {
      const seen = await tryPassword(stranger(platform), one.username, wrong);
      assert.equal(seen.status, 422, `${one.username} took ${JSON.stringify(wrong)}`);
    }
    await signedIn(platform, one);
    const again = await tryPassword(stranger(platform), one.username, `${one.password} `);
    assert.equal(again.status, 422, `${one.username} after its upgrade`);
  }
  const rows = await platform.database.query<{ hash: string }>(
    `select hash from passwords p join people on id = person where username like 'legacy.%'`,
  );
  assert.ok(rows.length === people.length && rows.every((row) => row.hash.startsWith('$argon2id$')));
});

test('AU-03 one counter a person: user name, each address, any case, and the account page count together', async () => {
  const password = right;
  await addPeople(platform, [{ username: 'counted', password, address: 'counted@example.org' }]);
  await platform.database.query(
    `insert into addresses (id, person, address, address_key, is_primary, verified_at, created_at)
     select gen_random_uuid(), id, 'second@example.org', 'second@example.org', false, now(), now()
     from people where username = 'counted'`,
  );
  const inside = await signedIn(platform, { username: 'counted', password });
  await inside.open('/account/password');
  for (let turn = 0; turn < 2; turn += 1) {
    const seen = await inside.submit(
      { current: 'not this one', password: 'seven lanterns float' },
      '/account/password',
    );
    assert.equal(seen.status, 422);
    await inside.open('/account/password');
  }
  const doors = ['counted', 'COUNTED', 'counted@example.org', 'Second@EXAMPLE.org'];
  for (const name of [...doors, ...doors]) {
    assert.equal((await tryPassword(stranger(platform), name, 'not this one')).status, 422, name);
  }
  // From here on nobody's password is looked at. Each name says so only once it was typed ten times itself: an answer
  // that knew of the other doors would tell which address is whose.
  for (const name of doors) {
    const told = platform.lines.length;
    assert.equal((await tryPassword(stranger(platform), name, right)).status, 422, `${name}, the 11th`);
    const line = platform.lines.slice(told).find((one) => one.includes('"sign-in-failed"')) ?? '';
    assert.match(line, /"because":"person-throttled"/, 'the operator can tell it from a wrong password');
    assert.ok(!line.includes(name), 'and reads no name that was typed');
  }
  for (let turn = 0; turn < 4; turn += 1) await tryPassword(stranger(platform), 'counted', right);
  for (const name of ['counted', 'COUNTED']) {
    assert.equal(await looks(platform, () => tryPassword(stranger(platform), name, right)), 0, name);
    assert.equal((await tryPassword(stranger(platform), name, right)).status, 429, name);
  }
  const page = await inside.submit({ current: right, password: 'seven lanterns float' }, '/account/password');
  assert.equal(page.status, 429);
  platform.clock.advance(16 * 60_000);
  await signedIn(platform, { username: 'counted', password });
});

test('AU-04 fifty wrong at once are looked at ten times at most, also by two servers, and a new server knows', async () => {
  await addPeople(platform, [{ username: 'raced', password: right }]);
  const second = await platform.again();
  const visitors = Array.from({ length: 50 }, (_, index) => stranger(index % 2 ? platform : second));
  await Promise.all(visitors.map((visitor) => visitor.open('/sign-in')));
  const began = platform.hasher.stats().hashes + second.hasher.stats().hashes;
  const answers = await Promise.all(visitors.map((visitor) => tryPassword(visitor, 'raced', 'not this one')));
  const spent = platform.hasher.stats().hashes + second.hasher.stats().hashes - began;
  assert.equal(spent, 10);
  assert.equal(answers.filter((answer) => answer.status === 422).length, 10);
  assert.equal(answers.filter((answer) => answer.status === 429).length, 40);
  await second.close();
  const third = await platform.again();
  const late = await tryPassword(stranger(third), 'raced', right);
  assert.equal(late.status, 429);
  assert.ok(Number(late.headers.get('retry-after')) > 60);
  assert.equal(third.hasher.stats().hashes, 0);
  await third.close();
});

test('AU-05 a household with a /64 is one network, and a second spelling of the path is no second bucket', async () => {
  const from = (index: number) => ({ 'x-forwarded-for': `2001:db8:7:7::${index.toString(16)}` });
  const seen: number[] = [];
  const visitor = platform.visitor();
  await visitor.open('/sign-in');
  const { fields } = visitor.formOf('/sign-in');
  for (let index = 1; index <= 104; index += 1) {
    const answer = await post(
      visitor,
      '/sign-in',
      { ...fields, username: `nobody${index}`, password: 'x' },
      from(index),
    );
    seen.push(answer.status);
  }
  assert.deepEqual(new Set(seen.slice(0, 100)), new Set([422]));
  assert.deepEqual(new Set(seen.slice(100)), new Set([429]));
  for (const path of [
    '//sign-in',
    '/%73ign-in',
    '/sign-in/',
    '/./sign-in',
    '/x/../sign-in',
    '/sign-in;x',
    '/SIGN-IN',
    '/sign-in%2f',
    '/sign-in%00',
  ]) {
    const { hostname, port } = new URL(platform.origin);
    const { speak, statusOf } = await import('./stage.ts');
    const body = new URLSearchParams({ ...fields, username: 'nobody', password: 'x' }).toString();
    const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await speak(
      platform.origin,
      `POST ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nOrigin: ${platform.origin}\r\nCookie: ${cookie}\r\n` +
        `X-Forwarded-For: 2001:db8:7:7::1\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    assert.equal(statusOf(answer), 404, path);
  }
  const neighbour = await post(
    visitor,
    '/sign-in',
    { ...fields, username: 'nobody', password: 'x' },
    {
      'x-forwarded-for': '2001:db8:7:8::1',
    },
  );
  assert.equal(neighbour.status, 422);
});

test('AU-05 sign-ins that succeed do not use up what a network may fail', async () => {
  await addPeople(platform, [{ username: 'often', password: right }]);
  const network = newNetwork();
  const visitor = platform.visitor({ 'x-forwarded-for': network });
  await visitor.open('/sign-in');
  const { fields } = visitor.formOf('/sign-in');
  for (let turn = 0; turn < 105; turn += 1) {
    const answer = await post(visitor, '/sign-in', { ...fields, username: 'often', password: right });
    assert.equal(answer.status, 303, `sign-in ${turn + 1} from one network`);
  }
});

test('AU-06 a hundred wrong passwords of a stranger do not shut out the browser a person is known in', async () => {
  const ada = { username: 'known', password: right };
  await addPeople(platform, [ada]);
  const home = await signedIn(platform, ada);
  const attacker = stranger(platform);
  for (let turn = 0; turn < 95; turn += 1) await tryPassword(attacker, 'known', 'not this one');
  assert.equal((await tryPassword(stranger(platform), 'known', right)).status, 429, 'a stranger waits');
  await home.open('/account');
  await home.submit({}, '/sign-out');
  assert.match((await home.signIn('known', right)).url, /\/account$/);
  const stolen = stranger(platform);
  await addPeople(platform, [{ username: 'other', password: right }]);
  for (const [name, value] of home.cookies) if (name.includes('device')) stolen.cookies.set(name, value);
  for (let turn = 0; turn < 10; turn += 1)
    assert.equal((await tryPassword(stolen, 'known', 'wrong')).status, 422);
  assert.equal(
    (await tryPassword(stolen, 'known', right)).status,
    429,
    'a known browser has a limit of its own',
  );
  for (let turn = 0; turn < 10; turn += 1) await tryPassword(stranger(platform), 'other', 'wrong');
  await home.submit({}, '/sign-out');
  await home.open('/sign-in');
  assert.equal(
    (await tryPassword(home, 'other', right)).status,
    429,
    'a browser known for one is nothing to another',
  );
});

test('AU-06 whoever was shut out sets a new password by mail and signs in at once, in that browser alone', async () => {
  const address = 'shutout@example.org';
  const next = 'seven lanterns float';
  await addPeople(platform, [{ username: 'shutout', password: right, address }]);
  for (const name of ['shutout', address])
    for (let turn = 0; turn < 11; turn += 1) await tryPassword(stranger(platform), name, 'not this one');
  const mails = await platform.mailTo(address);
  assert.equal(mails.filter((mail) => /Many failed attempts/.test(mail.subject)).length, 1);
  const visitor = stranger(platform);
  await visitor.open('/recover');
  await visitor.submit({ username: address }, '/recover');
  await visitor.open(await mailedLink(platform, address, '/recover/new'));
  await visitor.submit({ password: next }, '/recover/new');
  assert.equal((await tryPassword(stranger(platform), address, next)).status, 429, 'a stranger waits on');
  assert.match((await visitor.signIn(address, next)).url, /\/account$/);
});

test('AU-07 no refused sign-in answers sooner than the floor', async () => {
  const slow = await startPlatform({ env: { ...behindProxy, GATEHOUSE_SIGN_IN_FLOOR_MS: '250' } });
  await addPeople(slow, [
    { username: 'present', password: right },
    { username: 'blocked', password: right, state: 'locked' },
  ]);
  const attempts: [string, string][] = [
    ['present', 'wrong'],
    ['absent', 'wrong'],
    ['blocked', 'wrong'],
    ['blocked', right],
    ['', ''],
    ['x'.repeat(400), 'wrong'],
    ['present', 'y'.repeat(5000)],
  ];
  for (const [name, password] of [
    ...attempts,
    ...Array.from({ length: 11 }, (): [string, string] => ['present', 'wrong']),
  ]) {
    const visitor = stranger(slow);
    await visitor.open('/sign-in');
    const began = performance.now();
    const { status } = await tryPassword(visitor, name, password);
    assert.ok(status >= 400, `${name}: ${status}`);
    assert.ok(
      performance.now() - began >= 249,
      `${name.slice(0, 20)} was answered after ${performance.now() - began} ms`,
    );
  }
});
