/** Our own mail: what became of it, what failed and may be sent again, and the addresses that refuse it. */
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import { isId } from '#kit/crypto/ids.ts';
import { noticeKinds } from '#notices/intake.ts';
import { countMail, listMail, sendMailAgain } from '#notices/listed.ts';
import { noticeStates } from '#notices/notices.ts';
import { liftSuppression, listSuppressions } from '#notices/suppressions.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['Mail'];
const state = z.enum(noticeStates);

const mail = z.object({
  id: z.string(),
  kind: z.string().describe('What it tells, as `confirm-sign-up`.'),
  person: z.string(),
  username: z.string().optional(),
  displayName: z.string().optional(),
  to: z.string().optional().describe('The address, while it is on the account.'),
  state: state.describe(
    '`accepted`: the mail server took it; `deferred`: not taken yet, here or further on; `bounced`: refused after it was taken; `failed`: refused when it was handed over; `dropped`: not sent.',
  ),
  attempts: z.number().int(),
  resent: z.number().int().describe('Attempts whose end nobody saw: it may have arrived that often more.'),
  answer: z.string().optional().describe('What the mail server said, or why it was not sent.'),
  report: z.string().optional().describe('What came back after it was taken.'),
  status: z.string().optional().describe('Enhanced status code (RFC 3463) of the last refusal.'),
  messageId: z.string().optional(),
  createdAt: moment,
  acceptedAt: moment.optional(),
  nextAttemptAt: moment.optional(),
  reportedAt: moment.optional(),
  settledAt: moment.optional(),
  canSendAgain: z
    .boolean()
    .describe(
      'It was refused, and its link, where it carries one, was neither used nor replaced and has not ended.',
    ),
});

const suppression = z.object({
  address: z.string().describe('Id of the address.'),
  person: z.string(),
  to: z.string(),
  bounces: z.number().int(),
  status: z.string().optional(),
  report: z.string().optional(),
  lastAt: moment,
  suppressedAt: moment,
  triedAt: moment.optional(),
});

const countedDays = 7;

export function mailDeliveryRoutes(api: Api): void {
  mailRoutes(api);
  suppressionRoutes(api);
}

function mailRoutes({ scope, cursors, read, change }: Api): void {
  scope.get(
    '/mail',
    {
      config: { door: 'api', permission: 'notices.read' },
      schema: {
        tags,
        summary: 'Our own mail and what became of it, latest first',
        querystring: z.strictObject({
          state: state.optional(),
          kind: z.enum(noticeKinds).optional(),
          person: z.string().optional(),
          ...pageQuery,
        }),
        response: { 200: pageOf(mail) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { limit, cursor, state: wanted, kind, person } = request.query;
        if (person !== undefined && !isId(person)) throw new Problem('person-unknown');
        const list = `mail ${wanted ?? ''} ${kind ?? ''} ${person ?? ''}`;
        const [at, id] = cursors.read(list, cursor)?.split(' ') ?? [];
        const before = at && id ? { createdAt: new Date(at), id } : undefined;
        const states = wanted && [wanted];
        const found = await listMail(tx, { states, kind, person, before, limit: limit + 1 });
        return cursors.page(list, found, limit, (last) => `${last.createdAt.toISOString()} ${last.id}`);
      }),
  );
  scope.get(
    '/mail/counts',
    {
      config: { door: 'api', permission: 'notices.read' },
      schema: {
        tags,
        summary: 'How many mails of the last seven days are in each state',
        response: {
          200: z.object({ since: moment, counts: z.array(z.object({ state, count: z.number().int() })) }),
        },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const since = new Date(tx.now().getTime() - countedDays * 86_400_000);
        return { since, counts: await countMail(tx, since) };
      }),
  );
  scope.post(
    '/mail/:id/send-again',
    {
      config: { door: 'api', permission: 'people.help' },
      schema: {
        tags,
        summary: 'Send a mail again that was refused; what has ended by now is not sent',
        params: z.strictObject({ id: z.string() }),
        body: z.strictObject({}),
        response: { 200: z.object({ queued: z.boolean() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        await sendMailAgain(tx, request.params.id);
        return { queued: true };
      }),
  );
}

function suppressionRoutes({ scope, read, change }: Api): void {
  scope.get(
    '/mail/suppressions',
    {
      config: { door: 'api', permission: 'notices.read' },
      schema: {
        tags,
        summary: 'Addresses that refuse our mail for good, latest first',
        response: { 200: pageOf(suppression) },
      },
    },
    async (request) => read(request, async (tx) => ({ items: await listSuppressions(tx) })),
  );
  scope.delete(
    '/mail/suppressions/:address',
    {
      config: { door: 'api', permission: 'people.help' },
      schema: {
        tags,
        summary: 'Send mail to an address again',
        params: z.strictObject({ address: z.string() }),
        response: { 200: z.object({ lifted: z.boolean() }) },
      },
    },
    async (request) =>
      change(request, async (tx) => {
        await liftSuppression(tx, request.params.address);
        return { lifted: true };
      }),
  );
}
