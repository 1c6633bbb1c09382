/**
 * SAML 2.0 as far as a web sign-on needs it, both sides: messages are made and read, signed and verified, encrypted
 * and decrypted, packed for the Redirect and POST bindings. Pure: clock, ids and keys are handed in.
 *
 * Owns: the shape of messages and metadata, and what makes one believable. This file has the names of the standard.
 * Records: nothing. Whoever calls keeps open requests (one use), assertion ids until they end, and the choice of keys.
 * Refuses, with one `SamlRefusal` code each (refusal.ts): whatever is not exactly what was signed by a configured key.
 *
 * Three rules carry it. A message is one plain tree: no DOCTYPE, comment, CDATA or instruction, ids unique, all bounded
 * (xml.ts). After a signature was verified, only the canonical bytes it covers are parsed again and read; the message
 * that came in is dropped (signature.ts). No key, address or algorithm is ever taken from a message.
 */

/** Namespaces, by their customary prefix. */
export const NS = {
  saml: 'urn:oasis:names:tc:SAML:2.0:assertion',
  samlp: 'urn:oasis:names:tc:SAML:2.0:protocol',
  md: 'urn:oasis:names:tc:SAML:2.0:metadata',
  ds: 'http://www.w3.org/2000/09/xmldsig#',
  xenc: 'http://www.w3.org/2001/04/xmlenc#',
  ec: 'http://www.w3.org/2001/10/xml-exc-c14n#',
} as const;

export type Prefix = keyof typeof NS;

/** saml-bindings 3.4 and 3.5. */
export const BINDING = {
  redirect: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
  post: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
} as const;

/** saml-core 8.3. */
export const NAME_ID = {
  persistent: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  transient: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  emailAddress: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  unspecified: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
  entity: 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity',
} as const;

/** saml-core 3.2.2.2: the first four stand on top, the others below them. */
export const STATUS = {
  success: 'urn:oasis:names:tc:SAML:2.0:status:Success',
  requester: 'urn:oasis:names:tc:SAML:2.0:status:Requester',
  responder: 'urn:oasis:names:tc:SAML:2.0:status:Responder',
  versionMismatch: 'urn:oasis:names:tc:SAML:2.0:status:VersionMismatch',
  authnFailed: 'urn:oasis:names:tc:SAML:2.0:status:AuthnFailed',
  invalidNameIdPolicy: 'urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy',
  noAuthnContext: 'urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext',
  noPassive: 'urn:oasis:names:tc:SAML:2.0:status:NoPassive',
  partialLogout: 'urn:oasis:names:tc:SAML:2.0:status:PartialLogout',
  requestDenied: 'urn:oasis:names:tc:SAML:2.0:status:RequestDenied',
  requestUnsupported: 'urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported',
  unknownPrincipal: 'urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal',
} as const;

/** saml-authn-context 3.4, and the class federations use for more than one factor. */
export const AUTHN_CONTEXT = {
  passwordProtectedTransport: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
  password: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password',
  timeSyncToken: 'urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken',
  x509: 'urn:oasis:names:tc:SAML:2.0:ac:classes:X509',
  mobileTwoFactorContract: 'urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract',
  unspecified: 'urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified',
  refedsMfa: 'https://refeds.org/profile/mfa',
} as const;

/** saml-core 8.2. */
export const ATTRIBUTE_NAME = {
  basic: 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
  uri: 'urn:oasis:names:tc:SAML:2.0:attrname-format:uri',
  unspecified: 'urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified',
} as const;

/** The way a subject is confirmed in web sign-on (saml-profiles 3.3). */
export const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';

/** No message is larger than this, before it is decoded and after (bytes). */
export const MESSAGE_LIMIT = 256 * 1024;

/** No metadata is larger than this (bytes). */
export const METADATA_LIMIT = 2 * 1024 * 1024;
