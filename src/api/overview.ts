/** How the installation is doing: counts, and what someone should look at. */
import { z } from 'zod';
import { listApplications } from '#core/applications/applications.ts';
import { withFactor } from '#core/credentials/factors.ts';
import { listOperators } from '#core/operators/operators.ts';
import { may } from '#core/operators/permissions.ts';
import { countPeople, findPeople, joinedByDay, personStates } from '#core/people/people.ts';
import { listRequests } from '#fronts/relay/choices.ts';
import { allowLists } from '#fronts/relay/lists.ts';
import { usedToday } from '#fronts/relay/messages.ts';
import { budgetsOf, relayApps, relayHouse } from '#fronts/relay/settings-kept.ts';
import { samlWarnings } from '#fronts/saml/warnings.ts';
import type { Tx } from '#kit/db/tx.ts';
import { queueState } from '#kit/queue/queue.ts';
import { decisionsAt } from '#provisioning/approval.ts';
import { listTargets } from '#provisioning/targets.ts';
import { appsOf, type Caller } from './access.ts';
import type { Api } from './api.ts';
import { moment } from './shapes.ts';

const concerns = [
  'owner-single',
  'operators-one-factor',
  'app-plain-http',
  'work-dead',
  'work-late',
  'target-held',
  'target-braked',
  'target-waits',
  'saml-certificate',
  'saml-app-certificate',
  'saml-app-metadata',
  'saml-upstream-certificate',
  'saml-upstream-metadata',
  'relay-off',
  'relay-list-held',
  'relay-list-stale',
  'relay-requests',
  'relay-budget',
] as const;

const shape = z.object({
  people: z.partialRecord(z.enum(personStates), z.number().int()).describe('How many, by state.'),
  joined: z
    .array(z.object({ day: moment, count: z.number().int() }))
    .describe('How many people came on each of the last 28 days (UTC).'),
  applications: z.object({ enabled: z.number().int(), disabled: z.number().int() }),
  work: z
    .array(
      z.object({
        lane: z.string(),
        ready: z.number().int(),
        leased: z.number().int(),
        dead: z.number().int(),
        oldestSeconds: z.number().describe('How long the oldest that could run has been waiting.'),
      }),
    )
    .optional()
    .describe('Work that waits, by kind; for those who may see the state of the system.'),
  concerns: z
    .array(
      z.object({
        code: z.enum(concerns),
        application: z.string().optional(),
        upstream: z.string().optional(),
        lane: z.string().optional(),
        list: z.string().optional(),
        count: z.number().int().optional(),
        at: moment.optional().describe('When it ends, or ended.'),
      }),
    )
    .describe('What needs a look.'),
});

type Concern = z.infer<typeof shape>['concerns'][number];

/** Work that waits longer than this is late. */
const lateSeconds = 300;

export function overviewRoutes({ scope, read }: Api): void {
  scope.get(
    '/overview',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: { tags: ['Community'], summary: 'Counts, and what needs a look', response: { 200: shape } },
    },
    async (request) => read(request, (tx) => overview(tx, request.caller)),
  );
}

async function overview(tx: Tx, caller: Caller): Promise<z.infer<typeof shape>> {
  const applications = await listApplications(tx);
  const enabled = applications.filter((one) => one.settings.enabled);
  const counted = await countPeople(tx);
  const people = Object.fromEntries(personStates.map((state) => [state, counted[state] ?? 0]));
  const work = may(caller.grants, 'system.read') ? await queueState(tx) : undefined;
  const found: Concern[] = enabled
    .filter((one) => one.settings.privateHttp)
    .map((one) => ({ code: 'app-plain-http', application: one.id }));
  for (const lane of work ?? []) {
    if (lane.dead > 0) found.push({ code: 'work-dead', lane: lane.lane, count: lane.dead });
    if (lane.oldestSeconds > lateSeconds)
      found.push({ code: 'work-late', lane: lane.lane, count: lane.ready });
  }
  found.push(...(await targetConcerns(tx, caller)), ...(await samlConcerns(tx, caller)));
  if (may(caller.grants, 'relay.read')) found.push(...(await relayConcerns(tx)));
  if (may(caller.grants, 'operators.read')) {
    const owners = (await listOperators(tx)).filter((one) => one.role === 'owner');
    if (owners.length === 1) found.push({ code: 'owner-single' });
    const open = await operatorsWithoutFactor(tx);
    if (open > 0) found.push({ code: 'operators-one-factor', count: open });
  }
  return {
    people,
    joined: await joinedByDay(tx, 28),
    applications: { enabled: enabled.length, disabled: applications.length - enabled.length },
    work,
    concerns: found,
  };
}

/** How many people with a role sign in with a password alone. */
async function operatorsWithoutFactor(tx: Tx): Promise<number> {
  const people = [...new Set((await listOperators(tx)).map((one) => one.person))];
  const active = (await findPeople(tx, people)).filter((one) => one.state === 'active').map((one) => one.id);
  const having = await withFactor(tx, active);
  return active.filter((id) => !having.has(id)).length;
}

/** Certificates and metadata that end soon, or have ended. */
async function samlConcerns(tx: Tx, caller: Caller): Promise<Concern[]> {
  const { all, ids } = appsOf(caller.grants, 'applications.read');
  return (await samlWarnings(tx)).flatMap(({ kind, application, upstream, at }) =>
    all || (application !== undefined && ids.has(application))
      ? [{ code: `saml-${kind}` as const, application, upstream, at }]
      : [],
  );
}

/** Open requests are counted up to this many. */
const mostRequests = 100;

/** Mail to alias mailboxes that is stopped, and what waits for a person there. */
async function relayConcerns(tx: Tx): Promise<Concern[]> {
  const house = await relayHouse(tx);
  const found: Concern[] = house.off ? [{ code: 'relay-off' }] : [];
  for (const { name, held, isStale, fetchedAt } of await allowLists(tx)) {
    if (held) found.push({ code: 'relay-list-held', list: name, count: held.removed.length });
    if (isStale) found.push({ code: 'relay-list-stale', list: name, at: fetchedAt });
  }
  for (const app of await relayApps(tx)) {
    const { app: used } = await usedToday(tx, app.id);
    if (used >= budgetsOf(house, app).perApp)
      found.push({ code: 'relay-budget', application: app.id, count: used });
  }
  const open = await listRequests(tx, { state: 'open', limit: mostRequests });
  if (open.length > 0) found.push({ code: 'relay-requests', count: open.length });
  return found;
}

/** What stops or waits for a person at the targets the caller may see. */
async function targetConcerns(tx: Tx, caller: Caller): Promise<Concern[]> {
  const { all, ids } = appsOf(caller.grants, 'targets.read');
  const found: Concern[] = [];
  for (const { application, mode, quarantine } of await listTargets(tx)) {
    if (mode === 'off' || !(all || ids.has(application))) continue;
    if (quarantine) found.push({ code: 'target-held', application });
    const { proposed, held, braked } = await decisionsAt(tx, application);
    if (braked) found.push({ code: 'target-braked', application, count: held });
    if (proposed > 0 && mode !== 'observe')
      found.push({ code: 'target-waits', application, count: proposed });
  }
  return found;
}
