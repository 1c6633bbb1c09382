/** Bench program: the load generator. Every caller keeps one connection and one request under way. */
import { createHash, randomBytes } from 'node:crypto';
import { Client } from 'undici';
import type { LoadResult, PreparedLoad } from '../load.ts';
import { median, quantile, warmUpMs } from '../measure.ts';
import { answerParent } from '../program.ts';
import type { OidcFacts, SamlFacts } from '../sso.ts';

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

interface Caller {
  step(): Promise<void>;
  /** Looks closely at the last answer, when nothing is measured. */
  check?(): Promise<void>;
  close(): Promise<void>;
}

const formType = 'application/x-www-form-urlencoded';

async function send(
  client: Client,
  request: { method: 'GET' | 'POST'; path: string; headers?: Record<string, string>; body?: string },
): Promise<Answer> {
  const { statusCode, headers, body } = await client.request(request);
  return { status: statusCode, headers, text: await body.text() };
}

let addresses = 0;

/** Every sign-in comes from an address of its own, as the proxy in front says: no network's limit is met. */
function nextAddress(): string {
  addresses += 1;
  return `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

/** A browser that signs in again and again as its few people, who are known to it; nobody is signed in before. */
async function signInCaller(
  origin: string,
  people: { username: string; password: string }[],
): Promise<Caller> {
  const client = new Client(origin);
  const page = await send(client, { method: 'GET', path: '/sign-in' });
  const token = /name="form_token" value="([^"]+)"/.exec(page.text)?.[1];
  const browser = cookiesOf(page).find((pair) => pair.includes('browser'));
  if (!token || !browser) throw new Error(`no form on the sign-in page (${page.status})`);
  const devices = new Map<string, string>();
  let turn = 0;
  return {
    async step() {
      turn += 1;
      const person = people[turn % people.length]!;
      const device = devices.get(person.username);
      const answer = await send(client, {
        method: 'POST',
        path: '/sign-in',
        headers: {
          'content-type': formType,
          cookie: device ? `${browser}; ${device}` : browser,
          origin,
          'x-forwarded-for': nextAddress(),
        },
        body: new URLSearchParams({ form_token: token, ...person }).toString(),
      });
      const set = cookiesOf(answer);
      if (answer.status !== 303 || !set.some((pair) => pair.includes('session'))) {
        throw new Error(`sign-in was answered with ${answer.status}: ${answer.text.slice(0, 400)}`);
      }
      devices.set(person.username, set.find((pair) => pair.includes('device')) ?? '');
    },
    close: () => client.close(),
  };
}

function cookiesOf(answer: Answer): string[] {
  return [answer.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0]!);
}

type TokenFacts = { tokenPath: string; authorization: string; scope?: string; refreshToken?: string };

/** A client that asks for a token of its own, again and again. */
async function clientCredentialsCaller(origin: string, facts: TokenFacts): Promise<Caller> {
  const client = new Client(origin);
  const headers = { 'content-type': formType, authorization: facts.authorization };
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(facts.scope ? { scope: facts.scope } : {}),
  }).toString();
  return {
    async step() {
      const answer = await send(client, { method: 'POST', path: facts.tokenPath, headers, body });
      if (answer.status !== 200)
        throw new Error(`the token endpoint answered ${answer.status}: ${answer.text}`);
    },
    close: () => client.close(),
  };
}

/** A client that turns each refresh token into the next. */
async function refreshCaller(origin: string, facts: TokenFacts): Promise<Caller> {
  const client = new Client(origin);
  const headers = { 'content-type': formType, authorization: facts.authorization };
  let token = facts.refreshToken!;
  return {
    async step() {
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }).toString();
      const answer = await send(client, { method: 'POST', path: facts.tokenPath, headers, body });
      if (answer.status !== 200)
        throw new Error(`the token endpoint answered ${answer.status}: ${answer.text}`);
      const next = JSON.parse(answer.text).refresh_token;
      if (typeof next !== 'string' || next === token) throw new Error('the refresh token did not rotate');
      token = next;
    },
    close: () => client.close(),
  };
}

/** A browser with a session that comes from an app, and the app: code, tokens, userinfo. */
async function oidcSsoCaller(origin: string, facts: OidcFacts): Promise<Caller> {
  const client = new Client(origin);
  const { authorization, cookie, redirectUri, paths } = facts;
  const get = (path: string, headers: Record<string, string>) =>
    send(client, { method: 'GET', path, headers });
  return {
    async step() {
      const verifier = randomBytes(32).toString('base64url');
      const asked = new URLSearchParams({
        client_id: facts.client,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: facts.scope,
        state: 'state',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      });
      const sent = await get(`${paths.authorization}?${asked}`, { cookie });
      const location = String(sent.headers.location ?? '');
      const code = location.startsWith(redirectUri) && new URL(location).searchParams.get('code');
      if (!code) throw new Error(`no code (${sent.status}): ${location} ${sent.text.slice(0, 300)}`);
      const grant = { grant_type: 'authorization_code', redirect_uri: redirectUri, code_verifier: verifier };
      const given = await send(client, {
        method: 'POST',
        path: paths.token,
        headers: { 'content-type': formType, authorization },
        body: new URLSearchParams({ ...grant, code }).toString(),
      });
      const { access_token: token, id_token: idToken } = JSON.parse(given.text);
      if (!token || !idToken) throw new Error(`no tokens (${given.status}): ${given.text}`);
      const told = await get(paths.userinfo, { authorization: `Bearer ${token}` });
      if (!JSON.parse(told.text).sub) throw new Error(`nobody (${told.status}): ${told.text}`);
    },
    close: () => client.close(),
  };
}

/** A browser with a session that comes from an app with an AuthnRequest, and goes back with a signed answer. */
async function samlSsoCaller(origin: string, facts: SamlFacts): Promise<Caller> {
  const { SAML, ValidateInResponseTo } = await import('@node-saml/node-saml');
  const client = new Client(origin);
  const saml = new SAML({
    issuer: facts.entityId,
    callbackUrl: facts.acsUrl,
    entryPoint: `${origin}${facts.path}`,
    idpCert: facts.certificates,
    idpIssuer: facts.idp,
    audience: facts.entityId,
    identifierFormat: null,
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: true,
    validateInResponseTo: ValidateInResponseTo.never,
    disableRequestedAuthnContext: true,
  });
  let last = '';
  return {
    async step() {
      const { pathname, search } = new URL(await saml.getAuthorizeUrlAsync('', undefined, {}));
      const headers = { cookie: facts.cookie };
      const page = await send(client, { method: 'GET', path: `${pathname}${search}`, headers });
      last = /name="SAMLResponse" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
      if (last === '') throw new Error(`no answer (${page.status}): ${page.text.slice(0, 400)}`);
    },
    async check() {
      const { profile } = await saml.validatePostResponseAsync({ SAMLResponse: last });
      if (!profile?.nameID) throw new Error('the answer names nobody');
    },
    close: () => client.close(),
  };
}

const scenarios = {
  'sign-in': signInCaller,
  'client-credentials': clientCredentialsCaller,
  refresh: refreshCaller,
  'oidc-sso': oidcSsoCaller,
  'saml-sso': samlSsoCaller,
} as const;

let callers: Caller[] = [];

async function prepare(input: PreparedLoad): Promise<void> {
  for (const caller of callers) await caller.close();
  const make = scenarios[input.scenario] as (origin: string, facts: never) => Promise<Caller>;
  callers = await Promise.all(
    Array.from({ length: input.callers }, (_, at) =>
      make(input.origin, input.facts[at % input.facts.length] as never),
    ),
  );
}

/** What ended within the time counts, once the callers have got going; requests under way at the end are waited for. */
async function run(seconds: number): Promise<LoadResult> {
  const times: number[] = [];
  const began = performance.now() + warmUpMs;
  const end = began + seconds * 1000;
  await Promise.all(
    callers.map(async (caller) => {
      for (let from = performance.now(); from < end; from = performance.now()) {
        await caller.step();
        const now = performance.now();
        if (now > began && now <= end) times.push(now - from);
      }
    }),
  );
  for (const caller of callers) await caller.check?.();
  return {
    perSecond: times.length / seconds,
    count: times.length,
    medianMs: times.length > 0 ? median(times) : 0,
    p99Ms: times.length > 0 ? quantile(times, 0.99) : 0,
  };
}

answerParent({ prepare, run });
