/** Several mails are under way and several browsers wait: whose code opens what where. */
import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

const password = 'plum violin tractor';
let platform: Platform;
let count = 0;
let name: string;
let address: string;

before(async () => {
  platform = await startPlatform();
});
beforeEach(() => {
  count += 1;
  name = `ann${count}`;
  address = `${name}@example.org`;
});

async function signUp(visitor: Visitor, username: string, email: string, secret = password) {
  await visitor.open('/sign-up');
  const form = { given_name: 'Ann', family_name: 'Ek', username, email, password: secret };
  return visitor.submit(form, '/sign-up');
}

const read = new Map<string, number>();

/** The code of the one mail that came since this was asked for the last time: two under way may overtake each other. */
async function nextCode(email: string): Promise<string> {
  const mails = await platform.mailTo(email);
  const seen = read.get(email) ?? 0;
  read.set(email, mails.length);
  assert.equal(mails.length, seen + 1);
  return /\b(\d{3})[ -]?(\d{3})\b/.exec(mails[seen]!.text)!.slice(1).join('');
}

const stateOf = async (username: string) =>
  (
    await platform.database.query<{ state: string }>('select state from people where username = $1', [
      username,
    ])
  )[0]?.state;

test('a code from a newer mail, asked for in another browser by the password, opens the browser that signed up', async () => {
  const first = platform.visitor();
  await signUp(first, name, address);
  const older = await nextCode(address);
  const second = platform.visitor();
  assert.match((await second.signIn(name, password)).url, /\/verify\/code$/);
  const newer = await nextCode(address);
  assert.equal((await first.submit({ code: older }, '/verify/code')).status, 422, 'a newer one was sent');
  const home = await first.submit({ code: newer }, '/verify/code');
  assert.match(home.url, /\/account$/);
  assert.match((await second.open('/verify/code')).url, /\/sign-in\?said=confirmed$/);
  assert.equal(await stateOf(name), 'active');
});

test('sent again in the second browser, by its button, the newest code opens whichever of the two it is typed in', async () => {
  for (const where of [0, 1]) {
    const email = `${where}.${address}`;
    const username = `${name}.${where === 0 ? 'a' : 'b'}`;
    const both = [platform.visitor(), platform.visitor()];
    await signUp(both[0]!, username, email);
    await nextCode(email);
    await both[1]!.signIn(username, password);
    await nextCode(email);
    await both[1]!.open('/verify/code');
    await both[1]!.submit({}, '/verify/resend');
    const newest = await nextCode(email);
    await both[0]!.open('/verify/code');
    assert.match((await both[where]!.submit({ code: newest }, '/verify/code')).url, /\/account$/);
  }
});

test('guesses are counted against the newest mail wherever they are typed', async () => {
  const first = platform.visitor();
  await signUp(first, name, address);
  await nextCode(address);
  const second = platform.visitor();
  await second.signIn(name, password);
  const newest = await nextCode(address);
  const wrong = newest === '000000' ? '111111' : '000000';
  for (const visitor of [first, second, first, second, first]) {
    await visitor.open('/verify/code');
    assert.equal((await visitor.submit({ code: wrong }, '/verify/code')).status, 422);
  }
  for (const visitor of [second, first]) {
    await visitor.open('/verify/code');
    assert.equal((await visitor.submit({ code: newest }, '/verify/code')).status, 422, 'five were enough');
  }
  assert.equal(await stateOf(name), 'unverified');
});

test('AC-05 two sign-ups with one address: the code of one, though newer, opens nothing where the other waits', async () => {
  const attackers = 'copper kettle hill 9';
  const owner = platform.visitor();
  const attacker = platform.visitor();
  await signUp(owner, name, address);
  const own = await nextCode(address);
  await signUp(attacker, `${name}x`, address, attackers);
  const strange = await nextCode(address);
  const typed = await owner.submit({ code: strange }, '/verify/code');
  assert.equal(typed.status, 422);
  assert.equal(await stateOf(`${name}x`), 'unverified');
  assert.equal((await attacker.submit({ code: own }, '/verify/code')).status, 422);
  assert.match((await owner.submit({ code: own }, '/verify/code')).url, /\/account$/);
  const late = await attacker.submit({ code: strange }, '/verify/code');
  assert.doesNotMatch(late.url, /\/account$/);
  assert.equal(await stateOf(`${name}x`), 'unverified');
});
