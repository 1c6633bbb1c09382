/** Keys that mail is signed with: what to publish, and which of them signs. Private keys are never shown. */
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import { lookForKeys, signingDomains } from '#fronts/relay/key-care.ts';
import {
  activateRelayKey,
  keyAlgorithms,
  keyStates,
  listRelayKeys,
  makeRelayKey,
  withdrawRelayKey,
} from '#fronts/relay/keys.ts';
import type { Api } from './api.ts';
import { FieldsRefused } from './errors.ts';
import { pageOf } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['Mail'];
const params = z.strictObject({ id: z.uuid() });

const key = z.object({
  id: z.string(),
  domain: z.string(),
  selector: z.string(),
  algorithm: z.enum(keyAlgorithms),
  state: z.enum(keyStates),
  name: z.string().describe('Where its TXT record stands in DNS.'),
  record: z.string().describe('What the TXT record says.'),
  madeAt: moment,
  changedAt: moment,
  keepUntil: moment.optional().describe('Until when the record of a key that signs no more has to stay.'),
});

const keys = pageOf(key).extend({
  domains: z.array(z.string()).describe('What mail is signed for, with a key or without.'),
});

const looked = pageOf(key).extend({
  unanswered: z
    .array(z.string())
    .describe('Ids of keys the name servers gave no answer about: nobody knows whether they are published.'),
});

const wanted = z.strictObject({
  domain: z.string().trim().toLowerCase().max(200).describe('Of alias mailboxes, or of our own mail.'),
  algorithm: z
    .enum(keyAlgorithms)
    .default('rsa-sha256')
    .describe('Ed25519 signs beside RSA, which everybody can check.'),
});

export function relayKeyRoutes(api: Api): void {
  readKeys(api);
  makeKeys(api);
  changeKeys(api);
}

function readKeys({ scope, read, needs }: Api): void {
  scope.get(
    '/relay/keys',
    {
      config: { door: 'api', permission: 'keys.read' },
      schema: {
        tags,
        summary: 'Keys that mail is signed with, with the records to publish',
        response: { 200: keys },
      },
    },
    async (request) =>
      read(request, async (tx) => ({
        items: await listRelayKeys(tx),
        domains: await signingDomains(tx, needs.mailFrom),
      })),
  );
}

function makeKeys({ scope, read, change, needs }: Api): void {
  scope.post(
    '/relay/keys',
    {
      config: { door: 'api', permission: 'keys.write' },
      schema: {
        tags,
        summary: 'Make the next key of a domain, or show the one that waits: it signs once it is published',
        body: wanted,
        response: { 201: key },
      },
    },
    async (request, reply) => {
      const made = await change(request, async (tx) => {
        const { domain } = request.body;
        const domains = await signingDomains(tx, needs.mailFrom);
        if (!domains.includes(domain))
          throw new FieldsRefused([
            { path: 'domain', text: `Mail is signed for ${domains.join(' and ')} alone.` },
          ]);
        return makeRelayKey(tx, needs.secrets, request.body);
      });
      return reply.code(201).send(made);
    },
  );
  scope.post(
    '/relay/keys/look',
    {
      config: { door: 'api', permission: 'keys.write' },
      schema: {
        tags,
        summary: 'Look for records now: keys that are published sign from now on',
        body: z.strictObject({}),
        response: { 200: looked },
      },
    },
    async (request) => {
      const { unanswered } = await lookForKeys(needs);
      return read(request, async (tx) => ({ items: await listRelayKeys(tx), unanswered }));
    },
  );
}

function changeKeys({ scope, change }: Api): void {
  scope.post(
    '/relay/keys/:id/activate',
    {
      config: { door: 'api', permission: 'keys.write', elevation: true },
      schema: {
        tags,
        summary: 'Sign with this key from now on, seen in DNS or not; the one that did retires',
        params,
        body: z.strictObject({}),
        response: { 200: key },
      },
    },
    async (request) => {
      const active = await change(request, (tx) => activateRelayKey(tx, request.params.id));
      if (!active) throw new Problem('not-found');
      return active;
    },
  );
  scope.delete(
    '/relay/keys/:id',
    {
      config: { door: 'api', permission: 'keys.write', elevation: true },
      schema: {
        tags,
        summary: 'Take a key away at once; without another one mail of its domain is not signed',
        params,
        response: { 204: z.undefined() },
      },
    },
    async (request, reply) => {
      if (!(await change(request, (tx) => withdrawRelayKey(tx, request.params.id))))
        throw new Problem('not-found');
      return reply.code(204).send();
    },
  );
}
