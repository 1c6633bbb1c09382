/**
 * Webhooks out: the state of an account or group as a signed message (Standard Webhooks), for applications that listen.
 *
 * Owns: the form of messages, their ids and signatures. Records: nothing. Refuses: everything that needs an answer
 * (listing, looking up, invitations): a receiver only listens. Messages carry the whole state, so a lost or doubled one
 * does no harm; the same attempt has the same id, so that a receiver can leave out what it has.
 */
import { createHash } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { type Clock, systemClock } from '#kit/clock/clock.ts';
import {
  type AttributeSpec,
  type Connection,
  type Connector,
  type Desired,
  type GroupStep,
  type Opening,
  type RemoteAccount,
  type RemoteGroup,
  type Step,
  Stop,
  type Value,
} from '#provisioning/connector.ts';
import { accountMessage, groupMessage, type Message } from './messages.ts';
import { webhookProfile } from './profile.ts';

export interface WebhookOptions {
  url: string;
}

const options: z.ZodType<WebhookOptions> = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('Address that takes the messages.'),
});

const attribute = (name: string, text: string, mapping?: string): AttributeSpec => ({
  name,
  text,
  ...(mapping ? { mapping } : {}),
});

const attributes: readonly AttributeSpec[] = [
  {
    ...attribute('userName', 'Name the person signs in with.', 'username'),
    required: true,
    compare: 'caseless',
  },
  { ...attribute('email', 'E-mail address.', 'address'), compare: 'caseless' },
  attribute('displayName', 'Name as others see it.', 'displayName'),
  attribute('givenName', 'Given name.', 'givenName'),
  attribute('familyName', 'Family name.', 'familyName'),
  attribute('locale', 'Language of pages and mail.', 'locale'),
  attribute('groups', 'Groups the person is in, as the application sees them.', 'groups'),
  attribute('roles', 'Roles at the application.', 'roles'),
];

/** An application that takes signed messages. */
export const webhookConnector: Connector<WebhookOptions> = webhookConnectorWith(systemClock);

/** The same with its own clock, for tests. */
export function webhookConnectorWith(clock: Clock): Connector<WebhookOptions> {
  return {
    name: webhookProfile.name,
    title: webhookProfile.title,
    capabilities: {
      list: false,
      find: false,
      groups: true,
      renameGroup: true,
      delete: true,
      invite: false,
      membersBatch: 1000,
    },
    attributes,
    profile: webhookProfile,
    options,
    credentials: [
      { name: 'secret', text: 'Signing secret, "whsec_" and Base64 of 24 to 64 bytes.', required: true },
      {
        name: 'previousSecret',
        text: 'Secrets still accepted while the receiver changes over, separated by spaces; messages carry their signatures too.',
        required: false,
      },
    ],
    limits: { perMinute: 600, burst: 20, concurrency: 4, timeoutSeconds: 10 },
    open: (opening) => openWebhook(opening, clock),
  };
}

function openWebhook(opening: Opening<WebhookOptions>, clock: Clock): Connection {
  const send = (message: Message) => deliver(opening, clock, message);
  return {
    prepare: async () => ({}),
    find: async () => [],
    read: async () => undefined,
    list: () => unlisted(),
    judge: (desired) =>
      desired.attributes.userName
        ? { standing: 'managed', frozen: [], why: '' }
        : { standing: 'impossible', frozen: [], why: 'The receiver needs userName; the mapping gives none.' },
    apply: (step) => applyStep(step, send),
    findGroup: async () => undefined,
    readGroup: async () => undefined,
    listGroups: () => unlisted(),
    applyGroup: (step) => applyGroupStep(step, send),
    check: async ({ write }) => {
      if (write === undefined) return [];
      await send({ type: 'check', subject: 'check', data: { id: write } });
      return [{ fact: 'answer', expected: 'taken', found: 'taken', same: true }];
    },
  };
}

async function applyStep(
  step: Step,
  send: (message: Message) => Promise<void>,
): Promise<RemoteAccount | undefined> {
  if (step.do === 'invite') throw new Stop('impossible', 'A receiver of webhooks takes no invitations.');
  await send(accountMessage(step));
  if (step.do === 'delete') return undefined;
  return accountOf(
    step.desired,
    step.do === 'create' ? step.desired.externalId : step.id,
    step.do === 'deactivate',
  );
}

/** The account as the receiver knows it now: what the message said. Its id there is the external id. */
function accountOf(desired: Desired, id: string, inactive: boolean): RemoteAccount {
  const known: Record<string, Value> = { ...desired.attributes };
  return { id, externalId: desired.externalId, active: desired.active && !inactive, attributes: known };
}

async function applyGroupStep(
  step: GroupStep,
  send: (message: Message) => Promise<void>,
): Promise<RemoteGroup | undefined> {
  await send(groupMessage(step));
  if (step.do === 'create-group')
    return { id: step.externalId, name: step.name, externalId: step.externalId };
  if (step.do === 'rename-group') return { id: step.id, name: step.name };
  return undefined;
}

/** A listing that is refused as soon as it is asked for. */
function unlisted(): AsyncIterable<never> {
  const next = async () => {
    throw new Stop('impossible', 'A receiver of webhooks cannot be listed.');
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

async function deliver(opening: Opening<WebhookOptions>, clock: Clock, message: Message): Promise<void> {
  const now = clock.now();
  const id = messageId(message, opening.run);
  const body = JSON.stringify({ type: message.type, timestamp: now.toISOString(), data: message.data });
  const signature = signersOf(opening.credentials)
    .map((signer) => signer.sign(id, now, body))
    .join(' ');
  const response = await opening.call({
    method: 'POST',
    url: new URL(opening.options.url),
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signature,
    },
    body,
    kind: 'write',
  });
  const { status } = response;
  if (status >= 200 && status < 300) return;
  if (status === 410) throw new Stop('credentials', 'The receiver wants no more messages (410 Gone).');
  throw new Stop('refused', `The receiver refuses the message (${status}).`);
}

/** The same for every attempt at the same state of the same subject within one piece of work. */
function messageId({ type, subject, data }: Message, run: string | undefined): string {
  const text = JSON.stringify([type, subject, sorted(data), run ?? null]);
  return `msg_${createHash('sha256').update(text).digest('base64url').slice(0, 32)}`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, inner]) => [name, sorted(inner)]);
}

function signersOf(credentials: Opening['credentials']): Webhook[] {
  const secrets = [credentials.secret ?? '', ...(credentials.previousSecret ?? '').split(/\s+/)].filter(
    Boolean,
  );
  if (!credentials.secret) throw new Stop('credentials', 'The signing secret is missing.');
  return secrets.map((secret) => {
    const content = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1];
    const size = content === undefined ? 0 : Buffer.from(content, 'base64').length;
    if (size < 24 || size > 64)
      throw new Stop('credentials', 'A signing secret is "whsec_" and Base64 of 24 to 64 bytes.');
    return new Webhook(secret);
  });
}
