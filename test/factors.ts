/** People with further proofs, for tests of sign-in: enrolled directly in the core, or the way their browser would. */

import { makeRecoveryCodes } from '#core/credentials/recovery-codes.ts';
import { beginTotp, codeAt, confirmTotp, stepOf } from '#core/credentials/totp.ts';
import { findByUsername } from '#core/people/people.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
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

/** Sets an authenticator app up; returns its secret. */
export async function addApp(tx: Tx, secrets: Secrets, person: string): Promise<Buffer> {
  const owner = { person, browser: 'a browser' };
  const { secret, sealed } = beginTotp(secrets, owner, { now: tx.now() });
  const code = codeAt(secret, stepOf(tx.now()));
  if (!(await confirmTotp(tx, secrets, owner, { sealed, code }))) throw new Error('not confirmed');
  return secret;
}

/** An authenticator app and recovery codes, set up two minutes ago. */
export async function withApp(
  platform: Platform,
  username: string,
): Promise<{ secret: Buffer; code: () => string; codes: string[] }> {
  const person = await idOf(platform, username);
  const { database, secrets, clock } = platform;
  const { secret, codes } = await database.transact(system('request'), async (tx) => {
    const fresh = await addApp(tx, secrets, person);
    return { secret: fresh, codes: await makeRecoveryCodes(tx, person) };
  });
  clock.advance(120_000);
  return { secret, codes, code: () => codeAt(secret, stepOf(clock.now())) };
}
