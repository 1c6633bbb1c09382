import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDeclared } from '#declared/declared.ts';
import { startPlatform } from '#test/kit.ts';
import { createPlaces } from './places.ts';

test('many at once on two nodes: exactly as many get a place as there are, and what is counted is what was given', async () => {
  const platform = await startPlatform();
  const context = { actor: { kind: 'system' as const }, cause: 'apply' as const, requestId: 'test' };
  await applyDeclared(
    { ...platform, context },
    {
      text: `
applications: [{ id: jira, title: Jira }, { id: wiki, title: Wiki }]
people: [${['ada', 'bob', 'eve'].map((name) => `{ username: ${name}, names: { givenName: ${name} } }`).join(', ')}]
`,
    },
  );
  const { database, clock } = platform;
  const people = await database.query<{ id: string }>('select id from people order by username');
  const nodes = [createPlaces(database), createPlaces(database)];
  const limits = { jira: { perPerson: 10, perApp: 25 }, wiki: { perPerson: 30, perApp: 1000 } };
  const asked = Array.from({ length: 240 }, (_, n) => {
    const application = n % 4 === 0 ? ('wiki' as const) : ('jira' as const);
    const place = { at: clock.now(), application, person: people[n % 3]!.id, ...limits[application] };
    return { place, answer: nodes[n % 2]!.take(place) };
  });
  const got = new Map<string, number>();
  for (const { place, answer } of asked) {
    const full = await answer;
    for (const key of full ? [] : [place.application, `${place.application} ${place.person}`])
      got.set(key, (got.get(key) ?? 0) + 1);
  }
  assert.equal(got.get('jira'), 25, 'the app has no more');
  assert.equal(got.get('wiki'), 60, 'all of them have room');
  for (const { id } of people) assert.ok((got.get(`jira ${id}`) ?? 0) <= 10);
  const counted = await database.query<{ key: string; used: number }>(
    `select concat_ws(' ', application, person) as key, used from relay_budgets where used > 0`,
  );
  assert.deepEqual(new Map(counted.map(({ key, used }) => [key, used])), got);
  await Promise.all(
    asked.slice(0, 12).map(({ place }) => nodes[0]!.giveBack({ ...place, application: 'wiki' })),
  );
  const [left] = await database.query<{ used: number }>(
    `select used from relay_budgets where application = 'wiki' and person is null`,
  );
  assert.equal(left?.used, 48);
});
