import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csv } from './aliases.ts';

test('the list for a vendor is CSV that no spreadsheet takes for formulas', () => {
  const rows = [
    { from: 'jane@example.org', to: 'jane@members.example.org' },
    { from: '=cmd|x!a1@example.org', to: '+x@members.example.org' },
    { from: '-a@example.org', to: '@b' },
    { from: 'a,b"c@example.org', to: 'x' },
  ];
  assert.equal(
    csv(rows),
    [
      'old mail,alias',
      'jane@example.org,jane@members.example.org',
      "'=cmd|x!a1@example.org,'+x@members.example.org",
      "'-a@example.org,'@b",
      '"a,b""c@example.org",x',
    ].join('\r\n'),
  );
});
