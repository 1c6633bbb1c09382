/** What an app that speaks SAML needs to know of us. The first who asks has the key made, as reading our metadata does. */
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import { type KeyRing, readKeys, rotateKeys } from '#signon/saml-keys/saml-keys.ts';
import { ourselves } from './place.ts';

export interface OursNeeds {
  database: Database;
  secrets: Secrets;
  clock: Clock;
  issuer: URL;
  publicUrl: URL;
}

/** The keys of now, made where there are none yet. */
export async function keysNow({ database, secrets, clock, issuer }: OursNeeds): Promise<KeyRing> {
  const known = await readKeys(database, secrets);
  if (known) return known;
  await database.transact(system(), (tx) => rotateKeys(tx, { secrets, host: issuer.hostname }, clock.now()));
  const made = await readKeys(database, secrets);
  if (!made) throw new Error('there is no key that signs for SAML');
  return made;
}

/** Addresses and certificates (PEM), first the one that signs. */
export async function samlOurs(needs: OursNeeds) {
  const we = ourselves(needs);
  const { certificates } = await keysNow(needs);
  return {
    entityId: we.entityId,
    ssoUrl: we.sso,
    sloUrl: we.slo,
    metadataUrl: we.entityId,
    certificates: certificates.map((pem) => pem.trim()),
  };
}
