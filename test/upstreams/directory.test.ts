/** A real directory that checks passwords at our sign-in page: joining on the fly, taking over, and what happens when it is away. */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { after, before, test } from 'node:test';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type Slapd, slapdMissing, startSlapd } from '#test/peers/slapd.ts';
import { Visitor } from '#test/visitor.ts';
import { idOn, textOf } from './stage.ts';

const skip = slapdMissing();
const baseDn = 'dc=old,dc=test';
const local = 'plum violin tractor';
const entry = (uid: string, password: string, more = '') => `
dn: uid=${uid},ou=users,${baseDn}
objectClass: inetOrgPerson
uid: ${uid}
cn: ${uid}
givenName: ${uid[0]!.toUpperCase()}${uid.slice(1)}
sn: Old
displayName: ${uid[0]!.toUpperCase()}${uid.slice(1)} Old
mail: ${uid}@old.test
userPassword: ${password}
${more}`;
const ldif = `dn: ${baseDn}
objectClass: dcObject
objectClass: organization
dc: old
o: Old

dn: ou=users,${baseDn}
objectClass: organizationalUnit
ou: users

dn: cn=reader,${baseDn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-of-a-test
${entry('grace', 'grace-in-the-directory')}${entry('alan', 'alan-in-the-directory')}${entry('ada', 'ada-in-the-directory')}${entry('keep', 'keep-in-the-directory')}${entry('plain', 'plain-in-the-directory')}`;

let platform: Platform;
let slapd: Slapd;
let proxy: {
  port: number;
  mode: 'through' | 'silent' | 'half' | 'refuse';
  asked: number;
  stop(): Promise<void>;
};

/** Stands between us and the directory, so that it can be down, hang, or break off. */
async function startProxy(target: number): Promise<typeof proxy> {
  const open = new Set<Socket>();
  const { connect } = await import('node:net');
  const server: Server = createServer((socket) => {
    open.add(socket.on('error', () => undefined));
    made.asked += 1;
    if (made.mode === 'refuse') return void socket.destroy();
    if (made.mode === 'silent') return;
    const there = connect(target, '127.0.0.1').on('error', () => socket.destroy());
    open.add(there);
    socket.pipe(there);
    if (made.mode === 'through') there.pipe(socket);
    else there.on('data', (bytes) => socket.end(bytes.subarray(0, 5)));
    socket.on('close', () => there.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const made = {
    port: (server.address() as { port: number }).port,
    mode: 'through' as 'through' | 'silent' | 'half' | 'refuse',
    asked: 0,
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return made;
}

const declare = (more = '', own = '') =>
  platform.apply(`upstreams:
  - id: old
    title: Old Directory
    privateNetwork: true
    newPeople: create
    trustAddresses: true
    ldap: { url: "ldap://127.0.0.1:${proxy.port}", bindDn: "cn=reader,${baseDn}", baseDn: "${baseDn}"${own} }
    credentials: { bindPassword: reader-of-a-test }
${more}`);

before(async () => {
  if (skip) return;
  slapd = await startSlapd({
    ldif,
    baseDn,
    database: [
      'access to attrs=userPassword by anonymous auth by * none',
      'access to * by dn="cn=reader,' + baseDn + '" read by * none',
    ],
  });
  proxy = await startProxy(Number(new URL(slapd.url).port));
  platform = await startPlatform({ realTime: true });
  await platform.apply(`
community: { name: Harbour }
people:
  - { username: ada, names: { givenName: Ada }, password: ${local}, addresses: [ada@new.test] }
`);
  await declare();
});
after(async () => {
  if (skip) return;
  await proxy.stop();
  await slapd.stop();
});

const signIn = (name: string, password: string) => new Visitor(platform.origin).signIn(name, password);

test('someone of the directory alone is in with its password, made on the fly, by name or address, and again', {
  skip,
}, async () => {
  const home = await signIn('grace', 'grace-in-the-directory');
  assert.match(home.url, /\/account$/);
  assert.match(textOf(home), /Grace Old/);
  assert.match(textOf(home), /Old Directory grace/);
  assert.match((await signIn('grace', 'grace-in-the-directory')).url, /\/account$/);
  assert.match((await signIn('grace@old.test', 'grace-in-the-directory')).url, /\/account$/);
  const [row] = await platform.database.query<{ amr: string[]; upstream: string; people: number }>(
    `select s.amr, u.upstream, (select count(*) from people where username like 'grace%') as people from sessions s
     join people p on p.id = s.person join session_upstreams u on u.session = s.id where p.username = 'grace' limit 1`,
  );
  assert.deepEqual(row, { amr: ['pwd'], upstream: 'old', people: 1 });
  const stored = await platform.database.query(
    "select 1 from passwords w join people p on p.id = w.person where p.username = 'grace'",
  );
  assert.equal(stored.length, 0, 'the password stays where it is');
});

test('what is not right is refused: wrong, empty, wildcards, a name of several, a name with filter syntax', {
  skip,
}, async () => {
  const tries: [string, string][] = [
    ['grace', 'wrong'],
    ['grace', ''],
    ['*', 'grace-in-the-directory'],
    ['gra*', 'grace-in-the-directory'],
    ['grace)(uid=*', 'grace-in-the-directory'],
    ['grace\\00', 'grace-in-the-directory'],
    ['nobody', 'grace-in-the-directory'],
    ['cn=reader,dc=old,dc=test', 'reader-of-a-test'],
    ['alan', 'grace-in-the-directory'],
  ];
  for (const [name, password] of tries) {
    const page = await signIn(name, password);
    assert.equal(page.status, 422, `${name} / ${password}`);
    assert.match(textOf(page), /do not belong together/);
  }
  assert.match(
    (await signIn('alan', 'alan-in-the-directory')).url,
    /\/account$/,
    'and the counters hold nothing against the owner',
  );
});

test('a name that is somebody here is that person: the directory hears no password of theirs and opens nothing', {
  skip,
}, async () => {
  assert.equal((await signIn('ada', 'ada-in-the-directory')).status, 422);
  assert.match((await signIn('ada', local)).url, /\/account$/);
  const ada = new Visitor(platform.origin);
  await ada.signIn('ada', local);
  const page = await ada.open('/account/links/old');
  assert.ok(idOn(page, 'link'));
  assert.equal((await ada.submit({ username: 'ada', password: 'wrong' }, '/account/links/old')).status, 422);
  const linked = await ada.submit(
    { username: 'ada', password: 'ada-in-the-directory' },
    '/account/links/old',
  );
  assert.match(linked.url, /said=linked/);
  assert.match(
    (await signIn('ada', 'ada-in-the-directory')).url,
    /\/account$/,
    'both passwords are theirs now',
  );
  assert.match((await signIn('ada', local)).url, /\/account$/);
});

test('taking the password over is said on the page, happens at the next sign-in, and then the directory is asked no more', {
  skip,
}, async () => {
  assert.doesNotMatch(textOf(await new Visitor(platform.origin).open('/sign-in')), /kept here/);
  await declare('', ', takeOver: true');
  const page = textOf(await new Visitor(platform.origin).open('/sign-in'));
  assert.match(page, /password you use at Old Directory works here too/);
  assert.match(page, /then kept here as well/);
  assert.match((await signIn('keep', 'keep-in-the-directory')).url, /\/account$/);
  proxy.mode = 'refuse';
  assert.match((await signIn('keep', 'keep-in-the-directory')).url, /\/account$/);
  proxy.mode = 'through';
  await declare();
});

test('F-27 a directory that is down, hangs or breaks off: nobody is disabled, own passwords work, everybody else reads the same clear sentence', {
  skip,
}, async () => {
  const states = async () => platform.database.query('select username, state from people order by 1');
  const before = await states();
  for (const mode of ['refuse', 'half', 'silent'] as const) {
    proxy.mode = mode;
    const pages: string[] = [];
    for (const name of ['grace', 'ada', 'nobody-of-that-name']) {
      const page = await signIn(name, 'not-the-local-one');
      assert.equal(page.status, 503, `${mode} ${name}`);
      pages.push(textOf(page).replaceAll(/Reference: \S+/g, ''));
      assert.match(textOf(page), /Old Directory, which does not answer right now/);
    }
    assert.equal(new Set(pages).size, 1, mode);
    assert.match((await signIn('ada', local)).url, /\/account$/, mode);
  }
  proxy.mode = 'through';
  assert.deepEqual(await states(), before);
  assert.match((await signIn('grace', 'grace-in-the-directory')).url, /\/account$/);
});

test('a directory that hangs holds up nobody but those who wait for it: their pages have no place meanwhile', {
  skip,
}, async () => {
  // More than have a place at once, and no more than wait for one upstream.
  const count = Math.min(availableParallelism() * 30, 60);
  proxy.mode = 'silent';
  const asked = proxy.asked;
  const names = Array.from({ length: count }, (_, at) => `nobody-of-name-${at}`);
  const pages = await Promise.all(names.map((name) => signIn(name, 'something wrong')));
  proxy.mode = 'through';
  assert.equal(proxy.asked - asked, count, 'nobody was turned away for want of a place');
  for (const page of pages) assert.match(textOf(page), /Old Directory, which does not answer right now/);
});

test('AU-07 a failed attempt costs one conversation with the directory, whoever it is about', {
  skip,
}, async () => {
  for (const name of ['grace', 'ada', 'nobody', 'plain', 'alan@old.test', 'keep']) {
    const asked = proxy.asked;
    assert.equal((await signIn(name, 'something wrong')).status, 422);
    assert.equal(proxy.asked - asked, 1, name);
  }
});

test('where something is missing someone of the directory is asked for it, on the way to where they were going', {
  skip,
}, async () => {
  await platform.apply('attributes: [{ name: motto, type: text, title: Motto, required: true }]\n');
  const visitor = new Visitor(platform.origin);
  await visitor.open('/account/profile');
  const choice = await visitor.submit({ username: 'plain', password: 'plain-in-the-directory' }, '/sign-in');
  assert.match(choice.url, /\/upstream\/arrivals\//);
  await visitor.open(`${new URL(choice.url).pathname}/new`);
  const home = await visitor.submit({
    username: 'plain',
    given_name: 'Plain',
    family_name: 'Old',
    email: 'plain@old.test',
    attribute_motto: 'Onward',
  });
  assert.match(home.url, /\/account\/profile$/);
  await platform.database.query("delete from attributes where name = 'motto'");
});

test('SA-15 a directory that is switched off opens nothing', { skip }, async () => {
  await declare('    enabled: false\n');
  const asked = proxy.asked;
  assert.equal((await signIn('grace', 'grace-in-the-directory')).status, 422);
  assert.equal(proxy.asked, asked);
  await declare();
});
