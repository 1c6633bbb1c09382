/**
 * A real SimpleSAMLphp as an app, in PHP's own web server: configuration, keys, sessions and log in a temporary folder.
 * Needs the Debian packages simplesamlphp and php-cli.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SamlKey } from '../saml.ts';

const program = '/usr/bin/php';
const library = '/usr/share/simplesamlphp';

/** Why it cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function simpleSamlMissing(): string | undefined {
  if (!existsSync(program)) return `skipped: ${program} is not installed (Debian package php-cli)`;
  if (!existsSync(`${library}/www`))
    return `skipped: ${library} is not installed (Debian package simplesamlphp)`;
  return undefined;
}

export interface ServiceOptions {
  /** Where it listens, on 127.0.0.1. */
  port: number;
  key: SamlKey;
  /** The identity provider: its entity id, and its metadata as XML. */
  idp: { entityId: string; metadata: string };
  /** More of the authentication source, as PHP. */
  source?: string;
}

export interface SimpleSaml {
  origin: string;
  entityId: string;
  /** Asks for a sign-in and shows who came: a JSON text. `?logout` signs out and comes back to `/bye`. */
  whoUrl: string;
  metadataUrl: string;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts it as a service provider and waits until it answers. */
export async function startSimpleSamlService(options: ServiceOptions): Promise<SimpleSaml> {
  const directory = await mkdtemp(path.join(tmpdir(), 'simplesamlphp-'));
  const file = (name: string) => path.join(directory, name);
  const origin = `http://127.0.0.1:${options.port}`;
  const entityId = `${origin}/sp`;
  for (const folder of ['log', 'sessions', 'temporary', 'metadata']) await mkdir(file(folder));
  await writeFile(file('sp.key'), options.key.key);
  await writeFile(file('sp.pem'), options.key.certificate);
  await writeFile(file('idp.xml'), options.idp.metadata);
  await writeFile(file('config.php'), configuration(directory, origin));
  await writeFile(
    file('authsources.php'),
    `<?php
    $config = ['default-sp' => ['saml:SP', 'entityID' => '${entityId}', 'idp' => '${options.idp.entityId}',
      'privatekey' => 'sp.key', 'certificate' => 'sp.pem', 'sign.authnrequest' => true, 'redirect.sign' => true,
      'redirect.validate' => true, 'sign.logout' => true, 'WantAssertionsSigned' => true,
      'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', ${options.source ?? ''}]];`,
  );
  await writeFile(file('router.php'), router);
  const server = spawn(
    program,
    [
      '-d',
      'error_reporting=E_ALL & ~E_DEPRECATED & ~E_WARNING',
      '-d',
      'display_errors=0',
      '-S',
      `127.0.0.1:${options.port}`,
      '-t',
      `${library}/www`,
      file('router.php'),
    ],
    { env: { ...process.env, SIMPLESAMLPHP_CONFIG_DIR: directory }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const end = () => void server.kill('SIGTERM');
  process.once('exit', end);
  let words = '';
  server.stderr.on('data', (data) => (words += data));
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const log = async () =>
    words.slice(-4000) + (await readFile(file('log/simplesamlphp.log'), 'utf8').catch(() => ''));
  async function stop() {
    server.kill('SIGTERM');
    await ended;
    process.off('exit', end);
    await rm(directory, { recursive: true, force: true });
  }
  const metadataUrl = `${origin}/module.php/saml/sp/metadata.php/default-sp`;
  for (let tries = 0; !(await isReady(metadataUrl)); tries++) {
    if (server.exitCode === null && tries < 200) await sleep(50);
    else {
      const said = await log();
      await stop();
      throw new Error(`SimpleSAMLphp did not start: ${said}`);
    }
  }
  return { origin, entityId, whoUrl: `${origin}/who`, metadataUrl, log, stop };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function configuration(directory: string, origin: string): string {
  const values: Record<string, string> = {
    baseurlpath: `'${origin}/'`,
    certdir: `'${directory}/'`,
    loggingdir: `'${directory}/log/'`,
    datadir: `'${directory}/'`,
    tempdir: `'${directory}/temporary'`,
    metadatadir: `'${directory}/metadata'`,
    secretsalt: `'for this test alone'`,
    'auth.adminpassword': `'unused in this test'`,
    technicalcontact_name: `'Test'`,
    technicalcontact_email: `'na@example.org'`,
    timezone: `'UTC'`,
    'logging.level': '7',
    'logging.handler': `'file'`,
    'logging.logfile': `'simplesamlphp.log'`,
    'enable.saml20-idp': 'false',
    'session.duration': '28800',
    'session.cookie.name': `'SimpleSAML'`,
    'session.cookie.secure': 'false',
    'session.phpsession.cookiename': `'SimpleSAMLphp'`,
    'session.phpsession.savepath': `'${directory}/sessions'`,
    'session.phpsession.httponly': 'true',
    'session.authtoken.cookiename': `'SimpleSAMLAuthToken'`,
    'store.type': `'phpsession'`,
    'language.available': `['en']`,
    'language.default': `'en'`,
    'metadata.sources': `[['type' => 'xml', 'file' => '${directory}/idp.xml']]`,
    'trusted.url.domains': '[]',
  };
  const lines = Object.entries(values).map(([name, value]) => `'${name}' => ${value},`);
  return `<?php\n$config = [\n${lines.join('\n')}\n];\n`;
}

/** Our page beside those of the library. */
const router = `<?php
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/bye') { echo 'See you.'; return true; }
if ($path === '/favicon.ico') { return true; }
if ($path !== '/who') { return false; }
require_once '${library}/lib/_autoload.php';
$as = new \\SimpleSAML\\Auth\\Simple('default-sp');
$origin = 'http://' . $_SERVER['HTTP_HOST'];
if (isset($_GET['logout'])) { $as->logout($origin . '/bye'); }
$as->requireAuth(['ReturnTo' => $origin . '/who']);
header('content-type: application/json');
$name = $as->getAuthData('saml:sp:NameID');
echo json_encode(['name' => $name->getValue(), 'format' => $name->getFormat(), 'attributes' => $as->getAttributes()]);
return true;
`;
