import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { insertPeople, requirePerson } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import { PasskeyDevice, type Wrong } from '#test/passkey.ts';
import { newChallenge } from './challenges.ts';
import { addPasskey, creationOptions, passkeysOf, provePasskey, requestOptions } from './passkeys.ts';

const place = { rpId: 'id.example.org', origin: 'https://id.example.org' };
const site = { secrets: createSecrets(Buffer.alloc(32, 7)), publicUrl: new URL(place.origin) };
const making = { browser: 'browser-1', purpose: 'create:1' };
const signingIn = { browser: 'browser-1', purpose: 'sign-in' };

async function stage() {
  const home = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('request'), work);
  const person = async (name: string) => {
    const id = newId();
    const names = { username: name, usernameKey: name, givenName: '', familyName: '', displayName: name };
    await during((tx) => insertPeople(tx, [{ id, ...names, state: 'active', origin: 'test' }]));
    return id;
  };
  const options = (id: string) =>
    during(async (tx) => creationOptions(tx, site, await requirePerson(tx, id), making, 'Harbour'));
  const add = async (id: string, device: PasskeyDevice, wrong: Wrong = {}) => {
    const answer = device.create(await options(id), wrong);
    return during((tx) => addPasskey(tx, site, { person: id, ceremony: making, answer, name: 'phone' }));
  };
  const ask = () => during((tx) => requestOptions(tx, site, signingIn));
  const prove = (answer: string, more: { person?: string; ceremony?: typeof signingIn } = {}) =>
    during((tx) => provePasskey(tx, site, { ceremony: signingIn, answer, ...more }));
  const anna = await person('anna');
  return { ...home, during, person, options, add, ask, prove, anna };
}

test('a passkey that was made proves its person, and says what kind of key it is', async () => {
  const { add, ask, prove, anna, during } = await stage();
  const device = new PasskeyDevice(place);
  await add(anna, device);
  const proved = await prove(device.get(await ask()));
  assert.deepEqual([proved?.person, proved?.userVerified, proved?.amr], [anna, true, ['hwk', 'user', 'mfa']]);
  const synced = new PasskeyDevice(place);
  await add(anna, synced, { flags: 5 | 8 | 16 });
  assert.deepEqual((await prove(synced.get(await ask(), { flags: 5 | 8 | 16 })))?.amr, [
    'pop',
    'user',
    'mfa',
  ]);
  assert.equal((await during((tx) => passkeysOf(tx, anna))).length, 2);
});

test('PK-01 a challenge counts once, for five minutes, for its browser and its ceremony', async () => {
  const { add, ask, prove, anna, options, during, clock } = await stage();
  const device = new PasskeyDevice(place);
  await add(anna, device);
  const answers = device.get(await ask());
  const all = await Promise.all(Array.from({ length: 20 }, () => prove(answers)));
  assert.equal(all.filter(Boolean).length, 1);
  assert.equal(
    await prove(device.get(await ask()), { ceremony: { ...signingIn, browser: 'browser-2' } }),
    undefined,
  );
  assert.equal(
    await prove(device.get(await ask()), { ceremony: { ...signingIn, purpose: 'again:1' } }),
    undefined,
  );
  assert.equal(await prove(device.get({ challenge: (await options(anna)).challenge })), undefined);
  const made = new PasskeyDevice(place).create({
    challenge: (await ask()).challenge,
    user: { id: device.handle },
  });
  await assert.rejects(
    during((tx) => addPasskey(tx, site, { person: anna, ceremony: making, answer: made, name: 'x' })),
    { code: 'passkey-refused' },
  );
  const late = await ask();
  clock.advance(300_000);
  assert.equal(await prove(device.get(late)), undefined);
  const challenges = await Promise.all([ask(), ask()]);
  assert.notEqual(challenges[0].challenge, challenges[1].challenge);
  const bytes = newChallenge(site.secrets, clock.now(), signingIn);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  assert.equal(await prove(device.get({ challenge: bytes.toString('base64url') })), undefined, 'made up');
});

test('PK-02 type, origin, domain, presence, verification, framing and signature: each one wrong is refused', async () => {
  const { add, ask, prove, anna } = await stage();
  const device = new PasskeyDevice(place);
  await add(anna, device);
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const wrongs: Wrong[] = [
    { type: 'webauthn.create' },
    { origin: 'https://id.example.org.evil.test' },
    { origin: 'http://id.example.org' },
    { rpId: 'evil.test' },
    { flags: 4 },
    { flags: 1 },
    { crossOrigin: true },
    { challenge: 'AAAA' },
    { key: foreign },
  ];
  for (const wrong of wrongs) {
    assert.equal(await prove(device.get(await ask(), wrong)), undefined, JSON.stringify(wrong));
    const made = new PasskeyDevice(place);
    const type = wrong.type && { type: 'webauthn.get' };
    if (!wrong.key) await assert.rejects(add(anna, made, { ...wrong, ...type }), { code: 'passkey-refused' });
  }
  for (const answer of ['', '{}', 'null', '[]', '{"id":1}', 'x'.repeat(9000)])
    assert.equal(await prove(answer), undefined, answer.slice(0, 20));
  assert.ok(await prove(device.get(await ask())));
});

test('PK-03 a key belongs to one person, its handle must be theirs, and tells nothing', async () => {
  const { add, ask, prove, anna, person, options } = await stage();
  const bob = await person('bob');
  const device = new PasskeyDevice(place);
  await add(anna, device);
  const copy = new PasskeyDevice(place, device.id);
  await assert.rejects(add(bob, copy), { code: 'passkey-known' });
  const ofBob = (await options(bob)).user.id;
  assert.equal(await prove(device.get(await ask(), { handle: ofBob })), undefined);
  assert.equal(
    await prove(device.get(await ask(), { handle: '' })),
    undefined,
    'without a name it must say whose',
  );
  assert.equal(await prove(device.get(await ask()), { person: bob }), undefined);
  assert.ok(await prove(device.get(await ask()), { person: anna }));
  assert.equal(Buffer.from(device.handle, 'base64url').length, 32);
  assert.notEqual(device.handle, ofBob);
  assert.equal((await options(anna)).user.id, device.handle, 'and stays');
  assert.equal((await options(anna)).excludeCredentials?.length, 1);
});

test('PK-04 a counter that goes back is refused and leaves an event; one that never counts is fine', async () => {
  const { add, ask, prove, anna, during } = await stage();
  const device = new PasskeyDevice(place);
  await add(anna, device);
  assert.ok(await prove(device.get(await ask(), { counter: 7 })));
  for (const counter of [7, 3, 0]) assert.equal(await prove(device.get(await ask(), { counter })), undefined);
  assert.ok(await prove(device.get(await ask(), { counter: 8 })));
  const events = await during((tx) => listEvents(tx, { person: anna, limit: 50 }));
  assert.equal(events.filter(({ type }) => type === 'passkey.copied').length, 3);
  const still = new PasskeyDevice(place);
  await add(anna, still);
  for (let count = 0; count < 3; count += 1) assert.ok(await prove(still.get(await ask(), { counter: 0 })));
});

test('AU-07 what is asked of nobody in particular says nothing about who exists', async () => {
  const { add, ask, anna } = await stage();
  const before = await ask();
  await add(anna, new PasskeyDevice(place));
  const after = await ask();
  assert.deepEqual({ ...before, challenge: '' }, { ...after, challenge: '' });
});
