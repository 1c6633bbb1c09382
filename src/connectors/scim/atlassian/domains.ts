/** Domains of the organisation, and what Atlassian makes of an account by them. Pure. */

import type { Facts } from '#connectors/scim/dialect.ts';
import type { Desired, Judgement, RemoteAccount } from '#provisioning/connector.ts';

/** `verified`: verified and claimed. `unclaimed`: verified, no account on it claimed yet. */
export type DomainState = 'verified' | 'unclaimed' | 'unverified';

export interface Domain {
  name: string;
  state: DomainState;
}

/** What becomes of people whose address is on nobody's domain of ours. */
export type Outsiders = 'alias' | 'external' | 'invite';

export interface JudgeInput {
  desired: Desired;
  remote: RemoteAccount | undefined;
  facts: Facts;
  /** Undefined: not known. */
  domains: readonly Domain[] | undefined;
  outsiders: Outsiders;
  /** Accounts in the directory when it was last looked at. */
  users: number | undefined;
  /** Attributes that are taken over for managed accounts alone. */
  managedOnly: readonly string[];
}

export function domainOf(address: unknown): string | undefined {
  if (typeof address !== 'string') return undefined;
  const at = address.lastIndexOf('@');
  return at > 0 && at < address.length - 1 ? address.slice(at + 1).toLowerCase() : undefined;
}

/** `managed`: the account belongs to the organisation. Sub-domains are domains of their own. */
function holdOf(
  domain: string | undefined,
  domains: readonly Domain[],
  facts: Facts,
): 'managed' | DomainState {
  const state = domains.find(({ name }) => name.toLowerCase() === domain)?.state ?? 'unverified';
  if (state === 'verified') return 'managed';
  return state === 'unclaimed' && facts.unclaimedDomains === 'managed' ? 'managed' : state;
}

const managed = (why = '', frozen: readonly string[] = []): Judgement => ({
  standing: 'managed',
  frozen,
  why,
});

/** What Atlassian would make of this person. */
export function judgeAccount(input: JudgeInput): Judgement {
  const { desired, remote, domains, facts } = input;
  const domain = domainOf(desired.attributes.email);
  const impossible = (why: string): Judgement => ({ standing: 'impossible', frozen: [], why });
  if (!desired.attributes.userName)
    return impossible('Atlassian needs a user name, and the mapping gives none.');
  if (!desired.attributes.displayName)
    return impossible('Atlassian needs a display name, and the mapping gives none.');
  if (!domain) {
    const why =
      'Atlassian knows accounts by their e-mail address, and this person has none for it. An alias address is needed.';
    return { standing: 'needs-alias', frozen: [], why };
  }
  if (!domains) {
    return impossible(
      'It is not known which domains the organisation holds. Give the organisation key, or name the domains in the options.',
    );
  }
  const wanted = holdOf(domain, domains, facts);
  if (remote) return judgeStanding(input, remote, domain, wanted, domains);
  if (input.users !== undefined && input.users >= Number(facts.mostUsers)) {
    return impossible(`The directory holds ${input.users} accounts, and ${facts.mostUsers} are the most.`);
  }
  if (wanted === 'managed') return managed();
  if (wanted === 'unclaimed') return external(input, unclaimed(domain));
  return judgeOutsider(input, domain);
}

function judgeOutsider(input: JudgeInput, domain: string): Judgement {
  const { facts, outsiders, desired } = input;
  const nobody = `The organisation has not verified ${domain}`;
  if (outsiders === 'invite') {
    return {
      standing: 'invite',
      frozen: [],
      why: `${nobody}; the person is invited and keeps an account of their own.`,
    };
  }
  if (facts.foreignDomains === 'refused') {
    return {
      standing: 'needs-alias',
      frozen: [],
      why: `${nobody}; Atlassian refuses accounts there. An alias address is needed.`,
    };
  }
  if (outsiders === 'external' || desired.own) {
    return external(
      input,
      `${nobody}; the account is the person's own: only groups reach it, and single sign-on does not.`,
    );
  }
  return {
    standing: 'needs-alias',
    frozen: [],
    why: `${nobody}; the account would be external, without single sign-on. An alias address is needed.`,
  };
}

function judgeStanding(
  input: JudgeInput,
  remote: RemoteAccount,
  domain: string,
  wanted: 'managed' | DomainState,
  domains: readonly Domain[],
): Judgement {
  const { facts } = input;
  const there = domainOf(remote.attributes.email);
  const now = holdOf(there, domains, facts);
  const unlinked = remote.accountId
    ? ''
    : 'No Atlassian account stands behind this record: it was not linked yet, or the link was lost. Deactivate and delete the record and have it made again if this stays.';
  if (now === 'managed') {
    const moves = !sameText(input.desired.attributes.email, remote.attributes.email);
    if (wanted !== 'managed') {
      const why = `Atlassian would let go of the account if its address moved to ${domain}, which the organisation does not hold; the address stays as it is.`;
      return managed(why, ['email']);
    }
    if (moves && facts.managedEmailChange === 'refused')
      return managed('The address is changed by Atlassian alone; it stays as it is.', ['email']);
    return managed(unlinked);
  }
  if (wanted === 'managed' && facts.externalEmailChange === 'follows') return managed(unlinked);
  if (wanted === 'managed') {
    return external(
      input,
      `The record is that of an external account on ${there ?? 'no domain'}. A new address would cut the link to it, and its groups would not come back: delete the record and have it made again.`,
    );
  }
  const why =
    now === 'unclaimed'
      ? unclaimed(there!)
      : `The account on ${there ?? 'an unknown domain'} is the person's own: only groups reach it, and single sign-on does not.`;
  return external(input, unlinked || why);
}

const unclaimed = (domain: string) =>
  `${domain} is verified and no account on it claimed, so Atlassian treats its addresses as external. Claim one account there.`;

function external({ managedOnly }: JudgeInput, why: string): Judgement {
  return { standing: 'external', frozen: managedOnly, why };
}

const sameText = (one: unknown, other: unknown) =>
  typeof one === 'string' && typeof other === 'string' && one.toLowerCase() === other.toLowerCase();

/**
 * Whether a record lost the Atlassian account it was linked to; a sentence when it did.
 * `accountId` is what was known before, undefined when there never was one.
 */
export function lostAccount(accountId: string | undefined, now: RemoteAccount): string | undefined {
  if (accountId === undefined || now.accountId === accountId) return undefined;
  return now.accountId === undefined
    ? 'The record lost its link to the Atlassian account it stood for; its groups no longer reach the person.'
    : 'Another Atlassian account stands behind the record now.';
}
