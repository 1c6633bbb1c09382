/** "Why did it fail?" and "Can they open it?" on the console, in a real browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleDesk, skip } from '#test/console-desk.ts';
import { idOf } from '#test/factors.ts';

const password = 'river-stone-lamp';
const callback = 'http://127.0.0.1:9/callback';
let reference: string;
let ada: string;

const desk = consoleDesk({
  passwords: { wren: password },
  community: `
community: { name: Harbour }
groups: [{ name: staff }]
people:
  - { username: wren, names: { givenName: Wren }, password: ${password}, addresses: [wren@example.org], operator: owner }
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${password}, addresses: [ada@example.org] }
applications:
  - { id: closed, title: Ward rounds, consent: trusted, access: { groups: [staff] }, secret: ${'x'.repeat(40)}, oidc: { redirectUris: [${callback}], pkce: optional } }
`,
  async prepare(platform) {
    ada = await idOf(platform, 'ada');
    const visitor = platform.visitor();
    await visitor.signIn('stranger', 'wrong');
    const query = { client_id: 'closed', redirect_uri: callback, response_type: 'code', scope: 'openid' };
    await visitor.open(`/oidc/auth?${new URLSearchParams(query)}`);
    await visitor.submit({ username: 'ada', password: 'wrong' }, '/sign-in');
    const seen = await visitor.submit({ username: 'ada', password }, '/sign-in');
    reference = /id="reference">[^<]*: ([\w-]+)</.exec(seen.text)![1]!;
  },
});

test('a reference somebody reads out leads to the whole path, and from there to what would have to change', {
  skip,
}, async () => {
  const { page, complaints } = await desk.at('/admin/refusals');
  await page.locator('.table a').first().waitFor();
  await page.fill('#reference', ` ${reference} `);
  await page.keyboard.press('Enter');
  await page.locator('.timeline').waitFor();
  const text = String(await page.locator('main').textContent());
  assert.match(
    text,
    /GET \/oidc\/auth[\s\S]*password refused[\s\S]*proved who it is[\s\S]*for the app: refused/,
  );
  assert.match(text, /application-forbidden/);
  await page.locator('a', { hasText: 'Can they open it now?' }).click();
  await page.locator('.notice', { hasText: 'ada cannot open Ward rounds.' }).waitFor();
  assert.match(String(await page.locator('.notice').textContent()), /Add them to staff\./);
  await page.click('#watch');
  await page.locator('text=Sign-ins that go well are kept too. That ends').waitFor();
  await page.goto(`${desk.platform.origin}/admin/refusals/nothing-of-the-kind`);
  await page.locator('text=There is no refused sign-in with this reference').waitFor();
  assert.deepEqual(
    complaints.filter((one) => !/404/.test(one)),
    [],
  );
  await page.context().close();
});

test('the pages stand on a phone and a desk, light and dark, without anything axe finds', {
  skip,
}, async () => {
  const { page } = await desk.at('/admin/refusals');
  await desk.everySide(page, {
    'refusals-list': '/admin/refusals',
    'refusals-path': `/admin/refusals/${reference}`,
    'refusals-entry': `/admin/people/${ada}/entry?app=closed`,
  });
  await page.context().close();
});
