/** What each refusal of the house is called in OAuth 2.0 and OpenID Connect. */
import { type ProblemCode, problems } from '#core/problem.ts';

/** Error codes of RFC 6749 §4.1.2.1 and OIDC Core §3.1.2.6 that a refusal may become at the authorization endpoint. */
export type AuthorizationError =
  | 'access_denied'
  | 'login_required'
  | 'invalid_request'
  | 'unauthorized_client'
  | 'temporarily_unavailable'
  | 'server_error';

const denied = 'access_denied';
const fault = 'server_error';
const later = 'temporarily_unavailable';

/** At the authorization endpoint. (At the token endpoint every refusal about a person or an app is `invalid_grant`.) */
export const authorizationErrors: Record<ProblemCode, AuthorizationError> = {
  'username-taken': fault,
  'username-rule': fault,
  'username-reserved': fault,
  'name-missing': fault,
  'text-too-long': 'invalid_request',
  'text-not-allowed': 'invalid_request',
  'address-malformed': fault,
  'address-several': fault,
  'address-taken': fault,
  'address-ours': fault,
  'address-last': fault,
  'address-primary': fault,
  'address-unverified': denied,
  'address-unknown': fault,
  'person-unknown': denied,
  'attribute-unknown': fault,
  'attribute-required': fault,
  'attribute-type': fault,
  'attribute-locked': fault,
  'standing-refused': denied,
  'account-unverified': denied,
  'account-locked': denied,
  'account-suspended': denied,
  'account-closed': denied,
  'sign-in-failed': denied,
  'too-many-attempts': later,
  busy: later,
  'session-ended': 'login_required',
  'elevation-required': 'login_required',
  'second-factor-needed': 'login_required',
  'factor-wrong': 'login_required',
  'too-many-codes': 'login_required',
  'proof-needed': 'login_required',
  'passkey-refused': 'login_required',
  'passkey-known': 'server_error',
  'passkey-most': 'server_error',
  'factor-last': 'server_error',
  'factor-off': 'server_error',
  'second-operator-needed': 'access_denied',
  'application-unknown': 'unauthorized_client',
  'application-disabled': 'unauthorized_client',
  'application-forbidden': denied,
  'consent-refused': denied,
  'request-expired': 'invalid_request',
  'upstream-unknown': denied,
  'upstream-unreachable': later,
  'upstream-answer': denied,
  'upstream-declined': denied,
  'upstream-stray': denied,
  'upstream-foreign': denied,
  'upstream-weak': denied,
  'upstream-not-fresh': denied,
  'upstream-taken': denied,
  'relay-list-unknown': denied,
  'relay-list-used': denied,
  'relay-senders-missing': denied,
  'relay-request-unknown': denied,
  'link-used': fault,
  'link-expired': fault,
  'link-wrong': fault,
  'code-wrong': fault,
  'code-expired': fault,
  'password-short': fault,
  'password-long': fault,
  'password-common': fault,
  'password-contains-name': fault,
  'password-wrong': fault,
  'group-unknown': fault,
  'group-taken': fault,
  'alias-taken': denied,
  'alias-malformed': fault,
  'redirect-uri-refused': 'invalid_request',
  'secret-weak': fault,
  'operator-forbidden': fault,
  'operator-last': fault,
  'setup-closed': fault,
  'token-refused': denied,
  'signature-refused': denied,
  'input-malformed': 'invalid_request',
  'input-unknown-key': 'invalid_request',
  'input-too-large': 'invalid_request',
  'form-stale': 'invalid_request',
  'host-refused': 'invalid_request',
  'https-required': 'invalid_request',
  'not-found': 'invalid_request',
  conflict: later,
  'rate-limited': later,
  'attachment-refused': fault,
  'not-ready': later,
  unexpected: fault,
};

/** What the app is told beside the code: a sentence of ours, in the characters RFC 6749 §4.1.2.1 allows. */
export function errorDescription(code: ProblemCode): string {
  return problems[code].replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '');
}
