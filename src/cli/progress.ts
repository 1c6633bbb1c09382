/** One moving line for work that takes a while; nothing where nobody watches. */
export interface Progress {
  show(done: number, total: number): void;
  /** Takes the line away. */
  end(): void;
}

const width = 24;
const everyMs = 80;

/**
 * @param title what is being done
 * @param stream the terminal; not a terminal = silence
 */
export function startProgress(
  title: string,
  stream: { isTTY?: boolean; write(text: string): unknown },
): Progress {
  if (!stream.isTTY) return { show: () => undefined, end: () => undefined };
  const began = Date.now();
  let shown = 0;
  return {
    show(done, total) {
      const now = Date.now();
      if (now - shown < everyMs && done < total) return;
      shown = now;
      const part = total > 0 ? Math.min(1, done / total) : 0;
      const bar = '█'.repeat(Math.round(part * width)).padEnd(width, '░');
      const rate = Math.round(done / Math.max(0.001, (now - began) / 1000));
      stream.write(
        `\r\u001b[K${title}  ${bar}  ${done.toLocaleString('en')} of ${total.toLocaleString('en')}  ${rate.toLocaleString('en')}/s`,
      );
    },
    end: () => void stream.write('\r\u001b[K'),
  };
}
