/** The page of connectors: what each can do, which attributes it knows, and what is known about its targets. */
import { z } from 'zod';
import { connectors as known } from '../src/connectors.ts';
import type { Capabilities, Connector, Fact } from '../src/provisioning/connector.ts';

/** Every connector of this version, in the order of the page. */
export const connectors: readonly Connector[] = [...known.values()];

const abilities: Record<Exclude<keyof Capabilities, 'membersBatch'>, string> = {
  list: 'accounts can be listed',
  find: 'accounts can be looked for',
  groups: 'groups',
  renameGroup: 'groups can be renamed',
  delete: 'accounts can be deleted',
  invite: 'people can be invited',
};

const trusts: Record<Fact['trust'], string> = {
  documented: 'documented by the vendor or a standard',
  reported: 'reported by users, staff or clients',
  assumed: 'our assumption',
};

/** The page below docs/. */
export function connectorsPage(): string {
  return `<!-- Made from src/connectors by \`npm run docs\`. Change it there. -->
# Connectors

A connector speaks to applications that keep accounts of their own. Each knows what its kind of target can do, and a
profile of facts: what the target is known to do, where that stands, when it was read, and how far to trust it. Where
sources contradict each other, the fact is a switch: \`facts\` in the settings of a target choose another of its values.

${connectors.map(section).join('\n')}`;
}

function section(connector: Connector): string {
  const { name, title, capabilities, limits } = connector;
  const able = Object.entries(abilities).map(
    ([ability, text]) => `${capabilities[ability as keyof typeof abilities] ? '✓' : '✗'} ${text}`,
  );
  return `## \`${name}\`: ${title}

${[...able, `most members of one change: ${capabilities.membersBatch}`].map((line) => `- ${line}`).join('\n')}

Without limits of its own a target gets ${limits.perMinute} requests a minute, ${limits.burst} at once, ${limits.concurrency} at the same time, ${limits.timeoutSeconds} s each.

| Option | Takes |
|---|---|
${optionRows(connector).join('\n')}

| Credential | What it is |
|---|---|
${connector.credentials.map(({ name: key, text, required }) => `| \`${key}\`${required ? '' : ' (optional)'} | ${cell(text)} |`).join('\n')}

| Attribute | What it is | Mapping |
|---|---|---|
${connector.attributes.map(attributeRow).join('\n')}

| Fact | Value | What it says | From |
|---|---|---|---|
${Object.entries(connector.profile.facts).map(factRow).join('\n')}
`;
}

interface Property {
  description?: string;
  type?: string;
  enum?: unknown[];
  default?: unknown;
}

function optionRows(connector: Connector): string[] {
  const schema = z.toJSONSchema(connector.options, { io: 'input' }) as {
    properties?: Record<string, Property>;
    required?: string[];
  };
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const needed = schema.required?.includes(name) ? '' : ' (optional)';
    const values = property.enum ? ` One of ${property.enum.map((one) => `\`${one}\``).join(', ')}.` : '';
    const fallback =
      property.default === undefined ? '' : ` Default: \`${JSON.stringify(property.default)}\`.`;
    return `| \`${name}\`${needed} | ${cell(`${property.description ?? ''}${values}${fallback}`)} |`;
  });
}

function attributeRow({ name, text, required, mapping, synced }: Connector['attributes'][number]): string {
  const needed = required ? ', needed' : '';
  const whom = synced === 'managed' ? ' Taken over for managed accounts alone.' : '';
  return `| \`${name}\`${needed} | ${cell(text)}${whom} | ${mapping ? `\`${cell(mapping)}\`` : 'none, not sent'} |`;
}

function factRow([name, { value, choices, text, source, date, trust }]: [string, Fact]): string {
  const others = choices?.filter((choice) => choice !== value) ?? [];
  const also = others.length > 0 ? `; or ${others.map((choice) => `\`${choice}\``).join(', ')}` : '';
  return `| \`${name}\` | \`${value}\`${also} | ${cell(text)} | ${cell(source)}, ${date}; ${trusts[trust]} |`;
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
