/**
 * What will stop working at a known moment: our certificate, those of apps and of providers, metadata that is not renewed
 * (SA-17).
 */
import { X509Certificate } from 'node:crypto';
import { listApplications } from '#core/applications/applications.ts';
import type { Tx } from '#kit/db/tx.ts';
import { publishedKeys } from '#signon/saml-keys/saml-keys.ts';
import { type ProviderWarning, providerWarnings } from '#signon/upstream/saml-warnings.ts';
import { serviceProvider } from './service.ts';
import * as store from './store.ts';

const day = 86_400_000;
const warnDays = 30;
/** Metadata that could not be fetched for so long is worth a look, however long it still counts. */
const staleDays = 3;

export interface SamlWarning {
  /** `certificate` = ours, `app-certificate` = that of an app, `app-metadata` = it cannot be fetched any more. */
  kind: 'certificate' | 'app-certificate' | 'app-metadata' | ProviderWarning['kind'];
  application?: string;
  upstream?: string;
  /** When it ends, or ended; of metadata without an end when it was last fetched. */
  at?: Date;
  detail?: string;
}

/** Everything that ends within 30 days or has ended, of apps and providers that are on. */
export async function samlWarnings(tx: Tx): Promise<SamlWarning[]> {
  const now = tx.now();
  const isNear = (end: Date) => end.getTime() - now.getTime() <= warnDays * day;
  const found: SamlWarning[] = [];
  for (const key of await publishedKeys(tx)) {
    if (key.state === 'active' && isNear(key.notAfter)) found.push({ kind: 'certificate', at: key.notAfter });
  }
  const metadata = new Map((await store.listMetadata(tx)).map((row) => [row.application, row]));
  for (const application of await listApplications(tx)) {
    const { id, settings } = application;
    const sp = settings.enabled && settings.saml ? await serviceProvider(tx, application) : undefined;
    if (!sp) continue;
    const at = firstEnd(sp.verifiers, sp.encryptFor);
    if (at && isNear(at)) found.push({ kind: 'app-certificate', application: id, at });
    const row = sp.saml.metadata?.url === undefined ? undefined : metadata.get(id);
    if (row?.failure && isStale(row, now))
      found.push({
        kind: 'app-metadata',
        application: id,
        at: row.validUntil ?? row.fetchedAt ?? undefined,
        detail: row.failure,
      });
  }
  return [...found, ...(await providerWarnings(tx))];
}

function isStale(row: store.MetadataRow, now: Date): boolean {
  if (row.fetchedAt === null) return true;
  const endsSoon = row.validUntil !== null && row.validUntil.getTime() - now.getTime() <= staleDays * day;
  return endsSoon || now.getTime() - row.fetchedAt.getTime() >= staleDays * day;
}

/** Of several certificates to verify with one that holds longer is enough; what is encrypted for has no second. */
function firstEnd(verifiers: readonly string[], encryptFor: string | undefined): Date | undefined {
  const end = (pem: string) => new Date(new X509Certificate(pem).validTo);
  const latest = verifiers.map(end).sort((one, other) => other.getTime() - one.getTime())[0];
  const ends = [latest, encryptFor === undefined ? undefined : end(encryptFor)].filter(
    (one) => one !== undefined,
  );
  return ends.sort((one, other) => one.getTime() - other.getTime())[0];
}
