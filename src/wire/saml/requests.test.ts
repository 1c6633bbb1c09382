import assert from 'node:assert/strict';
import { test } from 'node:test';
import { later, now } from '#test/saml-specimen.ts';
import { makeLogoutRequest, makeLogoutResponse, readLogoutRequest, readLogoutResponse } from './logout.ts';
import { checkMessage } from './messages.ts';
import { makeAuthnRequest, readAuthnRequest } from './requests.ts';
import { AUTHN_CONTEXT, BINDING, MESSAGE_LIMIT, NAME_ID, NS, STATUS } from './saml.ts';
import { parseXml } from './xml.ts';

const root = (text: string) => parseXml(text, { maxBytes: MESSAGE_LIMIT }).documentElement!;
const header = {
  id: '_q1',
  issuer: 'https://sp.example.org/metadata?a=1&b="2"',
  issueInstant: now,
  destination: 'https://id.example.org/saml/sso',
};

test('a request that is made is read: every wish, and none', () => {
  const bare = readAuthnRequest(root(makeAuthnRequest({ ...header, acsUrl: 'https://sp.example.org/acs' })));
  assert.deepEqual(bare, {
    ...header,
    acsUrl: 'https://sp.example.org/acs',
    acsIndex: undefined,
    protocolBinding: BINDING.post,
    nameIdFormat: undefined,
    spNameQualifier: undefined,
    allowCreate: true,
    forceAuthn: false,
    isPassive: false,
    requestedAuthnContext: undefined,
    subject: undefined,
  });
  const wishes = {
    nameIdFormat: NAME_ID.persistent,
    forceAuthn: true,
    isPassive: true,
    requestedAuthnContext: {
      comparison: 'minimum' as const,
      classRefs: [AUTHN_CONTEXT.refedsMfa, AUTHN_CONTEXT.password],
    },
  };
  const subject = { value: 'ada <admin>', format: NAME_ID.emailAddress };
  const made = makeAuthnRequest({
    ...header,
    ...wishes,
    acsUrl: 'https://sp.example.org/acs',
    subject,
    allowCreate: false,
  });
  const read = readAuthnRequest(root(made));
  assert.partialDeepStrictEqual(read, wishes);
  assert.equal(read.subject?.value, 'ada <admin>');
  assert.equal(read.allowCreate, undefined);
});

test('a request of another shape is refused', () => {
  const text = makeAuthnRequest({ ...header, acsUrl: 'https://sp.example.org/acs' });
  const cases: [string, string, string][] = [
    ['<samlp:AuthnRequest ', '<samlp:AuthnRequest AssertionConsumerServiceIndex="1" ', 'shape'],
    [' Version="2.0"', ' Version="1.1"', 'version'],
    [' Version="2.0"', '', 'version'],
    ['ID="_q1"', 'ID="1 &quot;"', 'shape'],
    ['ID="_q1"', '', 'shape'],
    ['ProtocolBinding=', 'ForceAuthn="maybe" ProtocolBinding=', 'shape'],
    ['AllowCreate="true"', 'AllowCreate="TRUE"', 'shape'],
    ['<samlp:NameIDPolicy', '<samlp:NameIDPolicy/><samlp:NameIDPolicy', 'shape'],
    ['<samlp:NameIDPolicy', '<saml:Subject><saml:EncryptedID/></saml:Subject><samlp:NameIDPolicy', 'name-id'],
    ['<samlp:NameIDPolicy', '<samlp:RequestedAuthnContext Comparison="worse"/><samlp:NameIDPolicy', 'shape'],
    ['<saml:Issuer>', '<saml:Issuer></saml:Issuer><saml:Issuer>', 'shape'],
  ];
  for (const [from, to, code] of cases) {
    assert.ok(text.includes(from));
    assert.throws(() => readAuthnRequest(root(text.replace(from, to))), { code }, to);
  }
  assert.throws(() => readAuthnRequest(root(text.replaceAll('AuthnRequest', 'LogoutRequest'))), {
    code: 'root',
  });
  assert.throws(() => readAuthnRequest(root(text.replaceAll(NS.samlp, 'urn:x'))), { code: 'root' });
});

test('SA-07 a request is for here and now', () => {
  const read = readAuthnRequest(root(makeAuthnRequest({ ...header, acsUrl: 'https://sp.example.org/acs' })));
  const place = {
    now,
    skewSeconds: 60,
    maxAgeSeconds: 300,
    destinations: [header.destination],
    signed: true,
  };
  checkMessage(read, place);
  checkMessage({ ...read, destination: undefined }, { ...place, signed: false });
  const check = (over: object, code: string) =>
    assert.throws(() => checkMessage({ ...read, ...over }, { ...place, issuer: header.issuer }), { code });
  check({ destination: undefined }, 'destination');
  check({ destination: 'https://id.example.org/saml/sso/' }, 'destination');
  check({ issueInstant: later(61) }, 'too-early');
  check({ issueInstant: later(-360) }, 'expired');
  check({ notOnOrAfter: later(-60) }, 'expired');
  check({ issuer: 'https://other.example.org' }, 'issuer');
});

test('SA-14 logout messages that are made are read', () => {
  const nameId = {
    value: 'ada',
    format: NAME_ID.persistent,
    nameQualifier: 'https://id',
    spNameQualifier: 'https://sp',
  };
  const made = makeLogoutRequest({
    ...header,
    nameId,
    sessionIndexes: ['_s1', '_s2'],
    notOnOrAfter: later(60),
    reason: 'urn:oasis:names:tc:SAML:2.0:logout:user',
  });
  assert.deepEqual(readLogoutRequest(root(made)), {
    ...header,
    nameId,
    sessionIndexes: ['_s1', '_s2'],
    notOnOrAfter: later(60),
    reason: 'urn:oasis:names:tc:SAML:2.0:logout:user',
  });
  const answer = makeLogoutResponse({
    ...header,
    inResponseTo: '_q0',
    status: STATUS.responder,
    subStatus: STATUS.partialLogout,
  });
  assert.deepEqual(readLogoutResponse(root(answer)), {
    ...header,
    inResponseTo: '_q0',
    status: STATUS.responder,
    subStatus: STATUS.partialLogout,
    message: undefined,
  });
  assert.throws(() => readLogoutRequest(root(answer)), { code: 'root' });
  const nobody = made.replace(/<saml:NameID .*<\/saml:NameID>/, '');
  assert.throws(() => readLogoutRequest(root(nobody)), { code: 'shape' });
});

test('SA-13 characters XML cannot carry are never sent', () => {
  for (const value of ['a\0', 'a\u0001', '\uD800', '\uFFFE', 'a\u001b[0m']) {
    assert.throws(() => makeLogoutRequest({ ...header, nameId: { value } }), { code: 'character' });
    assert.throws(() => makeLogoutRequest({ ...header, issuer: value, nameId: { value: 'x' } }), {
      code: 'character',
    });
  }
});
