/**
 * One dedicated connection that hears NOTIFY, opened at the first listener and reopened when lost.
 */
import pg from 'pg';
import type { Log } from '#kit/log/log.ts';
import type { Connection } from './database.ts';

type Heard = (payload: string) => void;

const shortestPause = 50;
const longestPause = 5_000;

/** Nothing is connected until somebody listens. */
export class Listener {
  readonly #connection: Connection;
  readonly #log: Log;
  readonly #channels = new Map<string, Set<Heard>>();
  #client: pg.Client | undefined;
  #connecting: Promise<pg.Client> | undefined;
  #closed = false;
  #pause = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(connection: Connection, log: Log) {
    this.#connection = connection;
    this.#log = log;
  }

  /** Hears a channel until the returned function is called. */
  async listen(channel: string, heard: Heard): Promise<() => Promise<void>> {
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners);
    const first = listeners.size === 0;
    listeners.add(heard);
    const client = await this.#ready().catch((error) => {
      listeners.delete(heard);
      throw error;
    });
    // When this call opened the connection, the LISTEN was sent with it; once more does no harm.
    if (first) await this.#say(client, `LISTEN ${pg.escapeIdentifier(channel)}`);
    return async () => {
      listeners.delete(heard);
      if (listeners.size > 0 || this.#channels.get(channel) !== listeners) return;
      this.#channels.delete(channel);
      if (this.#client)
        await this.#say(this.#client, `UNLISTEN ${pg.escapeIdentifier(channel)}`).catch(() => undefined);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#channels.clear();
    await this.#connecting?.catch(() => undefined);
    await this.#client?.end().catch(() => undefined);
  }

  /** One statement at a time: the driver's own line is on its way out. */
  #say(client: pg.Client, statement: string): Promise<unknown> {
    const said = this.#turn.then(() => client.query(statement));
    this.#turn = said.catch(() => undefined);
    return said;
  }

  #ready(): Promise<pg.Client> {
    if (this.#client) return Promise.resolve(this.#client);
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      ...this.#connection,
      application_name: 'gatehouse listener',
      keepAlive: true,
    });
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client));
    client.on('notification', ({ channel, payload }) => this.#tell(channel, payload ?? ''));
    await client.connect();
    for (const channel of this.#channels.keys())
      await this.#say(client, `LISTEN ${pg.escapeIdentifier(channel)}`);
    this.#client = client;
    this.#pause = 0;
    return client;
  }

  #tell(channel: string, payload: string): void {
    for (const heard of this.#channels.get(channel) ?? []) {
      try {
        heard(payload);
      } catch (error) {
        this.#log.error({ err: error, channel }, 'a listener failed');
      }
    }
  }

  #lost(client: pg.Client, error?: Error): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = undefined;
    this.#log.warn({ err: error }, 'the connection for notifications was lost');
    this.#reconnectLater();
  }

  #reconnectLater(): void {
    if (this.#closed) return;
    this.#pause = Math.min(longestPause, Math.max(shortestPause, this.#pause * 2));
    this.#timer = setTimeout(() => {
      this.#ready().then(
        // What was said meanwhile was missed.
        () => {
          for (const channel of this.#channels.keys()) this.#tell(channel, '');
        },
        () => this.#reconnectLater(),
      );
    }, this.#pause);
  }
}
