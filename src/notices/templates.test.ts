import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { communitySettings } from '#core/community/community.ts';
import { system } from '#kit/db/database.ts';
import { englishWords, readText } from '#kit/page/words.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { testDatabase } from '../../test/kit.ts';
import { noticeKinds } from './intake.ts';
import { letterHtml, letterText } from './letter.ts';
import { sampleLetter } from './sample.ts';
import {
  findingsOf,
  letterLocales,
  listTemplates,
  mailSettings,
  mailTemplate,
  removeTemplate,
  saveTemplate,
  templateShape,
} from './templates.ts';
import { sendNow, testLetter } from './test-letter.ts';

const place = {
  community: communitySettings.parse({ name: 'Open Museum' }),
  publicUrl: new URL('https://id.example.org'),
  now: new Date('2026-03-01T10:00:00Z'),
};

test('every letter is written in German as completely as in English, and asks for the same values', () => {
  const english = englishWords().notices ?? {};
  const file = path.join(import.meta.dirname, '..', '..', 'locales', 'letters', 'de.json');
  const translated: Record<string, string> = JSON.parse(readFileSync(file, 'utf8'));
  assert.deepEqual(Object.keys(translated).sort(), Object.keys(english).sort());
  for (const [key, text] of Object.entries(english))
    assert.deepEqual(
      [...(readText(translated[key] ?? '{') ?? [])].sort(),
      [...(readText(text) ?? [])].sort(),
      key,
    );
  assert.deepEqual(letterLocales().slice(0, 2), ['en', 'de']);
  for (const kind of noticeKinds) {
    const [one, other] = ['en', 'de'].map((locale) => sampleLetter({ kind, locale, ...place }));
    assert.ok(one && other);
    assert.notEqual(one.subject, other.subject, kind);
    assert.equal(one.action?.url, other.action?.url);
    assert.equal(one.code?.value, other.code?.value);
    assert.doesNotMatch(letterText(other), /[{}]/);
  }
});

test('a template that asks for what a letter does not know, or leaves out what it is for, is refused by name', () => {
  const found = (kind: (typeof noticeKinds)[number], template: object, locale = 'en') =>
    findingsOf(kind, locale, mailTemplate.parse(template)).map(({ part, text }) => `${part}: ${text}`);
  assert.deepEqual(found('recovery', { text: 'Hello {username}, choose anew.' }), []);
  assert.match(found('recovery', { text: 'Choose anew.' })[0] ?? '', /^text: leaves out \{username\}/);
  assert.match(
    found('recovery', { text: '{usrname}' })[0] ?? '',
    /\{usrname\}.*\{community\}, \{username\}, \{when\}/,
  );
  assert.match(found('recovery', { text: '{username}: {link}' })[0] ?? '', /\{link\}, which every letter/);
  assert.match(
    found('prove-again', { action: 'Go' })[0] ?? '',
    /^action: a prove-again letter has no such part/,
  );
  assert.match(found('welcome', { after: 'Go' })[0] ?? '', /^after: /);
  assert.match(found('welcome', { subject: 'Ave' }, 'la')[0] ?? '', /^undefined: .*only in en, de/);
  assert.match(found('confirm-sign-up', { text: 'Dear {username}' })[0] ?? '', /\{username\}/);
  for (const text of ['{', '{when, date}', '{hours, number}', '{username', '}{'])
    assert.match(found('recovery', { text })[0] ?? '', /cannot be read|leaves out|does not know/, text);
  for (const kind of noticeKinds) {
    const { placeholders, needed } = templateShape(kind);
    assert.ok(needed.every((name) => placeholders.includes(name)));
    const texts = englishWords().notices ?? {};
    for (const name of readText(texts[`${kind}.text`] ?? '') ?? [])
      assert.ok((placeholders as string[]).includes(name), `${kind} ${name}`);
  }
  assert.throws(() => mailTemplate.parse({}), /one part at least/);
  const file = {
    templates: { recovery: { de: { text: 'Wähle neu.' } }, welcome: { xx: { subject: 'Hej' } } },
  };
  const { error } = mailSettings.safeParse(file);
  assert.deepEqual(
    error?.issues.map((issue) => issue.path.join('.')),
    ['templates.recovery.de.text', 'templates.welcome.xx'],
  );
});

/** What somebody types to add a header, a recipient, a body or markup of their own. */
const hostile = [
  'Hello\r\nBcc: victim@example.org',
  'Hello\nBcc: victim@example.org',
  'Hello\rX-Evil: 1',
  'Hello\r\n\r\n<script>alert(1)</script>',
  'Hello\u0085Bcc: victim@example.org',
  'Hello\u2028Bcc: victim@example.org',
  'Hello\u0000',
  'Hello\u000b\u000cBcc: x',
  'Hello \u202egnp.exe',
  '<img src=https://evil.example/x.png>',
  '"><script>alert(1)</script>',
  '</style><style>@import url(//evil.example)</style>',
  '<a href="javascript:alert(1)">here</a>',
  '&lt;b&gt; &#60;script&#62;',
  '%0d%0aBcc:%20victim@example.org',
  '=?utf-8?Q?Hi=0D=0ABcc:_victim=40example.org?=',
  '=?utf-8?B?DQpCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?=',
  'text\r\n.\r\nMAIL FROM:<a@example.org>',
];

test('SM-06 no template and no name adds a header, a recipient or markup to a letter', async () => {
  const { log, close } = await testDatabase();
  const mailer = createMailer({ urls: ['memory:'], from: 'Museum <id@example.org>', log });
  const plain = sampleLetter({ kind: 'recovery', locale: 'en', ...place });
  const tags = (text: string) =>
    (text.match(/<[a-z!/][^>]*>/gi) ?? []).map((tag) => /^<\/?!?[a-z]+/i.exec(tag)?.[0]);
  let refused = 0;
  for (const text of hostile) {
    const asTemplate = mailTemplate.safeParse({
      subject: text,
      action: text,
      text: `{username} ${text}`,
      after: text,
    });
    if (!asTemplate.success) refused += 1;
    const community = { ...place.community, name: text };
    const letters = [
      sampleLetter({ kind: 'recovery', locale: 'en', ...place, community }),
      ...(asTemplate.success
        ? [sampleLetter({ kind: 'recovery', locale: 'en', ...place, template: asTemplate.data })]
        : []),
    ];
    for (const letter of letters) {
      const html = letterHtml(letter);
      const usual = new Set([...tags(letterHtml(plain)), '<br']);
      assert.deepEqual(
        tags(html).filter((tag) => !usual.has(tag)),
        [],
        JSON.stringify(text),
      );
      assert.equal(html.match(/<a /g)?.length, 1);
      assert.equal(html.match(/<style/g)?.length, 1);
      assert.doesNotMatch(html, /<img|<script|href="(?!https:\/\/id\.example\.org\/)/i);
      const { state } = await sendNow(mailer, { to: 'ada@example.org', letter, mailDomain: 'example.org' });
      assert.equal(state, 'taken');
    }
  }
  assert.ok(refused >= 9, `line breaks and direction marks are refused where they are typed: ${refused}`);
  for (const mail of mailer.sent) {
    assert.deepEqual(
      [mail.to, Object.keys(mail.headers).sort()],
      ['ada@example.org', ['Auto-Submitted', 'X-Auto-Response-Suppress']],
    );
    assert.doesNotMatch(mail.subject, /[\p{Cc}\u2028\u2029]/u);
  }
  await close();
});

test('a letter in a community’s words keeps link, code and lifetimes, in HTML and text, and what is not said stays ours', async () => {
  const { database, close } = await testDatabase();
  const template = mailTemplate.parse({
    subject: 'Welcome aboard {community}',
    text: 'First paragraph.\n\nSecond, of <b>{community}</b>.',
    action: 'Yes, mine',
  });
  const letter = sampleLetter({ kind: 'confirm-sign-up', locale: 'en', ...place, template });
  assert.equal(letter.subject, 'Welcome aboard Open Museum');
  for (const body of [letterHtml(letter), letterText(letter)]) {
    assert.match(body, /token=this-is-a-preview/);
    assert.match(body, /123456/);
    assert.match(body, /24 hours.*10 minutes/);
    assert.match(body, /Yes, mine/);
    assert.match(body, /You did not create an account\?/);
  }
  assert.match(letterHtml(letter), /First paragraph\.<\/p><p[^>]*>Second, of &lt;b&gt;Open Museum/);
  assert.match(letterHtml(letter, 'dark'), /@media all/);
  assert.match(letterHtml(letter, 'light'), /@media not all/);
  await database.transact(system('admin'), async (tx) => {
    assert.equal(await saveTemplate(tx, 'confirm-sign-up', 'en', template), true);
    assert.equal(await saveTemplate(tx, 'confirm-sign-up', 'en', template), false);
    await assert.rejects(saveTemplate(tx, 'recovery', 'en', { text: 'no name' }), RangeError);
    assert.deepEqual(
      (await listTemplates(tx)).map(({ kind, locale }) => [kind, locale]),
      [['confirm-sign-up', 'en']],
    );
    assert.equal(await removeTemplate(tx, 'confirm-sign-up', 'en'), true);
    assert.equal(await removeTemplate(tx, 'confirm-sign-up', 'en'), false);
    const types = (await tx.query<{ type: string }>('select type from events order by id')).map(
      (row) => row.type,
    );
    assert.deepEqual(types, ['mail-template.changed', 'mail-template.removed']);
    const test = await testLetter(tx, { locale: 'de', operator: 'ada' });
    assert.match(test.subject, /^Testnachricht von /);
  });
  await close();
});
