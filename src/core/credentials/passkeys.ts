/**
 * Passkeys (WebAuthn level 3): several a person, discoverable, so that nobody types a name.
 * Owns `passkeys`, `passkey_handles`, `used_challenges`. Records factor.added, factor.removed and passkey.copied. Refuses
 * answers to a challenge of another browser, ceremony or hour, challenges that were answered, keys someone has already,
 * and keys whose counter went back.
 */
import { randomBytes } from 'node:crypto';
import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { record } from '#core/events/events.ts';
import type { Person } from '#core/people/people.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Ceremony, challengeCounts, newChallenge, useChallenge } from './challenges.ts';
import * as store from './passkeys.store.ts';

export interface Passkey {
  id: string;
  person: string;
  /** What the person calls it. */
  name: string;
  /** Kept in several places by the person's password manager. */
  synced: boolean;
  createdAt: Date;
  lastUsedAt?: Date;
}

/** Where passkeys belong to. */
export interface PasskeySite {
  secrets: Secrets;
  publicUrl: URL;
}

/** EdDSA, ES256, RS256. */
const algorithms = [-8, -7, -257];
const most = 20;
const timeout = 300_000;

export const passkeysOf = store.passkeysOf;

/** With all it needs to read certificates it is large; loaded by the first passkey that is made or proved. */
const webauthn = () => import('@simplewebauthn/server');

/** The domain that passkeys are bound to (RP ID). */
function siteOf(publicUrl: URL): { rpID: string; origin: string } {
  return { rpID: publicUrl.hostname, origin: publicUrl.origin };
}

/** What a browser needs to make a passkey. The person is named by a random handle, made the first time. */
export async function creationOptions(
  tx: Tx,
  site: PasskeySite,
  person: Person,
  ceremony: Ceremony,
  community: string,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const handle = await store.handleOf(tx, person.id, randomBytes(32));
  const known = await store.credentialsOf(tx, person.id);
  const { generateRegistrationOptions } = await webauthn();
  return generateRegistrationOptions({
    rpName: community,
    rpID: siteOf(site.publicUrl).rpID,
    userName: person.username,
    userDisplayName: person.displayName,
    userID: new Uint8Array(handle),
    challenge: new Uint8Array(newChallenge(site.secrets, tx.now(), ceremony)),
    timeout,
    attestationType: 'none',
    excludeCredentials: known.map((one) => ({
      id: one.credentialId,
      transports: one.transports as AuthenticatorTransport[],
    })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: algorithms,
  });
}

/**
 * What a browser needs to prove one. For nobody in particular it is the same for everyone (AU-07): the browser knows which
 * passkeys it has. For a known person it names theirs. Every sign-in page asks for it, also where nobody has a passkey:
 * it is written down here as it stands in the standard (WebAuthn level 3, §5.5), for which nothing has to be loaded.
 */
export async function requestOptions(
  tx: Tx,
  site: PasskeySite,
  ceremony: Ceremony,
  person?: string,
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const known = person ? await store.credentialsOf(tx, person) : [];
  return {
    rpId: siteOf(site.publicUrl).rpID,
    challenge: newChallenge(site.secrets, tx.now(), ceremony).toString('base64url'),
    timeout,
    userVerification: 'required',
    allowCredentials: known.map((one) => ({
      type: 'public-key',
      id: one.credentialId,
      transports: one.transports as AuthenticatorTransport[],
    })),
  };
}

const encoded = z
  .string()
  .max(8000)
  .regex(/^[A-Za-z0-9_-]*$/);
const envelope = {
  id: encoded.max(1400),
  rawId: encoded.max(1400),
  type: z.literal('public-key'),
  clientExtensionResults: z.unknown().transform(() => ({})),
};
const attestation = z.object({
  ...envelope,
  response: z.object({
    clientDataJSON: encoded,
    attestationObject: encoded,
    transports: z.array(z.string().max(30)).max(10).optional(),
  }),
});
const assertion = z.object({
  ...envelope,
  response: z.object({
    clientDataJSON: encoded,
    authenticatorData: encoded,
    signature: encoded,
    userHandle: encoded.max(100).optional(),
  }),
});

function read<T>(shape: z.ZodType<T>, text: string): T | undefined {
  try {
    return shape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Embedded in a page of someone else's no answer counts. */
function isFramed(clientDataJSON: string): boolean {
  try {
    return JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()).crossOrigin === true;
  } catch {
    return true;
  }
}

/** Keeps the passkey that a browser made. Refuses with passkey-refused, and passkey-known for one that is someone's. */
export async function addPasskey(
  tx: Tx,
  site: PasskeySite,
  given: { person: string; ceremony: Ceremony; answer: string; name: string },
): Promise<Passkey> {
  const answer = read(attestation, given.answer);
  if (!answer || isFramed(answer.response.clientDataJSON)) throw new Problem('passkey-refused');
  const { rpID, origin } = siteOf(site.publicUrl);
  let challenge = '';
  const { verifyRegistrationResponse } = await webauthn();
  const verified = await verifyRegistrationResponse({
    response: answer as unknown as RegistrationResponseJSON,
    expectedChallenge: (text) => {
      challenge = text;
      return challengeCounts(site.secrets, tx.now(), given.ceremony, text);
    },
    expectedOrigin: origin,
    expectedRPID: rpID,
    requireUserVerification: true,
    supportedAlgorithmIDs: algorithms,
  }).catch((error: Error) => refuse(error.message));
  if (!verified.verified) return refuse('the attestation did not verify');
  if (!(await useChallenge(tx, challenge))) return refuse('the challenge was answered before');
  const { credential, aaguid, credentialBackedUp, credentialDeviceType } = verified.registrationInfo;
  if ((await store.credentialsOf(tx, given.person)).length >= most) throw new Problem('passkey-most');
  const passkey = {
    id: newId(),
    person: given.person,
    credentialId: credential.id,
    publicKey: Buffer.from(credential.publicKey),
    counter: credential.counter,
    transports: answer.response.transports ?? [],
    synced: credentialBackedUp || credentialDeviceType === 'multiDevice',
    aaguid,
    name: given.name,
  };
  if (!(await store.insertPasskey(tx, passkey))) throw new Problem('passkey-known');
  await record(tx, 'factor.added', { person: given.person, data: { kind: 'passkey' } });
  return { ...passkey, createdAt: tx.now() };
}

function refuse(detail: string): never {
  throw new Problem('passkey-refused', { detail });
}

export interface ProvedPasskey {
  person: string;
  passkey: string;
  /** The user was verified by the authenticator, with a PIN or a body part: two factors in one. */
  userVerified: boolean;
  /** RFC 8176: `hwk` where the key stays in one device, `pop` where it is synced. */
  amr: string[];
}

/**
 * Looks at a browser's answer; who proved what, or undefined when it counts for nothing (the counter and the event of a
 * copied key stay, so the transaction should end well either way).
 * @param given.person where it is known whose passkey it has to be; otherwise the user must have been verified
 */
export async function provePasskey(
  tx: Tx,
  site: PasskeySite,
  given: { ceremony: Ceremony; answer: string; person?: string },
): Promise<ProvedPasskey | undefined> {
  const answer = read(assertion, given.answer);
  if (!answer || isFramed(answer.response.clientDataJSON)) return undefined;
  const stored = await store.holdPasskey(tx, answer.id);
  if (!stored || (given.person !== undefined && stored.person !== given.person)) return undefined;
  const { userHandle } = answer.response;
  if (given.person === undefined && !userHandle) return undefined;
  if (userHandle && userHandle !== stored.handle.toString('base64url')) return undefined;
  const { rpID, origin } = siteOf(site.publicUrl);
  let challenge = '';
  const { verifyAuthenticationResponse } = await webauthn();
  const verified = await verifyAuthenticationResponse({
    response: answer as unknown as AuthenticationResponseJSON,
    expectedChallenge: (text) => {
      challenge = text;
      return challengeCounts(site.secrets, tx.now(), given.ceremony, text);
    },
    expectedOrigin: origin,
    expectedRPID: rpID,
    // The counter is compared below, where going back can be recorded.
    credential: { id: answer.id, publicKey: new Uint8Array(stored.publicKey), counter: 0 },
    requireUserVerification: true,
  }).catch(() => undefined);
  if (!verified?.verified || !(await useChallenge(tx, challenge))) return undefined;
  const { newCounter, userVerified, credentialBackedUp } = verified.authenticationInfo;
  if ((newCounter > 0 || stored.counter > 0) && newCounter <= stored.counter) {
    await record(tx, 'passkey.copied', { person: stored.person, data: { passkey: stored.id } });
    return undefined;
  }
  const synced = stored.synced || credentialBackedUp;
  await store.notePasskeyUse(tx, stored.id, { counter: newCounter, synced });
  const amr = [synced ? 'pop' : 'hwk', ...(userVerified ? ['user', 'mfa'] : [])];
  return { person: stored.person, passkey: stored.id, userVerified, amr };
}

/** Gives a passkey another name. False when it is not the person's. */
export const renamePasskey = store.renamePasskey;

/** Takes one away. False when it is not the person's. */
export async function removePasskey(tx: Tx, person: string, id: string): Promise<boolean> {
  const gone = await store.deletePasskeys(tx, person, id);
  if (gone > 0) await record(tx, 'factor.removed', { person, data: { kind: 'passkey' } });
  return gone > 0;
}

/** Takes all away; returns how many there were. */
export async function removePasskeys(tx: Tx, person: string): Promise<number> {
  const gone = await store.deletePasskeys(tx, person);
  if (gone > 0) await record(tx, 'factor.removed', { person, data: { kind: 'passkey' } });
  return gone;
}
