/** Others understand us and we understand them: node-saml as a service, xmlsec1 as the library most of them verify with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { SAML, type SamlConfig, ValidateInResponseTo } from '@node-saml/node-saml';
import { xmlsecDecrypts, xmlsecMissing, xmlsecSigns, xmlsecVerifies } from '#test/peers/xmlsec.ts';
import { attacker, bySignature, expected, idp, made, sp, swap, truth } from '#test/saml-specimen.ts';
import { decodePost, decodeRedirect, encodeRedirect, postPage } from './bindings.ts';
import { makeLogoutRequest, makeLogoutResponse, readLogoutRequest, readLogoutResponse } from './logout.ts';
import { checkMessage } from './messages.ts';
import { makeIdpMetadata, readSpMetadata } from './metadata.ts';
import { makeAuthnRequest, readAuthnRequest } from './requests.ts';
import { makeErrorResponse, makeResponse, type ResponseToMake, readResponse } from './responses.ts';
import { BINDING, MESSAGE_LIMIT, NAME_ID, NS, STATUS } from './saml.ts';
import { signElement, verifyRedirect, verifySigned } from './signature.ts';
import { parseXml } from './xml.ts';

const entry = 'https://id.example.org/saml/sso';
const slo = 'https://id.example.org/saml/slo';

/** node-saml as the service `made` is for, with everything it can check switched on. */
function service(over: Partial<SamlConfig> = {}): SAML {
  return new SAML({
    callbackUrl: made.acsUrl,
    entryPoint: entry,
    logoutUrl: slo,
    logoutCallbackUrl: 'https://sp.example.org/slo',
    issuer: made.audience,
    audience: made.audience,
    idpIssuer: made.issuer,
    idpCert: idp.certificate,
    identifierFormat: NAME_ID.persistent,
    validateInResponseTo: ValidateInResponseTo.always,
    wantAssertionsSigned: false,
    wantAuthnResponseSigned: false,
    decryptionPvk: sp.key,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    ...over,
  });
}

/** `made`, now: node-saml reads the machine's clock. */
function fresh(over: Partial<ResponseToMake> = {}): ResponseToMake {
  const now = new Date();
  const in5 = new Date(now.getTime() + 300_000);
  const dates = {
    issueInstant: now,
    notBefore: now,
    notOnOrAfter: in5,
    authnInstant: now,
    sessionNotOnOrAfter: in5,
  };
  return { ...made, ...dates, ...over };
}

const rootOf = (xml: string) => parseXml(xml, { maxBytes: MESSAGE_LIMIT }).documentElement!;
const queryOf = (url: string) => new URL(url).search;

for (const sign of ['response', 'assertion', 'both'] as const) {
  for (const encryptFor of [undefined, sp.certificate]) {
    test(`node-saml asks and takes the answer: ${sign} signed${encryptFor ? ', encrypted' : ''}`, async () => {
      const peer = service({
        wantAssertionsSigned: sign !== 'response',
        wantAuthnResponseSigned: sign !== 'assertion',
      });
      const query = queryOf(await peer.getAuthorizeUrlAsync('state', undefined, {}));
      const request = readAuthnRequest(rootOf(decodeRedirect(query).xml));
      assert.equal(request.issuer, made.audience);
      assert.equal(request.acsUrl, made.acsUrl);
      assert.equal(request.nameIdFormat, NAME_ID.persistent);
      checkMessage(request, {
        now: new Date(),
        skewSeconds: 5,
        maxAgeSeconds: 60,
        destinations: [entry],
        signed: false,
      });
      const attributes = [
        { name: 'role', values: ['reader', '<writer> & "all"'] },
        {
          name: 'name',
          values: ['</saml:AttributeValue><saml:Attribute Name="admin"><saml:AttributeValue>yes'],
        },
      ];
      const text = await makeResponse(fresh({ sign, encryptFor, inResponseTo: request.id, attributes }));
      const { fields } = postPage(made.acsUrl, { name: 'SAMLResponse', xml: text }, 'state');
      const { profile } = await peer.validatePostResponseAsync(fields);
      assert.equal(profile?.nameID, 'ada');
      assert.equal(profile?.nameIDFormat, NAME_ID.persistent);
      assert.equal(profile?.sessionIndex, '_session1');
      // SA-13: a name cannot add an attribute.
      assert.deepEqual(profile?.attributes, { role: attributes[0]!.values, name: attributes[1]!.values[0] });
    });
  }
}

test('SA-17 node-saml takes the answer of either key while ours change', async () => {
  const peer = service({
    idpCert: [attacker.certificate, idp.certificate],
    validateInResponseTo: ValidateInResponseTo.never,
  });
  for (const signer of [attacker, idp]) {
    const xml = await makeResponse(fresh({ signer, sign: 'both' }));
    const { profile } = await peer.validatePostResponseAsync(
      postPage(made.acsUrl, { name: 'SAMLResponse', xml }).fields,
    );
    assert.equal(profile?.nameID, 'ada');
  }
});

test('node-saml understands a no', async () => {
  const peer = service({ validateInResponseTo: ValidateInResponseTo.never });
  const no = {
    id: '_r',
    issuer: made.issuer,
    issueInstant: new Date(),
    destination: made.acsUrl,
    signer: idp,
  };
  const passive = makeErrorResponse({ ...no, status: STATUS.responder, subStatus: STATUS.noPassive });
  const post = (xml: string) =>
    peer.validatePostResponseAsync(postPage(made.acsUrl, { name: 'SAMLResponse', xml }).fields);
  assert.deepEqual(await post(passive), { profile: null, loggedOut: false });
  const denied = makeErrorResponse({ ...no, status: STATUS.requester, subStatus: STATUS.requestDenied });
  await assert.rejects(post(denied), /Requester error: RequestDenied/);
});

test('requests node-saml signs are verified: in the query and in the form, with all it can ask for', async () => {
  const wishes: Partial<SamlConfig> = {
    privateKey: sp.key,
    publicCert: sp.certificate,
    forceAuthn: true,
    passive: true,
    racComparison: 'minimum',
    authnContext: ['urn:oasis:names:tc:SAML:2.0:ac:classes:X509'],
  };
  const url = queryOf(await service(wishes).getAuthorizeUrlAsync('a/b?c', undefined, {}));
  const received = decodeRedirect(url);
  assert.deepEqual([received.hasSignature, received.relayState], [true, 'a/b?c']);
  assert.equal(verifyRedirect(url, [sp.certificate]), true);
  assert.equal(verifyRedirect(url, [idp.certificate]), false);
  assert.equal(verifyRedirect(url.replace('RelayState=a', 'RelayState=b'), [sp.certificate]), false);
  const form = await service({
    ...wishes,
    authnRequestBinding: 'HTTP-POST',
    skipRequestCompression: true,
  }).getAuthorizeMessageAsync('a/b?c');
  const document = parseXml(decodePost(form).xml, { maxBytes: MESSAGE_LIMIT });
  const signed = verifySigned(document, { rootName: 'samlp:AuthnRequest', certificates: [sp.certificate] });
  for (const request of [readAuthnRequest(rootOf(received.xml)), readAuthnRequest(signed)]) {
    assert.deepEqual([request.forceAuthn, request.isPassive], [true, true]);
    assert.deepEqual(request.requestedAuthnContext, {
      comparison: 'minimum',
      classRefs: wishes.authnContext,
    });
  }
});

test('SA-14 logout goes both ways with node-saml, signed in the query', async () => {
  const peer = service({
    privateKey: sp.key,
    publicCert: sp.certificate,
    validateInResponseTo: ValidateInResponseTo.never,
  });
  const person = {
    issuer: made.issuer,
    nameID: 'ada',
    nameIDFormat: NAME_ID.persistent,
    sessionIndex: '_session1',
  };
  const asked = queryOf(await peer.getLogoutUrlAsync(person as never, 'x', {}));
  assert.equal(verifyRedirect(asked, [sp.certificate]), true);
  const request = readLogoutRequest(rootOf(decodeRedirect(asked).xml));
  assert.deepEqual([request.nameId.value, request.sessionIndexes], ['ada', ['_session1']]);
  checkMessage(request, {
    now: new Date(),
    skewSeconds: 5,
    maxAgeSeconds: 60,
    destinations: [slo],
    signed: true,
  });

  const ours = {
    id: '_l',
    issuer: made.issuer,
    issueInstant: new Date(),
    destination: 'https://sp.example.org/slo',
  };
  const check = (url: string) => {
    const params = Object.fromEntries(new URL(url).searchParams);
    return peer.validateRedirectAsync(params, queryOf(url).slice(1));
  };
  const answer = makeLogoutResponse({ ...ours, inResponseTo: request.id, status: STATUS.success });
  const answered = encodeRedirect(ours.destination, { name: 'SAMLResponse', xml: answer }, 'x', idp);
  assert.equal((await check(answered)).loggedOut, true);
  const ask = makeLogoutRequest({
    ...ours,
    nameId: made.nameId,
    sessionIndexes: ['_session1'],
    notOnOrAfter: new Date(Date.now() + 60_000),
  });
  const told = await check(encodeRedirect(ours.destination, { name: 'SAMLRequest', xml: ask }, 'x', idp));
  assert.deepEqual(
    [told.loggedOut, told.profile?.nameID, told.profile?.sessionIndex],
    [true, 'ada', '_session1'],
  );

  const back = queryOf(await peer.getLogoutResponseUrlAsync({ ...person, ID: '_l' } as never, 'x', {}, true));
  assert.equal(verifyRedirect(back, [sp.certificate]), true);
  const response = readLogoutResponse(rootOf(decodeRedirect(back).xml));
  assert.deepEqual([response.inResponseTo, response.status], ['_l', STATUS.success]);
});

test("node-saml's metadata is read, signed by itself", () => {
  const peer = service({
    privateKey: sp.key,
    publicCert: sp.certificate,
    signMetadata: true,
    wantAssertionsSigned: true,
  });
  const text = peer.generateServiceProviderMetadata(sp.certificate, sp.certificate);
  const read = readSpMetadata(text, { certificates: [sp.certificate] });
  assert.equal(read.entityId, made.audience);
  assert.deepEqual(read.acs, [{ url: made.acsUrl, binding: BINDING.post, index: 1, isDefault: true }]);
  assert.deepEqual(read.certificates.map(({ use }) => use).sort(), ['encryption', 'signing']);
  assert.equal(read.wantAssertionsSigned, true);
});

const skip = xmlsecMissing();

test('xmlsec1 accepts every signature of ours, and none once it was changed', { skip }, async () => {
  const request = makeAuthnRequest({
    id: '_q',
    issuer: made.audience,
    issueInstant: new Date(),
    destination: entry,
    acsUrl: made.acsUrl,
  });
  const metadata = {
    ...{
      id: '_m',
      entityId: made.issuer,
      slo: [],
      certificates: [idp.certificate],
      wantAuthnRequestsSigned: false,
    },
    ...{ sso: [{ url: entry, binding: BINDING.redirect }], sign: idp },
  };
  const odd = [{ name: 'odd', values: ['é \u{1F600} \r\n\t <&>"\' \u0085 \u2028', ''] }];
  const long = { ...idp, algorithm: 'sha512' as const };
  const all: [string, string][] = [
    [bySignature.assertion, 'Assertion'],
    [bySignature.response, 'Response'],
    [bySignature.both, 'Response'],
    [bySignature.both, 'Assertion'],
    [await makeResponse({ ...made, attributes: odd, sign: 'both', signer: long }), 'Response'],
    [
      await makeResponse({ ...made, attributes: odd, sign: 'both', signer: { ...idp, algorithm: 'sha384' } }),
      'Assertion',
    ],
    [await makeResponse({ ...made, sign: 'both', encryptFor: sp.certificate }), 'Response'],
    [signElement(request, { id: '_q', ...idp }), 'AuthnRequest'],
    [makeIdpMetadata(metadata), 'EntityDescriptor'],
  ];
  for (const [text, signed] of all) {
    assert.equal(await xmlsecVerifies(text, idp.certificate, signed), true, signed);
    assert.equal(await xmlsecVerifies(text, attacker.certificate, signed), false, signed);
  }
  assert.equal(
    await xmlsecVerifies(swap('>ada<', '>eve<')(bySignature.both), idp.certificate, 'Assertion'),
    false,
  );
});

test('xmlsec1 decrypts what we encrypted', { skip }, async () => {
  const text = await makeResponse({ ...made, encryptFor: sp.certificate });
  const cipher = /<xenc:EncryptedData .*<\/xenc:EncryptedData>/s.exec(text)![0];
  const clear = await xmlsecDecrypts(cipher, sp.key);
  assert.ok(clear.includes('>ada</saml:NameID>'));
  assert.equal(await xmlsecVerifies(clear, idp.certificate, 'Assertion'), true);
});

/** An empty signature as other providers lay it out, for xmlsec1 to fill in. */
function template(id: string, prefixes: string): string {
  const ec = `<ec:InclusiveNamespaces xmlns:ec="${NS.ec}" PrefixList="${prefixes}"/>`;
  return `<dsig:Signature xmlns:dsig="${NS.ds}">
    <dsig:SignedInfo>
      <dsig:CanonicalizationMethod Algorithm="${NS.ec}">${ec}</dsig:CanonicalizationMethod>
      <dsig:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
      <dsig:Reference URI="#${id}"><dsig:Transforms>
        <dsig:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
        <dsig:Transform Algorithm="${NS.ec}">${ec}</dsig:Transform>
      </dsig:Transforms><dsig:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><dsig:DigestValue/>
      </dsig:Reference>
    </dsig:SignedInfo>
    <dsig:SignatureValue/>
  </dsig:Signature>`;
}

test('what xmlsec1 signed is read, with inclusive prefixes, foreign ones and lines broken anywhere', {
  skip,
}, async () => {
  const bare = bySignature.assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, '');
  const prefixed = bare
    .replaceAll('saml:', 's:')
    .replaceAll('xmlns:saml=', 'xmlns:s=')
    .replace(
      '<samlp:Response ',
      '<samlp:Response xmlns:unused="urn:unused" xmlns:xs="http://www.w3.org/2001/XMLSchema" ',
    )
    .replaceAll(/ xmlns:xs="[^"]*" xmlns:xsi=/g, ' xmlns:xsi=')
    .replaceAll('><', '>\n  <');
  for (const text of [bare, prefixed]) {
    for (const prefixes of ['xs', 'unused xs samlp', '']) {
      const issuer = /(<\/s(?:aml)?:Issuer>)(\s*<s(?:aml)?:Subject>)/;
      const laid = text.replace(
        issuer,
        (_all, end: string, rest: string) => `${end}${template('_assertion1', prefixes)}${rest}`,
      );
      const signed = await xmlsecSigns(laid, idp.key);
      assert.deepEqual(readResponse(signed, expected), truth);
    }
  }
});

test('what is written without prefixes is read, as Microsoft Entra writes it', { skip }, async () => {
  const bare = bySignature.assertion.replace(/<ds:Signature .*<\/ds:Signature>/s, '');
  const plain = bare
    .replaceAll('<saml:', '<')
    .replaceAll('</saml:', '</')
    .replace(/ xmlns:saml="[^"]*"/g, '')
    .replace(`<Issuer>`, `<Issuer xmlns="${NS.saml}">`)
    .replace('<Assertion ', `<Assertion xmlns="${NS.saml}" `);
  const signature = template('_assertion1', '')
    .replaceAll('dsig:', '')
    .replace('xmlns:dsig', 'xmlns')
    .replace(/<ec:InclusiveNamespaces [^>]*>/g, '');
  const laid = plain.replace('</Issuer><Subject>', () => `</Issuer>${signature}<Subject>`);
  const signed = await xmlsecSigns(laid, idp.key);
  assert.doesNotMatch(signed, /<\w+:(?:Assertion|Signature)/);
  assert.deepEqual(readResponse(signed, expected), truth);
  assert.throws(() => readResponse(signed.replace('>ada<', '>eve<'), expected), { code: 'digest' });
});

test('a redirect is what any inflater reads', () => {
  const url = encodeRedirect(entry, { name: 'SAMLRequest', xml: '<a>é</a>' });
  const value = new URL(url).searchParams.get('SAMLRequest')!;
  assert.equal(inflateRawSync(Buffer.from(value, 'base64')).toString(), '<a>é</a>');
});
