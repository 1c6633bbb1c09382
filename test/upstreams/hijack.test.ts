/** The plays of taking over an account before or while its owner comes through an upstream: each is acted out and fails. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { system } from '#kit/db/database.ts';
import { mayLinkByAddress } from '#signon/upstream/arrive.ts';
import { linkOfSubject } from '#signon/upstream/links.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';
import { type FakeIdp, startFakeIdp } from './fake-idp.ts';
import { browser, textOf } from './stage.ts';

let platform: Platform;
let idp: FakeIdp;
let evil: FakeIdp;
const password = 'plum violin tractor';
const attackers = 'copper kettle hill 9';

const upstream = (id: string, at: FakeIdp, more = '') =>
  `  - { id: ${id}, title: "Door ${id}", privateNetwork: true, oidc: { issuer: "${at.issuer}", clientId: gatehouse }, credentials: { clientSecret: something }${more} }\n`;

const declare = (good = '', bad = '') =>
  platform.apply(`upstreams:\n${upstream('good', idp, good)}${upstream('evil', evil, bad)}`);

before(async () => {
  [idp, evil] = [await startFakeIdp(), await startFakeIdp()];
  platform = await startPlatform({ realTime: true });
  await platform.apply('community: { name: Harbour }\n');
});
after(async () => {
  await idp.stop();
  await evil.stop();
});
beforeEach(async () => {
  for (const one of [idp, evil])
    Object.assign(one, { claims: {}, answer: {}, forge: undefined, down: false });
  await declare();
});

let count = 0;
function victim() {
  count += 1;
  const name = `victim${count}`;
  return { name, address: `${name}@mail.test` };
}

const local = (who: { name: string; address: string }) =>
  platform.apply(
    `people: [{ username: ${who.name}, names: { givenName: V }, password: ${password}, addresses: [${who.address}] }]\n`,
  );

const ownerOf = (subject: string, at = 'good') =>
  platform.database.read(system(), (tx) => linkOfSubject(tx, { upstream: at, tenant: '', subject }));

async function signUp(visitor: Visitor, who: { name: string; address: string }, secret: string) {
  await visitor.open('/sign-up');
  return visitor.submit(
    { username: who.name, given_name: 'Some', family_name: 'One', email: who.address, password: secret },
    '/sign-up',
  );
}

async function mailed(address: string) {
  const mails = await platform.mailTo(address);
  const text = mails.map((mail) => mail.text).join('\n');
  return {
    link: text.match(/https?:\/\/\S+\/verify\?token=\S+/g)?.at(-1),
    code: mails.map((mail) => /\b(\d{6})\b/.exec(mail.text)?.[1]).findLast(Boolean) ?? '',
    count: mails.length,
  };
}

const trusted = ', newPeople: create, trustAddresses: true';

test('AC-01 classic-federated merge: an account signed up with the victim’s address is not what the victim comes into', async () => {
  const who = victim();
  const attacker = platform.visitor();
  await signUp(attacker, { name: `${who.name}x`, address: who.address }, attackers);
  await declare(trusted);
  idp.claims = {
    sub: who.name,
    preferred_username: who.name,
    given_name: 'V',
    email: who.address,
    email_verified: true,
  };
  const home = await browser(platform, [idp.issuer]).go('/upstream/good/start');
  assert.match(home.url, /\/account$/);
  assert.match(textOf(home), new RegExp(`${who.name}\\b`));
  assert.doesNotMatch(textOf(home), new RegExp(`${who.name}x`));
  const { code } = await mailed(who.address);
  const late = await attacker.submit({ code }, '/verify/code');
  assert.notEqual(late.status, 200, 'even its own code confirms nothing any more');
  const [row] = await platform.database.query<{ state: string }>(
    'select state from people where username = $1',
    [`${who.name}x`],
  );
  assert.equal(row!.state, 'unverified');
});

test('AC-01 unexpired session: what the attacker had open is not the account of the victim', async () => {
  const who = victim();
  const attacker = platform.visitor();
  await signUp(attacker, { name: `${who.name}x`, address: who.address }, attackers);
  await declare(trusted);
  idp.claims = {
    sub: who.name,
    preferred_username: who.name,
    given_name: 'V',
    email: who.address,
    email_verified: true,
  };
  await browser(platform, [idp.issuer]).go('/upstream/good/start');
  assert.match((await attacker.open('/account')).url, /\/sign-in/);
  assert.match((await attacker.open('/verify/code')).url, /\/verify\/code/);
});

test('AC-01 trojan identifier: an unconfirmed address on the attacker’s account draws nobody into it', async () => {
  const who = victim();
  const mallory = victim();
  await local(mallory);
  const attacker = platform.visitor();
  await attacker.signIn(mallory.name, password);
  await attacker.open('/account');
  await attacker.submit({ email: who.address }, '/account/addresses');
  await declare(`${trusted}, authoritative: [mail.test]`);
  idp.claims = {
    sub: who.name,
    preferred_username: who.name,
    given_name: 'V',
    email: who.address,
    email_verified: true,
  };
  const home = await browser(platform, [idp.issuer]).go('/upstream/good/start');
  assert.match(home.url, /\/account$/);
  assert.doesNotMatch(textOf(home), new RegExp(mallory.name));
});

test('AC-01 unexpired e-mail change: a change under way confirms nothing once the address is the victim’s', async () => {
  const who = victim();
  const mallory = victim();
  await local(mallory);
  const attacker = platform.visitor();
  await attacker.signIn(mallory.name, password);
  await attacker.open('/account');
  const waiting = await attacker.submit({ email: who.address }, '/account/addresses');
  const { code, link } = await mailed(who.address);
  await declare(trusted);
  idp.claims = {
    sub: who.name,
    preferred_username: who.name,
    given_name: 'V',
    email: who.address,
    email_verified: true,
  };
  assert.match((await browser(platform, [idp.issuer]).go('/upstream/good/start')).url, /\/account$/);
  const path = new URL(waiting.url).pathname;
  await attacker.open(path);
  await attacker.submit({ code }, path);
  const page = await attacker.open(new URL(link!).pathname + new URL(link!).search);
  if (page.status === 200) await attacker.submit({}, '/verify');
  const rows = await platform.database.query<{ username: string }>(
    `select p.username from addresses a join people p on p.id = a.person where a.address_key = $1 and a.verified_at is not null`,
    [who.address],
  );
  assert.deepEqual(rows, [{ username: who.name }]);
});

test('AC-01 non-verifying provider: an address it did not verify opens nothing and is proved by mail first', async () => {
  const who = victim();
  await local(who);
  await declare('', ', newPeople: create');
  for (const verified of [false, undefined, 'yes', 1, true]) {
    evil.claims = {
      sub: `m-${verified}`,
      preferred_username: `m${count}`,
      given_name: 'M',
      email: who.address,
      email_verified: verified,
    };
    const page = await browser(platform, [evil.issuer]).go('/upstream/evil/start');
    assert.match(page.url, /\/upstream\/arrivals\//, String(verified));
    assert.equal(await ownerOf(`m-${verified}`, 'evil'), undefined);
  }
});

test('AC-02 nOAuth: an upstream that asserts the victim’s address gets local proof asked, and the page tells nothing unless the upstream is trusted', async () => {
  const who = victim();
  await local(who);
  const seen: string[] = [];
  for (const address of [who.address, 'nobody-at-all@mail.test']) {
    evil.claims = {
      sub: `n-${address}`,
      preferred_username: 'someone',
      given_name: 'N',
      email: address,
      email_verified: true,
    };
    const page = await browser(platform, [evil.issuer]).go('/upstream/evil/start');
    seen.push(textOf(page).replaceAll(/Reference: \S+/g, ''));
    assert.equal(await ownerOf(`n-${address}`, 'evil'), undefined);
  }
  assert.equal(seen[0], seen[1]);
});

test('AC-02 making an account with the victim’s address ends at a mail to the victim, not in an account', async () => {
  const who = victim();
  await local(who);
  evil.claims = {
    sub: 'trespasser',
    preferred_username: `trespasser${count}`,
    given_name: 'T',
    email: who.address,
    email_verified: true,
  };
  const mallory = browser(platform, [evil.issuer]);
  const choice = await mallory.go('/upstream/evil/start');
  await mallory.go(`${new URL(choice.url).pathname}/new`);
  const waits = await mallory.send({
    username: `trespasser${count}`,
    given_name: 'T',
    family_name: '',
    email: who.address,
  });
  assert.match(waits.url, /\/verify\/code/);
  assert.match((await mallory.go('/account')).url, /\/sign-in/);
  assert.match(
    (await mallory.go('/upstream/evil/start')).url,
    /\/verify\/code/,
    'its own link opens nothing either',
  );
  const mail = (await platform.mailTo(who.address)).at(-1)!;
  assert.doesNotMatch(mail.text, /token=/);
});

test('AC-03 linking without asking: the truth table of authoritative, verified there, verified here; told by mail', async () => {
  const outcomes: string[] = [];
  for (const authoritative of [false, true])
    for (const verifiedThere of [false, true])
      for (const verifiedHere of [false, true]) {
        const who = victim();
        await local(who);
        if (!verifiedHere)
          await platform.database.query('update addresses set verified_at = null where address_key = $1', [
            who.address,
          ]);
        await declare(authoritative ? ', authoritative: [mail.test]' : '');
        idp.claims = {
          sub: who.name,
          preferred_username: who.name,
          email: who.address,
          email_verified: verifiedThere,
        };
        await browser(platform, [idp.issuer]).go('/upstream/good/start');
        const linked = (await ownerOf(who.name)) !== undefined;
        assert.equal(linked, mayLinkByAddress({ authoritative, verifiedThere, verifiedHere }));
        assert.equal(linked, authoritative && verifiedThere && verifiedHere);
        outcomes.push(linked ? 'linked' : 'asked');
        const told = (await platform.mailTo(who.address)).filter((mail) => /Door good/.test(mail.text));
        assert.equal(told.length, linked ? 1 : 0);
      }
  assert.deepEqual(outcomes, [...Array(7).fill('asked'), 'linked']);
});

test('AC-03 an address that was given to somebody else there does not open the account of whoever had it', async () => {
  const who = victim();
  await local(who);
  await declare(', authoritative: [mail.test]');
  idp.claims = { sub: `${who.name}-first`, email: who.address, email_verified: true };
  await browser(platform, [idp.issuer]).go('/upstream/good/start');
  assert.ok(await ownerOf(`${who.name}-first`));
  idp.claims = { sub: `${who.name}-second`, email: who.address, email_verified: true };
  const page = await browser(platform, [idp.issuer]).go('/upstream/good/start');
  assert.match(page.url, /\/arrivals\//);
  assert.equal(await ownerOf(`${who.name}-second`), undefined);
});

test('AC-04 proof is bound to its flow, browser, person and subject', async () => {
  const who = victim();
  const other = victim();
  await local(who);
  await local(other);
  idp.claims = {
    sub: 'first-subject',
    preferred_username: 'p',
    email: 'p@elsewhere.test',
    email_verified: true,
  };
  const mine = browser(platform, [idp.issuer]);
  const first = new URL((await mine.go('/upstream/good/start')).url).pathname;
  // Signed in before the arrival does not count.
  const earlier = browser(platform, [idp.issuer]);
  await earlier.here.signIn(who.name, password);
  const arrived = new URL((await earlier.go('/upstream/good/start')).url).pathname;
  assert.match((await earlier.go(`${arrived}/link`)).url, /\/sign-in/);
  // Another browser, signed in or not, has no such arrival.
  const stranger = browser(platform, [idp.issuer]);
  await stranger.here.signIn(other.name, password);
  assert.equal((await stranger.go(`${first}/link`)).status, 410);
  // A second subject in the same browser is another arrival: linking the first links the first alone.
  idp.claims = {
    sub: 'second-subject',
    preferred_username: 'q',
    email: 'q@elsewhere.test',
    email_verified: true,
  };
  const second = new URL((await mine.go('/upstream/good/start')).url).pathname;
  assert.notEqual(first, second);
  await mine.go(`${second}/link`);
  const confirm = await mine.send({ username: who.name, password }, '/sign-in');
  assert.match(confirm.url, /\/link$/);
  await mine.send({}, `${second}/link`);
  assert.equal(await ownerOf('first-subject'), undefined);
  assert.ok(await ownerOf('second-subject'));
  // Used once.
  assert.equal((await mine.go(`${second}/link`)).status, 410);
});

test('AC-04 on the account page the session that set out must be the one that comes back', async () => {
  const who = victim();
  const other = victim();
  await local(who);
  await local(other);
  idp.claims = { sub: `${who.name}-page`, preferred_username: 'p' };
  const mine = browser(platform, [idp.issuer]);
  await mine.here.signIn(who.name, password);
  await mine.go('/account/links/good');
  const away = await mine.here.submit({}, '/account/links/good');
  const seen = await mine.there[0]!.request(away.headers.get('refresh')!.replace('0; url=', ''));
  await mine.here.open('/account');
  await mine.here.submit({}, '/switch-account');
  await mine.here.signIn(other.name, password);
  const swapped = await mine.go(seen.headers.get('location')!);
  assert.ok(swapped.status >= 400 || /\/sign-in/.test(swapped.url), swapped.url);
  assert.equal(await ownerOf(`${who.name}-page`), undefined);
  const again = browser(platform, [idp.issuer]);
  await again.here.signIn(who.name, password);
  await again.go('/account/links/good');
  const home = await again.send({}, '/account/links/good');
  assert.match(home.url, /\/account\?said=linked/);
  assert.ok(await ownerOf(`${who.name}-page`));
  // Someone else cannot link the same subject.
  const thief = browser(platform, [idp.issuer]);
  await thief.here.signIn(other.name, password);
  await thief.go('/account/links/good');
  const refused = await thief.send({}, '/account/links/good');
  assert.equal(refused.status, 409);
  assert.match(textOf(refused), /upstream-taken/);
});

test('AC-13 whose a link is cannot be changed, by no statement at all', async () => {
  const who = victim();
  await local(who);
  const [person] = await platform.database.query<{ id: string }>(
    'select id from people where username = $1',
    [who.name],
  );
  const [row] = await platform.database.query<{ id: string }>('select id from upstream_links limit 1');
  assert.ok(row);
  for (const set of ['person = $2', "subject = $2 || 'x'", "tenant = $2 || 'x'"])
    await assert.rejects(
      platform.database.query(
        `update upstream_links set ${set.replace('$2', set.startsWith('person') ? '$2::uuid' : '$2::text')} where id = $1`,
        [row.id, person!.id],
      ),
      /does not change/,
    );
});

test('SA-15 a disabled or removed upstream is dead: start, answer under way, arrival, account page, existing links', async () => {
  const who = victim();
  await local(who);
  await declare(', authoritative: [mail.test]');
  idp.claims = { sub: `${who.name}-dead`, email: who.address, email_verified: true };
  assert.match((await browser(platform, [idp.issuer]).go('/upstream/good/start')).url, /\/account$/);
  const under = browser(platform, [idp.issuer]);
  const away = await under.here.request('/upstream/good/start');
  const seen = await under.there[0]!.request(away.headers.get('location')!);
  idp.claims = { sub: `${who.name}-new`, email: 'n@elsewhere.test' };
  const arriving = browser(platform, [idp.issuer]);
  const arrival = await arriving.go('/upstream/good/start');
  const signedIn = browser(platform, [idp.issuer]);
  await signedIn.here.signIn(who.name, password);
  await declare(', enabled: false');
  for (const gone of [false, true]) {
    if (gone) {
      const { removeUpstream } = await import('#signon/upstream/upstreams.ts');
      await platform.database.transact(system(), (tx) => removeUpstream(tx, 'good'));
    }
    assert.equal((await browser(platform, []).go('/upstream/good/start')).status, 404);
    assert.ok((await under.go(seen.headers.get('location')!)).status >= 400);
    assert.ok((await arriving.go(new URL(arrival.url).pathname)).status >= 400);
    assert.equal((await signedIn.go('/account/links/good')).status, 404);
    assert.doesNotMatch((await browser(platform, []).go('/sign-in')).text, /with-good/);
  }
  await declare();
  idp.claims = { sub: `${who.name}-dead`, preferred_username: 'later' };
  const back = await browser(platform, [idp.issuer]).go('/upstream/good/start');
  assert.match(back.url, /\/arrivals\//, 'after removal the old link is gone with it');
});

test('SA-16 the same subject of a second upstream is someone else', async () => {
  const who = victim();
  await local(who);
  await declare(', authoritative: [mail.test]');
  idp.claims = { sub: 'shared-subject', email: who.address, email_verified: true };
  assert.match((await browser(platform, [idp.issuer]).go('/upstream/good/start')).url, /\/account$/);
  evil.claims = { sub: 'shared-subject', email: who.address, email_verified: true };
  assert.match((await browser(platform, [evil.issuer]).go('/upstream/evil/start')).url, /\/arrivals\//);
});

test('AU-20 strength is what was told: nothing told is one factor; what is required must be told; mfa counts where it is believed', async () => {
  const strength = async (name: string) =>
    (
      await platform.database.query<{ amr: string[]; aal: number }>(
        `select s.amr, s.aal from sessions s join people p on p.id = s.person where p.username = $1 order by s.created_at desc limit 1`,
        [name],
      )
    )[0];
  const who = victim();
  await local(who);
  const come = async (more: Record<string, unknown>) => {
    idp.claims = { sub: who.name, email: who.address, email_verified: true, ...more };
    return browser(platform, [idp.issuer]).go('/upstream/good/start');
  };
  await declare(', authoritative: [mail.test]');
  await come({});
  assert.deepEqual(await strength(who.name), { amr: [], aal: 1 });
  await come({ amr: ['pwd', 'mfa'] });
  assert.deepEqual(
    await strength(who.name),
    { amr: ['pwd', 'mfa'], aal: 1 },
    'told, but nobody said it counts',
  );
  await declare(', secondFactor: { amr: [mfa] }');
  await come({ amr: ['pwd', 'mfa'] });
  assert.deepEqual(await strength(who.name), { amr: ['pwd', 'mfa'], aal: 2 });
  await come({ amr: ['pwd'] });
  assert.deepEqual(await strength(who.name), { amr: ['pwd'], aal: 1 });
  await declare(', require: { amr: [mfa], acr: [gold] }');
  for (const told of [
    {},
    { amr: ['mfa'] },
    { acr: 'gold' },
    { amr: ['mfa'], acr: 'silver' },
    { amr: 'mfa', acr: 'gold' },
  ]) {
    const page = await come(told);
    assert.equal(page.status, 403, JSON.stringify(told));
    assert.match(textOf(page), /upstream-weak/);
  }
  assert.match((await come({ amr: ['pwd', 'mfa'], acr: 'gold' })).url, /\/account$/);
});

test('AC-05 the first proof of an address, in another browser than signed up, takes away what was set before: password, link, waiting, session', async () => {
  const who = victim();
  await declare('', ', newPeople: ask');
  evil.claims = {
    sub: `pre-${who.name}`,
    preferred_username: who.name,
    given_name: 'P',
    email: who.address,
    email_verified: true,
  };
  const attacker = browser(platform, [evil.issuer]);
  const choice = await attacker.go('/upstream/evil/start');
  await attacker.go(`${new URL(choice.url).pathname}/new`);
  await attacker.send({ username: who.name, given_name: 'P', family_name: '', email: who.address });
  assert.ok(await ownerOf(`pre-${who.name}`, 'evil'));
  const { link } = await mailed(who.address);
  const owner = platform.visitor();
  await owner.open(link!);
  assert.match((await owner.submit({}, '/verify')).url, /\/recover\/new/);
  assert.equal(await ownerOf(`pre-${who.name}`, 'evil'), undefined);
  assert.match(
    (await attacker.go('/upstream/evil/start')).url,
    /\/arrivals\//,
    'its link opens nothing any more',
  );
  assert.match((await attacker.go('/verify/code')).url, /\/sign-in/);
  assert.match((await attacker.go('/account')).url, /\/sign-in/);
  await owner.submit({ password: 'seven lanterns float' }, '/recover/new');
  assert.match((await owner.signIn(who.name, 'seven lanterns float')).url, /\/account$/);
});
