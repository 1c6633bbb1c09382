/** What an administrator fills in for an Atlassian target. */
import { z } from 'zod';
import { type DialectOptions, dialectOptions } from '#connectors/scim/dialect.ts';
import type { Domain, Outsiders } from './domains.ts';

export interface AtlassianOptions extends DialectOptions {
  directoryId?: string;
  /** Address of the directory; default made of `apiUrl` and `directoryId`. */
  baseUrl?: string;
  apiUrl: string;
  orgId?: string;
  /** Products people are invited to. `resource` is the product's ARI, `role` what they are there. */
  products: { resource: string; role: string }[];
  additionalGroups: string[];
  sendNotification: boolean;
  notificationText?: string;
  /** Domains of the organisation, over what its interface tells. */
  domains?: Domain[];
  outsiders: Outsiders;
}

const id = z.string().regex(/^[A-Za-z0-9._~-]{1,100}$/, 'must be an id as Atlassian shows it');
const address = z.url({ protocol: /^https?$/ });

export const atlassianOptions: z.ZodType<AtlassianOptions> = z
  .strictObject({
    directoryId: id.optional().describe('Id in the directory base URL that Atlassian shows with the key.'),
    baseUrl: address.optional().describe('Directory base URL, instead of its id.'),
    apiUrl: address.default('https://api.atlassian.com').describe('Address of the Atlassian interfaces.'),
    orgId: id.optional().describe('Id of the organisation, for its domains and for invitations.'),
    products: z
      .array(
        z.strictObject({
          resource: z.string().startsWith('ari:').max(500),
          role: z.string().min(1).max(200),
        }),
      )
      .max(50)
      .default([])
      .describe('Products people are invited to: ARI and role.'),
    additionalGroups: z.array(id).max(50).default([]).describe('Groups people are invited into, by id.'),
    sendNotification: z.boolean().default(true).describe('Atlassian sends a mail with the invitation.'),
    notificationText: z.string().max(1000).optional().describe('Text of that mail.'),
    domains: z
      .array(
        z.strictObject({
          name: z.string().regex(/^[a-z0-9.-]{1,253}$/, 'must be a domain name'),
          state: z.enum(['verified', 'unclaimed', 'unverified']),
        }),
      )
      .max(1000)
      .optional()
      .describe('Domains of the organisation; they count more than what its interface says.'),
    outsiders: z
      .enum(['alias', 'external', 'invite'])
      .default('alias')
      .describe('People on other domains need an alias, become external accounts, or are invited.'),
    ...dialectOptions,
  })
  .refine(({ directoryId, baseUrl }) => directoryId !== undefined || baseUrl !== undefined, {
    message: 'Give the directory id or the directory base URL.',
    path: ['directoryId'],
  });
