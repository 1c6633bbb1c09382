/** What the guides about mail say to type is what works: their files are read, their commands run, their calls exist. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Command } from 'commander';
import type { Toolbox } from '#cli/cli.ts';
import { commands } from '#cli/commands.ts';
import { loadConfig } from '#config/config.ts';
import { applyDeclared, DeclaredError } from '#declared/declared.ts';
import { relayApps } from '#fronts/relay/settings-kept.ts';
import { system } from '#kit/db/database.ts';
import { terminal } from '#test/command.ts';
import { startDns } from '#test/dns.ts';
import { startPlatform } from '#test/kit.ts';

const root = path.join(import.meta.dirname, '../..');
const guide = readFileSync(path.join(root, 'docs/guides/mail-for-atlassian.md'), 'utf8');
const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-mail-guide-'));
after(() => rmSync(folder, { recursive: true }));

/** The block of the guide that begins with this comment. */
function block(first: string): string {
  const found = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text!);
  return found.find((text) => text.startsWith(first)) ?? assert.fail(`no block begins with ${first}`);
}

test('the settings of the guide about mail make a configuration that starts', () => {
  const pem = path.join(folder, 'any.pem');
  writeFileSync(pem, 'x');
  const text = block('# /etc/gatehouse/gatehouse.yaml').replaceAll(/\/etc\/gatehouse\/tls\/\S+/g, pem);
  writeFileSync(path.join(folder, 'gatehouse.yaml'), text);
  const env = {
    GATEHOUSE_CONFIG: path.join(folder, 'gatehouse.yaml'),
    GATEHOUSE_DATA: folder,
    GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1',
    GATEHOUSE_SMTP_URL: 'smtps://user:key@smtp.one.example,smtps://user:key@smtp.two.example',
  };
  const config = loadConfig({ env, cwd: folder });
  assert.deepEqual(
    [config.aliasDomain, config.smtpName, config.smtpHost, config.smtpPort],
    ['people.example.org', 'relay.example.org', '0.0.0.0', 1025],
  );
  assert.equal(config.smtpTlsCert, pem);
});

test('the community file of the guide about mail is taken, dry and in earnest, and means what the guide says', async () => {
  const platform = await startPlatform({ env: { GATEHOUSE_ALIAS_DOMAIN: 'people.example.org' } });
  const text = block('# community.yaml');
  const context = { actor: { kind: 'system' as const }, cause: 'apply' as const, requestId: 'test' };
  const apply = (given: string, dryRun: boolean) =>
    applyDeclared({ ...platform, context }, { text: given, dryRun });
  const dry = await apply(text, true);
  assert.deepEqual(dry.warnings, []);
  assert.ok(dry.changes.length > 3, dry.changes.join('\n'));
  assert.deepEqual(await platform.database.read(system(), relayApps), [], 'a dry run keeps nothing');
  await apply(text, false);
  const [jira] = await platform.database.read(system(), relayApps);
  assert.deepEqual(
    [jira?.id, jira?.settings.mode, jira?.settings.networks, jira?.settings.require],
    ['jira', 'transparent', ['list:atlassian'], ['dmarc']],
  );
  assert.equal(jira?.settings.messageClasses[0]?.class, 'security');
  assert.deepEqual((await apply(text, false)).changes, [], 'applied twice is applied once');
  const wrong = text.replace('shrinkGuard', 'shrinkGard');
  await assert.rejects(apply(wrong, true), DeclaredError, 'what it does not know is refused');
});

const texts = ['mail-for-atlassian', 'mail-with-postfix', 'answers-by-mail', 'when-mail-does-not-arrive'].map(
  (name) => readFileSync(path.join(root, `docs/guides/${name}.md`), 'utf8'),
);

/** What stands in a text as code, line by line. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/```[a-z]*\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.split('\n'));
  const inline = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)];
  return [...blocks, ...inline.map(([, words]) => words!.replaceAll(/\s+/g, ' '))].map((line) => line.trim());
}

/** The words of a command line as a shell hands them over, up to a pipe or a comment. */
function wordsOf(line: string): string[] {
  const words = line.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const end = words.findIndex((word) => word === '|' || word.startsWith('#'));
  return words.slice(1, end === -1 ? undefined : end).map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
}

test('every command line of the guides about mail is typed as the command wants it', async (t) => {
  const dns = await startDns(t);
  const platform = await startPlatform({
    env: { GATEHOUSE_ALIAS_DOMAIN: 'people.example.org', GATEHOUSE_DNS_SERVERS: dns.server },
  });
  await platform.apply('people: [{ username: ada, addresses: [ada@mail.example] }]');
  // Nobody is asked for a list.
  const file = block('# community.yaml').replace('https://ip-ranges.atlassian.com/', 'http://127.0.0.1:9/');
  writeFileSync(path.join(folder, 'community.yaml'), file);
  const before = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(before));
  const { run } = terminal(() => platform);
  assert.equal((await run(['relay', 'lok'])).status, 2, 'what is mistyped would be seen');
  const lines = texts.flatMap(codeOf).filter((line) => /^gatehouse \S/.test(line));
  assert.ok(lines.length >= 20, lines.join('\n'));
  for (const line of lines) {
    const { status, out, err } = await run(wordsOf(line));
    // There is nothing held, nobody asks, and no server is set: what it refuses is another matter.
    assert.ok(status < 2 && !/fault of ours/.test(err), `${line}\n${out}${err}`);
  }

  const program = new Command();
  for (const add of commands({ declared: () => assert.fail('not asked') })['Mail:']!)
    add(program, {} as Toolbox);
  const all = (at: Command, above: string): string[] =>
    at.commands.flatMap((one) => [`${above} ${one.name()}`, ...all(one, `${above} ${one.name()}`)]);
  const told = (command: string) => lines.some((line) => `${line} `.startsWith(`${command} `));
  const untold = all(program, 'gatehouse').filter((command) => !told(command));
  assert.deepEqual(untold, [], 'every command about mail stands in one of the guides');
});

test('every call of the interface that the guides about mail name exists', async () => {
  const platform = await startPlatform();
  const api = (await (await fetch(`${platform.origin}/api/v1/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  const calls = texts.flatMap((text) => [
    ...text.matchAll(/`(GET|POST|PUT|PATCH|DELETE) \/api\/v1(\/[a-z/{}-]+)(?:\?[^`]*)?`/g),
  ]);
  assert.ok(calls.length >= 5);
  for (const [, method, at] of calls) {
    const found = api.paths[at!] ?? api.paths[`/api/v1${at}`];
    assert.ok(found?.[method!.toLowerCase()], `${method} ${at}`);
  }
});
