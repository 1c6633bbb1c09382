/**
 * The operators' API, `/api/v1`: what the console and scripts can do, and no more than their roles allow.
 * Owns no table; records through the core with the caller as actor and the cause `admin`.
 * Refuses whoever has neither a token nor an operator's session, every field it does not know by its name, and things
 * of apps that are not the caller's as if they were not there. Secrets go in or are shown once; no GET ever returns one.
 * The description of all of it is generated: `/api/v1/openapi.json`.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import swagger from '@fastify/swagger';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { HealthLook } from '#fronts/relay/health-look.ts';
import type { TransactOptions } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type App, HttpRefusal } from '#kit/http/server.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Mailer } from '#kit/smtp/smtp.ts';
import type { ProvisioningNeeds } from '#provisioning/targets.ts';
import { type ApiRoute, contextOf, guard, holdCaller } from './access.ts';
import { applicationTemplateRoutes } from './application-templates.ts';
import { applicationRoutes } from './applications.ts';
import { communityRoutes } from './community.ts';
import { completed, description } from './description.ts';
import { answerProblem } from './errors.ts';
import { eventRoutes } from './events.ts';
import { explainRoutes } from './explain.ts';
import { factorRoutes } from './factors.ts';
import { groupRoutes } from './groups.ts';
import { mailDeliveryRoutes } from './mail-delivery.ts';
import { mailHealthRoutes } from './mail-health.ts';
import { mailTemplateRoutes } from './mail-templates.ts';
import { operatorRoutes } from './operators.ts';
import { overviewRoutes } from './overview.ts';
import { type Cursors, createCursors } from './paging.ts';
import { peopleRoutes } from './people.ts';
import { personRecordRoutes } from './person-records.ts';
import { recoveryLinkRoutes } from './recovery-links.ts';
import { refusalRoutes } from './refusals.ts';
import { registrationTokenRoutes } from './registration-tokens.ts';
import { relayRoutes } from './relay.ts';
import { relayKeyRoutes } from './relay-keys.ts';
import { tellVersions } from './shapes.ts';
import { signInTestRoutes } from './sign-in-tests.ts';
import { signOutRoutes } from './sign-outs.ts';
import { targetPeopleRoutes } from './target-people.ts';
import { targetPlanRoutes } from './target-plan.ts';
import { targetQueueRoutes } from './target-queue.ts';
import { targetRecordRoutes } from './target-records.ts';
import { targetRoutes } from './targets.ts';
import { tokenRoutes } from './tokens.ts';
import { upstreamRoutes } from './upstreams.ts';

export type { ApiRoute } from './access.ts';

/** What targets need, and who we are to apps. */
export interface ApiNeeds extends ProvisioningNeeds {
  /** Who we are in every token and message; may differ from where we are reached. */
  issuer: URL;
  publicUrl: URL;
  mailer: Mailer;
  /** Right side of message ids. */
  mailDomain: string;
  mailHealth: HealthLook;
  /** Sender of our own mail. */
  mailFrom: string;
  dnsServers: readonly string[];
  limits: Limits;
}

/** The part of the server these routes stand in; schemas are zod. */
export type ApiScope = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What every file of routes is handed. */
export interface Api {
  scope: ApiScope;
  cursors: Cursors;
  needs: ApiNeeds;
  read<T>(request: FastifyRequest, work: (tx: Tx) => Promise<T>): Promise<T>;
  change<T>(request: FastifyRequest, work: (tx: Tx) => Promise<T>, options?: TransactOptions): Promise<T>;
}

/**
 * Adds the API to the server.
 * @returns every route with the right it needs, complete once the server is ready (for sweeps)
 */
export function registerApi(app: App, needs: ApiNeeds): readonly ApiRoute[] {
  const routes: ApiRoute[] = [];
  void app.register(
    async (plain) => {
      const scope = plain.withTypeProvider<ZodTypeProvider>() as unknown as ApiScope;
      scope.setValidatorCompiler(validatorCompiler);
      scope.setSerializerCompiler(serializerCompiler);
      scope.setErrorHandler((error, request, reply) => answerProblem(needs.log, error, request, reply));
      scope.setNotFoundHandler((request, reply) =>
        answerProblem(needs.log, new HttpRefusal(404, 'not-found', 'no such route'), request, reply),
      );
      guard(plain, { database: needs.database, cookies: app.cookieJar }, routes);
      tellVersions(plain);
      scope.addHook('onSend', async (_request, reply) => {
        reply.header('cache-control', 'no-store');
      });
      await scope.register(swagger, {
        openapi: description,
        transform: jsonSchemaTransform,
        transformObject: (made) =>
          'openapiObject' in made ? completed(made.openapiObject) : made.swaggerObject,
      });
      const { database } = needs;
      const api: Api = {
        scope,
        cursors: createCursors(needs.secrets),
        needs,
        read: (request, work) => database.read(contextOf(request), work),
        change: (request, work, options) =>
          database.transact(
            contextOf(request),
            async (tx) => {
              await holdCaller(tx, request.caller);
              return work(tx);
            },
            options,
          ),
      };
      peopleRoutes(api);
      personRecordRoutes(api);
      factorRoutes(api);
      recoveryLinkRoutes(api);
      mailDeliveryRoutes(api);
      explainRoutes(api);
      refusalRoutes(api);
      groupRoutes(api);
      applicationRoutes(api);
      applicationTemplateRoutes(api);
      signInTestRoutes(api);
      signOutRoutes(api);
      targetRoutes(api);
      targetPlanRoutes(api);
      targetPeopleRoutes(api);
      targetRecordRoutes(api);
      targetQueueRoutes(api);
      communityRoutes(api);
      mailHealthRoutes(api);
      mailTemplateRoutes(api);
      eventRoutes(api);
      tokenRoutes(api);
      registrationTokenRoutes(api);
      upstreamRoutes(api);
      relayRoutes(api);
      relayKeyRoutes(api);
      operatorRoutes(api);
      overviewRoutes(api);
      scope.get(
        '/openapi.json',
        { config: { door: 'public' }, schema: { hide: true } },
        async (_request, reply) =>
          reply.type('application/json').serializer(JSON.stringify).send(scope.swagger()),
      );
    },
    { prefix: '/api/v1' },
  );
  return routes;
}
