/**
 * An app's token for itself (client credentials, RFC 6749 §4.4), where the request is the plain one: one secret, nothing
 * given twice, nothing asked for beside the token, no proof of possession. Apps ask for it by the thousand, so it is
 * answered without the library's long way through a request. What a token is, what stands in it and how long it lives is
 * the library's all the same; and whatever is not plain, or would be refused, goes on to the library, which decides anew
 * and finds the words.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { parse } from 'node:querystring';
import type { Client, Provider } from 'oidc-provider';
import { applicationOf } from './clients.ts';
import type { Shortcut } from './exchange.ts';

/** Parameters of a plain request; any other is the library's. */
const plainNames = new Set(['grant_type', 'client_id', 'client_secret']);
/** Headers that mean more than a plain request. */
const notPlain = ['dpop', 'oauth-client-attestation', 'oauth-client-attestation-pop', 'origin'];
/** RFC 6749 Appendix A.1 and A.2. */
const credentialForm = /^[\x20-\x7E]+$/;

interface Plain {
  id: string;
  secret: string;
}

/** Answers plain requests at the token endpoint. */
export const ownTokens: Shortcut = async (provider, request, body) => {
  const asked = plainRequest(request.headers, body);
  const client = asked && (await provedClient(provider, asked));
  if (!client) return undefined;
  const token = new provider.ClientCredentials({ client } as never) as unknown as OwnToken;
  return { access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType };
};

function plainRequest(headers: IncomingHttpHeaders, body: Buffer): Plain | undefined {
  if (notPlain.some((name) => headers[name] !== undefined)) return undefined;
  const form = parse(body.toString());
  if (form.grant_type !== 'client_credentials') return undefined;
  for (const name of Object.keys(form)) {
    if (!plainNames.has(name) || typeof form[name] !== 'string' || form[name] === '') return undefined;
  }
  const { client_id, client_secret } = form as Record<string, string | undefined>;
  const proof = headers.authorization;
  if (proof === undefined)
    return client_id && client_secret ? { id: client_id, secret: client_secret } : undefined;
  const basic = client_secret === undefined ? basicCredentials(proof) : undefined;
  return client_id === undefined || client_id === basic?.id ? basic : undefined;
}

/** Id and secret of RFC 6749 §2.3.1, each form-encoded before they were joined. */
function basicCredentials(header: string): Plain | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const cut = text.indexOf(':');
  if (cut < 1) return undefined;
  try {
    const id = decodeURIComponent(text.slice(0, cut).replaceAll('+', '%20'));
    const secret = decodeURIComponent(text.slice(cut + 1).replaceAll('+', '%20'));
    return credentialForm.test(id) && credentialForm.test(secret) ? { id, secret } : undefined;
  } catch {
    return undefined;
  }
}

/** The client, when it proved who it is and may have such a token now. */
async function provedClient(provider: Provider, { id, secret }: Plain): Promise<Client | undefined> {
  const client = (await provider.Client.find(id)) as PlainClient | undefined;
  if (!client || !/^client_secret_(?:basic|post)$/.test(client.clientAuthMethod ?? '')) return undefined;
  if (!client.grantTypeAllowed('client_credentials')) return undefined;
  if (client.dpopBoundAccessTokens || client.scope !== undefined) return undefined;
  if (!applicationOf(client).settings.enabled) return undefined;
  return (await client.compareClientSecret(secret)) ? client : undefined;
}

/** What the library's clients hold beside their declared types. */
type PlainClient = Client & {
  dpopBoundAccessTokens?: boolean;
  scope?: string;
  compareClientSecret(given: string): Promise<boolean>;
};

interface OwnToken {
  expiration: number;
  tokenType: string;
  save(): Promise<string>;
}
