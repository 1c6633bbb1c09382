import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestedAuthnContext } from '#wire/saml/requests.ts';
import { contextToState, type Happened, mayBeRaised } from './context.ts';

const classes = 'urn:oasis:names:tc:SAML:2.0:ac:classes:';
const ppt = `${classes}PasswordProtectedTransport`;
const plain = `${classes}unspecified`;
const time = `${classes}TimeSyncToken`;
const mfa = 'https://refeds.org/profile/mfa';
const unknown = `${classes}SmartcardPKI`;

/** What can have happened. */
const password: Happened = { aal: 1, amr: ['pwd'] };
const withCode: Happened = { aal: 2, amr: ['pwd', 'otp', 'mfa'] };
const passkey: Happened = { aal: 2, amr: ['hwk', 'user', 'mfa'] };
const told: Happened = { aal: 1, amr: ['pwd', 'mfa'] };

type Row = [
  comparison: RequestedAuthnContext['comparison'],
  classRefs: string[],
  ...stated: (string | undefined)[],
];

/** Asked, and what is stated after: a password, a password and a code, a passkey; undefined is NoAuthnContext. */
const table: Row[] = [
  ['exact', [ppt], ppt, ppt, undefined],
  ['exact', [plain], plain, plain, plain],
  ['exact', [mfa], undefined, mfa, mfa],
  ['exact', [time], undefined, time, undefined],
  ['exact', [mfa, ppt], ppt, mfa, mfa],
  ['exact', [ppt, mfa], ppt, ppt, mfa],
  ['exact', [unknown], undefined, undefined, undefined],
  ['exact', [unknown, ppt], ppt, ppt, undefined],
  ['exact', [], undefined, undefined, undefined],
  ['minimum', [ppt], ppt, ppt, mfa],
  ['minimum', [mfa], undefined, mfa, mfa],
  ['minimum', [time], undefined, time, mfa],
  ['minimum', [mfa, ppt], ppt, mfa, mfa],
  ['minimum', [unknown], undefined, undefined, undefined],
  ['minimum', [], undefined, undefined, undefined],
  ['maximum', [ppt], ppt, ppt, undefined],
  ['maximum', [mfa], ppt, mfa, mfa],
  ['maximum', [ppt, mfa], ppt, mfa, mfa],
  ['maximum', [time], ppt, time, mfa],
  ['maximum', [unknown], undefined, undefined, undefined],
  ['maximum', [], undefined, undefined, undefined],
  ['better', [ppt], undefined, mfa, mfa],
  ['better', [mfa], undefined, undefined, undefined],
  ['better', [ppt, mfa], undefined, undefined, undefined],
  ['better', [unknown], undefined, undefined, undefined],
  ['better', [ppt, unknown], undefined, undefined, undefined],
  ['better', [], undefined, undefined, undefined],
];

test('AU-20 every comparison is answered with what happened; what nobody knows is not said to have happened', () => {
  for (const [comparison, classRefs, ...stated] of table)
    for (const [index, happened] of [password, withCode, passkey].entries())
      assert.equal(
        contextToState({ comparison, classRefs }, happened),
        stated[index],
        `${comparison} ${classRefs.join(' ')} after ${happened.amr.join(' ')}`,
      );
});

test('an app that asks for nothing is told what happened', () => {
  assert.deepEqual(
    [password, withCode, passkey, { aal: 1, amr: [] }].map((one) => contextToState(undefined, one)),
    [ppt, mfa, mfa, plain],
  );
});

test('AU-20 two factors a provider told of, and nobody believes, are one', () => {
  assert.equal(contextToState(undefined, told), ppt);
  for (const comparison of ['exact', 'minimum'] as const)
    assert.equal(contextToState({ comparison, classRefs: [mfa] }, told), undefined);
  assert.equal(contextToState({ comparison: 'better', classRefs: [ppt] }, told), undefined);
});

test('a further factor is asked for where it would help, and never of whoever has given it', () => {
  const raised = (
    comparison: RequestedAuthnContext['comparison'],
    classRefs: string[],
    happened = password,
  ) => mayBeRaised({ comparison, classRefs }, happened);
  assert.deepEqual(
    [raised('exact', [mfa]), raised('minimum', [mfa]), raised('better', [ppt]), raised('exact', [time])],
    [true, true, true, true],
  );
  assert.deepEqual(
    [raised('exact', [unknown]), raised('better', [mfa]), raised('exact', []), raised('minimum', [unknown])],
    [false, false, false, false],
  );
  assert.equal(raised('exact', [time], passkey), false);
  assert.equal(raised('exact', [ppt], passkey), false);
});
