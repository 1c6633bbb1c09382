import assert from 'node:assert/strict';
import { createPublicKey, createVerify } from 'node:crypto';
import { test } from 'node:test';
import { constants, deflateRawSync } from 'node:zlib';
import { attacker, bySignature, idp, now } from '#test/saml-specimen.ts';
import { decodePost, decodeRedirect, encodeRedirect, postPage } from './bindings.ts';
import { makeAuthnRequest } from './requests.ts';
import { SIGNATURE_ALGORITHM, verifyRedirect } from './signature.ts';

const xml = makeAuthnRequest({
  id: '_q',
  issuer: 'https://sp.example.org',
  issueInstant: now,
  destination: 'https://id.example.org/sso?x=1',
  acsUrl: 'https://sp.example.org/acs',
});
const message = { name: 'SAMLRequest', xml } as const;
const relayState = 'a b+c&d=é';
const queryOf = (url: string) => url.slice(url.indexOf('SAML'));

test('what is sent by redirect is read again, signed and not, RelayState verbatim', () => {
  const plain = encodeRedirect('https://id.example.org/sso?x=1', message, relayState);
  assert.match(plain, /^https:\/\/id\.example\.org\/sso\?x=1&SAMLRequest=/);
  assert.deepEqual(decodeRedirect(plain.slice(plain.indexOf('?'))), {
    ...message,
    relayState,
    hasSignature: false,
  });
  const signed = encodeRedirect('https://id.example.org/sso', message, relayState, idp);
  assert.deepEqual(decodeRedirect(queryOf(signed)), { ...message, relayState, hasSignature: true });
  assert.equal(decodeRedirect(queryOf(encodeRedirect('https://x.example/', message))).relayState, undefined);
});

test('what is posted is read again', () => {
  const { action, fields } = postPage(
    'https://sp.example.org/acs',
    { name: 'SAMLResponse', xml },
    relayState,
  );
  assert.equal(action, 'https://sp.example.org/acs');
  assert.deepEqual(decodePost(fields), { name: 'SAMLResponse', xml, relayState, hasSignature: false });
  const lines = fields.SAMLResponse!.replace(/.{76}/g, '$&\r\n');
  assert.equal(decodePost({ SAMLResponse: lines }).xml, xml);
});

test('SA-05 a signed query verifies only as it was sent, with a configured key', () => {
  for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
    const query = queryOf(encodeRedirect('https://x.example/', message, relayState, { ...idp, algorithm }));
    assert.equal(verifyRedirect(query, [attacker.certificate, idp.certificate]), true);
    assert.equal(verifyRedirect(`?${query}`, [idp.certificate]), true);
    assert.equal(verifyRedirect(query, [attacker.certificate]), false);
    assert.equal(verifyRedirect(query, []), false);
  }
  const query = queryOf(encodeRedirect('https://x.example/', message, relayState, idp));
  const changed = [
    query.replace('RelayState=a', 'RelayState=b'),
    query.replace(/&RelayState=[^&]*/, ''),
    query.replace('SAMLRequest=', 'SAMLResponse='),
    query.replace(/SAMLRequest=./, 'SAMLRequest=A'),
    query.replace(/SigAlg=[^&]*/, `SigAlg=${encodeURIComponent(SIGNATURE_ALGORITHM.sha512)}`),
    query.replace(
      /SigAlg=[^&]*/,
      `SigAlg=${encodeURIComponent('http://www.w3.org/2000/09/xmldsig#rsa-sha1')}`,
    ),
    query.replace(/&SigAlg=[^&]*/, ''),
    query.replace(/&Signature=.*/, ''),
    query.replace(/&Signature=.*/, '&Signature='),
    query.replace(/&Signature=.*/, '&Signature=%ff'),
    query.replace(/Signature=..../, 'Signature=AAAA'),
    `${query}&Signature=AAAA`,
    `${query}&RelayState=evil`,
    `${query}&SAMLResponse=evil`,
  ];
  for (const one of changed) assert.equal(verifyRedirect(one, [idp.certificate]), false, one.slice(-80));
});

test('a query signed over another spelling of the same values verifies as it was spelled', () => {
  const query = queryOf(encodeRedirect('https://x.example/', message, 'x/y', idp));
  const lower = query.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  assert.notEqual(lower, query);
  assert.equal(verifyRedirect(lower, [idp.certificate]), false);
  // Our own signature holds over what stands in the address, byte for byte.
  const verify = createVerify('RSA-SHA256').update(query.slice(0, query.indexOf('&Signature=')));
  const value = decodeURIComponent(query.slice(query.indexOf('&Signature=') + 11));
  assert.ok(verify.verify(createPublicKey(idp.certificate), value, 'base64'));
});

const refusedQuery = (query: string, code: string) => assert.throws(() => decodeRedirect(query), { code });
const refusedForm = (form: Record<string, unknown>, code: string) =>
  assert.throws(() => decodePost(form), { code });
const packed = (bytes: Uint8Array) =>
  `SAMLRequest=${encodeURIComponent(Buffer.from(bytes).toString('base64'))}`;

/** A deflate stream of as many MiB of nothing, made in no time. */
function bomb(mebibytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(1 << 20), { finishFlush: constants.Z_FULL_FLUSH });
  return Buffer.concat([...Array.from({ length: mebibytes }, () => block), deflateRawSync(Buffer.alloc(0))]);
}

test('SA-11 a bomb is refused before it goes off: 1 GB and 150 MB, in less than 100 ms', () => {
  const bombs = [bomb(1024), bomb(150)];
  assert.ok(bombs[0]!.length > 256 * 1024 && bombs[1]!.length < 256 * 1024);
  for (const bytes of bombs) {
    const query = packed(bytes);
    const began = process.cpuUsage();
    refusedQuery(query, 'too-large');
    const { user, system } = process.cpuUsage(began);
    assert.ok(user + system < 100_000, `${user + system} µs`);
  }
});

test('SA-11 256 KB are the most, before base64 is decoded and after inflating', () => {
  const most = 256 * 1024;
  assert.equal(decodePost({ SAMLRequest: Buffer.alloc(most, 'a').toString('base64') }).xml.length, most);
  refusedForm({ SAMLRequest: Buffer.alloc(most + 1, 'a').toString('base64') }, 'too-large');
  refusedForm({ SAMLRequest: 'A'.repeat(50_000_000) }, 'too-large');
  refusedForm({ SAMLRequest: ' '.repeat(50_000_000) }, 'too-large');
  assert.equal(decodeRedirect(packed(deflateRawSync(Buffer.alloc(most, 'a')))).xml.length, most);
  refusedQuery(packed(deflateRawSync(Buffer.alloc(most + 1, 'a'))), 'too-large');
});

test('base64 with anything else in it is refused', () => {
  const good = Buffer.from(bySignature.both).toString('base64');
  const junk = [
    `${good}!`,
    `!${good}`,
    `${good.slice(0, 8)}-${good.slice(8)}`,
    `${good}=`,
    'QQ',
    'QR==',
    '====',
    '',
    `${good}%0A`,
    'Q==',
  ];
  for (const one of junk) refusedForm({ SAMLResponse: one }, 'not-base64');
  refusedForm({ SAMLResponse: Buffer.from([0xc3, 0x28]).toString('base64') }, 'not-utf8');
});

test('what is no deflate stream is refused', () => {
  const whole = deflateRawSync(Buffer.from(xml));
  refusedQuery(packed(Buffer.from(xml)), 'not-deflate');
  refusedQuery(packed(whole.subarray(0, -2)), 'not-deflate');
  refusedQuery(packed(Buffer.concat([whole, Buffer.from('junk')])), 'not-deflate');
});

test('parameters that are doubled, missing, both kinds, or too long are refused', () => {
  const query = packed(deflateRawSync(Buffer.from(xml)));
  refusedQuery('', 'binding');
  refusedQuery('RelayState=x', 'binding');
  refusedQuery(`${query}&${query}`, 'binding');
  refusedQuery(`${query}&${query.replace('SAMLRequest', 'SAMLResponse')}`, 'binding');
  refusedQuery(`${query}&RelayState=a&RelayState=b`, 'binding');
  refusedQuery(`${query}&SAMLEncoding=other`, 'binding');
  refusedQuery('SAMLRequest=%E0%A4%A', 'binding');
  refusedQuery(`${query}&RelayState=${'é'.repeat(1025)}`.replaceAll('é', '%C3%A9'), 'relay-state');
  assert.equal(decodeRedirect(`${query}&RelayState=${'x'.repeat(2048)}&other=1`).relayState!.length, 2048);
  refusedForm({}, 'binding');
  refusedForm({ SAMLRequest: ['a', 'b'] }, 'binding');
  refusedForm({ SAMLRequest: 'QQ==', SAMLResponse: 'QQ==' }, 'binding');
  refusedForm({ SAMLRequest: 'QQ==', RelayState: ['a'] }, 'binding');
  refusedForm({ SAMLRequest: 'QQ==', RelayState: 'x'.repeat(2049) }, 'relay-state');
  refusedForm(Object.create({ SAMLRequest: 'QQ==' }), 'binding');
});
