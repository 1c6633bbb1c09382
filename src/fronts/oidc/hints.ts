/** Tokens of ours that apps give back as hints: ID tokens alone, whatever else the same key has signed (OA-09). */

import { errors, type Provider } from 'oidc-provider';

interface Validated {
  header: { typ?: unknown };
  payload: Record<string, unknown>;
}

interface IdTokenClass {
  validate(token: string, client: unknown): Promise<Validated>;
}

/** Makes the provider refuse as a hint what says that it is something else, a logout token for example. */
export function takeIdTokensAlone(provider: Provider): void {
  const tokens = provider.IdToken as unknown as IdTokenClass;
  const validate = tokens.validate.bind(tokens);
  tokens.validate = async (token, client) => {
    const validated = await validate(token, client);
    const { typ } = validated.header;
    if (typ !== undefined && typ !== 'JWT') throw new errors.InvalidRequest('this is no ID token');
    return validated;
  };
}
