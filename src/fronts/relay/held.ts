/**
 * What becomes of a message that a Postfix holds and asks us about before it says yes: decided as one that came to us, by
 * the same functions. What is taken is changed where it leaves: marks, what was proved, the seal, our return address.
 */
import { type HeaderField, isNamed, readMessage, withHeaders } from '#wire/smtp/message.ts';
import { type ArrivalNeeds, toNobody } from './arrival.ts';
import { type Entries, entriesOf, noteUnadmitted, type Received } from './entries.ts';
import { isOwnResult, loopMarks, resultField, returnPath } from './forward.ts';
import { admit, meantFor, notedAs, type Refused } from './judge.ts';
import type { Arrival } from './recipients.ts';
import { type Refusal, refuse } from './refusals.ts';
import { domainOf, refusalOf, type Weighed, weighForOperators, weighForPerson } from './weigh.ts';

export type HeldNeeds = ArrivalNeeds;

/** A message as Postfix holds it. */
export interface Held {
  id: string;
  arrival: Arrival;
  raw: Buffer;
  /** When its first byte came, by the machine's clock (milliseconds since 1970). */
  began: number;
}

/** What Postfix is to do to a message that is taken. */
export interface Change {
  /** Fields, `Name: value`, to stand above all others, the first one on top. */
  above: readonly string[];
  /** Fields to take away: the so many-th of that name, counted from 1. */
  without: readonly { name: string; which: number }[];
  /** Whom reports go to; undefined where the sender stays. */
  sender?: string;
}

export type Decision = { refusal: Refusal } | { change: Change };

const unchanged: Change = { above: [], without: [] };

/** Decides and notes it. Never throws. */
export async function decideHeld(needs: HeldNeeds, held: Held): Promise<Decision> {
  const unadmitted = (refused: Refused) => {
    const { id, arrival, raw, began } = held;
    noteUnadmitted(needs.notes, arrival, refused, { id, bytes: raw.length, tookMs: Date.now() - began });
    return { refusal: refused.refusal };
  };
  try {
    const admission = await admit(needs, held.arrival);
    // What was decided when the recipient was named may have changed since.
    if ('refusal' in admission) return unadmitted(admission);
    const received = { ...held, admission };
    const notes = entriesOf(needs, received);
    try {
      return await weigh(needs, received, notes);
    } catch (error) {
      return { refusal: await notes.refused(refusalOf(needs, error, held.id)) };
    }
  } catch (error) {
    needs.log.warn({ err: error, code: 'relay-undecided' }, 'a recipient could not be decided about');
    return unadmitted({ refusal: refuse('database') });
  }
}

/** A report that Postfix itself wrote of mail it could not hand on: what it says is kept with that mail. */
export async function readOwnReport(needs: HeldNeeds, held: Held): Promise<void> {
  const admission = await admit(needs, held.arrival);
  if ('refusal' in admission || admission.recipient.class !== 'bounce') return;
  const received = { ...held, admission };
  await toNobody(needs, received, admission.recipient, entriesOf(needs, received));
}

async function weigh(needs: HeldNeeds, received: Received, notes: Entries): Promise<Decision> {
  const { recipient } = received.admission;
  const no = async (refusal: Refusal) => ({ refusal: await notes.refused(refusal) });
  switch (recipient.class) {
    case 'alias': {
      const weighed = await weighForPerson(needs, received, recipient, notes);
      if ('refusal' in weighed) return no(weighed.refusal);
      return forPerson(needs, received, { weighed, mailbox: recipient.mailbox, notes });
    }
    case 'postmaster': {
      const refusal = await weighForOperators(needs, received, notes);
      if (refusal) return no(refusal);
      const mailbox = received.arrival.recipient.toLowerCase();
      const domain = needs.rules.now().domains[0] ?? domainOf(mailbox);
      await notes.done('relayed', 'queued');
      return { change: changed(needs, received, { domain, above: loopMarks(needs.secrets, mailbox) }) };
    }
    case 'bounce':
      await toNobody(needs, received, recipient, notes);
      return { change: unchanged };
    case 'reply':
      // Answers have to be written anew, which only our own listener does.
      notes.add(notedAs(meantFor(received.admission)));
      return no(refuse('needs-relay'));
    case 'none':
      throw new Error('Nobody is written to whom nobody is behind.');
  }
}

async function forPerson(
  needs: HeldNeeds,
  received: Received,
  { weighed, mailbox, notes }: { weighed: Weighed; mailbox: string; notes: Entries },
): Promise<Decision> {
  const { app, authentication, giveBack } = weighed;
  // Passed on as it is, an answer would show the person's own address.
  if (app.settings.mode === 'rewritten') {
    await giveBack();
    return { refusal: await notes.refused(refuse('needs-relay')) };
  }
  try {
    const domain = domainOf(mailbox);
    const above = [
      ...loopMarks(needs.secrets, mailbox),
      ...(authentication ? [resultField(authentication)] : []),
    ];
    const raw = withHeaders(received.raw, { prepend: above, remove: isOwnResult(needs) });
    const seal = authentication ? await needs.sealer.arc({ raw, domain, authentication }) : Buffer.alloc(0);
    const { fields } = readMessage(seal);
    const change = changed(needs, received, { domain, above: [...fields.map(textOf), ...above] });
    await notes.done('relayed', 'queued');
    return { change };
  } catch (error) {
    await giveBack().catch(() => undefined);
    throw error;
  }
}

const textOf = ({ raw }: HeaderField): string => raw.toString('utf8');

function changed(
  needs: HeldNeeds,
  { raw, arrival, id }: Received,
  { domain, above }: { domain: string; above: readonly string[] },
): Change {
  const sender = returnPath(needs, arrival.sender, domain, id);
  const message = readMessage(raw);
  const isOurs = isOwnResult(needs);
  const results = message.fields.filter((field) => isNamed(field, 'Authentication-Results'));
  const without = results.flatMap((field, at) =>
    isOurs(field.name, field) ? [{ name: field.name, which: at + 1 }] : [],
  );
  return { above, without, sender: sender === '' ? undefined : sender };
}
