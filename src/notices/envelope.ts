/**
 * Where refusals of a letter come back to: an address of ours that says which letter it was, keyed, so that nobody can
 * report on a letter they never had. Small letters and digits alone: servers on the way change the case (RFC 5321 §2.4).
 */
import { constantTimeEqual } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';

const macCharacters = 16;
const form = /^bounces\+([0-9a-f]{32})\.([0-9a-f]{16})$/;

const spell = (mac: Buffer) => mac.toString('hex').slice(0, macCharacters);

/** The envelope sender of a letter; its local part has 57 characters of the 64 there may be (RFC 5321 §4.5.3.1.1). */
export function bounceAddress(secrets: Secrets, notice: string, domain: string): string {
  return `bounces+${notice.replaceAll('-', '')}.${spell(secrets.mac('mail-bounce', notice))}@${domain}`;
}

/** The letter behind the local part of such an address, also of one made under an earlier master key. */
export function readBounceAddress(secrets: Secrets, local: string): string | undefined {
  const [, hex, given] = form.exec(local.toLowerCase()) ?? [];
  if (!hex || !given) return undefined;
  const notice = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const ours = secrets.macs('mail-bounce', notice).map(spell);
  return ours.some((mac) => constantTimeEqual(given, mac)) ? notice : undefined;
}
