/** `/api/v1` as those who use it speak to it: a program with a token, and the console of somebody who is signed in. */
import type { Visitor } from './visitor.ts';

export interface ApiAnswer {
  status: number;
  headers: Headers;
  text: string;
  /** What the JSON says; undefined where none came. */
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into by name
  body: any;
}

interface Sent {
  method: string;
  headers: Record<string, string>;
  body?: string;
}

function toSend(method: string, body: unknown, headers: Record<string, string>): Sent {
  if (body === undefined) return { method, headers };
  return { method, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

function toAnswer(status: number, headers: Headers, text: string): ApiAnswer {
  const isJson = /^application\/(problem\+)?json/.test(headers.get('content-type') ?? '');
  return { status, headers, text, body: isJson && text !== '' ? JSON.parse(text) : undefined };
}

/** One call with a token. */
export async function callApi(
  { origin }: { origin: string },
  token: string | undefined,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  const sent = toSend(method, body, { authorization: `Bearer ${token}`, ...headers });
  const answer = await fetch(`${origin}/api/v1${path}`, sent);
  return toAnswer(answer.status, answer.headers, await answer.text());
}

/** One call as the console of this visitor makes it. */
export async function callAsConsole(
  visitor: Visitor,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const { origin } = visitor;
  const headers = {
    accept: 'application/json',
    origin,
    'sec-fetch-site': 'same-origin',
    'x-gatehouse-console': '1',
  };
  const seen = await visitor.request(`${origin}/api/v1${path}`, toSend(method, body, headers));
  return toAnswer(seen.status, seen.headers, seen.text);
}
