/**
 * Who may have what, asked anew for every answer: live session, standing, the app and its door, agreement. At the
 * authorization endpoint a refusal becomes a page; everywhere else it means that the code or token counts for nothing.
 */
import type { Account, Client, KoaContextWithOIDC } from 'oidc-provider';
import { type Application, type Consent, consentOf } from '#core/applications/applications.ts';
import { factorsOf, strongestAal } from '#core/credentials/factors.ts';
import { Problem } from '#core/problem.ts';
import { type Profile, profilesFor } from '#core/profile/profile.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import { together } from '#kit/db/together.ts';
import type { Tx } from '#kit/db/tx.ts';
import { admitAt, openSessions } from '#signon/gate.ts';
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
  /** The assurance level the person can reach; known while an app asks for a sign-in. */
  strongest?: number;
}

/** The application as it is now, and whether it lets this person in. */
export async function standingOf(
  tx: Tx,
  secrets: Secrets,
  applicationId: string,
  person: string,
): Promise<Standing | undefined> {
  const found = await admitAt(tx, secrets, applicationId, [person]);
  if (!found) return undefined;
  const { application } = found;
  const answer = found.answers.get(person) ?? new Problem('person-unknown');
  if (answer instanceof Problem) return { application, refusal: answer };
  const consent = asksConsent(application) ? await consentOf(tx, person, applicationId) : undefined;
  return { application, profile: answer, consent };
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

export type StillCounts = (given: Given) => Promise<Profile | undefined>;

/**
 * Whether what was given still counts: its session lives (unless it was given for use while the person is away, OIDC
 * Core §11; a code always needs it), the person has standing, the app is on and lets them in, the agreement stands.
 * Requests that ask at the same time are answered from one snapshot.
 */
export function whatStillCounts(needs: AdmissionNeeds): StillCounts {
  return together((all: readonly Given[]) =>
    needs.database.read(system('request'), async (tx) => {
      const ids = new Set(all.flatMap((one) => one.sessionUid ?? []));
      const [sessions, standingAt] = await Promise.all([
        openSessions(tx, [...ids]),
        standingsOf(tx, needs.secrets, all),
      ]);
      return all.map((given) => {
        const person = given.sessionUid ? sessions.get(given.sessionUid)?.person : undefined;
        const needsSession = /Code$/.test(given.kind) || !given.scopes.has('offline_access');
        if (!given.accountId || (needsSession && person !== given.accountId)) return undefined;
        const standing = standingAt(given);
        if (!standing?.profile) return undefined;
        const agreed = !asksConsent(standing.application) || covers(standing.consent, given.scopes, []);
        return agreed ? standing.profile : undefined;
      });
    }),
  );
}

/** Where many people stand with their apps: one question an app, and one an agreement. */
async function standingsOf(
  tx: Tx,
  secrets: Secrets,
  all: readonly Given[],
): Promise<(given: Given) => Standing | undefined> {
  const found = new Map<string, Standing>();
  const keyOf = (given: Given) => `${given.clientId} ${given.accountId}`;
  const atApp = async (id: string) => {
    const mine = all.flatMap((one) => (one.clientId === id && one.accountId ? [one.accountId] : []));
    const admitted = await admitAt(tx, secrets, id, [...new Set(mine)]);
    if (!admitted) return;
    const { application, answers } = admitted;
    const asks = asksConsent(application);
    for (const [person, answer] of answers) {
      if (answer instanceof Problem) continue;
      const consent = asks ? await consentOf(tx, person, id) : undefined;
      found.set(`${id} ${person}`, { application, profile: answer, consent });
    }
  };
  await Promise.all([...new Set(all.flatMap((one) => one.clientId ?? []))].map(atApp));
  return (given) => found.get(keyOf(given));
}

const standings = new WeakMap<object, Standing>();
const profiles = new WeakMap<object, Profile[]>();

/** Where the person of this authorization request stands; undefined while nobody is signed in. */
export function requestStanding(ctx: KoaContextWithOIDC): Standing | undefined {
  return standings.get(ctx);
}

/** The library's `findAccount`: an account is the person, and what it may tell comes from the profile. */
export function findAccount(needs: AdmissionNeeds, stillCounts: StillCounts) {
  return async (ctx: KoaContextWithOIDC, person: string, token?: Given): Promise<Account | undefined> => {
    const context = contextOf(ctx, person);
    let profile: Profile | undefined;
    if (token) {
      profile = await stillCounts(token);
      if (!profile) return undefined;
    } else {
      const { clientId } = ctx.oidc.client!;
      const standing = await needs.database.read(context, async (tx) => {
        const [found, factors] = await Promise.all([
          standingOf(tx, needs.secrets, clientId, person),
          factorsOf(tx, person),
        ]);
        return found && { ...found, strongest: strongestAal(factors) };
      });
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
