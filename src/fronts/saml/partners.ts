/**
 * Metadata that apps publish: fetched by a job, again and again, and kept. What cannot be fetched, is not signed by whom
 * it must be, has expired or holds no address that may be used changes nothing: the last good one stays until its own end.
 */
import { type Application, findApplication, listApplications } from '#core/applications/applications.ts';
import { readCertificate, type SamlSettings } from '#core/applications/saml-settings.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { regularly } from '#kit/clock/regularly.ts';
import { type Database, system } from '#kit/db/database.ts';
import type { Log } from '#kit/log/log.ts';
import type { Net } from '#kit/net/net.ts';
import { enqueueAll, type Job } from '#kit/queue/queue.ts';
import { type Lease, startWorker } from '#kit/queue/worker.ts';
import type { SpMetadata } from '#wire/saml/metadata.ts';
import { fetchPublished, type Published } from './published.ts';
import { answerPlaces } from './service.ts';
import * as store from './store.ts';

const lane = 'saml-metadata';
const lookEveryMs = 60_000;
/** After a failure the next attempt is not left for hours. */
const againAfterMs = 600_000;
const hour = 3_600_000;

export interface PartnerNeeds {
  database: Database;
  clock: Clock;
  log: Log;
  net: Net;
}

type From = NonNullable<SamlSettings['metadata']> & { url: string };

function sourceOf(application: Application): From | undefined {
  const from = application.settings.saml?.metadata;
  return from?.url === undefined ? undefined : { ...from, url: from.url };
}

/** Follows what apps publish. `settle` fetches what is due and waits for it. */
export function startPartners(needs: PartnerNeeds): { settle(): Promise<void>; stop(): Promise<void> } {
  const { database, log } = needs;
  const worker = startWorker<{ application: string }>({
    database,
    log,
    lane,
    concurrency: 4,
    maxAttempts: 1,
    handle: (job, lease) => refresh(needs, job, lease),
  });
  const failed = (error: unknown) =>
    log.error({ err: error, code: 'metadata-unread' }, 'which metadata is to be fetched could not be read');
  const looking = regularly({ everyMs: lookEveryMs, failed }, () => enqueueDue(database));
  const unlisten = database.listen('applications', () => void looking.run());
  void looking.run();
  return {
    async settle() {
      await looking.run();
      await worker.idle();
    },
    async stop() {
      await (await unlisten)();
      await looking.stop();
      await worker.stop();
    },
  };
}

async function enqueueDue(database: Database): Promise<void> {
  await database.transact(system(), async (tx) => {
    const applications = (await listApplications(tx)).filter(sourceOf);
    if (applications.length === 0) return;
    const known = new Map((await store.listMetadata(tx)).map((row) => [row.application, row]));
    const due = applications.filter((one) => isDue(one, known.get(one.id), tx.now()));
    await enqueueAll(
      tx,
      due.map(({ id }) => ({ lane, key: id, payload: { application: id }, dedupe: `${lane} ${id}` })),
    );
  });
}

function isDue(application: Application, row: store.MetadataRow | undefined, now: Date): boolean {
  const from = sourceOf(application)!;
  if (!row || row.url !== from.url || application.updatedAt > row.triedAt) return true;
  const since = now.getTime() - row.triedAt.getTime();
  return since >= (row.failure === null ? from.refreshHours * hour : againAfterMs);
}

async function refresh(needs: PartnerNeeds, job: Job<{ application: string }>, lease: Lease): Promise<void> {
  const id = job.payload.application;
  const application = await needs.database.read(system(), (tx) => findApplication(tx, id));
  const from = application && sourceOf(application);
  if (!from) return;
  const got = await fetchMetadata(needs, application, from);
  await needs.database.transact(system(), async (tx) => {
    const failure = 'failure' in got ? got.failure : await shrinks(tx, application, from, got.metadata);
    if (failure === undefined && 'xml' in got) {
      const { xml, metadata } = got;
      await store.keepMetadata(tx, { application: id, url: from.url, xml, validUntil: metadata.validUntil });
    } else {
      await store.noteMetadataFailure(tx, { application: id, url: from.url, failure: failure ?? '' });
      needs.log.warn(
        { code: 'saml-metadata-refused', application: id, detail: failure },
        'metadata of an app was refused',
      );
    }
    await lease.finish(tx);
  });
}

function fetchMetadata(needs: PartnerNeeds, application: Application, from: From): Promise<Published> {
  const pinned = from.certificates.flatMap((text) => readCertificate(text)?.toString() ?? []);
  return fetchPublished(needs, {
    url: from.url,
    entityId: application.settings.saml!.entityId,
    certificates: pinned.length > 0 ? pinned : undefined,
    allowPrivate: application.settings.privateHttp,
  });
}

/** Why this must not take the place of what there is: an app would be left without an address, or without a key. */
async function shrinks(
  tx: Parameters<typeof store.metadataOf>[0],
  application: Application,
  from: From,
  metadata: SpMetadata,
): Promise<string | undefined> {
  if (answerPlaces(application, application.settings.saml!, metadata).length === 0)
    return 'There is no address in it that may be used: https, by HTTP-POST.';
  const before = await store.metadataOf(tx, application.id);
  if (!before?.xml || before.url !== from.url || metadata.certificates.length > 0) return undefined;
  const had = before.xml.includes('X509Certificate');
  return had ? 'It holds no certificate any more, and held one before.' : undefined;
}
