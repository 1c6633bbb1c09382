/**
 * How signing out went at each app: ended, asked without an answer yet, or out of reach, and why. For a person by the
 * sessions that ended, for an app by the people who had been there.
 */
import { z } from 'zod';
import { listApplications, requireApplication } from '#core/applications/applications.ts';
import { listEvents } from '#core/events/events.ts';
import { may } from '#core/operators/permissions.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import { endsOfSessions, participantsOf } from '#core/sessions/sessions.ts';
import { outcomesAtEnd, outcomesNow } from '#fronts/oidc/backchannel.ts';
import { outcomesOf } from '#fronts/saml/sign-out.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Api } from './api.ts';
import { pageOf } from './paging.ts';
import { moment } from './shapes.ts';

const outcome = {
  state: z.enum(['ended', 'asked', 'unreachable']),
  because: z
    .enum(['no-way', 'no-answer', 'refused', 'not-asked'])
    .optional()
    .describe('not-asked: only the browser of the person could have asked, and it was not there.'),
  answer: z.string().optional().describe('What came back last.'),
  attempts: z.number().int().optional(),
  settledAt: moment.optional().describe('When it was confirmed or given up.'),
};

const ofPerson = z.object({
  session: z.string(),
  at: moment,
  reason: z.string().describe('Why the session ended.'),
  apps: z.array(z.object({ application: z.string(), title: z.string(), ...outcome })),
});

const ofApp = z.object({
  session: z.string(),
  at: moment,
  reason: z.string(),
  person: z.object({ id: z.string(), displayName: z.string(), username: z.string() }).optional(),
  ...outcome,
});

type Outcome = z.output<z.ZodObject<typeof outcome>> & { application: string };

/** How it went at each app that took part in a session that ended. */
async function outcomesIn(tx: Tx, session: string): Promise<Outcome[]> {
  const found = new Map<string, Outcome>();
  for (const { application, front } of await participantsOf(tx, session))
    found.set(application, {
      application,
      state: 'unreachable',
      because: front === 'saml' ? 'not-asked' : 'no-way',
    });
  const told = [
    ...(await outcomesAtEnd(tx, { id: session })),
    ...(await outcomesNow(tx, session)),
    ...(await outcomesOf(tx, session)),
  ];
  for (const { application, state, because, answer, attempts, at } of told)
    found.set(application, { application, state, because, answer, attempts, settledAt: at });
  return [...found.values()];
}

const mostSessions = 20;
const mostJoined = 60;

export function signOutRoutes(api: Api): void {
  personRoute(api);
  appRoute(api);
}

function personRoute({ scope, read }: Api): void {
  scope.get(
    '/people/:id/sign-outs',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags: ['People'],
        summary: 'The latest sessions that ended, and how that went at each app',
        params: z.strictObject({ id: z.string() }),
        response: { 200: pageOf(ofPerson) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        const ended = await listEvents(tx, { person: id, type: 'session.ended', limit: mostSessions });
        const titles = new Map((await listApplications(tx)).map((one) => [one.id, one.settings.title]));
        const items: z.output<typeof ofPerson>[] = [];
        for (const { at, data } of ended) {
          const { session, reason } = data as { session: string; reason: string };
          const apps = (await outcomesIn(tx, session)).map((one) => ({
            ...one,
            title: titles.get(one.application) ?? one.application,
          }));
          items.push({ session, at, reason, apps });
        }
        return { items };
      }),
  );
}

function appRoute({ scope, read }: Api): void {
  scope.get(
    '/applications/:id/sign-outs',
    {
      config: { door: 'api', app: 'id', permission: 'applications.read' },
      schema: {
        tags: ['Apps'],
        summary: 'How the latest sign-outs went at this app; names for whoever may see people',
        params: z.strictObject({ id: z.string() }),
        response: { 200: pageOf(ofApp) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        const joined = await listEvents(tx, {
          application: id,
          type: 'session.application-joined',
          limit: mostJoined,
        });
        const sessions = joined.map(({ data }) => (data as { session: string }).session);
        const ends = await endsOfSessions(tx, [...new Set(sessions)]);
        const named = may(request.caller.grants, 'people.read')
          ? await findPeople(tx, [...new Set(ends.map((one) => one.person))])
          : [];
        const people = new Map(named.map((one) => [one.id, one]));
        const items: z.output<typeof ofApp>[] = [];
        for (const { id: session, person, at, reason } of ends) {
          const mine = (await outcomesIn(tx, session)).find((one) => one.application === id);
          if (!mine) continue;
          const { application: _, ...how } = mine;
          const who = people.get(person);
          items.push({
            session,
            at,
            reason,
            ...how,
            person: who && { id: who.id, displayName: who.displayName, username: who.username },
          });
        }
        return { items };
      }),
  );
}
