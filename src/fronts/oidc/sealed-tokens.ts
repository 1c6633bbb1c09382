/**
 * Tokens of apps for themselves that carry what they are, sealed: giving one writes nothing, so thousands an hour fill no
 * table, a crash loses none, and a dump holds none. What ends them before their time is what is written: one that is
 * revoked by its id, all of an app by the app. Where the house was restored from a backup, what had been written is not
 * brought back: none from before counts.
 */
import type { AdapterPayload, Provider } from 'oidc-provider';
import { SealBroken, type Secrets, WrongMasterKey } from '#kit/crypto/secrets.ts';
import { hashId, openPayload, payloadRow, type RowNeeds } from './payload-rows.ts';
import type * as store from './store.ts';

/** Seconds one lives. */
export const ownTokenSeconds = 3600;

const place = 'token/ClientCredentials';

/** Whether a token is of this kind by its length: those that are looked up by their hash have 43 characters. */
export function isSealed(token: string): boolean {
  return token.length > 43;
}

interface Token {
  getValueAndPayload(): Promise<{ value: string; payload?: AdapterPayload }>;
}

/** Makes the library give out such tokens. As with every value that speaks for itself, it then keeps nothing. */
export function sealOwnTokens(provider: Provider, { secrets, clock }: RowNeeds): void {
  const { prototype } = provider.ClientCredentials as unknown as { prototype: Token };
  const described = prototype.getValueAndPayload;
  prototype.getValueAndPayload = async function seal() {
    const { payload } = await described.call(this);
    const carried = JSON.stringify([clock.now().getTime(), payload]);
    return { value: secrets.seal('oidc', carried, place).toString('base64url') };
  };
}

/** What a token carries; undefined for whatever was not made here, or was changed in a single character. */
function openToken(secrets: Secrets, token: string): { at: number; payload: AdapterPayload } | undefined {
  const sealed = Buffer.from(token, 'base64url');
  // One spelling counts: the last character has bits that say nothing.
  if (sealed.toString('base64url') !== token) return undefined;
  try {
    const [at, payload] = JSON.parse(secrets.open('oidc', sealed, place).toString('utf8'));
    return { at, payload };
  } catch (error) {
    if (error instanceof SealBroken || error instanceof WrongMasterKey) return undefined;
    throw error;
  }
}

export interface FindNeeds extends RowNeeds {
  /** Looks several names up in one statement. */
  find(key: store.PayloadKey): Promise<store.StoredPayload | undefined>;
  /** When the house was last restored from a backup. */
  restoredAt?: Date | undefined;
}

/** What a token carries, while it counts. One statement for those of neighbours. */
export async function findSealed(needs: FindNeeds, token: string): Promise<AdapterPayload | undefined> {
  const { secrets, find, restoredAt } = needs;
  const carried = openToken(secrets, token);
  if (!carried || (restoredAt && carried.at <= restoredAt.getTime())) return undefined;
  const { jti, clientId } = carried.payload;
  const ends = [endOf('token', jti as string), endOf('app', clientId as string)];
  const found = await Promise.all(ends.map(find));
  const ended = found.some((end, which) => {
    if (!end) return false;
    const { until } = openPayload(secrets, { ...ends[which]!, sealed: end.sealed }) as { until: number };
    return carried.at <= until;
  });
  return ended ? undefined : carried.payload;
}

const kind = 'OwnTokensEnded';

function endOf(what: 'token' | 'app', name: string): store.PayloadKey {
  return { kind, id: hashId(kind, `${what} ${name}`) };
}

/** The row that ends what was given until a moment: one token by its id, or all of an app. It goes once they would have. */
export function endRow(
  needs: RowNeeds,
  what: 'token' | 'app',
  name: string,
  until: Date = needs.clock.now(),
): store.PayloadRow {
  const exp = Math.ceil(until.getTime() / 1000) + 2 * ownTokenSeconds;
  return payloadRow(needs, { kind, id: `${what} ${name}`, payload: { until: until.getTime(), exp } });
}
