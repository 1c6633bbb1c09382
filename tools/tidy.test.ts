import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { tidy } from './tidy.ts';
import { functionsIn, scan } from './tidy-scan.ts';

const root = mkdtempSync(path.join(tmpdir(), 'gatehouse-tidy-'));
after(() => rmSync(root, { recursive: true }));
let houses = 0;

const front = '/** Owns, records, refuses. */\n';

/** A small house without a fault. */
const sound: Readonly<Record<string, string>> = {
  'package.json': '{"dependencies":{"zod":"4.6.7"}}',
  'docs/architecture.md': '`core`, `core/people`, `kit/net`, `kit`',
  'docs/decisions/0001-dependencies.md': '| `zod` | 4.6.7 | MIT | 6 MB | reads input |\n',
  'db/migrations/0001-house.sql':
    'create table people (\n  id uuid\n);\ncreate table groups (\n  id uuid\n);\n',
  'src/core/problem.ts': `${front}export const problems = {};\n`,
  'src/core/people/people.ts': `${front}export const person = 1;\n`,
  'src/core/people/store.ts':
    "export const add = `insert into people (id) values ($1)`;\nimport { z } from 'zod';\n",
  'src/kit/net/net.ts': `${front}export const get = () => fetch('https://example.org');\n`,
};

/** The findings of the sound house with these files changed or added. */
function findings(files: Readonly<Record<string, string>>, exceptions: Parameters<typeof tidy>[1] = []) {
  houses += 1;
  const folder = path.join(root, `house-${houses}`);
  for (const [name, text] of Object.entries({ ...sound, ...files })) {
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return tidy(folder, exceptions);
}

test('this house keeps its rules', () => {
  const found = tidy(path.join(import.meta.dirname, '..'));
  assert.deepEqual(
    found.map(({ file, line, rule, text }) => `${file}:${line}  ${rule}  ${text}`),
    [],
  );
});

test('a sound house has no finding', () => assert.deepEqual(findings({}), []));

/** A code map for houses with more folders than the sound one. */
const map = (...folders: string[]) => ({
  'docs/architecture.md': ['kit', 'kit/net', 'core', 'core/people', ...folders]
    .map((name) => `\`${name}\``)
    .join(' '),
});
const groups = (text: string) => ({ ...map('core/groups'), 'src/core/groups/groups.ts': front + text });
const people = (text: string) => ({ 'src/core/people/people.ts': front + text });
const web = (text: string) => ({
  ...map('consoles', 'consoles/admin', 'consoles/admin/web'),
  'src/consoles/admin/admin.ts': front,
  'src/consoles/admin/web/console.tsx': front + text,
});
const lines = (count: number) => 'export const x = 1;\n'.repeat(count);

interface Planted {
  name: string;
  files: Record<string, string>;
  rule: string;
  at: string;
  says: RegExp;
}

const planted: readonly Planted[] = [
  {
    name: 'an import to the right',
    files: { ...groups(''), ...people("import { x } from '#core/groups/groups.ts';\n") },
    rule: 'dependency',
    at: 'src/core/people/people.ts:2',
    says: /core\/people stands left of core\/groups/,
  },
  {
    name: 'kit that knows identity',
    files: {
      'src/kit/net/net.ts': `${front}export * as p from '#core/people/people.ts';\nexport const a = 1;\n`,
    },
    rule: 'dependency',
    at: 'src/kit/net/net.ts:2',
    says: /kit stands left/,
  },
  {
    name: 'a front that knows its sibling',
    files: {
      ...map('fronts', 'fronts/oidc', 'fronts/saml'),
      'src/fronts/oidc/oidc.ts': front,
      'src/fronts/saml/saml.ts': `${front}const x = await import('#fronts/oidc/oidc.ts');\n`,
    },
    rule: 'dependency',
    at: 'src/fronts/saml/saml.ts:2',
    says: /siblings and never import each other/,
  },
  {
    name: 'notices that know a front',
    files: {
      ...map('fronts', 'fronts/oidc', 'notices'),
      'src/fronts/oidc/oidc.ts': front,
      'src/notices/notices.ts': `${front}import type { X } from '#fronts/oidc/oidc.ts';\n`,
    },
    rule: 'dependency',
    at: 'src/notices/notices.ts:2',
    says: /siblings/,
  },
  {
    name: 'a simulator that knows the core',
    files: {
      ...map('simulators', 'simulators/shop'),
      'src/simulators/shop/shop.ts': `${front}import { x } from '#core/people/people.ts';\n`,
    },
    rule: 'dependency',
    at: 'src/simulators/shop/shop.ts:2',
    says: /Simulators know kit and wire alone/,
  },
  {
    name: 'a connector that knows more than its contract',
    files: {
      ...map('provisioning', 'connectors', 'connectors/scim'),
      'src/provisioning/provisioning.ts': front,
      'src/connectors/scim/scim.ts': `${front}import { x } from '#provisioning/provisioning.ts';\n`,
    },
    rule: 'dependency',
    at: 'src/connectors/scim/scim.ts:2',
    says: /Connectors know/,
  },
  {
    name: 'a core that speaks HTTP',
    files: people("import { x } from '#kit/http/server.ts';\n"),
    rule: 'dependency',
    at: 'src/core/people/people.ts:2',
    says: /opens no socket/,
  },
  {
    name: 'someone who reads settings',
    files: people("import { loadConfig } from '#config/config.ts';\n"),
    rule: 'dependency',
    at: 'src/core/people/people.ts:2',
    says: /main\.ts alone/,
  },
  {
    name: 'a folder nobody planned',
    files: { ...map('extras'), 'src/extras/extras.ts': `${front}import { x } from '#kit/net/net.ts';\n` },
    rule: 'dependency',
    at: 'src/extras/extras.ts:2',
    says: /no place in the order/,
  },
  {
    name: 'an import that climbs',
    files: people("import { x } from '../problem.ts';\n"),
    rule: 'import-form',
    at: 'src/core/people/people.ts:2',
    says: /climbs/,
  },
  {
    name: 'an import without its ending',
    files: people("import { x } from './store';\n"),
    rule: 'import-form',
    at: 'src/core/people/people.ts:2',
    says: /must end with \.ts/,
  },
  {
    name: 'an import into a sub-folder by path',
    files: { ...people("import { x } from './deep/deep.ts';\n") },
    rule: 'import-form',
    at: 'src/core/people/people.ts:2',
    says: /another folder/,
  },
  {
    name: 'the own folder by its long name',
    files: people("import { x } from '#core/people/store.ts';\n"),
    rule: 'import-form',
    at: 'src/core/people/people.ts:2',
    says: /own folder/,
  },
  {
    name: 'a package outside its home',
    files: people("import { Agent } from 'undici';\n"),
    rule: 'package-home',
    at: 'src/core/people/people.ts:2',
    says: /undici is used in src\/kit\/net\/ alone/,
  },
  {
    name: 'a package that is not installed with us',
    files: people("import fc from 'fast-check';\n"),
    rule: 'package-home',
    at: 'src/core/people/people.ts:2',
    says: /not among the dependencies/,
  },
  ...[
    "export const a = () => fetch('https://x');\n",
    "import net from 'node:net';\nnet.connect(1);\n",
    "import http from 'node:http';\nhttp.request('x');\n",
    "import { connect } from 'node:tls';\n",
    'new WebSocket(1 as never);\n',
  ].map((text) => ({
    name: `an unguarded way out: ${text.trim().split('\n').at(-1)}`,
    files: people(text),
    rule: 'network',
    at: `src/core/people/people.ts:${text.trim().split('\n').length + 1}`,
    says: /Only kit\/net connects/,
  })),
  ...[
    "const a = 'select id from people';\n",
    'const a = `update people set name = $1`;\n',
    'const a = `\n  with found as (select 1) select 2`;\n',
    'export const a = (tx: any) => tx.query(1);\n',
    'export const a = (db: any) => db.selectFrom(1);\n',
    'const a = sql`x`;\n',
  ].map((text) => ({
    name: `SQL outside a store: ${text.trim().replaceAll('\n', ' ')}`,
    files: people(text),
    rule: 'sql',
    at: 'src/core/people/people.ts:2',
    says: /store\.ts/,
  })),
  {
    name: 'a table with two owners',
    files: { ...groups(''), 'src/core/groups/store.ts': "const a = 'delete from people where id = $1';\n" },
    rule: 'table-owner',
    at: 'src/core/people/store.ts:1',
    says: /people is written by src\/core\/groups already/,
  },
  {
    name: "a join over someone else's table",
    files: {
      ...groups(''),
      'src/core/groups/store.ts':
        'const a = `insert into groups values (1)`;\nconst b = `select 1 from groups join people on true`;\n',
    },
    rule: 'table-owner',
    at: 'src/core/groups/store.ts:2',
    says: /people belongs to src\/core\/people/,
  },
  {
    name: 'a file that is too long',
    files: people(lines(400)),
    rule: 'file-size',
    at: 'src/core/people/people.ts:1',
    says: /401 lines; 400/,
  },
  {
    name: 'a function that is too long',
    files: people(
      `export async function long(a: { b: string }): Promise<{ c: string }> {\n${'  a.b;\n'.repeat(69)}}\n`,
    ),
    rule: 'function-size',
    at: 'src/core/people/people.ts:2',
    says: /long takes 71 lines; 70/,
  },
  {
    name: 'a closure that is too long',
    files: people(`export function make() {\n${'  const a = () => {\n    b;\n    c;\n  };\n'.repeat(50)}}\n`),
    rule: 'function-size',
    at: 'src/core/people/people.ts:2',
    says: /make takes 202 lines with what stands inside/,
  },
  {
    name: 'a folder without a front page',
    files: { ...map('core/groups'), 'src/core/groups/store.ts': 'export const a = 1;\n' },
    rule: 'front-page',
    at: 'src/core/groups/groups.ts:1',
    says: /no front page/,
  },
  {
    name: 'a front page without its opening',
    files: { 'src/core/people/people.ts': 'export const a = 1;\n' },
    rule: 'front-page',
    at: 'src/core/people/people.ts:1',
    says: /opens with a comment/,
  },
  ...['utils', 'types', 'index', 'helpers', 'common'].map((drawer) => ({
    name: `a drawer: ${drawer}.ts`,
    files: { [`src/core/people/${drawer}.ts`]: 'export const a = 1;\n' },
    rule: 'name',
    at: `src/core/people/${drawer}.ts:1`,
    says: /names a drawer/,
  })),
  {
    name: 'a file name in capitals',
    files: { 'src/core/people/newPerson.ts': 'export const a = 1;\n' },
    rule: 'name',
    at: 'src/core/people/newPerson.ts:1',
    says: /small letters/,
  },
  {
    name: 'a barrel',
    files: {
      'src/core/people/all.ts': "// all\nexport * from './people.ts';\nexport { a } from './store.ts';\n",
    },
    rule: 'barrel',
    at: 'src/core/people/all.ts:1',
    says: /passes others on/,
  },
  {
    name: 'chance that can be foretold',
    files: people('export const a = Math.random();\n'),
    rule: 'random',
    at: 'src/core/people/people.ts:2',
    says: /can be foretold/,
  },
  {
    name: 'the environment read anywhere',
    files: people('export const a = process.env.HOME;\n'),
    rule: 'environment',
    at: 'src/core/people/people.ts:2',
    says: /Hand the value in/,
  },
  {
    name: 'a line on the terminal',
    files: people("console.log('x');\n"),
    rule: 'console',
    at: 'src/core/people/people.ts:2',
    says: /Write to the log/,
  },
  {
    name: 'a require',
    files: people("export const a = require('zod');\n"),
    rule: 'require',
    at: 'src/core/people/people.ts:2',
    says: /Use import/,
  },
  {
    name: 'a console that knows the server',
    files: {
      ...web("import { x } from '#core/people/people.ts';\n"),
    },
    rule: 'dependency',
    at: 'src/consoles/admin/web/console.tsx:2',
    says: /speak over \/api\/v1/,
  },
  {
    name: 'a package of the server in the browser',
    files: { ...web("import { z } from 'zod';\n") },
    rule: 'package-home',
    at: 'src/consoles/admin/web/console.tsx:2',
    says: /preact, preact-iso, uplot alone/,
  },
  {
    name: 'a page of the console that asks by itself',
    files: { ...web("export const a = () => fetch('/x');\n") },
    rule: 'network',
    at: 'src/consoles/admin/web/console.tsx:2',
    says: /kit\/net/,
  },
  {
    name: 'unfinished work',
    files: people('\n/*\n * TODO later\n */\n'),
    rule: 'unfinished',
    at: 'src/core/people/people.ts:4',
    says: /TODO is left/,
  },
  {
    name: 'a folder the code map does not name',
    files: { ...groups(''), ...map() },
    rule: 'architecture',
    at: 'docs/architecture.md:1',
    says: /src\/core\/groups is there and not in the map/,
  },
  {
    name: 'a folder only the code map names',
    files: map('core/ghosts'),
    rule: 'architecture',
    at: 'docs/architecture.md:1',
    says: /src\/core\/ghosts is in the map and not there/,
  },
  {
    name: 'a code map that is too long',
    files: { 'docs/architecture.md': `${sound['docs/architecture.md']}\n${'\n'.repeat(149)}end\n` },
    rule: 'architecture',
    at: 'docs/architecture.md:151',
    says: /151 lines; 150/,
  },
  {
    name: 'a dependency without its line',
    files: { 'package.json': '{"dependencies":{"zod":"4.6.7"},"devDependencies":{"yaml":"1.0.0"}}' },
    rule: 'dependency-page',
    at: 'docs/decisions/0001-dependencies.md:1',
    says: /yaml 1\.0\.0 has no line/,
  },
  {
    name: 'a dependency nobody uses',
    files: {
      'package.json': '{"dependencies":{"zod":"4.6.7","pg":"1.0.0","node":"24.0.0"}}',
      'docs/decisions/0001-dependencies.md': '| `zod` | 4.6.7 |\n| `pg` | 1.0.0 |\n| `node` | 24.0.0 |\n',
    },
    rule: 'package-used',
    at: 'package.json:1',
    says: /Nothing uses pg/,
  },
  {
    name: 'a dependency page with one that is gone',
    files: { 'docs/decisions/0001-dependencies.md': '| `zod` | 4.6.7 |\n| `left` | 1.0.0 |\n' },
    rule: 'dependency-page',
    at: 'docs/decisions/0001-dependencies.md:2',
    says: /left is not used any more/,
  },
  {
    name: 'a command that knows main',
    files: {
      ...map('cli'),
      'src/main.ts': front,
      'src/cli/gatehouse.ts': `${front}import { x } from '#main.ts';\nimport { y } from './serve.ts';\n`,
      'src/cli/serve.ts': "import { x } from '#main.ts';\n",
    },
    rule: 'dependency',
    at: 'src/cli/serve.ts:1',
    says: /cli stands left of main/,
  },
  {
    name: 'a dependency of another version',
    files: { 'package.json': '{"dependencies":{"zod":"4.7.0"}}' },
    rule: 'dependency-page',
    at: 'docs/decisions/0001-dependencies.md:1',
    says: /zod is 4\.7\.0 now/,
  },
];

for (const { name, files, rule, at, says } of planted) {
  test(`found: ${name}`, () => {
    const found = findings(files).map((one) => ({ ...one, at: `${one.file}:${one.line}` }));
    const hit = found.find((one) => one.rule === rule && one.at === at);
    assert.ok(hit, JSON.stringify(found, undefined, 1));
    assert.match(hit.text, says);
    const others = found.filter((one) => one.rule !== rule && one.rule !== 'architecture');
    assert.deepEqual(others, [], 'and nothing else');
  });
}

test('what only looks like a fault is left alone', () => {
  const prose = [
    "const a = 'Select an app from the list';",
    "const b = 'Update your password';",
    "// select id from people; Math.random(); fetch('x')",
    "const c = 'process.env and console.log and TODO';",
    'const d = /fetch\\(/.test(c) ? 1 / 2 / 3 : 4; // TODOS',
    `const e = \`\${net.fetch(c)} with \${d}\`;`,
    "import type { FastifyRequest } from 'fastify';",
    "import { isIP } from 'node:net';",
    "import { createServer } from 'node:http';",
    'interface Net { fetch(url: string): Promise<void> }',
    'const f = (request: { query: unknown }) => request.query;',
  ];
  assert.deepEqual(findings(people(`${prose.join('\n')}\n`)), []);
  const inTest = {
    'src/core/people/people.test.ts': "import '../../../test/kit.ts';\nconst a = 'select 1 from people';\n",
  };
  assert.deepEqual(findings(inTest), []);
});

test('an exception lets its finding pass, and one that covers nothing is found', () => {
  const file = 'src/core/people/people.ts';
  const long = people(lines(500));
  assert.deepEqual(findings(long, [{ file, rule: 'file-size', reason: 'shown here' }]), []);
  const stale = findings({}, [{ file, rule: 'file-size', reason: 'shown here' }]);
  assert.deepEqual(
    stale.map(({ rule }) => rule),
    ['exception'],
  );
});

test('the scanner keeps code and blanks the rest', () => {
  const text = `a('x'); /* b */ \`c\${d('e')}f\` // g\nconst h = /i['"]/g;\n`;
  const { code, literals, comments } = scan(text);
  assert.equal(code.length, text.length);
  assert.equal(code.replace(/ +/g, ' '), `a(' '); \` \${d(' ')} \` \nconst h = g;\n`);
  assert.deepEqual(
    literals.map((literal) => literal.text),
    ['x', 'e', 'cf'],
  );
  assert.deepEqual(
    comments.map((comment) => comment.text.trim()),
    ['b', 'g'],
  );
});

test('functions are measured past their types', () => {
  const shapes = [
    'function a(): Promise<{ x: string }> {\n1;\n}',
    'const b = async (x: { y: number } = { y: 1 }): Promise<void> => {\n1;\n};',
    'class C { d(x: string): x is "y" | "z" {\n1;\n} }',
    'function e<T extends { f: string }>(g: T): (h: T) => Promise<() => void> {\n1;\n}',
    'const i = j => {\n1;\n};',
    'const k = { async *l<M>(n: M) {\n1;\n} };',
  ];
  for (const shape of shapes)
    assert.ok(
      functionsIn(scan(shape)).some(({ lines: count }) => count === 3),
      shape,
    );
  assert.deepEqual(functionsIn(scan('if (a(b)) {\n1;\n}\nfor (const c of d()) {\n2;\n}\n')), []);
});
