/** The section `saml` of an upstream: which identity provider, how it names people, and how much is believed of it. */
import { z } from 'zod';
import { serverUri } from '#core/applications/addresses.ts';
import { certificates, readCertificate, webUri } from '#core/applications/saml-settings.ts';
import { readIdpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';

const plain = /^[^\u0000-\u0020\u007f-\u00a0\u2028\u2029]+$/;

const metadata = z
  .strictObject({
    url: serverUri.optional().describe('Where the metadata is published; give either this or `xml`.'),
    xml: z.string().max(300_000).optional().describe('The metadata itself, where it is not published.'),
    certificates: certificates
      .default([])
      .describe('The metadata must be signed by one of these; left out, https alone vouches for it.'),
    refreshHours: z
      .number()
      .int()
      .min(1)
      .max(168)
      .default(6)
      .describe(
        'Hours between two readings of `url`; after one that failed, ten minutes, and the last good metadata counts until its own end.',
      ),
  })
  .refine((one) => (one.url === undefined) !== (one.xml === undefined), 'give either url or xml');

export const samlUpstream = z
  .strictObject({
    preset: z
      .enum(['generic', 'entra'])
      .default('generic')
      .describe('Whose habits are known. Entra: the object id is the key, and how people proved themselves.'),
    metadata: metadata.optional(),
    entityId: z
      .string()
      .min(1)
      .max(1024)
      .regex(plain, 'must be without spaces')
      .optional()
      .describe('Of the provider. Left out, its metadata says it.'),
    ssoUrl: webUri.optional().describe('Where people are sent, by HTTP-Redirect; left out, by its metadata.'),
    sloUrl: webUri
      .optional()
      .describe('Where it takes sign-outs, by HTTP-Redirect; left out, by its metadata.'),
    sloResponseUrl: webUri.optional().describe('Where it takes answers to its own sign-outs, if elsewhere.'),
    certificates: certificates
      .default([])
      .describe('What it signs with, where there is no metadata. Two while it changes its key.'),
    nameIdFormat: z
      .enum(['persistent', 'transient', 'emailAddress', 'unspecified'])
      .default('persistent')
      .describe(
        'How it is asked to name people. Another answer is refused, unless subjectAttribute is the key.',
      ),
    subjectAttribute: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe('The attribute that is the person for good, instead of the NameID.'),
    signAuthnRequests: z
      .boolean()
      .default(true)
      .describe('Our requests are signed with the key of the house, and our metadata says so.'),
    wantEncrypted: z.boolean().default(false).describe('Assertions in clear are refused.'),
    allowIdpInitiated: z
      .boolean()
      .default(false)
      .describe('People may come from its own page without having set out here.'),
    logout: z
      .boolean()
      .default(false)
      .describe('Offer to sign out there as well, when someone signs out here.'),
  })
  .superRefine((saml, context) => {
    const say = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (saml.metadata) {
      if (saml.ssoUrl) say('ssoUrl', 'the metadata says it; give one of the two');
      if (saml.certificates.length > 0) say('certificates', 'the metadata says them; give one of the two');
      const wrong = whatIsWrong(saml);
      if (wrong) say('metadata', wrong);
    } else {
      if (!saml.ssoUrl) say('ssoUrl', 'give metadata, or entityId, ssoUrl and certificates');
      if (!saml.entityId) say('entityId', 'is needed beside ssoUrl');
      if (saml.certificates.length === 0) say('certificates', 'are needed beside ssoUrl');
    }
    if (saml.nameIdFormat === 'transient' && !subjectAttributeOf(saml))
      say('subjectAttribute', 'is needed: a transient name is another one at each sign-in');
  });

export type SamlUpstreamSettings = z.infer<typeof samlUpstream>;

/** PEM of certificates as they were given. */
export function pemsOf(texts: readonly string[]): string[] {
  return texts.flatMap((text) => readCertificate(text)?.toString() ?? []);
}

type Given = Pick<SamlUpstreamSettings, 'entityId' | 'metadata'>;

/** How metadata of these settings is read: whose, and signed by whom. */
export function readingOf({ entityId, metadata: from }: Given) {
  const pinned = pemsOf(from?.certificates ?? []);
  return { entityId, certificates: pinned.length > 0 ? pinned : undefined };
}

/** Why the pasted metadata cannot be that of a provider. */
function whatIsWrong(saml: Given): string | undefined {
  const xml = saml.metadata?.xml;
  if (xml === undefined) return undefined;
  try {
    readIdpMetadata(xml, readingOf(saml));
    return undefined;
  } catch (error) {
    if (error instanceof SamlRefusal) return error.message;
    throw error;
  }
}

const objectId = 'http://schemas.microsoft.com/identity/claims/objectidentifier';

/** The attribute that is the key; undefined where the NameID is. */
export function subjectAttributeOf({
  preset,
  subjectAttribute,
}: Pick<SamlUpstreamSettings, 'preset' | 'subjectAttribute'>): string | undefined {
  return subjectAttribute ?? (preset === 'entra' ? objectId : undefined);
}

/** Who it is that names people, and how: both are part of who they are. */
export function samlAuthority(saml: SamlUpstreamSettings): string {
  const { entityId, metadata: from } = saml;
  const xml = from?.xml;
  const who = entityId ?? (xml === undefined ? from?.url : readIdpMetadata(xml, readingOf(saml)).entityId);
  return `saml ${who} ${subjectAttributeOf(saml) ?? saml.nameIdFormat}`;
}
