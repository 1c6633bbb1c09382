/** An OpenID provider that lies on request: every claim, key, header and address of its answers can be wrong. */
import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';

export interface FakeIdp {
  issuer: string;
  /** How often each path was asked. */
  asked: Map<string, number>;
  claims: Record<string, unknown>;
  /** Nonce and state of the latest authorization request. */
  latest: { nonce?: string; state?: string; redirectUri?: string; query: URLSearchParams };
  /** Changes what is signed, or answers another ID token altogether. */
  forge?: (claims: Record<string, unknown>, sign: Sign) => Promise<string | undefined>;
  /** What is added to the answer at the redirect. */
  answer: Record<string, string | undefined>;
  metadata: Record<string, unknown>;
  /** Everything but the answer to a browser takes no answer at all. */
  down: boolean;
  /** The token endpoint answers when this has come. */
  held?: Promise<unknown>;
  key: CryptoKey;
  publicJwk: JWK;
  stop(): Promise<void>;
}

export type Sign = (
  claims: Record<string, unknown>,
  header?: JWTHeaderParameters,
  key?: CryptoKey | Uint8Array,
) => Promise<string>;

export async function startFakeIdp(): Promise<FakeIdp> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), kid: 'one', use: 'sig', alg: 'RS256' };
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const issuer = `http://127.0.0.1:${port}`;
  const idp: FakeIdp = {
    issuer,
    asked: new Map(),
    claims: {},
    latest: { query: new URLSearchParams() },
    answer: {},
    metadata: {},
    down: false,
    key: privateKey,
    publicJwk,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const sign: Sign = (claims, header = { alg: 'RS256', kid: 'one' }, key = privateKey) =>
    new SignJWT(claims).setProtectedHeader(header).sign(key);
  server.on('request', async (request, response) => {
    const url = new URL(request.url ?? '/', issuer);
    idp.asked.set(url.pathname, (idp.asked.get(url.pathname) ?? 0) + 1);
    if (idp.down && url.pathname !== '/authorize') return void request.socket.destroy();
    const json = (body: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (url.pathname === '/.well-known/openid-configuration')
      return json({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        authorization_response_iss_parameter_supported: true,
        id_token_signing_alg_values_supported: ['RS256'],
        ...idp.metadata,
      });
    if (url.pathname === '/jwks') return json({ keys: [publicJwk] });
    if (url.pathname === '/authorize') {
      const { searchParams: query } = url;
      idp.latest = {
        nonce: query.get('nonce') ?? undefined,
        state: query.get('state') ?? undefined,
        redirectUri: query.get('redirect_uri') ?? undefined,
        query,
      };
      const back = new URL(idp.latest.redirectUri ?? issuer);
      const fields = { code: 'a-code', state: idp.latest.state, iss: issuer, ...idp.answer };
      for (const [name, value] of Object.entries(fields)) if (value) back.searchParams.set(name, value);
      return void response.writeHead(302, { location: back.href }).end();
    }
    if (url.pathname === '/token') {
      await idp.held;
      const now = Math.floor(Date.now() / 1000);
      const usual = { iss: issuer, aud: 'gatehouse', iat: now, exp: now + 300, nonce: idp.latest.nonce };
      const claims = { sub: 'mallory', ...usual, ...idp.claims };
      const token = (await idp.forge?.(claims, sign)) ?? (await sign(claims));
      return json({ access_token: 'x', token_type: 'Bearer', id_token: token });
    }
    response.writeHead(404).end();
  });
  return idp;
}
