/** The upstreams themselves: settings and sealed credentials. */
import { isDeepStrictEqual } from 'node:util';
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { endSessionsOpenedBy } from '#core/sessions/upstreams.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Tx } from '#kit/db/tx.ts';
import { hasLinks, takenOverSubjects } from './links.store.ts';
import {
  authorityOf,
  credentialNames,
  keepsCredentials,
  kindOf,
  type UpstreamSettings,
  upstreamId,
  upstreamSettings,
} from './settings.ts';
import * as store from './store.ts';

export interface Upstream {
  id: string;
  settings: UpstreamSettings;
  hasCredentials: boolean;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

export const listUpstreams = store.listUpstreams;
export const findUpstream = store.findUpstream;

/** The same; whoever changes it, or comes in through it, waits until the transaction ends. */
export const holdUpstream = store.lockUpstream;

/** One by id; refuses with `upstream-unknown`. */
export async function requireUpstream(tx: Tx, id: string): Promise<Upstream> {
  const found = await store.findUpstream(tx, id);
  if (!found) throw new Problem('upstream-unknown');
  return found;
}

/** One that people may come through now; one that is switched off is as if it were not there (SA-15). */
export async function openUpstream(tx: Tx, id: string): Promise<Upstream> {
  const found = await requireUpstream(tx, id);
  if (!found.settings.enabled) throw new Problem('upstream-unknown');
  return found;
}

/**
 * The same at the moment a session is opened: it stays open until the transaction ends, so that switching it off ends this
 * session too. Refuses nothing, but says whether it is.
 */
export async function isStillOpen(tx: Tx, id: string): Promise<boolean> {
  return (await store.holdEnabled(tx, id)) === true;
}

/**
 * Ends every session it opened: nothing else vouches for them (SA-15). Those of passwords that a directory gave over to us
 * stay, because the password was proved here.
 */
async function endOpened(tx: Tx, id: string, keep: readonly string[], reason: string): Promise<void> {
  await endSessionsOpenedBy(tx, { upstream: id, butSubjects: keep }, reason);
}

export type Credentials = Readonly<Record<string, string>>;

const purpose = 'upstream';
const bindOf = (id: string) => `upstreams/${id}/credentials`;

/**
 * Adds or changes an upstream to equal these settings. Credentials are given by name; those not given stay, and ''
 * takes one away. Switching it off ends every session it opened. Refuses with `input-malformed` (unknown or missing
 * credentials) and with `conflict` where somebody is linked and the other side would become another one: its subjects are
 * other people. Returns what changed.
 */
export async function saveUpstream(
  tx: Tx,
  secrets: Secrets,
  id: string,
  given: unknown,
  credentials?: Credentials,
): Promise<string[]> {
  upstreamId.parse(id);
  const settings = upstreamSettings.parse(given);
  const before = await store.lockUpstream(tx, id);
  const same = before && keepsCredentials(before.settings, settings);
  if (before && authorityOf(before.settings) !== authorityOf(settings) && (await hasLinks(tx, id)))
    throw new Problem('conflict', { detail: 'people are linked to another authority under this id' });
  const kept = same ? await credentialsOf(tx, secrets, id) : {};
  const all = checkCredentials(settings, { ...kept, ...credentials });
  const replaces = !same || !isDeepStrictEqual(all, kept);
  const fields = before ? changedFields(before.settings, settings) : ['added'];
  if (before && replaces) fields.push('credentials');
  if (fields.length === 0) return [];
  const sealed = replaces ? secrets.seal(purpose, JSON.stringify(all), bindOf(id)) : undefined;
  await store.writeUpstream(tx, id, settings, sealed);
  if (before) await record(tx, 'upstream.changed', { data: { upstream: id, fields } });
  else await record(tx, 'upstream.added', { data: { upstream: id, kind: kindOf(settings) } });
  if (before?.settings.enabled && !settings.enabled)
    await endOpened(tx, id, await takenOverSubjects(tx, id), 'upstream-off');
  return fields;
}

function changedFields(before: UpstreamSettings, after: UpstreamSettings): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof UpstreamSettings>;
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null));
  return [...keys].filter((key) => !isDeepStrictEqual(plain(before[key]), plain(after[key])));
}

function checkCredentials(settings: UpstreamSettings, given: Record<string, string>): Record<string, string> {
  const known = credentialNames[kindOf(settings)];
  const unknown = Object.keys(given).find((name) => !known.some((one) => one.name === name));
  if (unknown !== undefined)
    throw new Problem('input-malformed', { fields: { [`credentials.${unknown}`]: 'input-unknown-key' } });
  const all = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const missing = known.find(({ name, required }) => required && all[name] === undefined);
  if (missing)
    throw new Problem('input-malformed', {
      fields: { [`credentials.${missing.name}`]: 'attribute-required' },
    });
  return all;
}

/** The credentials, opened. For speaking to the other side alone; nothing shows them. */
export async function credentialsOf(tx: Tx, secrets: Secrets, id: string): Promise<Record<string, string>> {
  const sealed = await store.sealedCredentials(tx, id);
  return sealed ? JSON.parse(secrets.open(purpose, sealed, bindOf(id)).toString('utf8')) : {};
}

/** Whether these are the credentials that are kept, as far as they are given. */
export async function holdsUpstreamCredentials(
  tx: Tx,
  secrets: Secrets,
  id: string,
  given: Credentials,
): Promise<boolean> {
  const kept = await credentialsOf(tx, secrets, id);
  return Object.entries(given).every(([name, value]) => (kept[name] ?? '') === value);
}

/**
 * Removes an upstream with every link to it, and ends every session it opened: who comes back under the same id is
 * somebody new.
 */
export async function removeUpstream(tx: Tx, id: string): Promise<void> {
  await store.lockUpstream(tx, id);
  const keep = await takenOverSubjects(tx, id);
  if (!(await store.deleteUpstream(tx, id))) throw new Problem('upstream-unknown');
  await record(tx, 'upstream.removed', { data: { upstream: id } });
  await endOpened(tx, id, keep, 'upstream-removed');
}

/** After a change of the master key: seals every credential again; returns how many. */
export async function rewrapUpstreams(tx: Tx, secrets: Secrets): Promise<number> {
  let count = 0;
  for (const { id, credentials } of await store.allCredentials(tx)) {
    const sealed = secrets.rewrap(purpose, credentials, bindOf(id));
    if (!sealed) continue;
    await store.replaceCredentials(tx, id, sealed);
    count += 1;
  }
  return count;
}
