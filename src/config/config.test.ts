import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { settings } from './settings.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-config-'));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** The findings of a refused set of settings; fails when it was taken. */
function refused(input: Parameters<typeof loadConfig>[0]): readonly string[] {
  try {
    loadConfig(input);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    for (const finding of error.findings) {
      assert.match(finding, /[.?]$/, finding);
      assert.ok(error.message.includes(finding));
    }
    return error.findings;
  }
  throw new assert.AssertionError({ message: 'these settings were taken' });
}

const cert = write('cert.pem', 'certificate');
const key = write('key.pem', 'key');

/** A small production set: https behind a proxy, a mail server. */
const production = {
  GATEHOUSE_PUBLIC_URL: 'https://id.example.org',
  GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1',
  GATEHOUSE_MAIL_URL: 'smtps://user:canary-password@mail.example.org',
};

test('with nothing set there is a whole configuration for this machine alone', () => {
  const config = loadConfig({ env: {}, cwd: folder });
  assert.equal(config.data, path.join(folder, '.gatehouse'));
  assert.equal(config.masterKeyFile, path.join(folder, '.gatehouse/master.key'));
  assert.equal(config.host, '127.0.0.1');
  assert.equal(config.publicUrl, 'http://localhost:8080');
  assert.equal(config.issuer, 'http://localhost:8080');
  assert.equal(config.mailDomain, 'gatehouse.test');
  assert.equal(config.mailFrom, 'noreply@gatehouse.test');
  assert.equal(config.aliasDomain, undefined);
  assert.equal(config.databaseUrl, undefined);
  assert.deepEqual(
    [config.port, config.ldapPort, config.ldapsPort, config.smtpPort, config.gatewayPort],
    [8080, 1389, 1636, 1025, 8090],
  );
  assert.deepEqual(config.run, ['web', 'worker', 'relay']);
  assert.equal(config.sources.port, 'default');
});

test('the configuration is frozen, its lists too', () => {
  const config = loadConfig({ env: { GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1' }, cwd: folder });
  assert.throws(() => Object.assign(config, { port: 1 }), TypeError);
  assert.throws(() => (config.trustedProxies as string[]).push('10.0.0.0/8'), TypeError);
  assert.throws(() => (config.run as string[]).push('web'), TypeError);
});

test('command line beats environment beats file beats default, and each value knows its source', () => {
  const file = write('order.yaml', 'port: 1111\nldapPort: 2222\nsmtpPort: 3333\n');
  const env = { GATEHOUSE_CONFIG: file, GATEHOUSE_PORT: '4444', GATEHOUSE_LDAP_PORT: '5555' };
  const config = loadConfig({ env, argv: { port: '6666' }, cwd: folder });
  assert.deepEqual([config.port, config.ldapPort, config.smtpPort], [6666, 5555, 3333]);
  const { port, ldapPort, smtpPort, gatewayPort } = config.sources;
  assert.deepEqual(
    [port, ldapPort, smtpPort, gatewayPort],
    ['command line', 'environment', 'file', 'default'],
  );
});

test('issuer, public host, mail domain and alias domain are set apart', () => {
  const env = {
    ...production,
    GATEHOUSE_ISSUER: 'https://sso.example.net/realms/community',
    GATEHOUSE_MAIL_DOMAIN: 'example.org',
    GATEHOUSE_ALIAS_DOMAIN: 'People.Example.org',
  };
  const config = loadConfig({ env, cwd: folder });
  assert.equal(config.publicUrl, 'https://id.example.org');
  assert.equal(config.issuer, 'https://sso.example.net/realms/community');
  assert.equal(config.mailDomain, 'example.org');
  assert.equal(config.aliasDomain, 'people.example.org');
  assert.equal(loadConfig({ env: production, cwd: folder }).mailDomain, 'id.example.org');
});

test('every wrong key is named at once, with its line and what was meant', () => {
  const file = write(
    'wrong.yaml',
    'prot: 8443\npublic_url: https://id.example.org\nport: many\nconstructor: 1\n',
  );
  const env = {
    GATEHOUSE_CONFIG: file,
    GATEHOUSE_PROT: '1',
    GATEHOUSE_LOG_LEVEL: 'loud',
    GATEHOUSE_ZZZZZZZZZZ: '1',
  };
  assert.deepEqual(refused({ env, cwd: folder }), [
    `"prot" in ${file}, line 1 is not a setting. Did you mean port?`,
    `"public_url" in ${file}, line 2 is not a setting. Did you mean publicUrl?`,
    `"constructor" in ${file}, line 4 is not a setting.`,
    '"GATEHOUSE_PROT" in the environment is not a setting. Did you mean GATEHOUSE_PORT?',
    '"GATEHOUSE_ZZZZZZZZZZ" in the environment is not a setting.',
    'GATEHOUSE_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, not "loud".',
    `port (${file}, line 3) must be a port number from 0 to 65535, not "many".`,
  ]);
});

test('FE-09 a settings file cannot reach prototypes, repeat a key or bomb with aliases', () => {
  const proto = write('proto.yaml', '__proto__:\n  port: 1\n');
  assert.match(refused({ env: {}, file: proto, cwd: folder })[0]!, /"__proto__" .* is not a setting/);
  assert.match(refused({ env: {}, file: write('twice.yaml', 'port: 1\nport: 2\n') })[0]!, /line 2: .*unique/);
  assert.match(refused({ env: {}, file: write('list.yaml', '- port\n') })[0]!, /must be a list of lines/);
  assert.match(refused({ env: {}, file: path.join(folder, 'none.yaml') })[0]!, /does not exist\.$/);
  assert.equal(({} as Record<string, unknown>).port, undefined);
});

test('names that Kubernetes makes for a Service are explained', () => {
  const findings = refused({
    env: { GATEHOUSE_PORT: 'tcp://10.0.0.1:80', GATEHOUSE_PORT_80_TCP: 'x' },
    cwd: folder,
  });
  assert.equal(findings.length, 2);
  for (const finding of findings) assert.match(finding, /enableServiceLinks/);
});

test('secrets come by environment or a named file, never from the settings file, and do not print', () => {
  const held = write('database-url', 'postgres://gatehouse:canary-password@db/gatehouse\n');
  for (const input of [
    { env: { ...production, DATABASE_URL_FILE: held } },
    { env: production, file: write('secret.yaml', 'databaseUrlFile: database-url\n') },
    { env: { ...production, DATABASE_URL: 'postgres://gatehouse:canary-password@db/gatehouse' } },
  ]) {
    const config = loadConfig({ ...input, cwd: folder });
    assert.equal(config.databaseUrl?.reveal(), 'postgres://gatehouse:canary-password@db/gatehouse');
    const printed = [JSON.stringify(config), inspect(config, { depth: 9 }), `${config.databaseUrl}`];
    assert.doesNotMatch(printed.join(), /canary/);
    assert.match(printed[0]!, /"databaseUrl":"\[secret\]"/);
  }
  const file = write('leak.yaml', 'databaseUrl: postgres://u:canary@db/x\nmasterKey: canary\n');
  const findings = refused({
    env: { DATABASE_URL_FILE: held, DATABASE_URL: 'mysql://canary' },
    file,
    cwd: folder,
  });
  assert.equal(findings.length, 3);
  assert.match(findings[0]!, /name a file that holds it with databaseUrlFile/);
  assert.match(findings[1]!, /masterKeyFile/);
  assert.match(findings[2]!, /both set/);
  assert.doesNotMatch(findings.join(), /canary/);
  const wrong = refused({ env: { DATABASE_URL: 'mysql://u:canary@db/x' }, cwd: folder });
  assert.deepEqual(wrong, [
    'DATABASE_URL must be a PostgreSQL address such as postgres://gatehouse@db.example.org/gatehouse; what is set is something else.',
  ]);
});

test('a missing secret file gives one finding', () => {
  const { GATEHOUSE_MAIL_URL: _, ...rest } = production;
  const env = { ...rest, GATEHOUSE_MAIL_URL_FILE: '/nowhere/mail' };
  assert.deepEqual(refused({ env, cwd: folder }), [
    'GATEHOUSE_MAIL_URL_FILE names /nowhere/mail, which cannot be read.',
  ]);
});

test('paths stand against the file they are written in, or the working directory', () => {
  const file = write('paths.yaml', 'data: store\n');
  assert.equal(loadConfig({ env: {}, file, cwd: '/' }).data, path.join(folder, 'store'));
  assert.equal(loadConfig({ env: { GATEHOUSE_DATA: 'store' }, cwd: '/srv' }).data, '/srv/store');
});

test('empty values in the environment mean not set', () => {
  const env = { GATEHOUSE_PORT: '', DATABASE_URL: ' ', GATEHOUSE_CONFIG: '' };
  assert.equal(loadConfig({ env, cwd: folder }).port, 8080);
});

/** One wrong environment each, and the words its finding must hold. */
const wrong: readonly [string, Record<string, string>, RegExp][] = [
  [
    'http beyond loopback',
    { GATEHOUSE_PUBLIC_URL: 'http://id.example.org', GATEHOUSE_MAIL_URL: 'smtp://localhost' },
    /publicUrl must be https/,
  ],
  ['http issuer', { ...production, GATEHOUSE_ISSUER: 'http://id.example.org' }, /issuer must be https/],
  [
    'issuer with query',
    { GATEHOUSE_ISSUER: 'https://id.example.org?x=1' },
    /GATEHOUSE_ISSUER must be an issuer/,
  ],
  [
    'issuer with empty query',
    { GATEHOUSE_ISSUER: 'https://id.example.org?' },
    /GATEHOUSE_ISSUER must be an issuer/,
  ],
  ['issuer with fragment', { GATEHOUSE_ISSUER: 'https://id.example.org#x' }, /must be an issuer/],
  ['issuer with slash', { GATEHOUSE_ISSUER: 'https://id.example.org/' }, /no slash at the end/],
  ['issuer path with slash', { GATEHOUSE_ISSUER: 'https://id.example.org/a/' }, /no slash at the end/],
  ['issuer in capitals', { GATEHOUSE_ISSUER: 'https://ID.example.org' }, /small letters/],
  ['issuer with default port', { GATEHOUSE_ISSUER: 'https://id.example.org:443' }, /no default port/],
  ['issuer with user', { GATEHOUSE_ISSUER: 'https://me@id.example.org' }, /must be an issuer/],
  ['issuer of another scheme', { GATEHOUSE_ISSUER: 'ftp://id.example.org' }, /must be an issuer/],
  ['public URL with path', { GATEHOUSE_PUBLIC_URL: 'https://example.org/id' }, /must be an origin/],
  [
    'open host, local URL',
    { GATEHOUSE_HOST: '0.0.0.0', GATEHOUSE_MAIL_URL: 'smtp://localhost' },
    /opens this to other machines/,
  ],
  ['host by name', { GATEHOUSE_HOST: 'example.org' }, /IP address to listen on/],
  ['certificate alone', { GATEHOUSE_TLS_CERT: cert }, /tlsKey is missing/],
  ['key alone', { GATEHOUSE_TLS_KEY: key }, /tlsCert is missing/],
  [
    'certificate not there',
    { GATEHOUSE_TLS_CERT: '/nowhere', GATEHOUSE_TLS_KEY: key },
    /tlsCert names \/nowhere/,
  ],
  [
    'certificate and http',
    { GATEHOUSE_TLS_CERT: cert, GATEHOUSE_TLS_KEY: key, GATEHOUSE_PUBLIC_URL: 'http://localhost:1' },
    /says http while tlsCert/,
  ],
  [
    'https without proxy',
    { ...production, GATEHOUSE_TRUSTED_PROXIES: '' },
    /Name the proxy in trustedProxies/,
  ],
  ['everyone as proxy', { GATEHOUSE_TRUSTED_PROXIES: '0.0.0.0/0' }, /never the whole internet/],
  ['everyone as proxy, IPv6', { GATEHOUSE_TRUSTED_PROXIES: '::/0' }, /never the whole internet/],
  ['proxy by number', { GATEHOUSE_TRUSTED_PROXIES: '1' }, /never the whole internet/],
  ['everything outbound', { GATEHOUSE_OUTBOUND_ALLOW: '0.0.0.0/0' }, /networks, host names or host:port/],
  [
    'alias domain is mail domain',
    { GATEHOUSE_MAIL_DOMAIN: 'example.org', GATEHOUSE_ALIAS_DOMAIN: 'EXAMPLE.org' },
    /domain of its own/,
  ],
  [
    'sender in alias domain',
    { GATEHOUSE_ALIAS_DOMAIN: 'a.example.org', GATEHOUSE_MAIL_FROM: 'Us <x@A.example.org>' },
    /mailFrom must not be in aliasDomain/,
  ],
  ['mail domain with one label', { GATEHOUSE_MAIL_DOMAIN: 'example' }, /must be a mail domain/],
  ['two senders', { GATEHOUSE_MAIL_FROM: 'a@example.org, b@example.org' }, /one mail address/],
  ['sender with a line break', { GATEHOUSE_MAIL_FROM: 'Us\r\nBcc: x <a@example.org>' }, /one mail address/],
  ['bare password at one of several', { GATEHOUSE_SMTP_URL: 'smtps://a,smtp://u:p@b.example' }, /requireTLS/],
  ['mail password with a slash', { GATEHOUSE_SMTP_URL: 'smtps://u:465/x@b.example' }, /percent-encoded/],
  ['mail password with a %', { GATEHOUSE_SMTP_URL: 'smtps://u:100%@b.example' }, /percent-encoded/],
  ['mail password with a comma', { GATEHOUSE_SMTP_URL: 'smtps://u:1,2@b.example' }, /percent-encoded/],
  ['a name server by name', { GATEHOUSE_DNS_SERVERS: 'dns.example.org' }, /list of name servers/],
  [
    'relay key without certificate',
    { GATEHOUSE_SMTP_TLS_KEY: import.meta.filename },
    /smtpTlsCert is missing/,
  ],
  ['no mail server', { ...production, GATEHOUSE_MAIL_URL: '' }, /smtpUrl is needed/],
  ['memory outside', { ...production, GATEHOUSE_MAIL_URL: 'memory:' }, /on this machine alone/],
  ['mail password in the clear', { GATEHOUSE_MAIL_URL: 'smtp://u:p@mail.example.org' }, /requireTLS/],
  ['port twice', { GATEHOUSE_PORT: '1025' }, /port and smtpPort must differ; each is 1025/],
  ['port 0 without URL', { GATEHOUSE_PORT: '0' }, /publicUrl is needed when port is 0/],
  ['weak hashing outside', { ...production, GATEHOUSE_ARGON2_PASSES: '1' }, /too low outside this machine/],
  [
    'weak hashing, little memory',
    { ...production, GATEHOUSE_ARGON2_MEMORY_KIB: '4096', GATEHOUSE_ARGON2_PASSES: '16' },
    /too low/,
  ],
  [
    'no floor outside',
    { ...production, GATEHOUSE_SIGN_IN_FLOOR_MS: '0' },
    /signInFloorMs must be at least 100/,
  ],
  ['no role', { GATEHOUSE_RUN: ',' }, /list of web, worker/],
  ['unknown role', { GATEHOUSE_RUN: 'web,wroker' }, /list of web, worker/],
  ['short master key', { GATEHOUSE_MASTER_KEY: 'c2hvcnQ=' }, /32 bytes written in base64/],
  ['two master keys', { GATEHOUSE_MASTER_KEY: 'A'.repeat(43), GATEHOUSE_MASTER_KEY_FILE: '/k' }, /both set/],
  ['lost previous key', { GATEHOUSE_PREVIOUS_MASTER_KEY_FILES: '/nowhere' }, /which cannot be read/],
];

for (const [name, env, words] of wrong) {
  test(`refused: ${name}`, () => {
    const findings = refused({ env, cwd: folder });
    assert.equal(findings.length, 1, findings.join('\n'));
    assert.match(findings[0]!, words);
  });
}

test('what is right is taken: a proxy, a certificate, loopback in each of its forms, private networks', () => {
  const right: Record<string, string>[] = [
    production,
    { ...production, GATEHOUSE_HOST: '0.0.0.0', GATEHOUSE_TRUSTED_PROXIES: '10.0.0.0/8 fd00::/8' },
    { ...production, GATEHOUSE_TRUSTED_PROXIES: '', GATEHOUSE_TLS_CERT: cert, GATEHOUSE_TLS_KEY: key },
    { GATEHOUSE_PUBLIC_URL: 'http://[::1]:8080', GATEHOUSE_HOST: '::1' },
    { GATEHOUSE_PUBLIC_URL: 'http://127.0.0.9:8080/', GATEHOUSE_ISSUER: 'http://login.localhost:8080' },
    { GATEHOUSE_OUTBOUND_ALLOW: 'jira.internal:8443, 10.1.2.3:80,[fd00::1]:80,10.0.0.0/8,fd00::/8' },
    { GATEHOUSE_MAIL_URL: 'smtp://u:p@mail.example.org:587?requireTLS=true' },
    { GATEHOUSE_PORT: '0', GATEHOUSE_LDAP_PORT: '0', GATEHOUSE_PUBLIC_URL: 'http://localhost:5000' },
  ];
  for (const env of right) assert.ok(loadConfig({ env, cwd: folder }), JSON.stringify(env));
  assert.equal(loadConfig({ env: right[4]!, cwd: folder }).publicUrl, 'http://127.0.0.9:8080');
});

test('the demo stays on this machine', () => {
  assert.ok(loadConfig({ env: {}, demo: true, cwd: folder }));
  assert.match(refused({ env: production, demo: true, cwd: folder })[0]!, /The demo stays on this machine/);
});

test('each setting has its own name in the environment, a text and an example that is taken', () => {
  const names = Object.values(settings).map((setting) => setting.env);
  assert.equal(new Set(names).size, names.length);
  for (const [name, setting] of Object.entries(settings)) {
    assert.match(setting.text, /\.$/, name);
    if (name !== 'masterKey' && name !== 'captchaSecret')
      assert.ok(setting.kind.schema.safeParse(setting.example).success, name);
  }
});

test('types: a setting with a default is never undefined, one without may be', () => {
  const config: Config = loadConfig({ env: {}, cwd: folder });
  const always: [string, number, readonly string[]] = [config.issuer, config.port, config.extraHosts];
  // @ts-expect-error the certificate may be missing
  const maybe: string = config.tlsCert;
  assert.ok(always && maybe === undefined);
});
