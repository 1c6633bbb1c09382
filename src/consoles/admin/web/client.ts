/** The one way to the API: typed by what the API says of itself, with the cookie of the session and nothing else. */
import type { Operations } from '#consoles/admin/web/golden/operations.ts';

export type Operation = keyof Operations;
export type Answer<Name extends Operation> = Operations[Name]['answer'];

/** The part of a call that has something in it. */
type Given<Key extends string, Value> = Value extends undefined
  ? unknown
  : Record<never, never> extends Value
    ? { [key in Key]?: Value }
    : { [key in Key]: Value };
export type Input<Name extends Operation> = Given<'params', Operations[Name]['params']> &
  Given<'query', Operations[Name]['query']> &
  Given<'body', Operations[Name]['body']>;

/** What the API refused, as it says it. `code` is `unreachable` when no answer came at all. */
export class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  readonly reference: string | undefined;
  /** Field → what was wrong with it. */
  readonly fields: Record<string, string>;

  constructor(problem: {
    title: string;
    code: string;
    status: number;
    reference?: string;
    fields?: Record<string, { text: string }>;
  }) {
    super(problem.title);
    this.name = 'Refusal';
    this.code = problem.code;
    this.status = problem.status;
    this.reference = problem.reference;
    this.fields = Object.fromEntries(
      Object.entries(problem.fields ?? {}).map(([name, { text }]) => [name, text]),
    );
  }
}

type Listener = (refusal: Refusal) => void;
const listeners = new Set<Listener>();

/** Told of every refusal there is; the frame watches for the end of the session this way. */
export function onRefusal(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

interface LooseInput {
  params?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
}

/**
 * Calls an operation by its method and path, as `call('GET /people/:id', { params: { id } })`.
 * @throws Refusal
 */
export async function call<Name extends Operation>(
  name: Name,
  ...given: Record<never, never> extends Input<Name> ? [Input<Name>?] : [Input<Name>]
): Promise<Answer<Name>> {
  // Of so many operations the compiler makes no one type; each call was checked by its own.
  const { params = {}, query = {}, body } = ((given as unknown[])[0] ?? {}) as LooseInput;
  const [method = 'GET', path = ''] = name.split(' ');
  const filled = path.replaceAll(/:(\w+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
  const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(asked.map(([key, value]) => [key, String(value)]));
  try {
    return (await send(
      method,
      `/api/v1${filled}${asked.length > 0 ? `?${search}` : ''}`,
      body,
    )) as Answer<Name>;
  } catch (error) {
    if (error instanceof Refusal) for (const listener of listeners) listener(error);
    throw error;
  }
}

/**
 * Calls an operation that answers with a file, and hands the file over.
 * @throws Refusal
 */
export async function fetchFile(url: string): Promise<Blob> {
  const answer = await send('POST', `/api/v1${url}`, {}, true);
  return answer as Blob;
}

async function send(method: string, url: string, body: unknown, asFile = false): Promise<unknown> {
  const headers: Record<string, string> = { accept: 'application/json', 'x-gatehouse-console': '1' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch {
    throw new Refusal({ title: unreachable, code: 'unreachable', status: 0 });
  }
  if (asFile && response.ok) return response.blob();
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  const answer: unknown = isJson && text !== '' ? JSON.parse(text) : undefined;
  if (response.ok) return answer;
  const problem = answer as ConstructorParameters<typeof Refusal>[0] | undefined;
  throw new Refusal(problem ?? { title: unreachable, code: 'unreachable', status: response.status });
}

const unreachable = 'Gatehouse cannot be reached right now. Check your connection, then try again.';
