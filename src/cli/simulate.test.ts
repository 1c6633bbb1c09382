import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { type TestContext, test } from 'node:test';

const program = path.join(import.meta.dirname, 'gatehouse.ts');

/** Starts the program as a person would and answers what it says until `seen`, or how it ended. */
function simulate(t: TestContext, words: readonly string[], seen: RegExp) {
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, HOME, NODE_COMPILE_CACHE };
  const child = spawn(process.execPath, [program, 'simulate', ...words], { env });
  t.after(() => child.kill('SIGKILL'));
  const { promise, resolve } = Promise.withResolvers<{ text: string; status?: number | null }>();
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      text += String(piece);
      if (seen.test(text)) resolve({ text });
    });
  }
  child.on('close', (status) => resolve({ text, status }));
  const ended = () => new Promise<number | null>((done) => child.on('close', done));
  return { child, said: promise, ended };
}

const row = (text: string, name: string) => new RegExp(`^${name} +(\\S+)$`, 'm').exec(text)![1]!;

test('simulate scim says where it is, keeps its limit, and ends when told to', async (t) => {
  const words = ['scim', '--limit', '60/min', '--burst', '1', '--fault', 'error,method=POST', '--seed', '5'];
  const { child, said, ended } = simulate(t, words, /bearer token +\S+\n/);
  const { text } = await said;
  const headers = { authorization: `Bearer ${row(text, 'bearer token')}` };
  const users = `${row(text, 'SCIM base address')}/Users`;
  assert.deepEqual(
    [(await fetch(users, { headers })).status, (await fetch(users, { headers })).status],
    [200, 429],
  );
  const state = (await (await fetch(row(text, 'control'))).json()) as { faults: object[]; seed: number };
  assert.deepEqual([state.faults.length, state.seed], [1, 5]);
  const end = ended();
  child.kill('SIGTERM');
  assert.equal(await end, 0);
});

test('simulate atlassian opens both doors with the domains it was given', async (t) => {
  const words = [
    'atlassian',
    '--domain',
    'id.example',
    '--domain',
    'new.example=UNVERIFIED',
    '--directory-id',
    'd',
    '--organisation-id',
    'o',
  ];
  const { said } = simulate(t, words, /organisation id +\S+\n/);
  const { text } = await said;
  const scim = await fetch(`${row(text, 'SCIM base address')}/Users`, {
    headers: { authorization: `Bearer ${row(text, 'directory key')}` },
  });
  assert.equal(scim.status, 200);
  assert.match(scim.url, /\/scim\/directory\/d\/Users$/);
  const domains = await fetch(`${row(text, 'organisation API')}/admin/v1/orgs/o/domains`, {
    headers: { authorization: `Bearer ${row(text, 'organisation key')}` },
  });
  const { data } = (await domains.json()) as {
    data: { attributes: { name: string; claim: { status: string } } }[];
  };
  assert.deepEqual(
    data.map(({ attributes }) => [attributes.name, attributes.claim.status]),
    [
      ['id.example', 'verified'],
      ['new.example', 'unverified'],
    ],
  );
});

test('what cannot be meant is said in a sentence, status 2', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['scim', '--fault', 'explode'], /There is no fault "explode"/],
    [['scim', '--limit', 'fast'], /is not a rate/],
    [['atlassian', '--domain', 'x.example=MINE'], /--domain is one of/],
  ];
  for (const [words, sentence] of wrong) {
    const { text, status } = await simulate(t, words, /$never/).said;
    assert.equal(status, 2, text);
    assert.match(text, sentence);
    assert.doesNotMatch(text, /\bat .*\.ts/);
  }
});
