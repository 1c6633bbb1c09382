/**
 * What an open relay would take, and what a closed one must not: recipients, senders and commands as they are tried from
 * outside. `alias` is a mailbox that is there, on `domain`; everything else here belongs to nobody.
 */

export interface Place {
  /** A mailbox that takes mail of the app. */
  alias: string;
  domain: string;
  /** Whom the app writes as. */
  sender: string;
}

export interface Form {
  name: string;
  /** What stands behind `MAIL FROM:`; the app's own sender unless said. */
  mail?: string;
  /** What stands behind `RCPT TO:`, latin1, one character a byte. */
  rcpt: string;
}

const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

/** Recipients that are nobody's here, however they are dressed. */
export function foreignForms({ alias, domain }: Place): Form[] {
  const local = alias.split('@')[0];
  const far = 'victim@elsewhere.example';
  const rcpt = (name: string, path: string): Form => ({ name, rcpt: path });
  return [
    rcpt('a stranger elsewhere', `<${far}>`),
    rcpt('in capitals', '<VICTIM@ELSEWHERE.EXAMPLE>'),
    rcpt('in mixed letters', '<ViCtIm@ElseWhere.Example>'),
    rcpt('below our domain', `<victim@sub.${domain}>`),
    rcpt('a domain that ends as ours does', `<victim@not${domain}>`),
    rcpt('a domain that begins as ours does', `<victim@${domain}.elsewhere.example>`),
    rcpt('our domain with an underscore', `<${local}@_${domain}>`),
    rcpt('percent', `<victim%elsewhere.example@${domain}>`),
    rcpt('percent twice', `<victim%elsewhere.example%third.example@${domain}>`),
    rcpt('percent with our domain inside', `<victim%${domain}@elsewhere.example>`),
    rcpt('bang', `<elsewhere.example!victim@${domain}>`),
    rcpt('bang without a domain', '<elsewhere.example!victim>'),
    rcpt('bang through us', `<${domain}!elsewhere.example!victim>`),
    rcpt('bang and percent', `<elsewhere.example!victim%third.example@${domain}>`),
    rcpt('source route through us', `<@${domain}:${far}>`),
    rcpt('source route of two', `<@${domain},@third.example:${far}>`),
    rcpt('source route without an end', `<@${domain}:>`),
    rcpt('literal of this machine', '<victim@[127.0.0.1]>'),
    rcpt('literal of another machine', '<victim@[192.0.2.1]>'),
    rcpt('literal of IPv6', '<victim@[IPv6:2001:db8::1]>'),
    rcpt('literal of this machine in IPv6', `<${local}@[IPv6:::1]>`),
    rcpt('literal of an unknown kind', `<${local}@[SMTP:${domain}]>`),
    rcpt('literal that is not closed', `<${local}@[127.0.0.1>`),
    rcpt('bare address of this machine', '<victim@127.0.0.1>'),
    rcpt('address as one number', '<victim@2130706433>'),
    rcpt('address behind a hash', '<victim@#2130706433>'),
    rcpt('localhost', `<${local}@localhost>`),
    rcpt('no domain', '<victim>'),
    rcpt('no domain, ours', `<${local}>`),
    rcpt('quoted address before ours', `<"${far}"@${domain}>`),
    rcpt('quoted address alone', `<"${far}">`),
    rcpt('quoted local part, ours', `<"${local}"@${domain}>`),
    rcpt('quoted local part with a space', `<"${local} "@${domain}>`),
    rcpt('quoted local part with an escape', `<"${local}\\@x"@${domain}>`),
    rcpt('quoted whole of ours, elsewhere', `<"${alias}"@elsewhere.example>`),
    rcpt('quote that is not closed', `<"${local}@${domain}>`),
    rcpt('two at signs, ours last', `<${far}@${domain}>`),
    rcpt('two at signs, ours first', `<${alias}@elsewhere.example>`),
    rcpt('an at sign without a local part', `<@${domain}>`),
    rcpt('an at sign without a domain', `<${local}@>`),
    rcpt('an at sign alone', '<@>'),
    rcpt('two in one path, comma', `<${alias},${far}>`),
    rcpt('two in one path, semicolon', `<${alias};${far}>`),
    rcpt('two paths', `<${alias}><${far}>`),
    rcpt('a path inside a path', `<${alias}<${far}>>`),
    rcpt('something after the path', `<${alias}>${far}`),
    rcpt('closed early', `<${alias}> <${far}`),
    rcpt('dot at the end of a foreign domain', `<${far}.>`),
    rcpt('dot at the end of ours', `<${alias}.>`),
    rcpt('two dots at the end of ours', `<${alias}..>`),
    rcpt('dot before the local part', `<.${alias}>`),
    rcpt('dot after the local part', `<${local}.@${domain}>`),
    rcpt('two dots in the local part', `<a..${alias}>`),
    rcpt('two dots in the domain', `<${local}@${domain.replace('.', '..')}>`),
    rcpt('tab in the local part', `<${local}\t@${domain}>`),
    rcpt('space before the at sign', `<${local} @${domain}>`),
    rcpt('space after the at sign', `<${local}@ ${domain}>`),
    rcpt('NUL in the local part', `<${local}\0@${domain}>`),
    rcpt('NUL after a stranger', `<${far}\0@${domain}>`),
    rcpt('NUL after ours', `<${alias}\0.elsewhere.example>`),
    rcpt('DEL in the local part', `<${local}\x7f@${domain}>`),
    rcpt('a control character', `<\x01${alias}>`),
    rcpt('8-bit in the local part', `<${local}\xe9@${domain}>`),
    rcpt('8-bit in the domain', `<${local}@m\xe9mbers.example.org>`),
    rcpt('UTF-8 in the local part', `<${utf8(`${local}é`)}@${domain}>`),
    rcpt('a domain in its own script', `<${local}@${utf8('bücher')}.example>`),
    rcpt('the same in punycode', `<${local}@xn--bcher-kva.example>`),
    rcpt('a letter that only looks like ours', `<${utf8(alias.replace('a', 'а'))}>`),
    rcpt('full width letters in the domain', `<${local}@${utf8(domain.replace('e', 'ｅ'))}>`),
    rcpt('an at sign of full width', `<${local}${utf8('＠')}${domain}>`),
    rcpt('an ideographic full stop', `<${local}@${utf8(domain.replace('.', '。'))}>`),
    rcpt('a soft hyphen in the domain', `<${local}@${utf8(`\u00ad${domain}`)}>`),
    rcpt('a character without width', `<${utf8(`\u200b${alias}`)}>`),
    rcpt('a mark of order first', `<${utf8(`\ufeff${alias}`)}>`),
    rcpt('a comment in the local part', `<${local}(comment)@${domain}>`),
    rcpt('a comment in the domain', `<${local}@(comment)${domain}>`),
    rcpt('a name before the path', `Ada <${alias}>`),
    rcpt('a name inside the path', `<Ada <${alias}>`),
    rcpt('without brackets', alias),
    rcpt('half a bracket', `<${alias}`),
    rcpt('the other half', `${alias}>`),
    rcpt('round brackets', `(${alias})`),
    rcpt('nothing', ''),
    rcpt('the null path', '<>'),
    rcpt('a space for a path', '< >'),
    rcpt('a pipe', `<|/bin/sh@${domain}>`),
    rcpt('a file', `</etc/passwd@${domain}>`),
    rcpt('an include', `<:include:/etc/passwd@${domain}>`),
    rcpt('a port', `<${alias}:25>`),
    rcpt('a link', `<mailto:${alias}>`),
    rcpt('a route of another age', `<smtp:${far}>`),
    rcpt('sub-addressing with a way out', `<${local}+victim=elsewhere.example@${domain}>`),
    rcpt('a way out in a local part', `<victim=elsewhere.example@${domain}>`),
    rcpt('an encoded word', `<=?utf-8?q?${local}?=@${domain}>`),
    rcpt('X.400', '</S=victim/O=elsewhere/C=XX/>'),
    rcpt('postmaster of another house', '<postmaster@elsewhere.example>'),
    rcpt('ORCPT naming ours, the recipient elsewhere', `<${far}> ORCPT=rfc822;${alias}`),
    rcpt('ORCPT that breaks the line', `<${far}> ORCPT=rfc822;x+0D+0ARCPT+20TO:`),
    rcpt('NOTIFY for a stranger', `<${far}> NOTIFY=SUCCESS,FAILURE,DELAY`),
    rcpt('a parameter nobody knows', `<${far}> RELAY=YES`),
    rcpt('a local part of 300', `<${'a'.repeat(300)}@${domain}>`),
    rcpt('a domain of 300', `<${local}@${'a.'.repeat(150)}example>`),
    rcpt('a line of 5,000', `<${'a'.repeat(5000)}@${domain}>`),
    rcpt('a mailbox nobody has', `<nobody.here@${domain}>`),
    rcpt('CR in the path', `<${alias}\rRCPT TO:<${far}>`),
    rcpt('CR after the path', `<${alias}>\r<${far}>`),
  ];
}

/** Senders that are not the app's, or say more than an address; the recipient is there. */
export function senderForms({ alias, domain, sender }: Place): Form[] {
  const mail = (name: string, path: string): Form => ({ name, mail: path, rcpt: `<${alias}>` });
  return [
    mail('the null sender to a mailbox', '<>'),
    mail('a mailbox of ours from outside', `<${alias}>`),
    mail('an unknown mailbox of ours from outside', `<nobody.here@${domain}>`),
    mail('the recipient itself in capitals', `<${alias.toUpperCase()}>`),
    mail('a stranger', '<spammer@elsewhere.example>'),
    mail('the sender of the app with a second at sign', `<${sender}@elsewhere.example>`),
    mail('the sender of the app quoted', `<"${sender}"@elsewhere.example>`),
    mail('a domain that ends as the sender of the app does', `<${sender.replace('@', '@not')}>`),
    mail('a domain that begins as the sender of the app does', `<${sender}.elsewhere.example>`),
    mail('NUL behind the sender of the app', `<${sender}\0.elsewhere.example>`),
    mail('CR behind the sender of the app', `<${sender}\rX: y>`),
    mail('the sender of the app without brackets', `${sender}> <spammer@elsewhere.example>`),
    mail('SMTPUTF8', `<${sender}> SMTPUTF8`),
    mail('a sender that needs SMTPUTF8', `<${utf8('büro')}@elsewhere.example>`),
    mail('a size nobody takes', `<${sender}> SIZE=99999999999999999999`),
    mail('a size that is none', `<${sender}> SIZE=-1`),
    mail('a size in words', `<${sender}> SIZE=ten`),
    mail('BODY=BINARYMIME', `<${sender}> BODY=BINARYMIME`),
    mail('an envelope id that breaks the line', `<${sender}> ENVID=a+0D+0AMAIL`),
    mail('AUTH of another', `<spammer@elsewhere.example> AUTH=${sender}`),
  ];
}

/** Addresses that look like ways back of ours and are none. Only the null sender may try them, and in vain. */
export function bounceForms({ alias, domain }: Place): Form[] {
  const local = alias.split('@')[0];
  const back = (name: string, path: string): Form => ({ name, mail: '<>', rcpt: path });
  return [
    back('SRS with a made-up key', `<SRS0=AAAAAAAA=AA=elsewhere.example=victim@${domain}>`),
    back('SRS with a short key', `<SRS0=AAAA=AA=elsewhere.example=victim@${domain}>`),
    back('SRS with no key', `<SRS0==AA=elsewhere.example=victim@${domain}>`),
    back('SRS in small letters', `<srs0=aaaaaaaa=aa=elsewhere.example=victim@${domain}>`),
    back('SRS with another separator', `<SRS0+AAAAAAAA=AA=elsewhere.example=victim@${domain}>`),
    back('SRS elsewhere', '<SRS0=AAAAAAAA=AA=elsewhere.example=victim@elsewhere.example>'),
    back('SRS of a mailbox of ours', `<SRS0=AAAAAAAA=AA=${domain}=${local}@${domain}>`),
    back('SRS of two hops', `<SRS1=AAAAAAAA=third.example==AAAAAAAA=AA=elsewhere.example=victim@${domain}>`),
    back('SRS without an end', `<SRS0=AAAAAAAA=AA=elsewhere.example@${domain}>`),
    back('SRS alone', `<SRS0@${domain}>`),
    back('a path in BATV', `<prvs=0123456789=${local}@${domain}>`),
    back('VERP', `<bounce+victim=elsewhere.example@${domain}>`),
    back('a mailbox nobody has', `<nobody.here@${domain}>`),
    back('a stranger', '<victim@elsewhere.example>'),
  ];
}

/** Commands that would give a stranger more than the delivery of one message, and what they hope for. */
export const commandForms: readonly string[] = [
  'VRFY ada',
  'VRFY <ada@members.example.org>',
  'vrfy postmaster',
  'EXPN members',
  'EXPN <ada@members.example.org>',
  'ETRN example.org',
  'ETRN @example.org',
  'TURN',
  'ATRN example.org',
  'AUTH PLAIN AGFkYQBwbHVtIHZpb2xpbiB0cmFjdG9y',
  'AUTH LOGIN',
  'AUTH CRAM-MD5',
  'AUTH XOAUTH2 dXNlcj1hZGEBYXV0aD1CZWFyZXIgYQEB',
  'AUTH EXTERNAL =',
  'XCLIENT ADDR=127.0.0.1 NAME=mail.app.example',
  'XCLIENT LOGIN=ada',
  'XFORWARD ADDR=127.0.0.1 NAME=mail.app.example',
  'BDAT 10 LAST',
  'BDAT 0 LAST',
  'SEND FROM:<notify@app.example>',
  'SOML FROM:<notify@app.example>',
  'SAML FROM:<notify@app.example>',
  'XEXCH50 2 2',
  'X-LINK2STATE LAST CHUNK={0}',
  'DEBUG',
  'WIZ',
  'SHELL id',
  'BURL imap://ada@example.org/INBOX LAST',
  'LHLO probe.example.net',
  'MAIL',
  'RCPT',
  'DATA now',
  '\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03',
];

/** Ends of DATA that some server somewhere believes in. Only CR LF . CR LF is one. */
export const falseEnds: readonly { name: string; bytes: string }[] = [
  { name: 'LF . LF', bytes: '\n.\n' },
  { name: 'LF . CR LF', bytes: '\n.\r\n' },
  { name: 'CR LF . LF', bytes: '\r\n.\n' },
  { name: 'CR . CR', bytes: '\r.\r' },
  { name: 'CR LF . CR', bytes: '\r\n.\r' },
  { name: 'CR . CR LF', bytes: '\r.\r\n' },
  { name: 'CR . LF', bytes: '\r.\n' },
  { name: 'LF . CR', bytes: '\n.\r' },
  { name: 'CR CR LF . CR CR LF', bytes: '\r\r\n.\r\r\n' },
  { name: 'CR LF . CR CR LF', bytes: '\r\n.\r\r\n' },
  { name: 'LF CR LF . LF', bytes: '\n\r\n.\n' },
  { name: 'CR LF NUL . CR LF', bytes: '\r\n\0.\r\n' },
  { name: 'CR LF . NUL CR LF', bytes: '\r\n.\0\r\n' },
  { name: 'CR NUL LF . CR NUL LF', bytes: '\r\0\n.\r\0\n' },
  { name: 'NEL . NEL', bytes: '\x85.\x85' },
  { name: 'CR LF . space CR LF', bytes: '\r\n. \r\n' },
  { name: 'CR LF .. CR LF', bytes: '\r\n..\r\n' },
  { name: 'form feeds', bytes: '\r\n\f.\r\n' },
];
