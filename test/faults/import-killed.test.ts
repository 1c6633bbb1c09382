/**
 * F-26: an import that is killed again and again, while people sign in. By default a size that takes seconds;
 * `npm run assure -- F-26` (or GATEHOUSE_ASSURE=F-26) runs the size the check names. The seed is printed.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readOnce } from '#core/events/reader.ts';
import type { Database } from '#kit/db/database.ts';
import type { ImportProgress } from '#migration/import.ts';
import { noticesReader } from '#notices/notices.ts';
import { type LegacyAccount, makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { type Platform, startPlatform, type TestDatabase, testDatabase } from '#test/kit.ts';
import { describeRun, peopleOf, seed, wholeOf } from './stage.ts';

const size = { people: peopleOf('F-26', 2000, 50_000), kills: 5, batch: wholeOf('F-26') ? 500 : 50 };

const program = path.resolve(import.meta.dirname, '../programs/import.ts');
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

function random(): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Run {
  signal: NodeJS.Signals | null;
  code: number | null;
  /** People of whom the import said that they are in. */
  acknowledged: number;
  phase: string;
}

/** One import in a process of its own, killed so many milliseconds after it has told of `at` people. */
async function importProcess(
  connection: object,
  file: string,
  kill?: { at: number; phase: ImportProgress['phase']; afterMs: number },
): Promise<Run> {
  const args = [JSON.stringify(connection), file, 'old', String(size.batch)];
  const child = fork(program, args, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  children.add(child);
  const run: Run = { signal: null, code: null, acknowledged: 0, phase: 'reading' };
  let doomed = false;
  child.on('message', ({ phase, done }: ImportProgress) => {
    run.phase = phase;
    if (phase === 'importing') run.acknowledged = Math.max(run.acknowledged, done);
    if (!kill || doomed || phase !== kill.phase || done < kill.at) return;
    doomed = true;
    setTimeout(() => child.kill('SIGKILL'), kill.afterMs);
  });
  [run.code, run.signal] = await once(child, 'exit');
  children.delete(child);
  return run;
}

/** The server notices a killed client a moment later. */
async function lockIsFree(database: Database): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const held = await database.query(
      `select 1 from pg_locks where locktype = 'advisory' and objid = hashtext('old')::oid and classid = 1768779887`,
    );
    if (held.length === 0) return;
    await sleep(20);
  }
  assert.fail('the lock of a killed import stays');
}

/** How many imported people have not exactly one row there; joined as a whole, as one look a person takes minutes at 50,000. */
const notOnce = (table: string, where = '') =>
  `(select count(*) from imported i left join (select person, count(*) as n from ${table} ${where} group by person) t
     on t.person = i.id where coalesce(t.n, 0) <> 1)`;

/** Whoever is there is there with all of it, and once: name, origin, event and row of the run belong together. */
async function nobodyIsHalf(database: Database, acknowledged: number, where: string): Promise<number> {
  // The server counts tables some time after they were filled; until then it may compare everyone with everyone.
  await database.query('analyze');
  const [found] = await database.query<Record<string, number>>(`
    with imported as (select id from people where origin = 'old')
    select (select count(*) from imported) as people,
      (select count(*) from import_rows) as rows,
      (select count(*) from import_rows where outcome in ('ready', 'locked')) as joined,
      ${notOnce('usernames')} as unnamed,
      ${notOnce('person_origins')} as rootless,
      ${notOnce('events', "where type = 'person.joined'")} as unrecorded,
      (select count(*) from events e left join imported i on i.id = e.person
         where e.type = 'person.joined' and e.cause = 'import' and i.id is null) as ghosts,
      (select count(*) from import_rows r left join imported i on i.id = r.person
         where r.person is not null and i.id is null) as dangling`);
  const { people, rows, joined, ...wrong } = found!;
  assert.deepEqual(wrong, { unnamed: 0, rootless: 0, unrecorded: 0, ghosts: 0, dangling: 0 }, where);
  assert.equal(people, joined, where);
  assert.ok(rows! >= acknowledged, `${where}: lost ${acknowledged - rows!} that were acknowledged`);
  assert.ok(rows! <= size.people, where);
  return people!;
}

/** Everything the import says of everybody, one line a person, without the ids and times that differ. */
async function everybody(database: Database): Promise<string[]> {
  const rows = await database.query<{ line: string }>(`
    select concat_ws(' | ', p.username, p.given_name, p.family_name, p.display_name, p.state, p.state_reason, p.origin,
      (select string_agg(concat_ws(' ', a.address, a.is_primary, a.verified_at is not null), ', ' order by a.address_key collate "C")
         from addresses a where a.person = p.id),
      (select concat_ws(' ', w.scheme, w.hash, w.imported, w.needs_wrap) from passwords w where w.person = p.id),
      (select string_agg(g.name, ', ' order by g.name_key collate "C")
         from memberships m join groups g on g.id = m.group_id where m.person = p.id),
      (select concat_ws(' ', o.source, o.source_key, o.fingerprint) from person_origins o where o.person = p.id)) as line
    from people p where p.origin = 'old' order by p.username_key collate "C"`);
  return rows.map(({ line }) => line);
}

function assertSameLines(actual: readonly string[], expected: readonly string[]): void {
  const at = expected.findIndex((line, index) => line !== actual[index]);
  if (at >= 0) assert.equal(actual[at], expected[at]);
  assert.equal(actual.length, expected.length);
}

/** The directory itself is the ledger: each account came to exactly one end, and whoever was to come is here. */
async function settleAccounts(database: Database, accounts: readonly LegacyAccount[]): Promise<string> {
  const rows = await database.query<{
    key: string;
    outcome: string;
    username: string | null;
    addresses: string[];
  }>(`
    select r.source_key as key, r.outcome, p.username,
      array(select a.address from addresses a where a.person = p.id) as addresses
    from import_rows r left join people p on p.id = r.person`);
  const ends = new Map(rows.map((row) => [row.key.toLowerCase(), row]));
  assert.equal(rows.length, accounts.length, 'rows of the run');
  assert.equal(ends.size, accounts.length, 'every account once');
  const counts: Record<string, number> = {};
  for (const account of accounts) {
    const end = ends.get(account.username.toLowerCase());
    assert.ok(end, account.username);
    counts[end.outcome] = (counts[end.outcome] ?? 0) + 1;
    const came = end.outcome === 'ready' || end.outcome === 'locked';
    assert.equal(end.username, came ? account.username : null);
    if (!account.oddity) assert.equal(end.outcome, account.locked ? 'locked' : 'ready', account.username);
    // Domains are kept in small letters.
    const small = (list: readonly string[]) => new Set(list.map((one) => one.toLowerCase()));
    if (came) assert.deepEqual(small(end.addresses), small(account.addresses), account.username);
  }
  return Object.entries(counts)
    .map(([outcome, count]) => `${outcome} ${count}`)
    .join(', ');
}

/** Signs in over and over until told to stop; every one must succeed. */
function keepSigningIn(platform: Platform): { stop(): Promise<{ count: number; slowest: number }> } {
  let go = true;
  const work = (async () => {
    const done = { count: 0, slowest: 0 };
    while (go) {
      const began = performance.now();
      const { url } = await platform.visitor().signIn('ada', 'correct horse battery');
      assert.match(url, /\/account$/, `sign-in ${done.count} while the import runs`);
      done.count += 1;
      done.slowest = Math.max(done.slowest, performance.now() - began);
      await sleep(50);
    }
    return done;
  })();
  work.catch(() => undefined);
  return {
    stop() {
      go = false;
      return work;
    },
  };
}

test(`F-26 an import of ${size.people} people killed ${size.kills} times ends as if it had never been, and people sign in meanwhile`, async (context) => {
  describeRun(context, 'F-26', '2,000 people, 5 kills', `${size.people} of 50,000 people, 5 kills`);
  const directory = makeLegacyLdif({ people: size.people, seed: 7 });
  const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-import-'));
  const file = path.join(folder, 'old.ldif');
  await writeFile(file, directory.ldif);
  // Pages alone: a worker beside would wrap the old hashes that are compared below.
  const platform = await startPlatform({ poolSize: 10, env: { GATEHOUSE_RUN: 'web' } });
  try {
    await platform.apply(
      'people:\n  - { username: ada, addresses: [ada@platform.test], password: correct horse battery }\n',
    );
    const next = random();
    // One while groups are entered, the others anywhere among the people, each further on than the one before it.
    const points = Array.from({ length: size.kills - 1 }, () => next()).sort((one, two) => one - two);
    const signingIn = keepSigningIn(platform);
    const began = performance.now();
    let most = 0;
    const killed: string[] = [];
    for (const [index, point] of [...points, 1].entries()) {
      const isLast = index === points.length;
      const at = isLast ? 1 : Math.floor(point * size.people * 0.95);
      const run = await importProcess(platform.connection, file, {
        at,
        phase: isLast ? 'groups' : 'importing',
        afterMs: next() * 60,
      });
      assert.equal(run.signal, 'SIGKILL', `kill ${index + 1} came too late`);
      await lockIsFree(platform.database);
      most = Math.max(most, run.acknowledged);
      const people = await nobodyIsHalf(
        platform.database,
        most,
        `kill ${index + 1} at ${run.phase} ${run.acknowledged}`,
      );
      killed.push(`${run.phase === 'groups' ? 'groups' : run.acknowledged} (${people} in)`);
    }
    const end = await importProcess(platform.connection, file);
    assert.deepEqual([end.code, end.signal], [0, null]);
    const seconds = (performance.now() - began) / 1000;
    const signIns = await signingIn.stop();
    context.diagnostic(`killed at ${killed.join(', ')}; ${seconds.toFixed(1)} s in all`);
    context.diagnostic(
      `${signIns.count} sign-ins meanwhile, the slowest ${signIns.slowest.toFixed(0)} ms, none failed`,
    );
    assert.ok(signIns.count > size.kills);

    await nobodyIsHalf(platform.database, size.people, 'the end');
    context.diagnostic(await settleAccounts(platform.database, directory.accounts));
    const runs = await platform.database.query('select state from import_runs');
    assert.deepEqual(runs, [{ state: 'done' }], 'one run, gone on with');
    const clean: TestDatabase = await testDatabase();
    assert.equal((await importProcess(clean.connection, file)).code, 0);
    assertSameLines(await everybody(platform.database), await everybody(clean.database));
    const counts = 'select counts from import_runs';
    assert.deepEqual(await platform.database.query(counts), await clean.database.query(counts));
    while ((await readOnce(platform.database, noticesReader())) > 0);
    for (const table of ['notices', 'queue_jobs'])
      assert.deepEqual(await platform.database.query(`select * from ${table}`), [], 'an import mails nobody');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
