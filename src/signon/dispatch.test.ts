import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import {
  isLocalPath,
  nextStep,
  openRequest,
  pathBack,
  requestSignOn,
  type SignOnRequest,
  sealSignOn,
} from './dispatch.ts';
import type { SignedOn } from './gate.ts';
import { deleteOldRequests } from './store.ts';

const secrets = createSecrets(Buffer.alloc(32, 5));
const request: SignOnRequest = { front: 'test', returnTo: '/account/profile' };
const at = (time: string) => ({ session: { authTime: new Date(time) } }) as SignedOn;

test('FE-05 only a path of ours is a way back', () => {
  for (const path of ['/', '/account', '/a?b=https://x.org', '/a#b', '/%2f%2fx'])
    assert.ok(isLocalPath(path), path);
  for (const path of [
    '',
    'account',
    '//x.org',
    '/\\x.org',
    '\\/x.org',
    'https://x.org',
    '/a b',
    '/a\tb',
    '/\n/x',
    '/a\\b',
    '/\u0000',
    '/\u007f',
    `/${'x'.repeat(2000)}`,
  ])
    assert.equal(isLocalPath(path), false, JSON.stringify(path));
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('/', '\\', 'x', '.', '@', ':', '?', '#', '\t', '\n', ' ', '%', '2', 'f'),
      }),
      (tail) => {
        const path = `/${tail}`;
        return !isLocalPath(path) || new URL(path, 'https://id.example.org').host === 'id.example.org';
      },
    ),
    { numRuns: 5000 },
  );
});

test('the way back is the page itself, without a query that is too long or not plain', () => {
  assert.equal(pathBack('/account?said=saved'), '/account?said=saved');
  assert.equal(pathBack(`/admin/people?search=${'x'.repeat(3000)}`), '/admin/people');
  assert.equal(pathBack('/apps?x=\\'), '/apps');
  assert.equal(pathBack('//x.org/y'), '/account');
  assert.equal(pathBack(`/${'x'.repeat(3000)}`), '/account');
});

test('SE-07 a request belongs to the browser that made it, for an hour, each its own', async () => {
  const { database, clock } = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('request'), work);
  const urls = await during(async (tx) => [
    await requestSignOn(tx, 'mine', request),
    await requestSignOn(tx, 'mine', { ...request, returnTo: '/apps' }),
  ]);
  const [first, second] = urls.map((url) => new URL(url, 'http://x').searchParams.get('request')!);
  assert.deepEqual(await during((tx) => openRequest(tx, secrets, 'mine', first)), request);
  assert.equal((await during((tx) => openRequest(tx, secrets, 'mine', second)))?.returnTo, '/apps');
  for (const [browser, id] of [
    ['other', first],
    ['', first],
    [undefined, first],
    ['mine', newId()],
    ['mine', ''],
    ['mine', undefined],
    ['mine', "x' or 1=1"],
  ] as const)
    assert.equal(await during((tx) => openRequest(tx, secrets, browser, id)), undefined);
  clock.advance(3600_000 - 1);
  assert.ok(await during((tx) => openRequest(tx, secrets, 'mine', first)));
  clock.advance(1);
  assert.equal(await during((tx) => openRequest(tx, secrets, 'mine', first)), undefined);
  await during(deleteOldRequests);
  assert.equal((await database.query('select 1 from signon_requests')).length, 0);
  await assert.rejects(
    during((tx) => requestSignOn(tx, 'mine', { ...request, returnTo: '//x.org' })),
    TypeError,
  );
});

test('SE-07 a request that travels sealed belongs to the browser that made it, for an hour, and is kept nowhere', async () => {
  const { database, clock } = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => database.transact(system('request'), work);
  const make = (returnTo: string, by = secrets) => {
    const url = sealSignOn(by, { browser: 'mine', now: clock.now() }, { front: 'account', returnTo });
    assert.ok(url.length < 1000);
    return new URL(url, 'http://x').searchParams.get('request')!;
  };
  const open = (id: string, browser: string | undefined = 'mine') =>
    during((tx) => openRequest(tx, secrets, browser, id));
  const id = make('/account/profile?said=x');
  assert.deepEqual(await open(id), { front: 'account', returnTo: '/account/profile?said=x' });
  assert.equal((await open(make(`/account/profile?q=${'x'.repeat(600)}`)))?.returnTo, '/account/profile');
  assert.equal((await open(make(`/${'x'.repeat(600)}`)))?.returnTo, '/account');
  assert.equal(await open(id, 'other'), undefined);
  assert.equal(await open(id, ''), undefined);
  const stranger = createSecrets(Buffer.alloc(32, 6));
  for (const other of [
    make('/account', stranger),
    `${id.slice(0, -4)}AAAA`,
    id.slice(0, 20),
    's.',
    's.\u0000é',
  ])
    assert.equal(await open(other), undefined, other);
  const changed = createSecrets(Buffer.alloc(32, 8), [Buffer.alloc(32, 5)]);
  assert.ok(await during((tx) => openRequest(tx, changed, 'mine', id)), 'also after the master key changed');
  assert.throws(() => make('//x.org'), TypeError);
  assert.equal((await database.query('select 1 from signon_requests')).length, 0);
  clock.advance(3600_000 - 1);
  assert.ok(await open(id));
  clock.advance(1);
  assert.equal(await open(id), undefined);
});

test('nobody is asked to sign in; somebody goes on, unless their proof is too old', () => {
  assert.deepEqual(nextStep(undefined, undefined), { ask: 'sign-in' });
  assert.deepEqual(nextStep(request, undefined), { ask: 'sign-in' });
  assert.deepEqual(nextStep(undefined, at('2026-01-01')), { go: '/account' });
  assert.deepEqual(nextStep(request, at('2026-01-01')), { go: '/account/profile' });
  const fresh = { ...request, provedAfter: '2026-01-01T12:00:00.000Z' };
  assert.deepEqual(nextStep(fresh, at('2026-01-01T11:59:59.999Z')), { ask: 'sign-in' });
  assert.deepEqual(nextStep(fresh, at('2026-01-01T12:00:00.000Z')), { go: '/account/profile' });
});
