/** What can be set of an upstream. `gatehouse apply` reads it under `upstreams:` beside `id` and `credentials`. */
import { z } from 'zod';
import { serverUri } from '#core/applications/addresses.ts';
import { compileExpression, ExpressionError } from '#kit/expressions/expressions.ts';
import { samlAuthority, samlUpstream } from './saml-settings.ts';

/** Ids are chosen by operators and stand in the addresses given to the other side, so they stay. */
export const upstreamId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,39}$/, 'small letters, digits and dashes, 2 to 40')
  .refine((id) => id !== 'arrivals', 'is a word of ours');

/** What expressions of a mapping may name: everything the upstream said, and what it calls the person for good. */
export const claimVariables = { claims: 'map', subject: 'string' } as const;

const expression = z
  .string()
  .min(1)
  .max(1000)
  .superRefine((source, context) => {
    try {
      compileExpression(source, claimVariables);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
    }
  });

const domain = z
  .string()
  .trim()
  .toLowerCase()
  .max(190)
  .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'must be a domain name');
const domains = z.array(domain).max(200).default([]);
const words = z.array(z.string().min(1).max(200)).max(20).default([]);

const oidc = z
  .strictObject({
    preset: z
      .enum(['generic', 'google', 'entra', 'okta', 'keycloak'])
      .default('generic')
      .describe(
        'Whose habits are known: what is the key, which addresses are verified, what else is looked at.',
      ),
    issuer: serverUri
      .optional()
      .describe('Where /.well-known/openid-configuration stands. Google needs none.'),
    clientId: z.string().min(1).max(500).describe('The client id the provider gave this installation.'),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/))
      .max(30)
      .default(['openid', 'profile', 'email'])
      .describe('What is asked of the provider; must hold openid.'),
    tenants: z
      .array(z.string().regex(/^[0-9a-f-]{36}$/, 'must be the id of a tenant'))
      .max(200)
      .optional()
      .describe('Entra: whose people may come. Needed where the issuer is common or organizations.'),
    hostedDomains: domains.describe('Google: Workspace domains (`hd`) whose people alone may come.'),
    logout: z
      .boolean()
      .default(false)
      .describe('Offer to sign out there as well, when someone signs out here.'),
  })
  .superRefine((one, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (!one.issuer && one.preset !== 'google') issue('issuer', 'is needed');
    if (!one.scopes.includes('openid')) issue('scopes', 'must hold openid');
    if (isForAllTenants(one) && !one.tenants?.length)
      issue('tenants', 'is needed where any tenant could come');
  });

const github = z.strictObject({
  clientId: z.string().min(1).max(500).describe('The client id of the OAuth app at GitHub.'),
  url: serverUri
    .default('https://github.com')
    .describe('Of an own GitHub Enterprise Server, else github.com.'),
  organisations: z
    .array(z.string().min(1).max(100))
    .max(50)
    .optional()
    .describe('Whose members alone may come.'),
});

const ldap = z
  .strictObject({
    url: z
      .string()
      .max(500)
      .regex(/^ldaps?:\/\/[^/@?#\s]+$/, 'must read ldap://host or ldaps://host, with :port if needed')
      .describe(
        'ldaps://HOST or ldap://HOST, with :PORT if it is not 636 or 389; ldap:// needs `startTls`, unless it is this machine.',
      ),
    startTls: z
      .boolean()
      .default(false)
      .describe('Encrypt an ldap:// connection before anything is said; with ldaps:// it changes nothing.'),
    ca: z.string().max(60_000).optional().describe('Certificates (PEM) to trust instead of the system’s.'),
    bindDn: z.string().min(1).max(500).describe('Who looks people up there.'),
    baseDn: z
      .string()
      .min(1)
      .max(500)
      .describe(
        'The entry below which people are looked up, at any depth; it cannot be changed while anyone is linked.',
      ),
    filter: z
      .string()
      .max(500)
      .default('(|(uid={name})(mail={name}))')
      .refine((text) => text.includes('{name}'), 'must hold {name}')
      .describe(
        'How the entry of what someone typed is found: {name} stands for it, escaped. Where several entries fit, nobody is found.',
      ),
    subject: z.string().max(100).default('entryUUID').describe('The attribute that stays the same for good.'),
    takeOver: z
      .boolean()
      .default(false)
      .describe(
        'Keep the password here once it proved right there, and ask the directory no more. Said on the page.',
      ),
  })
  .refine(
    (one) =>
      one.url.startsWith('ldaps:') ||
      one.startTls ||
      /^ldap:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|$)/.test(one.url),
    {
      path: ['url'],
      message: 'passwords would cross the network unencrypted; use ldaps:// or startTls',
    },
  );

const mapping = z.strictObject({
  username: expression
    .optional()
    .describe(
      'Expression for the user name proposed to a newcomer; of an address, what stands before the @. Left out, the usual claims of this kind.',
    ),
  givenName: expression
    .optional()
    .describe('Expression for the given name. Left out, the usual claim of this kind, if it has one.'),
  familyName: expression
    .optional()
    .describe('Expression for the family name. Left out, the usual claim of this kind, if it has one.'),
  displayName: expression
    .optional()
    .describe('Expression for the name that is shown. Left out, the usual claims of this kind.'),
  email: expression
    .optional()
    .describe(
      'Expression for the address, verified only where it is the one the upstream calls so. Left out, the address it told.',
    ),
  locale: expression
    .optional()
    .describe(
      'Expression for the language of a newcomer; what is no language tag is passed over, and the language of the page is taken.',
    ),
  groups: expression.optional().describe('A text or a list: the groups they are in there.'),
  attributes: z
    .record(z.string(), expression)
    .default({})
    .describe(
      'Attribute of the community → expression; what gives nothing, a list, or a value that does not fit is left out.',
    ),
});

const kinds = ['oidc', 'github', 'saml', 'ldap'] as const;
export type UpstreamKind = (typeof kinds)[number];

/** Everything an upstream knows but its credentials. */
export const upstreamSettings = z
  .strictObject({
    title: z.string().trim().min(1).max(60).describe('What people read on the button.'),
    enabled: z
      .boolean()
      .default(true)
      .describe(
        'Switched off, nobody comes in through it, and the sessions it opened end, but for those of passwords it handed over (`takeOver`).',
      ),
    button: z
      .boolean()
      .default(true)
      .describe('Whether the sign-in page shows it; else by domain or app alone.'),
    oidc: oidc.optional(),
    github: github.optional(),
    saml: samlUpstream.optional(),
    ldap: ldap.optional(),
    privateNetwork: z.boolean().default(false).describe('It may stand in a private network.'),
    newPeople: z
      .enum(['ask', 'create', 'refuse'])
      .default('ask')
      .describe(
        'Someone nobody here is: asked whether they have an account, given one at once where nothing is missing, or refused.',
      ),
    domains: domains.describe('Whoever types an address of these is sent there.'),
    authoritative: domains.describe(
      'Domains whose addresses it alone gives out: an account with such an address, confirmed here and verified there, is linked without asking.',
    ),
    trustAddresses: z
      .boolean()
      .optional()
      .describe(
        'Whether an address it calls verified counts as confirmed here. Default: Google and GitHub alone.',
      ),
    require: z
      .strictObject({
        amr: words.describe('Authentication methods (RFC 8176) that must all be told.'),
        acr: words.describe(
          'Contexts of which one must be told; OpenID Connect and SAML ask for them in the request.',
        ),
      })
      .prefault({})
      .describe('Every amr of these and one acr of these must be told, or nobody comes in.'),
    secondFactor: z
      .strictObject({
        amr: words.describe('Authentication methods (RFC 8176) of which one is enough.'),
        acr: words.describe(
          'Contexts of which one is enough; OpenID Connect asks for them in the request, SAML only for those of `require`.',
        ),
      })
      .prefault({})
      .describe('What, when told, counts as two factors here. Without it every sign-in there is one.'),
    sync: z
      .enum(['first', 'always'])
      .default('first')
      .describe('Names and attributes: once, or at each sign-in.'),
    mapping: mapping.prefault({}),
    groups: z
      .array(
        z.strictObject({
          from: z.string().min(1).max(500).describe('The group as the upstream says it, letter by letter.'),
          to: z
            .string()
            .min(1)
            .max(255)
            .describe('The group here; while there is none of this name, the line does nothing.'),
          owned: z
            .boolean()
            .default(false)
            .describe('It alone says who of its people is in: added and removed at each sign-in.'),
        }),
      )
      .max(500)
      .default([])
      .describe('Group there → group here. One that is not owned is given when the account is made.'),
  })
  .superRefine((one, context) => {
    const given = kinds.filter((kind) => one[kind]);
    if (given.length !== 1)
      context.addIssue({ code: 'custom', message: `needs one of ${kinds.join(', ')}, and one alone` });
  });

export type UpstreamSettings = z.infer<typeof upstreamSettings>;

export function kindOf(settings: UpstreamSettings): UpstreamKind {
  return kinds.find((kind) => settings[kind])!;
}

/** The credentials of each kind, by name. */
export const credentialNames: Record<UpstreamKind, readonly { name: string; required: boolean }[]> = {
  oidc: [{ name: 'clientSecret', required: false }],
  github: [{ name: 'clientSecret', required: true }],
  // What signs and decrypts are the keys of the house.
  saml: [],
  ldap: [{ name: 'bindPassword', required: true }],
};

/** Entra takes people of any tenant at these addresses; its metadata says `{tenantid}` where others name themselves. */
export function isForAllTenants(one: { preset: string; issuer?: string }): boolean {
  return one.preset === 'entra' && /\/(common|organizations|consumers)(\/|$)/.test(one.issuer ?? '');
}

export function issuerOf(one: NonNullable<UpstreamSettings['oidc']>): string {
  return one.issuer ?? 'https://accounts.google.com';
}

/** Who the other side is. It cannot change while somebody is linked, or its subjects would be other people. */
export function authorityOf(settings: UpstreamSettings): string {
  if (settings.oidc) return `oidc ${issuerOf(settings.oidc)}`;
  if (settings.github) return `github ${settings.github.url}`;
  if (settings.saml) return samlAuthority(settings.saml);
  return `ldap ${settings.ldap?.baseDn} ${settings.ldap?.subject}`;
}

/** Whether credentials given for one are good for the other: they are for the place they were given for. */
export function keepsCredentials(before: UpstreamSettings, after: UpstreamSettings): boolean {
  const place = (one: UpstreamSettings) =>
    one.oidc ? issuerOf(one.oidc) : (one.github?.url ?? `${one.ldap?.url} ${one.ldap?.bindDn}`);
  return kindOf(before) === kindOf(after) && place(before) === place(after);
}

/** Whether an address it calls verified is confirmed here by that. */
export function trusts(settings: UpstreamSettings, addressKey: string): boolean {
  const usual = settings.github !== undefined || settings.oidc?.preset === 'google';
  return (settings.trustAddresses ?? usual) || isAuthoritative(settings, addressKey);
}

export function isAuthoritative(settings: UpstreamSettings, addressKey: string): boolean {
  return settings.authoritative.includes(addressKey.split('@').at(-1) ?? '');
}
