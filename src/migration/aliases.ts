/** Brings the names people had at each app (`import aliases`). A name somebody has already is never changed. */
import { newId } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { type AliasRow, readAliases } from '#sources/csv/csv.ts';
import { aliasFindings, type Fate, type Seen, settleRows } from './alias-rows.ts';
import { type Paint, plain, printable } from './report.ts';
import type { Example } from './tally.ts';

export interface AliasReport {
  dryRun: boolean;
  /** `in` = assigned + unchanged + conflict + rejected; rows that could not be read are not among them. */
  counts: Record<'in' | 'assigned' | 'unchanged' | 'conflict' | 'rejected' | 'unreadable', number>;
  findings: { kind: string; title: string; count: number; examples: Example[] }[];
  seconds: number;
}

const batchSize = 500;
const mostExamples = 5_000;

interface AliasRun {
  database: Database;
  context: TxContext;
  report: AliasReport;
  seen: Seen;
}

/**
 * Imports a CSV of `application`, `alias` and `username` or `address`. Each 500 rows are one transaction; running it
 * again changes nothing. Never throws for what the file holds: every row is counted, and refused ones have a sentence.
 */
export async function importAliases(
  needs: { database: Database; log: Log },
  bytes: Buffer,
  { dryRun = false, onProgress }: { dryRun?: boolean; onProgress?: (rows: number) => void } = {},
): Promise<AliasReport> {
  const began = performance.now();
  const counts = { in: 0, assigned: 0, unchanged: 0, conflict: 0, rejected: 0, unreadable: 0 };
  const run: AliasRun = {
    database: needs.database,
    context: { ...system('import'), requestId: newId() },
    report: { dryRun, counts, findings: [], seconds: 0 },
    seen: { names: new Map(), people: new Map() },
  };
  let batch: AliasRow[] = [];
  const flush = async () => {
    await importRows(run, batch);
    batch = [];
    onProgress?.(counts.in);
  };
  for (const item of readAliases(bytes)) {
    if (item.kind === 'error') {
      counts.unreadable += 1;
      const { code, line, text } = item.error;
      note(run.report, code, 'Could not be read', { line, text });
    } else if (batch.push(item.alias) === batchSize) await flush();
  }
  await flush();
  needs.log.info({ ...counts, dryRun }, 'an import of aliases ended');
  return { ...run.report, seconds: Math.round(performance.now() - began) / 1000 };
}

function note({ findings }: AliasReport, kind: string, title: string, example: Example): void {
  let finding = findings.find((one) => one.kind === kind);
  if (!finding) {
    finding = { kind, title, count: 0, examples: [] };
    findings.push(finding);
  }
  finding.count += 1;
  if (finding.examples.length < mostExamples) finding.examples.push(example);
}

async function importRows(run: AliasRun, rows: readonly AliasRow[]): Promise<void> {
  if (rows.length === 0) return;
  const { dryRun } = run.report;
  // A transaction may run twice; what its rows hold is kept only once it came through.
  const attempt = async (tx: Tx) => {
    const seen: Seen = { names: new Map(), people: new Map() };
    return { seen, fates: await settleRows(tx, rows, [run.seen, seen], dryRun) };
  };
  try {
    const { seen, fates } = dryRun
      ? await run.database.read(run.context, attempt)
      : await run.database.transact(run.context, attempt);
    for (const [name, line] of seen.names) run.seen.names.set(name, line);
    for (const [person, line] of seen.people) run.seen.people.set(person, line);
    for (const [index, row] of rows.entries()) count(run.report, row, fates[index]!);
  } catch (error) {
    if ((error as { code?: unknown }).code !== '23505') throw error;
    // Someone was given one of these names in this moment.
    const text = 'Someone was given this name while the import ran.';
    if (rows.length > 1) for (const row of rows) await importRows(run, [row]);
    else count(run.report, rows[0]!, { outcome: 'conflict', finding: { kind: 'alias-taken', text } });
  }
}

function count(report: AliasReport, { line, alias }: AliasRow, { outcome, finding }: Fate): void {
  report.counts.in += 1;
  report.counts[outcome] += 1;
  if (!finding) return;
  const { kind, text } = finding;
  note(report, kind, aliasFindings[kind], { line, who: alias.slice(0, 120), text });
}

/** The report as lines of text. */
export function aliasReportText(
  { counts, dryRun, findings, seconds }: AliasReport,
  { paint = plain, examples = 10 }: { paint?: Paint; examples?: number } = {},
): string {
  const lines = ['', paint('bold', `${dryRun ? 'Dry run of an' : 'An'} import of aliases`)];
  if (dryRun) lines.push(paint('dim', 'Nothing was written. This is what an import would do now.'));
  lines.push('');
  const words: [number, string][] = [
    [counts.in, 'rows read'],
    [counts.assigned, dryRun ? 'ready to be assigned' : 'assigned'],
    [counts.unchanged, 'here already'],
    [counts.conflict, 'in conflict'],
    [counts.rejected, 'rejected'],
    [counts.unreadable, 'could not be read'],
  ];
  for (const [value, label] of words) lines.push(`  ${String(value).padStart(7)}  ${label}`);
  for (const { kind, title, count: all, examples: found } of findings) {
    lines.push('', paint('bold', `${title} (${all})`) + paint('dim', `  ${kind}`));
    for (const { line, who, text } of found.slice(0, examples))
      lines.push(`  ${paint('dim', `line ${line}${who ? `  ${printable(who)}` : ''}`)}  ${printable(text)}`);
    if (all > examples) lines.push(paint('dim', `  … and ${all - examples} more`));
  }
  lines.push('', `${seconds.toFixed(1)} s`, '');
  return lines.join('\n');
}
