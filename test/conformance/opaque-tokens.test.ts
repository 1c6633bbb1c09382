/** OA-23: what is handed out as a random string counts as that very string, of that very kind, and as nothing else. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Pool } from 'undici';
import { createAdapter } from '#fronts/oidc/adapter.ts';
import { communityFile, Party, passwords, secret } from '#test/flows/oidc-party.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import type { Visitor } from '#test/visitor.ts';

const wanted = 10_000;
/** Requests under way at once, on connections that stay open. */
const atOnce = 16;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

let platform: Platform;
let http: Pool;
before(async () => {
  platform = await startPlatform({ poolSize: 20 });
  await platform.apply(communityFile);
  http = new Pool(platform.origin, { connections: atOnce });
});
after(() => http.close());

/** The same numbers every time, so that what failed once fails again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function* replacedCharacters(token: string): Generator<string> {
  for (let at = 0; at < token.length; at++)
    for (const other of alphabet) yield token.slice(0, at) + other + token.slice(at + 1);
}

function* flippedBits(token: string): Generator<string> {
  for (let at = 0; at < token.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = String.fromCharCode(token.charCodeAt(at) ^ (1 << bit));
      yield token.slice(0, at) + flipped + token.slice(at + 1);
    }
  }
}

/** Other lengths: cut from either end or both, grown by anything, doubled, one character less or more anywhere. */
function* otherLengths(token: string): Generator<string> {
  const { length } = token;
  for (let cut = 0; cut <= length; cut++) yield* [token.slice(0, cut), token.slice(cut)];
  for (let from = 1; from < length; from++)
    for (let to = from + 1; to < length; to++) yield token.slice(from, to);
  const more = [
    ...alphabet,
    ' ',
    '  ',
    '\t',
    '\n',
    '\r\n',
    '\0',
    '=',
    '==',
    '.',
    ',',
    ';',
    '%',
    '%00',
    '+',
    '/',
    '\u00a0',
    '\u200b',
  ];
  for (const one of more) yield* [token + one, one + token];
  for (let at = 0; at < length; at++) {
    yield token.slice(0, at) + token.slice(at + 1);
    for (const one of ['A', '_', ' ', '\0']) yield token.slice(0, at) + one + token.slice(at);
  }
  for (const times of [2, 3, 10, 100]) yield token.repeat(times);
}

/** The right characters in a wrong order, in another case, or half of them from another token that counts. */
function* otherOrders(token: string, other: string): Generator<string> {
  const swap = (one: number, two: number) => {
    const list = [...token];
    [list[one], list[two]] = [list[two]!, list[one]!];
    return list.join('');
  };
  for (let one = 0; one < token.length; one++)
    for (let two = one + 1; two < token.length; two++) yield swap(one, two);
  for (let at = 1; at < token.length; at++) {
    yield token.slice(at) + token.slice(0, at);
    yield* [token.slice(0, at) + other.slice(at), other.slice(0, at) + token.slice(at)];
    const letter = token[at]!;
    const turned = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
    yield token.slice(0, at) + turned + token.slice(at + 1);
  }
  yield* [[...token].reverse().join(''), token.toLowerCase(), token.toUpperCase()];
}

/** The same bytes or the same text, written otherwise. */
function* otherSpellings(token: string): Generator<string> {
  const bytes = Buffer.from(token, 'base64url');
  yield* [bytes.toString('base64'), bytes.toString('hex'), Buffer.from(token).toString('base64url')];
  yield* [encodeURIComponent(`${token} `), `%${token.charCodeAt(0).toString(16)}${token.slice(1)}`];
  yield* [
    `"${token}"`,
    `'${token}'`,
    `Bearer ${token}`,
    `${token}' or '1'='1`,
    `${token}%`,
    '%',
    '_'.repeat(token.length),
  ];
  // Fullwidth letters are the same to whoever folds before comparing.
  yield [...token].map((one) => String.fromCodePoint(one.charCodeAt(0) + 0xfee0)).join('');
}

function* atRandom(token: string, seed: number): Generator<string> {
  const next = numbers(seed);
  for (;;) {
    const list = [...token];
    for (let changes = 2 + next(4); changes > 0; changes--) list[next(list.length)] = alphabet[next(64)]!;
    yield list.join('');
  }
}

/** `count` different texts near a token, none of them one that counts. */
function mutantsOf(token: string, other: string, count: number): string[] {
  const found = new Set<string>();
  const sources = [
    otherSpellings(token),
    otherOrders(token, other),
    otherLengths(token),
    flippedBits(token),
    replacedCharacters(token),
    atRandom(token, 23),
  ];
  for (const source of sources) {
    for (const one of source) {
      if (one !== token && one !== other) found.add(one);
      if (found.size === count) return [...found];
    }
  }
  return assert.fail('too few');
}

/** Runs over a list, so many at once. */
async function each<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < list.length) await work(list[next++]!);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Every nth of a list: some of everything that is in it. */
function some<T>(list: readonly T[], count: number): T[] {
  const step = list.length / count;
  return Array.from({ length: count }, (_, index) => list[Math.floor(index * step)]!);
}

const isHeaderValue = (text: string) => /^[\x21-\x7e]+$/.test(text);
const authorization = `Basic ${Buffer.from(`tracker:${secret}`).toString('base64')}`;

/** Asks over connections that stay open; gives back status and body. */
async function ask(path: string, headers: Record<string, string>, fields?: Record<string, string>) {
  const type = fields && { 'content-type': 'application/x-www-form-urlencoded' };
  const { statusCode, body } = await http.request({
    path,
    method: fields ? 'POST' : 'GET',
    headers: { ...headers, ...type },
    body: fields && new URLSearchParams(fields).toString(),
  });
  return { status: statusCode, text: await body.text() };
}

const introspect = (token: string) => ask('/oidc/introspection', { authorization }, { token });
const userinfo = (token: string) => ask('/oidc/userinfo', { authorization: `Bearer ${token}` });

async function signedIn(): Promise<Visitor> {
  const visitor = platform.visitor();
  await visitor.signIn('ada', passwords.ada);
  return visitor;
}

/** Where the front looks up what it is shown: what every endpoint goes through. */
const shelf = (kind: string) => createAdapter(platform)(kind);

test('OA-23 none of 10,000 texts near an access token is one: where tokens are looked up, and over HTTP', async (context) => {
  const party = new Party(platform, { id: 'tracker' });
  const visitor = await signedIn();
  const good = (await party.tokens(visitor)).access_token;
  const other = (await party.tokens(visitor)).access_token;
  const mutants = mutantsOf(good, other, wanted);
  assert.equal(new Set(mutants).size, wanted);
  const stillGood = async () => {
    for (const token of [good, other]) {
      assert.ok(await shelf('AccessToken').find(token));
      assert.match((await introspect(token)).text, /^\{"active":true/);
      assert.equal((await userinfo(token)).status, 200);
    }
  };
  await stillGood();

  const began = performance.now();
  const wrong: string[] = [];
  const { find } = shelf('AccessToken');
  await each(mutants, async (mutant) => {
    if (await find(mutant)) wrong.push(`found: ${JSON.stringify(mutant)}`);
  });
  const asked = some(mutants, 1500);
  await each(asked, async (mutant) => {
    const { status, text } = await introspect(mutant);
    // An empty token is no question at all.
    const refused = mutant === '' ? status === 400 : status === 200 && text === '{"active":false}';
    if (!refused) wrong.push(`introspection of ${JSON.stringify(mutant)}: ${status} ${text}`);
  });
  const shown = some(mutants.filter(isHeaderValue), 500);
  await each(shown, async (mutant) => {
    const { status } = await userinfo(mutant);
    if (status !== 401) wrong.push(`userinfo for ${JSON.stringify(mutant)}: ${status}`);
  });
  assert.deepEqual(wrong, []);
  await stillGood();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  context.diagnostic(
    `${wanted} looked up, ${asked.length} introspected, ${shown.length} shown at userinfo: ${seconds} s`,
  );
});

test('OA-23 a code and a refresh token near the right one are refused, and the right one is none the worse', async () => {
  const party = new Party(platform, { id: 'tracker' });
  const visitor = await signedIn();
  const tokens = await party.tokens(visitor);
  const code = (await party.authorize(visitor)).get('code')!;
  const { verifier } = party;
  const otherCode = (await party.authorize(visitor)).get('code')!;
  party.verifier = verifier;
  const refresh = tokens.refresh_token!;
  const otherRefresh = (await party.tokens(visitor)).refresh_token!;
  party.verifier = verifier;
  const kinds = [
    ['AuthorizationCode', mutantsOf(code, otherCode, 2000), (text: string) => party.exchange(text)],
    ['RefreshToken', mutantsOf(refresh, otherRefresh, 2000), (text: string) => party.refresh(text)],
  ] as const;
  for (const [kind, mutants, use] of kinds) {
    const { find } = shelf(kind);
    await each(mutants, async (mutant) => assert.equal(await find(mutant), undefined, mutant));
    await each(some(mutants, 150), async (mutant) => {
      const { status, body } = await use(mutant);
      assert.equal(status, 400, JSON.stringify(mutant));
      assert.match(String(body.error), mutant === '' ? /^invalid_(request|grant)$/ : /^invalid_grant$/);
    });
  }
  assert.equal((await party.exchange(code)).status, 200);
  assert.equal((await party.refresh(refresh)).status, 200);
});

test('OA-23 what counts as one kind is found as no other', async () => {
  const party = new Party(platform, { id: 'tracker' });
  const visitor = await signedIn();
  const tokens = await party.tokens(visitor);
  const own = (await party.post('/oidc/token', { grant_type: 'client_credentials' })).body.access_token;
  const values: Record<string, string> = {
    AuthorizationCode: (await party.authorize(visitor)).get('code')!,
    AccessToken: tokens.access_token,
    RefreshToken: tokens.refresh_token!,
    ClientCredentials: own,
  };
  const kinds = [...Object.keys(values), 'Grant', 'Interaction', 'Session', 'ReplayDetection', 'DeviceCode'];
  for (const [kind, value] of Object.entries(values))
    for (const asked of kinds)
      assert.equal((await shelf(asked).find(value)) !== undefined, asked === kind, `${kind} as ${asked}`);
});

test('OA-23 a cookie near that of a session signs nobody in', async () => {
  const visitor = await signedIn();
  const [name, value] = [...visitor.cookies].find(([key]) => key.includes('session')) ?? assert.fail();
  const other = [...(await signedIn()).cookies].find(([key]) => key === name)![1];
  const cookies = some(mutantsOf(value, other, 4000), 600).filter((one) =>
    /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]*$/.test(one),
  );
  assert.ok(cookies.length > 300);
  const account = (token: string) => ask('/account', { accept: 'text/html', cookie: `${name}=${token}` });
  assert.equal((await account(value)).status, 200);
  await each(cookies, async (one) => assert.equal((await account(one)).status, 303, one));
  assert.equal((await account(value)).status, 200);
});
