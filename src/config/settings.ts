/**
 * Every setting, declared once: its key in the settings file, its name in the environment, its text, default and
 * example. `config.ts` reads by this list and docs/configuration.md is made from it. What a community may set while
 * running (name, look, rules for user names, session lifetimes) is not here but in `core/community`.
 */
import path from 'node:path';
import type { Kind } from './kinds.ts';
import * as kinds from './kinds.ts';
import { mailSettings, relayPlaces } from './mail-settings.ts';
import { setting } from './setting.ts';

export type { Known, Setting } from './setting.ts';
export { isLoopback, sections } from './setting.ts';

export const roles = ['web', 'worker', 'relay'] as const;
export type Role = (typeof roles)[number];

export const settings = {
  data: setting(kinds.filePath, {
    section: 'Where it runs',
    env: 'GATEHOUSE_DATA',
    text: 'Folder for everything this installation keeps: the embedded database, the master key when no other place is named for it, backups in the making.',
    example: '/var/lib/gatehouse',
    default: './.gatehouse',
  }),
  run: setting(kinds.listOf(kinds.oneOf(...roles), `a list of ${roles.join(', ')}`, 1), {
    section: 'Where it runs',
    env: 'GATEHOUSE_RUN',
    text: 'The parts this process runs: pages and protocols, mail and other work behind them, or the relay that takes mail for alias mailboxes. Several processes on one database may share the work.',
    example: 'web',
    default: roles,
  }),
  logLevel: setting(kinds.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'), {
    section: 'Where it runs',
    env: 'GATEHOUSE_LOG_LEVEL',
    text: 'The least important lines still written to the log (JSON lines on standard output).',
    example: 'warn',
    default: 'info',
  }),
  drainSeconds: setting(kinds.wholeNumber(0, 600), {
    section: 'Where it runs',
    env: 'GATEHOUSE_DRAIN_SECONDS',
    text: 'After SIGTERM, how long requests and jobs in hand may take to end before they are cut off.',
    example: '30',
    default: 20,
  }),

  host: setting(kinds.bindHost, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_HOST',
    text: 'Address to listen on. Anything but loopback needs https: a certificate here, or a reverse proxy named in `trustedProxies`.',
    example: '0.0.0.0',
    default: '127.0.0.1',
  }),
  port: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_PORT',
    text: 'Port of the pages, the protocols over HTTP and the API; of the health checks and figures alone where a process runs no pages. Processes on one machine need one each. The demo takes the next ports for its apps.',
    example: '8443',
    default: 8080,
  }),
  tlsCert: setting(kinds.filePath, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_TLS_CERT',
    text: 'Certificate chain (PEM) to serve https without a proxy. Goes with `tlsKey`.',
    example: '/etc/gatehouse/tls/fullchain.pem',
  }),
  tlsKey: setting(kinds.filePath, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_TLS_KEY',
    text: 'Private key (PEM) of the certificate.',
    example: '/etc/gatehouse/tls/privkey.pem',
  }),
  publicUrl: setting(kinds.origin, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_PUBLIC_URL',
    text: 'The address people type: links in mails, cookies and passkeys belong to it. https, or http on this machine only.',
    example: 'https://id.example.org',
    derived: {
      from: ['port', 'tlsCert'],
      make: (known) => `${known.tlsCert ? 'https' : 'http'}://localhost:${known.port}`,
      text: '`http://localhost:<port>`, with https when a certificate is set',
    },
  }),
  issuer: setting(kinds.issuer, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_ISSUER',
    text: 'The name apps know this installation by in every token, compared byte for byte. It may stay as it is when the public address changes.',
    example: 'https://id.example.org',
    derived: { from: ['publicUrl'], make: (known) => String(known.publicUrl), text: 'the public URL' },
  }),
  extraHosts: setting(kinds.listOf(kinds.hostName, 'a list of host names such as id.internal.example.org'), {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_EXTRA_HOSTS',
    text: 'Further host names requests may come in under, beside those of the public URL and the issuer. Every other name is refused.',
    example: 'login.example.org',
    default: [],
  }),
  trustedProxies: setting(
    kinds.listOf(kinds.network, 'a list of networks such as 10.0.0.0/8, never the whole internet'),
    {
      section: 'Addresses and ports',
      env: 'GATEHOUSE_TRUSTED_PROXIES',
      text: 'Networks of the reverse proxies in front. Only from these are X-Forwarded-For, -Proto and -Host believed.',
      example: '127.0.0.1,10.20.0.0/16',
      default: [],
    },
  ),
  ldapPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_LDAP_PORT',
    text: 'Port of the LDAP listener.',
    example: '389',
    default: 1389,
  }),
  ldapsPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_LDAPS_PORT',
    text: 'Port of the LDAP listener over TLS.',
    example: '636',
    default: 1636,
  }),
  ...relayPlaces,
  gatewayPort: setting(kinds.port, {
    section: 'Addresses and ports',
    env: 'GATEHOUSE_GATEWAY_PORT',
    text: 'Port of the gateway in front of apps that know people by header.',
    example: '8443',
    default: 8090,
  }),

  ...mailSettings,

  databaseUrl: setting(kinds.databaseUrl, {
    section: 'Database and keys',
    env: 'DATABASE_URL',
    text: 'A PostgreSQL (15 or later) to use. Without it an embedded PostgreSQL 18 is started in the data folder.',
    example: 'postgres://gatehouse:secret@db.example.org/gatehouse?sslmode=verify-full',
    secret: { fileEnv: 'DATABASE_URL_FILE' },
  }),
  databasePoolSize: setting(kinds.wholeNumber(2, 200), {
    section: 'Database and keys',
    env: 'GATEHOUSE_DATABASE_POOL_SIZE',
    text: 'Connections to the database each process keeps at most.',
    example: '20',
    default: 10,
  }),
  masterKeyFile: setting(kinds.filePath, {
    section: 'Database and keys',
    env: 'GATEHOUSE_MASTER_KEY_FILE',
    text: 'File with the master key that everything secret in the database is sealed with: 32 bytes in base64 (`openssl rand -base64 32`). Keep a copy apart from the backups; without it they cannot be read.',
    example: '/etc/gatehouse/master.key',
    derived: {
      from: ['data'],
      make: (known) => path.join(String(known.data), 'master.key'),
      text: '`master.key` in the data folder, made at the first start',
    },
  }),
  masterKey: setting(kinds.masterKey, {
    section: 'Database and keys',
    env: 'GATEHOUSE_MASTER_KEY',
    text: 'The master key itself, where secrets come as environment variables. Instead of `masterKeyFile`.',
    example: 'the output of openssl rand -base64 32',
    secret: {},
  }),
  previousMasterKeyFiles: setting(kinds.listOf(kinds.filePath, 'a list of files'), {
    section: 'Database and keys',
    env: 'GATEHOUSE_PREVIOUS_MASTER_KEY_FILES',
    text: 'Earlier master keys that may still open what they sealed, while it is sealed again with the current one.',
    example: '/etc/gatehouse/master-2025.key',
    default: [],
  }),
  signingKeyDays: setting(kinds.wholeNumber(1, 3650), {
    section: 'Database and keys',
    env: 'GATEHOUSE_SIGNING_KEY_DAYS',
    text: 'How many days a key signs tokens before the next one takes over.',
    example: '180',
    default: 90,
  }),
  signingKeyLeadDays: setting(kinds.wholeNumber(1, 365), {
    section: 'Database and keys',
    env: 'GATEHOUSE_SIGNING_KEY_LEAD_DAYS',
    text: 'How many days a new key is published before it signs, so that every app has seen it.',
    example: '14',
    default: 7,
  }),
  signingKeyOverlapDays: setting(kinds.wholeNumber(1, 3650), {
    section: 'Database and keys',
    env: 'GATEHOUSE_SIGNING_KEY_OVERLAP_DAYS',
    text: 'How many days a key stays published after it stopped signing, so that what it signed can still be checked.',
    example: '60',
    default: 30,
  }),

  signInHistoryDays: setting(kinds.wholeNumber(1, 3650), {
    section: 'Protection',
    env: 'GATEHOUSE_SIGN_IN_HISTORY_DAYS',
    text: 'How many days the list of sign-ins, with its networks and devices, is kept. When someone last signed in is kept apart.',
    example: '180',
    default: 400,
  }),
  outboundAllow: setting(kinds.listOf(kinds.outboundTarget, 'a list of networks, host names or host:port'), {
    section: 'Protection',
    env: 'GATEHOUSE_OUTBOUND_ALLOW',
    text: 'Private networks, hosts or host:port we may connect to. Everything private that is not named here is refused.',
    example: 'jira.internal.example.org:8443,10.20.0.0/16',
    default: [],
  }),
  argon2MemoryKiB: setting(kinds.wholeNumber(1024, 262144), {
    section: 'Protection',
    env: 'GATEHOUSE_ARGON2_MEMORY_KIB',
    text: 'Memory one password hash takes, in KiB. Stored hashes follow at the next sign-in.',
    example: '65536',
    default: 19456,
  }),
  argon2Passes: setting(kinds.wholeNumber(1, 16), {
    section: 'Protection',
    env: 'GATEHOUSE_ARGON2_PASSES',
    text: 'Passes over that memory.',
    example: '3',
    default: 2,
  }),
  argon2Lanes: setting(kinds.wholeNumber(1, 16), {
    section: 'Protection',
    env: 'GATEHOUSE_ARGON2_LANES',
    text: 'Lanes (parallelism) of one hash.',
    example: '1',
    default: 1,
  }),
  argon2Concurrency: setting(kinds.wholeNumber(1, 256), {
    section: 'Protection',
    env: 'GATEHOUSE_ARGON2_CONCURRENCY',
    text: 'Hashes that run at once. Without it: one a core.',
    example: '4',
  }),
  signUpWork: setting(kinds.wholeNumber(1, 100_000), {
    section: 'Protection',
    env: 'GATEHOUSE_SIGN_UP_WORK',
    text: 'How much work the puzzle at sign-up takes at most, in derivations of 2,000 iterations; half as much at least. A desktop computer does about 1,700 a second on one core, a phone 500; the browser uses up to four cores, while the form is being filled in.',
    example: '4000',
    default: 1000,
  }),
  captchaSecret: setting(kinds.serviceSecret, {
    section: 'Protection',
    env: 'GATEHOUSE_CAPTCHA_SECRET',
    text: 'The secret of the service that checks sign-ups, where the community has chosen reCAPTCHA, hCaptcha or Turnstile (`signUp.captcha`). Without it nobody can sign up then.',
    example: 'the secret key the service shows beside the site key',
    secret: { fileEnv: 'GATEHOUSE_CAPTCHA_SECRET_FILE' },
  }),
  captchaVerifyUrl: setting(kinds.serviceUrl, {
    section: 'Protection',
    env: 'GATEHOUSE_CAPTCHA_VERIFY_URL',
    text: 'Where answers are checked, when that is not the usual address of the service.',
    example: 'https://www.recaptcha.net/recaptcha/api/siteverify',
  }),
  signInFloorMs: setting(kinds.wholeNumber(0, 5000), {
    section: 'Protection',
    env: 'GATEHOUSE_SIGN_IN_FLOOR_MS',
    text: 'A failed sign-in is answered no sooner than this many milliseconds, whatever the reason, so that time tells nothing.',
    example: '500',
    default: 300,
  }),
} as const;

export type SettingKey = keyof typeof settings;

/** The one name of the environment that is no setting: it says where the settings file is. */
export const configFileEnv = 'GATEHOUSE_CONFIG';

type ValueOf<S> = S extends { kind: Kind<infer T> }
  ? S extends { default: unknown } | { derived: unknown }
    ? T
    : T | undefined
  : never;

/** All settings by key, each with its value or its default. */
export type SettingValues = { readonly [Key in SettingKey]: ValueOf<(typeof settings)[Key]> };
