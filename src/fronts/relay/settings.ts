/**
 * What a community decides about mail to alias mailboxes. `gatehouse apply` reads it under `relay:`, the console and the
 * API change it piece by piece; it is kept as one row for the whole relay and one row an app.
 */
import { z } from 'zod';
import { applicationId } from '#core/applications/applications.ts';
import { isTooWide } from './networks.ts';

/** How mail is passed on: as it is, or from an address of ours with a way to answer. */
export const relayModes = ['transparent', 'rewritten'] as const;
export type RelayMode = (typeof relayModes)[number];

/** What can be proved about a message: SPF or DKIM for the very domain it says it is from, or either of them. */
export const proofs = ['spf', 'dkim', 'dmarc'] as const;
export type Proof = (typeof proofs)[number];

export const messageClasses = ['security', 'notification', 'digest', 'marketing'] as const;
export type MessageClass = (typeof messageClasses)[number];

const listName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'must be small letters, digits and -');

/** Never the whole internet: a mistake there would let everyone write. */
const isNetwork = (text: string) => isTooWide(text) === false;
export const networkText = z
  .string()
  .trim()
  .max(60)
  .refine(isNetwork, 'must be an address or a network such as 192.0.2.0/24, no wider than /8 (IPv6: /16)');

const senderNetwork = z.union([
  networkText,
  z.string().regex(/^list:[a-z][a-z0-9-]{0,39}$/, 'must be list:NAME of an allow-list'),
]);

/** `example.org`, or `*.example.org` for everything below it. */
export const domainPattern = z
  .string()
  .trim()
  .toLowerCase()
  .max(200)
  .regex(
    /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/,
    'must be a domain such as example.org or *.example.org',
  );

/** `notify@example.org`, `*@example.org`, `bounce-*@example.org`, or a domain pattern behind the @. */
const envelopePattern = z
  .string()
  .trim()
  .toLowerCase()
  .max(254)
  .regex(/^[^\s@<>"]+@(?:\*\.)?[a-z0-9.-]+$/, 'must be an address such as *@example.org');

const contains = z.string().trim().min(1).max(200);

/** One rule: everything it names must fit. The first rule that fits says what the message is. */
export const classRule = z
  .strictObject({
    class: z
      .enum(messageClasses)
      .describe(
        'What a message that fits is: digest and marketing are refused for people who want no digests, security and notification never for that. Security may use up twice the budgets, so that a flood holds up no reset of a password.',
      ),
    sender: contains.optional().describe('Text in the From header.'),
    subject: contains.optional().describe('Text in the subject.'),
    listId: contains.optional().describe('Text in the List-Id header.'),
  })
  .refine((rule) => rule.sender ?? rule.subject ?? rule.listId, 'must say sender, subject or listId');

/** What must hold for a message to count as an app's own. Whatever is set here has to hold together. */
export const senderSettings = z.strictObject({
  networks: z
    .array(senderNetwork)
    .max(500)
    .default([])
    .describe('Where the app sends from: networks, or list:NAME. Without it from anywhere.'),
  domains: z
    .array(domainPattern)
    .max(100)
    .default([])
    .describe('Domains its From header may name. Without it any; then networks or envelope must be set.'),
  envelope: z
    .array(envelopePattern)
    .max(100)
    .default([])
    .describe('Envelope senders (MAIL FROM) it uses, * for any characters. Without it any.'),
  require: z
    .array(z.enum(proofs))
    .max(3)
    .default(['dmarc'])
    .describe('What has to be proved for the domain in From: spf, dkim, or dmarc (either of them, aligned).'),
  tls: z.boolean().default(false).describe('Mail without STARTTLS is refused.'),
  messageClasses: z
    .array(classRule)
    .max(100)
    .default([])
    .describe(
      'What kind of message it is, first fit, else a notification. Digests pass as people choose; their pause and the budgets hold for every kind.',
    ),
  maxBytes: z
    .number()
    .int()
    .min(10_000)
    .max(100_000_000)
    .default(25_000_000)
    .describe('Largest message in bytes; a larger one is refused.'),
  off: z.boolean().default(false).describe('Nothing from this app is passed on.'),
});
export type SenderSettings = z.infer<typeof senderSettings>;

const budget = z.number().int().min(1).max(10_000_000);
export const budgetSettings = z.strictObject({
  perPerson: budget.default(500).describe('Messages a day to one person from one app.'),
  perApp: budget.default(100_000).describe('Messages a day from one app to everyone.'),
});

/** Of one app. What is left out is as it is for every app, also when that changes. */
export const appBudgetSettings = z.strictObject({
  perPerson: budget
    .optional()
    .describe('Messages a day to one person from this app; left out, as for every app.'),
  perApp: budget.optional().describe('Messages a day from this app to everyone; left out, as for every app.'),
});

/** A list of networks that somebody publishes: polled, checked, and never believed when it shrinks too far. */
export const allowlistSettings = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(500)
    .optional()
    .describe('Where it is published. Without it the list is kept by hand.'),
  product: z.string().max(60).optional().describe('Only entries of this product (Atlassian: email).'),
  direction: z.string().max(60).optional().describe('Only entries of this direction (Atlassian: egress).'),
  shrinkGuard: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe('Share of addresses that may go within a week without a person agreeing.'),
  everyMinutes: z
    .number()
    .int()
    .min(1)
    .max(10_080)
    .default(60)
    .describe('Minutes between two readings of `url`; after one that failed, five at most.'),
  networks: z.array(networkText).max(5000).optional().describe('By hand: the networks themselves.'),
});
export type AllowlistSettings = z.infer<typeof allowlistSettings>;

/** Under `relay:` in a community file. */
export const relaySettings = z.strictObject({
  off: z
    .boolean()
    .default(false)
    .describe('Nothing is passed on at all; senders are told to try again later.'),
  modes: z
    .record(applicationId, z.enum(relayModes))
    .default({})
    .describe(
      'App → transparent (as it is) or rewritten (from us, with a way to answer); transparent unless said.',
    ),
  senders: z.record(applicationId, senderSettings).default({}).describe('App → who may write as it.'),
  budgets: budgetSettings
    .extend({ apps: z.record(applicationId, appBudgetSettings).default({}) })
    .prefault({})
    .describe('How much a day; an app that needs more is raised under apps.'),
  allowlists: z.record(listName, allowlistSettings).default({}),
  logDays: z.number().int().min(1).max(400).default(30).describe('How long single messages stay in the log.'),
  replyDays: z.number().int().min(1).max(400).default(30).describe('How long a message can be answered.'),
});
export type RelaySettings = z.infer<typeof relaySettings>;

/** What is kept for one app. */
export const relayAppSettings = senderSettings.safeExtend({
  mode: z.enum(relayModes).default('transparent'),
  budgets: appBudgetSettings.prefault({}),
});
export type RelayAppSettings = z.infer<typeof relayAppSettings>;

/** What is kept for the relay as a whole. */
export const relayHouseSettings = relaySettings
  .omit({ modes: true, senders: true })
  .extend({ budgets: budgetSettings.prefault({}) });
export type RelayHouseSettings = z.infer<typeof relayHouseSettings>;
