import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createMilterReader,
  MilterRefused,
  readClient,
  readHeaderField,
  readMacros,
  readTexts,
  writeAccept,
  writeAnswer,
  writeContinue,
  writeFieldAbove,
  writeNoField,
  writeOptions,
  writeSender,
} from './milter.ts';

const packet = (command: string, data: string | Buffer = '') => {
  const bytes = Buffer.from(data);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length + 1);
  return Buffer.concat([length, Buffer.from(command), bytes]);
};

const options = (...numbers: number[]) => {
  const bytes = Buffer.alloc(numbers.length * 4);
  numbers.forEach((one, at) => void bytes.writeUInt32BE(one, at * 4));
  return bytes;
};

test('packets are read however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...'OCDHMRLBEAQ'), fc.uint8Array({ maxLength: 40 })), {
        maxLength: 6,
      }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (packets, cuts) => {
        const bytes = Buffer.concat(packets.map(([command, data]) => packet(command, Buffer.from(data))));
        const reader = createMilterReader({ maxBytes: 41 });
        const read: string[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = cuts[turn % cuts.length]!;
          for (const { command, data } of reader.push(bytes.subarray(at, at + size)))
            read.push(`${command} ${data.toString('hex')}`);
          at += size;
        }
        assert.deepEqual(
          read,
          packets.map(([command, data]) => `${command} ${Buffer.from(data).toString('hex')}`),
        );
        assert.equal(reader.isPending, false);
      },
    ),
  );
});

test('what is no packet, or too large, is refused before it is kept', () => {
  for (const wrong of [
    Buffer.alloc(4),
    Buffer.from('GET / HTTP/1.1\r\n'),
    Buffer.from('EHLO x\r\n'),
    options(101),
  ])
    assert.throws(() => createMilterReader({ maxBytes: 100 }).push(wrong), MilterRefused);
  for (const read of [
    () => readTexts(Buffer.from('no end')),
    () => readHeaderField(Buffer.from('Subject\0no end')),
    () => readHeaderField(Buffer.from('Subject\0')),
    () => readClient(Buffer.from('host\x004\0')),
    () => readMacros(Buffer.from('Hname')),
    () => writeOptions(Buffer.alloc(11)),
  ])
    assert.throws(read, MilterRefused);
});

test('whoever sends bytes of no meaning gets a refusal, and no other error', () => {
  const readers = [readTexts, readHeaderField, readClient, readMacros, writeOptions];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: readers.length - 1 }), (bytes, which) => {
      try {
        readers[which]!(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof MilterRefused, String(error));
      }
    }),
  );
});

test('who talks, as Postfix says it', () => {
  const client = (text: string) => readClient(Buffer.from(text, 'latin1'));
  assert.deepEqual(client('out.app.example\x004\x04\xd2192.0.2.7\0'), { address: '192.0.2.7', port: 1234 });
  assert.deepEqual(client('x\x006\0\x19IPv6:2001:db8::7\0'), { address: '2001:db8::7', port: 25 });
  assert.deepEqual(client('localhost\x004\0\x00127.0.0.1\0'), { address: '127.0.0.1', port: 0 });
  assert.deepEqual(client('unknown\0U'), { address: '', port: 0 });
  assert.deepEqual(client('localhost\0L\0\0/run/socket\0'), { address: '', port: 0 });
  assert.deepEqual(
    [...readMacros(Buffer.from('H{tls_version}\0TLSv1.3\0j\0mx.example\0left\0'))],
    [
      ['tls_version', 'TLSv1.3'],
      ['j', 'mx.example'],
    ],
  );
});

test('a field of the header is as it stood in the message, folded and in any bytes', () => {
  const field = (text: string) => readHeaderField(Buffer.from(text, 'latin1')).toString('latin1');
  assert.equal(field('Subject\0 Hello\0'), 'Subject: Hello\r\n');
  assert.equal(field('subject\0no blank\0'), 'subject:no blank\r\n');
  assert.equal(field('To\0 a@x.example,\n\tb@x.example\0'), 'To: a@x.example,\r\n\tb@x.example\r\n');
  assert.equal(field('Subject\0 gr\xfc\xdfe\0'), 'Subject: gr\xfc\xdfe\r\n');
  assert.equal(field('X-Empty\0\0'), 'X-Empty:\r\n');
});

test('what is said back, byte for byte', () => {
  const all = options(6, 0x1ff, 0x1fffff);
  assert.deepEqual(writeOptions(all), packet('O', options(6, 0x51, 0x1873c0)));
  for (const [version, actions, steps] of [
    [2, 0x1ff, 0x1fffff],
    [6, 0x1ff & ~0x40, 0x1fffff],
    [6, 0x1ff, 0x1fffff & ~0x100000],
  ])
    assert.throws(() => writeOptions(options(version!, actions!, steps!)), MilterRefused);
  assert.deepEqual(writeContinue(), packet('c'));
  assert.deepEqual(writeAccept(), packet('a'));
  assert.deepEqual(
    writeAnswer('550 5.1.1 No, 100 %\r\n250 ok'),
    packet('y', '550 5.1.1 No, 100 %% 250 ok\0'),
  );
  assert.deepEqual(writeSender('SRS0=x@people.example'), packet('e', '<SRS0=x@people.example>\0'));
  assert.deepEqual(writeNoField('Subject', 2), packet('m', '\0\0\0\x02Subject\0\0'));
  assert.deepEqual(
    writeFieldAbove('ARC-Seal: i=1;\r\n\tb=abc\r\n'),
    packet('i', '\0\0\0\0ARC-Seal\0 i=1;\n\tb=abc\0'),
  );
  for (const wrong of ['no field', ': x', 'A: x\nB: y', 'A: x\r\nB: y', 'A: x\0'])
    assert.throws(() => writeFieldAbove(wrong), RangeError, JSON.stringify(wrong));
  for (const wrong of ['', 'a b@x.example', 'a>@x.example', 'a\r\n@x.example'])
    assert.throws(() => writeSender(wrong), RangeError);
});
