import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { listEvents } from '#core/events/store.ts';
import { insertPeople, updateState } from '#core/people/store.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '../../../test/kit.ts';
import { appoint, dismiss, keepAnOwner, listOperators, requirePermission, rolesOf } from './operators.ts';
import { type Grant, may, mayGrant, type Permission, permissions, roles } from './permissions.ts';
import { checkSetup, closeSetup, openSetup, reopenSetup, setupToken, useSetup } from './setup.ts';
import { createToken, grantsOfToken, listTokens, revokeToken, tokenByValue } from './tokens.ts';

const secrets = createSecrets(Buffer.alloc(32, 7));
const within =
  (database: Database) =>
  <T>(work: (tx: Tx) => Promise<T>) =>
    database.transact(system('admin'), work);
const refused = (code: string) => (error: { code?: string }) => error.code === code;

async function addPeople(database: Database, count: number): Promise<string[]> {
  const rows = Array.from({ length: count }, () => {
    const id = newId();
    const names = { username: id, usernameKey: id, givenName: '', familyName: '', displayName: id };
    return { id, ...names, state: 'active' as const, origin: 'test' };
  });
  await within(database)((tx) => insertPeople(tx, rows));
  return rows.map((row) => row.id);
}

async function addApplication(database: Database, id: string): Promise<void> {
  await database.query(
    `insert into applications (id, title, settings, created_at, updated_at) values ($1, $1, '{}', now(), now())`,
    [id],
  );
}

let home: TestDatabase;
before(async () => {
  home = await testDatabase({ poolSize: 12 });
});

test('AD-04 rights are denied by default and every right names its holders', () => {
  const all = Object.keys(permissions) as Permission[];
  for (const permission of all) {
    assert.equal(may([], permission), false);
    assert.ok((permissions[permission] as readonly string[]).includes('owner'), `${permission} has no owner`);
  }
  assert.equal(may([{ role: 'owner' }], 'people.delete' as Permission), false);
  assert.equal(may([{ role: 'owner' }], '__proto__' as Permission), false);
  assert.equal(may([{ role: 'nobody' as 'owner' }], 'people.read'), false);
  assert.throws(
    () => requirePermission([{ role: 'help-desk' }], 'people.write'),
    refused('operator-forbidden'),
  );
  requirePermission([{ role: 'people' }], 'people.write');
});

test('AD-04 an app owner is limited to the app, and reading rights change nothing', () => {
  const own: Grant[] = [{ role: 'app-owner', application: 'wiki' }];
  assert.equal(may(own, 'applications.write', 'wiki'), true);
  assert.equal(may(own, 'applications.write', 'tracker'), false);
  assert.equal(may(own, 'applications.write'), false);
  assert.equal(may(own, 'applications.manage', 'wiki'), false);
  assert.equal(may(own, 'people.read', 'wiki'), false);
  assert.equal(may([{ role: 'app-owner' }], 'applications.write', 'wiki'), false);
  assert.equal(may([{ role: 'apps', application: 'wiki' }], 'applications.write', 'tracker'), false);
  for (const permission of Object.keys(permissions) as Permission[]) {
    if (may([{ role: 'auditor' }], permission)) assert.match(permission, /\.read$/);
  }
});

test('AD-06 nobody grants more than they hold', () => {
  const role = fc.constantFrom(...roles);
  const grant = fc.record({ role, application: fc.constantFrom(undefined, 'wiki', 'tracker') });
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 4 }), grant, (held, wanted) => {
      if (!mayGrant(held, wanted)) return;
      for (const permission of Object.keys(permissions) as Permission[]) {
        if (may([wanted], permission, wanted.application))
          assert.ok(may(held, permission, wanted.application));
      }
    }),
  );
  for (const held of roles) assert.equal(mayGrant([{ role: held }], { role: 'owner' }), held === 'owner');
});

test('a role is given once, taken once, and recorded each time', async () => {
  const during = within(home.database);
  const [anna] = (await addPeople(home.database, 1)) as [string];
  await addApplication(home.database, 'wiki');
  assert.equal(await during((tx) => appoint(tx, { person: anna, role: 'help-desk' })), true);
  assert.equal(await during((tx) => appoint(tx, { person: anna, role: 'help-desk' })), false);
  assert.equal(
    await during((tx) => appoint(tx, { person: anna, role: 'app-owner', application: 'wiki' })),
    true,
  );
  assert.deepEqual(await during((tx) => rolesOf(tx, anna)), [
    { role: 'app-owner', application: 'wiki' },
    { role: 'help-desk', application: undefined },
  ]);
  assert.equal(await during((tx) => dismiss(tx, { person: anna, role: 'help-desk' })), true);
  assert.equal(await during((tx) => dismiss(tx, { person: anna, role: 'help-desk' })), false);
  const events = await during((tx) => listEvents(tx, { person: anna, limit: 10 }));
  assert.deepEqual(events.map((event) => event.type).reverse(), [
    'operator.appointed',
    'operator.appointed',
    'operator.dismissed',
  ]);
  assert.equal((await during((tx) => listOperators(tx))).length, 1);
});

test('roles that do not exist, lack their app or name a stranger are refused', async () => {
  const during = within(home.database);
  const [anna] = (await addPeople(home.database, 1)) as [string];
  const cases: [Parameters<typeof appoint>[1], string][] = [
    [{ person: anna, role: 'god' }, 'input-malformed'],
    [{ person: anna, role: 'app-owner' }, 'input-malformed'],
    [{ person: anna, role: 'owner', application: 'wiki' }, 'input-malformed'],
    [{ person: anna, role: 'app-owner', application: 'nowhere' }, 'application-unknown'],
    [{ person: newId(), role: 'auditor' }, 'person-unknown'],
  ];
  for (const [grant, code] of cases)
    await assert.rejects(
      during((tx) => appoint(tx, grant)),
      refused(code),
    );
  assert.deepEqual(await during((tx) => rolesOf(tx, 'no id')), []);
});

test('AD-06 two owners who dismiss each other at once leave one, in every order', async () => {
  const { database } = await testDatabase({ poolSize: 12 });
  const during = within(database);
  for (let round = 0; round < 10; round++) {
    const pair = (await addPeople(database, 2)) as [string, string];
    for (const person of pair) await during((tx) => appoint(tx, { person, role: 'owner' }));
    const outcomes = await Promise.allSettled(
      pair.map((person) => during((tx) => dismiss(tx, { person, role: 'owner' }))),
    );
    const lost = outcomes.filter((one) => one.status === 'rejected');
    assert.deepEqual(
      lost.map((one) => one.reason.code),
      ['operator-last'],
    );
    await database.query('delete from operators');
  }
});

test('AD-06 an owner who is suspended does not count as the one who stays', async () => {
  const { database } = await testDatabase();
  const during = within(database);
  const [anna, ben] = (await addPeople(database, 2)) as [string, string];
  for (const person of [anna, ben]) await during((tx) => appoint(tx, { person, role: 'owner' }));
  await during((tx) => keepAnOwner(tx, anna));
  await during((tx) => updateState(tx, ben, { from: 'active', to: 'suspended' }));
  await assert.rejects(
    during((tx) => dismiss(tx, { person: anna, role: 'owner' })),
    refused('operator-last'),
  );
  await assert.rejects(
    during((tx) => keepAnOwner(tx, anna)),
    refused('operator-last'),
  );
  assert.equal(await during((tx) => dismiss(tx, { person: ben, role: 'owner' })), true);
});

test('a token is kept as a hash, works until it ends, and notes its use once a minute', async () => {
  const { database, clock } = await testDatabase();
  const during = within(database);
  const expiresAt = new Date(clock.now().getTime() + 3_600_000);
  const { token, id } = await during((tx) => createToken(tx, { name: 'ci', scopes: ['admin'], expiresAt }));
  assert.match(token, /^gh_[A-Za-z0-9_-]{43}$/);
  const dump = await database.query(
    'select row_to_json(t)::text as row from api_tokens t union all select data::text from events',
  );
  assert.ok(!JSON.stringify(dump).includes(token.slice(3)));

  const found = await during((tx) => tokenByValue(tx, token));
  assert.deepEqual(found && [found.id, found.roles, grantsOfToken(found)], [
    id,
    ['owner'],
    [{ role: 'owner', application: undefined }],
  ]);
  const first = (await during((tx) => listTokens(tx)))[0]?.lastUsedAt;
  clock.advance(59_000);
  await during((tx) => tokenByValue(tx, token));
  assert.deepEqual((await during((tx) => listTokens(tx)))[0]?.lastUsedAt, first);
  clock.advance(1_000);
  await during((tx) => tokenByValue(tx, token));
  assert.deepEqual((await during((tx) => listTokens(tx)))[0]?.lastUsedAt, clock.now());

  clock.set(expiresAt);
  assert.equal(await during((tx) => tokenByValue(tx, token)), undefined);
});

test('a revoked token is refused from then on', async () => {
  const during = within(home.database);
  const { token, id } = await during((tx) => createToken(tx, { name: 'old', scopes: ['people', 'auditor'] }));
  assert.deepEqual((await during((tx) => tokenByValue(tx, token)))?.roles, ['people', 'auditor']);
  await during((tx) => revokeToken(tx, id));
  await during((tx) => revokeToken(tx, id));
  assert.equal(await during((tx) => tokenByValue(tx, token)), undefined);
  await assert.rejects(
    during((tx) => revokeToken(tx, newId())),
    refused('token-refused'),
  );
  const revoked = await during((tx) => listEvents(tx, { type: 'token.revoked', limit: 10 }));
  assert.equal(revoked.length, 1);
});

test('tokens with unknown roles, a missing app or a past end are not made', async () => {
  const during = within(home.database);
  const past = new Date(home.clock.now().getTime() - 1);
  const cases: [Parameters<typeof createToken>[1], string][] = [
    [{ name: 'x', scopes: [] }, 'input-malformed'],
    [{ name: 'x', scopes: ['admin', 'root'] }, 'input-malformed'],
    [{ name: 'x', scopes: ['app-owner'] }, 'input-malformed'],
    [{ name: 'x', scopes: ['app-owner', 'owner'], application: 'wiki' }, 'input-malformed'],
    [{ name: 'x', scopes: ['people'], application: 'wiki' }, 'input-malformed'],
    [{ name: 'x', scopes: ['app-owner'], application: 'nowhere' }, 'application-unknown'],
    [{ name: ' ', scopes: ['people'] }, 'attribute-required'],
    [{ name: 'x', scopes: ['people'], expiresAt: past }, 'input-malformed'],
  ];
  for (const [input, code] of cases)
    await assert.rejects(
      during((tx) => createToken(tx, input)),
      refused(code),
    );
});

test('OA-23 any change of one character or of length makes an API token unknown', async () => {
  const during = within(home.database);
  const { token } = await during((tx) => createToken(tx, { name: 'fuzz', scopes: ['people'] }));
  const character = fc.constantFrom(...'ABCxyz019_-+/=.~ é\u0000');
  await during((tx) =>
    fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), character, fc.nat(2), async (place, other, how) => {
        const rest = token.slice(place + 1);
        const changed = token.slice(0, place) + [other + rest, rest, other + token[place] + rest][how];
        if (changed !== token) assert.equal(await tokenByValue(tx, changed), undefined);
      }),
      { numRuns: 300 },
    ),
  );
});

test('KE-06 five nodes that start at once open one setup', async () => {
  const { database } = await testDatabase({ poolSize: 6 });
  const during = within(database);
  const opened = await Promise.all(Array.from({ length: 5 }, () => during((tx) => openSetup(tx))));
  assert.equal(new Set(opened.map((setup) => setup?.id)).size, 1);
  assert.ok(opened[0]);
  const events = await during((tx) => listEvents(tx, { type: 'setup.opened', limit: 10 }));
  assert.equal(events.length, 1);
});

test('the setup link is derived, spent by one of many, and written nowhere', async () => {
  const { database } = await testDatabase({ poolSize: 12 });
  const during = within(database);
  const setup = await during((tx) => openSetup(tx));
  assert.ok(setup);
  const token = setupToken(secrets, setup);
  assert.equal(await during((tx) => checkSetup(tx, secrets, token)), true);
  assert.equal(await during((tx) => checkSetup(tx, secrets, `${token}A`)), false);
  assert.equal(await during((tx) => checkSetup(tx, secrets, '')), false);
  assert.equal(await during((tx) => checkSetup(tx, createSecrets(Buffer.alloc(32, 8)), token)), false);
  const dump = JSON.stringify([
    await database.query('select * from setup'),
    await database.query('select * from events'),
  ]);
  assert.ok(!dump.includes(token));
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, () => during((tx) => useSetup(tx, secrets, token))),
  );
  assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
  assert.equal(await during((tx) => checkSetup(tx, secrets, token)), false);
});

test('AU-17 the setup stays closed when all operators are gone; only the console opens it, under a new id', async () => {
  const { database } = await testDatabase();
  const during = within(database);
  const setup = await during((tx) => openSetup(tx));
  assert.ok(setup);
  const token = setupToken(secrets, setup);
  const [anna] = (await addPeople(database, 1)) as [string];
  await during((tx) => appoint(tx, { person: anna, role: 'owner' }));
  assert.equal(await during((tx) => checkSetup(tx, secrets, token)), false);
  assert.equal(await during((tx) => closeSetup(tx)), false);

  await database.query('delete from operators');
  assert.equal(await during((tx) => openSetup(tx)), undefined);
  assert.equal(await during((tx) => checkSetup(tx, secrets, token)), false);

  const again = await during((tx) => reopenSetup(tx));
  assert.equal(await during((tx) => checkSetup(tx, secrets, token)), false);
  assert.equal(await during((tx) => checkSetup(tx, secrets, setupToken(secrets, again))), true);
});

test('AU-17 an installation whose owner was declared never opens a setup', async () => {
  const { database } = await testDatabase();
  const during = within(database);
  const [anna] = (await addPeople(database, 1)) as [string];
  await during((tx) => appoint(tx, { person: anna, role: 'owner' }));
  assert.equal(await during((tx) => openSetup(tx)), undefined);
  await database.query('delete from operators');
  assert.equal(await during((tx) => openSetup(tx)), undefined);
});
