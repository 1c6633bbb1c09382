/** Mail as others send it: messages by the byte, and signatures made with the library rather than with our own hand. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { dkimSign, sealMessage } from 'mailauth';

/** A message with CRLF; fields in the order given, one an entry, several where the value is a list. */
export function makeMail(fields: Record<string, string | readonly string[]>, body = 'Hello.\r\n'): Buffer {
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}\r\n`),
  );
  return Buffer.from(`${lines.join('')}\r\n${body}`);
}

export interface MailKey {
  privateKey: string;
  /** What stands in DNS at `selector._domainkey.domain`. */
  record: string;
}

/** @param bits of an RSA key; undefined: Ed25519 */
export function makeMailKey(bits: number | undefined = 2048, flags = ''): MailKey {
  if (bits === undefined) {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    return { privateKey: pem(privateKey), record: `v=DKIM1; k=ed25519;${flags} p=${raw.toString('base64')}` };
  }
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { privateKey: pem(privateKey), record: `v=DKIM1; k=rsa;${flags} p=${der.toString('base64')}` };
}

function pem(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }) as string;
}

export interface SignWith {
  domain: string;
  selector: string;
  key: MailKey;
  /** Bytes of the body that are covered (l=). */
  covered?: number;
  signTime?: Date;
  expires?: Date;
  canonicalization?: string;
  algorithm?: string;
  fields?: string[];
  identity?: string;
}

/** The message with a DKIM-Signature of the library before it. */
export async function signMail(raw: Buffer, how: SignWith): Promise<Buffer> {
  const { signatures, errors } = await dkimSign(raw, {
    canonicalization: how.canonicalization ?? 'relaxed/relaxed',
    algorithm: how.algorithm ?? '',
    signTime: how.signTime ?? new Date(),
    ...(how.expires ? { expires: how.expires } : {}),
    ...(how.fields ? { headerList: how.fields } : {}),
    signatureData: [
      {
        signingDomain: how.domain,
        selector: how.selector,
        privateKey: how.key.privateKey,
        ...(how.covered === undefined ? {} : { maxBodyLength: how.covered }),
        ...(how.identity ? { identity: how.identity } : {}),
      },
    ],
  } as Parameters<typeof dkimSign>[1]);
  if (errors?.length) throw new Error(`not signed: ${JSON.stringify(errors)}`);
  return Buffer.concat([Buffer.from(signatures), raw]);
}

/** The message with an ARC set of the library before it. */
export async function sealMail(
  raw: Buffer,
  how: { domain: string; selector: string; key: MailKey; cv: 'none' | 'pass' | 'fail'; results: string },
): Promise<Buffer> {
  const fields = await sealMessage(raw, {
    signingDomain: how.domain,
    selector: how.selector,
    privateKey: how.key.privateKey,
    cv: how.cv,
    authResults: how.results,
  } as Parameters<typeof sealMessage>[1]);
  return Buffer.concat([fields, raw]);
}
