/** Signing in through a real OpenID provider: arriving, joining, linking, coming back, what is synced, what is refused. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type OidcUpstream, startOidcUpstream, upstreamSecret } from '#test/peers/oidc-upstream.ts';
import { type Browser, browser, idOn, publicAddress, textOf } from './stage.ts';

let platform: Platform;
let peer: OidcUpstream;

const password = 'plum violin tractor';

async function declare(settings = ''): Promise<void> {
  await platform.apply(`
upstreams:
  - id: corp
    title: Corp
    privateNetwork: true
    oidc: { issuer: "${peer.issuer}", clientId: gatehouse }
    credentials: { clientSecret: ${upstreamSecret} }
${settings}`);
}

before(async () => {
  const { origin, env } = await publicAddress();
  peer = await startOidcUpstream({ redirectUris: [`${origin}/upstream/corp/callback`] });
  platform = await startPlatform({ env, realTime: true });
  await platform.apply(`
community: { name: Harbour }
groups: [{ name: staff }, { name: readers }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${password}, addresses: [ada@example.org] }
`);
});
after(() => peer.stop());
beforeEach(async () => {
  peer.strength = {};
  peer.instead = undefined;
  await declare();
});

function comes(id: string, claims: Record<string, unknown>): Browser {
  peer.people.set(id, claims);
  peer.account = id;
  return browser(platform, [peer.issuer]);
}

const start = '/upstream/corp/start';

test('someone new is asked whether they have an account, makes one, confirms the address, and comes back without a question', async () => {
  const grace = comes('grace-1', {
    preferred_username: 'Grace.Hopper',
    given_name: 'Grace',
    family_name: 'Hopper',
    email: 'grace@example.net',
    email_verified: true,
  });
  const page = await grace.go('/sign-in');
  assert.ok(idOn(page, 'with-corp'));
  const choice = await grace.go(start);
  assert.match(choice.url, /\/upstream\/arrivals\//);
  assert.ok(idOn(choice, 'make-account') && idOn(choice, 'have-account'));
  const form = await grace.go(`${new URL(choice.url).pathname}/new`);
  assert.match(form.text, /value="grace.hopper"/);
  assert.match(form.text, /value="grace@example.net"/);
  const waits = await grace.send({
    username: 'grace.hopper',
    given_name: 'Grace',
    family_name: 'Hopper',
    email: 'grace@example.net',
  });
  assert.match(waits.url, /\/verify\/code/, 'this upstream is not trusted with addresses');
  const [mail] = await platform.mailTo('grace@example.net');
  const code = /\b(\d{6})\b/.exec(mail!.text)![1]!;
  const home = await grace.send({ code }, '/verify/code');
  assert.match(home.url, /\/account$/);
  const [session] = await platform.database.query<{ amr: string[]; aal: number; upstream: string }>(
    `select s.amr, s.aal, u.upstream from sessions s join people p on p.id = s.person
       join session_upstreams u on u.session = s.id where p.username = 'grace.hopper'`,
  );
  assert.deepEqual(
    session,
    { amr: [], aal: 1, upstream: 'corp' },
    'nothing was told of how, so nothing is said',
  );

  const again = comes('grace-1', peer.people.get('grace-1')!);
  assert.match((await again.go(start)).url, /\/account$/);
});

test('where nothing is missing and settings say so, an account is made at once; a taken name is asked for', async () => {
  await declare('    newPeople: create\n    authoritative: [corp.test]\n');
  const tim = comes('tim-1', {
    preferred_username: 'tim',
    given_name: 'Tim',
    family_name: 'Berners',
    email: 'tim@corp.test',
    email_verified: true,
  });
  assert.match((await tim.go(start)).url, /\/account$/);
  const other = comes('tim-2', {
    preferred_username: 'ada',
    given_name: 'Other',
    email: 'other@corp.test',
    email_verified: true,
  });
  const home = await other.go(start);
  assert.match(home.url, /\/account$/);
  assert.match(textOf(home), /\bother\b/, 'the name there is taken here, the next proposal is not');
  const third = comes('tim-3', { preferred_username: 'ada', given_name: 'Third', email_verified: true });
  const asked = await third.go(start);
  assert.match(asked.url, /\/arrivals\//);
  const form = await third.go(`${new URL(asked.url).pathname}/new`);
  assert.match(form.text, /name="username"[^>]*value=""/);
  const taken = await third.send({
    username: 'ada',
    given_name: 'Third',
    family_name: '',
    email: 'x@corp.test',
  });
  assert.equal(taken.status, 422);
  assert.match(textOf(taken), /already has this user name/);
});

test('names, attributes and owned groups follow the upstream at each sign-in; other groups come with the account', async () => {
  await platform.apply('attributes: [{ name: team, type: text, title: Team }]\n');
  await declare(`    newPeople: create
    authoritative: [corp.test]
    sync: always
    mapping: { attributes: { team: "claims.team" } }
    groups:
      - { from: people-staff, to: staff, owned: true }
      - { from: people-read, to: readers }
`);
  peer.people.set('lin-1', {});
  const told = {
    preferred_username: 'lin',
    given_name: 'Lin',
    family_name: 'One',
    email: 'lin@corp.test',
    email_verified: true,
    groups: ['people-staff', 'people-read'],
  };
  const first = comes('lin-1', told);
  assert.match((await first.go(start)).url, /\/account$/);
  const groups = async () =>
    (
      await platform.database.query<{ name: string }>(
        `select g.name from memberships m join groups g on g.id = m.group_id join people p on p.id = m.person
         where p.username = 'lin' order by 1`,
      )
    ).map((one) => one.name);
  assert.deepEqual(await groups(), ['readers', 'staff']);
  const later = comes('lin-1', { ...told, family_name: 'Two', groups: [] });
  const home = await later.go(start);
  assert.match(textOf(home), /Lin Two/);
  assert.deepEqual(await groups(), ['readers'], 'the owned one is gone, the other one stays');
  comes('lin-1', { ...told, groups: undefined });
  const silent = browser(platform, [peer.issuer]);
  await silent.go(start);
  assert.deepEqual(await groups(), ['readers']);
});

test('someone with an account links it by signing in here as well, and only then', async () => {
  const ada = comes('ada-there', {
    preferred_username: 'ada',
    email: 'ada@example.org',
    email_verified: true,
  });
  const choice = await ada.go(start);
  const path = new URL(choice.url).pathname;
  const signIn = await ada.go(`${path}/link`);
  assert.match(signIn.url, /\/sign-in\?request=/);
  const confirm = await ada.send({ username: 'ada', password }, '/sign-in');
  assert.match(confirm.url, /\/link$/);
  const home = await ada.send({}, `${path}/link`);
  assert.match(home.url, /\/account$/);
  const [mail] = await platform.mailTo('ada@example.org', /^A new way into/);
  assert.match(mail!.text, /Corp/);
  const again = comes('ada-there', peer.people.get('ada-there')!);
  assert.match((await again.go(start)).url, /\/account$/);
});
