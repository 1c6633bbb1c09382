/**
 * What a piece of work inside one database transaction holds in its hands: the connection, the time, and
 * who does it why. Functions of the core take it as their first argument.
 */
import { Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely';
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
  /** Query builder on the same connection; stores narrow it with {@link tables}. */
  readonly db: Kysely<unknown>;
  /** The connection itself, for COPY and the like, when nothing else is under way. Never BEGIN, COMMIT or release it. */
  readonly client: ClientBase;
}

/** A connection whose statements leave before earlier ones are answered; the driver's types do not know it yet. */
export type Pipelined = ClientBase & { pipeline: boolean };

/** A store's typed view of its own tables. */
export function tables<T>(tx: Tx): Kysely<T> {
  return tx.db as unknown as Kysely<T>;
}

/**
 * Builds the Tx for one open connection. Statements are carried out in the order they are asked for; those of a
 * `Promise.all` leave together, without waiting for each other's answers. A Tx kept after its end refuses instead of
 * writing outside any transaction.
 * @param most statements that may be run; more are refused
 * @returns the Tx and `end`, which waits for statements under way and closes it for good
 */
export function openTx(
  client: ClientBase,
  context: TxContext,
  clock: Clock,
  most = Number.POSITIVE_INFINITY,
): { tx: Tx; end: () => Promise<void> } {
  const began = clock.now().getTime();
  let ended = false;
  let count = 0;
  const underWay = new Set<Promise<unknown>>();
  let builder: Kysely<unknown> | undefined;

  function send<T>(run: () => Promise<T>): Promise<T> {
    if (ended) return Promise.reject(new Error('This transaction has ended; its Tx was kept for too long.'));
    count += 1;
    if (count > most) return Promise.reject(new Error(`More than ${most} statement outside a transaction.`));
    const result = run();
    const over = () => underWay.delete(settled);
    const settled: Promise<unknown> = result.then(over, over);
    underWay.add(settled);
    return result;
  }

  const tx: Tx = {
    ...context,
    clock,
    now: () => new Date(began),
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
    get db() {
      builder ??= new Kysely<unknown>({ dialect: new PostgresDialect({ pool: poolOf(client, send) }) });
      return builder;
    },
  };
  const end = async () => {
    await Promise.all(underWay);
    ended = true;
  };
  return { tx, end };
}

/** The one connection dressed as the pool that the query builder expects. */
function poolOf(client: ClientBase, send: <T>(run: () => Promise<T>) => Promise<T>) {
  const connection = {
    query: (text: string, values: readonly unknown[]) => send(() => client.query(text, values as unknown[])),
    release: () => undefined,
  } as unknown as PostgresPoolClient;
  return { options: {}, connect: async () => connection, end: async () => undefined };
}
