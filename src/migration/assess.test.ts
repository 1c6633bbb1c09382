import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LegacyAddress, LegacyPerson } from '#sources/source.ts';
import { type Assessment, assess, type Known, survey } from './assess.ts';
import { type Candidate, readCandidate } from './candidate.ts';

const ssha = '{SSHA}0H+zTv8o4MR4H43n03eCsvw1luG8LdB7';

function address(text: string, more: Partial<LegacyAddress> = {}): LegacyAddress {
  return { address: text, primary: true, verified: true, ...more };
}

function person(username: string, more: Partial<LegacyPerson> = {}): LegacyPerson {
  return {
    key: username.toLowerCase(),
    username,
    givenName: 'Given',
    familyName: 'Family',
    addresses: [address(`${username.toLowerCase()}@example.org`)],
    passwordHashes: [ssha],
    locked: false,
    groups: [],
    ...more,
  };
}

function known(more: Partial<Known> = {}): Known {
  return { origins: new Map(), taken: new Set(), owners: new Map(), aliases: new Set(), ...more };
}

/** Assesses the last of these people, in a source of all of them. */
function verdictOf(people: LegacyPerson[], house: Known = known()): Assessment {
  const candidates = people.map(readCandidate);
  return assess(candidates.at(-1) as Candidate, survey(candidates), house, 'old');
}

const kinds = ({ warnings }: Assessment) => warnings.map(({ kind }) => kind);

test('AC-11 an ordinary record joins as it is, with its password', () => {
  const { verdict, joiner, warnings, why } = verdictOf([person('Jane_Doe')]);
  assert.equal(verdict, 'ready');
  assert.deepEqual(warnings, []);
  assert.equal(why, 'Joins.');
  assert.deepEqual(joiner, {
    username: 'Jane_Doe',
    givenName: 'Given',
    familyName: 'Family',
    displayName: '',
    state: 'active',
    origin: 'old',
    addresses: [
      { address: 'jane_doe@example.org', key: 'jane_doe@example.org', verified: true, primary: true },
    ],
    password: { hash: ssha, scheme: 'ssha', needsWrap: true, imported: true },
  });
});

test('AC-11 a locked record joins locked', () => {
  const { verdict, joiner } = verdictOf([person('lou', { locked: true })]);
  assert.equal(verdict, 'locked');
  assert.equal(joiner?.state, 'locked');
});

test('legacy user names keep their letters and follow no rule of today', () => {
  for (const name of ['X', 'a b', 'UPPER_case', 'ü.müller', 'admin', 'me@work'])
    assert.equal(verdictOf([person(name, { addresses: [] })]).joiner?.username, name);
});

test('AC-11 imported before: unchanged, or changed and left as it is', () => {
  const { fingerprint } = readCandidate(person('ann'));
  const origins = new Map([['ann', { person: 'id-1', fingerprint }]]);
  const same = verdictOf([person('ann')], known({ origins, taken: new Set(['ann']) }));
  assert.deepEqual([same.verdict, same.person, same.joiner], ['unchanged', 'id-1', undefined]);
  for (const change of [
    { locked: true },
    { familyName: 'Other' },
    { addresses: [address('new@example.org')] },
    { passwordHashes: ['{SSHA}Hmdh+YeCuWYsDjxsTIgmbTbvOPUgBHs6'] },
  ]) {
    const changed = verdictOf([person('ann', change)], known({ origins, taken: new Set(['ann']) }));
    assert.deepEqual([changed.verdict, changed.joiner, kinds(changed)], ['changed', undefined, ['changed']]);
  }
});

test('a fingerprint does not help to guess a password', () => {
  const [one, other] = ['right one', 'wrong one'].map((text) =>
    Buffer.from(text.padEnd(20)).toString('base64'),
  );
  const print = (digest?: string) =>
    readCandidate(person('ann', { passwordHashes: [`{SHA}${digest}`] })).fingerprint;
  assert.equal(print(one), print(other));
});

const conflicts: [kind: string, people: LegacyPerson[], house?: Partial<Known>][] = [
  ['duplicate-address', [person('ann'), person('bob', { addresses: [address('ANN@Example.org')] })]],
  ['duplicate-address', [person('bob')], { owners: new Map([['bob@example.org', 'someone']]) }],
  ['duplicate-username', [person('ann'), person('ANN', { addresses: [address('other@example.org')] })]],
  ['address-ours', [person('ann')], { aliases: new Set(['ann@example.org']) }],
  ['username-taken', [person('ann')], { taken: new Set(['ann']) }],
  ['username-is-address', [person('ann'), person('Ann@Example.org', { addresses: [] })]],
  ['username-is-address', [person('x@y.org', { addresses: [] })], { owners: new Map([['x@y.org', 'p']]) }],
  ['address-is-username', [person('ann')], { taken: new Set(['ann@example.org']) }],
];

for (const [kind, people, house] of conflicts)
  test(`AC-11 conflict: ${kind} of ${people.length === 1 ? 'someone here' : 'an earlier record'}`, () => {
    const found = verdictOf(people, known(house));
    assert.deepEqual([found.verdict, found.kind, found.joiner], ['conflict', kind, undefined]);
    assert.match(found.why, /^[A-Za-z].*\.$/);
  });

test('a user name that is the address of a later record is a conflict too, and the address stays with its owner', () => {
  const candidates = [person('ann@example.org', { addresses: [] }), person('ann')].map(readCandidate);
  const all = survey(candidates);
  assert.equal(assess(candidates[0]!, all, known(), 'old').kind, 'username-is-address');
  assert.equal(assess(candidates[1]!, all, known(), 'old').verdict, 'ready');
});

test('one’s own address as user name is none', () => {
  const own = person('ann@example.org', { addresses: [address('Ann@example.org')] });
  assert.equal(verdictOf([own]).verdict, 'ready');
});

test('a record that cannot join claims no address', () => {
  const nameless = person('\u0007', { addresses: [address('ann@example.org')] });
  assert.equal(verdictOf([nameless, person('ann')]).verdict, 'ready');
  const second = person('ann', { key: 'ann-2', addresses: [address('shared@example.org')] });
  const third = person('bob', { addresses: [address('shared@example.org')] });
  assert.equal(verdictOf([person('ann'), second, third]).verdict, 'ready');
});

for (const [kind, one] of [
  ['name-unusable', person('   ')],
  ['name-unusable', person(`a\u202eb`)],
  ['name-unusable', person('a'.repeat(256))],
  ['no-way-in', person('ann', { addresses: [], passwordHashes: [] })],
  ['no-way-in', person('ann', { addresses: [address('nonsense')], passwordHashes: ['{CRYPT}*'] })],
] as const)
  test(`AC-11 rejected: ${kind} (${JSON.stringify(one.username.slice(0, 10))})`, () => {
    const found = verdictOf([one]);
    assert.deepEqual([found.verdict, found.kind, found.joiner], ['rejected', kind, undefined]);
  });

const warned: [kind: string, people: LegacyPerson[], text: RegExp][] = [
  ['near-duplicate', [person('ann'), person('bob', { addresses: [address('ann+x@example.org')] })], /ann@/],
  [
    'near-duplicate',
    [
      person('ann', { addresses: [address('ann.lee@example.org')] }),
      person('bob', { addresses: [address('annlee@example.org')] }),
    ],
    /ann\.lee@example\.org of ann/,
  ],
  [
    'near-duplicate',
    [
      person('ann', { addresses: [address('a.nn@gmail.com')] }),
      person('bob', { addresses: [address('ann@gmail.com')] }),
    ],
    /a\.nn@gmail\.com of ann/,
  ],
  ['no-address', [person('ann', { addresses: [] })], /by mail/],
  ['address-unreadable', [person('ann', { addresses: [address('a@b@c')] })], /"a@b@c"/],
  ['address-unproved', [person('ann', { addresses: [address('a@example.org', { verified: false })] })], /a@/],
  [
    'address-dropped',
    [
      person('ann'),
      person('bob', {
        addresses: [address('bob@example.org'), address('ann@example.org', { primary: false })],
      }),
    ],
    /ann@example\.org is also/,
  ],
  ['name-tidied', [person('ann', { givenName: 'A\tB'.repeat(100) })], /too long/],
];
for (const [kind, people, text] of warned)
  test(`ready with a warning: ${kind}`, () => {
    const found = verdictOf(people);
    assert.equal(found.verdict, 'ready');
    assert.ok(kinds(found).includes(kind as never));
    assert.match(found.warnings.find((one) => one.kind === kind)!.text, text);
  });

test('AU-18 a hash that cannot be taken over is named, and the person is left to set a password by mail', () => {
  for (const [hash, scheme] of [
    ['{SASL}someone@EXAMPLE.ORG', /^sasl: .* Mail for a new one goes to ann@example\.org/],
    ['$2b$31$abcdefghijklmnopqrstuuPz2lsvZ5Y2Q8Q1bqfD1o4y6B0Zr0FZS', /^bcrypt: It asks for cost 31/],
    ['', /^none: /],
    ['x', /^none: /],
    ['a plain password', /^unnamed: .*Plain text is never taken over/],
  ] as const) {
    const found = verdictOf([person('ann', { passwordHashes: [hash] })]);
    assert.equal(found.verdict, 'ready');
    assert.equal(found.joiner?.password, undefined);
    assert.deepEqual(kinds(found), ['password-unusable']);
    assert.match(found.warnings[0]!.text, scheme);
  }
});

test('AU-18 of several stored passwords all that can be verified are kept, five at most', () => {
  const md5 = '{MD5}X03MO1qnZdYdgyfeuILPmQ==';
  const found = verdictOf([person('ann', { passwordHashes: ['{SASL}x@Y', ssha, md5, ssha] })]);
  assert.deepEqual(found.joiner?.password, {
    hash: `${ssha}\n${md5}`,
    scheme: 'ssha+md5',
    needsWrap: true,
    imported: true,
  });
  const many = Array.from({ length: 40 }, () => md5);
  assert.ok(readCandidate(person('ann', { passwordHashes: many })).schemes.length <= 5);
});

test('without a password and a confirmed address, mail to the address is the way in', () => {
  const unproved = [address('a@example.org', { verified: false })];
  const found = verdictOf([person('ann', { addresses: unproved, passwordHashes: [] })]);
  assert.equal(found.joiner?.state, 'unverified');
  assert.equal(verdictOf([person('ann', { addresses: unproved })]).joiner?.state, 'active');
});

test('names that cannot be shown are cleaned, never a reason to lose a person', () => {
  const { joiner } = verdictOf([
    person('ann', { givenName: ' Ann\u0000e\u202e ', familyName: '𝕏'.repeat(90), displayName: 'A\nB' }),
  ]);
  assert.equal(joiner?.givenName, 'Ann e');
  assert.ok(joiner?.familyName?.isWellFormed() && joiner.familyName.length <= 120);
  assert.equal(joiner?.displayName, 'A B');
});
