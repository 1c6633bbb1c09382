/**
 * When a person must be asked something before an app gets its answer: sign in, choose an account, be told that they
 * may not enter, agree. Answers are bound to the core session they were given in.
 */
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Application } from '#core/applications/applications.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { covers, requestStanding } from './admission.ts';
import { askedBy, neededFor } from './asked.ts';
import { asksConsent, isUnassured } from './clients.ts';
import { signedOnAt } from './core-session.ts';

const { Check, Prompt, base } = interactionPolicy;

/** What our pages found out for one authorization request. */
export interface Answers {
  /** Core session these answers belong to. */
  session: string;
  /** When the request first had to ask, ISO 8601. */
  started: string;
  /** Proof as fresh as asked was given. */
  proved: boolean;
  selected: boolean;
  consented: boolean;
  /** More proof was wished for, and the person would not. */
  declined?: boolean;
}

/** Key of the answers in the library's interaction result. */
export const answersKey = 'house';

/** The answers given to this request in the very session that is here now. */
function answersOf(ctx: KoaContextWithOIDC): Answers | undefined {
  const answers = ctx.oidc.result?.[answersKey] as Answers | undefined;
  return answers?.session === signedOnAt(ctx)?.session.id ? answers : undefined;
}

/** The moment before which proof does not count for these parameters; undefined where any proof will do. */
export function proofNeededAfter(
  params: { prompt?: unknown; max_age?: unknown },
  started: Date,
  application?: Application,
): Date | undefined {
  if (
    String(params.prompt ?? '')
      .split(' ')
      .includes('login')
  )
    return started;
  const { maxAgeMinutes } = application?.settings.assurance ?? {};
  const ages = [
    params.max_age === undefined ? undefined : Number(params.max_age),
    maxAgeMinutes && maxAgeMinutes * 60,
  ].filter((age) => age !== undefined);
  return ages.length === 0 ? undefined : new Date(started.getTime() - Math.min(...ages) * 1000);
}

/** The policy of the house. */
export function housePolicy(clock: Clock): InstanceType<typeof Prompt>[] {
  const details = (ctx: KoaContextWithOIDC) => ({
    started: (ctx.oidc.result?.[answersKey] as Answers | undefined)?.started ?? clock.now().toISOString(),
  });
  const checksOfLogin = base().get('login')!.checks;
  for (const reason of ['login_prompt', 'max_age']) checksOfLogin.remove(reason);
  const login = new Prompt(
    { name: 'login', requestable: true },
    details,
    ...checksOfLogin,
    proofCheck(clock),
    strengthCheck,
  );
  login.checks.remove('login_prompt');
  const select = new Prompt({ name: 'select_account', requestable: true }, details, selectCheck);
  select.checks.remove('select_account_prompt');
  const access = new Prompt({ name: 'access', requestable: false }, details, accessCheck);
  const consent = new Prompt({ name: 'consent', requestable: true }, details, consentCheck);
  consent.checks.remove('consent_prompt');
  return [login, select, access, consent];
}

function proofCheck(clock: Clock) {
  return new Check('proof_too_old', 'the person has to sign in again', (ctx) => {
    const here = signedOnAt(ctx);
    if (!here || answersOf(ctx)?.proved) return false;
    const after = proofNeededAfter(ctx.oidc.params ?? {}, clock.now(), requestStanding(ctx)?.application);
    return after !== undefined && here.session.authTime < after;
  });
}

const strengthCheck = new Check('proof_too_weak', 'the person has to prove more', (ctx) => {
  const here = signedOnAt(ctx);
  const standing = requestStanding(ctx);
  if (!here || !standing) return false;
  const { needed, insisted } = neededFor(
    ctx.oidc.params ?? {},
    standing.application,
    standing.strongest ?? 1,
  );
  // A wish is none where nothing may be asked, nor once it was declined.
  const waived = !insisted && (ctx.oidc.prompts.has('none') || answersOf(ctx)?.declined === true);
  return here.session.aal < needed && !waived;
});

const selectCheck = new Check('account_not_selected', 'the person has to choose an account', (ctx) => {
  return ctx.oidc.prompts.has('select_account') && !answersOf(ctx)?.selected;
});

const accessCheck = new Check(
  'access_refused',
  'the person may not enter this app',
  'access_denied',
  (ctx) => {
    return requestStanding(ctx)?.profile === undefined;
  },
);

const consentCheck = new Check('consent_missing', 'the person has not agreed to share this', (ctx) => {
  return !mayShare(ctx);
});

/** Whether all that is asked has been agreed to, now or before. */
export function mayShare(ctx: KoaContextWithOIDC): boolean {
  const standing = requestStanding(ctx);
  if (!standing) return false;
  const asked = ctx.oidc.prompts.has('consent') || isUnassured(standing.application);
  if (asked && !answersOf(ctx)?.consented) return false;
  if (!asksConsent(standing.application)) return true;
  const { scopes, claims } = askedBy(ctx.oidc.params ?? {});
  return covers(standing.consent, scopes, claims);
}
