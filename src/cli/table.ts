/** Lists for eyes and for programs. */
import { UsageError } from './cli.ts';

/** Text of others as it may stand on a terminal: no line breaks, no escape sequences, no turned direction. */
export function plainLine(text: string): string {
  return text.replaceAll(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    '�',
  );
}

/** Columns under their titles, as wide as they need to be; a sentence where there is nothing. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  empty: string,
): string {
  if (rows.length === 0) return empty;
  const cells = [titles, ...rows].map((row) => row.map(plainLine));
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => [...(row[column] ?? '')].length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - [...cell].length))
      .join('  ')
      .trimEnd();
  return cells.map(line).join('\n');
}

/** A day and minute, in UTC: the same on every machine. */
export function shortTime(at: Date | undefined): string {
  return at ? `${at.toISOString().slice(0, 16).replace('T', ' ')}Z` : '';
}

export function json(value: unknown): string {
  return JSON.stringify(value, undefined, 2);
}

const units = { m: 60, h: 3600, d: 86_400, w: 7 * 86_400 };

/** `30d` → seconds. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^(\d{1,6})\s*([mhdw])$/.exec(text.trim()) ?? [];
  if (!count || Number(count) === 0)
    throw new UsageError(
      `"${plainLine(text.slice(0, 40))}" is not a length of time. Write it like 30d, 12h or 90m.`,
    );
  return Number(count) * units[unit as keyof typeof units];
}

/** A whole number from an option. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,7}$/.test(text) || count < 1)
    throw new UsageError(`"${plainLine(text.slice(0, 40))}" is not a number from 1 on.`);
  return count;
}
