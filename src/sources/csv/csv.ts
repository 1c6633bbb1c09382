/**
 * CSV (RFC 4180), read strictly: quotes are quotes, every row has as many fields as the first.
 *
 * Owns: rows as text, and the file of names people had per app (`application`, `alias`, and `username` or
 * `address`). Records nothing.
 * Refuses, with the line number and without stopping: stray quotes, rows of another width, rows without a
 * value that is needed. Stops only where no row can be told from the next any more.
 */
import { decodeUtf8 } from '#sources/ldif/dn.ts';
import type { SourceError } from '#sources/source.ts';

export interface CsvRow {
  /** Line the row begins at, from 1. */
  line: number;
  fields: string[];
}

export type CsvItem = { kind: 'row'; row: CsvRow } | { kind: 'error'; error: SourceError };

/** Longest file taken: it is held in memory, and a million aliases fit. */
const MAX_BYTES = 67_108_864;
const MAX_FIELD = 4_096;

function failed(line: number, code: string, text: string): CsvItem {
  return { kind: 'error', error: { line, code, text } };
}

/** Rows of a CSV text, CRLF or LF, UTF-8 with or without a mark. Empty lines are passed over. Never throws. */
export function* parseCsv(bytes: Buffer): Generator<CsvItem> {
  if (bytes.length > MAX_BYTES)
    return yield failed(1, 'csv-long', `The file is longer than ${MAX_BYTES} bytes.`);
  const decoded = decodeUtf8(bytes);
  if (decoded === undefined)
    return yield failed(1, 'csv-not-text', 'The file is not UTF-8 text. Save it as UTF-8.');
  const text = decoded.replace(/^\ufeff/, '');
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const began = line;
    const { fields, end, lines, error } = readRow(text, at);
    at = end;
    line += lines;
    if (error) yield failed(began, ...error);
    else if (fields.length > 1 || fields[0] !== '') yield { kind: 'row', row: { line: began, fields } };
  }
}

interface Scanned {
  fields: string[];
  /** Where the next row begins, and how many lines this one took. */
  end: number;
  lines: number;
  error?: [code: string, text: string];
}

/** One row from `start` on. After a mistake the row ends at the end of its line. */
function readRow(text: string, start: number): Scanned {
  const fields: string[] = [];
  let at = start;
  let lines = 1;
  const wrong = (code: string, message: string): Scanned => {
    const feed = text.indexOf('\n', at);
    return { fields, end: feed < 0 ? text.length : feed + 1, lines, error: [code, message] };
  };
  for (;;) {
    let field: string;
    if (text[at] === '"') {
      const close = closingQuote(text, at + 1);
      // The rest of the file would be one field: go on with the next line instead.
      if (close < 0) return wrong('csv-quote-open', 'A quote is opened and never closed.');
      field = text.slice(at + 1, close).replaceAll('""', '"');
      lines += field.split('\n').length - 1;
      at = close + 1;
    } else {
      const end = /[,\n]|\r\n|$/g;
      end.lastIndex = at;
      const stop = end.exec(text)!.index;
      field = text.slice(at, stop);
      at = stop;
      if (field.includes('"')) return wrong('csv-quote', 'A quote stands inside a field that is not quoted.');
    }
    if (field.length > MAX_FIELD)
      return wrong('csv-field-long', `A field is longer than ${MAX_FIELD} characters.`);
    fields.push(field);
    if (text[at] === ',') at += 1;
    else if (at >= text.length) return { fields, end: at, lines };
    else if (text[at] === '\n') return { fields, end: at + 1, lines };
    else if (text.startsWith('\r\n', at)) return { fields, end: at + 2, lines };
    else return wrong('csv-quote', 'Text follows a closing quote.');
  }
}

function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

/** A name somebody had at an app. */
export interface AliasRow {
  line: number;
  application: string;
  alias: string;
  /** One of the two says whose it is. */
  username?: string;
  address?: string;
}

export type AliasItem = { kind: 'alias'; alias: AliasRow } | { kind: 'error'; error: SourceError };

const COLUMNS = ['application', 'alias', 'username', 'address'] as const;

/**
 * Reads the file for `import aliases`: a header naming the columns in any order, then one row per name. Values
 * are taken as written; only the spaces around them go. Never throws.
 */
export function* readAliases(bytes: Buffer): Generator<AliasItem> {
  let columns: string[] | undefined;
  for (const item of parseCsv(bytes)) {
    if (item.kind === 'error') yield item;
    else if (columns === undefined) {
      columns = item.row.fields.map((name) => name.trim().toLowerCase());
      const wrong = headerComplaint(columns);
      if (wrong)
        return yield { kind: 'error', error: { line: item.row.line, code: 'csv-header', text: wrong } };
    } else yield aliasFrom(columns, item.row);
  }
  if (columns === undefined)
    yield { kind: 'error', error: { line: 1, code: 'csv-empty', text: 'The file has no header line.' } };
}

function headerComplaint(columns: string[]): string | undefined {
  const known: readonly string[] = COLUMNS;
  const unknown = columns.find((name) => !known.includes(name));
  const mark = columns.length === 1 ? /[;\t]/.exec(columns[0]!)?.[0] : undefined;
  if (mark)
    return `The columns are separated by ${mark === ';' ? 'semicolons' : 'tabs'}. Save the file with commas between them.`;
  if (unknown !== undefined)
    return `The column "${unknown.slice(0, 40)}" is not known. Known are ${COLUMNS.join(', ')}.`;
  if (new Set(columns).size < columns.length) return 'A column is named twice.';
  if (!columns.includes('application') || !columns.includes('alias'))
    return 'The columns "application" and "alias" are needed.';
  if (!columns.includes('username') && !columns.includes('address'))
    return 'One of the columns "username" and "address" is needed.';
  return undefined;
}

function aliasFrom(columns: string[], { line, fields }: CsvRow): AliasItem {
  const error = (text: string): AliasItem => ({ kind: 'error', error: { line, code: 'csv-row', text } });
  if (fields.length !== columns.length)
    return error(`This row has ${fields.length} fields, the header ${columns.length}.`);
  if (fields.some((field) => field.includes('\0')))
    return error('This row holds a character that is no text (NUL).');
  const value = (name: (typeof COLUMNS)[number]) => fields[columns.indexOf(name)]?.trim() ?? '';
  const [application, alias, username, address] = COLUMNS.map(value) as [string, string, string, string];
  if (application === '') return error('The application is missing.');
  if (alias === '') return error('The alias is missing.');
  if ((username === '') === (address === ''))
    return error('Exactly one of user name and address has to say whose alias this is.');
  return {
    kind: 'alias',
    alias: { line, application, alias, ...(username ? { username } : { address }) },
  };
}
