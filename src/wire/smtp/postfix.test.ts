import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createNetstringReader, NetstringRefused, writeNetstring } from './netstring.ts';
import { createPolicyReader, PolicyRefused, writeAction } from './policy.ts';
import { readQuery, writeReply } from './socketmap.ts';

test('the published example of a socketmap lookup, byte for byte', () => {
  const [bytes] = createNetstringReader({ maxBytes: 10_000 }).push(
    Buffer.from('24:alias ada@id.example.org,'),
  );
  assert.deepEqual(readQuery(bytes!), { map: 'alias', key: 'ada@id.example.org' });
  assert.equal(writeReply({ ok: 'ada@mail.example' }).toString(), '19:OK ada@mail.example,');
  assert.equal(writeReply({ notFound: true }).toString(), '9:NOTFOUND ,');
  assert.equal(writeReply({ temp: 'later' }).toString(), '10:TEMP later,');
  assert.equal(writeReply({ timeout: 'x' }).toString(), '9:TIMEOUT x,');
  assert.equal(writeReply({ perm: 'a\r\nb' }).toString(), '8:PERM a b,');
  assert.match(writeReply({ ok: 'x'.repeat(100_001) }).toString(), /^\d+:TEMP /);
  assert.equal(writeReply({ ok: 'bücher' }).toString('utf8'), '10:OK bücher,');
});

test('netstrings are read however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (texts, cuts) => {
        const bytes = Buffer.concat(texts.map((text) => writeNetstring(Buffer.from(text))));
        const reader = createNetstringReader({ maxBytes: 40 });
        const read: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = cuts[turn % cuts.length]!;
          read.push(...reader.push(bytes.subarray(at, at + size)));
          at += size;
        }
        assert.deepEqual(
          read.map((one) => one.toString('hex')),
          texts.map((text) => Buffer.from(text).toString('hex')),
        );
        assert.equal(reader.isPending, false);
      },
    ),
  );
});

test('what is no netstring, or too long, is refused before it is kept', () => {
  for (const wrong of [
    'x',
    ':',
    '-1:a,',
    '03:abc,',
    '3:abcd',
    '11:',
    '999999999',
    '1 :a,',
    '+1:a,',
    '\r\n',
    'GET / HTTP/1.1',
  ])
    assert.throws(
      () => createNetstringReader({ maxBytes: 10 }).push(Buffer.from(wrong)),
      NetstringRefused,
      wrong,
    );
  for (const fine of ['', '1', '10', '10:', '3:abc'])
    assert.deepEqual(createNetstringReader({ maxBytes: 10 }).push(Buffer.from(fine)), [], fine);
});

test('a query without a map, or with controls, is none', () => {
  for (const wrong of ['', 'alias', ' key', 'alias a\nb', 'alias a\0', 'al\u007fias x'])
    assert.equal(readQuery(Buffer.from(wrong)), undefined, JSON.stringify(wrong));
  assert.equal(readQuery(Buffer.from([0x61, 0x20, 0xff])), undefined);
  assert.deepEqual(readQuery(Buffer.from('alias a b@c')), { map: 'alias', key: 'a b@c' });
});

const example = `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=SMTP
helo_name=some.domain.tld
queue_id=8045F2AB23
sender=foo@bar.tld
recipient=bar@foo.tld
recipient_count=0
client_address=1.2.3.4
client_name=another.domain.tld
reverse_client_name=another.domain.tld
instance=123.456.7
size=12345
encryption_protocol=TLSv1/SSLv3

`;

test('a policy request is read in any order, cut anywhere, several on one connection', () => {
  for (const size of [1, 7, 100, 10_000]) {
    const bytes = Buffer.from(example + example.replace('sender=foo@bar.tld', 'sender='));
    const reader = createPolicyReader({ maxBytes: 4096 });
    const read = [];
    for (let at = 0; at < bytes.length; at += size) read.push(...reader.push(bytes.subarray(at, at + size)));
    assert.equal(read.length, 2);
    assert.equal(read[0]!.get('recipient'), 'bar@foo.tld');
    assert.equal(read[0]!.get('sender'), 'foo@bar.tld');
    assert.equal(read[1]!.get('sender'), '');
    assert.equal(reader.isPending, false);
  }
  assert.equal(writeAction('DUNNO').toString(), 'action=DUNNO\n\n');
  assert.equal(writeAction('550 a\n\naction=OK').toString(), 'action=550 a action=OK\n\n');
});

test('what is no policy request, or too long, ends the connection', () => {
  for (const wrong of [
    'x\n\n',
    '=x\n\n',
    'request=other\n\n',
    'sender=a\n\n',
    'request=smtpd_access_policy\nsender=a\nsender=b\n\n',
    `request=smtpd_access_policy\nsender=${'a'.repeat(5000)}\n\n`,
    'a'.repeat(5000),
  ])
    assert.throws(
      () => createPolicyReader({ maxBytes: 4096 }).push(Buffer.from(wrong)),
      PolicyRefused,
      wrong.slice(0, 40),
    );
});
