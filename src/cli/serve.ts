/** `gatehouse serve`: runs until it is told to stop. */
import type { AddCommand } from './cli.ts';

export interface Running {
  stop(): Promise<void>;
}

/** One wish often comes as several signals: to the whole group of processes, and passed on by the launcher. */
const sameWishMs = 1000;

/**
 * What was needed once, to load and to start, is given back when the first rush is over: a fifth of the memory, for a
 * moment in which nothing else runs. Only where the launcher lets us (`--expose-gc`, bin/launch.mjs).
 */
const restAfterMs = 4_000;

/**
 * Starts something and keeps it until SIGTERM, Ctrl-C or the end of the terminal. The first signal asks it to end what
 * it has in hand; another one, more than a second later, ends it at once.
 */
export async function runUntilStopped(start: () => Promise<Running>): Promise<void> {
  const stopping = Promise.withResolvers<void>();
  let askedAt: number | undefined;
  const ask = () => {
    askedAt ??= performance.now();
    if (performance.now() - askedAt > sameWishMs) process.exit(130);
    stopping.resolve();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask);
  // The promise alone would not keep the process: something started may hold nothing open.
  const awake = setInterval(() => undefined, 60_000);
  try {
    const running = await start();
    const rest = setTimeout(
      () => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
      restAfterMs,
    );
    await stopping.promise;
    clearTimeout(rest);
    await running.stop();
  } finally {
    clearInterval(awake);
  }
}

/** @param start starts the parts named in the settings */
export function serveCommand(start: (argv: Record<string, unknown>) => Promise<Running>): AddCommand {
  return (program) => {
    program
      .command('serve')
      .description('run Gatehouse')
      .option('--run <parts>', 'parts to run, separated by commas (default: all)')
      .option('--host <address>', 'address to listen on')
      .option('--port <number>', 'port of pages, protocols and API')
      .option('--public-url <url>', 'the address people type')
      .action((options: Record<string, unknown>) => runUntilStopped(() => start(options)));
  };
}

/** @param start starts the demo and says what the terminal shows once it is there */
export function demoCommand(
  start: (argv: Record<string, unknown>) => Promise<Running & { banner: string }>,
): AddCommand {
  return (program, { print }) => {
    program
      .command('demo')
      .description('try it: a community, two apps and a mail catcher on this machine only')
      .option('--port <number>', 'port of Gatehouse; the apps and the mail take the next ones')
      .action((options: Record<string, unknown>) =>
        runUntilStopped(async () => {
          const demo = await start(options);
          print(demo.banner);
          return demo;
        }),
      );
  };
}
