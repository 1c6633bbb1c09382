/**
 * One sign-on, whole, of somebody who is signed in: by OpenID Connect (authorization request, code, tokens, userinfo) and
 * by SAML (AuthnRequest of node-saml, signed answer, which node-saml validates between the rounds), at the house and at
 * bare libraries that keep everything in memory and ask nobody.
 */
import { stringify } from 'yaml';
import { Visitor } from '#test/visitor.ts';
import { type House, startHouse } from './house.ts';
import { type LoadResult, type PreparedLoad, startLoad } from './load.ts';
import { alternate, type Bench, type Measured, median, rounded } from './measure.ts';
import { startProgram } from './program.ts';

/** What the app and the browser of one OpenID Connect caller hold. */
export interface OidcFacts {
  client: string;
  authorization: string;
  redirectUri: string;
  scope: string;
  cookie: string;
  paths: { authorization: string; token: string; userinfo: string };
}

/** The same for SAML. `idp` is the entity id of whoever answers. */
export interface SamlFacts {
  entityId: string;
  acsUrl: string;
  path: string;
  idp: string;
  certificates: string[];
  cookie: string;
}

const callers = 16;
const rounds = 5;
const seconds = 1.2;
const goals = { oidc: 0.35, saml: 0.35 };

const client = {
  id: 'tracker',
  secret: 'a-secret-of-at-least-thirty-two-characters',
  redirectUri: 'http://127.0.0.1:9/callback',
  scope: 'openid profile email',
};
const authorization = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
const provider = { entityId: 'https://wiki.example.org/saml', acsUrl: 'https://wiki.example.org/acs' };
const people = Array.from({ length: callers }, (_, at) => ({
  username: `person${at}`,
  password: `a password of person ${at}`,
}));

type Scenario = Pick<PreparedLoad, 'scenario'> & { facts: unknown[]; origin: string };

async function run(): Promise<Measured> {
  const house = await startHouse();
  const [bareOidc, bareSaml] = [await startProgram('bare-oidc'), await startProgram('bare-saml')];
  try {
    await house.apply(communityFile());
    const cookies = await sessionsAt(house.origin);
    const oidc = await compare(
      oidcAt(house.origin, cookies, {
        authorization: '/oidc/auth',
        token: '/oidc/token',
        userinfo: '/oidc/userinfo',
      }),
      await bareOidc
        .ask<{ origin: string; cookies: string[] }>('start', { client, sessions: callers })
        .then((bare) =>
          oidcAt(bare.origin, bare.cookies, { authorization: '/auth', token: '/token', userinfo: '/me' }),
        ),
    );
    const bare = await bareSaml.ask<Omit<SamlFacts, 'cookie'> & { origin: string }>('start');
    const saml = await compare(
      await samlAt(house, cookies),
      samlScenario(
        bare.origin,
        cookies.map(() => ({ ...bare, ...provider, cookie: '' })),
      ),
    );
    return {
      figures: {
        ...figuresOf('OpenID Connect', oidc),
        ...figuresOf('SAML', saml),
        'ratio, SAML': rounded(saml.ratio),
      },
      ratio: rounded(oidc.ratio),
      goalMet: oidc.ratio >= goals.oidc && saml.ratio >= goals.saml,
    };
  } finally {
    await Promise.all([bareOidc.stop(), bareSaml.stop()]);
    await house.stop();
  }
}

interface Compared {
  ours: number;
  bare: number;
  ratio: number;
  /** One caller, nothing beside it. */
  alone: LoadResult;
  /** Rounds of sixteen callers. */
  crowd: LoadResult[];
}

async function compare(ours: Scenario, bare: Scenario): Promise<Compared> {
  const loads = [await startLoad(), await startLoad()] as const;
  try {
    await loads[0].prepare({ ...ours, callers });
    await loads[1].prepare({ ...bare, callers });
    // Servers that have been up for a while: their code is compiled, their statements are prepared.
    for (const load of loads) await load.run(3);
    const crowd: LoadResult[] = [];
    const measured = await alternate(
      rounds,
      async () => {
        crowd.push(await loads[0].run(seconds));
        return crowd.at(-1)!.perSecond;
      },
      async () => (await loads[1].run(seconds)).perSecond,
    );
    await loads[0].prepare({ ...ours, callers: 1 });
    const alone = await loads[0].run(3);
    return { ours: measured.one, bare: measured.other, ratio: measured.ratio, alone, crowd };
  } finally {
    for (const load of loads) await load.stop();
  }
}

function figuresOf(name: string, { ours, bare, alone, crowd }: Compared): Measured['figures'] {
  return {
    [`${name}: sign-ons a second`]: Math.round(ours),
    [`${name}: the library in memory, a second`]: Math.round(bare),
    [`${name}: one alone, p50 and p99 ms`]: `${alone.medianMs.toFixed(1)} and ${alone.p99Ms.toFixed(1)}`,
    [`${name}: among sixteen, p50 and p99 ms`]: [
      median(crowd.map((one) => one.medianMs)).toFixed(0),
      median(crowd.map((one) => one.p99Ms)).toFixed(0),
    ].join(' and '),
  };
}

function oidcAt(origin: string, cookies: readonly string[], paths: OidcFacts['paths']): Scenario {
  const { id, redirectUri, scope } = client;
  const facts = cookies.map(
    (cookie): OidcFacts => ({ client: id, authorization, redirectUri, scope, cookie, paths }),
  );
  return { scenario: 'oidc-sso', origin, facts };
}

function samlScenario(origin: string, facts: SamlFacts[]): Scenario {
  return { scenario: 'saml-sso', origin, facts };
}

async function samlAt({ origin }: House, cookies: readonly string[]): Promise<Scenario> {
  const idp = `${origin}/saml/metadata`;
  const metadata = await (await fetch(idp)).text();
  const certificates = [...metadata.matchAll(/<ds:X509Certificate>([^<]+)</g)].map(
    ([, base64]) =>
      `-----BEGIN CERTIFICATE-----\n${base64!.match(/.{1,64}/g)!.join('\n')}\n-----END CERTIFICATE-----`,
  );
  const path = '/saml/sso';
  return samlScenario(
    origin,
    cookies.map((cookie) => ({ ...provider, path, idp, certificates, cookie })),
  );
}

/** Everyone signs in once, and has used both apps: from then on it is the same each time. */
async function sessionsAt(origin: string): Promise<string[]> {
  const cookies: string[] = [];
  for (const { username, password } of people) {
    const visitor = new Visitor(origin);
    await visitor.signIn(username, password);
    cookies.push([...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; '));
  }
  return cookies;
}

function communityFile(): string {
  return stringify({
    people: people.map((person) => ({
      ...person,
      names: { givenName: 'Given', familyName: person.username },
      addresses: [`${person.username}@example.org`],
    })),
    applications: [
      {
        id: client.id,
        title: 'Tracker',
        secret: client.secret,
        consent: 'trusted',
        release: { claims: ['name', 'username', 'email'] },
        oidc: { redirectUris: [client.redirectUri], grants: ['authorization_code', 'refresh_token'] },
      },
      {
        id: 'wiki',
        title: 'Wiki',
        consent: 'trusted',
        release: { claims: ['name', 'email'] },
        saml: { entityId: provider.entityId, acsUrls: [provider.acsUrl] },
      },
    ],
  });
}

export const bench: Bench = {
  name: 'sso',
  text: 'A whole sign-on with a session, by OpenID Connect and by SAML, against bare libraries in memory',
  goal: `ratio of at least ${goals.oidc}, and ${goals.saml} for SAML`,
  run,
};
