import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { after, before, test } from 'node:test';
import { Command } from 'commander';
import { makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { type TestDatabase, testDatabase } from '../../test/kit.ts';
import { importCommand } from './import.ts';
import { createImportProgress, progressLine } from './import-progress.ts';

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
  code: number | undefined;
  out: string;
  err: string;
  opened: number;
}

function catcher(isTTY: boolean): { stream: NodeJS.WriteStream; text(): string } {
  let text = '';
  const stream = new Writable({
    decodeStrings: false,
    write(part, _encoding, done) {
      text += part;
      done();
    },
  });
  return { stream: Object.assign(stream, { isTTY, columns: 100 }) as never, text: () => text };
}

async function run(...words: string[]): Promise<Ran> {
  const out = catcher(false);
  const err = catcher(false);
  let code: number | undefined;
  let opened = 0;
  const program = new Command()
    .exitOverride()
    .configureOutput({ writeErr: (text) => err.stream.write(text) });
  importCommand(program, {
    async open() {
      opened += 1;
      return { ...home, close: async () => undefined };
    },
    stdout: out.stream,
    stderr: err.stream,
    exit: (given) => {
      code = given;
    },
  });
  await program.parseAsync(['import', ...words.map((word) => word.replace(/^@/, `${folder}/`))], {
    from: 'user',
  });
  return { code, out: out.text(), err: err.text(), opened };
}

test('import ldif prints a report a person can read, and JSON a program can', async () => {
  const dry = await run('ldif', '@old.ldif', '--dry-run');
  assert.equal(dry.code, 0);
  assert.match(dry.out, /Dry run of old\.ldif\nNothing was written\./);
  const real = await run('ldif', '@old.ldif', '--json');
  const report = JSON.parse(real.out);
  assert.deepEqual([real.code, report.counts.in, report.dryRun, report.name], [0, 60, false, 'old.ldif']);
  const again = await run('ldif', '@old.ldif');
  assert.match(again.out, new RegExp(`${report.counts.imported} {2}here already`));
  assert.match(again.out, /Nobody was mailed/);
  const renamed = await run('ldif', '@old.ldif', '--name', 'directory');
  assert.equal(renamed.code, 0, 'conflicts are in the report');
  assert.match(renamed.out, /Most user names are taken.*--name/);
});

test('what could not be read completely ends with 1', async () => {
  const broken = await run('ldif', '@broken.ldif');
  assert.equal(broken.code, 1);
  assert.match(broken.out, /line 2 .*The value of mail is not base64/);
  const missing = await run('ldif', '@nothing.ldif');
  assert.equal(missing.code, 1);
  assert.match(missing.err, /There is no file .*nothing\.ldif\.\nNothing was imported\.\n$/);
  const noFolder = await run('ldif', '@');
  assert.match(noFolder.err, /is a folder/);
});

test('import ldap refuses before it opens the house, and never prints the password', async () => {
  const flags = ['--bind-dn', 'cn=x', '--password-file', '@password', '--base', 'dc=x'];
  const plain = await run('ldap', 'ldap://directory.example.org', ...flags);
  assert.deepEqual([plain.code, plain.opened], [1, 0]);
  assert.match(plain.err, /unencrypted\. Use ldaps/);
  const closed = await run('ldap', 'ldap://127.0.0.1:9', ...flags);
  assert.equal(closed.code, 1);
  assert.match(closed.err, /The directory could not be opened/);
  assert.ok(!`${plain.err}${closed.err}`.includes('secret of the directory'));
});

test('import aliases reports rows it refuses', async () => {
  const ran = await run('aliases', '@aliases.csv');
  assert.equal(ran.code, 0);
  assert.match(ran.out, /There is no app "wiki"\. Add it first\./);
  assert.equal(JSON.parse((await run('aliases', '@aliases.csv', '--json')).out).counts.rejected, 1);
});

test('progress is one line on a terminal and nothing elsewhere', () => {
  assert.equal(
    progressLine({ phase: 'importing', done: 500, total: 2_000 }, 2),
    `Importing ${'█'.repeat(7)}${'░'.repeat(21)} 500 of 2,000  250/s  6 s left`,
  );
  assert.equal(progressLine({ phase: 'reading', done: 1_500 }, 0), 'Reading   1,500');
  for (const isTTY of [true, false]) {
    const { stream, text } = catcher(isTTY);
    const progress = createImportProgress(stream);
    progress.show({ phase: 'importing', done: 2, total: 2 });
    progress.clear();
    assert.equal(text() === '', !isTTY);
    assert.ok(!text().includes('\n'));
  }
});
