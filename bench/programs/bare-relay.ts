/** Bench program: the two mail libraries with nothing between them: every message is taken, passed on, and said yes to. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { answerParent } from '../program.ts';

let server: SMTPServer;

/** Takes mail for a sink on this machine. Answers with the port. */
async function start({ sink, sessions }: { sink: number; sessions: number }): Promise<number> {
  const on = createTransport({
    ...{ host: '127.0.0.1', port: sink, ignoreTLS: true },
    ...{ pool: true, maxConnections: sessions, maxMessages: Number.POSITIVE_INFINITY },
  });
  server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    logger: false,
    onData(stream, { envelope: { mailFrom, rcptTo } }, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('end', () => {
        const sent = on.sendMail({
          envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) },
          raw: Buffer.concat(chunks),
        });
        sent.then(() => done(), done);
      });
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  return (server.server.address() as AddressInfo).port;
}

answerParent({ start });
