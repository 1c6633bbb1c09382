/** Reads the settings file: YAML (or JSON, which is YAML), one flat map of keys. */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Document } from 'yaml';

const require = createRequire(import.meta.url);
/** Loaded where there is a settings file. */
const yaml = () => require('yaml') as typeof import('yaml');

/** One key of the file as it stands there. */
export interface FileEntry {
  key: string;
  raw: unknown;
  line: number;
}

const longestFile = 1024 * 1024;

/** The entries of a settings file, and a sentence for everything about its form that is wrong. */
export function readSettingsFile(file: string): { entries: FileEntry[]; findings: string[] } {
  let text: string;
  try {
    if (statSync(file).size > longestFile) return { entries: [], findings: [`${file} is larger than 1 MB.`] };
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    return { entries: [], findings: [`The settings file ${file} ${reason}.`] };
  }
  return parseSettings(text, file);
}

function parseSettings(text: string, file: string): { entries: FileEntry[]; findings: string[] } {
  const { isMap, isScalar, LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const at = (offset: number) => lines.linePos(offset).line;
    return {
      entries: [],
      findings: document.errors.map((error) => `${file}, line ${at(error.pos[0])}: ${error.message}.`),
    };
  }
  if (document.contents === null) return { entries: [], findings: [] };
  if (!isMap(document.contents)) {
    return { entries: [], findings: [`${file} must be a list of lines such as "port: 8443".`] };
  }
  const entries = document.contents.items.map((pair) => {
    const key = isScalar(pair.key) ? pair.key : undefined;
    return {
      key: String(key?.value ?? pair.key),
      raw: toValue(pair.value, document),
      line: lines.linePos(key?.range?.[0] ?? 0).line,
    };
  });
  return { entries, findings: [] };
}

function toValue(node: unknown, document: Document): unknown {
  if (node === null || typeof node !== 'object' || !('toJS' in node)) return node;
  return (node as { toJS(document: unknown, options: object): unknown }).toJS(document, {
    maxAliasCount: 20,
  });
}
