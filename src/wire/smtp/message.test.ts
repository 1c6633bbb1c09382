import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeHeader,
  headerValue,
  isNamed,
  type MessageFault,
  MessageRefused,
  readMessage,
  withHeaders,
} from './message.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const refusal = (raw: Buffer): MessageFault | undefined => {
  try {
    readMessage(raw);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof MessageRefused, String(error));
    return error.fault;
  }
};

test('fields are read with their exact bytes, folded or odd as they are', () => {
  const raw = bytes(
    'Received: from a\r\n\tby b;\r\n  Mon\r\nSUBJECT:no space\r\nFrom : Ada <a@x.example>\r\nX-Empty:\r\nX-8: caf\xe9\r\n' +
      '\r\nReceived: in the body\r\n\r\n',
  );
  const message = readMessage(raw);
  assert.deepEqual(
    message.fields.map(({ name, value }) => [name, value]),
    [
      ['Received', 'from a\tby b;  Mon'],
      ['SUBJECT', 'no space'],
      ['From', 'Ada <a@x.example>'],
      ['X-Empty', ''],
      ['X-8', 'caf\ufffd'],
    ],
  );
  assert.equal(raw.toString('latin1', message.bodyStart), 'Received: in the body\r\n\r\n');
  assert.equal(
    Buffer.concat(message.fields.map((field) => field.raw)).toString('latin1'),
    raw.toString('latin1', 0, message.bodyStart - 2),
  );
  assert.equal(headerValue(message, 'subject'), 'no space');
  assert.equal(headerValue(message, 'bcc'), undefined);
});

test('a header alone, an empty text, and no header at all', () => {
  for (const [text, fields, bodyStart] of [
    ['A: b\r\n\r\n', 1, 8],
    ['A: b\r\n', 1, 6],
    ['A: b', 1, 4],
    ['\r\nbody', 0, 2],
    ['', 0, 0],
    ['\r\n', 0, 2],
  ] as const) {
    const message = readMessage(bytes(text));
    assert.deepEqual([message.fields.length, message.bodyStart], [fields, bodyStart], JSON.stringify(text));
    assert.equal(withHeaders(bytes(text), {}).toString(), text);
  }
});

test('SM-05 what two programs could read in two ways is refused', () => {
  const cases: [string, MessageFault][] = [
    ['A: b\nB: c\r\n\r\n', 'line-ends'],
    ['A: b\rB: c\r\n\r\n', 'line-ends'],
    ['A: b\r\r\nB: c\r\n\r\n', 'line-ends'],
    ['A: b\r\n\r\nbody\n.\n', 'line-ends'],
    ['A: b\r\n\r\nbody\r.\r', 'line-ends'],
    ['A: b\r\n\r\nbody\r', 'line-ends'],
    ['A: b\r\n\r\nbody\r\n.\r\r\n', 'line-ends'],
    ['\nA: b\r\n\r\n', 'line-ends'],
    [' folded: first\r\n\r\n', 'header-form'],
    ['no colon\r\n\r\n', 'header-form'],
    [': no name\r\n\r\n', 'header-form'],
    ['A b: c\r\n\r\n', 'header-form'],
    ['A: b\0c\r\n\r\n', 'header-form'],
    ['From: a@x.example\r\nfrom: b@x.example\r\n\r\n', 'from'],
    ['From: a@x.example\r\nX: y\r\nFROM : b@x.example\r\n\r\n', 'from'],
    [`A: ${'b'.repeat(64 * 1024)}\r\n\r\n`, 'header-size'],
    [`${'A: b\r\n'.repeat(1001)}\r\n`, 'header-fields'],
  ];
  for (const [text, fault] of cases)
    assert.equal(refusal(bytes(text)), fault, JSON.stringify(text.slice(0, 60)));
  assert.equal(refusal(bytes(`${'A: b\r\n'.repeat(1000)}\r\n`)), undefined);
  assert.equal(refusal(bytes(`From: a@x.example\r\n\r\nFrom: b@x.example\r\n`)), undefined);
});

const line = fc.stringMatching(/^[ -~\x80-\xff]{0,30}$/);
const name = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/)
  .filter((text) => text.toLowerCase() !== 'from');
const field = fc
  .tuple(name, fc.array(line, { minLength: 1, maxLength: 3 }))
  .map(([title, lines]) => `${title}:${lines.join('\r\n\t')}\r\n`);
const message = fc
  .tuple(fc.array(field, { maxLength: 8 }), fc.array(line, { maxLength: 8 }))
  .map(([fields, lines]) => ({ fields, body: lines.map((one) => `${one}\r\n`).join('') }));

test('fields put on top change nothing below them', () => {
  fc.assert(
    fc.property(message, fc.array(name, { maxLength: 3 }), ({ fields, body }, names) => {
      const raw = bytes(`${fields.join('')}\r\n${body}`);
      const prepend = names.map((one) => `${one}: new\r\n more`);
      const changed = withHeaders(raw, { prepend });
      assert.equal(
        changed.toString('latin1'),
        prepend.map((one) => `${one}\r\n`).join('') + raw.toString('latin1'),
      );
    }),
    { numRuns: 500 },
  );
});

test('fields taken away or replaced leave every other byte as it was', () => {
  fc.assert(
    fc.property(message, fc.nat(7), fc.nat(7), ({ fields, body }, gone, other) => {
      const raw = bytes(`${fields.join('')}\r\n${body}`);
      const read = readMessage(raw).fields;
      assert.equal(read.length, fields.length);
      const changed = withHeaders(raw, {
        remove: (_name, one) => one.raw.equals(bytes(fields[gone] ?? '-')),
        replace: (one) => (one.raw.equals(bytes(fields[other] ?? '-')) ? 'X-Other: y' : undefined),
      });
      const expected = fields
        .filter((one) => one !== fields[gone])
        .map((one) => (one === fields[other] ? 'X-Other: y\r\n' : one));
      assert.equal(changed.toString('latin1'), `${expected.join('')}\r\n${body}`);
    }),
    { numRuns: 500 },
  );
});

test('SM-06 no new field ends the header or brings another', () => {
  const raw = bytes('From: a@x.example\r\n\r\nbody\r\n');
  for (const wrong of [
    'X',
    'X y: z',
    'X: a\r\n\r\nb',
    'X: a\nBcc: b',
    'X: a\rb',
    '\r\nX: a',
    ' X: a',
    'X: a\0',
    '',
    ':',
  ])
    assert.throws(() => withHeaders(raw, { prepend: [wrong] }), RangeError, JSON.stringify(wrong));
  assert.throws(() => withHeaders(raw, { replace: () => 'From: b\r\n\r\n' }), RangeError);
  // A block of several fields, as a seal is.
  const block = 'ARC-Seal: i=1;\r\n cv=none\r\nARC-Message-Signature: i=1\r\n';
  assert.equal(withHeaders(raw, { prepend: [Buffer.from(block)] }).toString(), block + raw.toString());
  assert.ok(isNamed(readMessage(raw).fields[0]!, 'FROM'));
});

test('a header is read as a person would', () => {
  for (const [text, read] of [
    ['plain', 'plain'],
    ['=?UTF-8?Q?Gr=C3=BC=C3=9Fe_an?= alle', 'Grüße an alle'],
    ['=?utf-8?b?R3LDvMOfZQ==?= =?utf-8?b?IGFu?=', 'Grüße an'],
    ['=?iso-8859-1?q?caf=E9?=', 'café'],
    ['=?utf-8*de?q?ja?=', 'ja'],
    ['=?no-such-charset?q?ja?=', '=?no-such-charset?q?ja?='],
    ['=?utf-8?x?ja?=', '=?utf-8?x?ja?='],
  ])
    assert.equal(decodeHeader(text!), read, text);
});
