/**
 * What Postfix asks us over TCP, whatever its language: one question after the other on a connection, bounded in size,
 * number and time. A question that cannot be answered ends the connection; Postfix asks anew and then tells the sender
 * to try again.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Log } from '#kit/log/log.ts';

export interface Backend {
  readonly port: number;
  /** Ends when what is being answered has been answered. */
  close(): Promise<void>;
}

export interface BackendOptions<Question> {
  host: string;
  port: number;
  /** For the log, such as `policy`. */
  name: string;
  log: Log;
  /** One for each connection; `push` throws when it is no question, `close` is called when the connection is over. */
  read: () => { push(chunk: Buffer): Question[]; readonly isPending: boolean; close?(): void };
  /** The bytes to answer with, none where no answer is awaited; undefined ends the connection without a word. */
  answer(question: Question): Promise<Buffer | undefined>;
  /** Milliseconds without a question after which a connection ends. */
  idleMs: number;
}

const mostConnections = 500;
/** A question that has begun comes to its end in this time. */
const questionMs = 10_000;
const closeMs = 5_000;

/** Listens. Throws the system's error when it cannot. */
export async function startBackend<Question>(options: BackendOptions<Question>): Promise<Backend> {
  const { log, name } = options;
  const talks = new Set<Talk>();
  const busy = new Set<Promise<void>>();
  const server = createServer((socket) => {
    const talk: Talk = { socket, isAnswering: false, isLast: false };
    talks.add(talk);
    socket.setNoDelay(true);
    socket.on('close', () => talks.delete(talk));
    socket.on('error', () => socket.destroy());
    const done: Promise<void> = converse(talk, options)
      .catch((error: unknown) => {
        log.warn({ err: error, backend: name }, 'a question of the mail server could not be answered');
        socket.destroy();
      })
      .finally(() => busy.delete(done));
    busy.add(done);
  });
  server.maxConnections = mostConnections;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  log.info({ backend: name, port }, 'questions of a mail server are answered');
  return {
    port,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const talk of talks) {
        talk.isLast = true;
        if (!talk.isAnswering) talk.socket.destroy();
      }
      const late = setTimeout(() => {
        for (const { socket } of talks) socket.destroy();
      }, closeMs);
      await Promise.all(busy);
      await closed;
      clearTimeout(late);
    },
  };
}

/** One connection. */
interface Talk {
  socket: Socket;
  isAnswering: boolean;
  /** No more is read once this is answered. */
  isLast: boolean;
}

/** Reads no further than it has answered, so nobody fills our memory. */
async function converse<Question>(talk: Talk, options: BackendOptions<Question>): Promise<void> {
  const { socket } = talk;
  const reader = options.read();
  let timer = setTimeout(() => socket.destroy(), options.idleMs);
  try {
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      const wasPending = reader.isPending;
      for (const question of reader.push(chunk as Buffer)) {
        talk.isAnswering = true;
        const bytes = await options.answer(question);
        if (!bytes) return;
        if (bytes.length > 0 && !socket.write(bytes))
          await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
        talk.isAnswering = false;
        if (talk.isLast) return;
      }
      // A question that trickles keeps the time it began with.
      if (wasPending && reader.isPending) continue;
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), reader.isPending ? questionMs : options.idleMs);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  } finally {
    clearTimeout(timer);
    reader.close?.();
    socket.destroySoon();
  }
}

/** Answers within the time, or throws: nobody waits for a database that hangs. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms.`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
