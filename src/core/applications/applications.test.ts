import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Problem } from '#core/problem.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type TestDatabase, testDatabase } from '#test/kit.ts';
import {
  type ApplicationSettings,
  applicationSettings,
  findApplication,
  fixSubjects,
  requireApplication,
  saveApplication,
} from './applications.ts';

const settings = (more: Partial<ApplicationSettings> = {}) =>
  applicationSettings.parse({ title: 'Wiki', ...more });

async function withWiki(): Promise<TestDatabase> {
  const home = await testDatabase();
  await change(home, (tx) => saveApplication(tx, 'wiki', settings()));
  return home;
}

function change<T>({ database }: TestDatabase, work: (tx: Tx) => Promise<T>): Promise<T> {
  return database.transact(system('admin'), work);
}

/** Until somebody stands before a row that is held. */
async function someoneWaits({ database }: TestDatabase): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if ((await database.query('select 1 from pg_locks where not granted')).length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail('nobody waits');
}

const conflict = (error: unknown) => error instanceof Problem && error.code === 'conflict';

test('two saves at once take turns: the second sees what the first has made of it', async () => {
  const home = await withWiki();
  let second: Promise<string[]> | undefined;
  await change(home, async (tx) => {
    await saveApplication(tx, 'wiki', settings({ title: 'Pages' }));
    second = change(home, (other) =>
      saveApplication(other, 'wiki', settings({ title: 'Pages', url: 'https://a.example' })),
    );
    await someoneWaits(home);
  });
  assert.deepEqual(await second, ['url'], 'only what it changed itself');
});

test('a first sign-in in the moment of a save keeps the kind of subject it was made under', async () => {
  const home = await withWiki();
  let save: Promise<string[]> | undefined;
  await change(home, async (tx) => {
    await fixSubjects(tx, await requireApplication(tx, 'wiki'));
    save = change(home, (other) => saveApplication(other, 'wiki', settings({ subject: 'public' })));
    // Awaited below; it must not count as unhandled before.
    save.catch(() => undefined);
    await someoneWaits(home);
  });
  await assert.rejects(save!, conflict);
  assert.equal((await change(home, (tx) => findApplication(tx, 'wiki')))?.settings.subject, 'pairwise');
});

test('a save in the moment of a first sign-in: no subject of a kind the app has no more is fixed', async () => {
  const home = await withWiki();
  const asRead = await change(home, (tx) => requireApplication(tx, 'wiki'));
  let signIn: Promise<void> | undefined;
  await change(home, async (tx) => {
    await saveApplication(tx, 'wiki', settings({ subject: 'public' }));
    signIn = change(home, (other) => fixSubjects(other, asRead));
    signIn.catch(() => undefined);
    await someoneWaits(home);
  });
  await assert.rejects(signIn!, conflict);
  await change(home, async (tx) => fixSubjects(tx, await requireApplication(tx, 'wiki')));
  await change(home, async (tx) => fixSubjects(tx, await requireApplication(tx, 'wiki')));
  await assert.rejects(
    change(home, (tx) => saveApplication(tx, 'wiki', settings())),
    conflict,
  );
});

test('of two who add the same app at once one is told of the other', async () => {
  const home = await testDatabase();
  let second: Promise<string[]> | undefined;
  await change(home, async (tx) => {
    assert.deepEqual(await saveApplication(tx, 'wiki', settings()), ['added']);
    second = change(home, (other) => saveApplication(other, 'wiki', settings({ title: 'Other' })));
    second.catch(() => undefined);
    await someoneWaits(home);
  });
  await assert.rejects(second!, conflict);
});
