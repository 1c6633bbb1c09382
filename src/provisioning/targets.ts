/**
 * Targets: applications that receive accounts. Their settings, sealed credentials, mode and quarantine, and how one is
 * opened for speaking to it. Every change is told to all nodes (`targets`), whose workers follow.
 */
import { record } from '#core/events/events.ts';
import { groupKey } from '#core/groups/groups.ts';
import { Problem } from '#core/problem.ts';
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import { dropJobs } from '#kit/queue/queue.ts';
import { createCall } from './call.ts';
import type { Call, Connection, Connector } from './connector.ts';
import { withdrawApprovals } from './plans.store.ts';
import { requireSettings, type TargetSettings, type targetModes } from './settings.ts';
import { sweepLane } from './sweep-job.ts';
import * as store from './targets.store.ts';

export interface ProvisioningNeeds {
  database: Database;
  secrets: Secrets;
  net: Net;
  clock: Clock;
  log: Log;
  connectors: ReadonlyMap<string, Connector>;
}

export interface Target {
  application: string;
  connector: string;
  settings: TargetSettings;
  mode: (typeof targetModes)[number];
  hasCredentials: boolean;
  /** Why everything is held; undefined while all is well. */
  quarantine?: { why: string; since: Date };
  /** What the connector learned when it last prepared. */
  state: unknown;
  /** When the last complete listing began: what it saw is at least as new. */
  listedAt?: Date;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

export const findTarget = store.findTarget;
export const listTargets = store.listTargets;

/** The target of this application; refuses with `not-found`. */
export async function requireTarget(tx: Tx, application: string): Promise<Target> {
  const target = await store.findTarget(tx, application);
  if (!target) throw new Problem('not-found');
  return target;
}

/** The lane of the queue where everything for this target waits. */
export const laneOf = (application: string) => `target:${application}`;

const purpose = 'target';
const bindOf = (application: string) => `targets/${application}/credentials`;

/**
 * Adds or changes a target to equal these settings. Credentials are given by name; those not given stay, and ''
 * takes one away. Refuses with `input-malformed` (settings, unknown or missing credentials) and `application-unknown`.
 */
export async function saveTarget(
  tx: Tx,
  secrets: Secrets,
  connectors: ReadonlyMap<string, Connector>,
  application: string,
  given: unknown,
  credentials?: Readonly<Record<string, string>>,
): Promise<Target> {
  const settings = requireSettings(connectors, given);
  const connector = connectors.get(settings.connector) as Connector;
  const before = await store.lockTarget(tx, application);
  const kept = before?.connector === settings.connector ? await unseal(tx, secrets, application) : {};
  const all = checkCredentials(connector, { ...kept, ...credentials });
  const replaces = credentials !== undefined || before?.connector !== settings.connector;
  const sealed = replaces ? secrets.seal(purpose, JSON.stringify(all), bindOf(application)) : undefined;
  await store.writeTarget(tx, { application, connector: settings.connector, settings }, sealed);
  const fields = before ? changedFields(before.settings, settings) : [];
  if (credentials) fields.push('credentials');
  if (!before) await record(tx, 'target.added', { application, data: { connector: settings.connector } });
  else if (fields.length > 0) await record(tx, 'target.changed', { application, data: { fields } });
  // New credentials answer the reason most targets are held for.
  if (credentials && before?.quarantine) await liftQuarantine(tx, application);
  return requireTarget(tx, application);
}

/**
 * Other credentials for a target that stays as it is otherwise; those not given stay, and '' takes one away. `read` may
 * make them of what its connector asks for. Refuses with `not-found` and as `saveTarget` does.
 */
export async function setCredentials(
  tx: Tx,
  secrets: Secrets,
  connectors: ReadonlyMap<string, Connector>,
  application: string,
  read: (connector: Connector | undefined) => Readonly<Record<string, string>>,
): Promise<void> {
  const { connector, settings } = await requireTarget(tx, application);
  await saveTarget(tx, secrets, connectors, application, settings, read(connectors.get(connector)));
}

function changedFields(before: TargetSettings, after: TargetSettings): string[] {
  const keys = Object.keys(after) as (keyof TargetSettings)[];
  return keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
}

function checkCredentials(connector: Connector, given: Record<string, string>): Record<string, string> {
  const names = new Set(connector.credentials.map(({ name }) => name));
  const unknown = Object.keys(given).find((name) => !names.has(name));
  if (unknown !== undefined)
    throw new Problem('input-malformed', { fields: { [`credentials.${unknown}`]: 'input-unknown-key' } });
  const all = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const missing = connector.credentials.find(({ name, required }) => required && all[name] === undefined);
  if (missing)
    throw new Problem('input-malformed', {
      fields: { [`credentials.${missing.name}`]: 'attribute-required' },
    });
  return all;
}

async function unseal(tx: Tx, secrets: Secrets, application: string): Promise<Record<string, string>> {
  const sealed = await store.sealedCredentials(tx, application);
  if (!sealed) return {};
  return JSON.parse(secrets.open(purpose, sealed, bindOf(application)).toString('utf8'));
}

/** Whether these are the credentials that are kept, as far as they are given. */
export async function holdsCredentials(
  tx: Tx,
  secrets: Secrets,
  application: string,
  given: Readonly<Record<string, string>>,
): Promise<boolean> {
  const kept = await unseal(tx, secrets, application);
  return Object.entries(given).every(([name, value]) => (kept[name] ?? '') === value);
}

/** Changes the mode alone. */
export async function setMode(tx: Tx, application: string, mode: Target['mode']): Promise<void> {
  const target = await store.lockTarget(tx, application);
  if (!target) throw new Problem('not-found');
  if (target.mode === mode) return;
  await store.writeTarget(tx, { ...target, settings: { ...target.settings, mode } }, undefined);
  await record(tx, 'target.changed', { application, data: { fields: ['mode'] } });
}

/**
 * After a restore: what is known here is older than what is there, so nothing goes by itself and no approval holds until
 * somebody has looked. Returns the applications whose targets went by themselves.
 */
export async function calmTargets(tx: Tx): Promise<string[]> {
  await withdrawApprovals(tx);
  const automatic = (await store.listTargets(tx)).filter(({ mode }) => mode === 'automatic');
  for (const { application } of automatic) await setMode(tx, application, 'plan');
  return automatic.map(({ application }) => application);
}

/** A group has another name: settings that choose it by its name go on choosing it. */
export async function renameGroupInTargets(tx: Tx, from: string, to: string): Promise<void> {
  const key = groupKey(from);
  const renamed = (names: readonly string[]) => names.map((name) => (groupKey(name) === key ? to : name));
  for (const { application } of await store.listTargets(tx)) {
    const target = await store.lockTarget(tx, application);
    if (!target) continue;
    const { groups, scope } = target.settings;
    const settings = {
      ...target.settings,
      groups: typeof groups === 'string' ? groups : renamed(groups),
      scope: scope.groups ? { ...scope, groups: renamed(scope.groups) } : scope,
    };
    const fields = changedFields(target.settings, settings);
    if (fields.length === 0) continue;
    await store.writeTarget(tx, { ...target, settings }, undefined);
    await record(tx, 'target.changed', { application, data: { fields } });
  }
}

/** Forgets a target with its links, plans and timeline. Accounts there stay as they are. */
export async function removeTarget(tx: Tx, application: string): Promise<void> {
  if (!(await store.deleteTarget(tx, application))) throw new Problem('not-found');
  await dropJobs(tx, { lane: laneOf(application) });
  await dropJobs(tx, { lane: sweepLane, key: application });
  await record(tx, 'target.removed', { application, data: {} });
}

/** Holds everything for a target until a person says otherwise. No change when it is held already. */
export async function quarantine(tx: Tx, application: string, why: string): Promise<void> {
  if (await store.writeQuarantine(tx, application, why))
    await record(tx, 'target.quarantined', { application, data: { reason: why.slice(0, 500) } });
}

/** Lets work on a target go on. */
export async function liftQuarantine(tx: Tx, application: string): Promise<void> {
  if (await store.writeQuarantine(tx, application, null))
    await record(tx, 'target.released', { application, data: {} });
}

/** After a change of the master key: seals every credential again; returns how many. */
export async function rewrapTargets(tx: Tx, secrets: Secrets): Promise<number> {
  let count = 0;
  for (const { application, credentials } of await store.allCredentials(tx)) {
    const sealed = secrets.rewrap(purpose, credentials, bindOf(application));
    if (!sealed) continue;
    await store.replaceCredentials(tx, application, sealed);
    count += 1;
  }
  return count;
}

/** The profile's facts with the administrator's choices applied. */
export function factsOf(target: Target, connector: Connector): Record<string, string | number | boolean> {
  const facts = Object.entries(connector.profile.facts).map(([name, fact]) => [name, fact.value]);
  return { ...Object.fromEntries(facts), ...target.settings.facts };
}

export function connectorOf(needs: Pick<ProvisioningNeeds, 'connectors'>, target: Target): Connector {
  const connector = needs.connectors.get(target.connector);
  if (!connector) throw new Error(`The connector ${target.connector} of ${target.application} is not here.`);
  return connector;
}

/** What a conversation with a target is about: for its timeline, and to end it when the lease is lost. */
export interface About {
  subject: string;
  jobId?: number;
  attempt?: number;
  signal?: AbortSignal;
}

/**
 * Opens a target for speaking to it: credentials unsealed for this conversation, paced and traced calls.
 * @param through stands around every call
 */
export async function openTarget(
  needs: ProvisioningNeeds,
  target: Target,
  about: About,
  through: (call: Call) => Call = (call) => call,
): Promise<Connection> {
  const { call, ...opening } = await openingOf(needs, target, about);
  return connectorOf(needs, target).open({ ...opening, call: through(call) });
}

/** A connection for what is pure (`judge`): without credentials, and no call can go out. */
export function openBlind(needs: Pick<ProvisioningNeeds, 'connectors'>, target: Target): Connection {
  const connector = connectorOf(needs, target);
  return connector.open({
    options: connector.options.parse(target.settings.options),
    credentials: {},
    facts: factsOf(target, connector),
    state: target.state,
    call: async () => {
      throw new Error('Nothing is asked of a target here.');
    },
  });
}

async function openingOf(needs: ProvisioningNeeds, target: Target, about: About) {
  const connector = connectorOf(needs, target);
  const credentials = await needs.database.read(system(), (tx) =>
    unseal(tx, needs.secrets, target.application),
  );
  const call: Call = createCall(needs, target, about);
  return {
    options: connector.options.parse(target.settings.options),
    credentials,
    facts: factsOf(target, connector),
    state: target.state,
    ...(about.jobId !== undefined && { run: String(about.jobId) }),
    call,
  };
}

/** Lets the connector read what judging needs and keeps it; returns the target with it. */
export async function prepareTarget(needs: ProvisioningNeeds, target: Target): Promise<Target> {
  const connection = await openTarget(needs, target, { subject: 'target' });
  const state = await connection.prepare();
  await needs.database.transact(system(), (tx) => store.writeState(tx, target.application, state ?? {}));
  return { ...target, state: state ?? {} };
}
