/** Whether mail can come and go, and a letter that tries it. */
import { z } from 'zod';
import { may } from '#core/operators/permissions.ts';
import { parseAddress } from '#core/people/names.ts';
import { findPerson, listAddresses } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { worstOf } from '#fronts/relay/health.ts';
import { healthChecks, healthStates } from '#fronts/relay/health-checks.ts';
import type { Tx } from '#kit/db/tx.ts';
import { sendNow, testLetter } from '#notices/test-letter.ts';
import { type Caller, contextOf } from './access.ts';
import type { Api } from './api.ts';
import { moment } from './shapes.ts';

const tags = ['Mail'];

const check = z.object({
  check: z.enum(healthChecks),
  about: z.string().describe('The name, address or host it is about.'),
  state: z
    .enum(healthStates)
    .describe(
      '`unanswered`: the name servers gave no answer, so nobody knows whether it is there. `note`: nothing hangs on it.',
    ),
  text: z.string(),
  found: z.array(z.string()).describe('What stands there now.'),
  publish: z
    .object({ type: z.string(), name: z.string(), value: z.string() })
    .optional()
    .describe('The DNS record to publish.'),
  seenAt: moment
    .optional()
    .describe('Of what is unanswered: when it was last seen as it should be, since this server started.'),
});

const health = z.object({
  at: moment,
  state: z.enum(['good', 'warning', 'bad', 'unanswered']).describe('The worst of all.'),
  domains: z.array(
    z.object({
      domain: z.string(),
      uses: z.array(z.enum(['alias', 'own'])).describe('Alias mailboxes, our own mail, or both.'),
      checks: z.array(check),
    }),
  ),
  listener: z.array(check).describe('Name, address and certificate of the relay.'),
  smartHosts: z.array(check),
});

export function mailHealthRoutes(api: Api): void {
  lookRoute(api);
  testRoute(api);
}

function lookRoute({ scope, needs }: Api): void {
  scope.get(
    '/mail/health',
    {
      config: { door: 'api', permission: 'system.read' },
      schema: {
        tags,
        summary:
          'DNS of the domains mail is sent from and passed on for, our certificate, and the smart hosts',
        description: 'Kept for half a minute; `fresh` looks anew. A look takes up to ten seconds.',
        querystring: z.strictObject({ fresh: z.enum(['true', 'false']).optional() }),
        response: { 200: health },
      },
    },
    async (request) => {
      const found = await needs.mailHealth.look(contextOf(request), request.query.fresh === 'true');
      return { ...found, state: worstOf(found) };
    },
  );
}

/** What one operator may send in an hour: enough to try, too few to bother anybody. */
export const testLimit = { points: 20, windowSeconds: 3600 };

function testRoute({ scope, read, needs }: Api): void {
  scope.post(
    '/mail/test',
    {
      config: { door: 'api', permission: 'people.help' },
      schema: {
        tags,
        summary: 'Send a test letter and hear what the mail server said',
        description:
          'To the caller’s own main address, or for whoever may change the community to any. Twenty an hour.',
        body: z.strictObject({ to: z.string().max(254).optional() }),
        response: {
          200: z.object({
            to: z.string(),
            state: z
              .enum(['taken', 'later', 'refused'])
              .describe('Taken by the server, not now, or never; whether it arrives is seen there.'),
            answer: z.string().describe('What the mail server said, or what was seen where it said nothing.'),
            why: z.string().optional().describe('What is wrong, where more is known than what it said.'),
            messageId: z.string(),
            tookMs: z.number().int(),
          }),
        },
      },
    },
    async (request) => {
      const { to, letter } = await read(request, async (tx) => {
        const { address, locale } = await addressFor(tx, request.caller, request.body.to);
        return { to: address, letter: await testLetter(tx, { locale, operator: request.caller.name }) };
      });
      await takeTest(needs, request.caller);
      return { to, ...(await sendNow(needs.mailer, { to, letter, mailDomain: needs.mailDomain })) };
    },
  );
}

export async function takeTest({ limits }: Api['needs'], caller: Caller): Promise<void> {
  const { allowed } = await limits.take(`mail-test:${caller.kind}:${caller.id}`, testLimit);
  if (!allowed) throw new Problem('rate-limited');
}

/**
 * The caller's own main address, or the one they named.
 * @throws Problem `operator-forbidden` for another's without the right, `address-unverified` without one of their own
 */
export async function addressFor(
  tx: Tx,
  caller: Caller,
  wanted: string | undefined,
): Promise<{ address: string; locale?: string }> {
  const person = caller.kind === 'person' ? await findPerson(tx, caller.id) : undefined;
  const own = person ? (await listAddresses(tx, [person.id])).filter((one) => one.verifiedAt) : [];
  const main = own.find((one) => one.primary) ?? own[0];
  const locale = person?.locale;
  if (wanted === undefined) {
    if (!main) throw new Problem('address-unverified', { fields: { to: 'address-unverified' } });
    return { address: main.address, locale };
  }
  const { address, key } = parseAddress(wanted);
  if (!own.some((one) => one.key === key) && !may(caller.grants, 'community.write'))
    throw new Problem('operator-forbidden', { fields: { to: 'operator-forbidden' } });
  return { address, locale };
}
