/** Whether what was proved is enough: the one policy of every door, per community, role and app. */
import { type Application, findApplication } from '#core/applications/applications.ts';
import type { Community } from '#core/community/community.ts';
import { type Factors, factorsOf, hasFactor, strongestAal } from '#core/credentials/factors.ts';
import { isRemembered } from '#core/credentials/remembered.ts';
import { rolesOf } from '#core/operators/operators.ts';
import { Problem } from '#core/problem.ts';
import { provedAt, type Session } from '#core/sessions/sessions.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Place } from './proof.ts';

/** What a sign-in is asked for next. */
export type Ask = 'second-factor' | 'enrol';

type Rules = Community['factors'];

/** What holds for a person at an app. */
interface Demand {
  /** A second factor is needed, also from those who have none yet. */
  required: boolean;
  /** A remembered browser stands in for it. */
  rememberable: boolean;
}

/**
 * What is still needed after this proof; undefined when it is enough. Whoever has a second factor is asked for it.
 * @param factors what is enrolled, where it was read already
 */
export async function askedOf(
  tx: Tx,
  person: string,
  proof: { aal: number; place: Place },
  rules: Rules,
  factors?: Factors,
): Promise<Ask | undefined> {
  if (proof.aal >= 2) return undefined;
  const { place } = proof;
  const demand = await demandOn(tx, person, rules, place.application);
  if (!hasFactor(factors ?? (await factorsOf(tx, person)))) return demand.required ? 'enrol' : undefined;
  const remembered =
    demand.rememberable &&
    !place.fresh &&
    (await isRemembered(tx, person, place.rememberedToken, rules.rememberDeviceDays));
  return remembered ? undefined : 'second-factor';
}

async function demandOn(
  tx: Tx,
  person: string,
  rules: Rules,
  applicationId: string | undefined,
): Promise<Demand> {
  const application = applicationId ? await findApplication(tx, applicationId) : undefined;
  const ofApp = application?.settings.assurance?.secondFactor === 'required';
  const ofRole = rules.operators === 'required' && (await rolesOf(tx, person)).length > 0;
  return { required: ofApp || ofRole || rules.secondFactor === 'required', rememberable: !ofApp && !ofRole };
}

/** Whether this person has to have a second factor, whatever app they are on the way to. */
export async function needsFactor(tx: Tx, person: string, rules: Rules): Promise<boolean> {
  return (await demandOn(tx, person, rules, undefined)).required;
}

/** Whether the browser of this person may be remembered as not needing the second factor. */
export async function mayRemember(
  tx: Tx,
  person: string,
  rules: Rules,
  application?: string,
): Promise<boolean> {
  return rules.rememberDeviceDays > 0 && (await demandOn(tx, person, rules, application)).rememberable;
}

/** The assurance level a session must have for this app; `asked` is what the request itself insists on. */
export function neededAal(application: Application | undefined, asked?: number): 1 | 2 {
  return application?.settings.assurance?.secondFactor === 'required' || (asked ?? 1) >= 2 ? 2 : 1;
}

/** How fresh proof must be for changing what an account hangs on (AU-15). */
export const proofSeconds = 300;

/** Whether the session saw proof within so many seconds that is at least as strong as the strongest enrolled. */
export async function isFresh(tx: Tx, session: Session, seconds: number): Promise<boolean> {
  const at = await strongestProofAt(tx, session);
  return at !== undefined && tx.now().getTime() - at.getTime() <= seconds * 1000;
}

/** When the session last saw proof at least as strong as the strongest that is enrolled; undefined for never. */
export async function strongestProofAt(tx: Tx, session: Session): Promise<Date | undefined> {
  return provedAt(session, strongestAal(await factorsOf(tx, session.person)));
}

/** Refuses with `proof-needed` unless `isFresh`. */
export async function requireFresh(
  tx: Tx,
  session: Session,
  { seconds = proofSeconds }: { seconds?: number } = {},
): Promise<void> {
  if (!(await isFresh(tx, session, seconds))) throw new Problem('proof-needed');
}
