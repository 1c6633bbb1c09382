/** The joiner's and the leaver's story at an app that keeps accounts of its own, against the double of Atlassian Cloud. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { addMembers, findGroup } from '#core/groups/groups.ts';
import { activate } from '#core/lifecycle/activate.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { appoint } from '#core/operators/operators.ts';
import { createToken } from '#core/operators/tokens.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import { runImport } from '#migration/import.ts';
import { makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { ldifSource } from '#sources/ldif/ldif.ts';
import { callApi } from '#test/api.ts';
import { aliasDomain, eventually, startWithJira } from '#test/jira.ts';
import type { Platform } from '#test/kit.ts';

const ada = {
  given_name: 'Ada',
  family_name: 'Byron',
  username: 'ada.b',
  email: 'ada.byron@gmail.com',
  password: 'plum violin tractor',
};
const alias = `ada.b@${aliasDomain}`;

async function idOf({ database }: Platform, username: string): Promise<string> {
  const person = await database.read(system(), (tx) => findByUsername(tx, username));
  assert.ok(person);
  return person.id;
}

async function apiOf(platform: Platform) {
  const { token } = await platform.database.transact(system('admin'), (tx) =>
    createToken(tx, { name: 'test', scopes: ['admin'] }),
  );
  return async (method: string, url: string, body?: unknown) => {
    const { status, text, body: json } = await callApi(platform, token, method, url, body);
    return { status, text, json };
  };
}

test('who signs up with a Gmail address is in Jira seconds after confirming, under the alias; a suspension takes it away', async () => {
  const { jira, platform } = await startWithJira();
  const visitor = platform.visitor();
  await visitor.open('/sign-up');
  await visitor.submit(ada, '/sign-up');
  const [mail] = await platform.mailTo(ada.email);
  assert.deepEqual(jira.state.users(), [], 'who has confirmed nothing is nowhere');
  const code = /\b(\d{3})[ -]?(\d{3})\b/.exec(mail!.text);
  const confirmed = performance.now();
  await visitor.submit({ code: `${code![1]}${code![2]}` }, '/verify/code');
  const account = await eventually(
    () => jira.state.account(alias),
    (found) => found !== undefined,
  );
  const took = performance.now() - confirmed;
  assert.ok(account, 'the account is there');
  assert.ok(took < 5000, `${Math.round(took)} ms`);
  assert.equal(account.managed, true);
  assert.equal(jira.state.account(ada.email), undefined);

  await platform.settle();
  const page = await visitor.open('/account');
  assert.match(page.text, /Your account at Jira is ready\./);
  assert.match(page.text, new RegExp(alias));
  for (const technical of ['atlassian', 'SCIM', 'externalId', jira.state.users()[0]!.id])
    assert.ok(!page.text.includes(technical), technical);

  const id = await idOf(platform, ada.username);
  const call = await apiOf(platform);
  await platform.database.transact(system('admin'), async (tx) => {
    const group = await findGroup(tx, 'developers');
    await addMembers(tx, group!.id, [id]);
  });
  const groups = await eventually(
    () => jira.state.groups(),
    (all) => all[0]?.members.length === 1,
  );
  assert.deepEqual(
    groups.map(({ body, members }) => [body.displayName, members.length]),
    [['developers', 1]],
  );

  await platform.database.transact(system('admin'), (tx) => leave(tx, id, 'suspended', 'for the test'));
  await eventually(
    () => jira.state.users()[0]?.body.active,
    (active) => active === false,
  );
  assert.equal(jira.state.users()[0]?.body.active, false);
  await platform.settle();
  const told = await call('GET', `/targets/jira/timeline?subject=person:${id}&limit=200`);
  assert.equal(told.status, 200);
  const kinds = told.json.items.map((one: { kind: string }) => one.kind).reverse();
  for (const kind of ['queued', 'answered', 'settled']) assert.ok(kinds.includes(kind), `${kind}: ${kinds}`);
  assert.equal(told.json.names[`person:${id}`], ada.username);
  assert.ok(!JSON.stringify(told.json).includes(jira.directoryKey), 'no key in the timeline');
  assert.equal((await call('GET', `/people/${id}/timeline`)).json.items.length > 0, true);
  const events = await call('GET', `/events?person=${id}`);
  const types = events.json.items.map((one: { type: string }) => one.type);
  assert.ok(types.includes('account.provisioned') && types.includes('account.deactivated'), String(types));

  await platform.database.transact(system('admin'), (tx) => activate(tx, id, 'over'));
  await eventually(
    () => jira.state.users()[0]?.body.active,
    (active) => active === true,
  );
  assert.equal(jira.state.users()[0]?.body.active, true);

  // Erased: the account goes, and the timeline tells no more who it was.
  await platform.database.transact(system('admin'), (tx) => leave(tx, id, 'erased'));
  await eventually(
    () => jira.state.users()[0]?.body.active,
    (active) => active !== true,
  );
  await platform.settle();
  const after = await call('GET', `/targets/jira/timeline?subject=person:${id}&limit=200`);
  const text = JSON.stringify(after.json);
  for (const word of ['Byron', alias, ada.email]) assert.ok(!text.includes(word), word);
  await platform.close();
});

test('what an import brings waits: it is planned, nothing is sent until somebody approves', async () => {
  const { jira, platform } = await startWithJira('automatic');
  const file = path.join(platform.config.data, 'legacy.ldif');
  await writeFile(file, makeLegacyLdif({ people: 40 }).ldif);
  await runImport(platform, ldifSource(file), { name: 'legacy', dryRun: false });
  await platform.settle();
  assert.deepEqual(jira.state.users(), []);
  const call = await apiOf(platform);
  const plan = await call('GET', '/targets/jira/plan');
  assert.equal(plan.json.mode, 'automatic');
  const waiting = plan.json.proposals.find((one: { verdict: string }) => one.verdict === 'create');
  assert.ok(waiting.count >= 30, JSON.stringify(plan.json.proposals));
  assert.equal(waiting.state, 'proposed');

  const first = await call('GET', '/targets/jira/plan/entries?state=proposed&verdict=create&limit=5');
  assert.equal(first.json.items.length, 5);
  const second = await call(
    'GET',
    `/targets/jira/plan/entries?state=proposed&verdict=create&limit=5&cursor=${first.json.next}`,
  );
  assert.notEqual(first.json.items[0].subject, second.json.items[0].subject);
  const [chosen, unwanted] = first.json.items as { subject: string; digest: string }[];
  const approved = await call('POST', '/targets/jira/plan/approve', {
    subjects: [chosen!.subject],
    digests: { [chosen!.subject]: chosen!.digest },
  });
  assert.deepEqual(approved.json, { count: 1 });
  const stale = await call('POST', '/targets/jira/plan/approve', {
    subjects: [unwanted!.subject],
    digests: { [unwanted!.subject]: '00' },
  });
  assert.deepEqual(stale.json, { count: 0 }, 'another plan than the one that was shown');
  assert.deepEqual(
    (await call('POST', '/targets/jira/plan/refuse', { subjects: [unwanted!.subject] })).json,
    { count: 1 },
  );
  await eventually(
    () => jira.state.users().length,
    (count) => count === 1,
  );
  await platform.settle();
  assert.equal(jira.state.users().length, 1);

  await call('POST', '/targets/jira/sweep', {});
  await platform.settle();
  assert.equal((await call('POST', '/targets/jira/plan', {})).status, 202);
  const done = await eventually(
    async () => (await call('GET', '/targets/jira/plan')).json,
    (now) => now.run?.state !== 'running',
  );
  assert.equal(done.run.state, 'done', JSON.stringify(done.run));
  assert.equal(done.listing.state, 'complete');
  assert.equal(done.run.plan.totals.create, waiting.count - 1, JSON.stringify(done.run.plan.totals));
  assert.equal(jira.state.users().length, 1, 'a sweep sends nothing of it either');
  const exported = await call('POST', '/targets/jira/plan/export', {});
  const lines = exported.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, done.run.plan.people);
  assert.ok(lines.every((line) => typeof line.why === 'string' && line.why !== ''));
  await platform.close();
});

test('an operator who may only look has nothing tried, planned or sent for them', async () => {
  const { platform } = await startWithJira(
    'plan',
    '\npeople: [{ username: ada, addresses: [ada@example.org] }]\n',
  );
  const id = await idOf(platform, 'ada');
  const tokens = await platform.database.transact(system('admin'), async (tx) => {
    await appoint(tx, { person: id, role: 'owner' });
    const make = async (scope: string, application?: string) =>
      (await createToken(tx, { name: scope, scopes: [scope], application })).token;
    return {
      auditor: await make('auditor'),
      apps: await make('apps'),
      mine: await make('app-owner', 'jira'),
    };
  });
  const ask = async (token: string, mapping: Record<string, string>) => {
    const answer = await fetch(`${platform.origin}/api/v1/targets/jira/preview`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ person: id, mapping }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by name
    return { status: answer.status, json: (await answer.json()) as any };
  };
  const mapping = { displayName: 'username + " (" + locale.orValue("en") + ")"' };
  assert.equal((await ask(tokens.auditor, {})).status, 403, 'FE-10: preview needs the right to edit');
  const tried = await ask(tokens.apps, { displayName: 'username' });
  assert.equal(tried.status, 200);
  assert.equal(tried.json.attributes.displayName, 'ada');
  assert.equal(tried.json.attributes.email, `ada@${aliasDomain}`);
  assert.equal((await ask(tokens.mine, mapping)).status, 200);
  const hostile = await ask(tokens.apps, { displayName: 'process.exit(1)' });
  assert.equal(hostile.status, 200);
  assert.equal(hostile.json.faults[0].attribute, 'displayName');
  await platform.close();
});

test('SC-07 many leavers at once are held by the brake until an operator has decided, some of each', async () => {
  const names = Array.from({ length: 9 }, (_, n) => `member${n}`);
  const people = names
    .map((name) => `  - { username: ${name}, addresses: [${name}@example.org] }`)
    .join('\n');
  const { jira, platform } = await startWithJira('automatic', `\npeople:\n${people}\n`);
  const active = () => jira.state.users().filter(({ body }) => body.active === true).length;
  assert.equal(await eventually(active, (count) => count === 9), 9);
  await platform.settle();
  for (const name of names) {
    const id = await idOf(platform, name);
    await platform.database.transact(system('admin'), (tx) => leave(tx, id, 'spam', 'a test'));
  }
  const call = await apiOf(platform);
  const brake = async () => (await call('GET', '/targets/jira/brake')).json;
  const held = await eventually(brake, (now) => now.held.length === 5);
  assert.ok(held.engaged, JSON.stringify(held));
  assert.equal(held.removals.length, 4);
  assert.equal(active(), 5, 'the fifth of nine within ten minutes is one too many');
  assert.equal(Object.keys(held.names).length, 9, 'it says who');

  const subjects = held.held.map((one: { subject: string }) => one.subject);
  const decided = await call('POST', '/targets/jira/brake', {
    approve: subjects.slice(0, 2),
    refuse: subjects.slice(2, 3),
  });
  assert.deepEqual(decided.json, { approved: 2, refused: 1, left: 2 });
  assert.equal(await eventually(active, (count) => count === 3), 3);
  await call('POST', '/targets/jira/brake', { approve: 'all' });
  assert.equal(await eventually(active, (count) => count === 1), 1, 'whom somebody refused stays');
  await platform.settle();
  assert.equal((await brake()).engaged, undefined);
  await platform.close();
});
