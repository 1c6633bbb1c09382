/** How messages travel: in a query (saml-bindings 3.4) or in a form (3.5). */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { base64Of, utf8Of } from './base64.ts';
import { refuse } from './refusal.ts';
import { MESSAGE_LIMIT } from './saml.ts';
import { plainQuery, rawParameters, type Signer, signRedirect } from './signature.ts';

/** The standard asks for 80 bytes at most (3.4.3); others send more, so this is what we take. What we make is short. */
const RELAY_STATE_LIMIT = 2048;

export type MessageName = 'SAMLRequest' | 'SAMLResponse';

/** A message as it came, before anything in it was believed. */
export interface Received {
  name: MessageName;
  xml: string;
  /** Verbatim; to be handed back as it is, never followed. */
  relayState?: string;
  /** Redirect only: the query has a Signature. `verifyRedirect` says what it is worth. */
  hasSignature: boolean;
}

export interface Message {
  name: MessageName;
  xml: string;
}

/** Reads a query exactly as it came, with or without its `?`. At most 256 KB, before and after inflating (SA-11). */
export function decodeRedirect(rawQuery: string): Received {
  const parts = rawParameters(rawQuery);
  const name: MessageName = parts.has('SAMLRequest') ? 'SAMLRequest' : 'SAMLResponse';
  const value = parts.get(name);
  if (value === undefined) refuse('binding', 'no message');
  const encoding = parts.get('SAMLEncoding');
  if (
    encoding !== undefined &&
    unescaped(encoding) !== 'urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE'
  ) {
    refuse('binding', 'SAMLEncoding');
  }
  if (value.length > MESSAGE_LIMIT * 2) refuse('too-large');
  const xml = utf8Of(inflate(base64Of(unescaped(value), MESSAGE_LIMIT)));
  // Only the relay state follows the rules of forms, where a plus is a blank; base64 keeps its own.
  const relay = parts.get('RelayState');
  const relayState = relay === undefined ? undefined : checkedRelay(unescaped(relay.replaceAll('+', ' ')));
  return { name, xml, relayState, hasSignature: parts.has('Signature') };
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return refuse('binding', 'percent-encoding');
  }
}

/** Stops at the limit while inflating; what stands behind the end of the stream is refused with it. */
function inflate(bytes: Buffer): Buffer {
  let read: { buffer: Buffer; engine: { bytesWritten: number } };
  try {
    const options = { maxOutputLength: MESSAGE_LIMIT, finishFlush: constants.Z_FINISH, info: true };
    read = inflateRawSync(bytes, options) as unknown as typeof read;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return refuse(code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'not-deflate');
  }
  return read.engine.bytesWritten === bytes.length ? read.buffer : refuse('not-deflate');
}

function checkedRelay(value: string): string {
  if (Buffer.byteLength(value) > RELAY_STATE_LIMIT)
    refuse('relay-state', `${Buffer.byteLength(value)} bytes`);
  return value;
}

/** Reads the fields of a form: one message of at most 256 KB, base64 (SA-11). */
export function decodePost(form: Readonly<Record<string, unknown>>): Received {
  const field = (name: string): string | undefined => {
    const value = Object.hasOwn(form, name) ? form[name] : undefined;
    if (value !== undefined && typeof value !== 'string') refuse('binding', `${name} twice`);
    return value;
  };
  const request = field('SAMLRequest');
  const response = field('SAMLResponse');
  if (request !== undefined && response !== undefined) refuse('binding', 'a request and a response');
  const value = request ?? response ?? refuse('binding', 'no message');
  const relay = field('RelayState');
  return {
    name: request === undefined ? 'SAMLResponse' : 'SAMLRequest',
    xml: utf8Of(base64Of(value, MESSAGE_LIMIT)),
    relayState: relay === undefined ? undefined : checkedRelay(relay),
    hasSignature: false,
  };
}

/** The address to send a browser to. `message.xml` bears no signature of its own: the query does, when a key is given. */
export function encodeRedirect(
  url: string,
  message: Message,
  relayState?: string,
  signer?: Omit<Signer, 'certificate'>,
): string {
  const value = deflateRawSync(Buffer.from(message.xml)).toString('base64');
  const params = { name: message.name, value, relayState };
  const query = signer ? signRedirect(params, signer) : plainQuery(params);
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
}

export interface PostForm {
  action: string;
  fields: Record<string, string>;
}

/** What a page has to post by itself, or at a press of a button without scripts. The page escapes it. */
export function postPage(action: string, message: Message, relayState?: string): PostForm {
  const fields: Record<string, string> = { [message.name]: Buffer.from(message.xml).toString('base64') };
  if (relayState !== undefined) fields.RelayState = relayState;
  return { action, fields };
}
