import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { closeTrace, joinLogin, openTrace, trace, traceRefused } from './trace.ts';
import { plainAddress, scrub, scrubText, shortened } from './trace-scrub.ts';

const now = () => new Date('2026-01-15T12:00:00Z');

test('SE-08 what opens something is taken out, by its name and by what it looks like', () => {
  const secret = 'correct-horse';
  const names = [
    'password',
    'client_secret',
    'access_token',
    'code',
    'state',
    'nonce',
    'code_challenge',
    'code_verifier',
    'SAMLResponse',
    'RelayState',
    'Authorization',
    'set-cookie',
    'assertion',
    'sid',
    'otp',
    'id_token_hint',
  ];
  for (const name of names) assert.deepEqual(scrub({ [name]: secret }), { [name]: '(removed)' }, name);
  const tokens = [
    randomBytes(32).toString('base64url'),
    randomBytes(32).toString('base64'),
    randomBytes(32).toString('hex'),
    `eyJhbGciOiJSUzI1NiJ9.${randomBytes(40).toString('base64url')}.${randomBytes(64).toString('base64url')}`,
    '123456',
  ];
  for (const token of tokens)
    for (const text of [token, `detail (${token})`, `"${token}",`, `a ${token} b`])
      assert.ok(!scrubText(text).includes(token), text);
});

test('what helps stays: ids, codes of refusals, scopes, addresses of apps without their query', () => {
  const id = randomUUID();
  for (const text of [id, 'application-forbidden', 'openid profile email', 'urn:gatehouse:acr:2', '/sign-in'])
    assert.equal(scrubText(text), text);
  const secret = randomBytes(24).toString('base64url');
  assert.equal(
    plainAddress(`https://ann:pw@app.example.org/cb/${secret}?code=abc#frag`),
    'https://app.example.org/cb/(removed)',
  );
  assert.equal(
    scrubText('sent to https://app.example.org/cb?code=abc'),
    'sent to https://app.example.org/cb',
  );
  assert.equal(scrubText('a\u202eb\nc'), 'a b c');
});

test('what a stranger typed stays shortened, whatever it was', () => {
  assert.equal(shortened('lovelace@clinic.example.org'), 'lo…@cl…');
  assert.equal(shortened('ada'), 'a…');
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 400, unit: 'grapheme' }), (typed) => {
      assert.ok([...shortened(typed)].length <= 7);
    }),
  );
});

test('requests of one login are joined by the ids that lead from one to the next, others are not', () => {
  const begin = (reference: string, keys: string[]) => {
    openTrace(reference, now);
    trace(reference, `step of ${reference}`);
    joinLogin(reference, keys);
  };
  begin('t-1', ['join-interaction']);
  closeTrace('t-1');
  begin('t-2', ['join-interaction', 'join-request']);
  closeTrace('t-2');
  begin('t-other', ['join-elsewhere']);
  begin('t-3', ['join-request']);
  traceRefused('t-3', 'sign-in-failed');
  traceRefused('t-3', 'status-422');
  const { login, refused } = closeTrace('t-3')!;
  assert.equal(refused, 'sign-in-failed');
  assert.deepEqual(
    login.steps.map(({ step }) => step),
    ['step of t-1', 'step of t-2', 'step of t-3', 'refused'],
  );
  assert.equal(closeTrace('t-other')!.login.steps.length, 1);
  assert.equal(closeTrace('t-3'), undefined);
  trace('t-3', 'too late');
});

test('a trace that grows too long keeps its beginning and its end', () => {
  openTrace('t-long', now);
  for (let count = 0; count < 500; count += 1) trace('t-long', `step ${count}`, { text: 'x '.repeat(500) });
  const { steps } = closeTrace('t-long')!.login;
  assert.equal(steps.length, 60);
  assert.equal(steps[0]!.step, 'step 0');
  assert.equal(steps.at(-1)!.step, 'step 499');
  assert.ok(String(steps[0]!.facts.text).length <= 200);
});
