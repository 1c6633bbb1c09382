/** What is known of an app that speaks SAML 2.0: where it is answered, by which name it knows people, what it is sent. */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { readSpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { isReturnUri, serverUri } from './addresses.ts';

const plain = /^[^\u0000-\u0020\u007f-\u00a0\u2028\u2029]+$/;

/** An address a browser posts to or is sent to: never a private scheme. */
export const webUri = z
  .string()
  .max(500)
  .refine((text) => isReturnUri(text) && /^https?:/i.test(text), 'must be https (or http on loopback)');

/** A certificate as PEM or as the bare base64 of metadata; undefined where it is none that can be used. */
export function readCertificate(text: string): X509Certificate | undefined {
  try {
    const bare = text.replace(/-----(BEGIN|END) CERTIFICATE-----/g, '').replace(/\s+/g, '');
    const certificate = new X509Certificate(Buffer.from(bare, 'base64'));
    const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
    const strong = (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048;
    return asymmetricKeyType === 'rsa' && strong ? certificate : undefined;
  } catch {
    return undefined;
  }
}

const certificate = z
  .string()
  .max(20_000)
  .refine(
    (text) => readCertificate(text) !== undefined,
    'must be one certificate with an RSA key, 2048 bits or more',
  );

export const certificates = z.array(certificate).max(5);

/** What of a profile an attribute can carry; attributes of the community as `attribute:NAME`. */
export const samlValues = [
  'subject',
  'username',
  'name',
  'givenName',
  'familyName',
  'email',
  'locale',
  'updatedAt',
  'groups',
  'roles',
] as const;

const value = z.union([
  z.enum(samlValues),
  z.string().regex(/^attribute:\S.{0,99}$/, 'must be a value or attribute:NAME'),
]);

const attribute = z.union([
  value,
  z.strictObject({
    from: value.describe(
      'Which value is told: one of these, or attribute:NAME for an attribute of the community. What is empty or not released is left out.',
    ),
    nameFormat: z
      .enum(['basic', 'uri', 'unspecified'])
      .optional()
      .describe(
        'The NameFormat that is sent; left out, uri for names that begin with urn:, http: or https:, else basic.',
      ),
    friendlyName: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('The FriendlyName that is sent beside the name; left out, none.'),
  }),
]);

const nameId = z.strictObject({
  format: z
    .enum(['persistent', 'transient', 'emailAddress', 'unspecified'])
    .default('persistent')
    .describe('persistent: an identifier that stays. transient: a new one at every sign-in.'),
  source: z
    .enum(['subject', 'username', 'address'])
    .optional()
    .describe(
      'What stands in it; left out: the subject, of emailAddress the address, of unspecified the user name.',
    ),
  force: z.boolean().default(false).describe('Send this format also to an app that asks for another one.'),
});

const metadata = z
  .strictObject({
    url: serverUri.optional().describe('Where the metadata is published; give either this or `xml`.'),
    xml: z.string().max(300_000).optional().describe('The metadata itself, where it is not published.'),
    certificates: certificates
      .default([])
      .describe('What is fetched must be signed by one of these; left out, https alone vouches for it.'),
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

/** Why this cannot be the metadata of that app. */
function whatIsWrong(xml: string, entityId: string): string | undefined {
  try {
    readSpMetadata(xml, { entityId });
    return undefined;
  } catch (error) {
    if (error instanceof SamlRefusal) return error.message;
    throw error;
  }
}

/** The section `saml` of an application. */
export const samlSettings = z
  .strictObject({
    entityId: z
      .string()
      .min(1)
      .max(1024)
      .regex(plain, 'must be without spaces')
      .describe('What the app calls itself in SAML, letter by letter; no two apps may have the same.'),
    acsUrls: z
      .array(webUri)
      .max(50)
      .default([])
      .describe('Where answers are posted to; the first unless asked otherwise.'),
    metadata: metadata.optional(),
    certificates: certificates
      .default([])
      .describe('Of the app: its requests are verified with each, assertions are encrypted for the first.'),
    nameId: nameId.prefault({}),
    attributes: z
      .record(z.string().min(1).max(256).regex(plain, 'must be without spaces'), attribute)
      .optional()
      .describe('Attribute name → value. Left out, whatever is released goes under its own name.'),
    sign: z
      .enum(['response', 'assertion', 'both'])
      .default('both')
      .describe('What carries our signature: the response, the assertion inside it, or both.'),
    encrypt: z.boolean().default(false).describe('Assertions can be read by the app alone.'),
    wantSignedRequests: z
      .boolean()
      .default(false)
      .describe(
        'Sign-in requests without its signature are refused; so they are, too, where its metadata says that it signs them. Needs a certificate of the app.',
      ),
    idpInitiated: z
      .strictObject({
        allowed: z
          .boolean()
          .default(false)
          .describe('People may be sent there from here without it having asked.'),
        relayState: z
          .string()
          .max(1000)
          .optional()
          .describe('Sent with such an answer; often a page of the app.'),
      })
      .prefault({}),
    sessionMinutes: z
      .number()
      .int()
      .min(5)
      .max(44_640)
      .optional()
      .describe(
        'After this time the app must ask again (SessionNotOnOrAfter); never longer than the session here.',
      ),
    sloUrl: webUri.optional().describe('Where the app takes sign-outs; left out, what its metadata says.'),
    sloResponseUrl: webUri.optional().describe('Where it takes answers to its own sign-outs, if elsewhere.'),
    sloBinding: z
      .enum(['redirect', 'post'])
      .default('redirect')
      .describe(
        'How sign-outs get to `sloUrl`: in the address (redirect) or in a posted form (post). Without `sloUrl` the metadata of the app decides.',
      ),
  })
  .superRefine((saml, context) => {
    const say = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (saml.acsUrls.length === 0 && !saml.metadata) say('acsUrls', 'give acsUrls or metadata');
    const hasCertificates = saml.certificates.length > 0 || saml.metadata !== undefined;
    if (saml.encrypt && !hasCertificates) say('encrypt', 'needs the certificate of the app');
    if (saml.wantSignedRequests && !hasCertificates)
      say('wantSignedRequests', 'needs the certificate of the app');
    const wrong =
      saml.metadata?.xml === undefined ? undefined : whatIsWrong(saml.metadata.xml, saml.entityId);
    if (wrong) say('metadata', wrong);
    const { format, source } = saml.nameId;
    if (format === 'transient' && source) say('nameId', 'a transient name has no source');
    if (format === 'emailAddress' && source && source !== 'address')
      say('nameId', 'emailAddress is always the address');
    if (format === 'persistent' && source === 'address')
      say('nameId', 'an address does not stay; use emailAddress');
  });

export type SamlSettings = z.infer<typeof samlSettings>;

/** What stands in the NameID of this app. */
export function nameIdSource({
  nameId: { format, source },
}: SamlSettings): 'subject' | 'username' | 'address' | 'random' {
  if (format === 'transient') return 'random';
  return (
    source ?? (format === 'emailAddress' ? 'address' : format === 'unspecified' ? 'username' : 'subject')
  );
}
