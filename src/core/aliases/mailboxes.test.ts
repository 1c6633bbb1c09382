import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { applicationSettings, requireApplication, saveApplication } from '#core/applications/applications.ts';
import { aliasDomains, rememberAliasDomain } from '#core/community/alias-domains.ts';
import { changeCommunity, communitySettings } from '#core/community/community.ts';
import { listEvents } from '#core/events/events.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { type Joiner, join, joinMany } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { listAddresses } from '#core/people/people.ts';
import { profilesFor } from '#core/profile/profile.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { accountChoice, chooseAccount, chosenAccounts } from './account-choices.ts';
import {
  completeMailboxes,
  currentMailbox,
  ensureMailboxes,
  findMailbox,
  followName,
  listMailboxes,
  moveMailboxes,
} from './mailboxes.ts';

const secrets = createSecrets(Buffer.alloc(32, 5));
const domain = 'members.example.org';
let home: TestDatabase;
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);

const joiner = (username: string, more: Partial<Joiner> = {}): Joiner => ({
  username,
  state: 'active',
  origin: 'test',
  addresses: [],
  ...more,
});
const add = (username: string, more?: Partial<Joiner>) => during((tx) => join(tx, joiner(username, more)));
const addressOf = async (person: string) => (await during((tx) => currentMailbox(tx, person)))?.address;
const setDomains = (domains: string[], rule: 'username' | 'name' = 'username') =>
  during((tx) => changeCommunity(tx, communitySettings.parse({ aliasMailboxes: { domains, rule } })));

before(async () => {
  home = await testDatabase({ poolSize: 20 });
});

test('without a domain nobody has a mailbox; with one everybody gets theirs, those before included', async () => {
  const early = await add('early');
  const waiting = await add('waiting', { state: 'unverified' });
  assert.equal(await addressOf(early), undefined);
  assert.equal(await completeMailboxes(home.database), 0);
  await during((tx) => rememberAliasDomain(tx, 'first.example.org'));
  assert.deepEqual(await during(aliasDomains), ['first.example.org']);
  await setDomains([domain, 'other.example.org']);
  assert.deepEqual(await during(aliasDomains), [domain, 'other.example.org']);
  assert.equal(await completeMailboxes(home.database), 1);
  assert.equal(await completeMailboxes(home.database), 0);
  assert.equal(await addressOf(early), `early@${domain}`);
  assert.equal(await addressOf(waiting), undefined, 'a sign-up has proved nothing yet');
  await during((tx) => activate(tx, waiting));
  assert.equal(await addressOf(waiting), `waiting@${domain}`);
  const [event] = await during((tx) => listEvents(tx, { type: 'alias-mailbox.assigned', limit: 1 }));
  assert.deepEqual([event?.person, event?.data], [waiting, { domain, origin: 'joined' }]);
  for (const bad of [['not a domain'], ['a.example.org', 'A.example.org'], ['@x.org'], ['localhost']])
    assert.ok(!communitySettings.safeParse({ aliasMailboxes: { domains: bad } }).success, bad.join());
});

test('names that come to the same get numbers; whoever really has the name with a number comes first', async () => {
  const { joined } = await during((tx) =>
    joinMany(tx, [
      joiner('anna b'),
      joiner('anna-b'),
      joiner('änna b'),
      joiner('anna-b-2'),
      joiner('ANNA_B '),
    ]),
  );
  const boxes = await Promise.all(joined.map(({ id }) => addressOf(id)));
  assert.deepEqual(boxes.slice(0, 3), [`anna-b@${domain}`, `anna-b-4@${domain}`, `anna-b-3@${domain}`]);
  assert.deepEqual(boxes.slice(3), [`anna-b-2@${domain}`, `anna_b@${domain}`]);
  assert.equal(await addressOf(await add('anna*b')), `anna-b-5@${domain}`);
  assert.match((await addressOf(await add('Postmaster')))!, /^member-[a-z2-9]{6}@/);
});

test('of many at once each gets an address of their own, and one person never gets two', async () => {
  const names = Array.from({ length: 16 }, (_, index) => `star${'.-_ '[index % 4]}${'!'.repeat(index + 1)}`);
  const ids = await Promise.all(names.map((name) => add(name)));
  const boxes = await Promise.all(ids.map(addressOf));
  assert.equal(new Set(boxes).size, 16);
  assert.deepEqual(
    boxes.sort(),
    Array.from({ length: 16 }, (_, index) => `star${index ? `-${index + 1}` : ''}@${domain}`).sort(),
  );
  const late = await during(async (tx) => {
    await setDomainsIn(tx, []);
    return join(tx, joiner('once'));
  });
  await setDomains([domain]);
  const named = { id: late, username: 'once', givenName: '', familyName: '' };
  const made = await Promise.all(
    Array.from({ length: 10 }, () => during((tx) => ensureMailboxes(tx, [named]))),
  );
  assert.equal(
    made.reduce((sum, one) => sum + one, 0),
    1,
  );
  assert.equal((await during((tx) => listMailboxes(tx, [late]))).get(late)?.length, 1);
});

async function setDomainsIn(tx: Tx, domains: string[]): Promise<void> {
  await rememberAliasDomain(tx, undefined);
  await changeCommunity(tx, communitySettings.parse({ aliasMailboxes: { domains } }));
}

test('a mailbox stays when asked nothing, follows a name when asked, and an earlier one stays theirs', async () => {
  const person = await add('marie', { givenName: 'Marie', familyName: 'Curie Skłodowska' });
  assert.equal((await during((tx) => followName(tx, person))).address, `marie@${domain}`);
  await setDomains([domain], 'name');
  assert.equal(await addressOf(person), `marie@${domain}`);
  assert.equal((await during((tx) => followName(tx, person))).address, `marie.curie.sklodowska@${domain}`);
  await setDomains([domain]);
  assert.equal((await during((tx) => followName(tx, person))).address, `marie@${domain}`);
  const all = (await during((tx) => listMailboxes(tx, [person]))).get(person)!;
  assert.deepEqual(
    all.map((one) => [one.address, one.state]),
    [
      [`marie@${domain}`, 'current'],
      [`marie.curie.sklodowska@${domain}`, 'kept'],
    ],
  );
  const found = await during((tx) => findMailbox(tx, 'Marie.Curie.Sklodowska@MEMBERS.example.org'));
  assert.equal(found?.person, person);
  const survivor = await add('pierre');
  assert.equal(await during((tx) => moveMailboxes(tx, person, survivor)), 2);
  assert.equal(await addressOf(survivor), `pierre@${domain}`);
  assert.equal((await during((tx) => findMailbox(tx, `marie@${domain}`)))?.person, survivor);
});

test('an address is never given to anyone else, also once its person is erased, and then says nothing', async () => {
  const person = await add('gone.soon');
  await during((tx) => leave(tx, person, 'erased', 'asked'));
  assert.equal(await during((tx) => findMailbox(tx, `gone.soon@${domain}`)), undefined);
  const left = await home.database.query<{ row: string }>(
    'select row_to_json(m)::text as row from alias_mailboxes m',
  );
  assert.ok(left.every(({ row }) => !row.includes('gone') || row.includes('"state":"gone"')));
  assert.ok(!left.some(({ row }) => row.includes('gone.soon') || row.includes(person)));
  const next = await add('Gone Soon', { username: 'gone.soon!' });
  assert.equal(await addressOf(next), `gone.soon-2@${domain}`);
  const after = await add('gone.soon?');
  assert.equal(await addressOf(after), `gone.soon-3@${domain}`);
});

test('an app that expects mailboxes sees them, unless a person keeps an account of their own there', async () => {
  await during(async (tx) => {
    await saveApplication(
      tx,
      'jira',
      applicationSettings.parse({ title: 'Jira', alias: { address: 'mailbox' } }),
    );
    await saveApplication(tx, 'wiki', applicationSettings.parse({ title: 'Wiki' }));
  });
  const person = await add('ada', {
    addresses: [
      { address: 'ada@example.org', primary: true, verified: true },
      { address: 'ada@work.example', primary: false, verified: true },
      { address: 'new@example.org', primary: false, verified: false },
      { address: 'x@earlier.example.org', primary: false, verified: true },
    ],
  });
  // Theirs since before the domain was one of alias mailboxes.
  await home.database.query(
    'update addresses set address = $2, address_key = $2 where person = $1 and address like $3',
    [person, `x@${domain}`, 'x@%'],
  );
  const mine = await during((tx) => listAddresses(tx, [person]));
  const id = (address: string) => mine.find((one) => one.address === address)!.id;
  const see = (app: string) =>
    during(async (tx) => {
      const [profile] = await profilesFor(tx, secrets, await requireApplication(tx, app), [person]);
      return [profile!.accountChoice, profile!.accountAddress, profile!.mailbox];
    });
  const choose = (choice: 'mailbox' | 'own', address?: string) =>
    during(async (tx) =>
      chooseAccount(tx, await requireApplication(tx, 'jira'), { person, choice, address }),
    );
  const box = `ada@${domain}`;
  assert.deepEqual(await see('jira'), ['mailbox', box, box]);
  assert.deepEqual(await see('wiki'), ['own', 'ada@example.org', box]);
  await choose('own', id('ada@work.example'));
  await choose('own', id('ada@work.example'));
  assert.deepEqual(await see('jira'), ['own', 'ada@work.example', box]);
  assert.deepEqual([...(await during((tx) => chosenAccounts(tx, person))).keys()], ['jira']);
  for (const [address, code] of [
    [id('new@example.org'), 'address-unverified'],
    [id(`x@${domain}`), 'conflict'],
    ['0192f000-0000-7000-8000-000000000009', 'address-unknown'],
  ] as const)
    await assert.rejects(choose('own', address), (error: { code?: string }) => error.code === code, code);
  await choose('own');
  assert.deepEqual(await see('jira'), ['own', 'ada@example.org', box]);
  await choose('mailbox');
  const choice = await during(async (tx) => accountChoice(tx, await requireApplication(tx, 'jira'), person));
  assert.deepEqual(choice, { choice: 'mailbox', chosen: true, address: undefined });
  const events = await during((tx) => listEvents(tx, { type: 'account-choice.changed', limit: 10 }));
  assert.equal(events.length, 3, 'saying the same twice is no change');
  const stranger = await add('nobox', { state: 'unverified', addresses: [] });
  const [profile] = await during(async (tx) =>
    profilesFor(tx, secrets, await requireApplication(tx, 'jira'), [stranger]),
  );
  assert.deepEqual([profile!.accountChoice, profile!.accountAddress], ['mailbox', undefined]);
});

test('20,494 people have their mailboxes in seconds', async () => {
  const crowd = await testDatabase();
  const joiners = Array.from({ length: 20_494 }, (_, index) =>
    joiner(`Person ${index % 19_000}${'!'.repeat(Math.floor(index / 19_000))}`),
  );
  await crowd.database.transact(system('import'), (tx) => joinMany(tx, joiners));
  await crowd.database.transact(system(), (tx) => rememberAliasDomain(tx, domain));
  const start = performance.now();
  assert.equal(await completeMailboxes(crowd.database), 20_494);
  const took = performance.now() - start;
  assert.ok(took < 15_000, `${took.toFixed(0)} ms`);
});
