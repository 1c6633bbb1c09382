import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPlatform } from '#test/kit.ts';

test('an app without an address is no way in: listed, without a tile that leads nowhere', async () => {
  const platform = await startPlatform();
  await platform.apply(`
community: { name: Harbour }
applications:
  - { id: forum, title: Forum, url: https://forum.example.org/ }
  - { id: tracker, title: Tracker, oidc: { redirectUris: [https://tracker.example.org/back], initiateLoginUri: https://tracker.example.org/start } }
  - { id: silent, title: Silent, oidc: { redirectUris: [https://silent.example.org/back] } }
people:
  - { username: ada, addresses: [ada@example.org], password: correct horse battery }
`);
  const visitor = platform.visitor();
  await visitor.signIn('ada', 'correct horse battery');
  await visitor.open('/apps');
  const tiles = [...visitor.page.text.matchAll(/class="tile" href="([^"]+)"/g)].map(([, href]) => href);
  assert.deepEqual(tiles, ['/go/forum', '/go/tracker']);
  for (const href of tiles)
    assert.match((await visitor.request(String(href))).headers.get('location') ?? '', /^https:\/\//);
  assert.equal(visitor.page.text.match(/no address to open/g)?.length, 1);
  assert.match(visitor.page.text, /Silent[\s\S]*no address to open/);
  assert.equal((await visitor.request('/go/silent')).status, 404);

  await platform.apply(
    'applications:\n  - { id: forum, title: Forum, enabled: false }\n  - { id: tracker, title: Tracker, enabled: false }',
  );
  await visitor.open('/apps');
  assert.doesNotMatch(visitor.page.text, /class="tiles?"/);
  assert.match(visitor.page.text, /Silent/);
});
