import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { BerReader, BerWriter } from 'ldapts';
import { SourceIncomplete } from '#sources/source.ts';
import { LdapRefused, ldapSource } from './ldap.ts';

/** What the made-up directory answers to the searches, one after the other. */
interface Page {
  uids?: string[];
  referral?: string;
  status?: number;
  /** The cookie of the paging control; undefined leaves the control out. */
  cookie?: string;
}

/** A directory that binds anybody and answers searches as told, for answers no real one can be made to give. */
async function withDirectory<T>(
  pages: Page[],
  work: (url: string, binds: () => number) => Promise<T>,
): Promise<T> {
  const sockets: Socket[] = [];
  let bindCount = 0;
  let next = 0;
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      const reader = new BerReader(data);
      reader.readSequence();
      const id = reader.readInt()!;
      const operation = reader.peek();
      if (operation === 0x60) {
        bindCount += 1;
        socket.write(message(id, (writer) => result(writer, 0x61, 0)));
      } else if (operation === 0x63) socket.write(answer(id, pages[next++] ?? { cookie: '' }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`ldap://127.0.0.1:${(server.address() as AddressInfo).port}`, () => bindCount);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

function message(id: number, body: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  body(writer);
  writer.endSequence();
  return writer.buffer;
}

function result(writer: BerWriter, tag: number, status: number): void {
  writer.startSequence(tag);
  writer.writeEnumeration(status);
  writer.writeString('');
  writer.writeString('');
  writer.endSequence();
}

function answer(id: number, page: Page): Buffer {
  const parts = (page.uids ?? []).map((uid) =>
    message(id, (writer) => {
      writer.startSequence(0x64);
      writer.writeString(`uid=${uid},ou=users,dc=x`);
      writer.startSequence();
      writer.startSequence();
      writer.writeString('objectClass');
      writer.startSequence(0x31);
      writer.writeString('inetOrgPerson');
      writer.endSequence();
      writer.endSequence();
      writer.endSequence();
      writer.endSequence();
    }),
  );
  if (page.referral)
    parts.push(
      message(id, (writer) => {
        writer.startSequence(0x73);
        writer.writeString(page.referral!);
        writer.endSequence();
      }),
    );
  parts.push(
    message(id, (writer) => {
      result(writer, 0x65, page.status ?? 0);
      if (page.cookie !== undefined) writePaging(writer, page.cookie);
    }),
  );
  return Buffer.concat(parts);
}

function writePaging(writer: BerWriter, cookie: string): void {
  const value = new BerWriter();
  value.startSequence();
  value.writeInt(0);
  value.writeString(cookie);
  value.endSequence();
  writer.startSequence(0xa0);
  writer.startSequence();
  writer.writeString('1.2.840.113556.1.4.319');
  writer.writeBuffer(value.buffer, 4);
  writer.endSequence();
  writer.endSequence();
}

const settings = { bindDn: 'cn=reader', password: 'x', baseDn: 'dc=x', timeoutMs: 2_000 };

async function read(pages: Page[]): Promise<string[]> {
  return withDirectory(pages, async (url) => {
    const keys: string[] = [];
    for await (const item of ldapSource({ ...settings, url }).readSource())
      if (item.kind === 'person') keys.push(item.person.key);
    return keys;
  });
}

test('pages are read until the directory says it was the last, empty ones in between too', async () => {
  const pages = [
    { uids: ['a', 'b'], cookie: '1' },
    { cookie: '2' },
    { uids: ['c'], cookie: '3' },
    { cookie: '' },
  ];
  assert.deepEqual(await read(pages), ['a', 'b', 'c']);
});

for (const [what, pages, code] of [
  ['an answer that does not say whether there is more', [{ uids: ['a'] }], 'ldap-pages'],
  ['a later page that does not say so', [{ uids: ['a'], cookie: '1' }, { uids: ['b'] }], 'ldap-pages'],
  [
    'a size limit',
    [
      { uids: ['a'], cookie: '1' },
      { uids: ['b'], status: 4, cookie: '' },
    ],
    'ldap-size-limit',
  ],
  ['a time limit', [{ uids: ['a'], status: 3, cookie: '' }], 'ldap-time-limit'],
  ['an administrative limit', [{ uids: ['a'], status: 11, cookie: '' }], 'ldap-size-limit'],
  ['a directory without paging', [{ status: 12 }], 'ldap-no-paging'],
  ['a referral as the answer', [{ status: 10, cookie: '' }], 'ldap-referral'],
  [
    'a reference to another server',
    [{ uids: ['a'], referral: 'ldap://other.test/dc=y', cookie: '' }],
    'ldap-referral',
  ],
  ['nothing at all', [{ cookie: '' }], 'ldap-empty'],
  ['empty pages without end', Array.from({ length: 1_100 }, () => ({ cookie: 'again' })), 'ldap-pages'],
] satisfies [string, Page[], string][]) {
  test(`LD-04 ${what} is no success`, async () => {
    await assert.rejects(read(pages), (error) => {
      assert.ok(error instanceof SourceIncomplete, String(error));
      assert.equal(error.code, code);
      return true;
    });
  });
}

test('LD-02 an empty password is refused before anything is sent', async () => {
  await withDirectory([], async (url, binds) => {
    assert.throws(() => ldapSource({ ...settings, url, password: '' }), LdapRefused);
    assert.equal(binds(), 0);
  });
});

test('settings that cannot be safe are refused in words', () => {
  const code = (more: object) => {
    try {
      ldapSource({ ...settings, url: 'ldaps://directory.example.org', ...more });
      return 'taken';
    } catch (error) {
      assert.ok(error instanceof LdapRefused);
      return error.code;
    }
  };
  assert.equal(code({}), 'taken');
  assert.equal(code({ url: 'ldap://directory.example.org' }), 'ldap-plain');
  assert.equal(code({ url: 'ldap://127.0.0.1.example.org' }), 'ldap-plain');
  assert.equal(code({ url: 'ldap://directory.example.org', startTls: true }), 'taken');
  assert.equal(code({ url: 'ldap://[::1]:1389' }), 'taken');
  assert.equal(code({ startTls: true }), 'ldap-tls');
  assert.equal(code({ url: 'http://directory.example.org' }), 'ldap-url');
  assert.equal(code({ url: 'ldaps://user:word@directory.example.org' }), 'ldap-url');
  assert.equal(code({ url: 'ldaps://directory.example.org/dc=x?uid' }), 'ldap-url');
  assert.equal(code({ url: 'directory' }), 'ldap-url');
  assert.equal(code({ bindDn: ' ' }), 'ldap-bind-dn');
  assert.equal(code({ baseDn: '' }), 'ldap-base');
});

test('a directory that is not there is said so, in time', async () => {
  const url = await withDirectory([], async (gone) => gone);
  const source = ldapSource({ ...settings, url });
  await assert.rejects(source.readSource()[Symbol.asyncIterator]().next(), (error) => {
    assert.ok(error instanceof LdapRefused);
    assert.equal(error.code, 'ldap-connect');
    return true;
  });
});
