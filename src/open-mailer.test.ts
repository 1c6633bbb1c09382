import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { activateRelayKey, makeRelayKey } from '#fronts/relay/keys.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { MailFailed } from '#kit/smtp/smtp.ts';
import { startDns } from '#test/dns.ts';
import { testDatabase } from '#test/kit.ts';
import { dkimpyJudges, mailJudgesMissing } from '#test/peers/mail-judges.ts';
import { startSink } from '#test/peers/sink.ts';
import { makePng } from '#test/pictures.ts';
import type { House } from './house.ts';
import { openMailer } from './open-mailer.ts';

const letter = {
  to: 'ada@gmail.test',
  subject: 'Grüße aus dem Hafen',
  text: 'Hello Ada.\n\n.\nA line with a dot alone.\n',
  html: '<p>Hello Ada.</p>',
};

test('our own mail carries our signature as soon as its domain has a key, unless it is switched off', {
  skip: mailJudgesMissing(),
}, async (t) => {
  const { database, log } = await testDatabase();
  const secrets = createSecrets(randomBytes(32));
  const dns = await startDns(t);
  const sink = await startSink();
  const closers: (() => Promise<unknown>)[] = [() => sink.close()];
  t.after(async () => {
    for (const close of closers.reverse()) await close();
  });
  const config = {
    smtpUrl: { reveal: () => sink.url },
    mailFrom: 'Harbour <id@Harbour.test>',
    smtpName: 'mx.harbour.test',
    mailSign: 'on',
  };
  const open = (more = {}) =>
    openMailer({ database, log, secrets, config: { ...config, ...more } } as unknown as House, closers);
  await open().send(letter);
  assert.doesNotMatch(sink.messages[0]!.raw.toString(), /DKIM-Signature/i);

  const key = await database.transact(system(), async (tx) => {
    const made = await makeRelayKey(tx, secrets, { domain: 'harbour.test', algorithm: 'rsa-sha256' });
    return activateRelayKey(tx, made.id);
  });
  dns.set(key!.name, { TXT: [key!.record] });
  await open().send(letter);
  const picture = { cid: 'a1@logo', contentType: 'image/png' as const, content: makePng(300, 80) };
  await open().send({ ...letter, html: '<p><img src="cid:a1@logo" alt=""></p>', inline: [picture] });
  for (const { raw } of sink.messages.slice(1))
    assert.deepEqual((await dkimpyJudges(raw, dns.port)).dkim, [{ domain: 'harbour.test', good: true }]);

  await open({ mailSign: 'off' }).send(letter);
  assert.doesNotMatch(sink.messages[3]!.raw.toString(), /DKIM-Signature/i);

  await database.query(`update relay_keys set private_key = '\\x00'`);
  await assert.rejects(open().send(letter), (error: MailFailed) => {
    assert.ok(error instanceof MailFailed);
    assert.equal(error.permanent, false, 'it waits instead of leaving unsigned');
    return true;
  });
  assert.equal(sink.messages.length, 4);
});
