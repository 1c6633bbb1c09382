import assert from 'node:assert/strict';
import { test } from 'node:test';
import PostalMime from 'postal-mime';
import { changeCommunity, community, communitySettings } from '#core/community/community.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { addAddress, insertPeople, verifyAddress } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { startSink } from '#test/peers/sink.ts';
import { dataImage, jpegHead, jpegTurned, makePng } from '#test/pictures.ts';
import { testDatabase } from '../../test/kit.ts';
import { letterHtml, letterMail, letterText } from './letter.ts';
import { letterLogo, logoFate } from './logo.ts';
import { startNotices } from './notices.ts';
import { sampleLetter } from './sample.ts';
import { sendNow, testLetter } from './test-letter.ts';

const publicUrl = new URL('https://id.example.org');
const now = new Date('2026-03-01T10:00:00Z');
const png = makePng(400, 100);
const named = (logo?: string, name = 'Open Museum') => communitySettings.parse({ name, logo });
const letterOf = (community: ReturnType<typeof named>) =>
  sampleLetter({ kind: 'recovery', locale: 'en', community, publicUrl, now });

test('the logo stands beside the name, once, named for who cannot see it; all else is as without it', () => {
  const bare = letterOf(named());
  const letter = letterOf(named(dataImage('png', png)));
  const html = letterHtml(letter);
  assert.match(
    html,
    /<img src="cid:[0-9a-f]{32}@logo" width="160" height="40" alt="Open Museum" style="[^"]*background:#ffffff/,
  );
  assert.equal(html.match(/<img/g)?.length, 1);
  const table = /<table role="presentation" cellpadding="0" cellspacing="0">.*?<\/table>/s;
  assert.equal(html.replace(table, 'Open Museum'), letterHtml(bare));
  assert.doesNotMatch(letterHtml(bare), /<img|cid:|data:/);
  assert.equal(letterText(letter), letterText(bare));
  assert.equal(letterMail(bare).inline, undefined);
  const [inline, ...others] = letterMail(letter).inline ?? [];
  assert.ok(inline && others.length === 0 && html.includes(`src="cid:${inline.cid}"`));
  assert.ok(inline.content.equals(png));
  for (const scheme of ['light', 'dark'] as const) {
    const look = letterHtml(letter, scheme);
    assert.ok(
      look.includes(`<img src="${dataImage('png', png)}" width="160"`),
      'looked at, it is whole by itself',
    );
    assert.doesNotMatch(look, /cid:/);
  }
  const hostile = letterHtml(letterOf(named(dataImage('png', png), '"><img src=x onerror=alert(1)>')));
  assert.equal(hostile.match(/<img/g)?.length, 1);
});

test('a logo is shown no larger than it is and than its place; what mail programs do not show is left out', () => {
  const sizes = [
    [400, 100, 160, 40],
    [512, 512, 40, 40],
    [24, 24, 24, 24],
    [30, 300, 4, 40],
    [3200, 4, 160, 1],
  ] as const;
  for (const [width, height, ...place] of sizes) {
    const logo = letterLogo({ logo: dataImage('png', makePng(width, height)) });
    assert.deepEqual([logo?.width, logo?.height], place, `${width} × ${height}`);
  }
  const jpeg = letterLogo({ logo: dataImage('jpeg', jpegHead(80, 40)) });
  assert.deepEqual([jpeg?.contentType, jpeg?.width], ['image/jpeg', 80]);
  assert.equal(logoFate({ logo: dataImage('png', png) }), 'shown');
  assert.equal(logoFate({}), 'none');
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  const bare = letterHtml(letterOf(named()));
  for (const logo of [
    dataImage('svg+xml', svg),
    dataImage('png', svg),
    dataImage('webp', Buffer.from('RIFF\x24\0\0\0WEBPVP8 '.padEnd(60, '\0'), 'latin1')),
    dataImage('png', png.subarray(0, 30)),
  ]) {
    const community = named(logo);
    assert.equal(logoFate(community), 'left-out', logo);
    assert.equal(letterHtml(letterOf(community)), bare, logo);
    assert.equal(letterMail(letterOf(community)).inline, undefined, logo);
  }
});

test('a JPEG that only notes how to be turned is refused when it is set; one kept before keeps nothing from working', async (t) => {
  const { database, close } = await testDatabase();
  t.after(close);
  const turned = dataImage('jpeg', jpegTurned(6));
  const said = communitySettings.safeParse({ name: 'Open Museum', logo: turned });
  assert.match(said.error?.issues[0]?.message ?? '', /^must stand upright by itself: .*Turn the picture/);
  for (const upright of [jpegTurned(1), jpegHead(80, 40)])
    assert.ok(communitySettings.safeParse({ logo: dataImage('jpeg', upright) }).success);
  await database.transact(system(), async (tx) => {
    await changeCommunity(tx, named());
    await tx.query(`update community set settings = settings || jsonb_build_object('logo', $1::text)`, [
      turned,
    ]);
    const kept = await community(tx);
    assert.equal(kept.logo, turned);
    assert.deepEqual(await changeCommunity(tx, { ...kept, name: 'Museum' }), ['name']);
    await assert.rejects(changeCommunity(tx, { ...kept, logo: dataImage('jpeg', jpegTurned(3)) }));
  });
});

test('letters and test mails carry the logo the community has when they are written', async (t) => {
  const { database, log, close } = await testDatabase({ poolSize: 12 });
  const sink = await startSink();
  const mailer = createMailer({ urls: [sink.url], from: 'Museum <id@example.org>', log });
  const secrets = createSecrets(Buffer.alloc(32, 5));
  const backoff = { first: 0.02, most: 0.05 };
  const notices = await startNotices({ database, secrets, mailer, publicUrl, log, backoff });
  t.after(async () => {
    await notices.stop();
    await mailer.close();
    await sink.close();
    await close();
  });
  const welcome = async (username: string, logo?: string) => {
    await database.transact(system('request'), async (tx) => {
      await changeCommunity(tx, named(logo));
      const id = newId();
      const names = { username, usernameKey: username, givenName: '', familyName: '', displayName: username };
      await insertPeople(tx, [{ id, ...names, state: 'unverified', origin: 'test' }]);
      const address = await addAddress(tx, id, `${username}@example.org`);
      await verifyAddress(tx, id, address.id);
      await activate(tx, id);
    });
    await notices.settle();
    const message = sink.messages.at(-1)!;
    assert.deepEqual(message.to, [`${username}@example.org`]);
    return PostalMime.parse(message.raw);
  };
  const plain = await welcome('anna');
  assert.equal(plain.attachments.length, 0);
  const dressed = await welcome('ben', dataImage('png', png));
  assert.equal(dressed.attachments.length, 1);
  assert.ok(Buffer.from(dressed.attachments[0]!.content as ArrayBuffer).equals(png));
  assert.equal(dressed.text, plain.text?.replaceAll('anna', 'ben'));
  const letter = await database.transact(system('request'), (tx) => testLetter(tx, { operator: 'ada' }));
  const { state } = await sendNow(mailer, { to: 'ada@example.org', letter, mailDomain: 'example.org' });
  assert.equal(state, 'taken');
  const tested = await PostalMime.parse(sink.messages.at(-1)!.raw);
  assert.ok(tested.html?.includes(`cid:${tested.attachments[0]?.contentId?.slice(1, -1)}`));
  assert.equal((await welcome('cleo')).attachments.length, 0);
});
