/**
 * Answers as mail programs of all kinds write them. Each is made for one address that it shows: of the alias mailbox it may
 * go on, of the person's own it must not.
 */
import { gzipSync } from 'node:zlib';
import { ber, oid, pdf, signature, uu, zip } from '#test/mail-files.ts';

export interface ReplyKind {
  /** Header fields and body of an answer that shows `who`, lines ended by LF. */
  text(who: string): string;
  /** What becomes of it when it shows nothing but the alias mailbox. */
  clean: 'passed' | 'refused' | 'dropped';
  /** The address stands in what would be left out anyway: the answer goes on without it. */
  isLeftOut?: boolean;
}

const b64 = (text: string | Buffer) => Buffer.from(text).toString('base64').replace(/.{76}/g, '$&\n');
const qp = (text: string) =>
  [...Buffer.from(text)]
    .map((byte) =>
      byte === 61 || byte > 126 || byte === 64
        ? `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
        : String.fromCharCode(byte),
    )
    .join('');

function parts(subtype: string, ...all: string[]): string {
  const body = all.map((part) => `--=_part\n${part}\n`).join('');
  return `MIME-Version: 1.0\nContent-Type: multipart/${subtype}; boundary="=_part"\n\n${body}--=_part--\n`;
}
const plain = (text: string) => `Content-Type: text/plain; charset=utf-8\n\n${text}`;
const file = (type: string, name: string, bytes: Buffer | string) =>
  `Content-Type: ${type}; name="${name}"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename="${name}"\n\n${b64(bytes)}`;
const withFile = (type: string, name: string, bytes: Buffer | string) =>
  parts('mixed', plain('See the file.'), file(type, name, bytes));
const simple = (text: string, type = 'text/plain; charset=utf-8', more = '') =>
  `MIME-Version: 1.0\nContent-Type: ${type}\n${more}\n${text}`;

const png = Buffer.from('89504e470d0a1a0a0000000049454e44ae426082', 'hex');

export const replyKinds: Readonly<Record<string, ReplyKind>> = {
  plain: { clean: 'passed', text: (who) => simple(`Done.\n\n-- \nAda <${who}>\n`) },
  'report of a server (DSN)': {
    clean: 'dropped',
    text: (who) =>
      parts(
        'report; report-type=delivery-status',
        plain('It failed.'),
        `Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; ${who}\nAction: failed\nStatus: 5.1.1`,
      ),
  },
  'read receipt (MDN)': {
    clean: 'dropped',
    text: (who) =>
      parts(
        'report; report-type=disposition-notification',
        plain('It was read.'),
        `Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; ${who}\nDisposition: manual-action/MDN-sent-manually; displayed`,
      ),
  },
  'out of office': {
    clean: 'dropped',
    text: (who) => `Auto-Submitted: auto-replied\n${simple(`I am away. ${who}`)}`,
  },
  'out of office of old': {
    clean: 'dropped',
    text: (who) => `X-Autoreply: yes\nPrecedence: auto_reply\n${simple(`I am away. ${who}`)}`,
  },
  'mail of a list': {
    clean: 'dropped',
    text: (who) => `List-Id: <dev.lists.example>\nPrecedence: list\n${simple(`Hello. ${who}`)}`,
  },
  'nested parts': {
    clean: 'passed',
    text: (who) =>
      parts(
        'mixed',
        parts(
          'related',
          parts(
            'alternative',
            plain('Yes.'),
            `Content-Type: text/html\n\n<p>Yes, <i>${who}</i></p>`,
          ).replaceAll('=_part', '=_c'),
        ).replaceAll('=_part', '=_b'),
      ),
  },
  'a message attached': {
    clean: 'passed',
    text: (who) => withFile('message/rfc822', 'old.eml', `From: Ada <${who}>\r\nSubject: old\r\n\r\nHello.`),
  },
  'a message attached with its way': {
    clean: 'refused',
    text: (who) =>
      withFile(
        'message/rfc822',
        'old.eml',
        `Received: from mx.example by mail.example\r\nFrom: Ada <${who}>\r\n\r\nHello.`,
      ),
  },
  'calendar reply': {
    clean: 'passed',
    text: (who) =>
      parts(
        'alternative',
        plain('Accepted.'),
        `Content-Type: text/calendar; method=REPLY; charset=utf-8\n\nBEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nATTENDEE;PARTSTAT=ACCEPTED;CN=Ada:mailto:${who.slice(0, 9)}\n ${who.slice(9)}\nEND:VEVENT\nEND:VCALENDAR`,
      ),
  },
  'calendar invitation': {
    clean: 'passed',
    text: (who) =>
      withFile(
        'text/calendar; method=REQUEST',
        'invite.ics',
        `BEGIN:VCALENDAR\r\nORGANIZER;CN=Ada:MAILTO:${who}\r\nEND:VCALENDAR`,
      ),
  },
  'signed with S/MIME': {
    clean: 'passed',
    text: (who) =>
      parts(
        'signed; protocol="application/pkcs7-signature"',
        plain('Signed.'),
        file('application/pkcs7-signature', 'smime.p7s', signature(who)),
      ),
  },
  'signed with S/MIME, in one piece': {
    clean: 'passed',
    text: (who) =>
      withFile(
        'application/pkcs7-mime; smime-type=signed-data',
        'smime.p7m',
        ber(
          0x30,
          oid('2a864886f70d010702'),
          ber(
            0x24,
            ber(4, Buffer.from(`Content-Type: text/plain\r\n\r\nI am ${who.slice(0, 5)}`)),
            ber(4, Buffer.from(`${who.slice(5)}.`)),
          ),
        ),
      ),
  },
  'encrypted with S/MIME': {
    clean: 'refused',
    text: () =>
      withFile(
        'application/pkcs7-mime; smime-type=enveloped-data',
        'smime.p7m',
        ber(0x30, oid('2a864886f70d010703'), ber(4, Buffer.from('sealed'))),
      ),
  },
  'signed with PGP/MIME': {
    clean: 'passed',
    text: (who) =>
      parts(
        'signed; protocol="application/pgp-signature"',
        `Content-Type: text/plain; protected-headers="v1"\nFrom: Ada <${who}>\n\nSigned.`,
        `Content-Type: application/pgp-signature; name="signature.asc"\n\n-----BEGIN PGP SIGNATURE-----\n\n${b64(`iQEzBAEB issuer ${who} uid`)}\n=abcd\n-----END PGP SIGNATURE-----`,
      ),
  },
  'encrypted with PGP/MIME': {
    clean: 'refused',
    text: () =>
      parts(
        'encrypted; protocol="application/pgp-encrypted"',
        'Content-Type: application/pgp-encrypted\n\nVersion: 1',
        'Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n\nhQEMA5x\n-----END PGP MESSAGE-----',
      ),
  },
  'a PGP key': {
    clean: 'passed',
    text: (who) =>
      withFile(
        'application/pgp-keys',
        'key.asc',
        `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${b64(`....Ada <${who}>....${'x'.repeat(60)}`)}\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n`,
      ),
  },
  'format=flowed': {
    clean: 'passed',
    text: (who) =>
      simple(
        `A long line that goes \non and on, by ${who.slice(0, 7)} \n${who.slice(7)} and on.\n`,
        'text/plain; charset=utf-8; format=flowed; delsp=yes',
      ),
  },
  '8bit': {
    clean: 'passed',
    text: (who) => simple(`Grüße, ${who}`, undefined, 'Content-Transfer-Encoding: 8bit\n'),
  },
  binary: {
    clean: 'passed',
    text: (who) => simple(`Hello ${who}`, undefined, 'Content-Transfer-Encoding: binary\n'),
  },
  'names beyond ASCII': {
    clean: 'passed',
    isLeftOut: true,
    text: (who) =>
      `X-Wäre-Nichts: x\n`.replace('ä', 'ae') + `X-Sender-Name: Ädä <${who}>\n${simple('Hällo')}`,
  },
  uuencode: { clean: 'passed', text: (who) => simple(`See below.\n${uu(`I am ${who}`)}`) },
  'winmail.dat': {
    clean: 'refused',
    text: (who) =>
      withFile(
        'application/ms-tnef',
        'winmail.dat',
        Buffer.concat([Buffer.from('789f3e2200', 'hex'), Buffer.from(who)]),
      ),
  },
  'quoted-printable, broken through the address': {
    clean: 'passed',
    text: (who) =>
      simple(
        `Regards, ${qp(who.slice(0, 6))}=\n${qp(who.slice(6))}\n`,
        undefined,
        'Content-Transfer-Encoding: quoted-printable\n',
      ),
  },
  'base64 HTML': {
    clean: 'passed',
    text: (who) =>
      simple(
        b64(`<p>On Monday <a href="mailto:${who}">Ada</a> wrote</p>`),
        'text/html; charset=utf-8',
        'Content-Transfer-Encoding: base64\n',
      ),
  },
  'two halves that differ': {
    clean: 'passed',
    text: (who) =>
      parts(
        'alternative',
        plain('Nothing here.'),
        `Content-Type: text/html; charset=utf-8\n\n<div title="${who}">Nothing</div>`,
      ),
  },
  'the other half': {
    clean: 'passed',
    text: (who) =>
      parts('alternative', plain(`Here: ${who}`), 'Content-Type: text/html; charset=utf-8\n\n<p>Nothing</p>'),
  },
  'pictures with names': {
    clean: 'passed',
    text: (who) =>
      parts('related', 'Content-Type: text/html\n\n<img src="cid:1">', file('image/png', `${who}.png`, png)),
  },
  vCard: {
    clean: 'passed',
    text: (who) => withFile('text/vcard', 'ada.vcf', `BEGIN:VCARD\r\nFN:Ada\r\nEMAIL:${who}\r\nEND:VCARD`),
  },
  docx: {
    clean: 'passed',
    text: (who) =>
      withFile(
        'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
        'a.docx',
        zip({
          '[Content_Types].xml': '<Types/>',
          'word/document.xml': `<w:r><w:t>${who.slice(0, 8)}</w:t></w:r><w:r><w:t>${who.slice(8)}</w:t></w:r>`,
        }),
      ),
  },
  odt: {
    clean: 'passed',
    text: (who) =>
      withFile(
        'application/vnd.oasis.opendocument.text',
        'a.odt',
        zip({ 'meta.xml': `<dc:creator>${who}</dc:creator>`, 'content.xml': '<text:p>Hi</text:p>' }),
      ),
  },
  pdf: {
    clean: 'passed',
    text: (who) =>
      withFile('application/pdf', 'a.pdf', pdf(`BT (${who.slice(0, 4)}) Tj (${who.slice(4)}) Tj ET`)),
  },
  zip: {
    clean: 'passed',
    text: (who) => withFile('application/zip', 'a.zip', zip({ 'notes.txt': `by ${who}` })),
  },
  'a log, packed': {
    clean: 'passed',
    text: (who) => withFile('application/gzip', 'a.log.gz', gzipSync(`login ${who}\n`)),
  },
  'encrypted zip': {
    clean: 'refused',
    text: (who) => withFile('application/zip', 'a.zip', zip({ 'notes.txt': who }, 1)),
  },
  'program of an unknown kind': {
    clean: 'refused',
    text: (who) =>
      withFile(
        'application/octet-stream',
        'a.bin',
        Buffer.concat([Buffer.from([1, 2, 3, 0]), Buffer.from(who)]),
      ),
  },
  empty: { clean: 'passed', isLeftOut: true, text: (who) => `X-Note: ${who}\n\n` },
  'no MIME at all': { clean: 'passed', text: (who) => `\nHello from ${who}\n` },
  'very long header': {
    clean: 'passed',
    isLeftOut: true,
    text: (who) =>
      `${Array.from({ length: 400 }, (_, at) => `X-Long-${at}: ${who} ${'y'.repeat(90)}\n`).join('')}${simple('Hi')}`,
  },
  'no Message-ID': { clean: 'passed', text: (who) => simple(`Hi ${who}`) },
  'several in To': {
    clean: 'passed',
    isLeftOut: true,
    text: (who) => `Cc: Ada <${who}>, Bob <bob@elsewhere.example>\nBcc: ${who}\n${simple('Hi all')}`,
  },
  'encoded address as a name': {
    clean: 'passed',
    isLeftOut: true,
    text: (who) =>
      `Reply-To: =?utf-8?b?${Buffer.from(who).toString('base64')}?= <${who}>\nSender: ${who}\n${simple('Hi')}`,
  },
  'encoded address in the subject': {
    clean: 'passed',
    text: (who) =>
      `Thread-Topic: x\nSubject: =?utf-8?q?from_${qp(who.slice(0, 9))}?=\n =?utf-8?q?${qp(who.slice(9))}?=\n${simple('Hi')}`,
  },
  'file name of RFC 2231': {
    clean: 'passed',
    text: (who) =>
      parts(
        'mixed',
        `Content-Type: text/plain\nContent-Disposition: attachment;\n filename*0*=utf-8''${encodeURIComponent(who.slice(0, 6))};\n filename*1*=${encodeURIComponent(who.slice(6))}.txt\n\nHi`,
      ),
  },
  'Gmail, as it signs': {
    clean: 'passed',
    text: (who) =>
      `DKIM-Signature: v=1; a=rsa-sha256; d=gmail.test; s=20230601; b=abc\nX-Google-DKIM-Signature: v=1; b=def\nX-Gm-Message-State: AOJu0\nX-Received: by 2002:a05; Sun, 22 Nov 2026 10:00:00 -0800 (PST)\nARC-Seal: i=1; a=rsa-sha256; b=x\nReturn-Path: <ada.lovelace@gmail.test>\nIn-Reply-To: <JIRA.1@tools.test>\nReferences: <JIRA.1@tools.test> <CAFfirst@mail.gmail.test>\n${parts('alternative', plain(`Done!\n\nOn Sun, 22 Nov 2026 at 10:00, Ada <${who}> wrote:\n\n> Please do.\n`), `Content-Type: text/html; charset="UTF-8"\nContent-Transfer-Encoding: quoted-printable\n\n<div dir=3D"ltr">Done!</div><br><div class=3D"gmail_quote">On Sun Ada &lt;<a href=3D"mailto:${qp(who)}">${qp(who)}</a>&gt; wrote:</div>`)}`,
  },
  'Outlook, as it quotes': {
    clean: 'passed',
    text: (who) =>
      `X-Originating-IP: [203.0.113.9]\nX-MS-Has-Attach: \nX-Mailer: Microsoft Outlook 16.0\nThread-Index: AQHb\n${parts('alternative', `Content-Type: text/plain; charset="iso-8859-1"\nContent-Transfer-Encoding: quoted-printable\n\nFine.\n\n________________________________\nFrom: Jira via Harbour <noreply+jira@id.harbour.test>\nTo: Lovelace, Ada <${qp(who)}>\nSubject: Build`)}`,
  },
  'Apple Mail': {
    clean: 'passed',
    text: (who) =>
      `X-Mailer: Apple Mail (2.3826)\nX-Apple-Auto-Saved: 1\nX-Universally-Unique-Identifier: 4B1\n${parts('alternative; charset=us-ascii', plain(`Ok\n\n> On 22 Nov 2026, Ada Lovelace <${who}> wrote:`))}`,
  },
  'Thunderbird, with a key': {
    clean: 'passed',
    isLeftOut: true,
    text: (who) =>
      `User-Agent: Mozilla Thunderbird\nAutocrypt: addr=${who}; keydata=\n xsBNBF\nOrganization: Analytical Engines\nFace: iVBOR\nContent-Language: en-GB\n${simple('Ok')}`,
  },
};
