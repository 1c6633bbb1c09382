/** What a kept plan shows of what was and what will be: no secrets, and no more than anyone reads. Pure. */
import type { Value } from './connector.ts';
import type { FieldChange } from './plan.ts';
import { isSecretName } from './timeline.ts';

const mostFields = 40;
const longestText = 200;
const mostMembers = 20;

/** Field by field; values are cut, those under the name of a secret are taken out. */
export function shownFields(fields: readonly FieldChange[]): FieldChange[] {
  return fields.slice(0, mostFields).map(({ name, was, will }) => ({
    name: short(name),
    was: shownValue(name, was),
    will: shownValue(name, will),
  }));
}

function shownValue(name: string, value: Value): Value {
  if (value === null || value === '') return null;
  if (isSecretName(name)) return '[removed]';
  if (typeof value === 'string') return short(value);
  if (!Array.isArray(value)) return value;
  const members = value.slice(0, mostMembers).map((one: string) => short(one));
  return value.length > mostMembers ? [...members, `… ${value.length - mostMembers} more`] : members;
}

/** NUL and half characters are no text for the database. */
function short(text: string): string {
  const clean = text.replaceAll('\0', '\ufffd').toWellFormed();
  return clean.length > longestText ? `${clean.slice(0, longestText - 1).toWellFormed()}…` : clean;
}
