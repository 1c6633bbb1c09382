import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SourceIncomplete } from '#sources/source.ts';
import { type LdifItem, type LdifLimits, parseLdif, readLdif } from './ldif.ts';

/** The text in pieces of `size` bytes, so that every boundary falls somewhere awkward. */
async function* pieces(text: string | Buffer, size = 7): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function parse(text: string | Buffer, limits: Partial<LdifLimits> = {}, size = 7): Promise<LdifItem[]> {
  const items: LdifItem[] = [];
  for await (const item of parseLdif(pieces(text, size), limits)) items.push(item);
  return items;
}

/** Entries as plain text, errors as "line code". */
async function shown(text: string | Buffer, limits: Partial<LdifLimits> = {}): Promise<unknown[]> {
  return (await parse(text, limits)).map((item) =>
    item.kind === 'error'
      ? `${item.error.line} ${item.error.code}`
      : [item.entry.dn, ...[...item.entry.attributes].map(([name, values]) => `${name}=${values.join('|')}`)],
  );
}

test('folded lines, comments, folded comments, base64, options, several values, CRLF', async () => {
  const text = [
    'version: 1',
    '',
    '# a comment',
    ' that goes on: x',
    'dn: uid=a,dc=exa',
    ' mple',
    'CN: Ada',
    'cn;lang-fr:: QWTDqQ==',
    '# between',
    'description:   spaced  ',
    'empty:',
    'note: a',
    '  b',
    '',
    '',
    'dn:: dWlkPcO2',
    'uid: ö',
  ];
  const wanted = [
    ['uid=a,dc=example', 'cn=Ada|Adé', 'description=spaced  ', 'empty=', 'note=a b'],
    ['uid=ö', 'uid=ö'],
  ];
  assert.deepEqual(await shown(text.join('\n')), wanted);
  assert.deepEqual(await shown('\ufeff' + text.join('\r\n') + '\r\n'), wanted);
});

test('values are bytes: what is not text comes through unharmed', async () => {
  const photo = Buffer.from([0, 255, 10, 13, 58, 32, 0]);
  const [item] = await parse(`dn: uid=a\njpegPhoto:: ${photo.toString('base64')}\n`);
  assert.ok(item?.kind === 'entry');
  assert.deepEqual(item.entry.attributes.get('jpegphoto'), [photo]);
});

test('a mistake costs its own entry, is named with its line, and reading goes on', async () => {
  const text = [
    'dn: uid=a', // 1
    'userPassword:: e1NT!!', // 2
    'no colon here', // 3
    '',
    'dn: uid=b', // 5
    'uid: b',
    '',
    'uid: c', // 8
    '',
    'dn: uid=d', // 10
    'photo:< file:///etc/passwd', // 11
    '',
    ' folded at the start', // 13
    '',
    'dn: uid=e',
    'dn: uid=f', // 16
    '',
    'dn:: /w==', // 18
    '',
    'dn: uid=g',
    'x:: QQ=',
  ];
  assert.deepEqual(await shown(text.join('\n')), [
    '2 ldif-base64',
    '3 ldif-line',
    ['uid=b', 'uid=b'],
    '8 ldif-no-dn',
    '11 ldif-url',
    '13 ldif-line',
    '16 ldif-dn-twice',
    '18 ldif-dn',
    ['uid=g', 'x=A'],
  ]);
});

test('2,000 wrong lines are 2,000 clear errors, in one record or in many', async () => {
  for (const between of ['\n', '\n\n']) {
    const text = `dn: uid=a\n\n${'broken line'.concat(between).repeat(2_000)}\ndn: uid=b\nuid: b\n`;
    const items = await parse(text, {}, 65_536);
    assert.equal(items.filter((item) => item.kind === 'error').length, 2_000);
    assert.equal(items.filter((item) => item.kind === 'entry').length, 2);
    const last = items.at(-2);
    assert.ok(last?.kind === 'error' && last.error.line! > 2_000);
  }
});

test('change records are refused in words', async () => {
  const items = await parse(
    'dn: uid=a\nchangetype: modify\nreplace: cn\ncn: x\n-\n\ndn: uid=b\ncontrol: 1.2.3\nchangetype: add\n',
  );
  const codes = items.map((item) => item.kind === 'error' && item.error.code);
  assert.ok(codes.includes('ldif-change-record') && !codes.includes(false));
  const change = items.find((item) => item.kind === 'error' && item.error.code === 'ldif-change-record');
  assert.match(change?.kind === 'error' ? change.error.text : '', /slapcat/);
});

test('an unknown version is reported and read all the same', async () => {
  assert.deepEqual(await shown('version: 2\ndn: uid=a\nuid: a\n'), ['1 ldif-version', ['uid=a', 'uid=a']]);
});

test('lines and records beyond the bounds are dropped without being kept in memory', async () => {
  const long = 'x'.repeat(5_000);
  assert.deepEqual(
    await shown(
      `dn: uid=a\nphoto: ${long}\n\ndn: uid=b\nphoto: ${(long + '\n ').repeat(3)}\n\ndn: uid=c\nuid: c\n`,
      {
        lineBytes: 1_000,
      },
    ),
    ['2 ldif-line-long', '5 ldif-line-long', ['uid=c', 'uid=c']],
  );
  const record = `dn: uid=a\n${'member: uid=x\n'.repeat(100)}\n`;
  assert.deepEqual(await shown(`${record}dn: uid=c\nuid: c\n`, { recordBytes: 500 }), [
    '39 ldif-record-long',
    ['uid=c', 'uid=c'],
  ]);
});

test("LD-04 ldapsearch's own trailer is no entry, and a limit in it means the export broke off", async () => {
  const entry = 'dn: uid=a\nuid: a\n\n# search result\nsearch: 2\n';
  assert.deepEqual(await shown(`${entry}result: 0 Success\n\n# numEntries: 1\n`), [['uid=a', 'uid=a']]);
  await assert.rejects(parse(`${entry}result: 4 Size limit exceeded\n`), (error) => {
    assert.ok(error instanceof SourceIncomplete);
    assert.match(error.message, /4 Size limit exceeded/);
    return true;
  });
});

test('whatever was written as LDIF is read back, whatever the pieces', async () => {
  const value = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes));
  const entry = fc.array(fc.tuple(fc.constantFrom('cn', 'sn', 'mail', 'photo'), value), {
    minLength: 1,
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 4 }),
      fc.integer({ min: 1, max: 90 }),
      async (entries, width) => {
        const fold = (line: string) => line.match(new RegExp(`.{1,${width}}`, 'g'))!.join('\r\n ');
        const text = entries
          .map((lines, index) =>
            [
              `dn: uid=${index}`,
              ...lines.map(([name, bytes]) => fold(`${name}:: ${bytes.toString('base64')}`)),
            ].join('\r\n'),
          )
          .join('\r\n\r\n');
        const items = await parse(text, {}, width);
        assert.equal(items.length, entries.length);
        for (const [index, item] of items.entries()) {
          assert.ok(item.kind === 'entry', JSON.stringify(item));
          for (const name of ['cn', 'sn', 'mail', 'photo'])
            assert.deepEqual(
              item.entry.attributes.get(name) ?? [],
              entries[index]!.filter(([wanted]) => wanted === name).map(([, bytes]) => bytes),
            );
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('any bytes end in entries and errors, never in a crash', async () => {
  const line = fc.oneof(
    fc.constantFrom(
      'dn: uid=a',
      'dn:: !',
      ' ',
      '',
      '#',
      'dn:',
      ':',
      '::',
      'a:<',
      'version: 1',
      'changetype: add',
      '-',
    ),
    fc.string({ unit: 'binary', maxLength: 30 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 30 }), async (lines) => {
      const items: unknown[] = [];
      for await (const item of readLdif(pieces(lines.join('\n'), 5))) items.push(item.kind);
      for (const kind of items) assert.ok(['person', 'group', 'skipped', 'error'].includes(kind as string));
    }),
    { numRuns: 300 },
  );
});
