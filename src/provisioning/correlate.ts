/** Which of the accounts a target has is this person's. Pure: who holds which account already is told to it. */
import type { Candidate, RemoteAccount } from './connector.ts';

export type Match =
  | { kind: 'none' }
  | { kind: 'one'; account: RemoteAccount; by: Candidate['by'] }
  | { kind: 'disputed'; why: string };

const strength: Record<Candidate['by'], number> = { externalId: 3, userName: 2, email: 1 };
const words: Record<Candidate['by'], string> = {
  externalId: 'external id',
  userName: 'user name',
  email: 'address',
};

/**
 * The strongest candidate: external id before user name before address. Disputed when that account is linked to somebody
 * else, when it carries somebody else's external id, when two accounts are equally likely, or when the user name alone
 * speaks for it while it stands on an address this person has not proved: names are free to choose, and nobody may take
 * an account over by signing up under its name.
 * @param candidates what the target found
 * @param heldBy remote id → the person whose link holds it
 * @param self the person looked for, the external id they have there, and every address that is proved to be theirs
 * @param issued external ids that are ours, of other people, among those the candidates carry
 */
export function correlate(
  candidates: readonly Candidate[],
  heldBy: ReadonlyMap<string, string>,
  self: { person: string; externalId: string; addresses: ReadonlySet<string> },
  issued: ReadonlySet<string> = new Set(),
): Match {
  const ranked = candidates.toSorted((one, other) => strength[other.by] - strength[one.by]);
  const [first, second] = ranked;
  if (!first) return { kind: 'none' };
  if (second?.by === first.by && second.account.id !== first.account.id) {
    return { kind: 'disputed', why: `Two accounts there have the same ${words[first.by]}.` };
  }
  const holder = heldBy.get(first.account.id);
  if (holder !== undefined && holder !== self.person) {
    const why = `The account there with this ${words[first.by]} is linked to another person here.`;
    return { kind: 'disputed', why };
  }
  const carried = first.account.externalId;
  if (carried !== undefined && carried !== self.externalId && issued.has(carried)) {
    const why = `The account there with this ${words[first.by]} carries another person's external id.`;
    return { kind: 'disputed', why };
  }
  const { email } = first.account.attributes;
  const foreign = typeof email === 'string' && email !== '' && !self.addresses.has(email.toLowerCase());
  if (first.by === 'userName' && foreign && holder !== self.person && carried !== self.externalId) {
    const why = 'The account there with this user name stands on an address that is not this person’s here.';
    return { kind: 'disputed', why };
  }
  return { kind: 'one', account: first.account, by: first.by };
}
