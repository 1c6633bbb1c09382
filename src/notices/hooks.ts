/**
 * What mail services tell by webhook. One is read: Mailchimp Transactional (Mandrill), which signs the address and the
 * fields with HMAC-SHA1. Every message may come twice and late; what it says of letters we do not know says nothing.
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { Problem } from '#core/problem.ts';
import { constantTimeEqual, isId } from '#kit/crypto/ids.ts';
import { type Database, system } from '#kit/db/database.ts';
import { type App, type FormBody, HttpRefusal } from '#kit/http/server.ts';
import type { Log } from '#kit/log/log.ts';
import { statusIn, takeReport } from './bounces.ts';
import type { DeliveryReport } from './notices.ts';

export const mandrillPath = '/mail/hooks/mandrill';

export interface HookNeeds {
  database: Database;
  publicUrl: URL;
  log: Log;
  /** The key the service signs with; nothing is taken without. */
  mailWebhookKey?: { reveal(): string };
}

const mostEvents = 1000;

/** Adds the routes that mail services call. */
export function hookRoutes(app: App, needs: HookNeeds): void {
  // The service looks whether somebody is there before it keeps the address.
  app.get(mandrillPath, { config: { door: 'public' } }, async (_request, reply) => reply.code(204).send());
  app.post(mandrillPath, { config: { door: 'protocol' } }, async (request, reply) => {
    const { form } = request;
    const text = form.text('mandrill_events');
    // It tries an address with no events before it says the key it will sign with.
    if (text.trim() === '[]') return reply.code(204).send();
    const signature = request.headers['x-mandrill-signature'];
    if (typeof signature !== 'string' || !isSigned(needs, form, signature))
      throw new Problem('signature-refused');
    const told = reportsIn(text);
    let taken = 0;
    for (const { notice, report } of told)
      if (
        await needs.database.transact(system(), (tx) =>
          takeReport(tx, notice, { ...report, at: report.at ?? tx.now() }),
        )
      )
        taken += 1;
    needs.log.info({ told: told.length, taken }, 'the mail service told what became of mail');
    return reply.code(204).send();
  });
}

/** The address as the service knows it, then each name and value, by name (HMAC-SHA1, base64). */
function isSigned({ mailWebhookKey, publicUrl }: HookNeeds, form: FormBody, signature: string): boolean {
  if (!mailWebhookKey) return false;
  const fields = form.names().sort();
  const text = new URL(mandrillPath, publicUrl).href + fields.map((name) => name + form.text(name)).join('');
  const ours = createHmac('sha1', mailWebhookKey.reveal()).update(text).digest('base64');
  return constantTimeEqual(signature, ours);
}

const said = z.string().max(20_000).nullish().catch(undefined);
const event = z.looseObject({
  event: z.string(),
  ts: z.number().int().min(0).max(32_503_680_000).optional().catch(undefined),
  msg: z.looseObject({
    metadata: z.looseObject({ notice: z.string() }),
    diag: said,
    bounce_description: said,
    reject: z
      .union([z.string().max(500), z.looseObject({ reason: said })])
      .nullish()
      .catch(undefined),
    smtp_events: z
      .array(z.looseObject({ diag: said }))
      .nullish()
      .catch(undefined),
  }),
});
type MandrillEvent = z.infer<typeof event>;

interface Told {
  notice: string;
  report: Omit<DeliveryReport, 'at'> & { at?: Date };
}

const states: Partial<Record<string, DeliveryReport['state']>> = {
  send: 'accepted',
  delivered: 'delivered',
  deferral: 'deferred',
  hard_bounce: 'bounced',
  soft_bounce: 'bounced',
  reject: 'failed',
};

/** What is about letters of ours; all else (clicks, other mail of the same account) is passed over. */
function reportsIn(text: string): Told[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw new HttpRefusal(400, 'input-malformed', 'mandrill_events is not JSON');
  }
  if (!Array.isArray(list) || list.length > mostEvents)
    throw new HttpRefusal(400, 'input-malformed', 'mandrill_events is no list, or longer than 1000');
  return list.flatMap((one) => {
    const read = event.safeParse(one);
    const state = read.success ? states[read.data.event] : undefined;
    if (!read.success || !state || !isId(read.data.msg.metadata.notice)) return [];
    return [{ notice: read.data.msg.metadata.notice, report: reportOf(read.data, state) }];
  });
}

/** Where the server's own words are missing: what the service calls them, as RFC 3463 does. */
const kinds: Partial<Record<string, string>> = {
  bad_mailbox: '5.1.1',
  invalid_domain: '5.1.2',
  mailbox_full: '5.2.2',
};

function reportOf({ ts, msg }: MandrillEvent, state: DeliveryReport['state']): Told['report'] {
  const { reject, diag, bounce_description: kind, smtp_events: talks } = msg;
  const refused = typeof reject === 'string' ? reject : reject?.reason;
  const words =
    state === 'failed' ? refused && `rejected: ${refused}` : (diag ?? talks?.at(-1)?.diag ?? kind);
  // What a server said comes as in a report, with its type in front (RFC 3464 §2.3.6): people read the words.
  const text =
    words
      ?.replaceAll(/\s+/g, ' ')
      .replace(/^ ?smtp ?; ?/i, '')
      .slice(0, 500) || undefined;
  const isBad = state !== 'delivered' && state !== 'accepted';
  const status = isBad ? (statusIn(text) ?? kinds[kind ?? '']) : undefined;
  return { state, status, text, at: ts === undefined ? undefined : new Date(ts * 1000) };
}
