/**
 * The contract between provisioning and the protocols it speaks: what a target can do, what it is asked, what it
 * answers. A connector formats requests and reads answers; when, how often and whether at all is not its matter:
 * pace, time limits, retries, the brake and the timeline stand around `Call`, which it is handed.
 *
 * A new connector is a folder below `connectors/`, a line in `connectors.ts` and passing `test/conformance/connector.ts`.
 */
import type { z } from 'zod';

/** A value of one attribute; null says "has none". Lists are compared as sets. */
export type Value = string | boolean | number | readonly string[] | null;

/** One attribute of an account as this kind of target knows it, under the name mappings use. */
export interface AttributeSpec {
  name: string;
  text: string;
  required?: boolean;
  /** How two values are compared; `caseless` for user names and addresses. Default `exact`. */
  compare?: 'exact' | 'caseless';
  /** Where the target takes it from us: always, or only for accounts the community manages there. Default always. */
  synced?: 'always' | 'managed';
  /** Expression of the mapping where the administrator gave none; without one the attribute is not sent. */
  mapping?: string;
}

/** What one account should be. `externalId` is the person's subject at the application: stable, never recycled. */
export interface Desired {
  externalId: string;
  active: boolean;
  attributes: Readonly<Record<string, Value>>;
  /** The person chose to keep an account of their own there: that the target does not count it as ours is no lack then. */
  own?: boolean;
}

/** What one account is. Attributes under the names of `AttributeSpec`. */
export interface RemoteAccount {
  id: string;
  externalId?: string;
  active: boolean;
  attributes: Readonly<Record<string, Value>>;
  /** Version tag, where the target gives one (RFC 7644 §3.14). */
  version?: string;
  /** The account behind the record, where a target has two layers (Atlassian: AAID). Absent: no link. */
  accountId?: string;
}

export interface RemoteGroup {
  id: string;
  name: string;
  externalId?: string;
  /** Ids of accounts; absent where the target did not tell. */
  members?: readonly string[];
  version?: string;
}

export interface Candidate {
  account: RemoteAccount;
  by: 'externalId' | 'userName' | 'email';
}

/** One change of one account. `fields` are attribute names, `externalId` or `active`. */
export type Step =
  | { do: 'create'; desired: Desired }
  | { do: 'invite'; desired: Desired }
  | { do: 'update'; id: string; fields: readonly string[]; desired: Desired; version?: string }
  | { do: 'deactivate'; id: string; desired: Desired }
  | { do: 'delete'; id: string };

/** One change of one group. Members are ids of accounts at the target. */
export type GroupStep =
  | { do: 'create-group'; name: string; externalId: string }
  | { do: 'rename-group'; id: string; name: string }
  | { do: 'add-members'; id: string; members: readonly string[] }
  | { do: 'remove-members'; id: string; members: readonly string[] }
  | { do: 'delete-group'; id: string };

/**
 * What the target would make of an account, before anything is sent.
 * - `managed`: it takes everything. `external`: the account is not the community's; attributes are `frozen`.
 * - `invite`: it can only be invited. `needs-alias`: it would be refused or useless without an address on a domain
 *   the target accepts. `impossible`: nothing we could send would do.
 */
export interface Judgement {
  standing: 'managed' | 'external' | 'invite' | 'needs-alias' | 'impossible';
  /** Attributes the target will not take over. */
  frozen: readonly string[];
  /** Why, in one sentence an administrator understands; empty when there is nothing to say. */
  why: string;
}

/** A fact about a kind of target, with where it stands. Contradictions are switches: `choices` an operator picks from. */
export interface Fact {
  text: string;
  value: string | number | boolean;
  choices?: readonly (string | number | boolean)[];
  source: string;
  /** Year-month or year the source was read. */
  date: string;
  /** `documented` by the vendor, `reported` by its users or staff, `assumed` by us until a profile check says more. */
  trust: 'documented' | 'reported' | 'assumed';
}

export interface TargetProfile {
  name: string;
  title: string;
  facts: Readonly<Record<string, Fact>>;
}

/** One thing a profile check found: what the profile says, what the live target says. */
export interface Finding {
  fact: string;
  expected: string;
  found: string;
  same: boolean;
}

export interface Request {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON unless a string. */
  body?: unknown;
  /** Reads and writes may have different limits. Default: by method. */
  kind?: 'read' | 'write';
}

export interface Response {
  status: number;
  headers: Headers;
  text: string;
  /** The body as JSON; undefined when it is none. */
  json: unknown;
}

/**
 * The way out: paced, limited in time and size, traced without secrets. Throws `Retry` for 429, 5xx, time limits and broken
 * connections, `Stop('credentials')` for 401 and 403; every other answer comes back to be judged.
 */
export type Call = (request: Request) => Promise<Response>;

/** Not now: the target said so, or could not be reached. `afterSeconds` is what the target asked for. */
export class Retry extends Error {
  override name = 'Retry';
  readonly afterSeconds: number | undefined;
  readonly kind: 'rate' | 'outage' | 'later';
  constructor(reason: string, options: { afterSeconds?: number; kind?: 'rate' | 'outage' | 'later' } = {}) {
    super(reason);
    this.afterSeconds = options.afterSeconds;
    this.kind = options.kind ?? 'outage';
  }
}

/**
 * Trying again will not help.
 * - `clash`: a name or address belongs to another account there (409). `gone`: what we held is no longer there.
 * - `refused`: the target refuses this content. `impossible`: it cannot do this.
 * - `credentials`: it refuses us altogether. `address`: its address may not be used from here. Both hold the target.
 */
export class Stop extends Error {
  override name = 'Stop';
  readonly code: 'clash' | 'gone' | 'refused' | 'impossible' | 'credentials' | 'address';
  constructor(code: Stop['code'], reason: string) {
    super(reason);
    this.code = code;
  }

  /** Whether it is the same for everybody there: the target is held, rather than each person set aside. */
  get holdsTarget(): boolean {
    return this.code === 'credentials' || this.code === 'address';
  }
}

/** What a connector is opened with. */
export interface Opening<Options = unknown> {
  options: Options;
  /** By the names of `credentials`; unsealed for this opening alone. */
  credentials: Readonly<Record<string, string>>;
  /** The profile's facts with the administrator's choices applied: `facts.deleteMeaning`. */
  facts: Readonly<Record<string, string | number | boolean>>;
  /** What `prepare` last answered, undefined before the first time. */
  state: unknown;
  /** Names this piece of work: the same in every attempt at it, never used again (the job's id). Message ids hold it. */
  run?: string;
  call: Call;
}

/** A record of the target that stands for an account behind it. */
export interface RecordLink {
  directoryId?: string;
  scimUserId?: string;
  email?: string;
}

/** For operators, where accounts stand behind the records of a target (Atlassian). */
export interface RecordHelp {
  linksOf(accountId: string): Promise<RecordLink[]>;
  linksForEmail(email: string): Promise<RecordLink[]>;
  /** Cuts one record from its account. */
  unlink(directoryId: string, scimUserId: string): Promise<void>;
  /** Deletes one record of our directory and leaves the account it stood for, if any, as it is. */
  forget(scimUserId: string): Promise<void>;
  /** Deletes every record of a managed account in all directories; groups must be pushed again. */
  deleteRecords(accountId: string): Promise<void>;
}

/** A target that is being spoken to. */
export interface Connection {
  /** What this target can do less than its kind, by its options; laid over the connector's capabilities. */
  readonly capabilities?: Partial<Capabilities>;
  /** Requests that looking for an account takes; default one for each thing it can be looked for by. */
  readonly looks?: number;
  /** Reads what judging needs (verified domains, products); kept with the target and handed to later openings. JSON only. */
  prepare(): Promise<unknown>;
  /** Accounts this may already be: by external id, user name, address; each account once, the strongest first. */
  find(desired: Desired): Promise<Candidate[]>;
  read(id: string): Promise<RemoteAccount | undefined>;
  /**
   * Every account, page by page, in a stable order. `total` where the target says. `at` says where a page begins, where
   * the target's paging allows to go on there: handed back as `from`, that page and those behind it come. A listing that
   * cannot go on at `from` begins anew, and its first page is not `at` it.
   */
  list(from?: number): AsyncIterable<{ items: RemoteAccount[]; total?: number; at?: number }>;
  /** Carries out one step. Returns what the account is now, undefined after delete or where the target does not tell. */
  apply(step: Step): Promise<RemoteAccount | undefined>;
  /** Pure: no call goes out. */
  judge(desired: Desired, remote: RemoteAccount | undefined): Judgement;
  findGroup(name: string, externalId: string): Promise<RemoteGroup | undefined>;
  readGroup(id: string): Promise<RemoteGroup | undefined>;
  listGroups(): AsyncIterable<{ items: RemoteGroup[]; total?: number }>;
  applyGroup(step: GroupStep): Promise<RemoteGroup | undefined>;
  /** Compares the live target with its profile; writes only with `write`, the user name of a test account. */
  check?(options: { write?: string }): Promise<Finding[]>;
  records?: RecordHelp;
}

export interface Capabilities {
  /** Can be listed: plans, reconciliation and strangers need it. */
  list: boolean;
  /** `find` asks the target: an account that is already there is adopted, never doubled. */
  find: boolean;
  groups: boolean;
  renameGroup: boolean;
  delete: boolean;
  invite: boolean;
  /** Most members of one membership change. */
  membersBatch: number;
}

export interface Connector<Options = unknown> {
  name: string;
  title: string;
  capabilities: Capabilities;
  attributes: readonly AttributeSpec[];
  profile: TargetProfile;
  /** What an administrator fills in beside credentials (addresses, ids). */
  options: z.ZodType<Options>;
  credentials: readonly { name: string; text: string; required: boolean }[];
  /** Pace and time limits where the administrator sets none. */
  limits: { perMinute: number; burst: number; concurrency: number; timeoutSeconds: number };
  open(opening: Opening<Options>): Connection;
}
