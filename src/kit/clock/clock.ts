/**
 * The clock everything asks for the time, so that tests can move it.
 *
 * Owns: what "now" means inside the program. Records: nothing. Refuses: nothing.
 * Leases and anything two nodes must agree on use the database's clock instead.
 */

export interface Clock {
  /** The present moment; a fresh Date every time. */
  now(): Date;
}

/** The machine's own clock. */
export const systemClock: Clock = { now: () => new Date() };

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now: number;

  constructor(start: Date = new Date('2026-01-15T12:00:00.000Z')) {
    this.#now = start.getTime();
  }

  now(): Date {
    return new Date(this.#now);
  }

  /** Sets the moment, forwards or backwards. */
  set(moment: Date): void {
    this.#now = moment.getTime();
  }

  /** Moves forward by `milliseconds` (negative moves back). */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}
