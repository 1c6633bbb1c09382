/**
 * Signatures on messages, one narrow profile of XML Signature (saml-core 5.4): one Signature as a child of what it
 * signs, one Reference to that element's ID, enveloped-signature and exclusive C14N, RSA with SHA-2. The canonical form
 * is xml-crypto's; everything around it stands here, because the one parser of this folder must be the only one that
 * ever looks at a message: two parsers that differ are how signatures were wrapped elsewhere.
 */
import {
  createHash,
  type KeyObject,
  sign as signBytes,
  timingSafeEqual,
  verify as verifyBytes,
  X509Certificate,
} from 'node:crypto';
import { createRequire } from 'node:module';
import type { Document, Element } from '@xmldom/xmldom';
import { base64Of } from './base64.ts';
import { refuse, SamlRefusal } from './refusal.ts';
import { METADATA_LIMIT, NS } from './saml.ts';
import {
  attributeOf,
  behindStartTag,
  child,
  children,
  countNamed,
  escapeAttribute,
  isNamed,
  type Name,
  neededAttribute,
  onlyChild,
  parseXml,
  textOf,
} from './xml.ts';

const require = createRequire(import.meta.url);
/** Loaded by the first signature: many houses have no app that speaks SAML. */
const xmlCrypto = () => require('xml-crypto') as typeof import('xml-crypto');

/** The signature algorithms there are, by what they hash with; nothing else is verified or made. */
export const SIGNATURE_ALGORITHM = {
  sha256: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  sha384: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384',
  sha512: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
} as const;

const digestAlgorithm = {
  sha256: 'http://www.w3.org/2001/04/xmlenc#sha256',
  sha384: 'http://www.w3.org/2001/04/xmldsig-more#sha384',
  sha512: 'http://www.w3.org/2001/04/xmlenc#sha512',
} as const;

const enveloped = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const leastBits = 2048;
const mostPrefixes = 32;
/** No prefix at all; an empty list would make the library look for one in the content. */
const noPrefix = [' '];

export type Hash = keyof typeof SIGNATURE_ALGORITHM;

/** What signs: an RSA private key (a key object is read once, a PEM every time), the certificate it is published with (PEM), SHA-256 unless said. */
export interface Signer {
  key: KeyObject | string;
  certificate: string;
  algorithm?: Hash;
}

export interface Expected {
  /** What the signed element must be, and nothing else. */
  rootName: Name;
  /** PEM; any one of them may have signed, so that two can stand side by side while keys change (SA-17). */
  certificates: readonly string[];
}

/** Whether the root carries a signature of its own. Says nothing about its worth. */
export function isSigned(element: Element): boolean {
  return children(element, 'ds:Signature').length > 0;
}

/**
 * Verifies the signature of the document's root and returns the root again, parsed from the canonical bytes that were
 * signed. The document itself is used up by this and must not be read afterwards. Throws `SamlRefusal`.
 */
export function verifySigned(document: Document, expected: Expected): Element {
  const root = document.documentElement ?? refuse('not-xml');
  if (!isNamed(root, expected.rootName)) refuse('root', root.tagName);
  if (!isSigned(root)) refuse('unsigned');
  if (countNamed(root, 'ds:Signature') !== 1) refuse('signature-count');
  return verifyElement(root, expected);
}

/** As `verifySigned`, for an element inside a document: an assertion in its response. */
export function verifyElement(element: Element, { rootName, certificates }: Expected): Element {
  if (!isNamed(element, rootName)) refuse('root', element.tagName);
  const signatures = children(element, 'ds:Signature');
  if (signatures.length === 0) refuse('unsigned');
  if (signatures.length > 1) refuse('signature-count');
  const shape = shapeOf(signatures[0]!);
  const id = neededAttribute(element, 'ID');
  if (shape.uri !== `#${id}`) refuse('reference', shape.uri);
  const signedInfo = canonical(shape.signedInfo, shape.signedInfoPrefixes);
  const keys = keysOf(certificates);
  const made = (key: KeyObject) => verifyBytes(shape.hash, Buffer.from(signedInfo), key, shape.value);
  if (!keys.some(made)) refuse('signature');
  element.removeChild(signatures[0]!);
  const content = canonical(element, shape.prefixes);
  const digest = createHash(shape.digestHash).update(content).digest();
  if (digest.length !== shape.digest.length || !timingSafeEqual(digest, shape.digest)) refuse('digest');
  return readBack(content, rootName, id);
}

/** From here on only these bytes speak. */
function readBack(content: string, rootName: Name, id: string): Element {
  const root = parseXml(content, { maxBytes: 2 * METADATA_LIMIT }).documentElement;
  if (!root || !isNamed(root, rootName) || attributeOf(root, 'ID') !== id) refuse('canonical');
  return root;
}

interface Shape {
  hash: Hash;
  signedInfo: Element;
  signedInfoPrefixes: string[];
  uri: string;
  prefixes: string[];
  digestHash: Hash;
  digest: Buffer;
  value: Buffer;
}

/** Takes a Signature apart and refuses every part that need not be there (xmldsig-core 4; SA-02, SA-05). */
function shapeOf(signature: Element): Shape {
  parts(signature, ['ds:SignedInfo', 'ds:SignatureValue', 'ds:KeyInfo']);
  const signedInfo = onlyChild(signature, 'ds:SignedInfo');
  parts(signedInfo, ['ds:CanonicalizationMethod', 'ds:SignatureMethod', 'ds:Reference']);
  const method = onlyChild(signedInfo, 'ds:CanonicalizationMethod');
  if (neededAttribute(method, 'Algorithm') !== NS.ec) refuse('algorithm', attributeOf(method, 'Algorithm'));
  const reference = onlyChild(signedInfo, 'ds:Reference');
  parts(reference, ['ds:Transforms', 'ds:DigestMethod', 'ds:DigestValue']);
  return {
    hash: hashOf(onlyChild(signedInfo, 'ds:SignatureMethod'), SIGNATURE_ALGORITHM),
    signedInfo,
    signedInfoPrefixes: prefixesOf(method),
    uri: neededAttribute(reference, 'URI'),
    prefixes: transformsOf(onlyChild(reference, 'ds:Transforms')),
    digestHash: hashOf(onlyChild(reference, 'ds:DigestMethod'), digestAlgorithm),
    digest: base64Of(textOf(onlyChild(reference, 'ds:DigestValue'))),
    value: base64Of(textOf(onlyChild(signature, 'ds:SignatureValue'))),
  };
}

function parts(element: Element, allowed: readonly Name[]): void {
  for (const part of children(element)) {
    if (!allowed.some((name) => isNamed(part, name))) refuse('signature-shape', part.tagName);
  }
  for (const name of allowed) {
    if (children(element, name).length > 1) refuse('signature-count', name);
  }
}

function hashOf(method: Element, known: Readonly<Record<Hash, string>>): Hash {
  const algorithm = neededAttribute(method, 'Algorithm');
  if (children(method).length > 0) refuse('signature-shape', `parameters of ${algorithm}`);
  const hashes = Object.keys(known) as Hash[];
  return hashes.find((hash) => known[hash] === algorithm) ?? refuse('algorithm', algorithm);
}

/** Enveloped signature, then exclusive C14N, and nothing else (saml-core 5.4.4). Returns the inclusive prefixes. */
function transformsOf(transforms: Element): string[] {
  const all = children(transforms);
  const algorithms = all.map((transform) => {
    if (!isNamed(transform, 'ds:Transform')) refuse('signature-shape', transform.tagName);
    return neededAttribute(transform, 'Algorithm');
  });
  const foreign = algorithms.find((algorithm) => algorithm !== enveloped && algorithm !== NS.ec);
  if (foreign !== undefined) refuse('transform', foreign);
  if (algorithms.length !== 2 || algorithms[0] !== enveloped || algorithms[1] !== NS.ec) {
    refuse('transform', algorithms.join(' '));
  }
  if (children(all[0]!).length > 0) refuse('signature-shape', 'parameters of a transform');
  return prefixesOf(all[1]!);
}

/** The prefixes an exclusive canonicalisation treats inclusively (exc-c14n 3). */
function prefixesOf(method: Element): string[] {
  for (const part of children(method)) {
    if (!isNamed(part, 'ec:InclusiveNamespaces')) refuse('signature-shape', part.tagName);
  }
  const list = child(method, 'ec:InclusiveNamespaces');
  const prefixes = (list ? (attributeOf(list, 'PrefixList') ?? '') : '')
    .split(/\s+/)
    .filter((one) => one !== '');
  return prefixes.length > mostPrefixes ? refuse('too-complex', `${prefixes.length} prefixes`) : prefixes;
}

/** The exclusive canonical form as text; refused when there is none (SA-06). */
function canonical(element: Element, prefixes: string[]): string {
  const { ExclusiveCanonicalization } = xmlCrypto();
  let text: string;
  try {
    text = new ExclusiveCanonicalization().process(element as unknown as globalThis.Element, {
      inclusiveNamespacesPrefixList: prefixes.length > 0 ? prefixes : noPrefix,
      ancestorNamespaces: inScope(element),
      defaultNsForPrefix: {},
    });
  } catch {
    return refuse('canonical');
  }
  return text === '' ? refuse('canonical') : text;
}

/** The prefixes declared at an element and above it, each with its nearest meaning. */
function inScope(element: Element): { prefix: string; namespaceURI: string }[] {
  const found = new Map<string, string>();
  for (let up: Element | null = element; up?.attributes; up = up.parentNode as Element | null) {
    for (const { name, value } of up.attributes) {
      const prefix = name.startsWith('xmlns:') ? name.slice(6) : undefined;
      if (prefix && !found.has(prefix)) found.set(prefix, value);
    }
  }
  return [...found].map(([prefix, namespaceURI]) => ({ prefix, namespaceURI }));
}

/** Keys that were taken from certificates before, so that reading one again costs nothing. */
const known = new Map<string, KeyObject>();
const mostKnown = 200;

/** The RSA key in a configured certificate. Its dates are the caller's matter: see `certificateFacts`. */
export function publicKeyOf(certificate: string): KeyObject {
  const before = known.get(certificate);
  if (before) return before;
  let key: KeyObject;
  try {
    key = new X509Certificate(certificate).publicKey;
  } catch {
    return refuse('key', 'not a certificate');
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa' || bits < leastBits) refuse('key', `${key.asymmetricKeyType} ${bits}`);
  if (known.size >= mostKnown) known.clear();
  known.set(certificate, key);
  return key;
}

/** The keys that can verify; others beside them (another algorithm's, a damaged one) verify nothing and do no harm. */
function keysOf(certificates: readonly string[]): KeyObject[] {
  const keys: KeyObject[] = [];
  let unusable: SamlRefusal | undefined;
  for (const certificate of certificates) {
    try {
      keys.push(publicKeyOf(certificate));
    } catch (error) {
      if (!(error instanceof SamlRefusal)) throw error;
      unusable = error;
    }
  }
  if (keys.length === 0 && unusable) throw unusable;
  return keys;
}

export interface CertificateFacts {
  notBefore: Date;
  notAfter: Date;
  /** SHA-256, in pairs with colons. */
  fingerprint: string;
  subject: string;
  /** What the key is and how long: `rsa 2048`. Others than RSA of 2,048 bits and more verify nothing here. */
  key: string;
}

/** What to show and warn about (SA-17): an expired certificate still verifies, whoever calls decides whether it may. */
export function certificateFacts(certificate: string): CertificateFacts {
  let read: X509Certificate;
  try {
    read = new X509Certificate(certificate);
  } catch {
    return refuse('key', 'not a certificate');
  }
  const { asymmetricKeyType, asymmetricKeyDetails } = read.publicKey;
  const size = asymmetricKeyDetails?.modulusLength ?? asymmetricKeyDetails?.namedCurve ?? '';
  return {
    notBefore: new Date(read.validFrom),
    notAfter: new Date(read.validTo),
    fingerprint: read.fingerprint256,
    subject: read.subject,
    key: `${asymmetricKeyType} ${size}`.trim(),
  };
}

/** The base64 inside a PEM certificate, on one line, as KeyInfo and metadata carry it. */
export function bareCertificate(pem: string): string {
  const found = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(pem);
  return found ? found[1]!.replace(/\s+/g, '') : refuse('key', 'not a certificate in PEM');
}

/**
 * Signs the root of `xml`, whose ID is `id`. Returns it in canonical form, so that it can be set into another message
 * as it is; the signature stands behind the Issuer, or first where there is none (saml-core 5.4, saml-metadata 2.3).
 */
export function signElement(xml: string, { id, ...signer }: Signer & { id: string }): string {
  const root = parseXml(xml, { maxBytes: METADATA_LIMIT, comments: 'drop' }).documentElement;
  if (!root || attributeOf(root, 'ID') !== id) refuse('reference', id);
  const content = canonical(root, []);
  const hash = signer.algorithm ?? 'sha256';
  const digest = createHash(hash).update(content).digest('base64');
  const info = signedInfo(id, hash, digest);
  // Canonical as it stands: the namespace is declared here as it would be when SignedInfo is canonicalised alone.
  const canonicalInfo = info.replace('<ds:SignedInfo>', `<ds:SignedInfo xmlns:ds="${NS.ds}">`);
  const value = signBytes(hash, Buffer.from(canonicalInfo), signer.key).toString('base64');
  const signature =
    `<ds:Signature xmlns:ds="${NS.ds}">${info}<ds:SignatureValue>${value}</ds:SignatureValue>` +
    `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>${bareCertificate(signer.certificate)}</ds:X509Certificate>` +
    `</ds:X509Data></ds:KeyInfo></ds:Signature>`;
  const first = children(root)[0];
  const end = first && isNamed(first, 'saml:Issuer') ? `</${first.tagName}>` : undefined;
  const at = end === undefined ? behindStartTag(content) : content.indexOf(end) + end.length;
  // As references they are the same content, but parsers of XML 1.1 do not take them for ends of lines.
  const kept = (part: string) => part.replaceAll('\u0085', '&#x85;').replaceAll('\u2028', '&#x2028;');
  return kept(content.slice(0, at)) + signature + kept(content.slice(at));
}

function signedInfo(id: string, hash: Hash, digest: string): string {
  const method = (name: string, algorithm: string) => `<ds:${name} Algorithm="${algorithm}"></ds:${name}>`;
  return (
    `<ds:SignedInfo>${method('CanonicalizationMethod', NS.ec)}` +
    `${method('SignatureMethod', SIGNATURE_ALGORITHM[hash])}<ds:Reference URI="#${escapeAttribute(id)}">` +
    `<ds:Transforms>${method('Transform', enveloped)}${method('Transform', NS.ec)}</ds:Transforms>` +
    `${method('DigestMethod', digestAlgorithm[hash])}<ds:DigestValue>${digest}</ds:DigestValue>` +
    `</ds:Reference></ds:SignedInfo>`
  );
}

/** The parameters of the Redirect binding that are signed, in the order they are signed in. */
export interface RedirectParams {
  name: 'SAMLRequest' | 'SAMLResponse';
  /** Deflated and base64, not yet percent-encoded. */
  value: string;
  relayState?: string;
}

/** The whole query, signed (saml-bindings 3.4.4.1). */
export function signRedirect(
  params: RedirectParams,
  { key, algorithm = 'sha256' }: Omit<Signer, 'certificate'>,
): string {
  const signed = `${plainQuery(params)}&SigAlg=${encodeURIComponent(SIGNATURE_ALGORITHM[algorithm])}`;
  const value = signBytes(algorithm, Buffer.from(signed), key).toString('base64');
  return `${signed}&Signature=${encodeURIComponent(value)}`;
}

/** The query without a signature. */
export function plainQuery({ name, value, relayState }: RedirectParams): string {
  // Browsers write a quote in a query as %27 on their own, and what is signed are the letters that arrive.
  const escaped = encodeURIComponent(relayState ?? '').replaceAll("'", '%27');
  const relay = relayState === undefined ? '' : `&RelayState=${escaped}`;
  return `${name}=${encodeURIComponent(value)}${relay}`;
}

/**
 * Whether the query, exactly as it came and without its `?`, was signed by one of these certificates
 * (saml-bindings 3.4.4.1). Never throws for what the other side sent; a missing signature is false.
 */
export function verifyRedirect(rawQuery: string, certificates: readonly string[]): boolean {
  const keys = keysOf(certificates);
  try {
    const parts = rawParameters(rawQuery);
    const name = parts.has('SAMLRequest') ? 'SAMLRequest' : 'SAMLResponse';
    const algorithm = decodeURIComponent(parts.get('SigAlg') ?? '');
    const hash = (Object.keys(SIGNATURE_ALGORITHM) as Hash[]).find(
      (one) => SIGNATURE_ALGORITHM[one] === algorithm,
    );
    const signature = parts.get('Signature');
    if (!hash || !signature || !parts.has(name)) return false;
    // The octets the sender encoded, not ours: two encoders may differ.
    const order = [name, 'RelayState', 'SigAlg'].filter((one) => parts.has(one));
    const signed = Buffer.from(order.map((one) => `${one}=${parts.get(one)}`).join('&'));
    const value = base64Of(decodeURIComponent(signature));
    return keys.some((key) => verifyBytes(hash, signed, key, value));
  } catch (error) {
    if (error instanceof SamlRefusal || error instanceof URIError) return false;
    throw error;
  }
}

/** The parameters of a query, still encoded. One that comes twice, or both kinds of message, is refused. */
export function rawParameters(rawQuery: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const part of rawQuery.replace(/^\?/, '').split('&')) {
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals);
    if (!/^(?:SAML(?:Request|Response|Encoding)|RelayState|SigAlg|Signature)$/.test(name)) continue;
    if (found.has(name)) refuse('binding', `${name} twice`);
    found.set(name, equals === -1 ? '' : part.slice(equals + 1));
  }
  if (found.has('SAMLRequest') && found.has('SAMLResponse')) refuse('binding', 'a request and a response');
  return found;
}
