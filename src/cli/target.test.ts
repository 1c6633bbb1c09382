import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { terminal } from '#test/command.ts';
import { aliasDomain, eventually, startWithJira } from '#test/jira.ts';
import { changesText, duration } from './plan.ts';
import { readCredentials } from './target.ts';

type Stage = Awaited<ReturnType<typeof startWithJira>>;
let jira: Stage['jira'];
let platform: Stage['platform'];

before(async () => {
  ({ jira, platform } = await startWithJira(
    'plan',
    `
people:
  - { username: ada, names: { givenName: Ada }, addresses: [ada@example.org], groups: [developers] }
  - { username: grace, names: { givenName: Grace }, addresses: [grace@example.org] }
  - { username: mallory, addresses: [m@example.org], state: spam }
`,
  ));
});

// Beside the running house, as a command of another terminal.
const { run, good } = terminal(() => platform);

test('plan says for every person what would be done and why, and how long it takes', async () => {
  const { out, err } = await good(['plan', 'jira']);
  assert.match(out, /ada +create +waits +There is no account there yet/);
  assert.match(out, /grace +create/);
  assert.doesNotMatch(out, /mallory/, 'spam is never anywhere');
  assert.match(out, /developers +developers +create/);
  assert.match(err, /2 people: 2 create\. 1 others have no account there\./);
  assert.match(
    err,
    /Sending 2 changes \(\d+ calls\) takes .* at the rate of the target; listing 0 accounts took/,
  );
  const json = JSON.parse((await good(['plan', 'jira', '--json'])).out);
  assert.equal(json.entries.length, 2);
  assert.equal(json.totals.create, 2);
  assert.deepEqual(jira.state.users(), [], 'nothing was sent');
});

test('approved, sent, told: the timeline answers whether a user was pushed', async () => {
  assert.match((await good(['target', 'refuse', 'jira', 'grace'])).err, /1 refused/);
  assert.match((await good(['target', 'approve', 'jira', 'ada'])).err, /1 approved/);
  await eventually(
    () => jira.state.users().length,
    (count) => count === 1,
  );
  assert.ok(jira.state.account(`ada@${aliasDomain}`));
  await platform.settle();
  const { out } = await good(['target', 'timeline', 'jira', 'ada']);
  assert.match(out, /POST \/scim\/directory\/.*Users → 201/);
  assert.match(out, /settled/);
  assert.ok(!out.includes(jira.directoryKey));
  const json = JSON.parse((await good(['target', 'timeline', 'jira', 'ada', '--json'])).out);
  assert.ok(json.length > 3);
  assert.match((await good(['target', 'replay', 'jira', 'ada'])).err, /1 put to work again/);
  await platform.settle();
  assert.equal(jira.state.users().length, 1);
  assert.match((await good(['target', 'timeline', 'jira', 'grace'])).out, /said no/);
});

test('which records stand for an account is said, and one is cut from it', async () => {
  const [record] = jira.state.users();
  const { out } = await good(['target', 'records', 'jira', 'ada', '--json']);
  assert.deepEqual(JSON.parse(out), [
    { directoryId: jira.directoryId, scimUserId: record?.id, email: `ada@${aliasDomain}` },
  ]);
  assert.match((await good(['target', 'records', 'jira', `ada@${aliasDomain}`])).out, new RegExp(record!.id));
  assert.equal((await run(['target', 'records', 'jira', 'ada', '--unlink', 'nosuch', '--yes'])).status, 1);
  assert.equal(
    (await run(['target', 'records', 'jira', 'ada', '--unlink', record!.id])).status,
    2,
    'asked for --yes',
  );
  assert.equal(
    (await run(['target', 'records', 'jira', 'ada', '--unlink', 'nosuch'])).status,
    1,
    'unknown comes before --yes',
  );
  assert.equal((await run(['target', 'records', 'jira', 'ada', '--yes'])).status, 2, 'nothing to say yes to');
  const cut = await good(['target', 'records', 'jira', 'ada', '--unlink', record!.id, '--yes']);
  assert.match(cut.err, /is cut from its account/);
  assert.match((await good(['target', 'records', 'jira', 'ada'])).out, /No record stands for it/);
  await good(['target', 'replay', 'jira', 'ada']);
  await platform.settle();
  assert.match((await good(['target', 'timeline', 'jira', 'ada'])).out, /is not linked to it any more/);
  // One step, also where everything else waits to be approved.
  assert.match((await good(['target', 'link-again', 'jira', 'ada'])).err, /where it lost its account/);
  await platform.settle();
  const [again, ...more] = jira.state.users();
  assert.notEqual(again?.id, record?.id);
  assert.equal(more.length, 0);
  assert.match((await good(['target', 'records', 'jira', 'ada'])).out, new RegExp(again!.id));
  assert.equal((await run(['target', 'link-again', 'jira', 'grace'])).status, 1, 'nothing was ever there');
});

test('targets are listed, shown, set, put into a mode and given credentials that are never printed', async () => {
  assert.match((await good(['target', 'list'])).out, /jira +atlassian +plan/);
  const [one] = JSON.parse((await good(['target', 'list', '--json'])).out);
  assert.equal(one.application, 'jira');
  assert.match((await good(['target', 'show', 'jira'])).out, /Credentials +set/);
  assert.match((await good(['target', 'connectors'])).out, /atlassian +Atlassian Cloud.* directoryKey/);
  await good(['target', 'mode', 'jira', 'observe']);
  assert.match((await good(['target', 'list'])).out, /observe/);
  await good(['target', 'mode', 'jira', 'plan']);
  const file = path.join(platform.config.data, 'target.yaml');
  await writeFile(
    file,
    `connector: scim\noptions: { baseUrl: "${jira.origin}" }\nmapping: { shoe: username }\n`,
  );
  const wrong = await run(['target', 'set', 'jira', file]);
  assert.equal(wrong.status, 1);
  assert.match(wrong.err, /Nothing was changed[\s\S]*mapping\.shoe/);
  await writeFile(
    file,
    `connector: atlassian
mode: plan
options: { baseUrl: "${jira.url}", apiUrl: "${jira.origin}", orgId: "${jira.organisationId}" }
groups: [developers]
`,
  );
  await good(['target', 'set', 'jira', file]);
  await good(
    ['target', 'credentials', 'jira', '--from-stdin'],
    `directoryKey: ${jira.directoryKey}\norganisationKey: ${jira.organisationKey}\n`,
  );
  assert.ok(!(await good(['target', 'show', 'jira', '--json'])).out.includes(jira.directoryKey));
  await rm(file);
  const unknown = await run(['target', 'show', 'wiki']);
  assert.equal(unknown.status, 1);
  assert.match(unknown.err, /"wiki" is no target\. Targets are: jira\./);
  assert.equal((await run(['target', 'mode', 'jira', 'sideways'])).status, 2);
  assert.equal((await run(['target', 'approve', 'jira'])).status, 2);
  assert.equal((await run(['target', 'replay', 'jira'])).status, 2);
});

test('strangers, the brake, the join check and the profile are a command each', async () => {
  jira.state.addAccount({ email: 'old@elsewhere.test', name: 'Old' });
  await good(['plan', 'jira', '--fresh']);
  const strangers = JSON.parse((await good(['target', 'strangers', 'jira', '--json'])).out);
  assert.ok(Array.isArray(strangers));
  const shown = await good(['target', 'brake', 'jira']);
  assert.match(shown.err, /The brake is off/);
  assert.match(shown.out, /Nothing is held/);
  assert.deepEqual(JSON.parse((await good(['target', 'brake', 'jira', '--json'])).out).held, []);
  assert.match(
    (await good(['target', 'join-check', 'jira'])).err,
    /of \d+ people will be recognised by their email/,
  );
  const findings = JSON.parse((await good(['profile', 'check', 'jira', '--json'])).out);
  assert.ok(findings.length > 3);
  assert.ok(findings.every((one: { fact: string }) => one.fact !== ''));
  assert.equal((await run(['profile', 'check', 'jira', '--write'])).status, 2);
  const before = jira.state.users().length;
  const written = await good([
    'profile',
    'check',
    'jira',
    '--write',
    '--account',
    `probe@${aliasDomain}`,
    '--json',
  ]);
  assert.ok(JSON.parse(written.out).length > findings.length, 'writing finds out more');
  assert.equal(jira.state.users().length, before, 'the test account is taken away again');
  assert.equal((await run(['target', 'remove', 'jira'])).status, 2);
  await good(['target', 'remove', 'jira', '--yes']);
  assert.match((await good(['target', 'list'])).out, /There are no targets/);
  assert.equal(jira.state.users().length, 1, 'accounts there stay');
});

test('credentials are read by name, or alone where there is one', () => {
  const two = { credentials: [credential('directoryKey', true), credential('organisationKey', false)] };
  assert.deepEqual(readCredentials('directoryKey: a:b\n organisationKey : c \n', two), {
    directoryKey: 'a:b',
    organisationKey: 'c',
  });
  assert.deepEqual(readCredentials('secret\n', two), { directoryKey: 'secret' });
  assert.deepEqual(readCredentials('a: b', { credentials: [credential('token', false)] }), { token: 'a: b' });
  assert.throws(() => readCredentials('x: y\nz: w', two), /Names are: directoryKey, organisationKey/);
});

const credential = (name: string, required: boolean) => ({ name, text: name, required });

test('lengths of time are said as people say them', () => {
  assert.deepEqual([0, 5, 600, 7200].map(duration), [
    'less than a second',
    'about 5 seconds',
    'about 10 minutes',
    'about 2 hours',
  ]);
});

test('what was and what will be is said of the first fields, and cut', () => {
  const name = (was: string | null, will: string | null) => ({ name: 'displayName', was, will });
  assert.equal(changesText([name('Ada', 'Ada Byron')]), 'displayName: Ada → Ada Byron');
  assert.equal(
    changesText([name(null, 'Ada'), name('x'.repeat(500), null)]),
    `displayName: nothing → Ada; displayName: ${'x'.repeat(59)}… → nothing`,
  );
  assert.equal(
    changesText([{ name: 'apiToken', was: 'one', will: 'two' }]),
    'apiToken: [removed] → [removed]',
  );
  assert.match(changesText(Array.from({ length: 9 }, () => name('a', 'b'))), /; and 5 more$/);
});
