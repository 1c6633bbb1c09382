/** Who is who: metadata made for our two roles, and read from others (saml-metadata 2). */
import type { Document, Element } from '@xmldom/xmldom';
import { base64Of } from './base64.ts';
import { instant } from './messages.ts';
import { refuse } from './refusal.ts';
import { METADATA_LIMIT, NS } from './saml.ts';
import { bareCertificate, certificateFacts, type Signer, signElement, verifySigned } from './signature.ts';
import {
  attributeOf,
  child,
  children,
  flagOf,
  isNamed,
  type Markup,
  momentOf,
  type Name,
  neededAttribute,
  parseXml,
  textOf,
  xml,
} from './xml.ts';

const protocol = NS.samlp;

export interface Endpoint {
  url: string;
  binding: string;
  /** Where answers go, when not to `url`. */
  responseUrl?: string;
}

export interface IndexedEndpoint {
  url: string;
  binding: string;
  index: number;
  isDefault: boolean;
}

export interface Certificate {
  /** What the other side uses the key for; both when it does not say. */
  use: 'signing' | 'encryption' | 'both';
  pem: string;
}

/** What both kinds of description have. */
export interface EntityMetadata {
  entityId: string;
  slo: Endpoint[];
  /** In the order given. `certificateFacts` tells their dates: expired ones are reported, not left out. */
  certificates: Certificate[];
  nameIdFormats: string[];
  /** The earliest end that is written anywhere above or at the description. */
  validUntil?: Date;
  /** A name for people, when there is one. */
  displayName?: string;
}

export interface SpMetadata extends EntityMetadata {
  acs: IndexedEndpoint[];
  wantAssertionsSigned: boolean;
  authnRequestsSigned: boolean;
}

export interface IdpMetadata extends EntityMetadata {
  sso: Endpoint[];
  wantAuthnRequestsSigned: boolean;
}

export interface ReadMetadataOptions {
  /** Which one, where a file describes several. */
  entityId?: string;
  /** When given, the file must be signed by one of these (PEM), and only what was signed is read. */
  certificates?: readonly string[];
  /** When given, a description whose `validUntil` has passed is refused. */
  now?: Date;
}

/** Reads the description of a service provider, at most 2 MB. Throws `SamlRefusal`. */
export function readSpMetadata(text: string, options: ReadMetadataOptions = {}): SpMetadata {
  const { role, common } = readEntity(text, 'md:SPSSODescriptor', options);
  const acs = children(role, 'md:AssertionConsumerService').map((element, place) => {
    const index = attributeOf(element, 'index') ?? String(place);
    if (!/^\d{1,5}$/.test(index)) refuse('shape', `index ${index}`);
    const isDefault = flagOf(element, 'isDefault') ?? false;
    return { ...readEndpoint(element), index: Number(index), isDefault };
  });
  if (acs.length === 0) refuse('shape', 'no AssertionConsumerService');
  return {
    ...common,
    acs,
    wantAssertionsSigned: flagOf(role, 'WantAssertionsSigned') ?? false,
    authnRequestsSigned: flagOf(role, 'AuthnRequestsSigned') ?? false,
  };
}

/** Reads the description of an identity provider, at most 2 MB. Throws `SamlRefusal`. */
export function readIdpMetadata(text: string, options: ReadMetadataOptions = {}): IdpMetadata {
  const { role, common } = readEntity(text, 'md:IDPSSODescriptor', options);
  const sso = children(role, 'md:SingleSignOnService').map(readEndpoint);
  if (sso.length === 0) refuse('shape', 'no SingleSignOnService');
  if (!common.certificates.some(({ use }) => use !== 'encryption')) refuse('shape', 'no signing certificate');
  return { ...common, sso, wantAuthnRequestsSigned: flagOf(role, 'WantAuthnRequestsSigned') ?? false };
}

function readEntity(text: string, kind: Name, options: ReadMetadataOptions) {
  const document = parseXml(text, { maxBytes: METADATA_LIMIT, comments: 'drop' });
  const root = verifiedRoot(document, options.certificates);
  const found = entitiesOf(root).filter(
    (entity) => roleOf(entity, kind) && (options.entityId ?? entity.id) === entity.id,
  );
  if (found.length !== 1) refuse('root', `${found.length} descriptions of that kind`);
  const entity = found[0]!;
  const role = roleOf(entity, kind)!;
  const ends = [...entity.ends, momentOf(role, 'validUntil')].filter((end) => end !== undefined);
  const validUntil = ends.sort((one, other) => one.getTime() - other.getTime())[0];
  if (options.now && validUntil && validUntil <= options.now) refuse('expired', validUntil.toISOString());
  const common: EntityMetadata = {
    entityId: entity.id,
    slo: children(role, 'md:SingleLogoutService').map(readEndpoint),
    certificates: readCertificates(role),
    nameIdFormats: children(role, 'md:NameIDFormat').map((one) => textOf(one).trim()),
    validUntil,
    displayName: displayNameOf(entity.element),
  };
  return { role, common };
}

function verifiedRoot(document: Document, certificates?: readonly string[]): Element {
  const root = document.documentElement ?? refuse('not-xml');
  const kinds: Name[] = ['md:EntityDescriptor', 'md:EntitiesDescriptor'];
  const rootName = kinds.find((name) => isNamed(root, name)) ?? refuse('root', root.tagName);
  return certificates ? verifySigned(document, { rootName, certificates }) : root;
}

interface Entity {
  id: string;
  element: Element;
  ends: (Date | undefined)[];
}

/** Groups stand inside groups (saml-metadata 2.3.1); how deep, the parser has bounded. */
function entitiesOf(root: Element, above: (Date | undefined)[] = []): Entity[] {
  const ends = [...above, momentOf(root, 'validUntil')];
  if (isNamed(root, 'md:EntityDescriptor')) {
    const id = neededAttribute(root, 'entityID');
    return id.length > 1024 ? refuse('shape', 'entityID') : [{ id, element: root, ends }];
  }
  return children(root)
    .filter((one) => isNamed(one, 'md:EntityDescriptor') || isNamed(one, 'md:EntitiesDescriptor'))
    .flatMap((one) => entitiesOf(one, ends));
}

/** The description for SAML 2.0; those of older protocols are passed by. */
function roleOf(entity: Entity, kind: Name): Element | undefined {
  const roles = children(entity.element, kind).filter((role) =>
    (attributeOf(role, 'protocolSupportEnumeration') ?? '').split(/\s+/).includes(protocol),
  );
  return roles.length > 1 ? refuse('shape', `${roles.length} of ${kind}`) : roles[0];
}

/** Only addresses a browser may be sent to: https, or http (for this machine; the front decides which hosts). */
function readEndpoint(element: Element): Endpoint {
  const responseUrl = attributeOf(element, 'ResponseLocation');
  const endpoint = {
    url: checkedUrl(neededAttribute(element, 'Location')),
    binding: neededAttribute(element, 'Binding'),
  };
  return responseUrl === undefined ? endpoint : { ...endpoint, responseUrl: checkedUrl(responseUrl) };
}

function checkedUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : refuse('shape', value);
  const plain = url.protocol === 'https:' || url.protocol === 'http:';
  if (!plain || url.username || url.password || value.length > 2048) refuse('shape', value);
  return value;
}

/** X.509 certificates in KeyDescriptors; this is the one place where a key is taken from XML, by an administrator. */
function readCertificates(role: Element): Certificate[] {
  return children(role, 'md:KeyDescriptor').flatMap((descriptor) => {
    const use = attributeOf(descriptor, 'use');
    if (use !== undefined && use !== 'signing' && use !== 'encryption') refuse('shape', `use ${use}`);
    const info = child(descriptor, 'ds:KeyInfo');
    const all = info
      ? children(info, 'ds:X509Data').flatMap((one) => children(one, 'ds:X509Certificate'))
      : [];
    return all.map((one) => {
      const pem = pemOf(base64Of(textOf(one)));
      certificateFacts(pem);
      return { use: use ?? ('both' as const), pem };
    });
  });
}

/** DER as PEM. */
function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function displayNameOf(entity: Element): string | undefined {
  const organisation = child(entity, 'md:Organization');
  const names = organisation ? children(organisation, 'md:OrganizationDisplayName') : [];
  return names[0] && textOf(names[0]).trim().slice(0, 200);
}

interface EntityToMake {
  /** An xs:ID. */
  id: string;
  entityId: string;
  slo: readonly Endpoint[];
  /** PEM; several while keys change (SA-17), the one in use first. */
  certificates: readonly string[];
  nameIdFormats?: readonly string[];
  validUntil?: Date;
  displayName?: string;
  /** A home page, needed beside `displayName`. */
  homeUrl?: string;
  /** Signs the description when given. */
  sign?: Signer;
}

export interface IdpMetadataToMake extends EntityToMake {
  sso: readonly Endpoint[];
  wantAuthnRequestsSigned: boolean;
}

export interface SpMetadataToMake extends EntityToMake {
  acs: readonly IndexedEndpoint[];
  wantAssertionsSigned: boolean;
  authnRequestsSigned: boolean;
}

/** The description of an identity provider (saml-metadata 2.4.3). */
export function makeIdpMetadata(made: IdpMetadataToMake): string {
  const attributes = {
    WantAuthnRequestsSigned: String(made.wantAuthnRequestsSigned),
    protocolSupportEnumeration: protocol,
  };
  const role = xml('md:IDPSSODescriptor', attributes, [
    ...made.certificates.map((pem) => keyMarkup('signing', pem)),
    ...made.slo.map((one) => endpointMarkup('md:SingleLogoutService', one)),
    ...(made.nameIdFormats ?? []).map((one) => xml('md:NameIDFormat', {}, one)),
    ...made.sso.map((one) => endpointMarkup('md:SingleSignOnService', one)),
  ]);
  return entityText(made, role);
}

/** The description of a service provider (saml-metadata 2.4.4): the same keys sign and decrypt. */
export function makeSpMetadata(made: SpMetadataToMake): string {
  const attributes = {
    AuthnRequestsSigned: String(made.authnRequestsSigned),
    WantAssertionsSigned: String(made.wantAssertionsSigned),
    protocolSupportEnumeration: protocol,
  };
  const role = xml('md:SPSSODescriptor', attributes, [
    ...made.certificates.flatMap((pem) => [keyMarkup('signing', pem), keyMarkup('encryption', pem)]),
    ...made.slo.map((one) => endpointMarkup('md:SingleLogoutService', one)),
    ...(made.nameIdFormats ?? []).map((one) => xml('md:NameIDFormat', {}, one)),
    ...made.acs.map((one) =>
      xml('md:AssertionConsumerService', {
        Binding: one.binding,
        Location: one.url,
        index: String(one.index),
        isDefault: one.isDefault ? 'true' : undefined,
      }),
    ),
  ]);
  return entityText(made, role);
}

function entityText(made: EntityToMake, role: Markup): string {
  const attributes = {
    'xmlns:md': NS.md,
    ID: made.id,
    entityID: made.entityId,
    validUntil: made.validUntil && instant(made.validUntil),
  };
  const text = xml('md:EntityDescriptor', attributes, [role, organisationMarkup(made)]).markup;
  return made.sign ? signElement(text, { id: made.id, ...made.sign }) : text;
}

/** saml-metadata 2.3.2.1: all three parts or none. */
function organisationMarkup({ displayName, homeUrl }: EntityToMake): Markup | undefined {
  if (displayName === undefined || homeUrl === undefined) return undefined;
  const language = { 'xml:lang': 'en' };
  return xml('md:Organization', {}, [
    xml('md:OrganizationName', language, displayName),
    xml('md:OrganizationDisplayName', language, displayName),
    xml('md:OrganizationURL', language, homeUrl),
  ]);
}

function keyMarkup(use: 'signing' | 'encryption', pem: string): Markup {
  const certificate = xml('ds:X509Certificate', {}, bareCertificate(pem));
  const info = xml('ds:KeyInfo', { 'xmlns:ds': NS.ds }, xml('ds:X509Data', {}, certificate));
  const methods =
    use === 'signing'
      ? []
      : [
          'http://www.w3.org/2009/xmlenc11#aes256-gcm',
          'http://www.w3.org/2009/xmlenc11#aes128-gcm',
          'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
        ];
  return xml('md:KeyDescriptor', { use }, [
    info,
    ...methods.map((one) => xml('md:EncryptionMethod', { Algorithm: one })),
  ]);
}

function endpointMarkup(name: string, { url, binding, responseUrl }: Endpoint): Markup {
  return xml(name, { Binding: binding, Location: url, ResponseLocation: responseUrl });
}
