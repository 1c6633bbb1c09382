/**
 * An app as the service provider it says it is: settings and metadata together. Settings count first; of metadata only
 * what is good now, and only addresses an app may have here. An expired certificate goes on verifying, with a standing
 * warning: what counts is the key somebody configured (SAML V2.0 Metadata Interoperability Profile §2.6).
 */
import { isReturnUri } from '#core/applications/addresses.ts';
import type { Application } from '#core/applications/applications.ts';
import { readCertificate, type SamlSettings } from '#core/applications/saml-settings.ts';
import type { Tx } from '#kit/db/tx.ts';
import { readSpMetadata, type SpMetadata } from '#wire/saml/metadata.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { BINDING } from '#wire/saml/saml.ts';
import * as store from './store.ts';

/** Where answers may be posted to. */
export interface AnswerPlace {
  url: string;
  index: number;
  isDefault: boolean;
}

export interface SignOutPlace {
  url: string;
  binding: 'redirect' | 'post';
  /** Where it takes answers to its own requests. */
  responseUrl: string;
}

export interface ServiceProvider {
  application: Application;
  saml: SamlSettings;
  entityId: string;
  /** By HTTP-POST, never empty for an app that can be answered. */
  acs: AnswerPlace[];
  slo?: SignOutPlace;
  /** PEM: what its requests are verified with. */
  verifiers: string[];
  /** PEM: whom assertions are encrypted for. */
  encryptFor?: string;
  wantSignedRequests: boolean;
}

const read = new Map<string, SpMetadata>();
const mostRead = 200;

/** Reads metadata, or remembers what the same text said before. Throws SamlRefusal. */
export function knownMetadata(xml: string): SpMetadata {
  const before = read.get(xml);
  if (before) return before;
  const found = readSpMetadata(xml);
  if (read.size >= mostRead) read.clear();
  read.set(xml, found);
  return found;
}

/** What is known of this app now; undefined where it does not speak SAML. */
export async function serviceProvider(
  tx: Tx,
  application: Application,
): Promise<ServiceProvider | undefined> {
  const { saml } = application.settings;
  if (!saml) return undefined;
  const metadata = await goodMetadata(tx, application.id, saml);
  const given = saml.certificates.flatMap((text) => pemOf(text) ?? []);
  const verifiers = unique([...given, ...certificatesFor(metadata, 'signing')]);
  const [encryptFor] = [...given, ...certificatesFor(metadata, 'encryption')];
  return {
    application,
    saml,
    entityId: saml.entityId,
    acs: answerPlaces(application, saml, metadata),
    slo: signOutPlace(application, saml, metadata),
    verifiers,
    encryptFor,
    wantSignedRequests: saml.wantSignedRequests || (metadata?.authnRequestsSigned ?? false),
  };
}

/** The metadata of the settings, or the last good one that was fetched; none once its time is over. */
async function goodMetadata(tx: Tx, id: string, saml: SamlSettings): Promise<SpMetadata | undefined> {
  const { metadata: from } = saml;
  if (!from) return undefined;
  const row = from.url === undefined ? undefined : await store.metadataOf(tx, id);
  const xml = from.xml ?? (row?.url === from.url ? row?.xml : undefined);
  if (!xml) return undefined;
  try {
    const found = knownMetadata(xml);
    const over = found.validUntil !== undefined && found.validUntil <= tx.now();
    return over || found.entityId !== saml.entityId ? undefined : found;
  } catch (error) {
    if (error instanceof SamlRefusal) return undefined;
    throw error;
  }
}

/** Certificates for one use; one of no stated use is for both (saml-metadata 2.4.1.1). */
function certificatesFor(metadata: SpMetadata | undefined, use: 'signing' | 'encryption'): string[] {
  return (metadata?.certificates ?? [])
    .filter((one) => one.use === 'both' || one.use === use)
    .flatMap((one) => pemOf(one.pem) ?? []);
}

function pemOf(text: string): string | undefined {
  return readCertificate(text)?.toString();
}

function unique(list: string[]): string[] {
  return [...new Set(list)];
}

function isAllowed(application: Application, url: string): boolean {
  return /^https?:/i.test(url) && isReturnUri(url, { privateHttp: application.settings.privateHttp });
}

export function answerPlaces(
  application: Application,
  saml: SamlSettings,
  metadata: SpMetadata | undefined,
): AnswerPlace[] {
  const set = saml.acsUrls.map((url, index) => ({ url, index, isDefault: index === 0 }));
  const published = (metadata?.acs ?? [])
    .filter((one) => one.binding === BINDING.post && isAllowed(application, one.url))
    .filter((one) => !saml.acsUrls.includes(one.url))
    .map(({ url, index, isDefault }) => ({ url, index, isDefault: isDefault === true && set.length === 0 }));
  return [...set, ...published];
}

function signOutPlace(
  application: Application,
  saml: SamlSettings,
  metadata: SpMetadata | undefined,
): SignOutPlace | undefined {
  if (saml.sloUrl) {
    const responseUrl = saml.sloResponseUrl ?? saml.sloUrl;
    return { url: saml.sloUrl, binding: saml.sloBinding, responseUrl };
  }
  const bindings = { redirect: BINDING.redirect, post: BINDING.post } as const;
  for (const binding of ['redirect', 'post'] as const) {
    const found = metadata?.slo.find(
      (one) =>
        one.binding === bindings[binding] &&
        [one.url, one.responseUrl ?? one.url].every((url) => isAllowed(application, url)),
    );
    if (found) return { url: found.url, binding, responseUrl: found.responseUrl ?? found.url };
  }
  return undefined;
}

/**
 * Where this request may be answered: the address it names, if it is one of the app's letter by letter, the one with the
 * index it names, or the app's own first choice. Undefined = nowhere (SA-12).
 */
export function answerPlace(
  { acs }: Pick<ServiceProvider, 'acs'>,
  asked: { acsUrl?: string; acsIndex?: number },
): string | undefined {
  if (asked.acsUrl !== undefined) return acs.find((one) => one.url === asked.acsUrl)?.url;
  if (asked.acsIndex !== undefined) return acs.find((one) => one.index === asked.acsIndex)?.url;
  return (acs.find((one) => one.isDefault) ?? acs[0])?.url;
}
