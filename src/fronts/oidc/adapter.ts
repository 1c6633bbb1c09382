/**
 * What the library keeps, in `oidc_payloads`: ids as hashes of kind and id, so that one kind never answers for another
 * and no token stands in a dump; bodies sealed to their place. One-use objects are won by one conditional update, and
 * whoever comes second takes everything down that the first was given (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
 * (An app's token for itself is not kept at all: sealed-tokens.ts.)
 * What one request gives out is written by one statement at its end: all of it or nothing, and with it the refresh token
 * that it is given for is used up.
 */
import { type Adapter, type AdapterFactory, errors, Provider } from 'oidc-provider';
import { newId } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import { together } from '#kit/db/together.ts';
import type { Limits } from '#kit/limits/limits.ts';
import { boundRequests } from '#signon/request-limits.ts';
import { insertDevice } from './devices.store.ts';
import { exchangeOf } from './exchange.ts';
import { hashId, openPayload, payloadRow, type RowNeeds } from './payload-rows.ts';
import { endRow, findSealed, isSealed } from './sealed-tokens.ts';
import * as store from './store.ts';
import { userCodeHashes } from './user-codes.ts';

export interface AdapterNeeds extends RowNeeds {
  database: Database;
}

/** What the storage needs beside. */
interface StorageNeeds extends AdapterNeeds {
  limits: Limits;
  /** When the house was last restored from a backup. */
  restoredAt?: Date | undefined;
}

/** What a request has made and used up but not yet written, by its context. */
const waiting = new WeakMap<object, store.Trade>();
const nothing: store.Trade = { rows: [] };

/** What this request still has to write; it is the caller's from now on. */
export function takeWaiting(ctx: object): store.Trade {
  const trade = waiting.get(ctx) ?? nothing;
  waiting.delete(ctx);
  return trade;
}

/** Grants that came with what was given under them, by the request that asked: the library asks for them next. */
const grantsAtHand = new WeakMap<object, NonNullable<store.StoredPayload['grant']>>();

/** Kinds written at the end of the request that makes them. The others are written at once. */
const written = new Set(['Grant', 'AuthorizationCode', 'AccessToken', 'RefreshToken']);

/** The library's storage over our database. */
export function createAdapter(needs: StorageNeeds): AdapterFactory {
  const { database } = needs;
  const shared: Shared = {
    find: together((keys) => store.findPayloads(database, keys)),
    consume: together((keys) => store.consumePayloads(database, keys, needs.clock.now())),
  };
  return (kind) => adapterFor(kind, needs, shared);
}

/** What requests under way at the same time do together. */
interface Shared {
  find(key: store.PayloadKey): Promise<store.StoredPayload | undefined>;
  consume(key: store.PayloadKey): Promise<boolean>;
}

function adapterFor(kind: string, needs: StorageNeeds, shared: Shared): Adapter {
  const { database, secrets } = needs;
  return {
    async upsert(id, payload) {
      const row = payloadRow(needs, { kind, id, payload });
      const ctx = Provider.ctx;
      // Without anybody signed in, each request of an app keeps one: what our own pages save of it comes without.
      if (kind === 'Interaction' && ctx) await boundRequests(needs, exchangeOf(ctx).request);
      if (kind === 'DeviceCode' && payload.userCode) return keepDevice(needs, row, payload.userCode);
      if (!ctx || !written.has(kind)) return store.savePayloads(database, [row]);
      const { used, rows } = waiting.get(ctx) ?? nothing;
      waiting.set(ctx, { used, rows: [...rows, row] });
    },
    async find(id) {
      if (kind === 'ClientCredentials' && isSealed(id))
        return findSealed({ ...needs, find: shared.find }, id);
      const hash = hashId(kind, id);
      const found = atHand(kind, hash) ?? (await shared.find({ kind, id: hash }));
      if (!found) return undefined;
      const ctx = Provider.ctx;
      if (ctx && found.grant) grantsAtHand.set(ctx, found.grant);
      const payload = openPayload(secrets, { kind, id: hash, sealed: found.sealed });
      return found.consumedAt ? { ...payload, consumed: true } : payload;
    },
    async consume(id) {
      const hash = hashId(kind, id);
      const ctx = Provider.ctx;
      // Whether it was won is known when what is given for it is written (`settleTrade`), before any of it leaves.
      if (ctx && kind === 'RefreshToken') {
        waiting.set(ctx, { used: { kind, id: hash }, rows: takeWaiting(ctx).rows });
        return;
      }
      if (await shared.consume({ kind, id: hash })) return;
      await store.deleteGrantOf(database, kind, hash);
      throw new errors.InvalidGrant(`${kind} was used already`);
    },
    async destroy(id) {
      await store.deletePayload(database, kind, hashId(kind, id));
      if (kind === 'ClientCredentials') await store.savePayloads(database, [endRow(needs, 'token', id)]);
    },
    async revokeByGrantId(grantId) {
      await store.deleteGrant(database, hashId('Grant', grantId));
    },
    // Sessions are the core's, and codes of devices are typed on our pages: nothing is looked up by these names.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
  };
}

/** The grant that came along, once and to the request that asked. */
function atHand(kind: string, hash: Buffer): store.StoredPayload | undefined {
  const ctx = Provider.ctx;
  if (!ctx || kind !== 'Grant') return undefined;
  const grant = grantsAtHand.get(ctx);
  grantsAtHand.delete(ctx);
  return grant?.id.equals(hash) ? grant : undefined;
}

/** Writes what requests under way at the same time give out. */
export type SaveTrade = (trade: store.Trade) => Promise<void>;

/**
 * Writes trades, those of neighbours together. Throws invalid_grant for whoever comes second with a one-use object, once
 * everything is taken down that the first was given (RFC 9700 §4.14.2).
 */
export function savesTogether({ database, clock }: Pick<AdapterNeeds, 'database' | 'clock'>): SaveTrade {
  const save = together(async (trades: readonly store.Trade[]) => {
    // Of several who ask with the same one at once the first may have it.
    const first = new Map<string, store.Trade>();
    for (const trade of trades) {
      const key = trade.used && textOfKey(trade.used);
      if (key && !first.has(key)) first.set(key, trade);
    }
    const tried = trades.filter((trade) => !trade.used || first.get(textOfKey(trade.used)) === trade);
    const won = await store.tradePayloads(database, tried, clock.now());
    const winners = new Set(tried.filter((_, place) => won[place]));
    return trades.map((trade) => winners.has(trade));
  });
  return async (trade) => {
    if ((await save(trade)) || !trade.used) return;
    const { kind, id } = trade.used;
    await store.deleteGrantOf(database, kind, id);
    throw new errors.InvalidGrant(`${kind} was used already`);
  };
}

function textOfKey({ kind, id }: store.PayloadKey): string {
  return `${kind} ${id.toString('latin1')}`;
}

/** Seconds between two questions of a device, unless it is told otherwise (RFC 8628 §3.2). */
export const pollSeconds = 5;

/** A device code with what the person will type; both or neither. */
function keepDevice(needs: AdapterNeeds, row: store.PayloadRow, userCode: string): Promise<void> {
  const { createdAt, expiresAt = createdAt, id: deviceCode } = row;
  const [hash] = userCodeHashes(needs.secrets, userCode);
  const device = { id: newId(), userCode: hash, deviceCode, intervalSeconds: pollSeconds };
  return needs.database.transact(system('request'), async (tx) => {
    if (!(await insertDevice(tx, { ...device, createdAt, expiresAt })))
      throw new errors.TemporarilyUnavailable('the code is in use');
    await store.savePayloads(tx, [row]);
  });
}
