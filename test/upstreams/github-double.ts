/**
 * GitHub as its documentation describes it (docs.github.com: "Authorizing OAuth apps", "REST API endpoints for users",
 * "… emails", "… organizations"): errors of the token endpoint with status 200, form answers unless JSON is asked for,
 * codes of one use bound to redirect_uri and PKCE challenge, `/user` with an empty email, scopes that open endpoints.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';

export interface GithubAccount {
  id: unknown;
  login: string;
  name?: string | null;
  emails: { email: string; primary: boolean; verified: boolean }[];
  organisations?: string[];
}

export interface GithubDouble {
  url: string;
  account: GithubAccount;
  /** The person presses Cancel. */
  declines: boolean;
  down: boolean;
  /** Answers the token endpoint in its stead. */
  tokenAnswer?: unknown;
  stop(): Promise<void>;
}

export const githubSecret = 'a-secret-between-github-and-a-test';

export async function startGithub(): Promise<GithubDouble> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const codes = new Map<
    string,
    { redirectUri: string; challenge: string; scope: string; account: GithubAccount }
  >();
  const tokens = new Map<string, { scope: string; account: GithubAccount }>();
  const double: GithubDouble = {
    url: `http://127.0.0.1:${port}`,
    account: { id: 1, login: 'octo', emails: [] },
    declines: false,
    down: false,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('request', async (request, response) => {
    if (double.down) return void request.socket.destroy();
    const url = new URL(request.url ?? '/', double.url);
    const json = (body: unknown, status = 200) =>
      response
        .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
        .end(JSON.stringify(body));
    if (url.pathname === '/login/oauth/authorize') {
      const query = url.searchParams;
      const back = new URL(query.get('redirect_uri') ?? double.url);
      back.searchParams.set('state', query.get('state') ?? '');
      if (double.declines) back.searchParams.set('error', 'access_denied');
      else {
        const code = randomUUID().replaceAll('-', '').slice(0, 20);
        codes.set(code, {
          redirectUri: query.get('redirect_uri') ?? '',
          challenge: query.get('code_challenge') ?? '',
          scope: query.get('scope') ?? '',
          account: double.account,
        });
        back.searchParams.set('code', code);
      }
      return void response.writeHead(302, { location: back.href }).end();
    }
    if (url.pathname === '/login/oauth/access_token' && request.method === 'POST') {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      const answer = (body: Record<string, string>) =>
        request.headers.accept === 'application/json'
          ? json(body)
          : response
              .writeHead(200, { 'content-type': 'application/x-www-form-urlencoded' })
              .end(new URLSearchParams(body).toString());
      if (double.tokenAnswer !== undefined) return json(double.tokenAnswer);
      if (form.get('client_secret') !== githubSecret)
        return answer({
          error: 'incorrect_client_credentials',
          error_description: 'The client_id and/or client_secret passed are incorrect.',
        });
      const found = codes.get(form.get('code') ?? '');
      codes.delete(form.get('code') ?? '');
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url');
      if (!found || challenge !== found.challenge)
        return answer({
          error: 'bad_verification_code',
          error_description: 'The code passed is incorrect or expired.',
        });
      if (form.get('redirect_uri') !== found.redirectUri)
        return answer({ error: 'redirect_uri_mismatch', error_description: 'The redirect_uri MUST match.' });
      const token = `gho_${randomUUID().replaceAll('-', '')}`;
      tokens.set(token, found);
      return answer({ access_token: token, scope: found.scope.replaceAll(' ', ','), token_type: 'bearer' });
    }
    const held = tokens.get((request.headers.authorization ?? '').replace(/^Bearer /, ''));
    if (!held) return json({ message: 'Bad credentials' }, 401);
    const scopes = held.scope.split(' ');
    const { id, login, name = null, emails, organisations = [] } = held.account;
    if (url.pathname === '/api/v3/user') return json({ id, login, name, email: null, type: 'User' });
    if (url.pathname === '/api/v3/user/emails' && scopes.includes('user:email')) return json(emails);
    if (url.pathname === '/api/v3/user/orgs' && scopes.includes('read:org'))
      return json(organisations.map((one) => ({ login: one })));
    return json({ message: 'Not Found' }, 404);
  });
  return double;
}
