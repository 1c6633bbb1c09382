/**
 * Keys with certificates for SAML, made anew for every run:
 *   samlKey()                       → { key, certificate }: RSA 2048, valid from yesterday for a month
 *   samlKey({ bits, from, until })  → others, expired ones too
 * One takes a tenth of a second or more, so tests make theirs once, at the top.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import 'reflect-metadata';
import { BasicConstraintsExtension, X509CertificateGenerator } from '@peculiar/x509';

export interface SamlKey {
  /** PEM, PKCS #8. */
  key: string;
  /** PEM. */
  certificate: string;
}

export interface SamlKeyOptions {
  name?: string;
  bits?: number;
  from?: Date;
  until?: Date;
}

const day = 86_400_000;

/** Makes an RSA key and a certificate signed by itself. */
export async function samlKey(options: SamlKeyOptions = {}): Promise<SamlKey> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: options.bits ?? 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const bytes = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const { subtle } = crypto;
  const signing = await subtle.importKey('pkcs8', bytes(privateKey), algorithm, true, ['sign']);
  const published = await subtle.importKey('spki', bytes(publicKey), algorithm, true, ['verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16).toString('hex'),
    name: `CN=${options.name ?? 'SAML test'}`,
    notBefore: options.from ?? new Date(Date.now() - day),
    notAfter: options.until ?? new Date(Date.now() + 30 * day),
    signingAlgorithm: algorithm,
    keys: { privateKey: signing, publicKey: published },
    extensions: [new BasicConstraintsExtension(false, undefined, true)],
  });
  return {
    key: privateKey,
    certificate: certificate.toString('pem'),
  };
}
