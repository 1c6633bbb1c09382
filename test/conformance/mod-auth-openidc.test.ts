/**
 * Apache with mod_auth_openidc as an app: it verifies our certificate, our metadata, our keys and our tokens by its own
 * code. Everything runs over https with an authority of the test's own; Gatehouse is a process of its own.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '#test/kit.ts';
import { type Apache, apacheMissing, startApache } from '#test/peers/apache.ts';
import { makeCertificates, opensslMissing, trustAuthority } from '#test/peers/certificates.ts';
import { type Gatehouse, runGatehouse } from '#test/peers/gatehouse.ts';
import { follow, type Seen, Visitor } from '#test/visitor.ts';

const modules = ['ssl', 'auth_openidc', 'authn_core', 'authz_user', 'include'];
const secret = 'portal: a secret/of + more & than thirty-two % characters';
const password = 'river-stone-lamp';

const communityFile = (portal: string) => `
community: { name: Harbour }
groups: [{ name: staff }, { name: developers }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Łovelace }, password: ${password}, addresses: [ada@example.org],
      groups: [staff, developers], aliases: { portal: a.lovelace } }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${password}, addresses: [bob@example.org], groups: [staff] }
applications:
  - id: portal
    title: Portal
    secret: ${JSON.stringify(secret)}
    consent: trusted
    release: { claims: [name, username, email, groups], groups: all }
    oidc:
      redirectUris: [${portal}/inside/callback]
      postLogoutRedirectUris: [${portal}/bye.html]
      backchannelLogoutUri: ${portal}/inside/callback?logout=backchannel
      pkce: required
`;

const shown = [
  ...['REMOTE_USER', 'OIDC_CLAIM_preferred_username', 'OIDC_CLAIM_name', 'OIDC_CLAIM_email'],
  ...['OIDC_CLAIM_groups', 'OIDC_CLAIM_sid', 'OIDC_userinfo_json', 'OIDC_access_token'],
];
const page = shown.map((name) => `${name}=<!--#echo encoding="none" var="${name}" -->\n`).join('');

/** What Apache knows of the person, as its page shows it. */
function shownBy(seen: Seen): Record<string, string> {
  assert.equal(seen.status, 200, seen.text);
  const lines = seen.text.trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]));
}

describe('Apache with mod_auth_openidc', {
  skip: apacheMissing(modules) ?? opensslMissing() ?? false,
}, () => {
  let directory: string;
  let gatehouse: Gatehouse;
  let apache: Apache;
  let portal: string;

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'apache-openidc-'));
    const certificates = await makeCertificates(directory);
    trustAuthority(certificates.caFile);
    const port = await freePort();
    portal = `https://127.0.0.1:${port}`;
    gatehouse = await runGatehouse({
      community: communityFile(portal),
      certificates,
      env: { GATEHOUSE_OUTBOUND_ALLOW: `127.0.0.1:${port}` },
    });
    apache = await startApache({
      ports: [port],
      modules,
      pages: {
        'inside/who.shtml': page,
        'inside/developers.shtml': page,
        'bye.html': 'See you.',
      },
      configuration: `
        SSLEngine on
        SSLCertificateFile ${certificates.certificateFile}
        SSLCertificateKeyFile ${certificates.keyFile}
        OIDCProviderMetadataURL ${gatehouse.origin}/.well-known/openid-configuration
        OIDCSSLValidateServer On
        OIDCCABundlePath ${certificates.caFile}
        OIDCClientID portal
        OIDCClientSecret "${secret}"
        OIDCProviderTokenEndpointAuth client_secret_basic
        OIDCRedirectURI ${portal}/inside/callback
        OIDCCryptoPassphrase for-this-test-alone
        OIDCScope "openid profile email groups"
        OIDCPKCEMethod S256
        OIDCRemoteUserClaim preferred_username
        OIDCPassClaimsAs environment
        OIDCPassUserInfoAs claims json
        OIDCCacheType shm
        AddType text/html .shtml
        AddOutputFilter INCLUDES .shtml
        <Location /inside>
          Options +Includes
          AuthType openid-connect
          # A fetch of this process cannot say that it is a browser going somewhere, which is what counts otherwise.
          OIDCUnAuthAction 401 "%{HTTP_ACCEPT} !~ m#text/html#"
          Require valid-user
        </Location>
        <Location /inside/developers.shtml>
          Require claim groups:developers
        </Location>
      `,
    });
  });
  after(async () => {
    await apache?.stop();
    await gatehouse?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** One browser: what it sees of us, of Apache, and how it goes between the two. */
  function browser() {
    const here = new Visitor(gatehouse.origin);
    const there = new Visitor(portal);
    const go = async (seen: Promise<Seen>) => follow([here, there], await seen);
    return {
      here,
      there,
      open: (url: string) => go(there.open(url)),
      signIn: (username: string) => go(here.submit({ username, password }, '/sign-in')),
      /** Whether Apache still knows the person, asked without going anywhere. */
      isInside: async () => (await there.request(`${portal}/inside/who.shtml`)).status === 200,
    };
  }

  test('OA-25 mod_auth_openidc signs in, reads userinfo, and takes the name and groups we give', async () => {
    const { open, signIn } = browser();
    const asked = await open('/inside/who.shtml?tab=two');
    assert.equal(new URL(asked.url).origin, gatehouse.origin);
    assert.match(asked.text, /Portal/);
    const inside = await signIn('ada');
    assert.equal(inside.url, `${portal}/inside/who.shtml?tab=two`, await apache.log());
    const known = shownBy(inside);
    assert.equal(known.REMOTE_USER, 'a.lovelace');
    assert.equal(known.OIDC_CLAIM_preferred_username, 'a.lovelace');
    assert.equal(known.OIDC_CLAIM_name, 'Ada Łovelace');
    assert.equal(known.OIDC_CLAIM_email, 'ada@example.org');
    assert.deepEqual(known.OIDC_CLAIM_groups?.split(',').sort(), ['developers', 'staff']);
    const info = JSON.parse(known.OIDC_userinfo_json ?? '');
    assert.equal(info.preferred_username, 'a.lovelace', 'claims came from userinfo');

    const second = await open('/inside/developers.shtml');
    assert.equal(second.url, `${portal}/inside/developers.shtml`);
    assert.equal(shownBy(second).REMOTE_USER, 'a.lovelace');
  });

  test('OA-25 who is signed in with us enters without a question, and groups decide what Apache shows', async () => {
    const { here, open } = browser();
    await here.signIn('bob', password);
    const inside = await open('/inside/who.shtml');
    assert.equal(inside.url, `${portal}/inside/who.shtml`);
    assert.equal(shownBy(inside).REMOTE_USER, 'bob');
    assert.equal(shownBy(inside).OIDC_CLAIM_groups, 'staff');
    assert.equal((await open('/inside/developers.shtml')).status, 401);
  });

  test('OA-25 mod_auth_openidc refreshes its tokens', async () => {
    const { here, there, open } = browser();
    await here.signIn('ada', password);
    const before = shownBy(await open('/inside/who.shtml'));
    const query = new URLSearchParams({
      refresh: `${portal}/inside/who.shtml`,
      access_token: before.OIDC_access_token ?? '',
    });
    const refreshed = await there.open(`/inside/callback?${query}`);
    assert.equal(refreshed.url, `${portal}/inside/who.shtml`, await apache.log());
    const now = shownBy(refreshed);
    assert.notEqual(now.OIDC_access_token, before.OIDC_access_token);
    const headers = { authorization: `Bearer ${now.OIDC_access_token}` };
    const info = await fetch(`${gatehouse.origin}/oidc/userinfo`, { headers });
    assert.equal(((await info.json()) as { preferred_username: string }).preferred_username, 'a.lovelace');
  });

  test('OA-25 OA-22 signing out at Apache ends our session without a question and returns', async () => {
    const { here, open, isInside } = browser();
    await here.signIn('ada', password);
    await open('/inside/who.shtml');
    const gone = await open(`/inside/callback?${new URLSearchParams({ logout: `${portal}/bye.html` })}`);
    assert.equal(gone.url, `${portal}/bye.html`, await apache.log());
    assert.equal(gone.text, 'See you.');
    assert.equal(await isInside(), false);
    assert.match((await here.open('/account')).url, /\/sign-in/);
  });

  test('OA-25 OA-22 signing out with us ends the session of Apache within five seconds', async () => {
    const [leaving, staying] = [browser(), browser()];
    for (const { here, open, isInside } of [leaving, staying]) {
      await here.signIn('ada', password);
      await open('/inside/who.shtml');
      assert.equal(await isInside(), true);
    }
    await leaving.here.open('/account');
    const began = Date.now();
    await leaving.here.submit({}, '/sign-out');
    while ((await leaving.isInside()) && Date.now() - began < 5_000) await sleep(50);
    assert.equal(await leaving.isInside(), false, gatehouse.output() + (await apache.log()));
    assert.equal(await staying.isInside(), true, 'the other session of the same person goes on');
  });
});
