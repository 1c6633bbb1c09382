/** The pages about proofs beside the password, with people who have every kind of them or none. */
import { randomBytes } from 'node:crypto';
import type { Page } from 'playwright-core';
import { insertPasskey } from '#core/credentials/passkeys.store.ts';
import { makeRecoveryCodes } from '#core/credentials/recovery-codes.ts';
import { rememberForFactor } from '#core/credentials/remembered.ts';
import { codeAt, stepOf } from '#core/credentials/totp.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import { addApp, idOf } from '#test/factors.ts';
import type { Gallery } from './gallery-community.ts';
import { send, type View } from './gallery-views.ts';

const password = 'four candles drifting';
const secrets = new WeakMap<Gallery, Buffer>();

async function people(gallery: Gallery): Promise<void> {
  if (secrets.has(gallery)) return;
  const one = (username: string, given: string, family: string) =>
    `  - { username: ${username}, names: { givenName: ${given}, familyName: ${family} }, password: ${password}, addresses: [${username}@example.org] }`;
  const all = [
    one('mina', 'Mina', 'Harker'),
    one('noor', 'Noor', 'Haddad'),
    one('petra', 'Petra', 'Lindqvist'),
  ];
  await gallery.apply(`people:\n${all.join('\n')}\n`);
  const [mina, petra] = [await idOf(gallery, 'mina'), await idOf(gallery, 'petra')];
  const secret = await gallery.database.transact(system('demo'), async (tx) => {
    const fresh = await addApp(tx, gallery.secrets, mina);
    await makeRecoveryCodes(tx, mina);
    const names = ['Telefon der Universitätsbibliothek Friedrichshafen', 'Laptop'];
    for (const [index, name] of [...names, 'Security key'].entries()) {
      await insertPasskey(tx, {
        id: newId(),
        person: index < 2 ? mina : petra,
        credentialId: randomBytes(20).toString('base64url'),
        publicKey: randomBytes(70),
        counter: 0,
        transports: ['internal'],
        synced: index === 0,
        aaguid: '00000000-0000-0000-0000-000000000000',
        name,
      });
    }
    await rememberForFactor(tx, { person: mina, label: 'Firefox on Linux', days: 30 });
    return fresh;
  });
  secrets.set(gallery, secret);
}

/** A password typed, in a browser that knows nobody. */
async function typed(page: Page, gallery: Gallery, username: string, path = '/sign-in'): Promise<void> {
  await people(gallery);
  await gallery.database.query('delete from rate_buckets');
  await gallery.database.query('delete from password_failures');
  await page.context().clearCookies();
  await page.goto(gallery.origin + path);
  await send(page, '#sign-in', { '#username': username, '#password': password });
}

/** Signed in, with the code where there is an app. */
async function inside(page: Page, gallery: Gallery, username: 'mina' | 'noor'): Promise<void> {
  await typed(page, gallery, username);
  if (username === 'noor') return;
  await gallery.database.query('update totp_authenticators set last_step = 0');
  await send(page, '#second', { '#code': codeAt(secrets.get(gallery)!, stepOf(new Date())) });
}

/** The same, a while ago. */
async function stale(page: Page, gallery: Gallery, username: 'mina' | 'noor'): Promise<void> {
  await inside(page, gallery, username);
  const id = await idOf(gallery, username);
  await gallery.database.query(
    `update sessions set auth_time = auth_time - interval '6 minutes' where person = $1`,
    [id],
  );
}

/** Signed in, and on the way to an app that needs more. */
async function asked(page: Page, gallery: Gallery): Promise<void> {
  await inside(page, gallery, 'noor');
  await gallery.database.query('delete from totp_authenticators where person = $1', [
    await idOf(gallery, 'noor'),
  ]);
  const cookies = await page.context().cookies();
  const browser = cookies.find((one) => one.name.startsWith('gatehouse-browser'))?.value ?? '';
  const request = { front: 'account', application: 'issues', returnTo: '/apps', neededAal: 2 as const };
  const path = await gallery.database.transact(system(), (tx) => requestSignOn(tx, browser, request));
  await page.goto(gallery.origin + path);
}

/** The key on the page, as an authenticator app reads it. */
async function codeOnPage(page: Page): Promise<string> {
  const key = ((await page.locator('#totp-key').textContent()) ?? '').replaceAll(' ', '');
  const bits = [...key].map((one) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(one).toString(2).padStart(5, '0'),
  );
  const bytes = (bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
  return codeAt(Buffer.from(bytes), stepOf(new Date()));
}

const within = (username: 'mina' | 'noor', path: string) => async (page: Page, gallery: Gallery) => {
  await inside(page, gallery, username);
  await page.goto(gallery.origin + path);
};

export const factorViews: readonly View[] = [
  { name: 'second-factor', who: 'guest', open: (page, gallery) => typed(page, gallery, 'mina') },
  {
    name: 'second-factor-wrong',
    who: 'guest',
    status: 422,
    open: async (page, gallery) => {
      await typed(page, gallery, 'mina');
      await send(page, '#second', { '#code': '000000' });
    },
  },
  {
    name: 'second-factor-recovery',
    who: 'guest',
    open: async (page, gallery) => {
      await typed(page, gallery, 'mina');
      await page.goto(`${gallery.origin}/sign-in/second?by=recovery`);
    },
  },
  { name: 'second-factor-passkey', who: 'guest', open: (page, gallery) => typed(page, gallery, 'petra') },
  { name: 'enrol', who: 'guest', open: asked },
  {
    name: 'enrol-codes',
    who: 'guest',
    open: async (page, gallery) => {
      await asked(page, gallery);
      await send(page, '#add-app', { '#code': await codeOnPage(page) });
      await gallery.database.query('delete from totp_authenticators where person = $1', [
        await idOf(gallery, 'noor'),
      ]);
    },
  },
  { name: 'account-signing-in', who: 'guest', open: within('mina', '/account/signing-in') },
  { name: 'account-signing-in-none', who: 'guest', open: within('noor', '/account/signing-in') },
  {
    name: 'account-signing-in-others',
    who: 'guest',
    open: async (page, gallery) => {
      await inside(page, gallery, 'mina');
      await within('mina', '/account/signing-in?said=passkey')(page, gallery);
    },
  },
  { name: 'account-add-app', who: 'guest', open: within('noor', '/account/signing-in/app') },
  { name: 'account-add-passkey', who: 'guest', open: within('noor', '/account/signing-in/passkey') },
  {
    name: 'account-passkey-rename',
    who: 'guest',
    open: async (page, gallery) => {
      await within('mina', '/account/signing-in')(page, gallery);
      await Promise.all([page.waitForEvent('load'), page.click('#passkey-section .lines a')]);
    },
  },
  {
    name: 'again-password',
    who: 'guest',
    open: async (page, gallery) => {
      await stale(page, gallery, 'noor');
      await page.goto(`${gallery.origin}/account/signing-in/app`);
    },
  },
  {
    name: 'again-code',
    who: 'guest',
    status: 403,
    open: async (page, gallery) => {
      await stale(page, gallery, 'mina');
      await page.goto(`${gallery.origin}/account/signing-in`);
      await send(page, '#make-codes');
    },
  },
  {
    name: 'again-go-on',
    who: 'guest',
    open: async (page, gallery) => {
      await stale(page, gallery, 'noor');
      await page.goto(`${gallery.origin}/account`);
      await send(page, '#add-address', { '#email': 'noor.new@example.org' });
      await send(page, '#again', { '#password': password });
    },
  },
];
