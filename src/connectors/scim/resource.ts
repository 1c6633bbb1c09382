/** SCIM resources as JSON (RFC 7643 §4): which attribute stands where, reading what targets send, writing what they take. */
import type { AttributeSpec, RemoteAccount, RemoteGroup, Value } from '#provisioning/connector.ts';
import { isObject, isUsableId, type Json, own } from './exchange.ts';

export const userSchema = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const groupSchema = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const enterpriseSchema = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const patchSchema = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** One attribute and its place in the resource. */
export interface Field {
  spec: AttributeSpec;
  /** `text`: one string at `path`. `emails`, `phoneNumbers`: the value that counts. `values`: each entry's value. */
  kind: 'text' | 'emails' | 'phoneNumbers' | 'values';
  path: readonly string[];
  /** Further places it is read from and written to. */
  copies?: readonly (readonly string[])[];
  /** Further places it is read from; never written. */
  also?: readonly (readonly string[])[];
}

/** A change within PATCH (RFC 7644 §3.5.2). */
export interface Operation {
  op: 'add' | 'replace' | 'remove';
  path: string;
  value?: unknown;
}

const text = (spec: AttributeSpec, ...path: string[]): Field => ({ spec, kind: 'text', path });

/** What most targets know. Attributes without a mapping are not sent until an administrator maps them. */
export const userFields: readonly Field[] = [
  text(
    {
      name: 'userName',
      text: 'Name the account signs in with.',
      required: true,
      compare: 'caseless',
      mapping: 'username',
    },
    'userName',
  ),
  {
    spec: { name: 'email', text: 'E-mail address.', compare: 'caseless', mapping: 'address' },
    kind: 'emails',
    path: ['emails'],
  },
  text({ name: 'displayName', text: 'Name as others see it.', mapping: 'displayName' }, 'displayName'),
  text({ name: 'givenName', text: 'Given name.', mapping: 'givenName' }, 'name', 'givenName'),
  text({ name: 'familyName', text: 'Family name.', mapping: 'familyName' }, 'name', 'familyName'),
  text({ name: 'formattedName', text: 'Full name in one piece.' }, 'name', 'formatted'),
  text({ name: 'nickName', text: 'Short name.' }, 'nickName'),
  text({ name: 'title', text: 'Role or job title.' }, 'title'),
  text({ name: 'userType', text: 'Kind of account.' }, 'userType'),
  text({ name: 'preferredLanguage', text: 'Language of pages and mail.' }, 'preferredLanguage'),
  text({ name: 'locale', text: 'Language for formats of numbers and dates.' }, 'locale'),
  text({ name: 'timezone', text: 'Time zone, like Europe/Berlin.' }, 'timezone'),
  { spec: { name: 'phone', text: 'Telephone number.' }, kind: 'phoneNumbers', path: ['phoneNumbers'] },
  { spec: { name: 'roles', text: 'Roles at the target.' }, kind: 'values', path: ['roles'] },
  text({ name: 'employeeNumber', text: 'Number of the person.' }, enterpriseSchema, 'employeeNumber'),
  text({ name: 'organization', text: 'Organisation.' }, enterpriseSchema, 'organization'),
  text({ name: 'division', text: 'Division.' }, enterpriseSchema, 'division'),
  text({ name: 'department', text: 'Department.' }, enterpriseSchema, 'department'),
];

/** Reads one user; undefined when there is no id to speak to it by. */
export function readUser(
  json: unknown,
  fields: readonly Field[],
  etag?: string | null,
): RemoteAccount | undefined {
  if (!isObject(json)) return undefined;
  const id = own(json, 'id');
  if (!isUsableId(id)) return undefined;
  const externalId = own(json, 'externalId');
  const version = versionOf(json, etag);
  return {
    id,
    ...(typeof externalId === 'string' && externalId !== '' ? { externalId } : {}),
    active: readActive(own(json, 'active')),
    attributes: Object.fromEntries(fields.map((field) => [field.spec.name, readField(json, field)])),
    ...(version ? { version } : {}),
  };
}

/** `members` decides what a missing list means: none, or not told. */
export function readGroupResource(
  json: unknown,
  members: 'told' | 'untold',
  etag?: string | null,
): RemoteGroup | undefined {
  if (!isObject(json)) return undefined;
  const id = own(json, 'id');
  const name = own(json, 'displayName');
  if (!isUsableId(id) || typeof name !== 'string') return undefined;
  const externalId = own(json, 'externalId');
  const version = versionOf(json, etag);
  return {
    id,
    name,
    ...(typeof externalId === 'string' && externalId !== '' ? { externalId } : {}),
    ...(members === 'told' ? { members: membersIn(own(json, 'members')) } : {}),
    ...(version ? { version } : {}),
  };
}

/** Each once: some servers keep a member as often as it was added. */
function membersIn(list: unknown): string[] {
  const ids = entries(list).map((entry) => own(entry, 'value'));
  return [...new Set(ids.filter(isUsableId))];
}

function versionOf(json: Json, etag: string | null | undefined): string | undefined {
  const meta = own(json, 'meta');
  const inner = isObject(meta) ? own(meta, 'version') : undefined;
  const version = typeof inner === 'string' ? inner : (etag ?? undefined);
  return version && /^(?:W\/)?"[\x21\x23-\x7e]{0,200}"$/.test(version) ? version : undefined;
}

/** Absent counts as active (RFC 7643 gives no default; targets leave it out for accounts that work). */
function readActive(value: unknown): boolean {
  return !(value === false || (typeof value === 'string' && value.toLowerCase() === 'false'));
}

const entries = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : []);

function readField(json: Json, field: Field): Value {
  if (field.kind === 'values') {
    const values = entries(own(json, field.path[0]!)).map((entry) => own(entry, 'value'));
    const texts = values.filter((value) => typeof value === 'string');
    return texts.length > 0 ? texts : null;
  }
  if (field.kind !== 'text') {
    const value = chosen(entries(own(json, field.path[0]!)));
    return value ? (own(value, 'value') as string) : null;
  }
  for (const path of [field.path, ...(field.copies ?? []), ...(field.also ?? [])]) {
    let value: unknown = json;
    for (const name of path) value = isObject(value) ? own(value, name) : undefined;
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return null;
}

/** The entry that counts: the primary one, else that of work, else the first. */
function chosen(list: readonly Json[]): Json | undefined {
  const usable = list.filter(
    (entry) => typeof own(entry, 'value') === 'string' && own(entry, 'value') !== '',
  );
  const isPrimary = (entry: Json) => /^true$/i.test(String(own(entry, 'primary')));
  return usable.find(isPrimary) ?? usable.find((entry) => own(entry, 'type') === 'work') ?? usable[0];
}

/** Every address of a user, for recognising it. */
export function addressesOf(json: Json): string[] {
  const values = entries(own(json, 'emails')).map((entry) => own(entry, 'value'));
  return values.filter((value) => typeof value === 'string');
}

/** What stands at the place of the field when it has that value; undefined takes it away. */
function written(field: Field, value: Value): unknown {
  if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return undefined;
  if (field.kind === 'values') return [value].flat().map((one) => ({ value: String(one) }));
  if (field.kind !== 'text') return [{ value: String(value), type: 'work', primary: true }];
  return Array.isArray(value) ? value.join(', ') : String(value);
}

const readOnly = new Set(['id', 'meta', 'groups', 'schemas', 'password']);
const poison = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * A whole resource: what stands there already, without what targets keep to themselves, and our values over it.
 * `keep` undefined writes a new one.
 */
export function writeUser(
  changes: { externalId?: string; active?: boolean; values: readonly { field: Field; value: Value }[] },
  keep: Json | undefined,
  extra: { id?: string; drop?: readonly string[] } = {},
): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const dropped = new Set((extra.drop ?? []).map((name) => name.toLowerCase()));
  for (const [name, value] of Object.entries(keep ?? {})) {
    if (readOnly.has(name.toLowerCase()) || poison.has(name) || dropped.has(name.toLowerCase())) continue;
    body[name] = structuredClone(value);
  }
  if (extra.id !== undefined) body.id = extra.id;
  if (changes.externalId !== undefined) place(body, ['externalId'], changes.externalId);
  if (changes.active !== undefined) place(body, ['active'], changes.active);
  for (const { field, value } of changes.values) {
    for (const path of field.also ?? []) place(body, path, undefined);
    for (const path of [field.path, ...(field.copies ?? [])]) place(body, path, written(field, value));
  }
  const extensions = Object.keys(body).filter((name) => /^urn:/i.test(name));
  return { schemas: [userSchema, ...extensions], ...body };
}

function place(body: Record<string, unknown>, [name, ...rest]: readonly string[], value: unknown): void {
  const key = Object.keys(body).find((one) => one.toLowerCase() === name!.toLowerCase()) ?? name!;
  if (rest.length > 0) {
    const inner: Record<string, unknown> = isObject(body[key]) ? { ...body[key] } : {};
    place(inner, rest, value);
    if (Object.keys(inner).length > 0) body[key] = inner;
    else delete body[key];
  } else if (value === undefined) delete body[key];
  else body[key] = value;
}

/** The change of one attribute as operations. Paths of extensions carry their URN (RFC 7644 §3.10). */
export function operationsFor(field: Field, value: Value): Operation[] {
  const content = written(field, value);
  return [field.path, ...(field.copies ?? [])].map(([first, ...rest]) => {
    const path = /^urn:/i.test(first!) ? `${first}:${rest.join('.')}` : [first, ...rest].join('.');
    return content === undefined ? { op: 'remove', path } : { op: 'replace', path, value: content };
  });
}
