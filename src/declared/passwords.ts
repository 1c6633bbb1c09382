/** Hashing for a file, done before its transaction: no connection waits for a processor. */
import { passwordOf, verifyPassword } from '#core/credentials/credentials.ts';
import { usernameKey } from '#core/people/names.ts';
import { findByUsernames } from '#core/people/people.ts';
import type { Hasher } from '#kit/crypto/passwords.ts';
import type { Database } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { Declared } from './parse.ts';

/** Fresh hashes by key of user name, of the people whose password is not the declared one. */
export type ReadyPasswords = ReadonlyMap<string, string>;

/** How many passwords are worked on at once; the hasher's own gate decides how many really run. */
const atOnce = 8;

/**
 * Hashes the declared passwords that are not the people's already.
 * @param told called after each password, for a progress bar
 */
export async function readyPasswords(
  needs: { database: Database; hasher: Hasher; context: TxContext },
  declared: Declared,
  told: (done: number, total: number) => void = () => undefined,
): Promise<ReadyPasswords> {
  const { database, hasher, context } = needs;
  const given = (declared.people ?? []).flatMap((one) =>
    one.password === undefined ? [] : [{ key: usernameKey(one.username), password: one.password }],
  );
  const stored = await database.read(context, async (tx) => {
    const people = await findByUsernames(
      tx,
      given.map((one) => one.key),
    );
    const found = new Map<string, Awaited<ReturnType<typeof passwordOf>>>();
    for (const [key, person] of people) found.set(key, await passwordOf(tx, person.id));
    return found;
  });
  const ready = new Map<string, string>();
  const queue = [...given];
  let done = 0;
  async function work(): Promise<void> {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const old = stored.get(next.key);
      const same = old !== undefined && (await verifyPassword(hasher, old, next.password));
      if (!same) ready.set(next.key, await hasher.hash(next.password));
      told(++done, given.length);
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, given.length) }, work));
  return ready;
}
