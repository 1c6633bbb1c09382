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
  const owner = { person: anna, browser: 'b' };
  const begin = (sealed?: string) => beginTotp(secrets, owner, { now: home.clock.now(), sealed });
  const confirm = (sealed: string, code: string, by = owner) =>
    during((tx) => confirmTotp(tx, secrets, by, { sealed, code }));
  const enrol = async () => {
    const { secret, sealed } = begin();
    assert.ok(await confirm(sealed, codeAt(secret, stepOf(home.clock.now()))));
    return secret;
  };
  const use = (code: string) => during((tx) => useTotp(tx, secrets, anna, code));
  return { ...home, during, anna, owner, begin, confirm, enrol, use };
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

test('a set-up is kept nowhere before its first code, goes on with its form, and replaces the one before', async () => {
  const { during, anna, begin, confirm, enrol, use, clock, database } = await stage();
  const first = begin();
  assert.deepEqual(begin(first.sealed), first);
  assert.notDeepEqual(begin().secret, first.secret);
  assert.ok(!Buffer.from(first.sealed, 'base64url').includes(first.secret));
  assert.deepEqual(await database.query('select 1 from totp_authenticators'), []);
  const right = codeAt(first.secret, stepOf(clock.now()));
  const wrong = right === '000000' ? '000001' : '000000';
  assert.equal(await confirm(first.sealed, wrong), false);
  assert.equal(await use(right), false);
  assert.equal(await during((tx) => totpOf(tx, anna)), undefined);
  const second = await enrol();
  clock.advance(60_000);
  const third = await enrol();
  clock.advance(60_000);
  assert.equal(await use(codeAt(second, stepOf(clock.now()))), false);
  assert.ok(await use(codeAt(third, stepOf(clock.now()))));
  assert.ok(await during((tx) => removeTotp(tx, anna)));
  assert.equal(await during((tx) => removeTotp(tx, anna)), false);
});

test('PK-05 the form that sets an app up counts for its person and browser, half an hour, and once', async () => {
  const { begin, confirm, owner, clock, database } = await stage();
  const { secret, sealed } = begin();
  const code = () => codeAt(secret, stepOf(clock.now()));
  assert.equal(await confirm(sealed, code(), { ...owner, browser: 'c' }), false);
  assert.equal(await confirm(sealed, code(), { ...owner, person: newId() }), false);
  for (const made of ['', 'x', sealed.slice(0, -2), `${sealed}AA`, secret.toString('base64url')])
    assert.equal(await confirm(made, code()), false, made);
  assert.notDeepEqual(
    beginTotp(secrets, { ...owner, browser: 'c' }, { now: clock.now(), sealed }).secret,
    secret,
  );
  clock.advance(30 * 60_000);
  assert.equal(await confirm(sealed, code()), false, 'too old');
  const forms = [begin(), begin()];
  const codes = forms.map((form) => codeAt(form.secret, stepOf(clock.now())));
  const won = await Promise.all(
    Array.from({ length: 10 }, (_, index) => confirm(forms[index % 2]!.sealed, codes[index % 2]!)),
  );
  assert.ok(won.some(Boolean));
  const rows = await database.query('select 1 from totp_authenticators where confirmed_at is not null');
  assert.equal(rows.length, 1, 'of many at once one app is left');
  const last = begin();
  const typed = codeAt(last.secret, stepOf(clock.now()));
  const many = await Promise.all(Array.from({ length: 10 }, () => confirm(last.sealed, typed)));
  assert.equal(many.filter(Boolean).length, 1);
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
