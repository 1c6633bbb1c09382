/**
 * The doors of a person's standing: `join.ts`, `activate.ts`, `leave.ts` (merge and unmerge come with migration). What
 * leaving for good takes away is in `erase.ts`; sign-ups that were never confirmed go in `drop.ts`.
 * Owns no table; it alone moves `people.state`. Records person.joined, person.activated, person.left, person.dropped.
 * Refuses what the table below does not allow: states × verbs, in one place.
 * Each door runs in the caller's transaction: all or nothing.
 */
import type { PersonState } from '#core/people/people.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';

export type LeaveState = 'locked' | 'suspended' | 'spam' | 'left' | 'erased';

/** To which states a person may go from each, by the verb that takes them there. */
const table: Record<PersonState, { activate: boolean; leave: readonly LeaveState[]; merge: boolean }> = {
  unverified: { activate: true, leave: ['spam', 'left', 'erased'], merge: true },
  active: { activate: false, leave: ['locked', 'suspended', 'spam', 'left', 'erased'], merge: true },
  locked: { activate: true, leave: ['suspended', 'spam', 'left', 'erased'], merge: true },
  suspended: { activate: true, leave: ['locked', 'spam', 'left', 'erased'], merge: true },
  spam: { activate: true, leave: ['left', 'erased'], merge: false },
  left: { activate: true, leave: ['spam', 'erased'], merge: true },
  erased: { activate: false, leave: [], merge: false },
  merged: { activate: false, leave: [], merge: false },
};

export function mayActivate(state: PersonState): boolean {
  return table[state].activate;
}

export function mayLeave(state: PersonState, to: LeaveState): boolean {
  return table[state].leave.includes(to);
}

/** Why a person of this state is refused at every door; undefined for the active. */
export function standingProblem(state: PersonState): ProblemCode | undefined {
  const codes: Record<PersonState, ProblemCode | undefined> = {
    active: undefined,
    unverified: 'account-unverified',
    locked: 'account-locked',
    suspended: 'account-suspended',
    spam: 'account-suspended',
    left: 'account-closed',
    erased: 'account-closed',
    merged: 'account-closed',
  };
  return codes[state];
}

/** Refuses anyone who is not active. */
export function requireStanding(state: PersonState): void {
  const code = standingProblem(state);
  if (code) throw new Problem(code);
}
