import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileExpression, ExpressionError, maxSource, type VariableType } from './expressions.ts';
import { compilePattern } from './pattern.ts';

const variables: Record<string, VariableType> = {
  username: 'string',
  mail: 'string?',
  name: 'string',
  active: 'boolean',
  level: 'number',
  groups: 'strings',
  attributes: 'map',
};
const person = {
  username: 'Jane',
  mail: 'jane@example.org',
  name: 'Jürgen Łukasz',
  active: true,
  level: 3,
  groups: ['staff', 'wiki-editors', 'wiki-admins'],
  attributes: { team: 'sea', floor: 2, tags: ['a', 'b'] },
};
/** Milliseconds of this thread: what others do on the machine does not count. */
function threadMs(work: () => void): number {
  const start = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(start);
  return (user + system) / 1000;
}

const run = (source: string, values: Record<string, unknown> = person) =>
  compileExpression(source, variables).evaluate(values);

test('a mapping says what people need to say', () => {
  const expected: Record<string, unknown> = {
    username: 'Jane',
    'lowercase(username)': 'jane',
    'username.uppercase()': 'JANE',
    '"  x ".trim()': 'x',
    'username.lowercase() + "@members.example.org"': 'jane@members.example.org',
    'ascii("Jürgen")': 'Jurgen',
    'name.ascii()': 'Jurgen Lukasz',
    'name.split(" ")[0]': 'Jürgen',
    'name.split(" ").join("-")': 'Jürgen-Łukasz',
    'mail.before("@")': 'jane',
    'mail.after("@")': 'example.org',
    'username.replace("n", "mm")': 'Jamme',
    'username.substring(1, 30)': 'ane',
    '"a😀b".substring(1, 2)': '😀',
    'size("a😀b")': 3,
    'default(attributes.nick, username)': 'Jane',
    'default(attributes.team, username)': 'sea',
    'first("", attributes.nick, null, "last")': 'last',
    'has(attributes.team) && !has(attributes.nick)': true,
    'attributes["team"]': 'sea',
    'attributes.floor == 2 && level >= 3 && level + 1 == 4': true,
    '"staff" in groups': true,
    'groups.filter(g, g.startsWith("wiki-")).map(g, g.replace("wiki-", ""))': ['editors', 'admins'],
    'groups.exists(g, g == "staff") ? "yes" : "no"': 'yes',
    'groups.map(g, groups.exists(o, o == "x-" + g), g)': [],
    'groups.map(g, g.size() > 5, g + attributes.tags.map(g, g).join(""))': [
      'wiki-editorsab',
      'wiki-adminsab',
    ],
    'mail.matches("@example\\\\.org$")': true,
    'null == attributes.nick': true,
    'attributes.tags': ['a', 'b'],
    'string(level) + "!"': '3!',
    'active ? attributes.nick : "x"': null,
  };
  for (const [source, value] of Object.entries(expected)) assert.deepEqual(run(source), value, source);
  assert.equal(run('default(mail, "none")', { ...person, mail: undefined }), 'none');
});

test('what cannot be read or does not fit is refused with a sentence and a place', () => {
  const refused: [string, number][] = [
    ['username.', 9],
    ['username + 1', 0],
    ['nobody', 0],
    ['username + nobody', 11],
    ['"abc', 0],
    ['username.constructor', 0],
    ['active ? 1', 10],
    ['mail.matches(username)', 13],
    ['mail.matches("(a")', 13],
    ['mail.matches("(?=a)")', 13],
    ['level / 0', 0],
    ['{"a": 1}', 0],
    ['b"bytes"', 0],
    ['username.nothing()', 0],
    ['', 0],
    ['x'.repeat(maxSource + 1), 0],
    ['('.repeat(100) + '1' + ')'.repeat(100), 39],
    [Array(200).fill('1').join('+'), 0],
  ];
  for (const [source] of refused) {
    assert.throws(
      () => compileExpression(source, variables),
      (error) => error instanceof ExpressionError && / .*\.$/s.test(error.message) && error.position >= 0,
      source.slice(0, 60),
    );
  }
  for (const source of ['groups[9]', 'mail.trim()', 'attributes', '[1]', '[groups]', 'attributes.team < 3']) {
    assert.throws(() => run(source, { ...person, mail: null }), ExpressionError, source);
  }
});

test('FE-10 no expression runs host code or reaches a prototype', () => {
  const escapes = [
    ...['constructor', '__proto__', 'prototype'].flatMap((key) => [
      `attributes.${key}`,
      `attributes["${key}"]`,
      `attributes["${key.slice(0, 3)}" + "${key.slice(3)}"]`,
      `attributes.team.${key}`,
      `groups.${key}`,
      `groups["${key}"]`,
      `groups.map(g, g.${key})`,
      `has(attributes.${key})`,
      `"${key}" in attributes`,
      `username.${key}.${key}("return process")()`,
      `${key}`,
      `${key}("return 1")()`,
      `groups.map(${key}, ${key})`,
    ]),
    'attributes.toString()',
    'attributes.toString',
    'attributes.hasOwnProperty("team")',
    'groups.length',
    'username.at(0)',
    'username.repeat(1000)',
    'process.exit(1)',
    'globalThis.process',
    'this',
    'import("node:fs")',
    'require("fs").readFileSync("/etc/passwd")',
    'eval("1")',
    'Function("return 1")()',
    'google.protobuf.Timestamp',
    'type(username)',
    'timestamp("2020-01-01T00:00:00Z").getFullYear("x")',
    'bytes("{}").json()',
    'b"{}".json()',
    'cel.bind(x, username, x + x)',
    'cel',
    'dyn(username)',
    'optional.of(1)',
    'username.split("").map.constructor',
    '`${process}`',
    '(() => 1)()',
    'new Date()',
    'attributes.hook',
    'attributes.live',
  ];
  let ran = 0;
  const hostile = {
    ...person,
    attributes: Object.assign(Object.create({ inherited: 'secret', nick: 'secret' }), {
      team: 'sea',
      hook: () => (ran += 1),
      live: new (class Live {
        secret = 1;
      })(),
    }),
  };
  for (const source of escapes) {
    for (const values of [person, hostile]) {
      let value: unknown;
      try {
        value = run(source, values);
      } catch (error) {
        assert.ok(error instanceof ExpressionError, `${source}: ${String(error)}`);
        continue;
      }
      assert.ok(value === null || value === false, `${source} gave ${JSON.stringify(value)}`);
    }
  }
  const own = { ...person, attributes: JSON.parse('{"__proto__": {"team": "x"}, "team": "sea"}') };
  assert.equal(run('attributes.team', own), 'sea');
  assert.throws(() => run('name', { ...person, name: { toString: () => (ran += 1) } }), ExpressionError);
  assert.equal(ran, 0);
  const inherited = Object.create({ username: 'inherited' }) as Record<string, unknown>;
  assert.equal(compileExpression('username == null', { username: 'string?' }).evaluate(inherited), true);
  assert.equal(({} as { team?: string }).team, undefined, 'no prototype was written to');
});

test('FE-10 whatever is typed is refused in one way, and whatever runs gives a plain value', () => {
  const word = fc.constantFrom(
    'username', 'groups', 'attributes', '.', '.team', '(', ')', '[', ']', '"a"', '1', '+', '==', '?', ':', ',', 'in',
    'map', 'g', '.map(g, g)', '.exists(g, true)', 'has(', 'default(', '&&', '!', '__proto__', 'constructor', '.split("")',
    '.join("")', '.matches("a+")', ' ',
  ); // biome-ignore format: a word list
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      try {
        const value = run(words.join(''));
        assert.ok(
          value === null || ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value),
        );
      } catch (error) {
        assert.ok(error instanceof ExpressionError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test('FE-11 patterns run in linear time: 100 KB of evil text against evil patterns in under 200 ms', () => {
  const evil = [
    '(a+)+$',
    '(a|a)*$',
    '(a|aa)+$',
    '(.*a){12}$',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
    '(a*)*b',
    '(x+x+)+y',
  ];
  const texts = [`${'a'.repeat(100 * 1024)}!`, `${'x'.repeat(100 * 1024)}`, `${'ab'.repeat(50 * 1024)}!`];
  for (const pattern of evil) {
    const expression = compileExpression(`name.matches("${pattern}")`, { name: 'string' });
    for (const name of texts) {
      let outcome: unknown;
      const took = threadMs(() => {
        try {
          outcome = expression.evaluate({ name });
        } catch (error) {
          assert.ok(error instanceof ExpressionError);
          outcome = 'refused';
        }
      });
      assert.ok(took < 200, `${pattern} took ${took.toFixed(0)} ms (${String(outcome)})`);
    }
  }
  assert.equal(
    compileExpression('name.matches("(a+)+$")', { name: 'string' }).evaluate({ name: texts[0] }),
    false,
  );
  for (const wide of ['(a{100}){100}', 'a{1000}b{1000}c{500}', '((a{30}){30}){30}', 'a'.repeat(201)])
    assert.throws(() => compilePattern(wide), SyntaxError, wide);
});

test('FE-11 an expression that would grow or run for ever is stopped at once', () => {
  const name = 'n'.repeat(1_000);
  const groups = Array.from({ length: 1_000 }, (_, index) => `group-${index}`);
  const greedy = [
    `[name]${'.map(x, x + x)'.repeat(30)}[0]`,
    `name${'.replace("n", "nnnnnnnnnn")'.repeat(20)}`,
    'groups.exists(a, groups.exists(b, groups.exists(c, a == b + c)))',
    'groups.map(a, groups.map(b, groups.join("")).join("")).join("")',
    `groups${'.map(x, groups.map(y, x).join(x))'.repeat(10)}`,
    `(groups${' + groups'.repeat(40)}).map(x, name).join("")`,
  ];
  for (const source of greedy) {
    const expression = compileExpression(source, { name: 'string', groups: 'strings' });
    const took = threadMs(() =>
      assert.throws(() => expression.evaluate({ name, groups }), ExpressionError, source),
    );
    assert.ok(took < 1_000, source);
  }
  assert.throws(() => run('name', { ...person, name: 'x'.repeat(200_000) }), ExpressionError);
});

test('200,000 people are mapped in a few seconds', () => {
  const mapping = compileExpression(
    'default(mail, username.lowercase().ascii() + "@members.example.org").matches("@gmail\\\\.com$") ? groups.filter(g, g.startsWith("wiki-")).join(",") : lowercase(username)',
    variables,
  );
  const took = threadMs(() => {
    for (let index = 0; index < 200_000; index += 1)
      mapping.evaluate({ ...person, username: `Person${index}` });
  });
  assert.ok(took < 4_000, `${took.toFixed(0)} ms`);
});
