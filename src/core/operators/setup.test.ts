import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import { checkSetup, openSetup, setupToken, useSetup } from './setup.ts';

test('the set-up link outlives a change of the master key as long as the old key is kept', async () => {
  const { database } = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system(), work);
  const [old, next] = [Buffer.alloc(32, 3), Buffer.alloc(32, 9)];
  const setup = await during(openSetup);
  assert.ok(setup);
  const token = setupToken(createSecrets(old), setup);
  assert.equal(await during((tx) => checkSetup(tx, createSecrets(next), token)), false);
  const changing = createSecrets(next, [old]);
  assert.equal(await during((tx) => checkSetup(tx, changing, setupToken(changing, setup))), true);
  for (const other of [`${token}=`, `${token} `, token.slice(0, -1), `${token.slice(0, -1)}+`])
    assert.equal(await during((tx) => checkSetup(tx, changing, other)), false, other);
  await during((tx) => useSetup(tx, changing, token));
  assert.equal(await during((tx) => checkSetup(tx, changing, token)), false);
});
