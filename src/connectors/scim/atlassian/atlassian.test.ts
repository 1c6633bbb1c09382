import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Desired, type Request, type Response, Stop } from '#provisioning/connector.ts';
import { isStop } from '../../../../test/conformance/connector.ts';
import { atlassianConnector } from './atlassian.ts';
import type { AtlassianOptions } from './options.ts';
import { openOrganisation } from './organisation.ts';

const facts = Object.fromEntries(
  Object.entries(atlassianConnector.profile.facts).map(([name, { value }]) => [name, value]),
);
const desired: Desired = {
  externalId: 's-1',
  active: true,
  attributes: { userName: 'ada', email: 'ada@id.example', displayName: 'Ada' },
};
const record = {
  schemas: [
    'urn:ietf:params:scim:schemas:core:2.0:User',
    'urn:scim:schemas:extension:atlassian-external:1.0',
  ],
  id: 'r-1',
  externalId: 's-1',
  userName: 'ada',
  displayName: 'Ada',
  active: true,
  emails: [{ value: 'ada@id.example', type: 'work', primary: true }],
  groups: [{ value: 'g' }],
  'urn:scim:schemas:extension:atlassian-external:1.0': { atlassianAccountId: '712020:a' },
  meta: { resourceType: 'User' },
};

type Answer = { status?: number; body?: unknown };

function at(
  answer: (request: Request, path: string) => Answer,
  more: { options?: object; facts?: object; state?: unknown; credentials?: Record<string, string> } = {},
) {
  const sent: Request[] = [];
  const opening = {
    options: atlassianConnector.options.parse({
      directoryId: 'dir-1',
      orgId: 'org-1',
      ...more.options,
    }) as AtlassianOptions,
    credentials: more.credentials ?? { directoryKey: 'directory-key', organisationKey: 'organisation-key' },
    facts: { ...facts, ...more.facts },
    state: more.state ?? { domains: [{ name: 'id.example', state: 'verified' }], users: 3 },
    call: async (request: Request): Promise<Response> => {
      sent.push(request);
      const { status = 200, body } = answer(request, request.url.pathname);
      return {
        status,
        headers: new Headers(),
        text: body === undefined ? '' : JSON.stringify(body),
        json: body,
      };
    },
  };
  return { connection: atlassianConnector.open(opening), opening, sent };
}

const directory = '/scim/directory/dir-1';

test('requests go to the directory with its key, those of the organisation with the other', async () => {
  const { connection, sent } = at((_, path) => {
    if (path.endsWith('/domains')) return { body: { data: [], links: {} } };
    return { body: { totalResults: 0, Resources: [] } };
  });
  await connection.prepare();
  const keys = new Map(sent.map(({ url, headers }) => [url.href, headers?.authorization]));
  assert.equal(keys.get('https://api.atlassian.com/admin/v1/orgs/org-1/domains'), 'Bearer organisation-key');
  assert.equal(
    keys.get(`https://api.atlassian.com${directory}/Users?startIndex=1&count=1`),
    'Bearer directory-key',
  );
});

test('preparing reads all pages of domains; the options say more than they do', async () => {
  const page = (name: string, status: string, next?: string) => ({
    data: [{ id: name, type: 'domains', attributes: { name, claim: { type: 'dns', status } } }],
    links: next ? { next } : {},
  });
  const answer = ({ url }: Request): Answer => {
    if (!url.pathname.endsWith('/domains')) return { body: { totalResults: 41, Resources: [] } };
    assert.equal(url.host, 'api.atlassian.com', 'a link elsewhere is not followed');
    if (url.searchParams.get('cursor') === 'two') return { body: page('old.example', 'superseded') };
    return { body: page('Id.Example', 'verified', 'https://elsewhere.example/x?cursor=two') };
  };
  const state = await at(answer).connection.prepare();
  assert.deepEqual((state as { domains: unknown }).domains, [
    { name: 'id.example', state: 'verified' },
    { name: 'old.example', state: 'unverified' },
  ]);
  assert.equal((state as { users: number }).users, 41);
  const kept = JSON.parse(JSON.stringify(state));
  const { connection } = at(answer, {
    state: kept,
    options: { domains: [{ name: 'id.example', state: 'unclaimed' }] },
  });
  assert.equal(connection.judge(desired, undefined).standing, 'external');
  assert.equal(at(answer, { state: kept }).connection.judge(desired, undefined).standing, 'managed');
  const unknown = at(answer, { state: {}, credentials: { directoryKey: 'directory-key' } });
  assert.equal(
    unknown.connection.judge(desired, undefined).standing,
    'impossible',
    'without domains nothing is judged',
  );
});

test('the account behind a record is read under each spelling of its key', async () => {
  for (const key of ['1.0', '1.1'].map(
    (version) => `urn:scim:schemas:extension:atlassian-external:${version}`,
  )) {
    const { connection } = at(() => ({
      body: { id: 'r-1', userName: 'ada', [key]: { atlassianAccountId: '712020:x' } },
    }));
    assert.equal((await connection.read('r-1'))?.accountId, '712020:x');
  }
  for (const version of ['2.0', '2.1']) {
    const urn = `urn:ietf:params:scim:schemas:extension:enterprise:${version}:User`;
    const { connection } = at(() => ({
      body: { id: 'r-1', userName: 'ada', [urn]: { department: 'Care' } },
    }));
    assert.equal((await connection.read('r-1'))?.attributes.department, 'Care');
  }
});

test("a change sends everything, since what is left out is cleared; what is Atlassian's own is not sent back", async () => {
  for (const extensionKeys of ['2.0', '2.1']) {
    const other = extensionKeys === '2.0' ? '2.1' : '2.0';
    const urn = (version: string) => `urn:ietf:params:scim:schemas:extension:enterprise:${version}:User`;
    const there = { ...record, title: 'Nurse', [urn(other)]: { department: 'Old' } };
    const { connection, sent } = at(
      (request) => ({ body: request.method === 'PUT' ? request.body : there }),
      {
        facts: { extensionKeys },
      },
    );
    const changed = {
      ...desired,
      attributes: { ...desired.attributes, displayName: 'Ada L', department: 'Care' },
    };
    await connection.apply({
      do: 'update',
      id: 'r-1',
      fields: ['displayName', 'department'],
      desired: changed,
    });
    const body = sent.at(-1)!.body as Record<string, unknown>;
    assert.deepEqual(body, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User', urn(extensionKeys)],
      id: 'r-1',
      externalId: 's-1',
      userName: 'ada',
      displayName: 'Ada L',
      active: true,
      title: 'Nurse',
      emails: record.emails,
      department: 'Care',
      [urn(extensionKeys)]: { department: 'Care' },
    });
  }
});

test('ACCESS-1388 a record is switched off before it is deleted, and one that is off is only deleted', async () => {
  for (const active of [true, false]) {
    const { connection, sent } = at((request) =>
      request.method === 'DELETE' ? { status: 204 } : { body: { ...record, active } },
    );
    await connection.apply({ do: 'delete', id: 'r-1' });
    assert.deepEqual(
      sent.map(({ method }) => method),
      active ? ['GET', 'PUT', 'DELETE'] : ['GET', 'DELETE'],
    );
    if (active) assert.equal((sent[1]!.body as { active: boolean }).active, false);
  }
});

test('an address that would cut the account off is refused before anything is written', async () => {
  const outside = { ...record, emails: [{ value: 'ada@mail.example', primary: true }] };
  for (const options of [{}, { updateBy: 'patch' }]) {
    const { connection, sent } = at(() => ({ body: outside }), { options });
    const step = { do: 'update', id: 'r-1', fields: ['email'], desired } as const;
    await assert.rejects(connection.apply(step), isStop('refused'));
    assert.deepEqual(
      sent.map(({ method }) => method),
      ['GET'],
    );
  }
  const within = at((request) => ({ body: request.method === 'PUT' ? request.body : record }), {
    state: {
      domains: [
        { name: 'id.example', state: 'verified' },
        { name: 'two.example', state: 'verified' },
      ],
    },
  });
  const moved = { ...desired, attributes: { ...desired.attributes, email: 'ada@two.example' } };
  const now = await within.connection.apply({ do: 'update', id: 'r-1', fields: ['email'], desired: moved });
  assert.equal(now?.attributes.email, 'ada@two.example');
});

test('one comparison a filter, on user name or external id alone', async () => {
  const { connection, sent } = at(() => ({ body: { totalResults: 0, Resources: [] } }));
  assert.deepEqual(await connection.find(desired), []);
  assert.deepEqual(
    sent.map(({ url }) => url.searchParams.get('filter')),
    ['externalId eq "s-1"', 'userName eq "ada"'],
  );
  await connection.findGroup('Editors', 'g-1');
  assert.equal(sent.at(-1)!.url.searchParams.get('filter'), 'displayName eq "Editors"');
});

test('an invitation names products and groups; without the key it is impossible', async () => {
  const options = {
    products: [{ resource: 'ari:cloud:jira-software::site/1', role: 'atlassian/user' }],
    additionalGroups: ['g-1'],
    sendNotification: false,
  };
  const { connection, sent } = at(() => ({ body: { data: [] } }), { options });
  assert.equal(await connection.apply({ do: 'invite', desired }), undefined);
  const [{ method, url, body, headers }] = sent as [Request];
  assert.equal(`${method} ${url.href}`, 'POST https://api.atlassian.com/admin/v2/orgs/org-1/users/invite');
  assert.equal(headers?.authorization, 'Bearer organisation-key');
  assert.deepEqual(body, {
    emails: ['ada@id.example'],
    permissionRules: options.products,
    additionalGroups: ['g-1'],
    sendNotification: false,
  });
  const without = at(() => assert.fail('nothing is sent'), {
    credentials: { directoryKey: 'directory-key' },
  });
  await assert.rejects(without.connection.apply({ do: 'invite', desired }), isStop('impossible'));
});

test('a group of a name that is taken is a conflict for a person to settle; renaming is not possible', async () => {
  const { connection } = at(() => ({ status: 409, body: { detail: 'exists' } }));
  await assert.rejects(
    connection.applyGroup({ do: 'create-group', name: 'Editors', externalId: 'g' }),
    (error: Error) => isStop('clash')(error) && /"Editors" is there already.*exists/.test(error.message),
  );
  await assert.rejects(
    connection.applyGroup({ do: 'rename-group', id: 'g', name: 'Writers' }),
    isStop('impossible'),
  );
});

test('links between records and accounts can be read and cut by operators', async () => {
  const { opening, sent } = at(() => ({ body: [{ scimDirectoryId: 'dir-1', scimUserId: 'r-1' }] }));
  const organisation = openOrganisation(opening);
  assert.deepEqual(await organisation.linksOf('712020:a'), [{ directoryId: 'dir-1', scimUserId: 'r-1' }]);
  await organisation.linksForEmail('ada@id.example');
  await organisation.unlink('dir-1', 'r-1');
  await organisation.deleteRecords('712020:a');
  const base = '/admin/user-provisioning/v1/org/org-1';
  assert.deepEqual(
    sent.map(({ method, url }) => `${method} ${decodeURIComponent(url.pathname)}`),
    [
      `GET ${base}/user/712020:a/get-scim-links`,
      `POST ${base}/get-scim-links-for-email`,
      `PATCH ${base}/scimDirectoryId/dir-1/scimUserId/r-1/unlink`,
      `DELETE ${base}/user/712020:a/onlyDeleteUserInDB`,
    ],
  );
});

test('an address that may not be used is said as it is: no key is blamed for it', async () => {
  const { connection } = at((_, path) => {
    if (path.endsWith('/domains')) throw new Stop('address', 'This address cannot be used here.');
    return { body: {} };
  });
  await assert.rejects(
    connection.prepare(),
    (error: Error) => isStop('address')(error) && !/key/.test(error.message),
  );
});

test('an organisation key that is refused is named, so that nobody looks at the other one', async () => {
  const { connection } = at((_, path) => (path.endsWith('/domains') ? { status: 403 } : { body: {} }));
  await assert.rejects(
    connection.prepare(),
    (error: Error) => isStop('credentials')(error) && /organisation key/.test(error.message),
  );
});
