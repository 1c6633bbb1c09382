/** Asking for a sign-on (saml-core 3.4, saml-profiles 4.1.4.1). */
import type { Element } from '@xmldom/xmldom';
import {
  type Header,
  headerAttributes,
  issuerMarkup,
  type Making,
  type NameId,
  nameIdMarkup,
  readHeader,
  readNameId,
} from './messages.ts';
import { refuse } from './refusal.ts';
import { BINDING } from './saml.ts';
import { attributeOf, child, children, flagOf, textOf, xml } from './xml.ts';

export type Comparison = 'exact' | 'minimum' | 'maximum' | 'better';

export interface RequestedAuthnContext {
  comparison: Comparison;
  /** In the order of preference. Declarations in place of classes are not understood: the list is empty then. */
  classRefs: string[];
}

/** Everything in it is a wish of the other side; only `id` and `issuer` and what its metadata says count. */
export interface AuthnRequest extends Header {
  /** To be compared with the metadata, never followed. */
  acsUrl?: string;
  acsIndex?: number;
  protocolBinding?: string;
  nameIdFormat?: string;
  spNameQualifier?: string;
  allowCreate?: boolean;
  forceAuthn: boolean;
  isPassive: boolean;
  requestedAuthnContext?: RequestedAuthnContext;
  /** Whom it is about: a hint for the sign-in page. */
  subject?: NameId;
}

/** Reads an AuthnRequest, from `parseXml` or, where it is signed, from `verifySigned`. */
export function readAuthnRequest(element: Element): AuthnRequest {
  const header = readHeader(element, 'samlp:AuthnRequest');
  const policy = child(element, 'samlp:NameIDPolicy');
  const subject = child(element, 'saml:Subject');
  const named = subject && child(subject, 'saml:NameID');
  if (subject && child(subject, 'saml:EncryptedID')) refuse('name-id', 'EncryptedID');
  const acsUrl = attributeOf(element, 'AssertionConsumerServiceURL');
  const acsIndex = indexOf(element);
  if (acsUrl !== undefined && acsIndex !== undefined) refuse('shape', 'an address and an index');
  return {
    ...header,
    acsUrl,
    acsIndex,
    protocolBinding: attributeOf(element, 'ProtocolBinding'),
    nameIdFormat: policy && attributeOf(policy, 'Format'),
    spNameQualifier: policy && attributeOf(policy, 'SPNameQualifier'),
    allowCreate: policy && flagOf(policy, 'AllowCreate'),
    forceAuthn: flagOf(element, 'ForceAuthn') ?? false,
    isPassive: flagOf(element, 'IsPassive') ?? false,
    requestedAuthnContext: readContext(child(element, 'samlp:RequestedAuthnContext')),
    subject: named && readNameId(named),
  };
}

function indexOf(element: Element): number | undefined {
  const value = attributeOf(element, 'AssertionConsumerServiceIndex')?.trim();
  if (value === undefined) return undefined;
  return /^\d{1,5}$/.test(value) ? Number(value) : refuse('shape', `index ${value}`);
}

/** saml-core 3.3.2.2.1. */
function readContext(element: Element | undefined): RequestedAuthnContext | undefined {
  if (!element) return undefined;
  const comparison = attributeOf(element, 'Comparison') ?? 'exact';
  if (!/^(?:exact|minimum|maximum|better)$/.test(comparison)) refuse('shape', `Comparison ${comparison}`);
  const classRefs = children(element, 'saml:AuthnContextClassRef').map((one) => textOf(one).trim());
  if (classRefs.length > 50) refuse('too-complex');
  return { comparison: comparison as Comparison, classRefs };
}

export interface AuthnRequestToMake extends Making {
  acsUrl: string;
  /** How the answer shall come; POST unless said. */
  protocolBinding?: string;
  nameIdFormat?: string;
  allowCreate?: boolean;
  forceAuthn?: boolean;
  isPassive?: boolean;
  requestedAuthnContext?: RequestedAuthnContext;
  subject?: NameId;
  /** How we call ourselves, for people. */
  providerName?: string;
}

/** An AuthnRequest to an identity provider, not signed yet: `encodeRedirect` or `signElement` does that. */
export function makeAuthnRequest(made: AuthnRequestToMake): string {
  const flag = (value: boolean | undefined) => (value ? 'true' : undefined);
  const context = made.requestedAuthnContext;
  const attributes = {
    ...headerAttributes(made),
    ProviderName: made.providerName,
    AssertionConsumerServiceURL: made.acsUrl,
    ProtocolBinding: made.protocolBinding ?? BINDING.post,
    ForceAuthn: flag(made.forceAuthn),
    IsPassive: flag(made.isPassive),
  };
  return xml('samlp:AuthnRequest', attributes, [
    issuerMarkup(made.issuer),
    made.subject && xml('saml:Subject', {}, nameIdMarkup(made.subject)),
    xml('samlp:NameIDPolicy', { Format: made.nameIdFormat, AllowCreate: flag(made.allowCreate ?? true) }),
    context &&
      xml(
        'samlp:RequestedAuthnContext',
        { Comparison: context.comparison },
        context.classRefs.map((one) => xml('saml:AuthnContextClassRef', {}, one)),
      ),
  ]).markup;
}
