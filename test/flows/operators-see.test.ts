/** What operators see and do around apps and people: how sign-outs went, tokens for new apps, lost proofs, published metadata. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { appoint } from '#core/operators/operators.ts';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { callApi } from '../api.ts';
import { eventually } from '../eventually.ts';
import { idOf, withApp } from '../factors.ts';
import { type Platform, startPlatform } from '../kit.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';

let platform: Platform;
let origin = '';
const tokens: Record<string, string> = {};
/** What each address answers: a status, or a text. */
const answers = new Map<string, number | string>();
const apps = createServer((request, response) => {
  const answer = answers.get(new URL(request.url ?? '', 'http://x').pathname.slice(1)) ?? 200;
  request.resume();
  request.on('end', () => {
    if (typeof answer === 'number') response.writeHead(answer).end();
    else response.writeHead(200, { 'content-type': 'application/samlmetadata+xml' }).end(answer);
  });
});

before(async () => {
  apps.listen(0, '127.0.0.1');
  await once(apps, 'listening');
  origin = `http://127.0.0.1:${(apps.address() as AddressInfo).port}`;
  platform = await startPlatform({ realTime: true, env: { GATEHOUSE_OUTBOUND_ALLOW: new URL(origin).host } });
  const app = (id: string, more = '') => `
  - { id: ${id}, title: "The ${id} app", secret: ${secret}, consent: trusted, oidc: { redirectUris: ["${origin}/callback"]${more} } }`;
  const told = (id: string) => app(id, `, backchannelLogoutUri: "${origin}/${id}"`);
  await platform.apply(`${communityFile}${told('quick')}${told('stubborn')}${app('silent')}`);
  await platform.database.transact(system('admin'), async (tx) => {
    for (const role of ['owner', 'apps', 'auditor', 'people'])
      tokens[role] = (await createToken(tx, { name: role, scopes: [role] })).token;
    const owned = { name: 'app-owner', scopes: ['app-owner'], application: 'quick' };
    tokens['app-owner'] = (await createToken(tx, owned)).token;
  });
});
after(() => {
  apps.close();
  apps.closeAllConnections();
});

const call = (method: string, path: string, { as = 'owner', body }: { as?: string; body?: unknown } = {}) =>
  callApi(platform, tokens[as], method, path, body);

test('how signing out went at each app is seen on the person and on the app, with when and why', async () => {
  answers.set('stubborn', 501);
  const ada = platform.visitor();
  await ada.signIn('ada', passwords.ada);
  for (const id of ['quick', 'stubborn', 'silent'])
    await new Party(platform, { id, redirectUri: `${origin}/callback` }).authorize(ada);
  const id = await idOf(platform, 'ada');
  assert.deepEqual((await call('GET', `/people/${id}/sign-outs`)).body.items, []);
  assert.deepEqual((await call('GET', '/applications/quick/sign-outs')).body.items, []);
  await ada.open('/account');
  await ada.submit({}, '/sign-out');
  // Told is told again for a while where an app did not take it: meanwhile it is asked.
  const seen = await eventually(async () => {
    const [latest] = (await call('GET', `/people/${id}/sign-outs`)).body.items;
    const states = Object.fromEntries(
      (latest.apps as { application: string }[]).map((one) => [one.application, one]),
    ) as Record<string, Record<string, unknown>>;
    const isKnown = states.quick?.state === 'ended' && Number(states.stubborn?.attempts) >= 1;
    return isKnown && { latest, states };
  });
  assert.equal(seen.latest.reason, 'signed-out');
  assert.equal(seen.states.quick?.title, 'The quick app');
  assert.equal(seen.states.quick?.answer, 'HTTP 200');
  assert.ok(Date.parse(String(seen.states.quick?.settledAt)) > 0);
  assert.equal(seen.states.stubborn?.answer, 'HTTP 501');
  assert.deepEqual([seen.states.silent?.state, seen.states.silent?.because], ['unreachable', 'no-way']);
  const [mine] = (await call('GET', '/applications/quick/sign-outs')).body.items;
  assert.equal(mine.state, 'ended');
  assert.equal(mine.person.displayName, 'Ada Lovelace');
  assert.equal(mine.reason, 'signed-out');
  // Whoever sees the app and not people sees how it went, not whose it was; another app is none of theirs.
  const [owned] = (await call('GET', '/applications/quick/sign-outs', { as: 'app-owner' })).body.items;
  assert.equal(owned.state, 'ended');
  assert.equal(owned.person, undefined);
  assert.equal((await call('GET', '/applications/silent/sign-outs', { as: 'app-owner' })).status, 404);
  assert.equal((await call('GET', `/people/${id}/sign-outs`, { as: 'apps' })).status, 403);
});

test('SAML apps nobody could ask any more, as the browser was gone, are told from those that were asked', async () => {
  await platform.apply(`applications:
  - { id: papers, title: Papers, consent: trusted, saml: { entityId: "urn:papers", acsUrls: ["https://papers.example.org/acs"], idpInitiated: { allowed: true }, sloUrl: "https://papers.example.org/slo" } }
`);
  const bob = platform.visitor();
  await bob.signIn('bob', passwords.bob);
  await bob.open('/saml/launch/papers');
  const id = await idOf(platform, 'bob');
  assert.equal((await call('DELETE', `/people/${id}/sessions`)).body.ended, 1);
  const [latest] = (await call('GET', `/people/${id}/sign-outs`)).body.items;
  assert.equal(latest.reason, 'admin');
  assert.deepEqual(latest.apps, [
    { application: 'papers', title: 'Papers', state: 'unreachable', because: 'not-asked' },
  ]);
});

test('tokens for new apps are made, listed with the apps they let in, and withdrawn; the log knows', async () => {
  const ends = new Date(Date.now() + 86_400_000).toISOString();
  const made = await call('POST', '/registration-tokens', { body: { name: 'Jo', uses: 2, expiresAt: ends } });
  assert.equal(made.status, 201);
  assert.match(made.body.token, /^ghr_/);
  const before = (await call('GET', '/registration-tokens', { as: 'auditor' })).body;
  assert.equal(before.isOpen, false);
  assert.equal(before.items[0].usesLeft, 2);
  assert.doesNotMatch(JSON.stringify(before), /ghr_/);
  await platform.apply('community: { name: Harbour, appRegistration: token }\n');
  const registered = await fetch(`${platform.origin}/oidc/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${made.body.token}` },
    body: JSON.stringify({ redirect_uris: ['https://new.example.org/cb'], client_name: 'New one' }),
  });
  assert.equal(registered.status, 201);
  const { isOpen, items, former } = (await call('GET', '/registration-tokens')).body;
  assert.equal(isOpen, true);
  assert.deepEqual([items[0].usesLeft, items[0].apps[0].title, former], [1, 'New one', []]);
  assert.equal((await call('DELETE', `/registration-tokens/${made.body.id}`, { as: 'auditor' })).status, 403);
  assert.equal((await call('DELETE', `/registration-tokens/${made.body.id}`)).status, 204);
  assert.equal((await call('DELETE', `/registration-tokens/${made.body.id}`)).status, 404);
  const after = (await call('GET', '/registration-tokens')).body;
  assert.deepEqual([after.items, after.former[0].title], [[], 'New one']);
  const log = (await call('GET', '/events?limit=50')).body.items as { type: string }[];
  for (const type of ['registration-token.created', 'registration-token.revoked'])
    assert.ok(
      log.some((one) => one.type === type),
      type,
    );
  for (const body of [
    { name: '', expiresAt: ends },
    { name: 'x', uses: 0, expiresAt: ends },
  ])
    assert.ok((await call('POST', '/registration-tokens', { body })).status >= 400);
  const over = { name: 'x', expiresAt: new Date(Date.now() - 1000).toISOString() };
  assert.equal((await call('POST', '/registration-tokens', { body: over })).status, 400);
});

test('lost proofs are listed with who asked, who agreed and what came of it', async () => {
  const ada = await idOf(platform, 'ada');
  await withApp(platform, 'ada');
  await platform.database.transact(system('admin'), async (tx) => {
    for (const name of ['bob', 'eve'])
      await appoint(tx, { person: await idOf(platform, name), role: 'people' });
  });
  const as = async (name: 'bob' | 'eve', method: string, path: string, body?: unknown) => {
    const visitor = platform.visitor();
    await visitor.signIn(name, passwords[name]);
    const seen = await visitor.request(`${platform.origin}/api/v1${path}`, {
      method,
      headers: {
        accept: 'application/json',
        origin: platform.origin,
        'sec-fetch-site': 'same-origin',
        'x-gatehouse-console': '1',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return seen.status;
  };
  const listed = async () => (await call('GET', '/factor-resets', { as: 'auditor' })).body.items[0];
  assert.equal(await as('bob', 'POST', `/people/${ada}/factor-reset`, { reason: 'known by voice' }), 200);
  const asked = await listed();
  assert.deepEqual(
    [asked.state, asked.person.username, asked.askedBy.username, asked.reason],
    ['asked', 'ada', 'bob', 'known by voice'],
  );
  assert.equal(await as('bob', 'POST', `/people/${ada}/factor-reset/approve`, {}), 403);
  assert.equal(await as('eve', 'POST', `/people/${ada}/factor-reset/approve`, {}), 200);
  const agreed = await listed();
  assert.deepEqual([agreed.state, agreed.approvedBy.username], ['approved', 'eve']);
  assert.ok(Date.parse(agreed.dueAt) > Date.now());
  assert.equal(await as('bob', 'DELETE', `/people/${ada}/factor-reset`), 200);
  const off = await listed();
  assert.deepEqual([off.state, off.cancelledBy.username], ['cancelled', 'bob']);
  assert.equal((await call('GET', '/factor-resets', { as: 'apps' })).status, 403);
});

const spMetadata = (entityId: string) =>
  `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://rota.example.org/acs" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>`;

test('an app that publishes its metadata is added by their address alone: its entity id is read from them', async () => {
  answers.set('metadata', spMetadata('urn:rota'));
  answers.set('gone', 404);
  answers.set('strange', '<html/>');
  const values = { title: 'Rota', metadataUrl: `${origin}/metadata` };
  const add = (id: string, more: object) =>
    call('POST', '/applications', { body: { id, template: 'saml', values: { ...values, ...more } } });
  const made = await add('rota', {});
  assert.equal(made.status, 201);
  assert.equal(made.body.settings.saml.entityId, 'urn:rota');
  assert.equal(made.body.settings.saml.metadata.url, `${origin}/metadata`);
  for (const [path, why] of [
    ['gone', /404/],
    ['strange', /Could not be read now/],
  ] as const) {
    const { status, body } = await add('other', { metadataUrl: `${origin}/${path}` });
    assert.equal(status, 400);
    assert.match(body.fields['values.metadataUrl'].text, why);
    assert.match(body.fields['values.metadataUrl'].text, /type the entity ID or paste the metadata/);
  }
  // What is typed counts, and nothing is fetched for it; as text it is read from the text.
  const typed = await add('typed', { metadataUrl: `${origin}/gone`, entityId: 'urn:typed' });
  assert.equal(typed.body.settings.saml.entityId, 'urn:typed');
  const pasted = await add('pasted', { metadataUrl: '', metadata: spMetadata('urn:pasted') });
  assert.equal(pasted.body.settings.saml.entityId, 'urn:pasted');
  // Whoever may only look has nothing fetched.
  const look = { as: 'auditor', body: { values } };
  const seen = await call('POST', '/application-templates/saml/settings', look);
  assert.match(seen.body.fields['values.entityId'].text, /not fetched/);
});
