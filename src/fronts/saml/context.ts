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

const passwords = new Set<string>([AUTHN_CONTEXT.passwordProtectedTransport, AUTHN_CONTEXT.password]);

export type Happened = Pick<Session, 'aal' | 'amr'>;

function gradeOf(reference: string): 1 | 2 | undefined {
  if (strong.has(reference)) return 2;
  return single.has(reference) ? 1 : undefined;
}

function gradeNow({ aal, amr }: Happened): 1 | 2 {
  return aal >= 2 || amr.includes('mfa') ? 2 : 1;
}

/** What is said of a sign-in when the app asked for nothing. */
function plainClass(happened: Happened): string {
  if (gradeNow(happened) === 2) return AUTHN_CONTEXT.refedsMfa;
  return happened.amr.includes('pwd') ? AUTHN_CONTEXT.passwordProtectedTransport : AUTHN_CONTEXT.unspecified;
}

/** The class to state, the first of those asked for that is true; undefined = what is asked for did not happen. */
export function contextToState(
  asked: RequestedAuthnContext | undefined,
  happened: Happened,
): string | undefined {
  if (!asked) return plainClass(happened);
  const now = gradeNow(happened);
  const known = asked.classRefs.flatMap((reference) => {
    const grade = gradeOf(reference);
    return grade === undefined ? [] : [{ reference, grade }];
  });
  const exact = known.find(({ reference, grade }) => {
    if (asked.comparison === 'better') return false;
    if (passwords.has(reference)) return happened.amr.includes('pwd');
    return grade <= now;
  });
  if (exact) return exact.reference;
  if (asked.comparison === 'exact') return undefined;
  const fits = known.some(({ grade }) => {
    if (asked.comparison === 'better') return now > grade;
    return asked.comparison === 'minimum' ? now >= grade : now <= grade;
  });
  return fits ? plainClass(happened) : undefined;
}

/** Whether a further factor would satisfy what did not happen. */
export function mayBeRaised(asked: RequestedAuthnContext, { amr }: Happened): boolean {
  return contextToState(asked, { aal: 2, amr }) !== undefined;
}
