/** Targets as they are: answers made up for one question each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import {
  type Connection,
  type Connector,
  type Desired,
  type Request,
  type Response,
  Retry,
} from '#provisioning/connector.ts';
import { startScimSimulator } from '#simulators/scim/scim.ts';
import { isStop } from '../../../test/conformance/connector.ts';
import { createTestCall } from '../../../test/conformance/test-call.ts';
import { awsConnector, type ScimOptions, scimConnector, slackConnector } from './scim.ts';

const desired: Desired = {
  externalId: 's-1',
  active: true,
  attributes: { userName: 'ada', email: 'ada@people.example', displayName: 'Ada' },
};

type Answer = { status?: number; body?: unknown; headers?: Record<string, string> };

/** A connection to a target that is one function. */
function at(
  answer: (request: Request, query: URLSearchParams, path: string) => Answer,
  options: Partial<ScimOptions> = {},
  more: { connector?: Connector<ScimOptions>; state?: unknown } = {},
): { connection: Connection; sent: Request[] } {
  const sent: Request[] = [];
  const connector = more.connector ?? scimConnector;
  const connection = connector.open({
    options: connector.options.parse({ baseUrl: 'https://app.example/scim/v2/', ...options }),
    credentials: { token: 'a-token-of-ours' },
    facts: Object.fromEntries(
      Object.entries(connector.profile.facts).map(([name, { value }]) => [name, value]),
    ),
    state: more.state,
    call: async (request): Promise<Response> => {
      assert.ok(sent.push(request) < 200, 'it does not end');
      const path = request.url.pathname.replace('/scim/v2', '');
      const { status = 200, body, headers } = answer(request, request.url.searchParams, path);
      const text = body === undefined ? '' : JSON.stringify(body);
      return { status, headers: new Headers(headers), text, json: body };
    },
  });
  return { connection, sent };
}

const user = (n: number | string) => ({
  id: `id-${n}`,
  userName: `user${n}`,
  externalId: `x-${n}`,
  active: true,
});
const many = (count: number) => Array.from({ length: count }, (_, index) => user(index + 1));

async function idsOf(connection: Connection): Promise<string[]> {
  const ids: string[] = [];
  for await (const { items } of connection.list()) ids.push(...items.map(({ id }) => id));
  return ids;
}

/** A target that lists by index, with quirks. */
function indexed(quirks: {
  cap?: number;
  total?: (real: number) => number | undefined;
  told?: number;
  ignoresStart?: boolean;
}) {
  const all = many(25);
  return (_: Request, query: URLSearchParams): Answer => {
    const start = quirks.ignoresStart ? 1 : Number(query.get('startIndex') ?? 1);
    const count = Math.min(Number(query.get('count') ?? 100), quirks.cap ?? 100);
    const Resources = all.slice(start - 1, start - 1 + count);
    const total = quirks.total ? quirks.total(all.length) : all.length;
    return {
      body: {
        totalResults: total,
        startIndex: start,
        itemsPerPage: quirks.told ?? Resources.length,
        Resources,
      },
    };
  };
}

test('a listing is complete whatever the totals say', async () => {
  const cases: [string, Parameters<typeof indexed>[0]][] = [
    ['right', {}],
    ['pages smaller than asked for', { cap: 4 }],
    ['no total', { total: () => undefined, cap: 10 }],
    ['a total too small', { total: () => 3 }],
    ['a total of nothing', { total: () => 0 }],
    ['a total too large', { total: (real) => real * 40 }],
    ['itemsPerPage larger than the page', { told: 100, cap: 4 }],
  ];
  for (const [what, quirks] of cases) {
    const { connection } = at(indexed(quirks), { pageSize: 10 });
    assert.equal((await idsOf(connection)).length, 25, what);
  }
});

test('a target that gives everything at once is listed once; one that repeats half of it is refused', async () => {
  const whole = at(indexed({ ignoresStart: true }), { pageSize: 25 });
  assert.equal((await idsOf(whole.connection)).length, 25);
  const half = at(indexed({ ignoresStart: true }), { pageSize: 10 });
  await assert.rejects(idsOf(half.connection), isStop('refused'));
});

test('RFC 9865 cursors are followed where the target says so, and a lost place starts again', async () => {
  const all = many(25);
  const config = { pagination: { cursor: true, index: false, maxPageSize: 10 }, patch: { supported: true } };
  let expired = false;
  const answer = (_: Request, query: URLSearchParams, path: string): Answer => {
    if (path === '/ServiceProviderConfig') return { body: config };
    assert.equal(query.get('startIndex'), null);
    if (expired) return { status: 400, body: { scimType: 'expiredCursor' } };
    const from = Number(query.get('cursor') || 0);
    const to = from + Number(query.get('count'));
    const next = to < all.length ? { nextCursor: String(to) } : {};
    return { body: { Resources: all.slice(from, to), ...next } };
  };
  const state = await at(answer).connection.prepare();
  const { connection, sent } = at(answer, {}, { state: JSON.parse(JSON.stringify(state)) });
  assert.equal((await idsOf(connection)).length, 25);
  assert.equal(sent[0]!.url.searchParams.get('count'), '10');
  expired = true;
  await assert.rejects(idsOf(connection), Retry);
  const loop = at(() => ({ body: { Resources: [], nextCursor: 'same' } }), {}, { state });
  await assert.rejects(idsOf(loop.connection), isStop('refused'));
});

test('a filter that is refused is done without; a target that takes none cannot be asked', async () => {
  const byName = at((_, query) =>
    query.get('filter')!.startsWith('userName')
      ? { body: { totalResults: 1, Resources: [{ ...user(1), userName: 'ADA' }] } }
      : { status: 400, body: { scimType: 'invalidFilter' } },
  );
  const found = await byName.connection.find(desired);
  assert.deepEqual(
    found.map(({ by, account }) => [by, account.id]),
    [['userName', 'id-1']],
  );
  const none = at(() => ({ status: 400, body: {} }));
  await assert.rejects(none.connection.find(desired), isStop('impossible'));
  const ignored = at(() => ({ body: { totalResults: 2, Resources: many(2) } }));
  await assert.rejects(
    ignored.connection.find(desired),
    isStop('impossible'),
    'a filter that is ignored counts as refused',
  );
  const told = at(() => assert.fail('nothing is asked'), { filters: [] });
  assert.deepEqual(await told.connection.find(desired), []);
});

test('a target without PATCH gets the whole account, with what others wrote and the version it had', async () => {
  const there = {
    ...user('1'),
    meta: { version: 'W/"7"', resourceType: 'User' },
    groups: [{ value: 'g' }],
    nickName: 'theirs',
    name: { givenName: 'Ada', middleName: 'theirs' },
    'urn:example:theirs': { badge: 5 },
  };
  const state = { config: { patch: false } };
  const target = at(
    (request) => (request.method === 'PUT' ? { body: request.body } : { body: there }),
    {},
    { state },
  );
  const changed = { ...desired, attributes: { ...desired.attributes, givenName: null, familyName: 'L' } };
  await target.connection.apply({
    do: 'update',
    id: 'id-1',
    fields: ['givenName', 'familyName', 'email'],
    desired: changed,
  });
  const put = target.sent.at(-1)!;
  assert.equal(put.method, 'PUT');
  assert.equal(put.headers?.['if-match'], 'W/"7"');
  assert.deepEqual(put.body, {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', 'urn:example:theirs'],
    id: 'id-1',
    userName: 'user1',
    externalId: 'x-1',
    active: true,
    nickName: 'theirs',
    name: { middleName: 'theirs', familyName: 'L' },
    'urn:example:theirs': { badge: 5 },
    emails: [{ value: 'ada@people.example', type: 'work', primary: true }],
  });
  const stale = at(
    (request) => (request.method === 'PUT' ? { status: 412 } : { body: there }),
    {},
    { state },
  );
  await assert.rejects(
    stale.connection.apply({ do: 'update', id: 'id-1', fields: ['email'], desired }),
    (error) => error instanceof Retry && error.kind === 'later',
  );
});

test('refusals are told in the words of the target, whatever they are written in', async () => {
  const refuse = async (status: number, body: unknown) => {
    const { connection } = at(() => ({ status, body }));
    return connection.apply({ do: 'create', desired }).then(
      () => assert.fail('taken'),
      (error: Error & { code?: string }) => [error.code, error.message],
    );
  };
  const clash = 'Resource [USER]: with email[ada@people.example] already exists.';
  assert.deepEqual(await refuse(409, { detail: clash, scimType: 'uniqueness' }), [
    'clash',
    `The target has it already (409): ${clash}`,
  ]);
  assert.deepEqual(await refuse(400, { scimType: 'uniqueness', detail: 'taken' }), [
    'clash',
    'The target has it already (400): taken',
  ]);
  assert.deepEqual(await refuse(400, { errorMessage: 'no name' }), [
    'refused',
    'The target refuses it (400): no name',
  ]);
  assert.deepEqual(await refuse(400, { error: { message: 'deep' } }), [
    'refused',
    'The target refuses it (400): deep',
  ]);
  assert.deepEqual(await refuse(400, { errors: [{ title: 'listed' }] }), [
    'refused',
    'The target refuses it (400): listed',
  ]);
  assert.deepEqual(await refuse(422, {}), ['refused', 'The target refuses it (422).']);
  assert.deepEqual(await refuse(501, {}), ['impossible', 'The target cannot do this (501).']);
});

test('an account without a body in the answer is read where its address says', async () => {
  const target = at((request) =>
    request.method === 'POST'
      ? { status: 201, headers: { location: 'https://elsewhere.example/scim/v2/Users/id-1?x=1' } }
      : { body: user(1) },
  );
  assert.equal((await target.connection.apply({ do: 'create', desired }))?.id, 'id-1');
  assert.equal(
    target.sent[1]!.url.href,
    'https://app.example/scim/v2/Users/id-1',
    'our address, never theirs',
  );
});

test('a refused batch of members is explained by who is there, and the rest is done', async () => {
  for (const removeMembers of ['filter', 'value'] as const) {
    const members = new Set(['m1', 'm2']);
    const target = at(
      (request) => {
        if (request.method === 'GET')
          return { body: { id: 'g', displayName: 'G', members: [...members].map((value) => ({ value })) } };
        const { Operations } = request.body as {
          Operations: { op: string; path: string; value?: { value: string }[] }[];
        };
        const ids = Operations.flatMap(
          ({ path, value }) => value?.map((one) => one.value) ?? [/"(.*)"/.exec(path)![1]!],
        );
        const adding = Operations[0]!.op === 'add';
        if (ids.some((id) => members.has(id) === adding))
          return { status: adding ? 409 : 400, body: { scimType: 'noTarget' } };
        for (const id of ids) adding ? members.add(id) : members.delete(id);
        return { status: 204 };
      },
      { removeMembers },
    );
    await target.connection.applyGroup({ do: 'add-members', id: 'g', members: ['m1', 'm3'] });
    assert.deepEqual([...members], ['m1', 'm2', 'm3']);
    await target.connection.applyGroup({ do: 'remove-members', id: 'g', members: ['m2', 'nobody', 'm3'] });
    assert.deepEqual([...members], ['m1']);
  }
});

test('a user name and a password are sent as Basic, and neither form of them is ever told', async () => {
  const pair = Buffer.from('gatehouse:long-password').toString('base64');
  const sent: Request[] = [];
  const connection = scimConnector.open({
    options: scimConnector.options.parse({ baseUrl: 'https://app.example/scim', authentication: 'basic' }),
    credentials: { user: 'gatehouse', password: 'long-password' },
    facts: Object.fromEntries(
      Object.entries(scimConnector.profile.facts).map(([name, { value }]) => [name, value]),
    ),
    state: undefined,
    call: async (request) => {
      sent.push(request);
      const json = { detail: `No Basic ${pair} (long-password) here` };
      return { status: 400, headers: new Headers(), text: JSON.stringify(json), json };
    },
  });
  await assert.rejects(connection.apply({ do: 'create', desired }), (error: Error) => {
    assert.equal(error.message, 'The target refuses it (400): No Basic [removed] ([removed]) here');
    return isStop('refused')(error);
  });
  assert.equal(sent[0]!.headers?.authorization, `Basic ${pair}`);
});

test('strict and slow targets have profiles of their own', () => {
  const aws = at(() => ({}), {}, { connector: awsConnector }).connection;
  assert.equal(aws.capabilities?.membersBatch, 100);
  const slack = at(() => ({}), {}, { connector: slackConnector }).connection;
  assert.equal(slack.capabilities?.delete, false);
  assert.deepEqual([slackConnector.limits.perMinute, slackConnector.limits.burst], [180, 20]);
});

test('a profile check reads without writing, and writes only with a test account that it takes away again', async () => {
  const simulator = await startScimSimulator({ log: createLog({ level: 'silent' }), uniqueGroupName: true });
  const way = createTestCall();
  try {
    const facts = Object.fromEntries(
      Object.entries(scimConnector.profile.facts).map(([name, { value }]) => [name, value]),
    );
    const open = (more: object = {}) =>
      scimConnector.open({
        options: scimConnector.options.parse({ baseUrl: simulator.url }),
        credentials: { token: simulator.token },
        facts: { ...facts, ...more },
        state: undefined,
        call: way.call,
      });
    await open().apply({ do: 'create', desired });
    const read = await open().check!({});
    assert.ok(read.length > 8);
    assert.deepEqual(
      read.filter(({ same }) => !same),
      [],
    );
    assert.equal(simulator.state.users().length, 1);
    const written = await open().check!({ write: 'check@people.example' });
    assert.deepEqual(
      written.filter(({ same }) => !same),
      [],
    );
    for (const fact of [
      'create',
      'create twice',
      'renameGroup',
      'removeMembers',
      'deactivate',
      'deleteMeaning',
    ])
      assert.ok(
        written.some((finding) => finding.fact === fact),
        fact,
      );
    const wrong = await open({ renameGroup: false, deleteMeaning: 'inactive', groupFilters: 'displayName' })
      .check!({ write: 'check' });
    assert.deepEqual(
      wrong.filter(({ same }) => !same).map(({ fact }) => fact),
      ['groupFilters externalId', 'renameGroup', 'deleteMeaning'],
    );
    assert.equal(simulator.state.users().length, 1, 'the test account is gone');
    assert.equal(simulator.state.groups().length, 0);
    await assert.rejects(open().check!({ write: 'ada' }), isStop('refused'));
    assert.equal(simulator.state.users().length, 1, 'an account in use is left alone');
  } finally {
    await way.close();
    await simulator.stop();
  }
});

test('a listing by index goes on where it was cut off, and says where its pages begin; one by cursor does not', async () => {
  const places = async (connection: Connection, from?: number) => {
    const seen: [number | undefined, number][] = [];
    for await (const page of connection.list(from)) seen.push([page.at, page.items.length]);
    return seen;
  };
  const { connection } = at(indexed({ cap: 10 }));
  assert.deepEqual(await places(connection), [
    [1, 10],
    [11, 10],
    [21, 5],
  ]);
  assert.deepEqual(await places(connection, 11), [
    [11, 10],
    [21, 5],
  ]);
  const short = at(indexed({ cap: 10, total: (real) => real + 1 }));
  assert.deepEqual(await places(short.connection, 21), [[21, 5]], 'the listing says that one is missing');
  const config = { pagination: { cursor: true, index: false, maxPageSize: 10 } };
  const answer = (_: Request, __: URLSearchParams, path: string): Answer =>
    path === '/ServiceProviderConfig'
      ? { body: config }
      : { body: { totalResults: 1, Resources: [user(1)] } };
  const cursors = at(answer, {}, { state: await at(answer).connection.prepare() });
  assert.deepEqual(await places(cursors.connection, 21), [[undefined, 1]]);
});

/** A target whose filters are clauses joined by or, read as `reads` says. */
function searched(users: readonly Record<string, unknown>[], reads: (clauses: string[]) => string[] | 400) {
  return (_: Request, query: URLSearchParams, path: string): Answer => {
    if (path === '/ServiceProviderConfig') return { status: 404 };
    const clauses = query.get('filter')?.split(' or ');
    const read = clauses && reads(clauses);
    if (read === 400) return { status: 400, body: { scimType: 'invalidFilter' } };
    const fits = (one: Record<string, unknown>) =>
      !read ||
      read.some((clause) => {
        const [attribute = '', text = ''] = clause.split(' eq ');
        const value = JSON.parse(text);
        return attribute === 'emails.value'
          ? (one.emails as { value: string }[]).some((email) => email.value === value)
          : one[attribute] === value;
      });
    return { body: { totalResults: users.length, Resources: users.filter(fits) } };
  };
}

test('a new account is looked for in one request where the target showed that it understands one', async () => {
  const other = { ...user(1), emails: [{ value: 'one@people.example' }] };
  const mine = { ...user(2), externalId: 'else', emails: [{ value: 'ada@people.example' }] };
  const tried: Connector<ScimOptions> = {
    ...scimConnector,
    profile: {
      ...scimConnector.profile,
      facts: {
        ...scimConnector.profile.facts,
        joinedFilters: { ...scimConnector.profile.facts.joinedFilters!, value: 'tried' },
      },
    },
  };
  const looks = async (answer: ReturnType<typeof searched>, connector = tried, users = answer) => {
    const state = await at(answer, {}, { connector }).connection.prepare();
    const { connection, sent } = at(users, {}, { connector, state: JSON.parse(JSON.stringify(state)) });
    const found = await connection.find(desired);
    return {
      calls: sent.length,
      looks: connection.looks,
      found: found.map(({ account, by }) => [account.id, by]),
    };
  };
  const all = (clauses: string[]) => clauses;
  const few = (clauses: string[]) => (clauses.length > 1 ? (400 as const) : clauses);
  assert.deepEqual(await looks(searched([other], all)), { calls: 1, looks: 1, found: [] });
  const there = { calls: 1, looks: 1, found: [['id-2', 'email']] };
  assert.deepEqual(await looks(searched([other, mine], all)), there);
  const apart = { calls: 3, looks: 3, found: [['id-2', 'email']] };
  const now = searched([other, mine], all);
  assert.deepEqual(await looks(searched([], all), tried, now), apart, 'nobody was there to show it');
  assert.deepEqual(
    await looks(searched([other], all), scimConnector, now),
    apart,
    'only where it is to be tried',
  );
  assert.deepEqual(await looks(searched([other, mine], few)), apart, 'refused');
  const first = searched([other, mine], (clauses) => clauses.slice(0, 1));
  assert.deepEqual(await looks(first), apart, 'it reads the first one alone');
  const last = searched([other, mine], (clauses) => clauses.slice(-1));
  assert.deepEqual(await looks(last), apart, 'it reads the last one alone');
  const ignores = searched([other], () => ['id eq "id-1"']);
  assert.deepEqual(await looks(ignores, tried, now), apart, 'it reads none');
  const since = await looks(searched([other], all), tried, searched([other, mine], few));
  assert.deepEqual(since, { ...apart, calls: 4, looks: 1 }, 'not any more');
});
