import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samlKey } from '#test/saml.ts';
import { attacker, idp, later, now, sp } from '#test/saml-specimen.ts';
import { makeIdpMetadata, makeSpMetadata, readIdpMetadata, readSpMetadata } from './metadata.ts';
import { BINDING, METADATA_LIMIT, NAME_ID, NS } from './saml.ts';
import { certificateFacts } from './signature.ts';

const next = await samlKey();
const ofIdp = {
  id: '_m1',
  entityId: 'https://id.example.org/saml',
  sso: [
    { url: 'https://id.example.org/saml/sso', binding: BINDING.redirect },
    { url: 'https://id.example.org/saml/sso', binding: BINDING.post },
  ],
  slo: [
    {
      url: 'https://id.example.org/saml/slo',
      binding: BINDING.redirect,
      responseUrl: 'https://id.example.org/saml/done',
    },
  ],
  certificates: [idp.certificate, next.certificate],
  nameIdFormats: [NAME_ID.persistent, NAME_ID.emailAddress],
  wantAuthnRequestsSigned: true,
  validUntil: later(86_400),
  displayName: 'Ada & <Söhne>',
  homeUrl: 'https://example.org/?a=1&b=2',
};
const ofSp = {
  id: '_m2',
  entityId: 'https://sp.example.org/metadata',
  acs: [
    { url: 'https://sp.example.org/acs', binding: BINDING.post, index: 0, isDefault: true },
    { url: 'https://sp.example.org/acs2', binding: BINDING.post, index: 7, isDefault: false },
  ],
  slo: [{ url: 'https://sp.example.org/slo', binding: BINDING.redirect }],
  certificates: [sp.certificate],
  wantAssertionsSigned: true,
  authnRequestsSigned: false,
};

test('SA-17 what we publish is read again, with both keys while they change', () => {
  const text = makeIdpMetadata({ ...ofIdp, sign: idp });
  const read = readIdpMetadata(text, { certificates: [idp.certificate], now });
  assert.equal(read.entityId, ofIdp.entityId);
  assert.deepEqual(read.sso, ofIdp.sso);
  assert.deepEqual(read.slo, ofIdp.slo);
  assert.deepEqual(read.nameIdFormats, ofIdp.nameIdFormats);
  assert.deepEqual(read.validUntil, ofIdp.validUntil);
  assert.equal(read.displayName, 'Ada & <Söhne>');
  assert.equal(read.wantAuthnRequestsSigned, true);
  assert.deepEqual(
    read.certificates.map(({ use, pem }) => [use, certificateFacts(pem).fingerprint]),
    [idp, next].map(({ certificate }) => ['signing', certificateFacts(certificate).fingerprint]),
  );
});

test('a service is read with its addresses, keys and wishes', () => {
  const read = readSpMetadata(makeSpMetadata(ofSp));
  assert.deepEqual(read.acs, ofSp.acs);
  assert.deepEqual(read.slo, ofSp.slo);
  assert.deepEqual(
    read.certificates.map(({ use }) => use),
    ['signing', 'encryption'],
  );
  assert.deepEqual([read.wantAssertionsSigned, read.authnRequestsSigned], [true, false]);
  assert.deepEqual(read.nameIdFormats, []);
  assert.equal(read.validUntil, undefined);
});

const text = makeSpMetadata(ofSp);
const refusedFile = (file: string, code: string, options?: Parameters<typeof readSpMetadata>[1]) =>
  assert.throws(() => readSpMetadata(file, options), { code });

test('metadata written by hand is read: comments, declarations, keys for both uses, several in one file', () => {
  const loose = text
    .replace('<md:EntityDescriptor', '<?xml version="1.0"?>\n<!-- written by hand -->\n<md:EntityDescriptor')
    .replace(/ use="signing"/, '')
    .replace('<md:SPSSODescriptor', '<!-- a > b --><md:SPSSODescriptor');
  const read = readSpMetadata(loose);
  assert.equal(read.certificates[0]!.use, 'both');
  const idpText = makeIdpMetadata(ofIdp);
  const group = `<md:EntitiesDescriptor xmlns:md="${NS.md}" validUntil="2026-03-01T18:00:00Z">${text}${idpText}</md:EntitiesDescriptor>`;
  assert.deepEqual(readSpMetadata(group).validUntil, later(6 * 3600));
  assert.equal(readIdpMetadata(group).entityId, ofIdp.entityId);
  const twins = `<md:EntitiesDescriptor xmlns:md="${NS.md}">${text}${text.replace('_m2', '_m3').replace('/metadata"', '/other"')}</md:EntitiesDescriptor>`;
  refusedFile(twins, 'root');
  assert.equal(
    readSpMetadata(twins, { entityId: 'https://sp.example.org/other' }).entityId,
    'https://sp.example.org/other',
  );
});

test('SA-04 metadata with a DOCTYPE, CDATA, instruction or of another size or kind is refused', () => {
  refusedFile(`<!DOCTYPE x [<!ENTITY a "b">]>${text}`, 'doctype');
  refusedFile(text.replace('<md:SPSSODescriptor', '<![CDATA[x]]><md:SPSSODescriptor'), 'cdata');
  refusedFile(`<?xml-stylesheet href="https://evil.example/"?>${text}`, 'instruction');
  refusedFile(text + ' '.repeat(METADATA_LIMIT), 'too-large');
  refusedFile('', 'not-xml');
  refusedFile('<html></html>', 'root');
  refusedFile(makeIdpMetadata(ofIdp), 'root');
  refusedFile(
    text.replace(
      `protocolSupportEnumeration="${NS.samlp}"`,
      'protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"',
    ),
    'root',
  );
});

test('FE-03 addresses that are no web addresses are refused', () => {
  const addresses = [
    'javascript:alert(1)',
    'data:text/html,x',
    '/acs',
    'https://user:secret@sp.example.org/acs',
    'ftp://x.example/',
    `https://x.example/${'x'.repeat(2100)}`,
  ];
  for (const url of addresses) {
    refusedFile(text.replace('Location="https://sp.example.org/acs"', `Location="${url}"`), 'shape');
    refusedFile(
      text.replace(
        'Location="https://sp.example.org/slo"',
        `Location="https://sp.example.org/slo" ResponseLocation="${url}"`,
      ),
      'shape',
    );
  }
});

test('metadata that is expired, without an address or with a broken key is refused', () => {
  refusedFile(makeSpMetadata({ ...ofSp, validUntil: now }), 'expired', { now });
  assert.ok(readSpMetadata(makeSpMetadata({ ...ofSp, validUntil: now })).validUntil);
  refusedFile(makeSpMetadata({ ...ofSp, acs: [] }), 'shape');
  refusedFile(text.replace(/<ds:X509Certificate>..../, '<ds:X509Certificate>AAAA'), 'key');
  refusedFile(text.replace(/<ds:X509Certificate>..../, '<ds:X509Certificate>!'), 'not-base64');
  refusedFile(text.replace('index="7"', 'index="seven"'), 'shape');
  assert.throws(() => readIdpMetadata(makeIdpMetadata({ ...ofIdp, certificates: [] })), { code: 'shape' });
});

test('signed metadata is believed only as signed, by a key that was given', () => {
  const signed = makeSpMetadata({ ...ofSp, sign: idp });
  const options = { certificates: [idp.certificate] };
  assert.equal(readSpMetadata(signed, options).entityId, ofSp.entityId);
  refusedFile(text, 'unsigned', options);
  refusedFile(makeSpMetadata({ ...ofSp, sign: attacker }), 'signature', options);
  refusedFile(signed.replace('sp.example.org/acs"', 'evil.example/acs"'), 'digest', options);
  const group = `<md:EntitiesDescriptor xmlns:md="${NS.md}" ID="_g">${signed}</md:EntitiesDescriptor>`;
  refusedFile(group, 'unsigned', options);
});
