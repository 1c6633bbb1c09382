/** One request to a SCIM or JSON service and what its answer means (RFC 7644 §3.12), however badly it is written. */
import { type Call, type Request, type Response, Retry, Stop } from '#provisioning/connector.ts';

export interface Exchange {
  /**
   * Sends and returns a 2xx answer. Statuses in `take` come back as well.
   * Throws Stop: `gone` for 404, `clash` for 409, `refused` for other 4xx; Retry for 412.
   */
  send(input: Message): Promise<Response>;
  /** Like `send`; the body must be a JSON object. */
  object(input: Message): Promise<Json>;
}

export interface Message {
  method: Request['method'];
  /** Segments below the base address; each is encoded. */
  path: readonly string[];
  query?: Readonly<Record<string, string>>;
  body?: unknown;
  /** Sent as If-Match (RFC 7644 §3.14). */
  version?: string;
  /** Statuses beside 2xx that the caller judges. */
  take?: readonly number[];
  kind?: 'read' | 'write';
}

export interface ExchangeInput {
  base: URL;
  /** The Authorization header; asked for each request, so that opening for judging alone needs no credentials. */
  authorization(): string;
  contentType: string;
  /** Values that must never be part of a message, whatever a target echoes. */
  secrets: readonly string[];
  call: Call;
}

/** A JSON object of unknown content: read it with `own`, never by plain access. */
export type Json = Readonly<Record<string, unknown>>;

const mostDetail = 300;

export function createExchange(input: ExchangeInput): Exchange {
  const send = async (message: Message): Promise<Response> => {
    const headers: Record<string, string> = {
      accept: input.contentType,
      authorization: input.authorization(),
    };
    if (message.body !== undefined) headers['content-type'] = `${input.contentType}; charset=utf-8`;
    if (message.version !== undefined) headers['if-match'] = message.version;
    const { method, body } = message;
    const url = address(input.base, message);
    const response = await input.call({
      method,
      url,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(message.kind ? { kind: message.kind } : {}),
    });
    const { status } = response;
    if (message.take?.includes(status)) return response;
    if (status < 200 || status >= 300) throw meaningOf(response, input.secrets);
    // A page in front of the target (a login, a proxy) answers 200 as well: nothing was done.
    if (response.text.trim() !== '' && (typeof response.json !== 'object' || response.json === null))
      throw notJson(status);
    return response;
  };
  const object = async (message: Message): Promise<Json> => {
    const response = await send(message);
    if (isObject(response.json)) return response.json;
    throw notJson(response.status);
  };
  return { send, object };
}

const notJson = (status: number) =>
  new Retry(
    `The target answered ${status} with something that is not a JSON object. Is its address right, or is a page in front of it?`,
  );

/** An id that may stand in an address: dots alone would climb. */
export function isUsableId(id: unknown): id is string {
  return typeof id === 'string' && id.length > 0 && id.length <= 1000 && !/^\.{1,2}$/.test(id);
}

function address(base: URL, { path, query }: Message): URL {
  for (const segment of path) {
    if (!isUsableId(segment))
      throw new Stop('refused', 'The target gave an id that cannot be part of an address.');
  }
  const url = new URL(base);
  url.pathname = [base.pathname.replace(/\/+$/, ''), ...path.map(encodeURIComponent)].join('/');
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
  return url;
}

/** The error an answer stands for. Details are shortened and freed of secrets. */
export function meaningOf(response: Response, secrets: readonly string[]): Stop | Retry {
  const { scimType, detail } = refusalOf(response, secrets);
  const { status } = response;
  const said = detail ? `: ${detail}` : '.';
  if (status === 404 || status === 410)
    return new Stop('gone', `The target does not know it (${status})${said}`);
  if (status === 409 || scimType === 'uniqueness')
    return new Stop('clash', `The target has it already (${status})${said}`);
  if (status === 412)
    return new Retry('The account changed at the target in the meantime (412).', { kind: 'later' });
  if (status === 401 || status === 403)
    return new Stop('credentials', `The target refuses our credentials (${status})${said}`);
  if (status === 405 || status === 501)
    return new Stop('impossible', `The target cannot do this (${status})${said}`);
  if (status >= 500) return new Retry(`The target failed (${status})${said}`);
  if (status >= 300 && status < 400)
    return new Stop(
      'refused',
      `The target sends us elsewhere (${status}); its address must be the final one.`,
    );
  return new Stop('refused', `The target refuses it (${status})${said}`);
}

/** What a body says about a refusal: a SCIM error, the usual JSON shapes, a page, or plain text. */
export function refusalOf(
  response: Response,
  secrets: readonly string[],
): { scimType?: string; detail: string } {
  const { json, text } = response;
  const scimType = isObject(json) ? own(json, 'scimType') : undefined;
  const found = isObject(json) ? sentenceIn(json) : undefined;
  const plain = found ?? (isObject(json) || Array.isArray(json) ? '' : withoutTags(text.slice(0, 20_000)));
  return {
    ...(typeof scimType === 'string' ? { scimType } : {}),
    detail: readable(withoutSecrets(plain, secrets)),
  };
}

const sentenceNames = [
  'detail',
  'error_description',
  'message',
  'errorMessage',
  'description',
  'title',
  'error',
];

/** The first sentence under a usual name; lists of errors by their first entry, two levels deep. */
function sentenceIn(json: Json, depth = 0): string | undefined {
  for (const name of sentenceNames) {
    const value = own(json, name);
    if (typeof value === 'string' && value.trim() !== '') return value;
    if (isObject(value) && depth < 2) {
      const inner = sentenceIn(value, depth + 1);
      if (inner) return inner;
    }
  }
  const errors = own(json, 'errors');
  const first = Array.isArray(errors) ? errors[0] : undefined;
  if (typeof first === 'string') return first;
  return isObject(first) && depth < 2 ? sentenceIn(first, depth + 1) : undefined;
}

function withoutTags(text: string): string {
  if (!/<(?:!doctype|html|head|body|h1|title)\b/i.test(text)) return text;
  const title = /<title[^<>]{0,200}>([^<]{0,300})/i.exec(text)?.[1]?.trim();
  return title ? `a web page titled "${title}"` : 'a web page';
}

/** Takes secrets out of a text, also in the base64 form they travel in. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret.length >= 4)
    .reduce((left, secret) => left.replaceAll(secret, '[removed]'), text);
}

function readable(text: string): string {
  const flat = text.replace(/[\p{Cc}\p{Cf}\p{Cs}\s]+/gu, ' ').trim();
  return flat.length > mostDetail ? `${flat.slice(0, mostDetail)}…` : flat;
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object's own member of that name; attribute names are compared without case (RFC 7643 §2.1). */
export function own(json: Json, name: string): unknown {
  if (Object.hasOwn(json, name)) return json[name];
  const wanted = name.toLowerCase();
  const key = Object.keys(json).find((one) => one.toLowerCase() === wanted);
  return key === undefined ? undefined : json[key];
}
