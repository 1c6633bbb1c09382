/**
 * What the library keeps, in `oidc_payloads`: ids as hashes of kind and id, so that one kind never answers for another
 * and no token stands in a dump; bodies sealed to their place. One-use objects are won by one conditional update, and
 * whoever comes second takes everything down that the first was given (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
 * What one request gives out is written by one statement at its end: all of it or nothing.
 */
import { hash as digest } from 'node:crypto';
import { type Adapter, type AdapterFactory, type AdapterPayload, errors, Provider } from 'oidc-provider';
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type { Database } from '#kit/db/database.ts';
import * as store from './store.ts';
import { together } from './together.ts';

export interface AdapterNeeds {
  database: Database;
  secrets: Secrets;
  clock: Clock;
}

/** Rows a request has made but not yet written, by its context. */
const waiting = new WeakMap<object, store.PayloadRow[]>();

/** The rows that this request still has to write; they are the caller's from now on. */
export function takeWaiting(ctx: object): store.PayloadRow[] {
  const rows = waiting.get(ctx) ?? [];
  waiting.delete(ctx);
  return rows;
}

/** Kinds written at the end of the request that makes them. The others are written at once. */
const written = new Set(['Grant', 'AuthorizationCode', 'AccessToken', 'RefreshToken', 'ClientCredentials']);

/** The library's storage over our database. */
export function createAdapter(needs: AdapterNeeds): AdapterFactory {
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

function adapterFor(kind: string, needs: AdapterNeeds, shared: Shared): Adapter {
  const { database, secrets, clock } = needs;
  return {
    async upsert(id, payload) {
      const row = rowOf(kind, id, payload, secrets, clock.now());
      const ctx = Provider.ctx;
      if (!ctx || !written.has(kind)) return store.savePayloads(database, [row]);
      waiting.set(ctx, [...(waiting.get(ctx) ?? []), row]);
    },
    async find(id) {
      const hash = hashId(kind, id);
      const found = await shared.find({ kind, id: hash });
      if (!found) return undefined;
      const payload = JSON.parse(
        secrets.open('oidc', found.sealed, placeOfPayload(kind, hash)).toString('utf8'),
      );
      return found.consumedAt ? { ...payload, consumed: true } : payload;
    },
    async consume(id) {
      const hash = hashId(kind, id);
      if (await shared.consume({ kind, id: hash })) return;
      await store.deleteGrantOf(database, kind, hash);
      throw new errors.InvalidGrant(`${kind} was used already`);
    },
    async destroy(id) {
      await store.deletePayload(database, kind, hashId(kind, id));
    },
    async revokeByGrantId(grantId) {
      await store.deleteGrant(database, hashId('Grant', grantId));
    },
    // Sessions are the core's and the device flow is off: nothing is kept under these names.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
  };
}

function hashId(kind: string, id: string): Buffer {
  return digest('sha256', `${kind}\0${id}`, 'buffer');
}

export function placeOfPayload(kind: string, hash: Buffer): string {
  return `oidc_payloads/${kind}/${hash.toString('hex')}`;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function rowOf(
  kind: string,
  id: string,
  payload: AdapterPayload,
  secrets: Secrets,
  now: Date,
): store.PayloadRow {
  const hash = hashId(kind, id);
  const grantId = kind === 'Grant' ? id : payload.grantId;
  const session = payload.sessionUid ?? Provider.ctx?.oidc.session?.uid;
  const bound = kind === 'AuthorizationCode' || !isOffline(kind, payload);
  const application = payload.clientId ?? (payload.params?.client_id as string | undefined);
  return {
    kind,
    id: hash,
    sealed: secrets.seal('oidc', JSON.stringify(payload), placeOfPayload(kind, hash)),
    // An interaction only mentions a grant; it does not fall with it.
    grantId: grantId && kind !== 'Interaction' ? hashId('Grant', grantId) : undefined,
    session: kind !== 'Interaction' && bound && session && uuid.test(session) ? session : undefined,
    person: kind === 'Interaction' ? undefined : payload.accountId,
    application,
    createdAt: now,
    expiresAt: payload.exp === undefined ? undefined : new Date(payload.exp * 1000),
  };
}

/** Given for use while the person is away: it outlives the session (OIDC Core §11). */
function isOffline(kind: string, payload: AdapterPayload): boolean {
  const openid = (payload as { openid?: { scope?: string } }).openid;
  const scope = kind === 'Grant' ? openid?.scope : payload.scope;
  return (scope ?? '').split(' ').includes('offline_access');
}
