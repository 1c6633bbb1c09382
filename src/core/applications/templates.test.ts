import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { makeSettings, type Ours, pastes, templates } from './templates.ts';

const ours: Ours = {
  saml: {
    entityId: 'https://id.example.org/saml/metadata',
    ssoUrl: 'https://id.example.org/saml/sso',
    sloUrl: 'https://id.example.org/saml/slo',
    metadataUrl: 'https://id.example.org/saml/metadata',
    certificates: ['-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----'],
  },
  oidc: {
    issuer: 'https://id.example.org',
    discoveryUrl: 'https://id.example.org/.well-known/openid-configuration',
  },
};

function named(name: string) {
  const found = templates.find((one) => one.name === name);
  assert.ok(found);
  return found;
}

function settingsOf(name: string, given: Record<string, string>) {
  const made = makeSettings(named(name), given);
  assert.ok('settings' in made, JSON.stringify(made));
  return made.settings;
}

function faultsOf(name: string, given: Record<string, string>): string[] {
  const made = makeSettings(named(name), given);
  return 'faults' in made ? made.faults.map(({ field, text }) => `${field} ${text}`) : [];
}

test('Atlassian Cloud: NameID is the alias mailbox, the three attributes have their schema names, RelayState is the site', () => {
  const settings = settingsOf('atlassian-cloud', { site: 'harbour', uniqueId: '0b1c-4c2e-8f0a' });
  const { saml, release, alias, consent, signOut, url, template } = settings;
  assert.deepEqual(
    { saml, release, alias, consent, url, template },
    {
      saml: {
        entityId: 'https://auth.atlassian.com/saml/0b1c-4c2e-8f0a',
        acsUrls: ['https://auth.atlassian.com/login/callback?connection=saml-0b1c-4c2e-8f0a'],
        certificates: [],
        nameId: { format: 'emailAddress', force: true },
        attributes: {
          'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname': 'givenName',
          'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname': 'familyName',
          'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name': 'subject',
        },
        sign: 'both',
        encrypt: false,
        wantSignedRequests: false,
        idpInitiated: { allowed: true, relayState: 'https://harbour.atlassian.net' },
        sloBinding: 'redirect',
      },
      release: { claims: ['name', 'email'], groups: 'none' },
      alias: { rule: 'username', address: 'mailbox' },
      consent: 'trusted',
      url: 'https://harbour.atlassian.net',
      template: 'atlassian-cloud',
    },
  );
  assert.match(signOut?.note ?? '', /no single sign-out/);
});

test('what an operator copies from Atlassian is understood however much of it was copied', () => {
  const plain = settingsOf('atlassian-cloud', { site: 'harbour', uniqueId: 'abc-123-def' });
  const copied = settingsOf('atlassian-cloud', {
    site: ' https://Harbour.atlassian.net/wiki ',
    uniqueId: 'https://auth.atlassian.com/saml/abc-123-def',
  });
  assert.deepEqual(copied, plain);
  assert.deepEqual(faultsOf('atlassian-cloud', { site: 'a b', uniqueId: '<x>' }), [
    'site must be the name before .atlassian.net',
    'uniqueId must be the id at the end of https://auth.atlassian.com/saml/…',
  ]);
  assert.deepEqual(faultsOf('atlassian-cloud', { sight: 'x', site: 'harbour' }), [
    'sight is no value of the template atlassian-cloud',
    'uniqueId is needed',
  ]);
});

test('Data Center: the same base URL as SAML and as OpenID Connect', () => {
  const values = {
    baseUrl: 'https://wiki.example.org/',
    product: 'confluence',
    groups: 'staff, site admins',
  };
  const saml = settingsOf('atlassian-data-center', values);
  assert.equal(saml.saml?.entityId, 'https://wiki.example.org');
  assert.deepEqual(saml.saml?.acsUrls, ['https://wiki.example.org/plugins/servlet/samlconsumer']);
  assert.deepEqual(saml.saml?.nameId, { format: 'unspecified', source: 'username', force: true });
  assert.deepEqual(saml.release, {
    claims: ['name', 'username', 'email', 'groups'],
    groups: ['staff', 'site admins'],
  });
  assert.equal(saml.signOut?.url, 'https://wiki.example.org/logout.action');
  const oidc = settingsOf('atlassian-data-center-oidc', values);
  assert.deepEqual(oidc.oidc?.redirectUris, ['https://wiki.example.org/plugins/servlet/oidc/callback']);
  assert.equal(oidc.oidc?.claimsInIdToken, true);
});

test('Discourse: redirect, what to paste with the client id of the app, and a secret that is not known yet', () => {
  const values = { baseUrl: 'forum.example.org' };
  const settings = settingsOf('discourse', values);
  assert.deepEqual(settings.oidc?.redirectUris, ['https://forum.example.org/auth/oidc/callback']);
  assert.equal(settings.title, 'Forum');
  const there = pastes(named('discourse'), { settings, id: 'forum' }, ours);
  const value = (label: string) => there.find((one) => one.label === label);
  assert.equal(
    value('openid_connect_discovery_document')?.value,
    'https://id.example.org/.well-known/openid-configuration',
  );
  assert.equal(value('openid_connect_client_id')?.value, 'forum');
  assert.deepEqual(value('openid_connect_client_secret'), {
    label: 'openid_connect_client_secret',
    from: 'client-secret',
  });
  assert.equal(value('openid_connect_rp_initiated_logout_redirect')?.value, 'https://forum.example.org/');
});

test('any SAML app: metadata as text names the app by itself; otherwise what is missing is said', () => {
  const metadata = `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://wiki.example.org/sp">
    <md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://wiki.example.org/acs" index="0"/>
    </md:SPSSODescriptor></md:EntityDescriptor>`;
  const read = settingsOf('saml', { title: 'Wiki', metadata });
  assert.equal(read.saml?.entityId, 'https://wiki.example.org/sp');
  assert.equal(read.consent, 'ask');
  const typed = settingsOf('saml', {
    title: 'Wiki',
    entityId: 'urn:wiki',
    acsUrl: 'https://wiki.example.org/acs',
    nameId: 'username',
  });
  assert.deepEqual(typed.saml?.nameId, { format: 'unspecified', source: 'username', force: false });
  assert.deepEqual(faultsOf('saml', { title: 'Wiki', acsUrl: 'https://wiki.example.org/acs' }), [
    'entityId is needed where there is no metadata',
  ]);
  assert.deepEqual(faultsOf('saml', { title: 'Wiki', entityId: 'urn:wiki' }), [
    'acsUrl is needed where there is no metadata',
  ]);
  assert.match(faultsOf('saml', { title: 'Wiki', metadata: '<html/>' })[0] ?? '', /^metadata /);
  assert.match(
    faultsOf('saml', { title: 'Wiki', entityId: 'urn:x', acsUrl: 'http://wiki.example.org/acs' })[0] ?? '',
    /^acsUrl .*https/,
  );
});

test('any OpenID Connect app: addresses are kept letter by letter, and unsafe ones refused at their field', () => {
  const settings = settingsOf('oidc', {
    title: 'Tracker',
    redirectUris: 'https://t.example.org/cb/\nhttp://localhost:8080/cb',
    kind: 'public',
  });
  assert.deepEqual(settings.oidc?.redirectUris, ['https://t.example.org/cb/', 'http://localhost:8080/cb']);
  assert.equal(settings.oidc?.clientAuth, 'none');
  const [fault] = faultsOf('oidc', { title: 'T', redirectUris: 'http://t.example.org/cb' });
  assert.match(fault ?? '', /^redirectUris .*https/);
  const there = pastes(named('oidc'), { settings, id: 't' }, ours);
  assert.equal(
    there.some((one) => one.from === 'client-secret'),
    false,
  );
});

test('any OpenID Connect app with a key of its own: its public keys or their address, and no secret', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'one' };
  const values = { title: 'T', redirectUris: 'https://t.example.org/cb', kind: 'key' };
  const settings = settingsOf('oidc', { ...values, jwks: JSON.stringify(jwk) });
  assert.equal(settings.oidc?.clientAuth, 'private_key_jwt');
  assert.deepEqual(settings.oidc?.jwks, { keys: [jwk] });
  const there = pastes(named('oidc'), { settings, id: 't' }, ours);
  assert.equal(
    there.some((one) => one.from === 'client-secret'),
    false,
  );
  assert.equal(there.find((one) => one.label === 'Audience of its assertions')?.value, ours.oidc.issuer);
  const jwksUri = 'https://t.example.org/jwks';
  assert.equal(settingsOf('oidc', { ...values, jwksUri }).oidc?.jwksUri, jwksUri);
  const faults: [string, Record<string, string>][] = [
    ['jwksUri is needed', values],
    ['jwks give the keys or their address', { ...values, jwksUri, jwks: JSON.stringify(jwk) }],
    ['kind must be', { ...values, kind: 'server', jwksUri }],
    ['jwks holds a private part', { ...values, jwks: JSON.stringify(privateKey.export({ format: 'jwk' })) }],
    ['jwks must be a key set', { ...values, jwks: 'hello' }],
  ];
  for (const [text, given] of faults) assert.match(faultsOf('oidc', given)[0] ?? '', new RegExp(`^${text}`));
});

test('every template says what to paste before anything is known', () => {
  for (const template of templates) {
    const there = pastes(template, {}, ours);
    assert.ok(there.length > 0, template.name);
    for (const one of there) assert.ok(one.value !== undefined || one.from, `${template.name}: ${one.label}`);
  }
});
