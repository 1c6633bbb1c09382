/**
 * Messages of apps, believed or turned away: from a known app that is on, for us, fresh, signed where that is asked or
 * where a signature is there, never seen before. What comes out of here was read from verified bytes where it was signed.
 */
import { createHash } from 'node:crypto';
import type { Element } from '@xmldom/xmldom';
import type { FastifyRequest } from 'fastify';
import { applicationByEntity } from '#core/applications/applications.ts';
import { Problem } from '#core/problem.ts';
import type { Tx } from '#kit/db/tx.ts';
import { decodePost, decodeRedirect, type Received } from '#wire/saml/bindings.ts';
import { checkMessage, type Header, readHeader } from '#wire/saml/messages.ts';
import { SamlRefusal } from '#wire/saml/refusal.ts';
import { MESSAGE_LIMIT } from '#wire/saml/saml.ts';
import { isSigned, verifyRedirect, verifySigned } from '#wire/saml/signature.ts';
import { type Name, parseXml } from '#wire/saml/xml.ts';
import { Turned } from './pages.ts';
import { maxAgeSeconds, skewSeconds } from './place.ts';
import { type ServiceProvider, serviceProvider } from './service.ts';
import * as store from './store.ts';

/** A message as it came, with what its signature is over. */
export interface Incoming extends Received {
  /** The query exactly as it came; undefined for a form. */
  rawQuery?: string;
}

/** Reads the message of a request, from the query or the form. Throws SamlRefusal. */
export function incoming(request: FastifyRequest): Incoming {
  if (request.method === 'POST') {
    return decodePost(
      Object.fromEntries(request.form.names().map((name) => [name, request.form.text(name)])),
    );
  }
  const { url = '' } = request.raw;
  const rawQuery = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  return { ...decodeRedirect(rawQuery), rawQuery };
}

export interface Expectation<Read extends Header> {
  kind: Name;
  read(element: Element): Read & { notOnOrAfter?: Date };
  destinations: readonly string[];
  /** `app` = as the app's settings say; a message that ends sessions must always be. */
  signed: 'always' | 'app';
}

export interface Believed<Read> {
  sp: ServiceProvider;
  message: Read;
}

/**
 * Believes a message or throws `SamlRefusal`, `Turned` or `Problem`. It is used up by that: the same id of the same app
 * is turned away from now on, on every node (SA-09).
 */
export async function believe<Read extends Header>(
  tx: Tx,
  given: Incoming,
  expected: Expectation<Read>,
): Promise<Believed<Read>> {
  const document = parseXml(given.xml, { maxBytes: MESSAGE_LIMIT });
  const root = document.documentElement;
  if (!root) throw new SamlRefusal('not-xml');
  // Only to find whose keys count; what is acted on is read again below.
  const { issuer } = readHeader(root, expected.kind);
  const sp = await knownProvider(tx, issuer);
  const byQuery = given.rawQuery !== undefined;
  const hasSignature = byQuery ? given.hasSignature : isSigned(root);
  const needed = expected.signed === 'always' || sp.wantSignedRequests;
  if (needed && !hasSignature) throw new SamlRefusal('unsigned');
  // An app without a certificate cannot prove anything by signing; what it sends counts as unsigned.
  const signed = hasSignature && (needed || sp.verifiers.length > 0);
  let element = root;
  if (signed && byQuery) {
    if (!verifyRedirect(given.rawQuery ?? '', sp.verifiers)) throw new SamlRefusal('signature');
  } else if (signed)
    element = verifySigned(document, { rootName: expected.kind, certificates: sp.verifiers });
  const message = expected.read(element);
  const place = { now: tx.now(), skewSeconds, maxAgeSeconds, destinations: expected.destinations, signed };
  checkMessage(message, { ...place, issuer: sp.entityId });
  await useUp(tx, sp, message);
  return { sp, message };
}

/** The app with this entity id, if it speaks SAML and is on (SA-12). */
async function knownProvider(tx: Tx, entityId: string): Promise<ServiceProvider> {
  const application = await applicationByEntity(tx, entityId);
  const sp = application && (await serviceProvider(tx, application));
  if (!sp) throw new Turned('errorUnknown', 'unknown-service-provider', 404);
  if (!sp.application.settings.enabled) throw new Problem('application-disabled');
  return sp;
}

async function useUp(tx: Tx, sp: ServiceProvider, message: Header): Promise<void> {
  const until = message.issueInstant.getTime() + (maxAgeSeconds + 2 * skewSeconds) * 1000;
  const id = createHash('sha256').update(message.id).digest();
  const isFirst = await store.useMessage(tx, sp.application.id, id, new Date(until));
  if (!isFirst) throw new Turned('errorUsed', 'message-seen-before', 410);
}
