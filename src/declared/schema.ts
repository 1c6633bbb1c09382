/** What a community file may say. The shapes of settings are the core's own; here stands only what wraps them. */
import { z } from 'zod';
import { applicationId, applicationSettings } from '#core/applications/applications.ts';
import { communitySettings } from '#core/community/community.ts';
import { roles } from '#core/operators/permissions.ts';
import { attributeDeclaration } from '#core/people/attributes.ts';
import { checkLegacyUsername, cleanLine, longestDisplayName, parseAddress } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
import { relaySettings, senderSettings } from '#fronts/relay/settings.ts';
import { mailSettings } from '#notices/templates.ts';
import { targetSettings } from '#provisioning/settings.ts';
import { upstreamId, upstreamSettings } from '#signon/upstream/settings.ts';
import { identifyHash } from '#wire/hashes/hashes.ts';

/** Reads a text with a function of the core; its refusal becomes the finding. */
function text<T>(read: (given: string) => T) {
  return z.string().transform((given, context): T => {
    try {
      return read(given);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

const line = (limit: number) => text((given) => cleanLine(given, limit));
const named = text((given) => {
  const name = cleanLine(given, 255);
  if (name === '') throw new Problem('attribute-required');
  return name;
});

export const declaredApplication = applicationSettings.safeExtend({
  id: applicationId.describe(
    'Its client_id in OpenID Connect, and what this file calls it: 2 to 40 small letters, digits and dashes, a letter first. Another id is another app.',
  ),
  secret: z
    .string()
    .min(32)
    .max(500)
    .optional()
    .describe('The client secret, at least 32 characters. Left out, one is made and printed once.'),
});

export const declaredGroup = z.strictObject({
  name: named.describe(
    'What people, apps and this file call the group, 255 characters at most; capitals make no difference.',
  ),
  title: line(120)
    .optional()
    .describe(
      'A longer name for operators, 120 characters at most; apps hear `name`. Left out, it stays as it is.',
    ),
  description: line(1000)
    .optional()
    .describe('What the group is for, 1,000 characters at most. Left out, it stays as it is.'),
  members: z
    .array(z.string().max(255))
    .optional()
    .describe('User names; given, it is the whole list, together with people who name the group.'),
});

const declaredAddress = z.preprocess(
  (given) => (typeof given === 'string' ? { address: given } : given),
  z.strictObject({
    address: text(parseAddress).describe(
      'One mail address; an entry of the list may also be the address alone. Addresses the list does not name stay.',
    ),
    verified: z.boolean().default(true).describe('Whoever writes this file vouches for the address.'),
  }),
);

const storedHash = z.string().transform((given, context) => {
  const { scheme, reason, canonical, fast } = identifyHash(given);
  if (canonical !== undefined) return { hash: canonical, scheme, fast };
  context.addIssue({ code: 'custom', message: `this hash cannot be used (${scheme}). ${reason}` });
  return z.NEVER;
});

const operatorRole = z.preprocess(
  (given) => (typeof given === 'string' ? { role: given } : given),
  z
    .strictObject({
      role: z
        .enum(roles)
        .describe(
          'A role the person gets; `operator` may also be the role alone. Roles they have already are never taken away here.',
        ),
      application: applicationId
        .optional()
        .describe('The app an app-owner looks after; needed for that role and refused for the others.'),
    })
    .refine(
      (one) => (one.role === 'app-owner') === (one.application !== undefined),
      'app-owner needs the app, the other roles take none',
    ),
);

/** States a file may put someone into; `erased` and `merged` have doors of their own. */
export const declaredStates = ['unverified', 'active', 'locked', 'suspended', 'spam', 'left'] as const;

export const declaredPerson = z
  .strictObject({
    username: text(checkLegacyUsername).describe(
      'Whom the entry is about; who is not here yet joins under this name, kept as it is written and without the rule for new ones, 255 characters at most.',
    ),
    names: z
      .strictObject({
        givenName: line(120).optional().describe('Given name, 120 characters at most.'),
        familyName: line(120).optional().describe('Family name, 120 characters at most.'),
        displayName: line(longestDisplayName)
          .optional()
          .describe(
            'The name that is shown, 250 characters at most. Left out for someone new, given and family name, else the user name.',
          ),
      })
      .default({}),
    locale: z
      .string()
      .regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language such as en or pt-BR')
      .optional()
      .describe(
        'Language of pages and mails for this person, such as en or pt-BR. Without one, pages go by the browser.',
      ),
    addresses: z.array(declaredAddress).max(10).default([]).describe('The first is the main one.'),
    password: z
      .string()
      .min(1)
      .max(1024)
      .optional()
      .describe(
        'The password as it is typed, without the rules for new ones; only its argon2id hash is kept. One that is not theirs yet replaces theirs and ends their sessions.',
      ),
    passwordHash: storedHash
      .optional()
      .describe('As another system stored it; for people who have no password here yet.'),
    state: z
      .enum(declaredStates)
      .optional()
      .describe(
        'Where the person stands. Left out, someone new is active and everyone else stays as they are; unverified is for someone new alone.',
      ),
    groups: z
      .array(named)
      .optional()
      .describe('Given, it is the whole list, together with groups that name the person.'),
    attributes: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .describe(
        'Attribute of the community → value; an empty text takes one away that is not required, and attributes that are not named stay.',
      ),
    aliases: z.record(applicationId, named).optional().describe('App → what the person is called there.'),
    operator: operatorRole.optional(),
  })
  .refine((one) => one.password === undefined || one.passwordHash === undefined, {
    path: ['passwordHash'],
    message: 'give a password or a hash, not both',
  });

const credential = z.union([
  z.string().min(1).max(20_000),
  z.strictObject({ file: z.string().min(1).max(1000).describe('A file that holds it alone.') }),
]);

export const declaredTarget = targetSettings.extend({
  application: applicationId.describe(
    'The app whose accounts are kept there, one target an app; it must be in this file or here already.',
  ),
  credentials: z
    .record(z.string(), credential)
    .optional()
    .describe(
      "The connector's, by name: ${NAME} of the environment, a file, or the text. Left out, they stay.",
    ),
});

export const declaredUpstream = upstreamSettings.safeExtend({
  id: upstreamId.describe(
    'What this file calls it, and part of the addresses given to the other side (/upstream/ID/…): 2 to 40 small letters, digits and dashes, a letter first. Another id is another upstream.',
  ),
  credentials: z
    .record(z.string(), credential)
    .optional()
    .describe('By name: ${NAME} of the environment, a file, or the text. Left out, they stay.'),
});

/** A switch that somebody threw stays as it is unless the file speaks of it. */
const declaredSwitch = z.boolean().optional().describe('Left out, it stays as it is.');

export const declaredRelay = relaySettings.extend({
  off: declaredSwitch,
  senders: z
    .record(applicationId, senderSettings.extend({ off: declaredSwitch }))
    .default({})
    .describe('App → who may write as it.'),
});

export const declaredHouse = z.strictObject({
  community: communitySettings.optional(),
  attributes: z.array(attributeDeclaration).max(200).optional(),
  applications: z.array(declaredApplication).max(1000).optional(),
  targets: z.array(declaredTarget).max(1000).optional(),
  upstreams: z.array(declaredUpstream).max(200).optional(),
  relay: declaredRelay.optional(),
  mail: mailSettings.optional(),
  groups: z.array(declaredGroup).max(10_000).optional(),
  people: z.array(declaredPerson).max(50_000).optional(),
});

/** Sections that are planned; refused by name, so that nobody believes they were applied. */
export const plannedSections = ['routes'];

export type DeclaredApplication = z.infer<typeof declaredApplication>;
export type DeclaredTarget = z.infer<typeof declaredTarget>;
export type DeclaredUpstream = z.infer<typeof declaredUpstream>;
export type DeclaredRelay = z.infer<typeof declaredRelay>;
export type DeclaredGroup = z.infer<typeof declaredGroup>;
export type DeclaredPerson = z.infer<typeof declaredPerson>;
export type DeclaredHouse = z.infer<typeof declaredHouse>;
