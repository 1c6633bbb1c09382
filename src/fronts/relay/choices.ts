/**
 * What a person decides about mail to their alias mailbox: pausing it, digests, whether answers may show their own
 * address; and what they ask operators for: "let them write to me". Security mail is never a matter of choice, but
 * pausing holds off everything.
 */
import { findApplication } from '#core/applications/applications.ts';
import { record } from '#core/events/events.ts';
import { Problem } from '#core/problem.ts';
import { newId } from '#kit/crypto/ids.ts';
import type { Tx } from '#kit/db/tx.ts';
import * as store from './choices.store.ts';
import { domainPattern } from './settings.ts';

export interface Choice {
  /** Undefined: for every app. */
  application?: string;
  /** Nothing is passed on. */
  paused: boolean;
  /** Digests and marketing are passed on. */
  digests: boolean;
  /** Answers to this app may show the person's own address. Only of single apps. */
  reveal: boolean;
}

export const undecided: Omit<Choice, 'application'> = { paused: false, digests: true, reveal: false };

/** What a person decided: for every app first, then by app. What is not there is `undecided`. */
export const choicesOf = store.choicesOf;

/** What holds for one app: what is off for every app is off for each. */
export function choiceFor(choices: readonly Choice[], application: string): Omit<Choice, 'application'> {
  const all = choices.find((one) => one.application === undefined) ?? undecided;
  const own = choices.find((one) => one.application === application);
  return {
    paused: all.paused || (own?.paused ?? false),
    digests: all.digests && (own?.digests ?? true),
    reveal: own?.reveal ?? false,
  };
}

/**
 * Keeps what a person decides for one app, or for every app. Returns the fields that changed.
 * @throws Problem application-unknown
 */
export async function saveChoice(
  tx: Tx,
  input: {
    person: string;
    application?: string;
    change: Partial<Pick<Choice, 'paused' | 'digests' | 'reveal'>>;
  },
): Promise<string[]> {
  const { person, application, change } = input;
  const all = await store.holdChoices(tx, person);
  const before = all.find((one) => one.application === application) ?? undecided;
  const after = { ...before, ...change };
  const fields = (['paused', 'digests', 'reveal'] as const).filter((key) => before[key] !== after[key]);
  if (fields.length === 0) return [];
  if (application !== undefined && !(await findApplication(tx, application)))
    throw new Problem('application-unknown');
  await store.keepChoice(tx, person, { ...after, application });
  await record(tx, 'relay.choice-changed', { person, application, data: { fields } });
  if (before.paused !== after.paused) {
    const data = { scope: 'person' as const };
    await record(tx, after.paused ? 'relay.paused' : 'relay.resumed', { person, application, data });
  }
  return fields;
}

export const requestStates = ['open', 'allowed', 'refused'] as const;

export interface SenderRequest {
  id: string;
  person: string;
  /** Domain that was refused. */
  sender: string;
  application?: string;
  note?: string;
  state: (typeof requestStates)[number];
  askedAt: Date;
  decidedAt?: Date;
  decidedBy?: string;
  answer?: string;
}

const mostOpen = 10;

/**
 * A person asks to let a sender write to them. Asking again for the same while it is open says it in other words. Refuses with
 * `input-malformed` what is no domain, with `rate-limited` more than ten that are open.
 */
export async function askForSender(
  tx: Tx,
  input: { person: string; sender: string; application?: string; note?: string },
): Promise<SenderRequest> {
  const sender = domainPattern.safeParse(input.sender.slice(input.sender.lastIndexOf('@') + 1));
  if (!sender.success) throw new Problem('input-malformed', { fields: { sender: 'input-malformed' } });
  // The person is held, so that asking twice at once finds the first.
  await store.holdChoices(tx, input.person);
  const open = await store.listRequests(tx, { person: input.person, state: 'open', limit: mostOpen });
  const same = open.find((one) => one.sender === sender.data);
  if (!same && open.length >= mostOpen) throw new Problem('rate-limited');
  if (input.application !== undefined && !(await findApplication(tx, input.application)))
    throw new Problem('application-unknown');
  const note = input.note?.trim().slice(0, 500) || undefined;
  // Whoever asks again for the same sender says more about it: what was said last stands.
  if (same) {
    const told = { application: input.application ?? same.application, note: note ?? same.note };
    await store.retellRequest(tx, same.id, told);
    return { ...same, ...told };
  }
  const request: SenderRequest = {
    id: newId(),
    person: input.person,
    sender: sender.data,
    application: input.application,
    note,
    state: 'open',
    askedAt: tx.now(),
  };
  await store.insertRequest(tx, request);
  const { person, application } = request;
  await record(tx, 'relay.request-made', { person, application, data: { request: request.id } });
  return request;
}

/** Latest first. */
export const listRequests = store.listRequests;

export const findRequest = store.requestById;

/**
 * An operator decides. What lets the sender write is a change of the app's senders, made beside this. Refuses with
 * `relay-request-unknown`, and with `conflict` what somebody decided already.
 */
export async function decideRequest(
  tx: Tx,
  input: { id: string; state: 'allowed' | 'refused'; answer?: string; by?: string },
): Promise<SenderRequest> {
  const { id, state, by } = input;
  const answer = input.answer?.trim().slice(0, 500) || undefined;
  const decided = await store.decideRequest(tx, { id, state, answer, by });
  if (decided) {
    const { person, application } = decided;
    await record(tx, 'relay.request-decided', { person, application, data: { request: id, state } });
    return decided;
  }
  throw new Problem((await store.requestById(tx, id)) ? 'conflict' : 'relay-request-unknown');
}
