import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { callApi } from '#test/api.ts';
import { type Platform, startPlatform } from '#test/kit.ts';

let platform: Platform;
const tokens = { apps: '', auditor: '', owner: '' };

before(async () => {
  platform = await startPlatform();
  await platform.apply('groups: [{ name: staff }]');
  await platform.database.transact(system('admin'), async (tx) => {
    for (const role of ['apps', 'auditor'] as const)
      tokens[role] = (await createToken(tx, { name: role, scopes: [role] })).token;
  });
});

async function call(method: string, path: string, body?: unknown, as: keyof typeof tokens = 'apps') {
  const { status, body: json } = await callApi(platform, tokens[as], method, path, body);
  return { status, json };
}

const values = { site: 'harbour', uniqueId: '0b1c-4c2e' };

test('a template says what it asks and what to paste there first: our addresses and the certificate that signs', async () => {
  const { json } = await call('GET', '/application-templates');
  assert.deepEqual(
    json.items.map((one: { name: string }) => one.name),
    ['atlassian-cloud', 'atlassian-data-center', 'atlassian-data-center-oidc', 'discourse', 'saml', 'oidc'],
  );
  const one = (await call('GET', '/application-templates/atlassian-cloud', undefined, 'auditor')).json;
  assert.deepEqual(
    one.fields.map((field: { name: string; required: boolean }) => [field.name, field.required]),
    [
      ['site', true],
      ['uniqueId', true],
      ['address', false],
    ],
  );
  const [entity, sso, certificate] = one.there;
  assert.equal(entity.value, `${platform.origin}/saml/metadata`);
  assert.equal(sso.value, `${platform.origin}/saml/sso`);
  const published = await (await fetch(entity.value)).text();
  assert.ok(published.includes(new X509Certificate(certificate.value).raw.toString('base64')));
  assert.equal((await call('GET', '/application-templates/nope')).status, 404);
});

test('values make settings without keeping anything, then an app that has them', async () => {
  const tried = await call('POST', '/application-templates/atlassian-cloud/settings', { values });
  assert.equal(tried.status, 200);
  assert.equal((await call('GET', '/applications')).json.items.length, 0);
  const body = { id: 'jira', template: 'atlassian-cloud', values };
  assert.equal((await call('POST', '/applications', body, 'auditor')).status, 403);
  const made = await call('POST', '/applications', body);
  assert.equal(made.status, 201);
  assert.deepEqual(made.json.settings, tried.json.settings);
  assert.equal(made.json.settings.saml.idpInitiated.relayState, 'https://harbour.atlassian.net');
  const there = (await call('GET', '/applications/jira/connection', undefined, 'auditor')).json;
  assert.equal(there.template.title, 'Jira and Confluence Cloud');
  assert.equal(there.there[0].value, `${platform.origin}/saml/metadata`);
});

test('each value that cannot be meant is named with a sentence', async () => {
  const refused = await call('POST', '/applications', {
    id: 'other',
    template: 'atlassian-cloud',
    values: { site: 'not a site', wrong: 'x' },
  });
  assert.equal(refused.status, 400);
  assert.deepEqual(Object.keys(refused.json.fields).sort(), [
    'values.site',
    'values.uniqueId',
    'values.wrong',
  ]);
  assert.equal(refused.json.fields['values.uniqueId'].text, 'Is needed.');
  for (const body of [{ id: 'x1' }, { id: 'x1', template: 'oidc', settings: { title: 'X' } }])
    assert.equal((await call('POST', '/applications', body)).status, 400);
  const unknown = await call('POST', '/applications', { id: 'x1', template: 'nope' });
  assert.ok(unknown.json.fields.template);
  assert.equal((await call('GET', '/applications/x1')).status, 404);
});

test('an app without a template shows what fits its protocol; its secret is never among it', async () => {
  const settings = { title: 'Wiki', oidc: { redirectUris: ['https://wiki.example.org/cb'] } };
  await call('POST', '/applications', { id: 'wiki', settings });
  const { there } = (await call('GET', '/applications/wiki/connection')).json;
  assert.deepEqual(
    there.map((one: { label: string; value?: string; from?: string }) => [one.label, one.value ?? one.from]),
    [
      ['Issuer', platform.origin],
      ['Discovery address', `${platform.origin}/.well-known/openid-configuration`],
      ['Client ID', 'wiki'],
      ['Client secret', 'client-secret'],
      ['Scopes', 'openid profile email'],
    ],
  );
});

test('a test of somebody shows no more than an operator may see: an owner of one app sees nobody’s sign-in but what is theirs', async () => {
  await platform.apply(`
people: [{ username: ada, names: { givenName: Ada, familyName: Stone }, addresses: [ada@example.org] }]
`);
  await platform.database.transact(system('admin'), async (tx) => {
    const made = await createToken(tx, { name: 'own', scopes: ['app-owner'], application: 'wiki' });
    tokens.owner = made.token;
  });
  const tried = await call('POST', '/applications/wiki/test', { person: 'ada' });
  assert.equal(tried.status, 403, 'apps may not see people');
  assert.equal((await call('POST', '/applications/wiki/test', { person: 'ada' }, 'owner')).status, 403);
  assert.equal((await call('POST', '/applications/jira/test', { person: 'ada' }, 'owner')).status, 404);
  const nobody = await call('POST', '/applications/wiki/test', {});
  assert.ok(nobody.json.fields.person);
  assert.equal((await call('POST', '/applications/wiki/test', { person: 'ada' }, 'auditor')).status, 403);
});
