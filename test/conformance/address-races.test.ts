/** An address that becomes someone’s in the very moment it is given: answered like one that was theirs before. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openSetup, setupToken } from '#core/operators/setup.ts';
import { addAddress, findByUsername, verifyAddress } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { addPeople, behindProxy, mailedLink, post, signedIn, stranger } from './stage.ts';

const password = 'plum violin tractor';
let platform: Platform;
const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('request'), work);

before(async () => {
  platform = await startPlatform({ env: behindProxy });
});

/** Has this person prove the address in a transaction that ends only after `meanwhile` has had time to run into it. */
async function provedMeanwhile<T>(
  username: string,
  address: string,
  meanwhile: () => Promise<T>,
): Promise<T> {
  const person = await during((tx) => findByUsername(tx, username));
  const proved = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const proving = during(async (tx) => {
    await verifyAddress(tx, person!.id, (await addAddress(tx, person!.id, address)).id);
    proved.resolve();
    await mayEnd.promise;
  });
  await proved.promise;
  const running = meanwhile();
  await new Promise((resolve) => setTimeout(resolve, 400));
  mayEnd.resolve();
  await proving;
  return running;
}

test('a new address sent twice at once, as an impatient click does, leads to its code page both times', async () => {
  await addPeople(platform, [{ username: 'twice', password, address: 'twice@example.org' }]);
  const visitor = await signedIn(platform, { username: 'twice', password });
  const { fields } = visitor.formOf('/account/addresses');
  const email = 'twice.more@example.org';
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => post(visitor, '/account/addresses', { ...fields, email })),
  );
  const places = answers.map((answer) => `${answer.status} ${answer.headers.get('location')}`);
  assert.equal(new Set(places).size, 1, places.join(', '));
  assert.match(places[0]!, /^303 \/account\/addresses\/[0-9a-f-]+\/code$/);
});

test('the address given at set-up is refused the same whether it was taken before or in that moment', async () => {
  await addPeople(platform, [
    { username: 'early', password, address: 'early@example.org' },
    { username: 'quick', password },
  ]);
  const setup = await during(openSetup);
  const visitor = stranger(platform);
  const page = `/admin/setup?token=${setupToken(platform.secrets, setup!)}`;
  const own = async (email: string) => {
    await visitor.open(page);
    const { fields } = visitor.formOf('/admin/setup');
    const rest = { given_name: 'Ada', family_name: '', username: 'ada', password };
    return post(visitor, '/admin/setup', { ...fields, ...rest, email });
  };
  const before = await own('early@example.org');
  assert.equal(before.status, 409);
  const words = /already confirmed for an account/;
  assert.match(before.text, words);
  const raced = await provedMeanwhile('quick', 'quick@example.org', () => own('quick@example.org'));
  assert.equal(raced.status, 409);
  assert.match(raced.text, words);
});

test('someone who confirmed in another browser reads so in the one that waits, whatever they press there', async () => {
  const fields = { given_name: 'Eve', family_name: 'Away', password };
  const waits: ((visitor: ReturnType<typeof stranger>) => Promise<{ url: string; text: string }>)[] = [
    (visitor) => visitor.submit({}, '/verify/resend'),
    (visitor) => visitor.submit({ code: '123456' }, '/verify/code'),
    async (visitor) => {
      await visitor.open('/verify/address');
      return visitor.submit({ email: 'eve.other@example.org' }, '/verify/address');
    },
  ];
  for (const [index, press] of waits.entries()) {
    const username = `eve${index}`;
    const email = `${username}@example.org`;
    const waiting = stranger(platform);
    await waiting.open('/sign-up');
    await waiting.submit({ ...fields, username, email }, '/sign-up');
    const elsewhere = stranger(platform);
    await elsewhere.open(await mailedLink(platform, email, '/verify'));
    await elsewhere.submit({}, '/verify');
    const mails = (await platform.mailTo(email)).length;
    const seen = await press(waiting);
    assert.match(seen.url, /\/sign-in\?said=confirmed$/, username);
    assert.match(seen.text, /Your address is confirmed/);
    assert.equal((await platform.mailTo(email)).length, mails);
  }
});

test('ten mails an hour ask a person for proof, from whichever page; then it says to wait', async () => {
  const fields = { given_name: 'Max', family_name: 'Mailer', username: 'mailer', password };
  const joining = stranger(platform);
  await joining.open('/sign-up');
  await joining.submit({ ...fields, email: 'mailer@example.org' }, '/sign-up');
  for (let turn = 0; turn < 9; turn += 1)
    assert.equal((await joining.submit({}, '/verify/resend')).status, 200, `mail ${turn + 1}`);
  await joining.open(await mailedLink(platform, 'mailer@example.org', '/verify'));
  await joining.submit({}, '/verify');
  await joining.open('/account');
  const { fields: hidden } = joining.formOf('/account/addresses');
  const add = (email: string) => post(joining, '/account/addresses', { ...hidden, email });
  assert.equal((await add('mailer.two@example.org')).status, 303);
  assert.equal((await add('mailer.three@example.org')).status, 429);
});

test('pages that ask for sign-in keep nothing of a visitor who does not sign in, and still lead back', async () => {
  const kept = async () =>
    (await platform.database.query<{ count: number }>('select count(*) as count from signon_requests'))[0]!
      .count;
  const before = await kept();
  await addPeople(platform, [{ username: 'back', password }]);
  for (let turn = 0; turn < 5; turn += 1)
    for (const page of ['/account', '/apps', '/admin', '/account/password'])
      assert.match((await stranger(platform).open(page)).url, /\/sign-in\?request=/);
  assert.equal(await kept(), before);
  const visitor = stranger(platform);
  await visitor.open('/account/password?said=x');
  const seen = await visitor.submit({ username: 'back', password }, '/sign-in');
  assert.match(seen.url, /\/account\/password\?said=x$/);
});
