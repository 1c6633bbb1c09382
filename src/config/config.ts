/**
 * The settings of one process.
 * Owns the reading of the settings file and the environment. Records nothing.
 * Refuses to start with a wrong, unknown or insecure setting, and names every one of them at once.
 *
 * Order of precedence: command line, environment, settings file, default. Secrets come by environment or by a file
 * that is named; they never stand in the settings file. `main.ts` alone reads this; everyone else is handed values.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { nearest } from '#kit/spelling/spelling.ts';
import { crossCheck } from './checks.ts';
import { readSettingsFile } from './file.ts';
import { readValue } from './kinds.ts';
import { configFileEnv, type Setting, type SettingKey, type SettingValues, settings } from './settings.ts';

export type { Secret } from './kinds.ts';
export type { Role, SettingKey } from './settings.ts';

/** Where a value came from. */
export type Source = 'command line' | 'environment' | 'file' | 'default';

/** All settings of `settings.ts`, frozen, and where each came from. */
export type Config = SettingValues & { readonly sources: Readonly<Record<SettingKey, Source>> };

/** Settings this process cannot run with; `findings` holds a sentence for each, and the message all of them. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly findings: readonly string[];

  constructor(findings: readonly string[]) {
    const many = findings.length === 1 ? 'a setting is wrong' : `${findings.length} settings are wrong`;
    super(
      [`Gatehouse does not start, because ${many}:`, ...findings.map((finding) => `  - ${finding}`)].join(
        '\n',
      ),
    );
    this.findings = findings;
  }
}

/** One value someone gave, before it is read. */
interface Given {
  source: Source;
  /** How a refusal calls it. */
  name: string;
  raw: unknown;
  /** Folder relative paths stand in. */
  base: string;
}

type AnySetting = Setting<unknown>;

const table = settings as unknown as Readonly<Record<SettingKey, AnySetting>>;
const keys = Object.keys(settings) as SettingKey[];

/** What is gathered on the way; `broken` settings get no second finding from a check that needs them. */
interface Reading {
  given: Map<SettingKey, Given>;
  broken: Set<SettingKey>;
  findings: string[];
}

/**
 * Reads all settings.
 * @param input.file settings file; without it the one GATEHOUSE_CONFIG names, if any
 * @param input.argv values of the command line by setting key, as typed
 * @param input.demo refuses everything that is not loopback
 * @param input.cwd folder relative paths of the environment and command line stand in
 * @throws ConfigError with every finding at once
 */
export function loadConfig(input: {
  env: Readonly<Record<string, string | undefined>>;
  file?: string;
  argv?: Partial<Record<SettingKey, unknown>>;
  demo?: boolean;
  cwd?: string;
}): Config {
  const cwd = input.cwd ?? process.cwd();
  const reading: Reading = { given: new Map(), broken: new Set(), findings: [] };
  const file = input.file ?? (input.env[configFileEnv] || undefined);
  if (file !== undefined) takeFile(reading, path.resolve(cwd, file));
  takeEnvironment(reading, input.env, cwd);
  for (const key of keys) {
    const raw = input.argv?.[key];
    if (raw !== undefined)
      reading.given.set(key, { source: 'command line', name: `--${key}`, raw, base: cwd });
  }
  const values = readAll(reading, cwd);
  reading.findings.push(...crossCheck(values, reading.broken, { demo: input.demo ?? false }));
  if (reading.findings.length > 0) throw new ConfigError(reading.findings);
  const sources = Object.fromEntries(keys.map((key) => [key, reading.given.get(key)?.source ?? 'default']));
  return Object.freeze({ ...values, sources: Object.freeze(sources) as Config['sources'] });
}

function takeFile(reading: Reading, file: string): void {
  const read = readSettingsFile(file);
  reading.findings.push(...read.findings);
  const fileKeys = new Map<string, SettingKey>();
  for (const key of keys) if (table[key].secret?.fileEnv) fileKeys.set(`${key}File`, key);
  const plainKeys = keys.filter((key) => !table[key].secret);
  const base = path.dirname(file);
  for (const { key: name, raw, line } of read.entries) {
    const place = `${file}, line ${line}`;
    const secretKey = fileKeys.get(name);
    const key = Object.hasOwn(settings, name) ? (name as SettingKey) : undefined;
    if (secretKey) {
      takeSecretFile(reading, secretKey, `${name} (${place})`, path.resolve(base, String(raw)), 'file');
    } else if (!key) {
      reading.findings.push(unknownName(name, [...plainKeys, ...fileKeys.keys()], place));
    } else if (table[key].secret) {
      reading.findings.push(secretInFile(key, place));
      reading.broken.add(key);
    } else if (raw !== null && raw !== '') {
      reading.given.set(key, { source: 'file', name: `${name} (${place})`, raw, base });
    }
  }
}

/** Every name of the environment that means something here, and the setting it belongs to. */
function environmentNames(): Map<string, { key: SettingKey; isFile: boolean }> {
  const names = new Map<string, { key: SettingKey; isFile: boolean }>();
  for (const key of keys) {
    const { env, secret } = table[key];
    names.set(env, { key, isFile: false });
    if (secret?.fileEnv) names.set(secret.fileEnv, { key, isFile: true });
  }
  return names;
}

function takeEnvironment(
  reading: Reading,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): void {
  const names = environmentNames();
  const taken = new Set<SettingKey>();
  for (const [name, { key, isFile }] of names) {
    const raw = env[name];
    // Compose files and unit files pass "not set" as empty text.
    if (raw === undefined || raw.trim() === '') continue;
    if (taken.has(key))
      reading.findings.push(`${table[key].env} and ${name} are both set. Keep one of them.`);
    taken.add(key);
    if (isFile) takeSecretFile(reading, key, name, path.resolve(cwd, raw.trim()), 'environment');
    else reading.given.set(key, { source: 'environment', name, raw, base: cwd });
  }
  if (taken.has('masterKey') && reading.given.has('masterKeyFile')) {
    reading.findings.push('GATEHOUSE_MASTER_KEY and a master key file are both set. Keep one of them.');
  }
  for (const name of Object.keys(env).sort()) {
    if (!/^GATEHOUSE_(?!TEST_)/.test(name) || name === configFileEnv || names.has(name)) continue;
    reading.findings.push(unknownName(name, [...names.keys(), configFileEnv], 'the environment'));
  }
}

function takeSecretFile(reading: Reading, key: SettingKey, name: string, file: string, source: Source): void {
  try {
    reading.given.set(key, {
      source,
      name,
      raw: readFileSync(file, 'utf8').trim(),
      base: path.dirname(file),
    });
  } catch {
    reading.findings.push(`${name} names ${file}, which cannot be read.`);
    reading.broken.add(key);
  }
}

function secretInFile(key: SettingKey, place: string): string {
  const { env, secret } = table[key];
  const other = secret?.fileEnv ? `name a file that holds it with ${key}File` : 'use masterKeyFile';
  return `${key} (${place}) is a secret and does not belong in the settings file. Set ${env}, or ${other}.`;
}

function unknownName(name: string, known: readonly string[], place: string): string {
  const shown = JSON.stringify(name.slice(0, 80));
  if (/^GATEHOUSE_(SERVICE_|PORT_)/.test(name)) {
    return `${shown} in ${place} is not a setting. ${serviceLinks}`;
  }
  const meant = nearest(name, known);
  return `${shown} in ${place} is not a setting.${meant ? ` Did you mean ${meant}?` : ''}`;
}

const serviceLinks = 'Kubernetes makes it for a Service named gatehouse: set enableServiceLinks to false.';

function readAll(reading: Reading, cwd: string): SettingValues {
  const values: Record<string, unknown> = {};
  for (const key of keys) {
    const setting = table[key];
    const own = reading.given.get(key);
    if (own) {
      const read = readValue(setting.kind, own.raw, own.base);
      if ('value' in read) values[key] = read.value;
      else {
        reading.broken.add(key);
        reading.findings.push(misfit(setting, own));
      }
    } else if (setting.derived?.from.some((needed) => reading.broken.has(needed as SettingKey))) {
      reading.broken.add(key);
    } else {
      const value = setting.derived ? setting.derived.make(values) : setting.default;
      values[key] =
        setting.kind.isPath && typeof value === 'string' ? path.resolve(cwd, value) : frozen(value);
    }
  }
  return values as SettingValues;
}

function frozen(value: unknown): unknown {
  return Array.isArray(value) ? Object.freeze([...value]) : value;
}

function misfit(setting: AnySetting, { name, raw }: Given): string {
  const expected = `${name} must be ${setting.kind.expects}`;
  if (setting.secret) return `${expected}; what is set is something else.`;
  const hint = typeof raw === 'string' && raw.startsWith('tcp://') ? ` ${serviceLinks}` : '';
  return `${expected}, not ${JSON.stringify(raw)?.slice(0, 120)}.${hint}`;
}
