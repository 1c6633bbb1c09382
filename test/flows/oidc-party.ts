/** A relying party for tests, in plain HTTP, so that every byte of a request can be wrong on purpose. */
import { createHash, randomBytes } from 'node:crypto';
import type { Platform } from '../kit.ts';
import type { Visitor } from '../visitor.ts';

export const passwords = { ada: 'river-stone-lamp', bob: 'copper-kettle-hill', eve: 'quiet-orchard-nine' };
export const secret = 'a-secret-of-at-least-thirty-two-characters';

/** Three people, and an app for every way of being one. */
export const communityFile = `
community:
  name: Harbour
attributes:
  - { name: organisation, type: text, title: Organisation, releasedTo: ["*"] }
  - { name: mentor, type: boolean, title: Mentor, releasedTo: ["*"] }
groups:
  - { name: staff }
  - { name: developers }
people:
  - { username: ada, names: { givenName: Ada, familyName: Lovelace }, password: ${passwords.ada}, addresses: [ada@example.org],
      groups: [staff, developers], attributes: { organisation: Engines, mentor: true } }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${passwords.bob}, addresses: [bob@example.org], groups: [staff] }
  - { username: eve, names: { givenName: Eve, familyName: Moss }, password: ${passwords.eve}, addresses: [eve@example.org] }
applications:
  - id: tracker
    title: Tracker
    secret: ${secret}
    consent: trusted
    release: { claims: [name, username, email, groups, roles, updated_at], groups: all }
    roles: { developers: [editor] }
    oidc:
      redirectUris: [http://127.0.0.1:9/callback, "http://127.0.0.1:9/callback?tab=one"]
      postLogoutRedirectUris: [http://127.0.0.1:9/bye]
      grants: [authorization_code, refresh_token, client_credentials]
  - id: commons
    title: Commons
    secret: ${secret}
    oidc: { redirectUris: [http://127.0.0.1:9/callback] }
  - id: closed
    title: Closed
    secret: ${secret}
    consent: trusted
    access: { groups: [staff] }
    oidc: { redirectUris: [http://127.0.0.1:9/callback] }
  - id: native
    title: Native
    consent: trusted
    oidc: { redirectUris: [http://127.0.0.1/callback], clientAuth: none }
  - id: browser-app
    title: Browser app
    consent: trusted
    oidc: { redirectUris: [https://app.example.org/callback], clientAuth: none }
  - id: openmrs
    title: OpenMRS
    secret: ${secret}
    consent: trusted
    subject: username
    release: { claims: [name, username, email, roles] }
    roles: { developers: [Provider] }
    oidc: { redirectUris: [http://127.0.0.1:9/openmrs/oauth2login], clientAuth: client_secret_post, grants: [authorization_code] }
  - id: modern
    title: Modern
    secret: ${secret}
    consent: trusted
    oidc: { redirectUris: [http://127.0.0.1:9/callback], idTokenAlg: ES256, claimsInIdToken: true, pkce: required }
`;

export interface Tokens {
  access_token: string;
  refresh_token?: string;
  id_token?: string;
  scope?: string;
  expires_in?: number;
  error?: string;
}

export interface Answer {
  status: number;
  body: Tokens & Record<string, unknown>;
  headers: Headers;
}

export interface PartyOptions {
  id: string;
  secret?: string;
  redirectUri?: string;
  scope?: string;
}

export class Party {
  readonly platform: Platform;
  readonly id: string;
  readonly secret: string | undefined;
  readonly redirectUri: string;
  readonly scope: string;
  verifier = '';

  constructor(platform: Platform, options: PartyOptions) {
    this.platform = platform;
    this.id = options.id;
    this.secret = 'secret' in options ? options.secret : secret;
    this.redirectUri = options.redirectUri ?? 'http://127.0.0.1:9/callback';
    this.scope = options.scope ?? 'openid profile email';
  }

  /** Where to send the browser. `undefined` takes a parameter away. */
  authorizationUrl(more: Record<string, string | undefined> = {}): string {
    this.verifier = randomBytes(32).toString('base64url');
    const given: Record<string, string | undefined> = {
      client_id: this.id,
      redirect_uri: this.redirectUri,
      response_type: 'code',
      scope: this.scope,
      state: 'state-1',
      nonce: 'nonce-1',
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...more,
    };
    const present = Object.entries(given).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return `${this.platform.origin}/oidc/auth?${new URLSearchParams(present)}`;
  }

  /** Opens the app's sign-in in a browser that is signed in; returns what came back to the app. */
  async authorize(visitor: Visitor, more: Record<string, string | undefined> = {}): Promise<URLSearchParams> {
    const seen = await visitor.open(this.authorizationUrl(more));
    return answerOf(seen.headers.get('location'), seen);
  }

  async post(path: string, fields: Record<string, string>, given: { secret?: string } = {}): Promise<Answer> {
    const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' };
    const key = given.secret ?? this.secret;
    if (key !== undefined)
      headers.authorization = `Basic ${Buffer.from(`${this.id}:${encodeURIComponent(key)}`).toString('base64')}`;
    const body = new URLSearchParams(key === undefined ? { client_id: this.id, ...fields } : fields);
    return answer(
      await fetch(`${this.platform.origin}${path}`, { method: 'POST', headers, body: body.toString() }),
    );
  }

  exchange(code: string, more: Record<string, string> = {}): Promise<Answer> {
    const fields = { grant_type: 'authorization_code', code, redirect_uri: this.redirectUri };
    return this.post('/oidc/token', { ...fields, code_verifier: this.verifier, ...more });
  }

  refresh(token: string, more: Record<string, string> = {}): Promise<Answer> {
    return this.post('/oidc/token', { grant_type: 'refresh_token', refresh_token: token, ...more });
  }

  introspect(token: string): Promise<Answer> {
    return this.post('/oidc/introspection', { token });
  }

  async userinfo(token: string): Promise<Answer> {
    const headers = { authorization: `Bearer ${token}` };
    return answer(await fetch(`${this.platform.origin}/oidc/userinfo`, { headers }));
  }

  /** The whole way: authorize and exchange. */
  async tokens(visitor: Visitor, more: Record<string, string | undefined> = {}): Promise<Tokens> {
    const code = (await this.authorize(visitor, more)).get('code');
    if (!code) throw new Error('no code came back');
    const got = await this.exchange(code);
    if (got.status !== 200) throw new Error(`no tokens: ${JSON.stringify(got.body)}`);
    return got.body;
  }
}

async function answer(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : {}, headers: response.headers };
}

export function answerOf(
  location: string | null,
  seen: { status: number; url: string; text: string },
): URLSearchParams {
  if (!location)
    throw new Error(`no redirect from ${seen.url} (${seen.status}): ${seen.text.slice(0, 2000)}`);
  return new URL(location).searchParams;
}

/** What a JWT says, unverified. */
export function decode(jwt: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const part = (index: number) =>
    JSON.parse(Buffer.from(jwt.split('.')[index] ?? '', 'base64url').toString());
  return { header: part(0), claims: part(1) };
}
