import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { build, rewriteSpecifiers } from '../tools/build.ts';

function folderWith(t: TestContext, files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-build-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

test('a built program runs: static, dynamic and # imports, files beside the code, types gone', (t) => {
  const folder = folderWith(t, {
    'package.json': '{ "type": "module", "imports": { "#*": "./src/*" } }',
    'src/main.ts': [
      "import { readFileSync } from 'node:fs';",
      "import { name } from './a/name.ts';",
      "import type { Greeting } from '#a/greet.ts';",
      "import { greet } from '#a/greet.ts';",
      "export * from './a/name.ts';",
      "const { late } = await import('./a/late.ts');",
      'const greeting: Greeting = greet(name);',
      "const asset = readFileSync(new URL('./a/style.css', import.meta.url), 'utf8');",
      "const self = new URL('./a/name.ts', import.meta.url).pathname.split('.').at(-1);",
      'console.log(JSON.stringify([greeting, late, asset, self]));',
    ].join('\n'),
    'src/a/name.ts': "export const name: string = 'people';",
    'src/a/greet.ts':
      'export interface Greeting { text: string }\nexport const greet = (text: string): Greeting => ({ text });',
    'src/a/late.ts':
      'export const late = <T,>(x: T): T => x;\nexport const other = late<number>(3) as number;',
    'src/a/style.css': 'a{}',
    'src/a/name.test.ts': "throw new Error('not shipped');",
  });
  const made = build(path.join(folder, 'src'), path.join(folder, 'dist'));
  assert.deepEqual(made, { modules: 4, assets: 1 });
  rmSync(path.join(folder, 'src'), { recursive: true });
  const output = execFileSync(process.execPath, [path.join(folder, 'dist', 'main.js')], { encoding: 'utf8' });
  assert.deepEqual(JSON.parse(output), [{ text: 'people' }, null, 'a{}', 'js']);
  assert.ok(!existsSync(path.join(folder, 'dist', 'a', 'name.test.js')));
});

test('a package name that ends in .ts and text that only looks like an import stay as they are', () => {
  const code = "import x from 'some.ts';\nconst help = 'write ./config.ts';\nimport '#kit/a.ts';";
  assert.equal(rewriteSpecifiers(code), code.replace('#kit/a.ts', '#kit/a.js'));
});

test('the product builds and no import in it still names a .ts file', (t) => {
  const folder = folderWith(t, {});
  const to = path.join(folder, 'dist');
  build(path.join(import.meta.dirname, '..', 'src'), to);
  for (const entry of readdirSync(to, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.js')) continue;
    const file = path.join(entry.parentPath, entry.name);
    const left = /^\s*(?:import|export)\b[^'"\n]*['"][^'"\n]+\.ts['"]/m.exec(readFileSync(file, 'utf8'));
    assert.equal(left, null, `${file}: ${left?.[0]}`);
  }
});
