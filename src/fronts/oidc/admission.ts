/**
 * Who may have what, asked anew for every answer: live session, standing, the app and its door, agreement. At the
 * authorization endpoint a refusal becomes a page; everywhere else it means that the code or token counts for nothing.
 */
import type { Account, Client, KoaContextWithOIDC } from 'oidc-provider';
import {
  type Application,
  type Consent,
  consentOf,
  findApplication,
} from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx, TxContext } from '#kit/db/tx.ts';
import { admit, stillSignedOn } from '#signon/gate.ts';
import { applicationOf, asksConsent } from './clients.ts';
import { contextOf } from './exchange.ts';
import { renderClaims } from './profile.ts';

export interface AdmissionNeeds {
  database: Database;
  secrets: Secrets;
}

/** Where a person stands with an app: let in with this profile, or refused. */
export interface Standing {
  application: Application;
  profile?: Profile;
  refusal?: Problem;
  consent?: Consent;
}

/** The application as it is now, and whether it lets this person in. */
export async function standingOf(
  tx: Tx,
  secrets: Secrets,
  applicationId: string,
  person: string,
): Promise<Standing | undefined> {
  const application = await findApplication(tx, applicationId);
  if (!application) return undefined;
  try {
    const profile = await admit(tx, secrets, application, person);
    const consent = asksConsent(application) ? await consentOf(tx, person, applicationId) : undefined;
    return { application, profile, consent };
  } catch (error) {
    if (error instanceof Problem) return { application, refusal: error };
    throw error;
  }
}

/** Whether an agreement covers all that is asked. */
export function covers(
  consent: Consent | undefined,
  scopes: Iterable<string>,
  claims: Iterable<string>,
): boolean {
  return (
    consent !== undefined &&
    [...scopes].every((scope) => consent.scopes.includes(scope)) &&
    [...claims].every((claim) => consent.claims.includes(claim))
  );
}

/** What the library holds about a code or token when it asks whose it is. */
interface Given {
  kind: string;
  clientId?: string;
  accountId?: string;
  sessionUid?: string;
  scopes: Set<string>;
}

/**
 * Whether what was given still counts: its session lives (unless it was given for use while the person is away, OIDC
 * Core §11; a code always needs it), the person has standing, the app is on and lets them in, the agreement stands.
 */
export async function stillCounts(
  needs: AdmissionNeeds,
  context: TxContext,
  given: Given,
): Promise<Profile | undefined> {
  const { accountId, clientId, sessionUid, scopes } = given;
  if (!accountId || !clientId) return undefined;
  return needs.database.read(context, async (tx) => {
    const needsSession = given.kind === 'AuthorizationCode' || !scopes.has('offline_access');
    if (needsSession) {
      const here = sessionUid ? await stillSignedOn(tx, sessionUid) : undefined;
      if (here?.person.id !== accountId) return undefined;
    }
    const standing = await standingOf(tx, needs.secrets, clientId, accountId);
    if (!standing?.profile) return undefined;
    if (asksConsent(standing.application) && !covers(standing.consent, scopes, [])) return undefined;
    return standing.profile;
  });
}

const standings = new WeakMap<object, Standing>();
const profiles = new WeakMap<object, Profile[]>();

/** Where the person of this authorization request stands; undefined while nobody is signed in. */
export function requestStanding(ctx: KoaContextWithOIDC): Standing | undefined {
  return standings.get(ctx);
}

/** The library's `findAccount`: an account is the person, and what it may tell comes from the profile. */
export function findAccount(needs: AdmissionNeeds) {
  return async (ctx: KoaContextWithOIDC, person: string, token?: Given): Promise<Account | undefined> => {
    const context = contextOf(ctx, person);
    let profile: Profile | undefined;
    if (token) {
      profile = await stillCounts(needs, context, token);
      if (!profile) return undefined;
    } else {
      const { clientId } = ctx.oidc.client!;
      const standing = await needs.database.read(context, (tx) =>
        standingOf(tx, needs.secrets, clientId, person),
      );
      if (!standing) return undefined;
      standings.set(ctx, standing);
      profile = standing.profile;
    }
    if (profile) profiles.set(ctx, [...(profiles.get(ctx) ?? []), profile]);
    return {
      accountId: person,
      claims: async () => ({ ...(profile && renderClaims(profile)), sub: person }),
    };
  };
}

/** The library's `pairwiseIdentifier`: the one subject this app knows the person by, in every protocol. */
export function subjectFor(needs: AdmissionNeeds) {
  return async (ctx: KoaContextWithOIDC, person: string, client: Client): Promise<string> => {
    const application = applicationOf(client);
    const known =
      ctx.oidc.client === client ? profiles.get(ctx)?.find((one) => one.person === person) : undefined;
    if (known) return known.subject;
    const [profile] = await needs.database.read(contextOf(ctx, person), (tx) =>
      profilesFor(tx, needs.secrets, application, [person]),
    );
    if (!profile) throw new Problem('person-unknown');
    return profile.subject;
  };
}
