/**
 * The way in for accounts that exist elsewhere: what may come over is assessed, reported, and brought in batches.
 * Owns `import_runs` and `import_rows`. Records import.finished; people join through `core/lifecycle` like everyone.
 * Refuses, each with a sentence in the report: records that would be a second account of one address or name, records
 * nobody could sign in with, a second import of the same source at once, a source that could not be read to its end.
 * Imports carry the cause `import`, so that nobody is mailed and nothing is pushed. No record carries a role.
 */

/** What became of one record. `ready` and `locked` join; the others leave everything as it is. */
export type Verdict = 'ready' | 'locked' | 'unchanged' | 'changed' | 'conflict' | 'rejected';

/** What a report tells about records, by severity. Texts are headings; each finding has its own sentence. */
export const findingKinds = {
  'duplicate-address': { level: 'conflict', title: 'Address of someone else' },
  'duplicate-username': { level: 'conflict', title: 'User name that occurs earlier in the source' },
  'username-taken': { level: 'conflict', title: 'User name that is taken here' },
  'username-is-address': { level: 'conflict', title: 'User name that is the address of someone else' },
  'address-is-username': { level: 'conflict', title: 'Address that is the user name of someone else' },
  'address-ours': { level: 'conflict', title: 'Address on a domain of alias mailboxes' },
  'name-unusable': { level: 'rejected', title: 'No usable user name' },
  'no-way-in': { level: 'rejected', title: 'Neither a usable password nor an address' },
  changed: { level: 'warning', title: 'Here already, and different in the source now' },
  'near-duplicate': { level: 'warning', title: 'Address close to that of someone else' },
  'look-alike': { level: 'warning', title: 'User name that looks like that of someone else' },
  'no-address': { level: 'warning', title: 'No usable address' },
  'address-unreadable': { level: 'warning', title: 'Address that cannot be read' },
  'address-unproved': { level: 'warning', title: 'Main address that nobody confirmed' },
  'address-dropped': { level: 'warning', title: 'Further address left out' },
  'password-unusable': { level: 'warning', title: 'Password that cannot be taken over' },
  'name-tidied': { level: 'warning', title: 'Name that was shortened or cleaned' },
  'group-name': { level: 'warning', title: 'Group without a usable name' },
  'member-unknown': { level: 'warning', title: 'Group member that is not in the source' },
} as const;

export type FindingKind = keyof typeof findingKinds;

/** Why a record neither joined nor was here. */
export type RefusalKind = {
  [Kind in FindingKind]: (typeof findingKinds)[Kind]['level'] extends 'warning' ? never : Kind;
}[FindingKind];

/** Somebody imports this source at this moment. */
export class ImportRunning extends Error {
  constructor(name: string) {
    super(`An import of "${name}" is running at this moment. Wait for its end, then run it again.`);
    this.name = 'ImportRunning';
  }
}
