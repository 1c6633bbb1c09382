/** Tokens of apps for themselves: plain requests are answered on a short way, and nobody can tell from the answer. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { findApplication, saveApplication } from '#core/applications/applications.ts';
import { system } from '#kit/db/database.ts';
import { setHouseFact } from '#kit/db/facts.ts';
import { eventually } from '../eventually.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, Party, secret } from './oidc-party.ts';

let platform: Platform;
before(async () => {
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(communityFile);
});

const basic = (id: string, key: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(key)}`).toString('base64')}`;
const right = { authorization: basic('tracker', secret) };
const own = { grant_type: 'client_credentials' };

/** A parameter nobody knows sends the request the long way. */
const longWay = 'unknown=1';

async function ask(fields: Record<string, string> | string, headers: Record<string, string> = right) {
  const response = await fetch(`${platform.origin}/oidc/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
  });
  const told = Object.fromEntries(
    [...response.headers].filter(([name]) => !/^(x-request-id|date|content-length|keep-alive)$/.test(name)),
  );
  const body = (await response.json()) as Record<string, unknown>;
  const { access_token: token, ...rest } = body;
  return { status: response.status, told, token: token as string | undefined, rest, body };
}

const inForm = (fields: Record<string, string>) => new URLSearchParams({ ...own, ...fields }).toString();

const requests: [string, string, Record<string, string>?][] = [
  ['the secret in the header', inForm({})],
  ['with scopes, one of them twice', inForm({ scope: 'read write read' })],
  ['its id in the form as well', inForm({ client_id: 'tracker' })],
  ['the secret in the form', inForm({ client_id: 'tracker', client_secret: secret }), {}],
  ['an empty scope', inForm({ scope: '' })],
  ['a scope that cannot be one', inForm({ scope: 'a"b' })],
  ['scope twice', `${inForm({ scope: 'a' })}&scope=b`],
  ['grant_type twice', `${inForm({})}&grant_type=client_credentials`],
  ['the id of another app in the form', inForm({ client_id: 'commons' })],
  ['the secret twice', inForm({ client_id: 'tracker', client_secret: secret })],
  ['a wrong secret', inForm({}), { authorization: basic('tracker', `${secret}x`) }],
  ['a wrong secret in the form', inForm({ client_id: 'tracker', client_secret: `${secret}x` }), {}],
  ['an app nobody knows', inForm({}), { authorization: basic('nobody', secret) }],
  ['an app that may not', inForm({}), { authorization: basic('commons', secret) }],
  ['an app without a secret', inForm({ client_id: 'native' }), {}],
  ['no secret at all', inForm({ client_id: 'tracker' }), {}],
  ['a header that is no Basic', inForm({}), { authorization: 'Bearer abc' }],
  ['a header that is not base64', inForm({}), { authorization: 'Basic a:b' }],
  ['a header without a colon', inForm({}), { authorization: 'Basic dHJhY2tlcg==' }],
  [
    'a header that cannot be decoded',
    inForm({}),
    { authorization: `Basic ${Buffer.from('tracker:%zz').toString('base64')}` },
  ],
  ['from a browser', inForm({}), { ...right, origin: 'https://app.example.org' }],
  ['with a proof that is none', inForm({}), { ...right, dpop: 'x.y.z' }],
  [
    'another charset',
    inForm({}),
    { ...right, 'content-type': 'application/x-www-form-urlencoded;charset=utf-16' },
  ],
  ['no form', '{}', { ...right, 'content-type': 'application/json' }],
  ['a form without end', `${inForm({})}&scope=${'s'.repeat(6000)}`],
];

for (const [name, form, headers] of requests) {
  test(`OA-08 ${name}: the short way answers as the long one does`, async () => {
    const short = await ask(form, headers);
    const long = await ask(form.startsWith('{') ? form : `${form}&${longWay}`, headers);
    assert.equal(short.status, long.status);
    assert.deepEqual(short.told, long.told);
    assert.deepEqual(short.rest, long.rest);
    assert.deepEqual(Object.keys(short.body), Object.keys(long.body));
    assert.equal(short.token?.length, long.token?.length);
    if (short.token === undefined) return;
    const party = new Party(platform, { id: 'tracker' });
    const [one, other] = [await party.introspect(short.token), await party.introspect(long.token!)];
    const plain = ({ iat, exp, jti, ...claims }: Record<string, unknown>) => ({
      ...claims,
      lives: Number(exp) - Number(iat),
      named: typeof jti,
    });
    assert.equal(one.body.active, true);
    assert.deepEqual(plain(one.body), plain(other.body));
  });
}

test('OA-08 what was given on the short way is there after a restart, and goes when it is revoked', async () => {
  const { token } = await ask(own);
  const restarted = await platform.again();
  const party = new Party(restarted, { id: 'tracker' });
  assert.equal((await party.introspect(token!)).body.active, true);
  assert.equal((await party.post('/oidc/revocation', { token: token! })).status, 200);
  assert.equal((await party.introspect(token!)).body.active, false);
});

test('OA-08 giving one writes nothing; what ends it is written, and ends no other', async () => {
  const kept = async () =>
    (await platform.database.query<{ kind: string }>('select kind from oidc_payloads')).map(
      ({ kind }) => kind,
    );
  const before = await kept();
  const [{ token: one }, { token: other }, { token: long }] = [
    await ask(own),
    await ask(own),
    await ask(`${inForm({})}&${longWay}`),
  ];
  assert.deepEqual(await kept(), before);
  const party = new Party(platform, { id: 'tracker' });
  const stranger = new Party(platform, { id: 'commons' });
  const active = async (token?: string) => (await party.introspect(token!)).body.active;
  assert.equal((await stranger.introspect(one!)).body.active, false);
  await stranger.post('/oidc/revocation', { token: one! });
  assert.equal(await active(one), true, 'another app cannot end it');
  for (const token of [one, long]) await party.post('/oidc/revocation', { token: token! });
  assert.deepEqual([await active(one), await active(long), await active(other)], [false, false, true]);
  assert.deepEqual((await kept()).slice(before.length), ['OwnTokensEnded', 'OwnTokensEnded']);
});

test('OA-08 none from before a restore counts: what had ended them was not brought back', async () => {
  const { token: before } = await ask(own);
  platform.clock.advance(1000);
  await platform.database.transact(system(), (tx) =>
    setHouseFact(tx, 'restored', { at: tx.now().toISOString() }),
  );
  platform.clock.advance(1000);
  const { token: after } = await ask(own);
  const party = new Party(await platform.again(), { id: 'tracker' });
  assert.equal((await party.introspect(before!)).body.active, false);
  assert.equal((await party.introspect(after!)).body.active, true);
});

test('OA-08 many at once get a token each, and every one of them counts', async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(own)));
  const tokens = answers.map((one) => one.token!);
  assert.equal(new Set(tokens).size, 60);
  const party = new Party(platform, { id: 'tracker' });
  const counted = await Promise.all(tokens.map((token) => party.introspect(token)));
  assert.ok(counted.every((one) => one.body.active === true));
});

test('OA-08 an app that was switched off gets nothing on the short way either, and what it had is over', async () => {
  const { token: earlier } = await ask(own);
  const party = new Party(platform, { id: 'tracker' });
  assert.equal((await party.introspect(earlier!)).body.active, true);
  const switched = (enabled: boolean) =>
    platform.database.transact(system('admin'), async (tx) => {
      const { settings } = (await findApplication(tx, 'tracker'))!;
      await saveApplication(tx, 'tracker', { ...settings, enabled });
    });
  await switched(false);
  const refused = async () => (await ask(own)).status !== 200;
  await eventually(refused);
  const [short, long] = [await ask(own), await ask(`${inForm({})}&${longWay}`)];
  assert.deepEqual([short.status, short.rest], [long.status, long.rest]);
  await platform.settle();
  platform.clock.advance(1000);
  await switched(true);
  const back = async () => (await ask(own)).token;
  await eventually(async () => (await back()) !== undefined);
  assert.equal((await party.introspect(earlier!)).body.active, false, 'switched on again, it stays over');
  assert.equal((await party.introspect((await back())!)).body.active, true);
});
