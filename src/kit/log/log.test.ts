import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog, type Log } from './log.ts';

function caught(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return {
    log: createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } }),
    lines,
  };
}

const names = ['password', 'token', 'access_token', 'client_secret', 'cookie', 'authorization', 'set-cookie'];

for (const name of names) {
  test(`${name} is redacted at four levels of nesting`, () => {
    const { log, lines } = caught();
    log.info({ [name]: 'S3CRET' }, 'one');
    log.info({ body: { [name]: 'S3CRET' } }, 'two');
    log.info({ request: { headers: { [name]: 'S3CRET' } } }, 'three');
    log.info({ a: { b: { c: { [name]: 'S3CRET' } } } }, 'four');
    assert.equal(lines.length, 4);
    for (const line of lines) {
      assert.doesNotMatch(line, /S3CRET/);
      assert.match(line, /\[redacted\]/);
    }
  });
}

test('secrets are redacted in lists, in any case, far down, and in what a child of the log is bound to', () => {
  const { log, lines } = caught();
  const deep = { a: { b: { c: { d: { e: { f: { g: { h: { i: 'S3CRET' } } } } } } } } };
  log.info({ list: [{ Password: 'S3CRET' }], headers: { AUTHORIZATION: ['S3CRET'] } }, 'one');
  log.info(deep, 'two');
  const child = log.child({ part: 'mail' }).child({ token: 'S3CRET' });
  child.info({ err: new Error('x') }, 'three');
  assert.equal(lines.length, 3);
  for (const line of lines) assert.doesNotMatch(line, /S3CRET/);
  assert.deepEqual([JSON.parse(lines[2]!).part, JSON.parse(lines[2]!).err.message], ['mail', 'x']);
});

test('what is logged stays as it was for its owner, and is written as it is where there is no secret', () => {
  const { log, lines } = caught();
  const form = { password: 'S3CRET', at: new Date(0), bytes: Buffer.from('hi'), list: [1, null, 'a'] };
  log.info({ form }, 'one');
  assert.equal(form.password, 'S3CRET');
  const line = JSON.parse(lines[0]!);
  assert.deepEqual([line.form.at, line.form.list], ['1970-01-01T00:00:00.000Z', [1, null, 'a']]);
});

test('the code of a refusal is written, a code that somebody typed is not', () => {
  const { log, lines } = caught();
  log.warn({ code: 'link-used', reference: 'r-1', form: { code: '123456' } }, 'refused');
  const line = JSON.parse(lines[0] ?? '');
  assert.deepEqual(
    [line.level, line.code, line.reference, line.form.code],
    ['warn', 'link-used', 'r-1', '[redacted]'],
  );
});

test('no value can forge a line', () => {
  const { log, lines } = caught();
  const forged = 'x"}\n{"level":"error","msg":"forged"}\r\u2028';
  log.info({ username: forged }, forged);
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.trimEnd().includes('\n'), false);
  assert.deepEqual(JSON.parse(lines[0] ?? '').username, forged);
});

test('a database error tells its code and constraint, not the row', () => {
  const { log, lines } = caught();
  const error = Object.assign(new Error('duplicate key value violates unique constraint "addresses_key"'), {
    code: '23505',
    constraint: 'addresses_key',
    detail: 'Key (address)=(ana@example.org) already exists.',
    where: 'ana@example.org',
  });
  log.error({ err: new Error('outer', { cause: error }) }, 'failed');
  const { err } = JSON.parse(lines[0] ?? '');
  assert.deepEqual([err.message, err.cause.code, err.cause.constraint], ['outer', '23505', 'addresses_key']);
  assert.doesNotMatch(lines[0] ?? '', /ana@example/);
});
