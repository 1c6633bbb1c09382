import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { loadConfig } from '#config/config.ts';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { passwordOf, verifyPassword } from '#core/credentials/credentials.ts';
import { checkSetup } from '#core/operators/setup.ts';
import { tokenByValue } from '#core/operators/tokens.ts';
import { findByUsername } from '#core/people/people.ts';
import { openSession } from '#core/sessions/sessions.ts';
import { rotateKeys } from '#fronts/oidc/keys.ts';
import { openHouse } from '#house.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { createHasher } from '#kit/crypto/passwords.ts';
import { createSecrets, loadMasterKey } from '#kit/crypto/secrets.ts';
import { type Database, openDatabase, system } from '#kit/db/database.ts';
import { attachEmbedded, type Embedded } from '#kit/db/embedded.ts';
import { createLog } from '#kit/log/log.ts';
import * as saml from '#signon/saml-keys/saml-keys.ts';
import { runCommand } from '#test/command.ts';
import { startProgress } from './progress.ts';
import { runUntilStopped } from './serve.ts';
import { parseDuration, table } from './table.ts';

const program = path.join(import.meta.dirname, 'gatehouse.ts');
const log = createLog({ level: 'silent' });
const hasher = createHasher({ memoryKiB: 1024, passes: 1 });

let folder: string;
let first: string;
let embedded: Embedded;
let database: Database;
/** What the file of the community said before and when it was applied; every test stands on it. */
let preview: Result;
let applied: Result;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-cli-'));
  first = path.join(folder, 'first');
  await mkdir(first);
  // Files are named from where one stands.
  process.chdir(folder);
  embedded = await attachEmbedded({ dataDirectory: first, log });
  database = await openDatabase({ connection: embedded.connection, clock: systemClock, log, poolSize: 3 });
  await writeFile(path.join(folder, 'house.yaml'), file);
  preview = await good(['apply', 'house.yaml', '--dry-run'], {}, start);
  applied = await good(['apply', 'house.yaml']);
});
after(async () => {
  await database.close();
  await embedded.stop();
  process.chdir(import.meta.dirname);
  await rm(folder, { recursive: true, force: true });
});

interface Result {
  status: number | null;
  out: string;
  err: string;
}

interface Options {
  data?: string;
  input?: string;
  env?: Record<string, string>;
}

const environment = (options: Options) => ({
  GATEHOUSE_DATA: options.data ?? first,
  GATEHOUSE_ARGON2_MEMORY_KIB: '1024',
  GATEHOUSE_ARGON2_PASSES: '1',
  ...options.env,
});

/** One command line in this process, with nothing of this process's settings. What runs until it is stopped is started nowhere here. */
const run = (args: readonly string[], options: Options = {}): Promise<Result> =>
  runCommand(
    args,
    {
      readSettings: async ({ env, file, given, demo }) =>
        loadConfig({ env, file, argv: given, demo, cwd: folder }),
      openHouse: (settings, tools) => openHouse(settings, { ...tools, embedded: 'attach' }),
      declared: () => import('#declared/declared.ts'),
    },
    { env: environment(options), input: options.input },
  );

/** The program as a person starts it: a process of its own, its status, its pipes. */
function start(args: readonly string[], options: Options = {}): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
  const env = { PATH, HOME, NODE_COMPILE_CACHE, ...environment(options) };
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env, timeout: 60_000 });
  const result = { out: '', err: '' };
  child.stdout.on('data', (data) => {
    result.out += data;
  });
  child.stderr.on('data', (data) => {
    result.err += data;
  });
  child.on('close', (status) => resolve({ status, ...result }));
  child.stdin.end(options.input ?? '');
  return promise;
}

async function good(args: readonly string[], options: Options = {}, how = run): Promise<Result> {
  const result = await how(args, options);
  assert.equal(result.status, 0, `${args.join(' ')}: ${result.err}`);
  return result;
}

async function refused(
  args: readonly string[],
  status: number,
  words: RegExp,
  options: Options = {},
  how = run,
) {
  const result = await how(args, options);
  assert.equal(result.status, status, `${args.join(' ')}: ${result.out}${result.err}`);
  assert.match(result.err, words);
  assert.doesNotMatch(result.err, /fault of ours|\n\s+at /);
  assert.equal(result.out, '');
}

const file = `
community: { name: Harbour }
applications:
  - { id: wiki, title: "W\u0007iki", oidc: { redirectUris: [https://wiki.example.org/back] } }
groups: [{ name: crew }]
people:
  - { username: ada, addresses: [ada@example.org], password: correct horse battery, groups: [crew], operator: owner }
  - { username: bob, addresses: [bob@example.org] }
`;

test('a file is applied, a token made, people and apps and events are listed', async () => {
  assert.match(preview.err, /would be made; nothing was changed/);
  assert.match(applied.out, /Add ada with ada@example.org/);
  assert.match(applied.out, /The secret of wiki, shown this once: [\w-]{43}\n/);
  const piped = await good(['apply', '-', '--json'], { input: file }, start);
  assert.deepEqual(JSON.parse(piped.out).changes, []);

  const made = await good(['token', 'create', '--scope', 'admin', '--expires', '30d'], {}, start);
  assert.match(made.out, /^gh_[\w-]{43}\n$/);
  assert.equal(made.err, '');
  const token = await database.transact(system(), (tx) => tokenByValue(tx, made.out.trim()));
  assert.deepEqual(token?.roles, ['owner']);
  const days = ((token?.expiresAt?.getTime() ?? 0) - Date.now()) / 86_400_000;
  assert.ok(days > 29.9 && days < 30.1);
  const tokens = await good(['token', 'list', '--json']);
  assert.equal(JSON.parse(tokens.out)[0].id, token?.id);
  assert.ok(!tokens.out.includes(made.out.trim()));
  await good(['token', 'revoke', String(token?.id)]);

  const people = JSON.parse((await good(['people', 'list', '--json'])).out);
  assert.deepEqual(
    people.map((one: { username: string }) => one.username),
    ['ada', 'bob'],
  );
  assert.equal(people[0].address, 'ada@example.org');
  assert.match((await good(['people', 'show', 'ada@example.org'])).out, /Operator\s+owner/);
  const reset = await good(['people', 'reset-factors', 'ada', '--yes']);
  assert.match(reset.err, /^ada signs in with the password alone now, and was signed out\. Gone: 0 passkeys/);
  await good(['people', 'set-state', 'bob', 'suspended', '--reason', 'until Monday']);
  assert.equal(JSON.parse((await good(['people', 'show', 'bob', '--json'])).out).stateReason, 'until Monday');
  const again = await good(['people', 'set-state', 'bob', 'suspended', '--reason', 'until Friday']);
  assert.match(again.err, /^bob is suspended already, since [\d-]+ [\d:]+Z; nothing was changed\.\n$/);
  assert.equal(JSON.parse((await good(['people', 'show', 'bob', '--json'])).out).stateReason, 'until Monday');
  const active = await good(['people', 'set-state', 'ada', 'active', '--reason', 'x']);
  assert.match(active.err, /^ada is active already, since/);
  const apps = await good(['apps', 'list']);
  assert.match(apps.out, /^wiki {2}W�iki {2}on/m);
  const events = JSON.parse((await good(['events', 'list', '--person', 'bob', '--json'])).out);
  assert.deepEqual(
    events.map((one: { type: string }) => one.type),
    ['person.left', 'person.joined'],
  );
  assert.equal(events[0].actor.name, 'command line');
  const copy = await good(['export', '--people']);
  assert.match(copy.out, /username: ada/);

  await refused(['people', 'erase', 'bob'], 2, /cannot be undone. Say --yes/);
  await refused(['people', 'erase', 'nobody'], 1, /no such person/);
  await refused(['people', 'reset-factors', 'nobody'], 1, /no such person/);
  await refused(['target', 'remove', 'nothing'], 1, /is no target/);
  const { id } = JSON.parse((await good(['people', 'show', 'bob', '--json'])).out);
  assert.match(
    (await good(['people', 'erase', 'bob', '--yes'])).err,
    new RegExp(`^The person ${id} is erased`),
  );
  await refused(['people', 'show', 'bob'], 1, /no such person/);
  assert.equal(JSON.parse((await good(['people', 'show', id, '--json'])).out).state, 'erased');
  await refused(['people', 'erase', 'ada', '--yes'], 1, /last owner/);
});

test('KE-04 a key in danger is taken back by hand; another one signs at once', async () => {
  const secrets = createSecrets(await loadMasterKey({ file: path.join(first, 'master.key') }));
  await database.transact(system(), (tx) => rotateKeys(tx, secrets, new Date()));
  const listed = JSON.parse((await good(['keys', 'list', '--json'])).out) as {
    kid: string;
    state: string;
    alg: string;
  }[];
  const active = listed.find((key) => key.state === 'active' && key.alg === 'RS256');
  assert.ok(active && !JSON.stringify(listed).includes('sealed'));
  await refused(['keys', 'withdraw', active.kid], 2, /Add --yes to do it/);
  await refused(['keys', 'withdraw', 'nothing', '--yes'], 1, /no such key/);
  await refused(['keys', 'withdraw', 'nothing'], 1, /no such key/);
  await good(['keys', 'withdraw', active.kid, '--yes']);
  const after = JSON.parse((await good(['keys', 'list', '--json'])).out) as typeof listed;
  assert.ok(!after.some((key) => key.kid === active.kid));
  assert.equal(after.filter((key) => key.state === 'active' && key.alg === 'RS256').length, 1);

  await database.transact(system(), (tx) =>
    saml.rotateKeys(tx, { secrets, host: 'id.harbour.test' }, new Date()),
  );
  const ofSaml = async () =>
    (JSON.parse((await good(['keys', 'list', '--json'])).out) as typeof listed).filter(
      (key) => key.alg === 'RSA-3072',
    );
  const [signing] = await ofSaml();
  assert.equal(signing?.state, 'active');
  assert.match((await good(['keys', 'withdraw', signing.kid, '--yes'])).err, /by hand need the new one/);
  const [follower, ...others] = await ofSaml();
  assert.ok(follower && follower.kid !== signing.kid && others.length === 0);
});

test('what is typed wrongly ends with 2, what is refused with 1, each in a sentence', async () => {
  await writeFile(path.join(folder, 'empty.yaml'), '# nothing yet\n---\n');
  // Side by side: they only have to fail.
  await Promise.all([
    refused(['tokn'], 2, /Did you mean token/, {}, start),
    refused(['tokn'], 2, /Did you mean token/),
    refused(['token', 'create', '--scope', 'admin', '--expires', 'soon'], 2, /not a length of time/),
    refused(['token', 'create', '--scope', 'king'], 2, /no role "king"\. Roles are: admin, owner,/),
    refused(['token', 'create', '--scope', 'app-owner'], 2, /needs its app/),
    refused(['token', 'create', '--scope', 'app-owner,people', '--app', 'wiki'], 2, /stands alone/),
    refused(['token', 'create', '--scope', 'people', '--app', 'wiki'], 2, /goes with --scope app-owner/),
    refused(['token', 'revoke', 'x'], 1, /no such token/),
    refused(['backup', 'nowhere/house.backup'], 1, /folder of nowhere\/house\.backup does not exist/),
    refused(['people', 'show', 'nobody'], 1, /There is no such person/, {}, start),
    refused(['people', 'show', 'nobody'], 1, /There is no such person/),
    refused(['people', 'set-state', 'ada', 'locked', '--reason', 'x'], 1, /last owner/),
    refused(['people', 'set-state', 'ada', 'king', '--reason', 'x'], 2, /States are/),
    refused(['people', 'reset-factors', 'ada'], 2, /Make sure who is asking/),
    refused(['apply', 'missing.yaml'], 1, /missing.yaml does not exist/),
    refused(['apply', 'empty.yaml'], 1, /In empty\.yaml:\n {2}There is nothing in this file\.\n$/),
    refused(['apply', '-'], 1, /There is nothing in this file/, { input: '' }),
    refused(['apply', '-'], 1, /line 1, comunity: .*did you mean "community"/, { input: 'comunity: {}' }),
    refused(['apps', 'list'], 1, /GATEHOUSE_PROT.*Did you mean GATEHOUSE_PORT/s, {
      env: { GATEHOUSE_PROT: '1' },
    }),
    refused(['people', 'list'], 1, /database cannot be used/, {
      env: { DATABASE_URL: 'postgres://x:y@127.0.0.1:1/z' },
    }),
  ]);
});

test('AU-17 an invitation is a link that works once, and a newer one ends it', async () => {
  const secrets = createSecrets(await loadMasterKey({ file: path.join(first, 'master.key') }));
  const tokenOf = (result: Result) => new URL(result.out.trim()).searchParams.get('token') ?? '';
  const one = tokenOf(await good(['admin', 'invite']));
  const check = (token: string) => database.read(system(), (tx) => checkSetup(tx, secrets, token));
  assert.equal(await check(one), true);
  const two = tokenOf(await good(['admin', 'invite']));
  assert.equal(await check(one), false);
  assert.equal(await check(two), true);
});

test('AU-17 KE-05 a backup comes back into an empty folder: same people, same passwords, nobody signed in, setup closed', async () => {
  const ada = await database.transact(system(), async (tx) => {
    const person = await findByUsername(tx, 'ada');
    assert.ok(person);
    const lifetimes = { idleSeconds: 900, absoluteSeconds: 900 };
    await openSession(tx, {
      person: person.id,
      amr: ['pwd'],
      aal: 1,
      device: 'x',
      network: 'x',
      persistent: false,
      lifetimes,
    });
    await tx.query(`insert into queue_jobs (lane, key, payload) values ('notices', 'x', '{}')`);
    await tx.query(`insert into event_cursors (reader) values ('notices') on conflict do nothing`);
    await saveApplication(tx, 'board', applicationSettings.parse({ title: 'Board' }));
    const settings = JSON.stringify({ connector: 'scim', mode: 'automatic' });
    await tx.query(
      `insert into targets (application, connector, settings, mode, created_at, updated_at)
       values ('board', 'scim', $1, 'automatic', now(), now())`,
      [settings],
    );
    await tx.query(
      `insert into target_plans (application, subject, verdict, why, steps, digest, state, decided_by, decided_at, made_at)
       values ('board', $1, 'create', '', '[]', '\\x00', 'approved', 'ada', now(), now())`,
      [`person:${person.id}`],
    );
    return person.id;
  });
  const made = await good(['backup', 'house.backup']);
  assert.match(made.out, /^ghb_[\w-]{43}\n$/);
  assert.match(made.err, /master key .* is not in it/);
  assert.equal((await stat(path.join(first, 'backup.key'))).mode & 0o777, 0o600);
  await refused(['backup', 'house.backup'], 1, /is there already/);
  assert.equal((await good(['backup', 'again.backup'])).out, '', 'the key is shown once');
  const bytes = await readFile(path.join(folder, 'house.backup'));
  const masterKey = await readFile(path.join(first, 'master.key'), 'utf8');
  for (const secret of ['ada@example.org', 'argon2', masterKey.trim()]) assert.ok(!bytes.includes(secret));

  const second = path.join(folder, 'second');
  const at = { data: second };
  await mkdir(second);
  await writeFile(path.join(folder, 'key'), made.out);
  await refused(['restore', 'house.backup'], 1, /Name the file with the key/, at);
  const withKey = ['restore', 'house.backup', '--key-file', 'key'];
  await refused(withKey, 1, /needs the master key [0-9a-f]{8}.*missing/, at);
  await writeFile(path.join(folder, 'other.key'), `${Buffer.alloc(32, 9).toString('base64')}\n`);
  await refused(withKey, 1, /what is set here is/, {
    ...at,
    env: { GATEHOUSE_MASTER_KEY_FILE: path.join(folder, 'other.key') },
  });
  await copyFile(path.join(first, 'master.key'), path.join(second, 'master.key'));
  const wrongKey = { ...at, input: 'a key that is not the right one' };
  await refused(['restore', 'house.backup', '--key-file', '-'], 1, /does not open/, wrongKey, start);
  const flipped = Buffer.from(bytes);
  flipped[bytes.length - 100]! ^= 1;
  await writeFile(path.join(folder, 'flipped.backup'), flipped);
  await refused(['restore', 'flipped.backup', '--key-file', 'key'], 1, /changed after it was written/, at);
  await assert.rejects(stat(path.join(second, 'postgres')), 'nothing was made before the file was proved');

  const restored = await good(withKey, at);
  assert.match(restored.err, /rows\.\nEveryone is signed out/);
  assert.match(restored.err, /Nothing is sent to board before somebody approves/);
  await refused(withKey, 1, /not empty.*--replace/, at);
  await good([...withKey, '--replace'], at);
  const there = await attachEmbedded({ dataDirectory: second, log });
  const copy = await openDatabase({ connection: there.connection, clock: systemClock, log, poolSize: 2 });
  try {
    const listed = (options: Options) => good(['people', 'list', '--json'], options);
    assert.equal((await listed(at)).out, (await listed({})).out);
    const stored = await copy.read(system(), (tx) => passwordOf(tx, ada));
    assert.equal(await verifyPassword(hasher, stored, 'correct horse battery'), true);
    assert.equal(await verifyPassword(hasher, stored, 'correct horse batterz'), false);
    const [left] = await copy.query(
      `select (select count(*) from sessions) + (select count(*) from queue_jobs) as waiting,
         (select closed_at is not null from setup) as closed,
         (select id >= (select max(id) - 3 from events) from event_cursors where reader = 'notices') as told`,
    );
    assert.deepEqual(left, { waiting: 0, closed: true, told: true });
    // F-24: what goes out starts paused, and shows its differences first.
    const [target] = await copy.query(
      `select mode, settings ->> 'mode' as said, (select state from target_plans) as state from targets`,
    );
    assert.deepEqual(target, { mode: 'plan', said: 'plan', state: 'proposed' });
    await refused([...withKey, '--replace'], 1, /in use|running/, at);
  } finally {
    await copy.close();
    await there.stop();
  }
});

test('one wish to stop that comes as two signals stops cleanly', async () => {
  const before = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => process.listeners(signal as NodeJS.Signals));
  let stopped = 0;
  const running = runUntilStopped(async () => ({
    async stop() {
      stopped += 1;
    },
  }));
  process.emit('SIGINT', 'SIGINT');
  process.emit('SIGHUP', 'SIGHUP');
  await running;
  process.emit('SIGTERM', 'SIGTERM');
  assert.equal(stopped, 1);
  for (const [index, signal] of (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).entries())
    for (const listener of process.listeners(signal))
      if (!before[index]?.includes(listener)) process.off(signal, listener);
});

test('lists, lengths of time and the moving line', () => {
  const rows = [['x', 'y'], ['longer', '\u001b[31mred\n']]; // biome-ignore format: a small table
  assert.equal(table(['A', 'LONG'], rows, 'none'), 'A       LONG\nx       y\nlonger  �[31mred�');
  assert.equal(table(['A'], [], 'none'), 'none');
  assert.deepEqual(['90m', '12h', '30d', '2w'].map(parseDuration), [5400, 43_200, 2_592_000, 1_209_600]);
  for (const wrong of ['', '30', 'd', '0d', '-1d', '1y', '1e3d'])
    assert.throws(() => parseDuration(wrong), /not a length/);
  const written: string[] = [];
  const stream = { isTTY: true, write: (text: string) => written.push(text) };
  const progress = startProgress('Hashing', stream);
  progress.show(1, 2);
  progress.show(2, 2);
  progress.end();
  assert.match(written[0] ?? '', /^\r\u001b\[KHashing {2}█{12}░{12} {2}1 of 2/);
  assert.equal(written.at(-1), '\r\u001b[K');
  const silent = startProgress('Hashing', { ...stream, isTTY: false });
  silent.show(1, 1);
  silent.end();
  assert.equal(written.length, 3);
});

test('explain says who can open what, and why a sign-in failed, by the reference', async () => {
  const open = await good(['explain', 'ada', 'wiki']);
  assert.match(open.out, /^ada can open W�iki, and is asked something on the way\.\n/);
  assert.match(open.out, /^consent +asks +They have not agreed yet/m);
  const nobody = await good(['explain', 'stranger', 'wiki', '--json']);
  assert.deepEqual([JSON.parse(nobody.out).opens, JSON.parse(nobody.out).first.check], ['no', 'person']);
  await refused(['explain', 'ada'], 2, /Say who and which app/);
  await refused(['explain', '--reference', 'unknown'], 1, /There is no page here|not/);
  const steps = [
    {
      reference: 'abcdefghijkl',
      at: '2026-01-15T12:00:00.000Z',
      step: 'password refused',
      facts: { aal: 1 },
    },
  ];
  await database.query(
    `insert into sign_in_traces (reference, code, door, device, network, steps, at)
     values ('abcdefghijkl', 'sign-in-failed', '/sign-in', 'Firefox', '198.51.100.x', $1, now())`,
    [JSON.stringify(steps)],
  );
  const path = await good(['explain', '--reference', 'abcdefghijkl']);
  assert.match(path.out, /^sign-in-failed, .*: nobody known at no app\n/);
  assert.match(path.out, /^12:00:00\.000 +here +password refused +aal=1$/m);
});
