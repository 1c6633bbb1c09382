/** Addresses: which may be kept, and that none a link or form brings along leads away. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { isReturnUri, isServerUri } from '#core/applications/addresses.ts';
import type { Platform } from '#test/kit.ts';
import type { Seen, Visitor } from '#test/visitor.ts';
import { post, signedIn, startWiki, stranger, wikiPeople } from './stage.ts';

const { ada } = wikiPeople;
let platform: Platform;
let olga: Visitor;

before(async () => {
  platform = await startWiki();
  olga = await signedIn(platform, wikiPeople.olga);
});

async function freshForm(visitor: Visitor): Promise<Record<string, string>> {
  await visitor.open('/account');
  return visitor.formOf('/sign-out').fields;
}

const hostile = [
  'javascript:alert(1)', 'JaVaScRiPt:alert(1)', ' javascript:alert(1)', 'java\tscript:alert(1)', 'java\nscript:alert(1)', '\u0001javascript:alert(1)',
  'javascript://example.org/%0aalert(1)', 'data:text/html,<script>1</script>', 'DATA:text/html;base64,PHN2Zz4=', 'vbscript:x', 'file:///etc/passwd',
  'blob:https://x.org/1', 'about:blank', 'view-source:https://x.org', 'ftp://x.org/', '//x.org/', '/x', 'x.org', 'https:', 'https:/', 'https://', 'https:x.org',
  'https:/x.org', 'https:///x.org', 'https:\\\\x.org', 'https://x.org\\@y.org', 'https://user:pw@x.org/', 'https://user@x.org/', 'https://x.org/#f', 'https://*.x.org/',
  'https://x.org/\u202egro.live', 'https://x.org/a b', 'https://x.org/\r\nSet-Cookie: a=b', 'https://x.org\u0000.evil.org', 'http://x.org/', 'http://8.8.8.8/', 'http://[2001:db8::1]/',
  'https://x.org:99999/', 'https://[::1', 'https://%zz/', 'mailto:x@x.org', 'chrome://x', '', ' ',
]; // biome-ignore format: a word list

test('FE-03 no address that is kept can be a script, a second reading, or plain http on the open net', async () => {
  assert.ok(hostile.length >= 30);
  for (const text of hostile)
    assert.equal(isReturnUri(text, { privateHttp: false }), false, `return to ${JSON.stringify(text)}`);
  for (const text of hostile.filter((one) => !/^http:\/\//.test(one)))
    assert.equal(isServerUri(text), false, `server ${JSON.stringify(text)}`);
  for (const fine of [
    'https://x.org/cb',
    'https://x.org:8443/cb?a=b',
    'http://127.0.0.1:9/cb',
    'http://localhost/cb',
    'http://[::1]:3000/',
    'org.example.app:/cb',
  ])
    assert.ok(isReturnUri(fine, { privateHttp: false }), fine);
  const visitor = await signedIn(platform, ada);
  for (const text of hostile.filter(
    (one) => (one.trim() !== '' && !/^http/.test(one)) || /[@\\]|%zz|\[::1$|:99999/.test(one),
  )) {
    await visitor.open('/account/profile');
    const seen = await visitor.submit({ attribute_homepage: text }, '/account/profile');
    assert.ok(
      seen.status === 422 || seen.status === 400,
      `home page ${JSON.stringify(text)}: ${seen.status}`,
    );
  }
  for (const field of ['url', 'redirect', 'logout', 'initiate', 'backchannel', 'help', 'logo', 'link']) {
    for (const text of [
      'javascript:alert(1)',
      'data:text/html,x',
      'java\tscript:x',
      '//evil.example/x',
      '\\\\evil.example',
    ]) {
      const value = JSON.stringify(text);
      const oidc = `oidc: { redirectUris: [${field === 'redirect' ? value : 'https://x.org/cb'}]${{ logout: `, postLogoutRedirectUris: [${value}]`, initiate: `, initiateLoginUri: ${value}`, backchannel: `, backchannelLogoutUri: ${value}` }[field] ?? ''} }`;
      const community = {
        help: `help: ${value}`,
        logo: `logo: ${value}`,
        link: `links: [{ title: x, url: ${value} }]`,
      }[field];
      const file = community
        ? `community: { name: Harbour, ${community} }`
        : `applications:\n  - { id: probe, title: Probe, ${field === 'url' ? `url: ${value}, ` : ''}${oidc} }`;
      await assert.rejects(platform.apply(file), /./, `${field} ${value}`);
    }
  }
});

const away = [
  'https://evil.example', 'http://evil.example', '//evil.example', '///evil.example', '////evil.example', '/\\evil.example', '\\\\evil.example', '\\/evil.example', '/\t/evil.example',
  '/\n/evil.example', '/\r/evil.example', '\t//evil.example', ' //evil.example', '/ /evil.example', '/%09/evil.example', '/%0a/evil.example', '/%2f%2fevil.example', '/%5cevil.example', '%2f%2fevil.example',
  '%68ttps://evil.example', 'https:evil.example', 'https:/evil.example', 'https:\\\\evil.example', 'HTTPS://evil.example', 'javascript:alert(1)', 'JaVaScript:alert(1)', 'java\tscript:alert(1)', 'data:text/html,x', 'vbscript:x',
  '/.evil.example', '.evil.example', '@evil.example', 'x@evil.example', ':evil.example', '?//evil.example', '#//evil.example', ';//evil.example', '/account/..//evil.example', '/account/../../evil.example',
  '/./\\evil.example', '/..//evil.example', '//evil.example@localhost', '//localhost@evil.example', '//localhost.evil.example', '//evil.example:80', '//[::1]/', '//0x7f.1', '//evil。example', '//evil%E3%80%82example', '/\u2028/evil.example',
  '/\u0000/evil.example', 'http:///evil.example', 'http:////evil.example', '//google.com%2f@evil.example', 'https://localhost:80@evil.example', '/sign-in?request=//evil.example', '/\\/\\evil.example', '/%5c%5cevil.example', '//%65vil.example', 'ftp://evil.example', 'ws://evil.example',
]; // biome-ignore format: a word list

test('FE-05 nothing a link or form brings along leads to another site', async () => {
  assert.ok(away.length >= 60);
  const { host } = new URL(platform.origin);
  const stays = (seen: Seen, what: string) => {
    const location = seen.headers.get('location');
    assert.ok(seen.status < 500, `${what}: ${seen.status}`);
    if (location !== null)
      assert.equal(new URL(location, `${platform.origin}/x`).host, host, `${what} leads to ${location}`);
    for (const [, target = ''] of seen.text.matchAll(/(?:href|action|src)="([^"]*)"/g))
      assert.ok(
        !/^[^/?#]*:|^\/\/|^\/\\/.test(target) || /^https:\/\/wiki\.example\.org/.test(target),
        `${what} shows a way to ${target}`,
      );
    assert.ok(!/http-equiv="refresh"/i.test(seen.text));
  };
  const fields = await freshForm(olga);
  for (const text of away) {
    const value = encodeURIComponent(text);
    const takers = [
      'request',
      'return_to',
      'returnTo',
      'next',
      'said',
      'redirect',
      'redirect_uri',
      'RelayState',
      'post_logout_redirect_uri',
      'token',
      'url',
      'continue',
    ];
    const query = takers.map((name) => `${name}=${value}`).join('&');
    for (const path of [
      '/',
      '/sign-in',
      '/sign-up',
      '/recover',
      '/verify/code',
      '/sign-out',
      '/account',
      '/apps',
      '/admin/people',
    ]) {
      stays(
        await stranger(platform).request(`${path}?${query}`, {
          headers: { referer: text.replaceAll(/[^\x21-\x7e]/g, '') },
        }),
        `${path} with ${JSON.stringify(text)}`,
      );
      stays(await olga.request(`${path}?${query}`), `${path} signed in with ${JSON.stringify(text)}`);
    }
    stays(await olga.request(`/go/${value.replaceAll('%00', '')}`), `/go/ ${JSON.stringify(text)}`);
    const guest = stranger(platform);
    // Each text costs a wrong attempt; this is not about them.
    await platform.database.query('delete from password_failures');
    await guest.open('/sign-in');
    const typed = text.replaceAll('\0', '');
    const form = { ...guest.formOf('/sign-in').fields, return_to: typed, returnTo: typed, next: typed };
    stays(
      await post(guest, '/sign-in', { ...form, request: text, username: 'ada', password: 'wrong' }),
      `refused sign-in with ${JSON.stringify(text)}`,
    );
    const answer = await post(guest, '/sign-in', {
      ...form,
      request: typed,
      username: 'ada',
      password: ada.password,
    });
    assert.equal(answer.headers.get('location'), '/account', JSON.stringify(text));
    stays(
      await post(olga, '/account/profile', {
        ...fields,
        return_to: typed,
        given_name: 'Olga',
        family_name: 'Probe',
        display_name: 'Olga',
      }),
      'profile',
    );
  }
  for (const text of away.slice(0, 20)) {
    const guest = await signedIn(platform, ada);
    await guest.open('/account');
    const { fields: own } = guest.formOf('/switch-account');
    stays(
      await post(guest, '/switch-account', { ...own, request: text }),
      `switch with ${JSON.stringify(text)}`,
    );
  }
  assert.equal(
    (await olga.request('/go/wiki')).headers.get('location')?.startsWith('https://wiki.example.org/'),
    true,
    'what operators set does lead there',
  );
});
