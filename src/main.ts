/**
 * The only file that knows everyone: settings, database, keys, the list of fronts and readers. It opens the house,
 * hands each part the values it needs, and closes everything in the reverse order.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { registerApi } from '#api/api.ts';
import type { Config } from '#config/config.ts';
import { registerAccount } from '#consoles/account/account.ts';
import { registerAdmin } from '#consoles/admin/admin.ts';
import { completeMailboxes } from '#core/aliases/mailboxes.ts';
import { rememberAliasDomain } from '#core/community/alias-domains.ts';
import { type Community, community } from '#core/community/community.ts';
import { rewrapTotp } from '#core/credentials/totp.ts';
import { type LogReader, startReader } from '#core/events/reader.ts';
import { openSetup } from '#core/operators/setup.ts';
import { oidcFront } from '#fronts/oidc/oidc.ts';
import { createHealthLook } from '#fronts/relay/health-look.ts';
import { startKeyCare } from '#fronts/relay/key-care.ts';
import { type RunningRelay, relayFront } from '#fronts/relay/relay.ts';
import { samlFront } from '#fronts/saml/saml.ts';
import { regularly } from '#kit/clock/regularly.ts';
import { system } from '#kit/db/database.ts';
import { houseFact, setHouseFact } from '#kit/db/facts.ts';
import { type App, createServer } from '#kit/http/server.ts';
import { loadLocales } from '#kit/page/words.ts';
import type { Mailer } from '#kit/smtp/smtp.ts';
import { importErasureReader } from '#migration/forget.ts';
import { startWrapping } from '#migration/wrap.ts';
import { registerNotices, startNotices } from '#notices/notices.ts';
import { strangerHandlers } from '#provisioning/strangers.ts';
import { startSweeps } from '#provisioning/sweeps.ts';
import { rewrapTargets } from '#provisioning/targets.ts';
import { startProvisioning } from '#provisioning/work.ts';
import { errorPage, logRefusal } from '#signon/error-page.ts';
import type { Front } from '#signon/front.ts';
import { refusalErasureReader } from '#signon/refusals.ts';
import { type Engine, startEngine } from '#signon/saml-keys/engine.ts';
import { cleanUpSignOn, registerSignOn } from '#signon/signon.ts';
import { linkErasureReader } from '#signon/upstream/erasure.ts';
import { upstreamSignOut } from '#signon/upstream/sign-out.ts';
import { registerUpstreams, type UpstreamNeeds } from '#signon/upstream/upstream.ts';
import { rewrapUpstreams } from '#signon/upstream/upstreams.ts';
import { visit } from '#signon/visit.ts';
import { closeAll, type House, type HouseOptions, openHouse } from './house.ts';
import { openMailer } from './open-mailer.ts';
import { openRelay } from './open-relay.ts';
import { operations, refuseOthers } from './operations.ts';
import { sweepHistory } from './retention.ts';

export interface RunningHouse extends House {
  /** The pages and protocols; undefined where this process runs none of them. */
  app?: App;
  url: URL;
  mailer: Mailer;
  /** Undefined where this process does not run it. */
  relay?: RunningRelay;
  fronts: readonly Front[];
  /** Runs every reader and worker until nothing is left to do (tests, and before a backup). */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the parts named in `run` and answers when they are ready. */
export async function serve(
  config: Config,
  options: HouseOptions & { mailer?: Mailer; listen?: boolean } = {},
): Promise<RunningHouse> {
  const house = await openHouse(config, options);
  const closers: (() => Promise<unknown>)[] = [() => house.close()];
  const stop = async () => {
    await closeAll(closers);
  };
  try {
    await house.database.transact(system(), openSetup);
    await house.database.transact(system(), (tx) => rememberAliasDomain(tx, config.aliasDomain));
    const mailer = options.mailer ?? openMailer(house, closers);
    const fronts: Front[] = [];
    const places = { issuer: new URL(config.issuer), publicUrl: new URL(config.publicUrl) };
    const engine = startEngine({ ...house, host: places.issuer.hostname });
    fronts.push(await oidcFront({ ...house, ...places, fronts }), samlFront({ ...house, ...places, engine }));
    fronts.push(upstreamSignOut(house), relayFront(house));
    const settlers: (() => Promise<void>)[] = [];
    if (config.run.includes('worker')) await startWork(house, mailer, fronts, closers, settlers);
    const listen = options.listen ?? true;
    const relay = listen ? await openRelay(house, closers) : undefined;
    if (relay) settlers.push(() => relay.settle());
    const app = config.run.includes('web')
      ? await startWeb({ ...house, engine, relay, mailer }, fronts, closers, listen)
      : undefined;
    if (!app) await startWatch({ ...house, relay }, closers, listen);
    const settle = async () => {
      for (const settler of settlers) await settler();
    };
    return { ...house, app, url: new URL(config.publicUrl), mailer, relay, fronts, settle, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The readers of the log beside the notices, which start their own. */
function readersOf(fronts: readonly Front[]): LogReader[] {
  return [
    ...fronts.flatMap((front) => front.readers ?? []),
    importErasureReader,
    linkErasureReader,
    refusalErasureReader,
  ];
}

/** Readers of the log, workers of the queue and the regular clean-up. */
async function startWork(
  house: House,
  mailer: Mailer,
  fronts: readonly Front[],
  closers: (() => Promise<unknown>)[],
  settlers: (() => Promise<void>)[],
): Promise<void> {
  for (const reader of readersOf(fronts)) {
    const running = startReader({ database: house.database, reader, log: house.log });
    closers.push(() => running.stop());
    settlers.push(() => running.catchUp());
  }
  for (const front of fronts) {
    const started = await front.start?.();
    if (!started) continue;
    closers.push(() => started.stop());
    if (started.settle) settlers.push(started.settle);
  }
  const notices = await startNotices({
    ...house,
    mailer,
    publicUrl: new URL(house.config.publicUrl),
    mailDomain: house.config.mailDomain,
    bounceDomain: house.config.mailBounces === 'relay' ? house.config.aliasDomain : undefined,
    hasWebhook: house.config.mailWebhookKey !== undefined,
  });
  closers.push(() => notices.stop());
  settlers.push(() => notices.settle());
  const keyCare = startKeyCare({ ...house, ...house.config });
  closers.push(() => keyCare.stop());
  settlers.push(() => keyCare.settle());
  const provisioning = await startProvisioning({ ...house, handlers: strangerHandlers });
  closers.push(() => provisioning.stop());
  const sweeps = startSweeps(house);
  closers.push(() => sweeps.stop());
  settlers.push(() => sweeps.settle());
  settlers.push(() => provisioning.settle());
  const sealing = sealAgain(house, fronts);
  settlers.push(() => sealing);
  closers.push(() => sealing);
  const completing = giveMissingMailboxes(house);
  settlers.push(() => completing);
  closers.push(() => completing);
  const wrapping = startWrapping(house);
  closers.push(() => wrapping.stop());
  settlers.push(() => wrapping.settle());
  const failed = (error: unknown) =>
    house.log.error({ err: error, code: 'clean-up-failed' }, 'cleaning up failed');
  const cleaning = regularly({ everyMs: 600_000, failed }, () =>
    Promise.all([cleanUpSignOn(house), sweepHistory(house), giveMissingMailboxes(house)]),
  );
  closers.push(() => cleaning.stop());
}

/** Where the community has a domain for alias mailboxes since lately: everyone who was here before gets one. */
async function giveMissingMailboxes({ database, log }: House): Promise<void> {
  try {
    const made = await completeMailboxes(database);
    if (made > 0) log.info({ code: 'alias-mailboxes', made }, 'everyone has an alias mailbox now');
  } catch (error) {
    log.error({ err: error, code: 'alias-mailboxes-failed' }, 'making alias mailboxes failed');
  }
}

/** The secrets of authenticator apps, a few hundred in a transaction. */
async function rewrapAllTotp({ database, secrets }: House): Promise<number> {
  let sealed = 0;
  for (let after: string | undefined; ; ) {
    const page = await database.transact(system(), (tx) => rewrapTotp(tx, secrets, after));
    sealed += page.changed;
    if (!page.last) return sealed;
    after = page.last;
  }
}

/** After a change of the master key: everything sealed under an earlier one is sealed again, then the old key can go. */
async function sealAgain(house: House, fronts: readonly Front[]): Promise<void> {
  const { database, secrets, log } = house;
  try {
    const stored = await database.read(system(), (tx) => houseFact(tx, 'master-key'));
    if (secrets.recognise(String(stored)) === 'current') return;
    let sealed = 0;
    for (const front of fronts) sealed += (await front.rewrap?.()) ?? 0;
    sealed += await rewrapAllTotp(house);
    sealed += await database.transact(system(), (tx) => rewrapTargets(tx, secrets));
    sealed += await database.transact(system(), (tx) => rewrapUpstreams(tx, secrets));
    await database.transact(system(), (tx) => setHouseFact(tx, 'master-key', secrets.fingerprint));
    log.info({ sealed }, 'everything is sealed under the new master key; the previous one can be put away');
  } catch (error) {
    log.error(
      { err: error, code: 'rewrap-failed' },
      'sealing under the new master key failed; it goes on at the next start',
    );
  }
}

/** Pages, protocols over HTTP and the API on one server. */
async function startWeb(
  house: House & { engine: Engine; relay?: RunningRelay; mailer: Mailer },
  fronts: readonly Front[],
  closers: (() => Promise<unknown>)[],
  listen: boolean,
): Promise<App> {
  const { config } = house;
  loadLocales(path.join(import.meta.dirname, '..', 'locales'));
  const look = await watchCommunity(house, closers);
  const app = createServer({
    ...listening(house),
    renderError: (error, request) => {
      logRefusal(house.log, error, request);
      return errorPage(error, request, look.now, new URL(config.publicUrl));
    },
    recognise: async (request) => app.cookieJar.read(request, 'session') && visit(needs, request),
  });
  const needs: UpstreamNeeds = {
    ...house,
    cookies: app.cookieJar,
    floorMs: config.signInFloorMs,
    publicUrl: new URL(config.publicUrl),
    fronts,
  };
  operations(app, { ...house, isDraining: () => app.draining });
  registerSignOn(app, { ...needs, ...humanCheck(house) }, fronts);
  registerUpstreams(app, needs);
  registerNotices(app, { ...needs, mailWebhookKey: config.mailWebhookKey });
  registerAccount(app, needs, fronts);
  registerAdmin(app, needs);
  const mailHealth = createHealthLook({ ...house, settings: config });
  const { mailDomain } = config;
  registerApi(app, {
    ...house,
    publicUrl: needs.publicUrl,
    issuer: new URL(config.issuer),
    mailDomain,
    mailHealth,
    mailFrom: config.mailFrom,
    dnsServers: config.dnsServers,
  });
  for (const front of fronts) await front.register(app);
  await open(app, house, closers, listen);
  return app;
}

/** What sign-up needs to keep programs out. */
function humanCheck({ config, net }: House) {
  const { signUpWork, captchaSecret, captchaVerifyUrl } = config;
  return { net, signUpWork, captchaSecret, captchaVerifyUrl, publicHost: new URL(config.publicUrl).hostname };
}

/** A process without pages can still be watched: the health checks and the figures, on the same port, and nothing else. */
async function startWatch(
  house: House & { relay?: RunningRelay },
  closers: (() => Promise<unknown>)[],
  listen: boolean,
): Promise<void> {
  const app = createServer({ ...listening(house), renderError: refuseOthers });
  operations(app, { ...house, isDraining: () => app.draining, alone: true });
  await open(app, house, closers, listen);
}

/** Where and how this process is spoken to over HTTP. */
function listening({ config, log, secrets }: House) {
  return {
    log,
    publicUrl: new URL(config.publicUrl),
    issuer: new URL(config.issuer),
    extraHosts: config.extraHosts,
    trustedProxies: config.trustedProxies,
    tls:
      config.tlsCert && config.tlsKey
        ? { cert: readFileSync(config.tlsCert), key: readFileSync(config.tlsKey) }
        : undefined,
    macs: secrets.macs,
  };
}

/** Connections the system keeps until we take them; beyond its own smaller number they are torn when many come at once. */
const mostKnocking = 4096;

async function open(
  app: App,
  { config }: House,
  closers: (() => Promise<unknown>)[],
  listen: boolean,
): Promise<void> {
  closers.push(() => app.drain(config.drainSeconds));
  if (listen) await app.listen({ host: config.host, port: config.port, backlog: mostKnocking });
  else await app.ready();
}

/** The community's look for error pages, which must not ask the database: read once, then when it changed. */
async function watchCommunity(
  house: House,
  closers: (() => Promise<unknown>)[],
): Promise<{ now?: Community }> {
  const look: { now?: Community } = {};
  const read = async () => {
    look.now = await house.database.read(system(), community);
  };
  await read();
  const forget = await house.database.listen('community', () => {
    read().catch((error) =>
      house.log.warn({ err: error, code: 'community-unread' }, 'the community could not be read'),
    );
  });
  closers.push(forget);
  return look;
}
