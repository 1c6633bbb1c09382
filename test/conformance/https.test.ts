/** The platform over https: by its own certificate, and behind Apache set up by the snippet that we hand out. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { communityFile, Party, passwords } from '#test/flows/oidc-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { type Apache, apacheMissing, startApache } from '#test/peers/apache.ts';
import {
  type Certificates,
  makeCertificates,
  opensslMissing,
  trustAuthority,
} from '#test/peers/certificates.ts';
import { freePorts } from '#test/port.ts';
import { type Seen, Visitor } from '#test/visitor.ts';
import { mailedCode, mailedLink } from './stage.ts';

let directory: string;
let certificates: Certificates;
const noCertificates = opensslMissing();

before(async () => {
  if (noCertificates) return;
  directory = await mkdtemp(path.join(tmpdir(), 'https-'));
  certificates = await makeCertificates(directory);
  trustAuthority(certificates.caFile);
});
after(() => directory && rm(directory, { recursive: true, force: true }));

/** A visitor who keeps every answer, redirects included. */
class Witness extends Visitor {
  readonly answers: Seen[] = [];
  override async request(...given: Parameters<Visitor['request']>): Promise<Seen> {
    const seen = await super.request(...given);
    this.answers.push(seen);
    return seen;
  }
}

const joiner = {
  given_name: 'Grace',
  family_name: 'Hopper',
  username: 'grace.h',
  email: 'grace@example.org',
  password: 'plum violin tractor',
};

async function signUp(platform: Platform, visitor: Visitor): Promise<Seen> {
  await visitor.open('/sign-up');
  await visitor.submit(joiner, '/sign-up');
  return visitor.submit({ code: await mailedCode(platform, joiner.email) }, '/verify/code');
}

/** Name → attributes in small letters, of every cookie that was set. */
function cookiesOf(witness: Witness): Map<string, string[]> {
  const lines = witness.answers.flatMap(({ headers }) => headers.getSetCookie());
  return new Map(
    lines.map((line) => {
      const [pair = '', ...rest] = line.split('; ');
      return [pair.slice(0, pair.indexOf('=')), rest.map((part) => part.toLowerCase())];
    }),
  );
}

/** SE-01: what a browser holds to our host alone, over https alone, and out of reach of scripts. */
function assertHttpsCookies(witness: Witness): void {
  const cookies = cookiesOf(witness);
  assert.ok(cookies.has('__Host-gatehouse-session'), [...cookies.keys()].join());
  for (const [name, attributes] of cookies) {
    assert.ok(attributes.includes('secure') && attributes.includes('httponly'), name);
    assert.ok(
      attributes.some((one) => /^samesite=(lax|strict)$/.test(one)),
      name,
    );
    assert.ok(!attributes.some((one) => one.startsWith('domain')), name);
    assert.ok(
      name.startsWith('__Host-') ? attributes.includes('path=/') : name.startsWith('__Secure-'),
      name,
    );
  }
}

describe('by its own certificate', { skip: noCertificates ?? false }, () => {
  let platform: Platform;
  before(async () => {
    platform = await startPlatform({
      env: { GATEHOUSE_TLS_CERT: certificates.certificateFile, GATEHOUSE_TLS_KEY: certificates.keyFile },
    });
    await platform.apply(communityFile);
  });

  test('SE-01 sign-up, sign-in and the way to an app set cookies of https only', async () => {
    assert.match(platform.origin, /^https:/);
    const witness = new Witness(platform.origin);
    assert.match((await signUp(platform, witness)).url, /\/account$/);
    await witness.submit({}, '/sign-out');
    assert.match((await witness.signIn(joiner.username, joiner.password)).url, /\/account$/);
    assertHttpsCookies(witness);

    const stranger = new Witness(platform.origin);
    const party = new Party(platform, { id: 'tracker' });
    await stranger.open(party.authorizationUrl());
    const back = await stranger.submit({ username: 'ada', password: passwords.ada }, '/sign-in');
    const code = new URL(back.headers.get('location') ?? '').searchParams.get('code') ?? '';
    const { status, body } = await party.exchange(code);
    assert.equal(status, 200, JSON.stringify(body));
    assertHttpsCookies(stranger);
    assert.ok([...cookiesOf(stranger).keys()].some((name) => name.startsWith('__Secure-gatehouse-oidc-')));

    for (const { headers, url } of [...witness.answers, ...stranger.answers])
      assert.match(headers.get('strict-transport-security') ?? '', /^max-age=31536000/, url);
  });

  test('AU-12 mailed links and the addresses told to apps are those of https', async () => {
    const metadata = await fetch(`${platform.origin}/.well-known/openid-configuration`);
    for (const [name, value] of Object.entries((await metadata.json()) as Record<string, unknown>)) {
      if (typeof value === 'string' && /^https?:/.test(value))
        assert.ok(value.startsWith(platform.origin), `${name}: ${value}`);
    }
    const visitor = new Visitor(platform.origin);
    await visitor.open('/recover');
    await visitor.submit({ username: 'ada' }, '/recover');
    const link = await mailedLink(platform, 'ada@example.org', '/recover/new');
    assert.equal(new URL(link).origin, platform.origin);
    assert.equal((await visitor.open(link)).status, 200);
  });

  test('a form from the http address of the same name is refused', async () => {
    const visitor = new Visitor(platform.origin);
    await visitor.open('/sign-in');
    const origin = platform.origin.replace('https:', 'http:');
    const seen = await visitor.submit({ username: 'ada', password: passwords.ada }, '/sign-in', { origin });
    assert.equal(seen.status, 403);
  });
});

interface Ask {
  /** The loopback address to come from. */
  from: string;
  headers?: Record<string, string>;
  method?: string;
  body?: string;
}

/** One request from an address of our choice; every address of 127.0.0.0/8 is this machine. */
async function ask(url: string, { from, headers, method = 'GET', body }: Ask) {
  const client = url.startsWith('https:') ? https : http;
  const request = client.request(url, {
    localAddress: from,
    servername: 'localhost',
    headers,
    method,
    agent: false,
  } as https.RequestOptions);
  request.end(body);
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
  return { status: answer.statusCode, headers: answer.headers, text: await text(answer) };
}

const modules = ['ssl', 'headers', 'proxy', 'proxy_http', 'alias'];

describe('behind Apache', { skip: apacheMissing(modules) ?? noCertificates ?? false }, () => {
  let platform: Platform;
  let apache: Apache;
  let plain: string;
  let backend: string;

  before(async () => {
    const first = await freePorts(3);
    const [plainPort, securePort, port] = [first, first + 1, first + 2];
    plain = `http://localhost:${plainPort}`;
    backend = `http://127.0.0.1:${port}`;
    platform = await startPlatform({
      env: {
        GATEHOUSE_PORT: String(port),
        GATEHOUSE_PUBLIC_URL: `https://localhost:${securePort}`,
        GATEHOUSE_TRUSTED_PROXIES: '127.0.0.1',
      },
    });
    await platform.apply(communityFile);
    const snippet = path.join(import.meta.dirname, '../../deploy/proxies/apache.conf');
    const configuration = (await readFile(snippet, 'utf8'))
      .replaceAll('/etc/ssl/id.example.org/fullchain.pem', certificates.certificateFile)
      .replaceAll('/etc/ssl/id.example.org/privkey.pem', certificates.keyFile)
      .replaceAll('id.example.org', `localhost:${securePort}`)
      .replaceAll('*:80>', `127.0.0.1:${plainPort}>`)
      .replaceAll('*:443>', `127.0.0.1:${securePort}>`)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
    apache = await startApache({ ports: [plainPort, securePort], modules, configuration });
  });
  after(() => apache?.stop());

  /** Signs in from an address; returns the network of the session as the person reads it on the account page. */
  async function networkSeen(at: string, from: string, claimed: Record<string, string>): Promise<string> {
    const { host } = new URL(platform.origin);
    const headers: Record<string, string> = { accept: 'text/html', host, ...claimed };
    const page = await ask(`${at}/sign-in`, { from, headers });
    const cookies = (given: http.IncomingHttpHeaders) =>
      (given['set-cookie'] ?? []).map((line) => line.split(';', 1)[0]).join('; ');
    const token = /name="form_token" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const browser = cookies(page.headers);
    const signedIn = await ask(`${at}/sign-in`, {
      from,
      method: 'POST',
      headers: {
        ...headers,
        cookie: browser,
        origin: platform.origin,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ form_token: token, username: 'ada', password: passwords.ada }).toString(),
    });
    assert.equal(signedIn.status, 303, signedIn.text);
    const cookie = [browser, cookies(signedIn.headers)].join('; ');
    const account = await ask(`${at}/account`, { from, headers: { ...headers, cookie } });
    assert.equal(account.status, 200);
    const rows = await platform.database.query<{ network: string }>(
      'select network from sessions order by created_at desc, id desc limit 1',
    );
    const network = rows[0]?.network ?? '';
    assert.ok(account.text.includes(network), network);
    return network;
  }

  const spoofed = {
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'evil.example',
    forwarded: 'for=203.0.113.7;host=evil.example;proto=http',
  };

  test('SE-01 sign-up and sign-in work, with the cookies and headers of https', async () => {
    const witness = new Witness(platform.origin);
    assert.match((await signUp(platform, witness)).url, /\/account$/);
    await witness.submit({}, '/sign-out');
    assert.match((await witness.signIn(joiner.username, joiner.password)).url, /\/account$/);
    assertHttpsCookies(witness);
    for (const { headers, url } of witness.answers)
      assert.match(headers.get('strict-transport-security') ?? '', /^max-age=31536000/, url);
  });

  test('a client address comes from the trusted proxy alone, and the proxy believes no client', async () => {
    assert.equal(await networkSeen(platform.origin, '127.3.2.1', {}), '127.3.2.x');
    assert.equal(await networkSeen(platform.origin, '127.3.3.1', spoofed), '127.3.3.x');
    const overHttps = { ...spoofed, 'x-forwarded-proto': 'https' };
    assert.equal(await networkSeen(backend, '127.0.0.1', overHttps), '203.0.113.x', 'from the proxy');
  });

  test('past the proxy nothing is served in plain text: the refusal is a page, the reason is in the log', async () => {
    const { host } = new URL(platform.origin);
    const asked = { host, accept: 'text/html' };
    for (const [from, headers] of [
      ['127.0.0.1', asked],
      ['127.0.0.1', { ...asked, ...spoofed }],
      ['127.3.4.1', { ...asked, 'x-forwarded-proto': 'https' }],
    ] as const) {
      const seen = await ask(`${backend}/sign-in`, { from, headers });
      assert.equal(seen.status, 421);
      assert.match(seen.text, /answers over https alone/);
      assert.equal(seen.headers['set-cookie'], undefined);
      const form = await ask(`${backend}/oidc/token`, { from, headers, method: 'POST', body: '' });
      assert.equal(form.status, 421);
    }
    assert.equal(
      platform.lines.filter((line) => /trustedProxies and set X-Forwarded-Proto/.test(line)).length,
      1,
    );
    assert.equal((await ask(`${backend}/health/ready`, { from: '127.0.0.1' })).status, 200);
  });

  test('AU-12 the host stays what the browser asked for: another is refused, and forwarded ones are nothing', async () => {
    const refused = await ask(`${platform.origin}/sign-in`, {
      from: '127.0.0.1',
      headers: { host: 'evil.example' },
    });
    assert.equal(refused.status, 421);
    assert.ok(refused.headers['x-request-id'], 'refused by us');
    const visitor = new Visitor(platform.origin, spoofed);
    await visitor.open('/recover');
    await visitor.submit({ username: 'bob' }, '/recover');
    const link = await mailedLink(platform, 'bob@example.org', '/recover/new');
    assert.equal(new URL(link).origin, platform.origin);
  });

  test('http leads to https, and every other answer is ours', async () => {
    const moved = await ask(`${plain}/apps?one=1`, { from: '127.0.0.1' });
    assert.deepEqual([moved.status, moved.headers.location], [301, `${platform.origin}/apps?one=1`]);
    for (const strange of ['/nothing-here', '/a%2Fb', '/%7Eada', '/sign-in;jsessionid=1']) {
      const seen = await ask(platform.origin + strange, { from: '127.0.0.1' });
      assert.equal(seen.status, 404, strange);
      assert.ok(seen.headers['x-request-id'], strange);
    }
  });
});
