/**
 * The doors of a person's standing: join, activate, leave (merge and unmerge come with migration).
 * Owns no table; it alone moves `people.state`. Records person.joined, person.activated, person.left.
 * Refuses what `standing.ts` does not allow. Each door is one transaction of the caller's: all or nothing.
 */
export { activate } from './activate.ts';
export { type Joiner, join, joinMany } from './join.ts';
export { leave } from './leave.ts';
export { type LeaveState, mayActivate, mayLeave, requireStanding, standingProblem } from './standing.ts';
