/** The address below /simulator/ by which tests and people look inside and make trouble while it runs. */
import { type Answer, type Exchange, jsonAnswer, readJson } from './exchange.ts';
import type { Fault, Faults } from './faults.ts';
import type { Ledger } from './ledger.ts';
import { errorBody, Refusal } from './refusal.ts';

export interface ControlOptions {
  faults: Faults;
  ledger: Ledger;
  /** What GET /simulator/state tells beside faults and counters. */
  state(): Record<string, unknown>;
  /** Empties everything but the settings. */
  reset(): void;
  /** Changes limit and latency. Throws RangeError. */
  settings(given: Record<string, unknown>): void;
  /** Further addresses; undefined when there is none. */
  more?(exchange: Exchange, name: string): Answer | undefined;
}

/** Answers every request below /simulator/. */
export function createControl(options: ControlOptions): (exchange: Exchange) => Answer {
  return (exchange) => {
    try {
      return answer(options, exchange);
    } catch (error) {
      if (error instanceof Refusal) return jsonAnswer(error.status, errorBody(error.status, error.message));
      if (error instanceof RangeError) return jsonAnswer(400, errorBody(400, error.message));
      throw error;
    }
  };
}

function answer(options: ControlOptions, exchange: Exchange): Answer {
  const { faults, ledger } = options;
  const [, name = '', ...rest] = exchange.segments;
  const action = rest.length === 0 ? `${exchange.method} ${name}` : '';
  switch (action) {
    case 'GET state':
      return jsonAnswer(200, {
        ...options.state(),
        counters: ledger.counters(),
        doubled: ledger.doubled(),
        faults: faults.list(),
      });
    case 'GET faults':
      return jsonAnswer(200, faults.list());
    case 'PUT faults':
      return jsonAnswer(200, faults.set(listOf(readJson(exchange))));
    case 'POST faults':
      return jsonAnswer(201, faults.add(readJson(exchange) as Fault | string));
    case 'DELETE faults':
      faults.clear();
      return { status: 204, headers: {} };
    case 'GET ledger':
      return jsonAnswer(200, readLedger(ledger, exchange.query));
    case 'DELETE ledger':
      ledger.clear();
      return { status: 204, headers: {} };
    case 'PUT settings':
      options.settings((readJson(exchange) ?? {}) as Record<string, unknown>);
      return jsonAnswer(200, options.state());
    case 'POST reset':
      options.reset();
      return { status: 204, headers: {} };
  }
  const more = options.more?.(exchange, name);
  if (more) return more;
  throw new Refusal(
    404,
    `There is no ${exchange.method} of this. There are state, faults, ledger, settings and reset.`,
  );
}

function listOf(given: unknown): (Fault | string)[] {
  if (!Array.isArray(given)) throw new RangeError('Faults are a list.');
  return given as (Fault | string)[];
}

function readLedger(ledger: Ledger, query: URLSearchParams) {
  const number = (name: string) => (query.has(name) ? Number(query.get(name)) : undefined);
  const text = (name: string) => query.get(name) ?? undefined;
  const limit = number('limit') ?? 1000;
  const after = number('after') ?? 0;
  if (!Number.isInteger(limit) || limit < 1 || !Number.isInteger(after))
    throw new RangeError('limit and after are whole numbers.');
  const entries = ledger.entries({
    after,
    limit,
    id: text('id'),
    userName: text('userName'),
    externalId: text('externalId'),
  });
  return { counters: ledger.counters(), doubled: ledger.doubled(), entries };
}
