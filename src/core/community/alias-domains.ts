/**
 * Domains of alias mailboxes: what is mailed there is passed on to the people the mailboxes were made for. So none of
 * their addresses can be where somebody reads their mail: it would go round in a circle.
 */
import { Problem } from '#core/problem.ts';
import { houseFact, setHouseFact } from '#kit/db/facts.ts';
import type { Tx } from '#kit/db/tx.ts';
import { community } from './community.ts';

const domainFact = 'alias-domain';

/** For main alone: the domain the settings name, for a community that names none itself. */
export async function rememberAliasDomain(tx: Tx, domain: string | undefined): Promise<void> {
  if ((await houseFact(tx, domainFact)) !== (domain ?? null))
    await setHouseFact(tx, domainFact, domain ?? null);
}

/** Domains of alias mailboxes, the one new addresses are made on first. None: there are no alias mailboxes. */
export async function aliasDomains(tx: Tx): Promise<string[]> {
  const { domains } = (await community(tx)).aliasMailboxes;
  if (domains.length > 0) return domains;
  const given = await houseFact(tx, domainFact);
  return typeof given === 'string' ? [given] : [];
}

/** Of the keys of these addresses those that stand on such a domain. */
export async function onAliasDomain(tx: Tx, keys: readonly string[]): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const domains = new Set(await aliasDomains(tx));
  return new Set(keys.filter((key) => domains.has(key.slice(key.lastIndexOf('@') + 1))));
}

/** Refuses an address on such a domain with `address-ours` at this field of a form or request. */
export async function refuseAlias(tx: Tx, key: string, field: string): Promise<void> {
  if ((await onAliasDomain(tx, [key])).size > 0)
    throw new Problem('address-ours', { fields: { [field]: 'address-ours' } });
}
