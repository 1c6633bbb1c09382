/** AD-07: there is no acting as another person here. That nothing amounts to it is swept over every route there is. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { type App, routeList } from '#kit/http/server.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { addPeople, behindProxy, signedIn } from './stage.ts';

const right = 'plum violin tractor';
let platform: Platform;
let app: App;
/** An owner: may do whatever can be done at all. */
let root: Visitor;
let ada: string;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  app = platform.app!;
  await addPeople(platform, [{ username: 'ada', password: right, address: 'ada@example.org' }]);
  await platform.apply(
    `people: [{ username: root, password: ${right}, addresses: [root@example.org], operator: owner }]`,
  );
  root = await signedIn(platform, { username: 'root', password: right });
  ada = await platform.database.read(system(), async (tx) => (await findByUsername(tx, 'ada'))?.id ?? '');
  assert.ok(ada);
});

/** What elsewhere makes a server take somebody for another one. */
const names =
  'as user user_id userid username person sub subject uid account login_as act_as acting_as on_behalf_of impersonate impersonated_user requested_subject _switch_user sudo su assume effective_user run_as actor'.split(
    ' ',
  );
const headers =
  'act-as x-act-as x-impersonate-user impersonate-user x-on-behalf-of on-behalf-of x-switch-user sudo x-sudo x-user x-user-id x-username x-remote-user remote-user x-forwarded-user x-auth-request-user x-authenticated-user x-webauth-user x-ms-client-principal-name x-goog-authenticated-user-email'.split(
    ' ',
  );

const addressOf = (url: string) => url.replace(/:person|:id/g, ada).replace(/:[a-z]+|\*/gi, ada);

/** Sessions and whatever else stands for being signed in, by person. */
async function standsFor(person: string): Promise<unknown> {
  return {
    sessions: await platform.database.query('select id, amr from sessions where person = $1', [person]),
    codes: await platform.database.query('select kind from oidc_payloads where person = $1', [person]),
    tokens: await platform.database.query('select id from api_tokens where maker = $1', [person]),
  };
}
const nothing = { sessions: [], codes: [], tokens: [] };

test('AD-07 no route is there to act as somebody', () => {
  const routes = routeList(app);
  assert.ok(routes.length >= 100, `${routes.length} routes were swept`);
  const speaking = routes.filter(({ url }) =>
    /imperson|act-?as|acting|masquerad|(?:log|sign)-?in-?as|switch-?user|\bsu\b|sudo|assume|behalf|delegat/i.test(
      url,
    ),
  );
  assert.deepEqual(
    speaking.map(({ method, url }) => `${method} ${url}`),
    [],
  );
});

test('AD-07 an owner stays who they are on every page, whatever a request says beside it', async () => {
  const claimed = [ada, 'ada', 'ada@example.org'];
  const pages = routeList(app).filter(
    ({ method, url }) => method === 'GET' && !url.includes('/sign-out') && !url.startsWith('/assets'),
  );
  for (const claim of claimed) {
    const query = new URLSearchParams(names.map((name) => [name, claim])).toString();
    const given = Object.fromEntries(headers.map((name) => [name, claim]));
    const cookie = `${[...root.cookies].map(([name, value]) => `${name}=${value}`).join('; ')}; user=${claim}; username=${claim}; act_as=${claim}`;
    for (const { url } of pages) {
      const seen = await root.request(`${addressOf(url)}?${query}`, { headers: { ...given, cookie } });
      if (!url.startsWith('/account')) continue;
      assert.doesNotMatch(seen.text, /\bada\b(?!@|[-\w])(?![^<]*value=)/i, `${url} speaks of somebody else`);
    }
    const me = await root.request('/api/v1/whoami', {
      headers: { ...given, 'sec-fetch-site': 'same-origin', 'x-gatehouse-console': '1' },
    });
    assert.doesNotMatch(me.text, new RegExp(ada), me.text);
    assert.deepEqual(await standsFor(ada), nothing);
  }
  const home = await root.open('/account');
  assert.match(home.text, /root/, 'and is still in');
});

test('AD-07 nothing an owner can ask of the API makes a session, a code or a token of somebody else', async () => {
  const { token } = await platform.database.transact(system('admin'), (tx) =>
    createToken(tx, { name: 'sweep', scopes: ['admin'] }),
  );
  const who = Object.fromEntries(names.map((name) => [name, ada]));
  const bodies = [
    {},
    { person: ada },
    { username: 'ada' },
    { person: ada, ...who },
    { subject: `person:${ada}` },
  ];
  // Whoever is erased could stand for nothing any more, and the rest would prove nothing.
  const routes = routeList(app).filter(
    ({ door, method, url }) => door === 'api' && method !== 'HEAD' && !url.endsWith('/erase'),
  );
  assert.ok(routes.length >= 50);
  for (const { method, url } of routes) {
    for (const body of method === 'GET' ? [undefined] : bodies) {
      const answer = await fetch(`${platform.origin}${addressOf(url)}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          'x-forwarded-for': '198.18.200.1',
          ...Object.fromEntries(headers.map((name) => [name, ada])),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      assert.equal(answer.headers.get('set-cookie'), null, `${method} ${url}`);
      await answer.arrayBuffer();
    }
  }
  assert.deepEqual(await standsFor(ada), nothing);
  const still = await platform.database.read(system(), (tx) => findByUsername(tx, 'ada'));
  assert.deepEqual([still?.id, still?.state], [ada, 'active'], 'and could have had one all the while');
  const made = await platform.database.query<{ maker: string | null }>(
    `select distinct maker from api_tokens where name <> 'sweep'`,
  );
  assert.deepEqual(made, [], 'no token was made for anybody');
});

test('AD-07 no grant of ours takes one token for that of another person', async () => {
  const answer = await fetch(`${platform.origin}/.well-known/openid-configuration`);
  const { grant_types_supported: grants, claims_supported: claims } = (await answer.json()) as Record<
    string,
    string[]
  >;
  const own =
    /^(?:authorization_code|refresh_token|client_credentials|urn:ietf:params:oauth:grant-type:device_code)$/;
  assert.deepEqual(
    (grants ?? []).filter((grant) => !own.test(grant)),
    [],
    'no token exchange, no password, no assertion for somebody',
  );
  assert.ok(!(claims ?? []).includes('act') && !(claims ?? []).includes('may_act'));
});
