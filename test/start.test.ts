import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { nodeFlags } from '../bin/launch.mjs';

const root = path.dirname(import.meta.dirname);

/** Libraries for what few houses have: the first use of each loads it, and until then they cost no memory. */
const later = [
  '@bufbuild/re2',
  '@marcbachmann/cel-js',
  '@node-rs/bcrypt',
  '@peculiar/x509',
  '@simplewebauthn/server',
  '@xmldom/xmldom',
  'kysely',
  'kysely/migration',
  'ldapts',
  'nodemailer',
  'nodemailer/lib/smtp-connection',
  'postal-mime',
  'reflect-metadata',
  'smtp-server',
  'undici',
  'xml-crypto',
  'xml-encryption',
  'yaml',
];

/** MiB of live objects and code once everything is loaded; 29 when this was written. More needs a reason. */
const mostHeap = 36;

/** The URL of every file that was loaded before a server opens its database, and how many MiB of heap they fill. */
async function loadedAtStart(): Promise<{ loaded: string[]; heap: number }> {
  const files = ['src/cli/program.ts', 'src/main.ts'];
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    for (const file of ${JSON.stringify(files.map((file) => pathToFileURL(path.join(root, file)).href))})
      await import(file);
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    const heap = process.memoryUsage().heapUsed / 2 ** 20;
    console.log(JSON.stringify({ loaded, heap }));`;
  const flags = [...nodeFlags, '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: root, maxBuffer: 10_000_000 });
  return JSON.parse(stdout) as { loaded: string[]; heap: number };
}

function packageOf(url: string): string | undefined {
  return /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
}

test('a server loads at its start what every house needs, and nothing else', async () => {
  const { loaded, heap } = await loadedAtStart();
  const packages = new Set(loaded.map(packageOf).filter((name) => name !== undefined));
  assert.ok(packages.has('fastify') && packages.has('oidc-provider'), [...packages].join(' '));
  const { devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  const builders = ['esbuild', 'rolldown', 'lightningcss', ...Object.keys(devDependencies)];
  const doubles = ['unixcrypt'];
  const threads = ['mailauth'];
  const early = [...later, ...builders, ...doubles, ...threads].filter((name) => packages.has(name));
  assert.deepEqual(early, [], 'loaded too early');
  const strange = /\/src\/(simulators\/|declared\/|demo\.ts|cli\/(commands|import|backup|restore)\.ts)/;
  assert.ok(loaded.some((url) => url.endsWith('/src/cli/serve.ts')));
  assert.deepEqual(
    loaded.filter((url) => strange.test(url)),
    [],
  );
  assert.ok(heap > 5 && heap < mostHeap, `${heap.toFixed(1)} MiB of heap`);
});

test('every library that is loaded later is there, and does load', async () => {
  const found = new Set<string>();
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    if (file.endsWith('.test.ts') || /^src\/(demo\.ts|simulators|consoles\/admin\/web)/.test(file)) continue;
    const text = readFileSync(path.join(root, file), 'utf8');
    for (const [, how, name] of text.matchAll(/(?<!typeof )\b(import|require)\('([^'.#][^']*)'\)/g)) {
      found.add(name!);
      const library: object =
        how === 'import' ? await import(name!) : createRequire(path.join(root, file))(name!);
      assert.ok(Object.keys(library).length > 0 || name === 'reflect-metadata', `${name} in ${file}`);
    }
  }
  // Passwords have another engine to fall back on where this one does not load; every server needs one of them.
  assert.ok(found.delete('@node-rs/argon2'));
  assert.deepEqual([...found].sort(), later);
});
