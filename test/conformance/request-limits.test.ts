/** Apps send people here with requests anybody can make up: what is kept of them, and how many a network may bring. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanUpSignOn } from '#signon/signon.ts';
import {
  application,
  communityFile,
  passwords,
  postFrom,
  publishedCertificates,
  SamlParty,
} from '#test/flows/saml-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { behindProxy, newNetwork } from './stage.ts';

const tracker = `  - id: tracker
    title: Tracker
    secret: a-secret-of-at-least-thirty-two-characters
    consent: trusted
    oidc: { redirectUris: ["http://127.0.0.1:9/callback"] }`;
const authorize = `/oidc/auth?${new URLSearchParams({
  client_id: 'tracker',
  response_type: 'code',
  scope: 'openid',
  redirect_uri: 'http://127.0.0.1:9/callback',
  state: 'x',
})}`;
const ofNetwork = { points: 6000, windowSeconds: 600 };
const ofBrowser = { points: 100, windowSeconds: 600 };
let platform: Platform;
let board: SamlParty;

before(async () => {
  platform = await startPlatform({ env: behindProxy, realTime: true });
  await platform.apply(communityFile([application('board', ''), tracker].join('\n'), ''));
  board = new SamlParty(platform.origin, 'board', await publishedCertificates(platform.origin));
});

const at = (network: string) => platform.visitor({ 'x-forwarded-for': network });
const fill = (key: string, limit: { points: number; windowSeconds: number }, left: number) =>
  platform.limits.take(key, { ...limit, cost: limit.points - left });

/** What requests of apps leave here. */
async function kept(): Promise<number> {
  const [row] = await platform.database.query<{ count: number }>(
    `select ((select count(*) from signon_requests) + (select count(*) from saml_requests)
      + (select count(*) from saml_messages)
      + (select count(*) from oidc_payloads where kind = 'Interaction'))::int as count`,
  );
  return row!.count;
}

const browserId = (visitor: Visitor) =>
  [...visitor.cookies].find(([name]) => name.includes('-browser'))?.[1] ?? '';

async function assertTurnedAway(visitor: Visitor, url: string, what: string): Promise<void> {
  const before = await kept();
  const seen = await visitor.open(url);
  assert.equal(seen.status, 429, what);
  assert.ok(Number(seen.headers.get('retry-after')) > 0, what);
  assert.match(seen.text, /too many requests from your network/, what);
  assert.equal(await kept(), before, `${what}: nothing is kept`);
}

test('requests of apps are kept for so many of a network only; the others are told when to come again', async () => {
  const network = newNetwork();
  await fill(`requests:${network}`, ofNetwork, 2);
  const first = at(network);
  assert.match((await first.open(authorize)).url, /\/sign-in\?request=/, 'two are kept a sign-in');
  await assertTurnedAway(at(network), authorize, 'OpenID Connect');
  await assertTurnedAway(at(network), board.request(), 'SAML by redirect');
  const posting = at(network);
  const before = await kept();
  const posted = await posting.request('/saml/sso', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://board.example.org' },
    body: new URLSearchParams(board.postedRequest()).toString(),
  });
  assert.deepEqual([posted.status, await kept()], [429, before], 'SAML by POST');
  const elsewhere = at(newNetwork());
  assert.match((await elsewhere.open(authorize)).url, /\/sign-in\?request=/, 'another network');
  await platform.database.query(`update rate_buckets set window_ends = now() - interval '1 second'`);
  assert.match((await at(network).open(authorize)).url, /\/sign-in\?request=/, 'the window is over');
});

test('one browser that asks and asks is turned away, and takes nothing from its network', async () => {
  const network = newNetwork();
  const visitor = at(network);
  await visitor.open('/sign-in');
  await fill(`requests-browser:${browserId(visitor)}`, ofBrowser, 2);
  assert.match((await visitor.open(authorize)).url, /\/sign-in\?request=/);
  for (let more = 0; more < 3; more += 1) await assertTurnedAway(visitor, authorize, 'again');
  await fill(`requests:${network}`, ofNetwork, 4);
  assert.match((await at(network).open(authorize)).url, /\/sign-in\?request=/, 'a neighbour');
});

test('opening a request again and again keeps no more than the browser may', async () => {
  const visitor = at(newNetwork());
  await visitor.open(authorize);
  const interaction = visitor.page.url;
  assert.match(interaction, /\/sign-in/);
  await visitor.open(board.request());
  await fill(`requests-browser:${browserId(visitor)}`, ofBrowser, 0);
  const { request } = Object.fromEntries(new URL(visitor.page.url).searchParams);
  assert.ok(request);
  const [row] = await platform.database.query<{ to: string }>(
    `select request->>'returnTo' as to from signon_requests where id = $1`,
    [request],
  );
  await assertTurnedAway(visitor, row!.to, 'the open request of SAML');
});

test('what is answered for a session that is there counts for nobody: a network of people at work goes on', async () => {
  const network = newNetwork();
  const ada = at(network);
  await ada.signIn('ada', passwords.ada);
  await fill(`requests:${network}`, ofNetwork, 1);
  for (let times = 0; times < 5; times += 1) {
    await ada.open(board.request());
    assert.equal(board.delivered(ada).action, board.acsUrl);
    const back = await ada.open(authorize);
    assert.match(back.headers.get('location') ?? '', /^http:\/\/127\.0\.0\.1:9\/callback\?code=/);
  }
});

test('a house full of people behind one address signs in at two apps each within ten minutes', async () => {
  const network = newNetwork();
  // So many were here before; two hundred more of three thousand are acted out.
  await fill(`requests:${network}`, ofNetwork, 400);
  for (let from = 0; from < 200; from += 20) {
    const seen = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const visitor = at(network);
        if (index % 2 === 0) return visitor.open(authorize);
        await postFrom(visitor, '/saml/sso', board.postedRequest());
        return visitor.page;
      }),
    );
    for (const { url } of seen) assert.match(url, /\/sign-in\?request=/);
  }
});

test('what was kept of requests is gone when their hour is over', async () => {
  await at(newNetwork()).open(authorize);
  const lives = await platform.database.query<{ seconds: number }>(
    'select distinct extract(epoch from expires_at - created_at)::int as seconds from signon_requests',
  );
  assert.deepEqual(lives, [{ seconds: 3600 }]);
  await platform.database.query(`update signon_requests set expires_at = now() - interval '1 second'`);
  await cleanUpSignOn(platform);
  assert.deepEqual(await platform.database.query('select 1 from signon_requests'), []);
});
