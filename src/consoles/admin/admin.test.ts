import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPlatform } from '#test/kit.ts';

const community = `
groups: []
applications:
  - { id: tracker, title: Tracker, oidc: { redirectUris: ['https://tracker.example.org/cb'] } }
  - { id: commons, title: Commons, oidc: { redirectUris: ['https://commons.example.org/cb'] } }
people:
  - { username: app.keeper, password: lantern harbour nine, addresses: [keeper@example.org], operator: apps }
  - { username: own.keeper, password: lantern harbour nine, addresses: [own@example.org], operator: { role: app-owner, application: tracker } }
  - { username: visitor, password: lantern harbour nine, addresses: [visitor@example.org] }
`;

test('AD-04 the console opens at the first page a role may see, and app owners see their own apps alone', async () => {
  const platform = await startPlatform();
  await platform.apply(community);
  const open = async (username: string, path: string) => {
    const visitor = platform.visitor();
    await visitor.signIn(username, 'lantern harbour nine');
    return visitor.open(path);
  };
  const keeper = await open('app.keeper', '/admin');
  assert.equal(keeper.status, 200);
  assert.match(keeper.text, /admin\/apps/);
  const owner = await open('own.keeper', '/admin');
  assert.match(owner.url, /\/admin\/apps$/);
  assert.match(owner.text, /Tracker/);
  assert.doesNotMatch(owner.text, /Commons/);
  for (const path of ['/admin/people', '/admin/tokens', '/admin/events']) {
    assert.equal((await open('own.keeper', path)).status, 403, path);
  }
  assert.equal((await open('visitor', '/admin')).status, 403);
});

test('figures are not for whoever comes through a proxy that nobody named', async () => {
  const platform = await startPlatform();
  const ask = (headers: Record<string, string>) => fetch(`${platform.origin}/metrics`, { headers });
  assert.equal((await ask({})).status, 200);
  assert.equal((await ask({ 'x-forwarded-for': '203.0.113.9' })).status, 404);
});
