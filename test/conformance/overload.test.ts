/** More people than the machine can hash for: told to wait, never told of a fault. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSetup, setupToken } from '#core/operators/setup.ts';
import { HashingBusy } from '#kit/crypto/passwords.ts';
import { system } from '#kit/db/database.ts';
import { startPlatform } from '#test/kit.ts';
import { addPeople, behindProxy, mailedLink, stranger } from './stage.ts';

const right = 'plum violin tractor';

test('sign-up, recovery and set-up say that it is busy while no password can be hashed, and work afterwards', async (t) => {
  const web = await startPlatform({ env: behindProxy });
  await addPeople(web, [{ username: 'anna', password: right, address: 'anna@example.org' }]);
  const asking = stranger(web);
  await asking.open('/recover');
  await asking.submit({ username: 'anna' }, '/recover');
  const link = await mailedLink(web, 'anna@example.org', '/recover/new');
  const setup = await web.database.transact(system(), openSetup);
  const names = {
    given_name: 'Bo',
    family_name: 'Ek',
    username: 'bo.ek',
    email: 'bo@example.org',
    password: right,
  };
  const forms = [
    { url: '/sign-up', action: '/sign-up', fields: names },
    { url: link, action: '/recover/new', fields: { password: 'seven lanterns float' } },
    {
      url: `/admin/setup?token=${setupToken(web.secrets, setup!)}`,
      action: '/admin/setup',
      fields: { ...names, username: 'olga', email: 'olga@example.org' },
    },
  ];
  for (const { url, action, fields } of forms) {
    const visitor = stranger(web);
    await visitor.open(url);
    const crowd = t.mock.method(web.hasher, 'hash', async () => {
      throw new HashingBusy('Too many people at once.');
    });
    const busy = await visitor.submit(fields, action);
    assert.equal(busy.status, 503, action);
    assert.match(busy.text, /Try again in a few seconds/);
    crowd.mock.restore();
    await visitor.open(url);
    const done = await visitor.submit(fields, action);
    assert.ok(done.status < 400, `${action}: ${done.status}`);
  }
});
