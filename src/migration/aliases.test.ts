import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aliasesAt, assignAliases } from '#core/aliases/aliases.ts';
import { applicationSettings, saveApplication } from '#core/applications/applications.ts';
import { joinMany } from '#core/lifecycle/join.ts';
import { system } from '#kit/db/database.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { aliasReportText, importAliases } from './aliases.ts';

/** Ann, Bob, Cem and Dee, and two apps. Returns their ids by user name. */
async function community(home: TestDatabase): Promise<Map<string, string>> {
  return home.database.transact(system(), async (tx) => {
    for (const id of ['wiki', 'chat'])
      await saveApplication(tx, id, applicationSettings.parse({ title: id }));
    const { joined } = await joinMany(
      tx,
      ['Ann', 'bob', 'cem', 'dee'].map((username) => ({
        username,
        state: 'active' as const,
        origin: 'test',
        addresses: [{ address: `${username}@example.org`, primary: true, verified: username !== 'dee' }],
      })),
    );
    return new Map(joined.map(({ id, joiner }) => [joiner.username, id]));
  });
}

const file = `application,alias,username,address
wiki,Ann.Old,ann,
wiki,Cem,,CEM@example.org
chat,bob,cem,
wiki,ann.old,bob,
wiki,second,Ann,
nowhere,x,ann,
wiki,y,nobody,
wiki,z,,dee@example.org
wiki,"a\u202eb",bob,
wiki,too,many,fields,here
chat,Taken,ann,
chat,other,dee,
`;

test('aliases from a file: assigned, refused with a sentence and a line, and nothing changes on a rerun', async () => {
  const home = await testDatabase();
  const ids = await community(home);
  await home.database.transact(system(), (tx) =>
    assignAliases(
      tx,
      [
        { application: 'chat', person: ids.get('bob')!, alias: 'taken' },
        { application: 'chat', person: ids.get('dee')!, alias: 'Dee' },
      ],
      'test',
    ),
  );
  const bytes = Buffer.from(file);
  const dry = await importAliases(home, bytes, { dryRun: true });
  assert.deepEqual((await home.database.query('select count(*) as n from aliases'))[0], { n: 2 });
  const report = await importAliases(home, bytes);
  assert.deepEqual(report.counts, {
    in: 11,
    assigned: 3,
    unchanged: 0,
    conflict: 4,
    rejected: 4,
    unreadable: 1,
  });
  assert.deepEqual(dry.counts, report.counts);
  assert.deepEqual(dry.findings, report.findings);
  const found = report.findings.flatMap(({ kind, examples }) =>
    examples.map(({ line }) => [kind, line] as const),
  );
  assert.deepEqual(
    found.toSorted((a, b) => a[1]! - b[1]!),
    [
      ['alias-is-username', 4],
      ['alias-repeated', 5],
      ['alias-repeated', 6],
      ['application-unknown', 7],
      ['person-unknown', 8],
      ['person-unknown', 9],
      ['alias-malformed', 10],
      ['csv-row', 11],
      ['alias-taken', 12],
      ['alias-differs', 13],
    ],
  );
  const wiki = await home.database.read(system(), (tx) => aliasesAt(tx, 'wiki', [...ids.values()]));
  assert.deepEqual(
    [...wiki].sort(),
    [
      [ids.get('Ann')!, 'Ann.Old'],
      [ids.get('cem')!, 'Cem'],
    ].sort(),
  );
  const rows = await home.database.query('select t::text from aliases t order by 1');
  const again = await importAliases(home, bytes);
  assert.deepEqual([again.counts.assigned, again.counts.unchanged], [0, 3]);
  assert.deepEqual(await home.database.query('select t::text from aliases t order by 1'), rows);
  assert.match(aliasReportText(report), /line 12 {2}Taken {2}Someone else has this name there\./);
});

test('a file that is no list of aliases assigns nothing and says why', async () => {
  const home = await testDatabase();
  for (const [text, code] of [
    ['', 'csv-empty'],
    ['alias,username\nx,y\n', 'csv-header'],
    ['\xff\xfe', 'csv-not-text'],
  ] as const) {
    const report = await importAliases(home, Buffer.from(text, 'latin1'));
    assert.ok(report.counts.in === 0 && report.counts.unreadable > 0);
    assert.equal(report.findings[0]?.kind, code);
  }
});

test('a name given to someone else in the very moment is a conflict', async () => {
  const home = await testDatabase();
  const ids = await community(home);
  const inside = Promise.withResolvers<void>();
  const other = home.database.transact(system(), async (tx) => {
    await assignAliases(tx, [{ application: 'wiki', person: ids.get('dee')!, alias: 'wanted' }], 'test');
    inside.resolve();
    for (let attempt = 0; attempt < 200; attempt++) {
      if ((await home.database.query('select 1 from pg_locks where not granted')).length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail('the import never came to the same name');
  });
  await inside.promise;
  const text = 'application,alias,username\nwiki,Wanted,ann\nwiki,free,bob\n';
  const report = await importAliases(home, Buffer.from(text));
  await other;
  assert.deepEqual([report.counts.assigned, report.counts.conflict], [1, 1]);
  assert.equal(report.findings[0]?.kind, 'alias-taken');
});
