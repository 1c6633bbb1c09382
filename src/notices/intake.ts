/**
 * From facts to letters: which events are told to whom. A security notice goes to every confirmed address, so that
 * whoever takes over one mailbox cannot keep the others from learning of it.
 */
import type { EventType, LoggedEvent } from '#core/events/events.ts';
import { type Address, findPeople, forgetFormerAddress, listAddresses } from '#core/people/people.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './store.ts';

export const noticeKinds = [
  'confirm-sign-up',
  'confirm-address',
  'recovery',
  'prove-again',
  'sign-up-repeated',
  'password-changed',
  'address-added',
  'address-made-primary',
  'address-removed',
  'sign-in-throttled',
  'passkey-added',
  'passkey-removed',
  'app-added',
  'app-removed',
  'recovery-codes-made',
  'recovery-code-used',
  'passkey-copied',
  'factors-reset-planned',
  'factors-reset-cancelled',
  'factors-reset-done',
  'recovery-link-made',
  'upstream-linked',
  'upstream-unlinked',
  'welcome',
] as const;
export type NoticeKind = (typeof noticeKinds)[number];

/** One letter to be written. `about` is the verification it carries, or the address or upstream it speaks of. */
export interface Draft {
  event: number;
  at: Date;
  kind: NoticeKind;
  person: string;
  address: string;
  about?: string;
}

/** What was brought here by many at once, or by nobody's own act, is not news to the people it is about. */
const silentCauses: ReadonlySet<string> = new Set(['import', 'sync', 'merge', 'apply', 'demo']);

/** Kinds that strangers can set off again and again: at most one in so many minutes for each person. */
const atMostEvery: Partial<Record<NoticeKind, number>> = {
  'sign-in-throttled': 24 * 60,
  'passkey-copied': 60,
  'sign-up-repeated': 10,
};

type Handlers = { [T in EventType]?: (event: LoggedEvent<T>, addresses: readonly Address[]) => Told[] };
type Told = Pick<Draft, 'kind' | 'address' | 'about'>;

const confirmed = (addresses: readonly Address[]) => addresses.filter((one) => one.verifiedAt);
const toAll = (kind: NoticeKind, addresses: readonly Address[], about?: string): Told[] =>
  confirmed(addresses).map((one) => ({ kind, address: one.id, about }));

const addedKinds = {
  passkey: 'passkey-added',
  totp: 'app-added',
  'recovery-codes': 'recovery-codes-made',
} as const;
const removedKinds = { passkey: 'passkey-removed', totp: 'app-removed' } as const;

const handlers: Handlers = {
  'verification.requested': ({ data }) => {
    const kinds = {
      'sign-up': 'confirm-sign-up',
      address: 'confirm-address',
      recovery: 'recovery',
      proof: 'prove-again',
    } as const;
    return [{ kind: kinds[data.purpose], address: data.address, about: data.verification }];
  },
  'sign-up.repeated': ({ data }) => [{ kind: 'sign-up-repeated', address: data.address }],
  'password.set': ({ data }, addresses) =>
    data.how === 'sign-up' || data.how === 'apply' || data.how === 'directory'
      ? []
      : toAll('password-changed', addresses),
  'address.added': ({ data }, addresses) => {
    const others = addresses.filter((one) => one.id !== data.address);
    return toAll('address-added', others, data.address);
  },
  'address.made-primary': ({ data }) =>
    data.previous === undefined
      ? []
      : [data.previous, data.address].map((address) => ({
          kind: 'address-made-primary',
          address,
          about: data.address,
        })),
  // The removed address itself comes last: it is forgotten once it has been told, and the others name it.
  'address.removed': ({ data }) =>
    data.verified
      ? [...data.notify, data.address].map((address) => ({
          kind: 'address-removed',
          address,
          about: data.address,
        }))
      : [],
  'factor.added': ({ data }, addresses) => toAll(addedKinds[data.kind], addresses),
  'factor.removed': ({ data }, addresses) => toAll(removedKinds[data.kind], addresses),
  'recovery-code.used': (_event, addresses) => toAll('recovery-code-used', addresses),
  'passkey.copied': (_event, addresses) => toAll('passkey-copied', addresses),
  'factor-reset.approved': (_event, addresses) => toAll('factors-reset-planned', addresses),
  'factor-reset.cancelled': ({ data }, addresses) =>
    data.told ? toAll('factors-reset-cancelled', addresses) : [],
  'factor-reset.done': (_event, addresses) => toAll('factors-reset-done', addresses),
  'recovery-link.approved': (_event, addresses) => toAll('recovery-link-made', addresses),
  'sign-in.throttled': (_event, addresses) =>
    toAll(
      'sign-in-throttled',
      addresses.filter((one) => one.primary),
    ),
  // Whoever joins through an upstream knows it; a way into an account that was there before is news.
  'upstream.linked': ({ data }, addresses) =>
    data.by === 'joined' ? [] : toAll('upstream-linked', addresses, data.upstream),
  'upstream.unlinked': ({ data }, addresses) => toAll('upstream-unlinked', addresses, data.upstream),
  'person.activated': ({ data }, addresses) =>
    data.from === 'unverified'
      ? toAll(
          'welcome',
          addresses.filter((one) => one.primary),
        )
      : [],
};

/** The types of events that people are told of. */
export const toldTypes = Object.keys(handlers) as EventType[];

/** The letters these events call for. Events nobody did for themselves or for this person call for none. */
export async function draftsOf(tx: Tx, events: readonly LoggedEvent[]): Promise<Draft[]> {
  const told = events.filter((event) => event.person && handlers[event.type]);
  const loud = told.filter((event) => !silentCauses.has(event.cause));
  for (const event of told) {
    if (event.type !== 'address.removed' || loud.includes(event)) continue;
    await forgetFormerAddress(tx, (event as LoggedEvent<'address.removed'>).data.address);
  }
  if (loud.length === 0) return [];
  const people = [...new Set(loud.map((event) => event.person as string))];
  const present = new Set((await findPeople(tx, people)).map((person) => person.id));
  const addresses = Map.groupBy(await listAddresses(tx, people), (one) => one.person);
  const drafts = loud.flatMap((event) => {
    const person = event.person as string;
    if (!present.has(person)) return [];
    const handle = handlers[event.type] as (event: LoggedEvent, addresses: readonly Address[]) => Told[];
    const place = { event: event.id, at: event.at, person };
    return handle(event, addresses.get(person) ?? []).map((one): Draft => ({ ...place, ...one }));
  });
  return withoutFloods(tx, drafts);
}

async function withoutFloods(tx: Tx, drafts: readonly Draft[]): Promise<Draft[]> {
  const kept: Draft[] = [];
  for (const draft of drafts) {
    const minutes = atMostEvery[draft.kind];
    if (minutes !== undefined) {
      const same = (other: Draft) => other.kind === draft.kind && other.person === draft.person;
      const since = new Date(draft.at.getTime() - minutes * 60_000);
      if (kept.some(same) || (await store.wasTold(tx, draft, since))) continue;
    }
    kept.push(draft);
  }
  return kept;
}
