/** What a SAML provider, or somebody who pretends to be one, may send to the door of an upstream: nothing of it gets in. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { DOMParser, type Document, type Element, XMLSerializer } from '@xmldom/xmldom';
import { atBest } from '#test/eventually.ts';
import { type Platform, startPlatform } from '#test/kit.ts';
import { samlKey } from '#test/saml.ts';
import { encryptAssertion } from '#wire/saml/encryption.ts';
import { NAME_ID, NS } from '#wire/saml/saml.ts';
import { signElement } from '#wire/saml/signature.ts';
import { secondNode } from '../flows/saml-party.ts';
import type { Visitor } from '../visitor.ts';
import { type Answer, type Asked, newId, SamlIdp } from './saml-idp.ts';
import { publicAddress, textOf } from './stage.ts';

let platform: Platform;
let corp: SamlIdp;
let other: SamlIdp;
let open: SamlIdp;

before(async () => {
  const { env } = await publicAddress();
  platform = await startPlatform({ env });
  corp = await SamlIdp.make(platform, 'corp');
  other = await SamlIdp.make(platform, 'other');
  open = await SamlIdp.make(platform, 'open');
  await platform.apply(`
community: { name: Harbour }
upstreams:
${corp.declared()}${other.declared()}${open.declared('allowIdpInitiated: true')}`);
});

async function signedIn(visitor: Visitor): Promise<boolean> {
  return (await visitor.open('/account')).url.endsWith('/account');
}

/** Sends it, and nobody is in. Returns what was said. */
async function refused(xml: string, asked: Asked, visitor: Visitor, name: string): Promise<string> {
  const seen = await corp.post(visitor, xml, asked.relayState);
  assert.equal(seen.status, 403, `${name}: ${seen.text}`);
  assert.equal(await signedIn(visitor), false, name);
  return seen.text;
}

test('SA-08 an answer counts for the request of this browser alone, once; another browser is refused with 403', async () => {
  const [mine, theirs] = [platform.visitor(), platform.visitor()];
  const asked = await corp.asked(mine);
  const another = await corp.asked(theirs);
  assert.notEqual(asked.request.id, another.request.id);
  const xml = await corp.response('sid', asked);
  const elsewhere = await corp.post(theirs, xml, asked.relayState);
  assert.equal(elsewhere.status, 403, 'their browser, with my answer and my handle');
  assert.match(elsewhere.text, /upstream-stray|form-stale|Start again|sign in again/i);
  assert.equal(await signedIn(theirs), false);
  const home = await mine.open(`/upstream/corp/callback?state=${asked.relayState}`);
  assert.match(home.url, /\/account$/, 'it waited for the browser that set out');
  const crossed = await corp.asked(platform.visitor());
  await refused(await corp.response('sid', crossed), another, theirs, 'the answer to another request');
  const unasked = await corp.asked(theirs);
  await refused(await corp.response('sid', undefined), unasked, theirs, 'the answer to no request');
  for (const handle of [undefined, '', 'x', 'A'.repeat(43), asked.relayState, 'https://evil.example/'])
    assert.equal((await corp.post(theirs, await corp.response('sid', unasked), handle)).status, 403, handle);
  assert.equal(await signedIn(theirs), false);
});

test('SA-08 whoever comes without an answer, or twice, gets nothing', async () => {
  const visitor = platform.visitor();
  const { relayState } = await corp.asked(visitor);
  const empty = await visitor.open(`/upstream/corp/callback?state=${relayState}`);
  assert.equal(empty.status, 403);
  const asked = await corp.asked(visitor);
  assert.match(
    (await corp.post(visitor, await corp.response('tom', asked), asked.relayState)).url,
    /\/account$/,
  );
  assert.equal((await visitor.open(`/upstream/corp/callback?state=${asked.relayState}`)).status, 403);
  const late = await corp.asked(visitor);
  const xml = await corp.response('tom', late, {
    notOnOrAfter: new Date(platform.clock.now().getTime() + 3_600_000),
  });
  platform.clock.advance(601_000);
  assert.equal((await corp.post(visitor, xml, late.relayState)).status, 403, 'ten minutes are over');
});

test('SA-09 an assertion counts once: not again in another request, on another node, or after a restart', async () => {
  const visitor = platform.visitor();
  const asked = await corp.asked(visitor);
  const xml = await corp.response('rita', asked);
  const second = await secondNode(platform);
  const form = { SAMLResponse: Buffer.from(xml).toString('base64'), RelayState: asked.relayState };
  const first = await corp.post(visitor, xml, asked.relayState);
  assert.match(first.url, /\/account$/);
  assert.equal((await second(corp.sp.acsUrl, form)).status, 403, 'on the other node');
  await refused(xml, await corp.asked(platform.visitor()), platform.visitor(), 'again');
  const [row] = await platform.database.query<{ seconds: number }>(
    `select extract(epoch from max(expires_at) - $1::timestamptz)::int as seconds from upstream_heard`,
    [platform.clock.now()],
  );
  assert.ok(row!.seconds >= 300, 'remembered for as long as it would be accepted');

  // Begun at the provider there is no request that could be used up: the id of the assertion alone stands in the way.
  const unasked = await open.response('rita', undefined);
  assert.match((await open.post(platform.visitor(), unasked)).url, /\/account$/);
  const many = await Promise.all(Array.from({ length: 8 }, () => open.post(platform.visitor(), unasked)));
  assert.ok(many.every(({ status }) => status === 403));
  const race = await open.response('rita', undefined);
  const racers = await Promise.all(Array.from({ length: 8 }, () => open.post(platform.visitor(), race)));
  assert.equal(racers.filter(({ url: to }) => to.endsWith('/account')).length, 1, 'of many at once one');
});

test('SA-07 what is for others, of others, too early or too late is refused', async () => {
  const now = platform.clock.now();
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  const answers: Record<string, Answer> = {
    'another audience': { audience: other.sp.entityId },
    'another address': { acsUrl: other.sp.acsUrl },
    'another issuer': { issuer: other.entityId },
    'signed by another provider': { signer: other.key },
    'signed by nobody known': { signer: await samlKey({ name: 'corp' }) },
    'over long ago': { notOnOrAfter: at(-61) },
    'not yet': { notBefore: at(61) },
    'issued in the future': { issueInstant: at(61) },
    'a session that has ended': { sessionNotOnOrAfter: at(-61) },
    'signed in in the future': { authnInstant: at(61) },
    'a name of another format': { nameId: { format: NAME_ID.emailAddress } },
    'a name of no format': { nameId: { format: undefined } },
    'a name of today alone': { nameId: { format: NAME_ID.transient } },
  };
  for (const [name, answer] of Object.entries(answers)) {
    const visitor = platform.visitor();
    const asked = await corp.asked(visitor);
    assert.match(
      await refused(await corp.response('una', asked, answer), asked, visitor, name),
      /upstream-answer/,
    );
  }
  assert.match(
    (await corp.comes(platform.visitor(), 'una')).url,
    /\/account$/,
    'none of them used up anything of others',
  );
});

interface Parts {
  document: Document;
  response: Element;
  assertion: Element;
  signature: Element;
  evil: Element;
}

/** A genuine answer about `victim` taken apart: whoever sends it would rather be `boss`. */
function rewritten(xml: string, move: (parts: Parts) => void): string {
  const document = new DOMParser().parseFromString(xml, 'text/xml');
  const response = document.documentElement!;
  const assertion = response.getElementsByTagNameNS(NS.saml, 'Assertion').item(0)!;
  const signature = assertion.getElementsByTagNameNS(NS.ds, 'Signature').item(0)!;
  const evil = assertion.cloneNode(true) as Element;
  evil.removeChild(evil.getElementsByTagNameNS(NS.ds, 'Signature').item(0)!);
  evil.getElementsByTagNameNS(NS.saml, 'NameID').item(0)!.textContent = 'boss-there';
  evil.setAttribute('ID', newId());
  move({ document, response, assertion, signature, evil });
  return new XMLSerializer().serializeToString(document);
}

test('SA-01 SA-02 assertions wrapped around, beside, inside or in place of the signed one are refused at this door', async () => {
  const make = (document: Document, name: string, of: string) => document.createElementNS(of, name);
  const moves: Record<string, (parts: Parts) => void> = {
    'before the signed one': ({ response, assertion, evil }) => response.insertBefore(evil, assertion),
    'behind the signed one': ({ response, evil }) => response.appendChild(evil),
    'around the signed one': ({ response, assertion, evil }) => {
      response.replaceChild(evil, assertion);
      evil.appendChild(assertion);
    },
    'with the signature moved over': ({ response, assertion, signature, evil }) => {
      evil.insertBefore(signature, evil.childNodes.item(1));
      response.insertBefore(evil, assertion);
    },
    'the signed one in an Object of the signature': ({ document, response, assertion, signature, evil }) => {
      const object = make(document, 'ds:Object', NS.ds);
      assertion.removeChild(signature);
      object.appendChild(assertion.cloneNode(true));
      signature.appendChild(object);
      evil.insertBefore(signature, evil.childNodes.item(1));
      response.replaceChild(evil, assertion);
    },
    'the signed one in Extensions': ({ document, response, assertion, evil }) => {
      const extensions = make(document, 'samlp:Extensions', NS.samlp);
      response.replaceChild(evil, assertion);
      extensions.appendChild(assertion);
      response.insertBefore(extensions, response.childNodes.item(1));
    },
    'with the same id': ({ response, assertion, evil }) => {
      evil.setAttribute('ID', assertion.getAttribute('ID')!);
      response.insertBefore(evil, assertion);
    },
    'a comment in the name': ({ document, assertion }) => {
      const name = assertion.getElementsByTagNameNS(NS.saml, 'NameID').item(0)!;
      name.textContent = '';
      name.appendChild(document.createTextNode('boss-there'));
      name.appendChild(document.createComment('x'));
      name.appendChild(document.createTextNode('.evil'));
    },
    'another name': ({ assertion }) => {
      assertion.getElementsByTagNameNS(NS.saml, 'NameID').item(0)!.textContent = 'boss-there';
    },
    'no signature': ({ assertion, signature }) => assertion.removeChild(signature),
    'no assertion': ({ response, assertion }) => response.removeChild(assertion),
  };
  assert.match((await corp.comes(platform.visitor(), 'boss')).url, /\/account$/, 'there is somebody to be');
  for (const [name, move] of Object.entries(moves)) {
    const visitor = platform.visitor();
    const asked = await corp.asked(visitor);
    await refused(rewritten(await corp.response('eve', asked), move), asked, visitor, name);
  }
});

test('SA-03 SA-04 SA-05 comments, DOCTYPE, foreign keys and what is no message are refused, and say nothing of it', async () => {
  const text = async (asked: Asked) => corp.response('eve', asked);
  const forge: Record<string, (asked: Asked) => Promise<string>> = {
    'a comment anywhere': async (asked) =>
      (await text(asked)).replace('<saml:Subject>', '<saml:Subject><!-- -->'),
    'a DOCTYPE': async (asked) =>
      `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${await text(asked)}`,
    CDATA: async (asked) => (await text(asked)).replace('eve-there', '<![CDATA[eve-there]]>'),
    'an instruction': async (asked) => (await text(asked)).replace('eve-there', 'eve-there<?x ?>'),
    'the key it brings along': async (asked) => {
      const own = await samlKey({ name: 'corp' });
      return corp.response('eve', asked, { signer: own });
    },
    'a signed request in place of an answer': async () => {
      const id = newId();
      return signElement(corp.logout('eve', { id }), { id, ...corp.key });
    },
    nothing: async () => '',
    'no XML': async () => 'hello',
  };
  for (const [name, make] of Object.entries(forge)) {
    const visitor = platform.visitor();
    const asked = await corp.asked(visitor);
    const said = await refused(await make(asked), asked, visitor, name);
    assert.doesNotMatch(said.replace('<!doctype html>', ''), /passwd|DOCTYPE|certificate/i, name);
  }
});

test('SA-10 anybody can encrypt for us: what was not signed inside, or came twice, is refused, and in the same words', async () => {
  const encryptFor = (await corp.us()).certificates.find(({ use }) => use === 'encryption')!.pem;
  const parts = /<saml:EncryptedAssertion[\s\S]*<\/saml:EncryptedAssertion>/;
  const assertionIn = (xml: string) => /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(xml)![0];
  const unsigned = (xml: string) => assertionIn(xml).replace(/<ds:Signature [\s\S]*<\/ds:Signature>/, '');
  const put = async (xml: string, inner: string) =>
    xml.replace(assertionIn(xml), await encryptAssertion(inner, encryptFor));
  const forge: Record<string, (asked: Asked) => Promise<string>> = {
    'not signed inside': async (asked) => {
      const xml = await corp.response('eve', asked);
      return put(xml, unsigned(xml));
    },
    'signed inside by another': async (asked) =>
      corp.response('eve', asked, { encryptFor, signer: await samlKey({ name: 'corp' }) }),
    'another one swapped in': async (asked) => {
      const theirs = await other.response('eve', asked, { encryptFor });
      const mine = await corp.response('eve', asked, { encryptFor });
      return mine.replace(parts, parts.exec(theirs)![0]);
    },
    twice: async (asked) => {
      const xml = await corp.response('eve', asked, { encryptFor });
      return xml.replace(parts, (one) => one + one);
    },
    'beside one in clear': async (asked) => {
      const xml = await corp.response('eve', asked, { encryptFor });
      const clear = assertionIn(await corp.response('eve', asked));
      return xml.replace(parts, (one) => one + clear);
    },
    'for another key': async (asked) =>
      corp.response('eve', asked, { encryptFor: (await samlKey()).certificate }),
    'a byte changed': async (asked) => {
      const xml = await corp.response('eve', asked, { encryptFor });
      const end = xml.lastIndexOf('</xenc:CipherValue>') - 12;
      return `${xml.slice(0, end)}${xml[end] === 'A' ? 'B' : 'A'}${xml.slice(end + 1)}`;
    },
  };
  const said = new Set<string>();
  for (const [name, make] of Object.entries(forge)) {
    const visitor = platform.visitor();
    const asked = await corp.asked(visitor);
    const page = await refused(await make(asked), asked, visitor, name);
    said.add(textOf({ ...visitor.page, text: page.replace(/Reference: \S+/, '') }));
  }
  assert.equal(said.size, 1, 'nobody learns from trying');
});

test('SA-11 what is too large is turned away before it is read', async () => {
  const visitor = platform.visitor();
  const asked = await corp.asked(visitor);
  const large = `<a>${'x'.repeat(300 * 1024)}</a>`;
  const took = await atBest(1000, async () => {
    const began = performance.now();
    assert.equal((await corp.post(visitor, large, asked.relayState)).status, 403);
    return performance.now() - began;
  });
  assert.ok(took < 1000, `${took} ms`);
});

test('SA-15 an upstream that is switched off or gone is dead at every door, to those who are linked as well', async () => {
  const gone = await SamlIdp.make(platform, 'gone');
  await platform.apply(`upstreams:\n${gone.declared('logout: true, allowIdpInitiated: true')}`);
  assert.match((await gone.comes(platform.visitor(), 'gil')).url, /\/account$/);
  const [onTheWay, arrived] = [platform.visitor(), platform.visitor()];
  const asked = await gone.asked(onTheWay);
  const xml = await gone.response('gil', asked);
  const come = await gone.asked(arrived);
  const kept = await fetch(gone.sp.acsUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      SAMLResponse: Buffer.from(await gone.response('gil', come)).toString('base64'),
      RelayState: come.relayState,
    }).toString(),
    redirect: 'manual',
  });
  assert.equal(kept.status, 303, 'believed, and not come for yet');
  for (const how of ['off', 'removed']) {
    if (how === 'off')
      await platform.apply(
        `upstreams:\n${gone.declared('logout: true, allowIdpInitiated: true', 'enabled: false')}`,
      );
    else await platform.database.query('delete from upstreams where id = $1', ['gone']);
    const doors: Record<string, () => Promise<number>> = {
      'setting out': async () => (await platform.visitor().open('/upstream/gone/start')).status,
      'an answer to an earlier request': async () =>
        (await gone.post(onTheWay, xml, asked.relayState)).status,
      'an answer nobody asked for': async () =>
        (await gone.post(platform.visitor(), await gone.response('gil', undefined))).status,
      'coming for an answer that was believed': async () =>
        (await arrived.open(`/upstream/gone/callback?state=${come.relayState}`)).status,
      'a sign-out': async () => (await platform.visitor().open(gone.logoutUrl('gil'))).status,
      'our metadata': async () => (await fetch(gone.sp.entityId)).status,
    };
    for (const [door, knock] of Object.entries(doors)) assert.equal(await knock(), 404, `${how}: ${door}`);
  }
  assert.equal((await signedIn(onTheWay)) || (await signedIn(arrived)), false);
});

test('SA-16 the same name of another provider, format or qualifier is somebody else', async () => {
  const person = async (visitor: Visitor) => {
    const page = await visitor.open('/account');
    return /class="tool who"[^>]*><span dir="auto">([^<]*)</.exec(page.text)?.[1];
  };
  const enter = async (idp: SamlIdp, answer: Answer, uid: string) => {
    const visitor = platform.visitor();
    const seen = await idp.comes(visitor, 'same', {
      attributes: [
        { name: 'uid', values: [uid] },
        { name: 'sn', values: [uid] },
        { name: 'mail', values: [`${uid}@example.net`] },
      ],
      ...answer,
    });
    assert.match(seen.url, /\/account$/, seen.text);
    return person(visitor);
  };
  assert.equal(await enter(corp, {}, 'sameone'), 'sameone');
  assert.equal(await enter(corp, {}, 'renamed'), 'sameone', 'another address and user name, the same person');
  assert.equal(await enter(other, {}, 'sametwo'), 'sametwo', 'another provider');
  assert.equal(
    await enter(corp, { nameId: { nameQualifier: 'https://elsewhere.example' } }, 'samethree'),
    'samethree',
  );
  assert.equal(
    await enter(corp, { nameId: { spNameQualifier: 'https://group.example' } }, 'samefour'),
    'samefour',
  );
  assert.equal(
    await enter(
      corp,
      { nameId: { nameQualifier: corp.entityId, spNameQualifier: corp.sp.entityId } },
      'samefive',
    ),
    'sameone',
    'what a name is qualified by anyway makes no other one',
  );
  const [count] = await platform.database.query<{ count: number }>(
    `select count(distinct person)::int as count from upstream_links where subject = 'same-there'`,
  );
  assert.equal(count?.count, 4);
});

test('SA-18 RelayState is a handle of ours, short and opaque; an address in it leads nowhere', async () => {
  const visitor = platform.visitor();
  const { relayState, rawQuery } = await corp.asked(visitor);
  assert.ok(Buffer.byteLength(relayState) <= 80);
  assert.match(relayState, /^[A-Za-z0-9_-]{43}$/);
  assert.ok(
    !rawQuery.includes(encodeURIComponent(platform.origin)),
    'nothing of ours stands open in the address',
  );
  for (const address of ['https://evil.example/', '//evil.example', '/admin', `${platform.origin}/admin`]) {
    const one = platform.visitor();
    const home = await open.post(one, await open.response('uri', undefined), address);
    assert.equal(new URL(home.url).pathname, '/account', address);
    assert.equal(new URL(home.url).origin, platform.origin);
  }
});

test('SA-08 people who come from the provider without having set out are let in only where settings say so', async () => {
  const visitor = platform.visitor();
  const no = await corp.post(visitor, await corp.response('ian', undefined));
  assert.equal(no.status, 403);
  assert.equal(await signedIn(visitor), false);
  assert.match((await open.post(visitor, await open.response('ian', undefined))).url, /\/account$/);
  const claimed = await open.response('ian', undefined, { inResponseTo: newId() });
  assert.equal((await open.post(platform.visitor(), claimed)).status, 403, 'it says it answers somebody');
  const stale = await open.response('ian', undefined);
  const kept = await fetch(open.sp.acsUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ SAMLResponse: Buffer.from(stale).toString('base64') }).toString(),
    redirect: 'manual',
  });
  platform.clock.advance(61_000);
  assert.equal(
    (await platform.visitor().open(kept.headers.get('location')!)).status,
    403,
    'a minute is over',
  );
});
