import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { dataImage, makePng } from '#test/pictures.ts';
import { startMailCatcher } from './mail-catcher.ts';

const log = createLog({ level: 'silent' });
const from = 'Example Community <id@community.example>';
const mail = {
  to: 'anna@example.org',
  subject: 'Confirm <b>your</b> address',
  text: 'Hello Anna,\n\nplease open https://id.example/verify?token=abc&x=1.\n',
  html: '<p>Hello <a href="https://id.example/verify?token=abc">Anna</a></p><script>alert(1)</script>',
};

async function catching(t: TestContext) {
  const catcher = await startMailCatcher({ log });
  const mailer = createMailer({ urls: [catcher.smtpUrl], from, log });
  t.after(async () => {
    await mailer.close();
    await catcher.stop();
  });
  const get = (path: string, init?: RequestInit) =>
    fetch(new URL(path, catcher.url), { redirect: 'manual', ...init });
  return { catcher, mailer, get };
}

test('a message sent over SMTP is on the page, escaped, with its link to click', async (t) => {
  const { catcher, mailer, get } = await catching(t);
  assert.match(await (await get('/')).text(), /No mail yet/);
  await mailer.send(mail);
  const message = await catcher.waitFor('anna@example.org');
  assert.deepEqual(message.links, ['https://id.example/verify?token=abc&x=1']);
  assert.equal(message.from, from);
  assert.equal(message.sender, 'id@community.example');
  for (const path of ['/', `/messages/${message.id}`]) {
    const answer = await get(path);
    const page = await answer.text();
    assert.equal(answer.status, 200);
    assert.match(page, /Confirm &lt;b&gt;your&lt;\/b&gt; address/);
    assert.match(page, /href="https:\/\/id\.example\/verify\?token=abc&amp;x=1"/);
    assert.match(page, /anna@example\.org/);
    assert.match(answer.headers.get('content-security-policy')!, /default-src 'none'/);
  }
  const designed = await get(`/messages/${message.id}.html`);
  assert.match(await designed.text(), /<p>Hello/);
  assert.match(designed.headers.get('content-security-policy')!, /default-src 'none';.*sandbox/);
  const [json] = (await (await get('/messages.json')).json()) as { subject: string; recipients: string[] }[];
  assert.deepEqual([json!.subject, json!.recipients], [mail.subject, ['anna@example.org']]);
});

test('a picture that goes along is seen where the message shows it, and is not part of the list', async (t) => {
  const { catcher, mailer, get } = await catching(t);
  const direct = createMailer({ urls: ['catcher'], from, log, sink: catcher.sink });
  const picture = { cid: 'a1@logo', contentType: 'image/png' as const, content: makePng(4, 4) };
  const html = '<p><img src="cid:a1@logo" alt=""><img src="cid:unknown@logo" alt=""> cid:a1@logo</p>';
  for (const way of [mailer, direct]) {
    await way.send({ ...mail, html, inline: [picture] });
    const message = await catcher.waitFor('anna@example.org');
    const answer = await get(`/messages/${message.id}.html`);
    const shown = html.replace('cid:a1@logo', dataImage('png', picture.content));
    assert.equal((await answer.text()).trim(), shown);
    assert.match(answer.headers.get('content-security-policy')!, /default-src 'none';.* img-src data:;/);
    const [listed] = (await (await get('/messages.json')).json()) as { pictures: object[] }[];
    assert.deepEqual(listed?.pictures, [
      { cid: 'a1@logo', contentType: 'image/png', bytes: picture.content.length },
    ]);
    catcher.clear();
  }
});

test('the button and DELETE empty the box; another site can do neither, nor read', async (t) => {
  const { catcher, mailer, get } = await catching(t);
  await mailer.send(mail);
  const foreign = await get('/clear', { method: 'POST', headers: { origin: 'https://evil.example' } });
  assert.equal(foreign.status, 403);
  const nowhere = await get('/clear', { method: 'POST', headers: { origin: 'null' } });
  assert.equal(nowhere.status, 403);
  assert.equal(catcher.messages().length, 1);
  const cleared = await get('/clear', { method: 'POST', headers: { origin: catcher.url.origin } });
  assert.deepEqual([cleared.status, cleared.headers.get('location')], [303, '/']);
  assert.equal(catcher.messages().length, 0);
  await mailer.send(mail);
  assert.equal((await get('/messages.json', { method: 'DELETE' })).status, 204);
  assert.equal(catcher.messages().length, 0);
  assert.equal((await get('/messages/00000000-0000-7000-8000-000000000000')).status, 404);
});

test('a foreign name that points here is turned away', async (t) => {
  const { catcher } = await catching(t);
  const { request } = await import('node:http');
  const status = await new Promise((resolve) =>
    request(catcher.url, { headers: { host: `evil.example:${catcher.url.port}` } }, (answer) =>
      resolve(answer.statusCode),
    ).end(),
  );
  assert.equal(status, 421);
});

test('it listens on loopback only', async () => {
  for (const host of ['0.0.0.0', '::', '192.168.0.1', 'localhost.evil.example', '127.0.0.1.evil.example']) {
    await assert.rejects(startMailCatcher({ log, host }), RangeError, host);
  }
});

test('only the last 500 are kept, and a mailer can hand over without SMTP', async (t) => {
  const { catcher } = await catching(t);
  const direct = createMailer({ urls: ['catcher'], from, log, sink: catcher.sink });
  for (let n = 1; n <= 510; n += 1) await direct.send({ ...mail, subject: `Number ${n}` });
  assert.equal(catcher.messages().length, 500);
  assert.equal(catcher.messages()[0]!.subject, 'Number 510');
  assert.equal(
    (await catcher.waitFor(mail.to, (message) => message.subject === 'Number 400')).sender,
    'id@community.example',
  );
});
