/**
 * A real SimpleSAMLphp as an app or as an identity provider, in PHP's own web server: configuration, keys, sessions and log in a temporary folder.
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
  const { port, key, idp } = options;
  const origin = `http://127.0.0.1:${port}`;
  const entityId = `${origin}/sp`;
  const metadataUrl = `${origin}/module.php/saml/sp/metadata.php/default-sp`;
  const running = await run(port, metadataUrl, (directory) => ({
    'sp.key': key.key,
    'sp.pem': key.certificate,
    'idp.xml': idp.metadata,
    'config.php': configuration(directory, origin, {
      'enable.saml20-idp': 'false',
      'metadata.sources': `[['type' => 'xml', 'file' => '${directory}/idp.xml']]`,
    }),
    'authsources.php': `<?php
    $config = ['default-sp' => ['saml:SP', 'entityID' => '${entityId}', 'idp' => '${idp.entityId}',
      'privatekey' => 'sp.key', 'certificate' => 'sp.pem', 'sign.authnrequest' => true, 'redirect.sign' => true,
      'redirect.validate' => true, 'sign.logout' => true, 'WantAssertionsSigned' => true,
      'signature.algorithm' => '${rsaSha256}', ${options.source ?? ''}]];`,
    'router.php': router,
  }));
  return { ...running, origin, entityId, whoUrl: `${origin}/who`, metadataUrl };
}

const rsaSha256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';

export interface ProviderOptions {
  /** Where it listens, on 127.0.0.1. */
  port: number;
  key: SamlKey;
  /** The service provider: its metadata as XML. */
  sp: { metadata: string };
  /** Attributes by `name:password`. */
  people: Record<string, Record<string, string>>;
  /** Which attribute persistent names are made of. */
  nameBy: string;
  /** Where it may lead after a sign-out: hosts, with a port where there is one. */
  trusted: string[];
}

export interface SimpleSamlProvider {
  origin: string;
  entityId: string;
  metadataUrl: string;
  /** Signs out of everything it signed in to, and goes on to an address. */
  logoutUrl(returnTo: string): string;
  /** From now on assertions are encrypted, or not. */
  encrypt(on: boolean): Promise<void>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Starts it as an identity provider (exampleauth:UserPass) and waits until it answers. */
export async function startSimpleSamlProvider(options: ProviderOptions): Promise<SimpleSamlProvider> {
  const { port, key, sp, people, nameBy, trusted } = options;
  const origin = `http://127.0.0.1:${port}`;
  const entityId = `${origin}/idp`;
  const metadataUrl = `${origin}/saml2/idp/metadata.php`;
  const hosted = (encrypt: boolean) => `<?php
    $metadata['${entityId}'] = ['host' => '__DEFAULT__', 'privatekey' => 'idp.key', 'certificate' => 'idp.pem',
      'auth' => 'people', 'signature.algorithm' => '${rsaSha256}', 'redirect.sign' => true, 'redirect.validate' => true,
      'validate.authnrequest' => true, 'assertion.encryption' => ${encrypt},
      'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      'authproc' => [1 => ['class' => 'saml:PersistentNameID', 'attribute' => '${nameBy}']]];`;
  const users = Object.entries(people).map(([name, attributes]) => {
    const lines = Object.entries(attributes).map(([attribute, value]) => `'${attribute}' => ['${value}']`);
    return `'${name}' => [${lines.join(', ')}]`;
  });
  const running = await run(port, metadataUrl, (directory) => ({
    'idp.key': key.key,
    'idp.pem': key.certificate,
    'sp.xml': sp.metadata,
    'metadata/saml20-idp-hosted.php': hosted(false),
    'config.php': configuration(directory, origin, {
      'enable.saml20-idp': 'true',
      'module.enable': `['exampleauth' => true]`,
      'metadata.sources': `[['type' => 'flatfile', 'directory' => '${directory}/metadata'], ['type' => 'xml', 'file' => '${directory}/sp.xml']]`,
      'trusted.url.domains': `[${trusted.map((host) => `'${host}'`).join(', ')}]`,
    }),
    'authsources.php': `<?php $config = ['people' => ['exampleauth:UserPass', ${users.join(', ')}]];`,
    'router.php': router,
  }));
  return {
    ...running,
    origin,
    entityId,
    metadataUrl,
    logoutUrl: (returnTo) =>
      `${origin}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(returnTo)}`,
    encrypt: (on) => writeFile(path.join(running.directory, 'metadata/saml20-idp-hosted.php'), hosted(on)),
  };
}

/** Runs it on these files, by their name in a folder of its own, and waits until an address answers. */
async function run(port: number, readyUrl: string, files: (directory: string) => Record<string, string>) {
  const directory = await mkdtemp(path.join(tmpdir(), 'simplesamlphp-'));
  const file = (name: string) => path.join(directory, name);
  for (const folder of ['log', 'sessions', 'temporary', 'metadata']) await mkdir(file(folder));
  for (const [name, text] of Object.entries(files(directory))) await writeFile(file(name), text);
  // Read anew each time: a setting that was changed counts at once.
  const fresh = 'opcache.enable=0';
  const flags = ['error_reporting=E_ALL & ~E_DEPRECATED & ~E_WARNING', 'display_errors=0', fresh];
  const server = spawn(
    program,
    [
      ...flags.flatMap((flag) => ['-d', flag]),
      ...['-S', `127.0.0.1:${port}`, '-t', `${library}/www`, file('router.php')],
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
  for (let tries = 0; !(await isReady(readyUrl)); tries++) {
    if (server.exitCode === null && tries < 200) await sleep(50);
    else {
      const said = await log();
      await stop();
      throw new Error(`SimpleSAMLphp did not start: ${said}`);
    }
  }
  return { directory, log, stop };
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}

function configuration(directory: string, origin: string, more: Record<string, string>): string {
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
    'trusted.url.domains': '[]',
    ...more,
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
