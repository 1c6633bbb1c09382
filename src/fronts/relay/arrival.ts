/**
 * What becomes of a message once it is there: read, proved, judged, passed on, noted. The sender hears yes when the next
 * server has taken it, and never before; whatever goes wrong on our side is an answer to try again.
 */
import { system } from '#kit/db/database.ts';
import { readMessage } from '#wire/smtp/message.ts';
import type { AuthenticationResult } from './authenticate.ts';
import { type Entries, entriesOf, type Received, type Reply } from './entries.ts';
import { type ForwardNeeds, marked, passedOn, returnPath, send } from './forward.ts';
import type { Admission } from './judge.ts';
import { noteBounce } from './messages.ts';
import type { Notes } from './notes.ts';
import { postmasters } from './postmaster.ts';
import type { AliasRecipient, Arrival } from './recipients.ts';
import { refuse } from './refusals.ts';
import { answer, type ReplyNeeds } from './replies.ts';
import { rewrite, withoutChain } from './rewrite.ts';
import type { Sealer } from './seal.ts';
import {
  authenticate,
  domainOf,
  messageIdOf,
  refusalOf,
  type WeighNeeds,
  weighForOperators,
  weighForPerson,
} from './weigh.ts';

export interface ArrivalNeeds extends WeighNeeds, ForwardNeeds {
  database: WeighNeeds['database'] & ReplyNeeds['database'] & Parameters<typeof noteBounce>[0];
  notes: Notes;
  sealer: Pick<Sealer, 'arc' | 'dkim'>;
  threads: ReplyNeeds['threads'];
}

/** From the first byte of a message to our answer, with a reserve: senders wait ten minutes at least. */
const exchangeMs = 280_000;

/** Largest message for this recipient. */
export function mostBytesFor({ recipient, candidates }: Admission): number {
  if (recipient.class !== 'alias') return 10_000_000;
  return Math.max(...candidates.map(({ settings }) => settings.maxBytes));
}

/** Decides about a message, passes it on and notes it. Never throws. */
export async function receive(needs: ArrivalNeeds, received: Received): Promise<Reply> {
  const { recipient } = received.admission;
  const notes = entriesOf(needs, received);
  try {
    switch (recipient.class) {
      case 'alias':
        return await toAlias(needs, received, recipient, notes);
      case 'bounce':
        return await toNobody(needs, received, recipient, notes);
      case 'postmaster':
        return await toOperators(needs, received, notes);
      case 'reply':
        return await toCounterpart(needs, received, notes);
      case 'none':
        throw new Error('Nobody is written to whom nobody is behind.');
    }
  } catch (error) {
    return notes.refused(refusalOf(needs, error, received.id));
  }
}

async function toAlias(
  needs: ArrivalNeeds,
  received: Received,
  recipient: AliasRecipient,
  notes: Entries,
): Promise<Reply> {
  const weighed = await weighForPerson(needs, received, recipient, notes);
  if ('refusal' in weighed) return notes.refused(weighed.refusal);
  const { message, app, authentication, giveBack } = weighed;
  const { raw, arrival, id } = received;
  const { mailbox } = recipient;
  try {
    const leaving =
      app.settings.mode === 'rewritten'
        ? await rewritten(needs, { raw, message, app, recipient, arrival, id, authentication })
        : await transparent(needs, { raw, arrival, id, mailbox, authentication });
    const sent = await send(needs, {
      from: returnPath(needs, arrival.sender, domainOf(mailbox), id),
      to: recipient.to,
      raw: leaving,
      deadline: received.began + exchangeMs,
    });
    if ('host' in sent) {
      notes.add({ smartHost: sent.host, answer: sent.response });
      return notes.done('relayed', 'passed-on');
    }
    notes.add({ answer: sent.answer });
    await giveBack();
    return notes.refused(sent.refusal);
  } catch (error) {
    await giveBack().catch(() => undefined);
    throw error;
  }
}

async function transparent(
  needs: ArrivalNeeds,
  given: Parameters<typeof passedOn>[1] & { mailbox: string },
): Promise<Buffer> {
  const raw = passedOn(needs, given);
  const { authentication, mailbox } = given;
  if (!authentication) return raw;
  return Buffer.concat([await needs.sealer.arc({ raw, domain: domainOf(mailbox), authentication }), raw]);
}

async function rewritten(
  needs: ArrivalNeeds,
  given: Omit<Parameters<typeof rewrite>[1], 'domains' | 'keepsChain'> & {
    recipient: AliasRecipient;
    arrival: Arrival;
    id: string;
    authentication?: AuthenticationResult;
  },
): Promise<Buffer> {
  const { recipient, arrival, id, authentication } = given;
  const { mailbox } = recipient;
  const domain = domainOf(mailbox);
  const { domains } = needs.rules.now();
  const keepsChain = authentication !== undefined && authentication.arc.result !== 'none';
  const anew = await rewrite(needs, { ...given, domains, keepsChain });
  const raw = marked(needs, { raw: anew, arrival, id, mailbox });
  const signed = Buffer.concat([await needs.sealer.dkim({ raw, domain }), raw]);
  if (!authentication) return signed;
  // The signature of the app is gone with its From: what it proved to us stands in the seal over what we made of it.
  const set = await needs.sealer.arc({ raw: signed, domain, authentication });
  return set.length > 0 ? Buffer.concat([set, signed]) : keepsChain ? withoutChain(signed) : signed;
}

/**
 * A report about mail of ours: what it says is kept with that mail, and it goes nowhere. It speaks of the one message
 * whose return address it came to, whatever it names: anyone may know the id of another.
 */
export async function toNobody(
  needs: Pick<ArrivalNeeds, 'database' | 'ownMail' | 'clock'>,
  { raw }: Received,
  { notice, tag }: { notice?: string; tag?: string },
  notes: Entries,
): Promise<Reply> {
  if (notice !== undefined) {
    await needs.ownMail?.take(notice, raw);
    return notes.done('absorbed', 'report');
  }
  const { readDsn } = await import('#wire/smtp/dsn.ts');
  const report = await readDsn(raw);
  const failed = report?.recipients.find(({ action }) => action === 'failed');
  if (failed && report?.originalMessageId) {
    const { originalMessageId: messageId } = report;
    notes.add({ messageId });
    if (tag !== undefined)
      await noteBounce(needs.database, {
        messageId,
        tag,
        status: failed.status || '5.0.0',
        at: needs.clock.now(),
      });
  }
  return notes.done('absorbed', 'report');
}

async function toOperators(needs: ArrivalNeeds, received: Received, notes: Entries): Promise<Reply> {
  const refusal = await weighForOperators(needs, received, notes);
  if (refusal) return notes.refused(refusal);
  const { raw, arrival, id, began } = received;
  const mailbox = arrival.recipient.toLowerCase();
  const [to, ...more] = await needs.database.read(system('request'), postmasters);
  if (to === undefined) return notes.refused(refuse('no-postmaster'));
  const domain = needs.rules.now().domains[0] ?? domainOf(mailbox);
  const mail = {
    from: returnPath(needs, arrival.sender, domain, id),
    raw: passedOn(needs, { raw, arrival, id, mailbox }),
    deadline: began + exchangeMs,
  };
  const sent = await send(needs, { ...mail, to });
  if (!('host' in sent)) {
    notes.add({ answer: sent.answer });
    return notes.refused(sent.refusal);
  }
  // One of them has it: the others get it where that is possible.
  for (const other of more) await send(needs, { ...mail, to: other });
  notes.add({ smartHost: sent.host, answer: sent.response });
  return notes.done('relayed', 'passed-on');
}

/** The answer of a person to an app. */
async function toCounterpart(needs: ArrivalNeeds, received: Received, notes: Entries): Promise<Reply> {
  const { recipient } = received.admission;
  if (recipient.class !== 'reply') throw new Error('This is no answer.');
  const { counterpart } = recipient;
  // The way of answering names nobody; whom it leads to is who gets the answer.
  notes.add({
    person: counterpart.person,
    application: counterpart.application,
    recipient: counterpart.address,
  });
  const { id, raw, arrival, began } = received;
  const authentication = await authenticate(needs, received);
  const answered = await answer(needs, { id, raw, counterpart, sender: arrival.sender, authentication });
  if ('drop' in answered) return notes.done('dropped', answered.drop);
  if ('refusal' in answered) return notes.refused(answered.refusal);
  // As the app knows it, and as reports about it call it.
  notes.add({ messageId: messageIdOf(readMessage(answered.raw)) });
  const domain = domainOf(counterpart.mailbox);
  const signature = await needs.sealer.dkim({ raw: answered.raw, domain });
  const sent = await send(needs, {
    ...answered,
    raw: Buffer.concat([signature, answered.raw]),
    deadline: began + exchangeMs,
  });
  if ('host' in sent) {
    notes.add({ smartHost: sent.host, answer: sent.response });
    return notes.done('relayed', 'answered');
  }
  notes.add({ answer: sent.answer });
  return notes.refused(sent.refusal);
}
