import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Client } from 'ldapts';
import { type LegacyAccount, makeLegacyLdif } from '#simulators/legacy-directory/legacy-directory.ts';
import { readLdif } from '#sources/ldif/ldif.ts';
import { type LegacyGroup, type LegacyPerson, SourceIncomplete, type SourceItem } from '#sources/source.ts';
import { makeCertificates } from '#test/peers/certificates.ts';
import { type Slapd, slapdMissing, slappasswd, slappasswdSchemes, startSlapd } from '#test/peers/slapd.ts';
import { identifyHash, verifyLegacyAny } from '#wire/hashes/hashes.ts';
import { LdapRefused, ldapSource } from './ldap.ts';

const baseDn = 'dc=example,dc=org';
const readerDn = `uid=dashboard,ou=system,${baseDn}`;
const readerPassword = 'secret';

async function collect(items: AsyncIterable<SourceItem>) {
  const people = new Map<string, LegacyPerson>();
  const groups = new Map<string, LegacyGroup>();
  const others: string[] = [];
  for await (const item of items) {
    if (item.kind === 'person') {
      const { line: _, ...person } = item.person;
      people.set(person.key, person);
    } else if (item.kind === 'group') {
      const { line: _, ...group } = item.group;
      groups.set(group.name, group);
    } else others.push(item.kind === 'error' ? `error ${item.error.code}` : item.skipped.code);
  }
  return { people, groups, others: others.sort() };
}

/** A directory of 2,000 whose every hash was made by slappasswd, in all schemes it knows. */
async function makeDirectory() {
  const schemes = slappasswdSchemes();
  const passwords = new Map<string, string>();
  const options = { people: 2_000, seed: 4, baseDn, namingViolations: false };
  makeLegacyLdif({ ...options, hash: (password, username) => passwords.set(username, password) && '' });
  const stored = new Map<string, string>();
  const batches = schemes.map((scheme, index) => ({
    scheme,
    names: [...passwords.keys()].filter((_, at) => at % schemes.length === index),
  }));
  const work = async () => {
    for (let batch = batches.pop(); batch; batch = batches.pop()) {
      const hashes = await slappasswd(
        batch.names.map((name) => passwords.get(name)!),
        batch.scheme,
      );
      for (const [at, name] of batch.names.entries()) stored.set(name, hashes[at]!);
    }
  };
  await Promise.all([work(), work()]);
  return makeLegacyLdif({ ...options, hash: (_, username) => stored.get(username)! });
}

describe('a real directory', { skip: slapdMissing() ?? false }, () => {
  let slapd: Slapd;
  let accounts: LegacyAccount[];
  let certificates: { caFile: string; certificateFile: string; keyFile: string };
  let directory: string;
  const root = (more: object = {}) => ({
    url: slapd.url,
    bindDn: slapd.rootDn,
    password: slapd.rootPassword,
    baseDn,
    timeoutMs: 10_000,
    ...more,
  });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ldap-test-'));
    certificates = await makeCertificates(directory);
    const made = await makeDirectory();
    accounts = made.accounts;
    slapd = await startSlapd({
      ldif: made.ldif,
      baseDn,
      tls: certificates,
      database: [
        `limits dn.exact="${readerDn}" size.soft=100 size.hard=100`,
        'access to * by dn.exact="' + readerDn + '" read by * auth',
      ],
    });
  });
  after(async () => {
    await slapd?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test('over the wire and from slapcat the records are identical', async () => {
    const wire = await collect(ldapSource(root()).readSource());
    const bytes = await slapd.slapcat();
    const file = await collect(
      readLdif(
        (async function* () {
          yield bytes;
        })(),
      ),
    );
    assert.equal(wire.people.size, 2_000);
    assert.deepEqual(wire.people, file.people);
    assert.deepEqual(wire.groups, file.groups);
    assert.deepEqual(wire.others, file.others);
    assert.deepEqual(wire.others.filter((code) => code === 'system-account').length, 2);
    for (const account of accounts) {
      const person = wire.people.get(account.username.toLowerCase())!;
      assert.equal(person.locked, account.locked);
      assert.deepEqual(person.passwordHashes, account.stored);
    }
  });

  test('passwords hashed by slappasswd in every scheme it has verify, and a real bind agrees', async () => {
    const { people } = await collect(ldapSource(root({ pageSize: 73 })).readSource());
    const seen = new Map<string, number>();
    for (const account of accounts.filter(({ locked }) => !locked)) {
      const { passwordHashes } = people.get(account.username.toLowerCase())!;
      const identity = identifyHash(passwordHashes[0]!);
      assert.equal(identity.verifiable, true, `${passwordHashes[0]}: ${identity.reason}`);
      const times = seen.get(identity.scheme) ?? 0;
      seen.set(identity.scheme, times + 1);
      if (times >= 4) continue;
      // DES saw eight characters of the password; the rest would be anybody's guess, so it is refused.
      const cut = identity.scheme === 'crypt-des';
      const password = cut ? account.password.slice(0, 8) : account.password;
      for (const attempt of [password, `${password}x`, 'wrong', password.toUpperCase()]) {
        const ours = await verifyLegacyAny(passwordHashes, attempt);
        const theirs = await binds(slapd, account.username, attempt);
        assert.equal(ours, attempt === password, `${identity.scheme} ${attempt}`);
        if (!(cut && attempt.length > 8)) assert.equal(theirs, ours, `${identity.scheme} ${attempt}`);
      }
    }
    assert.ok(seen.size >= 13, [...seen.keys()].join(' '));
  });

  test('LD-04 a size limit below the number of entries is an error, not a short list', async () => {
    const source = ldapSource(root({ bindDn: readerDn, password: readerPassword, pageSize: 50 }));
    await assert.rejects(collect(source.readSource()), incomplete('ldap-size-limit'));
  });

  test('LD-04 a base that is not there, or shows nothing, is an error', async () => {
    await assert.rejects(
      collect(ldapSource(root({ baseDn: `ou=nowhere,${baseDn}` })).readSource()),
      incomplete('ldap-base'),
    );
  });

  test('LD-04 a connection that ends or falls silent half way is an error', async () => {
    for (const behaviour of ['cut', 'silent'] as const) {
      const proxy = await startProxy(slapd.url, 40_000, behaviour);
      const source = ldapSource(root({ url: proxy.url, timeoutMs: 700, pageSize: 100 }));
      await assert.rejects(collect(source.readSource()), incomplete('ldap-broken'));
      proxy.stop();
    }
  });

  test('LD-03 certificates are verified, over ldaps:// and StartTLS', async () => {
    const { caFile } = certificates;
    for (const tls of [{ url: slapd.ldapsUrl }, { startTls: true }]) {
      const { people } = await collect(ldapSource(root({ ...tls, caFile })).readSource());
      assert.equal(people.size, 2_000);
      await assert.rejects(
        collect(ldapSource(root(tls)).readSource()),
        refused('ldap-connect', /certificate/),
      );
    }
  });

  test('a wrong password is said plainly and not repeated', async () => {
    const source = ldapSource(root({ password: 'not-this-one' }));
    await assert.rejects(collect(source.readSource()), (error) => {
      assert.ok(error instanceof LdapRefused);
      assert.match(error.message, /name or password/);
      assert.ok(!JSON.stringify([error.message, error.stack]).includes('not-this-one'));
      return true;
    });
  });
});

test('LD-03 StartTLS that was stripped sends no password', { skip: slapdMissing() ?? false }, async () => {
  const ldif = `dn: ${baseDn}\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n`;
  const slapd = await startSlapd({ ldif, baseDn });
  const proxy = await startProxy(slapd.url, Number.POSITIVE_INFINITY, 'cut');
  try {
    const options = {
      url: proxy.url,
      bindDn: slapd.rootDn,
      password: slapd.rootPassword,
      baseDn,
      startTls: true,
    };
    await assert.rejects(
      collect(ldapSource({ ...options, timeoutMs: 5_000 }).readSource()),
      refused('ldap-connect'),
    );
    assert.ok(proxy.sent().length > 0 && !proxy.sent().includes(slapd.rootPassword));
  } finally {
    proxy.stop();
    await slapd.stop();
  }
});

function incomplete(code: string) {
  return (error: unknown) => {
    assert.ok(error instanceof SourceIncomplete, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

function refused(code: string, text = /./) {
  return (error: unknown) => {
    assert.ok(error instanceof LdapRefused, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  };
}

async function binds(slapd: Slapd, username: string, password: string): Promise<boolean> {
  const client = new Client({ url: slapd.url, timeout: 5_000 });
  try {
    await client.bind(`uid=${username.replace(/[+,]/g, '\\$&')},ou=users,${baseDn}`, password);
    return true;
  } catch {
    return false;
  } finally {
    await client.unbind();
  }
}

/** Passes bytes on until `limit` of them came back, then ends the connection or says nothing more. */
async function startProxy(target: string, limit: number, then: 'cut' | 'silent') {
  const sockets: Socket[] = [];
  const sent: Buffer[] = [];
  const server = createServer((near) => {
    const far = connect(Number(new URL(target).port), '127.0.0.1');
    sockets.push(near, far);
    let back = 0;
    near.on('data', (data) => {
      sent.push(data);
      far.write(data);
    });
    far.on('data', (data) => {
      back += data.length;
      if (back <= limit) near.write(data);
      else if (then === 'cut') near.destroy();
    });
    for (const socket of [near, far]) socket.on('error', () => undefined).on('close', () => far.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => Buffer.concat(sent).toString('latin1'),
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
