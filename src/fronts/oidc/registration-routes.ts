/** POST /oidc/register (RFC 7591 §3): only while the community says so, and with a token of an operator. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { community } from '#core/community/community.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import { type Limits, networkKey } from '#kit/limits/limits.ts';
import {
  mayRegister,
  type Registered,
  RegistrationRefused,
  readMetadata,
  registerApplication,
} from './registrations.ts';

export const registrationPath = '/oidc/register';

export interface RegistrationNeeds {
  database: Database;
  limits: Limits;
  clock: Clock;
}

/** From one network, whatever comes of it. */
const tries = { points: 60, windowSeconds: 600 };

/** Whether apps may register themselves, as the community has it now. */
export async function registrationIsOn(database: Database): Promise<boolean> {
  return (await database.look(system('request'), community)).appRegistration === 'token';
}

/** The route; it is not there while it is switched off. */
export function registrationRoutes(app: App, needs: RegistrationNeeds): void {
  app.post(registrationPath, { config: { door: 'bearer' } }, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    const { database, limits } = needs;
    if (!(await registrationIsOn(database)))
      return refuse(reply, 404, 'not_found', 'apps register with an operator here');
    const limit = await limits.take(`register:${networkKey(request.network)}`, tries);
    if (!limit.allowed) {
      reply.header('retry-after', String(limit.retryAfterSeconds));
      return refuse(reply, 429, 'temporarily_unavailable', 'too many registrations from this network');
    }
    return register(needs, request, reply);
  });
}

async function register(
  { database, clock }: RegistrationNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const context: TxContext = {
    actor: { kind: 'anonymous' },
    cause: 'request',
    requestId: request.requestId,
  };
  // Nobody without a token learns what would be taken.
  if (!(await database.read(context, (tx) => mayRegister(tx, token)))) return refuseToken(reply);
  try {
    const asked = readMetadata(request.body);
    const made = await database.transact(context, (tx) => registerApplication(tx, token, asked));
    return made ? reply.code(201).send(answer(made, asked, clock.now())) : refuseToken(reply);
  } catch (error) {
    if (error instanceof RegistrationRefused) return refuse(reply, 400, error.code, error.message);
    throw error;
  }
}

/** What the app is now (RFC 7591 §3.2.1): what counts of what it said, and nothing it may not have. */
function answer(made: Registered, asked: ReturnType<typeof readMetadata>, now: Date) {
  return {
    client_id: made.id,
    client_id_issued_at: Math.floor(now.getTime() / 1000),
    ...(made.secret && { client_secret: made.secret, client_secret_expires_at: 0 }),
    ...asked,
    client_name: made.title,
  };
}

function refuseToken(reply: FastifyReply): FastifyReply {
  reply.header('www-authenticate', 'Bearer error="invalid_token"');
  return refuse(reply, 401, 'invalid_token', 'a token of an operator is needed to register');
}

function refuse(reply: FastifyReply, status: number, error: string, description: string): FastifyReply {
  return reply.code(status).send({ error, error_description: description });
}
