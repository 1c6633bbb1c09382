/** A genuine signature is not enough: for whom, where, when, and in answer to what (saml-profiles 4.1.4.3). */
import { test } from 'node:test';
import {
  accepted,
  bySignature,
  edited,
  expected,
  later,
  made,
  now,
  refused,
  swap,
} from '#test/saml-specimen.ts';
import { nameIdMarkup } from './messages.ts';
import type { SamlRefusalCode } from './refusal.ts';
import { makeErrorResponse } from './responses.ts';
import { STATUS } from './saml.ts';

const other = 'https://other.example.org/';
const noAudience = (text: string) =>
  text.replace(/<saml:AudienceRestriction>.*<\/saml:AudienceRestriction>/s, '');
const drop = (attribute: string, element: string) => (text: string) =>
  text.replace(new RegExp(`(<${element}[^>]*?) ${attribute}="[^"]*"`), '$1');

const signed: [string, string, SamlRefusalCode][] = [
  ['an assertion for another audience', edited({}, 'assertion', { audience: other }), 'audience'],
  [
    'an audience that only begins like ours',
    edited({}, 'assertion', { audience: `${made.audience}/x` }),
    'audience',
  ],
  ['an assertion for nobody in particular', edited({ assertion: noAudience }), 'audience'],
  [
    'a second restriction without us',
    edited({
      assertion: swap(
        '</saml:Conditions>',
        `<saml:AudienceRestriction><saml:Audience>${other}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
      ),
    }),
    'audience',
  ],
  [
    'another recipient',
    edited({ assertion: swap(`Recipient="${made.acsUrl}"`, `Recipient="${other}"`) }),
    'recipient',
  ],
  ['no recipient', edited({ assertion: drop('Recipient', 'saml:SubjectConfirmationData') }), 'recipient'],
  [
    'another destination',
    edited({ response: swap(`Destination="${made.acsUrl}"`, `Destination="${other}"`) }, 'response'),
    'destination',
  ],
  [
    'another destination, not signed',
    swap(`Destination="${made.acsUrl}"`, `Destination="${other}"`)(bySignature.assertion),
    'destination',
  ],
  [
    'no destination in a signed response',
    edited({ response: drop('Destination', 'samlp:Response') }, 'response'),
    'destination',
  ],
  [
    'another issuer of the assertion',
    edited({ assertion: swap(`>${made.issuer}<`, `>${other}<`) }),
    'issuer',
  ],
  [
    'another issuer of the response',
    edited({ response: swap(`>${made.issuer}<`, `>${other}<`) }, 'response'),
    'issuer',
  ],
  [
    'an issuer that is no entity',
    edited({ assertion: swap('<saml:Issuer>', '<saml:Issuer Format="urn:x">') }),
    'issuer',
  ],
  [
    'no issuer',
    edited({ assertion: (text) => text.replace(/<saml:Issuer>.*?<\/saml:Issuer>/, '') }),
    'shape',
  ],
  [
    'an answer to another request',
    edited({ assertion: swap('InResponseTo="_request1"', 'InResponseTo="_request2"') }),
    'in-response-to',
  ],
  [
    'a response to another request',
    edited({ response: swap('InResponseTo="_request1"', 'InResponseTo="_request2"') }),
    'in-response-to',
  ],
  [
    'an unsolicited assertion in an answer',
    edited({ assertion: drop('InResponseTo', 'saml:SubjectConfirmationData') }),
    'in-response-to',
  ],
  [
    'a holder of a key in place of a bearer',
    edited({ assertion: swap('cm:bearer', 'cm:holder-of-key') }),
    'confirmation',
  ],
  [
    'a confirmation that is not yet',
    edited({
      assertion: swap(
        '<saml:SubjectConfirmationData ',
        '<saml:SubjectConfirmationData NotBefore="2026-03-01T11:00:00Z" ',
      ),
    }),
    'confirmation',
  ],
  [
    'a confirmation without an end',
    edited({ assertion: drop('NotOnOrAfter', 'saml:SubjectConfirmationData') }),
    'confirmation',
  ],
  [
    'a condition nobody knows',
    edited({ assertion: swap('</saml:Conditions>', '<saml:Condition></saml:Condition></saml:Conditions>') }),
    'condition',
  ],
  [
    'no conditions',
    edited({ assertion: (text) => text.replace(/<saml:Conditions .*<\/saml:Conditions>/s, '') }),
    'shape',
  ],
  [
    'no sign-in',
    edited({ assertion: (text) => text.replace(/<saml:AuthnStatement .*<\/saml:AuthnStatement>/s, '') }),
    'shape',
  ],
  ['a sign-in of the future', edited({}, 'assertion', { authnInstant: later(3600) }), 'too-early'],
  ['a session that has ended', edited({}, 'assertion', { sessionNotOnOrAfter: later(-31) }), 'expired'],
  ['an assertion of the future', edited({}, 'assertion', { issueInstant: later(31) }), 'too-early'],
  [
    'a response of the future',
    edited({
      response: swap('IssueInstant="2026-03-01T12:00:00Z" D', 'IssueInstant="2026-03-01T13:00:00Z" D'),
    }),
    'too-early',
  ],
  ['SAML 1.1', edited({ assertion: swap('Version="2.0"', 'Version="1.1"') }), 'version'],
  [
    'a moment without a zone',
    edited({ assertion: swap('NotBefore="2026-03-01T11:59:00Z"', 'NotBefore="2026-03-01T11:59:00"') }),
    'shape',
  ],
  [
    'a moment that never is',
    edited({ assertion: swap('NotBefore="2026-03-01T11:59:00Z"', 'NotBefore="2026-13-01T11:59:00Z"') }),
    'shape',
  ],
  ['no ID', edited({ response: drop('ID', 'samlp:Response') }), 'shape'],
  [
    'nobody named',
    edited({ assertion: (text) => text.replace(/<saml:NameID .*<\/saml:NameID>/s, '') }),
    'name-id',
  ],
  ['a blank name', edited({ assertion: swap('>ada<', '> <') }), 'name-id'],
  [
    'a name in cipher',
    edited({
      assertion: (text) =>
        text.replace(nameIdMarkup(made.nameId).markup, '<saml:EncryptedID></saml:EncryptedID>'),
    }),
    'name-id',
  ],
];

for (const [name, text, code] of signed) test(`SA-07 refused: ${name}`, () => refused(text, code));

test('SA-07 a status other than success is refused with both its codes', () => {
  const no = {
    id: '_r',
    issuer: made.issuer,
    issueInstant: now,
    destination: made.acsUrl,
    inResponseTo: '_request1',
  };
  refused(makeErrorResponse({ ...no, status: STATUS.responder, subStatus: STATUS.authnFailed }), 'status');
  refused(edited({ response: swap(STATUS.success, STATUS.requester) }, 'both'), 'status');
  refused(swap(STATUS.success, STATUS.requester)(bySignature.assertion), 'status');
});

const at = (seconds: number, skewSeconds = 30) => ({ ...expected, now: later(seconds), skewSeconds });

test('SA-07 before and after its time it is refused, and within the skew it is not', () => {
  accepted(bySignature.both, at(-30));
  refused(bySignature.both, 'too-early', at(-31));
  accepted(bySignature.both, at(329));
  refused(bySignature.both, 'expired', at(330));
  refused(bySignature.both, 'expired', at(86_400 * 365));
  refused(bySignature.both, 'too-early', at(-86_400 * 365));
});

test('SA-07 no caller gets more than a minute of skew', () => {
  accepted(bySignature.both, at(-60, 60));
  refused(bySignature.both, 'too-early', at(-61, 86_400));
  accepted(bySignature.both, at(359, 86_400));
  refused(bySignature.both, 'expired', at(360, 86_400));
  refused(bySignature.both, 'expired', at(300, -5));
});

test('SA-07 expectations of ours that differ refuse the same response', () => {
  refused(bySignature.both, 'destination', { ...expected, acsUrl: other });
  refused(bySignature.both, 'audience', { ...expected, entityId: other });
  refused(bySignature.both, 'issuer', { ...expected, idpEntityId: other });
  refused(bySignature.both, 'in-response-to', { ...expected, inResponseTo: '_request2' });
});

test('SA-08 who asked nothing takes no answer to a request, and the other way round', () => {
  refused(bySignature.both, 'in-response-to', { ...expected, inResponseTo: undefined });
  const unsolicited = edited({ response: (text) => text.replace(/ InResponseTo="[^"]*"/, '') }, 'both', {
    inResponseTo: undefined,
  });
  refused(unsolicited, 'in-response-to');
});
