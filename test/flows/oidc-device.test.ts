/** Devices without a browser (RFC 8628), with openid-client as the device and a visitor as the person with the code. */
import assert from 'node:assert/strict';
import { before, mock, test } from 'node:test';
import * as client from 'openid-client';
import { findApplication, saveApplication } from '#core/applications/applications.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { findByIdentifier } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';

const grant = 'urn:ietf:params:oauth:grant-type:device_code';

let platform: Platform;
before(async () => {
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(`${communityFile}
  - id: telly
    title: Telly
    consent: ask
    oidc: { clientAuth: none, grants: ["${grant}", refresh_token] }
  - id: staff-tool
    title: Staff tool
    secret: ${secret}
    consent: trusted
    access: { groups: [staff] }
    oidc: { grants: ["${grant}"] }
  - id: vault
    title: Vault
    consent: trusted
    assurance: { secondFactor: required }
    oidc: { clientAuth: none, grants: ["${grant}"] }
`);
});

async function signedIn(name: keyof typeof passwords): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn(name, passwords[name]);
  return visitor;
}

async function device(id = 'telly', given?: string) {
  const auth = given ? client.ClientSecretBasic(given) : client.None();
  return client.discovery(new URL(platform.origin), id, {}, auth, {
    execute: [client.allowInsecureRequests],
  });
}

/** The device asks without a library, so that it can ask too often. */
function poll(code: string, id = 'telly') {
  return new Party(platform, { id, secret: undefined }).post('/oidc/token', {
    grant_type: grant,
    device_code: code,
  });
}

async function begin(config: client.Configuration, more: Record<string, string> = {}) {
  return client.initiateDeviceAuthorization(config, { scope: 'openid profile', ...more });
}

/** Types a code; returns where the person stands then. */
async function type(visitor: Visitor, code: string) {
  await visitor.open('/device');
  return visitor.submit({ user_code: code }, '/device');
}

async function rowOf(visitor: Visitor) {
  const id = visitor.page.url.split('/').at(-1);
  const rows = await platform.database.query<{ decision: string | null; browser: string | null }>(
    'select decision, browser from oidc_device_codes where id = $1',
    [id],
  );
  return rows[0];
}

/** As if the device had waited for as long as it was told to. */
async function waited(): Promise<void> {
  await platform.database.query(`update oidc_device_codes set polled_at = polled_at - interval '2 minutes'`);
}

test('OA-19 a device is let in with its code, gets tokens once, and is an app of the session like any other', async () => {
  const config = await device();
  const started = await begin(config);
  assert.equal(started.verification_uri, `${platform.origin}/device`);
  assert.equal(started.interval, 5);
  assert.equal(started.expires_in, 600);
  assert.match(started.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);

  const ada = platform.visitor();
  const asked = await ada.open(started.verification_uri_complete!);
  assert.match(asked.url, /\/sign-in\?/);
  const back = await ada.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  assert.match(back.text, new RegExp(`value="${started.user_code}"`));
  assert.match(back.text, /signed in as Ada Lovelace/);
  const page = await type(ada, ` ${started.user_code.toLowerCase().replace('-', ' ')} `);
  assert.equal(page.status, 200);
  assert.match(page.text, /Let Telly in\?/);
  assert.ok(page.text.includes(`>${started.user_code}</code>`));
  assert.match(page.text, /Ada Lovelace/);
  const id = page.url.split('/').at(-1);
  const after = await ada.submit({}, `/device/${id}/allow`);
  assert.match(after.text, /id="allowed"/);

  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...started, interval: 0 });
  const { sub } = tokens.claims()!;
  const told = await client.fetchUserInfo(config, tokens.access_token, sub);
  assert.equal(told.name, 'Ada Lovelace');
  const renewed = await client.refreshTokenGrant(config, tokens.refresh_token!);
  assert.equal(renewed.claims()!.sub, sub);
  const joined = await platform.database.query(
    `select 1 from session_applications where application = 'telly'`,
  );
  assert.equal(joined.length, 1);

  // Used a second time it takes down what it gave.
  assert.equal((await poll(started.device_code)).body.error, 'invalid_grant');
  await assert.rejects(client.fetchUserInfo(config, renewed.access_token, sub));
  // And the page goes nowhere any more.
  assert.match((await type(ada, started.user_code)).text, /No device waits with this code/);
});

test('OA-19 tokens of a device end with the session of whoever let it in', async () => {
  const config = await device();
  const started = await begin(config);
  const ada = await signedIn('ada');
  const page = await type(ada, started.user_code);
  await ada.submit({}, `${new URL(page.url).pathname}/allow`);
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...started, interval: 0 });
  await ada.open('/account');
  await ada.submit({}, '/sign-out');
  await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims()!.sub));
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token!));
});

test('a device that asks too soon is told to slow down, and each time has to wait longer', async () => {
  const started = await begin(await device());
  assert.equal((await poll(started.device_code)).body.error, 'authorization_pending');
  const hasty = await poll(started.device_code);
  assert.equal(hasty.status, 400);
  assert.equal(hasty.body.error, 'slow_down');
  assert.equal((await poll(started.device_code)).body.error, 'slow_down');
  const [row] = await platform.database.query<{ seconds: number }>(
    'select interval_seconds as seconds from oidc_device_codes order by created_at desc, id desc limit 1',
  );
  assert.equal(row!.seconds, 15);
  await waited();
  assert.equal((await poll(started.device_code)).body.error, 'authorization_pending');
  // Another app with the code learns nothing, and slows nobody down.
  await waited();
  assert.equal((await poll(started.device_code, 'vault')).body.error, 'invalid_grant');
  assert.equal((await poll(started.device_code)).body.error, 'authorization_pending');
  // Of many questions at once one is in time.
  await waited();
  const many = await Promise.all(Array.from({ length: 10 }, () => poll(started.device_code)));
  assert.equal(many.filter(({ body }) => body.error === 'authorization_pending').length, 1);
  assert.equal(many.filter(({ body }) => body.error === 'slow_down').length, 9);
});

test('a device that is sent away is told so', async () => {
  const started = await begin(await device());
  const ada = await signedIn('ada');
  const page = await type(ada, started.user_code);
  const denied = await ada.submit({}, `${new URL(page.url).pathname}/deny`);
  assert.match(denied.text, /id="denied"/);
  assert.equal((await poll(started.device_code)).body.error, 'access_denied');
  // Nobody changes their mind by an old page.
  ada.page = page;
  await ada.submit({}, `${new URL(page.url).pathname}/allow`);
  assert.equal((await rowOf(ada))?.decision, 'denied');
  assert.equal((await poll(started.device_code)).body.error, 'invalid_grant');
});

test('codes end after ten minutes, for the device and for the person', async () => {
  const config = await device();
  const started = await begin(config);
  const early = await begin(config);
  const ada = await signedIn('ada');
  const page = await type(ada, early.user_code);
  const later = Date.now() + 601_000;
  mock.timers.enable({ apis: ['Date'], now: later });
  try {
    assert.equal((await poll(started.device_code)).body.error, 'expired_token');
  } finally {
    mock.timers.reset();
  }
  await platform.database.query(`update oidc_device_codes set expires_at = $1`, [platform.clock.now()]);
  const path = new URL(page.url).pathname;
  assert.equal((await ada.submit({}, `${path}/allow`)).status, 410);
  assert.match((await type(ada, started.user_code)).text, /No device waits with this code/);
  assert.equal((await poll(started.device_code)).body.error, 'authorization_pending');
});

test('OA-19 only the browser and session in which the code was typed decides', async () => {
  const started = await begin(await device());
  const ada = await signedIn('ada');
  const page = await type(ada, started.user_code);
  const path = new URL(page.url).pathname;
  for (const name of ['bob', 'ada'] as const) {
    const other = await signedIn(name);
    assert.equal((await other.open(path)).status, 410, name);
    await other.open('/device');
    const form = { ...other.formOf('/device'), action: `${path}/allow` };
    const body = new URLSearchParams(form.fields).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin };
    assert.equal((await other.open(form.action, { method: 'POST', headers, body })).status, 410, name);
    assert.match((await type(other, started.user_code)).text, /No device waits with this code/, name);
  }
  assert.equal((await rowOf(ada))?.decision, null);
  // The same browser, another account: the code is typed again, and then it is that session's alone.
  ada.page = page;
  await ada.submit({}, '/sign-out');
  await ada.signIn('bob', passwords.bob);
  assert.equal((await ada.open(path)).status, 410);
  const again = await type(ada, started.user_code);
  assert.match(again.text, /as Bob Stone/);
  assert.match((await ada.submit({}, `${path}/allow`)).text, /id="allowed"/);
  await waited();
  const tokens = await poll(started.device_code);
  assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
  const told = await new Party(platform, { id: 'telly' }).userinfo(tokens.body.access_token);
  assert.equal(told.body.name, 'Bob Stone');
});

test('SE-09 OA-19 no other site and no other browser lets a device in', async () => {
  const started = await begin(await device());
  const ada = await signedIn('ada');
  // An address with the code in it takes nothing by itself.
  await ada.open(started.verification_uri_complete!);
  const [row] = await platform.database.query<{ browser: string | null; id: string }>(
    'select browser, id from oidc_device_codes order by created_at desc, id desc limit 1',
  );
  assert.equal(row!.browser, null);
  const type = 'application/x-www-form-urlencoded';
  const post = (visitor: Visitor, path: string, fields: Record<string, string>, origin?: string) =>
    visitor.request(path, {
      method: 'POST',
      headers: { 'content-type': type, ...(origin && { origin }) },
      body: new URLSearchParams(fields).toString(),
    });
  const { fields } = ada.formOf('/device');
  const given = { ...fields, user_code: started.user_code };
  assert.equal((await post(ada, '/device', given, 'https://evil.example')).status, 403);
  assert.equal((await post(ada, '/device', { user_code: started.user_code }, platform.origin)).status, 403);
  assert.equal((await post(platform.visitor(), '/device', given, platform.origin)).status, 403);
  const page = await ada.submit({ user_code: started.user_code }, '/device');
  const path = `${new URL(page.url).pathname}/allow`;
  assert.equal((await post(ada, path, fields, 'https://evil.example')).status, 403);
  assert.equal((await post(ada, path, fields, 'null')).status, 403);
  assert.equal((await post(ada, path, {}, platform.origin)).status, 403);
  assert.equal((await post(platform.visitor(), path, fields, platform.origin)).status, 403);
  assert.equal((await ada.request(path)).status, 404);
  assert.equal((await rowOf({ page } as Visitor))?.decision, null);
});

test('OA-19 of many decisions at once one counts', async () => {
  const started = await begin(await device());
  const ada = await signedIn('ada');
  const page = await type(ada, started.user_code);
  const path = new URL(page.url).pathname;
  const { fields } = ada.formOf(`${path}/allow`);
  const body = new URLSearchParams(fields).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: platform.origin };
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      ada.request(`${path}/${index % 2 ? 'allow' : 'deny'}`, { method: 'POST', headers, body }),
    ),
  );
  assert.ok(answers.every(({ status }) => status === 303 || status === 410));
  const grants = await platform.database.query<{ grants: number }>(
    `select count(*)::int as grants from oidc_payloads where kind = 'Grant' and application = 'telly'
     and created_at = (select max(created_at) from oidc_payloads where kind = 'DeviceCode')`,
  );
  const { decision } = (await rowOf({ page } as Visitor))!;
  assert.ok(decision === 'denied' ? true : grants[0]!.grants >= 1);
  await waited();
  const redeemed = await Promise.all(Array.from({ length: 20 }, () => poll(started.device_code)));
  const won = redeemed.filter(({ status }) => status === 200);
  assert.equal(won.length, decision === 'allowed' ? 1 : 0);
  const told = redeemed.filter(({ body }) => body.error === 'access_denied');
  assert.equal(told.length, decision === 'denied' ? 1 : 0);
});

test('OA-19 codes that are not known are counted a person; the right one does not help while they wait', async () => {
  const started = await begin(await device());
  const eve = await signedIn('eve');
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const seen = await type(eve, `BCDF-GH${'JKLMNPQRST'[attempt]}Z`);
    assert.equal(seen.status, 422);
  }
  const waits = await type(eve, started.user_code);
  assert.equal(waits.status, 429);
  assert.match(waits.text, /Wait \d+ minutes/);
  assert.equal((await type(await signedIn('eve'), started.user_code)).status, 429);
  // Nobody else waits for that, and right codes are not counted.
  const bob = await signedIn('bob');
  for (let attempt = 0; attempt < 12; attempt += 1) {
    assert.equal((await type(bob, started.user_code)).status, 200);
  }
});

test('OA-21 who may not enter the app lets no device into it, and neither does who has left since', async () => {
  const config = await device('staff-tool', secret);
  const started = await begin(config);
  const { origin } = platform;
  // Another person than the one who waits.
  await platform.apply(`
people:
  - { username: guest, names: { givenName: Gil }, password: ${passwords.eve}, addresses: [gil@example.org] }
  - { username: short, names: { givenName: Sam }, password: ${passwords.eve}, addresses: [sam@example.org], groups: [staff] }
`);
  const guest = platform.visitor();
  await guest.signIn('guest', passwords.eve);
  const refused = await type(guest, started.user_code);
  assert.equal(refused.status, 403);
  assert.match(refused.text, /You cannot enter Staff tool/);
  const path = new URL(refused.url).pathname;
  const { fields } = guest.formOf(`${path}/deny`);
  const headers = { 'content-type': 'application/x-www-form-urlencoded', origin };
  const body = new URLSearchParams(fields).toString();
  assert.equal((await guest.request(`${path}/allow`, { method: 'POST', headers, body })).status, 403);
  assert.equal((await rowOf(guest))?.decision, null);
  await guest.submit({}, `${path}/deny`);
  const party = new Party(platform, { id: 'staff-tool' });
  const told = await party.post('/oidc/token', { grant_type: grant, device_code: started.device_code });
  assert.equal(told.body.error, 'access_denied');

  const second = await begin(config);
  const short = platform.visitor();
  await short.signIn('short', passwords.eve);
  const page = await type(short, second.user_code);
  await short.submit({}, `${new URL(page.url).pathname}/allow`);
  await platform.database.transact(system('admin'), async (tx) => {
    const person = await findByIdentifier(tx, 'short');
    await leave(tx, person!.id, 'suspended', 'test');
  });
  const late = await party.post('/oidc/token', { grant_type: grant, device_code: second.device_code });
  assert.equal(late.body.error, 'invalid_grant');
});

test('a sign-in that is not strong or fresh enough for the app is asked for more first', async () => {
  const strict = await device('vault');
  const started = await begin(strict);
  const ada = await signedIn('ada');
  const asked = await type(ada, started.user_code);
  assert.match(asked.url, /\/sign-in\/enrol/);
  // The same where the request insists on it.
  const claims = { id_token: { acr: { essential: true, value: 'urn:gatehouse:acr:2' } } };
  const insists = await begin(await device(), { claims: JSON.stringify(claims) });
  assert.match((await type(ada, insists.user_code)).url, /\/sign-in\/enrol/);
  // A session of another kind, as fresh as the app asks.
  platform.clock.advance(1000);
  const telly = await device();
  const fresh = await begin(telly, { max_age: '60' });
  platform.clock.advance(120_000);
  const again = await type(ada, fresh.user_code);
  assert.match(again.url, /\/sign-in/);
  const back = await ada.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
  assert.match(back.text, new RegExp(`value="${fresh.user_code}"`));
  assert.match((await type(ada, fresh.user_code)).text, /Let Telly in\?/);
});

test('OA-07 only an app that may, and is the one it says, begins with a device', async () => {
  const tracker = new Party(platform, { id: 'tracker' });
  const refused = await tracker.post('/oidc/device', { scope: 'openid' });
  assert.equal(refused.status, 400);
  assert.equal(refused.body.error, 'invalid_request');
  const wrong = await new Party(platform, { id: 'staff-tool', secret: 'x'.repeat(43) }).post(
    '/oidc/device',
    {},
  );
  assert.equal(wrong.status, 401);
  assert.equal(wrong.body.error, 'invalid_client');
  // Switched off meanwhile: its devices are gone with everything else that was given to it.
  const started = await begin(await device());
  const change = (enabled: boolean) =>
    platform.database.transact(system('admin'), async (tx) => {
      const { settings } = (await findApplication(tx, 'telly'))!;
      await saveApplication(tx, 'telly', { ...settings, enabled });
    });
  await change(false);
  try {
    await platform.settle();
    const seen = await type(await signedIn('bob'), started.user_code);
    assert.match(seen.text, /No device waits with this code/);
    assert.equal((await poll(started.device_code)).body.error, 'invalid_grant');
  } finally {
    await change(true);
  }
});

test('one network begins with so many devices only', async () => {
  await platform.database.query('delete from rate_buckets');
  const party = new Party(platform, { id: 'telly', secret: undefined });
  for (let index = 0; index < 60; index += 1) {
    assert.equal((await party.post('/oidc/device', { scope: 'openid' })).status, 200);
  }
  const refused = await party.post('/oidc/device', { scope: 'openid' });
  assert.equal(refused.status, 429);
  assert.equal(refused.body.error, 'slow_down');
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
});
