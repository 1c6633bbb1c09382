import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from './spelling.ts';

test('nearest finds slips of the finger and nothing far away', () => {
  const known = ['publicUrl', 'port', 'mailDomain'];
  assert.equal(nearest('publicURL', known), 'publicUrl');
  assert.equal(nearest('GATEHOUSE_MIAL_DOMAIN', known), 'mailDomain');
  assert.equal(nearest('prt', known), 'port');
  assert.equal(nearest('database', known), undefined);
  assert.equal(nearest('x'.repeat(10_000), known), undefined);
});
