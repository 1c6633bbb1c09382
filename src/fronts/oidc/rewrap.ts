/** A new master key: everything this front sealed under an earlier one is sealed again, page by page, while it serves. */
import type { Secrets } from '#kit/crypto/secrets.ts';
import { type Database, system } from '#kit/db/database.ts';
import { placeOfKey } from './keys.ts';
import { placeOfPayload } from './payload-rows.ts';
import * as store from './store.ts';

const pageSize = 500;

/** Seals everything under the current master key. Returns how many values changed; running it again changes none. */
export async function rewrapOidc(needs: { database: Database; secrets: Secrets }): Promise<number> {
  return (await rewrapKeys(needs)) + (await rewrapPayloads(needs));
}

async function rewrapKeys({ database, secrets }: { database: Database; secrets: Secrets }): Promise<number> {
  return database.transact(system(), async (tx) => {
    let changed = 0;
    for (const key of await store.sealedKeys(tx)) {
      const sealed = secrets.rewrap('oidc-keys', key.sealed, placeOfKey(key.kid));
      if (!sealed) continue;
      await store.replaceSealedKey(tx, key.kid, sealed);
      changed += 1;
    }
    return changed;
  });
}

async function rewrapPayloads({
  database,
  secrets,
}: {
  database: Database;
  secrets: Secrets;
}): Promise<number> {
  let changed = 0;
  let after: { kind: string; id: Buffer } | undefined;
  for (;;) {
    const page = await store.sealedPayloads(database, after, pageSize);
    const fresh = page.flatMap((row) => {
      const sealed = secrets.rewrap('oidc', row.sealed, placeOfPayload(row.kind, row.id));
      return sealed ? [{ kind: row.kind, id: row.id, from: row.sealed, to: sealed }] : [];
    });
    changed += await store.replaceSealedPayloads(database, fresh);
    after = page.at(-1);
    if (!after || page.length < pageSize) return changed;
  }
}
