import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { loadConfig } from '../src/config/config.ts';
import { configFileEnv, type Setting, settings } from '../src/config/settings.ts';

const root = path.join(import.meta.dirname, '..');
const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-deploy-'));
after(() => rmSync(folder, { recursive: true }));

function filesBelow(name: string): string[] {
  const found = readdirSync(path.join(root, name), { recursive: true, encoding: 'utf8' });
  return found.map((file) => path.join(root, name, file)).filter((file) => statSync(file).isFile());
}

test('deploy and docs name only settings that exist', () => {
  const all = Object.values(settings as unknown as Record<string, Setting<unknown>>);
  let seen = 0;
  const known = new Set([configFileEnv, ...all.flatMap(({ env, secret }) => [env, secret?.fileEnv ?? env])]);
  for (const file of [...filesBelow('deploy'), ...filesBelow('docs')].filter((name) =>
    /\.(md|ya?ml|service|sh|mjs)$/.test(name),
  )) {
    for (const [name] of readFileSync(file, 'utf8').matchAll(
      /\b(?:GATEHOUSE|DATABASE)_(?!TEST_)[A-Z][A-Z0-9_]*[A-Z0-9]\b/g,
    )) {
      seen += 1;
      assert.ok(known.has(name), `${name} in ${path.relative(root, file)}`);
    }
  }
  assert.ok(seen > 50, `${seen} names seen`);
});

interface Compose {
  services: Record<
    string,
    { environment: Record<string, string>; secrets: string[]; read_only?: boolean; ports?: string[] }
  >;
  secrets: Record<string, { file: string }>;
}

/** What prepare.sh would make, and where the container finds it. */
const secretTexts: Readonly<Record<string, string>> = {
  'master-key': 'A'.repeat(43),
  'mail-url': 'smtps://user:password@mail.example.org',
  'database-url': 'postgres://gatehouse:password@postgres/gatehouse',
};

function withSecrets(environment: Readonly<Record<string, string>>, prefix: string): Record<string, string> {
  const at = (name: string) => {
    writeFileSync(path.join(folder, name), secretTexts[name] ?? assert.fail(name));
    return path.join(folder, name);
  };
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.startsWith(prefix) ? at(value.slice(prefix.length)) : value,
    ]),
  );
}

test('the compose file makes a configuration that starts', () => {
  const compose = parse(readFileSync(path.join(root, 'deploy/compose/compose.yaml'), 'utf8')) as Compose;
  const { environment, secrets } = compose.services.gatehouse!;
  for (const name of [...secrets, ...compose.services.postgres!.secrets])
    assert.ok(compose.secrets[name], name);
  const values = {
    '${PUBLIC_URL:?set PUBLIC_URL in .env}': 'https://id.example.org',
    '${MAIL_DOMAIN:?set MAIL_DOMAIN in .env}': 'example.org',
  };
  const filled = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      ((values as Record<string, string>)[value] ?? value).replace(/^\$\{\w+:-(.*)\}$/, '$1'),
    ]),
  );
  const dockerfile = readFileSync(path.join(root, 'deploy/compose/Dockerfile'), 'utf8');
  const fromImage = Object.fromEntries(
    [...dockerfile.matchAll(/\b(GATEHOUSE_\w+)=(\S+)/g)].map((match) => [match[1]!, match[2]!]),
  );
  const config = loadConfig({ env: { ...fromImage, ...withSecrets(filled, '/run/secrets/') }, cwd: folder });
  assert.equal(config.host, '0.0.0.0');
  assert.deepEqual([config.smtpHost, config.smtpPort], ['0.0.0.0', 1025]);
  assert.ok(compose.services.gatehouse!.ports?.some((port) => port.endsWith(`:${config.smtpPort}`)));
  assert.equal(config.smtpUrl?.reveal(), secretTexts['mail-url']);
  assert.equal(config.databaseUrl?.reveal(), secretTexts['database-url']);
});

test('the service unit and its settings file make a configuration that starts', () => {
  const unit = readFileSync(path.join(root, 'deploy/systemd/gatehouse.service'), 'utf8');
  const environment = Object.fromEntries(
    [...unit.matchAll(/^Environment=(\w+)=(\S+)$/gm)].map((match) => [match[1]!, match[2]!]),
  );
  for (const [, name] of unit.matchAll(/^Environment=\w+=%d\/(\S+)$/gm)) {
    assert.match(unit, new RegExp(`^LoadCredential=${name}:`, 'm'));
  }
  const readme = readFileSync(path.join(root, 'deploy/systemd/README.md'), 'utf8');
  const yaml = /<<'YAML'\n([\s\S]*?)YAML\n/.exec(readme)?.[1] ?? assert.fail('no settings file');
  writeFileSync(path.join(folder, 'gatehouse.yaml'), yaml);
  const env = { ...withSecrets(environment, '%d/'), GATEHOUSE_CONFIG: path.join(folder, 'gatehouse.yaml') };
  const config = loadConfig({ env, cwd: folder });
  assert.equal(config.publicUrl, 'https://id.example.org');
  assert.equal(config.smtpUrl?.reveal(), secretTexts['mail-url']);
  const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
  assert.ok(stop > config.drainSeconds, 'what drains is not killed');
});

test('the health check asks under the public name and believes only 200', async () => {
  const asked: (string | undefined)[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    asked.push(`${request.headers.host}${request.url}`);
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = (server.address() as AddressInfo).port;
  const env = { GATEHOUSE_PORT: String(port), GATEHOUSE_PUBLIC_URL: 'https://id.example.org' };
  const check = () =>
    promisify(execFile)(process.execPath, [path.join(root, 'deploy/compose/healthcheck.mjs')], { env });
  await check();
  assert.deepEqual(asked, ['id.example.org/health/ready']);
  status = 503;
  await assert.rejects(check());
  server.close();
  server.closeAllConnections();
  await assert.rejects(check());
});
