import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addAddress, insertPeople, verifyAddress } from '#core/people/people.ts';
import { openVerifications, requestVerification } from '#core/people/verifications.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '../../../test/kit.ts';
import { setPassword } from './credentials.ts';

test('AU-12 a new password kills every link mailed before it, except the one that signs up', async () => {
  const { database } = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('request'), work);
  const person = newId();
  const names = { username: person, usernameKey: person, givenName: '', familyName: '', displayName: person };
  const address = await during(async (tx) => {
    await insertPeople(tx, [{ id: person, ...names, state: 'active', origin: 'test' }]);
    const { id } = await addAddress(tx, person, 'anna@example.org');
    await verifyAddress(tx, person, id);
    await requestVerification(tx, { purpose: 'recovery', person, address: id });
    await requestVerification(tx, { purpose: 'address', person, address: id });
    return id;
  });
  const phc = '$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA';
  assert.equal((await during((tx) => openVerifications(tx, person))).length, 2);
  await during((tx) => setPassword(tx, person, phc, 'change'));
  assert.equal((await during((tx) => openVerifications(tx, person))).length, 0);
  await during((tx) => requestVerification(tx, { purpose: 'sign-up', person, address }));
  await during((tx) => setPassword(tx, person, phc, 'sign-up'));
  assert.equal((await during((tx) => openVerifications(tx, person))).length, 1);
});
