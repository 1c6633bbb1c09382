import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { Command } from 'commander';
import { makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { CommandRefused, type Toolbox } from './cli.ts';
import { importCommand } from './import.ts';

let folder = '';
let home: TestDatabase;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-cli-'));
  home = await testDatabase();
  await writeFile(path.join(folder, 'old.ldif'), makeLegacyLdif({ people: 60 }).ldif);
  await writeFile(path.join(folder, 'broken.ldif'), 'dn: uid=a,dc=x\nmail:: %%\n');
  await writeFile(path.join(folder, 'aliases.csv'), 'application,alias,username\nwiki,x,jane_doe\n');
  await writeFile(path.join(folder, 'password'), 'secret of the directory\n');
});
after(() => rm(folder, { recursive: true, force: true }));

interface Ran {
  out: string;
  /** What it was refused with. */
  refused: string;
  opened: number;
}

async function run(...words: string[]): Promise<Ran> {
  const ran: Ran = { out: '', refused: '', opened: 0 };
  const tools: Toolbox = {
    settings: () => assert.fail('no command of these looks at settings'),
    async withHouse(work) {
      ran.opened += 1;
      return work(home as never, {} as never);
    },
    print: (text) => {
      ran.out += `${text}\n`;
    },
    note: () => undefined,
    io: { env: {}, input: Readable.from([]), output: new PassThrough(), errors: new PassThrough() },
    log: home.log,
    clock: home.clock,
  };
  const program = new Command().exitOverride();
  importCommand(program, tools);
  const typed = ['import', ...words.map((word) => word.replace(/^@/, `${folder}/`))];
  await program.parseAsync(typed, { from: 'user' }).catch((error: Error) => {
    if (!(error instanceof CommandRefused)) throw error;
    ran.refused = error.message;
  });
  return ran;
}

test('import ldif prints a report a person can read, and JSON a program can', async () => {
  const dry = await run('ldif', '@old.ldif', '--dry-run');
  assert.equal(dry.refused, '');
  assert.match(dry.out, /Dry run of old\.ldif\nNothing was written\./);
  const real = await run('ldif', '@old.ldif', '--json');
  const report = JSON.parse(real.out);
  assert.deepEqual([real.refused, report.counts.in, report.dryRun, report.name], ['', 60, false, 'old.ldif']);
  const again = await run('ldif', '@old.ldif');
  assert.match(again.out, new RegExp(`${report.counts.imported} {2}here already`));
  assert.match(again.out, /Nobody was mailed/);
  const renamed = await run('ldif', '@old.ldif', '--name', 'directory');
  assert.equal(renamed.refused, '', 'conflicts are in the report');
  assert.match(renamed.out, /Most user names are taken.*--name/);
});

test('what could not be read completely is refused in the end, after its report', async () => {
  const broken = await run('ldif', '@broken.ldif');
  assert.match(broken.refused, /Some of it could not be read/);
  assert.match(broken.out, /line 2 .*The value of mail is not base64/);
  const missing = await run('ldif', '@nothing.ldif');
  assert.match(missing.refused, /nothing\.ldif does not exist\. Nothing was imported\.$/);
  const noFolder = await run('ldif', '@');
  assert.match(noFolder.refused, /is a folder/);
});

test('a file with nothing in it is refused, not reported as done', async () => {
  await writeFile(path.join(folder, 'empty.ldif'), '');
  await writeFile(path.join(folder, 'comments.ldif'), 'version: 1\n\n# an export that failed\n');
  await writeFile(path.join(folder, 'empty.csv'), '');
  await writeFile(path.join(folder, 'titles.csv'), 'application,alias,username\n');
  for (const name of ['empty.ldif', 'comments.ldif']) {
    for (const flags of [[], ['--dry-run']]) {
      const { refused, out } = await run('ldif', `@${name}`, ...flags);
      assert.equal(refused, `There is nothing in ${name}. Nothing was imported.`);
      assert.equal(out, '');
    }
  }
  const nothing = await run('aliases', '@empty.csv');
  assert.match(nothing.out, /The file has no header line/);
  assert.match(nothing.refused, /could not be read/);
  const titles = await run('aliases', '@titles.csv');
  assert.match(titles.refused, /^There are no names in .*titles\.csv\. Nothing was imported\.$/);
  assert.equal(titles.out, '');
  assert.deepEqual(await home.database.query("select 1 from import_runs where source like '%empty%'"), []);
});

test('import ldap refuses before it opens the house, and never prints the password', async () => {
  const flags = ['--bind-dn', 'cn=x', '--password-file', '@password', '--base', 'dc=x'];
  const plain = await run('ldap', 'ldap://directory.example.org', ...flags);
  assert.equal(plain.opened, 0);
  assert.match(plain.refused, /unencrypted\. Use ldaps/);
  const closed = await run('ldap', 'ldap://127.0.0.1:9', ...flags);
  assert.match(closed.refused, /The directory could not be opened/);
  assert.ok(!JSON.stringify([plain, closed]).includes('secret of the directory'));
});

test('import aliases reports rows it refuses', async () => {
  const ran = await run('aliases', '@aliases.csv');
  assert.equal(ran.refused, '');
  assert.match(ran.out, /There is no app "wiki"\. Add it first\./);
  assert.equal(JSON.parse((await run('aliases', '@aliases.csv', '--json')).out).counts.rejected, 1);
});
