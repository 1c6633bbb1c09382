/**
 * The closed list of refusals. The core throws `Problem(code)`; every front maps **all** codes in its own
 * `errors.ts`, so the compiler asks each protocol what a new refusal means.
 */

/** What each refusal says to a person: what happened, why, and what to do, in at most two sentences. */
export const problems = {
  // people and names
  'username-taken': 'Someone already has this user name. Choose another one.',
  'username-rule':
    'This user name does not follow the rule of this community. Choose one as described at the field.',
  'username-reserved': 'This user name is kept for the people who run the community. Choose another one.',
  'name-missing': 'A name is needed so that others know who you are. Fill in at least one of your names.',
  'text-too-long': 'This text is longer than we can keep. Shorten it.',
  'text-not-allowed':
    'This text holds characters that cannot be shown safely. Type it without control characters.',
  'address-malformed':
    'This does not look like a mail address. Check it for a missing part, like name@example.org.',
  'address-several': 'Only one mail address fits here. Type exactly one.',
  'address-taken': 'This address is already confirmed for an account. Sign in with it, or use another one.',
  'address-ours':
    'This address is one that this community makes: mail to it is passed on to you. Give the address where you read your mail.',
  'address-last': 'This is your only confirmed address. Add and confirm another one before removing it.',
  'address-primary': 'This is your main address. Make another one the main address first.',
  'address-unverified': 'This address is not confirmed yet. Open the mail we sent to it, then try again.',
  'address-unknown':
    'This address is not on your account any more. Load the page again to see the current list.',
  'person-unknown': 'There is no such person here. Check the name or the id.',
  'attribute-unknown': 'There is no field of this name in this community. Check its spelling.',
  'attribute-required': 'This field is needed. Fill it in.',
  'attribute-type': 'This does not fit the kind of field it is for. Check what the field asks for.',
  'attribute-locked':
    'This field can only be changed by the people who run the community. Ask them to change it.',
  // standing
  'standing-refused':
    'This change does not fit the current state of the account. Load the page again to see it.',
  'account-unverified': 'Your address is not confirmed yet. Open the mail we sent you, or ask for a new one.',
  'account-locked': 'This account is locked. Write to the people who run the community to have it opened.',
  'account-suspended': 'This account is suspended. Write to the people who run the community to learn why.',
  'account-closed': 'This account is closed. Write to the people who run the community if that is a mistake.',
  // signing in
  'sign-in-failed': 'The name and the password do not belong together. Try again, or set a new password.',
  'too-many-attempts':
    'There were too many attempts. Wait a while, then try again, or set a new password by mail.',
  busy: 'Very many people are signing in right now. Try again in a few seconds.',
  'session-ended': 'You were signed out. Sign in again to go on.',
  'elevation-required':
    'This needs a sign-in that is no older than ten minutes. Sign in again, then do it once more.',
  'second-factor-needed':
    'This account asks for a second proof, which this way in cannot ask for. Sign in with a browser.',
  'factor-wrong':
    'This code is not right, or was used already. Wait for the next one, or use a recovery code.',
  'too-many-codes':
    'There were too many codes that were not right. Wait a quarter of an hour, then try again, or use a passkey.',
  'proof-needed': 'This needs you to confirm that it is you. Do so, then do it once more.',
  'passkey-refused': 'This passkey could not be checked. Try again, or sign in another way.',
  'passkey-known': 'This passkey is kept for an account already. Use another one.',
  'passkey-most': 'There are as many passkeys on this account as there may be. Remove one first.',
  'factor-last': 'Accounts here need a second proof, and this is your last one. Add another one first.',
  'factor-off': 'This kind of proof is not offered here. Choose another one.',
  'second-operator-needed':
    'Two operators have to agree to this, and you are one of them already. Ask another one.',
  'application-unknown': 'This app is not known here. Check the address you came from.',
  'application-disabled': 'This app is switched off for now. Ask the people who run the community.',
  'application-forbidden': 'Your account may not enter this app. Ask the people who run it to add you.',
  'consent-refused': 'You chose not to share your details with this app, so it did not sign you in.',
  'request-expired':
    'This page was open too long and its request has ended. Go back to the app and start again.',
  // signing in through others
  'upstream-unknown': 'Signing in this way is not offered here. Choose another way to sign in.',
  'upstream-unreachable':
    'It could not be reached, or did not answer in time. Try again in a few minutes, or sign in another way.',
  'upstream-answer':
    'Its answer could not be trusted, so it was not used. Try again; tell the people who run this site if it stays.',
  'upstream-declined':
    'It did not go on with the sign-in, or you stopped it there. Try again, or sign in another way.',
  'upstream-stray':
    'This answer does not belong to a sign-in that was begun in this browser a moment ago. Start again from the sign-in page.',
  'upstream-foreign':
    'Accounts of the organisation you signed in with may not come in this way. Use another account.',
  'upstream-weak':
    'It did not say that you signed in as strongly as is needed here. Turn on a second factor there, then try again.',
  'upstream-not-fresh':
    'A sign-in of this moment is needed, and it cannot give one. Sign in another way to go on.',
  'upstream-taken':
    'The account you chose there is linked to another account here. Unlink it there first, or choose another one.',
  // mail to alias mailboxes
  'relay-list-unknown': 'There is no allow-list of this name that fits. Check its name.',
  'relay-list-used': 'Mail of an app is let in by this list. Take it out of the settings of that app first.',
  'relay-senders-missing':
    'Anybody could be this sender. Name networks of the app, or domains together with something that has to be proved.',
  'relay-request-unknown': 'There is no such request, or it was answered already. Load the list again.',
  // mailed links and codes
  'link-used': 'This link was used already or a newer one was sent. Ask for a new one if you still need it.',
  'link-expired': 'This link is too old. Ask for a new one.',
  'link-wrong': 'This link is not complete. Open it from the mail again, or copy the whole of it.',
  'code-wrong': 'This code does not match the one in the mail. Check the digits, or ask for a new mail.',
  'code-expired': 'This code is too old or a newer one was sent. Ask for a new mail.',
  // passwords
  'password-short': 'This password is too short. Use at least 8 characters.',
  'password-long': 'This password is longer than 1,024 characters. Use a shorter one.',
  'password-common':
    'This password is one of those that are tried first. Use one that only you would think of.',
  'password-contains-name':
    'This password is built from your name or the name of this community. Use another one.',
  'password-wrong': 'The current password does not match. Try again, or set a new password by mail.',
  // groups, applications, operators
  'group-unknown': 'There is no such group here. Check its name.',
  'group-taken': 'A group of this name exists already. Choose another name.',
  'alias-taken': 'Someone else already has this name at this app. Each name can belong to one person only.',
  'alias-malformed':
    'This name cannot be used at an app. Use a name without spaces around it and without control characters.',
  'redirect-uri-refused':
    'This return address cannot be used. Use https, or http on this machine only, without a fragment.',
  'secret-weak': 'This secret is too short to be safe. Use at least 32 characters, or let one be made.',
  'operator-forbidden': 'Your role does not allow this. Ask an owner of this installation.',
  'operator-last': 'This is the last owner. Name another owner first.',
  'setup-closed':
    'This link is not complete, or this installation is set up already. Open the latest link, or ask an owner for a role.',
  'token-refused':
    'This access token is missing, not known, has ended, was withdrawn, or rests because its maker may do less now. Send a good one, or make a new one.',
  'signature-refused':
    'This message is not signed with the key we know. Check the key and the address it is sent to.',
  // input
  'input-malformed': 'This request could not be read. Check its form and send it again.',
  'input-unknown-key': 'This request names something we do not know. Check the spelling of its fields.',
  'input-too-large': 'This is more than we accept in one request. Send less at once.',
  'form-stale': 'This page was open too long or came from another site. Load it again, then send it.',
  'host-refused': 'This address is not one of ours. Use the address of the community.',
  'https-required':
    'This service answers over https alone. Open its address with https; if that changes nothing, tell whoever runs it.',
  'not-found': 'There is no page here. Check the address.',
  conflict: 'Someone changed this at the same time. Load it again to see the current state.',
  'rate-limited': 'There were too many requests from your network. Wait a while, then try again.',
  'attachment-refused': 'This address cannot be reached from here. Check it, or ask for it to be allowed.',
  'not-ready': 'A part of this service is not ready. Try again in a few seconds.',
  unexpected:
    'This could not be done because of a fault on our side. Try again; quote the reference if it stays.',
} as const;

export type ProblemCode = keyof typeof problems;

export interface ProblemFacts {
  /** For the operator's log only; never shown to a person. No personal data. */
  detail?: string;
  /** Field name → code, for forms and APIs that can point at the field. */
  fields?: Record<string, ProblemCode>;
  /** Seconds after which trying again makes sense. */
  retryAfter?: number;
}

/** A refusal everyone can name: a code, a sentence, and what an operator can search for. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly facts: ProblemFacts;

  constructor(code: ProblemCode, facts: ProblemFacts = {}) {
    super(problems[code]);
    this.name = 'Problem';
    this.code = code;
    this.facts = facts;
  }
}

/** Refuses with one code a field; does nothing when there is no such field. */
export function refuseFields(fields: Record<string, ProblemCode | undefined>): void {
  const found = Object.entries(fields).filter(
    (entry): entry is [string, ProblemCode] => entry[1] !== undefined,
  );
  const first = found[0];
  if (first) throw new Problem(first[1], { fields: Object.fromEntries(found) });
}

/** Reads a form field by field, so that one answer says everything that is not right yet. */
export interface FieldReader {
  /** What `read` gives; where it refuses, the refusal is kept for this field. */
  attempt<T>(field: string, read: () => T): T | undefined;
  /** Keeps a refusal for a field; nothing without one. The first stands. */
  refuse(field: string, code: ProblemCode | undefined): void;
  /** Refuses when any field was refused. */
  end(): void;
}

export function readFields(): FieldReader {
  const fields: Record<string, ProblemCode> = {};
  const refuse = (field: string, code: ProblemCode | undefined) => {
    if (code !== undefined) fields[field] ??= code;
  };
  return {
    attempt(field, read) {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        refuse(field, error.code);
        return undefined;
      }
    },
    refuse,
    end: () => refuseFields(fields),
  };
}
