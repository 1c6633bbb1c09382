/**
 * What every connector must do, whatever it speaks. A test file hands in how its double is started; capabilities decide
 * which checks apply. Hostile answers need no double: they take the place of the way out.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { z } from 'zod';
import {
  type Call,
  type Connection,
  type Connector,
  type Desired,
  type RemoteAccount,
  Retry,
  Stop,
  type Value,
} from '../../src/provisioning/connector.ts';
import { hostileAnswers, operations, responseOf } from './hostile-answers.ts';
import { createTestCall } from './test-call.ts';

/** A double that runs, and how the connector is opened towards it. */
export interface Stage {
  options: Readonly<Record<string, unknown>>;
  credentials: Readonly<Record<string, string>>;
  facts?: Readonly<Record<string, string | number | boolean>>;
  /** Attributes of the n-th person, as this double takes them: another number, another value in each. */
  attributes(n: number): Record<string, Value>;
  /** Attributes that cannot be taken away or changed alone at this double. */
  fixed?: readonly string[];
  stop(): Promise<void>;
}

export interface Suite {
  title: string;
  connector: Connector;
  /** Options for small pages and batches, so that a few people make several. */
  small: Readonly<Record<string, unknown>>;
  start(): Promise<Stage>;
}

/** Runs the suite. Each test takes people of its own numbers, so that one double serves all. */
export function connectorSuite(suite: Suite): void {
  describe(`connector ${suite.title}`, () => {
    const { connector } = suite;
    const { capabilities } = connector;
    let stage: Stage;
    let way: { call: Call; count(): number; close(): Promise<void> };
    let people = 0;
    before(async () => {
      stage = await suite.start();
      way = createTestCall();
    });
    after(async () => {
      await way?.close();
      await stage?.stop();
    });
    const open = (more: Partial<{ options: object; call: Call; facts: object; state: unknown }> = {}) =>
      openFor(connector, stage, { call: way.call, ...more });
    const prepared = async (options: object = {}) => open({ options, state: await open().prepare() });
    const someone = (): Desired => {
      people += 1;
      return {
        externalId: `person-${suite.title.replace(/\W/g, '')}-${people}`,
        active: true,
        attributes: stage.attributes(people),
      };
    };
    const create = async (connection: Connection, desired: Desired): Promise<RemoteAccount> => {
      const made = await connection.apply({ do: 'create', desired });
      assert.ok(made, 'a creation says what was made');
      return made;
    };
    const context: Context = {
      suite,
      open,
      prepared,
      someone,
      create,
      stage: () => stage,
      count: () => way.count(),
    };

    declarationTests(suite);
    accountTests(context);
    if (capabilities.find) lookupTests(context);
    if (capabilities.list) listTests(context);
    if (capabilities.groups) groupTests(context);
    hostileTests(context);
  });
}

interface Context {
  suite: Suite;
  open(more?: Partial<{ options: object; call: Call; facts: object; state: unknown }>): Connection;
  prepared(options?: object): Promise<Connection>;
  someone(): Desired;
  create(connection: Connection, desired: Desired): Promise<RemoteAccount>;
  stage(): Stage;
  /** Calls that went out so far. */
  count(): number;
}

function openFor(
  connector: Connector,
  stage: Stage,
  more: { call: Call; options?: object; facts?: object; state?: unknown; credentials?: Stage['credentials'] },
): Connection {
  const profile = Object.entries(connector.profile.facts).map(([name, { value }]) => [name, value]);
  return connector.open({
    options: connector.options.parse({ ...stage.options, ...more.options }),
    credentials: more.credentials ?? stage.credentials,
    facts: { ...Object.fromEntries(profile), ...stage.facts, ...more.facts },
    state: more.state,
    call: more.call,
  });
}

function declarationTests({ connector }: Suite): void {
  test('declares itself: attributes, facts with a source and a date, options as a schema', () => {
    const names = connector.attributes.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, 'an attribute has one name');
    for (const { name, text, required, mapping } of connector.attributes) {
      assert.ok(text, `${name} has a text`);
      assert.ok(!required || mapping, `${name} is required and has a mapping`);
    }
    for (const [name, fact] of Object.entries(connector.profile.facts)) {
      assert.ok(fact.text && fact.source, `${name} says what and from where`);
      assert.match(fact.date, /^\d{4}(-\d{2})?$/, `${name} says when`);
      assert.ok(!fact.choices || fact.choices.includes(fact.value), `${name} is one of its choices`);
    }
    assert.equal(typeof z.toJSONSchema(connector.options, { io: 'input' }), 'object');
    assert.ok(connector.limits.perMinute > 0 && connector.limits.timeoutSeconds > 0);
  });
}

function accountTests({ suite, open, prepared, someone, create, stage, count }: Context): void {
  const { capabilities, attributes } = suite.connector;
  const readable = capabilities.find;

  test('an account is made, and every attribute is there', async () => {
    const connection = await prepared();
    const desired = someone();
    const made = await create(connection, desired);
    const now = readable ? await connection.read(made.id) : made;
    assert.ok(now);
    assertIs(now, desired);
  });

  test('every attribute can be changed, and taken away where it is not needed', async () => {
    const connection = await prepared();
    const desired = someone();
    const { id } = await create(connection, desired);
    let current = desired;
    const fixed = new Set(stage().fixed);
    const other = someone().attributes;
    for (const { name, required } of attributes.filter(
      (one) => one.name in desired.attributes && !fixed.has(one.name),
    )) {
      for (const value of required ? [other[name]!] : [other[name]!, null, desired.attributes[name]!]) {
        current = { ...current, attributes: { ...current.attributes, [name]: value } };
        const told = await connection.apply({ do: 'update', id, fields: [name], desired: current });
        const now = readable ? await connection.read(id) : told;
        assert.ok(now, name);
        assertIs(now, current, `after ${name} became ${JSON.stringify(value)}`);
      }
    }
  });

  test('an account is switched off, switched on and changed twice alike', async () => {
    const connection = await prepared();
    const desired = someone();
    const { id } = await create(connection, desired);
    for (let round = 0; round < 2; round += 1) {
      const told = await connection.apply({ do: 'deactivate', id, desired: { ...desired, active: false } });
      const off = readable ? await connection.read(id) : told;
      assert.equal(off?.active, false);
      assertIs(off, { ...desired, active: false });
    }
    for (let round = 0; round < 2; round += 1) {
      const told = await connection.apply({ do: 'update', id, fields: ['active', 'externalId'], desired });
      assertIs((readable ? await connection.read(id) : told)!, desired);
    }
  });

  testWhere(capabilities.delete, 'an account is deleted; deleting what is gone is fine', async () => {
    const connection = await prepared();
    const { id } = await create(connection, someone());
    assert.equal(await connection.apply({ do: 'delete', id }), undefined);
    if (readable) assert.equal(await connection.read(id), undefined);
    assert.equal(await connection.apply({ do: 'delete', id }), undefined);
  });

  testWhere(readable, 'what is not there is gone, not an error of ours', async () => {
    const connection = await prepared();
    const desired = someone();
    assert.equal(await connection.read('00000000-0000-4000-8000-000000000000'), undefined);
    const id = '00000000-0000-4000-8000-000000000000';
    const name = attributes.find(({ required }) => required)!.name;
    await assert.rejects(connection.apply({ do: 'update', id, fields: [name], desired }), isStop('gone'));
    await assert.rejects(connection.apply({ do: 'deactivate', id, desired }), isStop('gone'));
  });

  test('judging sends nothing and says why', async () => {
    const connection = await prepared();
    const desired = someone();
    const before = count();
    const judgement = connection.judge(desired, undefined);
    assert.ok(['managed', 'external', 'invite', 'needs-alias'].includes(judgement.standing), judgement.why);
    const empty = connection.judge({ ...desired, attributes: {} }, undefined);
    assert.equal(empty.standing, 'impossible');
    assert.match(empty.why, /^[A-Z].*\.$/);
    assert.equal(count(), before);
  });

  testWhere(!capabilities.invite, 'invitations are refused where there are none', async () => {
    await assert.rejects(open().apply({ do: 'invite', desired: someone() }), isStop('impossible'));
  });

  test('judging needs no credentials; sending without them is refused before anything goes out', async () => {
    const connection = openFor(suite.connector, stage(), { call: neverCalled, credentials: {} });
    const desired = someone();
    assert.equal(typeof connection.judge(desired, undefined).standing, 'string');
    await assert.rejects(connection.apply({ do: 'create', desired }), isStop('credentials'));
  });
}

function lookupTests({ prepared, someone, create }: Context): void {
  test('an account is found by external id, user name and address, the strongest first', async () => {
    const connection = await prepared();
    const desired = someone();
    const made = await create(connection, desired);
    const [byId] = await connection.find(desired);
    assert.equal(byId?.account.id, made.id);
    assert.equal(byId.by, 'externalId');
    const [byName] = await connection.find({ ...desired, externalId: 'somebody-else' });
    assert.equal(byName?.account.id, made.id);
    assert.equal(byName.by, 'userName');
    assert.deepEqual(await connection.find(someone()), []);
  });

  test('quotes and backslashes in a name stay part of the name', async () => {
    const connection = await prepared();
    const desired = someone();
    await create(connection, desired);
    const trick = { ...desired.attributes, userName: '" or userName pr or userName eq "', email: null };
    const odd = { ...desired, externalId: 'x\\" or active eq true', attributes: trick };
    // A target whose own parser gives up has not been asked; what matters is that nobody else is taken for them.
    const found = await connection.find(odd).catch((error: unknown) => {
      if (isStop('impossible')(error)) return [];
      throw error;
    });
    assert.deepEqual(found, []);
  });

  test('a name or address that is taken is a clash', async () => {
    const connection = await prepared();
    const desired = someone();
    await create(connection, desired);
    await assert.rejects(
      connection.apply({ do: 'create', desired: { ...desired, externalId: 'another' } }),
      isStop('clash'),
    );
  });
}

function listTests({ suite, prepared, someone, create }: Context): void {
  test('every account is listed once, over several pages', async () => {
    const connection = await prepared(suite.small);
    const made = new Map<string, Desired>();
    for (let count = 0; count < 7; count += 1) {
      const desired = someone();
      made.set((await create(connection, desired)).id, desired);
    }
    const seen: RemoteAccount[] = [];
    let pages = 0;
    let total: number | undefined;
    for await (const page of connection.list()) {
      pages += 1;
      seen.push(...page.items);
      total = page.total ?? total;
    }
    assert.ok(pages > 1, 'several pages');
    assert.equal(new Set(seen.map(({ id }) => id)).size, seen.length, 'each once');
    if (total !== undefined) assert.equal(total, seen.length);
    for (const [id, desired] of made) assertIs(seen.find((account) => account.id === id)!, desired);
  });
}

function groupTests({ suite, prepared, someone, create }: Context): void {
  const { capabilities } = suite.connector;
  let groups = 0;
  const newGroup = () => {
    groups += 1;
    return {
      name: `Group ${groups} of ${suite.title}`,
      externalId: `group-${suite.title.replace(/\W/g, '')}-${groups}`,
    };
  };

  test('a group lives: made, found, renamed where that is possible, deleted, deleted again', async () => {
    const connection = await prepared();
    const { name, externalId } = newGroup();
    if (capabilities.find) assert.equal(await connection.findGroup(name, externalId), undefined);
    const group = await connection.applyGroup({ do: 'create-group', name, externalId });
    assert.equal(group?.name, name);
    if (capabilities.find) assert.equal((await connection.findGroup(name, externalId))?.id, group.id);
    const rename = connection.applyGroup({ do: 'rename-group', id: group.id, name: `${name} now` });
    const able = { ...capabilities, ...connection.capabilities }.renameGroup;
    if (able) await rename;
    else await assert.rejects(rename, isStop('impossible'));
    if (capabilities.find)
      assert.equal((await connection.readGroup(group.id))?.name, able ? `${name} now` : name);
    await connection.applyGroup({ do: 'delete-group', id: group.id });
    if (capabilities.find) assert.equal(await connection.readGroup(group.id), undefined);
    await connection.applyGroup({ do: 'delete-group', id: group.id });
  });

  test('members come and go in batches; adding who is there and removing who is not is fine', async () => {
    const connection = await prepared(suite.small);
    const { name, externalId } = newGroup();
    const group = await connection.applyGroup({ do: 'create-group', name, externalId });
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.push((await create(connection, someone())).id);
    const { id } = group!;
    const members = async () => (await connection.readGroup(id))?.members?.toSorted();
    await connection.applyGroup({ do: 'add-members', id, members: ids.slice(0, 4) });
    await connection.applyGroup({ do: 'add-members', id, members: ids });
    if (capabilities.find) assert.deepEqual(await members(), ids.toSorted());
    await connection.applyGroup({ do: 'remove-members', id, members: ids.slice(0, 3) });
    await connection.applyGroup({ do: 'remove-members', id, members: ids.slice(0, 4) });
    if (capabilities.find) assert.deepEqual(await members(), [ids[4]]);
    await connection.applyGroup({ do: 'remove-members', id, members: ids });
    if (capabilities.find) assert.deepEqual(await members(), []);
  });

  testWhere(capabilities.list, 'all groups are listed once', async () => {
    const connection = await prepared(suite.small);
    const wanted: string[] = [];
    for (let count = 0; count < 5; count += 1)
      wanted.push((await connection.applyGroup({ do: 'create-group', ...newGroup() }))!.id);
    const seen: string[] = [];
    for await (const { items } of connection.listGroups()) seen.push(...items.map(({ id }) => id));
    assert.equal(new Set(seen).size, seen.length);
    for (const id of wanted) assert.ok(seen.includes(id));
  });
}

function hostileTests({ suite, open, someone, stage }: Context): void {
  test('hostile answers end in Stop or Retry, tell no secret and touch nothing else', async () => {
    const secret = Object.values(stage().credentials).toSorted((one, other) => other.length - one.length)[0]!;
    for (const [what, answer] of Object.entries(hostileAnswers(secret))) {
      for (const [doing, run] of operations(someone())) {
        let calls = 0;
        const call: Call = async () => {
          calls += 1;
          assert.ok(calls < 50, `${what}, ${doing}: it does not end`);
          return responseOf(answer.status, answer.text, answer.headers);
        };
        await run(open({ call, state: undefined })).then(
          (value) => assert.ok(value === undefined || typeof value === 'object', `${what}, ${doing}`),
          (error: unknown) => {
            assert.ok(error instanceof Stop || error instanceof Retry, `${what}, ${doing}: ${String(error)}`);
            assert.ok(!error.message.includes(secret), `${what}, ${doing} tells a secret`);
            assert.ok(error.message.length < 1000, `${what}, ${doing}: a short sentence`);
            assert.doesNotMatch(error.message, /[\p{Cc}\u202e]/u);
          },
        );
      }
    }
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  const asks = suite.connector.capabilities.find;
  testWhere(asks, 'a page where an answer is due never counts as done', async () => {
    const call: Call = async () => responseOf(200, '<html><title>Maintenance</title></html>');
    for (const [doing, run] of operations(someone())) await assert.rejects(run(open({ call })), Retry, doing);
  });
}

/** A test for connectors of one kind; to the others it does not apply, and they have none of that name. */
function testWhere(applies: boolean, name: string, run: () => Promise<void>): void {
  if (applies) void test(name, run);
}

const neverCalled: Call = async () => assert.fail('nothing may be sent');

function assertIs(account: RemoteAccount, desired: Desired, when = ''): void {
  assert.equal(account.externalId, desired.externalId, when);
  assert.equal(account.active, desired.active, when);
  for (const [name, value] of Object.entries(desired.attributes)) {
    assert.deepEqual(account.attributes[name] ?? null, value, `${name} ${when}`);
  }
}

export const isStop = (code: Stop['code']) => (error: unknown) => {
  assert.ok(error instanceof Stop, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};
