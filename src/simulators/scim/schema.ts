/** What a resource may hold: attributes as RFC 7643 describes them, the intake that checks a body, and finding by name. */
import { Refusal } from './refusal.ts';

export interface Attribute {
  name: string;
  type: 'string' | 'boolean' | 'reference' | 'dateTime' | 'binary' | 'complex';
  many?: boolean;
  required?: boolean;
  caseExact?: boolean;
  /** Default readWrite. */
  mutability?: 'readOnly' | 'immutable' | 'writeOnly';
  uniqueness?: 'server';
  sub?: readonly Attribute[];
}

export interface Extension {
  urn: string;
  name: string;
  attributes: readonly Attribute[];
}

export interface ResourceSchema extends Extension {
  endpoint: '/Users' | '/Groups';
  extensions: readonly Extension[];
}

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };
export type Body = Record<string, Json>;

const text = (name: string, more: Partial<Attribute> = {}): Attribute => ({ name, type: 'string', ...more });
const flag = (name: string): Attribute => ({ name, type: 'boolean' });
const group = (name: string, sub: Attribute[], more: Partial<Attribute> = {}): Attribute => ({
  name,
  type: 'complex',
  sub,
  ...more,
});
const plural = (name: string, value: Partial<Attribute> = {}): Attribute =>
  group(name, [text('value', value), text('display'), text('type'), flag('primary')], { many: true });

export const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const groupUrn = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const enterpriseUrn = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

/** Attributes every resource has (RFC 7643 §3.1); only externalId is the client's. */
export const commonAttributes: readonly Attribute[] = [
  text('id', { mutability: 'readOnly', caseExact: true, uniqueness: 'server' }),
  text('externalId', { caseExact: true }),
  group(
    'meta',
    [
      text('resourceType', { caseExact: true }),
      { name: 'created', type: 'dateTime' },
      { name: 'lastModified', type: 'dateTime' },
      { name: 'location', type: 'reference', caseExact: true },
      text('version', { caseExact: true }),
    ],
    { mutability: 'readOnly' },
  ),
];

export const name = group(
  'name',
  ['formatted', 'familyName', 'givenName', 'middleName', 'honorificPrefix', 'honorificSuffix'].map((one) =>
    text(one),
  ),
);
export const emails = plural('emails');
export const phoneNumbers = plural('phoneNumbers');
export const userName = text('userName', { required: true, uniqueness: 'server' });
export const userGroups = group(
  'groups',
  [text('value', { caseExact: true }), { name: '$ref', type: 'reference' }, text('display'), text('type')],
  { many: true, mutability: 'readOnly' },
);

/** RFC 7643 §4.1 and §4.3. */
export const userSchema: ResourceSchema = {
  urn: userUrn,
  name: 'User',
  endpoint: '/Users',
  attributes: [
    userName,
    name,
    ...['displayName', 'nickName', 'title', 'userType', 'preferredLanguage', 'locale', 'timezone'].map(
      (one) => text(one),
    ),
    { name: 'profileUrl', type: 'reference' },
    flag('active'),
    text('password', { mutability: 'writeOnly', caseExact: true }),
    emails,
    phoneNumbers,
    plural('ims'),
    plural('photos', { type: 'reference' }),
    group(
      'addresses',
      [
        ...['formatted', 'streetAddress', 'locality', 'region', 'postalCode', 'country', 'type'].map((one) =>
          text(one),
        ),
        flag('primary'),
      ],
      { many: true },
    ),
    userGroups,
    plural('entitlements'),
    plural('roles'),
    plural('x509Certificates', { type: 'binary' }),
  ],
  extensions: [
    {
      urn: enterpriseUrn,
      name: 'EnterpriseUser',
      attributes: [
        ...['employeeNumber', 'costCenter', 'organization', 'division', 'department'].map((one) => text(one)),
        group('manager', [
          text('value', { caseExact: true }),
          { name: '$ref', type: 'reference' },
          text('displayName', { mutability: 'readOnly' }),
        ]),
      ],
    },
  ],
};

/** RFC 7643 §4.2. */
export const groupSchema: ResourceSchema = {
  urn: groupUrn,
  name: 'Group',
  endpoint: '/Groups',
  attributes: [
    text('displayName', { required: true }),
    group(
      'members',
      [
        text('value', { caseExact: true, mutability: 'immutable' }),
        { name: '$ref', type: 'reference', mutability: 'immutable' },
        text('display', { mutability: 'readOnly' }),
        text('type', { mutability: 'immutable' }),
      ],
      { many: true },
    ),
  ],
  extensions: [],
};

/** Attribute names and schema URIs are compared without case (RFC 7643 §2.1). */
export function named<T extends { name: string }>(list: readonly T[], given: string): T | undefined {
  const wanted = given.toLowerCase();
  return list.find((one) => one.name.toLowerCase() === wanted);
}

export function extensionOf(schema: ResourceSchema, urn: string): Extension | undefined {
  return schema.extensions.find((one) => one.urn.toLowerCase() === urn.toLowerCase());
}

/** Where an attribute stands: in an extension or the core, with its sub-attribute. */
export interface Place {
  extension?: Extension;
  attribute: Attribute;
  sub?: Attribute;
}

/** `userName`, `emails.value`, `urn:…:User:manager.value`; undefined when there is no such attribute. */
export function placeOf(schema: ResourceSchema, given: string): Place | undefined {
  const owners = [schema, ...schema.extensions];
  const owner = owners.find((one) => given.toLowerCase().startsWith(`${one.urn.toLowerCase()}:`));
  const extension = owner && owner !== schema ? owner : undefined;
  const [first = '', second, ...rest] = (owner ? given.slice(owner.urn.length + 1) : given).split('.');
  const within = extension ? extension.attributes : [...commonAttributes, ...schema.attributes];
  const attribute = named(within, first);
  if (!attribute || rest.length > 0) return undefined;
  if (second === undefined) return { extension, attribute };
  const sub = named(attribute.sub ?? [], second);
  return sub && { extension, attribute, sub };
}

/**
 * A body as the schema has it: names in their own spelling, read-only attributes left out, nulls and empty lists gone
 * (RFC 7643 §2.5). Throws Refusal 400 for everything the schema does not know.
 */
export function takeBody(schema: ResourceSchema, given: unknown): Body {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Refusal(400, 'The body must be a JSON object.', 'invalidSyntax');
  const { schemas, ...rest } = given as Body;
  checkSchemas(schema, schemas, Object.keys(rest));
  const body: Body = {};
  for (const [key, value] of Object.entries(rest)) {
    const extension = extensionOf(schema, key);
    if (extension) {
      const taken = takeMembers(extension.attributes, value, extension.urn);
      if (Object.keys(taken).length > 0) body[extension.urn] = taken;
      continue;
    }
    const attribute = named([...commonAttributes, ...schema.attributes], key);
    if (!attribute) throw unknownAttribute(schema.name, key);
    if (attribute.mutability === 'readOnly') continue;
    const taken = takeValue(attribute, value);
    if (taken !== undefined) body[attribute.name] = taken;
  }
  for (const attribute of schema.attributes) {
    if (attribute.required && (body[attribute.name] === undefined || body[attribute.name] === ''))
      throw new Refusal(400, `Attribute ${attribute.name} is required.`, 'invalidValue');
  }
  return body;
}

function checkSchemas(schema: ResourceSchema, schemas: unknown, keys: readonly string[]): void {
  const list = Array.isArray(schemas) ? schemas.map((one) => String(one).toLowerCase()) : [];
  if (!list.includes(schema.urn.toLowerCase()))
    throw new Refusal(400, `schemas must name ${schema.urn}.`, 'invalidSyntax');
  for (const key of keys) {
    if (extensionOf(schema, key) && !list.includes(key.toLowerCase()))
      throw new Refusal(400, `schemas must name ${key}, which the body uses.`, 'invalidSyntax');
  }
}

function takeMembers(attributes: readonly Attribute[], value: unknown, where: string): Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, `${where} must be an object.`, 'invalidValue');
  const body: Body = {};
  for (const [key, member] of Object.entries(value as Body)) {
    const attribute = named(attributes, key);
    if (!attribute) throw unknownAttribute(where, key);
    if (attribute.mutability === 'readOnly') continue;
    const taken = takeValue(attribute, member);
    if (taken !== undefined) body[attribute.name] = taken;
  }
  return body;
}

/** One attribute's value in its own spelling; undefined when it says "none". Throws Refusal 400 for a wrong type. */
export function takeValue(attribute: Attribute, value: Json): Json | undefined {
  if (value === null) return undefined;
  if (!attribute.many) return takeOne(attribute, value);
  if (!Array.isArray(value))
    throw new Refusal(400, `Attribute ${attribute.name} holds a list.`, 'invalidValue');
  const list = value.map((one) => takeOne(attribute, one));
  if (list.filter((one) => (one as Body).primary === true).length > 1)
    throw new Refusal(400, `Only one value of ${attribute.name} can be primary.`, 'invalidValue');
  return list.length > 0 ? list : undefined;
}

/** One element, also of a list. */
export function takeOne(attribute: Attribute, value: Json): Json {
  if (attribute.type === 'complex') return takeMembers(attribute.sub ?? [], value, attribute.name);
  const wanted = attribute.type === 'boolean' ? 'boolean' : 'string';
  if (typeof value !== wanted)
    throw new Refusal(400, `Attribute ${attribute.name} must be a ${wanted}.`, 'invalidValue');
  return value;
}

function unknownAttribute(where: string, key: string): Refusal {
  return new Refusal(400, `${where} has no attribute ${JSON.stringify(key.slice(0, 80))}.`, 'invalidSyntax');
}
