/**
 * How sure an app wants to be of the person, and what can truly be said (saml-core 3.3.2.2.1, saml-authn-context). There
 * are two grades here: a single factor, and more than one.
 */
import type { Session } from '#core/sessions/sessions.ts';
import type { RequestedAuthnContext } from '#wire/saml/requests.ts';
import { AUTHN_CONTEXT } from '#wire/saml/saml.ts';

const classes = 'urn:oasis:names:tc:SAML:2.0:ac:classes:';

/** Classes that say more than one factor, as the standard, federations and real apps write them. */
const strong = new Set<string>([
  AUTHN_CONTEXT.refedsMfa,
  AUTHN_CONTEXT.timeSyncToken,
  AUTHN_CONTEXT.mobileTwoFactorContract,
  `${classes}MobileTwoFactorUnregistered`,
  'http://schemas.microsoft.com/claims/multipleauthn',
  'urn:gatehouse:acr:2',
]);

/** Classes a single factor satisfies. */
const single = new Set<string>([
  AUTHN_CONTEXT.passwordProtectedTransport,
  AUTHN_CONTEXT.password,
  AUTHN_CONTEXT.unspecified,
  'urn:gatehouse:acr:1',
]);

/** Classes that say which proof it was: stated when it was that one (RFC 8176), and never of another as strong. */
const proofOf = new Map<string, string>([
  [AUTHN_CONTEXT.passwordProtectedTransport, 'pwd'],
  [AUTHN_CONTEXT.password, 'pwd'],
  [AUTHN_CONTEXT.timeSyncToken, 'otp'],
  [AUTHN_CONTEXT.mobileTwoFactorContract, 'otp'],
  [`${classes}MobileTwoFactorUnregistered`, 'otp'],
]);

export type Happened = Pick<Session, 'aal' | 'amr'>;

function gradeOf(reference: string): 1 | 2 | undefined {
  if (strong.has(reference)) return 2;
  return single.has(reference) ? 1 : undefined;
}

/** By the level that was reached: what a provider says of itself is in `amr` whether or not it is believed. */
function gradeNow({ aal }: Happened): 1 | 2 {
  return aal >= 2 ? 2 : 1;
}

/** What is said of a sign-in when the app asked for nothing. */
function plainClass(happened: Happened): string {
  if (gradeNow(happened) === 2) return AUTHN_CONTEXT.refedsMfa;
  return happened.amr.includes('pwd') ? AUTHN_CONTEXT.passwordProtectedTransport : AUTHN_CONTEXT.unspecified;
}

/**
 * The class to state for what was asked; undefined = what is asked for did not happen, or nobody here knows what it means.
 * `exact` and `minimum` get the first of those named that is true, `maximum` the strongest of them; where only the
 * strength fits, what happened is said. `better` is better than every one that is named.
 */
export function contextToState(
  asked: RequestedAuthnContext | undefined,
  happened: Happened,
): string | undefined {
  if (!asked) return plainClass(happened);
  const now = gradeNow(happened);
  const { comparison, classRefs } = asked;
  const grades = classRefs.map(gradeOf);
  if (comparison === 'better') {
    const better = grades.length > 0 && grades.every((grade) => grade !== undefined && now > grade);
    return better ? plainClass(happened) : undefined;
  }
  const stated = classRefs.filter((reference) => isTrue(reference, happened));
  if (comparison === 'exact') return stated[0];
  if (comparison === 'minimum')
    return stated[0] ?? (grades.some((grade) => grade && now >= grade) ? plainClass(happened) : undefined);
  const strongest = stated.find((reference) => gradeOf(reference) === now) ?? stated[0];
  return strongest ?? (grades.some((grade) => grade && now <= grade) ? plainClass(happened) : undefined);
}

function isTrue(reference: string, happened: Happened): boolean {
  const grade = gradeOf(reference);
  if (grade === undefined || grade > gradeNow(happened)) return false;
  const proof = proofOf.get(reference);
  return proof === undefined || happened.amr.includes(proof);
}

/** Whether a further factor would satisfy what did not happen: one may be added to a single one, and a code is the surest. */
export function mayBeRaised(asked: RequestedAuthnContext, { aal, amr }: Happened): boolean {
  return aal < 2 && contextToState(asked, { aal: 2, amr: [...amr, 'otp'] }) !== undefined;
}
