/**
 * What a piece of work inside one database transaction holds in its hands: the connection, the time, and
 * who does it why. Functions of the core take it as their first argument.
 */
import type { ClientBase } from 'pg';
import type { Clock } from '#kit/clock/clock.ts';

export interface Actor {
  kind: 'person' | 'operator' | 'application' | 'system' | 'anonymous';
  id?: string;
  name?: string;
}

export type Cause = 'request' | 'admin' | 'import' | 'apply' | 'sync' | 'merge' | 'schedule' | 'demo';

export interface TxContext {
  actor: Actor;
  cause: Cause;
  requestId: string;
}

export interface Tx extends TxContext {
  readonly clock: Clock;
  /** The moment this transaction began, the same for all its rows. */
  now(): Date;
  /** Raw SQL on this transaction's connection. With `name` the statement is prepared once a connection. */
  query<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    name?: string,
  ): Promise<Row[]>;
  /**
   * Nothing is asked after what is under way: the commit leaves with it, not after its answers. What is thrown from here
   * on undoes nothing, but a statement under way that fails does.
   */
  commitAlong(): void;
  /** The connection itself, for COPY and the like, when nothing else is under way. Never BEGIN, COMMIT or release it. */
  readonly client: ClientBase;
}

/** A connection whose statements leave before earlier ones are answered; the driver's types do not know it yet. */
export type Pipelined = ClientBase & { pipeline: boolean };

export interface OpenTxOptions {
  /** Statements that may be run; more are refused. */
  most?: number;
  /** Sends the commit. */
  commit?: () => void;
}

/**
 * Builds the Tx for one open connection. Statements are carried out in the order they are asked for; those of a
 * `Promise.all` leave together, without waiting for each other's answers. A Tx kept after its end refuses instead of
 * writing outside any transaction.
 * @returns the Tx, `end`, which waits for statements under way and closes it for good, and whether any of them failed
 */
export function openTx(
  client: ClientBase,
  context: TxContext,
  clock: Clock,
  { most = Number.POSITIVE_INFINITY, commit }: OpenTxOptions = {},
): { tx: Tx; end: () => Promise<void>; failed: () => boolean } {
  const began = clock.now().getTime();
  let ended = false;
  let count = 0;
  let broke = false;
  const underWay = new Set<Promise<unknown>>();

  function send<T>(run: () => Promise<T>): Promise<T> {
    if (ended) return Promise.reject(new Error('This transaction has ended; its Tx was kept for too long.'));
    count += 1;
    if (count > most) return Promise.reject(new Error(`More than ${most} statement outside a transaction.`));
    const result = run();
    const over = () => underWay.delete(settled);
    const settled: Promise<unknown> = result.then(over, () => {
      broke = true;
      over();
    });
    underWay.add(settled);
    return result;
  }

  const tx: Tx = {
    ...context,
    clock,
    now: () => new Date(began),
    commitAlong() {
      if (ended || !commit) return;
      ended = true;
      commit();
    },
    get client() {
      // What streams cannot share the line with other statements.
      if (underWay.size > 0) throw new Error('Other statements of this transaction are still under way.');
      (client as Pipelined).pipeline = false;
      return client;
    },
    async query<Row>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]> {
      const config = { text, values: values as unknown[] | undefined, name };
      return (await send(() => client.query(config))).rows as Row[];
    },
  };
  const end = async () => {
    await Promise.all(underWay);
    ended = true;
  };
  return { tx, end, failed: () => broke };
}
