/**
 * Bench program: the least that signs anybody in. One lookup, the hash, one session kept durably, a redirect: no limits,
 * no log, no standing, no second factor.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'node:querystring';
import { hash, verify } from '@node-rs/argon2';
import { Pool } from 'pg';
import { startEmbedded } from '#kit/db/embedded.ts';
import { createLog } from '#kit/log/log.ts';
import { answerParent } from '../program.ts';

const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };
const data = await mkdtemp(path.join(tmpdir(), 'gatehouse-bench-bare-'));
const embedded = await startEmbedded({ dataDirectory: data, log: createLog({ level: 'silent' }) });
const pool = new Pool({ ...embedded.connection, max: 16 });

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The cookie of whoever proved to be who they say; undefined for others. */
async function signIn(form: string): Promise<string | undefined> {
  const { username, password } = parse(form);
  const asked = {
    name: 'find',
    text: 'select hash from bare_people where username = $1',
    values: [username],
  };
  const { rows } = await pool.query<{ hash: string }>(asked);
  if (!rows[0] || !(await verify(rows[0].hash, String(password)))) return undefined;
  const token = randomBytes(32).toString('base64url');
  await pool.query({
    name: 'keep',
    text: 'insert into bare_sessions (token, username) values ($1, $2)',
    values: [token, username],
  });
  return token;
}

const server = createServer(async (request, response) => {
  if (request.method === 'GET') {
    response.setHeader('set-cookie', 'browser=known');
    return response.end('<input name="form_token" value="here">');
  }
  const token = await signIn(await textOf(request));
  if (!token) return response.writeHead(401).end();
  response.writeHead(303, { location: '/account', 'set-cookie': `session=${token}` }).end();
});

answerParent(
  {
    /** Knows these people from now on. Answers with the origin. */
    start: async (people: { username: string; password: string }[]) => {
      await pool.query('create table bare_people (username text primary key, hash text)');
      await pool.query('create table bare_sessions (token text primary key, username text)');
      for (const { username, password } of people)
        await pool.query('insert into bare_people values ($1, $2)', [username, await hash(password, cost)]);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
  },
  async () => {
    server.close();
    await pool.end();
    await embedded.stop();
    await rm(data, { recursive: true, force: true });
  },
);
