/** The page of the community file: every key of it, what it takes, its default. */
import { z } from 'zod';
import { declaredHouse } from '../src/declared/schema.ts';

interface Schema {
  type?: string;
  description?: string;
  pattern?: string;
  format?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

const sections: Record<keyof typeof declaredHouse.shape, string> = {
  community: 'What the community is called, how it looks, and the rules for everyone.',
  attributes:
    'What is known of a person beside name and addresses. The order is the one of the pages; one that is missing from the file comes after them.',
  applications: 'The apps people sign in to.',
  targets:
    'Apps that are told who may enter: accounts, groups and roles are kept there. See [connectors](connectors.md).',
  upstreams:
    'Others that say who someone is: OpenID Connect, GitHub, SAML, LDAP. See [sign in through others](guides/sign-in-through-others.md).',
  relay: 'Mail of apps to alias mailboxes. See [mail for Atlassian](guides/mail-for-atlassian.md).',
  mail: 'Letters to people, in words of your own.',
  groups: 'Groups and who is in them. What is left out of a group stays as it is.',
  people:
    'People who are to be there, such as the first ones, or those of a rehearsal. What is left out of a person stays as it is. For many there is [the import](guides/import-from-ldap.md).',
};

/** The page below docs/. */
export function communityPage(): string {
  const house = z.toJSONSchema(declaredHouse, { io: 'input', unrepresentable: 'any' }) as Schema;
  const parts = Object.entries(sections).map(([name, text]) => {
    const rows = rowsOf(house.properties![name]!, '');
    return `## \`${name}\`\n\n${text}\n\n| Key | Takes | Default | What it is |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `<!-- Made from src/declared/schema.ts by \`npm run docs\`. Change it there. -->
# The community file

What a community sets while it runs, as one YAML file: \`gatehouse apply FILE --dry-run\` says what it would change,
\`gatehouse apply FILE\` changes it, and \`gatehouse export\` writes what is set now. What the file does not name stays as it is:
a whole section, or one app, attribute, target, upstream, group, person or letter. What it names is exactly that, so a key that
is left out goes back to its default unless it says otherwise below. Keys that are not known are refused by name, and nothing is
changed then. What one machine needs to run (addresses, ports, secrets) stands in the [settings](configuration.md) instead.

\`\`\`yaml
community:
  name: Example Community
  logo: data:image/png;base64,iVBORw0KGgo…
  links: [{ title: Wiki, url: "https://wiki.example.org/" }]
applications:
  - { id: wiki, title: Wiki, oidc: { redirectUris: ["https://wiki.example.org/callback"] } }
groups:
  - { name: editors, members: [ada] }
\`\`\`

A picture becomes the text of \`logo\` by \`echo "data:image/png;base64,$(base64 -w 0 logo.png)"\`. A dot in a key leads inside, \`[]\` stands
for each entry of a list, \`*\` for a name of yours.

${parts.join('\n')}`;
}

/** One row a key; what only holds others has none of its own unless there is something to say. */
function rowsOf(schema: Schema, path: string): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => {
    const key = path === '' ? name : `${path}.${name}`;
    const nested = rowsOf(inner, key);
    const isHolder = nested.length > 0 && inner.description === undefined && !schema.required?.includes(name);
    return isHolder ? nested : [rowOf(key, inner, schema.required?.includes(name) ?? false), ...nested];
  });
  const each = schema.items ? rowsOf(schema.items, `${path}[]`) : [];
  const rest = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  const named = rest ? rowsOf(rest, path === '' ? '*' : `${path}.*`) : [];
  const oneOf = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((one) => rowsOf(one, path));
  return [...own, ...each, ...named, ...oneOf];
}

function rowOf(key: string, schema: Schema, isRequired: boolean): string {
  const fallback = isRequired ? '**needed**' : defaultOf(schema);
  return `| \`${key.replace(/^\[\]\./, '')}\` | ${takes(schema)} | ${fallback} | ${cell(schema.description ?? '')} |`;
}

function takes(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum) return schema.enum.map((one) => `\`${one}\``).join(', ');
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return [...new Set(several.map(takes))].join(' or ');
  const { minimum, maximum, maxLength, items } = schema;
  switch (schema.type) {
    case 'array':
      if (!items) return 'list';
      return formOf(items) ? `list, each ${takes(items)}` : `list of ${takes(items)}`;
    case 'boolean':
      return '`true`, `false`';
    case 'integer':
    case 'number': {
      const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
      return isBounded ? `${minimum ?? 0} to ${maximum}` : 'number';
    }
    case 'object':
      return typeof schema.additionalProperties === 'object' ? 'a value for each name' : 'the keys below';
    case 'string':
      return formOf(schema) ?? (maxLength === undefined ? 'text' : `text, ${maxLength} at most`);
    default:
      return 'text';
  }
}

/** Texts of a known form, by the pattern or format of their schema, as people write them. */
export const forms: Record<string, string> = {
  '^#[0-9a-f]{6}$': 'a colour such as `#1d4ed8`',
  '^[a-z][a-z0-9-]{1,39}$': 'an id such as `wiki`',
  '^[a-z][a-z0-9_]{0,39}$': 'a name such as `favourite_team`',
  '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$': 'a language such as `pt-BR`',
  '^[0-9a-f-]{36}$': 'an id such as `9f4e8c1a-…`',
  '^list:[a-z][a-z0-9-]{0,39}$': '`list:NAME`',
  '^attribute:\\S.{0,99}$': '`attribute:NAME`',
  '^ldaps?:\\/\\/[^/@?#\\s]+$': 'an address such as `ldaps://ldap.example.org`',
  '^[^\\s@<>"]+@(?:\\*\\.)?[a-z0-9.-]+$': 'an address such as `*@example.org`',
  uuid: 'a UUID',
  'date-time': 'a time such as `2026-01-31T12:00:00Z`',
  uri: 'an http(s) address',
};

function formOf({ pattern = '', format = '' }: Schema): string | undefined {
  return forms[format] ?? forms[pattern];
}

function defaultOf({ default: value, properties }: Schema): string {
  if (value === undefined) return 'none';
  if (value !== null && typeof value === 'object') {
    const isEmpty = Object.keys(value).length === 0;
    return isEmpty ? (properties ? 'see below' : 'empty') : `\`${cell(JSON.stringify(value))}\``;
  }
  return value === '' ? 'empty' : `\`${cell(String(value))}\``;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
