/** Why somebody cannot get in: whether a person can open an app, and what to change first. */
import { z } from 'zod';
import { accountAt } from '#provisioning/provisioning.ts';
import { explainEntry } from '#signon/explain.ts';
import { answers, checkNames } from '#signon/explain-checks.ts';
import type { Api } from './api.ts';

const check = z.object({
  check: z.enum(checkNames),
  answer: z
    .enum(answers)
    .describe('`asks`: they are asked something and can go on; `doubt`: the app may not.'),
  evidence: z.string(),
  step: z.string().optional().describe('What to do about it.'),
  code: z.string().optional().describe('What the door says, or asks for.'),
});

const explanation = z.object({
  opens: z.enum(['yes', 'asks', 'doubt', 'no']),
  summary: z.string(),
  first: check.optional().describe('The first thing to change.'),
  person: z.object({ id: z.string(), username: z.string() }).optional(),
  application: z.object({ id: z.string(), title: z.string() }).optional(),
  checks: z.array(check),
});

export function explainRoutes({ scope, needs, read }: Api): void {
  scope.get(
    '/explain',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags: ['People'],
        summary: 'Can this person open this app, and if not, what to change first?',
        querystring: z.strictObject({
          person: z.string().min(1).max(320).describe('User name, confirmed address or id.'),
          application: z.string().min(1).max(80),
        }),
        response: { 200: explanation },
      },
    },
    async (request) =>
      read(request, (tx) => explainEntry(tx, { secrets: needs.secrets, accountAt }, request.query)),
  );
}
