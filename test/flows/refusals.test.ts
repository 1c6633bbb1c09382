/** "Why did it fail?": refused logins leave their whole path for operators, in order and without secrets; others leave nothing. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { listEvents } from '#core/events/events.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { type Role, roles } from '#core/operators/permissions.ts';
import { createToken } from '#core/operators/tokens.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { sweepHistory } from '#retention.ts';
import { eventually } from '#test/eventually.ts';
import { idOf, withApp } from '#test/factors.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Seen, Visitor } from '../visitor.ts';
import { communityFile, Party, passwords, secret } from './oidc-party.ts';
import { publishedCertificates, SamlParty } from './saml-party.ts';

let platform: Platform;
const tokens = {} as Record<Role, string>;
const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('admin'), work);

before(async () => {
  platform = await startPlatform();
  await platform.apply(communityFile);
  await during(async (tx) => {
    for (const role of roles) {
      const application = role === 'app-owner' ? 'tracker' : undefined;
      tokens[role] = (await createToken(tx, { name: role, scopes: [role], application })).token;
    }
  });
});

interface Path {
  reference: string;
  person?: { id: string; username: string };
  application?: { id: string };
  code: string;
  steps: { reference: string; at: string; step: string; facts: Record<string, unknown> }[];
}

async function api(path: string, role: Role = 'help-desk', init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${tokens[role]}`, 'content-type': 'application/json' };
  const response = await fetch(`${platform.origin}/api/v1${path}`, { ...init, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** The reference a person reads on the page. */
function quoted(seen: Seen): string {
  const found = /id="reference">[^<]*: ([\w-]+)</.exec(seen.text)?.[1];
  assert.ok(found, `no reference on ${seen.status} ${seen.url}`);
  return found;
}

async function pathOf(reference: string): Promise<Path> {
  return eventually(async () => {
    const { status, body } = await api(`/refusals/${reference}`);
    return status === 200 && (body as unknown as Path);
  });
}

const count = async () =>
  (await platform.database.query<{ count: number }>('select count(*)::int as count from sign_in_traces'))[0]!
    .count;

async function toApp(id: string): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.open(new Party(platform, { id }).authorizationUrl({ state: 'canary-state-value' }));
  return visitor;
}

test('a login over several requests reads in order: what the app asked, each proof, what was refused', async () => {
  await withApp(platform, 'bob');
  const visitor = await toApp('closed');
  await visitor.submit({ username: 'bob', password: 'wrong-canary-password' }, '/sign-in');
  await visitor.submit({ username: 'bob', password: passwords.bob }, '/sign-in');
  const refused = await visitor.submit({ code: '000000' }, '/sign-in/second');
  assert.equal(refused.status, 422);
  const path = await pathOf(quoted(refused));
  assert.equal(path.code, 'factor-wrong');
  assert.equal(path.person?.username, 'bob');
  assert.equal(path.application?.id, 'closed');
  const steps = path.steps.map(({ step }) => step);
  const order = [
    'GET /oidc/auth',
    'answered',
    'GET /sign-in',
    'POST /sign-in',
    'password refused',
    'refused',
    'POST /sign-in',
    'proved who it is',
    'factors looked at',
    'POST /sign-in/second',
    'further proof refused',
    'refused',
  ];
  let at = -1;
  for (const step of order) {
    at = steps.indexOf(step, at + 1);
    assert.ok(at >= 0, `${step} is missing after ${order[order.indexOf(step) - 1]}:\n${steps.join('\n')}`);
  }
  const times = path.steps.map((one) => Date.parse(one.at));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('who may not enter an app finds a reference, and operators find the path by person and by app', async () => {
  const visitor = await toApp('closed');
  const refused = await visitor.submit({ username: 'eve', password: passwords.eve }, '/sign-in');
  assert.equal(refused.status, 403);
  const reference = quoted(refused);
  const path = await pathOf(reference);
  assert.equal(path.code, 'application-forbidden');
  assert.ok(path.steps.some(({ step }) => step === 'for the app: refused'));
  const eve = await idOf(platform, 'eve');
  for (const by of [`person=${eve}`, 'application=closed', '']) {
    const { items } = (await api(`/refusals?${by}`)).body as { items: Path[] };
    assert.ok(
      items.some((one) => one.reference === reference),
      by,
    );
  }
  const none = (await api(`/refusals?person=${await idOf(platform, 'ada')}`)).body as { items: Path[] };
  assert.deepEqual(none.items, []);
});

test('standing, an unknown app, a refused token request, a link that is over: each leaves a path', async () => {
  const eve = await idOf(platform, 'eve');
  await during((tx) => leave(tx, eve, 'suspended', 'a test'));
  const visitor = platform.visitor();
  const suspended = await visitor.signIn('eve', passwords.eve);
  assert.equal((await pathOf(quoted(suspended))).code, 'account-suspended');
  await during((tx) => activate(tx, eve, 'settled'));
  const unknown = await platform.visitor().open(new Party(platform, { id: 'nobody' }).authorizationUrl());
  assert.equal((await pathOf(quoted(unknown))).code, 'invalid_client');
  const party = new Party(platform, { id: 'tracker' });
  const grant = await party.exchange('canary-code-that-is-long-enough-to-be-one-1234567');
  assert.equal(grant.status, 400);
  assert.equal((await pathOf(grant.headers.get('x-request-id')!)).code, 'invalid_grant');
  const link = await platform.visitor().open('/recover/new?token=canary-token-AAAAAAAAAAAAAAAAAAAAAAAAA1');
  assert.ok(link.status >= 400);
  assert.ok((await pathOf(quoted(link))).code);
});

test('SAML: a message that is not believed, an app that is told no, a person who may not enter: each leaves a path', async () => {
  // The party's messages bear the time of this machine.
  const real = await startPlatform({ realTime: true });
  await real.apply(`
groups: [{ name: staff }]
people: [{ username: eve, password: ${passwords.eve}, addresses: [eve@example.org] }]
applications:
  - { id: rounds, title: Rounds, consent: trusted, access: { groups: [staff] }, saml: { entityId: https://rounds.example.org/saml, acsUrls: [https://rounds.example.org/acs] } }
`);
  type Row = { code: string; application: string | null; steps: Path['steps'] };
  const row = (reference: string | null) =>
    eventually(async () => {
      const query = 'select code, application, steps from sign_in_traces where reference = $1';
      return (await real.database.query<Row>(query, [reference]))[0];
    });
  const party = new SamlParty(real.origin, 'rounds', await publishedCertificates(real.origin));
  const visitor = real.visitor();
  const told = await visitor.open(party.request({ isPassive: true }));
  const declined = await row(told.headers.get('x-request-id'));
  assert.match(declined.code, /NoPassive$/);
  assert.equal(declined.application, 'rounds');
  assert.ok(declined.steps.some(({ step }) => step === 'for the app: decline'));
  await visitor.open(party.request());
  const refused = await visitor.submit({ username: 'eve', password: passwords.eve }, '/sign-in');
  const path = await row(quoted(refused));
  assert.equal(path.code, 'application-forbidden');
  const steps = path.steps.map(({ step }) => step);
  assert.deepEqual(
    steps.filter((step) => /^(?:GET|POST|for)/.test(step)),
    [
      'GET /saml/sso',
      'for the app: prove',
      'GET /sign-in',
      'POST /sign-in',
      'GET /saml/sso/:id',
      'for the app: refused',
    ],
  );
  const stray = await real.visitor().open(new SamlParty(real.origin, 'nobody-knows', []).request());
  assert.equal((await row(quoted(stray))).code, 'saml-unknown-service-provider');
  const broken = await real.visitor().open('/saml/sso?SAMLRequest=canary-not-xml-AAAAAAAAAAAAAAA1');
  assert.match((await row(quoted(broken))).code, /^saml-/);
  const all = await real.database.query<{ text: string }>('select steps::text as text from sign_in_traces');
  assert.doesNotMatch(all.map(({ text }) => text).join(), /canary|fZ[A-Za-z0-9+/]{30}|eve@/);
});

test('an upstream that does not answer leaves a path that names it', async () => {
  await platform.apply(`
upstreams:
  - { id: corp, title: Corp, privateNetwork: true, oidc: { issuer: "http://127.0.0.1:9", clientId: gatehouse }, credentials: { clientSecret: canary-upstream-secret } }
`);
  const seen = await platform.visitor().open('/upstream/corp/start');
  const path = await pathOf(quoted(seen));
  assert.equal(path.code, 'upstream-unreachable');
  assert.equal(path.steps.find(({ step }) => step === 'refused')?.facts.upstream, 'corp');
});

test('AU and SE-08: no password, code, token, cookie or address of a stranger stands in any path', async () => {
  const stranger = 'canary-stranger@secret-clinic.example.org';
  const visitor = await toApp('tracker');
  const seen = await visitor.submit({ username: stranger, password: 'canary-typed-password' }, '/sign-in');
  await visitor.submit({ username: 'canary-hunter2-as-name', password: passwords.ada }, '/sign-in');
  const path = await pathOf(quoted(seen));
  const typed = path.steps.find(({ step }) => step === 'password refused')?.facts.typed;
  assert.match(String(typed), /^ca?…@se?…$/);
  assert.ok(path.steps.length < 15, 'no other login is joined to it');
  assert.equal(path.person, undefined);
  const rows = await platform.database.query<{ row: string }>(
    'select to_jsonb(sign_in_traces)::text as row from sign_in_traces',
  );
  assert.ok(rows.length >= 5);
  const text = rows.map(({ row }) => row).join('\n');
  for (const one of [/canary/i, /hunter2/, /secret-clinic/, /example\.org/, /eyJ/, new RegExp(secret)])
    assert.doesNotMatch(text, one);
  for (const password of Object.values(passwords)) assert.ok(!text.includes(password));
  for (const [name, value] of visitor.cookies) assert.ok(!text.includes(value), name);
  for (const { row } of rows) assert.ok(row.length < 20_000);
});

test('nothing is kept of logins that succeed, unless an operator watches; watching and reading are noted', async () => {
  const ada = await idOf(platform, 'ada');
  // What was refused before is kept a moment after its answer.
  let before = -1;
  await eventually(
    async () => {
      const last = before;
      before = await count();
      return last === before;
    },
    { everyMs: 500 },
  );
  const party = new Party(platform, { id: 'tracker' });
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  await party.tokens(visitor);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(await count(), before);
  const body = JSON.stringify({ person: ada, minutes: 10 });
  assert.equal((await api('/sign-in-watches', 'auditor', { method: 'POST', body })).status, 403);
  assert.equal((await api('/sign-in-watches', 'help-desk', { method: 'POST', body })).status, 201);
  await eventually(
    async () => {
      const again = platform.visitor();
      await again.signIn('ada', passwords.ada);
      return (await count()) > before;
    },
    { everyMs: 1000 },
  );
  const events = await during((tx) => listEvents(tx, { person: ada, limit: 50 }));
  assert.ok(events.some(({ type }) => type === 'sign-in.watched'));
});

test('PR-10 help desk and above may read a path, others not; every reading is noted with who read', async () => {
  const refused = await platform.visitor().signIn('eve', 'wrong');
  const reference = quoted(refused);
  await pathOf(reference);
  const statuses = await Promise.all(
    roles.map(async (role) => [role, (await api(`/refusals/${reference}`, role)).status] as const),
  );
  assert.deepEqual(Object.fromEntries(statuses), {
    owner: 200,
    people: 200,
    apps: 403,
    'help-desk': 200,
    auditor: 200,
    'app-owner': 403,
  });
  assert.equal((await api('/refusals', 'apps')).status, 403);
  assert.equal((await api('/refusals/unknown')).status, 404);
  const eve = await idOf(platform, 'eve');
  const events = await during((tx) => listEvents(tx, { person: eve, limit: 100 }));
  const readers = events.flatMap((one) =>
    one.type === 'refusal.read' && (one.data as { reference?: string }).reference === reference
      ? [one.actor.name]
      : [],
  );
  for (const role of ['owner', 'people', 'help-desk', 'auditor'])
    assert.ok(readers.includes(`token: ${role}`), role);
});

test('paths go after two weeks, and with the person', async () => {
  const eve = await idOf(platform, 'eve');
  await during((tx) => leave(tx, eve, 'erased'));
  await platform.settle();
  const left = await platform.database.query('select 1 from sign_in_traces where person = $1', [eve]);
  assert.deepEqual(left, []);
  assert.ok((await count()) > 0);
  platform.clock.advance(13 * 86_400_000);
  await sweepHistory(platform);
  assert.ok((await count()) > 0);
  platform.clock.advance(1.5 * 86_400_000);
  await sweepHistory(platform);
  assert.equal(await count(), 0);
});
