/** What keeps programs out of sign-up, and that it keeps no person out. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import type { Browser } from 'playwright-core';
import {
  axe,
  chromiumPath,
  launchBrowser,
  openPage,
  sideways,
  watchConsole,
  watchRequests,
} from '../browser.ts';
import { addPeople } from '../conformance/stage.ts';
import { closeAfterEach, type Platform, startPlatform } from '../kit.ts';
import type { Seen, Visitor } from '../visitor.ts';

closeAfterEach();

const skip = chromiumPath() ? false : 'Chromium is not installed (tools/peers.sh installs it)';
const letters = (number: number) => [...String(number)].map((digit) => 'abcdefghij'[Number(digit)]).join('');
const person = (number: number) => ({
  given_name: 'Grace',
  family_name: 'Hopper',
  username: `grace.${letters(number)}x`,
  email: `grace${number}@example.org`,
  password: 'a moth in relay seventy',
});
const roomy = 'community:\n  name: Harbour\n  signUp: { perNetwork: 1000, perNetworkUnproved: 1000 }\n';

async function accounts(platform: Platform): Promise<number> {
  const [row] = await platform.database.query<{ count: number }>(
    `select count(*)::integer as count from people where origin = 'sign-up'`,
  );
  return row!.count;
}

/** Sends the form of the page as it is, with these fields. */
function send(visitor: Visitor, fields: Record<string, string>): Promise<Seen> {
  const form = visitor.formOf('/sign-up');
  return visitor.request('/sign-up', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: visitor.origin },
    body: new URLSearchParams({ ...form.fields, ...fields }).toString(),
  });
}

test('one solved puzzle makes one account: of 50 at once one wins, and later ones are told', async () => {
  const platform = await startPlatform();
  await platform.apply(roomy);
  const program = platform.visitor();
  await program.open('/sign-up');
  const puzzle = await program.puzzle();
  const all = await Promise.all(
    Array.from({ length: 50 }, (_, number) => send(program, { ...person(number), puzzle })),
  );
  assert.equal(all.filter((seen) => seen.status === 303).length, 1);
  assert.equal(await accounts(platform), 1);
  const late = await send(program, { ...person(99), puzzle });
  assert.equal(late.status, 422);
  assert.match(late.text, /made an account already/);
  assert.match(late.text, /value="grace99@example.org"/, 'what was typed is still there');
  // Kept until nobody could solve it again, not longer.
  platform.clock.advance(3_601_000);
  assert.match((await send(program, { ...person(98), puzzle })).text, /stood open too long/);
});

test('a puzzle counts as we gave it, to this browser, in its hour, and solved', async () => {
  const platform = await startPlatform();
  await platform.apply(roomy);
  const program = platform.visitor();
  const other = platform.visitor();
  await other.open('/sign-up');
  await program.open('/sign-up');
  const good = JSON.parse(Buffer.from(await program.puzzle(), 'base64').toString());
  const pack = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
  const { challenge, solution } = good;
  const parameters = (more: object) => ({
    ...good,
    challenge: { ...challenge, parameters: { ...challenge.parameters, ...more } },
  });
  const forged: unknown[] = [
    parameters({ cost: 1 }),
    parameters({ keyPrefix: '' }),
    parameters({ keyPrefix: '00' }),
    parameters({ data: { ...challenge.parameters.data, until: Number.MAX_SAFE_INTEGER } }),
    parameters({ nonce: '0'.repeat(32) }),
    parameters({ algorithm: 'SHA-256' }),
    { ...good, challenge: { ...challenge, signature: 'ab'.repeat(32) } },
    { ...good, challenge: { ...challenge, signature: '' } },
    { ...good, challenge: { parameters: challenge.parameters } },
    { ...good, solution: { ...solution, derivedKey: 'ab'.repeat(32) } },
    { ...good, solution: { counter: solution.counter } },
    { challenge },
    { solution },
    [],
    null,
    'x',
  ];
  const texts = [...forged.map(pack), await other.puzzle(), 'x', 'A'.repeat(100_000)];
  for (const [number, puzzle] of texts.entries()) {
    const seen = await send(program, { ...person(number), puzzle });
    assert.equal(seen.status, 422, `${number}: ${puzzle.slice(0, 60)}`);
  }
  assert.equal(await accounts(platform), 0);
  const late = await program.puzzle();
  platform.clock.advance(3_600_000);
  assert.match((await send(program, { ...person(50), puzzle: late })).text, /stood open too long/);
  assert.equal((await send(program, { ...person(51), puzzle: await program.puzzle() })).status, 303);
});

test('without JavaScript a person comes in, more slowly; a program is held up by time and by its network', async () => {
  const platform = await startPlatform();
  await platform.apply('community:\n  name: Harbour\n  signUp: { perNetworkUnproved: 2 }\n');
  const without = platform.visitor();
  await without.open('/sign-up');
  const quick = await send(without, person(1));
  assert.equal(quick.status, 422);
  assert.match(quick.text, /faster than people type/);
  platform.clock.advance(3000);
  // The page that said so counts from when the form first came.
  without.page = quick;
  assert.equal((await send(without, person(1))).status, 303);
  const reader = platform.visitor();
  await reader.open('/sign-up');
  platform.clock.advance(60_000);
  const weak = await send(reader, { ...person(2), password: 'short' });
  assert.equal(weak.status, 422, 'what is not right yet costs nothing of the tighter limit');
  assert.equal((await send(reader, person(2))).status, 303);
  assert.equal((await send(reader, person(3))).status, 429);
  assert.equal(
    (await send(reader, { ...person(4), puzzle: await reader.puzzle() })).status,
    303,
    'with a puzzle',
  );
  // When the form was begun cannot be made up, nor taken from another browser.
  const fresh = platform.visitor();
  await fresh.open('/sign-up');
  for (const began of [
    '',
    '1.x',
    `${platform.clock.now().getTime() - 60_000}.${'A'.repeat(43)}`,
    reader.formOf('/sign-up').fields.began!,
  ])
    assert.match((await send(fresh, { ...person(5), began })).text, /stood open too long/);
});

test('the field that people do not see stops what fills it in, with a sentence', async () => {
  const platform = await startPlatform();
  await platform.apply(roomy);
  const program = platform.visitor();
  await program.open('/sign-up');
  assert.match(program.page.text, /name="website"/);
  const puzzle = await program.puzzle();
  const seen = await send(program, { ...person(1), puzzle, website: 'https://spam.example' });
  assert.equal(seen.status, 422);
  assert.match(seen.text, /a field that people do not see/);
  assert.equal(await accounts(platform), 0);
  assert.equal((await send(program, { ...person(1), puzzle })).status, 303);
  await platform.apply('community:\n  name: Harbour\n  signUp: { captcha: { provider: none } }\n');
  const plain = platform.visitor();
  await plain.open('/sign-up');
  assert.doesNotMatch(plain.page.text, /data-puzzle/);
  assert.equal((await send(plain, { ...person(2), website: 'x' })).status, 422);
  assert.equal((await send(plain, person(2))).status, 303);
});

test('so many accounts an hour from one network, whatever they bring', async () => {
  const platform = await startPlatform();
  await platform.apply('community:\n  name: Harbour\n  signUp: { perNetwork: 3 }\n');
  const program = platform.visitor();
  await program.open('/sign-up');
  const statuses: number[] = [];
  for (let number = 0; number < 5; number += 1)
    statuses.push((await send(program, { ...person(number), puzzle: await program.puzzle() })).status);
  assert.deepEqual(statuses, [303, 303, 303, 429, 429]);
});

test('nobody is asked for it at sign-in', async () => {
  const platform = await startPlatform();
  await addPeople(platform, [
    { username: 'ada', password: 'a moth in relay seventy', address: 'ada@example.org' },
  ]);
  const ada = platform.visitor();
  await ada.open('/sign-in');
  assert.doesNotMatch(ada.page.text, /puzzle|captcha|website/);
  for (let wrong = 0; wrong < 4; wrong += 1)
    assert.doesNotMatch(
      (await ada.submit({ username: 'ada', password: 'wrong' }, '/sign-in')).text,
      /puzzle|captcha/,
    );
});

/** The other end of a service's check. */
class Service {
  answer: { status: number; body: string } | 'cut' = {
    status: 200,
    body: '{"success":true,"hostname":"localhost"}',
  };
  readonly asked: URLSearchParams[] = [];
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      this.asked.push(new URLSearchParams(Buffer.concat(chunks).toString()));
      if (this.answer === 'cut') response.destroy();
      else
        response.writeHead(this.answer.status, { 'content-type': 'application/json' }).end(this.answer.body);
    });
  });
  url = '';
  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/siteverify`;
    return this;
  }
  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const services = [
  ['recaptcha', 'g-recaptcha-response', 'https://www.google.com/recaptcha/'],
  ['hcaptcha', 'h-captcha-response', 'https://*.hcaptcha.com'],
  ['turnstile', 'cf-turnstile-response', 'https://challenges.cloudflare.com'],
] as const;

for (const [provider, field, source] of services) {
  test(`${provider}: asked once, told nothing but the answer, and without its word nobody signs up`, async (t) => {
    const service = await new Service().start();
    t.after(() => service.stop());
    const env = {
      GATEHOUSE_CAPTCHA_SECRET: 'the-secret-of-the-service',
      GATEHOUSE_CAPTCHA_VERIFY_URL: service.url,
      GATEHOUSE_OUTBOUND_ALLOW: new URL(service.url).host,
    };
    const platform = await startPlatform({ env });
    await platform.apply(
      `community:\n  name: Harbour\n  signUp: { perNetwork: 1000, captcha: { provider: ${provider}, siteKey: site-key-1 } }\n`,
    );
    const ada = platform.visitor();
    await ada.open('/sign-up');
    assert.match(ada.page.text, /data-sitekey="site-key-1"/);
    const policy = ada.page.headers.get('content-security-policy')!;
    assert.ok(policy.includes(source));
    assert.ok(
      !(await ada.request('/sign-in')).headers.get('content-security-policy')!.includes(source),
      'on this page alone',
    );
    const good = await send(ada, { ...person(1), [field]: 'the-answer' });
    assert.equal(good.status, 303);
    assert.deepEqual([...service.asked[0]!].sort(), [
      ['response', 'the-answer'],
      ['secret', 'the-secret-of-the-service'],
    ]);
    const cases: [Service['answer'], number, RegExp][] = [
      [
        { status: 200, body: '{"success":false,"error-codes":["timeout-or-duplicate"]}' },
        422,
        /did not count/,
      ],
      [{ status: 200, body: '{"success":true,"hostname":"evil.example"}' }, 422, /did not count/],
      [{ status: 200, body: '{"success":"true"}' }, 503, /cannot be done at the moment/],
      [{ status: 200, body: 'null' }, 503, /cannot be done at the moment/],
      [{ status: 200, body: '<html>' }, 503, /cannot be done at the moment/],
      [{ status: 500, body: '{"success":true}' }, 503, /cannot be done at the moment/],
      ['cut', 503, /cannot be done at the moment/],
    ];
    for (const [answer, status, said] of cases) {
      service.answer = answer;
      const seen = await send(ada, { ...person(2), [field]: 'the-answer' });
      assert.equal(seen.status, status, JSON.stringify(answer));
      assert.match(seen.text, said);
    }
    const before = service.asked.length;
    assert.equal((await send(ada, person(2))).status, 422, 'without an answer nobody is asked');
    assert.equal(service.asked.length, before);
    assert.equal(await accounts(platform), 1);
    assert.ok(!platform.lines.join('').includes('the-secret-of-the-service'));
  });
}

test('a service without its secret closes sign-up with a sentence, not with an open door', async () => {
  const platform = await startPlatform();
  await platform.apply(
    'community:\n  name: Harbour\n  signUp: { captcha: { provider: turnstile, siteKey: site-key-1 } }\n',
  );
  const ada = platform.visitor();
  await ada.open('/sign-in');
  const { form_token = '' } = ada.formOf('/sign-in').fields;
  const page = await ada.open('/sign-up');
  assert.equal(page.status, 503);
  assert.match(page.text, /is not set up completely/);
  const forced = await ada.request('/sign-up', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: ada.origin },
    body: new URLSearchParams({ form_token, ...person(1), 'cf-turnstile-response': 'x' }).toString(),
  });
  assert.equal(forced.status, 503);
  assert.equal(await accounts(platform), 0);
});

let browser: Browser | undefined;
after(() => browser?.close());

async function fill(page: Awaited<ReturnType<typeof openPage>>, number: number): Promise<void> {
  for (const [name, value] of Object.entries(person(number))) await page.fill(`#${name}`, value);
}

for (const [width, scheme] of [
  [360, 'dark'],
  [1280, 'light'],
] as const) {
  test(`in a browser the puzzle of full size is solved by itself, from our own origin (${width} px, ${scheme})`, {
    skip,
    timeout: 60_000,
  }, async () => {
    browser ??= await launchBrowser();
    const platform = await startPlatform({ realTime: true, env: { GATEHOUSE_SIGN_UP_WORK: '1000' } });
    const page = await openPage(browser, { width, scheme });
    const complaints = watchConsole(page);
    const requests = watchRequests(page);
    await page.goto(`${platform.origin}/sign-up`);
    assert.deepEqual(await axe(page), []);
    assert.equal(await sideways(page), 0);
    assert.equal(
      await page
        .locator('input[name="website"]')
        .evaluate(
          (one) =>
            one.getBoundingClientRect().width <= 1 ||
            getComputedStyle(one.parentElement!.parentElement!).clipPath !== 'none',
        ),
      true,
    );
    const began = performance.now();
    await fill(page, width);
    await page.click('#sign-up');
    await page.waitForURL(/\/verify\/code$/);
    assert.ok(performance.now() - began < 15_000);
    assert.deepEqual(complaints, []);
    assert.ok(
      requests.every((url) => url.startsWith(platform.origin)),
      requests.join('\n'),
    );
    assert.equal((await platform.database.query('select 1 from used_puzzles')).length, 1);
    // Back to the form, which is sent again with a puzzle of its own.
    await page.goBack();
    await fill(page, width + 1);
    await page.click('#sign-up');
    await page.waitForURL(/\/verify\/code$/);
    assert.equal((await platform.database.query('select 1 from used_puzzles')).length, 2);
    await page.context().close();
  });
}

test('by keyboard alone, and when the puzzle cannot be had, a person signs up in a browser', {
  skip,
  timeout: 60_000,
}, async () => {
  browser ??= await launchBrowser();
  const platform = await startPlatform({ realTime: true });
  const page = await openPage(browser);
  await page.route('**/sign-up/puzzle', (route) => route.abort());
  await page.goto(`${platform.origin}/sign-up`);
  for (const [name, value] of Object.entries(person(1))) {
    await page.focus(`#${name}`);
    await page.keyboard.type(value);
  }
  await page.waitForTimeout(3200);
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/verify\/code$/);
  await page.context().close();
  const without = await openPage(browser, { scripts: false });
  await without.goto(`${platform.origin}/sign-up`);
  await fill(without, 2);
  await without.click('#sign-up');
  if (!without.url().endsWith('/verify/code')) {
    assert.match((await without.textContent('#problem')) ?? '', /faster than people type/);
    await without.fill('#password', person(2).password);
    await without.waitForTimeout(3200);
    await without.click('#sign-up');
  }
  await without.waitForURL(/\/verify\/code$/);
  assert.equal((await platform.database.query('select 1 from used_puzzles')).length, 0);
  await without.context().close();
});

test('Turnstile in a browser: its script runs under the policy of this page', {
  skip,
  timeout: 60_000,
}, async (t) => {
  browser ??= await launchBrowser();
  const service = await new Service().start();
  t.after(() => service.stop());
  const platform = await startPlatform({
    realTime: true,
    env: {
      GATEHOUSE_CAPTCHA_SECRET: 'the-secret-of-the-service',
      GATEHOUSE_CAPTCHA_VERIFY_URL: service.url,
      GATEHOUSE_OUTBOUND_ALLOW: new URL(service.url).host,
    },
  });
  await platform.apply(
    'community:\n  name: Harbour\n  signUp: { captcha: { provider: turnstile, siteKey: site-key-1 } }\n',
  );
  const page = await openPage(browser);
  const complaints = watchConsole(page);
  await page.route('https://challenges.cloudflare.com/**', (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      body: `const field = Object.assign(document.createElement('input'), { type: 'hidden', name: 'cf-turnstile-response', value: 'from-the-widget' });
        document.querySelector('.cf-turnstile').append(field);`,
    }),
  );
  await page.goto(`${platform.origin}/sign-up`);
  await page.waitForSelector('input[name="cf-turnstile-response"]', { state: 'attached' });
  await fill(page, 1);
  await page.click('#sign-up');
  await page.waitForURL(/\/verify\/code$/);
  assert.equal(service.asked[0]!.get('response'), 'from-the-widget');
  assert.deepEqual(complaints, []);
  await page.context().close();
});
