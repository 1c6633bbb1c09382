/** The text of each generated page. That of connectors stands in docs-connectors.ts. */
import { z } from 'zod';
import { configFileEnv, type Setting, sections, settings } from '../src/config/settings.ts';
import { catalogue } from '../src/core/events/catalogue.ts';
import { problems } from '../src/core/problem.ts';
import { communityPage } from './docs-community.ts';
import { connectorsPage } from './docs-connectors.ts';

const generated = (source: string) => `<!-- Made from ${source} by \`npm run docs\`. Change it there. -->\n`;

/** Every generated page by its path below docs/. */
export function pages(): Record<string, string> {
  return {
    'community-file.md': communityPage(),
    'configuration.md': configuration(),
    'connectors.md': connectorsPage(),
    'errors.md': errors(),
    'events.md': events(),
  };
}

function configuration(): string {
  const parts = sections.map((section) => {
    const own = Object.entries(settings as unknown as Record<string, Setting<unknown>>)
      .filter(([, setting]) => setting.section === section)
      .map(([key, setting]) => describeSetting(key, setting));
    return `## ${section}\n\n${own.join('\n')}`;
  });
  return `${generated('src/config/settings.ts')}# Settings

Settings come from the environment and from a settings file, a flat list of \`key: value\` lines in YAML that
\`${configFileEnv}\` names. The command line beats the environment, the environment beats the file, the file beats the
default. An empty value in the environment means "not set". Relative paths stand against the settings file's folder when
they are written there, else against the working directory.

A wrong setting stops the start, and all of them are named at once; so is a key or a \`GATEHOUSE_…\` name that is not
known. Secrets come by environment or by a file that is named, never from the settings file. Outside loopback an insecure
combination (http, weak hashing, no mail server, a proxy nobody trusts) is refused.

What a community sets while it runs (its name, its look, its rule for user names, how long a sign-in lasts) is not here:
it stands in the [community file](community-file.md) and is applied with \`gatehouse apply\`.

\`\`\`yaml
publicUrl: https://id.example.org
trustedProxies: [127.0.0.1]
mailDomain: example.org
databaseUrlFile: /run/secrets/database-url
mailUrlFile: /run/secrets/mail-url
masterKeyFile: /run/secrets/master-key
\`\`\`

${parts.join('\n')}`;
}

function describeSetting(key: string, setting: Setting<unknown>): string {
  const { secret } = setting;
  const fileKey = secret?.fileEnv ? `, in the file \`${setting.secret?.fileEnv}\` names` : '';
  const inFile = secret?.fileEnv ? `\`${key}File\` names a file that holds it` : 'not in the settings file';
  const rows = [
    `Environment: \`${setting.env}\`${fileKey}`,
    ...(secret ? [`Settings file: ${inFile}`] : []),
    `Takes: ${setting.kind.expects}`,
    `Default: ${defaultOf(setting)}`,
    `Example: \`${setting.example}\``,
  ];
  return `### \`${key}\`\n\n${setting.text}\n\n${rows.map((row) => `- ${row}`).join('\n')}\n`;
}

function defaultOf({ default: value, derived }: Setting<unknown>): string {
  if (derived) return derived.text;
  if (value === undefined) return 'none';
  if (Array.isArray(value)) return value.length > 0 ? `\`${value.join(',')}\`` : 'none';
  return `\`${String(value)}\``;
}

function errors(): string {
  const rows = Object.entries(problems).map(([code, text]) => `| \`${code}\` | ${cell(text)} |`);
  return `${generated('src/core/problem.ts')}# Refusals

Every refusal has a code that does not change and a sentence for the person. The page also shows a reference that finds
the refusal in the log. Each protocol says the same in its own words: an OAuth error, a result code, a status.

| Code | What people read |
|---|---|
${rows.join('\n')}
`;
}

function events(): string {
  const rows = Object.entries(catalogue).map(([type, { text, data, personal }]) => {
    return `| \`${type}\` | ${cell(text)} | ${fieldsOf(data, personal)} |`;
  });
  return `${generated('src/core/events/catalogue.ts')}# Events

What happened, recorded in the transaction that made it true. Each event also carries its time, the person and the app
it is about, who caused it (\`actor\`), why (\`cause\`: request, admin, import, apply, sync, merge, schedule, demo) and
the id of the request. Events hold no secrets, and ids rather than people's details. Fields marked as personal, and the
name of an actor, are replaced when the person is erased; that it happened stays.

| Type | What it says | Data |
|---|---|---|
${rows.join('\n')}
`;
}

interface FieldSchema {
  type?: string;
  enum?: string[];
  items?: FieldSchema;
}

function fieldsOf(data: z.ZodType, personal: readonly string[]): string {
  const schema = z.toJSONSchema(data) as { properties?: Record<string, FieldSchema>; required?: string[] };
  const names = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const optional = schema.required?.includes(name) ? '' : ', optional';
    return `\`${name}\` (${typeOf(field)}${optional}${personal.includes(name) ? ', personal' : ''})`;
  });
  return names.length > 0 ? names.join(', ') : '–';
}

function typeOf(field: FieldSchema): string {
  if (field.enum) return field.enum.join(', ');
  if (field.type === 'array') return `list of ${typeOf(field.items ?? {})}`;
  return field.type === 'string' ? 'text' : (field.type ?? 'any');
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
