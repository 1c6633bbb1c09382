/** Two changes of an address at once: whatever is confirmed is the address that its own mail went to. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { findByUsername } from '#core/people/people.ts';
import { codeOf, linkToken } from '#core/people/verifications.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { Visitor } from '#test/visitor.ts';
import { addPeople, behindProxy, post, signedIn, stranger } from './stage.ts';

const password = 'plum violin tractor';
/** "race 2 ×200": fifty in each of four ways. */
const rounds = 50;
let platform: Platform;
/** A browser that knows nobody. */
let clean: Visitor;

before(async () => {
  platform = await startPlatform({ env: behindProxy });
  clean = stranger(platform);
  await clean.open('/sign-in');
});

/** A mail that was asked for: where it goes, as the page told whoever asked. */
interface Mailed {
  id: string;
  purpose: 'sign-up' | 'address';
  address: string;
}

const code = (mailed: Mailed) => codeOf(platform.secrets, mailed);
const link = (mailed: Mailed) => linkToken(platform.secrets, mailed);

/** Another tab of the same browser. */
function tabOf(visitor: Visitor): Visitor {
  const tab = stranger(platform);
  for (const [name, value] of visitor.cookies) tab.cookies.set(name, value);
  return tab;
}

const cookieOf = (visitor: Visitor, short: string) =>
  [...visitor.cookies].find(([name]) => name.includes(short))?.[1] ?? '';

/** What the cookie of a browser that waits says. */
function waitsFor(visitor: Visitor): Mailed {
  const sealed = Buffer.from(cookieOf(visitor, '-waiting-'), 'base64url');
  const text = platform.secrets.open('waiting', sealed, cookieOf(visitor, '-browser-')).toString();
  const { verification, address } = JSON.parse(text) as { verification: string; address: string };
  return { id: verification, purpose: 'sign-up', address };
}

/** Every address of this person, whether it is confirmed, and the mails that were used for it. */
async function stateOf(person: string) {
  const rows = await platform.database.query<{ address: string; confirmed: boolean; used: string[] }>(
    `select a.address, a.verified_at is not null as confirmed,
       coalesce(array_agg(v.id) filter (where v.used_at is not null), '{}') as used
     from addresses a left join verifications v on v.address = a.id where a.person = $1 group by a.id`,
    [person],
  );
  return { all: rows, confirmed: rows.filter((row) => row.confirmed) };
}

/** Confirmed is only what a mail to that very address was used for. */
async function checkCrossed(person: string, mails: readonly Mailed[], what: string) {
  const { all, confirmed } = await stateOf(person);
  for (const { address, used } of all)
    for (const id of used)
      assert.equal(mails.find((mail) => mail.id === id)?.address, address, `${what}: its own mail`);
  for (const { address, used } of confirmed) assert.ok(used.length > 0, `${what}: ${address} was proved`);
  return { all, confirmed };
}

/** Posts the link of a mail in a browser that knows nobody. */
async function openLink(mailed: Mailed): Promise<number> {
  const { form_token = '' } = clean.formOf('/sign-in').fields;
  return (await post(tabOf(clean), '/verify', { form_token, token: link(mailed) })).status;
}

test('AC-06 while somebody signs up: of two addresses at once none is confirmed by the mail of the other', async () => {
  const first = stranger(platform);
  await first.open('/sign-up');
  const names = { given_name: 'Una', family_name: 'Two', username: 'una', password };
  await first.submit({ ...names, email: 'una@example.org' }, '/sign-up');
  await first.open('/verify/address');
  const { form_token = '' } = first.formOf('/verify/address').fields;
  const person = (await platform.database.read(system(), (tx) => findByUsername(tx, 'una')))!.id;
  const waiting = new Map(first.cookies);
  const again = async () => {
    await platform.database.query('delete from rate_buckets');
    await platform.database.query('delete from addresses where person = $1', [person]);
    await platform.database.query(`update people set state = 'unverified' where id = $1`, [person]);
    const id = newId();
    await platform.database.query(
      `insert into addresses (id, person, address, address_key, is_primary, created_at)
       values ($1, $2, 'una@example.org', 'una@example.org', true, now())`,
      [id, person],
    );
    const visitor = new Visitor(platform.origin);
    for (const [name, value] of waiting) visitor.cookies.set(name, value);
    return visitor;
  };
  const change = (tab: Visitor, email: string) => post(tab, '/verify/address', { form_token, email });
  const type = (tab: Visitor, typed: string) => post(tab, '/verify/code', { form_token, code: typed });
  for (let round = 0; round < rounds; round += 1) {
    const visitor = await again();
    const [one, other] = [tabOf(visitor), tabOf(visitor)];
    const answers = await Promise.all([
      change(one, `x${round}@example.org`),
      change(other, `y${round}@example.org`),
    ]);
    for (const answer of answers) assert.equal(answer.status, 303, answer.text);
    const [x, y] = [waitsFor(one), waitsFor(other)];
    assert.deepEqual([x.address, y.address], [`x${round}@example.org`, `y${round}@example.org`]);
    if (code(x) === code(y)) continue;
    const crossed = await Promise.all([
      type(one, code(y)),
      type(other, code(x)),
      type(one, code(x)),
      type(other, code(y)),
      openLink(x),
      openLink(y),
    ]);
    for (const answer of crossed) assert.ok((typeof answer === 'number' ? answer : answer.status) < 500);
    const { all, confirmed } = await checkCrossed(person, [x, y], `round ${round}`);
    assert.deepEqual([all.length, confirmed.length], [1, 1], `round ${round}`);
  }
  // The address is changed in the moment in which the earlier one is confirmed.
  for (let round = 0; round < rounds; round += 1) {
    const visitor = await again();
    const one = tabOf(visitor);
    await change(one, `v${round}@example.org`);
    const v = waitsFor(one);
    const other = tabOf(one);
    const [typed, changed] = await Promise.all([
      round % 2 === 0 ? type(one, code(v)).then(({ status }) => status) : openLink(v),
      change(other, `w${round}@example.org`),
    ]);
    assert.ok(typed < 500 && changed.status < 500, `${typed} ${changed.status} ${changed.text}`);
    const mails = [v, ...(cookieOf(other, '-waiting-') ? [waitsFor(other)] : [])];
    const { all, confirmed } = await checkCrossed(person, mails, `change ${round}`);
    assert.equal(all.length, 1, `change ${round}`);
    const isWhichever = confirmed.length === 1 ? v.address : `w${round}@example.org`;
    assert.equal(all[0]!.address, isWhichever, `change ${round}`);
  }
});

test('AC-06 on the account page: of two addresses at once none is confirmed by the mail of the other', async () => {
  await addPeople(platform, [{ username: 'tess', password, address: 'tess@example.org' }]);
  const person = (await platform.database.read(system(), (tx) => findByUsername(tx, 'tess')))!.id;
  const visitor = await signedIn(platform, { username: 'tess', password });
  const { form_token = '' } = visitor.formOf('/account/addresses').fields;
  const add = async (address: string): Promise<Mailed & { page: string }> => {
    const answer = await post(tabOf(visitor), '/account/addresses', { form_token, email: address });
    const page = answer.headers.get('location') ?? answer.text;
    const [row] = await platform.database.query<{ id: string }>(
      'select id from verifications where address = $1 and used_at is null and withdrawn_at is null',
      [page.split('/')[3]],
    );
    return { id: row!.id, purpose: 'address', address, page };
  };
  const type = ({ page }: { page: string }, typed: string) =>
    post(tabOf(visitor), page, { form_token, code: typed });
  for (let round = 0; round < rounds; round += 1) {
    await platform.database.query('delete from rate_buckets');
    await platform.database.query('delete from addresses where person = $1 and not is_primary', [person]);
    const [x, y] = await Promise.all([add(`tx${round}@example.org`), add(`ty${round}@example.org`)]);
    if (code(x) === code(y)) continue;
    const [crossed, other] = await Promise.all([type(x, code(y)), type(y, code(x))]);
    assert.deepEqual([crossed.status, other.status], [422, 422]);
    assert.equal((await stateOf(person)).confirmed.length, 1, 'the main one alone');
    const answers = await Promise.all([type(x, code(x)), openLink(x), type(y, code(y)), openLink(y)]);
    for (const answer of answers) assert.ok((typeof answer === 'number' ? answer : answer.status) < 500);
    const { all } = await stateOf(person);
    for (const mailed of [x, y])
      assert.deepEqual(all.find((row) => row.address === mailed.address)?.used, [mailed.id]);
    assert.ok(all.every((row) => row.confirmed));
  }
});

test('AC-06 of two addresses that are made the main one at once one is, also while one of them is removed', async () => {
  await addPeople(platform, [{ username: 'mira', password, address: 'mira@example.org' }]);
  const person = (await platform.database.read(system(), (tx) => findByUsername(tx, 'mira')))!.id;
  const visitor = await signedIn(platform, { username: 'mira', password });
  const { form_token = '' } = visitor.formOf('/account/addresses').fields;
  const act = (id: string, what: 'primary' | 'remove') =>
    post(tabOf(visitor), `/account/addresses/${id}/${what}`, { form_token });
  for (let round = 0; round < rounds; round += 1) {
    const ids = [newId(), newId()];
    await platform.database.query('delete from addresses where person = $1', [person]);
    for (const [index, id] of [newId(), ...ids].entries())
      await platform.database.query(
        `insert into addresses (id, person, address, address_key, is_primary, verified_at, created_at)
         values ($1, $2, $3, $3, $4, now(), now())`,
        [id, person, `mira${index}.${round}@example.org`, index === 0],
      );
    const answers = await Promise.all([
      act(ids[0]!, 'primary'),
      act(ids[1]!, 'primary'),
      act(ids[0]!, 'remove'),
    ]);
    for (const answer of answers) assert.ok(answer.status < 500, `round ${round}: ${answer.status}`);
    const left = await platform.database.query<{ id: string; is_primary: boolean }>(
      'select id, is_primary from addresses where person = $1',
      [person],
    );
    assert.equal(left.filter((row) => row.is_primary).length, 1, `round ${round}`);
  }
});

test('a main address that nobody confirmed has its button on the account page', async () => {
  await platform.apply(
    `people: [{ username: pat, names: { givenName: Pat }, password: ${password}, addresses: [{ address: pat@example.org, verified: false }] }]`,
  );
  const person = (await platform.database.read(system(), (tx) => findByUsername(tx, 'pat')))!.id;
  const visitor = await signedIn(platform, { username: 'pat', password });
  const [, id] =
    /action="\/account\/addresses\/([0-9a-f-]+)\/confirm"/.exec(visitor.page.text) ??
    assert.fail('no button');
  await visitor.submit({}, `/account/addresses/${id}/confirm`);
  const [mailed] = await platform.database.query<Mailed>(
    'select id, purpose from verifications where person = $1',
    [person],
  );
  await visitor.submit({ code: code(mailed!) }, `/account/addresses/${id}/code`);
  assert.equal((await stateOf(person)).confirmed.length, 1);
});
