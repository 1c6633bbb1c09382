import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { addGroup } from '#core/groups/groups.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { changeNames } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { enqueueAll } from '#kit/queue/queue.ts';
import { inTheEnd } from '#test/eventually.ts';
import { type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';
import { approve, countProposals, proposals, refuse } from './approval.ts';
import { subjectJob } from './intake.ts';
import { writeLink } from './links.store.ts';
import { listTarget } from './listing.ts';
import { planOne, previewMapping } from './preview.ts';
import { type PersonVerdict, planTarget, streamPlan } from './reconcile.ts';
import { setMode } from './targets.ts';

type Stage = ProvisioningStage & {
  known(username: string, origin?: string): Promise<string>;
  listed(): Promise<Awaited<ReturnType<ProvisioningStage['target']>>>;
};

async function stage(
  t: TestContext,
  settings: Record<string, unknown> = {},
  given: Parameters<typeof provisioningStage>[1] = {},
): Promise<Stage> {
  const made = await provisioningStage({ mode: 'plan', ...settings }, given);
  t.after(() => made.close());
  return {
    ...made,
    /** Somebody who came before anybody watched. */
    async known(username, origin = 'sign-up') {
      const addresses = [{ address: `${username}@example.org`, primary: true, verified: true }];
      const joiner = { username, givenName: username, familyName: 'Test', origin, addresses };
      const person = await made.during((tx) => join(tx, { ...joiner, state: 'active' }));
      await made.database.query(
        `update event_cursors set xid = pg_snapshot_xmax(pg_current_snapshot()) where reader = 'provisioning'`,
      );
      return person;
    },
    async listed() {
      made.clock.advance(60_000);
      return (await listTarget(made.needs, await made.target())).target;
    },
  };
}

const attributes = (username: string) => ({
  userName: username,
  email: `${username}@example.org`,
  displayName: `${username} Test`,
});

function there(s: Stage, id: string, more: object = {}, externalId?: string): void {
  const account = { id, active: true, attributes: { ...attributes(id), ...more } };
  s.model.accounts.set(id, externalId === undefined ? account : { ...account, externalId });
}

/** An account there that is this person's, as it should be but for `more`. */
async function linked(s: Stage, username: string, more: object = {}): Promise<string> {
  const person = await s.known(username);
  there(s, username, more, `e-${username}`);
  await s.during((tx) =>
    writeLink(tx, {
      application: s.app,
      person,
      externalId: `e-${username}`,
      account: s.model.accounts.get(username)!,
    }),
  );
  return person;
}

async function verdictsOf(s: Stage): Promise<Map<string, PersonVerdict>> {
  const all = new Map<string, PersonVerdict>();
  for await (const one of streamPlan(s.needs, await s.target())) all.set(one.username ?? one.person, one);
  return all;
}

const planAll = async (s: Stage, options: Parameters<typeof planTarget>[2] = {}) =>
  planTarget(s.needs, await s.target(), options);

test('everyone has a verdict and a sentence, and it is the one a push comes to', async (t) => {
  const s = await stage(t);
  await s.known('newcomer');
  await s.known('adopted');
  there(s, 'adopted', { displayName: 'Other' });
  await linked(s, 'equal');
  await linked(s, 'differs', { displayName: 'Old' });
  const off = await linked(s, 'off');
  s.model.accounts.get('off')!.active = false;
  const gone = await linked(s, 'leaver');
  await s.during((tx) => leave(tx, gone, 'left'));
  await s.known('taken');
  there(s, 'thief', { userName: 'taken' }, 'e-equal');
  const remade = await linked(s, 'remade');
  s.model.accounts.delete('remade');
  there(s, 'remade2', { userName: 'remade', email: 'remade@example.org' });
  const unknown = await s.known('nobody');
  await s.during((tx) => leave(tx, unknown, 'spam'));
  await s.listed();
  const plan = await planAll(s);
  const found = await verdictsOf(s);
  const short = Object.fromEntries([...found].map(([name, { verdict }]) => [name, verdict]));
  assert.deepEqual(short, {
    newcomer: 'create',
    adopted: 'link',
    equal: 'unchanged',
    differs: 'update',
    off: 'reactivate',
    leaver: 'deactivate',
    taken: 'disputed',
    remade: 'link',
  });
  assert.deepEqual([plan.people, plan.outside], [8, 1]);
  assert.equal(plan.totals.link, 2);
  assert.equal(plan.writes, 6);
  assert.equal(plan.strangers.undecided, 3);
  for (const one of found.values()) {
    assert.match(one.why, /\.$/);
    assert.equal((await planOne(s.needs, await s.target(), one.person)).verdict, one.verdict, one.username);
  }
  assert.deepEqual(found.get('differs')?.fields, [{ name: 'displayName', was: 'Old', will: 'differs Test' }]);
  assert.ok((await s.link(found.get('equal')!.person))?.equalAt, 'what was seen equal is remembered');
  assert.equal((await s.link(off))?.equalAt, undefined);
  assert.ok(remade);
});

test('a name or address of another account there is a refusal that is foreseen', async (t) => {
  const s = await stage(t);
  await linked(s, 'ada', { userName: 'old-ada' });
  await linked(s, 'bob', { email: 'old@example.org' });
  there(s, 'x', { userName: 'ADA', email: 'x@example.org' });
  there(s, 'y', { userName: 'y', email: 'Bob@example.org' });
  await s.listed();
  await planAll(s);
  const found = await verdictsOf(s);
  for (const [name, word] of [
    ['ada', 'user name'],
    ['bob', 'address'],
  ] as const) {
    const one = found.get(name)!;
    assert.equal(one.verdict, 'refused');
    assert.match(one.why, new RegExp(`The ${word} belongs to another account there`));
    assert.deepEqual([one.steps, one.outlook], [[], 'waits']);
    assert.equal((await s.plan(`person:${one.person}`))?.verdict, 'refused');
  }
  assert.equal(await s.during((tx) => approve(tx, s.app, { all: true })), 0, 'there is nothing to approve');
});

test('a target that was never listed is not planned; one that cannot be listed is, from what is remembered', async (t) => {
  const s = await stage(t);
  await s.known('ada');
  await assert.rejects(planAll(s), (error) => error instanceof Problem && error.code === 'conflict');
  const deaf = await stage(t, {}, { capabilities: { list: false, find: false } });
  await deaf.known('ada');
  await linked(deaf, 'bob');
  const plan = await planAll(deaf);
  assert.deepEqual([plan.totals.create, plan.totals.unchanged], [1, 1]);
});

test('the time is that of the requests at the rate of the target; the listing stands apart', async (t) => {
  const s = await stage(t, { limits: { perMinute: 180, burst: 20 } });
  for (let n = 0; n < 60; n += 1) await s.known(`p${n}`);
  await s.listed();
  const plan = await planAll(s);
  assert.deepEqual([plan.writes, plan.calls], [60, 180]);
  assert.equal(plan.seconds, Math.ceil((160 * 60) / (180 * 0.985)));
  assert.equal(plan.listing?.state, 'complete');
});

test('a no stays while the plan is the same; another plan is proposed anew; what became equal is forgotten', async (t) => {
  const s = await stage(t);
  const ada = await s.known('ada');
  const subject = `person:${ada}`;
  await s.listed();
  await planAll(s);
  assert.equal((await s.plan(subject))?.state, 'proposed');
  assert.equal(await s.during((tx) => refuse(tx, s.app, { subjects: [subject] })), 1);
  await planAll(s, { send: true });
  assert.equal((await s.plan(subject))?.state, 'refused');
  assert.equal((await verdictsOf(s)).get('ada')?.outlook, 'left');
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Countess' }));
  await planAll(s);
  assert.equal((await s.plan(subject))?.state, 'proposed');
  there(s, 'ada', { displayName: 'Countess' });
  s.model.accounts.get('ada')!.externalId = (await verdictsOf(s)).get('ada')!.person;
  await s.listed();
  await planAll(s);
  assert.equal((await s.plan(subject))?.verdict, 'link');
  await s.during((tx) => leave(tx, ada, 'spam'));
  await planAll(s);
  const left = await s.plan(subject);
  assert.equal(left, undefined, 'nothing is wanted for spam, nothing waits');
});

test('what is approved is sent exactly so; approved at the same time by many it is decided and sent once', async (t) => {
  const s = await stage(t);
  const people: string[] = [];
  for (let n = 0; n < 25; n += 1) people.push(await s.known(`p${n}`));
  await s.listed();
  await planAll(s);
  const counts = await Promise.all(
    Array.from({ length: 6 }, () => s.during((tx) => approve(tx, s.app, { verdicts: ['create'] }))),
  );
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    25,
  );
  const running = await s.start();
  await running.settle();
  assert.equal(s.model.accounts.size, 25);
  assert.equal(s.model.done.length, 25);
  assert.deepEqual(await s.during((tx) => countProposals(tx, s.app)), []);
  const kinds = (await s.timeline(`person:${people[0]}`)).map(({ kind }) => kind).reverse();
  assert.deepEqual(kinds, ['proposed', 'approved', 'settled']);
});

test('everyone is approved while the whole target is planned again: neither waits for what the other holds', async (t) => {
  const s = await stage(t);
  // Planned by name, decided by id: the two orders are the reverse of each other.
  const people: string[] = [];
  for (const name of ['f', 'e', 'd', 'c', 'b', 'a']) people.push(await s.known(`p${name}`));
  await s.listed();
  await planAll(s);
  const once: Stage['database'] = {
    ...s.database,
    transact: (context, work, options) => s.database.transact(context, work, { ...options, retries: 0 }),
  };
  const waiting = async (count: number) => {
    const found = await s.database.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return found.length >= count;
  };
  const [, , middle] = people.toSorted();
  const both: Promise<unknown>[] = [];
  await s.during(async (tx) => {
    await tx.query('select 1 from target_plans where subject = $1 for update', [`person:${middle}`]);
    const { actor, cause, requestId } = tx;
    both.push(once.transact({ actor, cause, requestId }, (other) => approve(other, s.app, { all: true })));
    await inTheEnd(() => waiting(1));
    both.push(planTarget({ ...s.needs, database: once }, await s.target()));
    await inTheEnd(() => waiting(2));
  });
  await Promise.all(both);
  assert.deepEqual(await s.during((tx) => countProposals(tx, s.app)), [
    { state: 'approved', verdict: 'create', count: 6 },
  ]);
});

test('a plan that changed since it was approved is proposed anew; one that changed since it was shown is not approved', async (t) => {
  const s = await stage(t);
  const ada = await s.known('ada');
  const bob = await s.known('bob');
  await s.listed();
  await planAll(s);
  const shown = await s.during((tx) => proposals(tx, s.app));
  const digests = Object.fromEntries(shown.map(({ subject, digest }) => [subject, digest]));
  await s.during((tx) => changeNames(tx, bob, { displayName: 'Robert' }));
  await planAll(s);
  assert.equal(await s.during((tx) => approve(tx, s.app, { all: true, digests })), 1, 'only what was shown');
  await s.during((tx) => changeNames(tx, ada, { displayName: 'Countess' }));
  const running = await s.start();
  await running.settle();
  assert.equal(s.model.accounts.size, 0);
  for (const person of [ada, bob]) assert.equal((await s.plan(`person:${person}`))?.state, 'proposed');
  await assert.rejects(
    s.during((tx) => approve(tx, s.app, {})),
    (error) => error instanceof Problem && error.code === 'input-malformed',
  );
  await s.during((tx) => setMode(tx, s.app, 'observe'));
  await assert.rejects(
    s.during((tx) => approve(tx, s.app, { all: true })),
    (error) => error instanceof Problem && error.code === 'conflict',
  );
});

test('in automatic mode differences go by themselves; whoever was imported waits for a yes', async (t) => {
  const s = await stage(t, { mode: 'automatic' });
  const ada = await s.known('ada');
  const imported = await s.known('imported', 'old-directory');
  await linked(s, 'bob', { displayName: 'Old' });
  await s.listed();
  const shown = await planAll(s);
  assert.equal(shown.sent, 0, 'a look sends nothing');
  assert.equal(await s.plan(`person:${ada}`), undefined, 'what goes by itself is not proposed');
  const plan = await planAll(s, { send: true });
  assert.equal(plan.sent, 2);
  const running = await s.start();
  await running.settle();
  assert.equal(s.model.byUserName('ada').length, 1);
  assert.equal(s.model.accounts.get('bob')?.attributes.displayName, 'bob Test');
  assert.equal(s.model.byUserName('imported').length, 0);
  assert.equal((await s.plan(`person:${imported}`))?.state, 'proposed');
  await s.listed();
  await planAll(s, { send: true });
  await running.settle();
  assert.equal(s.model.byUserName('imported').length, 0, 'nor the next time');
  assert.equal(await s.during((tx) => approve(tx, s.app, { all: true })), 1);
  await running.settle();
  assert.equal(s.model.byUserName('imported').length, 1);
});

test('planning while everything is being pushed: nobody twice, and nothing stays proposed that is done', async (t) => {
  const s = await stage(t);
  const people: string[] = [];
  for (let n = 0; n < 60; n += 1) people.push(await s.known(`p${n}`));
  await s.listed();
  await planAll(s);
  await s.during((tx) => approve(tx, s.app, { all: true }));
  let turn = 0;
  s.model.after = async () => {
    turn += 1;
    await new Promise((resolve) => setTimeout(resolve, turn % 8));
  };
  const running = await s.start();
  let pushing = true;
  const pushed = running.settle().then(() => {
    pushing = false;
  });
  let plans = 0;
  while (pushing) {
    await Promise.all([planAll(s, { send: true }), planAll(s)]);
    plans += 1;
  }
  await pushed;
  await running.settle();
  assert.ok(plans > 1);
  assert.equal(s.model.accounts.size, 60);
  assert.equal(s.model.done.filter((step) => step.do === 'create').length, 60);
  assert.deepEqual(await s.during((tx) => countProposals(tx, s.app)), []);
  await s.listed();
  assert.equal((await planAll(s)).totals.unchanged, 60);
  await s.during((tx) =>
    enqueueAll(
      tx,
      people.map((person) => subjectJob(s.app, `person:${person}`, { cause: 'sweep' })),
    ),
  );
  await running.settle();
  assert.equal(s.model.done.length, 60);
});

test('groups there: made, found, renamed, disputed', async (t) => {
  const s = await stage(t, { groups: ['Editors', 'Readers', 'Board'] });
  for (const name of ['Editors', 'Readers', 'Board', 'Others'])
    await s.during((tx) => addGroup(tx, { name, origin: 'test' }));
  s.model.groups.set('g1', { id: 'g1', name: 'EDITORS', members: [] });
  s.model.groups.set('g2', { id: 'g2', name: 'board', members: [] });
  s.model.groups.set('g3', { id: 'g3', name: 'Board', members: [] });
  await s.listed();
  const { groups } = await planAll(s);
  assert.deepEqual(
    groups.map(({ name, verdict }) => [name, verdict]),
    [
      ['Board', 'disputed'],
      ['Editors', 'link'],
      ['Readers', 'create'],
    ],
  );
});

test('a mapping is tried on one person: values, or what is wrong and where; nothing is saved', async (t) => {
  const s = await stage(t);
  const ada = await s.known('ada');
  const target = await s.target();
  const good = await previewMapping(s.needs, target, { title: '"Dr. " + username' }, ada);
  assert.deepEqual(good.attributes, { ...attributes('ada'), title: 'Dr. ada' });
  assert.deepEqual([good.faults, good.judgement?.standing, good.standing], [[], 'managed', '']);
  const bad = await previewMapping(
    s.needs,
    target,
    { title: 'username + nosuch', hat: '"x"', userName: '' },
    ada,
  );
  assert.deepEqual(
    bad.faults.map(({ attribute, position }) => [attribute, position]),
    [
      ['hat', 0],
      ['userName', 0],
      ['title', 11],
    ],
  );
  assert.equal(bad.attributes.email, 'ada@example.org', 'what is right is shown');
  assert.equal(bad.judgement, undefined);
  assert.deepEqual((await s.target()).settings.mapping, {});
});
