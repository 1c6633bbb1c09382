/** The closed list of what is wrong with a message. */

/** What each code says to an operator; people see a page of the front. */
export const samlRefusals = {
  // the envelope
  'too-large': 'The message is larger than allowed',
  'not-base64': 'The message is not base64',
  'not-deflate': 'The message is not a deflate stream',
  'not-utf8': 'The message is not UTF-8',
  binding: 'The parameters do not fit the binding',
  'relay-state': 'RelayState is too long',
  // the tree
  'not-xml': 'The message is not well-formed XML',
  doctype: 'The message has a DOCTYPE',
  comment: 'The message has a comment',
  cdata: 'The message has a CDATA section',
  instruction: 'The message has a processing instruction',
  character: 'A value holds a character XML cannot carry',
  namespace: 'A namespace is not an absolute URI',
  'too-complex': 'The message is nested too deeply or has too many parts',
  'duplicate-id': 'Two elements have the same id',
  root: 'The message is of another kind',
  shape: 'A part is missing, doubled or misplaced',
  version: 'The message is not SAML 2.0',
  // the signature
  unsigned: 'The message is not signed',
  'signature-count': 'There is more than one signature, or it does not stand where it must',
  'signature-shape': 'The signature has parts that do not belong there',
  algorithm: 'The algorithm is not allowed',
  transform: 'The transform is not allowed',
  reference: 'The signature does not refer to the element it stands in',
  canonical: 'The canonical form cannot be made or is empty',
  digest: 'The content is not what was signed',
  signature: 'No configured key made this signature',
  key: 'A configured certificate cannot be used: RSA of 2,048 bits or more is needed',
  // encryption
  decryption: 'The assertion cannot be decrypted',
  'encryption-algorithm': 'The encryption algorithm is not allowed',
  'not-encrypted': 'The assertion is not encrypted',
  // what it says
  'assertion-count': 'There is not exactly one assertion where it must stand',
  'nested-message': 'A message stands inside the message',
  status: 'The other side did not sign the person in',
  issuer: 'The issuer is someone else',
  destination: 'The message was meant for another address',
  recipient: 'The assertion was meant for another address',
  audience: 'The assertion was meant for another service',
  'in-response-to': 'The message answers another request',
  condition: 'The assertion has a condition that is not understood',
  confirmation: 'The assertion does not confirm who brings it',
  'too-early': 'The message is not valid yet',
  expired: 'The message has expired',
  'name-id': 'The person is not named, or not in clear',
} as const;

export type SamlRefusalCode = keyof typeof samlRefusals;

/** A message that was not believed. `detail` is for operators: what stood there instead, never a secret. */
export class SamlRefusal extends Error {
  readonly code: SamlRefusalCode;
  readonly detail: string;

  constructor(code: SamlRefusalCode, detail = '') {
    // What others sent is quoted, short and on one line.
    const quoted = detail.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 300);
    super(quoted === '' ? samlRefusals[code] : `${samlRefusals[code]}: ${quoted}`);
    this.name = 'SamlRefusal';
    this.code = code;
    this.detail = quoted;
  }
}

/** Always throws; an expression, so that it can stand where a value is missing. */
export function refuse(code: SamlRefusalCode, detail?: string): never {
  throw new SamlRefusal(code, detail);
}
