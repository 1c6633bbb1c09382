/**
 * Google calls itself `https://accounts.google.com` or `accounts.google.com` in ID tokens (its documentation, "Validating an
 * ID token"). Where its answer does the second, the same answer is checked once more in everything, signature included,
 * against that one other spelling. It holds for Google's own issuer alone; everybody else is who they say, letter by letter.
 */
import * as client from 'openid-client';

export const googleIssuer = 'https://accounts.google.com';
const withoutScheme = 'accounts.google.com';

/** Google under the spelling without scheme, beside its configuration. */
export interface OtherSpelling {
  configuration: client.Configuration;
  /** Lets go of what the token endpoint answered to this code. */
  forget(code: string): void;
}

/** Keeps what the token endpoint answered to a code, which can be asked once, until `forget`. */
export function rememberingFetch(fetcher: typeof fetch): {
  fetcher: typeof fetch;
  again: typeof fetch;
  forget(code: string): void;
} {
  const heard = new Map<string, Response>();
  const codeOf = (init?: RequestInit) => {
    const { method, body } = init ?? {};
    return method === 'POST' && body ? new URLSearchParams(String(body)).get('code') : null;
  };
  return {
    async fetcher(input, init) {
      const answer = await fetcher(input, init);
      const code = codeOf(init);
      if (code && answer.ok) heard.set(code, answer.clone());
      return answer;
    },
    async again(input, init) {
      const code = codeOf(init);
      const known = code && heard.get(code);
      return known ? known.clone() : fetcher(input, init);
    },
    forget: (code) => heard.delete(code),
  };
}

/** The same other side under the spelling without scheme; made once beside the configuration. */
export function otherSpelling(
  found: client.Configuration,
  how: { clientId: string; authentication: client.ClientAuth; fetcher: typeof fetch },
): client.Configuration {
  // Its `iss` at the redirect was looked at before, by the first spelling.
  const { supportsPKCE: _, ...metadata } = found.serverMetadata();
  const server: client.ServerMetadata = {
    ...metadata,
    issuer: withoutScheme,
    authorization_response_iss_parameter_supported: false,
  };
  const other = new client.Configuration(
    server,
    how.clientId,
    { [client.clockTolerance]: 60 },
    how.authentication,
  );
  other[client.customFetch] = how.fetcher as client.CustomFetch;
  other.timeout = 10;
  client.enableNonRepudiationChecks(other);
  return other;
}

/** The address of the answer as the other spelling is to read it. */
export function withoutIssuer(answer: URL): URL {
  const url = new URL(answer);
  url.searchParams.delete('iss');
  return url;
}

/** Whether an ID token was refused for nothing but that it spells Google without scheme. */
export function isOtherSpelling(error: unknown): boolean {
  for (let one = error, depth = 0; one instanceof Error && depth < 5; depth += 1) {
    const { cause } = one as { cause?: unknown };
    const said = cause as { claim?: unknown; claims?: { iss?: unknown }; expected?: unknown } | undefined;
    if (said && typeof said === 'object' && !(said instanceof Error))
      return said.claim === 'iss' && said.expected === googleIssuer && said.claims?.iss === withoutScheme;
    one = cause;
  }
  return false;
}
