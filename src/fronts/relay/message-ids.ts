/**
 * What a message is called on the other side: the ids that a person's own mail service gives out never reach an app, and
 * still threads hold both ways. An id is kept nowhere: ours holds the other one, sealed so that the same always gives the
 * same (the synthetic initialisation vector of RFC 5297, with HMAC-SHA256 and AES-256 in counter mode).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { constantTimeEqual } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';

const purpose = 'relay-message-id';
const keyPurpose = 'relay-message-id-key';
const vectorBytes = 16;
/** A sealed id of this many bytes is a line of some 300 letters. */
const longestSealed = 200;
const idForm = /<([^<>\s@]{1,250}@[^<>\s@]{1,250})>/g;

/** Message ids in a header value, without angle brackets, in their order; the last `most` of them and the first. */
export function readIds(value: string, most = 30): string[] {
  const ids = [...value.matchAll(idForm)].map((match) => match[1]!);
  return ids.length <= most ? ids : [ids[0]!, ...ids.slice(1 - most)];
}

/** The id for others instead of this one, at this domain. One that is too long to be held is only derived from. */
export function sealId(secrets: Secrets, id: string, domain: string): string {
  const vector = secrets.mac(purpose, id).subarray(0, vectorBytes);
  if (Buffer.byteLength(id) > longestSealed) return `gh1.${vector.toString('base64url')}@${domain}`;
  const cipher = createCipheriv('aes-256-ctr', secrets.mac(keyPurpose), vector);
  const sealed = Buffer.concat([vector, cipher.update(id, 'utf8'), cipher.final()]);
  return `gh2.${sealed.toString('base64url')}@${domain}`;
}

/** What `sealId` was given, under this or a previous master key; undefined for any other id. */
export function openId(secrets: Secrets, id: string): string | undefined {
  const coded = /^gh2\.([A-Za-z0-9_-]{24,400})@[^@]+$/.exec(id)?.[1];
  if (!coded) return undefined;
  const sealed = Buffer.from(coded, 'base64url');
  const vector = sealed.subarray(0, vectorBytes);
  for (const key of secrets.macs(keyPurpose)) {
    const decipher = createDecipheriv('aes-256-ctr', key, vector);
    const text = Buffer.concat([decipher.update(sealed.subarray(vectorBytes)), decipher.final()]).toString(
      'utf8',
    );
    const isOurs = secrets
      .macs(purpose, text)
      .some((mac) => constantTimeEqual(mac.subarray(0, vectorBytes), vector));
    if (isOurs && /^[^<>\s@]+@[^<>\s@]+$/.test(text)) return text;
  }
  return undefined;
}

/** Ids as a header field of their own, one a line. */
export function idsField(name: string, ids: readonly string[]): string {
  return `${name}: ${ids.map((id) => `<${id}>`).join('\r\n ')}`;
}
