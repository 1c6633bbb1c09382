/**
 * The policy service for a Postfix that passes mail on instead of us (SMTPD_POLICY_README): the same decision as our own
 * listener's, by the same function. Postfix asks before it has the text; what can only be decided with it (proofs,
 * classes of messages) is another's, or nobody's, and such apps are let in only where the configuration says whose.
 */
import { isIP } from 'node:net';
import { type Limits, networkKey } from '#kit/limits/limits.ts';
import type { Log } from '#kit/log/log.ts';
import { createPolicyReader, type PolicyRequest, writeAction } from '#wire/smtp/policy.ts';
import { type Backend, startBackend, within } from './backend.ts';
import { choiceFor } from './choices.ts';
import { type Admission, type Arrival, admit, type JudgeNeeds, type Refusal, refuse } from './judge.ts';
import type { NewMessage } from './messages.ts';
import type { Notes } from './notes.ts';
import { postmasterLimit } from './postmaster.ts';
import { isLater, type RefusalReason } from './refusals.ts';
import type { RelayAppSettings } from './settings.ts';
import { budgetsOf, type RuledApp } from './settings-kept.ts';

export interface PolicyNeeds extends JudgeNeeds {
  log: Log;
  limits: Limits;
  notes: Pick<Notes, 'note'>;
}

/** `policy_context` of a Postfix whose milters refuse what is not proved (DMARC). */
export const provingContext = 'proved-by-milters';

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
  const state = request.get('protocol_state');
  if (state !== 'RCPT' && state !== 'END-OF-MESSAGE') return 'DUNNO';
  const arrival = readArrival(request);
  if (!arrival) return spoken(needs, { entry: {}, refusal: refuse('malformed'), isNoted: false });
  const decided = await decide(needs, arrival, request.get('policy_context') ?? '', state);
  return spoken(needs, { ...decided, entry: { ...about(arrival), ...decided.entry } });
}

interface Decided {
  refusal?: Refusal;
  /** What is known for the log. */
  entry: Partial<Omit<NewMessage, 'id' | 'at'>>;
  /** Whether this is where the message ends, or leaves us. */
  isNoted: boolean;
}

async function decide(
  needs: PolicyNeeds,
  arrival: Arrival,
  context: string,
  state: 'RCPT' | 'END-OF-MESSAGE',
): Promise<Decided> {
  const admitted = await admit(needs, arrival);
  if ('refusal' in admitted) {
    const { refusal, person, application } = admitted;
    return { refusal, entry: { person, application }, isNoted: true };
  }
  const { recipient } = admitted;
  const isLast = state === 'END-OF-MESSAGE';
  if (recipient.class === 'alias') return decideAlias(needs, arrival, admitted, context, isLast);
  const entry = { recipientClass: recipient.class };
  if (recipient.class === 'bounce')
    return { entry: { ...entry, verdict: 'absorbed', reason: 'report' }, isNoted: isLast };
  // Answers have to be written anew, which only our own listener does.
  if (recipient.class !== 'postmaster') return { refusal: refuse('needs-relay'), entry, isNoted: true };
  if (isLast) {
    const key = `relay-postmaster:${networkKey(arrival.client)}`;
    if (!(await needs.limits.take(key, postmasterLimit)).allowed)
      return { refusal: refuse('postmaster-limit'), entry, isNoted: true };
  }
  return { entry: { ...entry, verdict: 'relayed', reason: 'passed-on' }, isNoted: isLast };
}

/** At the end of the message the app is charged for it; until then nothing is counted. */
async function decideAlias(
  needs: PolicyNeeds,
  arrival: Arrival,
  { recipient, candidates }: Admission,
  context: string,
  isLast: boolean,
): Promise<Decided> {
  if (recipient.class !== 'alias') throw new Error('Only mail to alias mailboxes has an app.');
  const { person, choices } = recipient;
  const judged = candidates.map((app) => ({ app, fault: faultOf(app, context) }));
  const app = judged.find(({ fault }) => fault === undefined)?.app;
  if (!app) {
    const [{ app: closest, fault } = { app: undefined, fault: 'no-sender' as const }] = judged;
    // One answer for all that is decided here, see admit; only the log says which of them it is.
    const refusal = { ...refuse('no-sender'), reason: fault! };
    return { refusal, entry: { person, application: closest?.id }, isNoted: true };
  }
  const entry = { person, application: app.id, recipientClass: 'alias', mode: 'transparent' } as const;
  if (!isLast) return { entry, isNoted: false };
  if ((arrival.bytes ?? 0) > app.settings.maxBytes) return { refusal: refuse('size'), entry, isNoted: true };
  if (choiceFor(choices, app.id).paused) return { refusal: refuse('app-paused'), entry, isNoted: true };
  const budgets = budgetsOf(needs.rules.now().house, app);
  const at = needs.clock.now();
  const full = await needs.places.take({ at, application: app.id, person, ...budgets });
  if (full)
    return { refusal: refuse(full === 'person' ? 'person-budget' : 'app-budget'), entry, isNoted: true };
  return { entry: { ...entry, verdict: 'relayed', reason: 'passed-on' }, isNoted: true };
}

/** Why an app's mail cannot be let in before its text is there; undefined where it can. */
function faultOf({ settings }: RuledApp, context: string): RefusalReason | undefined {
  // Passed on as it is, an answer would show the person's own address.
  if (settings.mode === 'rewritten') return 'needs-relay';
  // Domains of From are nothing that Postfix asks about: there has to be something else that tells the app.
  if (settings.networks.length === 0) return 'needs-relay';
  return settings.require.length === 0 || context === provingContext ? undefined : 'unproved';
}

/** The same in words, for whoever sets a Postfix up; undefined where its mail is let in. */
export function whyNotByPostfix(settings: RelayAppSettings): string | undefined {
  if (settings.mode === 'rewritten')
    return 'not let in: its mail is rewritten, which only the built-in relay does';
  if (settings.networks.length === 0)
    return 'not let in: it names no networks, and only the built-in relay sees which domain stands in From';
  if (settings.require.length > 0)
    return `let in where milters refuse what is not proved (${settings.require.join(', ')}), see below`;
  return undefined;
}

/** Undefined for a request that lacks what it has to say. With several recipients Postfix names none at the end. */
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

function about({ sender, recipient, client, bytes }: Arrival): Partial<NewMessage> {
  // Postfix says "unknown" of a client that was gone before it looked.
  const known = isIP(client) === 0 ? undefined : client;
  return { sender: sender.slice(0, 320), recipient: recipient.slice(0, 320), client: known, bytes };
}

/** Says the answer, and notes it where the message ends with it. */
function spoken(needs: PolicyNeeds, { refusal, entry, isNoted }: Decided): string {
  if (isNoted)
    void needs.notes.note({
      recipientClass: 'none',
      verdict: refusal && isLater(refusal) ? 'deferred' : 'refused',
      reason: refusal?.reason ?? 'passed-on',
      ...entry,
      via: 'postfix',
    });
  return refusal ? `${refusal.code} ${refusal.enhanced} ${refusal.text}` : 'DUNNO';
}
