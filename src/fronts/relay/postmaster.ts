/**
 * Mail to postmaster and abuse of our domains (RFC 5321 section 4.5.1, RFC 2142): anyone may write it, and it goes to who
 * runs the community.
 */
import { onAliasDomain } from '#core/community/alias-domains.ts';
import { community } from '#core/community/community.ts';
import { listOperators } from '#core/operators/operators.ts';
import { listAddresses } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import { isOneAddress } from '#kit/smtp/smtp.ts';

const mostOwners = 5;
/** For each network that writes. */
export const postmasterLimit = { points: 50, windowSeconds: 86_400 };

/** The contact of the community where that is an address of elsewhere; else the confirmed main addresses of owners. */
export async function postmasters(tx: Tx): Promise<string[]> {
  const contact = (await community(tx)).contact?.trim() ?? '';
  if (isOneAddress(contact) && (await onAliasDomain(tx, [contact.toLowerCase()])).size === 0)
    return [contact];
  const owners = (await listOperators(tx)).filter(({ role }) => role === 'owner').map(({ person }) => person);
  const addresses = await listAddresses(tx, owners.slice(0, mostOwners));
  return addresses.filter((one) => one.primary && one.verifiedAt !== undefined).map((one) => one.address);
}
