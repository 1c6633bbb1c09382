/** xmlsec1, the C library most services verify with, as its command. Needs the Debian package xmlsec1. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why xmlsec1 cannot be used here, or undefined when it can. Pass as `skip` to a test. */
export function xmlsecMissing(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  if (folders.some((folder) => existsSync(path.join(folder, 'xmlsec1')))) return undefined;
  return 'skipped: xmlsec1 is not installed (Debian package xmlsec1)';
}

/** Elements whose attribute ID is an id, for a program that reads no schema. */
const ids = ['Response', 'Assertion', 'AuthnRequest', 'LogoutRequest', 'EntityDescriptor'].flatMap((name) => [
  '--id-attr:ID',
  name,
]);

async function inFolder<T>(files: Record<string, string>, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'xmlsec-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * Whether the signature below the element of this name verifies with the key of the certificate, and with that alone:
 * certificates in the message are not looked at.
 */
export async function xmlsecVerifies(text: string, certificate: string, signed: string): Promise<boolean> {
  return await inFolder({ 'message.xml': text, 'certificate.pem': certificate }, async (folder) => {
    const place = `//*[local-name()='${signed}']/*[local-name()='Signature']`;
    const key = ['--pubkey-cert-pem', path.join(folder, 'certificate.pem'), '--enabled-key-data', 'rsa'];
    const file = path.join(folder, 'message.xml');
    try {
      await run('xmlsec1', ['--verify', ...ids, ...key, '--node-xpath', place, file]);
      return true;
    } catch (error) {
      if (/FAIL|failed/.test(String((error as { stderr?: string }).stderr))) return false;
      throw error;
    }
  });
}

/** Encrypts XML for the holder of a certificate: AES-256-GCM, its key by RSA-OAEP. Returns the EncryptedData. */
export async function xmlsecEncrypts(text: string, certificate: string): Promise<string> {
  const xenc = 'http://www.w3.org/2001/04/xmlenc#';
  const template = `<xenc:EncryptedData xmlns:xenc="${xenc}" Type="${xenc}Element">
    <xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"/>
    <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>
      <xenc:EncryptionMethod Algorithm="${xenc}rsa-oaep-mgf1p"/><xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
    </xenc:EncryptedKey></ds:KeyInfo>
    <xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
  </xenc:EncryptedData>`;
  const files = { 'data.xml': text, 'template.xml': template, 'certificate.pem': certificate };
  return await inFolder(files, async (folder) => {
    const file = (name: string) => path.join(folder, name);
    const { stdout } = await run('xmlsec1', [
      ...['--encrypt', '--pubkey-cert-pem', file('certificate.pem'), '--session-key', 'aes-256'],
      ...['--xml-data', file('data.xml'), file('template.xml')],
    ]);
    return stdout.replace(/^<\?xml[^>]*>\s*/, '').trim();
  });
}

/** Fills in the empty signature that stands in the text. */
export async function xmlsecSigns(text: string, key: string): Promise<string> {
  return await inFolder({ 'message.xml': text, 'key.pem': key }, async (folder) => {
    const files = ['--privkey-pem', path.join(folder, 'key.pem'), path.join(folder, 'message.xml')];
    return (await run('xmlsec1', ['--sign', ...ids, ...files])).stdout;
  });
}

/** The assertion in an EncryptedAssertion decrypted with the key (PEM). */
export async function xmlsecDecrypts(text: string, key: string): Promise<string> {
  return await inFolder({ 'message.xml': text, 'key.pem': key }, async (folder) => {
    const files = ['--privkey-pem', path.join(folder, 'key.pem'), path.join(folder, 'message.xml')];
    return (await run('xmlsec1', ['--decrypt', ...files])).stdout;
  });
}
