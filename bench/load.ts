/** The load generator seen from the benchmark: callers in another process, each with one request under way. */
import { type Program, startProgram } from './program.ts';

export interface Load {
  /** Makes callers ready; what they need depends on the scenario. */
  prepare(input: PreparedLoad): Promise<void>;
  /** Lets all callers run for so long. Throws when any answer was not the one expected. */
  run(seconds: number): Promise<LoadResult>;
  stop(): Promise<void>;
  pid: number;
}

export interface PreparedLoad {
  scenario: 'sign-in' | 'client-credentials' | 'refresh' | 'oidc-sso' | 'saml-sso';
  origin: string;
  callers: number;
  /** Whatever the scenario's callers need to know, one piece a caller. */
  facts: unknown[];
}

export interface LoadResult {
  perSecond: number;
  count: number;
  medianMs: number;
  p99Ms: number;
}

/** Starts the load generator. */
export async function startLoad(): Promise<Load> {
  const program: Program = await startProgram('load');
  return {
    prepare: (input) => program.ask('prepare', input),
    run: (seconds) => program.ask('run', seconds),
    stop: () => program.stop(),
    pid: program.pid,
  };
}
