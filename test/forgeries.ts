/**
 * Twenty ways to forge a JWT, from one that is honest: for every place that reads one. What changes is the signature, the
 * header or the key; the claims are those that would do harm if they were believed.
 */
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { CompactSign } from 'jose';

export interface Honest {
  /** Claims that would be believed. */
  claims: Record<string, unknown>;
  /** Header of the honest token, with `alg` RS256 or ES256. */
  header: Record<string, unknown> & { alg: string };
  /** The key that signs honest ones. */
  key: KeyObject;
  /** What someone could take for a secret to sign with: that of an app, say. */
  secret: string;
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function bare(header: object, claims: object, signature = ''): string {
  return `${part(header)}.${part(claims)}.${signature}`;
}

/** Signs by hand, whatever the header says. */
function byHand(header: object, claims: object, key: KeyObject, alg: string): string {
  const input = `${part(header)}.${part(claims)}`;
  const ec = alg.startsWith('ES');
  const options = ec ? { key, dsaEncoding: 'ieee-p1363' as const } : key;
  return `${input}.${signBytes('sha256', Buffer.from(input), options).toString('base64url')}`;
}

function mac(header: object, claims: object, secret: Uint8Array): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader(header as { alg: string })
    .sign(secret);
}

/** The forgeries by name. The honest token itself is `honestToken`. */
export async function forgeriesOf(honest: Honest): Promise<Record<string, string>> {
  const { claims, header, key, secret } = honest;
  const rsa = header.alg.startsWith('RS');
  const other = rsa
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const foreign = other.publicKey.export({ format: 'jwk' });
  const own = createPublicKey(key);
  const pem = Buffer.from(own.export({ type: 'spki', format: 'pem' }) as string);
  const der = own.export({ type: 'spki', format: 'der' });
  const good = honestToken(honest);
  const [head, body, signature] = good.split('.') as [string, string, string];
  const text = (value: string) => new Uint8Array(Buffer.from(value));
  const resigned = (more: object) => byHand({ ...header, ...more }, claims, other.privateKey, header.alg);
  return {
    none: bare({ ...header, alg: 'none' }, claims),
    'none in odd letters': bare({ ...header, alg: 'nOnE' }, claims),
    'none with a signature': bare({ ...header, alg: 'none' }, claims, signature),
    'no signature': `${head}.${body}.`,
    'signature of another token': `${head}.${part({ ...claims, jti: 'another' })}.${signature}`,
    'a signature of zeros': `${head}.${body}.${Buffer.alloc(rsa ? 256 : 64).toString('base64url')}`,
    'HS256 with the public key': byMac({ ...header, alg: 'HS256' }, claims, pem),
    'HS256 with the bytes of the public key': byMac({ ...header, alg: 'HS256' }, claims, der),
    'HS256 with an empty key': byMac({ ...header, alg: 'HS256' }, claims, Buffer.alloc(0)),
    'HS256 with a secret of the app': await mac({ ...header, alg: 'HS256' }, claims, text(secret)),
    'another key': resigned({}),
    'another key without a name': resigned({ kid: undefined }),
    'its own key in jwk': resigned({ jwk: foreign, kid: undefined }),
    'its own key in jku': resigned({ jku: 'http://127.0.0.1:9/jwks' }),
    'its own key in x5u': resigned({ x5u: 'http://127.0.0.1:9/certificate.pem' }),
    'its own key in x5c': resigned({ x5c: [der.toString('base64')] }),
    'kid is a path': resigned({ kid: '../../../../../../dev/null' }),
    'kid is SQL': resigned({ kid: "x' union select 'k" }),
    'crit is not known': byHand({ ...header, crit: ['strange'], strange: true }, claims, key, header.alg),
    'crit is empty': byHand({ ...header, crit: [] }, claims, key, header.alg),
    'another algorithm by the same key': byHand(
      { ...header, alg: rsa ? 'RS384' : 'ES384' },
      claims,
      key,
      header.alg,
    ),
    'signature changed by a letter': `${head}.${body}.${changed(signature)}`,
    'not a token': 'hello',
    'five parts': `${good}.x.y`,
  };
}

/** HMAC by hand: libraries refuse such keys, forgers do not. */
function byMac(header: object, claims: object, key: Buffer): string {
  const input = `${part(header)}.${part(claims)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}

function changed(signature: string): string {
  const at = Math.floor(signature.length / 2);
  return `${signature.slice(0, at)}${signature[at] === 'A' ? 'B' : 'A'}${signature.slice(at + 1)}`;
}

/** The token as its maker signs it. */
export function honestToken({ claims, header, key }: Honest): string {
  return byHand(header, claims, key, header.alg);
}
