import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents } from '#core/events/store.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import {
  type AttributeDeclaration,
  attributeDeclaration,
  attributeDeclarations,
  attributesOf,
  declareAttributes,
  readAttributeValue,
  setAttributes,
} from './attributes.ts';
import { insertPeople } from './store.ts';

const refused = (code: string) => (error: { code?: string }) => error.code === code;
const declare = (given: Partial<AttributeDeclaration>) =>
  attributeDeclaration.parse({ name: 'x', type: 'text', title: 'X', ...given });

test('a declaration cannot pose as a standard claim, reach a prototype, or have choices without being a choice', () => {
  for (const name of [
    'sub',
    'email',
    'groups',
    'roles',
    'preferred_username',
    'updated_at',
    'sid',
    'X',
    '1x',
    '',
    'a-b',
    '__proto__',
    'constructor.x',
    'x'.repeat(41),
  ])
    assert.equal(attributeDeclaration.safeParse({ name, type: 'text', title: 'X' }).success, false, name);
  assert.equal(attributeDeclaration.safeParse({ name: 'x', type: 'choice', title: 'X' }).success, false);
  assert.equal(
    attributeDeclaration.safeParse({ name: 'x', type: 'text', title: 'X', choices: ['a'] }).success,
    false,
  );
  assert.equal(
    attributeDeclaration.safeParse({ name: 'x', type: 'text', title: 'X', more: 1 }).success,
    false,
  );
  const plain = declare({});
  assert.deepEqual(
    [plain.visible, plain.editable, plain.signUp, plain.required, plain.releasedTo],
    ['self', 'self', false, false, []],
  );
});

test('every type reads what fits it and refuses the rest', () => {
  const cases: [AttributeDeclaration, [unknown, unknown][], unknown[]][] = [
    [
      declare({ type: 'text' }),
      [
        [' a ', 'a'],
        ['', undefined],
        [null, undefined],
        ['e\u0301', 'é'],
      ],
      [1, true, {}, ['a']],
    ],
    [
      declare({ type: 'longText' }),
      [
        ['a\r\nb', 'a\nb'],
        [' ', undefined],
      ],
      [1],
    ],
    [
      declare({ type: 'number' }),
      [
        ['1.5', 1.5],
        [0, 0],
        [' -3 ', -3],
        ['1e3', 1000],
      ],
      ['x', 'NaN', 'Infinity', '1,5', Number.NaN],
    ],
    [
      declare({ type: 'boolean' }),
      [
        ['on', true],
        ['true', true],
        [true, true],
        ['', false],
        [undefined, false],
        ['false', false],
      ],
      ['yes', 1, 'TRUE '],
    ],
    [
      declare({ type: 'date' }),
      [['2024-02-29', '2024-02-29']],
      ['2023-02-29', '2024-13-01', '2024-1-1', '29.02.2024', '2024-02-29T00:00', '-2024-01-01'],
    ],
    [declare({ type: 'choice', choices: ['a', 'b'] }), [['a', 'a']], ['c', 'A']],
    [
      declare({ type: 'url' }),
      [['https://x.org/a?b#c', 'https://x.org/a?b#c']],
      [
        'http://x.org',
        'javascript:x',
        'https://',
        'https:///x.org',
        'https:x.org',
        'https://u:p@x.org',
        'https://x.org\\@y.org',
        'https://x.org/"',
        'https://[::1',
        ' x',
      ],
    ],
  ];
  for (const [declaration, fine, bad] of cases) {
    for (const [given, kept] of fine)
      assert.deepEqual(readAttributeValue(declaration, given), kept, `${declaration.type} ${String(given)}`);
    for (const given of bad)
      assert.throws(
        () => readAttributeValue(declaration, given),
        refused('attribute-type'),
        `${declaration.type} ${String(given)}`,
      );
  }
  assert.throws(
    () => readAttributeValue(declare({ type: 'longText' }), 'x'.repeat(4001)),
    refused('text-too-long'),
  );
  assert.throws(() => readAttributeValue(declare({}), 'a\nb'), refused('text-not-allowed'));
});

test('FE-08 people set what is theirs to set; unknown, locked and required fields are refused by name, all or nothing', async () => {
  const { database } = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('request'), work);
  const person = newId();
  const declared = [
    declare({ name: 'team' }),
    declare({ name: 'badge', editable: 'operators' }),
    declare({ name: 'motto', required: true }),
  ];
  await during(async (tx) => {
    await insertPeople(tx, [
      {
        id: person,
        username: 'ada',
        usernameKey: 'ada',
        givenName: '',
        familyName: '',
        displayName: 'ada',
        state: 'active',
        origin: 'test',
      },
    ]);
    assert.deepEqual(await declareAttributes(tx, declared), ['team', 'badge', 'motto']);
    assert.deepEqual(await declareAttributes(tx, declared), [], 'the same again changes nothing');
  });
  const set = (given: Record<string, unknown>, editor: 'self' | 'operators' = 'self') =>
    during((tx) => setAttributes(tx, person, given, editor));
  const valuesNow = async () => (await during((tx) => attributesOf(tx, [person]))).get(person) ?? {};
  assert.deepEqual(await set({ team: 'blue', motto: 'onwards' }), ['team', 'motto']);
  assert.deepEqual(await set({ team: 'blue' }), []);
  for (const [given, code] of [
    [{ badge: 'x', team: 'red' }, 'attribute-locked'],
    [{ nope: 1, team: 'red' }, 'attribute-unknown'],
    [{ motto: '', team: 'red' }, 'attribute-required'],
    [{ constructor: 'x' }, 'attribute-unknown'],
    [{ team: 7 }, 'attribute-type'],
  ] as const)
    await assert.rejects(set(given), refused(code));
  assert.deepEqual(await valuesNow(), { team: 'blue', motto: 'onwards' });
  assert.deepEqual(await set({ badge: 'gold' }, 'operators'), ['badge']);
  assert.deepEqual(await set({ team: '' }), ['team'], 'an emptied field is gone');
  assert.deepEqual(await valuesNow(), { motto: 'onwards', badge: 'gold' });
  await during((tx) => declareAttributes(tx, declared.slice(1)));
  await during((tx) => declareAttributes(tx, [declared[2]!]));
  assert.deepEqual(await valuesNow(), { motto: 'onwards' }, 'values go with their declaration');
  assert.deepEqual(
    (await during(attributeDeclarations)).map((one) => one.name),
    ['motto'],
  );
  const events = await during((tx) => listEvents(tx, { limit: 50 }));
  assert.ok(!JSON.stringify(events).includes('onwards'), 'events name fields, not values');
});
