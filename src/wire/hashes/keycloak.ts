/**
 * Keycloak's credential rows of type `password`: `secretData` and `credentialData` are JSON, as strings in
 * exports. They are turned into the one-line canonical text; nothing of the JSON is kept.
 */
import { argon2Text } from './argon2.ts';
import { fromBase64, fromDecimal, toAdaptedBase64 } from './recipe.ts';

/** Keycloak's algorithm names, and what they are called here. `pbkdf2` without a digest means SHA-1. */
const digests: Record<string, string> = {
  pbkdf2: 'KEYCLOAK-PBKDF2-SHA1',
  'pbkdf2-sha1': 'KEYCLOAK-PBKDF2-SHA1',
  'pbkdf2-sha256': 'KEYCLOAK-PBKDF2-SHA256',
  'pbkdf2-sha512': 'KEYCLOAK-PBKDF2-SHA512',
};

type Json = Record<string, unknown>;

function asObject(value: unknown): Json | undefined {
  let parsed = value;
  if (typeof value === 'string') {
    try {
      parsed = JSON.parse(value);
    } catch {
      return undefined;
    }
  }
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    ? (parsed as Json)
    : undefined;
}

function own(object: Json | undefined, name: string): unknown {
  return object && Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Additional parameters are arrays with one string each. */
function parameter(credential: Json, name: string): string | undefined {
  const value = own(asObject(own(credential, 'additionalParameters')), name);
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' || typeof first === 'number' ? String(first) : undefined;
}

function bytes(value: unknown): Buffer | undefined {
  return typeof value === 'string' ? fromBase64(value) : undefined;
}

/**
 * The canonical text of a Keycloak password credential, or a text that names Keycloak and will be refused as
 * unreadable. Input: the two JSON documents, as strings or already parsed.
 */
export function keycloakText(secretData: unknown, credentialData: unknown): string {
  const secret = asObject(secretData);
  const credential = asObject(credentialData);
  const digest = bytes(own(secret, 'value'));
  const salt = bytes(own(secret, 'salt'));
  const algorithm = own(credential, 'algorithm');
  const iterations = fromDecimal(String(own(credential, 'hashIterations')));
  if (!credential || !digest || !salt || iterations === undefined || typeof algorithm !== 'string')
    return '{KEYCLOAK}unreadable';
  if (algorithm === 'argon2') return argon2Credential(credential, iterations, salt, digest);
  const tag = Object.hasOwn(digests, algorithm) ? digests[algorithm] : undefined;
  if (!tag) return `{KEYCLOAK}${algorithm.replace(/[^\w.-]/g, '').slice(0, 32)}`;
  return `{${tag}}${iterations}$${toAdaptedBase64(salt)}$${toAdaptedBase64(digest)}`;
}

function argon2Credential(credential: Json, passes: number, salt: Buffer, digest: Buffer): string {
  const memory = fromDecimal(parameter(credential, 'memory'));
  const lanes = fromDecimal(parameter(credential, 'parallelism'));
  const type = parameter(credential, 'type') ?? 'id';
  const version = parameter(credential, 'version') === '1.0' ? 16 : 19;
  if (memory === undefined || lanes === undefined || !['id', 'i', 'd'].includes(type))
    return '{KEYCLOAK}unreadable';
  return argon2Text(
    { kind: `argon2${type}`, version, memory, passes, lanes, salt, length: digest.length },
    digest,
  );
}
