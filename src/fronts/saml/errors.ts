/** What each refusal of the house is called in SAML 2.0 (saml-core 3.2.2.2), and each bad message to a person. */
import { type ProblemCode, problems } from '#core/problem.ts';
import type { SamlRefusalCode } from '#wire/saml/refusal.ts';
import { STATUS } from '#wire/saml/saml.ts';

export interface SamlStatus {
  status: string;
  subStatus?: string;
}

const denied: SamlStatus = { status: STATUS.responder, subStatus: STATUS.requestDenied };
const failed: SamlStatus = { status: STATUS.responder, subStatus: STATUS.authnFailed };
const asked: SamlStatus = { status: STATUS.requester, subStatus: STATUS.requestUnsupported };
const fault: SamlStatus = { status: STATUS.responder };

/** What the app is told when it is told anything: only ever at an address of its own. */
export const statusOf: Record<ProblemCode, SamlStatus> = {
  'username-taken': fault,
  'username-rule': fault,
  'username-reserved': fault,
  'name-missing': fault,
  'text-too-long': asked,
  'text-not-allowed': asked,
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
  'sign-in-failed': failed,
  'too-many-attempts': denied,
  busy: fault,
  'session-ended': failed,
  'elevation-required': failed,
  'second-factor-needed': failed,
  'factor-wrong': fault,
  'too-many-codes': fault,
  'proof-needed': fault,
  'passkey-refused': fault,
  'passkey-known': fault,
  'passkey-most': fault,
  'factor-last': fault,
  'factor-off': fault,
  'second-operator-needed': fault,
  'application-unknown': denied,
  'application-disabled': denied,
  'application-forbidden': denied,
  'consent-refused': denied,
  'request-expired': asked,
  'upstream-unknown': denied,
  'upstream-unreachable': denied,
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
  'redirect-uri-refused': asked,
  'secret-weak': fault,
  'operator-forbidden': denied,
  'operator-last': fault,
  'setup-closed': fault,
  'token-refused': denied,
  'signature-refused': denied,
  'input-malformed': asked,
  'input-unknown-key': asked,
  'input-too-large': asked,
  'form-stale': asked,
  'host-refused': asked,
  'https-required': asked,
  'not-found': asked,
  conflict: fault,
  'rate-limited': fault,
  'attachment-refused': fault,
  'not-ready': fault,
  unexpected: fault,
};

/** What the app is told beside the status. */
export function statusMessage(code: ProblemCode): string {
  return problems[code];
}

/** Why a message itself was turned away, as the page for the person says it. */
export type ErrorText =
  | 'errorUnknown'
  | 'errorPlace'
  | 'errorMessage'
  | 'errorUsed'
  | 'errorStale'
  | 'errorLaunch';

/** The page for a message that was not believed; nothing about it goes back to whoever sent it. */
export function textOfRefusal(code: SamlRefusalCode): { text: ErrorText; status: number } {
  if (code === 'too-large') return { text: 'errorMessage', status: 413 };
  if (code === 'expired' || code === 'too-early') return { text: 'errorStale', status: 400 };
  return { text: 'errorMessage', status: 400 };
}
