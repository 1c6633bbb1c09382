/** The house and the bare OIDC library side by side, each with a load generator of its own. */
import { createHash, randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import { Visitor } from '#test/visitor.ts';
import { startHouse } from './house.ts';
import { type Load, startLoad } from './load.ts';
import { alternate, type Measured, rounded } from './measure.ts';
import { startProgram } from './program.ts';

export interface TokenClient {
  id: string;
  secret: string;
  redirectUri: string;
  scope: string;
}

const client: TokenClient = {
  id: 'tracker',
  secret: randomBytes(24).toString('base64url'),
  redirectUri: 'http://127.0.0.1:9/callback',
  scope: 'openid profile email',
};
const authorization = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
const person = { username: 'ada', password: 'river-stone-lamp' };
const callers = 16;
const rounds = 9;
const seconds = 1.2;

/** Measures one grant at both in turns; the ratio is house to library. */
export async function compareTokens(
  scenario: 'client-credentials' | 'refresh',
  goal: number,
): Promise<Measured> {
  const house = await startHouse();
  const bare = await startProgram('bare-oidc');
  const loads: [Load, Load] = [await startLoad(), await startLoad()];
  try {
    await house.apply(communityFile());
    const wanted = scenario === 'refresh' ? callers : 0;
    const tokens = await refreshTokensOf(house.origin, wanted);
    const library = await bare.ask<{ origin: string; refreshTokens: string[] }>('start', {
      client,
      refreshTokens: wanted,
    });
    const facts = (tokenPath: string, refreshTokens: string[]) =>
      Array.from({ length: callers }, (_, at) => ({
        tokenPath,
        authorization,
        refreshToken: refreshTokens[at],
      }));
    await loads[0].prepare({ scenario, origin: house.origin, callers, facts: facts('/oidc/token', tokens) });
    await loads[1].prepare({
      scenario,
      origin: library.origin,
      callers,
      facts: facts('/token', library.refreshTokens),
    });
    // Servers that have been up for a while: their code is compiled, their statements are prepared.
    for (const load of loads) await load.run(4);
    const latencies: number[] = [];
    const { one, other, ratio } = await alternate(
      rounds,
      async () => {
        const { perSecond, medianMs } = await loads[0].run(seconds);
        latencies.push(medianMs);
        return perSecond;
      },
      async () => (await loads[1].run(seconds)).perSecond,
    );
    return {
      figures: {
        'answers a second, durable': Math.round(one),
        'answers a second, the library in memory': Math.round(other),
        'median ms among sixteen callers': rounded(
          latencies.sort((a, b) => a - b)[latencies.length >> 1]!,
          1,
        ),
      },
      ratio: rounded(ratio),
      goalMet: ratio >= goal,
    };
  } finally {
    await Promise.all([...loads.map((load) => load.stop()), bare.stop()]);
    await house.stop();
  }
}

function communityFile(): string {
  return stringify({
    people: [
      {
        ...person,
        names: { givenName: 'Ada', familyName: 'Byron' },
        addresses: ['ada@example.org'],
      },
    ],
    applications: [
      {
        id: client.id,
        title: 'Tracker',
        secret: client.secret,
        consent: 'trusted',
        release: { claims: ['name', 'username', 'email'] },
        oidc: {
          redirectUris: [client.redirectUri],
          grants: ['authorization_code', 'refresh_token', 'client_credentials'],
        },
      },
    ],
  });
}

/** Signs in once and lets the app ask for tokens as often as wanted, each time a family of its own. */
async function refreshTokensOf(origin: string, wanted: number): Promise<string[]> {
  if (wanted === 0) return [];
  const visitor = new Visitor(origin);
  await visitor.signIn(person.username, person.password);
  const tokens: string[] = [];
  while (tokens.length < wanted) tokens.push(await refreshTokenOf(visitor));
  return tokens;
}

async function refreshTokenOf(visitor: Visitor): Promise<string> {
  const verifier = randomBytes(32).toString('base64url');
  const asked = new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: client.scope,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const seen = await visitor.open(`/oidc/auth?${asked}`);
  const location = seen.headers.get('location');
  const code = location && new URL(location).searchParams.get('code');
  if (!code)
    throw new Error(`no code from ${seen.url} (${seen.status}): ${location ?? seen.text.slice(0, 400)}`);
  const response = await fetch(new URL('/oidc/token', visitor.origin), {
    method: 'POST',
    headers: { authorization },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: client.redirectUri,
      code_verifier: verifier,
    }),
  });
  const body = (await response.json()) as { refresh_token?: string };
  if (!body.refresh_token) throw new Error(`no refresh token: ${JSON.stringify(body)}`);
  return body.refresh_token;
}
