/**
 * What a person is asked on the way to an app, one request at a time (`/oidc/interaction/:uid`): sign in, another
 * account, may not enter, agree. Every visit works out anew what is still missing; nothing is taken from the page.
 * Refuses other browsers: the library's cookie of this very request must be there.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { decodeJwt } from 'jose';
import type { Provider } from 'oidc-provider';
import { findApplication, giveConsent } from '#core/applications/applications.ts';
import { factorsOf, strongestAal } from '#core/credentials/factors.ts';
import { Problem } from '#core/problem.ts';
import type { App } from '#kit/http/server.ts';
import { requestSignOn } from '#signon/dispatch.ts';
import type { GateNeeds, SignedOn } from '#signon/gate.ts';
import { boundRequests } from '#signon/request-limits.ts';
import { trace } from '#signon/trace.ts';
import { type Visit, visit } from '#signon/visit.ts';
import { covers, type Standing, standingOf } from './admission.ts';
import { askedBy, askedSubject, formActionOf, neededFor, satisfiesAcr } from './asked.ts';
import { asksConsent, isUnassured } from './clients.ts';
import { choosePage, consentPage, refusedPage } from './consent.ts';
import { acrOf } from './core-session.ts';
import type { Engine } from './engine.ts';
import { authorizationErrors, errorDescription } from './errors.ts';
import { pageNeeds } from './pages.ts';
import { type Answers, answersKey, proofNeededAfter } from './policy.ts';
import { paths } from './provider.ts';

export type InteractionNeeds = Omit<GateNeeds, 'floorMs'> & { engine: Engine };

type Interaction = InstanceType<Provider['Interaction']>;

/** One open request of an app, and who stands before it. */
export interface Asking {
  interaction: Interaction;
  here: Visit;
  signedOn: SignedOn;
  standing: Standing;
  scopes: string[];
  claims: string[];
  /** Where a form may lead. */
  formAction: string[];
}

type Step = 'other-account' | 'unmet' | 'choose' | 'refused' | 'consent' | 'done';

const textVersion = '1';

/** GET /oidc/interaction/:uid and POST /oidc/interaction/:uid/:answer. */
export function interactionRoutes(app: App, needs: InteractionNeeds): void {
  app.get(`${paths.interaction}/:uid`, { config: { door: 'page' } }, async (request, reply) => {
    const asking = await ask(needs, request, reply);
    if (!asking) return reply;
    const step = nextStep(asking);
    traceStep(asking, step);
    if (step === 'done') return finish(asking, reply, {});
    if (step === 'unmet') return giveUp(asking, reply, 'unmet_authentication_requirements', '');
    const signOn = await elsewhere(needs, asking);
    // Whoever switches the account by the header goes on with this request too.
    asking.here = { ...asking.here, onTheWay: signOn };
    if (step === 'refused') return refusedPage(asking, reply, signOn);
    if (step === 'consent') return consentPage(needs, asking, reply);
    return choosePage(asking, reply, signOn, step === 'other-account');
  });

  app.post(`${paths.interaction}/:uid/:answer`, { config: { door: 'form' } }, async (request, reply) => {
    const asking = await ask(needs, request, reply);
    if (!asking) return reply;
    const { answer } = request.params as { answer: string };
    const step = nextStep(asking);
    if (answer === 'back') return goBack(asking, reply, step);
    if (answer === 'continue' && step === 'choose') return note(asking, reply, { selected: true });
    if (answer === 'allow' && step === 'consent') {
      await keepConsent(needs, asking);
      return finish(asking, reply, { consented: true });
    }
    // The page was old: show what is to be asked now.
    return reply.redirect(`${paths.interaction}/${asking.interaction.uid}`, 303);
  });
}

/** Finds the open request of this browser and who is here; sends them to sign in first where that is missing. */
async function ask(
  needs: InteractionNeeds,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Asking | undefined> {
  const interaction = await openInteraction(needs.engine.provider(), request, reply);
  const here = await visit(pageNeeds(needs, request), request);
  const { signedOn } = here;
  const { params } = interaction;
  const applicationId = String(params.client_id);
  const { application, standing, strongest } = await needs.database.read(here.context, async (tx) => ({
    application: await findApplication(tx, applicationId),
    standing: signedOn && (await standingOf(tx, needs.secrets, applicationId, signedOn.person.id)),
    strongest: signedOn ? strongestAal(await factorsOf(tx, signedOn.person.id)) : 1,
  }));
  if (!application) throw new Problem('application-unknown');
  const proof = proofNeededAfter(params, startOf(interaction), application);
  const proved =
    signedOn && (!proof || signedOn.session.authTime >= proof || answersIn(interaction, here)?.proved);
  const { needed, insisted } = neededFor(params, application, strongest);
  if (!signedOn || !proved || !standing) {
    const after = signedOn && proof?.toISOString();
    const more = { provedAfter: after, neededAal: needed === 2 ? needed : undefined };
    reply.redirect(await signOnPath(needs, here, interaction, more), 303);
    return undefined;
  }
  const asking: Asking = {
    interaction,
    here,
    signedOn,
    standing,
    ...askedBy(params),
    formAction: formActionOf(params.redirect_uri),
  };
  const declined = answersIn(interaction, here)?.declined === true;
  if (signedOn.session.aal >= needed || (declined && !insisted)) return asking;
  if ((request.query as Record<string, unknown>).declined === undefined) {
    reply.redirect(await signOnPath(needs, here, interaction, { neededAal: 2 }), 303);
  } else if (insisted) await giveUp(asking, reply, 'unmet_authentication_requirements', '');
  else await note(asking, reply, { declined: true });
  return undefined;
}

/** Opens a sign-on that comes back to this request. Returns where it starts; refuses browsers that do so all the time. */
async function signOnPath(
  needs: InteractionNeeds,
  here: Visit,
  interaction: Interaction,
  more: { provedAfter?: string; neededAal?: 2 } = {},
): Promise<string> {
  const { params, uid } = interaction;
  await boundRequests(needs, here.request);
  return needs.database.transact(here.context, (tx) =>
    requestSignOn(tx, here.browser, {
      front: 'oidc',
      application: String(params.client_id),
      returnTo: `${paths.interaction}/${uid}`,
      returnOrigins: formActionOf(params.redirect_uri),
      ...more,
      declineTo: `${paths.interaction}/${uid}?declined=1`,
      loginHint: textOf(params.login_hint),
      uiLocales: textOf(params.ui_locales),
      acrValues: textOf(params.acr_values)?.split(' '),
      upstream: textOf(params.gatehouse_upstream),
    }),
  );
}

/** The id of a sign-on that "another account" goes through. */
async function elsewhere(needs: InteractionNeeds, asking: Asking): Promise<string> {
  const start = await signOnPath(needs, asking.here, asking.interaction);
  return new URL(start, 'http://localhost').searchParams.get('request') ?? '';
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, 500) : undefined;
}

async function openInteraction(
  provider: Provider,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Interaction> {
  const { uid } = request.params as { uid: string };
  const { cookies } = provider.createContext(request.raw, reply.raw);
  const bound = cookies.get(provider.cookieName('interaction'), { signed: true });
  const interaction = bound === uid ? await provider.Interaction.find(uid) : undefined;
  if (!interaction) throw new Problem('request-expired');
  return interaction;
}

function startOf(interaction: Interaction): Date {
  return new Date(String(interaction.prompt.details.started));
}

/** Answers given before, as far as they were given in the session that is here now. */
function answersIn(interaction: Interaction, here: Visit): Answers | undefined {
  const found = (interaction.result?.[answersKey] ?? interaction.lastSubmission?.[answersKey]) as
    | Answers
    | undefined;
  return found?.session === here.signedOn?.session.id ? found : undefined;
}

function traceStep({ here, standing, signedOn, scopes }: Asking, step: Step): void {
  const { settings, id: application } = standing.application;
  const groups = settings.access.groups?.length ? settings.access.groups : undefined;
  const facts = { application, person: signedOn.person.id, scopes, groups, refusal: standing.refusal?.code };
  trace(here.request, `for the app: ${step}`, facts);
}

/** What is still to be asked, in this order. */
function nextStep(asking: Asking): Step {
  const { interaction, here, signedOn, standing } = asking;
  const { params } = interaction;
  const answers = answersIn(interaction, here);
  const hint = typeof params.id_token_hint === 'string' ? decodeJwt(params.id_token_hint) : undefined;
  const wanted = askedSubject(params, hint);
  if (wanted !== undefined && standing.profile && standing.profile.subject !== wanted) return 'other-account';
  if (!satisfiesAcr(params, acrOf(signedOn.session))) return 'unmet';
  const prompts = String(params.prompt ?? '').split(' ');
  const signedInForThis = signedOn.session.authTime >= startOf(interaction);
  if (prompts.includes('select_account') && !answers?.selected && !signedInForThis) return 'choose';
  if (!standing.profile) return 'refused';
  const always = prompts.includes('consent') || isUnassured(standing.application);
  if (always && !answers?.consented) return 'consent';
  const agreed = covers(standing.consent, asking.scopes, asking.claims);
  return asksConsent(standing.application) && !agreed && !answers?.consented ? 'consent' : 'done';
}

function answersWith(asking: Asking, more: Partial<Answers>): Answers {
  const before = answersIn(asking.interaction, asking.here);
  return {
    session: asking.signedOn.session.id,
    started: startOf(asking.interaction).toISOString(),
    proved: true,
    selected: before?.selected ?? asking.signedOn.session.authTime >= startOf(asking.interaction),
    consented: before?.consented ?? false,
    declined: before?.declined,
    ...more,
  };
}

async function save(interaction: Interaction, result: Record<string, unknown>): Promise<void> {
  interaction.result = result;
  // The session before is no matter: the answers say which one they belong to.
  interaction.session = undefined;
  await interaction.save(Math.max(1, interaction.exp - Math.floor(Date.now() / 1000)));
}

/** Keeps an answer and asks on. */
async function note(asking: Asking, reply: FastifyReply, more: Partial<Answers>): Promise<FastifyReply> {
  await save(asking.interaction, { [answersKey]: answersWith(asking, more) });
  return reply.redirect(`${paths.interaction}/${asking.interaction.uid}`, 303);
}

/** Nothing is left to ask: back to the library, which answers the app. */
async function finish(asking: Asking, reply: FastifyReply, more: Partial<Answers>): Promise<FastifyReply> {
  await save(asking.interaction, { [answersKey]: answersWith(asking, more) });
  return reply.redirect(asking.interaction.returnTo, 303);
}

async function giveUp(
  asking: Asking,
  reply: FastifyReply,
  error: string,
  description: string,
): Promise<FastifyReply> {
  await save(asking.interaction, { error, ...(description && { error_description: description }) });
  return reply.redirect(asking.interaction.returnTo, 303);
}

/** The person goes back to the app without an answer: it is told why, as far as that is its matter. */
function goBack(asking: Asking, reply: FastifyReply, step: Step): Promise<FastifyReply> {
  const code = asking.standing.refusal?.code ?? 'consent-refused';
  if (step === 'choose' || step === 'other-account') {
    return giveUp(asking, reply, 'access_denied', 'The person chose no account.');
  }
  return giveUp(asking, reply, authorizationErrors[code], errorDescription(code));
}

async function keepConsent(needs: InteractionNeeds, asking: Asking): Promise<void> {
  const { consent, application } = asking.standing;
  await needs.database.transact(asking.here.context, (tx) =>
    giveConsent(tx, {
      person: asking.signedOn.person.id,
      application: application.id,
      scopes: [...new Set([...(consent?.scopes ?? []), ...asking.scopes])],
      claims: [...new Set([...(consent?.claims ?? []), ...asking.claims])],
      textVersion,
    }),
  );
}
