/** What SAML would send as the NameID of somebody, for whoever compares it with accounts at the app. */
import type { Application } from '#core/applications/applications.ts';
import { nameIdSource } from '#core/applications/saml-settings.ts';
import { Problem } from '#core/problem.ts';
import type { Profile } from '#core/profile/profile.ts';
import { renderNameId } from './profile.ts';

/** The NameID and whether it stays, or why there is none; undefined for an app that does not speak SAML. */
export function samlNameOf(
  { settings: { saml } }: Application,
  profile: Profile,
): { value: string; stays: boolean } | { problem: string } | undefined {
  if (!saml) return undefined;
  try {
    // Who shares a persistent name is not compared: its value is the same for everyone who asks.
    return { value: renderNameId(profile, saml, '').value, stays: nameIdSource(saml) !== 'random' };
  } catch (error) {
    if (error instanceof Problem) return { problem: error.message };
    throw error;
  }
}
