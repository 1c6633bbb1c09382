/** Counts and findings of a run as it goes. What it holds is the report. */
import type { SourceError } from '#sources/source.ts';
import type { Assessment } from './assess.ts';
import { type Candidate, storable } from './candidate.ts';
import { type FindingKind, findingKinds } from './migration.ts';

export interface ImportCounts {
  /** Records of people read; imported + unchanged + conflict + rejected. */
  in: number;
  /** People who joined in this run (or would), those of `locked` among them. */
  imported: number;
  locked: number;
  /** People an earlier run brought, those of `changed` among them. */
  unchanged: number;
  /** Of them, those whose record is different now. */
  changed: number;
  conflict: number;
  rejected: number;
  /** Places of the source that could not be read. */
  unreadable: number;
  /** Entries that were understood and are not for us. */
  skipped: number;
  /** Groups that were made. */
  groups: number;
  /** People who became members of a group. */
  memberships: number;
  /** Imported passwords that the background job wraps in argon2id. */
  toWrap: number;
}

export type FindingLevel = 'conflict' | 'rejected' | 'warning' | 'unreadable' | 'skipped';

export interface Example {
  line?: number;
  /** User name, group name or the name of the entry. */
  who?: string;
  text: string;
}

export interface ReportFinding {
  kind: string;
  level: FindingLevel;
  title: string;
  count: number;
  /** The first ones, at most `mostExamples`. */
  examples: Example[];
}

export interface SchemeCount {
  scheme: string;
  count: number;
  verifiable: boolean;
  /** Wrapped in argon2id after the import. */
  fast: boolean;
  /** Why it cannot be verified. */
  reason?: string;
}

/** Kept of each kind; more only count. */
const mostExamples = 5_000;

export interface Tally {
  readonly counts: ImportCounts;
  /** A record and what became of it. */
  add(assessment: Assessment): void;
  find(kind: FindingKind, example: Example): void;
  unreadable(error: SourceError): void;
  skipped(skipped: SourceError): void;
  findings(): ReportFinding[];
  schemes(): SchemeCount[];
}

const order: readonly FindingLevel[] = ['unreadable', 'conflict', 'rejected', 'warning', 'skipped'];

export function createTally(): Tally {
  const counts: ImportCounts = {
    in: 0,
    imported: 0,
    locked: 0,
    unchanged: 0,
    changed: 0,
    conflict: 0,
    rejected: 0,
    unreadable: 0,
    skipped: 0,
    groups: 0,
    memberships: 0,
    toWrap: 0,
  };
  const found = new Map<string, ReportFinding>();
  const schemes = new Map<string, SchemeCount>();

  function note(kind: string, level: FindingLevel, title: string, example: Example): void {
    const finding = found.get(kind) ?? { kind, level, title, count: 0, examples: [] };
    found.set(kind, finding);
    finding.count += 1;
    if (finding.examples.length >= mostExamples) return;
    const { line, who, text } = example;
    finding.examples.push({ line, who: who === undefined ? undefined : storable(who), text: storable(text) });
  }

  const find = (kind: FindingKind, example: Example) => {
    const { level, title } = findingKinds[kind];
    note(kind, level, title, example);
  };

  return {
    counts,
    add(assessment) {
      countVerdict(counts, assessment);
      countSchemes(schemes, assessment.candidate);
      const { candidate, kind, why, warnings } = assessment;
      if (kind) find(kind, exampleOf(candidate, why));
      for (const warning of warnings) find(warning.kind, exampleOf(candidate, warning.text));
    },
    find,
    unreadable(error) {
      counts.unreadable += 1;
      note(error.code, 'unreadable', 'Could not be read', sourceExample(error));
    },
    skipped(skipped) {
      counts.skipped += 1;
      note(skipped.code, 'skipped', skipped.text.replace(/\.$/, ''), sourceExample(skipped));
    },
    findings: () =>
      [...found.values()].sort(
        (a, b) => order.indexOf(a.level) - order.indexOf(b.level) || b.count - a.count,
      ),
    schemes: () => [...schemes.values()].sort((a, b) => b.count - a.count),
  };
}

function countVerdict(counts: ImportCounts, { verdict, candidate }: Assessment): void {
  counts.in += 1;
  if (verdict === 'conflict' || verdict === 'rejected') counts[verdict] += 1;
  else if (verdict === 'ready' || verdict === 'locked') {
    counts.imported += 1;
    if (candidate.password?.needsWrap) counts.toWrap += 1;
  } else counts.unchanged += 1;
  if (verdict === 'locked' || verdict === 'changed') counts[verdict] += 1;
}

function countSchemes(schemes: Map<string, SchemeCount>, candidate: Candidate): void {
  for (const stored of candidate.schemes) {
    const { scheme, verifiable, fast, reason } = stored;
    const key = `${scheme} ${verifiable} ${reason ?? ''}`;
    const known = schemes.get(key) ?? { scheme, count: 0, verifiable, fast, ...(reason ? { reason } : {}) };
    known.count += 1;
    schemes.set(key, known);
  }
}

function exampleOf({ line, username }: Candidate, text: string): Example {
  return { ...(line === undefined ? {} : { line }), who: username.slice(0, 120), text };
}

function sourceExample({ line, dn, text }: SourceError): Example {
  return {
    ...(line === undefined ? {} : { line }),
    ...(dn === undefined ? {} : { who: dn.slice(0, 200) }),
    text,
  };
}
