/** The product as benchmarks meet it: another process, its own folder and port, gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '#test/port.ts';
import { nodeFlags } from '../bin/launch.mjs';
import { type Program, startProgram } from './program.ts';

export interface House {
  origin: string;
  pid: number;
  data: string;
  /** Applies a community file. */
  apply(yaml: string): Promise<void>;
  /** Waits until every reader and worker is done. */
  settle(): Promise<void>;
  ask: Program['ask'];
  stop(): Promise<void>;
}

/** The environment of a production-like house in this folder: default costs, the log written, mail kept in memory. */
export async function houseEnvironment(data: string): Promise<Record<string, string>> {
  return {
    GATEHOUSE_DATA: data,
    GATEHOUSE_PORT: String(await freePort()),
    GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1',
    GATEHOUSE_DRAIN_SECONDS: '1',
  };
}

/** Starts the product and answers when it is ready. */
export async function startHouse(env: Record<string, string> = {}): Promise<House> {
  const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-'));
  const program = await startProgram('house', { ...(await houseEnvironment(data)), ...env }, [...nodeFlags]);
  const stop = async () => {
    await program.stop();
    await rm(data, { recursive: true, force: true });
  };
  try {
    const origin = await program.ask<string>('origin');
    return {
      origin,
      data,
      pid: program.pid,
      apply: (yaml) => program.ask('apply', yaml),
      settle: () => program.ask('settle'),
      ask: program.ask,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
