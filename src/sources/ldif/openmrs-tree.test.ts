import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseDn, parseDn } from './dn.ts';
import { readLdif } from './ldif.ts';

async function read(text: string) {
  const items = [];
  for await (const item of readLdif(
    (async function* () {
      yield Buffer.from(text);
    })(),
  ))
    items.push(item);
  return items;
}

test('a person: cn is the given name, mail comes first, other mailboxes are unconfirmed, several hashes', async () => {
  const [item] = await read(`dn: uid=Jane_Doe,ou=users,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: extensibleObject
uid: jane_doe
cn: Jane
sn: Doe
displayName: Jane A. Doe
mail: Jane.Doe@example.org
otherMailbox: jane@example.net
otherMailbox: JANE.DOE@example.org
userPassword:: e1NTSEF9MEgrelR2OG80TVI0SDQzbjAzZUNzdncxbHVHOExkQjc=
userPassword: {SASL}jane@EXAMPLE.ORG
userPassword:
employeeType: volunteer
createTimestamp: 20120101000000Z
entryUUID: 6f3f4b8c-0000-0000-0000-000000000000
jpegPhoto:: /9j/
description: Since the first camp
`);
  assert.deepEqual(item, {
    kind: 'person',
    person: {
      key: 'jane_doe',
      username: 'Jane_Doe',
      addresses: [
        { address: 'Jane.Doe@example.org', primary: true, verified: true },
        { address: 'jane@example.net', primary: false, verified: false },
      ],
      passwordHashes: ['{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7', '{SASL}jane@EXAMPLE.ORG'],
      locked: false,
      groups: [],
      givenName: 'Jane',
      familyName: 'Doe',
      displayName: 'Jane A. Doe',
      line: 1,
      extra: {
        createtimestamp: ['20120101000000Z'],
        description: ['Since the first camp'],
        employeetype: ['volunteer'],
      },
    },
  });
});

test('locked for good is locked; a lock-out that ends by itself is not', async () => {
  const person = (time: string) =>
    `dn: uid=a,ou=users,dc=example\nobjectClass: inetOrgPerson\npwdAccountLockedTime: ${time}\n\n`;
  const items = await read(person('000001010000Z') + person('20260101000000Z'));
  assert.deepEqual(
    items.map((item) => item.kind === 'person' && item.person.locked),
    [true, false],
  );
});

test('a group: named by its DN, without the empty first member and repetitions', async () => {
  const [item] = await read(`dn: cn=atlas-administrators,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: atlas-admin
description: May edit the map
member:
member: uid=Jane_Doe,ou=users,dc=example,dc=org
member: UID=jane_doe, OU=users, dc=example,dc=org
member: uid=a\\2Bb,ou=users,dc=example,dc=org
member: cn=Nested, ou=groups,dc=example,dc=org
member: not a name
`);
  assert.deepEqual(item, {
    kind: 'group',
    group: {
      name: 'atlas-administrators',
      description: 'May edit the map',
      members: ['jane_doe', 'a+b', 'cn=nested,ou=groups,dc=example,dc=org', 'not a name'],
      line: 1,
    },
  });
});

test('machine accounts and structure are passed over with a word', async () => {
  const items = await read(`dn: uid=atlas,ou=System,dc=example
objectClass: account

dn: ou=users,dc=example
objectClass: organizationalUnit

dn: cn=password,ou=policy,dc=example
objectClass: pwdPolicy
`);
  assert.deepEqual(
    items.map((item) => item.kind === 'skipped' && item.skipped.code),
    ['system-account', 'structure', 'structure'],
  );
});

test('entries that cannot be used are errors with a line and a name', async () => {
  const items = await read(`dn: cn=Nobody,ou=users,dc=example
objectClass: inetOrgPerson

dn: nonsense
uid: x

dn: uid=b,ou=users,dc=example
objectClass: inetOrgPerson
sn:: /w==

dn:
objectClass: top
`);
  assert.deepEqual(
    items.map((item) => item.kind === 'error' && [item.error.line, item.error.code]),
    [
      [1, 'entry-no-uid'],
      [4, 'entry-dn'],
      [7, 'entry-not-text'],
      [11, 'entry-dn'],
    ],
  );
});

test('an attribute named like a part of an object is data', async () => {
  const [item] = await read('dn: uid=a\nobjectClass: person\nconstructor: x\nuid: a\n');
  assert.ok(item?.kind === 'person');
  assert.deepEqual(Object.keys(item.person.extra!), ['constructor']);
});

test('names of RFC 4514: escapes, hex bytes, quotes, spaces, several attributes', () => {
  const values = (text: string) => parseDn(text)?.map((rdn) => `${rdn.attribute}:${rdn.value}`);
  assert.deepEqual(values('CN=Steve Kille,O=Isode'), ['cn:Steve Kille', 'o:Isode']);
  assert.deepEqual(values('OU=Sales+CN=J. Smith,DC=example'), ['ou:Sales', 'dc:example']);
  assert.deepEqual(values('CN=James \\"Jim\\" Smith\\, III,DC=x'), ['cn:James "Jim" Smith, III', 'dc:x']);
  assert.deepEqual(values('SN=Lu\\C4\\8Di\\C4\\87'), ['sn:Lučić']);
  assert.deepEqual(values('uid= a b\\  , ou = u '), ['uid:a b ', 'ou:u']);
  assert.deepEqual(values('O="Sue, Grabbit and Runn",C=GB'), ['o:Sue, Grabbit and Runn', 'c:GB']);
  assert.deepEqual(values('uid=🌻'), ['uid:🌻']);
  assert.deepEqual(values(''), []);
  for (const wrong of ['a', '=x', 'a=\\', 'a=\\ff', '1.3.6=#0403', 'a b=c', ','])
    assert.equal(values(wrong), undefined, wrong);
  assert.equal(
    normaliseDn(parseDn('UID=Jane  Doe, DC=Example')!),
    normaliseDn(parseDn('uid=jane doe,dc=example')!),
  );
});
