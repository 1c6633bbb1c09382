/** Pages of the gallery about getting out, shared computers, and what keeps programs out. */
import type { Page } from 'playwright-core';
import { hashToken, randomToken } from '#kit/crypto/ids.ts';
import type { Gallery } from './gallery-community.ts';
import { send, type View } from './gallery-views.ts';

/** A sign-up that a program might have sent. */
async function tooQuick(page: Page, gallery: Gallery): Promise<void> {
  await page.context().clearCookies();
  await page.goto(`${gallery.origin}/sign-up`);
  await page.locator('input[name="website"]').evaluate((one: HTMLInputElement) => {
    one.value = 'https://spam.example.org';
  });
  await page.selectOption('#attribute_country', 'Kenya');
  await send(page, '#sign-up', {
    '#given_name': 'Grace',
    '#username': 'grace.quick',
    '#email': 'grace.quick@example.org',
    '#password': 'a moth in relay seventy',
  });
}

/** The page of a sign-out with one app of every kind. */
async function sampleSignOut(gallery: Gallery): Promise<string> {
  const token = randomToken();
  const outcomes = [
    { application: 'wiki', state: 'ended' },
    { application: 'issues', state: 'asked' },
    { application: 'forum', state: 'unreachable', because: 'refused' },
    { application: 'atlas', state: 'unreachable', because: 'no-way' },
  ];
  await gallery.database.query(
    `insert into sign_outs (token_hash, sessions, outcomes, created_at, expires_at)
     values ($1, '{}', $2, now(), now() + interval '10 minutes')`,
    [hashToken(token), JSON.stringify(outcomes)],
  );
  return token;
}

export const leavingViews: View[] = [
  {
    name: 'signed-out-map',
    who: 'guest',
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/signed-out/${await sampleSignOut(gallery)}`);
    },
  },
  {
    name: 'signed-out-over',
    who: 'guest',
    status: 410,
    open: (page, { origin }) => page.goto(`${origin}/signed-out/long-ago`),
  },
  {
    name: 'shared-computer',
    who: 'guest',
    open: async (page, gallery) => {
      await page.context().clearCookies();
      await page.goto(`${gallery.origin}/sign-in`);
      await page.check('#shared');
      await send(page, '#sign-in', { '#username': 'ada', '#password': 'plum violin tractor' });
      await page.goto(`${gallery.origin}/apps`);
    },
  },
  { name: 'sign-up-too-quick', who: 'guest', status: 422, open: tooQuick },
];
