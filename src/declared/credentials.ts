/** Credentials of targets and upstreams, read where the file says they stand, before the transaction: none need be in it. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { DeclaredError, type Finding } from './findings.ts';
import type { Declared } from './parse.ts';

/** Values by place in the file, then by name; nothing for those whose credentials are not given. */
export type Values = ReadonlyMap<number, Readonly<Record<string, string>>>;
export type ReadyCredentials = Readonly<Record<'targets' | 'upstreams', Values>>;

export interface CredentialPlaces {
  env?: Readonly<Record<string, string | undefined>>;
  /** Where relative files are looked for; default the present folder. */
  folder?: string;
}

const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]{0,100})\}$/;
const largest = 100_000;

/** Reads them. Throws DeclaredError with every variable that is not set and every file that cannot be read. */
export async function readyCredentials(
  declared: Declared,
  places: CredentialPlaces,
): Promise<ReadyCredentials> {
  const findings: Finding[] = [];
  const ready = {
    targets: await readSection(declared, 'targets', places, findings),
    upstreams: await readSection(declared, 'upstreams', places, findings),
  };
  if (findings.length > 0) throw new DeclaredError(findings);
  return ready;
}

async function readSection(
  declared: Declared,
  section: 'targets' | 'upstreams',
  places: CredentialPlaces,
  findings: Finding[],
): Promise<Values> {
  const ready = new Map<number, Record<string, string>>();
  for (const [index, { credentials }] of (declared[section] ?? []).entries()) {
    if (!credentials) continue;
    const values: Record<string, string> = {};
    for (const [name, given] of Object.entries(credentials)) {
      const read = typeof given === 'string' ? fromText(given, places) : await fromFile(given.file, places);
      if (read.value !== undefined) values[name] = read.value;
      else findings.push(declared.places.find([section, index, 'credentials', name], read.why ?? 'is empty'));
    }
    ready.set(index, values);
  }
  return ready;
}

interface Read {
  value?: string;
  why?: string;
}

function fromText(given: string, { env = {} }: CredentialPlaces): Read {
  const name = variable.exec(given)?.[1];
  if (name === undefined) return { value: given };
  const value = env[name];
  return value ? { value } : { why: `the environment variable ${name} is not set` };
}

async function fromFile(file: string, { folder = '.' }: CredentialPlaces): Promise<Read> {
  try {
    const place = path.resolve(folder, file);
    if ((await stat(place)).size > largest) return { why: 'the file is larger than a credential can be' };
    const value = (await readFile(place, 'utf8')).trim();
    return value === '' ? { why: 'the file is empty' } : { value };
  } catch {
    return { why: 'the file cannot be read' };
  }
}
