/** Objects of the library as rows: ids as hashes of kind and id, bodies sealed to their place. */
import { hash as digest } from 'node:crypto';
import { type AdapterPayload, Provider } from 'oidc-provider';
import type { Clock } from '#kit/clock/clock.ts';
import type { Secrets } from '#kit/crypto/secrets.ts';
import type * as store from './store.ts';

export interface RowNeeds {
  secrets: Secrets;
  clock: Clock;
}

export function hashId(kind: string, id: string): Buffer {
  return digest('sha256', `${kind}\0${id}`, 'buffer');
}

export function placeOfPayload(kind: string, hash: Buffer): string {
  return `oidc_payloads/${kind}/${hash.toString('hex')}`;
}

/** What the library keeps of a stored object. */
export function openPayload(
  secrets: Secrets,
  stored: { kind: string; id: Buffer; sealed: Buffer },
): AdapterPayload {
  const { kind, id, sealed } = stored;
  return JSON.parse(secrets.open('oidc', sealed, placeOfPayload(kind, id)).toString('utf8'));
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Codes always fall with the session they were given in. */
const codes = new Set(['AuthorizationCode', 'DeviceCode']);

/**
 * A row for an object of the library.
 * @param given.session core session it is given in; that of the request under way when left out
 */
export function payloadRow(
  needs: RowNeeds,
  given: { kind: string; id: string; payload: AdapterPayload; session?: string },
): store.PayloadRow {
  const { kind, id, payload } = given;
  const hash = hashId(kind, id);
  const grantId = kind === 'Grant' ? id : payload.grantId;
  const session = given.session ?? payload.sessionUid ?? Provider.ctx?.oidc.session?.uid;
  const bound = codes.has(kind) || !isOffline(kind, payload);
  const application = payload.clientId ?? (payload.params?.client_id as string | undefined);
  return {
    kind,
    id: hash,
    sealed: needs.secrets.seal('oidc', JSON.stringify(payload), placeOfPayload(kind, hash)),
    // An interaction only mentions a grant; it does not fall with it.
    grantId: grantId && kind !== 'Interaction' ? hashId('Grant', grantId) : undefined,
    session: kind !== 'Interaction' && bound && session && uuid.test(session) ? session : undefined,
    person: kind === 'Interaction' ? undefined : payload.accountId,
    application,
    createdAt: needs.clock.now(),
    expiresAt: payload.exp === undefined ? undefined : new Date(payload.exp * 1000),
  };
}

/** Given for use while the person is away: it outlives the session (OIDC Core §11). */
function isOffline(kind: string, payload: AdapterPayload): boolean {
  const openid = (payload as { openid?: { scope?: string } }).openid;
  const scope = kind === 'Grant' ? openid?.scope : payload.scope;
  return (scope ?? '').split(' ').includes('offline_access');
}
