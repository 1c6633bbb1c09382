/**
 * OpenID Connect and OAuth 2.0 for apps, on oidc-provider.
 * Owns `oidc_payloads`, `oidc_keys`, `oidc_logouts`, `oidc_device_codes`, `oidc_replays`,
 * `oidc_registration_tokens` and everything below /oidc/, /device and the discovery documents.
 * Records key.*, registration-token.*; consent, sessions and subjects are recorded by the core functions it calls.
 * Refuses in the words of the standards (errors.ts): whatever was given counts only while session, standing, access and agreement stand.
 * Reads downward: provider.ts (configuration), policy.ts (when to ask), interactions.ts (asking), admission.ts (who may
 * have what), adapter.ts (keeping), own-tokens.ts and sealed-tokens.ts (apps for themselves), devices.ts (those without a browser),
 * replays.ts (proofs that count once), backchannel.ts and withdrawal.ts (taking back). Beside them preview.ts and
 * test-login.ts, where operators see what an app would hear.
 */
import type { Clock } from '#kit/clock/clock.ts';
import { regularly } from '#kit/clock/regularly.ts';
import type { Hasher } from '#kit/crypto/passwords.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import { houseFact } from '#kit/db/facts.ts';
import type { App } from '#kit/http/server.ts';
import type { Limits } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import type { Front } from '#signon/front.ts';
import { savesTogether } from './adapter.ts';
import { logoutReader, outcomesAtEnd, outcomesNow, startLogouts } from './backchannel.ts';
import { knownApplications } from './clients.ts';
import { deviceRoutes } from './device-pages.ts';
import { deleteExpiredDevices } from './devices.store.ts';
import { type Engine, startEngine } from './engine.ts';
import { type LibraryRoute, mountProvider, type Shortcut } from './exchange.ts';
import { interactionRoutes } from './interactions.ts';
import { defaultKeyPolicy, type KeyPolicy, rotateKeys } from './keys.ts';
import { launch, launches } from './launch.ts';
import { logoutRoutes } from './logout.ts';
import { ownTokens } from './own-tokens.ts';
import { renderError, renderFormPost } from './pages.ts';
import { issuerOf, paths } from './provider.ts';
import { registrationRoutes } from './registration-routes.ts';
import { deleteExpiredRegistrationTokens } from './registrations.store.ts';
import { deleteExpiredReplays } from './replays.store.ts';
import { rewrapOidc } from './rewrap.ts';
import { deleteExpired, deleteOldLogouts } from './store.ts';
import { testLoginRoutes } from './test-login.ts';
import { withdrawalReader } from './withdrawal.ts';

export interface OidcNeeds {
  database: Database;
  secrets: Secrets;
  hasher: Hasher;
  limits: Limits;
  clock: Clock;
  log: Log;
  net: Net;
  /** Who we are in every token; may differ from where we are reached. */
  issuer: URL;
  /** Where browsers and apps reach us. */
  publicUrl: URL;
  /** Every front of the house: signing out at one app is told to all. Filled while the house is opened. */
  fronts: readonly Front[];
  keyPolicy?: KeyPolicy;
  /** First and longest pause, in seconds, between attempts to tell an app of a sign-out. */
  logoutBackoff?: { first: number; most: number };
}

const tidyMs = 600_000;
const keptLogoutsMs = 30 * 86_400_000;

/** The front. Makes the signing keys where there are none yet. */
export async function oidcFront(needs: OidcNeeds): Promise<Front> {
  const applications = knownApplications(needs.database, needs.log);
  const pages = { renderError: renderError(needs), renderFormPost: renderFormPost(needs) };
  const save = savesTogether(needs);
  const restoredAt = await lastRestore(needs.database);
  const engine = await startEngine({ ...needs, ...pages, applications, save, restoredAt });
  return {
    name: 'oidc',
    async register(app) {
      const stops = [await applications.watch(), await engine.watch()];
      app.addHook('onClose', async () => {
        for (const stop of stops) await stop();
      });
      mountProvider(app, needs.log, engine.provider, providerRoutes(needs.issuer, ownTokens));
      postedRequests(app);
      interactionRoutes(app, { ...needs, engine });
      deviceRoutes(app, needs);
      registrationRoutes(app, needs);
      testLoginRoutes(app, { ...needs, engine });
      logoutRoutes(app, { ...needs, engine });
    },
    readers: [logoutReader, withdrawalReader(needs)],
    launches,
    launch: (application, person, here) => launch(needs, application, person, here),
    endSession: outcomesAtEnd,
    signOutOutcomes: outcomesNow,
    start: () => startWork(needs, engine),
    rewrap: () => rewrapOidc(needs),
  };
}

async function lastRestore(database: Database): Promise<Date | undefined> {
  const fact = (await database.read(system(), (tx) => houseFact(tx, 'restored'))) as
    | { at: string }
    | undefined;
  return fact && new Date(fact.at);
}

/** Paths the library answers by itself. */
function providerRoutes(issuer: URL, shortcut: Shortcut): LibraryRoute[] {
  const both = ['GET', 'POST', 'OPTIONS'];
  const onlyPost = ['POST', 'OPTIONS'];
  const onlyGet = ['GET', 'OPTIONS'];
  const routes: (Omit<LibraryRoute, 'method'> & { methods: string[] })[] = [
    { methods: ['GET'], url: paths.authorization, people: true },
    { methods: ['GET'], url: `${paths.authorization}/:uid`, people: true },
    { methods: onlyPost, url: paths.pushed },
    { methods: onlyPost, url: paths.deviceAuthorization },
    { methods: onlyPost, url: paths.token, shortcut },
    { methods: both, url: paths.userinfo },
    { methods: onlyGet, url: paths.jwks },
    { methods: onlyPost, url: paths.introspection },
    { methods: onlyPost, url: paths.revocation },
  ];
  const documents = ['openid-configuration', 'oauth-authorization-server'];
  for (const document of documents) {
    const path = `/.well-known/${document}`;
    routes.push({ methods: onlyGet, url: path });
    const below = issuer.pathname.replace(/\/$/, '');
    if (below === '') continue;
    // OIDC Discovery appends to the issuer's path, RFC 8414 §3.1 puts it behind.
    routes.push(
      { methods: onlyGet, url: `${below}${path}`, path },
      { methods: onlyGet, url: `${path}${below}`, path },
    );
  }
  return routes.flatMap(({ methods, ...route }) => methods.map((method) => ({ method, ...route })));
}

/** An authorization request by POST (OIDC Core §3.1.2.1): the redirect to GET brings the cookies a foreign form lacks. */
function postedRequests(app: App): void {
  app.post(paths.authorization, { config: { door: 'protocol' } }, async (request, reply) => {
    const query = new URLSearchParams(request.form.names().map((name) => [name, request.form.text(name)]));
    return reply.redirect(`${paths.authorization}?${query}`, 303);
  });
}

/** Notices of sign-out, key rotation, and tidying up. */
async function startWork(needs: OidcNeeds, engine: Engine) {
  const { database, secrets, clock, log } = needs;
  const unwatch = await engine.watch();
  const worker = startLogouts({
    ...needs,
    issuer: issuerOf(needs.issuer),
    keys: engine.keys,
    backoff: needs.logoutBackoff,
  });
  async function tidy(): Promise<void> {
    await database.transact(system(), (tx) =>
      rotateKeys(tx, secrets, clock.now(), needs.keyPolicy ?? defaultKeyPolicy),
    );
    const kept = [deleteExpired, deleteExpiredDevices, deleteExpiredReplays, deleteExpiredRegistrationTokens];
    for (const drop of kept)
      for (let round = 0; round < 20 && (await drop(database, clock.now())) === 5000; round++);
    await deleteOldLogouts(database, new Date(clock.now().getTime() - keptLogoutsMs));
  }
  const failed = (error: unknown) =>
    log.error({ err: error, code: 'clean-up-failed' }, 'tidying up OIDC failed');
  const tidying = regularly({ everyMs: tidyMs, failed }, tidy);
  void tidying.run();
  return {
    async settle() {
      await tidying.settle();
      await worker.idle();
    },
    async stop() {
      await tidying.stop();
      await worker.stop();
      await unwatch();
    },
  };
}
