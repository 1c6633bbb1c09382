/** People with further proofs, for tests of sign-in: enrolled directly in the core, or the way their browser would. */

import { makeRecoveryCodes } from '#core/credentials/recovery-codes.ts';
import { beginTotp, codeAt, confirmTotp, stepOf } from '#core/credentials/totp.ts';
import { findByUsername } from '#core/people/people.ts';
import { system } from '#kit/db/database.ts';
import type { Platform } from './kit.ts';

export const passwords = { ada: 'river-stone-lamp', bob: 'copper-kettle-hill', eve: 'quiet-orchard-nine' };

/** Three people, of whom ada may do everything. */
export const harbour = `
community:
  name: Harbour
people:
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${passwords.ada}, addresses: [ada@example.org] }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${passwords.bob}, addresses: [bob@example.org] }
  - { username: eve, names: { givenName: Eve, familyName: Moss }, password: ${passwords.eve}, addresses: [eve@example.org] }
`;

/** Id of a person by user name. */
export async function idOf(platform: Platform, username: string): Promise<string> {
  const person = await platform.database.read(system(), (tx) => findByUsername(tx, username));
  if (!person) throw new Error(`nobody is called ${username}`);
  return person.id;
}

/** An authenticator app and recovery codes, set up two minutes ago. */
export async function withApp(
  platform: Platform,
  username: string,
): Promise<{ secret: Buffer; code: () => string; codes: string[] }> {
  const person = await idOf(platform, username);
  const { database, secrets, clock } = platform;
  const { secret, codes } = await database.transact(system('request'), async (tx) => {
    const fresh = await beginTotp(tx, secrets, person);
    if (!(await confirmTotp(tx, secrets, person, codeAt(fresh, stepOf(tx.now())))))
      throw new Error('not confirmed');
    return { secret: fresh, codes: await makeRecoveryCodes(tx, person) };
  });
  clock.advance(120_000);
  return { secret, codes, code: () => codeAt(secret, stepOf(clock.now())) };
}
