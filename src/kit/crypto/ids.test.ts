import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constantTimeEqual, hashToken, newId, randomToken } from './ids.ts';

test('ids are version 7, unique, and sort in the order they were made', () => {
  const ids = Array.from({ length: 20_000 }, newId);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.toSorted(), ids);
  for (const id of ids.slice(0, 50)) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
  const millis = Number.parseInt(ids[0]!.replaceAll('-', '').slice(0, 12), 16);
  assert.ok(Math.abs(millis - Date.now()) < 60_000);
});

test('ids keep their order when the clock steps back', (t) => {
  const before = newId();
  t.mock.method(Date, 'now', () => 1_000_000_000_000);
  const after = newId();
  assert.ok(after > before);
});

test('tokens are long, random and url-safe; short ones are refused', () => {
  assert.match(randomToken(), /^[A-Za-z0-9_-]{43}$/);
  assert.notEqual(randomToken(), randomToken());
  assert.throws(() => randomToken(8), RangeError);
  assert.equal(hashToken('abc').toString('hex').slice(0, 16), 'ba7816bf8f01cfea');
});

test('comparison tells equal from unequal, whatever the length and form', () => {
  assert.equal(constantTimeEqual('same', 'same'), true);
  assert.equal(constantTimeEqual('same', 'sam'), false);
  assert.equal(constantTimeEqual('', 'x'), false);
  assert.equal(constantTimeEqual(Buffer.from('same'), Buffer.from('same')), true);
  assert.equal(constantTimeEqual(Buffer.from('same'), Buffer.from('sane')), false);
});
