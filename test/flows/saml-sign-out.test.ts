/** Single Logout with npm node-saml as the apps: begun by an app, begun here, answered or not, and forged. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Profile } from '@node-saml/node-saml';
import { encodeRedirect, postPage } from '#wire/saml/bindings.ts';
import { type LogoutRequestToMake, makeLogoutRequest, makeLogoutResponse } from '#wire/saml/logout.ts';
import { STATUS } from '#wire/saml/saml.ts';
import { signElement } from '#wire/saml/signature.ts';
import { type Platform, startPlatform } from '../kit.ts';
import type { Seen, Visitor } from '../visitor.ts';
import {
  application,
  communityFile,
  inline,
  newId,
  postFrom,
  publishedCertificates,
  SamlParty,
  samlKey,
  secondNode,
  signedIn,
  statusOf,
} from './saml-party.ts';

const keys = { wiki: await samlKey({ name: 'wiki' }), board: await samlKey({ name: 'board' }) };
let platform: Platform;
/** Another node of the same installation. */
let elsewhere: Awaited<ReturnType<typeof secondNode>>;
let wiki: SamlParty;
let board: SamlParty;
let mute: SamlParty;

const sloOf = (id: string) => `https://${id}.example.org/slo`;

before(async () => {
  platform = await startPlatform({ realTime: true });
  elsewhere = await secondNode(platform);
  const takesSignOut = (id: 'wiki' | 'board', more: string) =>
    `certificates: [${inline(keys[id])}], sloUrl: ${sloOf(id)}${more}`;
  await platform.apply(
    communityFile(
      [
        application('wiki', takesSignOut('wiki', '')),
        application('board', takesSignOut('board', ', sloBinding: post')),
        application('mute', ''),
      ].join('\n'),
    ),
  );
  const certificates = await publishedCertificates(platform.origin);
  wiki = new SamlParty(platform.origin, 'wiki', certificates, {
    key: keys.wiki,
    logoutCallbackUrl: sloOf('wiki'),
  });
  board = new SamlParty(platform.origin, 'board', certificates, { key: keys.board });
  mute = new SamlParty(platform.origin, 'mute', certificates);
});

/** Signs ada in at these apps; how each knows her. */
async function at(visitor: Visitor, ...apps: SamlParty[]): Promise<Profile[]> {
  const profiles: Profile[] = [];
  for (const app of apps) profiles.push(await (await app.enter(visitor)).believe());
  return profiles;
}

async function isSignedIn(visitor: Visitor): Promise<boolean> {
  return /\/account$/.test((await visitor.open('/account')).url);
}

/** Where the page of a walk leads by Redirect. */
function ledTo({ headers }: Seen): URL {
  const refresh = headers.get('refresh') ?? '';
  return new URL(refresh.slice(refresh.indexOf('url=') + 4));
}

/** What an app says back by Redirect. */
function responseUrl(
  app: SamlParty,
  inResponseTo: string,
  more: { status?: string; relayState?: string; signed?: boolean } = {},
) {
  const { status = STATUS.success, relayState, signed = true } = more;
  const xml = makeLogoutResponse({
    id: newId(),
    issuer: app.entityId,
    issueInstant: new Date(),
    destination: `${platform.origin}/saml/slo`,
    inResponseTo,
    status,
  });
  return encodeRedirect(
    `${platform.origin}/saml/slo`,
    { name: 'SAMLResponse', xml },
    relayState,
    signed ? app.key : undefined,
  );
}

async function outcomes(): Promise<string[]> {
  const rows = await platform.database.query<{ application: string; state: string }>(
    `select application, state from saml_logouts where session = (select session from saml_logouts order by created_at desc limit 1)
     order by application`,
  );
  return rows.map((row) => `${row.application} ${row.state}`);
}

test('an app ends the session: here at once, at the other apps through the browser, and then it gets its answer', async () => {
  const visitor = await signedIn(platform, 'ada');
  const [atWiki, atBoard] = await at(visitor, wiki, board);
  await visitor.open(await wiki.saml.getLogoutUrlAsync(atWiki!, 'where-i-was', {}));
  assert.match(visitor.page.text, /Signing you out of board/);
  const asked = visitor.formOf(sloOf('board'));
  const { profile, loggedOut } = await board.saml.validatePostRequestAsync({
    SAMLRequest: asked.fields.SAMLRequest!,
  });
  assert.ok(loggedOut);
  assert.equal(profile.nameID, atBoard!.nameID);
  assert.equal(profile.sessionIndex, atBoard!.sessionIndex);
  const back = await board.saml.getLogoutResponseUrlAsync(profile, asked.fields.RelayState!, {}, true);
  const seen = await visitor.open(back);
  assert.equal(seen.status, 303);
  const end = new URL(seen.headers.get('location')!);
  assert.equal(end.origin + end.pathname, sloOf('wiki'));
  assert.equal(end.searchParams.get('RelayState'), 'where-i-was');
  const told = await wiki.saml.validateRedirectAsync(
    Object.fromEntries(end.searchParams),
    end.search.slice(1),
  );
  assert.ok(told.loggedOut);
  assert.deepEqual(await outcomes(), ['board ended', 'wiki ended']);
  assert.equal(await isSignedIn(visitor), false);
});

test('signing out here asks each app in turn and tells what came of it', async () => {
  const visitor = await signedIn(platform, 'ada');
  await at(visitor, wiki, mute, board);
  await visitor.open('/account');
  await visitor.submit({}, '/sign-out');
  assert.match(visitor.page.text, /Signing you out of (board|wiki)/);
  for (let turn = 0; turn < 2; turn += 1) {
    const isWiki = visitor.page.text.includes('Signing you out of wiki');
    const query = isWiki ? ledTo(visitor.page).searchParams : undefined;
    const fields = query ? Object.fromEntries(query) : visitor.formOf(sloOf('board')).fields;
    assert.match(fields.RelayState ?? '', /^[0-9a-f-]{36}$/, 'SA-18 a handle of ours');
    const app = isWiki ? wiki : board;
    const { profile } = query
      ? await app.saml.validateRedirectAsync(fields, ledTo(visitor.page).search.slice(1))
      : await app.saml.validatePostRequestAsync({ SAMLRequest: fields.SAMLRequest! });
    await visitor.open(await app.saml.getLogoutResponseUrlAsync(profile!, fields.RelayState!, {}, true));
  }
  assert.match(visitor.page.url, /\/signed-out\//);
  assert.deepEqual(await outcomes(), ['board ended', 'mute unreachable', 'wiki ended']);
  assert.match(visitor.page.text, /wiki/);
  assert.match(visitor.page.text, /mute/);
});

test('an app that does not answer, says no, or answers unsigned is never shown as ended', async () => {
  const visitor = await signedIn(platform, 'ada');
  await at(visitor, wiki, board);
  await visitor.open('/account');
  await visitor.submit({}, '/sign-out');
  const walk = visitor.page.url;
  const first = visitor.page.text.includes('of wiki') ? 'wiki' : 'board';
  const id = first === 'wiki' ? wiki : board;
  const fields =
    first === 'wiki'
      ? Object.fromEntries(ledTo(visitor.page).searchParams)
      : visitor.formOf(sloOf('board')).fields;
  const [row] = await platform.database.query<{ id: string }>(
    `select id from saml_logouts where state = 'asked' order by asked_at desc limit 1`,
  );
  await visitor.open(responseUrl(id, `_${row!.id}`, { signed: false, relayState: fields.RelayState }));
  assert.match(visitor.page.text, /Signing you out of/, 'the walk goes on');
  const [second] = await platform.database.query<{ id: string }>(
    `select id from saml_logouts where state = 'asked' order by asked_at desc limit 1`,
  );
  await visitor.open(
    responseUrl(first === 'wiki' ? board : wiki, `_${second!.id}`, { status: STATUS.responder }),
  );
  assert.match(visitor.page.url, /\/signed-out\//);
  assert.deepEqual(
    new Set(await outcomes()),
    new Set([`${first} asked`, `${first === 'wiki' ? 'board' : 'wiki'} failed`]),
  );
  const stranger = platform.visitor();
  await stranger.open(walk);
  assert.equal(stranger.page.status, 410, 'the walk is that of one browser');
});

test('SA-18 a RelayState that is an address leads nowhere but home', async () => {
  const visitor = await signedIn(platform, 'ada');
  for (const relayState of ['https://evil.example/', '//evil.example', 'javascript:alert(1)']) {
    const seen = await visitor.request(responseUrl(wiki, newId(), { relayState }));
    assert.equal(seen.headers.get('location'), '/');
  }
});

/** A LogoutRequest of wiki about ada, with anything changed. */
function forged(profile: Profile, more: Partial<LogoutRequestToMake> = {}): LogoutRequestToMake {
  return {
    id: newId(),
    issuer: wiki.entityId,
    issueInstant: new Date(),
    destination: `${platform.origin}/saml/slo`,
    nameId: { value: profile.nameID, format: profile.nameIDFormat },
    sessionIndexes: [profile.sessionIndex!],
    ...more,
  };
}

const byRedirect = (made: LogoutRequestToMake, key = keys.wiki, origin = platform.origin) =>
  encodeRedirect(`${origin}/saml/slo`, { name: 'SAMLRequest', xml: makeLogoutRequest(made) }, undefined, key);

test('SA-14 a LogoutRequest that is unsigned, stale, for elsewhere, of another app or about another session ends nothing', async () => {
  const visitor = await signedIn(platform, 'ada');
  const [profile, atBoard] = await at(visitor, wiki, board);
  const past = new Date(Date.now() - 700_000);
  const attacks: [string, string][] = [
    ['unsigned', byRedirect(forged(profile!), undefined as never).replace(/&SigAlg=.*/, '')],
    ['stale', byRedirect(forged(profile!, { issueInstant: past }))],
    ['over', byRedirect(forged(profile!, { notOnOrAfter: past }))],
    ['for elsewhere', byRedirect(forged(profile!, { destination: 'https://other.example.org/saml/slo' }))],
    ['signed by another app', byRedirect(forged(profile!), keys.board)],
    ['of nobody', byRedirect(forged(profile!, { issuer: 'https://nobody.example.org' }))],
    [
      'changed after it was signed',
      byRedirect(forged(profile!)).replace(
        /SAMLRequest=[^&]+/,
        byRedirect(forged(profile!)).match(/SAMLRequest=[^&]+/)![0],
      ),
    ],
  ];
  for (const [what, url] of attacks) {
    const stranger = platform.visitor();
    const seen = await stranger.open(url);
    assert.ok(seen.status >= 400, `${what}: ${seen.status}`);
    assert.match(seen.text, /Signing out did not work/);
    assert.equal(await isSignedIn(visitor), true, what);
  }
  // Signed by the app, about what that app was never told.
  for (const made of [
    forged(profile!, { sessionIndexes: [atBoard!.sessionIndex!] }),
    forged(profile!, { nameId: { value: atBoard!.nameID } }),
    forged(profile!, { sessionIndexes: ['_made-up'] }),
  ]) {
    const seen = await platform.visitor().open(byRedirect(made));
    const answer = new URL(seen.headers.get('location')!);
    assert.equal(answer.origin, 'https://wiki.example.org');
    assert.equal(await isSignedIn(visitor), true);
  }
});

test('SA-14 a request wrapped around a signed one is not believed, nor one whose name was changed', async () => {
  const visitor = await signedIn(platform, 'ada');
  const bob = await signedIn(platform, 'bob');
  const [ada] = await at(visitor, wiki);
  const [bobs] = await at(bob, wiki);
  const made = forged(bobs!);
  const signed = signElement(makeLogoutRequest(made), { id: made.id, ...keys.wiki });
  const evil = makeLogoutRequest(forged(ada!));
  const inside = signed.replace(/^<\?xml[^>]*>/, '');
  const attempts = [
    evil.replace('</samlp:LogoutRequest>', `${inside}</samlp:LogoutRequest>`),
    evil.replace(/(<\/saml:Issuer>)/, `$1<samlp:Extensions>${inside}</samlp:Extensions>`),
    evil.replace(/(<\/saml:Issuer>)/, `$1${/<ds:Signature[\s\S]*<\/ds:Signature>/.exec(signed)![0]}`),
    signed.replace(bobs!.nameID, ada!.nameID),
    signed.replace(`>${bobs!.nameID}<`, `>${ada!.nameID}<!-- -->${bobs!.nameID}<`),
  ];
  for (const xml of attempts) {
    const { fields } = postPage('', { name: 'SAMLRequest', xml });
    await postFrom(platform.visitor(), '/saml/slo', fields);
    assert.equal(await isSignedIn(visitor), true);
    assert.equal(await isSignedIn(bob), true);
  }
  const { fields } = postPage('', { name: 'SAMLRequest', xml: signed });
  await postFrom(platform.visitor(), '/saml/slo', fields);
  assert.equal(await isSignedIn(bob), false, 'the same request as it was signed counts');
});

test('SA-09 a LogoutRequest counts once, on whichever node', async () => {
  const visitor = await signedIn(platform, 'ada');
  const [profile] = await at(visitor, wiki);
  const url = byRedirect(forged(profile!));
  const first = await platform.visitor().open(url);
  const answer = new URL(first.headers.get('location')!);
  assert.match(answer.href, /^https:\/\/wiki\.example\.org\/slo\?SAMLResponse=/);
  const again = await platform.visitor().open(url);
  assert.equal(again.status, 410);
  assert.equal((await elsewhere(url)).status, 410);
});

test('a session that is over already is answered as ended, a made-up one as unknown', async () => {
  const visitor = await signedIn(platform, 'ada');
  const [profile] = await at(visitor, wiki);
  const answerTo = async (url: string) => {
    const seen = await platform.visitor().open(url);
    const query = new URL(seen.headers.get('location')!);
    const { inflateRawSync } = await import('node:zlib');
    return statusOf(
      inflateRawSync(Buffer.from(query.searchParams.get('SAMLResponse')!, 'base64')).toString(),
    );
  };
  assert.deepEqual(await answerTo(byRedirect(forged(profile!))), ['Success']);
  assert.deepEqual(await answerTo(byRedirect(forged(profile!))), ['Success']);
  assert.deepEqual(await answerTo(byRedirect(forged(profile!, { nameId: { value: 'nobody' } }))), [
    'Requester',
    'UnknownPrincipal',
  ]);
});
