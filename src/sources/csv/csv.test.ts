import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCsv, readAliases } from './csv.ts';

const rows = (text: string) => [...parseCsv(Buffer.from(text))];
const fields = (text: string) =>
  rows(text).map((item) => (item.kind === 'row' ? item.row.fields : item.error.code));

test('quotes, doubled quotes, commas and line breaks in fields, CRLF and LF, with or without a last break', () => {
  assert.deepEqual(fields('a,b\r\n"c,1","d ""x"" \n2"\n,\n'), [
    ['a', 'b'],
    ['c,1', 'd "x" \n2'],
    ['', ''],
  ]);
  assert.deepEqual(fields('\ufeffa,b\n\n\r\n"c",d'), [
    ['a', 'b'],
    ['c', 'd'],
  ]);
});

test('line numbers count the lines inside fields', () => {
  const found = rows('a\n"x\ny\nz"\nb\n');
  assert.deepEqual(
    found.map((item) => (item.kind === 'row' ? item.row.line : 0)),
    [1, 2, 5],
  );
});

test('mistakes are named with their line and the next line is read', () => {
  assert.deepEqual(fields('a,b\nx"y,z\n"c"d,e\nf,g\n"open,h\ni,j\n'), [
    ['a', 'b'],
    'csv-quote',
    'csv-quote',
    ['f', 'g'],
    'csv-quote-open',
    ['i', 'j'],
  ]);
  assert.deepEqual(
    [...parseCsv(Buffer.from([0x61, 0xff]))].map((item) => item.kind === 'error' && item.error.code),
    ['csv-not-text'],
  );
});

test('whatever was written as CSV is read back', () => {
  const row = fc.array(fc.string({ unit: 'grapheme' }), { minLength: 2, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 6 }), (table) => {
      const text = table.map((r) => r.map((f) => `"${f.replaceAll('"', '""')}"`).join(',') + '\r\n').join('');
      assert.deepEqual(fields(text), table);
    }),
  );
});

test('any bytes end in rows and errors, soon', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^["a,\r\n]{0,200}$/), (text) => {
      for (const item of rows(text))
        if (item.kind === 'row') assert.ok(item.row.line <= text.split('\n').length);
    }),
  );
  const began = process.threadCpuUsage();
  assert.ok(rows('"a\n'.repeat(200)).length > 0);
  const { user, system } = process.threadCpuUsage(began);
  assert.ok(user + system < 1_000_000, `${user + system} µs`);
});

test('aliases: columns in any order, each row says whose it is', () => {
  const text = 'Alias,application,username,address\njdoe,wiki,jane_doe,\n jd ,talk,,Jane@example.org\n';
  assert.deepEqual(
    [...readAliases(Buffer.from(text))],
    [
      { kind: 'alias', alias: { line: 2, application: 'wiki', alias: 'jdoe', username: 'jane_doe' } },
      { kind: 'alias', alias: { line: 3, application: 'talk', alias: 'jd', address: 'Jane@example.org' } },
    ],
  );
});

test('aliases: wrong rows and wrong headers are said clearly', () => {
  const read = (text: string) =>
    [...readAliases(Buffer.from(text))].map((item) =>
      item.kind === 'error' ? `${item.error.line} ${item.error.text}` : 'alias',
    );
  assert.deepEqual(
    read('application,alias,username\nwiki,jd\nwiki,,jane\n,jd,jane\nwiki,jd,\nwiki,jd,jane\n'),
    [
      '2 This row has 2 fields, the header 3.',
      '3 The alias is missing.',
      '4 The application is missing.',
      '5 Exactly one of user name and address has to say whose alias this is.',
      'alias',
    ],
  );
  assert.match(read('application,alias,password\n')[0]!, /"password" is not known/);
  assert.match(read('application,username\nwiki,jane\n')[0]!, /"alias" are needed/);
  assert.match(read('application,alias,alias,username\n')[0]!, /twice/);
  assert.match(read('')[0]!, /no header/);
  assert.match(read('application;alias;username\nwiki;jd;jane\n')[0]!, /separated by semicolons.*commas/);
  assert.match(read('application\talias\tusername\n')[0]!, /separated by tabs/);
  assert.deepEqual(read('application,alias,username\nwiki,jd,ja\0ne\nwiki,jd,jane\n'), [
    '2 This row holds a character that is no text (NUL).',
    'alias',
  ]);
  assert.deepEqual(read('application,alias,__proto__\n').length, 1);
});
