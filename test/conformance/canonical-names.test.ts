/** One canonical form of names and addresses, at every door: what is one person's to one of them is so to all. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { createToken } from '#core/operators/tokens.ts';
import { findByIdentifier, findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { runImport } from '#migration/import.ts';
import { passwordSignIn } from '#signon/gate.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import type { LegacyPerson, Source, SourceItem } from '#sources/source.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type FakeIdp, startFakeIdp } from '../upstreams/fake-idp.ts';
import { browser } from '../upstreams/stage.ts';
import { addPeople, behindProxy, post, stranger, tryPassword } from './stage.ts';

const password = 'plum violin tractor';
/** One name, and a second spelling of it. */
const same: [string, string][] = [
  ['ada', 'ADA'], ['bert', ' bert '], ['carl', 'ｃａｒｌ'], ['dora', 'Ｄora'], ['émil', 'e\u0301mil'], ['élan', 'E\u0301LAN'], ['ﬁnn', 'finn'], ['straße', 'STRAßE'], ['ω', 'Ω'],
  ['①a', '1a'], ['a²', 'a2'], ['ⅷ', 'viii'], ['Ⓔda', 'eda'], ['Ångström', 'a\u030angstro\u0308m'], ['fad\u00aa', 'fada'], ['xenia\u3000', 'xenia'], ['ΑΒΓ', 'αβγ'], ['ДОМ', 'дом'], ['ǆ', 'dž'], ['Zoë', 'ZOE\u0308'],
]; // biome-ignore format: a word list
/** One name, and another that only looks like it or is near it. */
const different: [string, string][] = [
  ['lena', 'lena1'], ['0scar', 'oscar'], ['a.b', 'ab'], ['a_b', 'a-b'], ['é', 'e'], ['weiss', 'weiß'], ['hank', 'hanк'], ['ivan', 'иван'], ['max', 'mах'], ['tim', 'tim\u0131'],
]; // biome-ignore format: a word list
/** One address, and a second spelling of it. */
const sameAddress: [string, string][] = [
  ['Una@Example.org', 'una@example.ORG'], ['dua@example.org', ' dua@example.org '], ['tri@bücher.example', 'tri@xn--bcher-kva.example'], ['kvar@BÜCHER.example', 'KVAR@bücher.example'], ['ｋvin@example.org', 'kvin@example.org'], ['ses＠example.org', 'ses@example.org'],
]; // biome-ignore format: a word list
const differentAddress: [string, string][] = [
  ['sep@example.org', 'sep+x@example.org'], ['o.k@gmail.com', 'ok@gmail.com'], ['nau@example.org', 'nau@examp1e.org'], ['dek@example.org', 'dek@example.org.evil.example'],
]; // biome-ignore format: a word list
/** What is no address at any door: two, quoted, with a comment, a literal, or letters of another script. */
const noAddress = [
  'a@x.org,b@x.org', 'a@x.org b@x.org', 'a@b@x.org', '"a"@x.org', '"a b"@x.org', 'a(x)@x.org', '<a@x.org>', 'a@[127.0.0.1]', 'а@x.org', 'a@x.org\r\nBcc: b@x.org', 'a\u202eb@x.org',
]; // biome-ignore format: a word list

let platform: Platform;
let idp: FakeIdp;
let token: string;
const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('admin'), work);

before(async () => {
  idp = await startFakeIdp();
  platform = await startPlatform({ env: behindProxy, realTime: true });
  await platform.apply(`
community: { name: Harbour, usernames: { pattern: "^.{1,64}$" } }
upstreams:
  - { id: good, title: Good, privateNetwork: true, oidc: { issuer: "${idp.issuer}", clientId: gatehouse } }
`);
  token = (await during((tx) => createToken(tx, { name: 'test', scopes: ['owner'] }))).token;
  await addPeople(
    platform,
    [...same, ...different].map(([username]) => ({ username: username.trim(), password })),
  );
  await platform.apply(
    `people:\n${[...sameAddress, ...differentAddress].map(([address], index) => `  - { username: "box${index}", names: { givenName: B }, password: ${password}, addresses: [${JSON.stringify(address)}] }\n`).join('')}`,
  );
});
after(() => idp.stop());

const clear = () => platform.database.query('delete from rate_buckets');
const idOfName = async (name: string) => (await during((tx) => findByUsername(tx, name)))?.id;

async function signUp(username: string, email: string) {
  await clear();
  const visitor = stranger(platform);
  await visitor.open('/sign-up');
  return visitor.submit({ username, given_name: 'New', family_name: 'One', email, password }, '/sign-up');
}

async function addByApi(username: string, address: string) {
  const answer = await fetch(`${platform.origin}/api/v1/people`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, address }),
  });
  return { status: answer.status, body: (await answer.json()) as { code?: string; id?: string } };
}

function directory(people: readonly { username: string; address: string }[]): Source {
  return {
    label: 'old directory',
    async *readSource(): AsyncGenerator<SourceItem> {
      for (const { username, address } of people) {
        const addresses = [{ address, primary: true, verified: true }];
        const person: LegacyPerson = {
          key: username,
          username,
          addresses,
          passwordHashes: [],
          locked: false,
          groups: [],
        };
        yield { kind: 'person', person };
      }
    },
  };
}

function ldif(people: readonly { username: string; address: string }[]): Source {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const entries = people.map(
    ({ username, address }, index) =>
      `dn: cn=p${index},ou=people,dc=example\nobjectClass: inetOrgPerson\nuid:: ${base64(username)}\ncn: P\nsn: P\nmail:: ${base64(address)}\n`,
  );
  return {
    label: 'old.ldif',
    readSource: () => readLdif(Readable.from([Buffer.from(`version: 1\n\n${entries.join('\n')}`)])),
  };
}

const kinds = (report: { findings: { kind: string; count: number }[] }) =>
  Object.fromEntries(report.findings.map(({ kind, count }) => [kind, count]));

test('AC-10 a second spelling of a name is the same person: at sign-in, at every other door with a password, and for a new password', async () => {
  for (const [one, other] of same) {
    const id = await idOfName(one);
    assert.ok(id, one);
    await clear();
    const visitor = stranger(platform);
    const seen = await tryPassword(visitor, other, password);
    assert.equal(seen.headers.get('location'), '/account', `sign-in as ${JSON.stringify(other)}`);
    const outcome = await passwordSignIn(
      { ...platform, floorMs: 0 },
      {
        identifier: other,
        password,
        door: 'basic',
        device: 'a program',
        ip: '192.0.2.7',
        persistent: false,
        context: system('request'),
      },
    );
    assert.equal('session' in outcome && outcome.person.id, id, `Basic as ${JSON.stringify(other)}`);
    assert.equal((await during((tx) => findByIdentifier(tx, other)))?.id, id);
  }
  for (const [one, other] of different) {
    await clear();
    const visitor = stranger(platform);
    assert.equal((await tryPassword(visitor, other, password)).status, 422, `${other} is not ${one}`);
  }
  for (const [index, [one, other]] of [...sameAddress, ...differentAddress].entries()) {
    await clear();
    const isSame = index < sameAddress.length;
    const seen = await tryPassword(stranger(platform), other, password);
    assert.equal(
      seen.headers.get('location') ?? seen.status,
      isSame ? '/account' : 422,
      `${other} and ${one}`,
    );
    const asking = stranger(platform);
    await asking.open('/recover');
    const { address } = (
      await platform.database.query<{ address: string }>(
        'select a.address from addresses a join people p on p.id = a.person where p.username = $1',
        [`box${index}`],
      )
    )[0]!;
    const before = (await platform.mailTo(address)).length;
    await asking.submit({ username: other }, '/recover');
    assert.equal((await platform.mailTo(address)).length - before, isSame ? 1 : 0, `recovery by ${other}`);
  }
});

test('AC-10 a second spelling of a name is taken: at sign-up, by the API, by apply, by import, and for a newcomer of a provider', async () => {
  let count = 0;
  for (const [one, other] of same) {
    count += 1;
    const page = await signUp(other, `fresh${count}@example.org`);
    assert.equal(page.status, 422, `sign-up ${JSON.stringify(other)}`);
    assert.match(page.text, /Someone already has this user name/);
    const added = await addByApi(other, `fresh${count}@example.org`);
    assert.deepEqual(
      [added.status, added.body.code],
      [409, 'username-taken'],
      `API ${JSON.stringify(other)}`,
    );
    const before = await platform.database.query('select count(*) from people');
    await platform.apply(
      `people: [{ username: ${JSON.stringify(other.trim())}, names: { givenName: Same } }]`,
    );
    assert.deepEqual(await platform.database.query('select count(*) from people'), before, `apply ${other}`);
    const [row] = await platform.database.query<{ given_name: string }>(
      'select given_name from people where id = $1',
      [await idOfName(one)],
    );
    assert.equal(row!.given_name, 'Same', `apply means ${one} by ${other}`);
  }
  const others = same.map(([, username], index) => ({ username, address: `import${index}@example.org` }));
  for (const source of [ldif(others), directory(others)]) {
    const { counts, findings } = await runImport(platform, source);
    assert.deepEqual([counts.in, counts.imported, counts.conflict], [20, 0, 20], source.label);
    assert.equal(kinds({ findings })['username-taken'], 20);
  }
  for (const [index, [, other]] of same.entries()) {
    await clear();
    idp.claims = {
      sub: `same-${index}`,
      preferred_username: other,
      given_name: 'U',
      email: `up${index}@mail.test`,
      email_verified: true,
    };
    const mine = browser(platform, [idp.issuer]);
    const arrival = await mine.go('/upstream/good/start');
    assert.match(arrival.url, /\/arrivals\//, other);
    const form = `${new URL(arrival.url).pathname}/new`;
    await mine.go(form);
    const given = { username: other, given_name: 'U', family_name: '', email: `up${index}@mail.test` };
    const refused = await mine.send(given, form);
    assert.match(refused.text, /Someone already has this user name/);
    assert.equal(refused.status, 422, `a newcomer as ${JSON.stringify(other)}`);
  }
});

test('AC-10 an address in another spelling is the same, and what is not one address is none at any door', async () => {
  for (const [index, [, other]] of sameAddress.entries()) {
    const taken = await addByApi(`api${index}`, other);
    assert.deepEqual([taken.status, taken.body.code], [409, 'address-taken'], other);
    await assert.rejects(
      platform.apply(`people: [{ username: "ap${index}", addresses: [${JSON.stringify(other)}] }]`),
      /address/,
      other,
    );
    // Nobody is told that it has an owner, but the owner is.
    const [{ address }] = (await platform.database.query<{ address: string }>(
      'select a.address from addresses a join people p on p.id = a.person where p.username = $1',
      [`box${index}`],
    )) as [{ address: string }];
    const before = (await platform.mailTo(address)).length;
    assert.equal((await signUp(`su${index}`, other)).status, 200);
    const mails = (await platform.mailTo(address)).slice(before);
    assert.equal(mails.length, 1);
    assert.doesNotMatch(mails[0]!.text, /\/verify\?token=/, 'no link for whoever signed up');
  }
  const others = sameAddress.map(([, address], index) => ({ username: `imp${index}`, address }));
  for (const source of [ldif(others), directory(others)]) {
    const { counts, findings } = await runImport(platform, source);
    assert.deepEqual([counts.imported, counts.conflict], [0, 6], source.label);
    assert.equal(kinds({ findings })['duplicate-address'], 6);
  }
  const fine = differentAddress.map(([, address], index) => ({ username: `other${index}`, address }));
  assert.equal((await runImport(platform, directory(fine))).counts.imported, 4);
  for (const [index, text] of noAddress.entries()) {
    const page = await signUp(`no${index}`, text);
    assert.equal(page.status, 422, `sign-up with ${JSON.stringify(text)}`);
    const added = await addByApi(`no${index}`, text);
    assert.equal(added.status, 422, `API with ${JSON.stringify(text)}: ${JSON.stringify(added.body)}`);
    await assert.rejects(
      platform.apply(`people: [{ username: "no${index}", addresses: [${JSON.stringify(text)}] }]`),
      /./,
      text,
    );
    const asking = stranger(platform);
    await asking.open('/recover');
    const { fields } = asking.formOf('/recover');
    const mails = await platform.database.query('select count(*) from notices');
    await post(asking, '/recover', { ...fields, username: text });
    await platform.settle();
    assert.deepEqual(
      await platform.database.query('select count(*) from notices'),
      mails,
      'nobody is mailed',
    );
  }
  const readable = noAddress.filter((text) => !/[\r\n]/.test(text));
  const report = await runImport(
    platform,
    directory(readable.map((address, index) => ({ username: `un${index}`, address }))),
  );
  assert.equal(report.counts.imported, 0);
  assert.equal(kinds(report)['no-way-in'], readable.length);
});

test('AC-10 names that look alike are flagged in an import, and mixed scripts are not taken for a new name', async () => {
  const pairs = [
    ['paypal', 'раураl'],
    ['mia', 'mіa'],
    ['scope', 'ѕсоре'],
    ['louis', 'loui\u0455'],
    ['carol', 'caro1'],
  ] as const;
  const people = pairs.flatMap((pair, index) =>
    pair.map((username, at) => ({ username, address: `alike${index}${at}@example.org` })),
  );
  const { findings, counts } = await runImport(platform, directory(people), { name: 'alike', dryRun: true });
  assert.equal(counts.imported, people.length);
  const flagged = findings.find(({ kind }) => kind === 'look-alike');
  assert.equal(flagged?.count, pairs.length);
  assert.match(flagged?.examples[0]?.text ?? '', /easily taken for paypal/);
  for (const [, name] of [pairs[0], pairs[1], pairs[3]]) {
    assert.equal((await signUp(name, 'mixed@example.org')).status, 422, name);
    assert.equal((await addByApi(name, 'mixed@example.org')).body.code, 'username-rule', name);
  }
});
