import assert from 'node:assert/strict';
import { createHash, randomBytes, sign, verify, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { samlWarnings } from '#fronts/saml/warnings.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { type TestDatabase, testDatabase } from '../../../test/kit.ts';
import { defaultKeyPolicy, publishedKeys, readKeys, rotateKeys, withdrawKey } from './saml-keys.ts';

const secrets = createSecrets(randomBytes(32));
const needs = { secrets, host: 'id.harbour.test' };
const day = 86_400_000;

function rotate(house: TestDatabase): Promise<string[]> {
  return house.database.transact(system(), (tx) => rotateKeys(tx, needs, house.clock.now()));
}

function published(house: TestDatabase) {
  return house.database.read(system(), publishedKeys);
}

const warnings = (house: TestDatabase) => house.database.read(system(), samlWarnings);

test('SA-17 the next certificate is published months before it takes over, and the one before stays a while', async () => {
  const house = await testDatabase();
  assert.equal(await readKeys(house.database, secrets), undefined, 'no app, no key');
  await rotate(house);
  const first = (await readKeys(house.database, secrets))!;
  const certificate = new X509Certificate(first.active.certificate);
  assert.equal(certificate.subject, 'CN=id.harbour.test');
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 3072);
  assert.ok(certificate.verify(certificate.publicKey));
  const signature = sign('sha256', Buffer.from('x'), first.active.key);
  assert.ok(verify('sha256', Buffer.from('x'), certificate.publicKey, signature));

  house.clock.advance((defaultKeyPolicy.certificateDays - 91) * day);
  assert.deepEqual(await rotate(house), []);
  assert.deepEqual(await warnings(house), []);
  house.clock.advance(2 * day);
  assert.equal((await rotate(house)).length, 1);
  assert.deepEqual((await published(house)).map((one) => one.state).sort(), ['active', 'next']);
  const both = (await readKeys(house.database, secrets))!;
  assert.equal(both.active.kid, first.active.kid, 'it does not sign yet');
  assert.equal(both.certificates.length, 2);

  house.clock.advance(60 * day);
  assert.deepEqual(await rotate(house), []);
  const [warning] = await warnings(house);
  assert.equal(warning?.kind, 'certificate');
  assert.equal(
    warning.at?.getTime(),
    (await published(house)).find((one) => one.state === 'active')?.notAfter.getTime(),
  );

  house.clock.advance(23 * day);
  assert.equal((await rotate(house)).length, 2);
  const second = (await readKeys(house.database, secrets))!;
  assert.notEqual(second.active.kid, first.active.kid);
  assert.ok(second.certificates.includes(first.active.certificate));
  assert.deepEqual(await warnings(house), []);
  house.clock.advance(8 * day);
  await rotate(house);
  assert.deepEqual((await readKeys(house.database, secrets))!.certificates, [second.active.certificate]);
});

test('KE-03 many nodes at once make one key, and no private part stands in the open', async () => {
  const house = await testDatabase();
  await Promise.all(Array.from({ length: 4 }, () => rotate(house)));
  assert.equal((await published(house)).length, 1);
  const rows = await house.database.query<{ kid: string; certificate: string; text: string }>(
    `select kid, certificate, encode(sealed, 'escape') as text from saml_keys`,
  );
  assert.doesNotMatch(JSON.stringify(rows), /PRIVATE KEY/);
  const fingerprint = createHash('sha256')
    .update(new X509Certificate(rows[0]!.certificate).raw)
    .digest('hex');
  assert.equal(rows[0]?.kid, `saml-${fingerprint.slice(0, 32)}`);
});

test('KE-04 a key that is taken back is followed by the next one, and leaves nothing to open', async () => {
  const house = await testDatabase();
  await rotate(house);
  const { active } = (await readKeys(house.database, secrets))!;
  const withdraw = (kid: string) => house.database.transact(system(), (tx) => withdrawKey(tx, needs, kid));
  assert.equal(await withdraw('saml-nothing'), false);
  assert.equal(await withdraw(active.kid), true);
  const now = (await readKeys(house.database, secrets))!;
  assert.ok(now.active.kid !== active.kid && now.certificates.length === 1);
  const [gone] = await house.database.query<{ bytes: number }>(
    `select length(sealed) as bytes from saml_keys where state = 'gone'`,
  );
  assert.equal(gone?.bytes, 0);
});
