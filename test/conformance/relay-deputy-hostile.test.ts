/**
 * What makes an open relay, and what makes two messages of one, tried on a Postfix in our place with the configuration that
 * we print: whatever it makes of an address before it asks, mail goes to nobody but who reads the alias mailbox.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../eventually.ts';
import { closeAfterEach } from '../kit.ts';
import { postfixMissing } from '../peers/postfix.ts';
import { swaksMissing } from '../peers/swaks.ts';
import { deputy, domain } from '../postfix-stage.ts';
import { bounceForms, type Form, falseEnds, foreignForms, senderForms } from './relay-corpus.ts';
import { messageOf } from './relay-stage.ts';
import { transaction, Wire } from './relay-wire.ts';

const skip = postfixMissing() ?? swaksMissing();
closeAfterEach();

const place = { alias: `ada@${domain}`, domain, sender: 'notify@bounces.app.example' };
const app = { mail: `<${place.sender}>`, from: 'From: Jira <jira@app.example>' };

async function stage(t: TestContext) {
  const { postfix, sink, platform } = await deputy(t);
  const deliver = async (form: Omit<Form, 'name'> & { name?: string }) => {
    const wire = await Wire.greeted({ port: postfix.port });
    const message = messageOf(place, { from: app.from, to: 'victim@elsewhere.example', subject: form.name });
    const done = await transaction(wire, { mail: form.mail ?? app.mail, rcpt: form.rcpt, message });
    wire.close();
    return { ...done, heard: wire.transcript };
  };
  return { postfix, sink, platform, deliver };
}

test('SM-01 SM-02 no recipient of anyone else, no sender but those of the app, no way back that was not made here', {
  skip,
}, async (t) => {
  const { postfix, sink, platform, deliver } = await stage(t);
  const honest = await deliver({ rcpt: `<${place.alias}>` });
  assert.equal(honest.reply?.code, 250, honest.heard);
  const foreign = foreignForms(place);
  assert.ok(foreign.length >= 60);
  const wrong: string[] = [];
  const left = [...foreign, ...senderForms(place), ...bounceForms(place)];
  const work = async () => {
    for (let form = left.shift(); form; form = left.shift()) {
      const { reply, heard } = await deliver(form);
      // Without an answer nothing was taken either; 4xx would only bring it back.
      if (reply && reply.code < 500) wrong.push(`${form.name}: ${reply.text}`);
      if (/read\.example/.test(heard.replaceAll(form.rcpt, ''))) wrong.push(`${form.name}: tells ${heard}`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, work));
  assert.deepEqual(wrong, []);
  assert.deepEqual(await postfix.queue(), []);
  assert.deepEqual(
    sink.messages.map(({ to }) => to.join()),
    ['ada@read.example'],
    'the honest one alone',
  );
  await platform.settle();
  assert.deepEqual(platform.mailer.sent, [], 'nobody was written to');
});

test('SM-05 one message stays one, whatever ends of it some server believes in', { skip }, async (t) => {
  const { postfix, sink } = await stage(t);
  for (const { name, bytes } of falseEnds) {
    const wire = await Wire.greeted({ port: postfix.port });
    await wire.say(`MAIL FROM:<${place.sender}>`);
    await wire.say(`RCPT TO:<${place.alias}>`);
    assert.equal((await wire.say('DATA'))?.code, 354);
    wire.send(messageOf(place, { from: app.from, subject: 'Outer', body: 'before' }));
    const more = `MAIL FROM:<${place.sender}>\r\nRCPT TO:<${place.alias}>\r\nDATA\r\nFrom: Jira <jira@app.example>\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n`;
    wire.send(`${bytes}${more}`);
    await wire.rest(400, { mustCome: true });
    wire.close();
    await eventually(async () => (await postfix.queue()).length === 0);
    const taken = sink.messages.map(({ raw }) => raw.toString('latin1'));
    assert.ok(taken.length <= 1, `${name}: ${taken.length} messages of one`);
    for (const raw of taken) {
      assert.match(raw, /Subject: Outer\r\n[\s\S]*MAIL FROM:/, name);
      assert.doesNotMatch(raw, /[^\r]\n|\r(?!\n)/, `${name}: a bare line end left`);
    }
    sink.clear();
  }
});
