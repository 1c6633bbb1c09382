/** Work that is due again and again while the process runs: never twice at the same time, and no failure ends it. */

/** Work that is done one after the other, in the order it was asked for. */
export interface Line {
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Ends when what was asked for so far is over. */
  idle(): Promise<void>;
}

export function oneAtATime(): Line {
  let last: Promise<unknown> = Promise.resolve();
  return {
    inTurn(work) {
      const mine = last.then(work);
      last = mine.catch(() => undefined);
      return mine;
    },
    async idle() {
      await last;
    },
  };
}

export interface Regular {
  /** Does it once more, after what is under way. Never rejects. */
  run(): Promise<void>;
  /** Ends when nothing is under way. */
  settle(): Promise<void>;
  /** Begins nothing more; ends when nothing is under way. */
  stop(): Promise<void>;
}

/** Does the work every so many milliseconds, for the first time after as many; the timer keeps no process alive. */
export function regularly(
  { everyMs, failed }: { everyMs: number; failed(error: unknown): void },
  work: () => Promise<unknown>,
): Regular {
  const line = oneAtATime();
  const run = async () => {
    await line.inTurn(work).catch(failed);
  };
  const timer = setInterval(() => void run(), everyMs);
  timer.unref();
  return {
    run,
    settle: () => line.idle(),
    async stop() {
      clearInterval(timer);
      await line.idle();
    },
  };
}
