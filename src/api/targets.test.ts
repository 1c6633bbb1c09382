import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { connectors } from '#connectors.ts';
import { join } from '#core/lifecycle/join.ts';
import { createToken } from '#core/operators/tokens.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { holdsCredentials, quarantine } from '#provisioning/targets.ts';
import { note } from '#provisioning/timeline.ts';
import { callApi } from '#test/api.ts';
import { type Platform, startPlatform } from '../../test/kit.ts';

type Who = 'owner' | 'apps' | 'auditor' | 'help-desk' | 'people' | 'mine';
let platform: Platform;
const tokens = {} as Record<Who, string>;
let ada: string;

before(async () => {
  // No worker: nothing goes out here.
  platform = await startPlatform({ env: { GATEHOUSE_RUN: 'web' } });
  await platform.apply(`
applications: [{ id: wiki, title: Wiki }, { id: board, title: Board }]
people:
  - { username: root, addresses: [root@example.org], password: correct horse battery, operator: owner }
`);
  await platform.database.transact(system('admin'), async (tx) => {
    const make = async (scope: string, application?: string) =>
      (await createToken(tx, { name: scope, scopes: [scope], application })).token;
    for (const role of ['owner', 'apps', 'auditor', 'help-desk', 'people'] as const)
      tokens[role] = await make(role);
    tokens.mine = await make('app-owner', 'wiki');
    const addresses = [{ address: 'ada@example.org', primary: true, verified: true }];
    ada = await join(tx, { username: 'ada', state: 'active', origin: 'test', addresses });
  });
});

async function call(
  as: Who,
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const { status, text, body: json } = await callApi(platform, tokens[as], method, url, body, headers);
  return { status, text, json };
}

const secret = 'the token nobody may read again';
const settings = { connector: 'scim', options: { baseUrl: 'https://scim.example.org/v2' } };
const holds = (given: Record<string, string>) =>
  platform.database.read(system(), (tx) => holdsCredentials(tx, platform.secrets, 'wiki', given));

test('a target is made by who owns the app, read without its credentials, and changed by one of many', async () => {
  const made = await call('mine', 'PUT', '/targets/wiki', { settings, credentials: { token: secret } });
  assert.equal(made.status, 200, made.text);
  assert.equal(made.json.mode, 'plan', 'a new target sends nothing by itself');
  assert.equal(made.json.hasCredentials, true);
  for (const as of Object.keys(tokens) as Who[]) {
    const read = await call(as, 'GET', '/targets/wiki');
    assert.equal(read.status, 200, as);
    assert.ok(!read.text.includes(secret));
    assert.equal((await call(as, 'GET', '/targets')).json.items.length, 1);
  }
  assert.equal((await call('mine', 'PUT', '/targets/board', { settings })).status, 404);
  assert.equal((await call('auditor', 'PUT', '/targets/wiki', { settings })).status, 403);
  assert.equal((await call('owner', 'PUT', '/targets/nowhere', { settings })).status, 404);
  const version = made.json.version as number;
  const race = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      call('apps', 'PUT', '/targets/wiki', { settings: { ...settings, sweepHours: n + 1 }, version }),
    ),
  );
  assert.equal(race.filter((one) => one.status === 200).length, 1, race.map((one) => one.status).join());
  assert.ok(await holds({ token: secret }), 'credentials that are not given stay');
});

test('credentials do not follow to another address, so nobody has them sent to themselves', async () => {
  const elsewhere = { ...settings, options: { baseUrl: 'https://elsewhere.example.org/v2' } };
  const refused = await call('mine', 'PUT', '/targets/wiki', { settings: elsewhere });
  assert.equal(refused.status, 400);
  assert.ok(refused.json.fields['credentials.token'], refused.text);
  const path = { ...settings, options: { baseUrl: 'https://scim.example.org/v3' } };
  assert.equal((await call('mine', 'PUT', '/targets/wiki', { settings: path })).status, 200);
  const again = await call('mine', 'PUT', '/targets/wiki', {
    settings: elsewhere,
    credentials: { token: 'another', user: '', password: '' },
  });
  assert.equal(again.status, 200, again.text);
  assert.ok(await holds({ token: 'another' }));
  const set = await call('mine', 'PUT', '/targets/wiki/credentials', { credentials: { token: secret } });
  assert.deepEqual([set.status, set.text], [204, '']);
  assert.ok(await holds({ token: secret }));
  const unknown = await call('mine', 'PUT', '/targets/wiki/credentials', { credentials: { key: 'x' } });
  assert.equal(unknown.status, 400);
});

test('what is wrong with settings is said at its place, in a sentence', async () => {
  const wrong = {
    ...settings,
    options: { baseUrl: 'nonsense' },
    mapping: { displayName: 'username +', shoe: 'username' },
    facts: { invented: true },
  };
  const { status, json } = await call('owner', 'PUT', '/targets/wiki', { settings: wrong });
  assert.equal(status, 400);
  assert.equal(json.code, 'input-malformed');
  assert.deepEqual(
    Object.keys(json.fields)
      .filter((key) => !key.startsWith('mapping'))
      .sort(),
    ['facts.invented', 'options.baseUrl'],
  );
  assert.ok(Object.keys(json.fields).some((key) => key.startsWith('mapping.')));
  assert.match(json.fields['facts.invented'].text, /has no fact invented/);
  const unknown = await call('owner', 'PUT', '/targets/wiki', { settings: { ...settings, shoe: 1 } });
  assert.equal(unknown.json.code, 'input-unknown-key');
});

test('connectors say what a form needs: options, attributes, facts with where they stand', async () => {
  const { json } = await call('mine', 'GET', '/connectors');
  assert.deepEqual(
    json.items.map((one: { name: string }) => one.name),
    [...connectors.keys()],
  );
  for (const one of json.items) {
    assert.ok(one.options.properties || one.options.allOf || one.options.anyOf, `${one.name} has no form`);
    for (const fact of one.profile.facts)
      assert.ok(fact.source && fact.date && fact.text, `${one.name} ${fact.name}`);
  }
  assert.equal(json.variables.username, 'string');
});

test('AD-05 every route that tries, plans, sends or decides is closed to who may only look', async () => {
  const id = newId();
  const works: [string, string, unknown][] = [
    ['POST', '/preview', { person: ada }],
    ['POST', '/plan-one', { person: ada }],
    ['POST', '/sweep', {}],
    ['POST', '/plan', {}],
    ['POST', '/plan/export', {}],
    ['POST', '/plan/approve', { all: true }],
    ['POST', '/plan/refuse', { all: true }],
    ['POST', '/join-check', {}],
    ['POST', '/relink', { person: ada, remoteId: 'x' }],
    ['POST', '/records', { person: ada }],
    ['POST', '/records/part', { person: ada, all: true }],
    ['POST', '/link-again', { person: ada }],
    ['POST', '/strangers', { remoteId: 'x', decision: 'ignore' }],
    ['POST', '/replay', { subject: `person:${id}` }],
    ['POST', '/replay-dead', {}],
    ['POST', '/brake', { approve: 'all' }],
    ['POST', '/mode', { mode: 'automatic' }],
    ['POST', '/release', {}],
    ['PUT', '/credentials', { credentials: { token: 'x' } }],
    ['PUT', '', { settings }],
    ['DELETE', '', undefined],
  ];
  const { paths } = (await call('owner', 'GET', '/openapi.json')).json;
  const prefix = Object.keys(paths).find((one) => one.endsWith('/targets/{id}'));
  const routes = Object.entries(paths as Record<string, object>).flatMap(([path, methods]) =>
    prefix !== undefined && path.startsWith(prefix)
      ? Object.keys(methods)
          .filter((one) => one !== 'get')
          .map((one) => `${one.toUpperCase()} ${path.slice(prefix.length)}`)
      : [],
  );
  const tried = works.map(([method, url]) => `${method} ${url}`);
  assert.deepEqual(tried.toSorted(), routes.toSorted(), 'every route that is no plain reading is among them');
  for (const [method, url, body] of works)
    for (const as of ['auditor', 'help-desk', 'people'] as const) {
      const { status, json } = await call(as, method, `/targets/wiki${url}`, body);
      assert.deepEqual([status, json.code], [403, 'operator-forbidden'], `${as} ${method} ${url}`);
    }
  for (const [method, url, body] of works)
    assert.equal((await call('mine', method, `/targets/board${url}`, body)).status, 404, url);
  assert.equal((await call('auditor', 'GET', '/targets/wiki')).json.mode, 'plan', 'nothing was changed');
});

test('queue, replay, timeline and quarantine', async () => {
  const subject = `person:${ada}`;
  assert.equal((await call('mine', 'POST', '/targets/wiki/replay', { subject })).status, 202);
  assert.equal((await call('mine', 'POST', '/targets/wiki/replay', { subject: 'person:x' })).status, 400);
  const queue = await call('auditor', 'GET', '/targets/wiki/queue');
  assert.equal(queue.json.ready, 1);
  assert.deepEqual([queue.json.items[0].subject, queue.json.items[0].cause], [subject, 'button']);
  assert.equal(queue.json.names[subject], 'ada');
  const request = { method: 'POST', url: 'https://scim.example.org/v2/Users', body: { token: secret } };
  await note(platform.database, {
    application: 'wiki',
    subject,
    kind: 'answered',
    text: 'The target answered 201.',
    request,
    response: { status: 201 },
    tookMs: 12,
  });
  const first = await call('auditor', 'GET', `/targets/wiki/timeline?subject=${subject}&limit=1`);
  assert.equal(first.json.items[0].kind, 'answered');
  assert.ok(!first.text.includes(secret));
  const second = await call(
    'auditor',
    'GET',
    `/targets/wiki/timeline?subject=${subject}&cursor=${first.json.next}`,
  );
  assert.equal(second.json.items[0].kind, 'replayed');
  assert.equal((await call('help-desk', 'GET', `/people/${ada}/timeline`)).json.items.length, 2);
  assert.equal(
    (await call('mine', 'GET', `/people/${ada}/timeline`)).status,
    403,
    'other apps are none of theirs',
  );
  const rates = await call('mine', 'GET', '/targets/wiki/rates?minutes=5');
  assert.equal(rates.json.items.length, 5);
  assert.equal(
    rates.json.items.reduce((sum: number, one: { well: number }) => sum + one.well, 0),
    1,
  );
  await platform.database.transact(system(), (tx) => quarantine(tx, 'wiki', 'The token is refused.'));
  assert.equal((await call('mine', 'GET', '/targets/wiki')).json.quarantine.why, 'The token is refused.');
  assert.equal((await call('mine', 'POST', '/targets/wiki/release', {})).json.quarantine, undefined);
  const brake = await call('auditor', 'GET', '/targets/wiki/brake');
  assert.deepEqual([brake.json.engaged, brake.json.held], [undefined, []]);
  assert.equal((await call('mine', 'POST', '/targets/wiki/brake', { approve: 'all' })).status, 409);
  assert.equal((await call('mine', 'POST', '/targets/wiki/plan', {})).status, 409, 'never listed');
  assert.equal(
    (await call('mine', 'POST', '/targets/wiki/plan/approve', {})).status,
    400,
    'nothing selected',
  );
  assert.equal(
    (await call('mine', 'POST', '/targets/wiki/strangers', { remoteId: 'x', decision: 'adopt' })).status,
    400,
  );
  assert.equal(
    (await call('mine', 'POST', '/targets/wiki/mode', { mode: 'automatic' })).json.mode,
    'automatic',
  );
  assert.equal((await call('mine', 'DELETE', '/targets/wiki')).status, 204);
  assert.equal((await call('owner', 'GET', '/targets/wiki')).status, 404);
});

test('AD-05 approving, deleting, redirecting and secrets need a sign-in no older than ten minutes', async () => {
  const visitor = platform.visitor();
  await visitor.signIn('root', 'correct horse battery');
  const { origin } = platform;
  const ask = (method: string, url: string, body?: object) =>
    visitor.request(`${origin}/api/v1/targets/board${url}`, {
      method,
      headers: {
        origin,
        'x-gatehouse-console': '1',
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  platform.clock.advance(601_000);
  const guarded: [string, string, object?][] = [
    ['PUT', '', { settings, credentials: { token: 'x' } }],
    ['PUT', '/credentials', { credentials: { token: 'x' } }],
    ['POST', '/mode', { mode: 'automatic' }],
    ['POST', '/plan/approve', { all: true }],
    ['POST', '/plan/refuse', { all: true }],
    ['POST', '/brake', { approve: 'all' }],
    ['POST', '/strangers', { remoteId: 'x', decision: 'remove' }],
    ['POST', '/relink', { person: ada, remoteId: 'x' }],
    ['DELETE', ''],
  ];
  for (const [method, url, body] of guarded) {
    const answer = await ask(method, url, body);
    assert.equal(answer.status, 401, `${method} ${url}: ${answer.text}`);
    assert.equal(JSON.parse(answer.text).code, 'elevation-required');
  }
  const free: [string, string, object?][] = [
    ['GET', ''],
    ['POST', '/preview', { person: ada }],
    ['POST', '/replay-dead', {}],
    ['POST', '/sweep', {}],
  ];
  for (const [method, url, body] of free)
    assert.equal(
      (await ask(method, url, body)).status,
      404,
      `${method} ${url} is about a target that is not there`,
    );
});

test('what waits for a person stands in the overview', async () => {
  const concerns = async (as: Who) =>
    (
      (await call(as, 'GET', '/overview')).json.concerns as {
        code: string;
        application?: string;
        count?: number;
      }[]
    )
      .filter(({ code }) => code.startsWith('target-'))
      .map(({ code, application, count }) => [code, application, count]);
  assert.equal(
    (await call('owner', 'PUT', '/targets/board', { settings, credentials: { token: secret } })).status,
    200,
  );
  assert.deepEqual(await concerns('auditor'), []);
  await platform.database.query(
    `insert into target_plans (application, subject, verdict, why, steps, digest, state, made_at) values
       ('board', 'person:1', 'create', 'new', '[{"do":"create"}]', '\\x01', 'proposed', now()),
       ('board', 'person:2', 'link', 'there', '[]', '\\x02', 'proposed', now()),
       ('board', 'person:3', 'impossible', 'cannot', '[]', '\\x03', 'proposed', now()),
       ('board', 'person:4', 'deactivate', 'left', '[{"do":"deactivate"}]', '\\x04', 'held', now())`,
  );
  await platform.database.query(
    `insert into target_brakes (id, application, engaged_at, why) values (gen_random_uuid(), 'board', now(), 'many')`,
  );
  assert.deepEqual(await concerns('auditor'), [
    ['target-braked', 'board', 1],
    ['target-waits', 'board', 2],
  ]);
  assert.deepEqual((await call('auditor', 'GET', '/targets/board')).json.decisions, {
    proposed: 2,
    held: 1,
    braked: true,
  });
  assert.equal((await call('mine', 'GET', '/overview')).status, 403, 'not for who owns one app');
});

test('a group that is renamed keeps its place in the settings of apps and targets', async () => {
  const put = await call('owner', 'PUT', '/applications/board', {
    settings: {
      title: 'Board',
      access: { groups: ['Crew'] },
      release: { groups: ['crew', 'others'] },
      groupNames: { CREW: 'deck' },
      roles: { crew: ['sailor'] },
    },
  });
  const before = (await call('owner', 'GET', '/applications/wiki')).json.version;
  const made = await call('owner', 'POST', '/groups', { name: 'Crew' });
  const target = await call('owner', 'PUT', '/targets/wiki', {
    settings: { ...settings, scope: { groups: ['crew'] }, groups: ['Crew', 'others'] },
    credentials: { token: secret },
  });
  assert.deepEqual([put.status, target.status], [200, 200], target.text);
  const renamed = await call('owner', 'PATCH', `/groups/${made.json.id}`, { name: 'Team' });
  assert.equal(renamed.status, 200, renamed.text);
  const board = (await call('owner', 'GET', '/applications/board')).json.settings;
  assert.deepEqual(board.access, { groups: ['Team'] });
  assert.deepEqual(board.release.groups, ['Team', 'others']);
  assert.deepEqual([board.groupNames, board.roles], [{ Team: 'deck' }, { Team: ['sailor'] }]);
  const { scope, groups } = (await call('owner', 'GET', '/targets/wiki')).json.settings;
  assert.deepEqual([scope.groups, groups], [['Team'], ['Team', 'others']]);
  assert.equal(
    (await call('owner', 'GET', '/applications/wiki')).json.version,
    before,
    'others stay as they are',
  );
});
