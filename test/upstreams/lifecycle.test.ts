/** What ends with an upstream: switched off, removed or unlinked, the sessions it opened end; and nobody slips through meanwhile. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, before, beforeEach, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import { callApi } from '#test/api.ts';
import { eventually } from '#test/eventually.ts';
import { withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type FakeIdp, startFakeIdp } from './fake-idp.ts';
import { browser, textOf } from './stage.ts';

let platform: Platform;
let idp: FakeIdp;
let token: string;
const password = 'plum violin tractor';

const declare = (more = '', id = 'corp') =>
  platform.apply(
    `upstreams:\n  - { id: ${id}, title: ${id}, privateNetwork: true, newPeople: create, authoritative: [x.test], oidc: { issuer: "${idp.issuer}", clientId: gatehouse }${more} }\n`,
  );

before(async () => {
  idp = await startFakeIdp();
  platform = await startPlatform({ realTime: true });
  await platform.apply(`
community: { name: Harbour }
people:
  - { username: ada, names: { givenName: Ada }, password: ${password}, addresses: [ada@x.test] }
`);
  const made = await platform.database.transact(system('admin'), (tx) =>
    createToken(tx, { name: 'test', scopes: ['admin'] }),
  );
  token = made.token;
});
after(() => idp.stop());
beforeEach(async () => {
  idp.held = undefined;
  await platform.database.query('delete from rate_buckets');
  await declare();
  await declare('', 'other');
});

const person = (name: string) => ({
  sub: name,
  sid: `sid-${name}`,
  preferred_username: name,
  given_name: name,
  email: `${name}@x.test`,
  email_verified: true,
});

async function come(name: string, upstream = 'corp') {
  idp.claims = person(name);
  const mine = browser(platform, [idp.issuer]);
  assert.match((await mine.go(`/upstream/${upstream}/start`)).url, /\/account$/);
  return mine;
}

const isIn = async (one: Awaited<ReturnType<typeof come>>) =>
  (await one.go('/account')).url.endsWith('/account');

const ends = (reason: string) =>
  platform.database.query<{ person: string }>(
    `select person from events where type = 'session.ended' and data->>'reason' = $1`,
    [reason],
  );

const api = (method: string, url: string, body?: object) => callApi(platform, token, method, url, body);

test('SA-15 switching an upstream off ends every session it opened, at once, on the record, and no other', async () => {
  const [mine, theirs] = [await come('offone'), await come('offtwo', 'other')];
  const own = browser(platform, []);
  await own.here.signIn('ada', password);
  await declare(', sync: always');
  assert.equal(await isIn(mine), true, 'another change of its settings ends nothing');
  await declare(', enabled: false');
  assert.deepEqual([await isIn(mine), await isIn(theirs), await isIn(own)], [false, true, true]);
  assert.equal((await ends('upstream-off')).length, 1);
  await declare();
  assert.equal(await isIn(mine), false, 'what ended stays ended');
  assert.equal(await isIn(await come('offone')), true, 'and they come in again once it is on');
});

test('a long display name and an attribute that operators alone fill in keep nobody out who is known elsewhere', async () => {
  await platform.apply(
    'attributes: [{ name: cohort, type: text, title: Cohort, required: true, editable: operators }]\n',
  );
  await declare(', sync: always');
  try {
    await come('longname');
    idp.claims = { ...person('longname'), name: `${'Maximiliana '.repeat(15)}Long` };
    const mine = browser(platform, [idp.issuer]);
    assert.match((await mine.go('/upstream/corp/start')).url, /\/account$/);
    assert.match(textOf(await mine.go('/account')), /(?:Maximiliana ){15}Long/);
  } finally {
    await platform.database.query("delete from attributes where name = 'cohort'");
  }
});

test('SA-15 a sign-in that waits for its second factor is dead with its upstream', async () => {
  await come('waits');
  const app = await withApp(platform, 'waits');
  idp.claims = person('waits');
  const mine = browser(platform, [idp.issuer]);
  assert.match((await mine.go('/upstream/corp/start')).url, /\/sign-in\/second/);
  await declare(', enabled: false');
  const refused = await mine.send({ code: app.codes[0]! }, '/sign-in/second');
  assert.ok(refused.status >= 400, String(refused.status));
  assert.match(textOf(refused), /not offered here/);
  assert.equal(await isIn(mine), false);
  await declare();
});

test('SA-15 who comes back in the very moment it is switched off is either not let in or signed out', async () => {
  for (let round = 0; round < 8; round += 1) {
    await platform.database.query('delete from rate_buckets');
    await declare();
    const name = `race${'abcdefgh'[round]}`;
    idp.claims = person(name);
    const gate = Promise.withResolvers<void>();
    idp.held = gate.promise;
    const mine = browser(platform, [idp.issuer]);
    const coming = mine.go('/upstream/corp/start');
    const off = new Promise<void>((resolve, reject) => {
      setTimeout(() => declare(', enabled: false').then(resolve, reject), 30 + round * 4);
    });
    setTimeout(() => gate.resolve(), 45);
    await Promise.allSettled([coming, off]);
    await off;
    const live = await platform.database.query(
      `select 1 from session_upstreams u join sessions s on s.id = u.session
       where u.upstream = 'corp' and s.ended_at is null`,
    );
    assert.equal(live.length, 0, `round ${round}`);
  }
});

test('removing one ends its sessions and needs the number of people who lose it; who comes back is somebody new', async () => {
  await declare('', 'short');
  const mine = await come('remone', 'short');
  await come('remtwo', 'short');
  const seen = await api('GET', '/upstreams/short');
  assert.deepEqual([seen.body.people, seen.body.sessions], [2, 2]);
  for (const wrong of ['', '?people=0', '?people=1', '?people=3']) {
    const refused = await api('DELETE', `/upstreams/short${wrong}`);
    assert.equal(refused.status, 409, wrong);
    assert.ok(refused.body.fields.people);
  }
  assert.equal(await isIn(mine), true);
  assert.equal((await api('DELETE', '/upstreams/short?people=2')).status, 204);
  assert.equal(await isIn(mine), false);
  assert.equal((await ends('upstream-removed')).length, 2);
  assert.equal((await api('GET', '/upstreams/short')).status, 404);
  assert.equal((await api('DELETE', '/upstreams/short')).status, 404);
  await declare('', 'short');
  idp.claims = person('remone');
  const again = await browser(platform, [idp.issuer]).go('/upstream/short/start');
  assert.ok(
    !again.url.endsWith('/arrivals'),
    'the subject is nobody’s now; its address is known and linked anew',
  );
});

test('before it goes it is said for how many it is the only way in, and whom no mail reaches', async () => {
  await declare('', 'leaving');
  const dependents = async () => (await api('GET', '/upstreams/leaving/dependents')).body;
  assert.deepEqual(await dependents(), { people: 0, unreachable: 0 });
  await come('depone', 'leaving');
  await come('deptwo', 'leaving');
  assert.deepEqual(await dependents(), { people: 2, unreachable: 0 });
  const ofOne = `(select id from people where username = 'depone')`;
  await platform.database.query(`update addresses set verified_at = null where person = ${ofOne}`);
  assert.deepEqual(await dependents(), { people: 2, unreachable: 1 });
  // Another provider knows them too: that counts while it is on.
  await platform.database.query(
    `insert into upstream_links (id, upstream, tenant, subject, person, label, created_at)
     select gen_random_uuid(), 'other', tenant, subject, person, label, created_at
     from upstream_links where upstream = 'leaving' and subject = 'depone'`,
  );
  assert.deepEqual(await dependents(), { people: 1, unreachable: 0 });
  await declare(', enabled: false', 'other');
  assert.deepEqual(await dependents(), { people: 2, unreachable: 1 });
  await platform.database.query(
    `insert into passwords (person, hash, scheme, set_at) select id, 'x', 'argon2id', now() from people where username = 'depone'`,
  );
  await platform.database.query(
    `insert into passkeys (id, person, credential_id, public_key, counter, transports, backed_up, aaguid, name, created_at)
     select gen_random_uuid(), id, 'ours', 'x'::bytea, 0, '{}', false, '', 'Key', now() from people where username = 'deptwo'`,
  );
  assert.deepEqual(await dependents(), { people: 0, unreachable: 0 });
  assert.equal((await api('GET', '/upstreams/nowhere/dependents')).status, 404);
});

test('sessions of a password that was taken over stay: it is proved here by now', async () => {
  const [kept, gone] = [await come('keepone'), await come('keeptwo')];
  await platform.database.query(
    `update upstream_links set taken_over_at = now() where upstream = 'corp' and subject = 'keepone'`,
  );
  await declare(', enabled: false');
  assert.deepEqual([await isIn(kept), await isIn(gone)], [true, false]);
});

test('an operator unlinks an account: its sessions end, the person is told and stays otherwise; their own unlinking spares the browser they sit at', async () => {
  const [first, second] = [await come('unone'), await come('unone')];
  const [row] = await platform.database.query<{ id: string; link: string }>(
    `select p.id, l.id as link from people p join upstream_links l on l.person = p.id where p.username = 'unone'`,
  );
  const links = await api('GET', `/people/${row!.id}/links`);
  assert.equal(links.body.items[0].subject, 'unone');
  assert.equal((await api('DELETE', `/people/${row!.id}/links/${row!.link}`)).status, 204);
  assert.deepEqual([await isIn(first), await isIn(second)], [false, false]);
  assert.ok((await platform.mailTo('unone@x.test')).some(({ text }) => /was unlinked/.test(text)));
  const [here, there] = [await come('unone'), await come('unone')];
  const [link] = await platform.database.query<{ id: string }>(
    `select l.id from upstream_links l join people p on p.id = l.person where p.username = 'unone'`,
  );
  await here.go('/account');
  const done = await here.send({}, `/account/links/${link!.id}/remove`);
  assert.match(done.url, /said=unlinked/);
  assert.deepEqual([await isIn(here), await isIn(there)], [true, false]);
});

test('the list of people it knows is paged and names them; what to paste and a try are there, also while it is off', async () => {
  await come('pageone');
  await come('pagetwo');
  const first = await api('GET', '/upstreams/corp/people?limit=1');
  assert.equal(first.body.items.length, 1);
  const names = [first.body.items[0].username];
  let { next } = first.body;
  while (next) {
    const page = await api('GET', `/upstreams/corp/people?limit=2&cursor=${next}`);
    names.push(...page.body.items.map((one: { username: string }) => one.username));
    next = page.body.next;
  }
  assert.ok(names.includes('pageone') && names.includes('pagetwo'));
  assert.equal(new Set(names).size, names.length);
  assert.equal((await api('GET', `/upstreams/other/people?cursor=${first.body.next}`)).status, 400);
  await declare(', enabled: false');
  const paste = await api('GET', '/upstreams/corp/connection');
  assert.deepEqual(paste.body.there[0], {
    label: 'Redirect URI',
    value: `${platform.origin}/upstream/corp/callback`,
  });
  const tried = await api('POST', '/upstreams/corp/try', {});
  assert.deepEqual(
    tried.body.tried.map((one: { what: string; ok: boolean }) => [one.what, one.ok]),
    [
      ['Description', true],
      ['Keys', true],
    ],
  );
  idp.down = true;
  const failed = await api('POST', '/upstreams/corp/try', {});
  idp.down = false;
  assert.equal(failed.status, 200);
  assert.deepEqual([failed.body.tried[0].ok, failed.body.tried.length], [false, 1]);
  assert.match(failed.body.tried[0].said, /It does not answer/);
  const presets = await api('GET', '/upstream-presets');
  const google = presets.body.items.find((one: { name: string }) => one.name === 'google');
  assert.equal(google.there[0].value, `${platform.origin}/upstream/{id}/callback`);
  for (const one of presets.body.items) {
    const properties = (path: string) =>
      path.split('.').reduce((at, name) => at?.properties?.[name], one.options);
    for (const path of one.first) assert.ok(properties(path), `${one.name}: ${path} is a field of its kind`);
  }
});

test('callbacks that wait for a provider hold up nobody else', async () => {
  idp.claims = person('slow');
  // More than there are places for pages.
  const many = availableParallelism() * 10 + 2;
  const answers = [];
  for (let count = 0; count < many; count += 1) {
    const mine = browser(platform, [idp.issuer]);
    const away = await mine.here.request('/upstream/corp/start');
    const seen = await mine.there[0]!.request(away.headers.get('location')!);
    answers.push({ mine, back: seen.headers.get('location')! });
  }
  const used = `select 1 from upstream_requests where upstream = 'corp' and used_at is not null`;
  const earlier = (await platform.database.query(used)).length;
  const gate = Promise.withResolvers<void>();
  idp.held = gate.promise;
  idp.asked.clear();
  let done = 0;
  const waiting = answers.map(async ({ mine, back }) => {
    await mine.here.request(back);
    done += 1;
  });
  // Their journeys are used up, so all of them are on the other side's account by now.
  await eventually(
    async () => idp.asked.has('/token') && (await platform.database.query(used)).length >= earlier + many,
    { withinMs: 20_000, what: 'the last of them' },
  );
  const page = await platform.visitor().open('/sign-in');
  const early = done;
  gate.resolve();
  await Promise.all(waiting);
  assert.equal(page.status, 200, 'everybody else is served meanwhile');
  assert.equal(early, 0, 'while every one of them waits');
});
