/**
 * The policy service for a Postfix that passes mail on instead of us (SMTPD_POLICY_README): whether a recipient may get
 * mail from there, by the same function as our own listener's. What needs the text is decided when Postfix has it, by our
 * milter (milter-server.ts); a Postfix that does not say it has that is told to try again later.
 */
import type { Log } from '#kit/log/log.ts';
import { createPolicyReader, type PolicyRequest, writeAction } from '#wire/smtp/policy.ts';
import { type Backend, startBackend, within } from './backend.ts';
import { noteUnadmitted } from './entries.ts';
import { type Arrival, admit, type JudgeNeeds, type Meant, meantFor, type Refusal, refuse } from './judge.ts';
import type { Notes } from './notes.ts';
import type { RelayAppSettings } from './settings.ts';

export interface PolicyNeeds extends JudgeNeeds {
  log: Log;
  notes: Pick<Notes, 'note'>;
}

/** `policy_context` of a Postfix that asks our milter about every message. */
export const judgedContext = 'judged-by-milter';

const largestRequest = 16_384;
const idleMs = 330_000;
const answerMs = 30_000;

/** Throws the system's error when it cannot listen. */
export function startPolicy(needs: PolicyNeeds, place: { host: string; port: number }): Promise<Backend> {
  return startBackend({
    ...place,
    name: 'policy',
    log: needs.log,
    read: () => createPolicyReader({ maxBytes: largestRequest }),
    idleMs,
    async answer(request) {
      try {
        return writeAction(await within(answerMs, action(needs, request)));
      } catch (error) {
        // Without an answer Postfix asks once more and then says 451 to the sender.
        needs.log.error({ err: error }, 'the policy service could not decide');
        return undefined;
      }
    },
  });
}

async function action(needs: PolicyNeeds, request: PolicyRequest): Promise<string> {
  if (request.get('protocol_state') !== 'RCPT') return 'DUNNO';
  const arrival = readArrival(request);
  // No fault of the sender's, whose mail it would cost.
  if (!arrival) throw new Error('A question about a recipient names the client and the recipient.');
  const { refusal, ...whose } = await decide(needs, arrival, request.get('policy_context') ?? '');
  // What is let in is noted when its text was judged.
  if (!refusal) return 'DUNNO';
  noteUnadmitted(needs.notes, arrival, { refusal, ...whose });
  return `${refusal.code} ${refusal.enhanced} ${refusal.text}`;
}

type Decided = { refusal?: Refusal } & Meant;

async function decide(needs: PolicyNeeds, arrival: Arrival, context: string): Promise<Decided> {
  const admitted = await admit(needs, arrival);
  if ('refusal' in admitted) return admitted;
  const { recipient, candidates } = admitted;
  // Answers have to be written anew, which only our own listener does.
  if (recipient.class === 'reply') return { refusal: refuse('needs-relay'), ...meantFor(admitted) };
  if (recipient.class === 'alias' && candidates.every(({ settings }) => whyNotByPostfix(settings)))
    return { refusal: refuse('needs-relay'), person: recipient.person, application: candidates[0]?.id };
  return context === judgedContext ? {} : { refusal: refuse('needs-milter') };
}

/** Why an app's mail does not go through Postfix, in words for whoever sets one up; undefined where it does. */
export function whyNotByPostfix({ mode }: RelayAppSettings): string | undefined {
  // Passed on as it is, an answer would show the person's own address.
  return mode === 'rewritten' ? 'its mail is rewritten, which only the built-in relay does' : undefined;
}

/** Undefined for a request that lacks what it has to say. */
function readArrival(request: PolicyRequest): Arrival | undefined {
  const client = request.get('client_address');
  const recipient = request.get('recipient');
  if (!client || !recipient) return undefined;
  const bytes = Number(request.get('size') ?? 0);
  return {
    client,
    tls: (request.get('encryption_protocol') ?? '') !== '',
    helo: request.get('helo_name') ?? '',
    sender: request.get('sender') ?? '',
    recipient,
    ...(Number.isSafeInteger(bytes) && bytes > 0 ? { bytes } : {}),
    via: 'postfix',
  };
}
