/**
 * Asking someone to prove an address. Whether the address is another person's already must not show: the same
 * statements run, the same page follows; only the mail differs, which goes to its owner (AU-07).
 */
import { record } from '#core/events/events.ts';
import { type Address, findByVerifiedAddress, listAddresses } from '#core/people/people.ts';
import { requestVerification, type Verification } from '#core/people/verifications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { networkKey } from '#kit/limits/limits.ts';
import type { Caller, PageNeeds } from './visit.ts';

/** Mails that ask for proof, in an hour. As many as a person may have addresses, from whichever page. */
const personMails = { points: 10, windowSeconds: 3600 };
const networkMails = { points: 30, windowSeconds: 3600 };

/** Counts one such mail, outside any transaction: it needs a connection of its own. Refuses with rate-limited. */
export async function limitProofs(needs: PageNeeds, here: Caller, person: string): Promise<void> {
  const mine = await needs.limits.take(`verify-mail:${person}`, personMails);
  const all = await needs.limits.take(`verify-mail:${networkKey(here.ip)}`, networkMails);
  const waits = [mine, all].filter((one) => !one.allowed).map((one) => one.retryAfterSeconds);
  if (waits.length > 0) throw new Problem('rate-limited', { retryAfter: Math.max(...waits) });
}

/** Has a link and a code mailed to this address of a person, or its owner told when it is someone else's. */
export async function askProof(
  tx: Tx,
  input: { purpose: 'sign-up' | 'address'; address: Address; browser: string },
): Promise<Verification> {
  const { purpose, address, browser } = input;
  const owner = await findByVerifiedAddress(tx, address.address);
  const owned = (await listAddresses(tx, owner ? [owner.id] : [])).find((one) => one.key === address.key);
  const verification = await requestVerification(tx, {
    purpose,
    person: address.person,
    address: address.id,
    browser,
    announce: owned === undefined,
  });
  if (owned) await record(tx, 'sign-up.repeated', { person: owned.person, data: { address: owned.id } });
  return verification;
}
