import assert from 'node:assert/strict';
import test from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { ber, oid, pdf, signature, uu, zip } from '#test/mail-files.ts';
import { findLeak } from './leaks.ts';

const real = 'Ada.Lovelace@mail.example';
const addresses = [real, 'ada@gmail.com', 'ü@büro.example'];
const crlf = (text: string) => Buffer.from(text.replace(/\r?\n/g, '\r\n'));
const mail = (body: string, type = 'text/plain; charset=utf-8', more = '') =>
  crlf(`Subject: Re: build\nMIME-Version: 1.0\nContent-Type: ${type}\n${more}\n${body}`);
const b64 = (text: string | Buffer) => Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n');
const attached = (type: string, name: string, bytes: Buffer | string) =>
  mail(
    `--=b\nContent-Type: text/plain\n\nSee the file.\n--=b\nContent-Type: ${type}; name="${name}"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="${name}"\n\n${b64(bytes)}\n--=b--\n`,
    'multipart/mixed; boundary="=b"',
  );
const look = (raw: Buffer) => findLeak({ raw, addresses });

const half = Buffer.from('x'.repeat(20));

const mapOfFont = (object: number, letters: Record<string, string>) => {
  const lines = Object.entries(letters).map(
    ([code, text]) => `<${code}> <${Buffer.from(text, 'utf16le').swap16().toString('hex')}>`,
  );
  return `${object} 0 obj\n<</Length 1>>\nstream\n1 begincodespacerange <0000> <ffff> endcodespacerange\n1 beginbfchar ${lines.join('\n')} endbfchar\nendstream\nendobj`;
};

const leaking: Record<string, Buffer> = {
  plain: mail('Regards, ada.lovelace@mail.example'),
  'other letters': mail('ADA.LOVELACE@MAIL.EXAMPLE'),
  quoted: mail('On Monday Ada <Ada@Gmail.com> wrote:\n> hello'),
  'broken over quoted lines': mail('> wrote ada@gm\n> ail.com to you'),
  'quoted-printable': mail(
    'ada=40gmail=2Ecom',
    'text/plain',
    'Content-Transfer-Encoding: quoted-printable\n',
  ),
  'quoted-printable soft break': mail(
    'by ada@gma=\nil.com',
    'text/plain',
    'Content-Transfer-Encoding: quoted-printable\n',
  ),
  base64: mail(b64('I am ada@gmail.com'), 'text/plain', 'Content-Transfer-Encoding: base64\n'),
  'base64 without saying so': mail(`data ${Buffer.from('from ada@gmail.com').toString('base64')} end`),
  'html entities': mail('<p>ada&#64;gmail&period;com</p>', 'text/html'),
  'html entities of each letter': mail(
    [...'ada@gmail.com'].map((one) => `&#x${one.charCodeAt(0).toString(16)};`).join(''),
    'text/html',
  ),
  'entities twice': mail('ada&amp;commat;gmail.com', 'text/html'),
  'html tags': mail('<b>ada</b>@<i>gmail</i>.com', 'text/html'),
  'behind a block': mail('<div>Hello</div><div><b>ada</b>@gmail.com</div>', 'text/html'),
  mailto: mail('<a href="mailto:ada%40gmail.com">me</a>', 'text/html'),
  'zero width': mail('ada\u200b@\u2060gmail\u00ad.com'),
  'full width': mail('ａｄａ＠ｇｍａｉｌ．ｃｏｍ'),
  spoken: mail('write to ada (at) gmail dot com'),
  'with a tag': mail('ada+jira@gmail.com'),
  'the other name of Gmail': mail('a.d.a@googlemail.com'),
  'beyond ASCII': mail('ü@büro.example'),
  'beyond ASCII, as Latin-1': Buffer.concat([
    crlf('Content-Type: text/plain; charset=iso-8859-1\n\n'),
    Buffer.from('ü@büro.example', 'latin1'),
  ]),
  'domain in ASCII': mail('ü@xn--bro-hoa.example'),
  'UTF-7': mail('ada+AEA-gmail.com', 'text/plain; charset=utf-7'),
  'UTF-16': attached('text/plain', 'a.txt', Buffer.from('\ufeffada@gmail.com', 'utf16le')),
  'UTF-16 text': mail(
    b64(Buffer.from('ada@gmail.com', 'utf16le')),
    'text/plain; charset=utf-16le',
    'Content-Transfer-Encoding: base64\n',
  ),
  'encoded word in a part': mail(
    '--b\nContent-Description: =?utf-8?b?YWRhQGdt?=\n =?utf-8?b?YWlsLmNvbQ==?=\n\nhi\n--b--',
    'multipart/mixed; boundary=b',
  ),
  'file name': attached('text/plain', 'ada@gmail.com.txt', 'hi'),
  'file name of RFC 2231': mail(
    "--b\nContent-Disposition: attachment; filename*0*=utf-8''ada%40gma;\n filename*1*=il.com.txt\n\nhi\n--b--",
    'multipart/mixed; boundary=b',
  ),
  calendar: attached(
    'text/calendar; method=REPLY',
    'invite.ics',
    'BEGIN:VCALENDAR\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ada@gmail.co\r\n m\r\nEND:VCALENDAR',
  ),
  vcard: attached('text/vcard', 'me.vcf', 'BEGIN:VCARD\r\nEMAIL;TYPE=work:ada@gmail.com\r\nEND:VCARD'),
  'vcard in quoted-printable': attached(
    'text/x-vcard',
    'me.vcf',
    'EMAIL;ENCODING=QUOTED-PRINTABLE:ada=40gmail.com',
  ),
  certificate: attached('application/pkcs7-signature', 'smime.p7s', signature('ada@gmail.com')),
  'certificate in pieces': attached(
    'application/pkcs7-signature',
    'smime.p7s',
    ber(
      0x30,
      oid('2a864886f70d010702'),
      ber(0x24, ber(4, Buffer.from('SubjectAltName ada@gm')), ber(4, Buffer.from('ail.com'), half)),
    ),
  ),
  'key of OpenPGP': mail(
    `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${b64(Buffer.concat([Buffer.of(0xb4, 19), Buffer.from('Ada <ada@gmail.com>')]))}\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----`,
  ),
  docx: attached(
    'application/octet-stream',
    'a.docx',
    zip({ 'word/document.xml': '<w:t>ada</w:t></w:r><w:r><w:t>@gmail.com</w:t>' }),
  ),
  'author of an odt': attached(
    'application/vnd.oasis.opendocument.text',
    'a.odt',
    zip({ 'meta.xml': '<dc:creator>ada@gmail.com</dc:creator>' }),
  ),
  'zip in zip': attached('application/zip', 'a.zip', zip({ 'b.zip': zip({ 'c.txt': 'ada@gmail.com' }) })),
  'name in a zip': attached('application/zip', 'a.zip', zip({ 'ada@gmail.com.txt': 'x' })),
  gzip: attached('application/gzip', 'a.log.gz', gzipSync('ada@gmail.com')),
  'pdf, packed': attached('application/pdf', 'a.pdf', pdf('BT (ada) Tj [(@g) -20 (mail.c\\157m)] TJ ET')),
  'pdf, hex': attached(
    'application/pdf',
    'a.pdf',
    pdf(`BT <${Buffer.from('ada@gmail.com').toString('hex')}> Tj ET`),
  ),
  'pdf by a map of its font': attached(
    'application/pdf',
    'a.pdf',
    pdf(
      'BT <000100020001> Tj <0003> Tj <000400050001000600070008000900100005> Tj ET',
      '2 0 obj\n<</Length 1>>\nstream\n1 begincodespacerange <0000> <ffff> endcodespacerange 9 beginbfchar <0001> <0061> <0002> <0064> <0003> <0040> <0004> <0067> <0005> <006d> <0006> <0069> <0007> <006c> <0008> <002e> <0010> <006f> endbfchar 1 beginbfrange <0009> <0009> <0063> endbfrange\nendstream\nendobj\n/Encoding/Identity-H',
    ),
  ),
  'pdf of several fonts': attached(
    'application/pdf',
    'a.pdf',
    pdf(
      'BT /F1 12 Tf <000100020001> Tj /F2 12 Tf <00010002> Tj /F1 12 Tf <0003> Tj ET',
      [
        mapOfFont(2, { '0001': 'a', '0002': 'd', '0003': 'mail.com' }),
        mapOfFont(3, { '0001': '@', '0002': 'g' }),
        '4 0 obj\n<</Subtype/Type0/Encoding/Identity-H/ToUnicode 2 0 R>>\nendobj',
        '5 0 obj\n<</Subtype/Type0/Encoding/Identity-H/ToUnicode 3 0 R>>\nendobj',
        '6 0 obj\n<</Resources<</Font<</F1 4 0 R/F2 5 0 R>>>>>>\nendobj',
      ].join('\n'),
    ),
  ),
  png: attached(
    'image/png',
    'a.png',
    (() => {
      const data = Buffer.concat([Buffer.from('Author\0\0'), deflateSync('ada@gmail.com')]);
      const head = Buffer.alloc(8);
      head.writeUInt32BE(data.length);
      head.write('zTXt', 4);
      return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), head, data, Buffer.alloc(4)]);
    })(),
  ),
  uuencode: mail(uu('ada@gmail.com')),
  'nested message': attached('message/rfc822', 'orig.eml', 'From: Ada <ada@gmail.com>\r\n\r\nhi'),
  'before the first part': mail('ada@gmail.com\n--b\n\nhi\n--b--\n', 'multipart/mixed; boundary=b'),
  'behind the last part': mail('--b\n\nhi\n--b--\nada@gmail.com', 'multipart/mixed; boundary=b'),
  'one half of two': mail(
    '--b\nContent-Type: text/plain\n\nhi\n--b\nContent-Type: text/html\n\n<p>hi <span title="ada@gmail.com">me</span></p>\n--b--',
    'multipart/alternative; boundary=b',
  ),
  rtf: attached('application/rtf', 'a.rtf', "{\\rtf1\\ansi ada\\'40gmail\\b .com}"),
  json: mail('{"from":"ada\\u0040gmail.com"}'),
  'data address': mail(
    `<img src="data:text/plain;base64,${Buffer.from('I am ada@gmail.com, truly').toString('base64')}">`,
    'text/html',
  ),
};

for (const [name, raw] of Object.entries(leaking))
  test(`PR-08 an address in an answer is found: ${name}`, async () => {
    assert.equal((await look(raw))?.kind, 'shown');
  });

const opaque: Record<string, Buffer> = {
  'encrypted zip': attached('application/zip', 'a.zip', zip({ 'a.txt': 'secret' }, 1)),
  'unknown file': attached('application/octet-stream', 'a.bin', Buffer.from([0, 1, 2, 3, 4, 255, 7, 8])),
  'winmail.dat': attached('application/ms-tnef', 'winmail.dat', Buffer.from('789f3e2201', 'hex')),
  'old office file': attached('application/msword', 'a.doc', Buffer.from('d0cf11e0a1b11ae100', 'hex')),
  'encrypted pdf': attached('application/pdf', 'a.pdf', pdf('BT ET', '3 0 obj <</Encrypt 4 0 R>> endobj')),
  'pdf of numbered glyphs': attached(
    'application/pdf',
    'a.pdf',
    pdf('BT <0001> Tj ET', '/Encoding/Identity-H'),
  ),
  'enveloped mail': attached(
    'application/pkcs7-mime',
    'smime.p7m',
    ber(0x30, oid('2a864886f70d010703'), ber(0xa0, half)),
  ),
  'PGP message': mail('-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----'),
  'unknown charset': mail('\x81\x84\x81', 'text/plain; charset=cp037'),
  'unknown coding': mail('x', 'text/plain', 'Content-Transfer-Encoding: x-yenc\n'),
  'part of a message': mail('x', 'message/partial; id="a"; number=1'),
  'packed without end': attached('application/gzip', 'a.gz', gzipSync(Buffer.alloc(120_000_000))),
};
for (const [name, raw] of Object.entries(opaque))
  test(`PR-08 what cannot be looked into is said to be so: ${name}`, async () => {
    assert.equal((await look(raw))?.kind, 'unreadable');
  });

const clean: Record<string, Buffer> = {
  empty: mail(''),
  'plain answer': mail(
    'Thanks, fixed in r1234.\n\nOn Monday, Jira via Harbour <noreply+jira@id.harbour.test> wrote:\n> To: ada@id.harbour.test\n> see https://jira.example/browse/X-1?a=1&b=2%20c',
  ),
  'someone of nearly that name': mail('bada@gmail.com, ada@gmx.example, ada@mail.gmail.example'),
  'html with a picture': mail('<p>ok</p><img src="cid:1">', 'text/html'),
  docx: attached(
    'application/octet-stream',
    'a.docx',
    zip({ 'word/document.xml': '<w:t>fine</w:t>', 'docProps/core.xml': '<x/>' }),
  ),
  pdf: attached('application/pdf', 'a.pdf', pdf('BT (all is well) Tj ET')),
  png: attached('image/png', 'a.png', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82', 'latin1')),
  jpeg: attached('image/jpeg', 'a.jpg', Buffer.from('ffd8ffe000104a46494600', 'hex')),
  signed: attached('application/pkcs7-signature', 'smime.p7s', signature('Ada Lovelace')),
  'nested message': attached('message/rfc822', 'a.eml', 'From: x@y.example\r\nSubject: z\r\n\r\nhi'),
  'windows-1252 text': attached('text/csv', 'a.csv', Buffer.from('caf\xe9;1\r\n', 'latin1')),
  'iso-2022-jp': mail('\x1b$B$3$s\x1b(B', 'text/plain; charset=iso-2022-jp'),
};
for (const [name, raw] of Object.entries(clean))
  test(`an answer that shows nothing is let through: ${name}`, async () => {
    assert.equal(await look(raw), undefined);
  });

test('an alias mailbox that begins like the own address is no leak; the own address beside it is', async () => {
  const given = { addresses: ['ada@harbour.co'], known: ['ada@harbour.com'] };
  assert.equal(await findLeak({ raw: mail('To: ada@harbour.com'), ...given }), undefined);
  assert.equal(
    (await findLeak({ raw: mail('To: ada@harbour.com, ada@harbour.co'), ...given }))?.kind,
    'shown',
  );
});

test('PR-08 an attached message with the traces of its way is told apart', async () => {
  const raw = attached(
    'message/rfc822',
    'a.eml',
    'Received: from mail.example by mx.example\r\nSubject: z\r\n\r\nhi',
  );
  assert.equal((await look(raw))?.kind, 'nested');
});

test('PR-08 where an address was found is said of the place a person has to look at', async () => {
  const certificate = signature('Ada Lovelace, ada@gmail.com');
  const named = (name: string) => attached('image/png', name, Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
  const places = {
    'plain text': ['text', mail('by ada@gmail.com')],
    'base64 text': ['text', leaking.base64!],
    'a certificate': ['attachment', attached('application/pkcs7-signature', 'smime.p7s', certificate)],
    'a text file in base64': ['attachment', attached('text/plain', 'a.txt', 'by ada@gmail.com')],
    'the name of a file': ['attachment', named('ada@gmail.com.png')],
    'text and file': [
      'text',
      crlf(String(attached('text/plain', 'a.txt', 'x')).replace('See the file.', 'ada@gmail.com')),
    ],
  } as const;
  for (const [what, [where, raw]] of Object.entries(places))
    assert.equal((await look(raw))?.where, where, what);
  assert.equal((await look(places['a certificate'][1]))?.name, 'smime.p7s');
  assert.equal((await look(places['the name of a file'][1]))?.name, undefined, 'it holds the address');
});

test('looking through a large message takes a bounded time', async () => {
  const hostile = [
    '<',
    '=',
    '@',
    'a@',
    '&#',
    'a ',
    '=?',
    '(',
    '%4',
    'begin 644 a\n',
    'A',
    '\\u',
    'content-type:\n ',
  ];
  for (const text of hostile) {
    const began = process.cpuUsage();
    await look(mail(text.repeat(300_000 / text.length)));
    const { user } = process.cpuUsage(began);
    assert.ok(user < 5_000_000, `${JSON.stringify(text)} took ${user} µs of a core`);
  }
});
