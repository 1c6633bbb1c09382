/** The one form of address that everybody reads alike. */
import { longestAddress, longestLocalPart } from './smtp.ts';

export interface Path {
  /** As it was written. */
  local: string;
  /** In small letters. */
  domain: string;
}

// RFC 5322 atext without % and !, by which old servers were told to pass mail on to someone else.
const localPart = /^[a-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[a-z0-9#$&'*+/=?^_`{|}~-]+)*$/i;
const domainName = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;

/**
 * One plain mailbox of RFC 5321, `local@domain` without angle brackets. Undefined for whatever else the standard allows
 * or programs have been known to take: quoted local parts, source routes, address literals, `%` and `!` routing, a
 * second `@`, controls, anything beyond ASCII.
 */
export function parsePath(text: string): Path | undefined {
  if (text.length > longestAddress) return undefined;
  const at = text.indexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  const domain = text.slice(at + 1);
  if (local.length > longestLocalPart || !localPart.test(local) || !domainName.test(domain)) return undefined;
  // Small letters last: there are others than ASCII's that become it.
  return { local, domain: domain.toLowerCase() };
}
