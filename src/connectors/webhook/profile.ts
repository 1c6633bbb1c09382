/** What receivers of Standard Webhooks may expect, and what we expect of them. */
import type { Fact, TargetProfile } from '#provisioning/connector.ts';

const specification: Pick<Fact, 'source' | 'date' | 'trust'> = {
  source: 'Standard Webhooks specification 1.0.0',
  date: '2023-12',
  trust: 'documented',
};

export const webhookProfile: TargetProfile = {
  name: 'webhook',
  title: 'Webhook (Standard Webhooks)',
  facts: {
    answer: {
      text: 'Any 2xx means taken. 410 means no more messages are wanted: the target is held. 429 and 5xx are tried again.',
      value: '2xx',
      ...specification,
    },
    signature: {
      text: 'HMAC-SHA256 over id, time and body in webhook-signature; several while a secret changes over.',
      value: 'v1',
      ...specification,
    },
    messages: {
      text: 'account.created, account.updated and account.deactivated carry the whole state: id, externalId, active, attributes. account.deleted: id. group.created and group.renamed: id, name. group.deleted: id. membership.added and membership.removed: group, accounts.',
      value: 'type, timestamp, data',
      source: 'this program, src/connectors/webhook/messages.ts',
      date: '2026',
      trust: 'documented',
    },
    order: {
      text: 'Messages about one account, and about one group, arrive in order; a newer timestamp wins where a receiver works in parallel.',
      value: 'per account and per group',
      source: 'this program, one job at a time for each person and group',
      date: '2026',
      trust: 'documented',
    },
    delivery: {
      text: 'Each message arrives at least once; the same webhook-id is the same message.',
      value: 'at least once',
      ...specification,
    },
  },
};
