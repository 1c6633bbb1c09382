/**
 * The settings of the relay as they are kept: one row for the whole, one an app. Whoever decides about mail reads them
 * from memory (`followRules`), as fresh as the database; whoever changes them, from their own transaction.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Application, listApplications, requireApplication } from '#core/applications/applications.ts';
import { aliasDomains } from '#core/community/alias-domains.ts';
import { community } from '#core/community/community.ts';
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { type Database, system } from '#kit/db/database.ts';
import { createFollower } from '#kit/db/follow.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import { type NetworkSet, networkSet } from './networks.ts';
import {
  type RelayAppSettings,
  type RelayHouseSettings,
  relayAppSettings,
  relayHouseSettings,
} from './settings.ts';
import * as store from './store.ts';

export { relayChannel } from './store.ts';

/** An app with settings of its own for mail. */
export interface RelayApp {
  id: string;
  title: string;
  /** False for an app that is switched off as a whole. */
  enabled: boolean;
  settings: RelayAppSettings;
}

/** What holds for the whole relay, defaults filled in. */
export async function relayHouse(tx: Tx): Promise<RelayHouseSettings> {
  return relayHouseSettings.parse((await store.houseRow(tx)) ?? {});
}

/** Every app that has settings for mail, by id. */
export async function relayApps(tx: Tx): Promise<RelayApp[]> {
  const rows = await store.appRows(tx);
  if (rows.length === 0) return [];
  const known = new Map((await listApplications(tx)).map((one) => [one.id, one]));
  return rows.flatMap(({ application, settings }) => {
    const found = known.get(application);
    return found ? [toApp(found, settings)] : [];
  });
}

/** One app; undefined where nothing is kept for it. Refuses with `application-unknown`. */
export async function relayApp(tx: Tx, id: string): Promise<RelayApp | undefined> {
  const application = await requireApplication(tx, id);
  const row = await store.appRow(tx, id);
  return row && toApp(application, row.settings);
}

function toApp({ id, settings: { title, enabled } }: Application, settings: unknown): RelayApp {
  return { id, title, enabled, settings: relayAppSettings.parse(settings) };
}

/** Replaces what holds for the whole relay. Returns the fields that changed; records them, and the main switch. */
export async function saveRelayHouse(tx: Tx, next: RelayHouseSettings): Promise<string[]> {
  const before = await relayHouse(tx);
  const after = relayHouseSettings.parse(next);
  const fields = changed(before, after);
  if (fields.length === 0) return [];
  await store.keepHouse(tx, after);
  await record(tx, 'relay.settings-changed', { data: { fields } });
  if (before.off !== after.off)
    await record(tx, after.off ? 'relay.paused' : 'relay.resumed', { data: { scope: 'everything' } });
  return fields;
}

/**
 * Replaces what is kept for an app; undefined takes it away, and nothing of the app is passed on any more. Returns the
 * fields that changed. Refuses with `application-unknown`, and with `relay-senders-missing` senders that would let strangers
 * write: there have to be networks, or domains together with something that has to be proved.
 */
export async function saveRelayApp(
  tx: Tx,
  id: string,
  next: RelayAppSettings | undefined,
): Promise<string[]> {
  const before = (await relayApp(tx, id))?.settings;
  if (!next) {
    if (!before) return [];
    await store.dropApp(tx, id);
    await record(tx, 'relay.app-changed', { application: id, data: { fields: ['removed'] } });
    return ['removed'];
  }
  const after = relayAppSettings.parse(next);
  if (namesSenders(after) && !isBound(after))
    throw new Problem('relay-senders-missing', { fields: { networks: 'relay-senders-missing' } });
  const fields = before ? changed(before, after) : ['added'];
  if (fields.length === 0) return [];
  await store.keepApp(tx, id, after);
  await record(tx, 'relay.app-changed', { application: id, data: { fields } });
  if ((before?.off ?? false) !== after.off)
    await record(tx, after.off ? 'relay.paused' : 'relay.resumed', {
      application: id,
      data: { scope: 'app' },
    });
  return fields;
}

function changed(before: object, after: object): string[] {
  const [old, now] = [before, after] as Record<string, unknown>[];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(old![key], now![key])).sort();
}

/** Whether anything says whose mail an app's is. */
export function namesSenders({ networks, domains, envelope }: RelayAppSettings): boolean {
  return networks.length + domains.length + envelope.length > 0;
}

/**
 * Whether only the app itself can fulfil its senders: by where it sends from, or by a proof for domains that are named.
 * An envelope sender alone is written by anyone. An app that is not bound may not write.
 */
export function isBound({ networks, domains, require }: RelayAppSettings): boolean {
  return networks.length > 0 || (domains.length > 0 && require.length > 0);
}

/** An app as arrivals are judged by: its own networks are ready to be asked. */
export interface RuledApp extends RelayApp {
  networks: NetworkSet;
  /** Names of the lists of networks that count as its own. */
  lists: readonly string[];
}

/** Everything arrivals are judged by that is no person's. */
export interface RelayRules {
  house: RelayHouseSettings;
  apps: readonly RuledApp[];
  /** Of alias mailboxes. The first is where new ones are made. */
  domains: readonly string[];
  /** What the community names as its contact: an address, or something else. */
  contact?: string;
}

export interface RulesFollower {
  /** @throws Error as long as they were never read */
  now(): RelayRules;
  /** Told after each reading. */
  onRead(heard: () => void): void;
  /** Reads them, and again whenever they change; the first reading is over when this returns. @returns stops */
  watch(): Promise<() => Promise<void>>;
  /** Reads them now. */
  refresh(): Promise<void>;
}

/** The rules in memory, as fresh as the database on every node. */
export function followRules({ database, log }: { database: Database; log: Log }): RulesFollower {
  let known: RelayRules | undefined;
  const listeners: (() => void)[] = [];
  const read = async () => {
    known = await database.read(system(), readRules);
    for (const heard of listeners) heard();
  };
  const failed = (error: unknown) =>
    log.warn({ err: error, code: 'relay-rules-unread' }, 'the settings of the relay could not be read');
  const { watch, inTurn } = createFollower({ database, channel: store.relayChannel, read, failed });
  return {
    now() {
      if (!known) throw new Error('The settings of the relay are not read yet.');
      return known;
    },
    onRead: (heard) => void listeners.push(heard),
    async watch() {
      const stops = [await watch()];
      for (const channel of ['applications', 'community'])
        stops.push(await database.listen(channel, () => void inTurn(read).catch(failed)));
      return async () => {
        for (const stop of stops.reverse()) await stop();
      };
    },
    refresh: () => inTurn(read),
  };
}

async function readRules(tx: Tx): Promise<RelayRules> {
  const [house, apps, domains, { contact }] = [
    await relayHouse(tx),
    await relayApps(tx),
    await aliasDomains(tx),
    await community(tx),
  ];
  return { house, apps: apps.map(ruled), domains, contact };
}

function ruled(app: RelayApp): RuledApp {
  const isList = (one: string) => one.startsWith('list:');
  const { networks } = app.settings;
  return {
    ...app,
    networks: networkSet(networks.filter((one) => !isList(one))),
    lists: networks.filter(isList).map((one) => one.slice('list:'.length)),
  };
}

/** How much an app may send a day. */
export function budgetsOf(
  { budgets }: RelayHouseSettings,
  app: RelayApp,
): { perPerson: number; perApp: number } {
  const own = app.settings.budgets;
  return {
    perPerson: own.perPerson ?? budgets.perPerson,
    perApp: own.perApp ?? budgets.perApp,
  };
}
