import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  identifyHash,
  type LegacyHash,
  passwordForms,
  preimage,
  verifyLegacy,
  verifyLegacyAny,
} from './hashes.ts';
import { foreign, vectors } from './vectors.ts';

for (const { scheme, password, stored } of vectors) {
  test(`${stored.slice(0, 40)} verifies its known password and no other`, async () => {
    const identity = identifyHash(stored);
    assert.equal(identity.scheme, scheme);
    assert.equal(identity.verifiable, true, identity.reason);
    assert.equal(await verifyLegacy(stored, password), true);
    for (const wrong of ['', ' ', password + ' ', password.slice(0, -1), 'x' + password, stored])
      assert.equal(await verifyLegacy(stored, wrong), false, `accepted ${JSON.stringify(wrong)}`);
  });
}

test('every scheme has one canonical text, which is its own canonical text', async () => {
  for (const { password, stored } of vectors) {
    const canonical = identifyHash(stored).canonical!;
    assert.equal(identifyHash(canonical).canonical, canonical);
    assert.equal(await verifyLegacy(canonical, password), true, canonical);
  }
});

test('scheme tags are read in any case, base64 without its padding, values with a line break after them', async () => {
  for (const { password, stored } of vectors) {
    const spelt = stored.replace(/^\{[^}]+\}/, (tag) => tag.toLowerCase()).replace(/=+$/, '') + '\r\n';
    assert.equal(await verifyLegacy(spelt, password), true, spelt);
    assert.equal(identifyHash(spelt).canonical, identifyHash(stored).canonical);
  }
  const salt = Buffer.from('twenty-eight bytes of a salt');
  const digest = createHash('sha1').update('orchid').update(salt).digest();
  const long = `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
  assert.equal(await verifyLegacy(long, 'orchid'), true);
});

test('hyphenated digest names mean the same scheme', async () => {
  const stored = '{SHA-256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=';
  assert.equal(identifyHash(stored).scheme, 'sha256');
  assert.equal(await verifyLegacy(stored, 'secret'), true);
});

for (const [stored, scheme] of foreign) {
  test(`AU-18 ${JSON.stringify(stored.slice(0, 30))} is named ${scheme} and never verifies`, async () => {
    const identity = identifyHash(stored);
    assert.equal(identity.scheme, scheme);
    assert.equal(identity.verifiable, false);
    assert.match(identity.reason!, /\.$/);
    assert.equal(identity.canonical, undefined);
    for (const guess of ['', stored, 'password', 'x', stored.replace(/^\{\w+\}/, '')])
      assert.equal(await verifyLegacy(stored, guess), false);
  });
}

const padded = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64');

test('AU-18 costs above the caps and damaged hashes are refused at import, in no time', async () => {
  const bad = [
    '{CRYPT}$2b$31$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou',
    '$2y$15$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou',
    '$2b$03$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou',
    '{PBKDF2}1000000000$Y6ZHtTTbeUgpIbIW0QDmDA$j/aU7jFKUSbH4UobNQDm9OEIwuw',
    '{PBKDF2-SHA256}2000001$AQIDBAUGBwgJCgsMDQ4PEA$U0WVRTp8DfrIcKvmhhNkcUrd/PX3OoPtKkwTZksMfp8',
    '{PBKDF2}0$Y6ZHtTTbeUgpIbIW0QDmDA$j/aU7jFKUSbH4UobNQDm9OEIwuw',
    '{PBKDF2}1e3$Y6ZHtTTbeUgpIbIW0QDmDA$j/aU7jFKUSbH4UobNQDm9OEIwuw',
    '{CRYPT}$5$rounds=999999999$saltstring$bWOoCRTKNT.aiY/gJjvk1HjBYuRpcYQmcc5hqf6H4T4',
    '{CRYPT}$5$rounds=500001$saltstring$bWOoCRTKNT.aiY/gJjvk1HjBYuRpcYQmcc5hqf6H4T4',
    '{ARGON2}$argon2id$v=19$m=4194304,t=3,p=1$FBMjI4RJBhIykCgol1KEJA$2ky5GAdhT1kH4kIgPN/oERE3Taiy43vNN70a3HpiKQU',
    '{ARGON2}$argon2id$v=19$m=65536,t=21,p=1$FBMjI4RJBhIykCgol1KEJA$2ky5GAdhT1kH4kIgPN/oERE3Taiy43vNN70a3HpiKQU',
    '{ARGON2}$argon2id$v=19$m=8,t=1,p=4$FBMjI4RJBhIykCgol1KEJA$2ky5GAdhT1kH4kIgPN/oERE3Taiy43vNN70a3HpiKQU',
    '{DISCOURSE}$pbkdf2-sha256$i=9999999999,l=32$saltsaltsaltsalt$3257cf76e56a9cc4e3afa561c3fd4daa6952b61e91c4e365955121042cfb94a2',
    '{SHA}',
    '{SHA} ',
    `{SHA}${padded(19)}`,
    `{SHA}${padded(21)}`,
    `{SSHA}${padded(20)}`,
    `{SSHA}${padded(20 + 257)}`,
    `{SMD5}${padded(16)}`,
    `{MD5}${padded(15)}`,
    `{SSHA512}${padded(64)}`,
    '{SHA}uJ6qx+YUFzQbcQtyd2gpTQ5qJ3s-',
    '{SHA}uJ6qx+YUFzQbc\nQtyd2gpTQ5qJ3s=',
    '{PKCS5S2}TzwIctDE2RJIQfT+O473W5+qhSAyof1Kz+hfe2kvAcnDe2uVzdp/ymw5V7mHH+Zv00',
    '{CRYPT}24leDr0hHfb3',
    '{CRYPT}24leDr0hHfb3A0',
    '{CRYPT}24leDr0hHfb3B',
    '{CRYPT}$5$saltstring$bWOoCRTKNT.aiY/gJjvk1HjBYuRpcYQmcc5hqf6H4T',
    '{CRYPT}$1$123456789$DUjsu4TTlTsOe/xxZ05uf/',
    '{OPENMRS}',
    '{OPENMRS}salt$',
    `{OPENMRS}salt$${'0'.repeat(32)}`,
    `{OPENMRS}salt$${'0'.repeat(64)}`,
    `{OPENMRS}salt$${'g'.repeat(40)}`,
    `{SSHA}${'A'.repeat(100_000)}`,
  ];
  const started = process.cpuUsage();
  for (const stored of bad) {
    const identity = identifyHash(stored);
    assert.equal(identity.verifiable, false, stored.slice(0, 90));
    assert.ok(identity.reason);
    assert.equal(await verifyLegacy(stored, 'password'), false);
  }
  const spent = process.cpuUsage(started);
  assert.ok(spent.user + spent.system < 1_000_000, `${spent.user + spent.system} µs`);
});

/** What crypt(3) made of 72 × "a" and "X", and whether that password may still sign in. */
const realCrypt: [stored: string, accepted: boolean][] = [
  ['{CRYPT}abBUNZY4cR2mg', false],
  ['{CRYPT}$1$saltsalt$SbCSUXt6RLcbmhE9qJoa4.', true],
  ['{CRYPT}$5$saltstring$DBGy3iTen899BbOjsImm.3JEIxG8oPNtvcYyGCV8XgA', true],
  [
    '{CRYPT}$6$saltstring$3/V.l976emI1kvRQihtWQhP.I1V.rK.1OkSN.zqjcqx8ddAtbJ2YilwtFVFzD3S4SD6FS2aSGGBlxnlroYmJm1',
    true,
  ],
  ['{CRYPT}$2b$05$MBCzKhG1KhezLh.0LRa0KuHjCwUjT7owKps0KuPfdVUVCjsFaiovy', false],
];

test('AU-02 two passwords that differ after 72 bytes never open the same account, in any scheme', async () => {
  const x = 'a'.repeat(72) + 'X';
  const y = 'a'.repeat(72) + 'Y';
  for (const { stored } of vectors) {
    const [ofX, ofY] = [await preimage(stored, x), await preimage(stored, y)];
    assert.ok(ofX === undefined ? ofY === undefined : ofX !== ofY, stored);
  }
  for (const [stored, accepted] of realCrypt) {
    assert.equal(await verifyLegacy(stored, x), accepted, stored);
    assert.equal(await verifyLegacy(stored, y), false, stored);
  }
});

test('AU-02 nothing is trimmed or folded', async () => {
  for (const { password, stored } of vectors.filter((vector) => identifyHash(vector.stored).fast)) {
    for (const near of [
      ` ${password}`,
      `${password}\n`,
      `${password}\0`,
      `${password}\0x`,
      password + '\u200b',
    ])
      assert.equal(await verifyLegacy(stored, near), false, `${stored} accepted ${JSON.stringify(near)}`);
  }
});

test('AU-02 DES crypt takes no byte it cannot see, and its note says so', async () => {
  assert.equal(await verifyLegacy('{CRYPT}zZYQyo/kK5WTQ', '12345678'), true);
  assert.equal(await verifyLegacy('{CRYPT}zZYQyo/kK5WTQ', '123456789'), false);
  // crypt("\xe1") is crypt("a"): the eighth bit is thrown away.
  assert.equal(await preimage('{CRYPT}zZYQyo/kK5WTQ', 'ä'), undefined);
  assert.match(identifyHash('{CRYPT}zZYQyo/kK5WTQ').note!, /first 8/);
});

test('a lone surrogate is no password', async () => {
  const stored = `{SHA}${createHash('sha1').update('\ufffd').digest('base64')}`;
  assert.equal(await verifyLegacy(stored, '\ufffd'), true);
  assert.equal(await verifyLegacy(stored, '\ud800'), false);
});

test('a password beyond the basic plane is hashed as UTF-8', async () => {
  const stored = `{SHA}${createHash('sha1').update(Buffer.from('f09f8cbbc3a9', 'hex')).digest('base64')}`;
  assert.equal(await verifyLegacy(stored, '🌻é'), true);
});

test('the other normal form is tried only when the typed one fails', async () => {
  const composed = `{SHA}${createHash('sha1').update('caf\u00e9').digest('base64')}`;
  const decomposed = `{SHA}${createHash('sha1').update('cafe\u0301').digest('base64')}`;
  for (const stored of [composed, decomposed])
    for (const typed of ['caf\u00e9', 'cafe\u0301']) assert.equal(await verifyLegacy(stored, typed), true);
  assert.equal(await verifyLegacy(composed, 'cafe'), false);
  assert.deepEqual(passwordForms('plain'), ['plain']);
  assert.deepEqual(passwordForms('caf\u00e9'), ['caf\u00e9', 'cafe\u0301']);
});

test('several values: any may match, a foreign one among them does no harm', async () => {
  const values = [
    '{SASL}ada@EXAMPLE.ORG',
    '{MD5}/F4DjTilcDIIVEHn/nAQsA==',
    '{SHA}uJ6qx+YUFzQbcQtyd2gpTQ5qJ3s=',
  ];
  assert.equal(await verifyLegacyAny(values, 'hashcat'), true);
  assert.equal(await verifyLegacyAny(values, 'helloworld'), true);
  assert.equal(await verifyLegacyAny(values, 'ada@EXAMPLE.ORG'), false);
  assert.equal(await verifyLegacyAny([], 'hashcat'), false);
});

test('fast ones are told from slow ones', () => {
  const slow = vectors.filter((vector) => !identifyHash(vector.stored).fast).map((vector) => vector.scheme);
  assert.deepEqual([...new Set(slow)].sort(), ['argon2id', 'discourse', 'keycloak-pbkdf2-sha512']);
  assert.equal(identifyHash('$2b$12$MBCzKhG1KhezLh.0LRa0Kuw12nLJtpHy6DIaU.JAnqJUDYspHC.Ou').fast, false);
});

test('hashes in several columns: OpenMRS, Discourse, Keycloak', async () => {
  const salt = Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex').toString('base64');
  const value = 'RvWKMXUzJHfaRtt7f/WqWUlI44nb9K/zmxfpZutV41ywADwb/5Rs/46KQC/mDTodHXlZzwL4J6JD9xEMbTUhMA==';
  const credential = { hashIterations: 27500, algorithm: 'pbkdf2-sha256', additionalParameters: {} };
  const argon2 = {
    hashIterations: 3,
    algorithm: 'argon2',
    additionalParameters: {
      hashLength: ['32'],
      memory: ['65536'],
      type: ['id'],
      version: ['1.3'],
      parallelism: ['1'],
    },
  };
  const cases: [hash: LegacyHash, scheme: string, password: string][] = [
    [
      { kind: 'openmrs', salt: 'salt', hash: 'C88E9C67041A74E0357BEFDFF93F87DDE0904214' },
      'openmrs-sha1',
      'password',
    ],
    [
      {
        kind: 'discourse',
        salt: 'saltsaltsaltsalt',
        hash: '3257cf76e56a9cc4e3afa561c3fd4daa6952b61e91c4e365955121042cfb94a2',
        algorithm: '$pbkdf2-sha256$i=600000,l=32$',
      },
      'discourse',
      'password',
    ],
    [
      { kind: 'keycloak', secretData: { value, salt }, credentialData: credential },
      'keycloak-pbkdf2-sha256',
      'password',
    ],
    [
      {
        kind: 'keycloak',
        secretData: JSON.stringify({ value, salt, additionalParameters: {} }),
        credentialData: JSON.stringify(credential),
      },
      'keycloak-pbkdf2-sha256',
      'password',
    ],
    [
      {
        kind: 'keycloak',
        secretData: JSON.stringify({
          value: '2ky5GAdhT1kH4kIgPN/oERE3Taiy43vNN70a3HpiKQU=',
          salt: 'FBMjI4RJBhIykCgol1KEJA==',
        }),
        credentialData: JSON.stringify(argon2),
      },
      'argon2id',
      'hashcat',
    ],
  ];
  for (const [hash, scheme, password] of cases) {
    const identity = identifyHash(hash);
    assert.equal(identity.scheme, scheme, identity.reason);
    assert.equal(await verifyLegacy(hash, password), true, scheme);
    assert.equal(await verifyLegacy(identity.canonical!, password), true, scheme);
    assert.equal(await verifyLegacy(hash, 'wrong'), false);
  }
});

test('a Keycloak credential that is damaged, unknown or too costly is refused', async () => {
  const salt = padded(16);
  const value = padded(64);
  const rows: [secret: unknown, credential: unknown][] = [
    ['{', '{}'],
    [null, null],
    [[], []],
    [
      { value, salt },
      { hashIterations: 1e9, algorithm: 'pbkdf2-sha256' },
    ],
    [
      { value, salt },
      { hashIterations: 27500, algorithm: '__proto__' },
    ],
    [
      { value, salt },
      { hashIterations: 27500, algorithm: 'constructor' },
    ],
    [
      { value, salt },
      { hashIterations: 27500, algorithm: 'bcrypt' },
    ],
    [
      { value: '', salt },
      { hashIterations: 27500, algorithm: 'pbkdf2-sha256' },
    ],
    [
      { value, salt },
      { hashIterations: 5, algorithm: 'argon2' },
    ],
    [
      { value, salt },
      {
        hashIterations: 5,
        algorithm: 'argon2',
        additionalParameters: { memory: ['9999999'], parallelism: ['1'] },
      },
    ],
  ];
  for (const [secretData, credentialData] of rows) {
    const identity = identifyHash({ kind: 'keycloak', secretData, credentialData });
    assert.equal(identity.verifiable, false, JSON.stringify(credentialData));
    assert.match(identity.scheme, /^(keycloak|argon2)/);
  }
});
