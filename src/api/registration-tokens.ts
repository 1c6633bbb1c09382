/** Tokens with which apps register themselves, while the community lets them; and which apps each one let in. */
import { z } from 'zod';
import { listApplications } from '#core/applications/applications.ts';
import { community } from '#core/community/community.ts';
import {
  createRegistrationToken,
  listRegistrationTokens,
  revokeRegistrationToken,
} from '#fronts/oidc/registrations.ts';
import { isId } from '#kit/crypto/ids.ts';
import type { Api } from './api.ts';
import { NothingHere } from './errors.ts';
import { pageOf } from './paging.ts';
import { line, moment } from './shapes.ts';

const app = z.object({ id: z.string(), title: z.string(), at: moment });

const shape = z.object({
  id: z.string(),
  name: z.string(),
  usesLeft: z.number().int(),
  createdAt: moment,
  createdBy: z.object({ kind: z.string(), id: z.string().optional(), name: z.string().optional() }),
  expiresAt: moment,
  usedAt: moment.optional(),
  apps: z.array(app).describe('The apps it let in that are still there.'),
});

const tags = ['Tokens'];

export function registrationTokenRoutes(api: Api): void {
  readTokens(api);
  makeAndWithdraw(api);
}

function readTokens({ scope, read }: Api): void {
  scope.get(
    '/registration-tokens',
    {
      config: { door: 'api', permission: 'tokens.read' },
      schema: {
        tags,
        summary: 'Tokens for apps that register themselves, newest first; never their values',
        response: {
          200: pageOf(shape).extend({
            isOpen: z.boolean().describe('Whether apps may register themselves at all (appRegistration).'),
            former: z.array(app).describe('Apps that tokens let in which are gone.'),
          }),
        },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const tokens = await listRegistrationTokens(tx);
        const isOpen = (await community(tx)).appRegistration === 'token';
        const registered = (await listApplications(tx)).flatMap(({ id, settings }) => {
          const by = settings.oidc?.registered;
          return by ? [{ id, title: settings.title, at: new Date(by.at), token: by.token }] : [];
        });
        const here = new Set(tokens.map((one) => one.id));
        return {
          isOpen,
          former: registered.filter((one) => !here.has(one.token)),
          items: tokens.map(({ usedAt, ...one }) => ({
            ...one,
            usedAt: usedAt ?? undefined,
            apps: registered.filter(({ token }) => token === one.id),
          })),
        };
      }),
  );
}

function makeAndWithdraw({ scope, change }: Api): void {
  scope.post(
    '/registration-tokens',
    {
      config: { door: 'api', permission: 'tokens.write', elevation: true },
      schema: {
        tags,
        summary: 'Make a token with which apps register themselves; its value is shown this once',
        body: z.strictObject({
          name: line,
          uses: z.number().int().min(1).max(100).default(1).describe('How many apps.'),
          expiresAt: moment,
        }),
        response: { 201: z.object({ id: z.string(), token: z.string() }) },
      },
    },
    async (request, reply) => {
      const made = await change(request, (tx) => createRegistrationToken(tx, request.body));
      return reply.code(201).send(made);
    },
  );
  scope.delete(
    '/registration-tokens/:id',
    {
      config: { door: 'api', permission: 'tokens.write' },
      schema: {
        tags,
        summary: 'Withdraw it; apps it let in stay',
        params: z.strictObject({ id: z.string() }),
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const gone = isId(id) && (await change(request, (tx) => revokeRegistrationToken(tx, id)));
      if (!gone) throw new NothingHere('token-refused');
      return reply.code(204).send();
    },
  );
}
