/** Against the double of Atlassian Cloud: the suite, and the stories that cost people days. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '#kit/log/log.ts';
import type { Connection, Desired, Value } from '#provisioning/connector.ts';
import {
  type AtlassianSimulator,
  type AtlassianSimulatorOptions,
  startAtlassianSimulator,
} from '#simulators/scim/atlassian/atlassian.ts';
import { connectorSuite, isStop, type Stage } from '../../../../test/conformance/connector.ts';
import { createTestCall } from '../../../../test/conformance/test-call.ts';
import { atlassianConnector } from './atlassian.ts';
import { lostAccount } from './domains.ts';
import type { AtlassianOptions } from './options.ts';

const log = createLog({ level: 'silent' });
const simulate = (options: Partial<AtlassianSimulatorOptions> = {}) =>
  startAtlassianSimulator({ log, domains: { 'id.example': 'VERIFIED' }, ...options });

const optionsFor = (simulator: AtlassianSimulator) => ({
  apiUrl: simulator.origin,
  directoryId: simulator.directoryId,
  orgId: simulator.organisationId,
});
const credentialsFor = ({ directoryKey, organisationKey }: AtlassianSimulator) => ({
  directoryKey,
  organisationKey,
});

function attributes(n: number): Record<string, Value> {
  return {
    userName: `person${n}`,
    email: `person${n}@id.example`,
    displayName: `Person ${n} "quoted"`,
    givenName: `Given${n}`,
    familyName: `O'Family ${n}`,
    nickName: `Nick${n}`,
    title: `Title ${n}`,
    preferredLanguage: n % 2 ? 'de' : 'pt-BR',
    timezone: n % 2 ? 'Europe/Berlin' : 'Africa/Nairobi',
    department: `Department ${n}`,
    organization: `Organisation ${n}`,
  };
}

const small = { pageSize: 3, membersBatch: 2 };
for (const [title, more, options] of [
  ['atlassian', {}, {}],
  [
    'atlassian by PATCH, with bodies that are not SCIM',
    { foreignErrors: 1, extension: '1.1' },
    { updateBy: 'patch' },
  ],
] as const) {
  connectorSuite({
    title,
    connector: atlassianConnector,
    small,
    start: async (): Promise<Stage> => {
      const simulator = await simulate(more);
      return {
        options: { ...optionsFor(simulator), ...options },
        credentials: credentialsFor(simulator),
        attributes,
        stop: () => simulator.stop(),
      };
    },
  });
}

const facts = Object.fromEntries(
  Object.entries(atlassianConnector.profile.facts).map(([name, { value }]) => [name, value]),
);

/** A prepared connection to a simulator, for one story. */
async function story(
  options: Partial<AtlassianSimulatorOptions>,
  work: (stage: {
    simulator: AtlassianSimulator;
    open(more?: object, other?: object): Promise<Connection>;
  }) => Promise<void>,
): Promise<void> {
  const simulator = await simulate(options);
  const way = createTestCall();
  const open = async (more: object = {}, other: object = {}) => {
    const opening = {
      options: atlassianConnector.options.parse({ ...optionsFor(simulator), ...more }) as AtlassianOptions,
      credentials: credentialsFor(simulator),
      facts: { ...facts, ...other },
      state: undefined as unknown,
      call: way.call,
    };
    const state = JSON.parse(JSON.stringify(await atlassianConnector.open(opening).prepare()));
    return atlassianConnector.open({ ...opening, state });
  };
  try {
    await work({ simulator, open });
  } finally {
    await way.close();
    await simulator.stop();
  }
}

const wanting = (userName: string, email: string): Desired => ({
  externalId: `s-${userName}`,
  active: true,
  attributes: { userName, email, displayName: userName },
});

test('a managed account keeps its id when its address changes, and is switched off before its record goes', async () => {
  await story({}, async ({ simulator, open }) => {
    const connection = await open();
    const made = await connection.apply({ do: 'create', desired: wanting('ada', 'ada@id.example') });
    const seen = await connection.read(made!.id);
    assert.ok(seen?.accountId, 'the account behind the record is known');
    const moved = wanting('ada', 'lovelace@id.example');
    await connection.apply({ do: 'update', id: made!.id, fields: ['email'], desired: moved });
    const now = await connection.read(made!.id);
    assert.equal(now?.accountId, seen.accountId);
    assert.equal(lostAccount(seen.accountId, now!), undefined);
    assert.equal(simulator.state.account('lovelace@id.example')?.aaid, seen.accountId);
    await connection.apply({ do: 'delete', id: made!.id });
    assert.equal(await connection.read(made!.id), undefined);
    const writes = simulator.ledger.entries().filter(({ method }) => method !== 'GET');
    assert.deepEqual(writes.map(({ method }) => method).slice(-2), ['PUT', 'DELETE']);
  });
});

test('someone with an account of their own is external: groups reach them, a new address is refused', async () => {
  await story({ accounts: [{ email: 'grace@mail.example', name: 'Grace' }] }, async ({ simulator, open }) => {
    const connection = await open({ outsiders: 'external' });
    const desired = wanting('grace', 'grace@mail.example');
    assert.equal(connection.judge(desired, undefined).standing, 'external');
    const made = await connection.apply({ do: 'create', desired });
    const there = await connection.read(made!.id);
    assert.ok(there?.accountId, 'linked to the account that was there');
    const moved = wanting('grace', 'grace@id.example');
    const judgement = connection.judge(moved, there);
    assert.ok(judgement.frozen.includes('email'));
    await assert.rejects(
      connection.apply({ do: 'update', id: made!.id, fields: ['email'], desired: moved }),
      isStop('refused'),
    );
    assert.equal((await connection.read(made!.id))?.accountId, there.accountId, 'the link is kept');
    assert.equal(simulator.state.account('grace@mail.example')?.name, 'Grace');
  });
});

test('the double cuts the link where the profile says it does, and the loss is noticed', async () => {
  await story({ accounts: [{ email: 'grace@mail.example', name: 'Grace' }] }, async ({ open }) => {
    // With the switch the other way nothing holds the change back: what comes of it is why the profile refuses it.
    const careless = await open({ outsiders: 'external' }, { externalEmailChange: 'follows' });
    const made = await careless.apply({ do: 'create', desired: wanting('grace', 'grace@mail.example') });
    const before = await careless.read(made!.id);
    const moved = wanting('grace', 'grace@id.example');
    await careless.apply({ do: 'update', id: made!.id, fields: ['email'], desired: moved });
    const now = await careless.read(made!.id);
    assert.ok(before?.accountId);
    assert.match(lostAccount(before.accountId, now!)!, /lost its link|Another Atlassian account/);
    assert.notEqual(now!.accountId, before.accountId);
  });
});

test('ACCESS-2172 an address on a domain nobody claimed yet is external until it is claimed', async () => {
  await story({ domains: { 'new.example': 'VERIFIED_UNCLAIMED' } }, async ({ simulator, open }) => {
    const desired = wanting('eve', 'eve@new.example');
    const before = (await open()).judge(desired, undefined);
    assert.equal(before.standing, 'external');
    assert.match(before.why, /Claim one account there/);
    simulator.state.setDomain('new.example', 'VERIFIED');
    assert.equal((await open()).judge(desired, undefined).standing, 'managed');
  });
});

test('an answer that was lost on the way leaves one record: it is looked for, then adopted', async () => {
  await story({}, async ({ simulator, open }) => {
    const connection = await open();
    const desired = wanting('kay', 'kay@id.example');
    simulator.faults.add({ kind: 'reset', method: 'POST' });
    await assert.rejects(connection.apply({ do: 'create', desired }));
    simulator.faults.clear();
    const [found] = await connection.find(desired);
    assert.equal(found?.by, 'externalId');
    assert.equal(simulator.state.users().length, 1);
  });
});

test('an outsider is invited once and stays the owner of the account', async () => {
  await story({}, async ({ simulator, open }) => {
    const products = [{ resource: 'ari:cloud:jira-software::site/1', role: 'atlassian/user' }];
    const connection = await open({ outsiders: 'invite', products });
    const desired = wanting('bo', 'bo@mail.example');
    assert.equal(connection.judge(desired, undefined).standing, 'invite');
    await connection.apply({ do: 'invite', desired });
    assert.deepEqual(
      simulator.state.invitations().map(({ email }) => email),
      ['bo@mail.example'],
    );
  });
});

test('a profile check tells what the live target does otherwise, and leaves nothing behind', async () => {
  await story({ deleteMeaning: 'deactivate', foreignDomains: 'refuse' }, async ({ simulator, open }) => {
    const read = await (await open()).check!({});
    assert.deepEqual(
      read.filter(({ same }) => !same),
      [],
    );
    assert.equal(simulator.state.users().length, 0);
    const foreign = await (await open()).check!({ write: 'check@mail.example' });
    assert.deepEqual(
      foreign.filter(({ same }) => !same).map(({ fact }) => fact),
      ['foreignDomains'],
    );
    const written = await (await open()).check!({ write: 'check@id.example' });
    const other = written.filter(({ same }) => !same).map(({ fact, found }) => [fact, found]);
    assert.deepEqual(other, [['deleteMeaning', 'inactive']]);
    assert.equal(simulator.state.users().filter(({ body }) => body.active !== false).length, 0);
    assert.equal(simulator.state.groups().length, 0);
    assert.ok(written.some(({ fact, found }) => fact === 'renameGroup' && found === 'false'));
  });
});
