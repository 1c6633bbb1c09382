/** What providers are known for, read as it is: whose words count for what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpstreamFailure } from '#signon/upstream/failure.ts';
import { identify } from '#signon/upstream/identity.ts';
import { toTold } from '#signon/upstream/oidc.ts';
import { trusts, upstreamSettings } from '#signon/upstream/settings.ts';

const log = { info: () => undefined } as never;

function upstream(oidc: object, more: object = {}) {
  const settings = upstreamSettings.parse({ title: 'X', oidc: { clientId: 'c', ...oidc }, ...more });
  return { id: 'x', version: 1, settings: { ...settings, oidc: settings.oidc! } };
}

const tid = '11111111-2222-3333-4444-555555555555';
const entra = upstream({
  preset: 'entra',
  issuer: 'https://login.microsoftonline.com/common/v2.0',
  tenants: [tid],
});

test('AC-02 Entra: the person is tenant and object, never sub or an address; an address counts only where its domain was proved', () => {
  const base = { sub: 'pairwise', tid, oid: 'object-1' };
  const told = toTold(entra, { ...base, email: 'victim@corp.test' });
  assert.deepEqual([told.tenant, told.subject], [tid, 'object-1']);
  assert.deepEqual(told.address, { address: 'victim@corp.test', verified: false });
  for (const proved of [true, 1, '1', 'true'])
    assert.equal(toTold(entra, { ...base, email: 'v@c.test', xms_edov: proved }).address?.verified, true);
  for (const not of [false, 0, '0', 'false', null, 'yes'])
    assert.equal(toTold(entra, { ...base, email: 'v@c.test', xms_edov: not }).address?.verified, false);
  assert.equal(toTold(entra, { ...base, email: 'v@c.test', email_verified: true }).address?.verified, false);
  const fallback = toTold(entra, { ...base, preferred_username: 'upn@corp.test', xms_edov: true });
  assert.deepEqual(
    fallback.address,
    { address: 'upn@corp.test', verified: false },
    'a name of sign-in is no mailbox',
  );
  assert.equal(toTold(entra, { ...base, preferred_username: 'plain' }).address, undefined);
});

test('Entra: another tenant, no tenant and no object are refused', () => {
  for (const claims of [
    { tid: tid.replace('1', '9'), oid: 'o' },
    { oid: 'o' },
    { tid },
    { tid, oid: '' },
    { tid: 7, oid: 'o' },
  ])
    assert.throws(() => toTold(entra, { sub: 's', ...claims }), UpstreamFailure);
});

test('Entra: groups that did not fit the token take nothing away', () => {
  const base = { sub: 's', tid, oid: 'o' };
  for (const overage of [{ _claim_names: { groups: 'src1' } }, { hasgroups: true }])
    assert.equal(identify(entra.settings, toTold(entra, { ...base, ...overage }), log).groups, undefined);
  assert.deepEqual(identify(entra.settings, toTold(entra, { ...base, groups: ['a'] }), log).groups, ['a']);
});

test('Entra for all tenants needs the list of those who may come; other issuers are what they say', () => {
  const read = (oidc: object) =>
    upstreamSettings.safeParse({ title: 'X', oidc: { clientId: 'c', ...oidc } }).success;
  assert.equal(read({ preset: 'entra', issuer: 'https://login.microsoftonline.com/common/v2.0' }), false);
  assert.equal(read({ preset: 'entra', issuer: `https://login.microsoftonline.com/${tid}/v2.0` }), true);
  assert.equal(read({ preset: 'google' }), true);
  assert.equal(read({}), false);
  assert.equal(read({ preset: 'okta', issuer: 'https://x.okta.test', scopes: ['email'] }), false);
});

test('Google: hd is asked for where domains are set, and an address is trusted as Google says', () => {
  const google = upstream({ preset: 'google', hostedDomains: ['example.org'] });
  assert.equal(toTold(google, { sub: '1', hd: 'Example.org' }).subject, '1');
  for (const hd of [undefined, 'other.org', ['example.org'], ''])
    assert.throws(() => toTold(google, { sub: '1', hd }), UpstreamFailure);
  assert.equal(trusts(google.settings, 'a@gmail.com'), true);
  assert.equal(trusts(upstream({ issuer: 'https://x.test' }).settings, 'a@gmail.com'), false);
  assert.equal(
    trusts(upstream({ issuer: 'https://x.test' }, { authoritative: ['x.test'] }).settings, 'a@x.test'),
    true,
  );
  assert.equal(
    trusts(upstream({ preset: 'google' }, { trustAddresses: false }).settings, 'a@gmail.com'),
    false,
  );
});

test('Keycloak: roles by a mapping; hostile and strange values are left out, not shown', () => {
  const keycloak = upstream(
    { preset: 'keycloak', issuer: 'https://k.test/realms/a' },
    {
      mapping: {
        groups: 'claims.realm_access.roles',
        attributes: { team: 'claims.team', broken: 'claims.a.b.c' },
      },
    },
  );
  const told = toTold(keycloak, {
    sub: 'k',
    realm_access: { roles: ['admin', 'user'] },
    preferred_username: 'Ada@corp.test',
    given_name: 'A\u202eda',
    family_name: 'x'.repeat(5000),
    name: ['Ada'],
    email: 'not an address',
    email_verified: true,
    locale: '../../etc',
    team: 7,
  });
  const identity = identify(keycloak.settings, told, log);
  assert.deepEqual(identity.groups, ['admin', 'user']);
  assert.equal(identity.username, 'Ada');
  assert.equal(identity.givenName, undefined);
  assert.equal(identity.familyName?.length, 120);
  assert.equal(identity.address, undefined);
  assert.equal(identity.locale, undefined);
  assert.deepEqual(identity.attributes, { team: 7 });
});

test('a mapped address counts as verified only where it is the one the provider verified', () => {
  const mapped = upstream({ issuer: 'https://x.test' }, { mapping: { email: 'claims.other' } });
  const verified = (other: string) =>
    identify(
      mapped.settings,
      toTold(mapped, { sub: 's', email: 'a@x.test', email_verified: true, other }),
      log,
    ).address?.verified;
  assert.equal(verified('A@x.test'), true);
  assert.equal(verified('b@x.test'), false);
});
