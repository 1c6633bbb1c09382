/** Brings the people of a source in, in batches that each commit as a whole; or shows what that would do. */
import { createHash } from 'node:crypto';
import { onAliasDomain } from '#core/community/alias-domains.ts';
import { record } from '#core/events/events.ts';
import { type Joined, joinMany } from '#core/lifecycle/join.ts';
import { insertOrigins, originsOf, takenUsernames, verifiedOwners } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { newId } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import type { Source } from '#sources/source.ts';
import {
  type Assessment,
  assess,
  type Known,
  keysToLookUp,
  type Survey,
  survey,
  warningsOf,
} from './assess.ts';
import type { Candidate } from './candidate.ts';
import { countNewGroups, enterGroup, type PlannedGroup, planGroups } from './memberships.ts';
import { ImportRunning, type RefusalKind } from './migration.ts';
import { type ReadSource, readAll } from './read-source.ts';
import type { ImportReport } from './report.ts';
import * as store from './store.ts';
import { createTally, type Tally } from './tally.ts';

export interface ImportNeeds {
  database: Database;
  clock: Clock;
  log: Log;
}

export interface ImportProgress {
  phase: 'reading' | 'importing' | 'groups';
  done: number;
  /** Unknown while reading. */
  total?: number;
}

export interface ImportOptions {
  /** What this source is called from run to run; records are recognised by it. Default: the source's own label. */
  name?: string;
  /** Runs the same checks and gives the same report, and writes nothing. */
  dryRun?: boolean;
  onProgress?: (progress: ImportProgress) => void;
  /** People a transaction, default 500. */
  batchSize?: number;
  /** Ends the run after the batches under way. The next run goes on from there. */
  signal?: AbortSignal;
}

interface Run extends ImportNeeds {
  id: string;
  name: string;
  dryRun: boolean;
  resumed: boolean;
  context: TxContext;
  candidates: Candidate[];
  all: Survey;
  tally: Tally;
  /** Record keys that this run brings → the person; in a dry run the person is not known. */
  joined: Map<string, string | undefined>;
  rowKeys: Map<Candidate, string>;
}

const groupBatch = 2_000;
/** Batches of people on their way at the same time. */
const abreast = 2;

/**
 * Imports a source. Everything is read before anything is written, so that a source that breaks off changes nothing
 * (SourceIncomplete, or what its reader throws). A run that was broken off is gone on with; people it brought are
 * never brought twice. Throws ImportRunning while another import of this name runs.
 */
export async function runImport(
  needs: ImportNeeds,
  source: Source,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const name = options.name ?? source.label;
  const dryRun = options.dryRun ?? false;
  const lock = dryRun ? undefined : await store.lockSource(needs.database, name);
  if (!dryRun && !lock) throw new ImportRunning(name);
  try {
    return await importLocked(needs, source, { ...options, name, dryRun }, () => lock?.lost() ?? false);
  } finally {
    await lock?.release();
  }
}

async function importLocked(
  needs: ImportNeeds,
  source: Source,
  options: ImportOptions & { name: string; dryRun: boolean },
  isLockLost: () => boolean,
): Promise<ImportReport> {
  const startedAt = needs.clock.now();
  const began = performance.now();
  const tally = createTally();
  const read = await readAll(source, tally, options.onProgress);
  const run = await openRun(needs, read, tally, options);
  const { log } = needs;
  log.info({ run: run.id, people: read.candidates.length, dryRun: run.dryRun }, 'an import begins');
  let state: 'done' | 'stopped' = 'stopped';
  const importing = performance.now();
  let importedFor = 0;
  try {
    const complete = await importPeople(run, options, isLockLost);
    importedFor = (performance.now() - importing) / 1000;
    if (complete) {
      await importGroups(run, read, options);
      state = 'done';
    }
  } finally {
    await closeRun(run, state).catch((error) =>
      log.error({ err: error, code: 'import-not-closed', run: run.id }, 'the run could not be closed'),
    );
    log.info({ run: run.id, state, ...tally.counts }, 'an import ended');
  }
  return {
    ...(run.dryRun ? {} : { run: run.id }),
    name: run.name,
    label: source.label,
    dryRun: run.dryRun,
    resumed: run.resumed,
    state,
    startedAt: startedAt.toISOString(),
    seconds: round((performance.now() - began) / 1000),
    perSecond: importedFor > 0 ? Math.round(tally.counts.in / importedFor) : 0,
    counts: tally.counts,
    findings: tally.findings(),
    schemes: tally.schemes(),
  };
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

async function openRun(
  needs: ImportNeeds,
  { candidates }: ReadSource,
  tally: Tally,
  { name, dryRun }: { name: string; dryRun: boolean },
): Promise<Run> {
  const last = await needs.database.read(system('import'), (tx) => store.lastRun(tx, name));
  const resumed = last !== undefined && last.state !== 'done';
  const id = resumed ? last.id : newId();
  const context: TxContext = {
    actor: { kind: 'system', name: `import ${name}`.slice(0, 200) },
    cause: 'import',
    requestId: id,
  };
  if (resumed) {
    tally.counts.groups = last.counts.groups ?? 0;
    tally.counts.memberships = last.counts.memberships ?? 0;
  }
  if (!dryRun) {
    const fingerprint = fingerprintOf(candidates);
    await needs.database.transact(context, (tx) => store.openRun(tx, { id, source: name, fingerprint }));
  }
  return {
    ...needs,
    id,
    name,
    dryRun,
    resumed,
    context,
    candidates,
    all: survey(candidates),
    tally,
    joined: new Map(),
    rowKeys: rowKeysOf(candidates),
  };
}

function fingerprintOf(candidates: readonly Candidate[]): string {
  const hash = createHash('sha256');
  for (const { key, fingerprint } of candidates) hash.update(JSON.stringify([key, fingerprint]));
  return hash.digest('base64url');
}

/** One row a record, also where a source gives the same key twice. */
function rowKeysOf(candidates: readonly Candidate[]): Map<Candidate, string> {
  const seen = new Map<string, number>();
  return new Map(
    candidates.map((candidate) => {
      const times = (seen.get(candidate.key) ?? 0) + 1;
      seen.set(candidate.key, times);
      return [candidate, times === 1 ? candidate.key : `${candidate.key} (${times})`];
    }),
  );
}

/**
 * Two batches are on their way at once, so that neither the program nor the database waits for the other; what became of
 * them is taken in their order. False when the run was asked to stop before its end.
 */
async function importPeople(
  run: Run,
  { batchSize = 500, onProgress, signal }: ImportOptions,
  isLockLost: () => boolean,
): Promise<boolean> {
  const { candidates } = run;
  const underWay: Promise<Assessment[]>[] = [];
  let done = 0;
  const takeFirst = async () => {
    const settled = (await underWay[0]) ?? [];
    underWay.shift();
    for (const assessment of settled) {
      run.tally.add(assessment);
      const { verdict, candidate, person } = assessment;
      if (verdict === 'ready' || verdict === 'locked') run.joined.set(candidate.key, person);
    }
    done += settled.length;
    onProgress?.({ phase: 'importing', done, total: candidates.length });
  };
  try {
    for (let at = 0; at < candidates.length && !signal?.aborted; at += batchSize) {
      if (isLockLost()) throw new Error('The connection that kept other imports out was lost. Run it again.');
      underWay.push(importBatch(run, candidates.slice(at, at + batchSize)));
      if (underWay.length === abreast) await takeFirst();
    }
    while (underWay.length > 0) await takeFirst();
  } finally {
    // When one fails the others are let end: nothing goes on behind the back of whoever hears of it.
    await Promise.allSettled(underWay);
  }
  return done === candidates.length;
}

/** One transaction. When another door took an address in that moment, its people are tried again one by one. */
async function importBatch(run: Run, batch: readonly Candidate[]): Promise<Assessment[]> {
  try {
    if (run.dryRun)
      return await run.database.read(run.context, async (tx) =>
        assessBatch(run, batch, await lookUp(tx, run, batch)),
      );
    return await run.database.transact(run.context, (tx) => settleBatch(tx, run, batch));
  } catch (error) {
    const only = batch[0];
    if (!isTaken(error) || !only) throw error;
    if (batch.length === 1) return [await noteLost(run, only)];
    const settled: Assessment[] = [];
    for (const candidate of batch) settled.push(...(await importBatch(run, [candidate])));
    return settled;
  }
}

/** Another door was quicker with a name or an address, as the database or as the core says it. */
function isTaken(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return (
    code === '23505' || (error instanceof Problem && (code === 'address-taken' || code === 'username-taken'))
  );
}

async function lookUp(tx: Tx, run: Run, batch: readonly Candidate[]): Promise<Known> {
  const keys = keysToLookUp(batch);
  return {
    origins: await originsOf(tx, run.name, keys.origins),
    taken: await takenUsernames(tx, keys.usernames),
    owners: await verifiedOwners(tx, keys.addresses),
    aliases: await onAliasDomain(tx, keys.addresses),
  };
}

function assessBatch(run: Run, batch: readonly Candidate[], known: Known): Assessment[] {
  return batch.map((candidate) => assess(candidate, run.all, known, run.name));
}

async function settleBatch(tx: Tx, run: Run, batch: readonly Candidate[]): Promise<Assessment[]> {
  const assessed = assessBatch(run, batch, await lookUp(tx, run, batch));
  const joining = assessed.flatMap((one) => one.joiner ?? []);
  const { joined, refused } = await joinMany(tx, joining);
  const people = new Map(joined.map((one: Joined) => [one.joiner, one.id]));
  const lost = new Set(refused);
  const earlier = run.resumed
    ? await store.rowsOf(
        tx,
        run.id,
        batch.map((one) => one.key),
      )
    : undefined;
  const settled = assessed.map((one): Assessment => {
    if (one.joiner && lost.has(one.joiner))
      return asConflict(one, 'username-taken', 'Someone took this user name while the import ran.');
    if (one.joiner) return { ...one, person: people.get(one.joiner) };
    const before = earlier?.get(run.rowKeys.get(one.candidate)!);
    return before ? asBefore(run, one, before) : one;
  });
  await insertOrigins(
    tx,
    run.name,
    settled.flatMap(({ joiner, person, candidate: { key, fingerprint } }) =>
      joiner && person ? [{ key, person, fingerprint }] : [],
    ),
  );
  await store.saveRows(
    tx,
    run.id,
    settled.map((one) => rowOf(run, one)),
  );
  return settled;
}

/** Whom this very run brought before it was broken off counts as brought by it. */
function asBefore(run: Run, assessment: Assessment, { outcome, person }: store.ImportRow): Assessment {
  const here = assessment.verdict === 'unchanged' || assessment.verdict === 'changed';
  if (!here || (outcome !== 'ready' && outcome !== 'locked')) return assessment;
  const warnings = warningsOf(assessment.candidate, run.all);
  return { ...assessment, verdict: outcome, why: 'Joined before the run was broken off.', person, warnings };
}

function asConflict(assessment: Assessment, kind: RefusalKind, why: string): Assessment {
  return { candidate: assessment.candidate, verdict: 'conflict', kind, why, warnings: [] };
}

function rowOf(run: Run, { candidate, verdict, kind, person }: Assessment): store.ImportRow {
  return { key: run.rowKeys.get(candidate)!, outcome: verdict, reason: kind, person };
}

/** Even alone the record lost to a door that is not through yet. */
async function noteLost(run: Run, candidate: Candidate): Promise<Assessment> {
  const why = 'Someone took the user name or the address while the import ran.';
  const lost: Assessment = { candidate, verdict: 'conflict', kind: 'duplicate-address', why, warnings: [] };
  await run.database.transact(run.context, (tx) => store.saveRows(tx, run.id, [rowOf(run, lost)]));
  return lost;
}

async function importGroups(run: Run, { groups }: ReadSource, { onProgress }: ImportOptions): Promise<void> {
  const joined = new Set(run.joined.keys());
  const planned = planGroups(groups, run.candidates, joined, run.tally);
  const { counts } = run.tally;
  if (run.dryRun) {
    counts.groups = await run.database.read(run.context, (tx) => countNewGroups(tx, planned));
    counts.memberships = planned.reduce((sum, group) => sum + group.members.length, 0);
    return;
  }
  for (const [index, group] of planned.entries()) {
    await importGroup(run, group);
    onProgress?.({ phase: 'groups', done: index + 1, total: planned.length });
  }
}

async function importGroup(run: Run, group: PlannedGroup): Promise<void> {
  const people = group.members.flatMap((key) => run.joined.get(key) ?? []);
  for (let at = 0; at === 0 || at < people.length; at += groupBatch) {
    const { counts } = run.tally;
    const after = await run.database.transact(run.context, async (tx) => {
      const { made, entered } = await enterGroup(tx, group, people.slice(at, at + groupBatch), run.name);
      const sums = { groups: counts.groups + Number(made), memberships: counts.memberships + entered };
      await store.saveGroupCounts(tx, run.id, sums);
      return sums;
    });
    Object.assign(counts, after);
  }
}

async function closeRun(run: Run, state: 'done' | 'stopped'): Promise<void> {
  if (run.dryRun) return;
  const counts = { ...run.tally.counts };
  await run.database.transact(run.context, async (tx) => {
    await store.endRun(tx, run.id, state, counts);
    if (state === 'done') await record(tx, 'import.finished', { data: { run: run.id, counts } });
  });
}
