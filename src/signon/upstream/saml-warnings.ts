/** What will stop working at a known moment: certificates of providers, metadata that is not renewed (SA-17). */
import type { Tx } from '#kit/db/tx.ts';
import { readIdpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import * as store from './saml.store.ts';
import { endOf } from './saml-provider.ts';
import { toSaml } from './saml-published.ts';
import { pemsOf, readingOf, type SamlUpstreamSettings } from './saml-settings.ts';
import { listUpstreams } from './upstreams.ts';

const day = 86_400_000;
const warnDays = 30;
/** Metadata that could not be fetched for so long is worth a look, however long it still counts. */
const staleDays = 3;

export interface ProviderWarning {
  /** `upstream-certificate` = what it signs with ends, `upstream-metadata` = it cannot be fetched any more. */
  kind: 'upstream-certificate' | 'upstream-metadata';
  upstream: string;
  /** When it ends, or ended; of metadata without an end when it was last fetched. */
  at?: Date;
  detail?: string;
}

/** Everything that ends within 30 days or has ended, of providers that are on. */
export async function providerWarnings(tx: Tx): Promise<ProviderWarning[]> {
  const now = tx.now().getTime();
  const saml = (await listUpstreams(tx))
    .filter(({ settings }) => settings.enabled)
    .flatMap((one) => toSaml(one) ?? []);
  if (saml.length === 0) return [];
  const rows = new Map((await store.listMetadata(tx)).map((row) => [row.upstream, row]));
  const found: ProviderWarning[] = [];
  for (const { id: upstream, settings } of saml) {
    const url = settings.saml.metadata?.url;
    const row = url === undefined ? undefined : rows.get(upstream);
    const at = endOf({
      certificates: certificatesOf(settings.saml, row?.url === url ? row?.xml : undefined),
    });
    if (at && at.getTime() - now <= warnDays * day)
      found.push({ kind: 'upstream-certificate', upstream, at });
    if (row?.failure && isStale(row, now)) {
      const end = row.validUntil ?? row.fetchedAt ?? undefined;
      found.push({ kind: 'upstream-metadata', upstream, at: end, detail: row.failure });
    }
  }
  return found;
}

function certificatesOf(saml: SamlUpstreamSettings, fetched: string | null | undefined): string[] {
  const xml = saml.metadata?.xml ?? fetched;
  if (!xml) return pemsOf(saml.certificates);
  try {
    const { certificates } = readIdpMetadata(xml, readingOf(saml));
    return certificates.filter(({ use }) => use !== 'encryption').map(({ pem }) => pem);
  } catch (error) {
    if (error instanceof SamlRefusal) return [];
    throw error;
  }
}

function isStale(row: store.MetadataRow, now: number): boolean {
  if (row.fetchedAt === null) return true;
  const endsSoon = row.validUntil !== null && row.validUntil.getTime() - now <= staleDays * day;
  return endsSoon || now - row.fetchedAt.getTime() >= staleDays * day;
}
