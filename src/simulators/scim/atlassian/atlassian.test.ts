import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '#kit/clock/clock.ts';
import { createLog } from '#kit/log/log.ts';
import { type AtlassianSimulatorOptions, startAtlassianSimulator } from './atlassian.ts';

const log = createLog({ level: 'silent' });
const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';
const groupUrn = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const patchUrn = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const external = 'urn:scim:schemas:extension:atlassian-external:1.0';

// biome-ignore lint/suspicious/noExplicitAny: bodies of answers are looked into by the assertions.
type Any = any;

async function cloud(t: TestContext, options: Partial<AtlassianSimulatorOptions> = {}) {
  const domains = { 'id.example': 'VERIFIED', 'new.example': 'VERIFIED_UNCLAIMED' } as const;
  const simulator = await startAtlassianSimulator({ log, seed: 3, domains, ...options });
  t.after(() => simulator.stop());
  const send = async (key: string, method: string, address: string, body?: unknown) => {
    const answer = await fetch(address, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: (text ? JSON.parse(text) : undefined) as Any,
    };
  };
  const scim = (method: string, at: string, body?: unknown) =>
    send(simulator.directoryKey, method, simulator.url + at, body);
  const admin = (method: string, at: string, body?: unknown) =>
    send(simulator.organisationKey, method, simulator.origin + at, body);
  const bodyOf = (email: string, more: object = {}) => ({
    schemas: [userUrn],
    userName: email,
    displayName: email.split('@')[0],
    emails: [{ value: email, primary: true, type: 'work' }],
    active: true,
    ...more,
  });
  const add = (email: string, more: object = {}) => scim('POST', '/Users', bodyOf(email, more));
  const put = (id: string, email: string, more: object = {}) =>
    scim('PUT', `/Users/${id}`, bodyOf(email, more));
  const patch = (at: string, ...Operations: object[]) =>
    scim('PATCH', at, { schemas: [patchUrn], Operations });
  const addGroup = async (displayName: string, ...members: string[]) =>
    (
      await scim('POST', '/Groups', {
        schemas: [groupUrn],
        displayName,
        members: members.map((value) => ({ value })),
      })
    ).body.id as string;
  const aaid = async (id: string) => (await scim('GET', `/Users/${id}`)).body[external]?.atlassianAccountId;
  const groupsAt = (email: string) => simulator.state.account(email)?.groupNames;
  return { simulator, scim, admin, add, put, patch, addGroup, aaid, groupsAt, send };
}

test('each key opens its own door, and there is no /scim/v2', async (t) => {
  const { simulator, send, scim } = await cloud(t);
  const domains = `${simulator.origin}/admin/v1/orgs/${simulator.organisationId}/domains`;
  assert.equal((await send(simulator.organisationKey, 'GET', `${simulator.url}/Users`)).status, 401);
  assert.equal((await send(simulator.directoryKey, 'GET', domains)).status, 401);
  assert.equal((await send(simulator.organisationKey, 'GET', domains)).status, 200);
  assert.equal((await scim('GET', '/scim/v2/Users')).status, 404);
  const other = simulator.url.replace(simulator.directoryId, 'another');
  assert.equal((await send(simulator.directoryKey, 'GET', `${other}/Users`)).status, 404);
  assert.equal((await scim('GET', '/ServiceProviderConfig')).body.etag.supported, false);
});

test('managed: an account is made or linked, follows attributes and address, and is deactivated', async (t) => {
  const { simulator, add, put, aaid } = await cloud(t, {
    accounts: [{ email: 'old@id.example', name: 'Old' }],
  });
  const before = simulator.state.account('old@id.example')!.aaid;
  const old = (await add('Old@id.example', { title: 'Dr' })).body;
  assert.equal(old[external].atlassianAccountId, before);
  assert.deepEqual(old.schemas, [userUrn, external]);
  assert.equal(simulator.state.account('old@id.example')!.profile.title, 'Dr');
  const { id } = (await add('ada@id.example', { externalId: 'u-17' })).body;
  const first = await aaid(id);
  assert.match(first, /^712020:/);
  assert.notEqual(first, id);
  await put(id, 'countess@id.example', { displayName: 'Ada L' });
  const moved = simulator.state.account('countess@id.example')!;
  assert.deepEqual([moved.aaid, moved.name, moved.managed], [first, 'Ada L', true]);
  assert.equal(simulator.state.account('ada@id.example'), undefined);
  await put(id, 'countess@id.example', { active: false });
  assert.equal(simulator.state.account('countess@id.example')!.active, false);
  assert.equal(simulator.state.accounts().length, 2);
});

test('409 with the vendor’s own words: twice created, or moved to an address another account has', async (t) => {
  const { add, put } = await cloud(t, { accounts: [{ email: 'held@id.example', name: 'Held' }] });
  const { id } = (await add('ada@id.example')).body;
  const twice = await add('ADA@id.example');
  assert.deepEqual(
    [twice.status, twice.body.detail, twice.body.status, twice.body.scimType],
    [409, 'Resource [USER]: with email[ADA@id.example] already exists.', '409', 'uniqueness'],
  );
  const moved = await put(id, 'held@id.example');
  assert.deepEqual(
    [moved.status, moved.body.detail],
    [409, 'Resource [USER]: with email[held@id.example] already exists.'],
  );
  assert.equal((await add('x@id.example', { emails: [] })).status, 400);
});

test('external: nobody there is invited; someone there is linked, gets groups, and nothing else', async (t) => {
  const { simulator, add, put, patch, addGroup, aaid, groupsAt } = await cloud(t, {
    accounts: [{ email: 'eve@gmail.example', name: 'Eve Own' }],
  });
  const eve = (await add('eve@gmail.example', { displayName: 'Our Eve', title: 'Dr' })).body.id;
  const kim = (await add('kim@gmail.example')).body.id;
  await addGroup('Developers', eve, kim);
  assert.deepEqual(groupsAt('eve@gmail.example'), ['Developers']);
  const account = simulator.state.account('eve@gmail.example')!;
  assert.deepEqual(
    [account.name, account.profile, account.managed, account.products],
    ['Eve Own', {}, false, ['jira-software']],
  );
  assert.equal(await aaid(kim), undefined);
  assert.deepEqual(
    simulator.state.invitations().map(({ email }) => email),
    ['kim@gmail.example'],
  );
  simulator.state.signUp('kim@gmail.example');
  assert.ok(await aaid(kim));
  assert.deepEqual(groupsAt('kim@gmail.example'), ['Developers']);
  await put(eve, 'eve@gmail.example', { active: false });
  assert.deepEqual(
    [groupsAt('eve@gmail.example'), simulator.state.account('eve@gmail.example')!.active],
    [[], true],
  );
  await patch(`/Users/${eve}`, { op: 'replace', path: 'active', value: true });
  assert.deepEqual(groupsAt('eve@gmail.example'), ['Developers']);
});

test('a link is lost when an external address changes, and groups do not come back by themselves', async (t) => {
  const { simulator, scim, add, put, addGroup, aaid, groupsAt, patch } = await cloud(t, {
    accounts: [{ email: 'eve@gmail.example', name: 'Eve' }],
  });
  const eve = (await add('eve@gmail.example')).body.id;
  const group = await addGroup('Developers', eve);
  await put(eve, 'eve@other.example');
  assert.equal(await aaid(eve), undefined);
  assert.deepEqual(groupsAt('eve@gmail.example'), []);
  await put(eve, 'eve@gmail.example');
  assert.ok(await aaid(eve));
  assert.deepEqual(groupsAt('eve@gmail.example'), []);
  assert.deepEqual((await scim('GET', `/Groups/${group}`)).body.members.length, 1);
  await scim('DELETE', `/Users/${eve}`);
  const again = (await add('eve@gmail.example')).body.id;
  await patch(`/Groups/${group}`, { op: 'add', path: 'members', value: [{ value: again }] });
  assert.deepEqual(groupsAt('eve@gmail.example'), ['Developers']);
  assert.deepEqual(simulator.state.invitations(), []);
});

test('managed becoming unmanaged loses the link: by address, and by the domain', async (t) => {
  const { simulator, add, put, addGroup, aaid, groupsAt } = await cloud(t);
  const ada = (await add('ada@id.example')).body.id;
  const bob = (await add('bob@id.example')).body.id;
  await addGroup('Developers', ada, bob);
  await put(ada, 'ada@gmail.example');
  assert.equal(await aaid(ada), undefined);
  assert.deepEqual(groupsAt('ada@id.example'), []);
  simulator.state.setDomain('id.example', 'UNVERIFIED');
  assert.equal(await aaid(bob), undefined);
  assert.equal(simulator.state.account('bob@id.example')!.managed, false);
});

test('a verified domain nobody has claimed is still external; claimed, it is managed', async (t) => {
  const { simulator, add, aaid } = await cloud(t);
  const { id } = (await add('ada@new.example')).body;
  assert.equal(await aaid(id), undefined);
  simulator.state.signUp('ada@new.example');
  assert.equal(simulator.state.account('ada@new.example')!.managed, false);
  simulator.state.setDomain('new.example', 'VERIFIED');
  assert.equal(simulator.state.account('ada@new.example')!.managed, true);
  assert.equal((await add('bob@new.example')).body[external] === undefined, false);
});

test('foreign domains can be refused, as the older text says', async (t) => {
  const { simulator, add } = await cloud(t, { foreignDomains: 'refuse' });
  const refused = await add('eve@gmail.example');
  assert.deepEqual([refused.status, simulator.state.users().length], [400, 0]);
  simulator.switches.foreignDomains = 'accept';
  assert.equal((await add('eve@gmail.example')).status, 201);
});

test('DELETE has both meanings', async (t) => {
  const { simulator, scim, add } = await cloud(t);
  const one = (await add('ada@id.example')).body;
  assert.equal((await scim('DELETE', `/Users/${one.id}`)).status, 204);
  assert.equal(simulator.state.account('ada@id.example')!.active, false);
  const two = (await add('ada@id.example')).body;
  assert.notEqual(two.id, one.id);
  assert.equal(two[external].atlassianAccountId, one[external].atlassianAccountId);
  assert.equal(simulator.state.account('ada@id.example')!.active, true);
  simulator.switches.deleteMeaning = 'deactivate';
  await scim('DELETE', `/Users/${two.id}`);
  assert.equal((await scim('GET', `/Users/${two.id}`)).status, 404);
  assert.equal((await scim('DELETE', `/Users/${two.id}`)).status, 404);
  assert.equal(simulator.state.account('ada@id.example')!.active, false);
  const back = await add('ada@id.example');
  assert.deepEqual([back.status, back.body.id], [201, two.id]);
  assert.equal(simulator.state.account('ada@id.example')!.active, true);
});

test('groups: a name only once, no new name ever, no groups within groups', async (t) => {
  const { scim, patch, addGroup, add } = await cloud(t);
  const ada = (await add('ada@id.example')).body.id;
  const group = await addGroup('Developers', ada);
  const twice = await scim('POST', '/Groups', { schemas: [groupUrn], displayName: 'developers' });
  assert.equal(twice.status, 409);
  const renamed = await patch(`/Groups/${group}`, { op: 'replace', path: 'displayName', value: 'Makers' });
  assert.deepEqual([renamed.status, renamed.body.displayName], [200, 'Developers']);
  const put = await scim('PUT', `/Groups/${group}`, {
    schemas: [groupUrn],
    displayName: 'Makers',
    members: [],
  });
  assert.deepEqual([put.status, put.body.displayName, put.body.members], [200, 'Developers', []]);
  const other = await addGroup('Testers');
  assert.equal(
    (await patch(`/Groups/${group}`, { op: 'add', path: 'members', value: [{ value: other }] })).status,
    400,
  );
  assert.equal((await scim('DELETE', `/Groups/${group}`)).status, 204);
  assert.equal((await scim('DELETE', `/Groups/${group}`)).status, 404);
});

test('one eq on userName or externalId, displayName of groups; everything else is 400', async (t) => {
  const { scim, add } = await cloud(t);
  await add('ada@id.example', { externalId: 'u-17' });
  const ask = async (kind: string, filter: string) =>
    scim('GET', `/${kind}?filter=${encodeURIComponent(filter)}`);
  assert.equal((await ask('Users', 'userName eq "ADA@id.example"')).body.totalResults, 1);
  assert.equal((await ask('Users', 'externalId eq "u-17"')).body.totalResults, 1);
  assert.equal((await ask('Groups', 'displayName eq "x"')).body.totalResults, 0);
  const wrong = [
    'userName sw "a"',
    'userName eq "a" and active eq true',
    'emails.value eq "ada@id.example"',
    'id eq "1"',
    'not (userName eq "a")',
  ];
  for (const filter of wrong) assert.equal((await ask('Users', filter)).status, 400, filter);
  assert.equal((await ask('Groups', 'id eq "1"')).status, 400);
  assert.equal((await scim('GET', '/Users?sortBy=userName')).status, 400);
});

test('sizes, the lag, the rate and foreign error bodies are settings', async (t) => {
  const clock = new FakeClock();
  const { scim, add, addGroup, simulator } = await cloud(t, {
    clock,
    lagMs: 2000,
    most: { users: 2, members: 1 },
    limit: { all: { perMinute: 60, burst: 8 } },
    foreignErrors: 1,
  });
  const ids = [(await add('a@id.example')).body.id, (await add('b@id.example')).body.id];
  const full = await add('c@id.example');
  assert.deepEqual([full.status, full.body.schemas, full.body.code], [400, undefined, 400]);
  assert.equal(await addGroup('Both', ...ids), undefined);
  assert.equal((await scim('GET', '/Users')).body.totalResults, 0);
  clock.advance(2001);
  assert.equal((await scim('GET', '/Users')).body.totalResults, 2);
  assert.equal((await scim('GET', `/Users/${ids[0]}`)).headers.get('x-ratelimit-limit'), '60');
  simulator.limit({ all: { perMinute: 60, burst: 1 } });
  await scim('GET', '/Users');
  const refused = await scim('GET', '/Users');
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1']);
  assert.match(refused.headers.get('x-ratelimit-reset')!, /^\d{4}-.*Z$/);
});

test('the extension can be spelt as the other clients expect it, and is never taken from a client', async (t) => {
  const { add } = await cloud(t, { extension: '1.1' });
  const urn = external.replace('1.0', '1.1');
  const { body } = await add('ada@id.example', {
    schemas: [userUrn, urn],
    [urn]: { atlassianAccountId: 'mine' },
  });
  assert.match(body[urn].atlassianAccountId, /^712020:/);
});

test('organisation: domains and users by cursor, invitations', async (t) => {
  const { simulator, admin, add, addGroup } = await cloud(t);
  const org = `/admin/v2/orgs/${simulator.organisationId}`;
  const domains = (await admin('GET', `/admin/v1/orgs/${simulator.organisationId}/domains?limit=1`)).body;
  assert.deepEqual(domains.data[0].attributes, {
    name: 'id.example',
    claim: { type: 'dns', status: 'verified' },
  });
  const rest = (await admin('GET', domains.links.next.slice(simulator.origin.length))).body;
  assert.deepEqual(
    [rest.data[0].attributes.claim.status, rest.links.next],
    ['verified_unclaimed', undefined],
  );
  for (const name of ['a', 'b', 'c']) await add(`${name}@id.example`);
  const users = `${org}/directories/${simulator.directoryId}/users`;
  const page = (await admin('GET', `${users}?limit=2`)).body;
  const next = (await admin('GET', page.links.next.slice(simulator.origin.length))).body;
  assert.deepEqual([page.data.length, next.data.length, next.data[0].email], [2, 1, 'c@id.example']);
  assert.equal((await admin('GET', `${users}?cursor=mine`)).status, 400);
  assert.equal((await admin('POST', `${users}/search`, { emails: ['B@id.example'] })).body.data.length, 1);
  const group = await addGroup('Developers');
  const rule = { resource: 'ari:cloud:jira-software::site/1', role: 'atlassian/user' };
  const invited = await admin('POST', `${org}/users/invite`, {
    emails: ['eve@gmail.example', 'a@id.example'],
    permissionRules: [rule],
    additionalGroups: [group],
  });
  assert.deepEqual(
    invited.body.data.map(({ status }: Any) => status),
    ['invited', 'added'],
  );
  simulator.state.signUp('eve@gmail.example');
  assert.deepEqual(simulator.state.account('eve@gmail.example')!.products, ['jira-software']);
  assert.equal((await admin('POST', `${org}/users/invite`, { emails: [] })).status, 400);
  assert.equal(
    (await admin('POST', `/admin/v1/orgs/${simulator.organisationId}/users/invite`, {})).status,
    410,
  );
  assert.equal((await admin('GET', '/admin/v2/orgs/other/users')).status, 404);
});

test('organisation: suspend, restore, remove, and the life of managed accounts', async (t) => {
  const clock = new FakeClock();
  const { simulator, admin, add } = await cloud(t, {
    clock,
    accounts: [{ email: 'eve@gmail.example', name: 'Eve' }],
  });
  await add('ada@id.example');
  await add('bob@id.example');
  const of = (email: string) => simulator.state.account(email)!;
  const user = `/admin/v2/orgs/${simulator.organisationId}/directories/${simulator.directoryId}/users/${of('ada@id.example').aaid}`;
  await admin('POST', `${user}/suspend`);
  assert.equal((await admin('GET', user)).body.data.status, 'suspended');
  await admin('POST', `${user}/restore`);
  assert.equal(of('ada@id.example').suspended, false);
  const manage = (email: string, act: string) =>
    admin('POST', `/users/${of(email).aaid}/manage/lifecycle/${act}`);
  assert.equal((await manage('ada@id.example', 'disable')).status, 204);
  assert.equal(of('ada@id.example').active, false);
  assert.equal((await manage('ada@id.example', 'enable')).status, 204);
  assert.equal((await manage('eve@gmail.example', 'disable')).status, 403);
  const email = (value: string) =>
    admin('PUT', `/users/${of('ada@id.example').aaid}/manage/email`, { email: value });
  assert.equal((await email('bob@id.example')).status, 409);
  assert.equal((await email('ada@gmail.example')).status, 400);
  assert.equal((await email('ada2@id.example')).status, 204);
  await manage('ada2@id.example', 'delete');
  assert.equal((await add('ada2@id.example')).status, 409);
  clock.advance(15 * 86_400_000);
  assert.equal(simulator.state.account('ada2@id.example'), undefined);
  assert.equal((await admin('DELETE', user)).status, 404);
});

test('organisation: links are told, cut, and records deleted beside the account', async (t) => {
  const { simulator, admin, add, addGroup, aaid, groupsAt, scim } = await cloud(t);
  const { id } = (await add('ada@id.example')).body;
  await addGroup('Developers', id);
  const account = await aaid(id);
  const helper = `/admin/user-provisioning/v1/org/${simulator.organisationId}`;
  const link = {
    scimDirectoryId: simulator.directoryId,
    scimUserId: id,
    atlassianAccountId: account,
    email: 'ada@id.example',
  };
  assert.deepEqual((await admin('GET', `${helper}/user/${account}/get-scim-links`)).body.data, [link]);
  assert.deepEqual(
    (await admin('POST', `${helper}/get-scim-links-for-email`, { email: 'ADA@id.example' })).body.data,
    [link],
  );
  const cut = `${helper}/scimDirectoryId/${simulator.directoryId}/scimUserId/${id}/unlink`;
  assert.equal((await admin('PATCH', cut)).status, 204);
  assert.deepEqual([await aaid(id), groupsAt('ada@id.example')], [undefined, []]);
  assert.equal((await admin('PATCH', cut)).status, 404);
  const bob = (await add('bob@id.example')).body;
  const gone = await admin('DELETE', `${helper}/user/${bob[external].atlassianAccountId}/onlyDeleteUserInDB`);
  assert.equal(gone.status, 204);
  assert.equal((await scim('GET', `/Users/${bob.id}`)).status, 404);
  assert.equal(simulator.state.account('bob@id.example')!.active, true);
});

test('state outlives the process, accounts and links with it; the control address knows them', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-simulator-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const state = path.join(folder, 'state.json');
  const keys = {
    directoryKey: 'directory-key',
    organisationKey: 'organisation-key',
    directoryId: 'd',
    organisationId: 'o',
    state,
  };
  const first = await cloud(t, keys);
  const { id } = (await first.add('ada@id.example')).body;
  await first.addGroup('Developers', id);
  await first.add('kim@gmail.example');
  await first.simulator.stop();
  const second = await cloud(t, keys);
  assert.deepEqual(second.simulator.state.accounts(), first.simulator.state.accounts());
  assert.equal(await second.aaid(id), first.simulator.state.account('ada@id.example')!.aaid);
  const control = async (method: string, at: string, body?: unknown) =>
    (await second.send('', method, `${second.simulator.origin}/simulator/${at}`, body)).body;
  assert.equal((await control('GET', 'invitations'))[0].email, 'kim@gmail.example');
  assert.equal((await control('POST', 'sign-up', { email: 'kim@gmail.example' })).managed, false);
  assert.equal((await control('PUT', 'domains', { name: 'gmail.example', state: 'VERIFIED' })).length, 3);
  assert.equal(
    (await control('GET', 'accounts')).every((one: Any) => one.managed),
    true,
  );
  assert.equal(
    (await control('PUT', 'switches', { deleteMeaning: 'deactivate' })).deleteMeaning,
    'deactivate',
  );
  assert.equal((await control('PUT', 'switches', { deleteMeaning: 'burn' })).status, '400');
  const told = await control('GET', 'state');
  assert.equal(told.facts.filters.trust, 'documented');
  assert.equal(JSON.stringify(told).includes('organisation-key'), false);
});

test('the people page shows who arrived, whose account it is, and renews itself', async (t) => {
  const { simulator, add, addGroup } = await cloud(t);
  const { id } = (await add('ada@id.example', { displayName: 'Ada <L>' })).body;
  await addGroup('Developers', id);
  await add('kim@gmail.example');
  const answer = await fetch(simulator.origin);
  const text = await answer.text();
  assert.equal(answer.headers.get('refresh'), '3');
  for (const shown of [
    'Ada &lt;L&gt;',
    'ada@id.example',
    'Managed',
    'Developers',
    'kim@gmail.example',
    'Invited',
    'External',
  ])
    assert.ok(text.includes(shown), shown);
});
