import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents } from '#core/events/events.ts';
import { findPerson, isUsernameFree, listAddresses } from '#core/people/people.ts';
import { linkToken, requestVerification, useLink } from '#core/people/verifications.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import { dropUnconfirmed } from './drop.ts';
import { join } from './join.ts';

const hour = 3600_000;
const secrets = createSecrets(Buffer.alloc(32, 3));

async function stage() {
  const { database, clock } = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('schedule'), work);
  const signUp = (username: string, origin = 'sign-up') =>
    during((tx) =>
      join(tx, {
        username,
        state: 'unverified',
        origin,
        addresses: [{ address: `${username}@example.org`, primary: true, verified: false }],
      }),
    );
  const mail = (person: string) =>
    during(async (tx) => {
      const address = (await listAddresses(tx, [person]))[0]!.id;
      return requestVerification(tx, { purpose: 'sign-up', person, address });
    });
  const isThere = async (id: string) => (await during((tx) => findPerson(tx, id))) !== undefined;
  return { clock, during, signUp, mail, isThere };
}

test('a sign-up nobody confirmed goes after two days: its name is free, and the log says so without naming anyone', async () => {
  const { clock, during, signUp, mail, isThere } = await stage();
  const id = await signUp('early');
  await mail(id);
  const imported = await signUp('kept', 'ldap');
  clock.advance(48 * hour);
  assert.equal(await during(dropUnconfirmed), 0, 'not a moment too soon');
  clock.advance(1);
  assert.equal(await during(dropUnconfirmed), 1);
  assert.deepEqual([await isThere(id), await isThere(imported)], [false, true]);
  assert.ok(await during((tx) => isUsernameFree(tx, 'early')));
  const events = await during((tx) => listEvents(tx, { person: id, limit: 10 }));
  assert.deepEqual(
    events.map(({ type, data }) => [type, data]).filter(([type]) => type !== 'verification.requested'),
    [
      ['person.dropped', { origin: 'sign-up' }],
      ['person.joined', { state: 'unverified', origin: 'sign-up', username: '(erased)' }],
    ],
  );
  assert.equal(events[0]?.actor.kind, 'system');
});

test('a link that was mailed late keeps its sign-up until it ends, and still opens the account', async () => {
  const { clock, during, signUp, mail, isThere } = await stage();
  const [late, withdrawn] = [await signUp('late'), await signUp('resent')];
  clock.advance(47 * hour);
  const verification = await mail(late);
  await mail(withdrawn);
  await during((tx) =>
    tx.query('update verifications set withdrawn_at = $1 where person = $2', [tx.now(), withdrawn]),
  );
  clock.advance(23 * hour);
  assert.equal(await during(dropUnconfirmed), 1, 'a link that is dead keeps nobody');
  assert.deepEqual([await isThere(late), await isThere(withdrawn)], [true, false]);
  const used = await during((tx) => useLink(tx, secrets, linkToken(secrets, verification)));
  assert.equal(used.person, late);
  const other = await stage();
  const id = await other.signUp('never');
  other.clock.advance(47 * hour);
  await other.mail(id);
  other.clock.advance(24 * hour);
  assert.equal(await other.during(dropUnconfirmed), 1, 'once the link has ended too');
});
