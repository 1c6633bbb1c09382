/**
 * What the generated description of the API says beside what each route says of itself: what every operation is called,
 * how all of them refuse, and where versions travel in headers. Owns nothing.
 */
import { describeProblems } from './errors.ts';

export const description = {
  openapi: '3.1.0',
  info: {
    title: 'Gatehouse operators API',
    version: '1',
    description:
      'Everything operators do. Refusals are problem documents (RFC 9457) with a `code` and the `fields` at fault.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  components: { securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } } },
  security: [{ token: [] }],
};

interface Body {
  content?: Record<string, { schema?: { properties?: object } }>;
}

interface Operation {
  responses?: Record<string, Body>;
  parameters?: object[];
  requestBody?: Body;
}

/** The description as it is published, made from what the routes say. */
export function completed<Document extends { paths?: object; components?: object }>(
  document: Document,
): Document {
  const paths = Object.entries(document.paths ?? {}).map(([path, operations]) => [
    path,
    Object.fromEntries(
      Object.entries(operations as Record<string, Operation>).map(([method, operation]) => [
        method,
        { operationId: operationIdOf(method, path), ...withRefusal(withEtag(withIfMatch(operation))) },
      ]),
    ),
  ]);
  const components = {
    ...document.components,
    responses: { Refusal: describeProblems() },
    headers: { ETag: etag },
  };
  return { ...document, paths: Object.fromEntries(paths), components };
}

/**
 * What generated clients call an operation: its method and its path, as `getGroupsByIdMembers`. Made of nothing else, so
 * that it is the same as long as the route is, and no two are alike.
 */
function operationIdOf(method: string, path: string): string {
  const words = path
    .replace(/^\/api\/v1/, '')
    .replaceAll('{', 'by-')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean);
  return method + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

/** Every operation may refuse, and all refuse alike: said once, referred to by each. */
function withRefusal(operation: Operation): object {
  const responses = { ...operation.responses, default: { $ref: '#/components/responses/Refusal' } };
  return { ...operation, responses };
}

const etag = {
  schema: { type: 'string' },
  description: 'The `version` of the answer in quotes (RFC 9110 §8.8.3), to be sent back as If-Match.',
};

/** An answer with a version has it as a header too; see `tellVersions`. */
function withEtag(operation: Operation): Operation {
  const responses = Object.entries(operation.responses ?? {}).map(([status, response]) => [
    status,
    isVersioned(response)
      ? { ...response, headers: { ETag: { $ref: '#/components/headers/ETag' } } }
      : response,
  ]);
  return { ...operation, responses: Object.fromEntries(responses) };
}

/** What is changed by the version that was seen takes it as a header too, which no schema of a body can say. */
function withIfMatch(operation: Operation): Operation {
  if (!isVersioned(operation.requestBody)) return operation;
  const ifMatch = {
    in: 'header',
    name: 'If-Match',
    required: false,
    schema: { type: 'string' },
    description:
      'The ETag that was read, quotes included (RFC 9110 §13.1.1): 412 `conflict` where it stands no more. `version` in the body says the same and is answered with 409.',
  };
  return { ...operation, parameters: [...(operation.parameters ?? []), ifMatch] };
}

function isVersioned(body: Body | undefined): boolean {
  return 'version' in (body?.content?.['application/json']?.schema?.properties ?? {});
}
