/** Metadata an app publishes, fetched once: for the job that follows it, and for whoever adds the app and need not type it. */
import type { AppTemplate, TemplateFault } from '#core/applications/templates.ts';
import type { Clock } from '#kit/clock/clock.ts';
import { type Net, NetRefused } from '#kit/net/net.ts';
import { readSpMetadata, type SpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { METADATA_LIMIT } from '#wire/saml/saml.ts';

export interface PublishedNeeds {
  net: Net;
  clock: Clock;
}

export type Published = { xml: string; metadata: SpMetadata } | { failure: string };

/** What stands at this address, read, or in a sentence why it cannot be. */
export async function fetchPublished(
  { net, clock }: PublishedNeeds,
  input: { url: string; entityId?: string; certificates?: string[]; allowPrivate?: boolean },
): Promise<Published> {
  const { url, entityId, certificates, allowPrivate } = input;
  try {
    const { status, bytes } = await net.fetch(url, {
      headers: { accept: 'application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8' },
      timeoutMs: 15_000,
      maxBytes: METADATA_LIMIT,
      allowPrivate,
    });
    if (status !== 200) return { failure: `The address answered HTTP ${status}.` };
    const xml = bytes.toString('utf8');
    return { xml, metadata: readSpMetadata(xml, { entityId, certificates, now: clock.now() }) };
  } catch (error) {
    if (error instanceof SamlRefusal || error instanceof NetRefused) return { failure: error.message };
    throw error;
  }
}

/**
 * The values of a template with the entity id that the metadata at their address says; unchanged where nothing is to be
 * learnt. Where it cannot be had the fault says why, and that it may be typed instead.
 */
export async function withEntityId(
  needs: PublishedNeeds,
  template: AppTemplate,
  given: Readonly<Record<string, string>>,
): Promise<{ values: Record<string, string> } | { fault: TemplateFault }> {
  const values = { ...given };
  const { entityId = '', metadata = '', metadataUrl = '' } = values;
  const field = template.fields.find(({ name }) => name === 'metadataUrl');
  if (!field || metadataUrl.trim() === '' || `${entityId}${metadata}`.trim() !== '') return { values };
  const url = addressIn(metadataUrl, field.read);
  if (url === undefined) return { values };
  const got = await fetchPublished(needs, { url });
  if ('metadata' in got) return { values: { ...values, entityId: got.metadata.entityId } };
  const text = `could not be read now, so type the entity ID or paste the metadata. ${got.failure}`;
  return { fault: { field: 'metadataUrl', text: text.replace(/\.$/, '') } };
}

/** The address as the template reads it; one it refuses is refused there. */
function addressIn(text: string, read: (text: string) => string): string | undefined {
  try {
    return read(text.trim());
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
