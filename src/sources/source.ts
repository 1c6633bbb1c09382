/**
 * The contract of a source: a directory or an export that people come from, read as one stream of records.
 *
 * Owns: the shape of those records. Records nothing; reading changes nothing here or there.
 * Refuses: to interpret. Whether an address is a real one, two people are the same, or a hash can be verified
 * is decided by who imports; a source says what was written, and where.
 */

export interface LegacyAddress {
  address: string;
  primary: boolean;
  /** The old system is known to have had it confirmed. When in doubt: false. */
  verified: boolean;
}

export interface LegacyPerson {
  /** Stable and unique in that source, for example the user name in lower case. Groups refer to it. */
  key: string;
  /** As spelt there, never changed to follow today's rule. */
  username: string;
  givenName?: string;
  familyName?: string;
  displayName?: string;
  addresses: LegacyAddress[];
  /** Stored forms as written there, in the order found; any of them may match. May hold unreadable ones. */
  passwordHashes: string[];
  locked: boolean;
  /** Names of groups the person's own record names. Memberships written at the group come with the group. */
  groups: string[];
  /** First line of the record, in sources that have lines. */
  line?: number;
  /** Everything else worth keeping, by the source's own attribute name in lower case. */
  extra?: Record<string, string[]>;
}

export interface LegacyGroup {
  name: string;
  description?: string;
  /** Keys of people, in the order found, without repetitions. They may name people the source does not hold. */
  members: string[];
  line?: number;
}

/** One record or line that could not be used. The rest is still read. */
export interface SourceError {
  line?: number;
  dn?: string;
  code: string;
  /** A sentence for the report. Never holds a password or a hash. */
  text: string;
}

/** `skipped` is a record that was understood and is not for us, with a word why. */
export type SourceItem =
  | { kind: 'person'; person: LegacyPerson }
  | { kind: 'group'; group: LegacyGroup }
  | { kind: 'skipped'; skipped: SourceError }
  | { kind: 'error'; error: SourceError };

export interface Source {
  /** What a report calls it: a file name or an address without secrets. */
  readonly label: string;
  /**
   * Reads everything once, in the source's order; groups may come before or after their members. May be called
   * again to read again. Ends only when everything was read: a short read throws `SourceIncomplete`.
   */
  readSource(): AsyncIterable<SourceItem>;
}

/** The source broke off. What was read before is true, but nothing may be concluded from what is missing. */
export class SourceIncomplete extends Error {
  readonly code: string;

  constructor(code: string, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'SourceIncomplete';
    this.code = code;
  }
}
