/**
 * SAML 2.0 identity provider (saml-profiles 4.1 and 4.4) for apps that speak nothing newer, and for those that do.
 * Owns `saml_messages`, `saml_requests`, `saml_sessions`, `saml_sign_outs`, `saml_logouts`, `saml_metadata` and
 * everything below /saml/. Records nothing of its own; consent, sessions and subjects are recorded by the core functions
 * it calls, key.* by signon/saml-keys.
 * Refuses what is not from a known app, for us, now, and once; answers go to addresses of the app's settings or metadata.
 * Reads downward: receive.ts (believing a message), sso.ts (the way in), steps.ts (what is asked), answer.ts and
 * profile.ts (what is said), slo.ts and sign-out.ts (the way out), service.ts and partners.ts (who the apps are); beside
 * them preview.ts and test-login.ts, where operators see what an app would hear.
 */
import type { Application } from '#core/applications/applications.ts';
import { listApplications } from '#core/applications/applications.ts';
import { sessionsByIds } from '#core/sessions/sessions.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { regularly } from '#kit/clock/regularly.ts';
import type { Hasher } from '#kit/crypto/passwords.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import type { Front } from '#signon/front.ts';
import type { Engine } from '#signon/saml-keys/engine.ts';
import { type KeyPolicy, publishedKeys, rewrapKeys, rotateKeys } from '#signon/saml-keys/saml-keys.ts';
import { forgettingReader } from './forget.ts';
import { metadataRoutes } from './metadata.ts';
import { startPartners } from './partners.ts';
import { type Ourselves, ourselves, paths } from './place.ts';
import { endAtApps, outcomesOf, startWalk } from './sign-out.ts';
import { sloRoutes } from './slo.ts';
import { ssoRoutes } from './sso.ts';
import { deleteNames, deleteOld, sessionsWithNames } from './store.ts';
import { testLoginRoutes } from './test-login.ts';
import { samlWarnings } from './warnings.ts';

export interface SamlNeeds {
  database: Database;
  secrets: Secrets;
  hasher: Hasher;
  limits: Limits;
  clock: Clock;
  log: Log;
  net: Net;
  /** Who we are in every message; may differ from where we are reached. */
  issuer: URL;
  /** Where browsers and apps reach us. */
  publicUrl: URL;
  /** The keys of the house (signon/saml-keys), which this front keeps fresh. */
  engine: Engine;
  keyPolicy?: KeyPolicy;
}

const tidyMs = 600_000;
const day = 86_400_000;
const keptMs = 30 * day;

/** The front. Makes a key when the first app needs one. */
export function samlFront(given: SamlNeeds): Front {
  const we = ourselves(given);
  const { engine } = given;
  const needs = { ...given, we };
  return {
    name: 'saml',
    async register(app) {
      const stop = await engine.watch();
      app.addHook('onClose', stop);
      metadataRoutes(app, needs);
      ssoRoutes(app, needs);
      sloRoutes(app, needs);
      testLoginRoutes(app, needs);
    },
    readers: [forgettingReader],
    launches,
    // A page of ours: it asks what there is to ask, and posts the answer from there.
    launch: async (application) =>
      launches(application)
        ? { redirect: new URL(`${paths.launch}/${application.id}`, given.publicUrl) }
        : undefined,
    endSession: (tx, session) => endAtApps(tx, session.id),
    continueSignOut: (tx, chain) => startWalk(tx, chain, given.publicUrl),
    signOutOutcomes: outcomesOf,
    start: async () => startWork(given, we),
    rewrap: () => given.database.transact(system(), (tx) => rewrapKeys(tx, given.secrets)),
  };
}

/** Whether people may be sent there without it having asked. */
function launches({ settings }: Application): boolean {
  return settings.saml?.idpInitiated.allowed ?? false;
}

/** Key rotation, metadata of apps, warnings, and tidying up. */
function startWork(needs: SamlNeeds, we: Ourselves) {
  const { database, clock, log } = needs;
  const partners = startPartners(needs);
  let warned = 0;
  async function tidy(): Promise<void> {
    await database.transact(system(), async (tx) => {
      // Keys that are there are kept fresh, whoever needed them first: an app, or a provider people come through.
      const speaks = (await listApplications(tx)).some((one) => one.settings.saml);
      if (speaks || (await publishedKeys(tx)).length > 0)
        await rotateKeys(tx, { ...needs, host: we.host, policy: needs.keyPolicy }, clock.now());
    });
    await deleteOld(database, clock.now(), new Date(clock.now().getTime() - keptMs));
    await forgetEnded(database, new Date(clock.now().getTime() - keptMs));
    if (clock.now().getTime() - warned < day) return;
    warned = clock.now().getTime();
    const warnings = await database.read(system(), samlWarnings);
    for (const { kind, ...facts } of warnings)
      log.warn({ code: `saml-${kind}-ends`, ...facts }, 'this ends soon, or has ended');
  }
  const failed = (error: unknown) =>
    log.error({ err: error, code: 'clean-up-failed' }, 'tidying up SAML failed');
  const tidying = regularly({ everyMs: tidyMs, failed }, tidy);
  void tidying.run();
  return {
    async settle() {
      await tidying.settle();
      await partners.settle();
    },
    async stop() {
      await tidying.stop();
      await partners.stop();
    },
  };
}

/** Names of sessions are kept as long as the session lives, and a while longer for answers that come late. */
async function forgetEnded(database: Database, before: Date): Promise<void> {
  let after: string | undefined;
  for (;;) {
    const page = await sessionsWithNames(database, before, after, 500);
    if (page.length === 0) return;
    after = page.at(-1);
    const alive = await database.read(system(), (tx) => sessionsByIds(tx, page));
    const living = new Set(alive.map((one) => one.id));
    await deleteNames(
      database,
      page.filter((id) => !living.has(id)),
    );
  }
}
