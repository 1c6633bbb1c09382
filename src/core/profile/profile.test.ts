import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { chooseAccount } from '#core/aliases/account-choices.ts';
import { assignAliases, fixSubject } from '#core/aliases/aliases.ts';
import { completeMailboxes } from '#core/aliases/mailboxes.ts';
import {
  type Application,
  applicationSettings,
  requireApplication,
  saveApplication,
} from '#core/applications/applications.ts';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { addGroup, addMembers } from '#core/groups/groups.ts';
import { join } from '#core/lifecycle/join.ts';
import { attributeDeclaration, declareAttributes, setAttributes } from '#core/people/attributes.ts';
import { listAddresses } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import { mayEnter, profilesFor } from './profile.ts';

const secrets = createSecrets(Buffer.alloc(32, 5));
let home: TestDatabase;
let ada: string;
let bob: string;
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);

type Given = Partial<Parameters<typeof applicationSettings.parse>[0] & object>;

function application(id: string, given: Given = {}): Promise<Application> {
  return during(async (tx) => {
    await saveApplication(tx, id, applicationSettings.parse({ title: id, ...given }));
    return requireApplication(tx, id);
  });
}

const see = async (app: Application, ...people: string[]) =>
  during((tx) => profilesFor(tx, secrets, app, people));

before(async () => {
  home = await testDatabase();
  await during(async (tx) => {
    const text = (name: string, releasedTo: string[]) =>
      attributeDeclaration.parse({ name, type: 'text', title: name, releasedTo });
    await declareAttributes(tx, [text('team', ['wiki']), text('motto', ['*']), text('secret_note', [])]);
    ada = await join(tx, {
      username: 'Ada.B',
      givenName: 'Ada',
      familyName: 'Byron',
      locale: 'de',
      state: 'active',
      origin: 'test',
      addresses: [
        { address: 'other@example.org', primary: false, verified: true },
        { address: 'Ada@example.org', primary: true, verified: true },
      ],
    });
    bob = await join(tx, { username: 'bob', state: 'locked', origin: 'test', addresses: [] });
    await setAttributes(tx, ada, { team: 'blue', motto: 'onwards', secret_note: 'hidden' }, 'operators');
    for (const name of ['Editors', 'ＲＥＡＤＥＲＳ', 'Straße', 'Board']) {
      const group = await addGroup(tx, { name, origin: 'test' });
      if (name !== 'Board') await addMembers(tx, group.id, [ada]);
    }
  });
});

test('PR-02 an app gets the claims it was given and nothing else', async () => {
  const [none] = await see(await application('bare', { release: { claims: [] } }), ada);
  assert.deepEqual(none!.released, { attributes: { motto: 'onwards' } });
  const [usual] = await see(await application('usual'), ada);
  assert.deepEqual(usual!.released, {
    name: 'Ada Byron',
    givenName: 'Ada',
    familyName: 'Byron',
    username: 'Ada.B',
    email: 'Ada@example.org',
    emailVerified: true,
    attributes: { motto: 'onwards' },
  });
  const [all] = await see(
    await application('wiki', {
      release: { claims: ['locale', 'groups', 'roles', 'updated_at'], groups: 'all' },
    }),
    ada,
  );
  assert.deepEqual(Object.keys(all!.released).sort(), [
    'attributes',
    'groups',
    'locale',
    'roles',
    'updatedAt',
  ]);
  assert.deepEqual(all!.released.attributes, { motto: 'onwards', team: 'blue' });
  assert.equal(all!.released.updatedAt, Math.floor(home.clock.now().getTime() / 1000));
  const [bobs] = await see(await application('usual'), bob);
  assert.deepEqual(
    [bobs!.active, bobs!.released.email, bobs!.released.familyName, bobs!.state],
    [false, undefined, undefined, 'locked'],
  );
});

test('groups: none, all, or the named ones, by the names the app knows, whatever their case and width', async () => {
  const groups = async (id: string, given: Given, wanted: unknown) =>
    (
      await see(
        await application(id, {
          ...given,
          release: { claims: ['groups', 'roles'], groups: wanted } as never,
        }),
        ada,
      )
    )[0]!.released;
  assert.deepEqual((await groups('g0', {}, 'none')).groups, []);
  assert.deepEqual((await groups('g1', {}, 'all')).groups, ['Editors', 'Straße', 'ＲＥＡＤＥＲＳ'].sort());
  assert.deepEqual(
    (await groups('g2', {}, ['EDITORS', 'readers', 'Board', 'nobody'])).groups,
    ['Editors', 'ＲＥＡＤＥＲＳ'].sort(),
  );
  const renamed = { groupNames: { editors: 'wiki-editors', Readers: 'wiki-readers', board: 'wiki-board' } };
  assert.deepEqual((await groups('g3', renamed, 'all')).groups, ['Straße', 'wiki-editors', 'wiki-readers']);
  const merged = { groupNames: { editors: 'users', readers: 'users' } };
  assert.deepEqual((await groups('g4', merged, 'all')).groups, ['Straße', 'users']);
  const roles = { roles: { EDITORS: ['write', 'read'], readers: ['read'], board: ['admin'] } };
  assert.deepEqual((await groups('g5', roles, 'none')).roles, ['read', 'write']);
});

test('who may enter: everyone, or members of any of the groups, whatever their case and width', async () => {
  const enters = async (id: string, groups?: string[]) =>
    (await see(await application(id, { access: { groups } }), ada))[0]!.mayEnter;
  assert.equal(await enters('a0'), true);
  assert.equal(await enters('a1', ['EDITORS']), true);
  assert.equal(await enters('a2', ['nobody', 'Readers']), true);
  assert.equal(await enters('a3', ['ｅｄｉｔｏｒｓ']), true);
  assert.equal(await enters('a4', ['Board']), false);
  assert.equal(await enters('a5', []), false, 'an empty list lets nobody in');
  assert.equal(
    mayEnter(await application('a6', { access: { groups: ['__proto__', 'constructor'] } }), []),
    false,
  );
});

test('names: the given alias, else the rule of the app', async () => {
  const app = await application('named', { alias: { rule: 'lowercase' } });
  assert.equal((await see(app, ada))[0]!.username, 'ada.b');
  assert.equal(
    (await see(await application('byaddress', { alias: { rule: 'address' } }), ada, bob))
      .map((one) => one.username)
      .join(),
    'Ada@example.org,bob',
  );
  await during((tx) => assignAliases(tx, [{ application: 'named', person: ada, alias: 'Countess' }], 'test'));
  assert.equal((await see(app, ada))[0]!.username, 'Countess');
  assert.equal((await see(await application('usual'), ada))[0]!.username, 'Ada.B');
});

test('PR-01 subjects: pairwise by default, public where asked, and fixed once an app heard one', async () => {
  const [one, two] = [await application('pair1'), await application('pair2')];
  const [pub1, pub2] = [
    await application('pub1', { subject: 'public' }),
    await application('pub2', { subject: 'public' }),
  ];
  const subject = async (app: Application, person = ada) => (await see(app, person))[0]!.subject;
  const all = [await subject(one), await subject(two), await subject(pub1), ada];
  assert.equal(new Set(all).size, 4);
  assert.equal(await subject(pub1), await subject(pub2));
  assert.notEqual(await subject(one), await subject(one, bob));
  const named = await application('names', { subject: 'username' });
  assert.equal(await subject(named), 'Ada.B');
  await during((tx) => fixSubject(tx, named, ada, 'Ada.B'));
  await during((tx) => assignAliases(tx, [{ application: 'names', person: ada, alias: 'renamed' }], 'test'));
  const [after] = await see(named, ada);
  assert.deepEqual([after!.subject, after!.subjectFixed, after!.username], ['Ada.B', true, 'renamed']);
  await assert.rejects(
    during((tx) => fixSubject(tx, named, bob, 'Ada.B')),
    (error: { code?: string }) => error.code === 'conflict',
  );
});

test('people come in the order asked, the unknown are left out, nobody costs nothing', async () => {
  const app = await application('usual');
  assert.deepEqual(
    (await see(app, bob, newId(), ada)).map((one) => one.person),
    [bob, ada],
  );
  assert.deepEqual(await see(app), []);
});

test('the address an app is told is the one its account stands on: where that is the mailbox, never the own one', async () => {
  const box = { alias: { address: 'mailbox' }, release: { claims: ['email'] } };
  const told = async (app: string) => {
    const [profile] = await see(await application(app, box), ada);
    return [profile!.released.email, profile!.released.emailVerified];
  };
  assert.deepEqual(
    await told('boxed'),
    [undefined, undefined],
    'without a mailbox nothing, rather than their own',
  );
  await during((tx) => rememberAliasDomain(tx, 'members.example.org'));
  await completeMailboxes(home.database);
  assert.deepEqual(await told('boxed'), ['ada.b@members.example.org', true]);
  const [usual] = await see(await application('usual'), ada);
  assert.equal(usual!.released.email, 'Ada@example.org');
  await during(async (tx) => {
    const other = (await listAddresses(tx, [ada])).find((one) => one.address === 'other@example.org');
    const boxed = await requireApplication(tx, 'boxed');
    await chooseAccount(tx, boxed, { person: ada, choice: 'own', address: other!.id });
  });
  assert.deepEqual(
    await told('boxed'),
    ['other@example.org', true],
    'who keeps an account of their own there',
  );
});
