/**
 * The community's own attributes: declared once with name, type, who sees and edits them, whether sign-up asks,
 * and which app they are released to. Sign-up, account page, SCIM and mappings all read this one declaration.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { record } from '#core/events/events.ts';
import { Problem, type ProblemCode, refuseFields } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './attributes.store.ts';
import { cleanLine } from './names.ts';

export const attributeDeclaration = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,39}$/, 'small letters, digits and underscores, a letter first')
      .refine((name) => !reservedNames.has(name), 'is the name of a standard claim')
      .describe(
        'What apps and mappings call it: small letters, digits and underscores, a letter first, 40 at most, and no standard claim. Another name is another attribute.',
      ),
    type: z
      .enum(['text', 'longText', 'number', 'boolean', 'date', 'url', 'choice'])
      .describe(
        'What a value is: a line of 500 characters at most (text), up to 4,000 on several lines (longText), a number, yes or no (boolean), a day as YYYY-MM-DD (date), an https address (url), or one of `choices` (choice).',
      ),
    title: z.string().min(1).max(80).describe('What the field is called on our pages.'),
    help: z.string().max(200).optional().describe('A line of help at the field in forms.'),
    choices: z
      .array(z.string().min(1).max(80))
      .max(200)
      .optional()
      .describe(
        'What can be chosen, in this order, 200 at most; needed for type choice and refused for every other.',
      ),
    visible: z
      .enum(['everyone', 'self', 'operators'])
      .default('self')
      .describe('Who sees it on our own pages.'),
    editable: z
      .enum(['self', 'operators'])
      .default('self')
      .describe(
        'Who may change it: the person as well (self), or operators alone; what only they may change is never asked at sign-up.',
      ),
    signUp: z
      .boolean()
      .default(false)
      .describe('Asked on the sign-up page, unless operators alone may change it.'),
    required: z
      .boolean()
      .default(false)
      .describe(
        'It cannot be saved empty, and sign-up asks for it even without `signUp`, unless operators alone may change it. Accounts that have none go on.',
      ),
    releasedTo: z.array(z.string()).default([]).describe('Ids of the apps that get it; "*" for all.'),
  })
  .refine(
    (one) => (one.type === 'choice') === (one.choices !== undefined),
    'choices belong to type "choice"',
  );

/** Names of OIDC standard claims and of protocol claims: an attribute may not pose as one of them. */
const reservedNames = new Set(
  (
    'sub iss aud exp iat nbf jti acr amr azp nonce auth_time at_hash c_hash s_hash sid scope client_id cnf act ' +
    'may_act name given_name family_name middle_name nickname preferred_username profile picture website email ' +
    'email_verified gender birthdate zoneinfo locale phone_number phone_number_verified address updated_at groups ' +
    'roles'
  ).split(' '),
);

export type AttributeDeclaration = z.infer<typeof attributeDeclaration>;
export type AttributeValue = string | number | boolean;

export const attributeDeclarations = store.readDeclarations;

/** Whether whoever makes an account is asked for it: what operators alone fill in is asked of nobody. */
export function isAskedAtFirst({ editable, signUp, required }: AttributeDeclaration): boolean {
  return editable === 'self' && (signUp || required);
}

/** Makes the declarations equal this list. Values of attributes that are gone go with them. Returns changed names. */
export async function declareAttributes(tx: Tx, next: readonly AttributeDeclaration[]): Promise<string[]> {
  const before = await store.readDeclarations(tx);
  const changed: string[] = [];
  for (const [position, declaration] of next.entries()) {
    const known = before.findIndex((one) => one.name === declaration.name);
    if (known === position && isDeepStrictEqual(before[known], declaration)) continue;
    await store.writeDeclaration(tx, declaration, position);
    await record(tx, 'attribute.declared', { data: { name: declaration.name } });
    changed.push(declaration.name);
  }
  for (const gone of before.filter((one) => !next.some((kept) => kept.name === one.name))) {
    await store.deleteDeclaration(tx, gone.name);
    await record(tx, 'attribute.withdrawn', { data: { name: gone.name } });
    changed.push(gone.name);
  }
  return changed;
}

/** Reads one typed or imported value as the declared kind. `undefined` = empty. Throws `attribute-type`. */
export function readAttributeValue(
  declaration: AttributeDeclaration,
  given: unknown,
): AttributeValue | undefined {
  const refused = () => new Problem('attribute-type', { fields: { [declaration.name]: 'attribute-type' } });
  if (declaration.type === 'boolean') {
    if (given === true || given === 'true' || given === 'on') return true;
    if (given === false || given === 'false' || given === undefined || given === null || given === '')
      return false;
    throw refused();
  }
  if (given === undefined || given === null || given === '') return undefined;
  if (declaration.type === 'number') {
    const number = typeof given === 'number' ? given : Number(String(given).trim());
    if (!Number.isFinite(number)) throw refused();
    return number;
  }
  if (typeof given !== 'string') throw refused();
  if (declaration.type === 'longText') {
    const text = given.normalize('NFC').replaceAll('\r\n', '\n').trim();
    if (text.length > 4000) throw new Problem('text-too-long');
    return text || undefined;
  }
  const text = cleanLine(given, 500);
  if (text === '') return undefined;
  if (declaration.type === 'choice' && !declaration.choices?.includes(text)) throw refused();
  if (declaration.type === 'date' && !isDate(text)) throw refused();
  if (declaration.type === 'url' && !isWebAddress(text)) throw refused();
  return text;
}

/** An https address others may click: one reading, and no name or password in front of the host. */
function isWebAddress(text: string): boolean {
  if (!/^https:\/\/[^\s"'<>\\/][^\s"'<>\\]*$/i.test(text) || !URL.canParse(text)) return false;
  const { username, password } = new URL(text);
  return username === '' && password === '';
}

function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return (
    /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
  );
}

/**
 * Sets the given attributes of a person; names not given stay. The editor is the person themself or an operator.
 * Refuses unknown names, locked ones, wrong kinds and emptied required ones, each by field.
 */
export async function setAttributes(
  tx: Tx,
  person: string,
  given: Record<string, unknown>,
  editor: 'self' | 'operators',
): Promise<string[]> {
  const declarations = await store.readDeclarations(tx);
  const { values, problems } = readAttributes(declarations, given, editor);
  refuseFields(problems);
  const before = (await store.valuesOf(tx, [person])).get(person) ?? {};
  const fields = Object.keys(values).filter((name) => values[name] !== before[name]);
  if (fields.length === 0) return [];
  await store.writeValues(
    tx,
    fields.map((name) => ({ person, name, value: values[name] })),
  );
  await record(tx, 'person.moved', { person, data: { fields: fields.map((name) => `attributes.${name}`) } });
  return fields;
}

/** Reads a set of given values against the declarations without writing; problems by attribute name. */
export function readAttributes(
  declarations: readonly AttributeDeclaration[],
  given: Record<string, unknown>,
  editor: 'self' | 'operators',
): { values: Record<string, AttributeValue | undefined>; problems: Record<string, ProblemCode> } {
  const values: Record<string, AttributeValue | undefined> = {};
  const problems: Record<string, ProblemCode> = {};
  for (const name of Object.keys(given)) {
    const declaration = declarations.find((one) => one.name === name);
    if (!declaration) problems[name] = 'attribute-unknown';
    else if (editor === 'self' && declaration.editable !== 'self') problems[name] = 'attribute-locked';
    else {
      try {
        values[name] = readAttributeValue(declaration, given[name]);
        if (declaration.required && values[name] === undefined) problems[name] = 'attribute-required';
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        problems[name] = error.code;
      }
    }
  }
  return { values, problems };
}

/** Values by person id. */
export const attributesOf = store.valuesOf;
