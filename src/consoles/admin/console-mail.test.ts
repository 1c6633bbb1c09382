/** Our own mail in the console, and links for whom none reaches, in a real browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appoint } from '#core/operators/operators.ts';
import { listAddresses } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { noteHardBounce } from '#notices/suppressions.ts';
import { asPhone } from '#test/browser.ts';
import { consoleDesk, skip } from '#test/console-desk.ts';
import { idOf } from '#test/factors.ts';
import { dataImage, makePng } from '#test/pictures.ts';

const passwords: Record<string, string> = {
  wren: 'river-stone-lamp',
  bob: 'copper-kettle-hill',
  ada: 'quiet-orchard-nine',
};

const desk = consoleDesk({
  passwords,
  community: `
community: { name: Harbour }
people:
  - { username: wren, names: { givenName: Wren, familyName: Byron }, password: ${passwords.wren}, addresses: [wren@example.org], operator: owner }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${passwords.bob}, addresses: [bob@example.org] }
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${passwords.ada}, addresses: [ada@example.org] }
`,
  async prepare(platform) {
    await platform.database.transact(system('admin'), async (tx) => {
      await appoint(tx, { person: await idOf(platform, 'bob'), role: 'people' });
    });
    for (const name of ['ada', 'bob']) {
      const visitor = platform.visitor();
      await visitor.open('/recover');
      await visitor.submit({ username: name }, '/recover');
    }
    await platform.settle();
    await platform.database.query(
      `update notices set state = 'failed', answer = '550 5.1.1 <ada@example.org>: no such user', status = '5.1.1',
         accepted_at = null where person = $1`,
      [await idOf(platform, 'ada')],
    );
  },
});

test('a dead letter is found by its state and sent again; a spared address is mailed again', {
  skip,
}, async () => {
  const { platform } = desk;
  const ada = await idOf(platform, 'ada');
  const { page, complaints } = await desk.at('/admin/mail');
  await page.locator('td', { hasText: 'bob@example.org' }).waitFor();
  await page.selectOption('select', 'failed');
  await page.waitForURL('**/admin/mail?state=failed');
  await page.locator('td', { hasText: '550 5.1.1' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  // A newer letter would have replaced the link of this one: then there is nothing to send again.
  const [{ about } = { about: '' }] = await platform.database.query<{ about: string }>(
    `select about from notices where person = $1`,
    [ada],
  );
  const withdraw = (when: Date | undefined) =>
    platform.database.query('update verifications set withdrawn_at = $2 where id = $1', [
      about,
      when ?? null,
    ]);
  await withdraw(platform.clock.now());
  await page.reload();
  await page.locator('td', { hasText: 'Its link has ended' }).waitFor();
  assert.equal(await page.locator('button', { hasText: 'Send again' }).count(), 0);
  await withdraw(undefined);
  await page.reload();
  await page.locator('button', { hasText: 'Send again' }).click();
  await page.locator('.notice', { hasText: 'on its way again' }).waitFor();
  await page.locator('h2', { hasText: 'No mail here' }).waitFor();
  assert.equal((await platform.mailTo('ada@example.org')).length, 2);

  await platform.database.transact(system(), async (tx) => {
    const [address] = await listAddresses(tx, [ada]);
    const refusal = { person: ada, address: address!.id, status: '5.1.1', text: '550 5.1.1 no such user' };
    for (let times = 0; times < 2; times += 1) await noteHardBounce(tx, refusal);
  });
  await page.click('#spared');
  await page.locator('td', { hasText: 'ada@example.org' }).waitFor();
  await desk.everySide(page, {
    'mail-own': '/admin/mail',
    'mail-of-one': `/admin/mail?person=${ada}`,
    'mail-spared': '/admin/mail/spared',
  });
  await asPhone(page, async () => {
    await page.goto(`${platform.origin}/admin/mail/spared`);
    const { x, width } = (await page.locator('.side [aria-current]').boundingBox())!;
    assert.ok(x >= 0 && x + width <= 360, 'where one is stands in sight');
  });
  await page.goto(`${platform.origin}/admin/mail/spared`);
  await page.locator('button', { hasText: 'Mail there again' }).click();
  await page.locator('h2', { hasText: 'No address is spared' }).waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a letter says that it is kept as long as it is, and no longer', { skip }, async () => {
  const { page, complaints } = await desk.at('/admin/mail/letters/recovery/en');
  await page.fill('#letter-subject', 'Back into {community}');
  await page.click('#save-letter');
  await page.locator('.notice', { hasText: 'Kept. Letters say it like this' }).waitFor();
  await page.fill('#letter-subject', 'Back into {community}, again');
  assert.equal(await page.locator('.notice', { hasText: 'Kept.' }).count(), 0);
  complaints.length = 0;
  await page.fill('#letter-subject', 'Back into {nowhere}');
  await page.click('#save-letter');
  await page.locator('#letter-subject-error', { hasText: '{nowhere}' }).waitFor();
  assert.match(complaints.splice(0).join(), /400/);
  assert.equal(await page.locator('form .notice').count(), 0, 'it is said once, where it is');
  await page.fill('#letter-subject', 'Back into {community}');
  assert.equal(await page.locator('#letter-subject-error').count(), 0);
  await page.fill('#letter-subject', 'Back into {nowhere}');
  await page.click('#show-letter');
  await page.locator('#letter-subject-error', { hasText: '{nowhere}' }).waitFor();
  await page.locator('.notice', { hasText: 'cannot be shown as it is typed' }).waitFor();
  assert.equal(await page.locator('.notice', { hasText: 'This request' }).count(), 0);
  assert.match(complaints.splice(0).join(), /400/);
  await page.fill('#letter-subject', 'Typed, and not kept yet');
  await page.click('#show-letter');
  await page.locator('.letter-page strong', { hasText: 'Typed, and not kept yet' }).waitFor();
  assert.equal(await page.locator('.notice', { hasText: 'cannot be shown' }).count(), 0);
  for (const language of ['de', 'en']) {
    await page.selectOption('select[name=locale]', language);
    await page.waitForURL(`**/recovery/${language}`);
  }
  await page.waitForFunction(
    () => document.querySelector<HTMLInputElement>('#letter-subject')?.value === 'Typed, and not kept yet',
  );
  await page.click('#reset-letter');
  await page.locator('.notice', { hasText: 'Kept.' }).waitFor();
  assert.equal(await page.inputValue('#letter-subject'), '');
  await page.locator('.letter-page strong', { hasText: 'Set a new password' }).waitFor();
  await page.selectOption('select[name=locale]', 'de');
  await page.waitForURL('**/recovery/de');
  await page.selectOption('select[name=locale]', 'en');
  await page.waitForURL('**/recovery/en');
  assert.equal(await page.inputValue('#letter-subject'), '');
  assert.deepEqual(complaints, []);
  await page.context().close();
});

test('a word longer than a line leaves a letter as wide as it is', { skip }, async () => {
  const { page } = await desk.at('/admin/mail/letters/confirm-sign-up/en');
  await page.fill('#letter-text', `See https://example.org/${'a'.repeat(300)} and confirm.`);
  await page.click('#show-letter');
  const look = page.frameLocator('iframe[title*="light"]').locator('body', { hasText: 'aaaa' });
  const width = await look.evaluate(({ ownerDocument: { documentElement: root } }) => [
    root.scrollWidth,
    root.clientWidth,
  ]);
  assert.ok(width[0]! <= width[1]!, `its code and button stay in sight: ${width.join(' of ')}`);
  await page.context().close();
});

test('a letter is looked at with the logo, or without one that mail programs do not show', {
  skip,
}, async () => {
  const { platform } = desk;
  const dress = (logo: string) => platform.apply(`community: { name: Harbour, logo: "${logo}" }`);
  await dress(dataImage('png', makePng(120, 60)));
  const { page, complaints } = await desk.at('/admin/mail/letters/recovery/en');
  for (const scheme of ['light', 'dark']) {
    const picture = page.frameLocator(`iframe[title*="${scheme}"]`).locator('img');
    await picture.waitFor();
    const loaded = (image: HTMLImageElement) => [image.complete, image.naturalWidth, image.width, image.alt];
    assert.deepEqual(await picture.evaluate(loaded), [true, 120, 80, 'Harbour'], scheme);
  }
  assert.deepEqual(complaints, []);
  await desk.everySide(page, { 'mail-letter-logo': '/admin/mail/letters/recovery/en' });
  // Whoever looks for barriers speaks to every frame, and these hear nobody.
  complaints.length = 0;
  await dress(dataImage('svg+xml', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')));
  await page.goto(`${platform.origin}/admin/mail/letters/recovery/en`);
  await page.locator('.notice', { hasText: 'without its logo' }).waitFor();
  assert.equal(await page.frameLocator('iframe[title*="light"]').locator('img').count(), 0);
  assert.deepEqual(complaints, []);
  await desk.everySide(page, { 'mail-letter-without-logo': '/admin/mail/letters/recovery/en' });
  await platform.apply('community: { name: Harbour }');
  await page.context().close();
});

test('a recovery link: one operator asks, another agrees and is shown it once, and it opens a new password', {
  skip,
}, async () => {
  const { platform } = desk;
  const ada = await idOf(platform, 'ada');
  const { page: bob } = await desk.at(`/admin/people/${ada}/sign-ins`, { who: 'bob' });
  await bob.click('#ask-link');
  await bob.fill('#reason', 'Called back on the number we knew');
  await bob.click('#confirm');
  await bob.locator('.notice', { hasText: 'needs a second operator' }).waitFor();
  await bob.goto(`${platform.origin}/admin/people/${ada}/recovery-link/agree`);
  await bob.locator('.notice', { hasText: 'another operator has to agree' }).waitFor();
  const own = await idOf(platform, 'bob');
  await bob.goto(`${platform.origin}/admin/people/${own}/recovery-link/ask`);
  await bob.locator('.notice', { hasText: 'Nobody asks for a link to their own account' }).waitFor();
  assert.equal(await bob.locator('#confirm').count(), 0);
  await bob.context().close();
  const { page: wren, complaints } = await desk.at('/admin/recovery-links');
  await wren.locator('td', { hasText: 'Ada Lovelace' }).waitFor();
  await desk.everySide(wren, {
    'mail-links': '/admin/recovery-links',
    'mail-link-agree': `/admin/people/${ada}/recovery-link/agree`,
    'mail-link-person': `/admin/people/${ada}/sign-ins`,
  });
  await wren.goto(`${platform.origin}/admin/recovery-links`);
  await wren.locator('a', { hasText: 'Agree' }).click();
  await wren.locator('.facts', { hasText: 'Called back on the number we knew' }).waitFor();
  await wren.click('#confirm');
  const link = (await wren.locator('code', { hasText: '/recover/new?token=' }).textContent()) ?? '';
  await wren.locator('a', { hasText: 'Done' }).click();
  await wren.locator('.badge', { hasText: 'made, not used yet' }).waitFor();
  assert.ok(!(await wren.content()).includes('token='), 'it is never shown again');
  const visitor = platform.visitor();
  await visitor.open(link);
  await visitor.submit({ password: 'nine swallows over slate' }, '/recover/new');
  await wren.reload();
  await wren.locator('.badge', { hasText: 'used' }).waitFor();
  assert.deepEqual(complaints, []);
  await wren.context().close();
});
