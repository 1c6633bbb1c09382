import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { createHasher, type Hasher } from '#kit/crypto/passwords.ts';
import { wrapLegacy } from '#wire/hashes/hashes.ts';
import { verifyPassword } from './verify.ts';

const hasher = createHasher({ memoryKiB: 64, passes: 1, concurrency: 2 });

function ssha(password: string, salt: string): string {
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, Buffer.from(salt)]).toString('base64')}`;
}

const row = (hash: string, scheme = 'ssha') => ({
  person: 'p',
  hash,
  scheme,
  imported: true,
  setAt: new Date(0),
});

async function cost(work: (metered: Hasher) => Promise<boolean>): Promise<number> {
  const before = hasher.stats().hashes;
  assert.equal(await work(hasher), false);
  return hasher.stats().hashes - before;
}

test('AU-07 a wrong password costs the same number of hashes for nobody, a native, a legacy and a wrapped one', async () => {
  const native = await hasher.hash('right one');
  const legacy = ssha('right one', 'salt');
  const wrapped = (await wrapLegacy(legacy, hasher))!;
  const pbkdf2 = '{PBKDF2-SHA256}150000$c2FsdHNhbHRzYWx0$' + 'A'.repeat(43);
  for (const [typed, spellings] of [
    ['wrong one', 1],
    ['Clínica', 2],
    ['e\u0301 and é', 3],
  ] as const) {
    for (const stored of [
      undefined,
      row(native, 'argon2id'),
      row(legacy),
      row(pbkdf2, 'pbkdf2'),
      row(wrapped, 'wrapped:ssha'),
      row('$argon2id$damaged', 'argon2id'),
      row(`${wrapped.slice(0, wrapped.lastIndexOf('|'))}|$argon2id$v=19$broken`, 'wrapped:ssha'),
      row('{WRAPPED}nothing', 'wrapped:ssha'),
    ]) {
      assert.equal(
        await cost((metered) => verifyPassword(metered, stored, typed)),
        spellings,
        `${typed} against ${stored?.hash}`,
      );
    }
  }
});

test('AU-18 several imported hashes: each of their passwords is right, plain and wrapped', async () => {
  const lines = [ssha('first of all', 'abcd'), ssha('second one', 'efghijkl')];
  const wrapped = await Promise.all(lines.map((line) => wrapLegacy(line, hasher)));
  for (const stored of [row(lines.join('\n'), 'ssha'), row(wrapped.join('\n'), 'wrapped:ssha')]) {
    assert.ok(await verifyPassword(hasher, stored, 'first of all'));
    assert.ok(await verifyPassword(hasher, stored, 'second one'));
    assert.equal(await verifyPassword(hasher, stored, 'third one'), false);
    assert.equal(await verifyPassword(hasher, stored, ''), false);
  }
});

test('a stored text that cannot be read is wrong, and the log hears of it without the text', async () => {
  const heard: unknown[] = [];
  const log = { error: (fields: unknown) => void heard.push(fields) };
  const wrapped = (await wrapLegacy(ssha('right one', 'salt'), hasher))!;
  const damaged = wrapped.replace(/\$argon2id.*/, '$argon2id$v=19$m=1$damaged');
  assert.equal(await verifyPassword(hasher, row(damaged, 'wrapped:ssha'), 'right one', log as never), false);
  assert.equal(heard.length, 1);
  assert.equal((heard[0] as { code: string }).code, 'password-unreadable');
  assert.ok(!JSON.stringify(heard).includes('damaged'));
});

test('AU-18 costly imported hashes are checked two at a time, and too many at once are refused, not queued for ever', async () => {
  const costly = row('{PBKDF2-SHA256}200000$c2FsdHNhbHRzYWx0$' + 'A'.repeat(43), 'pbkdf2-sha256');
  const wide = createHasher({ memoryKiB: 64, passes: 1, concurrency: 2, queue: 500 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 70 }, () => verifyPassword(wide, costly, 'wrong one')),
  );
  const refused = outcomes.filter((one) => one.status === 'rejected');
  assert.equal(refused.length, 70 - 66);
  for (const one of refused) assert.equal((one.reason as Error).name, 'HashingBusy');
});
