import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '#config/config.ts';
import { mayRegister, readMetadata, registerApplication } from '#fronts/oidc/registrations.ts';
import { openHouse } from '#house.ts';
import { systemClock } from '#kit/clock/clock.ts';
import { openDatabase, system } from '#kit/db/database.ts';
import { runCommand } from '#test/command.ts';
import { testDatabase } from '#test/kit.ts';

const { connection, log } = await testDatabase();

const run = (...args: string[]) =>
  runCommand(
    args,
    {
      readSettings: async ({ env, given }) => loadConfig({ env, argv: given }),
      openHouse: (settings, tools) => openHouse(settings, { ...tools, connection }),
    },
    {
      env: {
        GATEHOUSE_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
        GATEHOUSE_DATA: import.meta.dirname,
      },
    },
  );

test('a token to register apps is made, listed without its value, used, and withdrawn', async () => {
  assert.match((await run('token', 'registration', 'list')).out, /There are no tokens/);
  const made = await run('token', 'registration', 'create', '--name', 'Jo', '--uses', '2');
  assert.equal(made.status, 0, made.err);
  const token = made.out.trim();
  assert.match(token, /^ghr_[A-Za-z0-9_-]{43}$/);
  const database = await openDatabase({ connection, clock: systemClock, log, poolSize: 2 });
  try {
    const asked = readMetadata({ redirect_uris: ['https://new.example.org/back'], client_name: 'New app' });
    const app = await database.transact(system(), (tx) => registerApplication(tx, token, asked));
    assert.ok(app?.secret);
    const listed = await run('token', 'registration', 'list', '--json');
    const [row] = JSON.parse(listed.out) as { id: string; usesLeft: number; name: string }[];
    assert.deepEqual([row?.name, row?.usesLeft], ['Jo', 1]);
    assert.ok(!listed.out.includes(token.slice(4)));
    assert.match((await run('apps', 'list')).out, /New app {2,}on, registered itself/);
    assert.equal((await run('token', 'registration', 'revoke', row!.id)).status, 0);
    assert.equal(await database.read(system(), (tx) => mayRegister(tx, token)), false);
    const again = await run('token', 'registration', 'revoke', row!.id);
    assert.deepEqual([again.status, /There is no such token/.test(again.err)], [1, true]);
    assert.equal((await run('token', 'registration', 'revoke', "x' or 1=1")).status, 1);
  } finally {
    await database.close();
  }
});

test('what cannot be meant is said before anything is opened', async () => {
  for (const uses of ['0', '101', '1.5', 'x']) {
    const refused = await run('token', 'registration', 'create', '--name', 'Jo', '--uses', uses);
    assert.deepEqual([refused.status, refused.err], [2, '--uses takes a whole number from 1 to 100.\n']);
  }
});
