/** Whether an app can be told who somebody is: one that knows people by an address needs one that is theirs. */
import type { Application } from '#core/applications/applications.ts';
import { nameIdSource } from '#core/applications/saml-settings.ts';
import type { ProblemCode } from '#core/problem.ts';
import type { Profile } from './profile.ts';

/** Why this app cannot be given a name of this person; undefined where it can. */
export function namelessProblem(
  { settings: { saml } }: { settings: Pick<Application['settings'], 'saml'> },
  profile: Pick<Profile, 'accountAddress'>,
): ProblemCode | undefined {
  const byAddress = saml !== undefined && nameIdSource(saml) === 'address';
  return byAddress && profile.accountAddress === undefined ? 'address-unverified' : undefined;
}
