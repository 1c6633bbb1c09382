import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { before, test } from 'node:test';
import { listEvents } from '#core/events/events.ts';
import { readOnce } from '#core/events/reader.ts';
import { findGroup, membersOf } from '#core/groups/groups.ts';
import { join } from '#core/lifecycle/join.ts';
import { findByUsername, findByUsernames, listAddresses } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { noticesReader } from '#notices/notices.ts';
import { type LegacyDirectory, makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import { type LegacyPerson, type Source, SourceIncomplete, type SourceItem } from '#sources/source.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { runImport } from './import.ts';
import { ImportRunning } from './migration.ts';
import { reportText } from './report.ts';

function ldif(text: string, label = 'old.ldif'): Source {
  return { label, readSource: () => readLdif(Readable.from([Buffer.from(text)])) };
}

function people(list: readonly LegacyPerson[], label = 'list'): Source {
  return {
    label,
    async *readSource(): AsyncGenerator<SourceItem> {
      for (const person of list) yield { kind: 'person', person };
    },
  };
}

function person(username: string, more: Partial<LegacyPerson> = {}): LegacyPerson {
  const addresses = [{ address: `${username}@example.org`, primary: true, verified: true }];
  const passwordHashes = ['{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7'];
  return { key: username, username, addresses, passwordHashes, locked: false, groups: [], ...more };
}

/** Everything an import could change, apart from its own book-keeping. */
async function wholeHouse({ database }: TestDatabase): Promise<unknown> {
  const tables = [
    'people',
    'usernames',
    'addresses',
    'passwords',
    'groups',
    'memberships',
    'person_origins',
    'operators',
    'aliases',
    'notices',
    'queue_jobs',
  ];
  const rows: Record<string, unknown> = {};
  for (const table of tables) rows[table] = await database.query(`select t::text from ${table} t order by 1`);
  rows.events = await database.query(
    "select type, person, data::text from events where type <> 'import.finished' order by id",
  );
  return rows;
}

let directory: LegacyDirectory;
before(() => {
  directory = makeLegacyLdif({ people: 2_000 });
});

test('AC-11 2,000 people: in = imported + unchanged + conflict + rejected, the dry run says the same, a rerun changes nothing', async () => {
  const home = await testDatabase();
  await readOnce(home.database, noticesReader());
  const dry = await runImport(home, ldif(directory.ldif), { dryRun: true });
  assert.deepEqual((await home.database.query('select count(*) as n from import_runs'))[0], { n: 0 });
  assert.deepEqual((await home.database.query('select count(*) as n from people'))[0], { n: 0 });

  const first = await runImport(home, ldif(directory.ldif));
  const { in: read, imported, unchanged, conflict, rejected, locked } = first.counts;
  assert.equal(read, 2_000);
  assert.equal(read, imported + unchanged + conflict + rejected);
  assert.equal(unchanged, 0);
  assert.ok(conflict > 5 && imported > 1_900);
  assert.deepEqual(dry.counts, first.counts);
  assert.deepEqual(dry.findings, first.findings);
  assert.deepEqual(dry.schemes, first.schemes);

  const states = await home.database.query<{ state: string; n: number }>(
    'select state, count(*) as n from people group by state order by state',
  );
  assert.equal(states.find(({ state }) => state === 'locked')?.n, locked);
  assert.ok(locked > 0);
  assert.equal(
    states.reduce((sum, { n }) => sum + n, 0),
    imported,
  );
  const operators = await home.database.query('select 1 from operators');
  assert.deepEqual(operators, [], 'nobody becomes an operator by an import');

  const house = await wholeHouse(home);
  home.clock.advance(60_000);
  const again = await runImport(home, ldif(directory.ldif));
  assert.deepEqual(await wholeHouse(home), house);
  assert.deepEqual(
    { ...again.counts },
    { ...first.counts, imported: 0, locked: 0, unchanged: imported, groups: 0, memberships: 0, toWrap: 0 },
  );

  while ((await readOnce(home.database, noticesReader())) > 0);
  for (const table of ['notices', 'queue_jobs'])
    assert.deepEqual(await home.database.query(`select * from ${table}`), [], `${table} after an import`);
});

test('people keep names, addresses and groups as the directory has them', async () => {
  const home = await testDatabase();
  await runImport(home, ldif(directory.ldif));
  const of = <T>(work: (tx: Tx) => Promise<T>) => home.database.read(system(), work);
  const maria = await of((tx) => findByUsername(tx, 'mariasilva'));
  assert.deepEqual(
    [maria?.username, maria?.givenName, maria?.familyName, maria?.state],
    ['MariaSilva', 'Maria', 'da Silva', 'active'],
  );
  const addresses = await of((tx) => listAddresses(tx, [maria!.id]));
  assert.deepEqual(
    addresses.map(({ address, primary, verifiedAt }) => [address, primary, verifiedAt !== undefined]),
    [['maria+lists@example.com', true, true]],
  );
  for (const { name, members } of directory.groups) {
    const group = await of((tx) => findGroup(tx, name));
    assert.ok(group, name);
    const entered = await of((tx) => membersOf(tx, group.id, { limit: 10_000 }));
    const here = await of((tx) => findByUsernames(tx, members));
    assert.equal(entered.length, here.size, name);
  }
});

test('an LDIF with 2,000 wrong lines: each is named, no damaged record is half imported', async () => {
  const home = await testDatabase();
  const lines = directory.ldif.split('\n');
  const starts = lines.flatMap((line, at) => (line.startsWith('dn: uid=') ? [at] : []));
  let wrong = 0;
  for (const start of starts.slice(2, 1_002).reverse()) {
    lines.splice(start + 3, 0, 'this is no line', 'mail:: %%%');
    wrong += 2;
  }
  const report = await runImport(home, ldif(lines.join('\n')));
  assert.equal(wrong, 2_000);
  assert.equal(report.counts.unreadable, 2_000);
  assert.equal(report.counts.in, 1_000);
  const [there] = await home.database.query<{ n: number }>('select count(*) as n from people');
  assert.equal(there?.n, report.counts.imported);
  const text = reportText(report);
  assert.match(text, /2,000 {2}places could not be read/);
  assert.match(text, /line \d+ .*This line does not read "attribute: value"\./);
  assert.match(text, /… and 990 more/);
  assert.ok(text.split('\n').length < 150, 'short enough to read');
});

test('a name that no database can hold is one rejected record, not the end of the import', async () => {
  const home = await testDatabase();
  const list = [
    person('nul\0name', { addresses: [] }),
    person('half\ud800', { addresses: [] }),
    person('ada'),
  ];
  for (const dryRun of [true, false]) {
    const { counts } = await runImport(home, people(list), { dryRun });
    assert.deepEqual([counts.imported, counts.rejected], [1, 2]);
  }
});

test('a source that breaks off changes nothing at all', async () => {
  const home = await testDatabase();
  const source: Source = {
    label: 'short',
    async *readSource() {
      yield { kind: 'person', person: person('early') };
      throw new SourceIncomplete('ldap-broken', 'Reading broke off.');
    },
  };
  await assert.rejects(runImport(home, source), SourceIncomplete);
  for (const table of ['people', 'import_runs', 'events'])
    assert.deepEqual(await home.database.query(`select * from ${table}`), []);
});

test('two imports of one source at once: the second is refused, another source is not', async () => {
  const home = await testDatabase();
  const gate = Promise.withResolvers<void>();
  const reading = Promise.withResolvers<void>();
  const slow: Source = {
    label: 'slow',
    async *readSource() {
      reading.resolve();
      await gate.promise;
      yield { kind: 'person', person: person('slow') };
    },
  };
  const first = runImport(home, slow);
  await reading.promise;
  await assert.rejects(runImport(home, slow), ImportRunning);
  assert.equal((await runImport(home, people([person('other')]))).counts.imported, 1);
  gate.resolve();
  assert.equal((await first).counts.imported, 1);
  assert.equal((await runImport(home, slow)).counts.unchanged, 1);
});

test('stopped by a signal, a run ends after the batches under way, and the next one goes on', async () => {
  const home = await testDatabase();
  const list = Array.from({ length: 30 }, (_, at) => person(`p${at}`, { groups: ['all'] }));
  const stopping = new AbortController();
  const options = { batchSize: 10, signal: stopping.signal, onProgress: () => stopping.abort() };
  const stopped = await runImport(home, people(list), options);
  assert.deepEqual([stopped.state, stopped.counts.in, stopped.counts.groups], ['stopped', 20, 0]);
  const rest = await runImport(home, people(list));
  assert.deepEqual([rest.state, rest.counts.imported, rest.counts.memberships], ['done', 30, 30]);
});

test('a name and an address taken by a sign-up in the very moment become conflicts, everybody else joins', async () => {
  const home = await testDatabase();
  const signUp = {
    state: 'active' as const,
    origin: 'sign-up',
    addresses: [{ address: 'shared@example.org', primary: true, verified: true }],
  };
  const inside = Promise.withResolvers<void>();
  const other = home.database.transact(system('request'), async (tx) => {
    await join(tx, { ...signUp, username: 'wanted' });
    inside.resolve();
    // Long enough for the import to stand before our rows and wait for them.
    await waitForBlocked(home);
  });
  await inside.promise;
  const list = ['a', 'wanted', 'b'].map((name) => person(name));
  list.push(person('c', { addresses: [{ address: 'Shared@example.org', primary: true, verified: true }] }));
  const report = await runImport(home, people(list));
  await other;
  const outcome = report.findings.map(({ kind, count, examples }) => [kind, count, examples[0]?.who]);
  assert.deepEqual(outcome.sort(), [
    ['duplicate-address', 1, 'c'],
    ['username-taken', 1, 'wanted'],
  ]);
  assert.deepEqual([report.counts.imported, report.counts.conflict], [2, 2]);
});

async function waitForBlocked({ database }: TestDatabase): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const blocked = await database.query('select 1 from pg_locks where not granted');
    if (blocked.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('the import never came to where the sign-up is');
}

test('a name alone lost in that moment is one row of the batch, not the batch', async () => {
  const home = await testDatabase();
  const inside = Promise.withResolvers<void>();
  const other = home.database.transact(system('request'), async (tx) => {
    await join(tx, { username: 'wanted', state: 'unverified', origin: 'sign-up', addresses: [] });
    inside.resolve();
    await waitForBlocked(home);
  });
  await inside.promise;
  const report = await runImport(home, people(['a', 'Wanted', 'b'].map((name) => person(name))));
  await other;
  assert.deepEqual([report.counts.imported, report.counts.conflict], [2, 1]);
  assert.match(report.findings[0]!.examples[0]!.text, /while the import ran/);
  const rows = await home.database.query(
    "select source_key, outcome, reason from import_rows where outcome <> 'ready'",
  );
  assert.deepEqual(rows, [{ source_key: 'Wanted', outcome: 'conflict', reason: 'username-taken' }]);
});

test('what an operator changed after an import stays: a later run touches neither membership nor person', async () => {
  const home = await testDatabase();
  const list = [person('ann', { groups: ['Team'] })];
  await runImport(home, people(list));
  await home.database.query('delete from memberships');
  const moved = [person('ann', { groups: ['Team'], familyName: 'Changed', locked: true })];
  const report = await runImport(home, people(moved));
  assert.deepEqual([report.counts.unchanged, report.counts.changed], [1, 1]);
  assert.deepEqual(await home.database.query('select * from memberships'), []);
  const ann = await home.database.read(system(), (tx) => findByUsername(tx, 'ann'));
  assert.deepEqual([ann?.familyName, ann?.state], ['', 'active']);
});

test('events of an import carry its cause and its run', async () => {
  const home = await testDatabase();
  const report = await runImport(home, people([person('ann')]));
  const events = await home.database.read(system(), (tx) => listEvents(tx, { limit: 10 }));
  assert.deepEqual(events.map(({ type, cause, requestId }) => [type, cause, requestId]).sort(), [
    ['import.finished', 'import', report.run],
    ['person.joined', 'import', report.run],
  ]);
});

test('the report cannot move a terminal’s cursor', async () => {
  const home = await testDatabase();
  const report = await runImport(home, people([person('\u001b[2Jx')], 'a\u001b]0;b'), { dryRun: true });
  const text = reportText(report);
  assert.equal(report.counts.rejected, 1);
  assert.ok(!text.includes('\u001b'));
});
