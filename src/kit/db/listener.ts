/**
 * One dedicated connection that hears NOTIFY, opened at the first listener and reopened when lost.
 */
import pg from 'pg';
import type { Log } from '#kit/log/log.ts';
import type { Connection } from './database.ts';

export interface Listener {
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const longestPause = 5_000;

/** Makes the listener; nothing is connected until somebody listens. */
export function openListener(connection: Connection, log: Log): Listener {
  const channels = new Map<string, Set<(payload: string) => void>>();
  let client: pg.Client | undefined;
  let connecting: Promise<pg.Client> | undefined;
  let closed = false;
  let pause = 0;
  let timer: NodeJS.Timeout | undefined;

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client({ ...connection, application_name: 'gatehouse listener', keepAlive: true });
    fresh.on('error', (error) => lost(fresh, error));
    fresh.on('end', () => lost(fresh));
    fresh.on('notification', ({ channel, payload }) => tell(channel, payload ?? ''));
    await fresh.connect();
    for (const channel of channels.keys()) await fresh.query(`LISTEN ${fresh.escapeIdentifier(channel)}`);
    client = fresh;
    pause = 0;
    return fresh;
  }

  function ensure(): Promise<pg.Client> {
    if (client) return Promise.resolve(client);
    connecting ??= connect().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  function tell(channel: string, payload: string): void {
    for (const heard of channels.get(channel) ?? []) {
      try {
        heard(payload);
      } catch (error) {
        log.error({ err: error, channel }, 'a listener failed');
      }
    }
  }

  function lost(which: pg.Client, error?: Error): void {
    if (closed || client !== which) return;
    client = undefined;
    log.warn({ err: error }, 'the connection for notifications was lost');
    reconnectLater();
  }

  function reconnectLater(): void {
    pause = Math.min(longestPause, pause === 0 ? 50 : pause * 2);
    timer = setTimeout(() => {
      ensure().then(
        () => {
          for (const channel of channels.keys()) tell(channel, '');
        },
        () => {
          if (!closed) reconnectLater();
        },
      );
    }, pause);
  }

  return {
    async listen(channel, heard) {
      const set = channels.get(channel) ?? new Set();
      const first = set.size === 0;
      set.add(heard);
      channels.set(channel, set);
      const ear = await ensure();
      // When this call opened the connection the LISTEN is already there; repeating it is harmless.
      if (first) await ear.query(`LISTEN ${ear.escapeIdentifier(channel)}`);
      return async () => {
        set.delete(heard);
        if (set.size > 0 || channels.get(channel) !== set) return;
        channels.delete(channel);
        await client?.query(`UNLISTEN ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
      };
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      channels.clear();
      await connecting?.catch(() => undefined);
      await client?.end().catch(() => undefined);
    },
  };
}
