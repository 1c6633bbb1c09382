/**
 * Devices without a browser (RFC 8628): a device shows a short code, a person types it on our page and decides there.
 * Whoever types a code first has it: from then on it is decided on in that browser and session alone (OA-19), and once.
 * Allowing makes what a code of the ordinary way would: a grant, the app in the session, the subject fixed.
 */

import { type AdapterPayload, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { fixSubject } from '#core/aliases/aliases.ts';
import { giveConsent } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import { joinApplication } from '#core/sessions/sessions.ts';
import { randomToken } from '#kit/crypto/ids.ts';
import type { Database } from '#kit/db/database.ts';
import type { Tx } from '#kit/db/tx.ts';
import { type Limits, networkKey } from '#kit/limits/limits.ts';
import { noteUse, type SignedOn } from '#signon/gate.ts';
import { type AdapterNeeds, pollSeconds } from './adapter.ts';
import type { Standing } from './admission.ts';
import { askedBy, parseClaims } from './asked.ts';
import { asksConsent } from './clients.ts';
import { acrOf, amrOf } from './core-session.ts';
import * as devices from './devices.store.ts';
import { exchangeOf } from './exchange.ts';
import { hashId, openPayload, payloadRow } from './payload-rows.ts';
import { findPayloads, savePayloads } from './store.ts';
import { plainUserCode, userCodeHashes } from './user-codes.ts';

type Needs = Pick<AdapterNeeds, 'secrets' | 'clock'>;

/** A device that waits, and what its app asked for. */
export interface Device {
  row: devices.DeviceRow;
  payload: AdapterPayload;
  params: Record<string, unknown>;
}

/** Whose a device is: the browser and the session in which its code was typed. */
export interface Taker {
  browser: string;
  signedOn: SignedOn;
}

/** The device that shows this code; undefined when none waits under it. Takes what people really type. */
export async function deviceShowing(tx: Tx, needs: Needs, typed: string): Promise<Device | undefined> {
  const plain = plainUserCode(typed);
  if (!plain) return undefined;
  const hashes = userCodeHashes(needs.secrets, plain);
  return withPayload(tx, needs, await devices.waitingDevice(tx, hashes, tx.now()));
}

/** The device whose code was typed in this very browser and session. */
export async function deviceTaken(
  tx: Tx,
  needs: Needs,
  id: string,
  taker: Taker,
): Promise<Device | undefined> {
  return withPayload(tx, needs, await devices.deviceOf(tx, id, keyOf(taker)));
}

/** Makes a device this browser's and session's, unless another browser has it. */
export function takeDevice(tx: Tx, id: string, taker: Taker): Promise<boolean> {
  return devices.takeDevice(tx, id, { ...keyOf(taker), now: tx.now() });
}

function keyOf({ browser, signedOn }: Taker) {
  return { browser, session: signedOn.session.id };
}

async function withPayload(
  tx: Tx,
  needs: Needs,
  row: devices.DeviceRow | undefined,
): Promise<Device | undefined> {
  if (!row) return undefined;
  const key = { kind: 'DeviceCode', id: row.deviceCode };
  const [stored] = await findPayloads(tx, [key]);
  if (!stored) return undefined;
  const payload = openPayload(needs.secrets, { ...key, sealed: stored.sealed });
  return { row, payload, params: payload.params ?? {} };
}

const textVersion = '1';

/**
 * The person lets the device in: its next question is answered with tokens. Refuses with request-expired when it is not
 * theirs, was decided on, or its time is over.
 */
export async function allowDevice(
  tx: Tx,
  needs: Needs,
  device: Device,
  by: Taker & { standing: Standing },
): Promise<void> {
  const { signedOn, standing } = by;
  const { application, profile } = standing;
  if (!profile) throw standing.refusal ?? new Problem('application-forbidden');
  await decide(tx, device, by, 'allowed');
  const { session, person } = signedOn;
  const asked = askedBy(device.params);
  const scope = asked.scopes.join(' ');
  const now = Math.floor(Date.now() / 1000);
  const seconds = (application.settings.oidc?.refreshDays ?? 30) * 86_400;
  const grantId = randomToken();
  const grant = {
    kind: 'Grant',
    jti: grantId,
    iat: now,
    exp: now + seconds,
    accountId: person.id,
    clientId: application.id,
    openid: { scope, ...(asked.claims.length > 0 && { claims: asked.claims }) },
  } as AdapterPayload;
  const claims = parseClaims(device.params.claims) as AdapterPayload['claims'] & object;
  const allowed: AdapterPayload = {
    ...device.payload,
    accountId: person.id,
    grantId,
    scope,
    acr: acrOf(session),
    amr: amrOf(session),
    authTime: Math.floor(session.authTime.getTime() / 1000),
    sessionUid: session.id,
    sid: session.sid,
    ...(Object.keys(claims).length > 0 && { claims }),
  };
  if (!profile.subjectFixed) await fixSubject(tx, application, person.id, profile.subject);
  if (asksConsent(application)) await keepConsent(tx, person.id, standing, asked);
  await savePayloads(tx, [
    payloadRow(needs, { kind: 'Grant', id: grantId, payload: grant, session: session.id }),
    payloadRow(needs, { kind: 'DeviceCode', id: String(device.payload.jti), payload: allowed }),
  ]);
  await joinApplication(tx, session, application.id, 'oidc');
  await noteUse(tx, session);
}

async function keepConsent(
  tx: Tx,
  person: string,
  { consent, application }: Standing,
  asked: { scopes: string[]; claims: string[] },
): Promise<void> {
  await giveConsent(tx, {
    person,
    application: application.id,
    scopes: [...new Set([...(consent?.scopes ?? []), ...asked.scopes])],
    claims: [...new Set([...(consent?.claims ?? []), ...asked.claims])],
    textVersion,
  });
}

/** The person sends the device away, with an error of OAuth it is told. Refuses like `allowDevice`. */
export async function denyDevice(
  tx: Tx,
  needs: Needs,
  device: Device,
  by: Taker,
  told: { error: string; description: string },
): Promise<void> {
  await decide(tx, device, by, 'denied');
  const payload = { ...device.payload, error: told.error, errorDescription: told.description };
  await savePayloads(tx, [
    payloadRow(needs, { kind: 'DeviceCode', id: String(device.payload.jti), payload }),
  ]);
}

async function decide(tx: Tx, device: Device, by: Taker, decision: devices.Decision): Promise<void> {
  const { id } = device.row;
  if (!(await devices.decideDevice(tx, id, { ...keyOf(by), decision, now: tx.now() })))
    throw new Problem('request-expired');
}

/** How many devices may ask from one network. */
const asking = { points: 60, windowSeconds: 600 };

/** Around the library: how often a network may begin, how often a device may ask, and that it knows how often. */
export function serveDevices(
  provider: Provider,
  needs: { database: Database; limits: Limits },
  path: string,
): void {
  provider.use(async (given: unknown, next: () => Promise<unknown>) => {
    const ctx = given as KoaContextWithOIDC;
    if (ctx.path !== path || ctx.method !== 'POST' || (await mayAsk(ctx, needs.limits))) await next();
  });
  provider.on('device_authorization.success', (_ctx, body) => {
    body.interval = pollSeconds;
  });
  const codes = provider.DeviceCode as unknown as CodeClass;
  const find = codes.find.bind(codes);
  codes.find = async (value, options) => {
    const code = await find(value, options);
    if (code && waits(code) && !(await devices.notePoll(needs.database, hashId('DeviceCode', value))))
      throw new errors.SlowDown('wait five seconds longer between two questions');
    return code;
  };
}

type Code = InstanceType<Provider['DeviceCode']>;

interface CodeClass {
  find(value: string, options?: { ignoreExpiration?: boolean }): Promise<Code | undefined>;
}

async function mayAsk(ctx: KoaContextWithOIDC, limits: Limits): Promise<boolean> {
  const { network } = exchangeOf(ctx).request;
  const { allowed, retryAfterSeconds } = await limits.take(`device-codes:${networkKey(network)}`, asking);
  if (allowed) return true;
  ctx.status = 429;
  ctx.set('retry-after', String(retryAfterSeconds));
  ctx.set('cache-control', 'no-store');
  ctx.body = { error: 'slow_down', error_description: 'too many devices of this network ask' };
  return false;
}

/**
 * Whether the app that asks still waits for an answer with this code. The answer itself too comes in time only, so that
 * of many questions at once one has it and none of the others takes it down.
 */
function waits(code: Code): boolean {
  return Provider.ctx?.oidc.client?.clientId === code.clientId && !code.isExpired && !code.consumed;
}
