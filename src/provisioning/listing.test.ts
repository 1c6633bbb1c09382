import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { leave } from '#core/lifecycle/leave.ts';
import { newId } from '#kit/crypto/ids.ts';
import { type ProvisioningStage, provisioningStage } from '#test/provisioning.ts';
import { type Connector, Retry, Stop } from './connector.ts';
import { ListingOvertaken, listedGroups, listingOf, listTarget } from './listing.ts';

async function stage(t: TestContext, settings: Record<string, unknown> = {}): Promise<ProvisioningStage> {
  const made = await provisioningStage({ mode: 'plan', ...settings });
  t.after(() => made.close());
  return made;
}

function fill(s: ProvisioningStage, count: number, from = 0): void {
  for (let n = from; n < from + count; n += 1)
    s.model.accounts.set(`r${n}`, {
      id: `r${n}`,
      externalId: `e${n}`,
      active: n % 2 === 0,
      accountId: `aa${n}`,
      attributes: { userName: `User${n}`, email: `User${n}@Example.org`, displayName: `User ${n}` },
    });
}

/** Links to the first accounts, older than any listing. */
async function link(s: ProvisioningStage, count: number): Promise<string[]> {
  const people = Array.from({ length: count }, () => newId());
  await s.database.query(
    `insert into target_links (application, person, state, remote_id, account_id, external_id, remote, updated_at)
     select $1, person, 'linked', 'r' || (place - 1), 'aa' || (place - 1), 'e' || (place - 1), '{}', $3
     from unnest($2::uuid[]) with ordinality as u (person, place)`,
    [s.app, people, new Date(s.clock.now().getTime() - 3_600_000)],
  );
  return people;
}

const rows = (s: ProvisioningStage) =>
  s.database.query<Record<string, unknown>>(
    'select remote_id, external_id, user_name_key, email_key, active, stranger from target_accounts order by remote_id',
  );
const everything = async (s: ProvisioningStage) => [
  await s.database.query('select * from target_accounts order by remote_id'),
  await s.database.query('select * from target_links order by person'),
  (await s.target()).listedAt,
];
const list = async (s: ProvisioningStage, options: Parameters<typeof listTarget>[2] = {}) =>
  listTarget(s.needs, await s.target(), options);
const alarms = async (s: ProvisioningStage) =>
  (await s.timeline('target')).filter(({ kind }) => kind === 'problem').map(({ text }) => text);

test('every account and group is there after a listing, with keys to be found by; decisions about strangers stay', async (t) => {
  const s = await stage(t, { groups: 'all' });
  s.model.pageSize = 3;
  fill(s, 7);
  s.model.groups.set('g1', { id: 'g1', name: 'Éditeurs', members: [] });
  const progress: number[] = [];
  const first = await list(s, { onProgress: ({ seen }) => progress.push(seen) });
  assert.deepEqual([first.complete, first.accounts, first.groups], [true, 7, 1]);
  assert.deepEqual(progress, [3, 6, 7]);
  assert.equal(first.target.listedAt?.getTime(), s.clock.now().getTime());
  assert.deepEqual((await rows(s))[1], {
    remote_id: 'r1',
    external_id: 'e1',
    user_name_key: 'user1',
    email_key: 'user1@example.org',
    active: false,
    stranger: null,
  });
  const groups = await s.during((tx) => listedGroups(tx, s.app));
  assert.deepEqual(groups, [
    { remoteId: 'g1', name: 'Éditeurs', nameKey: 'éditeurs', externalId: undefined },
  ]);
  await s.database.query(`update target_accounts set stranger = 'ignore' where remote_id = 'r2'`);
  s.model.accounts.delete('r6');
  s.clock.advance(60_000);
  await list(s);
  const after = await rows(s);
  assert.equal(after.length, 6);
  assert.equal(after.find((row) => row.remote_id === 'r2')?.stranger, 'ignore');
  const state = await s.during((tx) => listingOf(tx, s.app));
  assert.deepEqual([state?.state, state?.seen, state?.total], ['complete', 6, 6]);
});

test('LD-04 a listing that is short, breaks off, is empty or misses a fifth of what we hold changes nothing and is told', async (t) => {
  const s = await stage(t);
  s.model.pageSize = 10;
  fill(s, 40);
  await link(s, 30);
  await list(s);
  s.clock.advance(60_000);
  const before = await everything(s);
  const unchanged = async (what: string) => {
    assert.deepEqual(await everything(s), before, what);
    assert.deepEqual(await s.database.query('select 1 from target_pages'), [], what);
    assert.deepEqual(await s.database.query('select 1 from target_plans'), [], what);
  };
  s.model.told = 41;
  assert.match((await list(s)).why ?? '', /told of 41 accounts and showed 40/);
  await unchanged('short');
  s.model.told = undefined;
  for (const fault of [new Retry('It hangs.'), new Stop('refused', 'No more.'), new Error('Nonsense.')]) {
    s.model.before = (asked) => {
      if (asked.op === 'list' && asked.page === 2) throw fault;
    };
    await assert.rejects(list(s), fault);
    await unchanged(fault.message);
    const state = await s.during((tx) => listingOf(tx, s.app));
    assert.deepEqual([state?.state, state?.why], ['failed', fault.message]);
  }
  s.model.before = undefined;
  const all = [...s.model.accounts];
  s.model.accounts.clear();
  assert.match((await list(s)).why ?? '', /no account at all; 30 are known/);
  await unchanged('empty');
  for (const [id, account] of all.slice(7)) s.model.accounts.set(id, account);
  const missing = await list(s);
  assert.deepEqual([missing.complete, missing.missing], [false, 7]);
  await unchanged('seven of thirty are missing');
  assert.equal((await alarms(s)).length, 6, 'each time somebody is told');
  assert.ok(s.lines.some((line) => line.includes('listing-doubted')));
  const accepted = await list(s, { accept: true });
  assert.deepEqual([accepted.complete, accepted.accounts], [true, 33]);
  assert.equal((await rows(s)).length, 33);
});

test('a few who are missing are no alarm', async (t) => {
  const s = await stage(t);
  fill(s, 40);
  await link(s, 6);
  for (const id of ['r0', 'r1', 'r2', 'r3']) s.model.accounts.delete(id);
  assert.equal((await list(s)).complete, true);
});

test('of two listings at once the later one counts, and it is whole', async (t) => {
  const s = await stage(t);
  s.model.pageSize = 5;
  fill(s, 20);
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  s.model.before = async (asked) => {
    if (asked.op !== 'list' || asked.page !== 2) return;
    reached.resolve();
    await go.promise;
  };
  const first = list(s);
  await reached.promise;
  s.model.before = undefined;
  s.model.accounts.delete('r0');
  const second = await list(s);
  go.resolve();
  await assert.rejects(first, ListingOvertaken);
  assert.deepEqual([second.complete, second.accounts], [true, 19]);
  assert.equal((await rows(s)).length, 19);
  assert.equal((await s.during((tx) => listingOf(tx, s.app)))?.state, 'complete');
});

test('twenty listings side by side end in one whole listing', async (t) => {
  const s = await stage(t);
  s.model.pageSize = 4;
  fill(s, 30);
  const ends = await Promise.allSettled(Array.from({ length: 20 }, () => list(s)));
  const failed = ends.filter((end) => end.status === 'rejected');
  for (const end of failed) assert.ok(end.reason instanceof ListingOvertaken, String(end.reason));
  assert.ok(failed.length < 20, 'the last one to begin is overtaken by nobody');
  assert.equal((await rows(s)).length, 30);
  assert.deepEqual(await s.database.query('select 1 from target_pages'), []);
});

test('a link learns what was seen; an account behind the record that is lost is told once', async (t) => {
  const s = await stage(t);
  fill(s, 4);
  const [one, two, three] = (await link(s, 3)) as [string, string, string];
  delete s.model.accounts.get('r0')!.accountId;
  s.model.accounts.get('r1')!.accountId = 'other';
  await s.database.query(`update target_links set updated_at = $2 where person = $1`, [
    three,
    new Date(s.clock.now().getTime() + 1000),
  ]);
  await list(s);
  await list(s);
  const first = await s.link(one);
  assert.deepEqual([first?.accountId, first?.remoteActive], ['aa0', true]);
  assert.match(first?.problem ?? '', /\(aa0\) is not linked to it any more/);
  const second = await s.link(two);
  assert.deepEqual([second?.accountId, second?.remoteActive], ['other', false]);
  assert.deepEqual(second?.inactiveSince, s.clock.now());
  assert.deepEqual((await s.link(three))?.remote, {}, 'what was pushed since is newer than the listing');
  for (const person of [one, two]) {
    const told = (await s.timeline(`person:${person}`)).filter(({ kind }) => kind === 'problem');
    assert.equal(told.length, 1);
  }
});

test('of an erased person nothing comes back with the next listing', async (t) => {
  const s = await stage(t);
  const running = await s.start();
  await s.save({ mode: 'automatic' });
  const ada = await s.person('ada');
  await running.settle();
  s.clock.advance(60_000);
  await list(s);
  assert.equal((await rows(s))[0]?.user_name_key, 'ada');
  await s.during((tx) => leave(tx, ada, 'erased'));
  await running.settle();
  s.clock.advance(60_000);
  assert.equal((await list(s)).accounts, 1, 'the account there is only switched off');
  const kept = JSON.stringify([
    await s.database.query('select * from target_accounts'),
    await s.database.query('select * from target_links'),
    await s.database.query('select * from target_plans'),
    await s.database.query('select * from target_pages'),
  ]);
  assert.doesNotMatch(kept, /(?<![0-9a-f-])ada(?![0-9a-f-])/i);
  assert.equal([...s.model.accounts.values()][0]?.active, false);
});

test('text no database keeps does no harm', async (t) => {
  const s = await stage(t);
  s.model.accounts.set('x\0', {
    id: 'x\0',
    active: true,
    attributes: { userName: 'a\0b', email: 'c\ud800', displayName: null, tags: ['\0', 'ok'] as string[] },
  });
  s.model.accounts.set('__proto__', { id: '__proto__', active: true, attributes: {} });
  assert.equal((await list(s)).accounts, 2);
  assert.deepEqual(
    (await rows(s)).map((row) => [row.remote_id, row.user_name_key, row.email_key]),
    [
      ['__proto__', null, null],
      ['x\ufffd', 'a\ufffdb', 'c\ufffd'],
    ],
  );
});

test('a page that has to wait is asked for again; a long wait ends the listing and is passed on', async (t) => {
  const s = await stage(t);
  let wait = '1';
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (asked === 2) response.writeHead(429, { 'retry-after': wait });
    response.end('[]');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const connectors = s.needs.connectors as Map<string, Connector>;
  connectors.set('model', {
    ...s.model.connector,
    open: (opening) => ({
      ...s.model.connector.open(opening),
      async *list() {
        for (const id of ['r1', 'r2', 'r3']) {
          await opening.call({ method: 'GET', url });
          yield { items: [{ id, active: true, attributes: {} }], total: 3 };
        }
      },
    }),
  });
  const listing = await list(s);
  assert.deepEqual([listing.complete, listing.accounts, asked], [true, 3, 4]);
  asked = 0;
  wait = '600';
  await assert.rejects(list(s), (error: unknown) => {
    assert.ok(error instanceof Retry && error.kind === 'rate');
    assert.ok((error.afterSeconds ?? 0) >= 600);
    return true;
  });
  assert.equal((await rows(s)).length, 3);
});

/** A listing whose process is killed when it asks for this page: it never hears an answer, and leaves what it kept. */
async function killedAt(s: ProvisioningStage, page: number): Promise<void> {
  const reached = Promise.withResolvers<void>();
  s.model.before = (asked) => {
    if (asked.op !== 'list' || asked.page !== page) return;
    reached.resolve();
    return new Promise(() => undefined);
  };
  void list(s).catch(() => undefined);
  await reached.promise;
  s.model.before = undefined;
  s.model.asked.length = 0;
}
const pagesAsked = (s: ProvisioningStage) =>
  s.model.asked.flatMap((asked) => (asked.op === 'list' ? [asked.page] : []));

test('a listing that was killed goes on where it was, and speaks of the time it began', async (t) => {
  const s = await stage(t);
  s.model.pageSize = 5;
  fill(s, 23);
  await link(s, 23);
  const began = s.clock.now();
  await killedAt(s, 3);
  s.clock.advance(20 * 60_000);
  const whole = await list(s, { resume: true });
  assert.deepEqual(pagesAsked(s), [2, 3, 4, 5], 'the last page that was kept is looked at again');
  assert.deepEqual([whole.complete, whole.accounts, whole.missing], [true, 23, 0]);
  assert.deepEqual(whole.target.listedAt, began);
  assert.equal((await rows(s)).length, 23);
  const state = await s.during((tx) => listingOf(tx, s.app));
  assert.deepEqual([state?.state, state?.seen, state?.place], ['complete', 23, undefined]);
});

test('what was killed too long ago, has moved since, or is of other settings begins anew', async (t) => {
  const s = await stage(t);
  s.model.pageSize = 5;
  const again = async (
    change: () => unknown,
    options: Parameters<typeof listTarget>[2] = { resume: true },
  ) => {
    s.model.accounts.clear();
    fill(s, 23);
    await killedAt(s, 3);
    await change();
    const whole = await list(s, options);
    assert.equal(whole.complete, true, whole.why);
    assert.deepEqual(whole.target.listedAt, s.clock.now());
    assert.deepEqual(
      (await rows(s)).map(({ remote_id }) => remote_id).sort(),
      [...s.model.accounts.keys()].sort(),
    );
    return pagesAsked(s);
  };
  const all = [0, 1, 2, 3, 4, 5];
  assert.deepEqual(await again(() => s.clock.advance(61 * 60_000)), all, 'too old');
  assert.deepEqual(await again(() => s.model.accounts.delete('r0')), [2, ...all.slice(0, 5), 5], 'moved');
  const added = () => fill(s, 1, 90);
  assert.deepEqual(await again(added), [2, ...all], 'more of them');
  assert.deepEqual(await again(() => s.save({ sweepHours: 3 })), all, 'other settings');
  assert.deepEqual(await again(() => undefined, {}), all, 'wanted anew');
});

test('a listing that is stopped with its process leaves what it has to the next one', async (t) => {
  const s = await stage(t);
  s.model.pageSize = 5;
  fill(s, 23);
  const stop = new AbortController();
  s.model.after = (asked) => {
    if (asked.op === 'list' && asked.page === 3) stop.abort(new Error('The process ends.'));
  };
  await assert.rejects(list(s, { signal: stop.signal }), /The process ends/);
  s.model.after = undefined;
  assert.equal((await s.during((tx) => listingOf(tx, s.app)))?.state, 'failed');
  s.model.asked.length = 0;
  assert.equal((await list(s, { resume: true })).accounts, 23);
  assert.deepEqual(pagesAsked(s), [2, 3, 4, 5]);
});
