/** What somebody was known by is never another's: user names, names at apps, subjects, alias mailboxes, at every door. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { aliasesOf, assignAliases, fixSubject, removeAlias } from '#core/aliases/aliases.ts';
import { subjectsOf } from '#core/aliases/erasure.ts';
import { currentMailbox } from '#core/aliases/mailboxes.ts';
import { requireApplication } from '#core/applications/applications.ts';
import { join } from '#core/lifecycle/join.ts';
import { leave } from '#core/lifecycle/leave.ts';
import { createToken } from '#core/operators/tokens.ts';
import { findByUsername } from '#core/people/people.ts';
import { profilesFor } from '#core/profile/profile.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { importAliases } from '#migration/aliases.ts';
import { runImport } from '#migration/import.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import { callApi } from '#test/api.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { decode, Party, secret } from '../flows/oidc-party.ts';
import { publishedCertificates, SamlParty } from '../flows/saml-party.ts';
import { type FakeIdp, startFakeIdp } from '../upstreams/fake-idp.ts';
import { browser } from '../upstreams/stage.ts';
import { addPeople, behindProxy, mailedLink, signedIn, stranger } from './stage.ts';

const password = 'plum violin tractor';
let platform: Platform;
let idp: FakeIdp;
let token: string;
const during = <T>(work: (tx: Tx) => Promise<T>) => platform.database.transact(system('admin'), work);
const refused = (code: string) => (error: { code?: string }) => error.code === code;

const oidc = `secret: ${secret}, consent: trusted, oidc: { redirectUris: [http://127.0.0.1:9/callback] }`;

before(async () => {
  idp = await startFakeIdp();
  platform = await startPlatform({
    env: { ...behindProxy, GATEHOUSE_ALIAS_DOMAIN: 'people.harbour.test' },
    realTime: true,
  });
  await platform.apply(`
community: { name: Harbour }
upstreams:
  - { id: good, title: Good, privateNetwork: true, oidc: { issuer: "${idp.issuer}", clientId: gatehouse } }
applications:
  - { id: pairwise, title: Pairwise, release: { claims: [username] }, ${oidc} }
  - { id: public, title: Public, subject: public, ${oidc} }
  - { id: named, title: Named, subject: username, ${oidc} }
  - { id: wiki, title: Wiki, release: { claims: [username] }, ${oidc} }
  - id: saml
    title: Saml
    consent: trusted
    saml: { entityId: https://saml.example.org/saml, acsUrls: [https://saml.example.org/acs], nameId: { format: unspecified } }
`);
  token = (await during((tx) => createToken(tx, { name: 'test', scopes: ['owner'] }))).token;
});
after(() => idp.stop());

const idOf = async (username: string) => (await during((tx) => findByUsername(tx, username)))!.id;

const added = (username: string) =>
  addPeople(platform, [{ username, password, address: `${username}@example.org` }]);

const api = (method: string, path: string, body?: unknown) => callApi(platform, token, method, path, body);

async function signUp(username: string, email: string) {
  await platform.database.query('delete from rate_buckets');
  const visitor = stranger(platform);
  await visitor.open('/sign-up');
  const page = await visitor.submit(
    { username, given_name: 'New', family_name: 'One', email, password },
    '/sign-up',
  );
  return { page, visitor };
}

async function confirmed(username: string, email: string) {
  const { visitor } = await signUp(username, email);
  await visitor.open(await mailedLink(platform, email, '/verify'));
  assert.match((await visitor.submit({}, '/verify')).url, /\/account/);
  return visitor;
}

const apps = ['pairwise', 'public', 'named', 'wiki'];

/** Enters every app; returns what each calls the person. */
async function enterAll(visitor: Awaited<ReturnType<typeof signedIn>>): Promise<Record<string, string>> {
  const subjects: Record<string, string> = {};
  for (const id of apps)
    subjects[id] = String(decode((await new Party(platform, { id }).tokens(visitor)).id_token!).claims.sub);
  return subjects;
}

/** Every way of getting this user name; all must say no. */
async function takenEverywhere(username: string, what: string) {
  const { page } = await signUp(username, 'another@example.org');
  assert.equal(page.status, 422, `${what}: sign-up`);
  assert.match(page.text, /Someone already has this user name/);
  const byApi = await api('POST', '/people', { username, address: 'another@example.org' });
  assert.deepEqual([byApi.status, byApi.body.code], [409, 'username-taken'], `${what}: API`);
  if (!(await during((tx) => findByUsername(tx, username))))
    await assert.rejects(
      platform.apply(`people: [{ username: ${username}, names: { givenName: X } }]`),
      /already has this user name/,
      `${what}: apply`,
    );
  const ldif = `version: 1\n\ndn: uid=${username},dc=other\nobjectClass: inetOrgPerson\nuid: ${username}\ncn: X\nsn: X\nmail: another@example.org\n`;
  const source = { label: `other-${what}`, readSource: () => readLdif(Readable.from([Buffer.from(ldif)])) };
  const report = await runImport(platform, source, { dryRun: false });
  assert.deepEqual([report.counts.in, report.counts.conflict], [1, 1], `${what}: import`);
  assert.equal(report.findings[0]?.kind, 'username-taken');
  idp.claims = {
    sub: `${what}-${username}`,
    preferred_username: username,
    given_name: 'X',
    email: 'another@example.org',
    email_verified: true,
  };
  const mine = browser(platform, [idp.issuer]);
  const arrival = await mine.go('/upstream/good/start');
  const form = `${new URL(arrival.url).pathname}/new`;
  const proposed = await mine.go(form);
  assert.doesNotMatch(
    proposed.text,
    new RegExp(`name="username"[^>]*value="${username}"`),
    `${what}: not proposed`,
  );
  const typed = { username, given_name: 'X', family_name: '', email: 'another@example.org' };
  assert.match(
    (await mine.send(typed, form)).text,
    /Someone already has this user name/,
    `${what}: newcomer`,
  );
}

test('AC-09 a user name is nobody else’s again: whoever had it is here, left, was locked, or is erased', async () => {
  for (const state of ['active', 'left', 'locked', 'erased'] as const) {
    const username = `nina.${state}`;
    await added(username);
    const id = await idOf(username);
    if (state !== 'active') await during((tx) => leave(tx, id, state, 'test'));
    for (const spelling of [username, username.toUpperCase()]) {
      const taken = await api('POST', '/people', { username: spelling, address: 'another@example.org' });
      assert.ok(taken.status === 409 || taken.body.code === 'username-rule', `${spelling}: ${taken.status}`);
    }
    await takenEverywhere(username, state);
  }
});

test('AC-09 whoever was erased and comes again, with the same address, is someone new to every app', async () => {
  const before = await enterAll(await confirmed('olga1', 'olga@example.org'));
  const id = await idOf('olga1');
  const mailbox = (await during((tx) => currentMailbox(tx, id)))?.address;
  assert.equal(mailbox, 'olga1@people.harbour.test');
  await during((tx) => leave(tx, id, 'erased', 'asked'));
  await platform.settle();
  const again = await confirmed('olga2', 'olga@example.org');
  const after = await enterAll(again);
  for (const app of apps) assert.notEqual(after[app], before[app], app);
  for (const app of apps)
    await assert.rejects(
      during(async (tx) =>
        fixSubject(tx, await requireApplication(tx, app), await joinOther(tx), before[app]!),
      ),
      refused('conflict'),
      `the subject at ${app}`,
    );
  const olga2 = await idOf('olga2');
  assert.notEqual(olga2, id);
  // A legacy name leads to the same local part; the mailbox is another one.
  const legacy = await during((tx) =>
    join(tx, { username: 'Olga1@', state: 'active', origin: 'test', addresses: [] }),
  );
  assert.notEqual((await during((tx) => currentMailbox(tx, legacy)))?.address, mailbox);
});

let others = 0;
function joinOther(tx: Tx): Promise<string> {
  others += 1;
  return join(tx, { username: `other${others}`, state: 'active', origin: 'test', addresses: [] });
}

/** Every way of giving a name at an app; all must say no. */
async function aliasRefusedEverywhere(application: string, alias: string, username: string) {
  const id = await idOf(username);
  const byApi = await api('PUT', `/applications/${application}/aliases/${id}`, { alias });
  assert.deepEqual([byApi.status, byApi.body.code], [409, 'alias-taken'], `API: ${alias}`);
  await assert.rejects(
    platform.apply(`people: [{ username: ${username}, aliases: { ${application}: ${alias} } }]`),
    /already has this name at this app|someone else/i,
    `apply: ${alias}`,
  );
  const csv = Buffer.from(`application,username,alias\n${application},${username},${alias}\n`);
  for (const dryRun of [true, false]) {
    const report = await importAliases(platform, csv, { dryRun });
    assert.deepEqual([report.counts.assigned, report.counts.conflict], [0, 1], `import: ${alias}, ${dryRun}`);
  }
  await assert.rejects(
    during((tx) =>
      join(tx, {
        username: `joins-${alias}`,
        state: 'active',
        origin: 'test',
        addresses: [],
        aliases: [{ application, alias }],
      }),
    ),
    refused('alias-taken'),
    `join: ${alias}`,
  );
  assert.equal((await during((tx) => aliasesOf(tx, id))).get(application), undefined);
}

test('AC-09 a name at an app is nobody else’s again: given, given up, by the rule, of the erased', async () => {
  for (const username of ['pia', 'quinn', 'rosa', 'sami', 'taker']) await added(username);
  const [pia, quinn, rosa] = [await idOf('pia'), await idOf('quinn'), await idOf('rosa')];
  const give = (person: string, alias: string) =>
    during((tx) => assignAliases(tx, [{ application: 'wiki', person, alias }], 'test'));
  await give(pia, 'countess');
  await aliasRefusedEverywhere('wiki', 'countess', 'taker');
  // Given up before the app ever heard of it, it is free; afterwards it stays theirs.
  await give(pia, 'baroness');
  assert.equal((await give(quinn, 'countess')).assigned, 1);
  const wiki = new Party(platform, { id: 'wiki' });
  const named = async (username: string) => {
    const visitor = await signedIn(platform, { username, password });
    const { access_token } = await wiki.tokens(visitor);
    return (await wiki.userinfo(access_token)).body.preferred_username;
  };
  assert.equal(await named('pia'), 'baroness');
  await give(pia, 'duchess');
  await aliasRefusedEverywhere('wiki', 'baroness', 'taker');
  await during((tx) => removeAlias(tx, 'wiki', pia));
  await aliasRefusedEverywhere('wiki', 'duchess', 'taker');
  // By the rule: the user name of someone the app has heard of, also once they are called otherwise there, or erased.
  await aliasRefusedEverywhere('wiki', 'pia', 'taker');
  await give(pia, 'pia-two');
  await aliasRefusedEverywhere('wiki', 'pia', 'taker');
  assert.equal(await named('rosa'), 'rosa');
  for (const id of [pia, rosa]) await during((tx) => leave(tx, id, 'erased', 'asked'));
  for (const alias of ['baroness', 'duchess', 'pia-two', 'pia', 'rosa'])
    await aliasRefusedEverywhere('wiki', alias, 'taker');
  const kept = await platform.database.query<{ row: string }>(
    'select t::text as row from former_aliases t union all select t::text from aliases t',
  );
  assert.ok(
    kept.every(({ row }) => !/baroness|duchess|pia|rosa/.test(row)),
    'and nobody can read them',
  );
});

test('AC-09 whoever would come to an app under the name of somebody else there does not come in, by any protocol', async () => {
  await added('uwe');
  const uwe = await idOf('uwe');
  // A list of legacy names says who "vera" is at these apps; then somebody takes that very user name here.
  const csv = Buffer.from(['wiki', 'named', 'saml'].map((app) => `${app},uwe,vera`).join('\n'));
  const report = await importAliases(
    platform,
    Buffer.concat([Buffer.from('application,username,alias\n'), csv, Buffer.from('\n')]),
  );
  assert.equal(report.counts.assigned, 3);
  const visitor = await confirmed('vera', 'vera@example.org');
  const vera = await idOf('vera');
  for (const id of ['wiki', 'named']) {
    const party = new Party(platform, { id });
    const page = await visitor.open(party.authorizationUrl());
    assert.equal(page.headers.get('location'), null, id);
    assert.match(page.text, /already has this name/);
    assert.equal((await party.authorize(visitor, { prompt: 'none' })).get('code'), null);
  }
  const saml = new SamlParty(platform.origin, 'saml', await publishedCertificates(platform.origin));
  await visitor.open(await saml.startUrl());
  assert.doesNotMatch(visitor.page.text, /SAMLResponse/);
  assert.match(visitor.page.text, /already has this name/);
  assert.deepEqual([...(await during((tx) => subjectsOf(tx, vera)))], []);
  const { body } = await api('GET', '/explain?person=vera&application=named');
  assert.deepEqual([body.opens, body.first.check, body.first.code], ['no', 'name', 'alias-taken']);
  assert.match(body.first.step, /another name/);
  const theirs = await signedIn(platform, { username: 'uwe', password });
  const claims = decode((await new Party(platform, { id: 'named' }).tokens(theirs)).id_token!).claims;
  assert.equal(claims.sub, 'vera', 'the name is uwe’s there');
  // With a name of their own they come in.
  assert.equal((await api('PUT', `/applications/wiki/aliases/${vera}`, { alias: 'vera-two' })).status, 200);
  assert.ok((await new Party(platform, { id: 'wiki' }).tokens(visitor)).id_token);
  // The same with a name that someone erased had there.
  await during((tx) => leave(tx, uwe, 'erased', 'asked'));
  const page = await visitor.open(new Party(platform, { id: 'named' }).authorizationUrl());
  assert.match(page.text, /already has this name/);
});

test('AC-09 of someone who enters an app and another who is given their name there in that moment, one does', async () => {
  const application = await during((tx) => requireApplication(tx, 'wiki'));
  for (let round = 0; round < 50; round += 1) {
    const [enters, isGiven] = await during(async (tx) => [
      await join(tx, { username: `race${round}`, state: 'active', origin: 'test', addresses: [] }),
      await join(tx, { username: `given${round}`, state: 'active', origin: 'test', addresses: [] }),
    ]);
    const outcomes = await Promise.all([
      during(async (tx) => {
        const [profile] = await profilesFor(tx, platform.secrets, application, [enters!]);
        await fixSubject(tx, application, enters!, profile!.subject);
        return true;
      }).catch((error) => {
        assert.equal(error.code, 'alias-taken');
        return false;
      }),
      during(
        async (tx) =>
          (
            await assignAliases(
              tx,
              [{ application: 'wiki', person: isGiven!, alias: `race${round}` }],
              'test',
            )
          ).assigned === 1,
      ),
    ]);
    assert.equal(outcomes.filter(Boolean).length, 1, `round ${round}`);
  }
});
