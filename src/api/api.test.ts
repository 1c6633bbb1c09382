import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { z } from 'zod';
import { connectors } from '#connectors.ts';
import { applicationSettings, saveApplication, setSecret } from '#core/applications/applications.ts';
import { join } from '#core/lifecycle/join.ts';
import { appoint } from '#core/operators/operators.ts';
import { may, type Permission, type Role, roles } from '#core/operators/permissions.ts';
import { createToken } from '#core/operators/tokens.ts';
import { attributeDeclaration, declareAttributes, setAttributes } from '#core/people/attributes.ts';
import { problems } from '#core/problem.ts';
import { openSession } from '#core/sessions/sessions.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type App, createServer } from '#kit/http/server.ts';
import { createLimits } from '#kit/limits/limits.ts';
import { createNet } from '#kit/net/net.ts';
import { createMailer } from '#kit/smtp/smtp.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { type ApiRoute, registerApi } from './api.ts';
import { apiStatus } from './errors.ts';

const secrets = createSecrets(randomBytes(32));
let home: TestDatabase;
let app: App;
let routes: readonly ApiRoute[];
const tokens = {} as Record<Role, string>;
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);
const uris = { redirectUris: ['https://app.example.org/back'] };
const clientSecret = 'the client secret that nobody may read again';
let ada: string;
/** What every route takes, and what settings of targets are made of. */
const shapes: { where: string; schema: z.ZodType }[] = [...connectors.values()].map((one) => ({
  where: `options of ${one.name}`,
  schema: one.options,
}));

before(async () => {
  home = await testDatabase({ poolSize: 8 });
  app = createServer({
    log: home.log,
    publicUrl: new URL('https://id.example.org'),
    issuer: new URL('https://id.example.org'),
    trustedProxies: ['127.0.0.1/32'],
    macs: secrets.macs,
    renderError: () => ({ status: 500, json: { fallen: 'through' } }),
  });
  app.addHook('onRoute', ({ method, url, schema = {} }) => {
    const { body, querystring, params } = schema as Record<string, unknown>;
    for (const given of [body, querystring, params])
      if (given instanceof z.ZodType) shapes.push({ where: `${String(method)} ${url}`, schema: given });
  });
  const issuer = new URL('https://id.example.org');
  const net = createNet({ allow: [], log: home.log });
  const mailer = createMailer({ urls: ['memory:'], from: 'id@example.org', log: home.log });
  const mailHealth = { look: async () => ({ at: new Date(), domains: [], listener: [], smartHosts: [] }) };
  const mail = {
    mailer,
    mailHealth,
    mailDomain: 'example.org',
    mailFrom: 'id@example.org',
    dnsServers: [],
    limits: createLimits(home.database),
  };
  routes = registerApi(app, { ...home, ...mail, secrets, net, connectors, issuer, publicUrl: issuer });
  await app.ready();
  await during(async (tx) => {
    for (const id of ['wiki', 'board'])
      await saveApplication(tx, id, applicationSettings.parse({ title: id, oidc: uris }));
    await setSecret(tx, 'wiki', clientSecret);
    await declareAttributes(tx, [attributeDeclaration.parse({ name: 'city', type: 'text', title: 'City' })]);
    for (const role of roles) {
      const application = role === 'app-owner' ? 'wiki' : undefined;
      tokens[role] = (await createToken(tx, { name: role, scopes: [role], application })).token;
    }
    ada = await person(tx, 'ada.lovelace');
    await setAttributes(tx, ada, { city: 'London' }, 'operators');
  });
});

function person(tx: Tx, username: string): Promise<string> {
  const addresses = [{ address: `${username}@example.org`, primary: true, verified: true }];
  return join(tx, { username, state: 'active', origin: 'test', addresses });
}

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by name
  body: any;
  headers: Record<string, unknown>;
  text: string;
}

async function call(
  method: string,
  url: string,
  options: { as?: Role | string; body?: unknown; headers?: object } = {},
): Promise<Answer> {
  const as = options.as ?? 'owner';
  const token = Object.hasOwn(tokens, as) ? tokens[as as Role] : as;
  const answer = await app.inject({
    method: method as 'GET',
    url: `/api/v1${url}`,
    headers: {
      host: 'id.example.org',
      'x-forwarded-proto': 'https',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    payload: options.body === undefined ? undefined : JSON.stringify(options.body),
  });
  const body =
    answer.body !== '' && answer.headers['content-type']?.toString().includes('json')
      ? answer.json()
      : undefined;
  return { status: answer.statusCode, body, headers: answer.headers, text: answer.body };
}

interface Refused {
  default: { $ref: string };
}

interface Described {
  operationId: string;
  responses: Record<string, { headers?: { ETag?: object } }>;
}

/** Every route and its right. A route that is not in this list, or asks for another right, fails the test below. */
const rights: Record<string, Permission | 'any' | 'nobody in particular'> = {
  'GET /whoami': 'any',
  'GET /openapi.json': 'nobody in particular',
  'GET /community': 'community.read',
  'PUT /community': 'community.write',
  'GET /attributes': 'community.read',
  'PUT /attributes': 'community.write',
  'GET /people': 'people.read',
  'POST /people': 'people.write',
  'GET /people/:id': 'people.read',
  'PATCH /people/:id': 'people.write',
  'POST /people/:id/state': 'standing.write',
  'POST /people/:id/erase': 'standing.write',
  'GET /people/:id/addresses': 'people.read',
  'GET /people/:id/aliases': 'aliases.read',
  'GET /people/:id/sessions': 'people.read',
  'DELETE /people/:id/sessions': 'people.help',
  'GET /factor-resets': 'people.read',
  'GET /people/:id/factors': 'people.read',
  'POST /people/:id/factor-reset': 'people.write',
  'POST /people/:id/factor-reset/approve': 'people.write',
  'DELETE /people/:id/factor-reset': 'people.write',
  'GET /people/:id/sign-ins': 'people.read',
  'GET /people/:id/sign-outs': 'people.read',
  'GET /people/:id/events': 'events.read',
  'GET /explain': 'people.read',
  'GET /refusals': 'people.read',
  'GET /refusals/:reference': 'people.read',
  'GET /sign-in-watches': 'people.read',
  'POST /sign-in-watches': 'people.help',
  'GET /groups': 'groups.read',
  'POST /groups': 'groups.write',
  'GET /groups/:id': 'groups.read',
  'PATCH /groups/:id': 'groups.write',
  'DELETE /groups/:id': 'groups.write',
  'GET /groups/:id/members': 'groups.read',
  'POST /groups/:id/members': 'groups.write',
  'DELETE /groups/:id/members/:person': 'groups.write',
  'GET /applications': 'applications.read',
  'POST /applications': 'applications.manage',
  'GET /applications/:id': 'applications.read',
  'PUT /applications/:id': 'applications.write',
  'DELETE /applications/:id': 'applications.manage',
  'POST /applications/:id/secret': 'applications.write',
  'GET /applications/:id/connection': 'applications.read',
  'POST /applications/:id/test': 'applications.write',
  'GET /applications/:id/sign-outs': 'applications.read',
  'GET /application-templates': 'applications.read',
  'GET /application-templates/:name': 'applications.read',
  'POST /application-templates/:name/settings': 'applications.read',
  'GET /applications/:id/aliases/:person': 'aliases.read',
  'PUT /applications/:id/aliases/:person': 'aliases.write',
  'DELETE /applications/:id/aliases/:person': 'aliases.write',
  'GET /connectors': 'targets.read',
  'GET /upstreams': 'applications.read',
  'GET /upstreams/:id': 'applications.read',
  'PUT /upstreams/:id': 'upstreams.write',
  'DELETE /upstreams/:id': 'upstreams.write',
  'GET /upstream-presets': 'applications.read',
  'GET /upstreams/:id/connection': 'applications.read',
  'GET /upstreams/:id/dependents': 'applications.read',
  'GET /upstreams/:id/people': 'people.read',
  'POST /upstreams/:id/try': 'upstreams.write',
  'GET /people/:id/links': 'people.read',
  'DELETE /people/:id/links/:link': 'people.write',
  'GET /targets': 'targets.read',
  'GET /targets/:id': 'targets.read',
  'PUT /targets/:id': 'targets.write',
  'DELETE /targets/:id': 'targets.write',
  'PUT /targets/:id/credentials': 'targets.write',
  'POST /targets/:id/mode': 'targets.write',
  'POST /targets/:id/release': 'targets.write',
  'GET /targets/:id/queue': 'targets.read',
  'GET /targets/:id/rates': 'targets.read',
  'POST /targets/:id/replay': 'targets.write',
  'POST /targets/:id/replay-dead': 'targets.write',
  'GET /targets/:id/brake': 'targets.read',
  'POST /targets/:id/brake': 'targets.write',
  'GET /targets/:id/timeline': 'targets.read',
  'GET /people/:id/timeline': 'targets.read',
  'POST /targets/:id/preview': 'targets.write',
  'POST /targets/:id/plan-one': 'targets.write',
  'POST /targets/:id/sweep': 'targets.write',
  'POST /targets/:id/plan': 'targets.write',
  'GET /targets/:id/plan': 'targets.read',
  'GET /targets/:id/plan/entries': 'targets.read',
  'POST /targets/:id/plan/export': 'targets.write',
  'POST /targets/:id/plan/approve': 'targets.write',
  'POST /targets/:id/plan/refuse': 'targets.write',
  'GET /targets/:id/strangers': 'targets.read',
  'POST /targets/:id/strangers': 'targets.write',
  'POST /targets/:id/join-check': 'targets.write',
  'POST /targets/:id/relink': 'targets.write',
  'POST /targets/:id/records': 'targets.write',
  'POST /targets/:id/records/part': 'targets.write',
  'POST /targets/:id/link-again': 'targets.write',
  'GET /relay': 'relay.read',
  'PATCH /relay': 'relay.write',
  'POST /relay/off': 'relay.write',
  'GET /relay/apps': 'relay.read',
  'GET /applications/:id/relay': 'relay.read',
  'PATCH /applications/:id/relay': 'relay.write',
  'DELETE /applications/:id/relay': 'relay.write',
  'POST /applications/:id/relay/off': 'relay.write',
  'GET /relay/lists': 'relay.read',
  'GET /relay/lists/:name': 'relay.read',
  'GET /relay/lists/:name/changes': 'relay.read',
  'PUT /relay/lists/:name': 'relay.write',
  'DELETE /relay/lists/:name': 'relay.write',
  'PUT /relay/lists/:name/networks': 'relay.write',
  'POST /relay/lists/:name/check': 'relay.write',
  'POST /relay/lists/:name/approve': 'relay.write',
  'POST /relay/lists/:name/dismiss': 'relay.write',
  'GET /relay/messages': 'relay.read',
  'GET /relay/messages/:id': 'relay.read',
  'GET /people/:id/relay/messages': 'people.read',
  'GET /applications/:id/relay/messages': 'relay.read',
  'GET /relay/counts': 'relay.read',
  'GET /applications/:id/relay/counts': 'relay.read',
  'POST /relay/explain': 'people.read',
  'GET /people/:id/relay': 'people.read',
  'POST /people/:id/relay/pause': 'people.help',
  'GET /relay/requests': 'relay.read',
  'POST /relay/requests/:id/allow': 'relay.write',
  'POST /relay/requests/:id/refuse': 'relay.write',
  'GET /mail/health': 'system.read',
  'POST /mail/test': 'people.help',
  'GET /mail/templates': 'community.read',
  'PUT /mail/templates/:kind/:locale': 'community.write',
  'DELETE /mail/templates/:kind/:locale': 'community.write',
  'POST /mail/templates/:kind/:locale/preview': 'community.read',
  'POST /mail/templates/:kind/:locale/send': 'community.write',
  'GET /mail/letter': 'nobody in particular',
  'GET /relay/keys': 'keys.read',
  'POST /relay/keys': 'keys.write',
  'POST /relay/keys/look': 'keys.write',
  'POST /relay/keys/:id/activate': 'keys.write',
  'DELETE /relay/keys/:id': 'keys.write',
  'GET /mail': 'notices.read',
  'GET /mail/counts': 'notices.read',
  'POST /mail/:id/send-again': 'people.help',
  'GET /mail/suppressions': 'notices.read',
  'DELETE /mail/suppressions/:address': 'people.help',
  'GET /recovery-links': 'people.read',
  'POST /people/:id/recovery-link': 'people.write',
  'POST /people/:id/recovery-link/approve': 'people.write',
  'DELETE /people/:id/recovery-link': 'people.write',
  'GET /events': 'events.read',
  'GET /overview': 'people.read',
  'GET /operators': 'operators.read',
  'POST /operators/:person/roles': 'operators.write',
  'POST /operators/:person/roles/withdraw': 'operators.write',
  'GET /tokens': 'tokens.read',
  'POST /tokens': 'tokens.write',
  'DELETE /tokens/:id': 'tokens.write',
  'GET /registration-tokens': 'tokens.read',
  'POST /registration-tokens': 'tokens.write',
  'DELETE /registration-tokens/:id': 'tokens.write',
};

const spelled = (route: ApiRoute) => `${route.method} ${route.url.replace('/api/v1', '')}`;
const shown = () => routes.filter((route) => route.method !== 'HEAD');

test('AD-04 every route of the router is in the table of rights, and no other', () => {
  assert.deepEqual(Object.fromEntries(shown().map((route) => [spelled(route), route.permission])), rights);
});

test('AD-04 role × route: what the table of rights denies is refused before anything is read', async () => {
  const nobody = '00000000-0000-7000-8000-000000000000';
  let checked = 0;
  for (const route of routes) {
    const { method, permission, app: about } = route;
    if (permission === 'nobody in particular') continue;
    const url = route.url.replace('/api/v1', '').replaceAll(/:\w+/g, nobody);
    const body = method === 'GET' || method === 'HEAD' || method === 'DELETE' ? undefined : {};
    assert.equal((await call(method, url, { as: '', body })).status, 401, `${method} ${url} without a token`);
    assert.equal((await call(method, url, { as: 'gh_' + 'x'.repeat(43), body })).status, 401);
    for (const role of roles) {
      const { status, body: problem } = await call(method, url, { as: role, body });
      const grants = [{ role, application: role === 'app-owner' ? 'wiki' : undefined }];
      const allowed =
        permission === 'any' ||
        may(grants, permission) ||
        (about === 'each' && may(grants, permission, 'wiki'));
      const ofAnother = about === 'id' && !allowed && may(grants, permission as Permission, 'wiki');
      const what = `${role}: ${method} ${url} → ${status}`;
      if (allowed) assert.ok(![401, 403].includes(status), what);
      else if (ofAnother) assert.equal(status, 404, what);
      else assert.equal(status, 403, what);
      if (!allowed && !ofAnother && method !== 'HEAD') assert.equal(problem.code, 'operator-forbidden');
      checked += 1;
    }
  }
  assert.ok(checked > 200);
});

test('AD-04 an owner of one app sees and changes that one alone, and learns nothing of others', async () => {
  const as = 'app-owner';
  const list = await call('GET', '/applications', { as });
  assert.deepEqual(
    list.body.items.map((one: { id: string }) => one.id),
    ['wiki'],
  );
  assert.equal((await call('GET', '/applications/wiki', { as })).status, 200);
  const other = await call('GET', '/applications/board', { as });
  const missing = await call('GET', '/applications/nowhere', { as });
  assert.equal(other.status, 404);
  assert.deepEqual({ ...other.body, reference: '' }, { ...missing.body, reference: '' });
  const settings = { title: 'Mine', oidc: uris };
  assert.equal((await call('PUT', '/applications/board', { as, body: { settings } })).status, 404);
  assert.equal((await call('POST', '/applications/board/secret', { as, body: {} })).status, 404);
  assert.equal((await call('PUT', '/applications/wiki', { as, body: { settings } })).status, 200);
  assert.equal((await call('DELETE', '/applications/wiki', { as })).status, 403);
});

test('a token that ended, was withdrawn or is malformed opens nothing', async () => {
  const made = await call('POST', '/tokens', {
    body: {
      name: 'short',
      scopes: ['auditor'],
      expiresAt: new Date(home.clock.now().getTime() + 60_000).toISOString(),
    },
  });
  assert.equal(made.status, 201);
  assert.equal((await call('GET', '/whoami', { as: made.body.token })).body.grants[0].role, 'auditor');
  home.clock.advance(61_000);
  assert.equal((await call('GET', '/whoami', { as: made.body.token })).status, 401);
  const other = await call('POST', '/tokens', { body: { name: 'gone', scopes: ['admin'] } });
  assert.equal((await call('GET', '/whoami', { as: other.body.token })).body.grants[0].role, 'owner');
  assert.equal((await call('DELETE', `/tokens/${other.body.id}`)).status, 204);
  const refused = await call('GET', '/whoami', { as: other.body.token });
  assert.equal(refused.status, 401);
  assert.equal(refused.headers['www-authenticate'], 'Bearer realm="Gatehouse"');
  assert.equal((await call('DELETE', '/tokens/nonsense')).status, 404);
  for (const header of ['Basic Zm9vOmJhcg==', 'Bearer', `Bearer ${tokens.owner} x`, `bearer,${tokens.owner}`])
    assert.equal((await call('GET', '/whoami', { as: '', headers: { authorization: header } })).status, 401);
  const inQuery = await call('GET', `/whoami?access_token=${tokens.owner}`, { as: '' });
  assert.equal(inQuery.status, 401);
});

test('AD-06 nobody makes a token that may do more than themselves', async () => {
  for (const role of roles.filter((one) => one !== 'owner'))
    assert.equal(
      (await call('POST', '/tokens', { as: role, body: { name: 'x', scopes: ['admin'] } })).status,
      403,
    );
});

const scimTarget = { connector: 'scim', options: { baseUrl: 'https://scim.example.org/v2' } };

const writable: [method: string, url: () => string, body: () => object][] = [
  ['POST', () => '/people', () => ({ username: 'grace.hopper', address: 'grace@example.org' })],
  ['PATCH', () => `/people/${ada}`, () => ({ givenName: 'Ada' })],
  ['POST', () => `/people/${ada}/state`, () => ({ state: 'locked', reason: 'test' })],
  ['POST', () => `/people/${ada}/erase`, () => ({ username: 'nobody' })],
  ['POST', () => '/sign-in-watches', () => ({ person: ada, minutes: 1 })],
  ['POST', () => `/people/${ada}/factor-reset`, () => ({ reason: 'lost' })],
  ['POST', () => `/people/${ada}/factor-reset/approve`, () => ({})],
  ['POST', () => `/operators/${ada}/roles`, () => ({ role: 'auditor' })],
  ['POST', () => `/operators/${ada}/roles/withdraw`, () => ({ role: 'auditor' })],
  ['POST', () => '/groups', () => ({ name: 'Extra' })],
  ['PATCH', () => '/groups/x', () => ({ title: 'T' })],
  ['POST', () => '/groups/x/members', () => ({ people: [ada] })],
  ['POST', () => '/applications', () => ({ id: 'extra', settings: { title: 'Extra' } })],
  ['POST', () => '/applications/wiki/test', () => ({ person: ada })],
  ['POST', () => '/application-templates/oidc/settings', () => ({ values: {} })],
  ['PUT', () => '/applications/wiki', () => ({ settings: { title: 'Extra' } })],
  ['POST', () => '/applications/wiki/secret', () => ({})],
  ['PUT', () => `/applications/wiki/aliases/${'x'}`, () => ({ alias: 'x' })],
  [
    'PUT',
    () => '/upstreams/extra',
    () => ({ settings: { title: 'Extra', oidc: { preset: 'google', clientId: 'x' } } }),
  ],
  ['POST', () => '/upstreams/extra/try', () => ({})],
  ['POST', () => '/mail/test', () => ({ to: 'ada@example.org' })],
  ['PUT', () => '/mail/templates/welcome/en', () => ({ subject: 'Hello' })],
  ['POST', () => '/mail/templates/welcome/en/preview', () => ({})],
  ['POST', () => '/mail/templates/welcome/en/send', () => ({})],
  ['PUT', () => '/targets/wiki', () => ({ settings: scimTarget, credentials: { token: 't' } })],
  ['PUT', () => '/targets/wiki/credentials', () => ({ credentials: { token: 't' } })],
  ['POST', () => '/targets/wiki/mode', () => ({ mode: 'off' })],
  ['POST', () => '/targets/wiki/release', () => ({})],
  ['POST', () => '/targets/wiki/replay', () => ({ subject: `person:${ada}` })],
  ['POST', () => '/targets/wiki/replay-dead', () => ({})],
  ['POST', () => '/targets/wiki/brake', () => ({ approve: 'all' })],
  ['POST', () => '/targets/wiki/preview', () => ({ person: ada })],
  ['POST', () => '/targets/wiki/plan-one', () => ({ person: ada })],
  ['POST', () => '/targets/wiki/sweep', () => ({})],
  ['POST', () => '/targets/wiki/plan', () => ({})],
  ['POST', () => '/targets/wiki/plan/export', () => ({})],
  ['POST', () => '/targets/wiki/plan/approve', () => ({ all: true })],
  ['POST', () => '/targets/wiki/plan/refuse', () => ({ all: true })],
  ['POST', () => '/targets/wiki/strangers', () => ({ remoteId: 'x', decision: 'ignore' })],
  ['POST', () => '/targets/wiki/join-check', () => ({})],
  ['POST', () => '/targets/wiki/relink', () => ({ person: ada, remoteId: 'x' })],
  ['POST', () => '/targets/wiki/records', () => ({ person: ada })],
  ['POST', () => '/targets/wiki/records/part', () => ({ person: ada, all: true })],
  ['POST', () => '/targets/wiki/link-again', () => ({ person: ada })],
  ['PATCH', () => '/relay', () => ({ logDays: 5 })],
  ['POST', () => '/relay/off', () => ({ off: true })],
  ['PATCH', () => '/applications/wiki/relay', () => ({ networks: ['192.0.2.0/24'] })],
  ['POST', () => '/applications/wiki/relay/off', () => ({ off: true })],
  ['PUT', () => '/relay/lists/fleet', () => ({ settings: {} })],
  ['PUT', () => '/relay/lists/fleet/networks', () => ({ networks: [] })],
  ['POST', () => '/relay/lists/fleet/check', () => ({})],
  ['POST', () => '/relay/lists/fleet/approve', () => ({ mark: 'x' })],
  ['POST', () => '/relay/lists/fleet/dismiss', () => ({ mark: 'x' })],
  ['POST', () => '/relay/explain', () => ({ client: '192.0.2.7', sender: '', recipient: 'a@b.test' })],
  ['POST', () => `/people/${ada}/relay/pause`, () => ({ paused: true })],
  ['POST', () => `/relay/requests/${ada}/allow`, () => ({})],
  ['POST', () => `/relay/requests/${ada}/refuse`, () => ({})],
  ['POST', () => '/relay/keys', () => ({ domain: 'example.org' })],
  ['POST', () => '/relay/keys/look', () => ({})],
  ['POST', () => `/relay/keys/${ada}/activate`, () => ({})],
  ['POST', () => `/mail/${ada}/send-again`, () => ({})],
  ['POST', () => `/people/${ada}/recovery-link`, () => ({ reason: 'lost' })],
  ['POST', () => `/people/${ada}/recovery-link/approve`, () => ({})],
  ['PUT', () => '/community', () => ({ name: 'Extra' })],
  ['PUT', () => '/attributes', () => ({ items: [], withdraw: ['city'] })],
  ['POST', () => '/tokens', () => ({ name: 'x', scopes: ['auditor'] })],
  ['POST', () => '/registration-tokens', () => ({ name: 'x', expiresAt: '2090-01-01T00:00:00.000Z' })],
];

test('FE-08 a field nobody knows is refused by its name on every route that takes a body, and nothing changes', async () => {
  const takesBody = shown().filter((route) => ['POST', 'PUT', 'PATCH'].includes(route.method));
  assert.equal(writable.length, takesBody.length, 'a route that takes a body is missing from this test');
  const extra = [
    'role',
    'admin',
    'verified',
    'verifiedAt',
    'disabled',
    'sub',
    'tenant',
    'origin',
    'createdAt',
    'stateSince',
    'password',
    'operator',
  ];
  const before = await fingerprint();
  for (const [method, url, body] of writable) {
    for (const key of extra.filter((one) => !Object.hasOwn(body(), one))) {
      const { status, body: problem } = await call(method, url(), { body: { ...body(), [key]: true } });
      assert.equal(status, 400, `${method} ${url()} with ${key}`);
      assert.equal(problem.code, 'input-unknown-key');
      assert.ok(problem.fields[key], `${method} ${url()} names ${key}`);
    }
  }
  assert.equal((await call('GET', '/people?admin=true')).body.fields.admin.code, 'input-unknown-key');
  const nested = { settings: { title: 'X', oidc: { ...uris, trusted: true } } };
  const deep = await call('PUT', '/applications/wiki', { body: nested });
  assert.ok(deep.body.fields['settings.oidc.trusted']);
  assert.equal(await fingerprint(), before);
});

async function fingerprint(): Promise<string> {
  const parts = [];
  for (const table of [
    'people',
    'addresses',
    'groups',
    'memberships',
    'applications',
    'aliases',
    'community',
    'attributes',
    'person_attributes',
    'operators',
    'events',
  ])
    parts.push(
      await home.database.query(
        `select count(*), md5(string_agg(t::text, '|' order by t::text)) from ${table} t`,
      ),
    );
  parts.push(await home.database.query('select count(*) from api_tokens'));
  return JSON.stringify(parts);
}

test('FE-09 names that reach for the prototype, wrong types and broken bodies are refused', async () => {
  const before = await fingerprint();
  const raw = async (payload: string, type = 'application/json') =>
    app.inject({
      method: 'PATCH',
      url: `/api/v1/people/${ada}`,
      headers: {
        host: 'id.example.org',
        'x-forwarded-proto': 'https',
        authorization: `Bearer ${tokens.owner}`,
        'content-type': type,
      },
      payload,
    });
  const detail = async (payload: string) => JSON.parse((await raw(payload)).body).detail;
  assert.equal(await detail('{"attributes":{"__proto__":{"x":1}}}'), 'Nothing here is called "__proto__".');
  assert.equal(await detail('{'), 'The body is not JSON.');
  for (const payload of [
    '{"__proto__":{"x":1}}',
    '{"attributes":{"__proto__":{"x":1}}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"attributes":{"constructor":"x"}}',
    '{"a.__proto__.x":1}',
    '[]',
    '"x"',
    'null',
    '',
    '{',
    '{"givenName":7}',
    '{"givenName":["a"]}',
    `${'['.repeat(40)}${']'.repeat(40)}`,
  ]) {
    const answer = await raw(payload);
    assert.equal(answer.statusCode, 400, payload);
    assert.match(String(answer.headers['content-type']), /problem\+json/);
  }
  assert.equal((await raw('givenName=x', 'application/x-www-form-urlencoded')).statusCode, 400);
  assert.equal((await raw('<x/>', 'application/xml')).statusCode, 415);
  assert.equal((await raw(JSON.stringify({ givenName: 'x'.repeat(1024 * 1024) }))).statusCode, 413);
  assert.equal(({} as Record<string, unknown>).x, undefined);
  assert.equal(await fingerprint(), before);
});

test('FE-12 whatever is wrong with a field of any route, it is said in our words', async () => {
  const library = /\b(?:invalid|expected|received|unrecognized|too (?:small|big))\b|[<>]=/i;
  const told = new Map<string, string>();
  let fields = 0;
  for (const { where, schema } of shapes) {
    const form = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Form;
    for (const value of misfitsOf(form)) {
      const read = await schema.safeParseAsync(value);
      for (const { path, message } of read.error?.issues ?? []) {
        fields += 1;
        told.set(message, `${where} ${path.join('.')} given ${String(JSON.stringify(value)).slice(0, 80)}`);
      }
    }
  }
  assert.ok(
    shapes.length > 60 && fields > 2000 && told.size > 40,
    `${shapes.length}, ${fields}, ${told.size}`,
  );
  for (const [message, where] of told) {
    assert.doesNotMatch(message, library, where);
    assert.ok(message.length > 3, where);
  }
  const { body } = await call('POST', `/people/${ada}/state`, { body: { state: 'gone', reason: '' } });
  assert.equal(body.fields.reason.text, 'Must have at least 1 character.');
  assert.equal(body.fields.state.text, 'Must be one of active, locked, suspended, spam, left.');
  const { body: typed } = await call('POST', '/groups', { body: { name: 7 } });
  assert.equal(typed.fields.name.text, 'Must be text.');
  assert.equal((await call('POST', '/groups', { body: {} })).body.fields.name.text, 'Is missing.');
});

interface Form {
  properties?: Record<string, Form>;
  additionalProperties?: Form | boolean;
  items?: Form;
  anyOf?: Form[];
  oneOf?: Form[];
  allOf?: Form[];
}

const oddities = [undefined, null, 7, -1, 1.5, 1e300, '', ' ', 'x', 'x'.repeat(30_000), true, [], [7], {}];

/** Values that do not fit: each kind of thing in each place, down to the fourth level. */
function* misfitsOf(form: Form, depth = 0): Generator<unknown> {
  yield* oddities;
  if (depth > 4) return;
  for (const [name, inner] of Object.entries(form.properties ?? {}))
    for (const value of misfitsOf(inner, depth + 1)) yield { [name]: value };
  if (typeof form.additionalProperties === 'object')
    for (const value of misfitsOf(form.additionalProperties, depth + 1)) {
      yield { wiki: value };
      yield { 'No Name': value };
    }
  if (form.items) for (const value of misfitsOf(form.items, depth + 1)) yield [value];
  for (const inner of [...(form.anyOf ?? []), ...(form.oneOf ?? []), ...(form.allOf ?? [])])
    yield* misfitsOf(inner, depth + 1);
  if (form.properties) yield { 'a key nobody knows': 1 };
}

test('KE-02 no GET returns a secret, and a given one is never said back', async () => {
  const set = await call('POST', '/applications/board/secret', {
    body: { secret: 'another secret that was given by someone' },
  });
  assert.deepEqual(set.body, { changed: true });
  const made = await call('POST', '/applications/board/secret', { body: {} });
  assert.match(made.body.secret, /^[\w-]{43}$/);
  assert.equal(
    (await call('POST', '/applications/board/secret', { body: { secret: 'short' } })).body.code,
    'secret-weak',
  );
  const canaries = [clientSecret, made.body.secret, ...Object.values(tokens)];
  for (const route of shown().filter((one) => one.method === 'GET')) {
    const url = route.url
      .replace('/api/v1', '')
      .replace('/people/:id', `/people/${ada}`)
      .replace('/applications/:id', '/applications/wiki')
      .replaceAll(/:\w+/g, ada);
    const { text } = await call('GET', url);
    for (const canary of canaries) assert.ok(!text.includes(canary), `${url} shows a secret`);
    assert.doesNotMatch(
      text,
      /"(?:secret|token|tokenHash|token_hash|secretHash|hash|password)":"(?![0-9a-f]{8}-[0-9a-f-]{27}")[^"]{20,}/i,
      url,
    );
  }
});

test('people: added, found page by page, changed, and versions that meet', async () => {
  const added = await call('POST', '/people', {
    body: {
      username: 'grace.hopper',
      givenName: 'Grace',
      address: 'grace@example.org',
      attributes: { city: 'New York' },
    },
  });
  assert.equal(added.status, 201);
  assert.equal(added.body.state, 'active');
  assert.equal(added.body.attributes.city, 'New York');
  assert.match(String(added.headers.location), /^\/api\/v1\/people\//);
  assert.equal(
    (await call('POST', '/people', { body: { username: 'GRACE.hopper', address: 'g2@example.org' } })).status,
    422,
  );
  assert.equal(
    (await call('POST', '/people', { body: { username: 'grace.hopper', address: 'g2@example.org' } })).status,
    409,
  );
  const taken = await call('POST', '/people', {
    body: { username: 'grace.two', address: 'GRACE@example.org' },
  });
  assert.equal(taken.body.fields.address.code, 'address-taken');
  assert.equal(
    (await call('POST', '/people', { body: { username: 'admin', address: 'a@example.org' } })).body.code,
    'username-reserved',
  );

  await during(async (tx) => {
    for (let index = 10; index < 30; index++) await person(tx, `page.person${index}`);
  });
  const seen: string[] = [];
  let next: string | undefined;
  do {
    const page = await call('GET', `/people?limit=7&search=page.person${next ? `&cursor=${next}` : ''}`);
    seen.push(...page.body.items.map((one: { username: string }) => one.username));
    next = page.body.next;
  } while (next);
  assert.equal(seen.length, 20);
  assert.equal(new Set(seen).size, 20);
  const first = await call('GET', '/people?limit=1');
  assert.equal((await call('GET', `/groups?cursor=${first.body.next}`)).status, 400);
  const forged = Buffer.concat([Buffer.alloc(16), Buffer.from("x' or 1=1")]).toString('base64url');
  assert.equal((await call('GET', `/people?cursor=${forged}`)).body.fields.cursor.code, 'input-malformed');

  const { version } = added.body;
  const url = `/people/${added.body.id}`;
  const etag = added.headers.etag as string;
  assert.equal(etag, `"${version}"`);
  const changed = await call('PATCH', url, {
    body: { familyName: 'Hopper', attributes: { city: null } },
    headers: { 'if-match': etag },
  });
  assert.equal(changed.body.displayName, 'Grace Hopper');
  assert.deepEqual(changed.body.attributes, {});
  assert.equal(
    (await call('PATCH', url, { body: { familyName: 'H' }, headers: { 'if-match': etag } })).status,
    412,
  );
  assert.equal((await call('PATCH', url, { body: { familyName: 'H', version } })).status, 409);
  assert.equal(
    (await call('PATCH', url, { body: { attributes: { shoe: '7' } } })).body.fields.shoe.code,
    'attribute-unknown',
  );
});

test('AD-09 of many who saw the same version one changes it', async () => {
  const { body } = await call('GET', `/people/${ada}`);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      call('PATCH', `/people/${ada}`, {
        body: { familyName: `Name${index}` },
        headers: { 'if-match': `"${body.version}"` },
      }),
    ),
  );
  assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
  assert.equal(answers.filter((answer) => answer.status === 412).length, 11);
});

test('standing: a reason is needed, sessions end, operators are out of reach of those below them', async () => {
  const [one, boss, second] = await during(async (tx) => {
    const ids = [
      await person(tx, 'locked.person'),
      await person(tx, 'the.boss'),
      await person(tx, 'the.second'),
    ];
    await openSession(tx, {
      person: ids[0] as string,
      amr: ['pwd'],
      aal: 1,
      device: 'x',
      network: 'x',
      persistent: false,
      lifetimes: { idleSeconds: 900, absoluteSeconds: 900 },
    });
    await appoint(tx, { person: ids[1] as string, role: 'owner' });
    return ids;
  });
  const state = (id: string | undefined, body: object, as: Role = 'people') =>
    call('POST', `/people/${id}/state`, { body, as });
  assert.equal((await state(one, { state: 'locked' })).status, 400);
  assert.equal((await state(one, { state: 'erased', reason: 'x' })).status, 400);
  assert.equal((await call('GET', `/people/${one}/sessions`)).body.items.length, 1);
  const locked = await state(one, { state: 'locked', reason: 'asked for it' });
  assert.equal(locked.body.state, 'locked');
  assert.equal(locked.body.stateReason, 'asked for it');
  assert.equal((await call('GET', `/people/${one}/sessions`)).body.items.length, 0);
  assert.equal((await state(one, { state: 'active', reason: 'came back' })).body.state, 'active');
  assert.equal((await state(one, { state: 'active', reason: 'again' })).status, 200);
  assert.equal((await state(boss, { state: 'locked', reason: 'coup' })).status, 403);
  assert.equal((await state(boss, { state: 'locked', reason: 'last' }, 'owner')).body.code, 'operator-last');
  await during((tx) => appoint(tx, { person: second as string, role: 'owner' }));
  assert.equal((await state(boss, { state: 'left', reason: 'retired' }, 'owner')).status, 200);
  const events = await call('GET', `/people/${one}/events?limit=2`);
  assert.deepEqual(
    events.body.items.map((event: { type: string }) => event.type),
    ['person.activated', 'person.left'],
  );
  assert.equal(events.body.items[0].actor.name, 'token: people');
  assert.equal(events.body.items[0].cause, 'admin');
  const more = await call('GET', `/people/${one}/events?limit=2&cursor=${events.body.next}`);
  assert.ok(more.body.items.length > 0 && more.body.items[0].id < events.body.items[1].id);
});

test('groups, members, apps, names at apps, settings: there and back', async () => {
  const group = await call('POST', '/groups', { body: { name: 'Crew', title: 'The crew' } });
  assert.equal(group.status, 201);
  const url = `/groups/${group.body.id}`;
  assert.equal((await call('POST', '/groups', { body: { name: 'crew' } })).status, 409);
  assert.deepEqual((await call('POST', `${url}/members`, { body: { people: [ada, ada] } })).body, {
    added: 1,
  });
  assert.equal((await call('POST', `${url}/members`, { body: { people: ['nobody'] } })).status, 404);
  const members = await call('GET', `${url}/members`);
  assert.equal(members.body.items[0].username, 'ada.lovelace');
  assert.equal((await call('GET', '/groups?search=cre')).body.items[0].members, 1);
  assert.deepEqual((await call('DELETE', `${url}/members/${ada}`)).body, { removed: 1 });
  assert.equal(
    (await call('PATCH', url, { body: { title: 'All hands' }, headers: { 'if-match': '"1"' } })).body.title,
    'All hands',
  );
  assert.equal(
    (await call('PATCH', url, { body: { title: 'X' }, headers: { 'if-match': '"1"' } })).status,
    412,
  );
  assert.equal((await call('DELETE', url)).status, 204);
  assert.equal((await call('GET', url)).status, 404);

  const body = { id: 'forum', settings: { title: 'Forum', oidc: uris } };
  assert.equal((await call('POST', '/applications', { body })).status, 201);
  assert.equal((await call('POST', '/applications', { body })).status, 409);
  const unsafe = { settings: { title: 'F', oidc: { redirectUris: ['javascript:alert(1)'] } } };
  assert.equal((await call('PUT', '/applications/forum', { body: unsafe })).status, 400);
  assert.equal(
    (await call('PUT', `/applications/forum/aliases/${ada}`, { body: { alias: ' Countess ' } })).body.alias,
    'Countess',
  );
  const other = (await call('GET', '/people?search=grace')).body.items[0].id;
  const taken = await call('PUT', `/applications/forum/aliases/${other}`, { body: { alias: 'countess' } });
  assert.equal(taken.body.fields.alias.code, 'alias-taken');
  assert.deepEqual((await call('GET', `/people/${ada}/aliases`)).body.items, [
    { application: 'forum', alias: 'Countess' },
  ]);
  assert.equal((await call('DELETE', `/applications/forum/aliases/${ada}`)).status, 204);
  assert.equal((await call('GET', `/applications/forum/aliases/${ada}`)).status, 404);
  assert.equal((await call('DELETE', '/applications/forum')).status, 204);

  assert.equal((await call('PUT', '/community', { body: { name: 'Harbour' } })).body.name, 'Harbour');
  assert.equal((await call('PUT', '/community', { body: { name: '' } })).status, 400);
  assert.equal((await call('GET', '/community', { as: 'auditor' })).body.name, 'Harbour');
  assert.equal((await call('PUT', '/attributes', { body: { items: [] } })).status, 409);
  const city = { name: 'city', type: 'text', title: 'Home town' };
  assert.equal(
    (await call('PUT', '/attributes', { body: { items: [city] } })).body.items[0].title,
    'Home town',
  );
  assert.equal((await call('GET', `/people/${ada}`)).body.attributes.city, 'London');
});

test('events can be filtered, and only by what there is', async () => {
  const found = await call('GET', '/events?type=person.joined&limit=3');
  assert.equal(found.body.items.length, 3);
  assert.ok(found.body.items.every((event: { type: string }) => event.type === 'person.joined'));
  assert.equal((await call('GET', '/events?type=person.exploded')).status, 400);
  assert.equal((await call('GET', '/events?person=not-an-id')).status, 400);
  assert.equal((await call('GET', `/events?cursor=${found.body.next}`)).status, 400);
  assert.equal(
    (await call('GET', `/events?type=person.joined&limit=3&cursor=${found.body.next}`)).status,
    200,
  );
});

test('the description is generated, complete, and read without a token', async () => {
  const { status, body } = await call('GET', '/openapi.json', { as: '' });
  assert.equal(status, 200);
  assert.equal(body.openapi, '3.1.0');
  const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => `${method.toUpperCase()} ${path.replace('/api/v1', '').replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  assert.deepEqual(
    described.sort(),
    Object.keys(rights)
      .filter((route) => route !== 'GET /openapi.json')
      .sort(),
  );
  const headersOf = (operation: { parameters?: { in: string; name: string }[] }) =>
    (operation.parameters ?? []).filter((one) => one.in === 'header').map((one) => one.name);
  assert.deepEqual(headersOf(body.paths['/api/v1/people/{id}'].patch), ['If-Match']);
  assert.deepEqual(headersOf(body.paths['/api/v1/people'].post), []);
  assert.equal(
    body.paths['/api/v1/people'].post.requestBody.content['application/json'].schema.additionalProperties,
    false,
  );
  for (const operations of Object.values(
    body.paths as Record<string, Record<string, { responses: Refused }>>,
  ))
    for (const { responses } of Object.values(operations))
      assert.equal(responses.default.$ref, '#/components/responses/Refusal');
  const { schema } = body.components.responses.Refusal.content['application/problem+json'];
  assert.deepEqual(schema.properties.code.enum, Object.keys(problems));
});

test('every operation has a name of its own for generated clients, and says where its version is a header', async () => {
  const { body } = await call('GET', '/openapi.json', { as: '' });
  const operations = Object.values(body.paths as Record<string, Record<string, Described>>).flatMap(
    Object.values,
  );
  const names = operations.map(({ operationId }) => operationId);
  assert.ok(
    names.every((name) => /^[a-z]+([A-Z0-9][a-z0-9]*)+$/.test(name)),
    names.join(' '),
  );
  assert.equal(new Set(names).size, names.length);
  assert.equal(
    body.paths['/api/v1/groups/{id}/members/{person}'].delete.operationId,
    'deleteGroupsByIdMembersByPerson',
  );
  const etags = operations
    .flatMap(({ responses }) => Object.values<{ headers?: { ETag?: object } }>(responses))
    .filter(({ headers }) => headers?.ETag);
  assert.ok(etags.length >= 20);
  assert.deepEqual(body.paths['/api/v1/groups/{id}'].get.responses[200].headers, {
    ETag: { $ref: '#/components/headers/ETag' },
  });
  assert.equal(body.paths['/api/v1/groups'].get.responses[200].headers, undefined, 'a list has no version');
  assert.equal(body.components.headers.ETag.schema.type, 'string');
});

test('whatever is answered with a version carries it as its ETag, also after a change of standing', async () => {
  const [ada] = (await call('GET', '/people?limit=1')).body.items;
  for (const [method, url, given] of [
    ['GET', `/people/${ada.id}`, undefined],
    ['POST', `/people/${ada.id}/state`, { state: 'locked', reason: 'seen' }],
    ['POST', `/people/${ada.id}/state`, { state: 'active', reason: 'seen' }],
    ['GET', '/relay', undefined],
  ] as const) {
    const { status, headers, body } = await call(method, url, given ? { body: given } : {});
    assert.equal(status, 200, `${method} ${url}: ${JSON.stringify(body)}`);
    assert.equal(headers.etag, `"${body.version}"`, `${method} ${url}`);
  }
});

test('refusals are problem documents with a reference the log knows', async () => {
  const missing = await call('GET', '/nowhere');
  assert.equal(missing.status, 404);
  assert.equal(missing.headers['content-type'], 'application/problem+json; charset=utf-8');
  const { reference, ...rest } = missing.body;
  assert.deepEqual(rest, {
    type: 'about:blank',
    title: 'There is no page here. Check the address.',
    status: 404,
    code: 'not-found',
  });
  assert.ok(home.lines.some((line) => line.includes(reference) && line.includes('not-found')));
  assert.match(
    (await call('GET', '/people', { as: '' })).body.title,
    /missing/,
    'who sends no token is told',
  );
  const text = await call('POST', '/people', { body: '{}', headers: { 'content-type': 'text/plain' } });
  assert.equal(text.status, 415);
  assert.match(text.body.detail, /application\/json/);
  for (const id of ['x', '00000000-0000-7000-8000-000000000000', "' or 1=1 --"].map(encodeURIComponent))
    for (const url of [
      `/people/${id}`,
      `/people/${id}/sessions`,
      `/people/${id}/addresses`,
      `/people/${id}/sign-ins`,
      `/groups/${id}`,
      `/groups/${id}/members`,
    ])
      assert.equal((await call('GET', url)).status, 404, url);
  assert.ok(home.lines.every((line) => !Object.values(tokens).some((token) => line.includes(token))));
  assert.ok(Object.values(apiStatus).every((status) => status >= 400));
});
