import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { samlKey } from '#test/saml.ts';
import {
  accepted,
  attacker,
  bySignature,
  edited,
  expected,
  idp,
  made,
  now,
  refused,
  signedElsewhere,
  swap,
  truth,
} from '#test/saml-specimen.ts';
import { makeAuthnRequest, readAuthnRequest } from './requests.ts';
import { makeResponse, readResponse } from './responses.ts';
import { METADATA_LIMIT, NS } from './saml.ts';
import {
  certificateFacts,
  publicKeyOf,
  SIGNATURE_ALGORITHM,
  signElement,
  verifySigned,
} from './signature.ts';
import { parseXml } from './xml.ts';

const enveloped = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const hmac = (name: string) => (signed: import('xml-crypto').SignedXml) => {
  // The old confusion: the public key, which everyone has, as the secret of an HMAC.
  const secret = createPublicKey(idp.certificate).export({ type: 'spki', format: 'pem' });
  class Hmac {
    getSignature = (info: unknown) => createHmac('sha256', secret).update(String(info)).digest('base64');
    verifySignature = () => false;
    getAlgorithmName = () => name;
  }
  signed.SignatureAlgorithms = { [name]: Hmac as never };
};

test('what xml-crypto signs by the same profile is accepted', () => {
  accepted(signedElsewhere({}));
  accepted(
    signedElsewhere({
      signature: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
      digest: 'http://www.w3.org/2001/04/xmlenc#sha512',
    }),
  );
});

for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
  test(`signed and verified with ${algorithm}`, async () => {
    const text = await makeResponse({ ...made, sign: 'both', signer: { ...idp, algorithm } });
    assert.ok(text.includes(SIGNATURE_ALGORITHM[algorithm]));
    accepted(text);
  });
}

test('SA-05 unsigned is refused, and so is a signature without a value', () => {
  const bare = bySignature.assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, '');
  refused(bare, 'unsigned');
  const empty = bySignature.assertion.replace(/(<ds:SignatureValue>).*?(<\/)/s, '$1$2');
  refused(empty, 'not-base64');
  refused(bySignature.assertion.replace(/(<ds:DigestValue>).*?(<\/)/s, '$1$2'), 'not-base64');
});

test('SA-05 the public key as the secret of an HMAC is refused', () => {
  for (const name of [
    'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
    'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256',
  ]) {
    refused(signedElsewhere({ signature: name, setup: hmac(name) }), 'algorithm');
  }
});

test('SA-05 SHA-1 is refused, as signature and as digest', () => {
  refused(signedElsewhere({ signature: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }), 'algorithm');
  refused(signedElsewhere({ digest: 'http://www.w3.org/2000/09/xmldsig#sha1' }), 'algorithm');
});

test('SA-05 unknown and other algorithms are refused, before any key is tried', () => {
  const names = [
    'none',
    '',
    'http://www.w3.org/2000/09/xmldsig#dsa-sha1',
    'http://www.w3.org/2001/04/xmldsig-more#rsa-md5',
    'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1',
    'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256',
    'HTTP://WWW.W3.ORG/2001/04/XMLDSIG-MORE#RSA-SHA256',
    ' http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    '__proto__',
    'constructor',
  ];
  for (const name of names) {
    const text = swap(SIGNATURE_ALGORITHM.sha256, name)(bySignature.assertion);
    refused(text, name === '' ? 'shape' : 'algorithm');
  }
});

test('SA-05 an algorithm exchanged for another we know does not verify', () => {
  refused(swap(SIGNATURE_ALGORITHM.sha256, SIGNATURE_ALGORITHM.sha512)(bySignature.assertion), 'signature');
});

test('SA-05 parameters of algorithms are refused', () => {
  const text = swap(
    `<ds:SignatureMethod Algorithm="${SIGNATURE_ALGORITHM.sha256}">`,
    `<ds:SignatureMethod Algorithm="${SIGNATURE_ALGORITHM.sha256}"><ds:HMACOutputLength>1</ds:HMACOutputLength>`,
  )(bySignature.assertion);
  refused(text, 'signature-shape');
});

test('SA-05 XSLT, XPath, base64 and inclusive transforms are refused, and so is a missing or doubled one', () => {
  const names = [
    'http://www.w3.org/TR/1999/REC-xslt-19991116',
    'http://www.w3.org/TR/1999/REC-xpath-19991116',
    'http://www.w3.org/2002/06/xmldsig-filter2',
    'http://www.w3.org/2000/09/xmldsig#base64',
    'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
    'http://www.w3.org/2006/12/xml-c14n11',
    'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
  ];
  const method = `<ds:Transform Algorithm="${NS.ec}"></ds:Transform>`;
  for (const name of names) {
    const foreign = `<ds:Transform Algorithm="${name}"></ds:Transform>`;
    refused(swap(method, foreign)(bySignature.assertion), 'transform');
    refused(swap(method, `${method}${foreign}`)(bySignature.assertion), 'transform');
  }
  const xslt =
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet ' +
    'xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"></xsl:stylesheet></ds:Transform>';
  refused(swap(method, `${xslt}${method}`)(bySignature.assertion), 'transform');
  refused(swap(method, '')(bySignature.assertion), 'transform');
  refused(swap(method, method.repeat(2))(bySignature.assertion), 'transform');
  refused(signedElsewhere({ transforms: [NS.ec, enveloped] }), 'transform');
  refused(
    signedElsewhere({ transforms: [enveloped, 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315'] }),
    'transform',
  );
  refused(signedElsewhere({ canonical: 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315' }), 'algorithm');
});

test('SA-05 the certificate in the message is never trusted', () => {
  // The genuine shape, signed by a stranger who sends his own certificate along, or ours.
  refused(signedElsewhere(attacker), 'signature');
  refused(signedElsewhere({ key: attacker.key, certificate: idp.certificate }), 'signature');
  refused(edited({}, 'both', { signer: attacker }), 'signature');
  const bare = (pem: string) => pem.replace(/-----[^-]+-----|\s/g, '');
  accepted(swap(bare(idp.certificate), bare(attacker.certificate))(bySignature.assertion));
  accepted(bySignature.assertion.replace(/<ds:KeyInfo>.*<\/ds:KeyInfo>/s, ''));
  refused(bySignature.assertion, 'signature', { ...expected, certificates: [attacker.certificate] });
  refused(bySignature.assertion, 'signature', { ...expected, certificates: [] });
});

test('SA-17 while keys change, either of two certificates verifies; an expired one does and says so', async () => {
  const old = await samlKey({ from: new Date('2019-01-01'), until: new Date('2020-01-01') });
  const both = { ...expected, certificates: [old.certificate, idp.certificate] };
  accepted(bySignature.both, both);
  accepted(await makeResponse({ ...made, signer: old }), both);
  refused(await makeResponse({ ...made, signer: old }), 'signature');
  const facts = certificateFacts(old.certificate);
  assert.deepEqual(facts.notAfter, new Date('2020-01-01'));
  assert.equal(facts.key, 'rsa 2048');
  assert.match(facts.fingerprint, /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});

test('SA-05 weak keys and what is no certificate are refused as configured keys', async () => {
  const weak = await samlKey({ bits: 1024 });
  assert.throws(() => publicKeyOf(weak.certificate), { code: 'key' });
  assert.throws(() => publicKeyOf('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'), {
    code: 'key',
  });
  refused(bySignature.assertion, 'key', { ...expected, certificates: [weak.certificate] });
  // Beside a good one it does no harm, and no good either.
  accepted(bySignature.assertion, { ...expected, certificates: [weak.certificate, idp.certificate] });
  refused(await makeResponse({ ...made, signer: weak }), 'signature');
});

test('SA-01 what is read comes from the signed bytes: the document itself is not looked at again', () => {
  const document = parseXml(bySignature.response, { maxBytes: METADATA_LIMIT });
  const signed = verifySigned(document, { rootName: 'samlp:Response', certificates: [idp.certificate] });
  assert.notEqual(signed.ownerDocument, document);
  assert.equal(signed.getElementsByTagNameNS(NS.ds, 'Signature').length, 0);
});

test('SA-14 requests go through the same door: unsigned, wrapped and foreign ones are refused', () => {
  const text = makeAuthnRequest({
    id: '_q',
    issuer: 'https://sp.example.org',
    issueInstant: now,
    destination: 'https://id.example.org/sso',
    acsUrl: 'https://sp.example.org/acs',
  });
  const verify = (
    xml: string,
    rootName: 'samlp:AuthnRequest' | 'samlp:LogoutRequest' = 'samlp:AuthnRequest',
  ) =>
    verifySigned(parseXml(xml, { maxBytes: METADATA_LIMIT }), { rootName, certificates: [idp.certificate] });
  const signed = signElement(text, { id: '_q', ...idp });
  assert.equal(readAuthnRequest(verify(signed)).id, '_q');
  assert.throws(() => verify(text), { code: 'unsigned' });
  assert.throws(() => verify(signed, 'samlp:LogoutRequest'), { code: 'root' });
  assert.throws(() => verify(signElement(text, { id: '_q', ...attacker })), { code: 'signature' });
  // A captured assertion is signed, but not as the request it is wrapped in.
  const captured = /<saml:Assertion .*<\/saml:Assertion>/s.exec(bySignature.assertion)![0];
  const forged = text.replace(
    '</samlp:AuthnRequest>',
    `<samlp:Extensions>${captured}</samlp:Extensions></samlp:AuthnRequest>`,
  );
  assert.throws(() => verify(forged), { code: 'unsigned' });
  const moved = text.replace(
    '<samlp:NameIDPolicy',
    `${/<ds:Signature .*?<\/ds:Signature>/s.exec(captured)![0]}<samlp:NameIDPolicy`,
  );
  assert.throws(() => verify(moved), { code: 'reference' });
});

test('readResponse never returns what was not signed, whatever the response around it says', () => {
  const noisy = bySignature.assertion
    .replace(
      '<samlp:Status>',
      '<samlp:Extensions><x xmlns="urn:x">admin</x></samlp:Extensions><samlp:Status>',
    )
    .replace('</samlp:StatusCode>', '</samlp:StatusCode><samlp:StatusMessage>admin</samlp:StatusMessage>');
  assert.deepEqual(readResponse(noisy, expected), truth);
});
