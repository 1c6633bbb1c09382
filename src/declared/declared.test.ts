import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { connectors } from '#connectors.ts';
import { checkSecret, listApplications } from '#core/applications/applications.ts';
import { community } from '#core/community/community.ts';
import { passwordOf, verifyPassword } from '#core/credentials/credentials.ts';
import { listEvents } from '#core/events/events.ts';
import { changeGroup, findGroup, membersOf } from '#core/groups/groups.ts';
import { rolesOf } from '#core/operators/operators.ts';
import { findByUsername, findByVerifiedAddress, listAddresses } from '#core/people/people.ts';
import { listSessions, openSession } from '#core/sessions/sessions.ts';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { applyDeclared, DeclaredError, exportDeclared, parseDeclared } from './declared.ts';

const secrets = createSecrets(randomBytes(32));
const hasher = createHasher({ memoryKiB: 64, passes: 1 });
let home: TestDatabase;
before(async () => {
  home = await testDatabase();
});
const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('admin'), work);
const apply = (text: string, dryRun = false, env: Record<string, string> = {}) =>
  applyDeclared(
    { database: home.database, hasher, secrets, connectors, context: system('apply') },
    { text, dryRun, env },
  );

function findings(text: string): string[] {
  try {
    parseDeclared(text);
  } catch (error) {
    assert.ok(error instanceof DeclaredError);
    return error.message.split('\n');
  }
  return [];
}

const secret = 'a secret that is long enough to be kept as it is';
const house = `
community:
  name: Harbour
  sessions: { rememberDays: 10 }
attributes:
  - { name: chat_name, type: text, title: Name in the chat, releasedTo: [wiki] }
applications:
  - id: wiki
    title: Wiki
    secret: ${secret}
    access: { groups: [Editors] }
    oidc: { redirectUris: [https://wiki.example.org/back] }
  - id: board
    title: Board
    oidc: { redirectUris: [https://board.example.org/back] }
groups:
  - { name: Editors, title: Who may write, members: [ada] }
  - name: Readers
people:
  - username: ada
    names: { givenName: Ada, familyName: Byron }
    addresses: [ada@example.org, { address: ada@old.example.org, verified: false }]
    password: correct horse battery
    groups: [Readers]
    attributes: { chat_name: countess }
    aliases: { wiki: Ada.B }
    operator: owner
  - username: Old Salt
    addresses: [salt@example.org]
    passwordHash: '{SSHA}xTYL4w8/zRRQRw0mF1Q8JYOu6zBKNHk8YWJjZA=='
    state: suspended
`;

test('a file becomes the house, and applying it again changes nothing', async () => {
  const first = await apply(house);
  assert.deepEqual(
    first.secrets.map((one) => one.application),
    ['board'],
  );
  assert.match(first.changes.join('\n'), /Add ada \(Ada Byron\) with ada@example.org/);
  await during(async (tx) => {
    assert.equal((await community(tx)).name, 'Harbour');
    const ada = await findByUsername(tx, 'ADA');
    assert.ok(ada);
    assert.equal(ada.state, 'active');
    assert.equal((await findByVerifiedAddress(tx, 'ada@example.org'))?.id, ada.id);
    assert.equal(await findByVerifiedAddress(tx, 'ada@old.example.org'), undefined);
    assert.deepEqual(await rolesOf(tx, ada.id), [{ role: 'owner', application: undefined }]);
    const password = await passwordOf(tx, ada.id);
    assert.ok(await verifyPassword(hasher, password, 'correct horse battery'));
    const editors = await findGroup(tx, 'editors');
    assert.deepEqual(
      (await membersOf(tx, editors?.id ?? '', { limit: 9 })).map((one) => one.person),
      [ada.id],
    );
    assert.ok(await checkSecret(tx, 'wiki', secret));
    assert.ok(await checkSecret(tx, 'board', first.secrets[0]?.secret ?? ''));
    assert.equal((await findByUsername(tx, 'old salt'))?.state, 'suspended');
    const causes = new Set((await listEvents(tx, { limit: 500 })).map((event) => event.cause));
    assert.deepEqual([...causes], ['apply']);
  });
  const before = await home.database.query('select count(*) from events');
  const second = await apply(house);
  assert.deepEqual(second, { changes: [], warnings: [], secrets: [] });
  const lone = (groups: string) =>
    apply(`applications:\n  - { id: lone, title: Lone, access: { groups: [${groups}] } }`, true);
  assert.deepEqual((await lone('EDITORS')).warnings, [], 'a group that is here need not be in the file');
  assert.match((await lone('edtors')).warnings.join(), /lets in edtors: there is no such group/);
  const told = (name: string) =>
    apply(
      `applications:
  - { id: lone, title: Lone, release: { groups: [${name}] }, groupNames: { ${name}1: x }, roles: { ${name}2: [r] } }`,
      true,
    );
  assert.match(
    (await told('edtors')).warnings.join(),
    /is told of edtors, edtors1, edtors2: there is no such group/,
  );
  assert.doesNotMatch((await told('EDITORS')).warnings.join(), /EDITORS,/);
  assert.deepEqual(await home.database.query('select count(*) from events'), before);
});

test('a dry run says what apply does, and does not do it', async () => {
  const changed = house
    .replace('name: Harbour', 'name: Lighthouse')
    .replace('members: [ada]', 'members: [old salt]')
    .replace('groups: [Readers]', 'groups: []')
    .replace('countess', 'enchantress')
    .replace('correct horse battery', 'wrong horse battery')
    .replace('rememberDays: 10', 'rememberDays: 20')
    .replace('title: Board', 'title: Boards');
  const preview = await apply(changed, true);
  assert.equal(await during(async (tx) => (await community(tx)).name), 'Harbour');
  assert.deepEqual(preview.changes, [
    'Change the community: name, sessions',
    'Change the app board: title',
    'Change ada: attribute chat_name, password',
    'Put into the group Editors: old salt',
    'Take out of the group Editors: ada',
    'Take out of the group Readers: ada',
  ]);
  assert.deepEqual((await apply(changed)).changes, preview.changes);
  assert.deepEqual((await apply(changed, true)).changes, []);
  assert.deepEqual((await apply(house)).changes.length, preview.changes.length);
});

test('what the file does not name stays', async () => {
  await apply('groups: [{ name: Elsewhere }]\npeople: [{ username: eve, groups: [Elsewhere] }]');
  assert.deepEqual((await apply('people: [{ username: eve }]')).changes, []);
  assert.deepEqual((await apply('groups: [{ name: Elsewhere }]')).changes, []);
  const apps = await during((tx) => listApplications(tx));
  assert.deepEqual(
    apps.map((one) => one.id),
    ['board', 'wiki'],
  );
});

test('an export is a file that changes nothing, and holds no secret', async () => {
  const text = await home.database.read(system(), (tx) => exportDeclared(tx, { people: true }));
  assert.deepEqual((await apply(text)).changes, []);
  assert.doesNotMatch(text, /secret|password|hash|argon2/i);
  assert.match(text, /address: ada@old.example.org\n\s+verified: false/);
  const without = await home.database.read(system(), (tx) => exportDeclared(tx));
  assert.doesNotMatch(without, /ada/);
});

test('everything that is wrong is named at once, with its line and what was meant', () => {
  assert.deepEqual(
    findings(`community:
  nmae: Harbour
routes: []
aplications: []
applications:
  - id: Wiki
    title: Wiki
    oidc:
      redirectUris: [http://wiki.example.org/back]
      redirectUri: x
people:
  - usrname: ada
    password: 12345678
    addresses: [not an address]
  - username: bob
    passwordHash: plain words
    state: gone
`),
    [
      'line 2, community.nmae: "nmae" is not a key known here; did you mean "name"?',
      'line 3, routes: "routes" is not known in this version',
      'line 4, aplications: "aplications" is not a key known here; did you mean "applications"?',
      'line 6, applications[0].id: small letters, digits and dashes, 2 to 40',
      'line 9, applications[0].oidc.redirectUris[0]: must be https (or http on loopback), without fragment',
      'line 9, applications[0].oidc.redirectUris: http://wiki.example.org/back is not https',
      'line 10, applications[0].oidc.redirectUri: "redirectUri" is not a key known here; did you mean "redirectUris"?',
      'line 12, people[0].username: is missing',
      'line 12, people[0].usrname: "usrname" is not a key known here; did you mean "username"?',
      'line 13, people[0].password: must be text; put it in quotes',
      'line 14, people[0].addresses[0].address: This does not look like a mail address. Check it for a missing part, like name@example.org.',
      'line 16, people[1].passwordHash: this hash cannot be used (unnamed). It names no scheme. Plain text is never taken over as a password.',
      'line 17, people[1].state: must be one of unverified, active, locked, suspended, spam, left',
    ],
  );
});

test('things named twice are found', () => {
  assert.deepEqual(
    findings(
      'groups: [{ name: A }, { name: a }]\npeople:\n  - { username: x, addresses: [x@example.org] }\n' +
        '  - { username: X }\n  - { username: y, addresses: [X@example.org] }\n',
    ),
    [
      'line 1, groups[1].name: is in the list twice',
      'line 4, people[1].username: is in the list twice',
      'line 5, people[2].addresses[0]: belongs to people[0] as well',
    ],
  );
});

test('FE-09 names that reach into the program, tags, bombs and depths are refused', () => {
  for (const key of ['__proto__', 'constructor', 'prototype', '"__proto__"']) {
    assert.match(findings(`community: { ${key}: { polluted: yes } }`).join(), /is never a key/);
    assert.match(findings(`people: [{ username: a, attributes: { ${key}: x } }]`).join(), /is never a key/);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.match(findings('community: !!js/function "x"').join(), /tag/i);
  assert.match(findings('community: !env HOME').join(), /tag/i);
  const bomb = Array.from(
    { length: 12 },
    (_, level) => `l${level}: &l${level} [${Array(10).fill(level ? `*l${level - 1}` : 'x')}]`,
  );
  assert.match(findings(bomb.join('\n')).join(), /alias/i);
  assert.match(findings(`community: ${'['.repeat(100_000)}`).join('\n'), /./);
  assert.match(findings('community: &a { name: *a }').join(), /./);
  assert.match(findings(`community: { name: "${'x'.repeat(5 * 1024 * 1024)}" }`).join(), /larger than 5 MB/);
  assert.match(findings('a: 1\n---\nb: 2').join(), /./);
  assert.match(findings('community: { name: A, name: B }').join(), /unique/);
  assert.match(findings('- a\n- b').join(), /must be a block of keys/);
});

test('what is not there or is taken by someone else is found before anything changes', async () => {
  const wrong = `
applications: [{ id: later, title: Later }]
groups: [{ name: Crew, members: [nobody here] }]
people:
  - username: carol
    addresses: [ada@example.org]
    groups: [Crow]
    aliases: { nowhere: c }
    attributes: { shoe_size: 7 }
  - username: ada@example.org
  - username: ada
    state: unverified
`;
  await assert.rejects(apply(wrong), (error: Error) => {
    assert.deepEqual(
      error.message.split('\n'),
      [
        'line 10, people[1].username: is the confirmed address of someone else',
        'line 6, people[0].addresses[0]: This address is already confirmed for an account. Sign in with it, or use another one.',
        'line 9, people[0].attributes.shoe_size: There is no field of this name in this community. Check its spelling.',
        'line 12, people[2].state: an account that is active cannot become unverified',
        'line 3, groups[0].members[0]: there is no such person',
        'line 7, people[0].groups[0]: there is no such group',
        'line 8, people[0].aliases.nowhere: there is no such app',
      ].sort((a, b) => lineOf(a) - lineOf(b)),
    );
    return true;
  });
  assert.equal(await during((tx) => findGroup(tx, 'Crew')), undefined);
});
const lineOf = (text: string) => Number(/line (\d+)/.exec(text)?.[1]);

test('a step that is refused takes everything back, also in a dry run', async () => {
  const text = `
groups: [{ name: Half }]
people:
  - { username: dan, aliases: { wiki: ada.b } }
`;
  for (const dryRun of [true, false])
    await assert.rejects(
      apply(text, dryRun),
      /line 4, people\[0\].aliases.wiki: Someone else already has this name/,
    );
  assert.equal(await during((tx) => findGroup(tx, 'Half')), undefined);
  await assert.rejects(apply('people: [{ username: ada, state: locked }]'), /last owner/);
  assert.equal(await during(async (tx) => (await findByUsername(tx, 'ada'))?.state), 'active');
});

test('people who changed are brought back to what the file says, and their sessions end with their password', async () => {
  const text = (address: string, name: string) => `
people:
  - { username: frank, names: { givenName: ${name} }, addresses: [${address}], password: one good password }
`;
  await apply(text('frank@example.org', 'Frank'));
  const changes = (await apply(text('frank@new.example.org', 'Francis'))).changes;
  assert.deepEqual(changes, [
    'Change frank: givenName, address frank@new.example.org, main address frank@new.example.org',
  ]);
  const frank = await during((tx) => findByUsername(tx, 'frank'));
  const addresses = await during((tx) => listAddresses(tx, [frank?.id ?? '']));
  assert.deepEqual(
    addresses.map((one) => [one.address, one.primary]),
    [
      ['frank@new.example.org', true],
      ['frank@example.org', false],
    ],
  );
  assert.equal(frank?.displayName, 'Francis');
  const lifetimes = { idleSeconds: 900, absoluteSeconds: 900 };
  const opened = { amr: ['pwd'], aal: 1, device: 'x', network: 'x', persistent: false, lifetimes };
  await during((tx) => openSession(tx, { person: frank?.id ?? '', ...opened }));
  await apply(text('frank@new.example.org', 'Francis').replace('one good', 'another good'));
  assert.deepEqual(await during((tx) => listSessions(tx, frank?.id ?? '')), []);
});

test('a file that still says the old name of a group makes a new one, and a dry run says so', async () => {
  const file = 'groups:\n  - { name: Sailors }\n';
  await apply(file);
  await during(async (tx) => {
    const group = await findGroup(tx, 'Sailors');
    await changeGroup(tx, group?.id ?? '', { name: 'Crew of the ship' });
  });
  const dry = await apply(file, true);
  assert.deepEqual(dry.warnings, [
    'The group Sailors was renamed to Crew of the ship; this file makes a new Sailors.',
  ]);
  assert.deepEqual(dry.changes, ['Add the group Sailors']);
  await apply(file);
  assert.deepEqual(await apply(file, true), { changes: [], warnings: [], secrets: [] }, 'both are here now');
});
