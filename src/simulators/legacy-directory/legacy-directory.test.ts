import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLdif } from '#sources/ldif/ldif.ts';
import type { LegacyGroup, LegacyPerson } from '#sources/source.ts';
import { identifyHash, verifyLegacyAny } from '#wire/hashes/hashes.ts';
import { knownAccounts, makeLegacyLdif } from './legacy-directory.ts';

async function read(ldif: string) {
  const people = new Map<string, LegacyPerson>();
  const groups = new Map<string, LegacyGroup>();
  const errors: unknown[] = [];
  for await (const item of readLdif(
    (async function* () {
      yield Buffer.from(ldif);
    })(),
  )) {
    if (item.kind === 'person') people.set(item.person.username, item.person);
    else if (item.kind === 'group') groups.set(item.group.name, item.group);
    else if (item.kind === 'error') errors.push(item.error);
  }
  return { people, groups, errors };
}

test('the same seed gives the same directory, another one another', () => {
  const one = makeLegacyLdif({ people: 200, seed: 7 }).ldif;
  assert.equal(makeLegacyLdif({ people: 200, seed: 7 }).ldif, one);
  assert.notEqual(makeLegacyLdif({ people: 200, seed: 8 }).ldif, one);
});

test('2,000 people are made quickly and read back as they were made, with every password', async () => {
  const began = process.cpuUsage();
  const directory = makeLegacyLdif({ people: 2_000, seed: 1 });
  const { user, system } = process.cpuUsage(began);
  assert.ok(user + system < 5_000_000, `${user + system} µs`);
  const { people, groups, errors } = await read(directory.ldif);
  assert.deepEqual(errors, []);
  assert.equal(people.size, 2_000);
  for (const account of directory.accounts) {
    const person = people.get(account.username)!;
    assert.equal(person.givenName, account.givenName);
    assert.equal(person.familyName, account.familyName);
    assert.equal(person.locked, account.locked);
    assert.deepEqual(
      person.addresses.map(({ address }) => address),
      account.addresses,
    );
    const works = await verifyLegacyAny(person.passwordHashes, account.password);
    assert.equal(works, account.scheme !== 'unreadable', account.username);
  }
  for (const { name, members } of directory.groups)
    assert.deepEqual(
      groups.get(name)?.members,
      members.map((username) => username.toLowerCase()),
    );
});

test('it holds what makes real directories hard', () => {
  const { accounts, ldif } = makeLegacyLdif({ people: 2_000, seed: 1 });
  const oddities = Map.groupBy(accounts, (account) => account.oddity ?? 'none');
  for (const [oddity, least] of [
    ['duplicate-address', 10],
    ['no-mail', 10],
    ['unknown-hash', 10],
    ['name-is-address', 1],
  ] as const)
    assert.ok((oddities.get(oddity)?.length ?? 0) >= least, oddity);
  const schemes = new Set(
    accounts.flatMap((account) => account.stored.map((stored) => identifyHash(stored).scheme)),
  );
  for (const scheme of [
    'ssha',
    'sha',
    'md5',
    'smd5',
    'ssha512',
    'crypt-des',
    'bcrypt',
    'pbkdf2-sha256',
    'sasl',
  ])
    assert.ok(schemes.has(scheme), scheme);
  assert.ok(accounts.filter((account) => account.locked).length >= 20);
  assert.ok(accounts.some((account) => account.username.includes('_')));
  assert.ok(accounts.some((account) => /[A-Z]/.test(account.username)));
  assert.ok(accounts.some((account) => account.addresses[0]?.includes('+')));
  assert.match(ldif, /^dn: cn=atlas-administrators,.*\n.*\ncn: atlas-admin$/m);
  assert.match(ldif, /^member:$/m);
});

test('every address is one nobody can own', () => {
  for (const { addresses } of makeLegacyLdif({ people: 2_000, seed: 3 }).accounts)
    for (const address of addresses)
      assert.match(address, /@(?:[a-z.]*\.)?(?:example\.(?:org|com|net)|[a-z]+\.test)$/i);
});

test('the accounts people are told to try work, and stand in nobody’s way', async () => {
  const { ldif, accounts } = makeLegacyLdif();
  const { people } = await read(ldif);
  for (const known of knownAccounts) {
    const person = people.get(known.username)!;
    assert.equal(await verifyLegacyAny(person.passwordHashes, known.password), true, known.username);
    const same = accounts.filter((account) =>
      account.addresses.some((address) => address.toLowerCase() === known.address.toLowerCase()),
    );
    assert.equal(same.length, 1);
  }
});
