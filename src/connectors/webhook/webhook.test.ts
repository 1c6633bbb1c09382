import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import type { Call, Desired, Stop } from '#provisioning/connector.ts';
import { connectorSuite, isStop, type Stage } from '../../../test/conformance/connector.ts';
import { createTestCall } from '../../../test/conformance/test-call.ts';
import { webhookConnector } from './webhook.ts';

const secretOf = (fill: number) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`;

interface Received {
  id: string;
  body: { type: string; timestamp: string; data: Record<string, unknown> };
  headers: Record<string, string>;
  raw: string;
}

/** A receiver as Standard Webhooks describes it: it believes nothing that is not signed. */
async function startReceiver(secret: string) {
  const received: Received[] = [];
  const known = new Map<string, Received>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks).toString('utf8');
    const headers = request.headers as Record<string, string>;
    try {
      const body = new Webhook(secret).verify(raw, headers) as Received['body'];
      const message = { id: headers['webhook-id']!, body, headers, raw };
      received.push(message);
      known.set(message.id, message);
      response.writeHead(204).end();
    } catch {
      response.writeHead(400).end('not signed');
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { url: `http://127.0.0.1:${port}/hook`, received, known, stop };
}

connectorSuite({
  title: 'webhook',
  connector: webhookConnector,
  small: {},
  start: async (): Promise<Stage> => {
    const receiver = await startReceiver(secretOf(1));
    return {
      options: { url: receiver.url },
      credentials: { secret: secretOf(1) },
      attributes: (n) => ({
        userName: `person${n}`,
        email: `person${n}@people.example`,
        displayName: `Person ${n}`,
        groups: [`group${n}`],
        locale: n % 2 ? 'de' : 'fr',
      }),
      stop: receiver.stop,
    };
  },
});

const desired: Desired = {
  externalId: 's-1',
  active: true,
  attributes: { userName: 'ada', email: 'ada@people.example' },
};

async function withReceiver(
  credentials: Record<string, string>,
  verifiedBy: string,
  work: (stage: {
    receiver: Awaited<ReturnType<typeof startReceiver>>;
    open(run?: string): ReturnType<typeof webhookConnector.open>;
  }) => Promise<void>,
) {
  const receiver = await startReceiver(verifiedBy);
  const way = createTestCall();
  const open = (run?: string) =>
    webhookConnector.open({
      options: { url: receiver.url },
      credentials,
      facts: {},
      state: undefined,
      run,
      call: way.call,
    });
  try {
    await work({ receiver, open });
  } finally {
    await way.close();
    await receiver.stop();
  }
}

test('the same attempt is the same message; another piece of work with the same state is another', async () => {
  await withReceiver({ secret: secretOf(1) }, secretOf(1), async ({ receiver, open }) => {
    const step = { do: 'update', id: 's-1', fields: ['email'], desired } as const;
    await open('job-1').apply(step);
    await open('job-1').apply(step);
    await open('job-2').apply(step);
    const reordered = { ...desired, attributes: { email: 'ada@people.example', userName: 'ada' } };
    await open('job-1').apply({ ...step, desired: reordered });
    const [first, again, other, same] = receiver.received.map(({ id }) => id);
    assert.equal(again, first);
    assert.notEqual(other, first);
    assert.equal(same, first, 'the order of attributes does not matter');
    assert.match(first!, /^msg_[\w-]{32}$/);
  });
});

test('the messages of a life carry whole states', async () => {
  await withReceiver({ secret: secretOf(1) }, secretOf(1), async ({ receiver, open }) => {
    const connection = open();
    await connection.apply({ do: 'create', desired });
    await connection.apply({ do: 'deactivate', id: 's-1', desired });
    await connection.apply({ do: 'delete', id: 's-1' });
    await connection.applyGroup({ do: 'create-group', name: 'Editors', externalId: 'g-1' });
    await connection.applyGroup({ do: 'add-members', id: 'g-1', members: ['s-2', 's-1'] });
    await connection.applyGroup({ do: 'remove-members', id: 'g-1', members: ['s-1'] });
    await connection.applyGroup({ do: 'rename-group', id: 'g-1', name: 'Writers' });
    await connection.applyGroup({ do: 'delete-group', id: 'g-1' });
    assert.deepEqual(
      receiver.received.map(({ body: { type, data } }) => [type, data]),
      [
        ['account.created', { id: 's-1', externalId: 's-1', active: true, attributes: desired.attributes }],
        [
          'account.deactivated',
          { id: 's-1', externalId: 's-1', active: false, attributes: desired.attributes },
        ],
        ['account.deleted', { id: 's-1' }],
        ['group.created', { id: 'g-1', name: 'Editors' }],
        ['membership.added', { group: 'g-1', accounts: ['s-1', 's-2'] }],
        ['membership.removed', { group: 'g-1', accounts: ['s-1'] }],
        ['group.renamed', { id: 'g-1', name: 'Writers' }],
        ['group.deleted', { id: 'g-1' }],
      ],
    );
    assert.equal(receiver.received[0]!.headers['content-type'], 'application/json');
  });
});

test('while a secret changes over, receivers with the old one and with the new one both believe', async () => {
  const credentials = { secret: secretOf(2), previousSecret: `${secretOf(1)} ${secretOf(3)}` };
  for (const theirs of [secretOf(1), secretOf(2), secretOf(3)]) {
    await withReceiver(credentials, theirs, async ({ receiver, open }) => {
      await open().apply({ do: 'create', desired });
      assert.equal(receiver.received.length, 1);
    });
  }
  await withReceiver(credentials, secretOf(4), async ({ open }) => {
    await assert.rejects(open().apply({ do: 'create', desired }), isStop('refused'));
  });
});

test('a secret of the wrong form is refused without being told', async () => {
  for (const secret of ['whsec_short', 'whsec_!!!', 'plain-text-secret', `whsec_${'A'.repeat(200)}`]) {
    const call: Call = async () => assert.fail('nothing may be sent');
    const open = () =>
      webhookConnector.open({
        options: { url: 'https://app.example/' },
        credentials: { secret },
        facts: {},
        state: undefined,
        call,
      });
    await assert.rejects(
      async () => open().apply({ do: 'create', desired }),
      (error: unknown) => isStop('credentials')(error) && !(error as Stop).message.includes(secret),
    );
  }
});

test('a receiver that is gone for good holds the target; nothing is listed', async () => {
  const answer = { status: 410, headers: new Headers(), text: '', json: undefined };
  const connection = webhookConnector.open({
    options: { url: 'https://app.example/' },
    credentials: { secret: secretOf(1) },
    facts: {},
    state: undefined,
    call: async () => answer,
  });
  await assert.rejects(connection.apply({ do: 'create', desired }), isStop('credentials'));
  await assert.rejects(async () => {
    for await (const _ of connection.list());
  }, isStop('impossible'));
});
