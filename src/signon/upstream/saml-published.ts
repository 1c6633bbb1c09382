/**
 * Metadata that providers publish: fetched where it is first needed, then again and again by the worker, and kept. What
 * cannot be fetched, is not signed by whom it must be or has expired changes nothing: the last good one stays until its
 * own end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#kit/clock/clock.ts';
import { regularly } from '#kit/clock/regularly.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import { type Net, NetRefused } from '#kit/net/net.ts';
import { readIdpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { METADATA_LIMIT } from '#wire/saml/saml.ts';
import * as store from './saml.store.ts';
import { readingOf } from './saml-settings.ts';
import type { UpstreamSettings } from './settings.ts';
import { listUpstreams, type Upstream } from './upstreams.ts';

export interface PublishedNeeds {
  database: Database;
  clock: Clock;
  log: Log;
  net: Net;
}

/** An upstream that is a SAML identity provider. */
export interface SamlUpstream extends Pick<Upstream, 'id' | 'version'> {
  settings: UpstreamSettings & { saml: NonNullable<UpstreamSettings['saml']> };
}

export function toSaml(upstream: Upstream): SamlUpstream | undefined {
  const { saml } = upstream.settings;
  return saml && { ...upstream, settings: { ...upstream.settings, saml } };
}

const hour = 3_600_000;
/** After a failure the next attempt is not left for hours. */
const againAfterMs = 600_000;
/** Whoever is on the way in does not make us ask more often than this. */
const leastMs = 60_000;
const lookEveryMs = 60_000;
/** How often it is looked whether another node has it by now, and how long in between. */
const mostLooks = 20;
const againLookMs = 250;

function sourceOf({ settings }: SamlUpstream): { url: string; refreshHours: number } | undefined {
  const from = settings.saml.metadata;
  return from?.url === undefined ? undefined : { ...from, url: from.url };
}

/**
 * The last good metadata of a provider that publishes it; fetched now where there is none, or with `fresh` where the last
 * attempt is a minute old. Undefined when there is none to be had; `failure` says why.
 */
export async function publishedMetadata(
  needs: PublishedNeeds,
  upstream: SamlUpstream,
  { fresh = false }: { fresh?: boolean } = {},
): Promise<{ xml?: string; failure?: string }> {
  const { url } = sourceOf(upstream)!;
  const look = () => needs.database.read(system('request'), (tx) => store.metadataOf(tx, upstream.id));
  const known = await look();
  const isKnown = known?.url === url && known.xml !== null;
  if (isKnown && !fresh) return { xml: known.xml! };
  const waitMs = isKnown ? leastMs : leastMs / 4;
  await refresh(needs, upstream, new Date(needs.clock.now().getTime() - waitMs));
  let now = await look();
  // Another node may be at it: whoever comes first here need not be turned away for that.
  for (let tries = 0; tries < mostLooks && now?.xml === null && now.failure === null; tries += 1) {
    await sleep(againLookMs);
    now = await look();
  }
  const xml = now?.url === url ? (now.xml ?? undefined) : undefined;
  return { xml, failure: now?.failure ?? 'somebody else is fetching it' };
}

const underWay = new WeakMap<Database, Map<string, Promise<void>>>();

/** Fetches and keeps it, unless that was tried since `before`. Whoever comes meanwhile waits for the same attempt. */
function refresh(needs: PublishedNeeds, upstream: SamlUpstream, before: Date): Promise<void> {
  const all = underWay.get(needs.database) ?? new Map<string, Promise<void>>();
  underWay.set(needs.database, all);
  const key = `${upstream.id} ${sourceOf(upstream)?.url}`;
  const known = all.get(key);
  if (known) return known;
  const made = fetchAndKeep(needs, upstream, before).finally(() => all.delete(key));
  all.set(key, made);
  return made;
}

async function fetchAndKeep(needs: PublishedNeeds, upstream: SamlUpstream, before: Date): Promise<void> {
  const { id } = upstream;
  const { url } = sourceOf(upstream)!;
  const { database, log } = needs;
  const mine = await database.transact(system(), (tx) =>
    store.claimMetadata(tx, { upstream: id, url, before }),
  );
  if (!mine) return;
  const got = await fetchMetadata(needs, upstream, url);
  await database.transact(system(), async (tx) => {
    if ('failure' in got) await store.noteMetadataFailure(tx, { upstream: id, url, failure: got.failure });
    else await store.keepMetadata(tx, { upstream: id, url, ...got });
  });
  if ('failure' in got)
    log.warn(
      { code: 'saml-metadata-refused', upstream: id, detail: got.failure },
      'metadata of a provider was refused',
    );
}

type Got = { xml: string; validUntil?: Date } | { failure: string };

async function fetchMetadata(needs: PublishedNeeds, upstream: SamlUpstream, url: string): Promise<Got> {
  try {
    const { status, bytes } = await needs.net.fetch(url, {
      headers: { accept: 'application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8' },
      timeoutMs: 8000,
      maxBytes: METADATA_LIMIT,
      allowPrivate: upstream.settings.privateNetwork,
    });
    if (status !== 200) return { failure: `The address answered HTTP ${status}.` };
    const xml = bytes.toString('utf8');
    const { validUntil } = readIdpMetadata(xml, {
      ...readingOf(upstream.settings.saml),
      now: needs.clock.now(),
    });
    return { xml, validUntil };
  } catch (error) {
    if (error instanceof SamlRefusal || error instanceof NetRefused) return { failure: error.message };
    throw error;
  }
}

/** Follows what providers publish, from now on. `settle` fetches what is due and waits for it. */
export function followProviders(needs: PublishedNeeds): { settle(): Promise<void>; stop(): Promise<void> } {
  const failed = (error: unknown) =>
    needs.log.error(
      { err: error, code: 'metadata-unread' },
      'which metadata is to be fetched could not be read',
    );
  const { run, stop } = regularly({ everyMs: lookEveryMs, failed }, () => fetchDue(needs));
  void run();
  return { settle: run, stop };
}

async function fetchDue(needs: PublishedNeeds): Promise<void> {
  const { upstreams, rows } = await needs.database.read(system('schedule'), async (tx) => ({
    upstreams: await listUpstreams(tx),
    rows: new Map((await store.listMetadata(tx)).map((row) => [row.upstream, row])),
  }));
  const now = needs.clock.now().getTime();
  for (const one of upstreams) {
    const upstream = one.settings.enabled ? toSaml(one) : undefined;
    const from = upstream && sourceOf(upstream);
    if (!from) continue;
    const row = rows.get(one.id);
    const waitMs = row?.failure ? againAfterMs : from.refreshHours * hour;
    await refresh(needs, upstream, new Date(now - waitMs));
  }
}
