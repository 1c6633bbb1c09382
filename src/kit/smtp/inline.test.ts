import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import PostalMime from 'postal-mime';
import { createLog } from '#kit/log/log.ts';
import { startSink } from '#test/peers/sink.ts';
import { jpegHead, makePng } from '#test/pictures.ts';
import { type InlineImage, readImage } from './inline.ts';
import { createMailer, type Mail, MailRefused } from './smtp.ts';

const log = createLog({ level: 'silent' });
const from = 'Example Community <id@community.example>';
const png = makePng(40, 20);
const jpeg = jpegHead(300, 200);
const logo: InlineImage = { cid: 'a1@logo', contentType: 'image/png', content: png };
const shown = (...ids: string[]) =>
  `<p>${ids.map((cid) => `<img src="cid:${cid}" alt="">`).join('')} Hello Anna</p>`;
const mail = { to: 'anna@example.org', subject: 'Hello', text: 'Hello Anna', html: shown('a1@logo') };

async function sending(t: TestContext) {
  const sink = await startSink();
  const mailer = createMailer({ urls: [sink.url], from, log });
  t.after(async () => {
    await mailer.close();
    await sink.close();
  });
  const send = async (message: Mail) => {
    await mailer.send(message);
    return sink.messages.at(-1)!.raw;
  };
  return { sink, mailer, send };
}

const kinds = (raw: Buffer) =>
  [...raw.toString().matchAll(/^content-type: ([^;\r]+)/gim)].map(([, kind]) => kind);

test('a picture is told by its bytes, not by what it is called', () => {
  const read = (content: Buffer) => {
    const found = readImage(content);
    return found && [found.contentType, found.width, found.height];
  };
  assert.deepEqual(read(png), ['image/png', 40, 20]);
  assert.deepEqual(read(jpeg), ['image/jpeg', 300, 200]);
  assert.deepEqual(read(jpegHead(1, 4096, 0xc2)), ['image/jpeg', 1, 4096]);
  const gif = Buffer.from('47494638396101000100800000ffffff00000021f90401000000002c', 'hex');
  const others = {
    nothing: Buffer.alloc(0),
    gif,
    webp: Buffer.from('RIFF\x24\0\0\0WEBPVP8 '.padEnd(60, '\0'), 'latin1'),
    svg: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"/>'.padEnd(80)),
    page: Buffer.from('<!doctype html><script>alert(1)</script>'.padEnd(80)),
    'png without its head': Buffer.concat([png.subarray(0, 8), Buffer.alloc(60)]),
    'png of no width': makePng(0, 20),
    'png too wide': Buffer.concat([png.subarray(0, 16), Buffer.from('00001001', 'hex'), png.subarray(20)]),
    'jpeg too high': jpegHead(20, 4097),
    'jpeg of no height': jpegHead(20, 0),
    'jpeg with a table for a frame': jpegHead(20, 20, 0xc4),
    'jpeg without a frame': Buffer.from('ffd8ffd9'.padEnd(80, '0'), 'hex'),
    'jpeg of a segment without end': Buffer.from(`ffd8ffe00000${'00'.repeat(40)}`, 'hex'),
    'too large': Buffer.concat([png, Buffer.alloc(64 * 1024)]),
  };
  for (const [name, content] of Object.entries(others)) assert.equal(readImage(content), undefined, name);
  for (let length = 0; length < 33; length += 1) assert.equal(readImage(png.subarray(0, length)), undefined);
  for (let length = 0; length < jpeg.length - 7; length += 1)
    assert.equal(readImage(jpeg.subarray(0, length)), undefined, `cut after ${length}`);
});

test('a picture goes with the HTML of its letter, inline and by its id; the text is the same as without', async (t) => {
  const { send } = await sending(t);
  const second: InlineImage = { cid: 'b2@logo', contentType: 'image/jpeg', content: jpeg };
  const raw = await send({ ...mail, html: shown('a1@logo', 'b2@logo'), inline: [logo, second] });
  assert.deepEqual(kinds(raw), [
    'multipart/alternative',
    'text/plain',
    'multipart/related',
    'text/html',
    'image/png',
    'image/jpeg',
  ]);
  assert.ok(
    raw
      .toString('latin1')
      .split('\r\n')
      .every((line) => line.length <= 998),
  );
  const read = await PostalMime.parse(raw);
  assert.equal(read.html?.trim(), shown('a1@logo', 'b2@logo'));
  assert.deepEqual(
    read.attachments.map((one) => [one.contentId, one.mimeType, one.disposition, one.filename, one.related]),
    [
      ['<a1@logo>', 'image/png', 'inline', 'picture-1.png', true],
      ['<b2@logo>', 'image/jpeg', 'inline', 'picture-2.jpg', true],
    ],
  );
  const contents = read.attachments.map((one) => Buffer.from(one.content as ArrayBuffer));
  assert.ok(contents[0]?.equals(png) && contents[1]?.equals(jpeg), 'byte for byte');

  const html = '<p>Hello Anna</p>';
  for (const without of [
    { ...mail, html },
    { ...mail, html, inline: [] },
  ]) {
    const plain = await send(without);
    assert.deepEqual(kinds(plain), ['multipart/alternative', 'text/plain', 'text/html']);
    assert.doesNotMatch(plain.toString(), /content-id|content-disposition/i);
    assert.equal((await PostalMime.parse(plain)).text, read.text);
  }
});

test('what is no picture, too much of it, or not shown by the letter never leaves', async (t) => {
  const { sink, mailer } = await sending(t);
  const ids = Array.from({ length: 5 }, (_, n) => `p${n}@logo`);
  const wrong: Record<string, unknown[]> = {
    'a page': [{ ...logo, content: Buffer.from('<script>alert(1)</script>'.padEnd(80)) }],
    'another kind than it says': [{ ...logo, contentType: 'image/jpeg' }],
    'svg by name': [{ ...logo, contentType: 'image/svg+xml' }],
    'a page by name': [{ ...logo, contentType: 'text/html' }],
    'a header in its kind': [{ ...logo, contentType: 'image/png\r\nX-Evil: 1' }],
    'no kind': [{ cid: logo.cid, content: png }],
    'too large': [{ ...logo, content: Buffer.concat([png, Buffer.alloc(64 * 1024)]) }],
    'a file': [{ ...logo, content: { path: '/etc/passwd' } }],
    'a path': [{ ...logo, content: undefined, path: '/etc/passwd' }],
    'an address': [{ ...logo, content: { href: 'http://127.0.0.1/' } }],
    text: [{ ...logo, content: png.toString('latin1') }],
    'an id without a domain': [{ ...logo, cid: 'logo' }],
    'a header in its id': [{ ...logo, cid: 'a1@logo>\r\nX-Evil: <1' }],
    'no id': [{ ...logo, cid: undefined }],
    'twice the same': [logo, logo],
    'one the letter does not show': [logo, { ...logo, cid: 'other@logo' }],
  };
  for (const [name, inline] of Object.entries(wrong))
    await assert.rejects(mailer.send({ ...mail, inline: inline as InlineImage[] }), MailRefused, name);
  const many = ids.map((cid) => ({ ...logo, cid }));
  await assert.rejects(mailer.send({ ...mail, html: shown(...ids), inline: many }), MailRefused, 'five');
  const large = Buffer.concat([png, Buffer.alloc(40_000)]);
  const two = ids.slice(0, 2).map((cid) => ({ ...logo, cid, content: large }));
  await assert.rejects(mailer.send({ ...mail, html: shown(...ids), inline: two }), MailRefused, 'together');
  const { html: _, ...textAlone } = mail;
  await assert.rejects(mailer.send({ ...textAlone, inline: [logo] }), MailRefused, 'without HTML');
  assert.equal(sink.messages.length, 0);
});
