/**
 * SAML identity providers as upstreams (saml-profiles 4.1): the way there by HTTP-Redirect, the answer by HTTP-POST. The
 * answer is a form of another site, so it comes without our cookies. It is read and believed at once, kept sealed, and
 * opens something only for the browser that set out, which comes for it by the redirect that answers its form; scripts
 * are not needed for that, nor cookies that other sites' forms would carry.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { community } from '#core/community/community.ts';
import { Problem } from '#core/problem.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { system } from '#kit/db/database.ts';
import type { TxContext } from '#kit/db/tx.ts';
import type { App } from '#kit/http/server.ts';
import type { Limits } from '#kit/limits/limits.ts';
import { boundNetwork } from '#signon/request-limits.ts';
import type { Engine } from '#signon/saml-keys/engine.ts';
import type { ReadAssertion } from '#wire/saml/assertions.ts';
import { decodePost, encodeRedirect } from '#wire/saml/bindings.ts';
import { makeSpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { makeAuthnRequest } from '#wire/saml/requests.ts';
import { type ResponseExpectation, readResponse } from '#wire/saml/responses.ts';
import { BINDING, NAME_ID, STATUS } from '#wire/saml/saml.ts';
import { askThere } from './ask-there.ts';
import { UpstreamFailure } from './failure.ts';
import type { Told } from './identity.ts';
import {
  adoptableJourney,
  type Errand,
  hearOnce,
  type Journey,
  journeyOnTheWay,
  keepAnswer,
  type Returned,
  requestIdOf,
} from './journeys.ts';
import { type Between, toldBy } from './saml-claims.ts';
import { type IdentityProvider, identityProvider } from './saml-provider.ts';
import { type PublishedNeeds, type SamlUpstream, toSaml } from './saml-published.ts';
import { openUpstream } from './upstreams.ts';

export interface SamlNeeds extends PublishedNeeds {
  secrets: Secrets;
  limits: Limits;
  engine: Engine;
  /** Where people and providers reach us. */
  publicUrl: URL;
}

/** How far clocks may differ (SA-07). */
export const skewSeconds = 60;

/** Where this upstream's provider finds us; the first is what we are called there, too. */
export function ourPlaces({ publicUrl }: Pick<SamlNeeds, 'publicUrl'>, id: string) {
  const at = (name: string) => new URL(`/upstream/${id}/${name}`, publicUrl).href;
  return { entityId: at('metadata'), acsUrl: at('callback'), sloUrl: at('slo') };
}

export function between(needs: Pick<SamlNeeds, 'publicUrl'>, id: string, idp: IdentityProvider): Between {
  return { idp: idp.entityId, sp: ourPlaces(needs, id).entityId };
}

/** Where the browser is sent: `anew` asks for proof of this moment (ForceAuthn). */
export async function authnRequestUrl(
  needs: SamlNeeds,
  upstream: SamlUpstream,
  way: Journey & { anew?: boolean },
): Promise<URL> {
  const { saml, require } = upstream.settings;
  const idp = await identityProvider(needs, upstream);
  const { entityId, acsUrl } = ourPlaces(needs, upstream.id);
  const xml = makeAuthnRequest({
    id: requestIdOf(way),
    issuer: entityId,
    issueInstant: needs.clock.now(),
    destination: idp.ssoUrl,
    acsUrl,
    nameIdFormat: saml.nameIdFormat === 'unspecified' ? undefined : NAME_ID[saml.nameIdFormat],
    forceAuthn: way.anew,
    requestedAuthnContext:
      require.acr.length > 0 ? { comparison: 'exact', classRefs: require.acr } : undefined,
  });
  const signer = saml.signAuthnRequests ? (await needs.engine.keys()).active : undefined;
  return new URL(encodeRedirect(idp.ssoUrl, { name: 'SAMLRequest', xml }, way.handle, signer));
}

/** POST /upstream/<id>/callback and GET /upstream/<id>/metadata. `failed` shows the page of a failure. */
export function samlRoutes(
  app: App,
  needs: SamlNeeds,
  failed: (
    request: FastifyRequest,
    reply: FastifyReply,
    failure: UpstreamFailure,
    requestId?: string,
  ) => Promise<unknown>,
): void {
  metadataRoute(app, needs);
  app.post('/upstream/:upstream/callback', { config: { door: 'protocol' } }, async (request, reply) => {
    const arrived = await receive(needs, request);
    try {
      const handle = await accept(needs, request, arrived);
      return reply.redirect(`/upstream/${arrived.upstream.id}/callback?state=${handle}`, 303);
    } catch (error) {
      const failure = failureOf(arrived.upstream, error);
      if (!(failure instanceof UpstreamFailure)) throw error;
      const errand = arrived.journey?.errand;
      return failed(request, reply, failure, errand?.kind === 'sign-in' ? errand.requestId : undefined);
    }
  });
}

export function idOf(request: FastifyRequest): string {
  return String((request.params as Record<string, unknown>).upstream ?? '');
}

/** The upstream, if it is open and a SAML provider (SA-15). */
export async function openSaml(needs: SamlNeeds, context: TxContext, id: string): Promise<SamlUpstream> {
  const found = toSaml(await needs.database.read(context, (tx) => openUpstream(tx, id)));
  if (!found) throw new Problem('upstream-unknown');
  return found;
}

/** An answer as it came, and the journey it says it belongs to. */
interface Arrived {
  upstream: SamlUpstream;
  context: TxContext;
  journey?: { id: string; handle: string; errand: Errand };
}

/** What an answer has as RelayState is a handle of ours (SA-18), or nothing where settings allow that. */
async function receive(needs: SamlNeeds, request: FastifyRequest): Promise<Arrived> {
  const context: TxContext = { actor: { kind: 'anonymous' }, cause: 'request', requestId: request.requestId };
  const upstream = await openSaml(needs, context, idOf(request));
  const handle = request.form.text('RelayState');
  try {
    const journey = await needs.database.read(context, (tx) =>
      journeyOnTheWay(tx, { upstream: upstream.id, handle }),
    );
    return { upstream, context, journey };
  } catch (error) {
    const isUnasked = error instanceof Problem && error.code === 'upstream-stray';
    if (!isUnasked || !upstream.settings.saml.allowIdpInitiated) throw error;
  }
  // Without a journey that was begun here it is a stranger who has something verified.
  await boundNetwork(needs, request);
  return { upstream, context };
}

/**
 * Reads an answer, believes it once (SA-09) and keeps it for the browser that set out. Returns the handle that browser
 * comes for it with.
 */
async function accept(
  needs: SamlNeeds,
  request: FastifyRequest,
  { upstream, context, journey }: Arrived,
): Promise<string> {
  const { id } = upstream;
  const { form } = request;
  const given = decodePost(Object.fromEntries(form.names().map((name) => [name, form.text(name)])));
  if (given.name !== 'SAMLResponse') throw new SamlRefusal('binding', 'a request');
  const { read, idp } = await askThere(request, upstream, () =>
    believe(needs, upstream, given.xml, journey && requestIdOf(journey)),
  );
  const told = toldBy(upstream, read, between(needs, id, idp));
  const seal = (of: string) => needs.secrets.seal(purpose, JSON.stringify(told), placeOf(of));
  return needs.database.transact(context, async (tx) => {
    await openUpstream(tx, id);
    const until = new Date(read.notOnOrAfter.getTime() + 2 * skewSeconds * 1000);
    if (!(await hearOnce(tx, id, `assertion ${idp.entityId} ${read.assertionId}`, until)))
      throw new UpstreamFailure('upstream-stray', upstream, { detail: 'this assertion came before' });
    const errand = { kind: 'sign-in' as const, persistent: false };
    if (!journey) return adoptableJourney(tx, { upstream: id, errand, seal });
    await keepAnswer(tx, journey.id, seal(journey.id));
    return journey.handle;
  });
}

interface Believed {
  read: ReadAssertion;
  idp: IdentityProvider;
}

/** A signature by a key nobody knows may be by the next one of the provider: its metadata is asked again, seldom. */
async function believe(
  needs: SamlNeeds,
  upstream: SamlUpstream,
  xml: string,
  inResponseTo: string | undefined,
): Promise<Believed> {
  const idp = await identityProvider(needs, upstream);
  try {
    return { idp, read: readResponse(xml, await expectation(needs, upstream, idp, inResponseTo)) };
  } catch (error) {
    const isPublished = upstream.settings.saml.metadata?.url !== undefined;
    if (!isPublished || !(error instanceof SamlRefusal) || error.code !== 'signature') throw error;
    const fresh = await identityProvider(needs, upstream, { fresh: true });
    return { idp: fresh, read: readResponse(xml, await expectation(needs, upstream, fresh, inResponseTo)) };
  }
}

async function expectation(
  needs: SamlNeeds,
  { id, settings }: SamlUpstream,
  idp: IdentityProvider,
  inResponseTo: string | undefined,
): Promise<ResponseExpectation> {
  const { entityId, acsUrl } = ourPlaces(needs, id);
  return {
    entityId,
    acsUrl,
    inResponseTo,
    idpEntityId: idp.entityId,
    certificates: idp.certificates,
    decryptionKeys: (await needs.engine.keys()).openers,
    wantEncrypted: settings.saml.wantEncrypted,
    now: needs.clock.now(),
    skewSeconds,
  };
}

/** From a message that was not believed to a refusal with a name; what stood in it goes to the log alone. */
export function failureOf(upstream: SamlUpstream, error: unknown): unknown {
  if (!(error instanceof SamlRefusal)) return error;
  const detail = error.message;
  if (error.code !== 'status') return new UpstreamFailure('upstream-answer', upstream, { detail });
  if (detail.includes(STATUS.noAuthnContext))
    return new UpstreamFailure('upstream-weak', upstream, { detail });
  return new UpstreamFailure('upstream-declined', upstream, { detail });
}

const purpose = 'upstream answer';
const placeOf = (journey: string) => `upstream_requests/${journey}/answer`;

/** What was kept for a journey that ended in its browser. Refuses with `upstream-answer` when nothing came. */
export function keptAnswer(
  { secrets }: Pick<SamlNeeds, 'secrets'>,
  upstream: SamlUpstream,
  journey: Pick<Returned, 'id' | 'answer'>,
): Told {
  if (!journey.answer) throw new UpstreamFailure('upstream-answer', upstream, { detail: 'no answer came' });
  const text = secrets.open(purpose, journey.answer, placeOf(journey.id)).toString('utf8');
  const told = JSON.parse(text) as Told & { provedAt?: string };
  return { ...told, provedAt: told.provedAt === undefined ? undefined : new Date(told.provedAt) };
}

/** What the provider needs to know of us, signed, with every certificate it may meet (SA-17). */
function metadataRoute(app: App, needs: SamlNeeds): void {
  const made = new Map<string, { of: string; text: string }>();
  app.get('/upstream/:upstream/metadata', { config: { door: 'public' } }, async (request, reply) => {
    const context: TxContext = { ...system('request'), requestId: request.requestId };
    const upstream = await openSaml(needs, context, idOf(request));
    const { name } = await needs.database.look(context, community);
    const { fingerprint } = await needs.engine.keys();
    const of = `${upstream.version} ${fingerprint} ${name}`;
    let known = made.get(upstream.id);
    // Signed once, not at every request of anyone who asks.
    if (known?.of !== of) {
      known = { of, text: await describeUs(needs, upstream, name) };
      made.set(upstream.id, known);
    }
    return reply
      .type('application/samlmetadata+xml; charset=utf-8')
      .header('content-disposition', `inline; filename="gatehouse-${upstream.id}-metadata.xml"`)
      .send(known.text);
  });
}

/** Without an end: many providers keep it as a file, and would stop working on that day. */
async function describeUs(needs: SamlNeeds, { id, settings }: SamlUpstream, name: string): Promise<string> {
  const { active, certificates } = await needs.engine.keys();
  const { entityId, acsUrl, sloUrl } = ourPlaces(needs, id);
  return makeSpMetadata({
    id: `_${randomToken(20)}`,
    entityId,
    acs: [{ url: acsUrl, binding: BINDING.post, index: 0, isDefault: true }],
    slo: [BINDING.redirect, BINDING.post].map((binding) => ({ binding, url: sloUrl })),
    certificates,
    nameIdFormats: [NAME_ID[settings.saml.nameIdFormat]],
    wantAssertionsSigned: true,
    authnRequestsSigned: settings.saml.signAuthnRequests,
    displayName: name,
    homeUrl: needs.publicUrl.href,
    sign: active,
  });
}
