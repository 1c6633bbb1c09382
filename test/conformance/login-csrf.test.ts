/**
 * Nobody is signed in by somebody else: whatever a stranger's browser is about to send to come in, as right as it is, opens
 * nothing in another browser, whether that one was never here or is only not signed in.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { PasskeyDevice } from '#test/passkey.ts';
import type { Seen, Visitor } from '#test/visitor.ts';
import { Party, secret } from '../flows/oidc-party.ts';
import { type FakeIdp, startFakeIdp } from '../upstreams/fake-idp.ts';
import { browser } from '../upstreams/stage.ts';
import { addPeople, behindProxy, mailedCode, mailedLink, post, stranger } from './stage.ts';

const password = 'plum violin tractor';
let platform: Platform;
let idp: FakeIdp;

before(async () => {
  idp = await startFakeIdp();
  platform = await startPlatform({ env: behindProxy, realTime: true });
  await platform.apply(`
community: { name: Harbour }
upstreams:
  - { id: good, title: Good, privateNetwork: true, oidc: { issuer: "${idp.issuer}", clientId: gatehouse } }
applications:
  - { id: tracker, title: Tracker, secret: ${secret}, consent: trusted, oidc: { redirectUris: [http://127.0.0.1:9/callback] } }
  - { id: telly, title: Telly, consent: ask, oidc: { clientAuth: none, grants: ["urn:ietf:params:oauth:grant-type:device_code"] } }
`);
  await addPeople(platform, [
    { username: 'mallory', password, address: 'mallory@example.org' },
    { username: 'mallory2', password, address: 'mallory2@example.org' },
    { username: 'mallory3', password, address: 'mallory3@example.org' },
    { username: 'victim', password, address: 'victim@example.org' },
  ]);
});
after(() => idp.stop());

const isIn = (visitor: Visitor) => [...visitor.cookies.keys()].some((name) => name.includes('-session-'));
const fresh = async () => {
  await platform.database.query('delete from rate_buckets');
  return stranger(platform);
};

/** A form a stranger is about to send, complete. */
interface Prepared {
  url: string;
  fields: Record<string, string>;
  /** What sends it in the stranger's own browser, to show that it was right. */
  mine: Visitor;
}

/** Every form that lets somebody in, filled in by somebody else up to the last step. */
const doors: Record<string, () => Promise<Prepared>> = {
  async password() {
    const mine = await fresh();
    await mine.open('/sign-in');
    const { fields } = mine.formOf('/sign-in');
    return { url: '/sign-in', fields: { ...fields, username: 'mallory', password }, mine };
  },
  async 'second factor'() {
    const app = await withAppOnce();
    const mine = await fresh();
    await mine.open('/sign-in');
    await mine.submit({ username: 'mallory2', password }, '/sign-in');
    const { fields } = mine.formOf('/sign-in/second');
    return { url: '/sign-in/second', fields: { ...fields, code: app.codes.pop()! }, mine };
  },
  async passkey() {
    const device = await passkeyOf();
    const mine = await fresh();
    await mine.open('/sign-in');
    const { fields } = mine.formOf('/sign-in/passkey');
    const options = JSON.parse((await mine.request('/sign-in/passkey/options?for=sign-in')).text);
    return { url: '/sign-in/passkey', fields: { ...fields, answer: device.get(options) }, mine };
  },
  async 'mailed code'() {
    const { mine, email } = await signedUp();
    const { fields } = mine.formOf('/verify/code');
    return { url: '/verify/code', fields: { ...fields, code: await mailedCode(platform, email) }, mine };
  },
  async 'mailed link'() {
    const { mine, email } = await signedUp();
    await mine.open(await mailedLink(platform, email, '/verify'));
    return { url: '/verify', fields: mine.formOf('/verify').fields, mine };
  },
  async 'newcomer of a provider'() {
    const { here, path } = await arrived();
    await here.open(`${path}/new`);
    const { fields } = here.formOf(`${path}/new`);
    const own = {
      given_name: 'M',
      family_name: '',
      username: `newcomer${count}`,
      email: `newcomer${count}@example.org`,
    };
    return { url: `${path}/new`, fields: { ...fields, ...own }, mine: here };
  },
};

let app: Awaited<ReturnType<typeof withApp>> | undefined;
const withAppOnce = async () => {
  app ??= await withApp(platform, 'mallory2');
  return app;
};

let key: PasskeyDevice | undefined;
async function passkeyOf(): Promise<PasskeyDevice> {
  if (key) return key;
  const visitor = await fresh();
  await visitor.signIn('mallory', password);
  await visitor.open('/account/signing-in/passkey');
  const options = JSON.parse((await visitor.request('/sign-in/passkey/options?for=account')).text);
  key = new PasskeyDevice({ rpId: 'localhost', origin: platform.origin });
  const added = await visitor.submit(
    { answer: key.create(options), name: 'k' },
    '/account/signing-in/passkey',
  );
  assert.equal(added.status, 200);
  return key;
}

let count = 0;
async function signedUp() {
  count += 1;
  const mine = await fresh();
  const email = `signed${count}@example.org`;
  await mine.open('/sign-up');
  const names = { username: `signed${count}`, given_name: 'S', family_name: 'U', email, password };
  assert.match((await mine.submit(names, '/sign-up')).url, /\/verify\/code/);
  return { mine, email };
}

async function arrived() {
  count += 1;
  idp.claims = {
    sub: `sub-${count}`,
    given_name: 'M',
    preferred_username: `newcomer${count}`,
    email: `newcomer${count}@example.org`,
    email_verified: true,
  };
  const { here, go } = browser(platform, [idp.issuer]);
  const arrival = await go('/upstream/good/start');
  return { here, path: new URL(arrival.url).pathname };
}

/** Browsers of others: one that was never here, one that looked at a page, one that is on its way in itself. */
async function others(): Promise<[string, Visitor][]> {
  const [looked, onTheWay] = [await fresh(), await fresh()];
  await looked.open('/sign-in');
  await onTheWay.open(new Party(platform, { id: 'tracker' }).authorizationUrl());
  return [
    ['a clean browser', await fresh()],
    ['a browser that looked', looked],
    ['a browser on its way in', onTheWay],
  ];
}

for (const [name, prepare] of Object.entries(doors))
  test(`SE-09 ${name}: what a stranger is about to send opens nothing in another browser, and was right in their own`, async () => {
    const { url, fields, mine } = await prepare();
    for (const [what, visitor] of await others()) {
      const sent = [
        await post(visitor, url, fields),
        await post(visitor, url, fields, { origin: 'https://evil.example' }),
        await post(visitor, url, fields, { origin: 'null', 'sec-fetch-site': 'cross-site' }),
      ];
      assert.deepEqual(
        sent.map(({ status }) => status),
        [403, 403, 403],
        what,
      );
      assert.equal(isIn(visitor), false, what);
    }
    const done = await post(mine, url, fields);
    assert.ok(
      done.status === 303 || done.status === 200,
      `${name}: ${done.status} ${done.text.slice(0, 1500)}`,
    );
    if (name !== 'newcomer of a provider') assert.equal(isIn(mine), true, name);
  });

test('SE-09 a passkey answered in one browser counts in no other, whoever sends it there', async () => {
  const device = await passkeyOf();
  const [mine, other] = [await fresh(), await fresh()];
  const options = JSON.parse((await mine.request('/sign-in/passkey/options?for=sign-in')).text);
  const answer = device.get(options);
  await other.open('/sign-in');
  const { fields } = other.formOf('/sign-in/passkey');
  assert.equal((await post(other, '/sign-in/passkey', { ...fields, answer })).status, 422);
  assert.equal(isIn(other), false);
});

test('SE-09 links that a stranger sends sign nobody in, also when somebody presses their buttons', async () => {
  const { mine, email } = await signedUp();
  const link = await mailedLink(platform, email, '/verify');
  for (const [what, visitor] of await others()) {
    const seen = await visitor.open(link);
    assert.equal(isIn(visitor), false, `${what}: looked at`);
    if (seen.status !== 200 || !/action="\/verify"/.test(seen.text)) continue;
    await visitor.submit({}, '/verify');
    assert.equal(isIn(visitor), false, `${what}: pressed`);
    if (!/action="\/recover\/new"/.test(visitor.page.text)) continue;
    await visitor.submit({ password: 'four candles drifting' }, '/recover/new');
    assert.equal(isIn(visitor), false, `${what}: a new password signs nobody in`);
  }
  assert.equal(isIn(mine), false);
  // A link for a new password of the stranger's own account.
  const asks = await fresh();
  await asks.open('/recover');
  await asks.submit({ username: 'mallory' }, '/recover');
  const reset = await mailedLink(platform, 'mallory@example.org', '/recover/new');
  const victim = await fresh();
  await victim.open(reset);
  await victim.submit({ password }, '/recover/new');
  assert.equal(isIn(victim), false);
});

test('SE-09 what comes back from a provider counts in the browser that set out, as a link and as a page', async () => {
  idp.claims = { sub: 'mallory-there', email: 'm@there.test', email_verified: true };
  const mine = browser(platform, [idp.issuer]);
  const away = await mine.here.request('/upstream/good/start');
  const back = (await mine.there[0]!.request(away.headers.get('location')!)).headers.get('location')!;
  for (const [what, visitor] of await others()) {
    const seen = await visitor.request(back);
    assert.equal(seen.status, 403, what);
    assert.equal(isIn(visitor), false, what);
  }
  const arrival = await mine.go(back);
  const path = new URL(arrival.url).pathname;
  for (const [what, visitor] of await others())
    for (const page of [path, `${path}/new`, `${path}/link`]) {
      const seen: Seen = await visitor.request(page);
      assert.ok(seen.status >= 400 && seen.status < 500, `${what} ${page}: ${seen.status}`);
      assert.doesNotMatch(seen.text, /m@there\.test/, what);
    }
});

test('SE-09 a way to an app that a stranger began is not gone on by whoever signs in', async () => {
  const mallory = await fresh();
  const party = new Party(platform, { id: 'tracker' });
  const begun = await mallory.open(party.authorizationUrl({ state: 'of-mallory' }));
  const request = new URL(begun.url).searchParams.get('request')!;
  const sealed = new URL((await mallory.open('/account/password')).url).searchParams.get('request')!;
  for (const id of [request, sealed]) {
    const victim = await fresh();
    await victim.open(`/sign-in?request=${encodeURIComponent(id)}`);
    const home = await victim.submit({ username: 'victim', password }, '/sign-in');
    assert.match(home.url, /\/account$/, 'at home, and not where somebody else wanted to go');
    const cookies = [...victim.cookies.keys()];
    assert.ok(!cookies.some((name) => /interaction|resume/.test(name)));
  }
});

test('SE-09 a device is let in by nobody who was only sent its code', async () => {
  const answer = await fetch(`${platform.origin}/oidc/device`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ client_id: 'telly', scope: 'openid' }).toString(),
  });
  const started = (await answer.json()) as { verification_uri_complete: string; user_code: string };
  const mallory = await fresh();
  await mallory.signIn('mallory3', password);
  await mallory.open('/device');
  await mallory.submit({ user_code: started.user_code }, '/device');
  const page = new URL(mallory.page.url).pathname;
  const { fields } = mallory.formOf(`${page}/allow`);
  const victim = await fresh();
  await victim.signIn('victim', password);
  for (const url of [started.verification_uri_complete, page]) await victim.open(url);
  assert.equal(
    (await post(victim, `${page}/allow`, fields)).status,
    403,
    'with the token of another browser',
  );
  await victim.open('/account');
  const own = victim.formOf('/sign-out').fields;
  const refused = await post(victim, `${page}/allow`, own);
  assert.ok(refused.status >= 400, 'nor with their own: the code was typed elsewhere');
  const rows = await platform.database.query<{ decision: string | null }>(
    'select decision from oidc_device_codes',
  );
  assert.deepEqual(rows, [{ decision: null }]);
});
