/**
 * Answers: an assertion for the app, or a status that says why there is none. Whatever an assertion says was asked of
 * the core in the transaction that notes it; it is made and signed after that has committed.
 */
import { fixSubject } from '#core/aliases/aliases.ts';
import { requireApplication } from '#core/applications/applications.ts';
import type { ProblemCode } from '#core/problem.ts';
import type { Profile } from '#core/profile/profile.ts';
import { joinApplication, type Session } from '#core/sessions/sessions.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import { admit, type GateNeeds } from '#signon/gate.ts';
import type { Engine } from '#signon/saml-keys/engine.ts';
import type { Visit } from '#signon/visit.ts';
import { type PostForm, postPage } from '#wire/saml/bindings.ts';
import type { NameId } from '#wire/saml/messages.ts';
import type { RequestedAuthnContext } from '#wire/saml/requests.ts';
import { makeErrorResponse, makeResponse } from '#wire/saml/responses.ts';
import { contextToState } from './context.ts';
import { type SamlStatus, statusMessage, statusOf } from './errors.ts';
import { Turned } from './pages.ts';
import { newMessageId, type Ourselves } from './place.ts';
import { type RenderedAttribute, renderAttributes, renderNameId } from './profile.ts';
import { type ServiceProvider, serviceProvider } from './service.ts';
import * as store from './store.ts';

export type AnswerNeeds = Omit<GateNeeds, 'floorMs'> & { engine: Engine; we: Ourselves };

/** What an app asks, or what is asked in its place when a person is sent there from here. */
export interface Asked {
  /** Its request; undefined when it did not ask. */
  id?: string;
  /** One of its own addresses. */
  acsUrl: string;
  /** Handed back verbatim. */
  relayState?: string;
  forceAuthn: boolean;
  isPassive: boolean;
  context?: RequestedAuthnContext;
  subject?: NameId;
  /** The kind of name it wants, where it wants one. */
  nameIdFormat?: string;
}

/** A request that waits for its answer, in this browser. */
export interface Open {
  id: string;
  asked: Asked;
  receivedAt: Date;
  sp: ServiceProvider;
  /** The person was asked for a further factor just now and gives none. */
  declined?: boolean;
}

/** How long an assertion is good for on its way. */
const deliverySeconds = 300;

interface Said {
  sp: ServiceProvider;
  session: Session;
  nameId: NameId;
  attributes: RenderedAttribute[];
  sessionIndex: string;
  now: Date;
}

/** Signs the person in at the app. Refuses what the gate refuses, and a request that was answered already. */
export async function signIn(needs: AnswerNeeds, here: Visit, open: Open): Promise<PostForm> {
  const { asked } = open;
  const said = await needs.database.transact(here.context, (tx) => settle(tx, needs, here, open));
  const { sp, session, now } = said;
  const { saml } = sp;
  const { active } = await needs.engine.keys();
  const ends = saml.sessionMinutes === undefined ? undefined : now.getTime() + saml.sessionMinutes * 60_000;
  const response = await makeResponse({
    id: newMessageId(),
    assertionId: newMessageId(),
    issuer: needs.we.entityId,
    issueInstant: now,
    audience: sp.entityId,
    acsUrl: asked.acsUrl,
    inResponseTo: asked.id,
    nameId: said.nameId,
    attributes: said.attributes,
    notBefore: new Date(now.getTime() - 60_000),
    notOnOrAfter: new Date(now.getTime() + deliverySeconds * 1000),
    authnInstant: session.authTime,
    authnContext: contextToState(asked.context, session) ?? contextToState(undefined, session)!,
    sessionIndex: said.sessionIndex,
    sessionNotOnOrAfter:
      ends === undefined ? undefined : new Date(Math.min(ends, session.expiresAt.getTime())),
    sign: saml.sign,
    signer: active,
    encryptFor: saml.encrypt ? encryptionKey(sp) : undefined,
  });
  return postPage(asked.acsUrl, { name: 'SAMLResponse', xml: response }, asked.relayState);
}

/** An app that must not be read by others on the way is not told anything without its certificate. */
function encryptionKey(sp: ServiceProvider): string {
  if (sp.encryptFor === undefined) throw new Turned('errorMessage', 'no-certificate-to-encrypt-for', 500);
  return sp.encryptFor;
}

async function settle(tx: Tx, needs: AnswerNeeds, here: Visit, open: Open): Promise<Said> {
  const signedOn = here.signedOn!;
  if (!(await store.endRequest(tx, open.id))) throw new Turned('errorUsed', 'answered-before', 410);
  // As it is now: whatever was changed while the person was asked counts.
  const application = await requireApplication(tx, open.sp.application.id);
  const sp = await serviceProvider(tx, application);
  if (!sp) throw new Turned('errorUnknown', 'unknown-service-provider', 404);
  if (!sp.acs.some((one) => one.url === open.asked.acsUrl)) throw new Turned('errorPlace', 'foreign-address');
  const { session, person } = signedOn;
  const profile = await admit(tx, needs.secrets, application, person.id);
  const subject = profile.subjectFixed
    ? profile.subject
    : await fixSubject(tx, application, person.id, profile.subject);
  const nameId = renderNameId(profile, sp.saml, needs.we.entityId, subject);
  const [index] = await Promise.all([
    store.indexOf(tx, session.id, application.id),
    joinApplication(tx, session, application.id, 'saml'),
  ]);
  const sessionIndex = index ?? `_${randomToken(20)}`;
  await store.insertSessionName(tx, {
    session: session.id,
    application: application.id,
    sessionIndex,
    nameId: nameId.value,
    nameFormat: nameId.format ?? '',
  });
  const attributes = renderAttributes(profile, sp.saml, subject);
  return { sp, session, nameId, attributes, sessionIndex, now: tx.now() };
}

/** Whether this is the person a request names, by the name the app knows them by. */
export function isMeant(subject: NameId, profile: Profile, sp: ServiceProvider, we: Ourselves): boolean {
  if (sp.saml.nameId.format === 'transient') return true;
  const known = renderNameId(profile, sp.saml, we.entityId);
  return known.value === subject.value;
}

/** Tells the app that there is no answer, and why; the request is over with that. */
export async function decline(
  needs: AnswerNeeds,
  here: Visit,
  open: Open,
  why: ProblemCode | (SamlStatus & { message?: string }),
): Promise<PostForm> {
  const { asked } = open;
  const ended = await needs.database.transact(here.context, (tx) => store.endRequest(tx, open.id));
  if (!ended) throw new Turned('errorUsed', 'answered-before', 410);
  const { active } = await needs.engine.keys();
  const said = typeof why === 'string' ? { ...statusOf[why], message: statusMessage(why) } : why;
  const response = makeErrorResponse({
    ...said,
    id: newMessageId(),
    issuer: needs.we.entityId,
    issueInstant: needs.clock.now(),
    destination: asked.acsUrl,
    inResponseTo: asked.id,
    signer: active,
  });
  return postPage(asked.acsUrl, { name: 'SAMLResponse', xml: response }, asked.relayState);
}
