/** One request and its answer, as every part of the simulators sees them. */
import { Refusal } from './refusal.ts';

export interface Exchange {
  method: string;
  /** As it was sent, without the query. */
  path: string;
  /** Decoded, without empty ones. */
  segments: readonly string[];
  query: URLSearchParams;
  body: string;
  header(name: string): string | undefined;
}

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body?: string | Buffer;
}

export const largestBody = 8 * 1024 * 1024;

/** The body as JSON. Throws Refusal 415 for another type of content, 400 for what is no JSON. */
export function readJson(exchange: Exchange): unknown {
  const type = exchange.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/scim+json' && type !== 'application/json')
    throw new Refusal(415, 'The body must be application/scim+json.');
  try {
    return JSON.parse(exchange.body);
  } catch {
    throw new Refusal(400, 'The body is no JSON.', 'invalidSyntax');
  }
}

export const jsonAnswer = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(body),
});
