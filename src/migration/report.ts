/** What an import did or would do: as data, and as a page for a terminal. */
import type { ImportCounts, ReportFinding, SchemeCount } from './tally.ts';

export interface ImportReport {
  /** Id of the run; none in a dry run. */
  run?: string;
  /** What the source is called from run to run. */
  name: string;
  /** The file or address it was read from. */
  label: string;
  dryRun: boolean;
  /** A run that was broken off before was gone on with; the counts are those of the whole run. */
  resumed: boolean;
  state: 'done' | 'stopped';
  startedAt: string;
  seconds: number;
  /** Records a second, reading and groups left out. */
  perSecond: number;
  counts: ImportCounts;
  findings: ReportFinding[];
  schemes: SchemeCount[];
}

/** How words look; the identity where nobody wants colours. */
export type Paint = (style: 'bold' | 'dim' | 'red' | 'yellow' | 'green', text: string) => string;

export const plain: Paint = (_style, text) => text;

/** Anything from a source may hold what moves a terminal's cursor or turns its text around. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '·');
}

/** True when every record could be read; people may still have been refused, which is in the report. */
export function readCompletely(report: { counts: { unreadable: number } }): boolean {
  return report.counts.unreadable === 0;
}

/** The report as lines of text. `examples`: how many of each kind of finding. */
export function reportText(
  report: ImportReport,
  { paint = plain, examples = 10 }: { paint?: Paint; examples?: number } = {},
): string {
  const { counts } = report;
  const lines = [
    '',
    paint('bold', `${report.dryRun ? 'Dry run of' : 'Import of'} ${printable(report.label)}`) +
      paint('dim', report.name === report.label ? '' : `  as ${printable(report.name)}`),
    ...introduction(report).map((line) => paint('dim', line)),
    '',
    ...table(countRows(report, paint)),
  ];
  if (counts.groups + counts.memberships > 0) {
    const verb = report.dryRun ? 'would be made' : 'made';
    lines.push('', `  ${number(counts.groups)} groups ${verb}, ${number(counts.memberships)} memberships`);
  }
  if (report.schemes.length > 0) lines.push('', paint('bold', 'Passwords'), ...schemeLines(report, paint));
  for (const finding of report.findings) lines.push(...findingLines(finding, paint, examples));
  lines.push('', ...closing(report), '');
  return lines.join('\n');
}

function introduction(report: ImportReport): string[] {
  const lines = [];
  if (report.dryRun) lines.push('Nothing was written. This is what an import would do now.');
  if (report.resumed && !report.dryRun)
    lines.push('An earlier run was broken off; this one went on from there.');
  if (report.state === 'stopped') lines.push('It was stopped before its end. Run it again to go on.');
  return lines;
}

function countRows({ counts, dryRun }: ImportReport, paint: Paint): [number, string, string][] {
  const rows: [number, string, string][] = [
    [counts.in, paint('bold', 'people read'), ''],
    [
      counts.imported,
      paint('green', dryRun ? 'ready to join' : 'imported'),
      counts.locked > 0 ? `${number(counts.locked)} of them locked` : '',
    ],
    [
      counts.unchanged,
      'here already',
      counts.changed > 0 ? `${number(counts.changed)} of them different in the source now` : '',
    ],
    [counts.conflict, paint(counts.conflict > 0 ? 'yellow' : 'dim', 'in conflict'), ''],
    [counts.rejected, paint(counts.rejected > 0 ? 'yellow' : 'dim', 'rejected'), ''],
  ];
  if (counts.unreadable > 0) rows.push([counts.unreadable, paint('red', 'places could not be read'), '']);
  if (counts.skipped > 0) rows.push([counts.skipped, paint('dim', 'entries that are not people'), '']);
  return rows;
}

function table(rows: readonly [number, string, string][]): string[] {
  const width = Math.max(...rows.map(([count]) => number(count).length));
  return rows.map(
    ([count, label, note]) => `  ${number(count).padStart(width)}  ${label}${note && `, ${note}`}`,
  );
}

function schemeLines({ schemes }: ImportReport, paint: Paint): string[] {
  const width = Math.max(...schemes.map(({ count }) => number(count).length));
  const names = Math.max(...schemes.map(({ scheme }) => scheme.length));
  return schemes.map(({ scheme, count, verifiable, fast, reason }) => {
    const fate = verifiable
      ? fast
        ? 'works; wrapped in argon2id soon after the import'
        : 'works'
      : paint('yellow', `cannot be taken over: ${reason ?? 'It cannot be kept.'}`);
    return `  ${number(count).padStart(width)}  ${printable(scheme).padEnd(names)}  ${fate}`;
  });
}

const levelStyle = {
  unreadable: 'red',
  conflict: 'yellow',
  rejected: 'yellow',
  warning: 'bold',
  skipped: 'dim',
} as const;

function findingLines(finding: ReportFinding, paint: Paint, examples: number): string[] {
  const { level, kind, title, count } = finding;
  const lines = ['', paint(levelStyle[level], `${title} (${number(count)})`) + paint('dim', `  ${kind}`)];
  if (level === 'skipped') return lines;
  for (const { line, who, text } of finding.examples.slice(0, examples)) {
    const place = [line === undefined ? '' : `line ${line}`, who ?? ''].filter(Boolean).join('  ');
    lines.push(`  ${place === '' ? '' : `${paint('dim', printable(place))}  `}${printable(text)}`);
  }
  const more = count - Math.min(examples, finding.examples.length);
  if (more > 0) lines.push(paint('dim', `  … and ${number(more)} more`));
  return lines;
}

function closing({ counts, seconds, perSecond, dryRun, findings, name }: ImportReport): string[] {
  const lines = [];
  const taken = findings.find(({ kind }) => kind === 'username-taken')?.count ?? 0;
  if (taken > counts.in / 2 && counts.unchanged === 0)
    lines.push(
      `Most user names are taken. If this source was imported before under another name than "${printable(name)}", give that one with --name.`,
    );
  if (counts.toWrap > 0 && !dryRun)
    lines.push(
      `${number(counts.toWrap)} passwords are stored in a form that is fast to guess; a running Gatehouse wraps them in argon2id now.`,
    );
  if (!dryRun) lines.push('Nobody was mailed and nothing was sent to any app.');
  lines.push(`${seconds.toFixed(1)} s${perSecond > 0 ? `, ${number(perSecond)} people a second` : ''}`);
  return lines;
}

function number(value: number): string {
  return value.toLocaleString('en-GB');
}
