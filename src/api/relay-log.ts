/**
 * What became of mail: each message, and volumes by day. Whoever may not see people reads it without their names and
 * without addresses of theirs.
 */
import { z } from 'zod';
import { requireApplication } from '#core/applications/applications.ts';
import { may } from '#core/operators/permissions.ts';
import { findPeople, requirePerson } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { explainArrival, readClient } from '#fronts/relay/explain.ts';
import {
  countsOf,
  findMessage,
  listMessages,
  type MessageFilter,
  type NotedMessage,
  recipientClasses,
  usedToday,
  verdicts,
} from '#fronts/relay/messages.ts';
import { isRelayReason, reasonForOperators, relayReasons } from '#fronts/relay/reasons.ts';
import { messageClasses, proofs, relayModes } from '#fronts/relay/settings.ts';
import { budgetsOf, relayApps, relayHouse } from '#fronts/relay/settings-kept.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Caller } from './access.ts';
import type { Api } from './api.ts';
import { FieldsRefused, NothingHere } from './errors.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['Mail'];

const who = z.object({ id: z.string(), displayName: z.string(), username: z.string() });

const message = z.object({
  id: z.string(),
  at: moment,
  person: who.optional().describe('Whose mailbox it was; for whoever may see people.'),
  application: z.string().optional(),
  recipientClass: z.enum(recipientClasses),
  verdict: z.enum(verdicts),
  reason: z.string(),
  because: z.string().describe('The reason, in a sentence.'),
  via: z.enum(['relay', 'postfix']),
  sender: z.string().optional().describe('Envelope sender; empty is the null sender.'),
  headerFrom: z.string().optional(),
  recipient: z
    .string()
    .optional()
    .describe('As it was written; of an answer, who gets it. For whoever may see people.'),
  client: z.string().optional(),
  messageId: z.string().optional(),
  messageClass: z.enum(messageClasses).optional(),
  bytes: z.number().int().optional(),
  mode: z.enum(relayModes).optional(),
  smartHost: z.string().optional(),
  answer: z.string().optional().describe('What the smart host said; for whoever may see people.'),
  tookMs: z.number().int().optional(),
  bouncedAt: moment.optional().describe('When a report came back about it.'),
  bounceStatus: z.string().optional(),
});

const filters = {
  verdict: z.enum(verdicts).optional(),
  reason: z.enum(relayReasons as [string, ...string[]]).optional(),
  recipientClass: z.enum(recipientClasses).optional(),
  since: moment.optional(),
};

const day = z.object({
  day: z.string().describe('YYYY-MM-DD, UTC.'),
  application: z.string().optional().describe('Missing where no app is known to have sent it.'),
  verdict: z.enum(verdicts),
  reason: z.string(),
  because: z.string().describe('The reason, in a sentence.'),
  messages: z.number().int(),
  bytes: z.number().int(),
});

const used = z.object({
  application: z.string(),
  used: z.number().int().describe('Messages passed on today (UTC).'),
  perApp: z.number().int().describe('As many may be.'),
  perPerson: z.number().int(),
});

const counts = z.object({ items: z.array(day), today: z.array(used) });
const countsQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(400).default(30) });

const seesPeople = (caller: Caller) => may(caller.grants, 'people.read');

const sentenceOf = (reason: string) => (isRelayReason(reason) ? reasonForOperators(reason) : reason);

/** Messages as this caller may see them. */
async function show(
  tx: Tx,
  caller: Caller,
  messages: readonly NotedMessage[],
): Promise<z.output<typeof message>[]> {
  const isOpen = seesPeople(caller);
  const ids = [...new Set(messages.flatMap(({ person }) => person ?? []))];
  const named = isOpen && ids.length > 0 ? await findPeople(tx, ids) : [];
  const people = new Map(
    named.map(({ id, displayName, username }) => [id, { id, displayName, username }] as const),
  );
  return messages.map(({ person, recipient, answer, sender, headerFrom, ...rest }) => {
    const shown = { ...rest, because: sentenceOf(rest.reason) };
    // Who answers an app, or writes to nobody, does so from an address of their own.
    const isApps = rest.recipientClass === 'alias' || rest.recipientClass === 'bounce';
    if (!isOpen) return { ...shown, ...(isApps && { sender, headerFrom }) };
    return { ...shown, person: people.get(person ?? ''), recipient, answer, sender, headerFrom };
  });
}

export function relayLogRoutes(api: Api): void {
  wholeLog(api);
  ofOne(api);
  volumes(api);
  explain(api);
}

function pageReader({ cursors }: Api) {
  return async (
    tx: Tx,
    caller: Caller,
    filter: MessageFilter,
    { limit, cursor }: { limit: number; cursor?: string },
  ) => {
    const place = `relay messages ${JSON.stringify(filter)}`;
    const found = await listMessages(tx, filter, { before: cursors.read(place, cursor), limit: limit + 1 });
    const page = cursors.page(place, found, limit, (last) => last.id);
    return { ...page, items: await show(tx, caller, page.items) };
  };
}

const knownReason = (reason: string | undefined) =>
  reason !== undefined && isRelayReason(reason) ? reason : undefined;

function wholeLog(api: Api): void {
  const { scope, read } = api;
  const readPage = pageReader(api);
  scope.get(
    '/relay/messages',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'Messages, latest first; never their text',
        querystring: z.strictObject({
          ...pageQuery,
          ...filters,
          application: z.string().max(100).optional(),
          person: z.uuid().optional(),
          sender: z
            .string()
            .max(320)
            .optional()
            .describe('Part of the envelope sender, the From address or the recipient.'),
        }),
        response: { 200: pageOf(message) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { limit, cursor, sender, reason, ...filter } = request.query;
        // Whoever sees no addresses cannot ask for them either.
        if ((filter.person ?? sender) !== undefined && !seesPeople(request.caller))
          throw new Problem('operator-forbidden');
        const asked = { ...filter, reason: knownReason(reason), text: sender };
        return readPage(tx, request.caller, asked, { limit, cursor });
      }),
  );
  scope.get(
    '/relay/messages/:id',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'One message',
        params: z.strictObject({ id: z.uuid() }),
        response: { 200: message },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const found = await findMessage(tx, request.params.id);
        if (!found) throw new NothingHere('not-found');
        return (await show(tx, request.caller, [found]))[0]!;
      }),
  );
}

function ofOne(api: Api): void {
  const { scope, read } = api;
  const readPage = pageReader(api);
  const params = z.strictObject({ id: z.string() });
  const { verdict, reason: why, since } = filters;
  const querystring = z.strictObject({ ...pageQuery, verdict, reason: why, since });
  scope.get(
    '/people/:id/relay/messages',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'What became of mail to the alias mailboxes of a person, latest first',
        params,
        querystring,
        response: { 200: pageOf(message) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requirePerson(tx, request.params.id);
        const { limit, cursor, reason, ...filter } = request.query;
        const asked = { ...filter, reason: knownReason(reason), person: id };
        return readPage(tx, request.caller, asked, { limit, cursor });
      }),
  );
  scope.get(
    '/applications/:id/relay/messages',
    {
      config: { door: 'api', app: 'id', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'What became of mail of an app, latest first; people for whoever may see them',
        params,
        querystring,
        response: { 200: pageOf(message) },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        const { limit, cursor, reason, ...filter } = request.query;
        const asked = { ...filter, reason: knownReason(reason), application: id };
        return readPage(tx, request.caller, asked, { limit, cursor });
      }),
  );
}

async function showCounts(tx: Tx, days: number, application?: string): Promise<z.output<typeof counts>> {
  const from = new Date(tx.now().getTime() - (days - 1) * 86_400_000);
  const house = await relayHouse(tx);
  const apps = (await relayApps(tx)).filter(({ id }) => application === undefined || id === application);
  const today: z.output<typeof used>[] = [];
  for (const one of apps) {
    const { app } = await usedToday(tx, one.id);
    today.push({ application: one.id, used: app, ...budgetsOf(house, one) });
  }
  const items = (await countsOf(tx, { application, from })).map((one) => ({
    ...one,
    because: sentenceOf(one.reason),
    application: one.application || undefined,
  }));
  return { items, today };
}

function volumes({ scope, read }: Api): void {
  scope.get(
    '/relay/counts',
    {
      config: { door: 'api', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'Volumes by app and day, and what is used of the budgets of today',
        querystring: countsQuery,
        response: { 200: counts },
      },
    },
    async (request) => read(request, (tx) => showCounts(tx, request.query.days)),
  );
  scope.get(
    '/applications/:id/relay/counts',
    {
      config: { door: 'api', app: 'id', permission: 'relay.read' },
      schema: {
        tags,
        summary: 'Volumes of one app by day, and what is used of its budget of today',
        params: z.strictObject({ id: z.string() }),
        querystring: countsQuery,
        response: { 200: counts },
      },
    },
    async (request) =>
      read(request, async (tx) => {
        const { id } = await requireApplication(tx, request.params.id);
        return showCounts(tx, request.query.days, id);
      }),
  );
}

const explained = z.object({
  admitted: z.boolean().describe('Whether its recipient would be taken now.'),
  recipientClass: z.enum(recipientClasses),
  person: who.optional(),
  reason: z.string().optional(),
  because: z.string(),
  answer: z
    .string()
    .optional()
    .describe('What the sender would be told, where nothing would be passed on: at RCPT, or after the text.'),
  apps: z
    .array(
      z.object({
        application: z.string(),
        title: z.string(),
        mode: z.enum(relayModes),
        domains: z.array(z.string()),
        require: z.array(z.enum(proofs)),
        holds: z
          .array(
            z.object({
              reason: z.string(),
              because: z.string(),
              answer: z.string(),
              classes: z.array(z.enum(messageClasses)),
            }),
          )
          .describe(
            'What is refused even so, once its text is there: by choices of the person, budgets of the day.',
          ),
      }),
    )
    .describe('Apps that may write from there; what their message still has to fulfil.'),
  lists: z.array(z.string()).describe('Allow-lists that name the network.'),
});

function explain({ scope, needs }: Api): void {
  scope.post(
    '/relay/explain',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'What would be decided about a sender and a recipient now, and why; nothing is noted',
        body: z.strictObject({
          client: z.string().max(60).describe('Address the mail comes from.'),
          sender: z.string().max(320).describe('Envelope sender; empty is the null sender.'),
          recipient: z.string().max(320),
          tls: z.boolean().default(true),
        }),
        response: { 200: explained },
      },
    },
    async (request) => {
      const { sender, recipient, tls } = request.body;
      const client = readClient(request.body.client);
      if (client === undefined)
        throw new FieldsRefused([{ path: 'client', text: 'Write an address such as 192.0.2.7.' }]);
      const { person, ...rest } = await explainArrival(needs, { client, sender, recipient, tls });
      if (person === undefined) return rest;
      const { id, displayName, username } = await needs.database.read(
        { actor: { kind: 'operator', id: request.caller.id }, cause: 'admin', requestId: request.requestId },
        (tx) => requirePerson(tx, person),
      );
      return { ...rest, person: { id, displayName, username } };
    },
  );
}
