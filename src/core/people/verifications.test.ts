import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { listEvents } from '#core/events/store.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '../../../test/kit.ts';
import { addAddress, formerAddress, makePrimary, removeAddress, verifyAddress } from './people.ts';
import { insertPeople } from './store.ts';
import {
  codeOf,
  findVerification,
  linkToken,
  openVerifications,
  peekLink,
  pretendVerification,
  requestVerification,
  useCode,
  useLink,
  withdrawVerifications,
} from './verifications.ts';

const secrets = createSecrets(Buffer.alloc(32, 3));
const minutes = (count: number) => count * 60_000;
const refused = (code: string) => (error: { code?: string }) => error.code === code;

async function stage(options: { poolSize?: number } = {}) {
  const home = await testDatabase(options);
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('request'), work);
  const join = (address: string) =>
    during(async (tx) => {
      const id = newId();
      const names = { username: id, usernameKey: id, givenName: '', familyName: '', displayName: id };
      await insertPeople(tx, [{ id, ...names, state: 'unverified', origin: 'test' }]);
      return { person: id, address: (await addAddress(tx, id, address)).id };
    });
  return { ...home, during, join };
}

test('AU-12 mail codes last 10 minutes, recovery links 60 minutes, address checks 24 hours', async () => {
  const { clock, during, join } = await stage();
  const anna = await join('anna@example.org');
  const start = clock.now().getTime();
  const ends = async (purpose: 'sign-up' | 'address' | 'recovery') => {
    const one = await during((tx) => requestVerification(tx, { purpose, ...anna }));
    return [one.codeExpiresAt && one.codeExpiresAt.getTime() - start, one.expiresAt.getTime() - start];
  };
  assert.deepEqual(await ends('sign-up'), [minutes(10), minutes(24 * 60)]);
  assert.deepEqual(await ends('address'), [minutes(10), minutes(24 * 60)]);
  await during((tx) => verifyAddress(tx, anna.person, anna.address));
  assert.deepEqual(await ends('recovery'), [undefined, minutes(60)]);

  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  clock.advance(minutes(10));
  assert.deepEqual(await during((tx) => useCode(tx, secrets, link.id, codeOf(secrets, link))), {
    refused: 'code-expired',
  });
  clock.advance(minutes(24 * 60 - 10) - 1);
  assert.equal((await during((tx) => peekLink(tx, secrets, linkToken(secrets, link)))).id, link.id);
  clock.advance(1);
  await assert.rejects(
    during((tx) => peekLink(tx, secrets, linkToken(secrets, link))),
    refused('link-expired'),
  );
  await assert.rejects(
    during((tx) => useLink(tx, secrets, linkToken(secrets, link))),
    refused('link-expired'),
  );
});

test('AU-12 a link looked at stays good, and one that was used is dead for both doors', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna, browser: 'b1' }));
  const token = linkToken(secrets, link);
  assert.match(token, /^[A-Za-z0-9_-]{48}$/);
  for (let look = 0; look < 3; look++) await during((tx) => peekLink(tx, secrets, token));
  const used = await during((tx) => useLink(tx, secrets, token));
  assert.deepEqual(
    [used.person, used.address, used.browser, used.purpose],
    [anna.person, anna.address, 'b1', 'sign-up'],
  );
  await assert.rejects(
    during((tx) => useLink(tx, secrets, token)),
    refused('link-used'),
  );
  await assert.rejects(
    during((tx) => peekLink(tx, secrets, token)),
    refused('link-used'),
  );
  assert.deepEqual(await during((tx) => useCode(tx, secrets, link.id, codeOf(secrets, link))), {
    refused: 'link-used',
  });
});

test('AU-12 of 50 who use a link at once one wins; the same for a code', async () => {
  const { during, join } = await stage({ poolSize: 12 });
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const token = linkToken(secrets, link);
  const links = await Promise.allSettled(
    Array.from({ length: 50 }, () => during((tx) => useLink(tx, secrets, token))),
  );
  assert.equal(links.filter((one) => one.status === 'fulfilled').length, 1);
  const lost = links.filter((one) => one.status === 'rejected').map((one) => one.reason.code);
  assert.deepEqual([...new Set(lost)], ['link-used']);

  const coded = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const codes = await Promise.all(
    Array.from({ length: 50 }, () => during((tx) => useCode(tx, secrets, coded.id, codeOf(secrets, coded)))),
  );
  assert.equal(codes.filter((one) => 'used' in one).length, 1);
});

test('AU-10 five wrong codes and no more, also when they come at once; the link stays good', async () => {
  const { during, join } = await stage({ poolSize: 12 });
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const code = codeOf(secrets, link);
  const wrong = code === '000000' ? '000001' : '000000';
  const guesses = await Promise.all(
    Array.from({ length: 20 }, () => during((tx) => useCode(tx, secrets, link.id, wrong))),
  );
  const answers = guesses.map((one) => 'refused' in one && one.refused);
  assert.equal(answers.filter((answer) => answer === 'code-wrong').length, 5);
  assert.equal(answers.filter((answer) => answer === 'code-expired').length, 15);
  assert.deepEqual(await during((tx) => useCode(tx, secrets, link.id, code)), { refused: 'code-expired' });
  assert.equal((await during((tx) => findVerification(tx, link.id)))?.attempts, 5);
  await during((tx) => useLink(tx, secrets, linkToken(secrets, link)));
});

test('a code may be typed with spaces; recovery has none; an unknown one is wrong', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const code = codeOf(secrets, link);
  assert.match(code, /^\d{6}$/);
  const spaced = ` ${code.slice(0, 3)} ${code.slice(3)}`;
  assert.ok('used' in (await during((tx) => useCode(tx, secrets, link.id, spaced))));
  await during((tx) => verifyAddress(tx, anna.person, anna.address));
  const recovery = await during((tx) => requestVerification(tx, { purpose: 'recovery', ...anna }));
  const outcome = await during((tx) => useCode(tx, secrets, recovery.id, codeOf(secrets, recovery)));
  assert.deepEqual(outcome, { refused: 'code-expired' });
  for (const id of [newId(), 'no id', ''])
    assert.deepEqual(await during((tx) => useCode(tx, secrets, id, '123456')), { refused: 'code-wrong' });
});

test('codes are spread evenly over all six digits', () => {
  const firsts = new Array<number>(10).fill(0);
  const lasts = new Array<number>(10).fill(0);
  for (let count = 0; count < 10_000; count++) {
    const code = codeOf(secrets, { id: String(count) });
    firsts[Number(code[0])]! += 1;
    lasts[Number(code[5])]! += 1;
  }
  // 1,000 expected of each; six standard deviations are 180.
  for (const count of [...firsts, ...lasts]) assert.ok(Math.abs(count - 1000) < 180, String(count));
});

test('AU-12 a newer link kills the older one, for addresses only that of the same address', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const other = (await during((tx) => addAddress(tx, anna.person, 'second@example.org'))).id;
  const ask = (address: string) =>
    during((tx) => requestVerification(tx, { purpose: 'address', person: anna.person, address }));
  const [first, second, third] = [await ask(anna.address), await ask(other), await ask(anna.address)];
  await assert.rejects(
    during((tx) => peekLink(tx, secrets, linkToken(secrets, first))),
    refused('link-used'),
  );
  await during((tx) => peekLink(tx, secrets, linkToken(secrets, second)));
  await during((tx) => peekLink(tx, secrets, linkToken(secrets, third)));
  const open = await during((tx) => openVerifications(tx, anna.person, 'address'));
  assert.deepEqual(
    open.map((one) => one.id),
    [third.id, second.id],
  );
});

test('AU-12 of many who ask at once one link stays alive', async () => {
  const { during, join } = await stage({ poolSize: 12 });
  const anna = await join('anna@example.org');
  await Promise.all(
    Array.from({ length: 20 }, () =>
      during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna })),
    ),
  );
  assert.equal((await during((tx) => openVerifications(tx, anna.person))).length, 1);
});

test('AU-12 links die with another main address, a removed one, and when they are withdrawn', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const second = (await during((tx) => addAddress(tx, anna.person, 'second@example.org'))).id;
  for (const address of [anna.address, second]) await during((tx) => verifyAddress(tx, anna.person, address));
  const changes: ((tx: Tx) => Promise<unknown>)[] = [
    (tx) => makePrimary(tx, anna.person, second),
    (tx) => removeAddress(tx, anna.person, anna.address),
    (tx) => withdrawVerifications(tx, anna.person),
  ];
  for (const change of changes) {
    const link = await during((tx) =>
      requestVerification(tx, { purpose: 'recovery', person: anna.person, address: second }),
    );
    await during(change);
    await assert.rejects(
      during((tx) => useLink(tx, secrets, linkToken(secrets, link))),
      refused('link-used'),
    );
  }
});

test('AU-13 a link goes only to an address of that person, a recovery to a proved one if there is any', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const ben = await join('ben@example.org');
  const ask = (input: Parameters<typeof requestVerification>[1]) =>
    during((tx) => requestVerification(tx, input));
  await assert.rejects(
    ask({ purpose: 'sign-up', person: anna.person, address: ben.address }),
    refused('address-unknown'),
  );
  await assert.rejects(
    ask({ purpose: 'sign-up', person: anna.person, address: 'x' }),
    refused('address-unknown'),
  );
  await ask({ purpose: 'recovery', ...anna });
  const second = (await during((tx) => addAddress(tx, anna.person, 'second@example.org'))).id;
  await during((tx) => verifyAddress(tx, anna.person, second));
  await assert.rejects(ask({ purpose: 'recovery', ...anna }), refused('address-unverified'));
  await ask({ purpose: 'recovery', person: anna.person, address: second });
});

test('a link that is not announced is made like any other, without an event that would mail it', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const quiet = await during((tx) =>
    requestVerification(tx, { purpose: 'sign-up', ...anna, announce: false }),
  );
  assert.deepEqual(
    (await during((tx) => openVerifications(tx, anna.person))).map((one) => one.id),
    [quiet.id],
  );
  assert.deepEqual(await during((tx) => listEvents(tx, { type: 'verification.requested', limit: 5 })), []);
});

test('OA-23 any change of one character or of length makes a mailed link wrong', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const token = linkToken(secrets, link);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.~ é\u0000';
  await during((tx) =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        fc.constantFrom(...alphabet),
        fc.constantFrom('replace', 'drop', 'insert', 'cut'),
        async (place, other, how) => {
          const [before, rest] = [token.slice(0, place), token.slice(place + 1)];
          const changed = {
            replace: before + other + rest,
            drop: before + rest,
            insert: before + other + token.slice(place),
            cut: before,
          }[how];
          if (changed !== token) await assert.rejects(peekLink(tx, secrets, changed), refused('link-wrong'));
        },
      ),
      { numRuns: 2000 },
    ),
  );
  await during((tx) => peekLink(tx, secrets, token));
});

test('OA-23 a link made for one purpose, or under another key, is wrong', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const forged = [
    linkToken(secrets, { id: link.id, purpose: 'recovery' }),
    linkToken(createSecrets(Buffer.alloc(32, 4)), link),
  ];
  for (const token of forged)
    await assert.rejects(
      during((tx) => useLink(tx, secrets, token)),
      refused('link-wrong'),
    );
});

test('AU-12 a link of ours whose address was replaced or whose person is gone is used up, not wrong', async () => {
  const { during } = await stage();
  const token = linkToken(secrets, { id: newId(), purpose: 'sign-up' });
  for (const look of [peekLink, useLink])
    await assert.rejects(
      during((tx) => look(tx, secrets, token)),
      refused('link-used'),
    );
});

test('AU-07 asking for nobody runs the statements of asking for somebody, and keeps nothing', async () => {
  const { during, join, database } = await stage();
  const anna = await join('anna@example.org');
  const counted = async (work: (tx: Tx) => Promise<unknown>) =>
    during(async (tx) => {
      const texts: string[] = [];
      const query: Tx['query'] = (text, values, name) => {
        texts.push(text);
        return tx.query(text, values, name);
      };
      await work({ ...tx, query });
      return texts;
    });
  const rows = async () => database.query('select id from verifications union all select person from events');
  const real = await counted((tx) => requestVerification(tx, { purpose: 'recovery', ...anna }));
  const before = await rows();
  assert.deepEqual(await counted((tx) => pretendVerification(tx, 'recovery')), real);
  assert.deepEqual(await rows(), before);
});

test('AU-12 neither link nor code stands anywhere in the database', async () => {
  const { database, during, join } = await stage();
  const anna = await join('anna@example.org');
  const link = await during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const dump = JSON.stringify([
    await database.query('select * from verifications'),
    await database.query('select * from events'),
    await database.query('select * from queue_jobs'),
  ]);
  assert.ok(dump.includes(link.id));
  assert.ok(!dump.includes(linkToken(secrets, link)));
  assert.ok(!dump.includes(`"${codeOf(secrets, link)}"`));
});

test('a removed address is remembered only when it was confirmed', async () => {
  const { during, join } = await stage();
  const anna = await join('anna@example.org');
  const [kept, never] = await during(async (tx) => [
    (await addAddress(tx, anna.person, 'kept@example.org')).id,
    (await addAddress(tx, anna.person, 'never@example.org')).id,
  ]);
  for (const address of [anna.address, kept as string])
    await during((tx) => verifyAddress(tx, anna.person, address));
  for (const address of [kept as string, never as string])
    await during((tx) => removeAddress(tx, anna.person, address));
  assert.equal((await during((tx) => formerAddress(tx, kept as string)))?.address, 'kept@example.org');
  assert.equal(await during((tx) => formerAddress(tx, never as string)), undefined);
});

test('of many who prove the same address at once one gets it and the others are refused', async () => {
  const { during, join } = await stage({ poolSize: 12 });
  const claims = await Promise.all(Array.from({ length: 6 }, () => join('shared@example.org')));
  const outcomes = await Promise.allSettled(
    claims.map((claim) => during((tx) => verifyAddress(tx, claim.person, claim.address))),
  );
  assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
  for (const one of outcomes)
    if (one.status === 'rejected') assert.match(one.reason.code, /^address-(taken|unknown)$/);
});

test('the same new address given twice at once is one address, and two first ones are a main one and another', async () => {
  const { database, during } = await stage({ poolSize: 12 });
  for (const turn of [0, 1, 2, 3]) {
    const id = newId();
    const names = { username: id, usernameKey: id, givenName: '', familyName: '', displayName: id };
    await during((tx) => insertPeople(tx, [{ id, ...names, state: 'active', origin: 'test' }]));
    const given = [
      'one@example.org',
      'One@Example.org',
      'two@example.org',
      'one@example.org',
      'two@example.org',
    ];
    const added = await Promise.all(given.map((address) => during((tx) => addAddress(tx, id, address))));
    assert.equal(new Set(added.map((address) => address.id)).size, 2, `round ${turn}`);
    const rows = await database.query<{ main: boolean }>(
      'select is_primary as main from addresses where person = $1',
      [id],
    );
    assert.deepEqual(rows.map((row) => row.main).sort(), [false, true]);
  }
});

test('AU-12 links and codes mailed before the master key changed stay good as long as the old key is kept', async () => {
  const { during, join } = await stage();
  const [old, next] = [Buffer.alloc(32, 3), Buffer.alloc(32, 9)];
  const changing = createSecrets(next, [old]);
  const after = createSecrets(next);
  const anna = await join('anna@example.org');
  const ask = () => during((tx) => requestVerification(tx, { purpose: 'sign-up', ...anna }));
  const linked = linkToken(secrets, await ask());
  await during((tx) => peekLink(tx, changing, linked));
  await assert.rejects(
    during((tx) => useLink(tx, after, linked)),
    refused('link-wrong'),
  );
  assert.equal((await during((tx) => useLink(tx, changing, linked))).person, anna.person);
  const coded = await ask();
  const code = codeOf(secrets, coded);
  const wrong = await during((tx) => useCode(tx, after, coded.id, code));
  assert.deepEqual(wrong, { refused: 'code-wrong' });
  assert.ok('used' in (await during((tx) => useCode(tx, changing, coded.id, code))));
});
