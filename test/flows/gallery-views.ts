/** Every page there is, and how a browser gets to it. */
import type { Page } from 'playwright-core';
import { system } from '#kit/db/database.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import { quiet } from '#test/browser.ts';
import { aliasMailViews } from './gallery-alias-mail.ts';
import type { Gallery } from './gallery-community.ts';
import { deviceViews } from './gallery-devices.ts';
import { factorViews } from './gallery-factors.ts';
import { leavingViews } from './gallery-leaving.ts';
import { ownMailViews } from './gallery-own-mail.ts';
import { relayViews } from './gallery-relay.ts';
import { samlViews } from './gallery-saml.ts';
import { upstreamViews } from './gallery-upstreams.ts';

export interface View {
  name: string;
  who: 'guest' | 'ada' | 'root';
  /** When it is a refusal. */
  status?: number;
  open(page: Page, gallery: Gallery): Promise<unknown>;
}

const at =
  (path: string) =>
  (page: Page, { origin }: Gallery) =>
    page.goto(origin + path);

/** Sends a form of the page without the browser's own checks, so that our refusals are seen. */
export async function send(page: Page, button: string, fields: Record<string, string> = {}): Promise<void> {
  for (const [selector, value] of Object.entries(fields)) await page.fill(selector, value);
  await page.locator('form', { has: page.locator(button) }).evaluate((one: HTMLFormElement) => {
    one.noValidate = true;
  });
  await Promise.all([page.waitForEvent('load'), page.click(button)]);
}

/** A page of the console, when what it shows has come; without scripts its frame alone. */
const inConsole =
  (path: string) =>
  async (page: Page, { origin }: Gallery) => {
    await page.goto(origin + path);
    await settled(page);
  };

/** Waits until a page of the console shows what it loads; returns at once where no script runs. */
export async function settled(page: Page): Promise<void> {
  await page.waitForLoadState('load');
  // The script takes away what stood there before; where none runs, that is all there is.
  if ((await page.locator('#console noscript').count()) > 0) return;
  await page.locator('#console main h1').waitFor();
  await quiet(page);
}

const ofAda = (view: string) => async (page: Page, gallery: Gallery) => {
  const [ada] = await gallery.database.query<{ id: string }>(`select id from people where username = 'ada'`);
  await inConsole(`/admin/people/${ada?.id}${view}`)(page, gallery);
};

const ofAdaAtWiki = async (page: Page, gallery: Gallery) => {
  const [ada] = await gallery.database.query<{ id: string }>(`select id from people where username = 'ada'`);
  await inConsole(`/admin/targets/wiki/people/person:${ada?.id}`)(page, gallery);
};

const ofAdaAtIssues = (view: string) => async (page: Page, gallery: Gallery) => {
  const [ada] = await gallery.database.query<{ id: string }>(`select id from people where username = 'ada'`);
  await inConsole(`/admin/targets/issues/people/person:${ada?.id}${view}`)(page, gallery);
};

/** Waits for what a page fetches a moment after it was shown, as it does after somebody has typed. */
const later = (open: View['open'], selector: string) => async (page: Page, gallery: Gallery) => {
  await open(page, gallery);
  if ((await page.locator('#console noscript').count()) > 0) return;
  await page.locator(selector).first().waitFor({ state: 'attached' });
  await quiet(page);
};

/** What was and what will be, of somebody whose account is there already. */
const planFields = async (page: Page, gallery: Gallery) => {
  await inConsole('/admin/targets/issues/plan?verdict=link')(page, gallery);
  if ((await page.locator('#console noscript').count()) > 0) return;
  await page.locator('details.fields-of summary').first().click();
  await page.locator('details.fields-of[open]').waitFor();
};

const ofStranger = async (page: Page, gallery: Gallery) => {
  await inConsole('/admin/targets/issues/strangers?search=old.account')(page, gallery);
  if ((await page.locator('#console noscript').count()) > 0) return;
  await page.locator('a.row-link').first().click();
  await page.locator('#decision-adopt').waitFor();
  await settled(page);
};

const ofGroup = (view: string) => async (page: Page, gallery: Gallery) => {
  const [group] = await gallery.database.query<{ id: string }>(
    `select id from groups where name = 'clinicians'`,
  );
  await inConsole(`/admin/groups/${group?.id}${view}`)(page, gallery);
};

let newcomers = 0;

/** Signs up as someone new and stops at "Check your mail". */
export async function toCode(page: Page, gallery: Gallery): Promise<{ address: string }> {
  await page.context().clearCookies();
  // Every look signs up several people: the limits of one network are not what is looked at here.
  await gallery.database.query('delete from rate_buckets');
  await page.goto(`${gallery.origin}/sign-up`);
  newcomers += 1;
  const name = `grace.${[...String(newcomers)].map((digit) => 'abcdefghij'[Number(digit)]).join('')}x`;
  const address = `${name}@example.org`;
  await page.selectOption('#attribute_country', 'Kenya');
  await send(page, '#sign-up', {
    '#given_name': 'Grace',
    '#family_name': 'Hopper',
    '#username': name,
    '#email': address,
    '#password': 'a moth in relay seventy',
  });
  // Where no script solves the puzzle, a form filled in faster than people type is asked for again.
  if (page.url().endsWith('/sign-up')) {
    await page.waitForTimeout(3100);
    await send(page, '#sign-up', { '#password': 'a moth in relay seventy' });
  }
  return { address };
}

async function mailedLink(gallery: Gallery, address: string, path: string): Promise<string> {
  const mails = await gallery.mailTo(address);
  const link = new RegExp(`http\\S+${path}\\?token=\\S+`).exec(mails.at(-1)?.text ?? '')?.[0];
  if (!link) throw new Error(`no link to ${path} in the mail to ${address}`);
  return link;
}

async function recoverLink(page: Page, gallery: Gallery): Promise<string> {
  await page.goto(`${gallery.origin}/recover`);
  await gallery.database.query('delete from rate_buckets');
  await send(page, '#recover', { '#username': 'ada' });
  return mailedLink(gallery, 'ada@example.org', '/recover/new');
}

const guests: View[] = [
  { name: 'sign-in', who: 'guest', open: at('/sign-in') },
  {
    name: 'sign-in-for-app',
    who: 'guest',
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/sign-in`);
      const cookies = await page.context().cookies();
      const browser = cookies.find((one) => one.name.startsWith('gatehouse-browser'))?.value ?? '';
      const request = { front: 'account', application: 'issues', returnTo: '/apps', loginHint: 'ada' };
      const path = await gallery.database.transact(system(), (tx) => requestSignOn(tx, browser, request));
      await page.goto(gallery.origin + path);
    },
  },
  {
    name: 'sign-in-failed',
    who: 'guest',
    status: 422,
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/sign-in`);
      await send(page, '#sign-in', { '#username': 'nobody.here', '#password': 'not this one' });
    },
  },
  { name: 'sign-up', who: 'guest', open: at('/sign-up') },
  {
    name: 'sign-up-errors',
    who: 'guest',
    status: 422,
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/sign-up`);
      await send(page, '#sign-up', { '#username': 'A!', '#email': 'grace at example', '#password': '12345' });
    },
  },
  { name: 'check-your-mail', who: 'guest', open: toCode },
  {
    name: 'code-wrong',
    who: 'guest',
    status: 422,
    open: async (page, gallery) => {
      await toCode(page, gallery);
      await send(page, '#confirm', { '#code': '000000' });
    },
  },
  {
    name: 'change-address',
    who: 'guest',
    open: async (page, gallery) => {
      await toCode(page, gallery);
      await page.goto(`${gallery.origin}/verify/address`);
    },
  },
  {
    name: 'confirm-link',
    who: 'guest',
    open: async (page, gallery) => {
      const { address } = await toCode(page, gallery);
      await page.goto(await mailedLink(gallery, address, '/verify'));
    },
  },
  { name: 'recover', who: 'guest', open: at('/recover') },
  {
    name: 'recover-sent',
    who: 'guest',
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/recover`);
      await send(page, '#recover', { '#username': 'nobody.here' });
    },
  },
  {
    name: 'new-password',
    who: 'guest',
    open: async (page, gallery) => page.goto(await recoverLink(page, gallery)),
  },
  {
    name: 'signed-out',
    who: 'guest',
    open: async (page, gallery) => {
      await signIn(page, gallery, 'ada', 'plum violin tractor');
      await Promise.all([page.waitForEvent('load'), page.click('#sign-out')]);
    },
  },
  ...leavingViews,
  { name: 'error-404', who: 'guest', status: 404, open: at('/nowhere') },
  {
    name: 'error-410',
    who: 'guest',
    status: 410,
    open: async (page, gallery) => {
      const { address } = await toCode(page, gallery);
      const link = await mailedLink(gallery, address, '/verify');
      await page.goto(link);
      await send(page, '#confirm');
      await page.context().clearCookies();
      await page.goto(link);
    },
  },
  {
    name: 'error-500',
    who: 'guest',
    status: 500,
    open: async (page, gallery) => {
      await gallery.database.query('alter table attributes rename to attributes_away');
      await page.goto(`${gallery.origin}/sign-up`);
      await gallery.database.query('alter table attributes_away rename to attributes');
    },
  },
];

const people: View[] = [
  { name: 'account', who: 'ada', open: at('/account') },
  { name: 'account-saved', who: 'ada', open: at('/account?said=saved') },
  { name: 'profile', who: 'ada', open: at('/account/profile') },
  { name: 'address-for', who: 'ada', open: at('/account/address-for') },
  { name: 'address-for-app', who: 'ada', open: at('/address-for/issues') },
  {
    name: 'profile-errors',
    who: 'ada',
    status: 422,
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/account/profile`);
      await send(page, '#save', { '#display_name': '', '#attribute_site': 'ada', '#attribute_years': '' });
    },
  },
  { name: 'password', who: 'ada', open: at('/account/password') },
  {
    name: 'address-refused',
    who: 'ada',
    status: 422,
    open: async (page, gallery) => {
      await page.goto(`${gallery.origin}/account`);
      await send(page, '#add-address', { '#email': 'no address' });
    },
  },
  {
    name: 'address-code',
    who: 'ada',
    open: async (page, gallery) => {
      await gallery.database.query('delete from rate_buckets');
      await page.goto(`${gallery.origin}/account`);
      const confirm = page.locator('form[action$="/confirm"] button').first();
      await Promise.all([page.waitForEvent('load'), confirm.click()]);
    },
  },
  { name: 'apps', who: 'ada', open: at('/apps') },
  { name: 'go-unknown', who: 'ada', status: 404, open: at('/go/no-such-app') },
  { name: 'app-without-address', who: 'ada', status: 404, open: at('/go/records') },
  { name: 'sign-out-question', who: 'ada', open: at('/sign-out') },
  { name: 'error-403', who: 'ada', status: 403, open: at('/admin') },
];

const redirectUris: Record<string, string> = {
  issues: 'https://issues.northlight.example/callback',
  intranet: 'http://10.0.0.5/callback',
};

/** Asks like an app would; PKCE as RFC 7636 appendix B has it. */
function authorize(client: string, more: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    client_id: client,
    redirect_uri: redirectUris[client] ?? '',
    response_type: 'code',
    scope: 'openid profile email',
    state: 'x',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...more,
  });
  return `/oidc/auth?${query}`;
}

const protocol: View[] = [
  { name: 'consent', who: 'ada', open: at(authorize('issues', { prompt: 'consent' })) },
  { name: 'app-forbidden', who: 'ada', status: 403, open: at(authorize('intranet')) },
  {
    name: 'app-return-address-refused',
    who: 'guest',
    status: 400,
    open: at(authorize('issues', { redirect_uri: 'https://elsewhere.example/' })),
  },
  { name: 'app-sign-out-question', who: 'ada', open: at('/oidc/session/end') },
];

const operators: View[] = [
  {
    name: 'admin-setup',
    who: 'guest',
    open: (page, gallery) => page.goto(gallery.origin + gallery.setupLink),
  },
  {
    name: 'admin-setup-mine',
    who: 'ada',
    open: (page, gallery) => page.goto(gallery.origin + gallery.setupLink),
  },
  { name: 'admin-overview', who: 'root', open: inConsole('/admin') },
  { name: 'admin-people', who: 'root', open: inConsole('/admin/people') },
  { name: 'admin-people-search', who: 'root', open: inConsole('/admin/people?search=lindqvist') },
  { name: 'admin-people-nobody', who: 'root', open: inConsole('/admin/people?search=zzzz') },
  { name: 'admin-person', who: 'root', open: ofAda('') },
  { name: 'admin-person-sign-ins', who: 'root', open: ofAda('/sign-ins') },
  { name: 'admin-person-timeline', who: 'root', open: ofAda('/timeline') },
  { name: 'admin-person-entry', who: 'root', open: ofAda('/entry?app=wiki') },
  { name: 'admin-refusals', who: 'root', open: inConsole('/admin/refusals') },
  { name: 'admin-person-lock', who: 'root', open: ofAda('/standing/locked') },
  { name: 'admin-groups', who: 'root', open: inConsole('/admin/groups') },
  { name: 'admin-group-add', who: 'root', open: inConsole('/admin/groups/add') },
  { name: 'admin-group', who: 'root', open: ofGroup('') },
  { name: 'admin-group-remove', who: 'root', open: ofGroup('/remove') },
  { name: 'admin-apps', who: 'root', open: inConsole('/admin/apps') },
  { name: 'admin-app', who: 'root', open: inConsole('/admin/apps/issues') },
  { name: 'admin-app-plain-http', who: 'root', open: inConsole('/admin/apps/intranet') },
  { name: 'admin-app-secret', who: 'root', open: inConsole('/admin/apps/issues/secret') },
  { name: 'admin-app-add', who: 'root', open: inConsole('/admin/apps/add') },
  { name: 'admin-app-add-atlassian', who: 'root', open: inConsole('/admin/apps/add/atlassian-cloud') },
  { name: 'admin-app-settings', who: 'root', open: inConsole('/admin/apps/issues/settings') },
  { name: 'admin-app-settings-people', who: 'root', open: inConsole('/admin/apps/issues/settings/people') },
  {
    name: 'admin-app-settings-sign-in',
    who: 'root',
    open: inConsole('/admin/apps/issues/settings/assurance'),
  },
  { name: 'admin-app-settings-oidc', who: 'root', open: inConsole('/admin/apps/issues/settings/oidc') },
  { name: 'admin-app-settings-saml', who: 'root', open: inConsole('/admin/apps/rota/settings/saml') },
  { name: 'admin-app-add-saml', who: 'root', open: inConsole('/admin/apps/add/saml') },
  { name: 'admin-app-connect', who: 'root', open: inConsole('/admin/apps/issues/connect') },
  {
    name: 'admin-app-test',
    who: 'root',
    open: later(inConsole('/admin/apps/issues/test?person=ada'), '#person-list option'),
  },
  { name: 'admin-targets', who: 'root', open: inConsole('/admin/targets') },
  { name: 'admin-target', who: 'root', open: inConsole('/admin/targets/wiki') },
  { name: 'admin-target-queue', who: 'root', open: inConsole('/admin/targets/wiki/queue') },
  { name: 'admin-target-brake', who: 'root', open: inConsole('/admin/targets/wiki/brake') },
  { name: 'admin-target-person', who: 'root', open: ofAdaAtWiki },
  { name: 'admin-target-well', who: 'root', open: inConsole('/admin/targets/issues') },
  { name: 'admin-target-plan', who: 'root', open: inConsole('/admin/targets/issues/plan') },
  { name: 'admin-target-plan-link', who: 'root', open: inConsole('/admin/targets/issues/plan?verdict=link') },
  { name: 'admin-target-plan-none', who: 'root', open: inConsole('/admin/targets/wiki/plan') },
  {
    name: 'admin-target-plan-approve',
    who: 'root',
    open: inConsole('/admin/targets/issues/plan/approve?verdict=create'),
  },
  { name: 'admin-target-plan-refuse', who: 'root', open: inConsole('/admin/targets/issues/plan/refuse') },
  { name: 'admin-target-subject', who: 'root', open: ofAdaAtIssues('') },
  { name: 'admin-target-look', who: 'root', open: ofAdaAtIssues('/look') },
  {
    name: 'admin-target-relink',
    who: 'root',
    open: later(ofAdaAtIssues('/relink'), '#remote-id-list option'),
  },
  { name: 'admin-target-plan-fields', who: 'root', open: planFields },
  { name: 'admin-target-records', who: 'root', open: ofAdaAtIssues('/records') },
  { name: 'admin-target-link-again', who: 'root', open: ofAdaAtIssues('/link-again') },
  {
    name: 'admin-target-mapping',
    who: 'root',
    open: later(inConsole('/admin/targets/issues/mapping?person=ada'), '.mapped-value [dir]'),
  },
  { name: 'admin-target-settings', who: 'root', open: inConsole('/admin/targets/issues/settings') },
  { name: 'admin-target-remove', who: 'root', open: inConsole('/admin/targets/issues/remove') },
  { name: 'admin-target-strangers', who: 'root', open: inConsole('/admin/targets/issues/strangers') },
  { name: 'admin-target-stranger', who: 'root', open: ofStranger },
  { name: 'admin-target-join', who: 'root', open: inConsole('/admin/targets/issues/join') },
  { name: 'admin-target-add', who: 'root', open: inConsole('/admin/targets/add?app=forum&connector=scim') },
  {
    name: 'admin-target-add-connection',
    who: 'root',
    open: inConsole('/admin/targets/add/connection?app=forum&connector=atlassian'),
  },
  {
    name: 'admin-target-add-who',
    who: 'root',
    open: inConsole('/admin/targets/add/who?app=forum&connector=atlassian'),
  },
  { name: 'admin-person-accounts', who: 'root', open: ofAda('/accounts') },
  { name: 'admin-person-erase', who: 'root', open: ofAda('/erase') },
  { name: 'admin-events', who: 'root', open: inConsole('/admin/events') },
  { name: 'admin-operators', who: 'root', open: inConsole('/admin/operators') },
  { name: 'admin-operator-give', who: 'root', open: inConsole('/admin/operators/give') },
  { name: 'admin-tokens', who: 'root', open: inConsole('/admin/tokens') },
  { name: 'admin-token-make', who: 'root', open: inConsole('/admin/tokens/make') },
  { name: 'admin-registration-tokens', who: 'root', open: inConsole('/admin/tokens/registration') },
  { name: 'admin-registration-token-make', who: 'root', open: inConsole('/admin/tokens/registration/make') },
  { name: 'admin-factor-resets', who: 'root', open: inConsole('/admin/factor-resets') },
  { name: 'admin-factor-reset-ask', who: 'root', open: ofAda('/proofs/ask') },
  { name: 'oidc-test-login', who: 'root', open: at('/oidc/test/wiki') },
  { name: 'admin-nothing-here', who: 'root', open: inConsole('/admin/people/x/y/z/nowhere') },
];

export const views: readonly View[] = [
  ...guests,
  ...people,
  ...aliasMailViews,
  ...protocol,
  ...deviceViews,
  ...samlViews,
  ...upstreamViews,
  ...operators,
  ...factorViews,
  ...ownMailViews,
  ...relayViews,
];

export async function signIn(page: Page, gallery: Gallery, name: string, password: string): Promise<void> {
  await page.goto(`${gallery.origin}/sign-in`);
  await page.fill('#username', name);
  await page.fill('#password', password);
  await Promise.all([page.waitForURL('**/account'), page.click('#sign-in')]);
}
