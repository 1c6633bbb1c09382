import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { savesTogether } from './adapter.ts';
import { findPayloads, type PayloadRow, savePayloads, tradePayloads } from './store.ts';

let home: TestDatabase;
before(async () => {
  home = await testDatabase({ poolSize: 8 });
});

const grant = randomBytes(32);

function row(kind = 'RefreshToken', more: Partial<PayloadRow> = {}): PayloadRow {
  const expiresAt = new Date(home.clock.now().getTime() + 60_000);
  return {
    kind,
    id: randomBytes(32),
    sealed: randomBytes(40),
    createdAt: home.clock.now(),
    expiresAt,
    ...more,
  };
}
const there = async (rows: readonly PayloadRow[]) => (await findPayloads(home.database, rows)).map(Boolean);

test('OA-05 what is given for a token is kept only where the token was won, with one statement', async () => {
  const [used, spent, gone, other] = [row(), row(), row(), row()];
  await savePayloads(home.database, [used, spent]);
  const now = home.clock.now();
  assert.deepEqual(await tradePayloads(home.database, [{ used: spent, rows: [other] }], now), [true]);
  const given = [row(), row('AccessToken'), row(), row(), row('ClientCredentials')] as const;
  const won = await tradePayloads(
    home.database,
    [
      { used, rows: given.slice(0, 2) },
      { used: spent, rows: [given[2]] },
      { used: gone, rows: [given[3]] },
      { rows: [given[4]] },
    ],
    now,
  );
  assert.deepEqual(won, [true, false, false, true]);
  assert.deepEqual(await there(given), [true, true, false, false, true]);
  const [after] = await findPayloads(home.database, [used]);
  assert.equal(after?.consumedAt?.getTime(), now.getTime());
});

test('OA-05 of many trades of one token at once one is kept, and then nothing of its family is left', async () => {
  const used = row('RefreshToken', { grantId: grant });
  await savePayloads(home.database, [used, row('Grant', { id: grant, grantId: grant })]);
  const save = savesTogether(home);
  const given = Array.from({ length: 30 }, () => row('RefreshToken', { grantId: grant }));
  const ended = await Promise.allSettled(given.map((one) => save({ used, rows: [one] })));
  assert.equal(ended.filter((one) => one.status === 'fulfilled').length, 1);
  for (const one of ended.filter((end) => end.status === 'rejected'))
    assert.equal(one.reason.error, 'invalid_grant');
  assert.ok((await there([used, ...given])).every((one) => !one));
});

test('an object comes with the grant it was given under', async () => {
  const id = randomBytes(32);
  const [of, token, alone] = [row('Grant', { id, grantId: id }), row('AccessToken', { grantId: id }), row()];
  await savePayloads(home.database, [of, token, alone]);
  const [grantFound, tokenFound, aloneFound] = await findPayloads(home.database, [of, token, alone]);
  assert.deepEqual(tokenFound?.grant?.sealed, of.sealed);
  assert.deepEqual(tokenFound?.grant?.id, id);
  assert.equal(grantFound?.grant, undefined);
  assert.equal(aloneFound?.grant, undefined);
});
