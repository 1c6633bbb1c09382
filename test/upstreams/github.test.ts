/** Signing in with GitHub: by its numeric id, its verified primary address, and its habit of refusing with status 200. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { sealSignOn } from '#signon/dispatch.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type GithubDouble, githubSecret, startGithub } from './github-double.ts';
import { browser, idOn, textOf } from './stage.ts';

let platform: Platform;
let github: GithubDouble;

const declare = (more = '', own = '') =>
  platform.apply(
    `upstreams:\n  - { id: github, title: GitHub, privateNetwork: true, github: { clientId: Iv1, url: "${github.url}"${own} }, credentials: { clientSecret: ${githubSecret} }${more} }\n`,
  );

before(async () => {
  github = await startGithub();
  platform = await startPlatform({ realTime: true });
  await platform.apply('community: { name: Harbour }\ngroups: [{ name: devs }]\n');
});
after(() => github.stop());
beforeEach(async () => {
  Object.assign(github, { declines: false, down: false, tokenAnswer: undefined });
  await declare();
});

const come = () => browser(platform, [github.url]).go('/upstream/github/start');

test('someone with a verified primary address joins with one form, is followed by id through a new name, and an address there opens nothing', async () => {
  github.account = {
    id: 583231,
    login: 'octocat',
    name: 'Octo Cat',
    emails: [
      { email: 'other@cat.test', primary: false, verified: true },
      { email: 'octo@cat.test', primary: true, verified: true },
    ],
  };
  const mine = browser(platform, [github.url]);
  const choice = await mine.go('/upstream/github/start');
  const form = await mine.go(`${new URL(choice.url).pathname}/new`);
  assert.match(form.text, /value="octo@cat.test"/);
  assert.match(form.text, /Confirmed by GitHub/);
  const home = await mine.send({
    username: 'octocat',
    given_name: 'Octo',
    family_name: 'Cat',
    email: 'octo@cat.test',
  });
  assert.match(home.url, /\/account$/);
  assert.match(textOf(home), /octo@cat.test main confirmed/);
  github.account = { ...github.account, login: 'renamed', emails: [] };
  const again = await come();
  assert.match(again.url, /\/account$/);
  assert.match(textOf(again), /GitHub renamed/);
  github.account = {
    id: 99,
    login: 'octocat',
    emails: [{ email: 'octo@cat.test', primary: true, verified: true }],
  };
  const thief = await come();
  assert.match(thief.url, /\/arrivals\//, 'the name and the address were his, the id is not');
  assert.ok(idOn(thief, 'known'), 'a trusted upstream verified the address, so whose it is may be said');
});

test('an address that is not primary and verified is not taken from there', async () => {
  github.account = {
    id: 7,
    login: 'seven',
    emails: [
      { email: 'a@seven.test', primary: true, verified: false },
      { email: 'b@seven.test', primary: false, verified: true },
    ],
  };
  await declare(', newPeople: create');
  const mine = browser(platform, [github.url]);
  const page = await mine.go('/upstream/github/start');
  assert.match(page.url, /\/arrivals\//);
  const form = await mine.go(`${new URL(page.url).pathname}/new`);
  assert.match(form.text, /name="email"[^>]*value=""/);
});

test('members of the organisations may come, others may not; organisations are groups', async () => {
  await declare(
    ', newPeople: create, groups: [{ from: openmrs, to: devs, owned: true }]',
    ', organisations: [OpenMRS]',
  );
  github.account = {
    id: 8,
    login: 'eight',
    name: 'Eight',
    emails: [{ email: 'e@eight.test', primary: true, verified: true }],
    organisations: ['elsewhere'],
  };
  const refused = await come();
  assert.equal(refused.status, 403);
  assert.match(textOf(refused), /GitHub did not sign you in/);
  assert.match(textOf(refused), /upstream-foreign/);
  github.account.organisations = ['openmrs'];
  assert.match((await come()).url, /\/account$/);
  const rows = await platform.database.query(
    `select 1 from memberships m join people p on p.id = m.person join groups g on g.id = m.group_id
     where p.username = 'eight' and g.name = 'devs'`,
  );
  assert.equal(rows.length, 1);
});

test('what goes wrong there is a page with its name: declined, refused with 200, nonsense, down', async () => {
  github.account = { id: 9, login: 'nine', emails: [] };
  const outcomes: [() => void, RegExp, number][] = [
    [() => Object.assign(github, { declines: true }), /upstream-declined/, 403],
    [
      () => Object.assign(github, { declines: false, tokenAnswer: { error: 'bad_verification_code' } }),
      /upstream-answer/,
      403,
    ],
    [() => Object.assign(github, { tokenAnswer: { hello: 'world' } }), /upstream-answer/, 403],
    [
      () =>
        Object.assign(github, { tokenAnswer: undefined, account: { id: '9', login: 'nine', emails: [] } }),
      /upstream-answer/,
      403,
    ],
    [() => Object.assign(github, { account: { id: 0, login: 'nine', emails: [] } }), /upstream-answer/, 403],
  ];
  for (const [prepare, code, status] of outcomes) {
    prepare();
    const page = await come();
    assert.equal(page.status, status);
    assert.match(textOf(page), /GitHub did not sign you in/);
    assert.match(textOf(page), code);
  }
  const mine = browser(platform, [github.url]);
  const away = await mine.here.request('/upstream/github/start');
  const seen = await mine.there[0]!.request(away.headers.get('location')!);
  github.down = true;
  const page = await mine.go(seen.headers.get('location')!);
  assert.equal(page.status, 503);
  assert.match(textOf(page), /upstream-unreachable/);
});

test('AU-20 GitHub says nothing of how: one factor, and never proof of this moment', async () => {
  github.account = { id: 583231, login: 'renamed', emails: [] };
  const mine = browser(platform, [github.url]);
  await mine.go('/upstream/github/start');
  const [row] = await platform.database.query<{ amr: string[]; aal: number }>(
    'select amr, aal from sessions order by created_at desc limit 1',
  );
  assert.deepEqual(row, { amr: [], aal: 1 });
  await platform.database.query("update sessions set auth_time = auth_time - interval '1 hour'");
  const cookie = [...mine.here.cookies].find(([name]) => name.startsWith('gatehouse-browser'))![1];
  const request = sealSignOn(
    platform.secrets,
    { browser: cookie, now: new Date() },
    { front: 'account', returnTo: '/account/profile', provedAfter: new Date().toISOString() },
  );
  assert.ok(!idOn(await mine.go(request), 'with-github'), 'it is not offered where it cannot help');
  const id = new URL(request, platform.origin).searchParams.get('request')!;
  const refused = await mine.go(`/upstream/github/start?request=${encodeURIComponent(id)}`);
  assert.match(textOf(refused), /upstream-not-fresh/);
});
