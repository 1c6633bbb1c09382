/** What a community file may say. The shapes of settings are the core's own; here stands only what wraps them. */
import { z } from 'zod';
import { applicationId, applicationSettings } from '#core/applications/applications.ts';
import { communitySettings } from '#core/community/community.ts';
import { roles } from '#core/operators/permissions.ts';
import { attributeDeclaration } from '#core/people/attributes.ts';
import { checkLegacyUsername, cleanLine, parseAddress } from '#core/people/names.ts';
import { Problem } from '#core/problem.ts';
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
  id: applicationId,
  secret: z
    .string()
    .min(32)
    .max(500)
    .optional()
    .describe('The client secret, at least 32 characters. Left out, one is made and printed once.'),
});

export const declaredGroup = z.strictObject({
  name: named,
  title: line(120).optional(),
  description: line(1000).optional(),
  members: z
    .array(z.string().max(255))
    .optional()
    .describe('User names; given, it is the whole list, together with people who name the group.'),
});

const declaredAddress = z.preprocess(
  (given) => (typeof given === 'string' ? { address: given } : given),
  z.strictObject({
    address: text(parseAddress),
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
    .strictObject({ role: z.enum(roles), application: applicationId.optional() })
    .refine(
      (one) => (one.role === 'app-owner') === (one.application !== undefined),
      'app-owner needs the app, the other roles take none',
    ),
);

/** States a file may put someone into; `erased` and `merged` have doors of their own. */
export const declaredStates = ['unverified', 'active', 'locked', 'suspended', 'spam', 'left'] as const;

export const declaredPerson = z
  .strictObject({
    username: text(checkLegacyUsername),
    names: z
      .strictObject({
        givenName: line(120).optional(),
        familyName: line(120).optional(),
        displayName: line(250).optional(),
      })
      .default({}),
    locale: z
      .string()
      .regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'must be a language such as en or pt-BR')
      .optional(),
    addresses: z.array(declaredAddress).max(10).default([]).describe('The first is the main one.'),
    password: z.string().min(1).max(1024).optional(),
    passwordHash: storedHash
      .optional()
      .describe('As another system stored it; for people who have no password here yet.'),
    state: z.enum(declaredStates).optional(),
    groups: z
      .array(named)
      .optional()
      .describe('Given, it is the whole list, together with groups that name the person.'),
    attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
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
  application: applicationId,
  credentials: z
    .record(z.string(), credential)
    .optional()
    .describe(
      "The connector's, by name: ${NAME} of the environment, a file, or the text. Left out, they stay.",
    ),
});

export const declaredUpstream = upstreamSettings.safeExtend({
  id: upstreamId,
  credentials: z
    .record(z.string(), credential)
    .optional()
    .describe('By name: ${NAME} of the environment, a file, or the text. Left out, they stay.'),
});

export const declaredHouse = z.strictObject({
  community: communitySettings.optional(),
  attributes: z.array(attributeDeclaration).max(200).optional(),
  applications: z.array(declaredApplication).max(1000).optional(),
  targets: z.array(declaredTarget).max(1000).optional(),
  upstreams: z.array(declaredUpstream).max(200).optional(),
  groups: z.array(declaredGroup).max(10_000).optional(),
  people: z.array(declaredPerson).max(50_000).optional(),
});

/** Sections that are planned; refused by name, so that nobody believes they were applied. */
export const plannedSections = ['routes'];

export type DeclaredApplication = z.infer<typeof declaredApplication>;
export type DeclaredTarget = z.infer<typeof declaredTarget>;
export type DeclaredUpstream = z.infer<typeof declaredUpstream>;
export type DeclaredGroup = z.infer<typeof declaredGroup>;
export type DeclaredPerson = z.infer<typeof declaredPerson>;
export type DeclaredHouse = z.infer<typeof declaredHouse>;
