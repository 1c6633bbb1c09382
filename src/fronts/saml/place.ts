/** Who we are and where we are reached, in every message. */
import { randomToken } from '#kit/crypto/ids.ts';
import { NAME_ID } from '#wire/saml/saml.ts';

export const paths = {
  metadata: '/saml/metadata',
  sso: '/saml/sso',
  launch: '/saml/launch',
  test: '/saml/test',
  slo: '/saml/slo',
  next: '/saml/slo/next',
} as const;

export interface Ourselves {
  /** What apps call us; our metadata is found there. */
  entityId: string;
  sso: string;
  slo: string;
  /** Addresses a message to us may name as its destination. */
  ssoPlaces: readonly string[];
  sloPlaces: readonly string[];
  /** What certificates are made out to. */
  host: string;
}

/** Ourselves by issuer and address; the two are the same but behind proxies that rename. */
export function ourselves({ issuer, publicUrl }: { issuer: URL; publicUrl: URL }): Ourselves {
  const at = (base: URL, path: string) => `${base.href.replace(/\/$/, '')}${path}`;
  const both = (path: string) => [...new Set([at(publicUrl, path), at(issuer, path)])];
  return {
    entityId: at(issuer, paths.metadata),
    sso: at(publicUrl, paths.sso),
    slo: at(publicUrl, paths.slo),
    ssoPlaces: both(paths.sso),
    sloPlaces: both(paths.slo),
    host: issuer.hostname,
  };
}

/** An id of a message: nobody guesses it. */
export function newMessageId(): string {
  return `_${randomToken(20)}`;
}

/** The kinds of names there are here. */
export const nameIdFormats = [
  NAME_ID.persistent,
  NAME_ID.transient,
  NAME_ID.emailAddress,
  NAME_ID.unspecified,
] as const;

/** How far clocks may differ, and how old a message may be. */
export const skewSeconds = 60;
export const maxAgeSeconds = 300;
