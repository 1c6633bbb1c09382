/** The test button of an app: what a sign-in would tell it of somebody. Nobody is signed in and nothing is sent. */
import { z } from 'zod';
import { requireApplication } from '#core/applications/applications.ts';
import { may } from '#core/operators/permissions.ts';
import { findByIdentifier, findPerson, type Person } from '#core/people/people.ts';
import { Problem, problems } from '#core/problem.ts';
import { oidcTeller } from '#fronts/oidc/preview.ts';
import { samlTeller } from '#fronts/saml/preview.ts';
import type { Tx } from '#kit/db/tx.ts';
import { previewSignIn } from '#signon/preview.ts';
import type { Caller } from './access.ts';
import type { Api } from './api.ts';
import { FieldsRefused } from './errors.ts';

const refusal = z.object({ code: z.string(), text: z.string() });

const told = z.object({
  name: z.string(),
  values: z.array(z.string()),
  from: z.string().describe('The value of the profile.'),
  more: z.string().optional().describe('Format of a name, or the scope that asks for a claim.'),
  why: z.string().describe('Where it comes from and which setting lets it out.'),
});

const shape = z.object({
  person: z.object({ id: z.string(), username: z.string(), displayName: z.string() }),
  refused: refusal.optional().describe('Why they would not be let in.'),
  asksConsent: z.boolean().describe('They would be asked before anything is told, once.'),
  tellings: z.array(
    z.object({
      speaks: z.enum(['saml', 'oidc']),
      nameless: refusal.optional().describe('Why the app cannot be told who it is.'),
      told: z.array(told),
      message: z.string().describe('As it would be, but for its signature.'),
    }),
  ),
  lacking: z
    .array(z.object({ value: z.string(), why: z.string(), change: z.string() }))
    .describe('What such an app cannot do without, and what to change.'),
});

export function signInTestRoutes({ scope, read, needs }: Api): void {
  scope.post(
    '/applications/:id/test',
    {
      config: { door: 'api', app: 'id', permission: 'applications.write' },
      schema: {
        tags: ['Apps'],
        summary: 'What a sign-in would tell the app, and why; nothing is sent',
        params: z.strictObject({ id: z.string() }),
        body: z.strictObject({
          person: z
            .string()
            .min(1)
            .max(320)
            .optional()
            .describe('User name, address or id; left out, the caller. Others need the right to see people.'),
        }),
        response: { 200: shape },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const application = await requireApplication(tx, request.params.id);
        const person = await whoIsMeant(tx, request.caller, request.body.person);
        const tellers = [samlTeller(needs), oidcTeller(needs)];
        const { secrets } = needs;
        const found = await previewSignIn(tx, { secrets, tellers }, application, person.id);
        const inWords = (code: keyof typeof problems | undefined) =>
          code === undefined ? undefined : { code, text: problems[code] };
        return {
          ...found,
          person: { id: person.id, username: person.username, displayName: person.displayName },
          refused: inWords(found.refused),
          tellings: found.tellings.map((one) => ({ ...one, nameless: inWords(one.nameless) })),
        };
      }),
  );
}

async function whoIsMeant(tx: Tx, caller: Caller, named: string | undefined): Promise<Person> {
  if (named === undefined && caller.kind === 'token')
    throw new FieldsRefused([{ path: 'person', text: 'A token is nobody: say whose sign-in is tried.' }]);
  const who = named ?? caller.id;
  if (
    named !== undefined &&
    named !== caller.id &&
    named !== caller.name &&
    !may(caller.grants, 'people.read')
  )
    throw new Problem('operator-forbidden');
  const person = (await findPerson(tx, who)) ?? (await findByIdentifier(tx, who));
  if (!person) throw new Problem('person-unknown');
  return person;
}
