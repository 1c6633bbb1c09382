/** What the relay is doing, for Prometheus. */
import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import type { NewMessage } from './messages.ts';

export interface Figures {
  noted(entry: NewMessage): void;
  connections(count: number): void;
  /** Bytes of messages that are in memory. */
  held(bytes: number): void;
  readonly metrics: readonly Metric[];
}

export function createFigures(): Figures {
  const messages = new Counter({
    name: 'gatehouse_relay_messages_total',
    help: 'Mail to alias mailboxes by what became of it and why.',
    labelNames: ['verdict', 'reason'],
    registers: [],
  });
  const seconds = new Histogram({
    name: 'gatehouse_relay_seconds',
    help: 'Time from the first byte of a message to its answer.',
    labelNames: ['verdict'],
    buckets: [0.01, 0.05, 0.2, 1, 5, 30, 120],
    registers: [],
  });
  const connections = new Gauge({
    name: 'gatehouse_relay_connections',
    help: 'Connections of senders that are open.',
    registers: [],
  });
  const held = new Gauge({
    name: 'gatehouse_relay_held_bytes',
    help: 'Bytes of messages in memory.',
    registers: [],
  });
  return {
    noted({ verdict, reason, tookMs }) {
      messages.inc({ verdict, reason });
      if (tookMs !== undefined) seconds.observe({ verdict }, tookMs / 1000);
    },
    connections: (count) => connections.set(count),
    held: (bytes) => held.set(bytes),
    metrics: [messages, seconds, connections, held],
  };
}
