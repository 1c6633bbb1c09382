/** Sessions as browsers and thieves see them: cookies, renewal, ends, several people and tabs in one browser. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { freePort, type Platform, startPlatform } from '#test/kit.ts';
import { type Seen, Visitor } from '#test/visitor.ts';
import {
  addPeople,
  behindProxy,
  dump,
  mailedCode,
  mailedLink,
  post,
  signedIn,
  speak,
  statusOf,
  stranger,
  tryPassword,
} from './stage.ts';

const right = 'plum violin tractor';
const minute = 60_000;
const ada = { username: 'ada', password: right, address: 'ada@example.org' };
const bob = { username: 'bob', password: right, address: 'bob@example.org' };
let platform: Platform;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  await platform.apply('community:\n  name: Harbour\n');
  await addPeople(platform, [ada, bob]);
});

function cookie(visitor: Visitor, short: string): string {
  return [...visitor.cookies].find(([name]) => name.includes(`gatehouse-${short}`))?.[1] ?? '';
}

/** Who an account page is about. */
async function whoIsIn(visitor: Visitor): Promise<string | undefined> {
  const page = await visitor.open('/account');
  return page.url.endsWith('/account') ? /\b(ada|bob)\b/.exec(page.text)?.[1] : undefined;
}

test('SE-01 over https every cookie is __Host-, Secure, HttpOnly and SameSite, and a live one stands nowhere', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-tls-'));
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
    { stdio: 'ignore' },
  ); // biome-ignore format: one command
  const port = await freePort();
  const secure = await startPlatform({
    env: {
      ...behindProxy,
      GATEHOUSE_PORT: String(port),
      GATEHOUSE_TLS_CERT: cert,
      GATEHOUSE_TLS_KEY: key,
      GATEHOUSE_PUBLIC_URL: `https://localhost:${port}`,
    },
  });
  await addPeople(secure, [ada]);
  const ask = (line: string, headers: string[] = [], body = '') =>
    speak(
      secure.origin,
      [`${line} HTTP/1.1`, `Host: localhost:${port}`, 'Connection: close', ...headers, '', body].join('\r\n'),
    );
  const page = await ask('GET /sign-in');
  assert.match(page, /strict-transport-security: max-age=\d{8}/i);
  const cookies = (text: string) =>
    [...text.matchAll(/^set-cookie: (.*)$/gim)].map((match) => match[1]!.trim());
  const browser = cookies(page)[0]!.split(';')[0]!;
  const token = /name="form_token" value="([^"]+)"/.exec(page)![1]!;
  const body = new URLSearchParams({ form_token: token, username: 'ada', password: right }).toString();
  const form = [
    `Cookie: ${browser}`,
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${body.length}`,
  ];
  assert.equal(
    statusOf(await ask('POST /sign-in', [...form, `Origin: http://localhost:${port}`], body)),
    403,
    'http is another origin',
  );
  const answer = await ask('POST /sign-in', [...form, `Origin: ${secure.origin}`], body);
  assert.equal(statusOf(answer), 303);
  // What is taken away in passing (`pending`: nothing waits for a second factor any more) is none.
  const set = [...cookies(page), ...cookies(answer)].filter((one) => !/; Max-Age=0\b/i.test(one));
  assert.deepEqual(set.map((one) => one.split('=')[0]).sort(), [
    '__Host-gatehouse-browser',
    '__Host-gatehouse-device',
    '__Host-gatehouse-session',
  ]);
  for (const one of set) {
    for (const part of ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax'])
      assert.ok(one.split('; ').includes(part), `${one}: ${part}`);
    assert.ok(!/domain=/i.test(one), one);
    assert.ok(Buffer.from(one.split('; ')[0]!.split('=')[1]!, 'base64url').length >= 16, 'at least 128 bits');
  }
  const live = set.filter((one) => !one.includes('browser')).map((one) => one.split('; ')[0]!.split('=')[1]!);
  const everything = JSON.stringify([...(await dump(secure))]) + secure.lines.join('');
  for (const value of live) {
    assert.ok(value.length >= 43 && !everything.includes(value));
    assert.ok(!everything.includes(Buffer.from(value, 'base64url').toString('hex')));
  }
  await secure.close();
  await rm(folder, { recursive: true, force: true });
});

test('SE-02 a session is new at every sign-in, gone after sign-out, and a planted one never comes alive', async () => {
  const visitor = stranger(platform);
  const planted = 'A'.repeat(43);
  await visitor.open('/sign-in');
  const port = new URL(platform.origin).port;
  visitor.cookies.set(`gatehouse-session-${port}`, planted);
  await visitor.signIn('ada', right);
  const first = cookie(visitor, 'session');
  assert.ok(first !== planted && first.length >= 43);
  const thief = stranger(platform);
  thief.cookies.set(`gatehouse-session-${port}`, planted);
  assert.equal(await whoIsIn(thief), undefined);
  await visitor.open('/account');
  await visitor.submit({}, '/switch-account');
  const old = stranger(platform);
  old.cookies.set(`gatehouse-session-${port}`, first);
  assert.equal(await whoIsIn(old), undefined, 'switching the account ends the session');
  await visitor.signIn('ada', right);
  const second = cookie(visitor, 'session');
  assert.notEqual(second, first);
  await visitor.open('/account');
  await visitor.submit({}, '/sign-out');
  assert.equal(cookie(visitor, 'session'), '');
  old.cookies.set(`gatehouse-session-${port}`, second);
  assert.equal(await whoIsIn(old), undefined);
  const twice = stranger(platform, {
    cookie: `gatehouse-session-${port}=x; gatehouse-session-${port}=${cookie(await signedIn(platform, ada), 'session')}`,
  });
  assert.match(
    (await twice.request('/account')).headers.get('location') ?? '',
    /^\/sign-in/,
    'a cookie that comes twice is nobody\u2019s',
  );
});

test('SE-04 sessions end by the server\u2019s clock: idle, absolute, and remembered ones at their own date', async () => {
  await platform.apply(
    'community:\n  name: Harbour\n  sessions: { idleMinutes: 60, absoluteMinutes: 180, rememberDays: 2 }\n',
  );
  const idle = await signedIn(platform, ada);
  const busy = await signedIn(platform, ada);
  const remembered = stranger(platform);
  await remembered.open('/sign-in');
  await remembered.submit({ username: 'ada', password: right, remember: 'on' }, '/sign-in');
  for (let passed = 0; passed < 150; passed += 50) {
    platform.clock.advance(50 * minute);
    assert.equal(await whoIsIn(busy), 'ada', `after ${passed + 50} minutes of use`);
  }
  assert.equal(await whoIsIn(idle), undefined, 'idle for longer than an hour');
  platform.clock.advance(31 * minute);
  assert.equal(await whoIsIn(busy), undefined, 'older than three hours');
  assert.equal(await whoIsIn(remembered), 'ada');
  platform.clock.advance(46 * 60 * minute);
  assert.equal(await whoIsIn(remembered), undefined);
  await platform.apply('community:\n  name: Harbour\n');
});

test('SE-04 a person sees their sessions and ends one, the others, all; nobody else\u2019s', async () => {
  const mine = await signedIn(platform, ada);
  const other = await signedIn(platform, ada);
  const third = await signedIn(platform, ada);
  const bobs = await signedIn(platform, bob);
  await mine.open('/account');
  const ends = [...mine.page.text.matchAll(/action="(\/account\/sessions\/[0-9a-f-]{36}\/end)"/g)].map(
    (match) => match[1]!,
  );
  assert.ok(ends.length >= 2);
  await bobs.open('/account');
  for (const url of ends) assert.equal((await post(bobs, url, bobs.formOf('/sign-out').fields)).status, 303);
  assert.deepEqual([await whoIsIn(other), await whoIsIn(third)], ['ada', 'ada'], 'Bob ended nothing of hers');
  await mine.open('/account');
  for (const url of ends) await mine.submit({}, url).catch(() => mine.open('/account'));
  await mine.open('/account');
  assert.deepEqual(
    [await whoIsIn(other), await whoIsIn(third), await whoIsIn(mine)],
    [undefined, undefined, 'ada'],
  );
  const again = await signedIn(platform, ada);
  await mine.open('/account');
  await mine.submit({}, '/account/sessions/end-others');
  assert.deepEqual([await whoIsIn(again), await whoIsIn(mine)], [undefined, 'ada']);
  const last = await signedIn(platform, ada);
  await mine.submit({}, '/account/sessions/end-all');
  assert.deepEqual(
    [await whoIsIn(last), await whoIsIn(mine), await whoIsIn(bobs)],
    [undefined, undefined, 'bob'],
  );
});

test('SE-05 the second person in a browser gets nothing of the first, whatever cookies are left', async () => {
  for (const kept of ['all', 'browser', 'session', 'device', 'none']) {
    const visitor = await signedIn(platform, ada);
    const before = cookie(visitor, 'session');
    for (const name of [...visitor.cookies.keys()])
      if (kept !== 'all' && !name.includes(`gatehouse-${kept}`)) visitor.cookies.delete(name);
    const fresh = stranger(platform);
    await fresh.open('/sign-in');
    const browser =
      kept === 'all' || kept === 'browser'
        ? undefined
        : [...fresh.cookies].find(([name]) => name.includes('browser'));
    if (browser) visitor.cookies.set(browser[0], browser[1]);
    const form = browser ? fresh.formOf('/sign-in').fields : await formInBrowser(visitor);
    const answer = await post(visitor, '/sign-in', { ...form, username: 'bob', password: right });
    assert.equal(answer.status, 303, kept);
    assert.equal(await whoIsIn(visitor), 'bob', kept);
    const text = (await visitor.open('/account')).text + (await visitor.open('/apps')).text;
    assert.ok(!/\bada\b/i.test(text), `${kept}: something of the first person shows`);
    if (kept === 'all' || kept === 'session') {
      const thief = stranger(platform);
      thief.cookies.set(`gatehouse-session-${new URL(platform.origin).port}`, before);
      assert.equal(await whoIsIn(thief), undefined, 'the first session ended');
    }
  }
});

/** The hidden fields a form of ours has in this browser, taken from a page that carries one for everybody. */
async function formInBrowser(visitor: Visitor): Promise<Record<string, string>> {
  const twin = new Visitor(platform.origin);
  for (const [name, value] of visitor.cookies) if (name.includes('browser')) twin.cookies.set(name, value);
  await twin.open('/sign-in');
  return twin.formOf('/sign-in').fields;
}

test('SE-07 interleaved tabs of two people keep their own way back, in any order', async () => {
  const places = [
    '/account/profile',
    '/account/password',
    '/apps',
    '/account?said=saved',
    '/admin',
    '/go/nowhere?arrived=1',
  ];
  for (let seed = 0; seed < 6; seed += 1) {
    const visitor = stranger(platform);
    await visitor.open('/');
    const wanted = places.map((_, index) => places[(index + seed) % places.length]!);
    const pages = await Promise.all(wanted.map((place) => openTab(visitor, place)));
    const ids = pages.map((page) => new URL(page.url).searchParams.get('request') ?? '');
    assert.equal(new Set(ids).size, places.length, 'a request of its own for each tab');
    const turns = wanted
      .map((_, index) => index)
      .sort((a, b) => ((a * 7 + seed * 3) % 11) - ((b * 7 + seed * 3) % 11));
    for (const [turn, tab] of turns.entries()) {
      const username = turn % 2 ? 'bob' : 'ada';
      visitor.page = pages[tab]!;
      const form = visitor.formOf('/sign-in').fields;
      const answer = await post(visitor, '/sign-in', { ...form, username, password: right });
      assert.deepEqual(
        [answer.status, answer.headers.get('location')],
        [303, wanted[tab]],
        `seed ${seed}, ${username}`,
      );
      assert.equal(await whoIsIn(visitor), username);
    }
    const thief = stranger(platform);
    await thief.open('/sign-in');
    const fields = { ...thief.formOf('/sign-in').fields, request: ids[0]! };
    const answer = await post(thief, '/sign-in', { ...fields, username: 'ada', password: right });
    assert.equal(answer.headers.get('location'), '/account', 'a request belongs to the browser that made it');
  }
});

/** Opens an address beside others in the same browser: the sign-in page it leads to. */
async function openTab(visitor: Visitor, place: string): Promise<Seen> {
  const first = await visitor.request(place);
  assert.equal(first.status, 303, place);
  return visitor.request(first.headers.get('location') ?? '');
}

test('SE-08 no password, code, link or cookie stands in log, events, queue or any table after a whole story', async () => {
  const canaries = new Map<string, string>();
  const visitor = stranger(platform);
  await visitor.open('/sign-up');
  const person = {
    given_name: 'Canary',
    family_name: 'Probe',
    username: 'canary',
    email: 'canary@example.org',
    password: 'canary-first-password',
  };
  await visitor.submit(person, '/sign-up');
  canaries.set('waiting cookie', cookie(visitor, 'waiting'));
  canaries.set(
    'sign-up link',
    new URL(await mailedLink(platform, person.email, '/verify')).searchParams.get('token')!,
  );
  await visitor.submit({ code: '000000' }, '/verify/code');
  const code = await mailedCode(platform, person.email);
  await visitor.submit({ code }, '/verify/code');
  canaries.set('session cookie', cookie(visitor, 'session'));
  canaries.set('device cookie', cookie(visitor, 'device'));
  await visitor.open('/account/password');
  await visitor.submit(
    { current: 'canary-wrong-current', password: 'canary-second-password' },
    '/account/password',
  );
  await visitor.submit({ current: person.password, password: 'canary-second-password' }, '/account/password');
  await visitor.open('/account');
  await visitor.submit({ email: 'canary2@example.org' }, '/account/addresses');
  canaries.set(
    'address link',
    new URL(await mailedLink(platform, 'canary2@example.org', '/verify')).searchParams.get('token')!,
  );
  const guest = stranger(platform);
  await tryPassword(guest, 'canary', 'canary-wrong-password');
  await tryPassword(guest, 'canary-mistyped-into-name', 'x');
  await guest.open('/recover');
  await guest.submit({ username: 'canary' }, '/recover');
  const link = await mailedLink(platform, person.email, '/recover/new');
  canaries.set('recovery link', new URL(link).searchParams.get('token')!);
  await guest.open(link);
  await guest.submit({ password: 'canary-third-password' }, '/recover/new');
  await guest.signIn('canary', 'canary-third-password');
  canaries.set('second session cookie', cookie(guest, 'session'));
  for (const word of [
    'first-password',
    'second-password',
    'third-password',
    'wrong-password',
    'wrong-current',
    'mistyped-into-name',
  ])
    canaries.set(word, `canary-${word}`);
  canaries.set('form token', guest.formOf('/sign-out').fields.form_token!);
  await platform.settle();
  const places = new Map([...(await dump(platform))].map(([name, rows]) => [name, rows.join('\n')]));
  places.set('log', platform.lines.join(''));
  assert.ok((places.get('events')?.length ?? 0) > 1000 && places.get('log')!.length > 1000);
  for (const [what, canary] of canaries) {
    assert.ok(canary.length >= 12, what);
    const spellings = [
      canary,
      Buffer.from(canary).toString('hex'),
      Buffer.from(canary).toString('base64'),
      Buffer.from(canary, 'base64url').toString('hex'),
      encodeURIComponent(canary),
    ];
    for (const [place, text] of places)
      for (const spelling of spellings) assert.ok(!text.includes(spelling), `${what} stands in ${place}`);
  }
  for (const table of ['verifications', 'notices', 'events'])
    assert.ok(!new RegExp(`\\b${code}\\b`).test(places.get(table)!), `the code stands in ${table}`);
  assert.ok(!new RegExp(`"${code}"|\\b${code.slice(0, 3)} ${code.slice(3)}\\b`).test(places.get('log')!));
});

test('SE-10 sign out and switch account are one click away on every page of someone signed in', async () => {
  const visitor = await signedIn(platform, ada);
  for (const url of [
    '/account',
    '/account/profile',
    '/account/password',
    '/apps',
    '/sign-out',
    '/go/nowhere',
    '/recover',
  ]) {
    const page = await visitor.open(url);
    if (page.status >= 400) continue;
    for (const action of ['/sign-out', '/switch-account'])
      assert.ok(visitor.formOf(action).fields.form_token, `${action} on ${url}`);
    assert.match(page.text, /id="sign-out"/);
  }
  await visitor.open('/apps');
  const out = await visitor.submit({}, '/sign-out');
  assert.equal(out.status, 200);
  assert.equal(await whoIsIn(visitor), undefined);
});
