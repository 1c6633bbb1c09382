/** How an app proves itself: by a secret, by a key of its own (RFC 7523, private_key_jwt), or not at all. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { z } from 'zod';
import { serverUri } from './addresses.ts';

export const clientAuths = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const;
export type ClientAuth = (typeof clientAuths)[number];

/** Whether such an app has a secret at all. */
export function usesSecret(oidc: { clientAuth: ClientAuth } | undefined): boolean {
  return oidc !== undefined && oidc.clientAuth !== 'none' && oidc.clientAuth !== 'private_key_jwt';
}

/** The algorithms an app may sign with; each key is good for its own alone. */
export const clientSigningAlgs = ['ES256', 'PS256', 'RS256', 'Ed25519', 'EdDSA'] as const;

const privateParts = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** Why a key cannot be used to verify what an app signed; undefined where it can. */
export function faultOfKey(jwk: Record<string, unknown>): string | undefined {
  if (privateParts.some((part) => jwk[part] !== undefined))
    return 'holds a private part: only public keys belong here';
  if (jwk.use !== undefined && jwk.use !== 'sig') return 'is not for signatures (use)';
  if (jwk.kid !== undefined && (typeof jwk.kid !== 'string' || jwk.kid === ''))
    return 'has a kid that is no text';
  if (jwk.alg !== undefined && !clientSigningAlgs.some((alg) => alg === jwk.alg))
    return `has an alg other than ${clientSigningAlgs.join(', ')}`;
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({
      key: jwk as JsonWebKey,
      format: 'jwk',
    });
    if (asymmetricKeyType === 'ed25519') return undefined;
    if (asymmetricKeyType === 'ec' && jwk.crv === 'P-256') return undefined;
    if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return undefined;
  } catch {
    return 'is not a key that can be read';
  }
  return 'must be EC P-256, Ed25519, or RSA with 2048 bits or more';
}

const publicKey = z.record(z.string().max(40), z.unknown()).superRefine((jwk, context) => {
  const fault = faultOfKey(jwk);
  if (fault) context.addIssue({ code: 'custom', message: fault });
});

/** A key set (RFC 7517 §5) of public keys. */
export const publicKeySet = z.strictObject({
  keys: z
    .array(publicKey)
    .min(1)
    .max(10)
    .describe(
      'One to ten public keys (RFC 7517): EC P-256, Ed25519, or RSA with 2,048 bits or more; a private part is refused.',
    ),
});

/** What the section `oidc` says about keys of the app. */
export const clientKeySettings = {
  clientAuth: z
    .enum(clientAuths)
    .default('client_secret_basic')
    .describe(
      'How the app proves itself. private_key_jwt: it signs, and no secret is shared; needs jwks or jwksUri.',
    ),
  jwks: publicKeySet.optional().describe('The public keys of an app with private_key_jwt.'),
  jwksUri: serverUri
    .optional()
    .describe('Where the app publishes them instead: new keys are learnt within a minute.'),
};

/** What is wrong with them together, with the key at fault. */
export function faultsOfClientKeys(oidc: {
  clientAuth: ClientAuth;
  jwks?: unknown;
  jwksUri?: string;
}): { key: 'jwks' | 'jwksUri'; message: string }[] {
  const { clientAuth, jwks, jwksUri } = oidc;
  if (jwks !== undefined && jwksUri !== undefined)
    return [{ key: 'jwksUri', message: 'give either jwks or jwksUri' }];
  if (clientAuth === 'private_key_jwt')
    return jwks === undefined && jwksUri === undefined
      ? [{ key: 'jwks', message: 'needed for private_key_jwt: give jwks or jwksUri' }]
      : [];
  if (jwks === undefined && jwksUri === undefined) return [];
  return [{ key: jwks === undefined ? 'jwksUri' : 'jwks', message: 'is for private_key_jwt alone' }];
}
