import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';

/** What a valid logout token tells us to end: that session, or every session of that subject. */
export interface LogoutOrder {
  sub?: string;
  sid?: string;
}

/** The token does not entitle anyone to end a session; the message is for the log of the sender. */
export class LogoutTokenRefused extends Error {
  override name = 'LogoutTokenRefused';
}

const event = 'http://schemas.openid.net/event/backchannel-logout';
const toleranceSeconds = 60;
const oldestSeconds = 300;

/**
 * Checks logout tokens as OpenID Connect Back-Channel Logout 1.0 §2.6 asks: signature by a key of the issuer, iss, aud,
 * iat, exp, the event, a subject or session, no nonce, and that none is used twice.
 * @returns a function from the token to what it orders; it throws LogoutTokenRefused
 */
export function logoutTokenChecker(input: {
  issuer: string;
  clientId: string;
  keys: JWTVerifyGetKey;
  now?: () => Date;
}) {
  const now = input.now ?? (() => new Date());
  const used = new Map<string, number>();

  function useOnce(payload: JWTPayload): void {
    const seconds = now().getTime() / 1000;
    for (const [old, expires] of used) if (expires < seconds) used.delete(old);
    const { jti } = payload;
    if (typeof jti !== 'string' || jti === '') throw new LogoutTokenRefused('The token has no jti.');
    if (used.has(jti)) throw new LogoutTokenRefused('The token was used before.');
    // Kept for as long as the token could be accepted again.
    used.set(jti, Math.max(payload.exp!, payload.iat! + oldestSeconds) + toleranceSeconds);
  }

  return async function checkLogoutToken(token: string): Promise<LogoutOrder> {
    const { payload, protectedHeader } = await verify(token, input, now());
    if (
      protectedHeader.typ !== undefined &&
      !/^(application\/)?(logout\+jwt|JWT)$/i.test(protectedHeader.typ)
    ) {
      throw new LogoutTokenRefused('The token is of another type.');
    }
    if ('nonce' in payload) throw new LogoutTokenRefused('The token has a nonce, so it is no logout token.');
    const events = payload.events as Record<string, unknown> | undefined;
    const member = isObject(events) && Object.hasOwn(events, event) ? events[event] : undefined;
    if (!isObject(member)) throw new LogoutTokenRefused('The token does not carry the logout event.');
    const { sub, sid } = payload;
    if (sub !== undefined && typeof sub !== 'string')
      throw new LogoutTokenRefused('The sub is not a string.');
    if (sid !== undefined && typeof sid !== 'string')
      throw new LogoutTokenRefused('The sid is not a string.');
    if (!sub && !sid) throw new LogoutTokenRefused('The token names neither a subject nor a session.');
    useOnce(payload);
    return { ...(sub ? { sub } : {}), ...(sid ? { sid } : {}) };
  };
}

async function verify(
  token: string,
  input: { issuer: string; clientId: string; keys: JWTVerifyGetKey },
  now: Date,
) {
  try {
    return await jwtVerify(token, input.keys, {
      issuer: input.issuer,
      audience: input.clientId,
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      clockTolerance: toleranceSeconds,
      maxTokenAge: oldestSeconds,
      requiredClaims: ['iat', 'exp'],
      currentDate: now,
    });
  } catch (error) {
    if (error instanceof errors.JOSEError) throw new LogoutTokenRefused(error.message);
    throw error;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
