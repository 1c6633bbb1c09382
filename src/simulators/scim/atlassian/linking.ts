/** How SCIM records and accounts meet and part: what a write to a record does to the account behind it. */
import { Refusal } from '#simulators/scim/refusal.ts';
import type { Directory, Hooks, Resource } from '#simulators/scim/resources.ts';
import type { Body } from '#simulators/scim/schema.ts';
import type { Account, Accounts } from './accounts.ts';

export interface Switches {
  /** facts.deletion. */
  deleteMeaning: 'remove' | 'deactivate';
  /** facts.foreign. */
  foreignDomains: 'accept' | 'refuse';
}

export interface StoredLinks {
  links: [string, string][];
  orphans: string[];
}

export type Linking = ReturnType<typeof createLinking>;

const synced = ['nickName', 'title', 'department', 'organization', 'timezone', 'preferredLanguage'];

/** The address of the account: the primary one, or the first. */
export function addressOf(body: Body): string | undefined {
  const list = (body.emails ?? []) as Body[];
  const chosen = list.find(({ primary }) => primary === true) ?? list[0];
  return typeof chosen?.value === 'string' && chosen.value !== '' ? chosen.value : undefined;
}

/** `directory` is asked for late: it is made with the hooks of this. */
export function createLinking(input: { accounts: Accounts; switches: Switches; directory: () => Directory }) {
  const { accounts, switches } = input;
  // SCIM id → AAID.
  const links = new Map<string, string>();
  // Records that lost their link once: groups do not come back by themselves (facts.linkLoss).
  const orphans = new Set<string>();

  const accountOf = (id: string) => accounts.byId(links.get(id) ?? '');
  const recordsOf = (aaid: string) => [...links].flatMap(([id, other]) => (other === aaid ? [id] : []));
  const taken = (email: string) =>
    new Refusal(409, `Resource [USER]: with email[${email}] already exists.`, 'uniqueness');

  function beforeUser(before: Resource | undefined, body: Body): void {
    const email = addressOf(body);
    if (!email || !/^[^@\s]+@[^@\s]+$/.test(email))
      throw new Refusal(400, 'emails must hold an address.', 'invalidValue');
    const former = before && addressOf(before.body);
    if (former?.toLowerCase() === email.toLowerCase()) return;
    const others = [...input.directory().idsByEmail(email)].filter((id) => id !== before?.id);
    if (others.some((id) => input.directory().find('User', id))) throw taken(email);
    if (switches.foreignDomains === 'refuse' && accounts.domainState(email) === 'UNVERIFIED')
      throw new Refusal(400, `The domain of ${email} is not verified in this organisation.`, 'invalidValue');
    const holder = accounts.byEmail(email);
    if (!holder) return;
    const own = before && accountOf(before.id);
    if (holder.deletedAt || recordsOf(holder.aaid).some((id) => id !== before?.id)) throw taken(email);
    if (own?.managed && holder.aaid !== own.aaid) throw taken(email);
  }

  function afterUser(user: Resource, before: Body | undefined): void {
    const email = addressOf(user.body) as string;
    const moved = before && addressOf(before)?.toLowerCase() !== email.toLowerCase();
    if (!links.has(user.id) || moved) meet(user, moved ? (addressOf(before) ?? '') : undefined);
    const account = accountOf(user.id);
    if (!account) return;
    const active = user.body.active !== false;
    if (account.managed) {
      account.name = String(user.body.displayName);
      account.active = active;
      const has = synced.flatMap((name) =>
        typeof user.body[name] === 'string' ? [[name, user.body[name]]] : [],
      );
      account.profile = Object.fromEntries(has) as Record<string, string>;
    } else if (!active) account.groups = [];
    if (active && before?.active === false && !orphans.has(user.id)) giveGroups(user, account);
  }

  /** Links a new record, or follows one whose address was changed from `former`. */
  function meet(user: Resource, former: string | undefined): void {
    const email = addressOf(user.body) as string;
    const own = accountOf(user.id);
    if (own?.managed && accounts.manages(email)) {
      accounts.move(own, email);
      return;
    }
    if (own) part(user.id);
    if (former) accounts.withdraw(former);
    const found = accounts.byEmail(email);
    if (!found && !accounts.manages(email)) {
      accounts.invite(email, 'scim');
      return;
    }
    if (!found && orphans.has(user.id)) return;
    const account = found ?? accounts.add({ email, name: String(user.body.displayName), by: 'scim' });
    account.inOrganisation = true;
    links.set(user.id, account.aaid);
    if (!orphans.has(user.id)) giveGroups(user, account);
  }

  /** The link is lost, and with it the groups it gave. */
  function part(id: string): void {
    const account = accountOf(id);
    if (account) account.groups = [];
    links.delete(id);
    orphans.add(id);
  }

  function giveGroups(user: Resource, account: Account): void {
    if (user.body.active === false && !account.managed) return;
    const ids = input
      .directory()
      .groupsOf(user.id)
      .map(({ id }) => id);
    account.groups = [...new Set([...account.groups, ...ids])];
  }

  const hooks: Hooks = {
    beforeUser,
    afterUser,
    onRemoveUser(user) {
      const account = accountOf(user.id);
      if (account) {
        account.groups = [];
        if (account.managed) account.active = false;
      }
      if (switches.deleteMeaning === 'deactivate') {
        user.body = { ...user.body, active: false };
        return 'keep';
      }
      accounts.withdraw(addressOf(user.body) ?? '');
      links.delete(user.id);
      orphans.delete(user.id);
      return 'remove';
    },
    afterMembers(group, { added, removed }) {
      for (const id of added) {
        const account = accountOf(id);
        const user = input.directory().find('User', id);
        if (!account || !user || (user.body.active === false && !account.managed)) continue;
        account.groups = [...new Set([...account.groups, group.id])];
      }
      for (const id of removed) withoutGroup(accountOf(id), group.id);
    },
    beforeRemoveGroup(group) {
      for (const id of group.members) withoutGroup(accountOf(id), group.id);
    },
  };

  return {
    hooks,
    accountOf,
    recordsOf,
    part,
    /** The record is gone, as if it had never been; the account stays what it is. */
    forget(id: string): void {
      links.delete(id);
      orphans.delete(id);
    },
    /** A domain's state changes; accounts that are no longer managed lose their links. */
    setDomain(name: string, state: Parameters<Accounts['setDomain']>[1]): void {
      for (const account of accounts.setDomain(name, state))
        for (const id of recordsOf(account.aaid)) part(id);
    },
    /** Someone makes an account on an address, and records that waited for it are linked. */
    signUp(email: string, name: string): Account {
      const account = accounts.signUp(email, name);
      for (const id of input.directory().idsByEmail(email)) {
        const user = input.directory().find('User', id);
        if (!user || links.has(id) || addressOf(user.body)?.toLowerCase() !== email.toLowerCase()) continue;
        links.set(id, account.aaid);
        if (!orphans.has(id)) giveGroups(user, account);
      }
      return account;
    },
    dump: (): StoredLinks => ({ links: [...links], orphans: [...orphans] }),
    load(stored: StoredLinks): void {
      links.clear();
      orphans.clear();
      for (const [id, aaid] of stored.links) links.set(id, aaid);
      for (const id of stored.orphans) orphans.add(id);
    },
  };
}

function withoutGroup(account: Account | undefined, group: string): void {
  if (account) account.groups = account.groups.filter((id) => id !== group);
}
