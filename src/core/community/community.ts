/**
 * The community: its name, its look and its rules.
 * Owns `community` (one row). Records `community.changed`. Refuses keys it does not know.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { record } from '#core/events/events.ts';
import type { Tx } from '#kit/db/tx.ts';
import { compilePattern } from '#kit/expressions/pattern.ts';
import { orientationOf } from './orientation.ts';
import { readSettings, writeSettings } from './store.ts';

const webAddress = z
  .string()
  .max(500)
  .refine(
    (value) => /^https?:\/\/[^\s]+$/i.test(value) || /^\/[^/\\]/.test(value),
    'must be an http(s) address',
  );

/** A domain of the community's own, in small letters and in its ASCII form. */
const domainName = z
  .string()
  .trim()
  .toLowerCase()
  .max(190)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/,
    'must be a domain name',
  );

/** Whether it can be read the way `checkNewUsername` reads it. */
function isPattern(text: string): boolean {
  try {
    return Boolean(compilePattern(text));
  } catch {
    return false;
  }
}

/** Browsers turn a picture that asks for it, and mail programs do as they please: it would not look the same everywhere. */
function isUpright(logo: string): boolean {
  return orientationOf(Buffer.from(logo.slice(logo.indexOf(',') + 1), 'base64')) === 1;
}

/** Everything a community may set, with its default. `gatehouse apply` reads it under `community:`. */
export const communitySettings = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(60)
    .default('Gatehouse')
    .describe('Shown on top of every page and in every mail.'),
  logo: z
    .string()
    .max(60_000)
    .regex(/^data:image\/(?:png|jpeg|webp|svg\+xml);base64,[A-Za-z0-9+/]+=*$/, 'must be a data: image')
    .refine(
      isUpright,
      'must stand upright by itself: this JPEG only notes how to turn it (Exif orientation), which mail programs read differently. Turn the picture, save it, and set it again',
    )
    .optional()
    .describe(
      'The mark on every page and in every mail, as a data: image (PNG, JPEG, WebP or SVG in base64, 45 KB at most): pages load nothing from elsewhere. Mails carry it as PNG or JPEG only, which mail programs show; with another one the name stands there alone. A JPEG has to stand upright without a note to turn it.',
    ),
  accent: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, 'must be a colour such as #1d4ed8')
    .optional()
    .describe('The one accent colour; contrast is corrected where it would be hard to read.'),
  links: z
    .array(
      z.strictObject({
        title: z.string().min(1).max(40).describe('What the link says.'),
        url: webAddress.describe(
          'Where it leads: an http(s) address, or a path here that begins with one slash.',
        ),
      }),
    )
    .max(20)
    .default([])
    .describe('The header that leads to all services.'),
  help: webAddress.optional().describe('Where people find help.'),
  announcement: z.string().max(300).optional().describe('One sentence on top of every page.'),
  contact: z
    .string()
    .max(200)
    .optional()
    .describe('Address people can write to, shown in mails and refusals.'),
  usernames: z
    .strictObject({
      pattern: z
        .string()
        .max(200)
        .refine(isPattern, 'must be a regular expression (RE2 syntax, without look-around)')
        .default('^[a-z][a-z0-9.]{2,20}$')
        .describe(
          'Rule for new user names (RE2 syntax: no look-around); names that were imported are never checked again.',
        ),
      hint: z
        .string()
        .max(200)
        .default('3 to 21 small letters, digits or dots, starting with a letter.')
        .describe(
          'The rule in words, shown below the field where people choose a user name; it is not derived from `pattern`, so change both.',
        ),
      reserved: z
        .array(z.string().max(40))
        .max(200)
        .default([])
        .describe('Names nobody may take, beside ours.'),
      reuseErased: z
        .boolean()
        .default(false)
        .describe(
          'Whether the names of people who are erased from now on may be taken by others. Without it they stay kept, unreadable.',
        ),
    })
    .prefault({}),
  appRegistration: z
    .enum(['off', 'token'])
    .default('off')
    .describe('Apps may register themselves (RFC 7591) with a token that an operator made for it.'),
  signUp: z
    .strictObject({
      open: z
        .boolean()
        .default(true)
        .describe(
          'Whether people may make accounts themselves. Closed, only upstreams with `newPeople: create`, imports, this file and operators make them.',
        ),
      captcha: z
        .strictObject({
          provider: z
            .enum(['altcha', 'recaptcha', 'hcaptcha', 'turnstile', 'none'])
            .default('altcha')
            .describe(
              'What keeps programs out: a puzzle the browser solves by itself (altcha), the check of a service, or only a hidden field and limits (none).',
            ),
          siteKey: z
            .string()
            .regex(/^[\w.-]{1,200}$/, 'must be a site key')
            .optional()
            .describe('What pages tell the service; its secret is the setting GATEHOUSE_CAPTCHA_SECRET.'),
        })
        .prefault({}),
      perNetwork: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(30)
        .describe('New accounts from one network in an hour.'),
      perNetworkUnproved: z
        .number()
        .int()
        .min(0)
        .max(10_000)
        .default(5)
        .describe('Of these, how many from browsers without JavaScript, which cannot solve the puzzle.'),
    })
    .prefault({}),
  factors: z
    .strictObject({
      secondFactor: z
        .enum(['optional', 'required'])
        .default('optional')
        .describe('Whether everyone needs a second factor. Whoever has one is asked for it either way.'),
      operators: z
        .enum(['optional', 'required'])
        .default('optional')
        .describe('The same for people with a role; required, no remembered browser stands in for it.'),
      methods: z
        .array(z.enum(['passkey', 'totp']))
        .min(1)
        .max(2)
        .default(['passkey', 'totp'])
        .describe('What can be added. What was added before stays.'),
      rememberDeviceDays: z
        .number()
        .int()
        .min(0)
        .max(90)
        .default(30)
        .describe(
          'How long a browser may be remembered as not needing the second factor; 0 takes the choice away.',
        ),
      resetWaitHours: z
        .number()
        .int()
        .min(0)
        .max(168)
        .default(24)
        .describe(
          'How long a person who is told of it can object before two operators take their factors away.',
        ),
    })
    .prefault({})
    .describe('Proofs beside the password.'),
  sessions: z
    .strictObject({
      idleMinutes: z
        .number()
        .int()
        .min(5)
        .max(60 * 24 * 60)
        .default(8 * 60)
        .describe(
          'Minutes without use after which a sign-in ends, unless the person chose at sign-in how long to stay.',
        ),
      absoluteMinutes: z
        .number()
        .int()
        .min(5)
        .max(60 * 24 * 365)
        .default(24 * 60)
        .describe(
          'Minutes after which a sign-in ends even while it is used, unless the person chose at sign-in how long to stay.',
        ),
      rememberDays: z.number().int().min(0).max(365).default(30).describe('0 takes the choice away.'),
      choices: z
        .array(z.enum(['hour', 'day', 'week', 'month']))
        .max(4)
        .refine((all) => new Set(all).size === all.length, 'names a choice twice')
        .default([])
        .describe(
          'How long people may choose to stay signed in, instead of the one choice of `rememberDays`; the first is chosen already.',
        ),
      sharedMinutes: z
        .number()
        .int()
        .min(0)
        .max(480)
        .default(30)
        .describe(
          'How long a sign-in lasts on a computer that others use too, in use or not; 0 takes the choice away.',
        ),
    })
    .prefault({})
    .describe('How long a sign-in lasts.'),
  aliasMailboxes: z
    .strictObject({
      domains: z
        .array(domainName)
        .max(20)
        .refine((all) => new Set(all).size === all.length, 'names a domain twice')
        .default([])
        .describe(
          'Domains of alias mailboxes, for nothing else; new ones are made on the first. Empty: the one the setting GATEHOUSE_ALIAS_DOMAIN names.',
        ),
      rule: z
        .enum(['username', 'name'])
        .default('username')
        .describe('What stands before the @: the user name, or given and family name with a dot between.'),
    })
    .prefault({})
    .describe('An address of the community for every person, which apps may be told instead of their own.'),
});

export type Community = z.infer<typeof communitySettings>;

/** What was kept before something was asked of it is read all the same: no page goes away for a picture. */
const keptSettings = communitySettings.extend({ logo: z.string().optional() });

/** What was read last, by its text: nearly every request reads the same once more. */
let last: { text: string; settings: Community } | undefined;

/** The settings as they are now, defaults filled in. Everyone who reads the same gets the same object, which nobody can change. */
export async function community(tx: Tx): Promise<Community> {
  const text = (await readSettings(tx)) ?? '{}';
  if (last?.text !== text) last = { text, settings: frozen(keptSettings.parse(JSON.parse(text))) };
  return last.settings;
}

function frozen<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

/** Replaces the settings; records which top-level keys changed. Returns those keys (none = nothing written). */
export async function changeCommunity(tx: Tx, next: Community): Promise<string[]> {
  const before = JSON.parse((await readSettings(tx)) ?? '{}') as Record<string, unknown>;
  const schema = next.logo === before.logo ? keptSettings : communitySettings;
  const after: Record<string, unknown> = { ...schema.parse(next) };
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  const fields = [...keys].filter((key) => !isDeepStrictEqual(before[key], after[key])).sort();
  if (fields.length === 0) return [];
  await writeSettings(tx, after);
  await record(tx, 'community.changed', { data: { fields } });
  return fields;
}
