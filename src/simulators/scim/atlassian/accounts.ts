/** The layer below SCIM: Atlassian accounts, the domains that make them the organisation's, and invitations. */
import type { Clock } from '#kit/clock/clock.ts';
import { newId } from '#kit/crypto/ids.ts';
import { graceDays } from './facts.ts';

/** facts.unclaimed. */
export const domainStates = ['UNVERIFIED', 'VERIFIED_UNCLAIMED', 'VERIFIED'] as const;
export type DomainState = (typeof domainStates)[number];

export interface Account {
  /** The AAID; another thing than the SCIM id. */
  aaid: string;
  email: string;
  name: string;
  /** The organisation's own: its address is on a verified and claimed domain. */
  managed: boolean;
  active: boolean;
  suspended: boolean;
  /** False after it was taken out of the organisation. */
  inOrganisation: boolean;
  /** Title, department and the like, as they were synced. */
  profile: Record<string, string>;
  /** Ids of groups that give access. */
  groups: string[];
  /** Given by invitations. */
  invitedTo: string[];
  arrived: string;
  arrivedBy: 'scim' | 'invitation' | 'before';
  /** Deletion was asked for; the address stays reserved for 14 days. */
  deletedAt?: string;
}

export interface Invitation {
  email: string;
  at: string;
  by: 'scim' | 'organisation';
  products: string[];
}

export interface StoredAccounts {
  accounts: Account[];
  invitations: Invitation[];
  domains: [string, DomainState][];
}

export type Accounts = ReturnType<typeof createAccounts>;

export function createAccounts(clock: Clock) {
  const byId = new Map<string, Account>();
  const byAddress = new Map<string, string>();
  const domains = new Map<string, DomainState>();
  const invitations = new Map<string, Invitation>();
  const key = (email: string) => email.trim().toLowerCase();
  const domainOf = (email: string) => key(email).slice(key(email).lastIndexOf('@') + 1);
  const domainState = (email: string): DomainState => domains.get(domainOf(email)) ?? 'UNVERIFIED';
  const manages = (email: string) => domainState(email) === 'VERIFIED';

  function byEmail(email: string): Account | undefined {
    const account = byId.get(byAddress.get(key(email)) ?? '');
    const goneAt = account?.deletedAt && Date.parse(account.deletedAt) + graceDays * 86_400_000;
    if (!account || !goneAt || goneAt > clock.now().getTime()) return account;
    byId.delete(account.aaid);
    byAddress.delete(key(email));
    return undefined;
  }
  function add(input: { email: string; name: string; by: Account['arrivedBy'] }): Account {
    const account: Account = {
      aaid: `712020:${newId()}`,
      email: input.email,
      name: input.name,
      managed: manages(input.email),
      active: true,
      suspended: false,
      inOrganisation: true,
      profile: {},
      groups: [],
      invitedTo: [],
      arrived: clock.now().toISOString(),
      arrivedBy: input.by,
    };
    byId.set(account.aaid, account);
    byAddress.set(key(input.email), account.aaid);
    invitations.delete(key(input.email));
    return account;
  }

  return {
    manages,
    domainState,
    byEmail,
    byId: (aaid: string) => byId.get(aaid),
    list: () => [...byId.values()],
    invitations: () => [...invitations.values()],
    domains: () => [...domains].map(([name, state]) => ({ name, state })),
    add,
    move(account: Account, email: string): void {
      byAddress.delete(key(account.email));
      byAddress.set(key(email), account.aaid);
      account.email = email;
      account.managed = manages(email);
    },
    invite(email: string, by: Invitation['by'], products: readonly string[] = []): Invitation {
      const known = invitations.get(key(email));
      const all = [...new Set([...(known?.products ?? []), ...products])];
      const invitation = { email, by, at: known?.at ?? clock.now().toISOString(), products: all };
      invitations.set(key(email), invitation);
      return invitation;
    },
    withdraw: (email: string) => invitations.delete(key(email)),
    /** The person accepts: an account on that address, with what the invitation gave. */
    signUp(email: string, name: string): Account {
      const invitation = invitations.get(key(email));
      const account = byEmail(email) ?? add({ email, name, by: invitation ? 'invitation' : 'before' });
      account.invitedTo = [...new Set([...account.invitedTo, ...(invitation?.products ?? [])])];
      invitations.delete(key(email));
      return account;
    },
    /** Sets a domain's state; returns the accounts that are no longer the organisation's. */
    setDomain(name: string, state: DomainState): Account[] {
      domains.set(name.toLowerCase(), state);
      const there = [...byId.values()].filter(({ email }) => domainOf(email) === name.toLowerCase());
      const lost = there.filter((account) => account.managed && state !== 'VERIFIED');
      for (const account of there) account.managed = state === 'VERIFIED';
      return lost;
    },
    dump: (): StoredAccounts => ({
      accounts: [...byId.values()],
      invitations: [...invitations.values()],
      domains: [...domains],
    }),
    load(stored: StoredAccounts): void {
      for (const each of [byId, byAddress, domains, invitations]) each.clear();
      for (const [name, state] of stored.domains) domains.set(name, state);
      for (const account of stored.accounts) {
        byId.set(account.aaid, account);
        byAddress.set(key(account.email), account.aaid);
      }
      for (const invitation of stored.invitations) invitations.set(key(invitation.email), invitation);
    },
  };
}

/** Access to products comes by groups and by invitations (assumed: one product of a site). */
export function productsOf(account: Account): string[] {
  if (!account.active || account.suspended || !account.inOrganisation) return [];
  return [...new Set([...(account.groups.length > 0 ? ['jira-software'] : []), ...account.invitedTo])];
}
