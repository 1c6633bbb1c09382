/** What is ticked on the sign-in page holds for the ways through others too, with and without scripts; and step-up of those who come that way alone. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { addAddress, verifyAddress } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { axe, chromiumPath, launchBrowser, openPage, screenshot, sideways } from '#test/browser.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type FakeIdp, startFakeIdp } from './fake-idp.ts';
import { type GithubDouble, githubSecret, startGithub } from './github-double.ts';
import { browser, idOn, textOf } from './stage.ts';

let platform: Platform;
let idp: FakeIdp;
let github: GithubDouble;

before(async () => {
  idp = await startFakeIdp();
  github = await startGithub();
  platform = await startPlatform({ realTime: true });
  await platform.apply(`
community: { name: Harbour, sessions: { rememberDays: 30, sharedMinutes: 30 } }
applications:
  - { id: app, title: App, consent: trusted, secret: a-secret-of-at-least-thirty-two-characters, oidc: { redirectUris: [http://127.0.0.1:9/callback], pkce: optional } }
upstreams:
  - { id: corp, title: Corp, privateNetwork: true, newPeople: create, domains: [x.test], authoritative: [x.test], oidc: { issuer: "${idp.issuer}", clientId: gatehouse } }
  - { id: github, title: GitHub, privateNetwork: true, newPeople: create, github: { clientId: Iv1, url: "${github.url}" }, credentials: { clientSecret: ${githubSecret} } }
`);
});
after(async () => {
  await idp.stop();
  await github.stop();
});
beforeEach(async () => {
  await platform.database.query('delete from rate_buckets');
  idp.claims = person('ada');
  github.account = {
    id: 7,
    login: 'octo',
    name: 'Octo Cat',
    emails: [{ email: 'octo@cat.test', primary: true, verified: true }],
  };
});

const person = (name: string) => ({
  sub: name,
  preferred_username: name,
  given_name: name,
  email: `${name}@x.test`,
  email_verified: true,
});

async function latest() {
  const [row] = await platform.database.query<{ shared: boolean; persistent: boolean; seconds: number }>(
    `select shared, persistent, extract(epoch from expires_at - created_at)::int as seconds
     from sessions order by created_at desc limit 1`,
  );
  return row!;
}

test('shared computer and staying signed in hold for a button of the page, and nothing is chosen where nothing was', async () => {
  const cases: [Record<string, string>, { shared: boolean; persistent: boolean }, number | undefined][] = [
    [{ shared: 'on' }, { shared: true, persistent: false }, 30 * 60],
    [{ remember: 'on' }, { shared: false, persistent: true }, 30 * 86_400],
    [{ shared: 'on', remember: 'on' }, { shared: true, persistent: false }, 30 * 60],
    [{}, { shared: false, persistent: false }, undefined],
  ];
  for (const upstream of ['corp', 'github'])
    for (const [fields, wanted, seconds] of cases) {
      const mine = browser(platform, [idp.issuer, github.url]);
      const page = await mine.go('/sign-in');
      assert.match(page.text, new RegExp(`formaction="/upstream/${upstream}/start" formnovalidate`));
      assert.match((await mine.through(upstream, fields)).url, /\/account$/);
      const { seconds: lasts, ...is } = await latest();
      assert.deepEqual(is, wanted, `${upstream} ${JSON.stringify(fields)}`);
      if (seconds !== undefined) assert.equal(lasts, seconds);
    }
});

test('the same for whoever types an address of its domain and no password; the address goes along there and nowhere else', async () => {
  const mine = browser(platform, [idp.issuer]);
  await mine.go('/sign-in');
  const home = await mine.send({ username: 'ada@x.test', password: '', shared: 'on' }, '/sign-in');
  assert.match(home.url, /\/account$/);
  assert.equal((await latest()).shared, true);
  assert.equal(idp.latest.query.get('login_hint'), 'ada@x.test');
  const other = browser(platform, [idp.issuer]);
  await other.go('/sign-in');
  await other.through('corp', { username: 'ada@elsewhere.test', password: 'typed by mistake' });
  assert.equal(idp.latest.query.get('login_hint'), null);
  assert.ok(!platform.lines.some((line) => line.includes('typed by mistake')));
});

test('SE-09 a form of another site, or of another browser, sets nobody out', async () => {
  const [mine, other] = [browser(platform, [idp.issuer]), browser(platform, [idp.issuer])];
  await mine.go('/sign-in');
  await other.go('/sign-in');
  const { fields } = other.here.formOf('/sign-in');
  const post = (headers: Record<string, string>, body: Record<string, string>) =>
    mine.here.request('/upstream/corp/start', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(body).toString(),
    });
  assert.equal((await post({ origin: platform.origin }, fields)).status, 403);
  assert.equal(
    (await post({ origin: 'https://evil.test' }, mine.here.formOf('/sign-in').fields)).status,
    403,
  );
  assert.equal((await post({ origin: platform.origin }, {})).status, 403);
});

test('in a real browser the tick goes along with the button, with scripts and without, and Enter still signs in', {
  skip: chromiumPath() ? false : 'Chromium is not installed',
}, async () => {
  const chromium = await launchBrowser();
  try {
    for (const scripts of [true, false]) {
      const page = await openPage(chromium, { scripts });
      await page.goto(`${platform.origin}/sign-in`);
      await page.check('#shared');
      await page.click('#with-corp');
      await page.waitForURL('**/account');
      assert.equal((await latest()).shared, true, `scripts ${scripts}`);
      await page.context().close();
      const plain = await openPage(chromium, { scripts });
      await plain.goto(`${platform.origin}/sign-in`);
      await plain.fill('#username', 'nobody');
      await plain.fill('#password', 'wrong');
      await Promise.all([plain.waitForEvent('load'), plain.press('#password', 'Enter')]);
      assert.match(plain.url(), /\/sign-in$/);
      assert.ok(await plain.locator('#problem').isVisible());
      await plain.context().close();
    }
  } finally {
    await chromium.close();
  }
});

/** Signed in through GitHub alone, an hour ago. */
async function octo() {
  const mine = browser(platform, [github.url]);
  assert.match((await mine.go('/upstream/github/start')).url, /\/account$/);
  await platform.database.query(
    `update sessions set auth_time = auth_time - interval '1 hour' where ended_at is null`,
  );
  return mine;
}

async function newestCode(): Promise<string> {
  const mail = (await platform.mailTo('octo@cat.test', /^Your code/)).at(-1)!;
  assert.doesNotMatch(mail.text, /https?:/, 'nothing in it can be followed');
  return /\b(\d{6})\b/.exec(mail.text)![1]!;
}

test('AU-15 who has GitHub alone is asked for a code by mail before what the account hangs on changes; GitHub cannot be asked', async () => {
  const mine = await octo();
  const asked = await mine.go('/account/signing-in/app');
  assert.match(asked.url, /\/sign-in\/again\?request=/);
  assert.match(textOf(asked), /GitHub vouches for you, but cannot ask you again .* octo@cat\.test/);
  const sent = await mine.send({}, '/sign-in/again/mail');
  assert.ok(idOn(sent, 'mailed') && idOn(sent, 'code'));
  const code = await newestCode();
  const wrong = await mine.send({ code: code === '000000' ? '111111' : '000000' }, '/sign-in/again/code');
  assert.equal(wrong.status, 422);
  const other = await octo();
  await other.go('/account/signing-in/app');
  const stolen = await other.here.request('/sign-in/again/code', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin },
    body: new URLSearchParams({ ...other.here.formOf('/sign-in/again/mail').fields, code }).toString(),
  });
  assert.ok(stolen.status >= 400, 'a code counts in the browser that asked for it');
  const on = await mine.send({ code }, '/sign-in/again/code');
  assert.match(on.url, /\/account\/signing-in\/app$/);
  const [row] = await platform.database.query<{ aal: number; amr: string[] }>(
    'select elevated_aal as aal, amr from sessions where elevated_at is not null order by elevated_at desc limit 1',
  );
  assert.deepEqual(row, { aal: 1, amr: [] });
  await platform.database.query(
    `update sessions set elevated_at = elevated_at - interval '1 hour' where elevated_at is not null`,
  );
  const late = await mine.go('/account/signing-in/app');
  const again = await mine.here.request('/sign-in/again/code', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin },
    body: new URLSearchParams({ ...mine.here.formOf('/sign-in/again/mail').fields, code }).toString(),
  });
  assert.ok(again.status >= 400 && late.status === 200, 'a code counts once');
});

test('the pages that ask for a code fit a phone and a desk, light and dark, and need no script', {
  skip: chromiumPath() ? false : 'Chromium is not installed',
}, async () => {
  const chromium = await launchBrowser();
  try {
    for (const [width, scheme, scripts] of [
      [360, 'light', false],
      [1280, 'dark', true],
    ] as const) {
      const page = await openPage(chromium, { width, scheme, scripts });
      await page.goto(`${platform.origin}/upstream/github/start`);
      await page.waitForURL('**/account');
      await platform.database.query(
        `update sessions set auth_time = auth_time - interval '1 hour' where ended_at is null`,
      );
      await page.goto(`${platform.origin}/account/signing-in/app`);
      for (const name of ['asked', 'sent']) {
        if (name === 'sent') await Promise.all([page.waitForEvent('load'), page.click('#send-code')]);
        assert.equal(await sideways(page), 0);
        if (scripts) assert.deepEqual(await axe(page), []);
        await screenshot(page, `upstreams/again-${name}-${width}-${scheme}`);
      }
      await page.fill('#code', await newestCode());
      await Promise.all([page.waitForURL('**/account/signing-in/app'), page.click('#again')]);
      await page.context().close();
    }
  } finally {
    await chromium.close();
  }
});

test('AU-15 a form that was interrupted goes on after the code', async () => {
  const mine = await octo();
  await mine.go('/account');
  const asked = await mine.send({ email: 'second@cat.test' }, '/account/addresses');
  assert.equal(asked.status, 403);
  await mine.send({}, '/sign-in/again/mail');
  const thanks = await mine.send({ code: await newestCode() }, '/sign-in/again/code');
  assert.match(thanks.text, /Go on with what you were about to do/);
  assert.match((await mine.send({}, '/account/addresses')).text, /second@cat\.test/);
});

test('whoever gets no code sees what became of it, and has one sent to another confirmed address of theirs, to no other', async () => {
  const mine = await octo();
  const [octoCat] = await platform.database.query<{ id: string }>(
    `select person as id from addresses where address = 'octo@cat.test'`,
  );
  const [another, unproved] = await platform.database.transact(system('demo'), async (tx) => {
    const person = octoCat!.id;
    const one = await addAddress(tx, person, 'octo@home.test');
    await verifyAddress(tx, person, one.id);
    return [one, await addAddress(tx, person, 'octo@unproved.test')];
  });
  await mine.go('/account/signing-in/app');
  const sent = await mine.send({}, '/sign-in/again/mail');
  assert.match(sent.text, /Send a code to octo@home\.test instead/);
  assert.doesNotMatch(sent.text, /octo@unproved\.test/);
  await platform.settle();
  const fate = await mine.go('/verify/mail');
  assert.match(textOf(fate), /The mail we sent to octo@cat\.test/);
  assert.match(textOf(fate), /Taken by the mail server/);
  await mine.go('/account/signing-in/app');
  await mine.send({ to: unproved!.id }, '/sign-in/again/mail');
  assert.deepEqual(await platform.mailTo('octo@unproved.test'), []);
  const elsewhere = await mine.send({ to: another!.id }, '/sign-in/again/mail');
  assert.match(textOf(elsewhere), /We sent a code to octo@home\.test/);
  const mail = (await platform.mailTo('octo@home.test', /^Your code/)).at(-1)!;
  const code = /\b(\d{6})\b/.exec(mail.text)![1]!;
  const on = await mine.send({ code }, '/sign-in/again/code');
  assert.match(on.url, /\/account\/signing-in\/app$/);
});

test('AU-20 an app that wants a sign-in of this moment gets it from whoever has GitHub alone, by a code, with the truth in the token', async () => {
  const mine = await octo();
  const authorize = `/oidc/auth?client_id=app&response_type=code&scope=openid&prompt=login&redirect_uri=${encodeURIComponent('http://127.0.0.1:9/callback')}&state=s`;
  const asked = await mine.go(authorize);
  assert.match(asked.url, /\/sign-in\/again\?request=/);
  assert.match(asked.text, /ways=all/, 'signing in as someone else stays a step away');
  const sent = await mine.send({}, '/sign-in/again/mail');
  assert.match(
    sent.headers.get('content-security-policy') ?? '',
    /form-action [^;]*http:\/\/127\.0\.0\.1:9/,
    'browsers hold the way to the app after the form to this',
  );
  const form = mine.here.formOf('/sign-in/again/code');
  const back = await mine.here.open('/sign-in/again/code', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin },
    body: new URLSearchParams({ ...form.fields, code: await newestCode() }).toString(),
  });
  assert.match(back.headers.get('location') ?? '', /^http:\/\/127\.0\.0\.1:9\/callback\?code=/);
  const live = await platform.database.query<{ auth: Date; amr: string[] }>(
    `select auth_time as auth, amr from sessions where ended_at is null order by created_at desc limit 1`,
  );
  assert.ok(Date.now() - live[0]!.auth.getTime() < 60_000);
  assert.deepEqual(live[0]!.amr, []);
});

test('who comes by a provider that can ask is led there, and asked anew', async () => {
  const mine = browser(platform, [idp.issuer]);
  assert.match((await mine.go('/upstream/corp/start')).url, /\/account$/);
  await platform.database.query(
    `update sessions set auth_time = auth_time - interval '1 hour' where ended_at is null`,
  );
  const asked = await mine.go('/account/signing-in/app');
  assert.match(asked.url, /\/sign-in\/again\?request=/);
  const way = /href="(\/upstream\/corp\/start\?request=[^"]+)"/.exec(asked.text)![1]!;
  idp.claims = { ...person('ada'), auth_time: Math.floor(Date.now() / 1000) };
  const back = await mine.go(way.replaceAll('&amp;', '&'));
  assert.deepEqual([idp.latest.query.get('prompt'), idp.latest.query.get('max_age')], ['login', '0']);
  assert.match(back.url, /\/account\/signing-in\/app$/);
  const refused = await mine.here.request('/sign-in/again/mail', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin },
    body: new URLSearchParams(mine.here.formOf().fields).toString(),
  });
  assert.ok(refused.status >= 300, 'no code goes to somebody who can be asked there');
  assert.equal(
    (await platform.mailTo('ada@x.test')).filter(({ subject }) => /Your code/.test(subject)).length,
    0,
  );
});
