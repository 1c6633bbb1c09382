/** An address this community makes is nobody's own: mail to it is passed on, and would go round in a circle. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { changeCommunity, community } from '#core/community/community.ts';
import { createToken } from '#core/operators/tokens.ts';
import { problems } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import { runImport } from '#migration/import.ts';
import type { LegacyPerson, Source, SourceItem } from '#sources/source.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Seen } from '#test/visitor.ts';
import { type FakeIdp, startFakeIdp } from '../upstreams/fake-idp.ts';
import { browser, textOf } from '../upstreams/stage.ts';
import { addPeople, behindProxy, signedIn, stranger } from './stage.ts';

const domain = 'members.harbour.test';
const other = 'people.harbour.test';
const password = 'plum violin tractor';
const sentence = problems['address-ours'];
const names = { given_name: 'Bo', family_name: 'Ek', password };
let platform: Platform;
let idp: FakeIdp;

before(async () => {
  idp = await startFakeIdp();
  platform = await startPlatform({ env: { ...behindProxy, GATEHOUSE_ALIAS_DOMAIN: domain } });
  await addPeople(platform, [{ username: 'ada', password, address: 'ada@example.org' }]);
});
after(() => idp.stop());

const addressesOf = async (like: string) =>
  (
    await platform.database.query<{ address: string }>(
      'select address from addresses where address_key like $1',
      [like],
    )
  ).map(({ address }) => address);

function refused(seen: Seen): void {
  assert.equal(seen.status, 422, seen.url);
  assert.ok(textOf(seen).includes(sentence), textOf(seen));
}

test('an address on the domain of alias mailboxes is refused at sign-up and where a wrong one is changed', async () => {
  const visitor = stranger(platform);
  await visitor.open('/sign-up');
  refused(await visitor.submit({ ...names, username: 'bo.ek', email: `Bo@${domain}` }, '/sign-up'));
  const seen = await visitor.submit({ ...names, username: 'bo.ek', email: 'bo@example.org' }, '/sign-up');
  assert.match(seen.url, /\/verify\/code$/);
  await visitor.open('/verify/address');
  refused(await visitor.submit({ email: `bo@${domain.toUpperCase()}` }, '/verify/address'));
  assert.deepEqual(await addressesOf('bo@%'), ['bo@example.org'], 'the one that waits is still there');
  assert.deepEqual(await addressesOf(`%@${domain}`), []);
});

test('the same on the account page, where somebody’s own mailbox is refused like a made-up one', async () => {
  const ada = await signedIn(platform, { username: 'ada', password });
  for (const email of [`ada@${domain}`, `nobody@${domain}`]) {
    await ada.open('/account');
    refused(await ada.submit({ email }, '/account/addresses'));
  }
  await ada.open('/account');
  const fine = await ada.submit({ email: `ada@not-${domain}` }, '/account/addresses');
  assert.match(fine.url, /\/account\/addresses\/.+\/code$/, 'another domain that only ends alike');
  assert.deepEqual(await addressesOf(`%@${domain}`), []);
});

test('the same by the API, a community file and an import, each at its place', async () => {
  const { token } = await platform.database.transact(system('admin'), (tx) =>
    createToken(tx, { name: 'probe', scopes: ['owner'] }),
  );
  const answer = await fetch(new URL('/api/v1/people', platform.origin), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'cleo', address: `cleo@${domain}` }),
  });
  assert.equal(answer.status, 422);
  const problem = (await answer.json()) as { code: string; fields: Record<string, { text: string }> };
  assert.deepEqual([problem.code, problem.fields.address?.text], ['address-ours', sentence]);

  const file = (line: string) => `people:\n  - { username: dora, addresses: [${line}] }\n`;
  await assert.rejects(platform.apply(file(`dora@${domain}`)), (error: Error) => {
    assert.equal(error.message, `line 2, people[0].addresses[0]: ${sentence}`);
    return true;
  });
  await assert.rejects(
    platform.apply(`people:\n  - { username: ada, addresses: [ada@example.org, a@${domain}] }\n`),
    /people\[0\]\.addresses\[1\]: /,
  );
  // Named in the same file, the domain is new at the moment people join.
  const both = `community: { name: Harbour, aliasMailboxes: { domains: [${domain}, ${other}] } }\n`;
  await assert.rejects(platform.apply(both + file(`dora@${other}`)), new RegExp(sentence.slice(0, 40)));

  const person = (username: string, at: string[]): LegacyPerson => ({
    key: username,
    username,
    addresses: at.map((address, index) => ({ address, primary: index === 0, verified: true })),
    passwordHashes: ['{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7'],
    locked: false,
    groups: [],
  });
  const source: Source = {
    label: 'old',
    async *readSource(): AsyncGenerator<SourceItem> {
      yield { kind: 'person', person: person('eve', [`eve@${domain}`]) };
      yield { kind: 'person', person: person('fay', ['fay@example.org', `fay@${domain}`]) };
    },
  };
  for (const dryRun of [true, false]) {
    const { counts, findings } = await runImport(platform, source, { dryRun });
    assert.deepEqual([counts.imported, counts.conflict], [1, 1]);
    const [conflict] = findings.filter(({ level }) => level === 'conflict');
    assert.equal(conflict?.kind, 'address-ours');
    assert.match(conflict.examples[0]!.text, /eve@members\.harbour\.test is on a domain of alias mailboxes/);
    const [left] = findings.filter(({ kind }) => kind === 'address-dropped');
    assert.match(left!.examples[0]!.text, /fay@members\.harbour\.test/);
  }
  assert.deepEqual(await addressesOf('fay@%'), ['fay@example.org']);
  assert.deepEqual(await addressesOf(`%@${domain}`), []);
});

test('the same for whoever comes through another provider, also where that one vouches for the address', async () => {
  await platform.apply(
    `upstreams:\n  - { id: good, title: Good, privateNetwork: true, newPeople: create, trustAddresses: true, oidc: { issuer: "${idp.issuer}", clientId: gatehouse }, credentials: { clientSecret: something } }\n`,
  );
  idp.claims = {
    sub: 'gus',
    preferred_username: 'gus',
    given_name: 'Gus',
    email: `gus@${domain}`,
    email_verified: true,
  };
  const visitor = browser(platform, [idp.issuer]);
  const choice = await visitor.go('/upstream/good/start');
  assert.match(choice.url, /\/upstream\/arrivals\//);
  await visitor.go(`${new URL(choice.url).pathname}/new`);
  refused(await visitor.send({ username: 'gus', given_name: 'Gus', email: `gus@${domain}` }));
  const waits = await visitor.send({ username: 'gus', given_name: 'Gus', email: 'gus@example.org' });
  assert.match(waits.url, /\/verify\/code$/);
  assert.deepEqual(await addressesOf(`%@${domain}`), []);
});

test('whoever had such an address before the domain was one keeps it, and a file that names it still applies', async () => {
  await addPeople(platform, [{ username: 'hal', password, address: 'hal@later.harbour.test' }]);
  await platform.database.transact(system('admin'), async (tx) => {
    const now = await community(tx);
    await changeCommunity(tx, {
      ...now,
      aliasMailboxes: { ...now.aliasMailboxes, domains: [domain, 'later.harbour.test'] },
    });
  });
  await platform.apply('people:\n  - { username: hal, addresses: [hal@later.harbour.test] }\n');
  const hal = await signedIn(platform, { username: 'hal', password });
  assert.match(hal.page.url, /\/account$/);
});
