import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samlKey } from '#test/saml.ts';
import { makeErrorResponse, makeResponse, type ResponseToMake, readResponse } from './responses.ts';
import { AUTHN_CONTEXT, NAME_ID, STATUS } from './saml.ts';

const idp = await samlKey();
const sp = await samlKey();
const now = new Date('2026-03-01T12:00:00.000Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);

const made: ResponseToMake = {
  id: '_response1',
  assertionId: '_assertion1',
  issuer: 'https://id.example.org/saml',
  issueInstant: now,
  audience: 'https://sp.example.org/metadata',
  acsUrl: 'https://sp.example.org/acs',
  inResponseTo: '_request1',
  nameId: {
    value: 'ada@example.org',
    format: NAME_ID.emailAddress,
    spNameQualifier: 'https://sp.example.org/metadata',
  },
  notBefore: later(-60),
  notOnOrAfter: later(300),
  authnInstant: later(-10),
  authnContext: AUTHN_CONTEXT.passwordProtectedTransport,
  sessionIndex: '_session1',
  sessionNotOnOrAfter: later(3600),
  attributes: [
    { name: 'groups', values: ['one', 'two & <three>'] },
    { name: 'name', values: ['</saml:AttributeValue><saml:Attribute Name="admin"> "Ada" \r\n\t'] },
  ],
  sign: 'assertion',
  signer: idp,
};

const expected = {
  entityId: 'https://sp.example.org/metadata',
  acsUrl: 'https://sp.example.org/acs',
  idpEntityId: 'https://id.example.org/saml',
  certificates: [idp.certificate],
  inResponseTo: '_request1',
  now,
  skewSeconds: 30,
};

for (const sign of ['assertion', 'response', 'both'] as const) {
  for (const encryptFor of [undefined, sp.certificate]) {
    test(`SA-13 what is made is read: ${sign} signed${encryptFor ? ', encrypted' : ''}`, async () => {
      const text = await makeResponse({ ...made, sign, encryptFor });
      const read = readResponse(text, { ...expected, decryptionKeys: [sp.key] });
      assert.equal(read.nameId, 'ada@example.org');
      assert.equal(read.nameIdFormat, NAME_ID.emailAddress);
      assert.equal(read.spNameQualifier, 'https://sp.example.org/metadata');
      assert.deepEqual(
        [...read.attributes],
        [
          ['groups', ['one', 'two & <three>']],
          ['name', ['</saml:AttributeValue><saml:Attribute Name="admin"> "Ada" \r\n\t']],
        ],
      );
      assert.equal(read.sessionIndex, '_session1');
      assert.equal(read.authnContext, AUTHN_CONTEXT.passwordProtectedTransport);
      assert.deepEqual(read.authnInstant, later(-10));
      assert.deepEqual(read.notOnOrAfter, later(300));
      assert.deepEqual(read.sessionNotOnOrAfter, later(3600));
      assert.equal(read.assertionId, '_assertion1');
      assert.equal(read.inResponseTo, '_request1');
    });
  }
}

test('an error response says which status', () => {
  const text = makeErrorResponse({
    id: '_r',
    issuer: made.issuer,
    issueInstant: now,
    destination: made.acsUrl,
    inResponseTo: '_request1',
    status: STATUS.responder,
    subStatus: STATUS.noPassive,
    signer: idp,
  });
  assert.throws(() => readResponse(text, expected), {
    code: 'status',
    detail: `${STATUS.responder} ${STATUS.noPassive}`,
  });
});
