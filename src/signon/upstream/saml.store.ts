import type { Tx } from '#kit/db/tx.ts';

export interface MetadataRow {
  upstream: string;
  url: string;
  xml: string | null;
  validUntil: Date | null;
  fetchedAt: Date | null;
  triedAt: Date;
  failure: string | null;
}

const columns =
  'upstream, url, xml, valid_until as "validUntil", fetched_at as "fetchedAt", tried_at as "triedAt", failure';

export async function metadataOf(tx: Tx, upstream: string): Promise<MetadataRow | undefined> {
  const rows = await tx.query<MetadataRow>(
    `select ${columns} from upstream_metadata where upstream = $1`,
    [upstream],
    'upstream-metadata',
  );
  return rows[0];
}

export async function listMetadata(tx: Tx): Promise<MetadataRow[]> {
  return tx.query<MetadataRow>(`select ${columns} from upstream_metadata`);
}

/**
 * Takes it on to fetch the metadata, unless somebody tried since `before`: of many nodes at once one fetches. Another
 * address begins with nothing.
 */
export async function claimMetadata(
  tx: Tx,
  by: { upstream: string; url: string; before: Date },
): Promise<boolean> {
  const rows = await tx.query(
    `insert into upstream_metadata as m (upstream, url, tried_at) values ($1, $2, $3)
     on conflict (upstream) do update set url = $2, tried_at = $3,
       xml = case when m.url = $2 then m.xml end, valid_until = case when m.url = $2 then m.valid_until end,
       fetched_at = case when m.url = $2 then m.fetched_at end, failure = case when m.url = $2 then m.failure end
     where m.url <> $2 or m.tried_at <= $4 returning 1`,
    [by.upstream, by.url, tx.now(), by.before],
  );
  return rows.length === 1;
}

export async function keepMetadata(
  tx: Tx,
  row: { upstream: string; url: string; xml: string; validUntil?: Date },
): Promise<void> {
  await tx.query(
    `update upstream_metadata set xml = $3, valid_until = $4, fetched_at = $5, failure = null
     where upstream = $1 and url = $2`,
    [row.upstream, row.url, row.xml, row.validUntil ?? null, tx.now()],
  );
}

export async function noteMetadataFailure(
  tx: Tx,
  row: { upstream: string; url: string; failure: string },
): Promise<void> {
  await tx.query('update upstream_metadata set failure = $3 where upstream = $1 and url = $2', [
    row.upstream,
    row.url,
    row.failure.slice(0, 500),
  ]);
}
