/** Front-door links: a sign-in that we start at the app (OpenID Connect Core §4), or the app's own address. */
import type { Application } from '#core/applications/applications.ts';
import type { Person } from '#core/people/people.ts';
import { profilesFor } from '#core/profile/profile.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { LaunchAnswer, Launching } from '#signon/front.ts';
import { issuerOf } from './provider.ts';

export interface LaunchNeeds {
  database: Database;
  secrets: Secrets;
  issuer: URL;
}

/** Whether an app of this front starts a sign-in when asked by us. */
export function launches({ settings }: Application): boolean {
  return settings.oidc?.initiateLoginUri !== undefined;
}

/**
 * The app is told who asks (`iss`), where in it the person wants to be (`target_link_uri`, an address of its own), and
 * whom to expect (`login_hint`), but that only where it hears their user name anyway.
 */
export async function launch(
  needs: LaunchNeeds,
  application: Application,
  person: Person,
  here: Launching,
): Promise<LaunchAnswer> {
  const { oidc, url } = application.settings;
  if (!oidc?.initiateLoginUri) return undefined;
  const [profile] = await needs.database.read(here.context, (tx) =>
    profilesFor(tx, needs.secrets, application, [person.id]),
  );
  const start = new URL(oidc.initiateLoginUri);
  start.searchParams.set('iss', issuerOf(needs.issuer));
  const { username } = profile?.released ?? {};
  if (username) start.searchParams.set('login_hint', username);
  const target = here.target?.href ?? url;
  if (target) start.searchParams.set('target_link_uri', target);
  return { redirect: start };
}
