import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';

const password = 'plum violin tractor';
const community = `
community: { name: Northlight, aliasMailboxes: { domains: [members.example.org] } }
applications:
  - { id: jira, title: Jira, url: "https://jira.example.org/", alias: { address: mailbox } }
  - { id: wiki, title: Wiki, url: "https://wiki.example.org/" }
  - { id: board, title: Board, access: { groups: [board] }, alias: { address: mailbox } }
groups: [{ name: board }]
people:
  - { username: jane, password: ${password}, addresses: [jane@example.org, { address: old@example.net, verified: true }, { address: open@example.net, verified: false }] }
`;
let platform: Platform;

before(async () => {
  platform = await startPlatform();
  await platform.apply(community);
});

test('a person reads the address an app expects, and says when they keep an account of their own there', async () => {
  const visitor = platform.visitor();
  await visitor.signIn('jane', password);
  const list = await visitor.open('/account/address-for');
  assert.match(list.text, /Jira[\s\S]*jane@members\.example\.org/);
  // The menu above the page leads to every app.
  assert.doesNotMatch(list.text.slice(list.text.indexOf('<main')), /Wiki|Board/);
  const page = await visitor.open('/address-for/jira');
  assert.equal(page.url, `${platform.origin}/account/address-for/jira`);
  assert.match(page.text, /Your address at Jira[\s\S]*data-copy="jane@members\.example\.org"/);
  assert.doesNotMatch(page.text, /open@example\.net/, 'only confirmed addresses can be chosen');
  const old = /value="([0-9a-f-]{36})"[^>]*>(?:(?!value=)[\s\S])*old@example\.net/.exec(page.text)?.[1];
  assert.ok(old);
  const chosen = await visitor.submit({ account: old }, '/account/address-for/jira');
  assert.match(chosen.text, /data-copy="old@example\.net"/);
  const back = await visitor.submit({ account: 'mailbox' }, '/account/address-for/jira');
  assert.match(back.text, /data-copy="jane@members\.example\.org"/);
  const strange = await visitor.submit(
    { account: '0192f000-0000-7000-8000-000000000009' },
    '/account/address-for/jira',
  );
  assert.equal(strange.status, 404);
  assert.match(strange.text, /id="refused"/);
  assert.match((await visitor.open('/account/address-for/wiki')).text, /data-copy="jane@example\.org"/);
  assert.equal((await visitor.open('/account/address-for/board')).status, 403);
  assert.equal((await visitor.open('/account/address-for/nowhere')).status, 404);
  assert.match((await visitor.open('/apps')).text, /\/account\/address-for\/jira/);
});

test('whoever is signed out is asked to sign in and learns nothing about anyone\u2019s alias', async () => {
  for (const path of [
    '/account/address-for',
    '/address-for/jira',
    '/address-for/jira?mail=jane@example.org',
  ]) {
    const visitor = platform.visitor();
    const seen = await visitor.open(path);
    assert.match(seen.url, /\/sign-in/, path);
    assert.doesNotMatch(seen.text, /members\.example\.org/);
  }
  const visitor = platform.visitor();
  await visitor.open('/address-for/jira');
  const after = await visitor.submit({ username: 'jane', password });
  assert.match(after.text, /jane@members\.example\.org/, 'the way leads on after signing in');
});
