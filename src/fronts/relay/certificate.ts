/** The certificate the relay shows: from files that are read again when they change, or one made here. */
import { generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { promisify } from 'node:util';
import { regularly } from '#kit/clock/regularly.ts';
import type { Log } from '#kit/log/log.ts';

export interface Certificate {
  cert: string;
  key: string;
}

/** Names of PEM files. */
export interface CertificateFiles {
  cert: string;
  key: string;
}

const dayMs = 86_400_000;
const lookEveryMs = 30_000;

/** Reads both files. Throws when they cannot be read or do not belong together. */
export async function readCertificate(files: CertificateFiles): Promise<Certificate> {
  const [cert, key] = await Promise.all([readFile(files.cert, 'utf8'), readFile(files.key, 'utf8')]);
  createSecureContext({ cert, key });
  return { cert, key };
}

/**
 * Looks at the files from now on, and hands over what they hold when they changed. What cannot be used is told to the log
 * and left alone: the certificate that is in use stays. @returns stops
 */
export async function watchCertificate(needs: {
  files: CertificateFiles;
  log: Log;
  take(certificate: Certificate): void;
  everyMs?: number;
}): Promise<() => Promise<void>> {
  const { files, log, take } = needs;
  const mark = async () => {
    const states = await Promise.all([stat(files.cert), stat(files.key)]);
    return states.map(({ mtimeMs, size, ino }) => `${mtimeMs}/${size}/${ino}`).join(' ');
  };
  let known = await mark();
  const failed = (error: unknown) =>
    log.warn({ err: error, code: 'relay-certificate' }, 'the new certificate of the relay cannot be used');
  const looking = regularly({ everyMs: needs.everyMs ?? lookEveryMs, failed }, async () => {
    const now = await mark();
    if (now === known) return;
    take(await readCertificate(files));
    known = now;
    log.info({ code: 'relay-certificate' }, 'the relay shows its new certificate');
  });
  return () => looking.stop();
}

const generate = promisify(generateKeyPair) as unknown as (
  kind: 'ec',
  options: object,
) => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>;

/** One for this run: it keeps those out who only listen. Senders cannot know it is ours. */
export async function makeCertificate(name: string): Promise<Certificate> {
  const { privateKey, publicKey } = await generate('ec', { namedCurve: 'P-256' });
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const serial = randomBytes(16);
  // A serial number is positive (RFC 5280 section 4.1.2.2).
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  await import('reflect-metadata');
  const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await import('@peculiar/x509');
  const made = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    name: [{ CN: [name] }],
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 365 * dayMs),
    signingAlgorithm,
    keys: {
      privateKey: privateKey.toCryptoKey(signingAlgorithm, true, ['sign']) as CryptoKey,
      publicKey: publicKey.toCryptoKey(signingAlgorithm, true, ['verify']) as CryptoKey,
    },
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  return {
    cert: made.toString('pem'),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}
