/** Ending sessions elsewhere (saml-core 3.7, saml-profiles 4.4). What is signed is the binding's matter. */
import type { Element } from '@xmldom/xmldom';
import {
  type Header,
  headerAttributes,
  instant,
  issuerMarkup,
  type Making,
  type NameId,
  nameIdMarkup,
  readHeader,
  readNameId,
  readStatus,
  type Status,
  statusMarkup,
} from './messages.ts';
import { refuse } from './refusal.ts';
import { attributeOf, child, children, momentOf, onlyChild, textOf, xml } from './xml.ts';

export interface LogoutRequest extends Header {
  /** After this the sender does not care any more; `checkMessage` looks at it. */
  notOnOrAfter?: Date;
  reason?: string;
  nameId: NameId;
  /** Which sessions of that person; none means all of them. */
  sessionIndexes: string[];
}

/** Reads a LogoutRequest. It must have been signed (SA-14): from `verifySigned`, or after `verifyRedirect`. */
export function readLogoutRequest(element: Element): LogoutRequest {
  const header = readHeader(element, 'samlp:LogoutRequest');
  if (child(element, 'saml:EncryptedID')) refuse('name-id', 'EncryptedID');
  const sessionIndexes = children(element, 'samlp:SessionIndex').map((one) => textOf(one).trim());
  if (sessionIndexes.length > 100) refuse('too-complex');
  return {
    ...header,
    notOnOrAfter: momentOf(element, 'NotOnOrAfter'),
    reason: attributeOf(element, 'Reason'),
    nameId: readNameId(onlyChild(element, 'saml:NameID')),
    sessionIndexes,
  };
}

export interface LogoutRequestToMake extends Making {
  nameId: NameId;
  sessionIndexes?: readonly string[];
  notOnOrAfter?: Date;
  reason?: string;
}

/** A LogoutRequest, not signed yet. */
export function makeLogoutRequest(made: LogoutRequestToMake): string {
  const attributes = {
    ...headerAttributes(made),
    NotOnOrAfter: made.notOnOrAfter && instant(made.notOnOrAfter),
    Reason: made.reason,
  };
  return xml('samlp:LogoutRequest', attributes, [
    issuerMarkup(made.issuer),
    nameIdMarkup(made.nameId),
    ...(made.sessionIndexes ?? []).map((one) => xml('samlp:SessionIndex', {}, one)),
  ]).markup;
}

export interface LogoutResponse extends Header, Status {
  inResponseTo?: string;
}

/** Reads a LogoutResponse; whoever asked compares `inResponseTo`. */
export function readLogoutResponse(element: Element): LogoutResponse {
  const header = readHeader(element, 'samlp:LogoutResponse');
  return { ...header, inResponseTo: attributeOf(element, 'InResponseTo'), ...readStatus(element) };
}

export interface LogoutResponseToMake extends Making, Status {
  inResponseTo?: string;
}

/** A LogoutResponse, not signed yet. `STATUS.partialLogout` below success says that not everybody ended. */
export function makeLogoutResponse(made: LogoutResponseToMake): string {
  const attributes = { ...headerAttributes(made), InResponseTo: made.inResponseTo };
  return xml('samlp:LogoutResponse', attributes, [issuerMarkup(made.issuer), statusMarkup(made)]).markup;
}
