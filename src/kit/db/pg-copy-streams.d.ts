declare module 'pg-copy-streams' {
  import type { Duplex, Readable, Writable } from 'node:stream';
  import type { Submittable } from 'pg';

  /** A COPY … TO STDOUT whose rows are read. */
  export function to(text: string): Readable & Submittable & { rowCount: number };
  /** A COPY … FROM STDIN whose rows are written. */
  export function from(text: string): Writable & Submittable & { rowCount: number };
  export function both(text: string): Duplex & Submittable;
}
