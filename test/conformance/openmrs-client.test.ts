/**
 * A client shaped like OpenMRS with its OAuth2 login module: settings from a properties file, no PKCE, no nonce, a short
 * state, the secret by Basic, an ID token it must get and never reads, and identity from userinfo alone, where one
 * value of another type ends the sign-in.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { decode } from '#test/flows/oidc-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Seen, Visitor } from '#test/visitor.ts';

const password = 'river-stone-lamp';
const secret = 'an-openmrs-secret-of-at-least-32-characters';
const host = 'http://127.0.0.1:9';

const communityFile = `
community: { name: Harbour }
attributes:
  - { name: provider, type: boolean, title: Provider account, releasedTo: [openmrs] }
  - { name: sex, type: choice, choices: [F, M], title: Gender in records, releasedTo: [openmrs] }
groups: [{ name: doctors }, { name: clerks }, { name: visitors }]
people:
  - { username: ada, names: { givenName: Ada, familyName: Łovelace }, password: ${password}, addresses: [ada@example.org],
      groups: [doctors, clerks], attributes: { provider: true, sex: F }, aliases: { openmrs: a.lovelace } }
  - { username: bob, names: { givenName: Bob, familyName: Stone }, password: ${password}, addresses: [bob@example.org],
      groups: [clerks], attributes: { provider: false } }
  - { username: eve, names: { givenName: Eve, familyName: Moss }, password: ${password}, addresses: [eve@example.org], groups: [visitors] }
applications:
  - id: openmrs
    title: OpenMRS
    secret: ${secret}
    consent: trusted
    subject: username
    release: { claims: [name, username, email, roles] }
    roles: { doctors: [Clinician, "Provider: Doctor"], clerks: [Registration Clerk] }
    oidc:
      redirectUris: [${host}/openmrs/oauth2login]
      postLogoutRedirectUris: [${host}/openmrs]
      grants: [authorization_code]
`;

const propertiesFile = (ours: string) => `
clientId=openmrs
clientSecret=${secret}
userAuthorizationUri=${ours}/oidc/auth
accessTokenUri=${ours}/oidc/token
userInfoUri=${ours}/oidc/userinfo
logoutUri=${ours}/oidc/session/end?id_token_hint=[token]&post_logout_redirect_uri=${host}/openmrs
scope=openid,profile,email
openmrs.mapping.user.username=preferred_username
openmrs.mapping.user.systemId=sub
openmrs.mapping.user.email=email
openmrs.mapping.user.roles=roles
openmrs.mapping.user.provider=provider
openmrs.mapping.person.givenName=given_name
openmrs.mapping.person.familyName=family_name
openmrs.mapping.person.gender=sex
`;

/** What OpenMRS makes of userinfo. */
interface Known {
  [mapped: string]: string | string[] | undefined;
  roles: string[];
}

class OpenMrs {
  readonly #settings: Map<string, string>;
  readonly #callback = `${host}/openmrs/oauth2login`;
  #state = '';
  idToken = '';

  constructor(properties: string) {
    const lines = properties.trim().split('\n');
    this.#settings = new Map(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  }

  #setting(name: string): string {
    const value = this.#settings.get(name);
    if (value === undefined) throw new Error(`${name} is missing in the properties`);
    return value;
  }

  /** Where it sends a browser that is nobody yet. */
  signInUrl(): string {
    this.#state = randomBytes(8).toString('base64url').slice(0, 6);
    const query = new URLSearchParams({
      client_id: this.#setting('clientId'),
      redirect_uri: this.#callback,
      response_type: 'code',
      scope: this.#setting('scope').split(',').join(' '),
      state: this.#state,
    });
    return `${this.#setting('userAuthorizationUri')}?${query}`;
  }

  /** Code to token to userinfo to a user, as strictly as it reads them. */
  async arrive(seen: Seen): Promise<Known> {
    const url = new URL(seen.headers.get('location') ?? '', seen.url);
    assert.equal(url.origin + url.pathname, this.#callback, seen.text);
    assert.equal(url.searchParams.get('state'), this.#state);
    const token = await this.#post({
      grant_type: 'authorization_code',
      code: url.searchParams.get('code') ?? '',
      redirect_uri: this.#callback,
    });
    assert.ok(token.id_token, 'without an ID token its sign-in breaks');
    assert.match(String(token.token_type), /^bearer$/i);
    this.idToken = String(token.id_token);
    const headers = { authorization: `Bearer ${token.access_token}` };
    const answer = await fetch(this.#setting('userInfoUri'), { headers });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
    return this.#read((await answer.json()) as Record<string, unknown>);
  }

  async #post(fields: Record<string, string>): Promise<Record<string, unknown>> {
    // Put together as they stand: the library of its time does not encode them first.
    const basic = Buffer.from(`${this.#setting('clientId')}:${this.#setting('clientSecret')}`);
    const answer = await fetch(this.#setting('accessTokenUri'), {
      method: 'POST',
      headers: {
        accept: 'application/json, application/x-www-form-urlencoded',
        authorization: `Basic ${basic.toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(fields).toString(),
    });
    const body = (await answer.json()) as Record<string, unknown>;
    assert.equal(answer.status, 200, JSON.stringify(body));
    return body;
  }

  #read(info: Record<string, unknown>): Known {
    const known: Known = { roles: [] };
    for (const [name, path] of this.#settings) {
      if (!name.startsWith('openmrs.mapping.')) continue;
      const mapped = name.split('.').at(-1)!;
      const value = info[path];
      if (mapped === 'roles') {
        assert.ok(Array.isArray(value), `${path} must be a list, or every role is taken away`);
        for (const role of value) assert.equal(typeof role, 'string');
        known.roles = value;
      } else if (value !== undefined) {
        assert.ok(typeof value === 'string' && value !== '', `${path} must be a text, not ${String(value)}`);
        known[mapped] = value;
      }
    }
    assert.ok(known.username, 'a user without a name cannot be made');
    return known;
  }

  /** Where it sends a browser that signs out: `[token]` filled in, then the value of every parameter encoded. */
  logoutUrl(): string {
    const template = this.#setting('logoutUri');
    const filled = this.idToken
      ? template.replace('[token]', this.idToken)
      : template.replace('id_token_hint=[token]', `client_id=${this.#setting('clientId')}`);
    const [place, query = ''] = filled.split(/\?(.*)/s);
    const pairs = query.split('&').map((pair) => {
      const cut = pair.indexOf('=');
      return `${pair.slice(0, cut)}=${encodeURIComponent(pair.slice(cut + 1))}`;
    });
    return `${place}?${pairs.join('&')}`;
  }
}

let platform: Platform;
before(async () => {
  platform = await startPlatform();
  await platform.apply(communityFile);
});

const openMrs = () => new OpenMrs(propertiesFile(platform.origin));

/** From the app to our sign-in page and back to the app's callback, which the visitor does not open. */
async function signIn(app: OpenMrs, visitor: Visitor, username: string): Promise<Known> {
  const asked = await visitor.open(app.signInUrl());
  assert.match(asked.text, /OpenMRS/);
  return app.arrive(await visitor.submit({ username, password }, '/sign-in'));
}

test('OA-25 an OpenMRS-shaped client gets what it must have, each value of the type it takes', async () => {
  const known = await signIn(openMrs(), platform.visitor(), 'ada');
  assert.deepEqual(known, {
    username: 'a.lovelace',
    systemId: 'a.lovelace',
    email: 'ada@example.org',
    givenName: 'Ada',
    familyName: 'Łovelace',
    gender: 'F',
    provider: 'true',
    roles: ['Clinician', 'Provider: Doctor', 'Registration Clerk'],
  });
});

test('OA-25 one role is a list of one, no role an empty list, and "false" a word', async () => {
  const bob = await signIn(openMrs(), platform.visitor(), 'bob');
  assert.deepEqual([bob.username, bob.roles, bob.provider], ['bob', ['Registration Clerk'], 'false']);
  const eve = await signIn(openMrs(), platform.visitor(), 'eve');
  assert.deepEqual([eve.username, eve.roles, eve.provider], ['eve', [], undefined]);
});

test('OA-25 its identity stays the same from one sign-in to the next', async () => {
  const visitor = platform.visitor();
  const app = openMrs();
  const first = await signIn(app, visitor, 'ada');
  const again = await app.arrive(await visitor.open(app.signInUrl()));
  assert.deepEqual(again, first);
});

test('OA-25 OA-22 its sign-out asks nothing and returns, with an ID token that is over too', async (t) => {
  const visitor = platform.visitor();
  const app = openMrs();
  await signIn(app, visitor, 'bob');
  const later = Date.now() + 2 * 3_600_000;
  t.mock.timers.enable({ apis: ['Date'], now: later });
  assert.ok(Number(decode(app.idToken).claims.exp) * 1000 < later);
  assert.match((await visitor.open('/account')).url, /\/account$/);
  const gone = await visitor.open(app.logoutUrl());
  assert.equal(gone.headers.get('location'), `${host}/openmrs`);
  assert.match((await visitor.open('/account')).url, /\/sign-in/);
});

test('OA-25 OA-22 its sign-out without a token asks the person, then returns all the same', async () => {
  const visitor = platform.visitor();
  const app = openMrs();
  await signIn(app, visitor, 'bob');
  app.idToken = '';
  const asked = await visitor.open(app.logoutUrl());
  assert.equal(asked.status, 200);
  assert.match(asked.text, /OpenMRS/);
  const gone = await visitor.submit({}, '/oidc/session/end/confirm');
  assert.equal(gone.headers.get('location'), `${host}/openmrs`);
  assert.match((await visitor.open('/account')).url, /\/sign-in/);
});
