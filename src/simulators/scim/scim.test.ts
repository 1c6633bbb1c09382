import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '#kit/clock/clock.ts';
import { createLog } from '#kit/log/log.ts';
import { type ScimSimulatorOptions, startScimSimulator } from './scim.ts';

const log = createLog({ level: 'silent' });
const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';
const groupUrn = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const patchUrn = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const enterprise = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

// biome-ignore lint/suspicious/noExplicitAny: bodies of answers are looked into by the assertions.
type Any = any;
type Answered = { status: number; headers: Headers; body: Any };

async function target(t: TestContext, options: Partial<ScimSimulatorOptions> = {}) {
  const simulator = await startScimSimulator({ log, seed: 1, ...options });
  t.after(() => simulator.stop());
  const call = async (
    method: string,
    address: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) => {
    const base = address.startsWith('/simulator/') ? simulator.origin : simulator.url;
    const answer = await fetch(base + address, {
      method,
      headers: {
        authorization: `Bearer ${simulator.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/scim+json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: text ? JSON.parse(text) : undefined,
    } as Answered;
  };
  const add = (userName: string, more: object = {}) =>
    call('POST', '/Users', { schemas: [userUrn], userName, externalId: `x-${userName}`, ...more });
  const addGroup = (displayName: string, members: string[] = []) =>
    call('POST', '/Groups', {
      schemas: [groupUrn],
      displayName,
      members: members.map((value) => ({ value })),
    });
  const patch = (at: string, ...Operations: object[]) =>
    call('PATCH', at, { schemas: [patchUrn], Operations });
  const search = async (kind: 'Users' | 'Groups', filter: string, more = '') =>
    call('GET', `/${kind}?filter=${encodeURIComponent(filter)}${more}`);
  return { simulator, call, add, addGroup, patch, search };
}

test('a user is created, read, replaced, removed, each with the headers the standard asks for', async (t) => {
  const { call, add } = await target(t);
  const made = await add('Ada', {
    emails: [{ value: 'ada@id.example', type: 'work', primary: true }],
    password: 'secret',
  });
  assert.equal(made.status, 201);
  assert.match(made.headers.get('content-type')!, /^application\/scim\+json/);
  assert.equal(made.headers.get('location'), made.body.meta.location);
  assert.equal(made.headers.get('etag'), 'W/"1"');
  assert.deepEqual(
    [made.body.active, made.body.password, made.body.meta.version],
    [true, undefined, 'W/"1"'],
  );
  const at = `/Users/${made.body.id}`;
  const replaced = await call('PUT', at, {
    schemas: [userUrn, enterprise],
    id: 'read-only',
    userName: 'ada.l',
    [enterprise]: { department: 'Care' },
  });
  assert.equal(replaced.status, 200);
  assert.deepEqual(
    [replaced.body.id, replaced.body.externalId, replaced.body.emails, replaced.body[enterprise].department],
    [made.body.id, undefined, undefined, 'Care'],
  );
  assert.equal((await call('DELETE', at)).status, 204);
  const gone = await call('GET', at);
  assert.deepEqual(
    [gone.status, gone.body.status, gone.body.schemas[0].endsWith('Error')],
    [404, '404', true],
  );
});

test('what the standard refuses is refused', async (t) => {
  const { call, add, patch, search } = await target(t);
  await add('ada');
  const clash = await add('ADA');
  assert.deepEqual([clash.status, clash.body.scimType], [409, 'uniqueness']);
  const sameExternal = await add('other', { externalId: 'x-ada' });
  assert.equal(sameExternal.status, 201);
  const bodies = [
    {},
    [],
    { schemas: [userUrn] },
    { schemas: [groupUrn], userName: 'eve' },
    { schemas: [userUrn], userName: 7 },
    { schemas: [userUrn], userName: 'eve', shoeSize: '42' },
    { schemas: [userUrn], userName: 'eve', emails: 'eve@id.example' },
    { schemas: [userUrn], userName: 'eve', active: 'True' },
    { schemas: [userUrn], userName: 'eve', [enterprise]: { department: 'Care' } },
    {
      schemas: [userUrn],
      userName: 'eve',
      emails: [
        { value: 'a', primary: true },
        { value: 'b', primary: true },
      ],
    },
  ];
  for (const body of bodies)
    assert.equal((await call('POST', '/Users', body)).status, 400, JSON.stringify(body));
  const polluting = '{"schemas":["' + userUrn + '"],"userName":"eve","__proto__":{"active":false}}';
  const { simulator } = await target(t);
  const raw = await fetch(`${simulator.url}/Users`, {
    method: 'POST',
    headers: { authorization: `Bearer ${simulator.token}`, 'content-type': 'application/json' },
    body: polluting,
  });
  assert.equal(raw.status, 400);
  const id = (await search('Users', 'userName eq "ada"')).body.Resources[0].id;
  assert.equal((await call('POST', '/Users', {}, { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await patch(`/Users/${id}`, { op: 'remove', path: 'userName' })).body.scimType, 'mutability');
  assert.equal(
    (await patch(`/Users/${id}`, { op: 'replace', path: 'groups', value: [] })).body.scimType,
    'mutability',
  );
  assert.equal((await patch(`/Users/${id}`, { op: 'remove' })).body.scimType, 'noTarget');
  assert.equal((await patch(`/Users/${id}`, { op: 'grow', path: 'title' })).body.scimType, 'invalidSyntax');
  assert.equal(
    (await patch(`/Users/${id}`, { op: 'add', path: 'shoeSize', value: 'x' })).body.scimType,
    'invalidPath',
  );
  assert.equal((await call('GET', '/Users?filter=shoeSize+eq+"1"')).body.scimType, 'invalidFilter');
  assert.equal((await call('GET', '/Users?count=many')).status, 400);
  assert.equal((await call('GET', '/Users?attributes=userName&excludedAttributes=emails')).status, 400);
  assert.equal((await call('PUT', '/Users', {})).status, 405);
  assert.equal((await call('POST', '/Bulk', {})).status, 501);
  assert.equal((await call('GET', '/Elsewhere')).status, 404);
});

test('a bearer that is missing or another one is refused, and so is a foreign name', async (t) => {
  const { call, simulator } = await target(t);
  for (const authorization of [
    '',
    'Bearer wrong',
    `Basic ${simulator.token}`,
    `Bearer ${simulator.token}x`,
  ]) {
    const { status, headers } = await call('GET', '/Users', undefined, { authorization });
    assert.deepEqual(
      [status, headers.get('www-authenticate')],
      [401, 'Bearer realm="simulator"'],
      authorization,
    );
  }
  assert.equal(simulator.ledger.counters().unauthorised, 4);
  const status = await new Promise((resolve) =>
    request(`${simulator.origin}/simulator/state`, { headers: { host: 'evil.example' } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).end(),
  );
  assert.equal(status, 421);
  const crossSite = await fetch(`${simulator.origin}/simulator/reset`, {
    method: 'POST',
    headers: { origin: 'https://evil.example' },
  });
  assert.equal(crossSite.status, 403);
  await assert.rejects(startScimSimulator({ log, host: '0.0.0.0' }), RangeError);
});

test('filters: eq, and, or, not, pr, elements, case', async (t) => {
  const { add, addGroup, search } = await target(t);
  const ada = (await add('ada', { emails: [{ value: 'Ada@id.example', type: 'work' }], title: 'Dr' })).body
    .id;
  const bob = (await add('bob', { active: false, emails: [{ value: 'bob@id.example', type: 'home' }] })).body
    .id;
  const group = (await addGroup('Developers', [ada])).body.id;
  const users: [string, string[]][] = [
    ['userName eq "ADA"', [ada]],
    ['USERNAME EQ "ada"', [ada]],
    ['externalId eq "x-bob"', [bob]],
    ['externalId eq "X-BOB"', []],
    ['emails.value eq "ada@id.example"', [ada]],
    ['emails eq "bob@id.example"', [bob]],
    ['emails[type eq "work" and value co "@id."]', [ada]],
    ['emails[type eq "work"].value eq "x"', []],
    [`${userUrn}:userName eq "bob"`, [bob]],
    ['userName eq "ada" and active eq true', [ada]],
    ['userName eq "bob" and active eq true', []],
    ['userName eq "ada" or userName eq "bob"', [ada, bob]],
    ['not (title pr)', [bob]],
    ['userName sw "a" or (userName ew "b" and active eq false)', [ada, bob]],
    ['userName eq "a\\"da"', []],
    [`id eq "${bob}"`, [bob]],
    [`groups.value eq "${group}"`, [ada]],
  ];
  for (const [filter, ids] of users) {
    const found = await search('Users', filter);
    if (filter.includes('].value')) assert.equal(found.body.scimType, 'invalidFilter', filter);
    else
      assert.deepEqual(
        found.body.Resources.map((one: { id: string }) => one.id),
        ids,
        filter,
      );
  }
  assert.equal((await search('Groups', 'displayName eq "developers"')).body.totalResults, 1);
  assert.equal((await search('Groups', `id eq "${group}" and members eq "${ada}"`)).body.totalResults, 1);
  assert.equal((await search('Groups', `members.value eq "${bob}"`)).body.totalResults, 0);
  for (const wrong of [
    '',
    'userName',
    'userName eq',
    'userName like "a"',
    '(userName eq "a"',
    'userName eq "a" x',
    '('.repeat(99),
  ])
    assert.equal((await search('Users', wrong)).body.scimType, 'invalidFilter', wrong);
});

test('pages: counted from one, capped, and no more attributes than asked for', async (t) => {
  const { call, add } = await target(t, { pageCap: 3 });
  for (let n = 1; n <= 7; n += 1)
    await add(`u${n}`, { title: 'Dr', name: { familyName: 'F', givenName: 'G' } });
  const page = async (query: string) => (await call('GET', `/Users?${query}`)).body;
  const first = await page('startIndex=0&count=50');
  assert.deepEqual([first.totalResults, first.startIndex, first.itemsPerPage], [7, 1, 3]);
  const names = [];
  for (let at = 1; at <= 7; at += 3) {
    for (const one of (await page(`startIndex=${at}`)).Resources) names.push(one.userName);
  }
  assert.deepEqual(names, ['u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7']);
  assert.deepEqual((await page('count=0')).Resources, []);
  assert.deepEqual((await page('startIndex=100')).Resources, []);
  const few = (await page('attributes=userName,name.familyName&count=1')).Resources[0];
  assert.deepEqual(Object.keys(few).sort(), ['id', 'name', 'schemas', 'userName']);
  assert.deepEqual(few.name, { familyName: 'F' });
  const most = (await page('excludedAttributes=title,name.givenName,id&count=1')).Resources[0];
  assert.deepEqual([most.title, most.name, typeof most.id], [undefined, { familyName: 'F' }, 'string']);
});

test('PATCH: every form of the standard, all or nothing, one primary', async (t) => {
  const { add, patch, call } = await target(t);
  const at = `/Users/${(await add('ada', { emails: [{ value: 'a@id.example', type: 'work', primary: true }] })).body.id}`;
  const one = await patch(
    at,
    { op: 'Replace', path: 'active', value: false },
    { op: 'add', path: 'name.familyName', value: 'Lovelace' },
    { op: 'add', value: { title: 'Dr', displayName: 'Ada' } },
    { op: 'add', path: 'emails', value: [{ value: 'h@id.example', type: 'home', primary: true }] },
    { op: 'add', path: `${enterprise}:department`, value: 'Care' },
  );
  assert.equal(one.status, 200);
  assert.deepEqual(
    [one.body.active, one.body.name, one.body.title, one.body.emails.map((email: Any) => email.primary)],
    [false, { familyName: 'Lovelace' }, 'Dr', [false, true]],
  );
  assert.equal(one.body[enterprise].department, 'Care');
  const two = await patch(at, { op: 'replace', path: 'emails[type eq "work"].value', value: 'b@id.example' });
  assert.equal(two.body.emails[0].value, 'b@id.example');
  const none = await patch(at, {
    op: 'replace',
    path: 'emails[type eq "other"].value',
    value: 'c@id.example',
  });
  assert.equal(none.body.scimType, 'noTarget');
  const grown = await patch(at, { op: 'add', path: 'emails[type eq "other"].value', value: 'c@id.example' });
  assert.deepEqual(grown.body.emails.at(-1), { type: 'other', value: 'c@id.example' });
  const gone = await patch(
    at,
    { op: 'remove', path: 'emails[type eq "home"]' },
    { op: 'remove', path: enterprise },
  );
  assert.deepEqual(
    [gone.body.emails.length, gone.body[enterprise], gone.body.schemas.length],
    [2, undefined, 1],
  );
  const before = (await call('GET', at)).body;
  const half = await patch(
    at,
    { op: 'replace', path: 'title', value: 'Prof' },
    { op: 'replace', path: 'active', value: 'no' },
  );
  assert.equal(half.status, 400);
  assert.deepEqual((await call('GET', at)).body, before);
});

test('members: added, removed by list and by path, replaced; a user shows its groups and leaves them when removed', async (t) => {
  const { add, addGroup, patch, call, simulator } = await target(t);
  const ids = [];
  for (const name of ['a', 'b', 'c', 'd']) ids.push((await add(name)).body.id as string);
  const [a, b, c, d] = ids as [string, string, string, string];
  const at = `/Groups/${(await addGroup('Developers')).body.id}`;
  const members = (...list: string[]) => list.map((value) => ({ value }));
  const after = async (...operations: object[]) => {
    const { body } = await patch(at, ...operations);
    return body.members?.map((one: { value: string }) => one.value);
  };
  assert.deepEqual(await after({ op: 'add', path: 'members', value: members(a, b, c) }), [a, b, c]);
  assert.deepEqual(await after({ op: 'add', path: 'members', value: members(a) }), [a, b, c]);
  assert.deepEqual(await after({ op: 'remove', path: 'members', value: members(a) }), [b, c]);
  assert.deepEqual(await after({ op: 'remove', path: `members[value eq "${b}"]` }), [c]);
  assert.deepEqual(await after({ op: 'replace', path: 'members', value: members(c, d) }), [c, d]);
  assert.equal((await patch(at, { op: 'add', path: 'members', value: members('nobody') })).status, 400);
  assert.deepEqual(
    (await call('GET', `/Users/${d}`)).body.groups.map((one: Any) => one.display),
    ['Developers'],
  );
  assert.equal(
    (await patch(at, { op: 'replace', path: 'displayName', value: 'Testers' })).body.displayName,
    'Testers',
  );
  await call('DELETE', `/Users/${d}`);
  assert.deepEqual(simulator.state.groups()[0]!.members, [c]);
  assert.deepEqual(await after({ op: 'remove', path: 'members' }), []);
});

test('versions: If-Match keeps a late writer out, an unchanged write changes nothing', async (t) => {
  const { add, call, simulator } = await target(t);
  const { body } = await add('ada');
  const at = `/Users/${body.id}`;
  const put = (title: string, tag: string) =>
    call('PUT', at, { schemas: [userUrn], userName: 'ada', title }, { 'if-match': tag });
  assert.equal((await put('Dr', 'W/"1"')).headers.get('etag'), 'W/"2"');
  assert.equal((await put('Prof', 'W/"1"')).status, 412);
  assert.equal((await put('Dr', '*')).headers.get('etag'), 'W/"2"');
  assert.equal((await call('GET', at, undefined, { 'if-none-match': 'W/"2"' })).status, 304);
  assert.equal((await call('DELETE', at, undefined, { 'if-match': 'W/"1"' })).status, 412);
  assert.deepEqual(
    simulator.ledger.history(body.id).map(({ what, before, after }) => [what, before, after]),
    [
      ['create', null, 1],
      ['replace', 1, 2],
    ],
  );
});

test('it says what it is, and cannot be asked for a part of that', async (t) => {
  const { call } = await target(t, { pageCap: 50 });
  const config = (await call('GET', '/ServiceProviderConfig')).body;
  assert.deepEqual(
    [config.patch.supported, config.bulk.supported, config.filter.maxResults],
    [true, false, 50],
  );
  assert.equal((await call('GET', '/Schemas')).body.totalResults, 3);
  assert.equal((await call('GET', `/Schemas/${enterprise}`)).body.id, enterprise);
  assert.equal((await call('GET', '/ResourceTypes/User')).body.endpoint, '/Users');
  assert.equal((await call('GET', '/ResourceTypes/Robot')).status, 404);
  assert.equal((await call('GET', '/Schemas?filter=id+eq+"x"')).status, 403);
});

test('the limit is kept, told and counted; reads may have their own', async (t) => {
  const clock = new FakeClock();
  const limit = { all: { perMinute: 180, burst: 20 }, reads: { perMinute: 600, burst: 100 } };
  const { add, call, simulator } = await target(t, { clock, limit });
  const statuses: number[] = [];
  for (let n = 0; n < 22; n += 1) statuses.push((await add(`u${n}`)).status);
  assert.deepEqual([statuses.filter((one) => one === 201).length, statuses.slice(-2)], [20, [429, 429]]);
  const refused = await add('more');
  assert.deepEqual(
    ['retry-after', 'x-ratelimit-limit', 'x-ratelimit-remaining'].map((name) => refused.headers.get(name)),
    ['1', '180', '0'],
  );
  assert.equal((await call('GET', '/Users')).status, 200);
  clock.advance(500);
  assert.equal((await add('more')).status, 201);
  const { limited, early, created } = simulator.ledger.counters();
  assert.deepEqual([limited, early, created], [3, 1, 21]);
});

test('a state file outlives the process, is whole, and belongs to one kind of simulator', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-simulator-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const state = path.join(folder, 'deep', 'state.json');
  const first = await startScimSimulator({ log, state, token: 'the-token' });
  t.after(() => first.stop());
  const headers = { authorization: 'Bearer the-token', 'content-type': 'application/scim+json' };
  const post = (at: string, body: object) =>
    fetch(first.url + at, { method: 'POST', headers, body: JSON.stringify(body) }).then((answer) =>
      answer.json(),
    );
  const ada = (await post('/Users', { schemas: [userUrn], userName: 'ada', externalId: 'x' })) as {
    id: string;
  };
  await post('/Groups', { schemas: [groupUrn], displayName: 'Developers', members: [{ value: ada.id }] });
  await first.stop();
  JSON.parse(await readFile(state, 'utf8'));
  const second = await startScimSimulator({ log, state, token: 'the-token' });
  assert.deepEqual(
    [second.state.users(), second.state.groups()[0]!.members],
    [first.state.users(), [ada.id]],
  );
  const found = await fetch(`${second.url}/Users?filter=externalId+eq+"x"`, { headers });
  assert.equal(((await found.json()) as Any).Resources[0].groups[0].display, 'Developers');
  await second.stop();
  await writeFile(state, '{"of":"something else"}');
  await assert.rejects(startScimSimulator({ log, state }), /not the state of/);
});

test('lists see a write after the lag, a read by id at once', async (t) => {
  const clock = new FakeClock();
  const { add, search, call, patch } = await target(t, { clock, lagMs: 1000 });
  const { body } = await add('ada');
  const found = async (filter: string) => (await search('Users', filter)).body.Resources;
  assert.equal((await call('GET', `/Users/${body.id}`)).status, 200);
  assert.deepEqual(await found('userName eq "ada"'), []);
  assert.equal((await add('ada')).status, 409);
  clock.advance(1001);
  assert.equal((await found('userName eq "ada"')).length, 1);
  await patch(`/Users/${body.id}`, { op: 'replace', path: 'userName', value: 'countess' });
  assert.equal((await found('userName eq "ada"')).length, 1);
  assert.equal((await found('userName eq "countess"')).length, 0);
  clock.advance(1001);
  assert.equal((await found('userName eq "countess"')).length, 1);
  await call('DELETE', `/Users/${body.id}`);
  assert.equal((await found('userName eq "countess"')).length, 1);
  clock.advance(1001);
  assert.equal((await call('GET', '/Users')).body.totalResults, 0);
});

test('the page shows who arrived, escaped, and renews itself without a script', async (t) => {
  const { add, simulator } = await target(t);
  const page = async (query = '') => {
    const answer = await fetch(`${simulator.origin}/${query}`);
    return { headers: answer.headers, text: await answer.text() };
  };
  assert.match((await page()).text, /Nobody is here yet/);
  await add('ada', { displayName: '<b>Ada</b>', emails: [{ value: 'ada@id.example' }] });
  const { headers, text } = await page();
  assert.equal(headers.get('refresh'), '3');
  assert.match(text, /&lt;b&gt;Ada&lt;\/b&gt;/);
  assert.match(text, /ada@id\.example/);
  assert.equal((await page('?hold')).headers.get('refresh'), null);
});
