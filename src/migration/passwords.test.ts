import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { before, test } from 'node:test';
import { passwordOf, passwordSetAt } from '#core/credentials/credentials.ts';
import { findByUsername } from '#core/people/people.ts';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { createLimits } from '#kit/limits/limits.ts';
import { createNet } from '#kit/net/net.ts';
import { type GateNeeds, passwordSignIn } from '#signon/gate.ts';
import { knownAccounts, makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import type { Source } from '#sources/source.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { runImport } from './import.ts';
import { startWrapping } from './wrap.ts';

const hasher = createHasher({ memoryKiB: 64, passes: 1 });
let text = '';
before(() => {
  text = makeLegacyLdif({ people: 120 }).ldif;
});

/** A database with 120 people of an old directory in it. */
async function imported(): Promise<TestDatabase & { needs: GateNeeds }> {
  const home = await testDatabase();
  const source: Source = {
    label: 'old.ldif',
    readSource: () => readLdif(Readable.from([Buffer.from(text)])),
  };
  await runImport(home, source);
  const secrets = createSecrets(Buffer.alloc(32, 7));
  const limits = createLimits(home.database, { clock: home.clock });
  const net = createNet({ allow: [], log: home.log });
  return { ...home, needs: { ...home, secrets, hasher, limits, net, floorMs: 0 } };
}

function signIn(needs: GateNeeds, identifier: string, password: string) {
  return passwordSignIn(needs, {
    identifier,
    password,
    door: 'page',
    device: 'Firefox on Linux',
    ip: '192.0.2.7',
    persistent: false,
    context: system('request'),
  });
}

async function storedFor({ database }: TestDatabase, username: string) {
  return database.read(system(), async (tx) => {
    const person = await findByUsername(tx, username);
    return passwordOf(tx, person!.id);
  });
}

const refusedWith = (code: string) => (error: { code?: string }) => error.code === code;

test('AU-18 every known account signs in with its old password, whose hash is argon2id after that', async () => {
  const home = await imported();
  for (const { username, password, address, locked } of knownAccounts.filter((one) => !one.locked)) {
    assert.equal(locked, undefined);
    const old = await storedFor(home, username);
    assert.match(old!.hash, /^\{/);
    await assert.rejects(signIn(home.needs, username, `${password}x`), refusedWith('sign-in-failed'));
    assert.equal((await signIn(home.needs, username, password)).person.username, username);
    const fresh = await storedFor(home, username);
    assert.match(fresh!.hash, /^\$argon2id\$/);
    assert.deepEqual([fresh!.scheme, fresh!.imported], ['argon2id', false]);
    const known = await home.database.read(system(), (tx) => passwordSetAt(tx, fresh!.person));
    assert.equal(known, undefined, 'when it was set is not known here, whoever hashed it last');
    assert.equal((await signIn(home.needs, address, password)).person.username, username);
  }
  const upgraded = await home.database.query<{ n: number }>(
    "select count(*) as n from events where type = 'password.upgraded'",
  );
  assert.equal(upgraded[0]?.n, knownAccounts.length - 1);
});

test('AC-11 locked in the directory is locked here, with the right password too', async () => {
  const home = await imported();
  const lou = knownAccounts.find((one) => one.locked)!;
  await assert.rejects(signIn(home.needs, lou.username, lou.password), refusedWith('account-locked'));
  await assert.rejects(signIn(home.needs, lou.address, lou.password), refusedWith('account-locked'));
  await assert.rejects(signIn(home.needs, lou.username, 'guessed'), refusedWith('sign-in-failed'));
});

test('AU-18 wrapping leaves no fast hash behind, and everybody still signs in', async () => {
  const home = await imported();
  const before = await home.database.query<{ hash: string }>('select hash from passwords where needs_wrap');
  assert.ok(before.length > 80);
  const wrapping = startWrapping({ ...home, hasher }, { pollMs: 3_600_000 });
  await wrapping.settle();
  await wrapping.stop();
  assert.deepEqual(await home.database.query('select 1 from passwords where needs_wrap'), []);
  const after = (await home.database.query<{ t: string }>('select t::text as t from passwords t')).map(
    ({ t }) => t,
  );
  const dump = after.join('\n');
  for (const { hash } of before)
    for (const line of hash.split('\n')) assert.ok(!dump.includes(line), `${line.slice(0, 8)}… is left`);
  for (const { username, password } of knownAccounts.filter((one) => !one.locked)) {
    assert.match((await storedFor(home, username))!.scheme, /^wrapped:/);
    await assert.rejects(signIn(home.needs, username, `${password}x`), refusedWith('sign-in-failed'));
    assert.equal((await signIn(home.needs, username, password)).person.username, username);
    assert.match((await storedFor(home, username))!.hash, /^\$argon2id\$/);
  }
});

test('wrapping that was stopped goes on after a restart, and a password set meanwhile stays', async () => {
  const home = await imported();
  const [jane] = knownAccounts;
  const left = async () =>
    (await home.database.query<{ n: number }>('select count(*) as n from passwords where needs_wrap'))[0]!.n;
  const total = await left();
  let hashed = 0;
  const slow = {
    ...hasher,
    async hash(password: string | Buffer) {
      hashed += 1;
      if (hashed === 30) void first.stop();
      return hasher.hash(password);
    },
  };
  const first = startWrapping({ ...home, hasher: slow }, { pollMs: 3_600_000, pauseShare: 0 });
  while ((await left()) > total - 20) await new Promise((resolve) => setTimeout(resolve, 20));
  await first.stop();
  const between = await left();
  assert.ok(between > 0 && between < total, `${between} of ${total}`);
  await signIn(home.needs, jane!.username, jane!.password);
  const second = startWrapping({ ...home, hasher }, { pollMs: 3_600_000 });
  await second.settle();
  await second.stop();
  assert.equal(await left(), 0);
  assert.equal((await storedFor(home, jane!.username))?.scheme, 'argon2id');
  const lines = home.lines.filter((line) => line.includes('wrapping is done'));
  assert.ok(lines.length >= 1);
});

test('a stored text that cannot be wrapped is left, logged, and holds nobody up', async () => {
  const home = await imported();
  await home.database.query(
    "update passwords set hash = 'unreadable' where person = (select min(person::text)::uuid from passwords where needs_wrap)",
  );
  const wrapping = startWrapping({ ...home, hasher }, { pollMs: 3_600_000 });
  await wrapping.settle();
  await wrapping.stop();
  const left = await home.database.query<{ hash: string }>('select hash from passwords where needs_wrap');
  assert.deepEqual(left, [{ hash: 'unreadable' }]);
  assert.ok(home.lines.some((line) => line.includes('password-unreadable')));
});
