/**
 * Messages of all kinds, both ways: what a person answers reaches the app as coming from their alias mailbox, and no byte
 * of it, as it is or decoded, is the address they keep to themselves; what an app writes reaches them from an address of
 * ours, and nothing in it makes their mail program write past us.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import PostalMime from 'postal-mime';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import type { AuthenticationResult } from '#fronts/relay/authenticate.ts';
import { saveChoice } from '#fronts/relay/choices.ts';
import { type Counterpart, readReverse, sweepCounterparts } from '#fronts/relay/counterparts.ts';
import { openId } from '#fronts/relay/message-ids.ts';
import { answer } from '#fronts/relay/replies.ts';
import { rewrite } from '#fronts/relay/rewrite.ts';
import { relayAppSettings } from '#fronts/relay/settings.ts';
import { saveRelayApp } from '#fronts/relay/settings-kept.ts';
import { createRelayThreads } from '#fronts/relay/threads.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets, type Secrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { createLimits } from '#kit/limits/limits.ts';
import type { Threads } from '#kit/threads/threads.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { headerValue, readMessage } from '#wire/smtp/message.ts';
import { readSrs } from '#wire/smtp/srs.ts';
import { replyKinds } from './reply-kinds.ts';

const real = 'Ada.Lovelace@gmail.test';
const alias = 'ada@id.harbour.test';
const master = randomBytes(32);
const secrets = createSecrets(master);
let home: TestDatabase;
let threads: Threads;
let ada: string;
let reverse: string;

const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);
const crlf = (text: string) => Buffer.from(text.replace(/\r?\n/g, '\r\n'));

before(async () => {
  home = await testDatabase();
  threads = createRelayThreads(home.log);
  ada = await during(async (tx) => {
    await rememberAliasDomain(tx, 'id.harbour.test');
    for (const id of ['jira', 'wiki']) {
      await saveApplication(tx, id, applicationSettings.parse({ title: id === 'jira' ? 'Jira' : 'Wiki' }));
      await saveRelayApp(tx, id, relayAppSettings.parse({ networks: ['192.0.2.0/24'], mode: 'rewritten' }));
    }
    return join(tx, {
      username: 'ada',
      givenName: 'Ada',
      familyName: 'L.',
      state: 'active',
      origin: 'test',
      addresses: [
        { address: real, primary: true, verified: true },
        { address: 'ada@work.example', primary: false, verified: true },
        { address: 'ada@unproved.example', primary: false, verified: false },
      ],
    });
  });
  reverse = await reverseFor('jira');
});
after(() => threads.close());

const notification = (more = '', body = 'Content-Type: text/plain\n\nPlease look at X-1.\n') =>
  crlf(
    `From: "Jira" <jira@tools.test>\nTo: ${alias}\nMessage-ID: <JIRA.1@tools.test>\nSubject: X-1\n${more}${body}`,
  );

function rewritten(raw: Buffer, app = 'jira', by: Secrets = secrets): Promise<Buffer> {
  const recipient = { person: ada, mailbox: alias, to: real };
  const input = {
    raw,
    message: readMessage(raw),
    app: { id: app, title: 'Jira' },
    recipient,
    domains: ['id.harbour.test'],
  };
  return rewrite({ database: home.database, secrets: by }, input);
}
const value = (raw: Buffer, name: string) => headerValue(readMessage(raw), name);
async function reverseFor(app: string, by = secrets): Promise<string> {
  return /<(reply\+.*)>/.exec(value(await rewritten(notification(), app, by), 'reply-to')!)![1]!;
}
const read = (address: string, by = secrets) =>
  readReverse({ database: home.database, secrets: by }, address);
async function counterpart(address = reverse): Promise<Counterpart> {
  const found = await read(address);
  assert.ok(found && !('ended' in found));
  return found;
}

const proved = (domain: string): AuthenticationResult => ({
  author: domain,
  spf: { result: 'pass', domain, aligned: true },
  dkim: [{ domain, selector: 's', result: 'pass', aligned: true }],
  dmarc: { result: 'pass', domain },
  arc: { result: 'none' },
  header: '',
  temporary: false,
});

let answers = 0;
const answerId = newId();
/** Limits of their own, so that one test does not use up those of another. */
const limits = () => ({
  ...createLimits(home.database),
  take: async () => ({ allowed: true, retryAfterSeconds: 0 }),
});

async function reply(
  text: string,
  more: Partial<Parameters<typeof answer>[1]> & { from?: string; to?: string } = {},
) {
  answers += 1;
  const { from = `Ada Lovelace <${real}>`, to = `Jira <${reverse}>`, ...rest } = more;
  const id =
    /^Message-ID:/im.test(text) || text.includes('no-id')
      ? ''
      : `Message-ID: <CAF${answers}@mail.gmail.test>\n`;
  const subject = /^Subject:/im.test(text) ? '' : 'Subject: Re: X-1\n';
  const raw = crlf(
    `Received: from mail.gmail.test by mx for <${real}>\nFrom: ${from}\nTo: ${to}\nDate: Thu, 15 Jan 2026 17:00:00 +0500\n${id}${subject}${text}`,
  );
  const needs = { database: home.database, secrets, clock: home.clock, limits: limits(), threads };
  const authentication = proved('gmail.test');
  return answer(needs, {
    id: answerId,
    raw,
    counterpart: rest.counterpart ?? (await counterpart()),
    sender: real,
    authentication,
    ...rest,
  });
}

/** Everything in a message, looked at by a reader that is not ours: raw, decoded, folded away, in any case. */
async function shows(raw: Buffer, address = real): Promise<boolean> {
  const mail = await PostalMime.parse(raw, { attachmentEncoding: 'arraybuffer' });
  const said = mail.headers.map((one) => one.value).join('\n');
  const files = mail.attachments.flatMap((one) => {
    const bytes = Buffer.from(one.content as ArrayBuffer);
    return [one.filename ?? '', bytes.toString('latin1'), bytes.toString('utf16le')];
  });
  const texts = [
    raw.toString('latin1'),
    said,
    mail.subject ?? '',
    mail.text ?? '',
    mail.html ?? '',
    ...files,
  ];
  const bare = (text: string) => text.toLowerCase().replace(/<[^<>@]{0,100}>|[\s\0>]/g, '');
  return texts.some((text) => bare(text).includes(address.toLowerCase()));
}

for (const [name, kind] of Object.entries(replyKinds)) {
  test(`PR-08 SM-07 an answer that shows the alias mailbox alone: ${name}`, async () => {
    const text = kind.text(alias);
    const said = await reply(text);
    const became = 'raw' in said ? 'passed' : 'drop' in said ? 'dropped' : 'refused';
    assert.equal(became, kind.clean, 'refusal' in said ? said.refusal.text : '');
    if (!('raw' in said)) return;
    assert.equal(await shows(said.raw), false);
    const body = crlf(text).subarray(readMessage(crlf(text)).bodyStart);
    assert.ok(said.raw.subarray(readMessage(said.raw).bodyStart).equals(body), 'the body keeps every byte');
    assert.equal(value(said.raw, 'from'), `"Ada L." <${alias}>`);
    assert.equal(value(said.raw, 'to'), '<jira@tools.test>');
    assert.match(value(said.raw, 'date')!, /^Thu, 15 Jan 2026 12:00:00 \+0000$/);
    const allowed =
      /^(?:from|to|subject|date|message-id|in-reply-to|references|mime-version|content-(?:type|transfer-encoding|language))$/i;
    assert.deepEqual(
      readMessage(said.raw)
        .fields.filter((field) => !allowed.test(field.name))
        .map((field) => field.name),
      [],
    );
  });
  test(`PR-08 SM-07 an answer that shows the person's own address: ${name}`, async () => {
    const said = await reply(kind.text(real));
    if (kind.isLeftOut) assert.ok('raw' in said && !(await shows(said.raw)));
    else assert.ok(!('raw' in said), 'it is not passed on');
    if ('refusal' in said) {
      assert.deepEqual([said.refusal.code, said.refusal.reason], [550, 'reply-reveals']);
      assert.match(said.refusal.text, /^[\x20-\x7e]{40,400}$/);
      assert.doesNotMatch(said.refusal.text, /lovelace@/i);
    }
  });
}

test('PR-08 whoever allows it for an app may show the address there, and nowhere else', async () => {
  const text = replyKinds.plain!.text(real);
  const allow = (reveal: boolean) =>
    during((tx) => saveChoice(tx, { person: ada, application: 'jira', change: { reveal } }));
  await allow(true);
  const shown = await reply(text);
  const wiki = await reverseFor('wiki');
  const elsewhere = await reply(text, { counterpart: await counterpart(wiki), to: wiki });
  await allow(false);
  assert.ok('raw' in shown && value(shown.raw, 'from') === `"Ada L." <${alias}>`);
  assert.ok('refusal' in elsewhere);
  assert.ok('refusal' in (await reply(text)));
});

test('PR-08 every address of the account counts, also one that was never confirmed', async () => {
  for (const address of ['ada@work.example', 'ADA@UNPROVED.example'])
    assert.ok('refusal' in (await reply(replyKinds.plain!.text(address))), address);
});

test('PR-08 random answers never show the address', async () => {
  const hide: Readonly<Record<string, (text: string) => { head: string; body: string }>> = {
    plain: (text) => ({ head: 'Content-Type: text/plain', body: text }),
    base64: (text) => ({
      head: 'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64',
      body: Buffer.from(text).toString('base64'),
    }),
    quoted: (text) => ({
      head: 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable',
      body: [...Buffer.from(text)]
        .map(
          (byte, at) => `=${byte.toString(16).padStart(2, '0').toUpperCase()}${at % 7 === 6 ? '=\r\n' : ''}`,
        )
        .join(''),
    }),
    entities: (text) => ({
      head: 'Content-Type: text/html',
      body: `<p>${[...text].map((one, at) => (at % 2 || one === '<' ? `&#${one.codePointAt(0)};` : one)).join('')}</p>`,
    }),
    tags: (text) => ({
      head: 'Content-Type: text/html; charset=utf-8',
      body: [...text]
        .map((one, at) => (at % 3 ? one.replace('<', '&lt;') : `<b>${one.replace('<', '&lt;')}</b>`))
        .join(''),
    }),
    file: (text) => ({
      head: 'Content-Type: text/csv\r\nContent-Disposition: attachment; filename="a.csv"\r\nContent-Transfer-Encoding: base64',
      body: Buffer.from(text, 'utf16le').toString('base64'),
    }),
    quote: (text) => ({
      head: 'Content-Type: text/plain; charset=utf-8',
      body: text.replace(/\n?(.{20})/g, '> $1\r\n'),
    }),
  };
  const spell = fc.constantFrom(
    (text: string) => text,
    (text: string) => text.toUpperCase(),
    (text: string) => `mailto:${text}`,
    (text: string) => `<${text}>`,
    (text: string) => text.replace('@', '\u200b@'),
    (text: string) => encodeURIComponent(text),
    (text: string) => text.replace('@', ' (at) '),
    (text: string) => text.replace('@', '+jira@'),
  );
  const prose = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .map((text) => text.replace(/[\r\n<>&=%+@\p{C}\\]/gu, ' '));
  const part = fc.tuple(fc.constantFrom(...Object.keys(hide)), prose, spell, prose);
  const whole = fc.tuple(
    fc.array(part, { minLength: 1, maxLength: 4 }),
    fc.constantFrom('mixed', 'alternative', 'related'),
    fc.nat(3),
  );
  await fc.assert(
    fc.asyncProperty(whole, async ([all, subtype, which]) => {
      const bodies = all.map(([form, start, spelled, end], at) => {
        const shown = at === which % all.length ? spelled(real) : alias;
        const { head, body } = hide[form]!(`${start} ${shown} ${end}`);
        return `--=b\r\n${head}\r\n\r\n${body}\r\n`;
      });
      const said = await reply(
        `MIME-Version: 1.0\nContent-Type: multipart/${subtype}; boundary="=b"\n\n${bodies.join('')}--=b--\n`,
      );
      assert.ok('refusal' in said && said.refusal.reason === 'reply-reveals', 'refused');
    }),
    { numRuns: 100 },
  );
});

test('SM-07 an answer is taken from a confirmed address of that person alone, proved, and addressed to where it goes', async () => {
  const text = replyKinds.plain!.text(alias);
  const why = async (more: Parameters<typeof reply>[1]) => {
    const said = await reply(text, more);
    return 'refusal' in said ? `${said.refusal.code} ${said.refusal.reason}` : Object.keys(said).join();
  };
  const none = {
    ...proved('gmail.test'),
    spf: { result: 'fail', aligned: false },
    dkim: [],
    dmarc: { result: 'fail' },
  };
  const signedAlone = {
    ...proved('gmail.test'),
    spf: { result: 'softfail', domain: 'x.example', aligned: false },
  };
  const work = {
    from: 'ada@work.example',
    sender: 'bounce-1@mail.work.example',
    authentication: proved('work.example'),
  };
  assert.equal(await why({}), 'raw,from,to');
  assert.equal(await why(work), 'raw,from,to', 'from another confirmed address');
  assert.equal(await why({ authentication: signedAlone }), 'raw,from,to', 'signed alone');
  assert.equal(await why({ from: 'eve@gmail.test' }), '550 reply-sender');
  assert.equal(
    await why({
      from: 'ada@unproved.example',
      sender: 'ada@unproved.example',
      authentication: proved('unproved.example'),
    }),
    '550 reply-sender',
  );
  assert.equal(await why({ from: `${real}, eve@gmail.test` }), '550 reply-sender');
  assert.equal(await why({ from: `"${real}" <eve@gmail.test>` }), '550 reply-sender');
  assert.equal(await why({ from: alias }), '550 reply-sender');
  assert.equal(await why({ authentication: none }), '550 reply-sender');
  assert.equal(await why({ authentication: { ...none, temporary: true } }), '451 dns');
  assert.equal(await why({ authentication: proved('elsewhere.example') }), '550 reply-sender');
  assert.equal(await why({ sender: 'eve@elsewhere.example' }), '550 reply-sender', 'sent on by someone else');
  assert.equal(await why({ to: 'someone@elsewhere.example' }), '550 reply-sender', 'signed for someone else');
  assert.equal(await why({ sender: '' }), 'drop');
});

test('an answer names the alias mailbox as the one it comes from, also in its envelope, and reports end here', async () => {
  const said = await reply(replyKinds.plain!.text(alias));
  assert.ok('raw' in said);
  assert.equal(said.to, 'jira@tools.test');
  const [local = ''] = said.from.split('@');
  const macs = (text: string) => secrets.macs('relay-srs', text);
  const day = Math.floor(home.clock.now().getTime() / 86_400_000);
  assert.deepEqual(readSrs({ local, day, macs }), { sender: alias, tag: answerId.slice(-10) });
});

test('PR-08 ids of the mail service of a person are ours to the app, and theirs again when the app answers', async () => {
  const first = await reply(
    `Message-ID: <CAFfirst@mail.gmail.test>\nIn-Reply-To: <JIRA.1@tools.test>\nReferences: <JIRA.1@tools.test>\n\nOne`,
  );
  const second = await reply(
    `Message-ID: <CAFsecond@mail.gmail.test>\nIn-Reply-To: <JIRA.2@tools.test>\nReferences: <JIRA.1@tools.test> <CAFfirst@mail.gmail.test> <JIRA.2@tools.test>\n\nTwo`,
  );
  assert.ok('raw' in first && 'raw' in second);
  assert.doesNotMatch(second.raw.toString(), /gmail/i);
  const id = value(first.raw, 'message-id')!;
  assert.equal(
    value(second.raw, 'references')!.replace(/\s+/g, ' '),
    `<JIRA.1@tools.test> ${id} <JIRA.2@tools.test>`,
  );
  assert.equal(value(second.raw, 'in-reply-to'), '<JIRA.2@tools.test>');
  const back = await rewritten(notification(`In-Reply-To: ${id}\nReferences: <JIRA.1@tools.test> ${id}\n`));
  assert.equal(value(back, 'in-reply-to'), '<CAFfirst@mail.gmail.test>');
  assert.equal(value(back, 'message-id'), '<JIRA.1@tools.test>');
  assert.equal(openId(createSecrets(randomBytes(32)), id.slice(1, -1)), undefined, 'nobody else can read it');
  assert.equal(openId(createSecrets(randomBytes(32), [master]), id.slice(1, -1)), 'CAFfirst@mail.gmail.test');
});

test('a way of answering is one row for a person, an app and an address; it ends, and outlives a change of the master key', async () => {
  assert.match(reverse.split('@')[0]!, /^reply\+[a-z2-7]{26}\.[a-z2-7]{3,4}\.[a-z2-7]{20}$/);
  assert.equal(await reverseFor('jira'), reverse);
  const found = await counterpart();
  assert.deepEqual(
    [found.person, found.application, found.address, found.mailbox],
    [ada, 'jira', 'jira@tools.test', alias],
  );
  assert.deepEqual(await read(reverse.toUpperCase()), found, 'letters have no case');
  assert.deepEqual(await read(reverse, createSecrets(randomBytes(32), [master])), found);
  assert.equal(await read(reverse, createSecrets(randomBytes(32))), undefined);
  const [local = '', domain = ''] = reverse.split('@');
  for (let at = 6; at < local.length; at += 1) {
    const other = local[at] === 'b' ? 'c' : 'b';
    assert.equal(
      await read(`${local.slice(0, at)}${other}${local.slice(at + 1)}@${domain}`),
      undefined,
      `letter ${at}`,
    );
  }
  assert.equal(await read(`${local}@other.test`), undefined);
  assert.equal(await read(`${local}@sub.${domain}`), undefined);
  const before = home.clock.now();
  home.clock.advance(30 * 86_400_000);
  assert.deepEqual(await read(reverse), found);
  home.clock.advance(86_400_000);
  assert.deepEqual(await read(reverse), { ended: found }, 'it has ended, and whose it was is known');
  const later = await reverseFor('jira');
  assert.notEqual(later, reverse);
  assert.equal((await counterpart(later)).id, found.id, 'the same row behind it');
  home.clock.set(before);
});

test('SM-07 a way of answering is worth nothing without standing, and without the app', async () => {
  const app = (enabled: boolean) =>
    during((tx) => saveApplication(tx, 'jira', applicationSettings.parse({ title: 'Jira', enabled })));
  const kept = await counterpart();
  await app(false);
  assert.equal(await read(reverse), undefined);
  const off = await reply('\nHi', { counterpart: kept });
  assert.ok('refusal' in off && off.refusal.reason === 'standing');
  await app(true);
  assert.ok(await read(reverse));
  await during((tx) => rememberAliasDomain(tx, 'elsewhere.test'));
  assert.equal(await read(reverse), undefined, 'the domain is not ours any more');
  await during((tx) => rememberAliasDomain(tx, 'id.harbour.test'));
});

test('answers have a limit a day for a counterpart', async () => {
  const needs = { limits: createLimits(home.database) };
  const { id } = await counterpart();
  for (let turn = 0; turn < 60; turn += 1)
    assert.ok((await needs.limits.take(`relay-reply:${id}`, { points: 60, windowSeconds: 86_400 })).allowed);
  const raw = crlf(`From: ${real}\nTo: ${reverse}\n\nHi`);
  const over = await answer(
    { database: home.database, secrets, clock: home.clock, threads, ...needs },
    {
      id: newId(),
      raw,
      counterpart: await counterpart(),
      sender: real,
      authentication: proved('gmail.test'),
    },
  );
  assert.ok('refusal' in over);
  assert.deepEqual([over.refusal.code, over.refusal.reason], [451, 'reply-limit']);
});

test('rewritten mail comes from an address of ours, is answered by way of us, and asks the mail program for nothing', async () => {
  const asks = [
    'Return-Path',
    'Delivered-To',
    'Disposition-Notification-To',
    'Return-Receipt-To',
    'Errors-To',
    'X-Confirm-Reading-To',
    'Resent-From',
    'Mail-Followup-To',
    'List-Post',
    'Bcc',
    'ARC-Seal',
    'X-Gm-Message-State',
  ];
  const raw = notification(
    `${asks.map((name) => `${name}: <spy@tools.test>`).join('\n')}\nDKIM-Signature: v=1; d=tools.test; b=abc\nAuthentication-Results: mx.harbour.test; dmarc=pass\nSender: <jira-bounce@tools.test>\nX-Original-From: <forged@tools.test>\nList-Id: <x.tools.test>\nList-Unsubscribe: <mailto:leave@tools.test>, <https://tools.test/leave?u=1>, <https://tools.test/leave?u=${encodeURIComponent(real)}>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n`,
  );
  const made = await rewritten(raw);
  const { fields, bodyStart } = readMessage(made);
  const named = fields.map((field) => field.name);
  assert.deepEqual(
    named.filter((name) => asks.includes(name)),
    [],
  );
  assert.equal(value(made, 'from'), '"Jira via Gatehouse" <noreply+jira@id.harbour.test>');
  assert.equal(value(made, 'reply-to'), `"Jira" <${reverse}>`);
  assert.equal(value(made, 'to'), alias);
  assert.equal(value(made, 'message-id'), '<JIRA.1@tools.test>');
  assert.deepEqual(
    fields.filter((field) => field.name === 'X-Original-From').map((field) => field.value),
    ['"Jira" <jira@tools.test>'],
  );
  assert.equal(value(made, 'x-original-dkim-signature'), 'v=1; d=tools.test; b=abc');
  assert.equal(value(made, 'x-original-authentication-results'), 'mx.harbour.test; dmarc=pass');
  assert.ok(
    !named.includes('DKIM-Signature') &&
      !named.includes('Authentication-Results') &&
      !named.includes('Sender'),
  );
  assert.equal(value(made, 'list-unsubscribe'), '<https://tools.test/leave?u=1>');
  assert.equal(value(made, 'list-unsubscribe-post'), 'List-Unsubscribe=One-Click');
  assert.equal(value(made, 'list-id'), '<x.tools.test>');
  assert.ok(made.subarray(bodyStart).equals(raw.subarray(readMessage(raw).bodyStart)));
});

test('rewritten mail of every kind keeps every byte of its body', async () => {
  for (const [name, kind] of Object.entries(replyKinds)) {
    const raw = crlf(`From: jira@tools.test\nTo: ${alias}\n${kind.text(alias)}`);
    const made = await rewritten(raw);
    assert.ok(
      made.subarray(readMessage(made).bodyStart).equals(raw.subarray(readMessage(raw).bodyStart)),
      name,
    );
    assert.match(value(made, 'from')!, /<noreply\+jira@id\.harbour\.test>$/, name);
    assert.equal(await shows(made), false, name);
  }
});

test('SM-06 names of senders cannot break out of the header, pass for an address, or lead answers in a circle', async () => {
  const from = async (text: string) => {
    const raw = crlf(`From: ${text}\nTo: ${alias}\n\nHi`);
    const made = await rewritten(raw);
    assert.equal(readMessage(made).fields.filter((field) => field.name === 'From').length, 1);
    const mail = await PostalMime.parse(made);
    assert.equal(mail.from?.address, 'noreply+jira@id.harbour.test');
    return mail;
  };
  const name = async (text: string) => (await from(text)).from?.name;
  assert.equal(await name('"Ada" <x@tools.test>'), 'Ada via Gatehouse');
  assert.equal(await name('x@tools.test'), 'Jira via Gatehouse');
  assert.equal(await name('"boss@bank.example" <x@tools.test>'), 'boss at bank.example via Gatehouse');
  assert.equal(await name('=?utf-8?b?44Gr44Gt44GT?= <x@tools.test>'), 'にねこ via Gatehouse');
  assert.match(
    (await name('=?utf-8?q?a=0D=0ABcc=3A_x=40y.example?= <x@tools.test>'))!,
    /^[^@\r\n<>]+ via Gatehouse$/,
  );
  assert.equal(
    await name(`=?utf-8?q?${'=C3=A4'.repeat(400)}?= <x@tools.test>`).then((text) => text!.length),
    120,
  );
  assert.equal(
    (await from(`Eve <eve@id.harbour.test>`)).replyTo,
    undefined,
    'one of ours is nobody to answer',
  );
  const several = await rewritten(notification('Reply-To: One <one@tools.test>, two@tools.test\n'));
  assert.match(value(several, 'reply-to')!, /^"One" <reply\+/);
  assert.match(value(several, 'x-gatehouse-reply')!, /first of 2/);
  assert.equal(
    (await counterpart(/<(.*)>/.exec(value(several, 'reply-to')!)![1]!)).address,
    'one@tools.test',
  );
});

test('SM-07 whom someone could answer is forgotten when no way of answering is left, and no standing means none', async () => {
  assert.equal(await sweepCounterparts(home.database, 30), 0);
  await during((tx) => leave(tx, ada, 'suspended', 'a test'));
  assert.equal(await read(reverse), undefined);
  home.clock.advance(100 * 86_400_000);
  assert.ok((await sweepCounterparts(home.database, 30)) >= 2);
});
