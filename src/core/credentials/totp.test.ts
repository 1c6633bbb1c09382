import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { insertPeople } from '#core/people/people.ts';
import { newId } from '#kit/crypto/ids.ts';
import { createSecrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { testDatabase } from '#test/kit.ts';
import {
  base32,
  beginTotp,
  codeAt,
  confirmTotp,
  otpauthUri,
  removeTotp,
  rewrapTotp,
  stepOf,
  totpOf,
  useTotp,
} from './totp.ts';

const secrets = createSecrets(Buffer.alloc(32, 7));

async function stage() {
  const home = await testDatabase();
  const during = <T>(work: (tx: Tx) => Promise<T>) => home.database.transact(system('request'), work);
  const anna = newId();
  const names = { username: anna, usernameKey: anna, givenName: '', familyName: '', displayName: anna };
  await during((tx) => insertPeople(tx, [{ id: anna, ...names, state: 'active', origin: 'test' }]));
  const enrol = async () => {
    const secret = await during((tx) => beginTotp(tx, secrets, anna));
    const code = codeAt(secret, stepOf(home.clock.now()));
    assert.ok(await during((tx) => confirmTotp(tx, secrets, anna, code)));
    return secret;
  };
  const use = (code: string) => during((tx) => useTotp(tx, secrets, anna, code));
  return { ...home, during, anna, enrol, use };
}

test('the codes are those of RFC 6238, appendix B, cut to six digits', () => {
  const secret = Buffer.from('12345678901234567890');
  const vectors: [number, string][] = [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ];
  for (const [seconds, code] of vectors)
    assert.equal(codeAt(secret, stepOf(new Date(seconds * 1000))), code, String(seconds));
});

test('another generator makes the same codes of the key we show', (t) => {
  const secret = Buffer.from('00ff10ef20df30cf40bf50af60809fa0b0c0d0e0', 'hex');
  const at = new Date('2026-05-17T10:20:30Z');
  let said: string;
  try {
    const now = at.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
    said = execFileSync('oathtool', ['--totp', '--base32', `--now=${now}`, base32(secret)], {
      encoding: 'utf8',
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return t.skip('oathtool is not installed (Debian: apt-get install oathtool)');
  }
  assert.equal(codeAt(secret, stepOf(at)), said.trim());
});

test('what the picture says can be read by an app', () => {
  const uri = new URL(otpauthUri('Harbour & Sons', 'anna', Buffer.from('12345678901234567890')));
  assert.equal(uri.protocol, 'otpauth:');
  assert.deepEqual([uri.host, uri.pathname], ['totp', '/Harbour%20%26%20Sons:anna']);
  assert.equal(uri.searchParams.get('secret'), 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
  assert.equal(uri.searchParams.get('issuer'), 'Harbour & Sons');
});

test('AU-08 a code works once: of twenty at once one, and not half a minute later', async () => {
  const { enrol, use, clock } = await stage();
  const secret = await enrol();
  clock.advance(60_000);
  const code = codeAt(secret, stepOf(clock.now()));
  const answers = await Promise.all(Array.from({ length: 20 }, () => use(code)));
  assert.equal(answers.filter(Boolean).length, 1);
  clock.advance(29_000);
  assert.equal(await use(code), false);
  clock.advance(2000);
  assert.equal(await use(code), false);
});

test('AU-08 the code that proved the app at set-up does not sign in, nor any of an earlier step', async () => {
  const { enrol, use, clock } = await stage();
  const secret = await enrol();
  assert.equal(await use(codeAt(secret, stepOf(clock.now()))), false);
  clock.advance(90_000);
  assert.ok(await use(codeAt(secret, stepOf(clock.now()))));
  assert.equal(await use(codeAt(secret, stepOf(clock.now()) - 1)), false);
});

test('AU-09 the current step and the one before, by our clock', async () => {
  const { enrol, use, clock } = await stage();
  const secret = await enrol();
  clock.advance(600_000);
  const code = (seconds: number) => codeAt(secret, stepOf(new Date(clock.now().getTime() + seconds * 1000)));
  for (const seconds of [-61, 31, 60]) assert.equal(await use(code(seconds)), false, String(seconds));
  assert.ok(await use(code(-30)));
  assert.ok(await use(` ${code(0).slice(0, 3)} ${code(0).slice(3)} `), 'typed with spaces');
});

test('a set-up that was begun is shown again, counts for nothing before its code, and replaces the one before', async () => {
  const { during, anna, enrol, use, clock } = await stage();
  const first = await during((tx) => beginTotp(tx, secrets, anna));
  assert.deepEqual(await during((tx) => beginTotp(tx, secrets, anna)), first);
  assert.equal(await use(codeAt(first, stepOf(clock.now()))), false);
  assert.equal(await during((tx) => totpOf(tx, anna)), undefined);
  clock.advance(31 * 60_000);
  assert.notDeepEqual(await during((tx) => beginTotp(tx, secrets, anna)), first);
  const second = await enrol();
  clock.advance(60_000);
  const third = await enrol();
  clock.advance(60_000);
  assert.equal(await use(codeAt(second, stepOf(clock.now()))), false);
  assert.ok(await use(codeAt(third, stepOf(clock.now()))));
  assert.ok(await during((tx) => removeTotp(tx, anna)));
  assert.equal(await during((tx) => removeTotp(tx, anna)), false);
});

test('the secret lies sealed, and is sealed anew under another master key', async () => {
  const { during, enrol, clock, database, anna } = await stage();
  const secret = await enrol();
  const stored = await database.query<{ secret: Buffer }>('select secret from totp_authenticators');
  assert.ok(!stored[0]!.secret.includes(secret));
  const next = createSecrets(Buffer.alloc(32, 8), [Buffer.alloc(32, 7)]);
  assert.equal((await during((tx) => rewrapTotp(tx, next))).changed, 1);
  assert.equal((await during((tx) => rewrapTotp(tx, next))).changed, 0);
  clock.advance(60_000);
  const alone = createSecrets(Buffer.alloc(32, 8));
  const code = codeAt(secret, stepOf(clock.now()));
  assert.ok(await during((tx) => useTotp(tx, alone, anna, code)));
});
