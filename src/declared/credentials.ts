/** Credentials of targets, read where the file says they stand, before the transaction: none of them need be in the file. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { DeclaredError, type Finding } from './findings.ts';
import type { Declared } from './parse.ts';

/** Values by place of the target in the file, then by name; nothing for targets whose credentials are not given. */
export type ReadyCredentials = ReadonlyMap<number, Readonly<Record<string, string>>>;

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
  const ready = new Map<number, Record<string, string>>();
  for (const [index, { credentials }] of (declared.targets ?? []).entries()) {
    if (!credentials) continue;
    const values: Record<string, string> = {};
    for (const [name, given] of Object.entries(credentials)) {
      const read = typeof given === 'string' ? fromText(given, places) : await fromFile(given.file, places);
      if (read.value !== undefined) values[name] = read.value;
      else
        findings.push(declared.places.find(['targets', index, 'credentials', name], read.why ?? 'is empty'));
    }
    ready.set(index, values);
  }
  if (findings.length > 0) throw new DeclaredError(findings);
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
