/**
 * What each operator role may do: one table, default deny. Rights to read end in `.read` and never bring a right to
 * change anything.
 */

export const roles = ['owner', 'people', 'apps', 'help-desk', 'auditor', 'app-owner'] as const;
export type Role = (typeof roles)[number];

/** Right → the roles that hold it. `app-owner` holds it for their own apps only. */
export const permissions = {
  'people.read': ['owner', 'people', 'help-desk', 'auditor'],
  'people.write': ['owner', 'people'],
  /** Start a recovery by mail, send a confirmation again, end sessions: help that reads and sets no password. */
  'people.help': ['owner', 'people', 'help-desk'],
  /** Lock, suspend, reinstate, mark as spam, let go. */
  'standing.write': ['owner', 'people'],
  'groups.read': ['owner', 'people', 'apps', 'help-desk', 'auditor'],
  'groups.write': ['owner', 'people'],
  'applications.read': ['owner', 'people', 'apps', 'help-desk', 'auditor', 'app-owner'],
  /** Change an app that is there, its secret among it. */
  'applications.write': ['owner', 'apps', 'app-owner'],
  /** Add and remove apps. */
  'applications.manage': ['owner', 'apps'],
  /** Targets with their plans, queues and timelines; never their credentials. */
  'targets.read': ['owner', 'people', 'apps', 'help-desk', 'auditor', 'app-owner'],
  /** Set them up, try a mapping, plan, decide, send again. */
  'targets.write': ['owner', 'apps', 'app-owner'],
  /** Through whom people sign in: as strong as every account, so for owners alone. */
  'upstreams.write': ['owner'],
  'aliases.read': ['owner', 'people', 'apps', 'help-desk', 'auditor', 'app-owner'],
  'aliases.write': ['owner', 'people'],
  /** Who may write to alias mailboxes, lists of senders, volumes, what became of mail; people only beside people.read. */
  'relay.read': ['owner', 'people', 'apps', 'auditor', 'app-owner'],
  /** Change who may write, switch mail off and on, decide about lists and requests. */
  'relay.write': ['owner', 'apps', 'app-owner'],
  'events.read': ['owner', 'people', 'auditor'],
  'notices.read': ['owner', 'people', 'help-desk', 'auditor'],
  'community.read': ['owner', 'people', 'apps', 'help-desk', 'auditor'],
  'community.write': ['owner'],
  'operators.read': ['owner', 'auditor'],
  'operators.write': ['owner'],
  'tokens.read': ['owner', 'auditor'],
  'tokens.write': ['owner'],
  'keys.read': ['owner', 'apps', 'auditor'],
  'keys.write': ['owner'],
  'import.read': ['owner', 'people', 'auditor'],
  'import.run': ['owner', 'people'],
  /** State of queues, readers and the database. */
  'system.read': ['owner', 'apps', 'auditor'],
} as const satisfies Record<string, readonly Role[]>;

export type Permission = keyof typeof permissions;

/** A role someone holds; with `application` it holds for that app alone. */
export interface Grant {
  role: Role;
  application?: string;
}

export function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

/**
 * Whether these roles allow this. A grant bound to an app counts for that app only, and an `app-owner` without an app
 * may nothing; unknown rights are refused.
 * @param application the app it is about; leave out for anything wider than one app
 */
export function may(grants: readonly Grant[], permission: Permission, application?: string): boolean {
  if (!Object.hasOwn(permissions, permission)) return false;
  const holders: readonly Role[] = permissions[permission];
  return grants.some((grant) => {
    if (!holders.includes(grant.role)) return false;
    if (grant.application === undefined) return grant.role !== 'app-owner';
    return grant.application === application;
  });
}

/** Whether someone with these roles may give this one: the right to give, and nothing they do not hold themselves. */
export function mayGrant(grants: readonly Grant[], wanted: Grant): boolean {
  return may(grants, 'operators.write') && covers(grants, wanted);
}

/** Whether these roles allow everything that this one allows. */
export function covers(grants: readonly Grant[], wanted: Grant): boolean {
  const rights = (Object.keys(permissions) as Permission[]).filter((permission) =>
    (permissions[permission] as readonly Role[]).includes(wanted.role),
  );
  return rights.every((permission) => may(grants, permission, wanted.application));
}
