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
    delivery: {
      text: 'Each message arrives at least once; the same webhook-id is the same message.',
      value: 'at least once',
      ...specification,
    },
  },
};
