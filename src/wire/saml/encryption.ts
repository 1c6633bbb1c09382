/**
 * Assertions that only one service can read (saml-core 2.3.4, xmlenc-core1): AES-GCM for the content, RSA-OAEP for its
 * key. Every failure to decrypt has one code and one sentence, so that nobody learns from trying.
 */
import type { KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Element } from '@xmldom/xmldom';
import { base64Of } from './base64.ts';
import { refuse, SamlRefusal } from './refusal.ts';
import { MESSAGE_LIMIT, NS } from './saml.ts';
import { publicKeyOf } from './signature.ts';
import {
  children,
  countNamed,
  isNamed,
  neededAttribute,
  nodesOf,
  onlyChild,
  parseXml,
  textOf,
} from './xml.ts';

const require = createRequire(import.meta.url);
/** Loaded by the first encrypted assertion: most apps want none. */
const xmlEncryption = () => require('xml-encryption') as typeof import('xml-encryption');

const content = {
  aes128: 'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  aes256: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
} as const;

// OAEP does not rest on its hash resisting collisions, so the one every peer knows is what we make.
const transport = {
  oaep: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
  oaep11: 'http://www.w3.org/2009/xmlenc11#rsa-oaep',
} as const;

/** The library looks for names without their namespaces, so nothing of another one may stand there. */
const spoken = new Set<string>([NS.xenc, NS.ds, 'http://www.w3.org/2009/xmlenc11#']);

/** Nonce and tag of AES-GCM (xmlenc-core1 5.2.4), and one byte at least. */
const leastCipherBytes = 12 + 16 + 1;

/** Encrypts an assertion for the holder of a certificate (PEM); returns the EncryptedAssertion. */
export async function encryptAssertion(xml: string, spCertificate: string): Promise<string> {
  const publicKey = publicKeyOf(spCertificate).export({ type: 'spki', format: 'pem' });
  const options = {
    rsa_pub: publicKey,
    pem: spCertificate,
    encryptionAlgorithm: content.aes256,
    keyEncryptionAlgorithm: transport.oaep,
    // Not in the types, though documented.
    ...{ keyEncryptionDigest: 'sha1' },
  } as const;
  const { encrypt } = xmlEncryption();
  const encrypted = await new Promise<string>((resolve, reject) => {
    encrypt(xml, options, (error, result) => (error ? reject(error) : resolve(result)));
  });
  const compact = encrypted.trim().replace(/>\s+</g, '><');
  return `<saml:EncryptedAssertion xmlns:saml="${NS.saml}">${compact}</saml:EncryptedAssertion>`;
}

/**
 * Decrypts an EncryptedAssertion with whichever key fits and returns the assertion, parsed anew. It is not believed
 * by that: anybody can encrypt. Throws `encryption-algorithm` for what is not allowed, else `decryption`.
 */
export function decryptAssertion(element: Element, privateKeys: readonly (string | KeyObject)[]): Element {
  const data = checkedData(element);
  let plain: string | undefined;
  for (const key of privateKeys) plain ??= decrypted(data, key);
  if (plain === undefined) refuse('decryption');
  let assertion: Element | null;
  try {
    assertion = parseXml(plain, { maxBytes: MESSAGE_LIMIT }).documentElement;
  } catch (error) {
    if (error instanceof SamlRefusal) refuse('decryption');
    throw error;
  }
  return assertion && isNamed(assertion, 'saml:Assertion') ? assertion : refuse('decryption');
}

/** One EncryptedData with one EncryptedKey, of algorithms we name, so that the library has nothing to choose. */
function checkedData(element: Element): Element {
  if (!isNamed(element, 'saml:EncryptedAssertion')) refuse('root', element.tagName);
  const data = onlyChild(element, 'xenc:EncryptedData');
  if (countNamed(element, 'xenc:EncryptedKey') !== 1 || countNamed(element, 'xenc:EncryptedData') !== 1) {
    refuse('shape', 'encrypted parts');
  }
  for (const node of nodesOf(element)) {
    const { namespaceURI } = node as Element;
    if (node.nodeType === 1 && !spoken.has(namespaceURI ?? '')) refuse('shape', 'encrypted parts');
  }
  const inside = children(onlyChild(data, 'ds:KeyInfo'), 'xenc:EncryptedKey')[0];
  const key = inside ?? onlyChild(element, 'xenc:EncryptedKey');
  algorithmOf(data, Object.values(content));
  algorithmOf(key, Object.values(transport));
  if (cipherBytes(data) < leastCipherBytes) refuse('decryption');
  cipherBytes(key);
  return inside ? data : element;
}

function algorithmOf(element: Element, allowed: readonly string[]): void {
  const algorithm = neededAttribute(onlyChild(element, 'xenc:EncryptionMethod'), 'Algorithm');
  if (!allowed.includes(algorithm)) refuse('encryption-algorithm', algorithm);
}

/** The bytes stand in the message itself; a CipherReference to somewhere else is refused. */
function cipherBytes(element: Element): number {
  const value = onlyChild(onlyChild(element, 'xenc:CipherData'), 'xenc:CipherValue');
  return base64Of(textOf(value), MESSAGE_LIMIT).length;
}

function decrypted(data: Element, key: string | KeyObject): string | undefined {
  const pem = typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' });
  const { decrypt } = xmlEncryption();
  let plain: string | undefined;
  try {
    const options = { key: pem, disallowDecryptionWithInsecureAlgorithm: true };
    decrypt(data as unknown as string, options, (error, result) => {
      if (!error) plain = result;
    });
  } catch {
    return undefined;
  }
  return plain;
}
