import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkLegacyUsername,
  checkNewUsername,
  cleanLine,
  lookAlikeKey,
  nearAddressKey,
  parseAddress,
  usernameKey,
} from './names.ts';

const refused = (code: string) => (error: { code?: string }) => error.code === code;
const rule = { pattern: '^[a-z][a-z0-9.]{2,20}$', reserved: ['board'], communityName: 'Harbour' };

test('AC-10 forty pairs: what is one name or address, and what is two', () => {
  const same: [string, string][] = [
    ['ada', 'ADA'], ['ada', ' ada '], ['ada', 'ａｄａ'], ['ada', 'Ａda'], ['é', 'e\u0301'], ['É', 'e\u0301'], ['ﬁn', 'fin'], ['ß', 'ß'], ['Straße', 'straße'], ['Ω', 'Ω'],
    ['①', '1'], ['a²', 'a2'], ['ⅷ', 'viii'], ['Ⓐda', 'ada'], ['Ångström', 'a\u030angstro\u0308m'], ['ad\u00aa', 'ada'], ['x\u3000', 'x'], ['ΑΒΓ', 'αβγ'], ['ДОМ', 'дом'], ['ǆ', 'dž'],
  ]; // biome-ignore format: a word list
  const different: [string, string][] = [
    ['ada', 'аda'], ['ada', 'adа'], ['ada', 'ada1'], ['o', '0'], ['l', '1'], ['l', 'I'], ['a.b', 'ab'], ['a_b', 'a-b'], ['é', 'e'], ['ss', 'ß'],
  ]; // biome-ignore format: a word list
  for (const [one, other] of same) assert.equal(usernameKey(one), usernameKey(other), `${one} = ${other}`);
  for (const [one, other] of different)
    assert.notEqual(usernameKey(one), usernameKey(other), `${one} ≠ ${other}`);
  const sameAddress: [string, string][] = [
    ['Ada@Example.org', 'ada@example.ORG'], [' ada@example.org ', 'ada@example.org'], ['ada@bücher.example', 'ada@xn--bcher-kva.example'], ['ada@BÜCHER.example', 'ADA@bücher.example'], ['ａda@example.org', 'ada@example.org'], ['ada＠example.org', 'ada@example.org'],
  ]; // biome-ignore format: a word list
  const differentAddress: [string, string][] = [
    ['ada@example.org', 'ada+x@example.org'], ['a.da@gmail.com', 'ada@gmail.com'], ['ada@example.org', 'ada@examp1e.org'], ['ada@example.org', 'ada@example.org.evil.example'],
  ]; // biome-ignore format: a word list
  for (const [one, other] of sameAddress)
    assert.equal(parseAddress(one).key, parseAddress(other).key, `${one} = ${other}`);
  for (const [one, other] of differentAddress)
    assert.notEqual(parseAddress(one).key, parseAddress(other).key, `${one} ≠ ${other}`);
  assert.equal(same.length + different.length + sameAddress.length + differentAddress.length, 40);
});

test('AC-10 the canonical form is reached in one step', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      (text) => usernameKey(usernameKey(text)) === usernameKey(text),
    ),
  );
});

test('AU-13 anything but one plain address is refused', () => {
  const malformed = [
    '',
    'ada',
    '@example.org',
    'ada@',
    'ada@example',
    'ada@.org',
    'ada@example..org',
    '.ada@example.org',
    'ada.@example.org',
    'a..da@example.org',
    '"ada"@example.org',
    '"a b"@example.org',
    'ada@[127.0.0.1]',
    'ada@127.0.0.1',
    'ada(x)@example.org',
    '<ada@example.org>',
    'ada@exa mple.org',
    'ada@-x.org',
    'ada@x-.org',
    'ada@example.org\0',
    'а@example.org',
    'ada@example.org:25',
    `${'a'.repeat(65)}@example.org`,
    `ada@${'a'.repeat(64)}.org`,
    `ada@${'a.'.repeat(130)}org`,
    'ada@exa_mple.org',
    'ada@example.org.',
    'ada\u202e@example.org',
  ];
  for (const text of malformed) assert.throws(() => parseAddress(text), refused('address-malformed'), text);
  for (const text of [
    'a@x.org,b@x.org',
    'a@x.org;b@x.org',
    'a@x.org b@x.org',
    'a@x.org\r\nBcc: b@x.org',
    'a@b@x.org',
    'a@x.org|b@x.org',
  ])
    assert.throws(() => parseAddress(text), refused('address-several'), text);
  assert.deepEqual(parseAddress("O'Brien+x@Sub.Example.org"), {
    address: "O'Brien+x@sub.example.org",
    key: "o'brien+x@sub.example.org",
  });
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      try {
        const { address, key } = parseAddress(text);
        return (
          /^[\x21-\x7e]+@[a-z0-9.-]+$/.test(address) &&
          key === address.toLowerCase() &&
          !/[,;"\\<>]/.test(address)
        );
      } catch (error) {
        return ['address-malformed', 'address-several'].includes((error as { code: string }).code);
      }
    }),
    { numRuns: 500 },
  );
});

test('new user names follow the rule; staff words, the community\u2019s name and their look are kept', () => {
  for (const fine of ['ada', 'ada.b', 'a1b', 'x'.repeat(21)])
    assert.equal(checkNewUsername(fine, rule), fine);
  assert.equal(checkNewUsername(' ａda ', rule), 'ada', 'kept in its one form');
  for (const bad of ['ab', 'Ada', '1ada', 'ada b', 'a_da', 'x'.repeat(22), '', 'ada\0', 'ad\u200ba', 'аda'])
    assert.throws(() => checkNewUsername(bad, rule), refused('username-rule'), bad);
  for (const kept of [
    'admin',
    'root',
    'support',
    'board',
    'harbour',
    'harbour.team',
    'the.harbour',
    'h.a.r.b.o.u.r',
    'a.d.m.i.n',
    'post.master',
  ])
    assert.throws(() => checkNewUsername(kept, rule), refused('username-reserved'), kept);
  assert.equal(checkNewUsername('administrata', rule), 'administrata');
});

test('legacy names are kept as they are; only what could break a protocol is refused', () => {
  for (const [given, kept] of [
    ['Ada B', 'Ada B'],
    [' x ', 'x'],
    ['ada@example.org', 'ada@example.org'],
    ['ädä', 'ädä'],
    ['1', '1'],
    ['admin', 'admin'],
  ] as const)
    assert.equal(checkLegacyUsername(given), kept);
  for (const bad of ['', ' ', 'a\0b', 'a\nb', 'a\u202eb', 'a\udc00', 'x'.repeat(256)])
    assert.throws(() => checkLegacyUsername(bad), refused('username-rule'));
});

test('a line is one line: trimmed, composed, bounded, without control and direction characters', () => {
  assert.equal(cleanLine('  e\u0301 🙂 '), 'é 🙂');
  assert.throws(() => cleanLine('x'.repeat(121)), refused('text-too-long'));
  for (const bad of [
    'a\nb',
    'a\tb',
    'a\0b',
    'a\u200bb',
    'a\u202eb',
    'a\u2028b',
    'a\ufeffb',
    'a\u0085b',
    'a\ud800',
  ])
    assert.throws(() => cleanLine(bad), refused('text-not-allowed'), JSON.stringify(bad));
});

test('a name keeps the joiners its script is written with, and hides none between Latin letters', () => {
  // Sinhala and Malayalam, Persian, one person as an emoji of three.
  const written = ['ශ්\u200dරී', 'ന\u200dദ', 'علی\u200cرضا', '👩\u200d🚀', '❤️\u200d🔥'];
  for (const name of written) assert.equal(cleanLine(name), name.normalize('NFC'));
  for (const hidden of [
    'a\u200db',
    'é\u200c',
    '\u200dශ',
    'ශ\u200d\u200dර',
    'x \u200d',
    'a\u061cb',
    'a\u{e0041}b',
  ])
    assert.throws(() => cleanLine(hidden), refused('text-not-allowed'), JSON.stringify(hidden));
  assert.throws(() => checkLegacyUsername('ශ්\u200dරී'), refused('username-rule'));
});

test('near addresses meet at the big providers and nowhere decide anything', () => {
  for (const one of ['a.d.a@gmail.com', 'ada+x@googlemail.com', 'ada@gmail.com'])
    assert.equal(nearAddressKey(one), 'ada@gmail.com');
  assert.equal(nearAddressKey('a.da+news@example.org'), 'a.da@example.org');
});

test('AC-10 names that look alike have one key to be reported by, and a new one mixes no scripts', () => {
  const alike: [string, string][] = [
    ['ada', 'аda'], ['paypal', 'раураl'], ['scope', 'ѕсоре'], ['anna', 'αnna'], ['admin.one', 'adrnin-one'], ['lou1s', 'louls'], ['bob', 'b0b'], ['rené', 'rene'],
    ['william', 'vvilliam'], ['maria.silva', 'mariasilva'], ['kim', 'кim'], ['ivan', 'іvan'],
  ]; // biome-ignore format: a word list
  for (const [one, other] of alike)
    assert.equal(lookAlikeKey(usernameKey(one)), lookAlikeKey(usernameKey(other)), `${one} ~ ${other}`);
  for (const [one, other] of [
    ['ada', 'eda'],
    ['иван', 'ivan'],
    ['ann', 'anna'],
    ['max1', 'max2'],
  ] as const)
    assert.notEqual(lookAlikeKey(one), lookAlikeKey(other), `${one} ≠ ${other}`);
  for (const mixed of ['аda', 'adа', 'раураl', 'αnna', 'Кate'])
    assert.throws(
      () => checkNewUsername(mixed, { ...rule, pattern: '^.{2,30}$' }),
      refused('username-rule'),
      mixed,
    );
  for (const fine of ['иван', 'άννα', 'josé', '山田', 'ida2'])
    assert.equal(checkNewUsername(fine, { ...rule, pattern: '^.{2,30}$' }), fine);
});
