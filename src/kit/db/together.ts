/**
 * Statements of requests that are under way at the same time leave together: while one batch is on its way to the
 * database the next one gathers, so that a busy server pays for one commit where it would have paid for many. A request
 * alone waits for nobody.
 */

/** How many batches may be on their way at once. */
const lanes = 2;

/** Turns a set-based function into one for single callers. `run` answers in the order of its items. */
export function together<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  most = 100,
): (item: Item) => Promise<Result> {
  interface Waiting {
    item: Item;
    resolve(result: Result): void;
    reject(error: unknown): void;
  }
  let waiting: Waiting[] = [];
  let underWay = 0;

  async function send(batch: readonly Waiting[]): Promise<void> {
    try {
      const results = await run(batch.map(({ item }) => item));
      for (const [place, one] of batch.entries()) one.resolve(results[place] as Result);
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      // One that cannot be done must not take the others with it.
      else for (const one of batch) await send([one]);
    }
  }
  function start(): void {
    while (underWay < lanes && waiting.length > 0) {
      const batch = waiting.slice(0, most);
      waiting = waiting.slice(most);
      underWay += 1;
      void send(batch).finally(() => {
        underWay -= 1;
        start();
      });
    }
  }
  return (item) => {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    waiting.push({ item, resolve, reject });
    // Callers of the same turn of the loop go together from the start.
    if (waiting.length === 1) setImmediate(start);
    return promise;
  };
}
