/**
 * Operators: the people and programs that run this installation, and what they may do.
 * Owns `operators`, `api_tokens` and `setup`. Records operator.*, token.* and setup.*.
 * Refuses to lose the last owner (`operator-last`). The table of rights is in `permissions.ts`, API tokens in
 * `tokens.ts`, the way to the first operator in `setup.ts`.
 */
import { cancelReset } from '#core/credentials/factor-resets.ts';
import { cancelLink } from '#core/credentials/recovery-links.ts';
import { record } from '#core/events/events.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Grant, isRole, may, type Permission, type Role } from './permissions.ts';
import { closeSetup } from './setup.ts';
import * as store from './store.ts';

export interface Operator extends Grant {
  person: string;
  grantedAt: Date;
  grantedBy: { kind: string; id?: string; name?: string };
}

/** The roles of a person; none for people who are not operators. Standing is the caller's question (`signon/gate`). */
export const rolesOf = store.rolesOf;

/** The same, kept from being taken away until the transaction ends. */
export const holdRoles = store.holdRoles;

/** Everyone with a role, owners first. */
export const listOperators = store.listOperators;

/** Refuses with `operator-forbidden` unless these roles allow it. */
export function requirePermission(
  grants: readonly Grant[],
  permission: Permission,
  application?: string,
): void {
  if (!may(grants, permission, application)) throw new Problem('operator-forbidden');
}

function checkGrant(grant: { role: string; application?: string }): Role {
  if (!isRole(grant.role)) throw new Problem('input-malformed', { fields: { role: 'input-malformed' } });
  if ((grant.role === 'app-owner') !== (grant.application !== undefined))
    throw new Problem('input-malformed', { fields: { application: 'input-malformed' } });
  return grant.role;
}

/**
 * Gives a person a role; `app-owner` needs the app, the others take none. The first owner closes the setup.
 * The caller asks `mayGrant` first. Ways in that operators opened for the person end. Returns false when the person held it
 * already.
 */
export async function appoint(
  tx: Tx,
  given: { person: string; role: string; application?: string },
): Promise<boolean> {
  const role = checkGrant(given);
  await requirePerson(tx, given.person);
  const { person, application } = given;
  if (!(await store.insertOperator(tx, { person, role, application }))) return false;
  await record(tx, 'operator.appointed', { person, application, data: { role } });
  // Two operators opened these for an account that might less than it may now: who may all of that asks anew.
  await cancelLink(tx, person);
  await cancelReset(tx, person);
  if (role === 'owner') await closeSetup(tx);
  return true;
}

/** Takes a role away. The last owner who can still sign in stays. Returns false when the person did not hold it. */
export async function dismiss(
  tx: Tx,
  taken: { person: string; role: string; application?: string },
): Promise<boolean> {
  const role = checkGrant(taken);
  const { person, application } = taken;
  if (role === 'owner') await keepAnOwner(tx, person);
  if (!(await store.deleteOperator(tx, { person, role, application }))) return false;
  await record(tx, 'operator.dismissed', { person, application, data: { role } });
  return true;
}

/**
 * Refuses with `operator-last` when this person is an owner and no other owner is active. To be asked before an owner
 * loses the role or their standing; it takes turns with everyone else who asks until the transaction ends.
 */
export async function keepAnOwner(tx: Tx, person: string): Promise<void> {
  await store.lockOwners(tx);
  const owners = await store.owners(tx);
  if (!owners.includes(person)) return;
  const others = await findPeople(
    tx,
    owners.filter((owner) => owner !== person),
  );
  if (!others.some((other) => other.state === 'active')) throw new Problem('operator-last');
}
