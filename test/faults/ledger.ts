/**
 * The driver's own ledger and the checker. Before an operation is sent it is written down whom it is about and what the
 * account should then be; when the product has acknowledged it, it is marked. After calm the ledger is held against what
 * the target has and every change it saw on the way there.
 */

import type { LedgerEntry } from '#simulators/scim/ledger.ts';
import type { SimulatedResource } from '#simulators/scim/scim.ts';

/** What an account should be: the parts that tell one operation from another. */
export interface Wanted {
  displayName: string;
  active: boolean;
}

interface Operation {
  /** Counts all operations of a run, so that it also says which came later. */
  op: number;
  person: string;
  wanted: Wanted;
  acknowledged: boolean;
}

/** What the target tells of itself. */
export interface TargetView {
  users: readonly SimulatedResource[];
  entries: readonly LedgerEntry[];
  doubled: readonly { name: string; ids: string[] }[];
}

export interface Verdict {
  /** Acknowledged people of whom nothing is there. */
  LOST: number;
  /** People who have, or had at any moment, more than one account. */
  DOUBLED: number;
  /** Accounts that are not as the last acknowledged operation wants them. */
  STALE: number;
  /** Changes that took an account back to an earlier state. */
  ORDER: number;
  /** Accounts or changes that hold what belongs to another person. */
  WRONG: number;
  /** One line for each finding. */
  findings: string[];
}

export interface DriverLedger {
  /** Writes an operation down, runs it, and marks it acknowledged when it did not fail. */
  run<T>(person: string, wanted: Wanted, operation: () => Promise<T>): Promise<T>;
  people(): string[];
  /** What is wanted last, of what was acknowledged. */
  last(person: string): Wanted | undefined;
  acknowledged(): number;
  check(target: TargetView): Verdict;
}

/** The name of the person stands in everything they hold, so that a mix-up shows: `ada`, `ada v3`. */
export const nameOf = (person: string, version: number) => `${person} v${version}`;

export function createDriverLedger(): DriverLedger {
  const operations: Operation[] = [];
  const byPerson = new Map<string, Operation[]>();
  const last = (person: string) =>
    (byPerson.get(person) ?? []).findLast(({ acknowledged }) => acknowledged)?.wanted;
  return {
    async run(person, wanted, operation) {
      const entry: Operation = { op: operations.length + 1, person, wanted, acknowledged: false };
      operations.push(entry);
      byPerson.set(person, [...(byPerson.get(person) ?? []), entry]);
      const result = await operation();
      entry.acknowledged = true;
      return result;
    },
    people: () => [...byPerson.keys()],
    last,
    acknowledged: () => operations.filter(({ acknowledged }) => acknowledged).length,
    check(target) {
      const verdict: Verdict = { LOST: 0, DOUBLED: 0, STALE: 0, ORDER: 0, WRONG: 0, findings: [] };
      const found = (kind: keyof Omit<Verdict, 'findings'>, text: string) => {
        verdict[kind] += 1;
        verdict.findings.push(`${kind} ${text}`);
      };
      const made = new Set(target.entries.flatMap(({ change }) => change?.state?.userName ?? []));
      for (const [person, list] of byPerson) checkPerson(person, list, target, made, found);
      for (const { name, ids } of target.doubled)
        found('DOUBLED', `${name} was made as ${ids.join(' and ')}`);
      checkHistories(byPerson, target.entries, found);
      for (const { id, body } of target.users) {
        const owner = String(body.userName);
        if (!byPerson.has(owner)) found('WRONG', `the account ${id} is called ${owner}: nobody asked for it`);
      }
      return verdict;
    },
  };
}

type Found = (kind: keyof Omit<Verdict, 'findings'>, text: string) => void;

function checkPerson(
  person: string,
  operations: readonly Operation[],
  { users }: TargetView,
  made: ReadonlySet<string>,
  found: Found,
): void {
  const theirs = users.filter(({ body }) => body.userName === person);
  if (theirs.length > 1) found('DOUBLED', `${person} has ${theirs.length} accounts`);
  const last = operations.findLast(({ acknowledged }) => acknowledged);
  if (!last) return;
  // What was sent and not acknowledged may have happened or not.
  const open = operations.filter(({ op, acknowledged }) => op > last.op && !acknowledged);
  const allowed = [last, ...open].map(({ wanted }) => wanted);
  // Who was locked before anything was sent has no account, and needs none.
  const needed = allowed.every(({ active }) => active) || made.has(person);
  if (theirs.length === 0 && needed) found('LOST', `${person} has no account`);
  for (const { body } of theirs) {
    const is = `${body.displayName}, ${body.active === false ? 'off' : 'on'}`;
    const equal = (one: Wanted) =>
      one.displayName === body.displayName && one.active === (body.active !== false);
    if (!allowed.some(equal))
      found('STALE', `${person} is "${is}", wanted "${last.wanted.displayName}, ${last.wanted.active}"`);
  }
}

/** The states every account went through, in the order the target wrote them. */
function checkHistories(
  byPerson: ReadonlyMap<string, readonly Operation[]>,
  entries: readonly LedgerEntry[],
  found: Found,
): void {
  const owners = new Map<string, string>();
  const reached = new Map<string, number>();
  const identities = new Map<string, string>();
  const courses = new Map<string, boolean[]>();
  for (const { change, seq } of entries) {
    if (change?.kind !== 'User' || !change.state) continue;
    const { userName = '', displayName = '', externalId = '' } = change.state;
    const owner = owners.get(change.id) ?? userName;
    owners.set(change.id, owner);
    const stranger = userName !== owner || displayName.replace(/ v\d+$/, '') !== owner;
    if (stranger) found('WRONG', `request ${seq} made ${owner} "${userName}, ${displayName}"`);
    const identity = identities.get(owner) ?? externalId;
    identities.set(owner, identity);
    if (identity !== externalId) found('WRONG', `request ${seq} gave ${owner} another external id`);
    const version = (byPerson.get(owner) ?? []).findIndex(({ wanted }) => wanted.displayName === displayName);
    const before = reached.get(change.id) ?? -1;
    if (version < before) found('ORDER', `request ${seq} took ${owner} back to "${displayName}"`);
    reached.set(change.id, Math.max(before, version));
    const course = courses.get(change.id) ?? [];
    courses.set(change.id, [...course, change.state.active !== false]);
  }
  for (const [id, course] of courses) {
    const owner = owners.get(id) ?? '';
    const wanted = (byPerson.get(owner) ?? []).map(({ wanted: { active } }) => active);
    if (returns(course) > returns(wanted))
      found('ORDER', `${owner} was switched on again after switching off`);
  }
}

/** How often it goes from off to on. */
const returns = (course: readonly boolean[]) =>
  course.filter((active, at) => active && course[at - 1] === false).length;

/** The figures of a verdict in one line. */
export function figuresOf({ findings: _, ...figures }: Verdict): string {
  return Object.entries(figures)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
