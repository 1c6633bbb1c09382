/**
 * Lists a target: every account and group it has, page by page, gathered beside what is known. It takes that place only
 * when it is complete: one that breaks off, is shorter than told, or misses too many accounts we look after changes
 * nothing and raises an alarm, for whoever is missing there would be made again or forgotten.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { groupKey } from '#core/groups/groups.ts';
import { newId } from '#kit/crypto/ids.ts';
import { system } from '#kit/db/database.ts';
import { type Call, type Connection, type RemoteAccount, Retry, type Value } from './connector.ts';
import * as store from './listing.store.ts';
import { capabilitiesOf } from './situation.ts';
import {
  connectorOf,
  openTarget,
  type ProvisioningNeeds,
  prepareTarget,
  requireTarget,
  type Target,
} from './targets.ts';
import { note, noteAll } from './timeline.ts';

export {
  blankListed as forgetListed,
  type ListedGroup,
  type ListingState,
  listedGroups,
  listingOf,
} from './listing.store.ts';

/** Another listing of the same target began while this one was under way; what this one found is dropped. */
export class ListingOvertaken extends Error {
  override name = 'ListingOvertaken';
}

export interface ListingOptions {
  signal?: AbortSignal;
  /** A person has looked: what is missing is really gone, the total told is wrong. */
  accept?: boolean;
  /** Go on with one that was cut off lately (its process ended), where the target's paging allows that. */
  resume?: boolean;
  /** After each page. */
  onProgress?: (progress: { seen: number; total?: number }) => void;
}

export interface Listing {
  /** As it is now: with what the connector learned and, when complete, when it was listed. */
  target: Target;
  complete: boolean;
  accounts: number;
  groups: number;
  /** Accounts we look after that it did not bring. */
  missing: number;
  tookMs: number;
  /** Why it was not taken, for an administrator. */
  why?: string;
}

/** Of the accounts we look after so many may be missing at once; a few always may. */
const missingShare = 0.2;
const missingLeast = 5;
const rowsAtOnce = 500;

/**
 * Lists a target. `target.listedAt` becomes the moment it began, also of one that is gone on with: what was seen is at
 * least as new.
 * @throws Retry, Stop of connector.ts where the target does not let itself be listed (kept with the target too)
 * @throws ListingOvertaken
 */
export async function listTarget(
  needs: ProvisioningNeeds,
  target: Target,
  options: ListingOptions = {},
): Promise<Listing> {
  const from = performance.now();
  const run = await beginRun(needs, target, options);
  const { state } = run;
  try {
    const connection = await open(run);
    if (!(await gatherAccounts(run, connection)))
      return await listTarget(needs, target, { ...options, resume: false });
    const groups = await gatherGroups(run, connection);
    state.tookMs = Math.round(performance.now() - from);
    return await finish(run, groups);
  } catch (error) {
    state.tookMs = Math.round(performance.now() - from);
    if (!(error instanceof ListingOvertaken)) await fail(run, error);
    throw error;
  }
}

/** A listing that was cut off longer ago speaks of too long a time to be gone on with. */
const resumableMs = 3_600_000;

async function beginRun(needs: ProvisioningNeeds, target: Target, options: ListingOptions): Promise<Run> {
  const { application } = target;
  const now = needs.clock.now();
  const fresh: store.ListingState = {
    state: 'running',
    run: newId(),
    startedAt: now.toISOString(),
    seen: 0,
  };
  const goesOn = ({ state, startedAt, total, place }: store.ListingState) => {
    if (!options.resume || (state !== 'running' && state !== 'failed')) return undefined;
    const facts = { code: 'listing-restarted', application };
    const old = now.getTime() - Date.parse(startedAt) > resumableMs;
    if (!place || old || place.version !== target.version) {
      if (state === 'running') needs.log.info(facts, 'a listing that was cut off begins anew');
      return undefined;
    }
    return { ...fresh, startedAt, seen: place.before, place, ...(total === undefined ? {} : { total }) };
  };
  const state = await needs.database.transact(system(), (tx) =>
    store.beginListing(tx, application, fresh, goesOn),
  );
  return { needs, target, options, state, began: new Date(state.startedAt) };
}

interface Run {
  needs: ProvisioningNeeds;
  target: Target;
  options: ListingOptions;
  state: store.ListingState;
  began: Date;
}

async function open(run: Run): Promise<Connection> {
  const { needs, options } = run;
  run.target = await prepareTarget(needs, run.target);
  const about = { subject: 'target', signal: options.signal };
  return openTarget(needs, run.target, about, (call) => patient(call, options.signal));
}

const mostTries = 6;
const mostWaitSeconds = 60;

/** A listing of many pages does not begin anew because one of them had to wait. Longer waits end it. */
function patient(call: Call, signal: AbortSignal | undefined): Call {
  return async (request) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call(request);
      } catch (error) {
        if (!(error instanceof Retry) || request.method !== 'GET' || attempt >= mostTries) throw error;
        const seconds = error.afterSeconds ?? Math.min(2 ** attempt, 20);
        if (seconds > mostWaitSeconds) throw error;
        await sleep(seconds * 1000, undefined, { signal });
      }
    }
  };
}

/** False when it was to be gone on with and cannot be: the target shows another page by now. */
async function gatherAccounts(run: Run, connection: Connection): Promise<boolean> {
  const { state, options, needs, target } = run;
  let known = state.place;
  for await (const { items, total, at } of connection.list(known?.at)) {
    options.signal?.throwIfAborted();
    const page = digestOf(items);
    if (known) {
      const facts = { application: target.application, seen: state.seen };
      if (at !== known.at || page !== known.page || total !== state.total) {
        needs.log.info({ ...facts, code: 'listing-restarted' }, 'a listing that was cut off begins anew');
        return false;
      }
      needs.log.info({ ...facts, code: 'listing-resumed' }, 'a listing that was cut off goes on');
      known = undefined;
    }
    if (total !== undefined) state.total = total;
    const place = at === undefined ? undefined : { at, page, before: state.seen, version: target.version };
    await keepPage(run, items.map(toRow), place);
    options.onProgress?.({ seen: state.seen, ...(state.total === undefined ? {} : { total: state.total }) });
  }
  return true;
}

function digestOf(items: readonly RemoteAccount[]): string {
  return createHash('sha256')
    .update(JSON.stringify(items.map(({ id }) => id)))
    .digest('base64url');
}

/** The place is reached with the last rows of the page: cut off before, all of it is read again. */
async function keepPage(
  { needs, target, state }: Run,
  rows: store.PageRow[],
  place: store.Place | undefined,
): Promise<void> {
  const { application } = target;
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    const some = rows.slice(at, at + rowsAtOnce);
    state.seen += some.length;
    if (at + rowsAtOnce >= rows.length) state.place = place;
    await needs.database.transact(system(), async (tx) => {
      await requireTurn(tx, application, state.run);
      await store.insertPage(tx, application, lastOfEach(some));
      await store.writeListing(tx, application, state);
    });
  }
}

async function requireTurn(
  tx: Parameters<typeof store.holdListing>[0],
  application: string,
  run: string,
): Promise<void> {
  if (await store.holdListing(tx, application, run)) return;
  throw new ListingOvertaken('Another listing of this target has begun.');
}

/** One statement writes each row once. */
function lastOfEach(rows: readonly store.PageRow[]): store.PageRow[] {
  return [...new Map(rows.map((row) => [row.remoteId, row])).values()];
}

function toRow(account: RemoteAccount): store.PageRow {
  const key = (name: string) => {
    const value = account.attributes[name];
    return typeof value === 'string' && value !== '' ? plain(value).toLowerCase() : null;
  };
  const attributes = Object.entries(account.attributes).map(([name, value]) => [
    plain(name),
    plainValue(value),
  ]);
  return {
    remoteId: plain(account.id),
    externalId: account.externalId === undefined ? null : plain(account.externalId),
    userNameKey: key('userName'),
    emailKey: key('email'),
    active: account.active,
    accountId: account.accountId === undefined ? null : plain(account.accountId),
    attributes: Object.fromEntries(attributes),
  };
}

/** NUL and half characters are no text for the database. */
function plain(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed();
}

function plainValue(value: Value): Value {
  if (typeof value === 'string') return plain(value);
  return Array.isArray(value) ? value.map((one: string) => plain(one)) : value;
}

async function gatherGroups(run: Run, connection: Connection): Promise<store.ListedGroup[] | undefined> {
  const { needs, target, options } = run;
  const { groups } = capabilitiesOf(connectorOf(needs, target), connection);
  if (!groups || target.settings.groups === 'none') return undefined;
  const all: store.ListedGroup[] = [];
  for await (const { items } of connection.listGroups()) {
    options.signal?.throwIfAborted();
    for (const { id, name, externalId } of items) {
      const known = externalId === undefined ? {} : { externalId: plain(externalId) };
      all.push({ remoteId: plain(id), name: plain(name), nameKey: groupKey(plain(name)), ...known });
    }
  }
  return all;
}

async function finish(run: Run, groups: store.ListedGroup[] | undefined): Promise<Listing> {
  const { needs, target, state, began, options } = run;
  const { application } = target;
  return needs.database.transact(system(), async (tx) => {
    await requireTurn(tx, application, state.run);
    const found = await store.gathered(tx, application, began);
    const why = options.accept ? undefined : doubt(found, state.total);
    state.seen = found.accounts;
    delete state.place;
    state.state = why === undefined ? 'complete' : 'short';
    if (groups) state.groups = groups.length;
    if (why === undefined) {
      await store.takeOver(tx, application, began);
      await store.replaceGroups(tx, application, groups ?? []);
      await noteLost(tx, application, await store.refreshLinks(tx, application, began));
    } else {
      state.why = why;
      await store.dropPages(tx, application);
      await alarm(tx, run, why);
    }
    await store.writeListing(tx, application, state);
    return {
      target: await requireTarget(tx, application),
      complete: why === undefined,
      accounts: found.accounts,
      groups: groups?.length ?? 0,
      missing: found.missing,
      tookMs: state.tookMs ?? 0,
      ...(why === undefined ? {} : { why }),
    };
  });
}

/** Why a listing that ended well is not believed; undefined when it is. */
export function doubt(
  { accounts, held, missing }: store.Gathered,
  total: number | undefined,
): string | undefined {
  if (total !== undefined && accounts < total)
    return `The target told of ${total} accounts and showed ${accounts}.`;
  if (accounts === 0 && held > 0) return `The target showed no account at all; ${held} are known here.`;
  if (missing >= missingLeast && missing > held * missingShare)
    return `${missing} of ${held} accounts that are known here were not among what the target showed.`;
  return undefined;
}

const untouched = 'Nothing was changed because of it.';

async function alarm(
  tx: Parameters<typeof note>[0],
  { needs, target, state }: Run,
  why: string,
): Promise<void> {
  const { application } = target;
  const text = `The listing was not taken for complete: ${why} ${untouched}`;
  await note(tx, { application, subject: 'target', kind: 'problem', text });
  const facts = { code: 'listing-doubted', application, seen: state.seen, total: state.total };
  needs.log.warn(facts, 'the listing of a target was not taken for complete');
}

async function noteLost(
  tx: Parameters<typeof noteAll>[0],
  application: string,
  lost: readonly { person: string; accountId: string }[],
): Promise<void> {
  await noteAll(
    tx,
    lost.map(({ person, accountId }) => ({
      application,
      subject: `person:${person}`,
      kind: 'problem' as const,
      text: `The account behind the record (${accountId}) is not linked to it any more.`,
    })),
  );
}

async function fail({ needs, target, state, options }: Run, error: unknown): Promise<void> {
  const { application } = target;
  const why = error instanceof Error ? error.message : String(error);
  const short = plain(why).slice(0, 500);
  await needs.database
    .transact(system(), async (tx) => {
      if (!(await store.holdListing(tx, application, state.run))) return;
      if (options.signal?.aborted) {
        // This process ends, or the job has gone to another one: the next listing may go on with what is here.
        await store.writeListing(tx, application, { ...state, state: 'failed', why: short });
        return;
      }
      await store.dropPages(tx, application);
      const { place: _, ...ended } = state;
      await store.writeListing(tx, application, { ...ended, state: 'failed', why: short });
      const text = `The listing broke off: ${short} ${untouched}`;
      await note(tx, { application, subject: 'target', kind: 'problem', text });
    })
    .catch((failure: unknown) =>
      needs.log.error({ err: failure, code: 'listing-unfinished', application }, 'a listing could not end'),
    );
}
