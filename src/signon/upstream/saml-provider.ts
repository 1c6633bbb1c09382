/**
 * An upstream as the identity provider it says it is: by its settings, or by metadata that was pasted or is published.
 * Certificates that have expired go on verifying, with a standing warning: what counts is the key somebody configured
 * (SAML V2.0 Metadata Interoperability Profile §2.6).
 */
import { isReturnUri } from '#core/applications/addresses.ts';
import { type IdpMetadata, readIdpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { BINDING } from '#wire/saml/saml.ts';
import { certificateFacts } from '#wire/saml/signature.ts';
import { UpstreamFailure } from './failure.ts';
import { type PublishedNeeds, publishedMetadata, type SamlUpstream } from './saml-published.ts';
import { pemsOf, readingOf } from './saml-settings.ts';

export interface IdentityProvider {
  entityId: string;
  /** Where people are sent, by HTTP-Redirect. */
  ssoUrl: string;
  /** Where it takes sign-outs by HTTP-Redirect, if it does. */
  slo?: { url: string; responseUrl: string };
  /** PEM: what it signs with (SA-17: two of them while it changes its key). */
  certificates: string[];
}

/** What is known of it now. Refuses with `upstream-unreachable` where its metadata cannot be had. */
export async function identityProvider(
  needs: PublishedNeeds,
  upstream: SamlUpstream,
  how: { fresh?: boolean } = {},
): Promise<IdentityProvider> {
  const { saml } = upstream.settings;
  const { metadata: from, entityId, ssoUrl, sloUrl, sloResponseUrl } = saml;
  if (!from) {
    const slo = sloUrl ? { url: sloUrl, responseUrl: sloResponseUrl ?? sloUrl } : undefined;
    return { entityId: entityId!, ssoUrl: ssoUrl!, slo, certificates: pemsOf(saml.certificates) };
  }
  const published = from.url === undefined ? undefined : await publishedMetadata(needs, upstream, how);
  const xml = from.xml ?? published?.xml;
  if (xml === undefined)
    throw new UpstreamFailure('upstream-unreachable', upstream, { detail: published?.failure });
  return describedBy(upstream, metadataFor(upstream, xml, needs.clock.now()));
}

const read = new Map<string, { of: string; found: IdpMetadata }>();
const mostRead = 200;

/** Reads metadata, or remembers what the same text said to the same settings before. */
function metadataFor(upstream: SamlUpstream, xml: string, now: Date): IdpMetadata {
  const of = JSON.stringify(readingOf(upstream.settings.saml));
  const before = read.get(xml);
  try {
    const found = before?.of === of ? before.found : readIdpMetadata(xml, readingOf(upstream.settings.saml));
    if (read.size >= mostRead) read.clear();
    read.set(xml, { of, found });
    if (!found.validUntil || found.validUntil > now) return found;
  } catch (error) {
    if (!(error instanceof SamlRefusal)) throw error;
    throw new UpstreamFailure('upstream-unreachable', upstream, { detail: `metadata: ${error.message}` });
  }
  throw new UpstreamFailure('upstream-unreachable', upstream, { detail: 'its metadata has expired' });
}

function describedBy(upstream: SamlUpstream, metadata: IdpMetadata): IdentityProvider {
  const { sloUrl, sloResponseUrl } = upstream.settings.saml;
  const isAllowed = (url: string) =>
    /^https?:/i.test(url) && isReturnUri(url, { privateHttp: upstream.settings.privateNetwork });
  const sso = metadata.sso.find(({ binding, url }) => binding === BINDING.redirect && isAllowed(url));
  if (!sso)
    throw new UpstreamFailure('upstream-answer', upstream, {
      detail: 'its metadata has no address for sign-ins by HTTP-Redirect that may be used',
    });
  const described = metadata.slo.find(
    ({ binding, url, responseUrl = url }) =>
      binding === BINDING.redirect && isAllowed(url) && isAllowed(responseUrl),
  );
  const url = sloUrl ?? described?.url;
  const responseUrl = sloResponseUrl ?? sloUrl ?? described?.responseUrl ?? described?.url;
  return {
    entityId: metadata.entityId,
    ssoUrl: sso.url,
    slo: url && responseUrl ? { url, responseUrl } : undefined,
    certificates: metadata.certificates.filter(({ use }) => use !== 'encryption').map(({ pem }) => pem),
  };
}

/** When the last of these certificates (PEM) ends: of several one that holds longer is enough. */
export function endOf({ certificates }: Pick<IdentityProvider, 'certificates'>): Date | undefined {
  const ends = certificates.map((pem) => certificateFacts(pem).notAfter.getTime());
  return ends.length > 0 ? new Date(Math.max(...ends)) : undefined;
}
