import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { misfits } from './misfits.ts';

function said(schema: z.ZodType, value: unknown): string[] {
  const { error } = schema.safeParse(value);
  return error ? misfits(error).map(({ path, text }) => (path ? `${path} ${text}` : text)) : [];
}

test('every kind of misfit has words of ours', () => {
  const cases: [schema: z.ZodType, value: unknown, text: string][] = [
    [z.string(), 7, 'must be text'],
    [z.string(), undefined, 'is missing'],
    [z.number(), 'x', 'must be a number'],
    [z.number(), Number.NaN, 'must be a number'],
    [z.int(), 1.5, 'must be a whole number'],
    [z.boolean(), 'yes', 'must be true or false'],
    [z.array(z.string()), {}, 'must be a list'],
    [z.object({}), [], 'must be a block of keys'],
    [z.record(z.string(), z.string()), 'x', 'must be a block of keys'],
    [z.never(), 1, 'must be left out'],
    [z.undefined(), 1, 'must be left out'],
    [z.file(), 1, 'must be of another kind'],
    [z.string().min(1), '', 'must have at least 1 character'],
    [z.string().min(8), 'x', 'must have at least 8 characters'],
    [z.string().length(3), 'x', 'must have exactly 3 characters'],
    [z.string().length(3), 'four', 'must have exactly 3 characters'],
    [z.string().max(3), 'four', 'is too long: 3 characters at most'],
    [z.array(z.string()).max(1), ['a', 'b'], 'is too long: 1 entry at most'],
    [z.array(z.string()).min(2), ['a'], 'must have at least 2 entries'],
    [z.number().min(0), -1, 'must be at least 0'],
    [z.number().gt(0), 0, 'must be more than 0'],
    [z.number().max(3), 4, 'is too large: 3 at most'],
    [z.number().lt(3), 3, 'must be less than 3'],
    [z.date().min(new Date(0)), new Date(-1), 'must not be before 1970-01-01T00:00:00.000Z'],
    [z.date().max(new Date(0)), new Date(1), 'must not be after 1970-01-01T00:00:00.000Z'],
    [z.number().multipleOf(5), 7, 'must be a multiple of 5'],
    [z.enum(['a', 'b']), 'c', 'must be one of a, b'],
    [z.literal('a'), 'c', 'must be a'],
    [z.uuid(), 'x', 'must be an id'],
    [z.iso.datetime(), 'x', 'must be a moment such as 2026-01-31T12:00:00Z'],
    [z.iso.date(), 'x', 'must be a day such as 2026-01-31'],
    [z.url(), 'x', 'must be an address such as https://example.org'],
    [z.email(), 'x', 'must be a mail address'],
    [z.string().regex(/^a$/), 'x', 'does not have the form it needs'],
    [z.string().startsWith('ab'), 'x', 'must begin with ab'],
    [z.string().endsWith('ab'), 'x', 'must end with ab'],
    [z.string().includes('ab'), 'x', 'must hold ab'],
    [z.strictObject({}), { a: 1, b: 2 }, 'holds what is not known here: a, b'],
    [z.union([z.string(), z.array(z.string())]), 7, 'must be text or a list'],
    [z.union([z.enum(['none']), z.array(z.string())]), 7, 'must be none or a list'],
    [z.union([z.string(), z.object({ a: z.string() })]), { a: 1 }, 'a: must be text'],
    [z.discriminatedUnion('a', [z.object({ a: z.literal('x') })]), { a: 'y' }, 'a must be x'],
    [z.record(z.string().min(2), z.string()), { a: 'b' }, 'a is not a name allowed here'],
    [z.map(z.string(), z.string()), new Map([['a', 1]]), 'a must be text'],
    [z.string().refine(() => false), 'x', 'is not allowed here as it is'],
  ];
  for (const [schema, value, text] of cases) assert.deepEqual(said(schema, value), [text], text);
});

test('a schema that says something of its own is not talked over, and places are kept', () => {
  const own = z.object({ id: z.string().regex(/^a$/, 'small letters') });
  assert.deepEqual(said(z.object({ list: z.array(own) }), { list: [{ id: 'x' }] }), [
    'list.0.id small letters',
  ]);
  const { error } = own.safeParse({});
  assert.deepEqual(misfits(error!, 'options.'), [{ path: 'options.id', text: 'is missing' }]);
});
