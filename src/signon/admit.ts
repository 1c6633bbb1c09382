/** Who may enter which app, and what the app sees of them; the gate hands it on to the fronts. */
import { namesOfOthers } from '#core/aliases/aliases.ts';
import { type Application, findApplication } from '#core/applications/applications.ts';
import { standingProblem } from '#core/lifecycle/lifecycle.ts';
import { Problem, type ProblemCode } from '#core/problem.ts';
import { type Profile, profilesFor, profilesFrom, readFor } from '#core/profile/profile.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';

/**
 * May this person enter this app? Returns what the app will see of them. Refuses with application-disabled, the
 * person's standing, or application-forbidden. Every grant of every front asks this, refresh included.
 */
export async function admit(
  tx: Tx,
  secrets: Secrets,
  application: Application,
  personId: string,
): Promise<Profile> {
  const answer = (await admitMany(tx, secrets, application, [personId])).get(personId);
  if (!answer || answer instanceof Problem) throw answer ?? new Problem('person-unknown');
  return answer;
}

/** The same for many people at once: what the app will see of each, or why they may not enter. */
export async function admitMany(
  tx: Tx,
  secrets: Secrets,
  application: Application,
  people: readonly string[],
): Promise<Map<string, Profile | Problem>> {
  return answersOf(tx, application, people, await profilesFor(tx, secrets, application, people));
}

/** The same where the application is known by its id: it is read with the people, in one go. */
export async function admitAt(
  tx: Tx,
  secrets: Secrets,
  applicationId: string,
  people: readonly string[],
): Promise<{ application: Application; answers: Map<string, Profile | Problem> } | undefined> {
  const [application, ground] = await Promise.all([
    findApplication(tx, applicationId),
    readFor(tx, applicationId, people),
  ]);
  if (!application) return undefined;
  const profiles = profilesFrom(secrets, application, ground);
  return { application, answers: await answersOf(tx, application, people, profiles) };
}

async function answersOf(
  tx: Tx,
  application: Application,
  people: readonly string[],
  profiles: readonly Profile[],
): Promise<Map<string, Profile | Problem>> {
  const answers = new Map<string, Profile | Problem>(people.map((id) => [id, new Problem('person-unknown')]));
  // Once an app has heard of someone, nobody else is given the name they have there.
  const newcomers = profiles.filter((profile) => !profile.subjectFixed);
  const nameless =
    newcomers.length > 0 ? await namesOfOthers(tx, application.id, newcomers) : new Set<string>();
  for (const profile of profiles) {
    const named = nameless.has(profile.person) ? ('alias-taken' as const) : undefined;
    const code = refusalsAt(application, profile)[0] ?? named;
    answers.set(profile.person, code ? new Problem(code) : profile);
  }
  return answers;
}

/** Everything that keeps someone of this profile out of this app; the first is what they are told. */
export function refusalsAt(
  application: Application,
  profile: Pick<Profile, 'state' | 'mayEnter'>,
): ProblemCode[] {
  return [
    application.settings.enabled ? undefined : ('application-disabled' as const),
    standingProblem(profile.state),
    profile.mayEnter ? undefined : ('application-forbidden' as const),
  ].filter((code) => code !== undefined);
}
