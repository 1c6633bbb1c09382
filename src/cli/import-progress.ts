/** One line on a terminal that tells how far an import is. Says nothing where nobody watches. */
import type { ImportProgress } from '#migration/import.ts';

const words = { reading: 'Reading', importing: 'Importing', groups: 'Groups' } as const;
const cells = 28;
const everyMs = 80;

/** `show` may be called as often as one likes; `clear` leaves the line empty for what comes after. */
export function createImportProgress(stream: NodeJS.WriteStream): {
  show(progress: ImportProgress): void;
  clear(): void;
} {
  let last = 0;
  let phase: ImportProgress['phase'] | undefined;
  let began = performance.now();
  return {
    show(progress) {
      const now = performance.now();
      if (progress.phase !== phase) {
        phase = progress.phase;
        began = now;
      }
      const isEnd = progress.done === progress.total;
      if (!stream.isTTY || (now - last < everyMs && !isEnd)) return;
      last = now;
      const line = progressLine(progress, (now - began) / 1000);
      stream.write(`\r\u001b[2K${line.slice(0, Math.max(20, stream.columns - 1))}`);
    },
    clear() {
      if (stream.isTTY && last > 0) stream.write('\r\u001b[2K');
    },
  };
}

/** The line itself: word, bar, numbers, rate and what is left. */
export function progressLine({ phase, done, total }: ImportProgress, seconds: number): string {
  const count = (value: number) => Math.round(value).toLocaleString('en-GB');
  const word = words[phase].padEnd(10);
  const rate = seconds > 0.5 && phase !== 'groups' ? `  ${count(done / seconds)}/s` : '';
  if (total === undefined) return `${word}${count(done)}${rate}`;
  const full = total === 0 ? cells : Math.floor((done / total) * cells);
  const left = seconds > 1 && done > 0 && done < total ? ((total - done) * seconds) / done : 0;
  const wait = left >= 1 ? `  ${count(left)} s left` : '';
  return `${word}${'█'.repeat(full)}${'░'.repeat(cells - full)} ${count(done)} of ${count(total)}${rate}${wait}`;
}
