/**
 * Writes the types the console calls the API with, from the description the API generates of itself.
 *
 *   node tools/console-api.ts [--check]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { registerApi } from '../src/api/api.ts';
import { createSecrets } from '../src/kit/crypto/secrets.ts';
import { createServer } from '../src/kit/http/server.ts';
import { createLog } from '../src/kit/log/log.ts';

const target = path.join(import.meta.dirname, '../src/consoles/admin/web/golden/operations.ts');

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
}

interface Operation {
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

interface Description {
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

/** What the API says of itself. Nothing is asked of a database for that. */
async function describe(): Promise<Description> {
  const log = createLog({ level: 'silent' });
  const secrets = createSecrets(Buffer.alloc(32));
  const url = new URL('http://localhost:8080');
  const renderError = () => ({ status: 500, json: {} });
  const app = createServer({ log, publicUrl: url, issuer: url, macs: secrets.macs, renderError });
  const needs = { database: undefined as never, secrets, log };
  registerApi(app, needs as unknown as Parameters<typeof registerApi>[1]);
  await app.ready();
  const answer = await app.inject({ url: '/api/v1/openapi.json', headers: { host: url.host } });
  await app.close();
  return answer.json() as Description;
}

/** A JSON schema as a TypeScript type. */
export function typeOf(schema: Schema | undefined): string {
  if (!schema) return 'undefined';
  if (schema.$ref) return schema.$ref.split('/').at(-1) ?? 'unknown';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ');
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return [...new Set(several.map(typeOf))].join(' | ');
  if (schema.allOf) return schema.allOf.map(typeOf).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `(${typeOf(schema.items ?? {})})[]`;
    case 'object':
      return objectOf(schema);
    default:
      return 'unknown';
  }
}

function objectOf({ properties = {}, required = [], additionalProperties }: Schema): string {
  const names = Object.keys(properties);
  if (names.length === 0) {
    const rest = typeof additionalProperties === 'object' ? typeOf(additionalProperties) : 'unknown';
    return additionalProperties === false ? '{}' : `Record<string, ${rest}>`;
  }
  const fields = names.map(
    (name) =>
      `${JSON.stringify(name)}${required.includes(name) ? '' : '?'}: ${typeOf(properties[name] as Schema)}`,
  );
  return `{ ${fields.join('; ')} }`;
}

const firstOf = (content: Record<string, { schema: Schema }> | undefined) =>
  Object.values(content ?? {})[0]?.schema;

function operationType(operation: Operation): string {
  const place = (where: string) => {
    const found = (operation.parameters ?? []).filter((one) => one.in === where);
    return objectOf({
      properties: Object.fromEntries(found.map((one) => [one.name, one.schema])),
      required: found.filter((one) => one.required).map((one) => one.name),
      additionalProperties: false,
    });
  };
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))?.[1];
  const body = typeOf(firstOf(operation.requestBody?.content));
  return `{ params: ${place('path')}; query: ${place('query')}; body: ${body}; answer: ${typeOf(firstOf(good?.content))} }`;
}

/** Every kind of event there is, for a filter that offers them. */
function eventTypes({ paths }: Description): string {
  const found = paths['/api/v1/events']?.get?.parameters?.find((one) => one.name === 'type');
  return `export const eventTypes = [${(found?.schema.enum ?? []).map((one) => JSON.stringify(one)).join(', ')}] as const;\n`;
}

/** The whole file. */
export async function operationsFile(): Promise<string> {
  const description = await describe();
  const { paths, components } = description;
  const named = Object.entries(components?.schemas ?? {}).map(
    ([name, schema]) => `export type ${name} = ${typeOf(schema)};\n`,
  );
  const lines = Object.entries(paths).flatMap(([url, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const key = `${method.toUpperCase()} ${url.replace('/api/v1', '').replaceAll(/\{(\w+)\}/g, ':$1')}`;
      return `  /** ${operation.summary ?? key} */\n  ${JSON.stringify(key)}: ${operationType(operation)};\n`;
    }),
  );
  return `// Made by \`node tools/console-api.ts\` from what /api/v1 says of itself. Change it there.\n\n${named.join('')}${eventTypes(description)}\nexport interface Operations {\n${lines.join('')}}\n`;
}

/** Whether what stands in the console is what the API says today. */
export async function isCurrent(): Promise<boolean> {
  return existsSync(target) && readFileSync(target, 'utf8') === (await operationsFile());
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) writeFileSync(target, await operationsFile());
  else if (!(await isCurrent())) {
    process.stdout.write('The console calls another API than there is. Run `node tools/console-api.ts`.\n');
    process.exitCode = 1;
  }
}
