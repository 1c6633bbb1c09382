/** What is still between a request and its answer: one question after the other, asked anew at every visit. */
import { type Consent, consentOf } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import type { Profile } from '#core/profile/profile.ts';
import { neededAal } from '#signon/factor-policy.ts';
import { admit, type SignedOn } from '#signon/gate.ts';
import type { Visit } from '#signon/visit.ts';
import { NAME_ID, STATUS } from '#wire/saml/saml.ts';
import { type AnswerNeeds, isMeant, type Open } from './answer.ts';
import { contextToState, type Happened, mayBeRaised } from './context.ts';
import type { SamlStatus } from './errors.ts';
import { renderNameId, type SharedDetail, sharedDetails } from './profile.ts';

export type Step =
  /** Tell the app that it cannot be. */
  | { decline: SamlStatus & { message?: string } }
  /** Sign in, or prove more. */
  | { prove: 'sign-in' | 'further-factor' }
  | { refused: Problem }
  | { otherAccount: true }
  /** `agreed` = what the person agreed to before, here or in another protocol of this app. */
  | { consent: readonly SharedDetail[]; agreed: Pick<Consent, 'scopes' | 'claims'> }
  | { done: true };

const noPassive: SamlStatus = { status: STATUS.responder, subStatus: STATUS.noPassive };

/** What comes next. An app that said IsPassive gets an answer in every case (saml-core 3.4.1). */
export async function nextStep(needs: AnswerNeeds, here: Visit, open: Open): Promise<Step> {
  const { asked, sp } = open;
  const wrong = wrongName(open);
  if (wrong) return { decline: wrong };
  const { signedOn } = here;
  const after = proofNeededAfter(open);
  const proved = signedOn && (!after || signedOn.session.authTime >= after);
  if (!signedOn || !proved) return asked.isPassive ? { decline: noPassive } : { prove: 'sign-in' };
  const unsure = notSureEnough(open, signedOn);
  if (unsure) return unsure;
  const standing = await standingOf(needs, here, open, signedOn);
  if (standing instanceof Problem) return { refused: standing };
  const { profile, consent } = standing;
  if (asked.subject && !isMeant(asked.subject, profile, sp, needs.we)) {
    return asked.isPassive ? { decline: noPassive } : { otherAccount: true };
  }
  const details = sharedDetails(profile, sp.saml);
  if (sp.application.settings.consent === 'ask' && !covers(consent, details)) {
    return asked.isPassive
      ? { decline: noPassive }
      : { consent: details, agreed: consent ?? { scopes: [], claims: [] } };
  }
  return { done: true };
}

/** An app that insists on a kind of name it does not get is told so (saml-core 3.4.1.1), unless its settings overrule it. */
function wrongName({ asked, sp }: Open): (SamlStatus & { message: string }) | undefined {
  const wanted = asked.nameIdFormat;
  const { format, force } = sp.saml.nameId;
  if (force || wanted === undefined || wanted === NAME_ID.unspecified || wanted === NAME_ID[format])
    return undefined;
  const message = `This app is set to get names of the format ${format}.`;
  return { status: STATUS.requester, subStatus: STATUS.invalidNameIdPolicy, message };
}

/** The moment before which proof does not count: ForceAuthn, or what the settings of the app say. */
export function proofNeededAfter({ asked, sp, receivedAt }: Open): Date | undefined {
  if (asked.forceAuthn) return receivedAt;
  const { maxAgeMinutes } = sp.application.settings.assurance ?? {};
  return maxAgeMinutes === undefined ? undefined : new Date(receivedAt.getTime() - maxAgeMinutes * 60_000);
}

/** Whether a further factor is needed beside this: by the settings of the app, or because the app asks for it. */
export function needsFurtherFactor({ asked, sp }: Open, happened: Happened): boolean {
  if (neededAal(sp.application) > happened.aal) return true;
  const { context } = asked;
  return (
    context !== undefined && contextToState(context, happened) === undefined && mayBeRaised(context, happened)
  );
}

function notSureEnough(open: Open, { session }: SignedOn): Step | undefined {
  const { asked } = open;
  const further = needsFurtherFactor(open, session);
  if (further && !asked.isPassive && !open.declined) return { prove: 'further-factor' };
  const unmet = asked.context !== undefined && contextToState(asked.context, session) === undefined;
  return further || unmet
    ? { decline: { status: STATUS.responder, subStatus: STATUS.noAuthnContext } }
    : undefined;
}

async function standingOf(
  needs: AnswerNeeds,
  here: Visit,
  { sp }: Open,
  { person }: SignedOn,
): Promise<{ profile: Profile; consent?: Consent } | Problem> {
  try {
    return await needs.database.read(here.context, async (tx) => {
      const [profile, consent] = await Promise.all([
        admit(tx, needs.secrets, sp.application, person.id),
        consentOf(tx, person.id, sp.application.id),
      ]);
      // An app that knows people by an address cannot let someone in who has none.
      renderNameId(profile, sp.saml, needs.we.entityId);
      return { profile, consent };
    });
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

/** What a person agreed to here is kept beside what they agreed to in other protocols of the same app. */
export const consentScope = 'saml';

export function consentClaim(detail: SharedDetail): string {
  return `${consentScope}:${detail.from}`;
}

function covers(consent: Consent | undefined, details: readonly SharedDetail[]): boolean {
  return (
    consent?.scopes.includes(consentScope) === true &&
    details.every((detail) => consent.claims.includes(consentClaim(detail)))
  );
}
