/** Programs beside the one that measures, each a process of its own, asked and answered over the channel of `fork`. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

export interface Program {
  pid: number;
  /** Asks for one thing by name and waits for the answer; throws what the program threw. */
  ask<T>(name: string, input?: unknown): Promise<T>;
  /** Ends the program the way it wants to end, and returns when it is gone. */
  stop(): Promise<void>;
}

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

/** Starts `bench/programs/<name>.ts`. It ends by itself when this process does. */
export async function startProgram(
  name: string,
  env: Record<string, string> = {},
  execArgv: string[] = [],
): Promise<Program> {
  const file = path.join(import.meta.dirname, 'programs', `${name}.ts`);
  const child = fork(file, {
    env: { ...neutralEnvironment(), ...env },
    execArgv: ['--disable-warning=ExperimentalWarning', ...execArgv],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let asked = 0;
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.once('exit', () => {
    for (const [id, tell] of waiting) tell({ id, error: `the program ${name} ended` });
    waiting.clear();
  });
  return {
    pid: child.pid!,
    ask: <T>(what: string, input?: unknown) =>
      new Promise<T>((resolve, reject) => {
        asked += 1;
        const id = asked;
        waiting.set(id, ({ value, error }) => (error ? reject(new Error(error)) : resolve(value as T)));
        child.send({ id, name: what, input });
      }),
    stop: () => end(child),
  };
}

/** Our own environment without the settings of a Gatehouse that somebody works with. */
export function neutralEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(GATEHOUSE_|DATABASE_URL)/.test(name));
  return Object.fromEntries(kept);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  if (child.connected) child.disconnect();
  const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await gone;
  clearTimeout(late);
}

/** For the program itself: answers what it is asked, and ends when nobody can ask any more. */
export function answerParent(
  answers: Record<string, (input: never) => Promise<unknown>>,
  whenOver: () => Promise<void> = async () => undefined,
): void {
  process.on('message', (question: { id: number; name: string; input: unknown }) => {
    const answer = answers[question.name];
    const run = answer ? answer(question.input as never) : Promise.reject(new Error(`no ${question.name}`));
    run.then(
      (value) => process.connected && process.send?.({ id: question.id, value }),
      (error) =>
        process.connected && process.send?.({ id: question.id, error: String(error.stack ?? error) }),
    );
  });
  process.once('disconnect', () => {
    whenOver().then(
      () => process.exit(0),
      (error) => {
        process.stderr.write(`${error}\n`);
        process.exit(1);
      },
    );
  });
}
