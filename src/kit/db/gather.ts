/**
 * Statements asked for in one turn of the program leave in one write: BEGIN with the first statement, all of a
 * `Promise.all`. A call to the system costs more than what it carries.
 */
import type { ClientBase } from 'pg';

/** The part of the driver's connection that its types leave out. */
interface Wired {
  connection?: { stream?: { cork?(): void; uncork?(): void } };
}

/** Makes this connection, once it is open, gather what is asked of it until the turn is over. */
export function gatherWrites(client: ClientBase): void {
  const stream = (client as ClientBase & Wired).connection?.stream;
  if (!stream?.cork || !stream.uncork) return;
  const driver = Object.getPrototypeOf(client) as { query(...given: unknown[]): unknown };
  let held = false;
  const release = () => {
    held = false;
    stream.uncork?.();
  };
  client.query = ((...given: unknown[]) => {
    if (!held) {
      held = true;
      stream.cork?.();
      // After the promises that are due now, so that statements of several of them go together.
      process.nextTick(release);
    }
    return driver.query.apply(client, given);
  }) as typeof client.query;
}
