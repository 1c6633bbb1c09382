/** Patterns for LIKE. */

/** For a column in small letters: whatever holds this text, its own `%` and `_` taken as they stand. */
export function containing(search: string): string {
  return `%${search.toLowerCase().replaceAll(/[\\%_]/g, (character) => `\\${character}`)}%`;
}
